"""The count of faults at the end of a test run (a plug-in of pytest's: see tests/conftest.py)."""

from collections import Counter
from typing import Any

from tests.faults.catalogue import COUNT, SECTIONS, catalogue


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was played, if anything was."""
    lines = count_of(
        [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    )
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.line(line)


def count_of(reports: list[Any]) -> list[str]:
    """Count cases and oracles by section, what is shown elsewhere, and what is open."""
    cases, failed, ids, oracles = Counter[str](), Counter[str](), set[str](), 0
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == "fault" and getattr(report, "when", "") == "call":
                id_, asked = value
                cases[id_[0]] += 1
                failed[id_[0]] += report.failed
                ids.add(id_)
                oracles += asked
    if not cases:
        return []
    lines = [
        f"{section}  {SECTIONS[section]:<24} {cases[section]:4} cases of "
        f"{len({id_ for id_ in ids if id_[0] == section})}/{COUNT[section]} faults"
        + (f", {failed[section]} failed" if failed[section] else "")
        for section in sorted(cases)
    ]
    elsewhere = [id_ for id_, fault in catalogue().items() if fault.shown]
    still = [id_ for id_, fault in catalogue().items() if fault.open]
    return [
        *lines,
        f"{cases.total()} cases, after which oracles were asked {oracles} times; "
        f"{len(elsewhere)} faults are shown elsewhere",
        *([f"{len(still)} are open: {' '.join(still)}"] if still else []),
    ]
