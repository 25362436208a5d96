from pathlib import Path
from xml.etree import ElementTree as ET

from bridge.scenarios.junit import junit
from bridge.scenarios.outcome import Finding, Outcome, ToolUsed, TurnResult
from bridge.scenarios.page import details, headline
from bridge.scenarios.repeats import Played, Repeats

GREETED = TurnResult(turn=0, line=1, did="greeting", said="Hello.")
FAILED = TurnResult(
    turn=1,
    line=4,
    did="say",
    asked="Where\x1b[2J is it?",
    said="Tomorrow & <soon>\x00.",
    heard="Tomorrow",
    interrupted=True,
    tools=(ToolUsed(name="look", arguments={"n": 1}, outcome="ok", result="there"),),
    findings=(Finding(line=6, expected="says.contains", problem='no "today"'),),
)


def outcome(*turns: TurnResult, remarks: tuple[str, ...] = ()) -> Outcome:
    file = Path("scenarios/a.yaml")
    told = {"file": file, "about": "", "model": "demo", "seconds": 12.34, "remarks": remarks}
    return Outcome(turns=(GREETED, *turns), **told)


PASSED = Repeats(runs=(outcome(),))
HALF = Repeats(runs=(outcome(FAILED), outcome()))


def test_what_failed_is_shown_with_what_was_said_and_the_line_that_expected_else() -> None:
    assert headline(HALF) == "1 of 2 passed (50%) · 0 turns · 12.3 s · demo"
    assert list(details(HALF)) == [
        "run 1 of 2",
        "scenarios/a.yaml:4: say: Where is it?",
        "  said: Tomorrow & <soon>.",
        "  heard: Tomorrow",
        "  tool: look(n=1) → ok: there",
        '  line 6: says.contains: no "today"',
    ]
    assert list(details(PASSED)) == []


def test_remarks_are_shown_once() -> None:
    remarked = outcome(remarks=("not judged",))
    assert list(details(Repeats(runs=(remarked, remarked)))) == ["not judged"]


def test_half_of_the_runs_are_enough_where_half_are_asked_for() -> None:
    assert not HALF.passed
    assert HALF.model_copy(update={"wanted": 0.5}).passed
    assert not Played(scenarios=(PASSED, HALF)).passed


def test_junit_has_a_case_for_each_scenario_and_no_character_that_breaks_xml() -> None:
    suites = ET.fromstring(junit([PASSED, HALF]))  # noqa: S314 - our own

    (suite,) = suites
    assert (suites.get("tests"), suites.get("failures")) == ("2", "1")
    passed, failed = suite
    assert passed.find("failure") is None
    assert (failed.get("classname"), failed.get("name")) == ("scenarios", "a")
    values = [p.get("value") for p in failed.iter("property") if p.get("name") == "pass_rate"]
    assert values == ["0.500"]
    told = failed.findtext("failure") or ""
    assert "Tomorrow & <soon>." in told
    assert 'line 6: says.contains: no "today"' in told
    assert float(failed.get("time") or 0) == 24.68
