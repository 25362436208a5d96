"""Plays Millis in a terminal: a person types the caller's lines and reads the agent's."""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any, Final

from bridge.local.answer import Answer, LineLost
from bridge.local.caller import Caller
from bridge.local.keyboard import Keyboard
from bridge.local.screen import Screen
from bridge.protocol import EndCall, TransferCall

QUIT: Final = "/quit"
_TOLD: Final = 1.0
"""Seconds to wait for the news of how a reply ended: they come on a socket of their own."""


class Terminal:
    """One call by keyboard. `break_in` and `tell` may be called at any time."""

    def __init__(self, screen: Screen, keyboard: Keyboard) -> None:
        self._screen = screen
        self._keyboard = keyboard
        self._hearing: Answer | None = None
        self._interrupt = asyncio.Event()
        self._hang_up = asyncio.Event()
        self._turns: dict[str, dict[str, Any]] = {}
        """How replies ended, by stream id."""
        self._told = asyncio.Event()
        self._later: list[tuple[str, dict[str, Any]]] = []
        """News that came while a person was typing."""
        self._read = 0
        """How many of the lines that were said into silences."""

    def break_in(self) -> None:
        """Ctrl-C: interrupt the agent; hang up if it does not speak."""
        (self._hang_up if self._hearing is None else self._interrupt).set()

    def tell(self, event: str, data: dict[str, Any]) -> None:
        """Take note of a tool or of how a reply ended (local.outside.Tell)."""
        if event == "TurnEnded":
            self._turns[str(data.get("stream_id"))] = data
            self._told.set()
        elif event in ("ToolBegun", "ToolFinished"):
            if self._hearing is None and self._keyboard.typed:
                self._later.append((event, data))
            else:
                self._screen.tool(event, data)

    async def talk(self, caller: Caller, *, watching: bool) -> None:
        """Hold the conversation, to the end of the input or of the call.

        Raises:
            LineLost: the bridge is gone without a goodbye.
        """
        await self._hear(caller, caller.greeting, watching=watching)
        while (line := await self._next_line(caller)) is not None:
            if not line:
                continue
            if not self._keyboard.typed:
                self._screen.you(line)
            await self._hear(caller, await caller.request(line), watching=watching)
        self._flush(caller)
        match caller.action:
            case EndCall():
                self._screen.note("(the agent has ended the call)")
            case TransferCall(data=data):
                self._screen.note(f"(the agent transfers the call to {data.destination})")
            case None:
                pass

    # ── listening ────────────────────────────────────────────────────────────────────────────────

    async def _hear(self, caller: Caller, answer: Answer, *, watching: bool) -> None:
        self._hearing = answer
        self._interrupt.clear()
        self._flush(caller)
        breaking_in = asyncio.create_task(self._break_in_when_asked(caller), name="break in")
        try:
            async for piece in answer:
                self._screen.words(piece.content)
            if watching and answer.silenced is None:
                await self._wait_for_news(answer)
        finally:
            self._hearing = None
            if not self._interrupt.is_set():  # if it is, let the interrupt leave
                breaking_in.cancel()
            await asyncio.wait({breaking_in})
        self._screen.pause_words()
        self._sum_up(answer)
        if answer.ended and answer.silenced is None:
            with contextlib.suppress(LineLost):
                await caller.played(answer)  # nothing is played here, so it is at once

    async def _break_in_when_asked(self, caller: Caller) -> None:
        await self._interrupt.wait()
        with contextlib.suppress(LineLost):  # whoever listens learns of it
            await caller.interrupt()

    async def _wait_for_news(self, answer: Answer) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TOLD):
                while str(answer.stream_id) not in self._turns:
                    self._told.clear()
                    await self._told.wait()

    def _sum_up(self, answer: Answer) -> None:
        if answer.silenced is not None:
            self._screen.note(f"({answer.silenced})")
        failure = self._turns.get(str(answer.stream_id), {}).get("failure")
        if failure and answer.silenced is None:
            self._screen.warn(f"The reply failed: {failure}. `bridge doctor` looks for the reason.")
        if answer.first_word is not None:
            count = len(answer.text.split())
            words = "1 word" if count == 1 else f"{count} words"
            self._screen.note(f"first word {answer.first_word * 1000:.0f} ms · {words}")
        elif answer.silenced is None and answer.action is None:
            self._screen.note("(silence)")

    def _flush(self, caller: Caller) -> None:
        for said in caller.unasked[self._read :]:
            self._screen.words(said.text)
            self._screen.pause_words()
        self._read = len(caller.unasked)
        for event, data in self._later:
            self._screen.tool(event, data)
        self._later.clear()

    # ── typing ───────────────────────────────────────────────────────────────────────────────────

    async def _next_line(self, caller: Caller) -> str | None:
        """Wait for a line; None to hang up, or if the call is over."""
        if caller.action is not None or self._hang_up.is_set():
            return None
        line = await _first(self._keyboard.line(), self._hang_up.wait(), caller.over.wait())
        if isinstance(line, str) and caller.action is None:
            return None if line.strip() == QUIT else line.strip()
        if self._keyboard.typed:
            self._screen.say("")  # leave the line of the prompt
        if caller.over.is_set() and caller.action is None:
            raise LineLost(caller.close_code)
        return None


async def _first(*waits: Awaitable[Any]) -> Any:
    """Return what the first of these gives; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return next(task for task in tasks if task in done).result()
