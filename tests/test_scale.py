"""What docs/scale.md reckons with: formulas against what is known and against what was played."""

import numpy as np
import pytest

from benchmarks.scaling.costs import Costs
from benchmarks.scaling.erlang import Hold, erlang_b, lines_for
from benchmarks.scaling.needs import Centre, core_seconds, needs
from benchmarks.scaling.rollout import START, rollout
from benchmarks.scaling.talk import Habits, Talk, talk
from benchmarks.scaling.traffic import DAY, day, outlasting, refused

HOLD = Hold(240, 1.0)
COSTS = Costs(
    begin=1e-3,
    waiting=5e-6,
    turn=7e-3,
    token=7e-5,
    process_bytes=140e6,
    waiting_bytes=30e3,
    speaking_bytes=70e3,
    process_descriptors=22,
    record_bytes=60,
    text_bytes=20,
    record_rows=2.2,
)
DOES = Talk(turns=0.05, tokens=2.0, streaming=0.06, seconds_a_turn=20)


@pytest.fixture
def chance() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    ("lines", "load"),
    [(1, 0.0101), (2, 0.153), (5, 1.36), (10, 4.46), (20, 12.0), (50, 37.9), (100, 84.1)],
)
def test_erlangs_formula_gives_the_loads_of_the_printed_tables_for_one_percent(
    lines: int, load: float
) -> None:
    assert erlang_b(load, lines) == pytest.approx(0.01, rel=0.03)
    assert lines_for(load * 0.99, 0.01) == lines


def test_one_call_on_one_line_finds_it_busy_half_of_the_time() -> None:
    assert erlang_b(1, 1) == 0.5
    assert erlang_b(2, 2) == pytest.approx(0.4)
    assert erlang_b(5, 0) == 1


def test_calls_that_are_played_are_refused_as_erlang_says_whatever_they_last(
    chance: np.random.Generator,
) -> None:
    for hold in (Hold(240, 0.3), HOLD):
        share = refused(8, 10, hold, chance, calls=40_000)
        assert share == pytest.approx(erlang_b(8, 10), rel=0.1)


def test_littles_law_holds_in_a_day_that_is_played(chance: np.random.Generator) -> None:
    played = day(1_000, HOLD, chance, profile=(1,) * 24)

    live, a_second, lasts = played.live.mean(), played.calls / DAY, played.held / played.calls
    assert live == pytest.approx(a_second * lasts, rel=0.001)
    assert live == pytest.approx(1_000, rel=0.03)
    assert played.begun.sum() == played.calls


def test_a_day_has_its_planned_calls_live_in_the_busiest_hour_and_few_at_night(
    chance: np.random.Generator,
) -> None:
    played = day(1_000, HOLD, chance)

    assert played.busiest.mean() == pytest.approx(1_000, rel=0.05)
    assert played.live[3 * 3600 : 4 * 3600].mean() < 50


def test_as_many_calls_outlast_a_drain_as_the_formula_says(chance: np.random.Generator) -> None:
    assert outlasting(600, HOLD, chance, 1_000_000) == pytest.approx(HOLD.left(600), rel=0.15)
    assert HOLD.left(0) == 1
    assert HOLD.left(600) > HOLD.longer(600), "live calls are the long ones, more often"
    assert HOLD.left(HOLD.until(0.01)) == pytest.approx(0.01)


def test_a_call_asks_the_model_as_often_as_its_turns_take_time(chance: np.random.Generator) -> None:
    does = talk(Habits(), chance, turns=50_000)

    assert does.turns * does.seconds_a_turn == pytest.approx(1)
    assert does.tokens / does.turns == pytest.approx(Habits().answer_tokens, rel=0.02)
    streamed = Habits().first_token + Habits().answer_tokens * Habits().gap
    assert does.streaming / does.turns == pytest.approx(streamed, rel=0.02)


def test_cores_follow_from_the_costs_of_what_calls_do() -> None:
    centre = Centre()
    by_hand = 1e-3 / 240 + 5e-6 + 0.05 * 7e-3 + 2.0 * 7e-5

    assert core_seconds(COSTS, centre, DOES) == pytest.approx(by_hand)
    assert needs(10_000, COSTS, centre, DOES, 0.4).cores == pytest.approx(10_000 * by_hand)


def test_the_scarcest_decides_how_many_processes_there_are() -> None:
    few = needs(100, COSTS, Centre(), DOES, 0.4)
    many = needs(100_000, COSTS, Centre(), DOES, 0.4)
    crowded = needs(100_000, COSTS, Centre(lines=5_000), DOES, 0.4)

    assert (few.processes, few.decided_by) == (2, "least")
    assert many.decided_by == "lines"
    assert many.processes * Centre().lines >= lines_for(100_000, Centre().most_refused)
    assert crowded.decided_by == "cores"
    assert crowded.cores / crowded.processes <= Centre().busy


def test_a_process_has_a_descriptor_for_each_call_and_each_answer_that_comes_in() -> None:
    asked = needs(10_000, COSTS, Centre(), DOES, 0.4)

    assert asked.descriptors == 22 + 500 + asked.to_model_of_one
    assert asked.to_model_of_one > 500 * 0.06


def test_a_rollout_hangs_up_what_outlasts_the_drain_and_takes_as_long_as_its_batches() -> None:
    planned = rollout(20, HOLD, 600, 0.25)

    assert planned.cut == HOLD.left(600)
    assert planned.batches == 4
    assert planned.in_turn == 4 * (START + 600)
    assert planned.at_once == 4 * START + 600
    assert rollout(2, HOLD, 600, 0.25).batches == 2
