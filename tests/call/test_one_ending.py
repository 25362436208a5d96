"""The promise of a call, for any mix of what can happen at any tick: one ending, and it is last.

Time is not waited for: the loop's clock jumps to whatever is due next.
"""

import asyncio
import selectors
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.call.call import Call
from bridge.call.deadair import Patience
from bridge.call.events import TurnBegan
from bridge.call.ledger import ToolUse
from bridge.call.ports import Brief, Voice
from bridge.errors import AgentError, CallClosed
from bridge.protocol import Inbound, Interrupt, Utterance, decode
from tests.doubles import APOLOGY, GREETING, REPROMPT, Line, Room, ScriptedAgent, Step

SOON = 2.0
"""Seconds in which a call is closed, though a reply swallows its cancellation or a tool runs on."""
GREETED = 0
NOBODY = 999


class _Selector(selectors.DefaultSelector):
    """Sleeps by moving the clock on."""

    slept = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits, and nothing is due"
            self.slept += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that never waits."""

    def __init__(self) -> None:
        self._jumps = _Selector()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.slept  # and not what this machine takes: it may be busy


# ── what an agent may do ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Deed:
    """A step of a script: what it does, and the words that may be heard of it."""

    name: str
    step: Callable[[], Step]
    words: str = ""
    fails: bool = False

    def __repr__(self) -> str:
        return self.name


def _word(text: str) -> Deed:
    return Deed(repr(text), lambda: text, text)


def _ticks(count: int) -> Deed:
    return Deed(f"{count} ticks", lambda: count)


def _failure(error: Callable[[], BaseException]) -> Deed:
    return Deed(repr(error()), error, fails=True)


async def _part(voice: Voice) -> None:
    await voice.finish_message(wait_follows=True)


async def _announce(voice: Voice) -> None:
    await voice.announce("One moment.")


async def _use_a_tool(voice: Voice) -> None:
    async def tool(use: ToolUse) -> str:
        await asyncio.sleep(0.3)
        voice.finish_tool(use, "found ", "ok", 0.3)
        return "found "

    task = voice.start_tool(tool, name="find", arguments={}, identity=None, filler="")
    await asyncio.wait({task})
    await voice.say(task.result())


async def _ignore_a_cancellation(voice: Voice) -> None:
    try:
        await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        await asyncio.sleep(5 * SOON)
    await voice.say("anyway ")


DEEDS = st.one_of(
    st.sampled_from(["one ", "two, ", "three. ", "four\n"]).map(_word),
    st.integers(0, 4).map(_ticks),
    st.sampled_from(
        [
            Deed("part", lambda: _part),
            Deed("announce", lambda: _announce, "One moment."),
            Deed("tool", lambda: _use_a_tool, "found "),
            Deed("stubborn", lambda: _ignore_a_cancellation, "anyway "),
            Deed("hang", asyncio.Event, fails=True),
            _failure(lambda: AgentError("down")),
            _failure(RuntimeError),
            _failure(asyncio.CancelledError),
            _failure(CallClosed),
            _failure(TimeoutError),
        ]
    ),
)
SCRIPTS = st.lists(DEEDS, max_size=7)
Script = list[Deed]


def _number(brief: Brief) -> int:
    """Which stream is asked: the caller says its number, after a note of the ledger's perhaps."""
    (line,) = [item for item in brief.history if isinstance(item, Utterance)][-1:]
    return int(line.content.split()[-1])


class Scripts(ScriptedAgent):
    """Answers each stream by a script of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: dict[int, Script] = {}

    async def warm(self, brief: Brief) -> None:
        pass

    async def reply(self, brief: Brief, voice: Voice) -> None:
        script = self.scripts[_number(brief)]
        await ScriptedAgent(*[deed.step() for deed in script]).reply(brief, voice)


# ── what Millis may do ───────────────────────────────────────────────────────────────────────────

Event = tuple[str, Any]
EVENTS = st.one_of(
    st.tuples(st.just("ask"), SCRIPTS),
    st.sampled_from(
        [
            ("start", None),
            ("interrupt", "newest"),
            ("interrupt", "older"),
            ("interrupt", "unknown"),
            ("interrupt", None),
            ("again", "newest"),
            ("again", "older"),
        ]
    ),
)
PLANS = st.lists(st.tuples(st.integers(0, 14), EVENTS), min_size=1, max_size=8)
ENDS = st.sampled_from(["hang up", "close", "wait"])
LENGTHS = st.sampled_from([4000, 4000, 9, 30])


@dataclass
class Caller:
    """Millis's side, and what it may expect."""

    call: Call
    line: Line
    agent: Scripts
    streams: list[int] = field(default_factory=list)
    final: dict[int, int] = field(default_factory=dict)
    """Streams that were silenced, with the number of frames they had then."""

    def do(self, event: Event) -> None:
        match event:
            case "ask", script:
                number = len(self.agent.scripts) + 1
                self.agent.scripts[number] = script
                self._begin(number, _request(number))
            case "start", _:
                start = decode('{"type": "start_call", "data": {"stream_id": 0}}')
                if self.streams:
                    self.call.hear(start)
                else:
                    self._begin(GREETED, start)
            case "interrupt", which:
                self._interrupt(which)
            case "again", which if (number := self._pick(which)) > GREETED:
                self.call.hear(_request(number))
            case _:
                pass

    def silence(self, *streams: int) -> None:
        for stream in streams:
            self.final.setdefault(stream, len(self.line.frames(stream)))

    def _begin(self, number: int, message: Inbound) -> None:
        self.call.hear(message)
        self.silence(*self.streams)
        self.streams.append(number)

    def _interrupt(self, which: str | None) -> None:
        number = None if which is None else self._pick(which)
        self.call.hear(Interrupt(type="interrupt", stream_id=number))
        if which in ("newest", None):
            self.silence(*self.streams[-1:])

    def _pick(self, which: str) -> int:
        streams = {"newest": self.streams[-1:], "older": self.streams[-2:-1]}.get(which)
        return streams[0] if streams else NOBODY if which == "unknown" else GREETED - 1


