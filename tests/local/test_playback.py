import itertools
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.local.playback import Playback, at_rate, words_in

EVERY = 0.5
"""Seconds that a word takes here."""
Sent = Sequence[tuple[str, float, bool, float]]
"""Text, when it came, flush, pause."""


def playback() -> Playback:
    return Playback(at_rate(1 / EVERY))


def timeline(played: Playback) -> list[tuple[str, float]]:
    return [(word.text, round(word.begin, 6)) for word in played.words]


# ── when words are spoken ────────────────────────────────────────────────────────────────────────


def test_words_wait_for_the_end_of_their_sentence() -> None:
    played = playback()
    played.hear("It arrives", 0.0)
    played.hear(" tomorrow. And", 2.0)

    assert timeline(played) == [("It", 2.0), ("arrives", 2.5), ("tomorrow.", 3.0)]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It costs 3.", []),
        ("It costs 3.14 ", []),
        ("Why? Well", ["Why?"]),
        ('"Go!" he', ['"Go!"']),
        ("Hm… yes", ["Hm…"]),
        ("One line\ntwo", ["One", "line"]),
        ("好。", []),
        ("好。再", ["好。"]),
        ("「好。」再", ["「好。」"]),
    ],
)
def test_a_sentence_is_complete_once_something_follows_it(text: str, spoken: list[str]) -> None:
    played = playback()
    played.hear(text, 0.0)

    assert [word.text for word in played.words] == spoken


def test_a_flush_speaks_at_once_what_there_is() -> None:
    played = playback()
    played.hear("One", 0.0)
    played.hear(" moment,", 1.0, flush=True)
    played.hear(" please", 1.0)

    assert timeline(played) == [("One", 1.0), ("moment,", 1.5)]


def test_a_flush_without_words_speaks_what_came_before() -> None:
    played = playback()
    played.hear("One moment", 0.0)
    played.hear("", 1.0, flush=True)

    assert timeline(played) == [("One", 1.0), ("moment", 1.5)]


def test_the_end_of_the_stream_ends_the_last_sentence() -> None:
    played = playback()
    played.hear("Good bye", 0.0)
    assert played.finished_at is None
    played.end(1.0)

    assert timeline(played) == [("Good", 1.0), ("bye", 1.5)]
    assert played.finished_at == 2.0


def test_a_pause_is_kept_after_its_piece_and_before_the_next() -> None:
    played = playback()
    played.hear("Let me see", 0.0, pause=2.0)
    played.hear(" Found it.", 0.0, flush=True)

    assert timeline(played)[2:] == [("see", 1.0), ("Found", 3.5), ("it.", 4.0)]


def test_a_pause_that_nothing_follows_holds_nothing_up() -> None:
    played = playback()
    played.hear("Bye.", 0.0, pause=5.0)
    played.end(0.0)

    assert played.finished_at == 0.5


def test_words_that_come_late_leave_a_gap() -> None:
    played = playback()
    played.hear("Hm.", 0.0, flush=True)
    played.hear("Yes.", 4.0, flush=True)

    assert timeline(played) == [("Hm.", 0.0), ("Yes.", 4.0)]


def test_a_voice_may_know_how_long_its_words_take() -> None:
    played = Playback(lambda text: [1.0, 4.0][: len(words_in(text))])
    played.hear("A donaudampfschiff. So", 0.0)

    assert [(word.begin, word.end) for word in played.words] == [(0.0, 1.0), (1.0, 4.0)]


class SlowVoice:
    """Knows how long a text takes once it has been told."""

    def __init__(self) -> None:
        self.known: dict[str, Sequence[float]] = {}

    def __call__(self, text: str) -> Sequence[float] | None:
        return self.known.get(text) if text.strip() else []


def test_what_the_voice_does_not_know_yet_waits_and_so_does_all_after_it() -> None:
    voice = SlowVoice()
    voice.known[" Two."] = [0.3]
    played = Playback(voice)
    played.hear("One. Two.", 0.0, pause=1.0)
    played.end(0.0)
    assert (timeline(played), played.waits, played.finished_at) == ([], True, None)

    played.speak_on(0.5)
    assert played.waits
    voice.known["One."] = [0.2]
    played.speak_on(2.0)

    assert timeline(played) == [("One.", 2.0), ("Two.", 2.2)]
    assert played.finished_at == pytest.approx(2.5)
    assert not played.waits


def test_what_the_voice_learns_while_it_stands_still_is_spoken_when_it_goes_on() -> None:
    voice = SlowVoice()
    played = Playback(voice)
    played.hear("One.", 0.0, flush=True)
    played.hold(0.1)
    voice.known["One."] = [0.2]
    played.speak_on(0.2)
    assert timeline(played) == []

    played.go_on(1.0)
    assert timeline(played) == [("One.", 1.0)]


def test_its_sounds_fill_the_time_until_all_that_is_known_has_been_played() -> None:
    played = playback()
    played.hear("One two.", 0.0, flush=True, pause=0.7)
    played.hear(" Three", 0.0, flush=True)

    assert [(sound.text, sound.seconds) for sound in played.sounds] == [
        ("One two.", 1.0),
        ("", 0.7),
        (" Three", 0.5),
    ]
    assert played.ends_at == pytest.approx(2.2)
    played.hold(0.5)
    played.go_on(1.5)
    assert played.ends_at == pytest.approx(3.2)


