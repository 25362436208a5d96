"""The catalogue of faults, read from `catalogue.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

SECTIONS: Final = {
    "A": "frames and protocol",
    "B": "transport",
    "C": "model",
    "D": "tools, reload, prompts",
    "E": "store",
    "F": "process",
    "G": "security",
}
COUNT: Final = {"A": 32, "B": 10, "C": 22, "D": 17, "E": 11, "F": 14, "G": 26}
"""How many faults each section has."""


class Fault(BaseModel):
    """One thing that goes wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trigger: str
    required: str
    shown: tuple[str, ...] = ()
    """Tests (`tests/….py::test_…`), files and targets of make (`make soak`) that show it."""
    why: str = ""
    """Why no case of the runner does."""
    open: bool = False
    """Whether nothing shows it, yet."""


@cache
def catalogue() -> Mapping[str, Fault]:
    """Every fault, by its id."""
    text = Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8")
    return {id_: Fault.model_validate(table) for id_, table in tomllib.loads(text).items()}
