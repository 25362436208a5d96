"""What must hold after every case, whatever it did. Each oracle yields what it finds wrong."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from tests.faults.history import History, Kept, Upstream
from tests.faults.matching import is_told_by, letters
from tests.faults.streams import Reading, Stream, number, read

HELD: Final = 0.5
"""Seconds of CPU time for which the loop may be held at once. The catalogue's worst legal frame
takes 60 ms; garbage collection of a test process with everything loaded takes more."""
_INTERNAL: Final = re.compile(
    r"Traceback|\w+(?:Error|Exception)\b|https?://|[{}\[\]]|\bsk-|</?\w+>|0x[0-9a-f]{6,}|\.py\b"
)


def _readings(history: History) -> Iterator[Reading]:
    return (read(tape) for tape in history.tapes)


def one_end(history: History) -> Iterator[str]:
    for reading in _readings(history):
        for stream in reading.streams:
            ends = len(stream.endings)
            if reading.is_due(stream) and ends != 1:
                yield f"stream {stream.stream_id!r} has {ends} end frames, not one"
            elif ends > 1:
                yield f"stream {stream.stream_id!r} has {ends} end frames"
            elif ends and stream.frames[-1][0] != stream.endings[0]:
                yield f"stream {stream.stream_id!r} went on after its end frame"
        for _, data in reading.strays:
            yield f"a frame on stream {data['stream_id']!r}, for which nobody had asked"


def fence(history: History) -> Iterator[str]:
    for tape in history.tapes:
        passed = {e.what: place for place, e in enumerate(tape.events) if e.way == "passed"}
        for stream in read(tape).streams:
            if stream.silenced is None:
                continue
            later = tape.events[stream.silenced :]
            mark = next((event.what for event in later if event.way == "fence"), None)
            late = [place for place, _ in stream.frames if place > passed.get(mark, place)]
            if late:
                yield f"stream {stream.stream_id!r}: {len(late)} frames after it was silenced"


def what_the_model_said(history: History) -> Iterator[str]:
    for tape in history.tapes:
        reading, since = read(tape), tape.events[0].at if tape.events else 0.0
        for stream in reading.streams:
            until = max((tape.events[place].at for place, _ in stream.frames), default=since)
            asked = _upstream_of(stream, history, since, until)
            since = stream.at
            texts = [one.said for one in asked]
            whole = reading.is_due(stream) and bool(asked) and asked[-1].done
            if not is_told_by(stream.said, texts, history.own_lines, whole=whole):
                yield f"stream {stream.stream_id!r}: {stream.said!r} is not of {texts!r}"


def _upstream_of(stream: Stream, history: History, since: float, until: float) -> list[Upstream]:
    """The requests that were made for a stream: those with its question, perhaps after a note of
    ours, and of its time. A draft began before it. Calls at once need questions of their own.
    """
    if stream.question is None:
        return []
    question = letters(stream.question)
    return [
        one
        for one in history.upstream
        if letters(one.question).endswith(question) and since <= one.started_at <= until
    ]


def echoed_ids(history: History) -> Iterator[str]:
    for reading in _readings(history):
        for stream in reading.streams:
            for _, data in stream.frames:
                got = data["stream_id"]
                if type(got) is not type(stream.stream_id) or got != stream.stream_id:
                    yield f"stream {stream.stream_id!r} was echoed as {got!r}"
                    break
        for _, data in reading.strays:
            if number(data["stream_id"]) is None:
                yield f"{data['stream_id']!r} is no id"


def no_internals(history: History) -> Iterator[str]:
    for reading in _readings(history):
        for stream in reading.streams:
            said = stream.said
            found = [word for word in (*history.canaries, *history.unheard) if word in said]
            # A caller who says such a thing may hear it again.
            theirs = stream.question or ""
            found += [m for m in _INTERNAL.findall(said) if m not in theirs]
            if found:
                yield f"stream {stream.stream_id!r} told the caller {found!r}"


def control_call(history: History) -> Iterator[str]:
    control = history.control
    if not control.answers:
        yield "the control call asked nothing"
    for one in control.answers:
        if one.said != f"You said: {one.question}":
            yield f"the control call asked {one.question!r} and heard {one.said!r}"
        if one.seconds > history.patience:
            yield f"the control call waited {one.seconds:.1f} s for {one.question!r}"
    if control.held > HELD:
        yield f"the event loop was held for {control.held * 1000:.0f} ms of CPU time"


def bounded_dead_air(history: History) -> Iterator[str]:
    for tape in history.tapes:
        reading = read(tape)
        for stream in reading.streams:
            if not reading.is_due(stream):
                continue
            signs = [n for n, d in stream.frames if d.get("content") or d.get("end_of_stream")]
            waited = tape.events[signs[0]].at - stream.at if signs else None
            if waited is None or waited > history.patience:
                yield f"stream {stream.stream_id!r}: silence for {waited} s"


def nothing_left(history: History) -> Iterator[str]:
    yield from history.left
    open_ = [one.question for one in history.upstream if not one.over]
    if open_:
        yield f"requests are still open at the model's server: {open_!r}"


def record_is_the_wire(history: History) -> Iterator[str]:
    kept = list(history.kept)
    for tape in history.tapes:
        got = [event.what for event in tape.events if event.way == "got"]
        mine = []
        while got:  # several sessions may have followed each other on this connection
            found = _record_of(got, kept)
            if found is None:
                yield f"the wire carried what is not on record: {got[:3]!r}"
                break
            kept.remove(found)
            mine.append(found)
            got = got[len(found.sent) :]
        told = {turn.stream_id: turn for call in mine for turn in call.turns}
        yield from _turns_as_heard(read(tape), told)
    for call in history.kept:
        if not call.ended:
            yield f"the record of {call.session!r} is still open"


def _record_of(got: list[dict[str, object]], kept: list[Kept]) -> Kept | None:
    """Whose frames these are. The last of them may not have arrived."""
    spoken = (call for call in kept if call.sent)
    for call in sorted(spoken, key=lambda call: (list(call.sent) != got, -len(call.sent))):
        both = min(len(got), len(call.sent))
        if list(call.sent[:both]) == got[:both]:
            return call
    return None


def _turns_as_heard(reading: Reading, told: Mapping[str, object]) -> Iterator[str]:
    by_number = {number(stream_id): turn for stream_id, turn in told.items()}
    last = {number(stream.stream_id): stream for stream in reading.streams}
    for found, stream in last.items():
        turn = by_number.get(found)
        if turn is None:
            if stream.said.strip():
                yield f"stream {stream.stream_id!r} was spoken, and is no turn on record"
            continue
        said, outcome = getattr(turn, "said", ""), getattr(turn, "outcome", "")
        heard = letters(stream.said)
        whole = reading.closed is None or bool(stream.endings)
        if letters(said) != heard if whole else not letters(said).startswith(heard):
            yield f"stream {stream.stream_id!r}: {stream.said!r} is on record as {said!r}"
        cut = {"interrupted", "superseded", "hung_up"}
        if stream.endings and outcome in cut:
            yield f"stream {stream.stream_id!r} was ended, and is on record as {outcome}"
        if stream.silenced is not None and not stream.endings and outcome not in cut:
            yield f"stream {stream.stream_id!r} was cut, and is on record as {outcome}"


def discreet_log(history: History) -> Iterator[str]:
    for line in history.log:
        try:
            value = json.loads(line)
        except ValueError:
            yield f"a line of the log is not JSON: {line[:200]!r}"
            continue
        if not isinstance(value, dict):
            yield f"a line of the log is no object: {line[:200]!r}"
        told = [word for word in (*history.canaries, *history.numbers) if word in line]
        if told:
            yield f"the log tells {told!r}: {line[:200]!r}"


Oracle = Callable[[History], Iterator[str]]
ORACLES: Final[Mapping[str, Oracle]] = MappingProxyType(
    {
        "O1": one_end,
        "O2": fence,
        "O3": what_the_model_said,
        "O4": echoed_ids,
        "O5": no_internals,
        "O6": control_call,
        "O7": bounded_dead_air,
        "O8": nothing_left,
        "O9": record_is_the_wire,
        "O10": discreet_log,
    }
)


def asked(history: History, without: Mapping[str, str]) -> list[str]:
    """Ask every oracle that applies; all that is wrong."""
    return [
        f"{name}: {found}"
        for name, oracle in ORACLES.items()
        if name not in without
        for found in oracle(history)
    ]
