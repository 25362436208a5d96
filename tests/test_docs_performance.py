"""docs/performance.md shows the figures that are kept, and the README some of them."""

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> str:
    return page_of("speed.json", monkeypatch)


def page_of(figures: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for folder in ("benchmarks/speed", "benchmarks"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    try:
        report: Any = import_module("report")
        return str(report.page(report.read(ROOT / "benchmarks/results" / figures)))
    finally:
        for name in ("report", "scenes", "callers", "servers", "talker"):
            sys.modules.pop(name, None)


def test_the_page_has_the_table_that_was_measured(table: str) -> None:
    assert table.strip() in (ROOT / "docs/performance.md").read_text()


def test_the_page_has_what_a_slower_machine_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = page_of("speed-slower.json", monkeypatch)
    reached = whole[whole.index("| target | measured |") :]
    assert reached.strip() in (ROOT / "docs/performance.md").read_text()


def test_the_readmes_figures_are_the_pages(table: str) -> None:
    section = (ROOT / "README.md").read_text().partition("## How fast")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| (.+) \|$", section, re.MULTILINE)
    assert len(rows) >= 4
    for label, cells in rows:
        assert f"| {label} | {cells} |" in table
