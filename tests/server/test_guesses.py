"""Wrong tokens are counted by address, and no more addresses than it takes: G1."""

from bridge.server.guesses import MANY, MOST, WINDOW, Guesses


def test_one_address_does_not_count_for_another() -> None:
    guesses = Guesses()
    assert [guesses.are_too_many("a", 0) for _ in range(MANY + 1)] == [False] * MANY + [True]
    assert not guesses.are_too_many("b", 0)


def test_after_a_while_an_address_begins_anew() -> None:
    guesses = Guesses()
    assert [guesses.are_too_many("a", 5) for _ in range(MANY + 1)][-1]
    assert guesses.are_too_many("a", 5 + WINDOW)
    assert not guesses.are_too_many("a", 5.1 + WINDOW)


def test_ten_thousand_addresses_take_a_bounded_room_and_the_newest_are_known() -> None:
    guesses = Guesses()
    for number in range(10_000):
        assert not guesses.are_too_many(f"2001:db8::{number:x}", 0)
    assert len(guesses) == MOST
    for _ in range(MANY - 1):
        assert not guesses.are_too_many("2001:db8::270f", 1)
    assert guesses.are_too_many("2001:db8::270f", 1)
