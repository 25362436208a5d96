"""Each oracle finds what it is there for, in a small history that breaks one promise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.faults.history import Answered, Control, History, Kept, KeptTurn, Upstream
from tests.faults.matching import is_told_by
from tests.faults.oracles import HELD, ORACLES, asked
from tests.faults.tape import Event, Tape, Way

SAID = "You said: hello"


def words(stream_id: object, content: str = "", *, end: bool = False) -> dict[str, Any]:
    data = {"stream_id": stream_id, "content": content, "end_of_stream": end}
    return {"type": "stream_response", "data": data}


def sent(kind: str, stream_id: object, said: str = "hello") -> str:
    if kind == "interrupt":
        return orjson.dumps({"type": kind, "stream_id": stream_id}).decode()
    lines = [{"role": "user", "content": said}]
    data = {"stream_id": stream_id, "transcript": lines}
    return orjson.dumps({"type": kind, "data": data}).decode()


def tape(*events: tuple[Way, Any], slow: float = 0.0) -> Tape:
    """One connection; `slow` seconds lie between what follows each other."""
    return Tape([Event(place * slow, way, what) for place, (way, what) in enumerate(events)])


ASKED: tuple[Way, Any] = ("sent", sent("stream_request", 1))
TOLD: tuple[Way, Any] = ("got", words(1, SAID))
ENDED: tuple[Way, Any] = ("got", words(1, end=True))
INTERRUPTED: tuple[Way, Any] = ("sent", sent("interrupt", 1))
CLOSED: tuple[Way, Any] = ("closed", "us")
FENCE: tuple[Way, Any] = ("fence", 1)
PASSED: tuple[Way, Any] = ("passed", 1)


def whole(*events: tuple[Way, Any], outcome: str = "complete", **keys: Any) -> History:
    """All that a call of these events leaves behind if nothing is wrong."""
    frames = [what for way, what in events if way == "got"]
    said = "".join(frame["data"]["content"] for frame in frames)
    history = History(
        tapes=[tape(*events)],
        upstream=[Upstream("hello", SAID, 0.0, done=outcome == "complete")],
        kept=[Kept("s", frames, [KeptTurn("1", said, outcome)])],
        log=['{"event": "turn ended", "session": "s"}'],
        canaries=["canary"],
        unheard=["look_up"],
        numbers=["+1555"],
        own_lines=["I'm sorry."],
        patience=5,
    )
    return replace(history, **keys)


GOOD = whole(ASKED, TOLD, ENDED, CLOSED)
CUT = whole(
    ASKED, ("got", words(1, "You")), INTERRUPTED, FENCE, PASSED, CLOSED, outcome="interrupted"
)


@pytest.mark.parametrize("history", [GOOD, CUT], ids=["whole", "interrupted"])
def test_nothing_is_found_where_nothing_is_wrong(history: History) -> None:
    assert asked(history, {}) == []


def test_a_call_that_is_the_beginning_of_another_is_not_taken_for_it() -> None:
    short = whole(ASKED, TOLD, CLOSED, outcome="hung_up")
    both = replace(
        GOOD, tapes=[*short.tapes, *GOOD.tapes], kept=[*GOOD.kept, *short.kept], upstream=[]
    )
    assert list(ORACLES["O9"](both)) == []


def test_a_wire_of_numbers_as_texts_and_of_drafts_is_in_order() -> None:
    drafts = [Upstream("hello", "You sa", 0.0, done=False), Upstream("hello", SAID, 0.0)]
    asked_, told = ("sent", sent("stream_request", "1")), ("got", words("1", SAID))
    history = whole(asked_, told, ("got", words("1", end=True)), upstream=drafts)  # type: ignore[arg-type]
    assert asked(history, {}) == []


def _kept(said: str, outcome: str = "complete", **keys: Any) -> list[Kept]:
    frames = [words(1, SAID), words(1, end=True)]
    return [Kept("s", frames, [KeptTurn("1", said, outcome)], **keys)]


def _said(said: str) -> History:
    return whole(ASKED, ("got", words(1, said)), ENDED)


def _met(*answers: Answered, held: float = 0.0) -> History:
    return replace(GOOD, control=Control(answers, held))


WRONG: dict[str, tuple[str, Callable[[], History]]] = {
    "a stream has no end": ("O1", lambda: whole(ASKED, TOLD)),
    "a stream has two ends": ("O1", lambda: whole(ASKED, TOLD, ENDED, ENDED)),
    "a word comes after the end": ("O1", lambda: whole(ASKED, ENDED, TOLD)),
    "nothing is answered": ("O1", lambda: whole(ASKED)),
    "nobody had asked": ("O1", lambda: whole(("got", words(7, end=True)))),
    "an id that is no number is answered": (
        "O1",
        lambda: whole(("sent", sent("stream_request", True)), TOLD, ENDED),
    ),
    "a word comes after an interrupt": (
        "O2",
        lambda: whole(ASKED, INTERRUPTED, FENCE, PASSED, TOLD, outcome="interrupted"),
    ),
    "an end comes after a newer request": (
        "O2",
        lambda: whole(ASKED, ("sent", sent("stream_request", 2)), FENCE, PASSED, ENDED),
    ),
    "a word is lost": ("O3", lambda: _said("You hello")),
    "the last word is lost": ("O3", lambda: _said("You said")),
    "a word is told twice": ("O3", lambda: _said("You said: hello hello")),
    "words are in another order": ("O3", lambda: _said("hello You said:")),
    "words of another time": (
        "O3",
        lambda: replace(GOOD, upstream=[Upstream("hello", SAID, 9.0)]),
    ),
    "another call's words": ("O3", lambda: _said("You said: goodbye")),
    "a text for a number": ("O4", lambda: whole(ASKED, ("got", words("1", SAID, end=True)))),
    "a boolean for a number": ("O4", lambda: whole(ASKED, ("got", words(True, SAID, end=True)))),
    "a secret is told": ("O5", lambda: _said("the canary")),
    "a tool's name is told": ("O5", lambda: _said("I use look_up now")),
    "an exception is told": ("O5", lambda: _said("ValueError at 7")),
    "an address is told": ("O5", lambda: _said("see http://10.0.0.1/")),
    "JSON is told": ("O5", lambda: _said('{"room": 7}')),
    "the control call hears something else": ("O6", lambda: _met(Answered("ctl 1", "x", 0.1))),
    "the control call waits": ("O6", lambda: _met(Answered("ctl 1", "You said: ctl 1", 6.0))),
    "the control call was not asked": ("O6", _met),
    "the loop was held": (
        "O6",
        lambda: _met(Answered("ctl 1", "You said: ctl 1", 0.1), held=HELD + 0.1),
    ),
    "the first word comes late": (
        "O7",
        lambda: replace(GOOD, tapes=[tape(ASKED, TOLD, ENDED, slow=6.0)]),
    ),
    "no word ever comes": ("O7", lambda: whole(ASKED)),
    "a task is left": ("O8", lambda: replace(GOOD, left=["1 more: task Turn._speak"])),
    "a request stays open": (
        "O8",
        lambda: replace(GOOD, upstream=[Upstream("hello", SAID, 0.0, over=False)]),
    ),
    "nothing is on record": ("O9", lambda: replace(GOOD, kept=[])),
    "a frame is not on record": (
        "O9",
        lambda: replace(GOOD, kept=[Kept("s", [words(1, end=True)], _kept(SAID)[0].turns)]),
    ),
    "other words are on record": ("O9", lambda: replace(GOOD, kept=_kept("You said: bye"))),
    "a cut that was none": ("O9", lambda: replace(GOOD, kept=_kept(SAID, "interrupted"))),
    "a cut that is on record as whole": (
        "O9",
        lambda: replace(CUT, kept=[replace(CUT.kept[0], turns=[KeptTurn("1", "You", "complete")])]),
    ),
    "a call stays open on record": ("O9", lambda: replace(GOOD, kept=_kept(SAID, ended=False))),
    "a line of the log is no JSON": ("O10", lambda: replace(GOOD, log=["Traceback:"])),
    "a line of the log is no object": ("O10", lambda: replace(GOOD, log=["7"])),
    "a secret is in the log": ("O10", lambda: replace(GOOD, log=['{"event": "canary"}'])),
    "a number is in the log": ("O10", lambda: replace(GOOD, log=['{"from": "+1555"}'])),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_oracle_finds(what: str) -> None:
    name, make = WRONG[what]
    assert list(ORACLES[name](make())), f"{name} did not find it"


def test_every_oracle_is_tried() -> None:
    assert {name for name, _ in WRONG.values()} == set(ORACLES)


def test_an_oracle_that_does_not_apply_is_not_asked() -> None:
    history = whole(ASKED, TOLD)
    assert any(wrong.startswith("O1:") for wrong in asked(history, {}))
    assert not any(wrong.startswith("O1:") for wrong in asked(history, {"O1": "nobody listens"}))


@pytest.mark.parametrize(
    ("spoken", "texts", "told"),
    [
        ("", [], True),
        ("One moment. Booked.", ["One moment.", "**Booked.**"], True),
        ("I'm sorry.", ["x"], True),
        ("One I'm sorry.", ["One two"], True),
        ("I'm sorry. One two", ["One two"], True),
        ("two", ["one", "two"], True),
        ("one two", ["two", "one"], False),
        ("one one", ["one"], False),
        ("on two", ["one", "two"], False),
    ],
)
def test_words_are_told_by_texts(spoken: str, texts: list[str], told: bool) -> None:
    assert is_told_by(spoken, texts, ["I'm sorry."]) is told
