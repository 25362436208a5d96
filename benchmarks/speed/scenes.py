"""What is measured: callers that do the same to every server, and the times that come of it."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from callers import Caller, Turn
from servers import Server
from talker import WORDS, Model

WHOLE = "".join(WORDS)
FIRST_MS = 200.0
GAP_MS = 10.0
THINKING = 0.237
"""Seconds between the end of an answer and the next request of the same call: no multiple of
anything else here, or calls that start evenly would all get their tokens in the same moments."""
TALK = FIRST_MS / 1000 + GAP_MS / 1000 * len(WORDS) + THINKING

Times = dict[str, list[float]]
"""What was measured, by name: seconds of every single turn, or one figure of a whole scene."""


class Failed(Exception):
    """A scene whose answers were not all complete and correct."""


@dataclass(frozen=True, slots=True)
class Talk:
    """Calls that speak at once."""

    calls: int
    burst: bool = False
    """Whether all ask in the same moment; else they are spread evenly over one turn's time."""
    paced: bool = True
    """Whether the model takes its time; else the whole answer is there at once."""
    history: int = 2
    """Lines that were said before the first turn."""
    turns: int = 3
    """Of each call."""

    async def run(self, server: Server, model: Model) -> Times:
        """Talk.

        Raises:
            Failed: an answer was not complete, or not what the model said.
        """
        first_ms, gap_ms = (FIRST_MS, GAP_MS) if self.paced else (0.0, 0.0)
        callers = await dial(server, self.calls)
        try:
            model.answer(first_ms=first_ms, gap_ms=gap_ms)
            busy, began = server.cpu(), time.monotonic()
            turns = await self._talk(callers)
            seconds = time.monotonic() - began
            spent = server.cpu() - busy
            await asyncio.sleep(0.1)
            noted = model.times()
        finally:
            hang_up(callers)
        check(turns, callers)
        return {
            "added": [added(turn, noted[turn.words]) for turn in turns],
            "asked": [noted[turn.words][0]["read"] - turn.asked for turn in turns],
            "whole": [turn.ended - noted[turn.words][-1]["last"] for turn in turns],
            "cpu_per_token": [spent / (len(turns) * len(WORDS))],
            "seconds": [seconds],
            "busy": [spent / seconds],
        }

    async def _talk(self, callers: Sequence[Caller]) -> list[Turn]:
        async def call(number: int, caller: Caller) -> list[Turn]:
            if not self.burst:
                await asyncio.sleep(number * TALK / self.calls)
            said, turns = _history(self.history), []
            for turn in range(self.turns):
                words = f"This is turn {turn} of call {number}."
                turns.append(await caller.ask(words, said))
                said += [_line("user", words), _line("assistant", WHOLE.strip())]
                await asyncio.sleep(THINKING)
            return turns

        talks = [call(number, caller) for number, caller in enumerate(callers)]
        return [turn for turns in await asyncio.gather(*talks) for turn in turns]


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One call whose every turn takes a tool: asked for, run, and its result given back."""

    tool: str
    turns: int = 50

    async def run(self, server: Server, model: Model) -> Times:
        """Talk with a tool in every turn.

        Raises:
            Failed: an answer was not complete, or the tool was not run.
        """
        callers = await dial(server, 1)
        try:
            model.answer(first_ms=20, gap_ms=0, tool=self.tool)
            turns = [await callers[0].ask(f"Turn {n}.", []) for n in range(self.turns)]
            noted = model.times()
        finally:
            hang_up(callers)
        check(turns, callers)
        if any(len(noted[turn.words]) != 2 for turn in turns):
            raise Failed("not every turn asked the model twice: the tool was not run")
        steps = [noted[turn.words] for turn in turns]
        return {
            "round_trip": [second["read"] - first["last"] for first, second in steps],
            "added": [added(turn, noted[turn.words]) for turn in turns],
        }


@dataclass(frozen=True, slots=True)
class Interrupts:
    """All speak, and each is spoken over at some word; then the next turn."""

    calls: int = 100
    turns: int = 10

    async def run(self, server: Server, model: Model) -> Times:
        """Interrupt all.

        Raises:
            Failed: an answer did not begin, or began wrong.
        """
        callers = await dial(server, self.calls)
        try:
            model.answer(first_ms=FIRST_MS, gap_ms=GAP_MS)
            chance = random.Random(1)  # noqa: S311 - the same moments for every server
            calls = [self._call(n, caller, chance.random()) for n, caller in enumerate(callers)]
            turns = [turn for turns in await asyncio.gather(*calls) for turn in turns]
            await asyncio.sleep(1)
            noted = model.times()
        finally:
            hang_up(callers)
        for turn in turns:
            if turn.said and not WHOLE.startswith("".join(turn.said)):
                raise Failed(f"not what the model said: {''.join(turn.said)[:80]!r}")
        asked = [turn for turn in turns if turn.words in noted]  # else it was never sent
        left = [noted[turn.words][-1].get("left") for turn in asked]
        closed = [at - turn.interrupted for at, turn in zip(left, asked, strict=True) if at]
        return {
            "last_frame": [max(0.0, turn.last - turn.interrupted) for turn in turns],
            "closed": closed,
            "lost": [float(len(asked) - len(closed))],
        }

    async def _call(self, number: int, caller: Caller, chance: float) -> list[Turn]:
        await asyncio.sleep(number * TALK / self.calls)
        turns = []
        for turn in range(self.turns):
            turns.append(caller.begin(f"Turn {turn} of call {number}.", []))
            await asyncio.sleep(FIRST_MS / 1000 + (0.1 + 0.7 * ((chance + turn * 0.37) % 1)))
            caller.interrupt()
            await asyncio.sleep(THINKING)
        return turns


@dataclass(frozen=True, slots=True)
class Memory:
    """What a call costs in memory: while nobody speaks, and in the middle of an answer."""

    idle: int = 1000
    speaking: int = 100

    async def run(self, server: Server, model: Model) -> Times:
        """Connect many, have some speak, and look."""
        model.answer(first_ms=FIRST_MS, gap_ms=GAP_MS)
        before = server.memory()
        callers = await dial(server, self.idle)
        await asyncio.sleep(1)
        idle = server.memory()
        speaking = [
            asyncio.create_task(caller.ask(f"Turn 1 of call {n}.", []))
            for n, caller in enumerate(callers[: self.speaking])
        ]
        await asyncio.sleep(FIRST_MS / 1000 + 0.7 * GAP_MS / 1000 * len(WORDS))
        spoken = server.memory()
        turns = await asyncio.gather(*speaking)
        hang_up(callers)
        await asyncio.sleep(0.5)
        check(turns, callers)
        return {
            "before": [float(before)],
            "idle_call": [(idle - before) / self.idle],
            "speaking_call": [(spoken - idle) / self.speaking],
        }


@dataclass(frozen=True, slots=True)
class ThinkingAhead:
    """One call whose answers are begun on what Millis hears, before it asks."""

    turns: int = 20
    early: float = 0.4
    """Seconds between the last word heard and the request."""
    first_ms: float = 350.0

    async def run(self, server: Server, model: Model) -> Times:
        """Talk; `first_word` is the time from the request.

        Raises:
            Failed: an answer was not complete.
        """
        callers = await dial(server, 1)
        turns: list[Turn] = []
        said: list[dict[str, str]] = []
        try:
            model.answer(first_ms=self.first_ms, gap_ms=1)
            for number in range(self.turns):
                words = f"this is turn {number}"
                callers[0].partial(words)
                await asyncio.sleep(self.early)
                turns.append(await callers[0].ask(words, said))
                said += [_line("user", words), _line("assistant", WHOLE.strip())]
        finally:
            hang_up(callers)
        check(turns, callers)
        return {"first_word": [turn.first - turn.asked for turn in turns]}


Scene = ThinkingAhead | Talk | RoundTrip | Interrupts | Memory


async def dial(server: Server, calls: int) -> list[Caller]:
    """Connect that many, a few at a time, and let the server come to rest."""
    callers: list[Caller] = []
    for _ in range(0, calls, 50):
        some = min(50, calls - len(callers))
        callers += await asyncio.gather(*(Caller.dial(server.port) for _ in range(some)))
    await asyncio.sleep(0.5)
    return callers


def hang_up(callers: Sequence[Caller]) -> None:
    """End all calls."""
    for caller in callers:
        caller.hang_up()


def check(turns: Sequence[Turn], callers: Sequence[Caller]) -> None:
    """Every answer whole, in order, and nothing besides.

    Raises:
        Failed: it is not so.
    """
    for turn in turns:
        said = "".join(turn.said)
        if said != WHOLE:
            raise Failed(f"an answer of {len(said)} characters instead of {len(WHOLE)}")
    if strays := sum(caller.strays for caller in callers):
        raise Failed(f"{strays} frames that belong to no turn")


def added(turn: Turn, requests: Sequence[dict[str, float]]) -> float:
    """Seconds to the first word that are not the model's own.

    From the caller's request to the model's reading it, and from the model's first word to the
    caller's hearing it.
    """
    return (requests[0]["read"] - turn.asked) + (turn.first - requests[-1]["first"])


def _history(lines: int) -> list[dict[str, str]]:
    said = []
    for number in range(0, lines, 2):
        said.append(_line("user", f"Here is question {number} about my car and its tyres."))
        said.append(_line("assistant", f"And here is answer {number}, as long as answers are."))
    return said[:lines]


def _line(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
