"""Databases for commands that read the record: the fixtures of the store's own tests."""

from tests.store.conftest import *  # noqa: F403 - fixtures, by name
