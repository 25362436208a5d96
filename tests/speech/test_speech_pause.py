import pytest

from bridge.speech import Speakable, Text, speak


@pytest.mark.parametrize(
    ("mark", "milliseconds"),
    [
        ("[pause 500ms]", 500),
        ("[pause 1.5s]", 1500),
        ("[PAUSE 2 s]", 2000),
        ("[pause 2 seconds]", 2000),
        ("[pause: 250ms]", 250),
        ("[pause 300]", 300),
        ("[pause]", 500),
        ("[pause 60s]", 10_000),
    ],
)
def test_a_pause_mark_becomes_the_pause_of_the_piece_before_it(
    mark: str, milliseconds: int
) -> None:
    pieces = speak(f"One moment. {mark} Here it is.")
    assert pieces == [Text("One moment. ", pause=milliseconds), Text("Here it is.")]


def test_a_pause_after_words_already_sent_is_a_piece_of_its_own() -> None:
    speakable = Speakable()
    assert speakable.feed("Hello") == [Text("Hello")]
    assert speakable.feed("[pause") == []
    assert speakable.feed(" 1s]") == [Text("", pause=1000)]


def test_a_pause_before_any_words_is_a_piece_of_its_own() -> None:
    assert speak("[pause] Hi") == [Text("", pause=500), Text("Hi")]


def test_a_pause_of_nothing_is_no_pause() -> None:
    assert speak("a [pause 0ms] b") == [Text("a b")]


def test_other_words_in_the_brackets_are_spoken() -> None:
    assert speak("[pauses] or [pause for thought]") == [Text("pauses or pause for thought")]


def test_a_pause_that_is_thought_is_not_made() -> None:
    assert speak("a <think>[pause 1s]</think>b") == [Text("a b")]
