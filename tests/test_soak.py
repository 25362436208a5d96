"""The soak's own arithmetic: what is lost is counted, what grows is seen, and the page is held."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soak import moods
from benchmarks.soak.page import PAGE, measured
from benchmarks.soak.running import errors_in
from benchmarks.soak.slope import slope, warm
from benchmarks.soak.tally import Asked, Tally
from benchmarks.soak.verdict import GROWS, LEFT, NEVER, found, table, violated
from bridge.local.answer import Answer, LineLost, Piece

ROOT = Path(__file__).parents[1]


def asked(code: str = "zobcdfgh", mood: str = "well", excuse: str = "") -> Asked:
    return Asked(Answer(1, 0.0), code, mood, excuse=excuse)


def heard(turn: Asked, text: str) -> Asked:
    turn.answer.hear(Piece(text, 1.0), end=True)
    return turn


def test_a_turn_without_an_end_is_lost_unless_somebody_wanted_that() -> None:
    tally = Tally()
    interrupted, late = asked(), heard(asked(), "Well, zobcdfgh.")
    for turn in (interrupted, late):
        turn.answer.silence("interrupted", 2.0)
    gone, overdue = asked(), asked()
    gone.answer.lose(LineLost())
    overdue.overdue = True
    overdue.answer.overtake(30.0)  # the caller went on, and asked something else

    for turn in (
        interrupted,
        late,
        gone,
        overdue,
        asked(),
        asked(excuse="cut"),
        asked(excuse="hung_up"),
    ):
        tally.take(turn)

    assert tally.outcomes == {
        "interrupted": 1,
        "answered": 1,  # before it was interrupted
        "lost": 3,
        "cut": 1,
        "hung_up": 1,
    }
    assert [told["wrong"] for told in tally.told] == ["lost"] * 3


def test_an_answer_must_be_ones_own_and_whole_where_nothing_was_in_its_way() -> None:
    tally = Tally()
    for text, mood in (
        ("Well, zobcdfgh.", "well"),
        ("I am sorry.", "broken"),
        ("I am sorry.", "well"),
        ("Well, zokkkkkk.", "well"),
    ):
        tally.take(heard(asked(mood=mood), text))

    assert tally.outcomes == {"answered": 4}
    assert tally.flaws == {"not_whole": 1, "foreign": 1}


def test_what_the_caller_says_tells_the_model_what_to_do() -> None:
    assert moods.read(moods.line("zobcdfgh", "mute")) == ("zobcdfgh", "mute")
    assert moods.read("[Interrupted.]\n" + moods.line("zobcdfgh", "long")) == ("zobcdfgh", "long")
    assert moods.read("Hello?") == ("nothing", "well")


def test_the_slope_is_that_of_the_straight_line() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == 2
    assert slope([(0, 0), (1, 1), (2, 0)]) == 0
    assert slope([(0, 5), (0, 7), (2, 5), (2, 7)]) == 0
    with pytest.raises(ValueError, match="too short"):
        slope([(1, 1), (1, 2)])
    assert warm([(0, 1), (4, 1), (5, 1), (10, 1)]) == [(4, 1), (5, 1), (10, 1)]


def kept(**also: Any) -> dict[str, Any]:
    level = {
        "memory": 1e8,
        "record": 3e6,
        "tasks": 20.0,
        "descriptors": 30.0,
        "threads": 9.0,
        "to_model": 2.0,
    }
    samples = [
        {"at": at, "calls": 0.0, "healthz": 0.01, "asked": 9, **level} for at in range(0, 600, 2)
    ]
    never = {name: 0 for name, _ in NEVER}
    run = {"never": never, "began": 0, "ended": 600, "calls": 600, "minutes": 10}
    return {**run, "samples": samples, **also}


def test_what_stays_level_and_loses_nothing_is_as_it_must_be() -> None:
    assert not violated(kept())
    assert "**not met**" not in table(kept())
    assert len(table(kept()).splitlines()) == 3 + len(NEVER) + len(GROWS) + len(LEFT)


@pytest.mark.parametrize("name", [name for name, *_ in GROWS])
def test_what_grows_is_seen(name: str) -> None:
    most = next(most for what, _, most, _ in GROWS if what == name)
    run = kept()
    for sample in run["samples"]:
        each = 60 if name == "memory" else 1  # of its calls, a minute
        sample[name] += 1.1 * most * each * sample["at"] / 60

    assert violated(run)
    unmet = [each.what for each in found(run) if not each.met]
    assert "grow" in unmet[0]


def test_memory_may_grow_with_the_record_as_far_as_sqlite_keeps_pages_of_it() -> None:
    run = kept()
    for sample in run["samples"]:
        sample["record"] = 5e4 * sample["at"]
        sample["memory"] += min(sample["record"], 16_000 * 1024)
    assert not violated(run)

    for sample in run["samples"]:
        sample["memory"] = 1e8 + sample["record"]
    assert violated(run)


@pytest.mark.parametrize("name", [name for name, _ in NEVER])
def test_what_must_never_be_is_seen(name: str) -> None:
    run = kept()
    run["never"][name] = 1

    assert violated(run)


@pytest.mark.parametrize("name", [name for name, _ in LEFT])
def test_what_is_left_at_the_end_is_seen(name: str) -> None:
    run = kept()
    run["samples"][-1][name] += 1

    assert violated(run)


def test_one_slow_answer_about_health_is_seen() -> None:
    run = kept()
    run["samples"][100]["healthz"] = 0.101

    assert violated(run)


def test_only_errors_of_the_bridges_own_are_errors() -> None:
    log = '{"level": "warning"}\n{"level": "error", "event": "reply broke"}\nTraceback:\n'

    assert list(errors_in(log)) == ['{"level": "error", "event": "reply broke"}', "Traceback:"]


def test_the_page_has_what_was_measured() -> None:
    run = json.loads((ROOT / "benchmarks/results/soak.json").read_text())

    assert f"<!-- soak -->\n{measured(run)}<!-- /soak -->" in PAGE.read_text()
