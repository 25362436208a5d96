"""A record of one connection that is kept in memory only, in the shapes of the one on disk."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from bridge.call.events import (
    CallBegan,
    CallData,
    CallEnded,
    CallEvent,
    ToolBegun,
    ToolFinished,
    TurnBegan,
    TurnEnded,
)
from bridge.protocol import Inbound, Outbound
from bridge.store.notes.callrecord import CallRecord
from bridge.store.notes.note import Note
from bridge.store.shapes import Turn


class Notebook:
    """What is told of a connection: `bridge.call.events.Record`. Make it within the event loop."""

    def __init__(self, began: Callable[[TurnBegan], None] = lambda _: None) -> None:
        """`began` is told of each turn when it begins, before anything is done in it."""
        self.ending: str | None = None
        """How the connection ended."""
        self.persona: str | None = None
        """Who answered."""
        self._record = CallRecord(self._keep, lambda: None, replica="notebook", level="text")
        self._began = began
        self._turns: dict[int, dict[str, Any]] = {}
        self._tools: dict[str, dict[str, Any]] = {}
        self._running: set[str] = set()
        self._news = asyncio.Event()

    @property
    def turns(self) -> list[Turn]:
        """The turns that have ended, with their tools."""
        runs: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for run in sorted(self._tools.values(), key=lambda run: run["at_ms"]):
            runs[run["turn"]].append(run)
        return [
            Turn.model_validate(row | {"tool_runs": runs[number]})
            for number, row in sorted(self._turns.items())
        ]

    async def idle(self) -> None:
        """Wait until no tool runs."""
        while self._running:
            self._news.clear()
            await self._news.wait()

    async def ended(self) -> None:
        """Wait until the connection has ended, and every tool of it."""
        while self.ending is None:
            self._news.clear()
            await self._news.wait()

    def note(self, call: CallData, event: CallEvent) -> None:
        """Keep an event."""
        self._record.note(call, event)
        match event:
            case CallBegan():
                self.persona = call.persona
            case TurnBegan():
                self._began(event)
            case ToolBegun(id=name):
                self._running.add(name)
            case ToolFinished(id=name):
                self._running.discard(name)
            case CallEnded(ending=ending):
                self.ending = ending
            case _:
                pass
        self._news.set()

    def secure(self, call: CallData, event: TurnEnded) -> None:
        """Keep the end of a turn; nothing here is safe from a crash."""
        self._record.secure(call, event)

    def heard(self, call: CallData, message: Inbound) -> None:
        """Forget a message from Millis."""

    def sent(self, call: CallData, message: Outbound) -> None:
        """Forget a message to Millis."""

    def _keep(self, note: Note) -> None:
        if note.kind == "turn":
            self._turns[note.row["number"]] = note.row
        elif note.kind == "heard":
            self._turns[note.row["number"]] |= note.row
        elif note.kind == "tool":
            self._tools[note.row["id"]] = note.row