def _request(number: int) -> Inbound:
    line = f'{{"role": "user", "content": "{number}"}}'
    data = f'{{"stream_id": {number}, "transcript": [{line}]}}'
    return decode(f'{{"type": "stream_request", "data": {data}}}')


async def _ticking(ticks: int) -> None:
    for _ in range(ticks):
        await asyncio.sleep(0)


async def _play(
    plan: list[tuple[int, Event]], end: str, ticks: int, length: int
) -> tuple[Caller, Room]:
    agent = Scripts()
    quiet = Patience(filler_after=0)
    room = Room(agent, Line(ticks), settings={"patience": quiet})
    room.setup = replace(room.setup, max_answer_chars=length)
    caller = Caller(room.call(), room.line, agent)
    for pause, event in plan:
        await _ticking(pause)
        caller.do(event)
    if end == "wait":
        await asyncio.sleep(2 * room.setup.turn_timeout)
    elif end == "hang up":
        room.line.hung_up = True
        await _ticking(5)
    if end != "wait":
        caller.silence(*caller.streams)
    async with asyncio.timeout(SOON):
        await caller.call.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return caller, room


# ── the promise ──────────────────────────────────────────────────────────────────────────────────


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _may_be_heard(stream: int, said: str, script: Script, length: int) -> bool:
    """Whether it is a beginning of what was to be said, and then perhaps one fixed text."""
    cut_off = len(said) == length
    whole = GREETING if stream == GREETED else "".join(deed.words for deed in script)
    said, whole = _squeezed(said), _squeezed(whole)
    for cut in range(len(whole) + 1):
        fixed = ["", APOLOGY] if cut else ["", APOLOGY, REPROMPT]
        for text in fixed:
            heard = whole[:cut] + _squeezed(text)
            if said == heard or (cut_off and heard.startswith(said)):
                return True
    return False


def _whole(script: Script) -> str:
    """Return what is heard of a script that nobody stops."""
    words = ""
    for deed in script:
        if deed.fails and deed.name != "CallClosed()":
            return _squeezed(words + APOLOGY)
        if deed.fails:  # nobody is there to hear an apology, or so the agent says
            break
        words += deed.words
    return _squeezed(words or REPROMPT)


@given(PLANS, ENDS, st.integers(0, 2), LENGTHS)
@settings(max_examples=200, deadline=None)
def test_every_stream_has_one_ending_and_it_is_last_whatever_happens(
    plan: list[tuple[int, Event]], end: str, ticks: int, length: int
) -> None:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        caller, room = runner.run(_play(plan, end, ticks, length))
    for stream in caller.streams:
        frames = room.line.frames(stream)
        script = caller.agent.scripts.get(stream, [])
        endings = [frame.data.end_of_stream for frame in frames]
        assert not any(endings[:-1])
        said = room.line.said(stream)
        assert _may_be_heard(stream, said, script, length)
        if stream in caller.final:
            assert len(frames) == caller.final[stream], "a frame left on a silenced stream"
        else:
            assert endings[-1:] == [True]
            if stream != GREETED and len(said) < length:
                assert _squeezed(said) == _whole(script)
    assert {message.data.stream_id for message in room.line.sent} <= set(caller.streams)


@given(PLANS, ENDS, st.integers(0, 2), LENGTHS)
@settings(max_examples=100, deadline=None)
def test_every_turn_is_reported_once_with_what_was_sent(
    plan: list[tuple[int, Event]], end: str, ticks: int, length: int
) -> None:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        caller, room = runner.run(_play(plan, end, ticks, length))
    began = [event.stream_id for event in room.events if isinstance(event, TurnBegan)]
    assert began == caller.streams
    assert sorted(int(event.stream_id) for event in room.ended()) == sorted(caller.streams)
    for event in room.ended():
        if end != "hang up":
            assert event.said == room.line.said(event.stream_id)
        if event.stream_id not in caller.final:
            assert event.outcome in ("complete", "empty", "failed")
