"""Calls that are recorded by a real bridge, and replayed to another one in the same process."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from bridge.app import Bridge
from bridge.cli.rehearser import Manner, Rehearser
from bridge.local.replay_report import ReplayReport, TurnDifference
from bridge.local.replay_script import script_of
from bridge.settings import Settings
from bridge.store.shapes import CallDetail
from tests.fake_openai.client import FakeOpenAI
from tests.wire import PATIENCE, Wire, bridge_running, dialled, tool_call, write_tool

RECORDED = Manner(recorded=True, fast=True)
LOOK = """
from bridge import policy

@policy(read_only=True)
@tool
async def look(day: str) -> str:
    '''Look for a free table.'''
    note("looked", day)
    return "table 4"
"""
BOOK = """
@tool
async def book(table: int) -> str:
    '''Book a table.'''
    note("booked", str(table))
    return f"booked table {table}"
"""


class Theatre:
    """A folder with tools and prompts, a fake model, and a record."""

    def __init__(self, folder: Path, openai: FakeOpenAI) -> None:
        self.folder = folder
        self.openai = openai
        self.settings: dict[str, Any] = {"filler_after": 0}

    def tool(self, name: str, body: str) -> None:
        write_tool(self.folder, name, body)

    def prompt(self, name: str, text: str) -> None:
        (self.folder / "prompts").mkdir(exist_ok=True)
        (self.folder / "prompts" / f"{name}.md").write_text(text)

    @asynccontextmanager
    async def bridge(self, **settings: Any) -> AsyncIterator[Bridge]:
        """A bridge that keeps a record."""
        there = {
            "record": "full",
            "database_url": f"sqlite:///{self.folder / 'calls.db'}",
            "spool_dir": self.folder / "spool",
        }
        settings = {**there, **self.settings, **settings}
        async with bridge_running(self.folder, self.openai.base_url, **settings) as bridge:
            yield bridge

    @asynccontextmanager
    async def call(self, bridge: Bridge, session: str = "s", **about: Any) -> AsyncIterator[Wire]:
        """A call, up to the end of the greeting."""
        async with dialled(bridge) as wire:
            await wire.start(0, session, **about)
            await wire.answer(0)
            yield wire

    async def record_of(self, bridge: Bridge, session: str = "s") -> list[CallDetail]:
        """What is on record of a call that is over."""
        assert bridge.recorder is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                await bridge.recorder.written()
                calls = await bridge.recorder.archive.call(session, frames=True)
                if calls and all(call.ended_at is not None for call in calls):
                    return calls
                await asyncio.sleep(0.01)

    async def replay(
        self,
        calls: list[CallDetail],
        manner: Manner = RECORDED,
        *,
        earlier: list[CallDetail] | None = None,
        **settings: Any,
    ) -> ReplayReport:
        """Replay it to a bridge of today."""
        variables = {"OPENAI_BASE_URL": self.openai.base_url, "OPENAI_API_KEY": "sk-test"}
        today = Settings(
            tools_dir=self.folder / "tools",
            prompts_dir=self.folder / "prompts",
            **{"model": "openai:fake", **self.settings, **settings},
        )
        scripts = [script_of(call) for call in calls]
        with mock.patch.dict(os.environ, variables):
            return await Rehearser(today, calls, scripts, manner, earlier or []).report()


def asks(name: str, **arguments: object) -> list[dict[str, Any]]:
    """A message of the model's that asks for a tool."""
    call = tool_call(name, "c1", **arguments)
    return [{"tool_call": call}, {"finish": "tool_calls"}, {"done": True}]


def what_differs(turn: TurnDifference) -> set[str]:
    """Name all that differs in a turn, results included."""
    words = {"words"} if turn.words_differ else set[str]()
    outcome = {"outcome"} if turn.outcome_differs else set[str]()
    return words | outcome | {f"tool {tool.what}" for tool in turn.tools}
