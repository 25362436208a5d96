"""The breaker, on a clock that is set by hand."""

import pytest

from bridge.agent.breaker import Breaker


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, pause=10.0, clock=clock)


def _fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        assert breaker.admits()
        breaker.failed()


def test_everything_is_let_through_until_too_many_failed_in_a_row(breaker: Breaker) -> None:
    _fail(breaker, 2)
    assert breaker.admits()
    breaker.failed()
    assert not breaker.admits()


def test_failures_that_are_not_in_a_row_do_not_count(breaker: Breaker) -> None:
    for _ in range(5):
        _fail(breaker, 2)
        breaker.succeeded()
    assert breaker.admits()


def test_after_the_pause_one_is_let_through_and_the_others_wait(
    breaker: Breaker, clock: Clock
) -> None:
    _fail(breaker, 3)
    clock.now += 9.9
    assert not breaker.admits()
    clock.now += 0.1
    assert [breaker.admits() for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_lets_everybody_through(breaker: Breaker, clock: Clock) -> None:
    _fail(breaker, 3)
    clock.now += 10
    assert breaker.admits()
    breaker.succeeded()
    assert all(breaker.admits() for _ in range(5))
    _fail(breaker, 2)
    assert breaker.admits()


def test_a_probe_that_fails_begins_another_whole_pause(breaker: Breaker, clock: Clock) -> None:
    _fail(breaker, 3)
    clock.now += 10
    assert breaker.admits()
    clock.now += 4  # the probe takes its time
    breaker.failed()
    clock.now += 9.9
    assert not breaker.admits()
    clock.now += 0.1
    assert breaker.admits()


def test_a_probe_that_never_reports_is_followed_by_another(breaker: Breaker, clock: Clock) -> None:
    _fail(breaker, 3)
    clock.now += 10
    assert breaker.admits()
    clock.now += 9.9
    assert not breaker.admits()
    clock.now += 0.1
    assert breaker.admits()


def test_many_that_fail_together_open_it_once(breaker: Breaker, clock: Clock) -> None:
    for _ in range(50):
        breaker.failed()
    clock.now += 10
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.admits()
