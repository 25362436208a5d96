from typing import Any

import pytest

from bridge.local.answer import Answer, Piece, Stray
from bridge.local.playback import Playback, at_rate
from bridge.scenarios.outcome import TurnResult
from bridge.scenarios.playing import GREETING, Played
from bridge.scenarios.results import Seen, results
from tests.scenarios.playing import scenario


def answer(text: str = "Hello there.") -> Answer:
    """Asked for at 10, said at 11, two words a second."""
    heard = Answer(1, 10.0, Playback(at_rate(2)))
    heard.hear(Piece(text, 11.0), end=True)
    return heard


def greeted(played: Played, **seen: Any) -> TurnResult:
    (result,) = results(scenario("about: x\ngreeting: {}"), [played], Seen([], {}, **seen))
    return result


def told(result: TurnResult) -> list[tuple[int, str]]:
    return [(finding.line, finding.problem) for finding in result.findings]


def test_an_answer_is_told_as_it_sounded() -> None:
    result = greeted(Played(GREETING, 10.0, answer()), violations=[])

    assert (result.turn, result.did, result.line) == (0, "greeting", 2)
    assert result.said == result.heard == "Hello there."
    assert (result.first_word, result.dead_air) == (1.0, 1.0)
    assert told(result) == []


def test_what_was_cut_off_was_not_heard_and_not_waited_for() -> None:
    cut = answer()
    cut.silence("interrupted", 11.6)
    result = greeted(Played(GREETING, 10.0, cut), violations=[])

    assert (result.interrupted, result.heard, result.dead_air) == (True, "Hello", 1.0)


def test_waiting_for_the_end_of_an_answer_is_dead_air() -> None:
    late = answer("")
    late.hear(Piece("", 14.0), end=True)
    assert greeted(Played(GREETING, 10.0, late), violations=[]).dead_air == 4.0


@pytest.mark.parametrize(
    ("stray", "problems"),
    [
        (Stray("after_interrupt", 12.0, 1),
         [(2, "the bridge broke the protocol: a frame after_interrupt")]),
        (Stray("unreadable", 12.0), [(2, "the bridge broke the protocol: a frame unreadable")]),
        (Stray("after_interrupt", 12.0, 7), []),  # of another answer
        (Stray("after_end", 12.0, 1), [(2, "the bridge broke the protocol: a frame after_end")]),
    ],
)  # fmt: skip
def test_a_frame_that_breaks_the_protocol_is_told(
    stray: Stray, problems: list[tuple[int, str]]
) -> None:
    assert told(greeted(Played(GREETING, 10.0, answer()), violations=[stray])) == problems


def test_what_kept_the_call_from_going_on_is_told() -> None:
    lost = Played(GREETING, 10.0, answer(), problem="the bridge closed the line (close code 1012)")
    assert told(greeted(lost, violations=[])) == [(2, lost.problem)]
