"""Where a case is played: a bridge, its model's server, the control call, the callers' tapes."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from bridge.app import Bridge
from bridge.plugins.prompts import BUILT_IN
from bridge.store.shapes import CallDetail
from tests.fake_openai.client import FakeOpenAI
from tests.faults.history import History, Kept, KeptTurn, Upstream
from tests.faults.house import CANARY, KEY, NUMBER, PATH, TOKEN, TURN, House
from tests.faults.leavings import holdings, left_after
from tests.faults.streams import read
from tests.faults.tape import Caller, RawCaller, Tape, calling, calling_raw
from tests.wire import PATIENCE, Listening, came_true


@dataclass
class Scene:
    """What one case has to do with: a house, the calls it makes there, and all they leave."""

    house: House
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    tapes: list[Tape] = field(default_factory=list)
    numbers: list[str] = field(default_factory=lambda: [NUMBER])
    canaries: list[str] = field(default_factory=lambda: [TOKEN, KEY, CANARY])
    own_lines: list[str] = field(default_factory=list)
    """What the bridge says by itself, beside its built-in lines."""
    _callers: list[Caller] = field(default_factory=list)

    @property
    def bridge(self) -> Bridge:
        return self.house.bridge

    @property
    def openai(self) -> FakeOpenAI:
        return self.house.openai

    async def script(self, *scripts: Any, match: str | None = None) -> None:
        """Queue answers of the model's."""
        await self.openai.script(*scripts, match=match)

    async def dial(self, at: Listening | None = None, path: str = PATH, **kwargs: Any) -> Caller:
        """Dial, and say nothing yet. `at`: another bridge, or what stands before this one."""
        tape = self._new_tape()
        caller = calling(at or self.bridge, tape, path, **kwargs)
        self._callers.append(await self._stack.enter_async_context(caller))
        return self._callers[-1]

    async def call(
        self, session: str | None = None, at: Listening | None = None, **start: Any
    ) -> Caller:
        """Dial, begin a call, and wait for the greeting, which is stream 0."""
        caller = await self.dial(at)
        numbers = {"from": NUMBER, "to": "+15550100000"}
        await caller.start(0, session or uuid.uuid4().hex, **{"voip": numbers, **start})
        await caller.answer(0)
        return caller

    async def dial_raw(
        self, *headers: str, at: Listening | None = None, path: str = PATH, **kwargs: Any
    ) -> RawCaller:
        """Dial by hand, and say nothing yet."""
        raw = calling_raw(at or self.bridge, self._new_tape(), path, *headers, **kwargs)
        return await self._stack.enter_async_context(raw)

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was logged since the case began."""
        return [orjson.loads(line) for line in self.house.log.getvalue().splitlines()]

    async def dropped(self, **reasons: int) -> None:
        """Wait until so many frames were dropped since the case began, and for these reasons."""
        await came_true(lambda: self.drops == Counter(reasons))

    @property
    def drops(self) -> Counter[str]:
        """What was dropped since the case began."""
        return self.bridge.board.dropped - self._dropped

    async def ended(self, session: str, count: int = 1) -> list[CallDetail]:
        """Wait until so many connections of a session are over, and on record."""
        assert self.bridge.recorder is not None
        archive, found = self.bridge.recorder.archive, list[CallDetail]()
        async with asyncio.timeout(PATIENCE):
            while sum(call.ended_at is not None for call in found) < count:
                await self.bridge.recorder.written()
                found = await archive.call(session, frames=True)
        return found

    def _new_tape(self) -> Tape:
        self.tapes.append(Tape())
        return self.tapes[-1]

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Play a case meanwhile, beside the control call; `history` is what came of it."""
        house = self.house
        await self.openai.reset()
        known = await house.recorded()
        house.log.seek(0)
        house.log.truncate()
        self._dropped = Counter(self.bridge.board.dropped)
        before = holdings(house.upstream, house.database)
        async with house.control.talking():
            async with self._stack:
                yield
                for caller in self._callers:
                    await _heard_out(caller)
        await _all_gone(self.bridge)
        left = await left_after(before, house.upstream, house.database)
        kept = await house.recorded_since(known)
        self.history = History(
            tapes=self.tapes,
            upstream=_upstream(await self.openai.requests()),
            control=house.control.met,
            left=left,
            kept=[_kept(call) for call in kept],
            log=house.log.getvalue().splitlines(),
            canaries=self.canaries,
            unheard=[tool.name for tool in self.bridge.toolbox.current.tools]
            + [f"127.0.0.1:{house.upstream}"],
            numbers=self.numbers,
            own_lines=[*self.own_lines, *_built_in()],
            patience=self.bridge.settings.turn_timeout,
        )


async def _all_gone(bridge: Bridge) -> None:
    """Wait until only the control call is left, its record written."""
    try:
        await came_true(lambda: len(bridge.board.live) <= 1, timeout=5)
    except TimeoutError:
        return  # the oracles say what is left


async def _heard_out(caller: Caller) -> None:
    """Take in what is still to come: every stream that must end has ended."""
    if caller.tape.is_closed:
        return

    def waits() -> bool:
        reading = read(caller.tape)
        return any(reading.is_due(stream) and not stream.endings for stream in reading.streams)

    try:
        async with asyncio.timeout(TURN):
            while waits():
                await caller.next()
        await caller.settled()
    except (ConnectionError, TimeoutError):
        return  # the oracles say what is missing


def _upstream(requests: Sequence[dict[str, Any]]) -> list[Upstream]:
    return [
        Upstream(
            question=_last_line(request["body"]["messages"]),
            said=request["said"],
            started_at=request["started_at"],
            done=request["done"],
            over=request["finished"] or request["client_left_at"] is not None,
        )
        for request in requests
    ]


def _last_line(messages: Sequence[dict[str, Any]]) -> str:
    lines = [each["content"] for each in messages if each["role"] == "user"]
    return lines[-1] if lines and isinstance(lines[-1], str) else ""


def _kept(call: CallDetail) -> Kept:
    sent = [frame.message for frame in call.frames or () if frame.way == "out"]
    turns = [KeptTurn(turn.stream_id, turn.said or "", turn.outcome) for turn in call.timeline]
    return Kept(call.session_id, sent, turns, ended=call.ended_at is not None)


def _built_in() -> list[str]:
    return [line for text in BUILT_IN.values() for line in text.splitlines()]
