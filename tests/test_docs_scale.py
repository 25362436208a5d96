"""docs/scale.md shows the figures that are kept, and they are of the costs that were measured."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.held.targets import TARGETS, missed, table
from benchmarks.scaling.costs import RESULTS, Costs
from benchmarks.scaling.needs import Centre, needs
from benchmarks.scaling.page import page
from benchmarks.scaling.reckoning import CURVE, DAY_SHARE
from benchmarks.scaling.talk import Talk

PAGE = (Path(__file__).parents[1] / "docs/scale.md").read_text()


def kept(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / name).read_text())
    return found


def test_the_page_has_each_table_that_was_reckoned() -> None:
    tables = page(kept("scale.json")).split("\n\n")

    assert len(tables) == 7
    for reckoned in tables:
        assert reckoned in PAGE


def test_the_page_has_the_held_figures_that_were_measured() -> None:
    held = kept("held.json")

    assert table(held) in PAGE
    assert len(table(held).splitlines()) == 2 + len(TARGETS)


def test_what_was_reckoned_follows_from_what_was_measured() -> None:
    reckoned = kept("scale.json")
    does = Talk(**reckoned["talk"])

    assert reckoned["costs"] == asdict(Costs.read())
    assert reckoned["centre"] == asdict(Centre())
    again = [asdict(needs(calls, Costs.read(), Centre(), does, DAY_SHARE)) for calls in CURVE]
    assert reckoned["curve"] == again


def test_a_figure_beyond_its_target_is_missed() -> None:
    about = {"began": "2026-11-21T12:00", "load_before": 1.0, "load_after": 1.0}
    held: dict[str, Any] = {"about": {"idle": about}, "figures": {"idle": {"bytes": [33 * 1024.0]}}}

    assert missed(held)
    assert "**not met**" in table(held)
    held["figures"]["idle"]["bytes"] = [31 * 1024.0]
    assert not missed(held)
