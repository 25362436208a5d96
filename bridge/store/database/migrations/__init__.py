"""How the tables came to be, step by step; each file in `versions` is one."""

from typing import Final

REVISIONS: Final = ("0001",)
"""Oldest first. Known without Alembic, whose import takes half a second."""
