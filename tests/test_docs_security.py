"""docs/security.md answers every fault, and names tests and files that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/security.md").read_text()
TABLE = TEXT.partition("<!-- faults -->\n")[2].partition("<!-- /faults -->")[0]
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines()[2:]]
TESTS = {
    name
    for file in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
}


def test_every_fault_has_its_row() -> None:
    assert [row[0].split()[0] for row in ROWS] == [f"G{number}" for number in range(1, 27)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0].split()[0]))
def test_a_row_names_files_and_tests_that_there_are(row: list[str]) -> None:
    _, what, where, shown, *_ = row
    assert what
    files = re.findall(r"`([^`]+)`", where)
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []
    tests = re.findall(r"`([^`]+)`", shown)
    assert tests
    assert [test for test in tests if test not in TESTS] == []