def test_an_answer_without_words_is_over_with_its_stream() -> None:
    played = playback()
    played.end(3.0)

    assert played.finished_at == 3.0
    assert played.played(9.0) == ""


# ── what has been played ─────────────────────────────────────────────────────────────────────────


def test_what_was_played_goes_to_the_last_whole_word() -> None:
    played = playback()
    played.hear(" Your  booking is made. ", 0.0, flush=True)

    assert played.played(0.4) == ""
    assert played.played(0.5) == " Your"
    assert played.played(1.3) == " Your  booking"
    assert played.played(9.0) == " Your  booking is made."
    assert played.when(3) == 1.5
    assert played.when(5) is None


def test_what_was_cut_off_never_comes() -> None:
    played = playback()
    played.hear("One two three.", 0.0, flush=True)
    played.cut(1.2)
    played.hear(" Four.", 1.3, flush=True)
    played.end(1.4)

    assert played.played(9.0) == "One two"
    assert played.text == "One two three."
    assert played.finished_at is None


def test_it_stands_still_while_somebody_speaks_and_plays_on() -> None:
    played = playback()
    played.hear("One two three.", 0.0, flush=True)
    played.hold(0.75)
    played.hear(" Four.", 1.0, flush=True)
    played.end(1.0)

    assert played.played(5.0) == "One"
    assert played.when(2) is None
    assert played.finished_at is None

    played.go_on(2.75)

    assert timeline(played) == [("One", 0.0), ("two", 0.5), ("three.", 3.0), ("Four.", 3.5)]
    assert played.when(2) == 3.0
    assert played.finished_at == 4.0


def test_what_stood_still_and_was_cut_was_played_up_to_there() -> None:
    played = playback()
    played.hear("One two three.", 0.0, flush=True)
    played.hold(0.6)
    played.cut(1.6)

    assert played.played(9.0) == "One"
    assert not played.held


# ── properties ───────────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(st.sampled_from('ab.?…。」" \n'), max_size=12)
SENT = st.lists(
    st.tuples(
        TEXTS, st.sampled_from([0.0, 0.1, 0.7, 3.0]), st.booleans(), st.sampled_from([0.0, 0.4])
    ),
    max_size=6,
)
"""Pieces: text, seconds since the one before, flush, pause."""


def play(pieces: Sent) -> Playback:
    played, at = playback(), 0.0
    for text, after, flush, pause in pieces:
        at += after
        played.hear(text, at, flush=flush, pause=pause)
    return played


@given(SENT, st.data())
@example([('a."', 0.0, False, 0.0), ("b。」", 0.0, False, 0.0)], None)
def test_however_pieces_are_cut_the_same_words_are_played_at_the_same_times(
    sent: Sent, data: st.DataObject | None
) -> None:
    crumbs: list[tuple[str, float, bool, float]] = []
    for text, after, flush, pause in sent:
        last = len(text)
        cuts = data.draw(st.sets(st.integers(0, last))) if data else set(range(last + 1))
        places = sorted({0, last, *cuts})
        parts = [text[one:other] for one, other in itertools.pairwise(places)] or [""]
        for number, part in enumerate(parts):
            whole = number == len(parts) - 1
            crumbs.append((part, 0.0 if number else after, flush and whole, pause if whole else 0))

    assert play(crumbs).words == play(sent).words


@given(SENT, st.floats(0, 20), st.floats(0, 5))
def test_what_is_played_is_the_beginning_of_what_was_sent(
    sent: Sent, at: float, later: float
) -> None:
    played = play(sent)
    played.end(20.0)
    then = played.played(at)

    assert played.text.startswith(played.played(at + later))
    assert played.played(at + later).startswith(then)
    assert words_in(then) == words_in(played.text)[: len(words_in(then))] or _split(played)
    assert all(
        one.end <= other.begin + 1e-9
        for one, other in zip(played.words, played.words[1:], strict=False)
    )
    finished = played.finished_at
    assert finished is not None
    assert played.played(finished).strip() == played.text.strip()

    played.cut(at)
    assert played.played(99.0) == then


def _split(played: Playback) -> bool:
    """Whether a flush or a mark divided something that is one word to the eye."""
    return [word.text for word in played.words] != words_in(played.text)


@given(SENT, st.floats(0, 10), st.floats(0, 5))
def test_standing_still_loses_no_word_and_repeats_none(
    sent: Sent, at: float, seconds: float
) -> None:
    moved, still, clock = playback(), playback(), 0.0
    held = False
    for text, after, flush, pause in sent:
        clock += after
        if not held and clock >= at:
            still.hold(at)
            held = True
        moved.hear(text, clock, flush=flush, pause=pause)
        still.hear(text, clock, flush=flush, pause=pause)
    still.hold(max(at, clock))
    still.go_on(max(at, clock) + seconds)

    assert [word.text for word in still.words] == [word.text for word in moved.words]
    assert all(
        one.begin <= other.begin + 1e-9 for one, other in zip(moved.words, still.words, strict=True)
    )
