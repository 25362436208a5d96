"""A bridge to play cases in: it keeps everything, tells the most, and has a control call."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final
from unittest import mock

from pydantic import SecretStr

from bridge.app import Bridge
from bridge.store.shapes import CallDetail, Filters
from tests.fake_anthropic.client import FakeAnthropic
from tests.fake_openai.client import FakeOpenAI
from tests.faults.control import AGENT, ControlCall
from tests.faults.logged import as_served
from tests.faults.tape import Caller, Tape
from tests.wire import PATIENCE, bridge_running, dialled

TOKEN: Final = "canary-token-5f1c9d"
PATH: Final = f"/millis/{TOKEN}"
KEY: Final = "sk-canary-key-8b21f0"
OTHER_KEY: Final = "sk-of-a-fake"  # pragma: allowlist secret - of a fake
CANARY: Final = "canary-in-an-exception-4d7e"
"""For a case to plant where the caller and the log must not tell of it."""
NUMBER: Final = "+15550104477"
CONTROL: Final = {AGENT: {"agents": [AGENT], "model": "anthropic:ctl", "filler_after": 0}}
"""The persona that the control call talks to."""
TURN: Final = 20.0
"""Seconds that a reply may take, in the bridge that the cases share."""


@dataclass
class House:
    """One bridge, with what belongs to it."""

    bridge: Bridge
    openai: FakeOpenAI
    folder: Path
    control: ControlCall
    log: StringIO

    @property
    def upstream(self) -> int:
        """The port of the model's server."""
        return int(self.openai.base_url.rpartition(":")[2].partition("/")[0])

    @property
    def database(self) -> str:
        return str(self.folder / "calls.db")

    async def recorded(self) -> set[str]:
        """The ids of all calls on record, once everything is written."""
        if self.bridge.recorder is None:
            return set()
        async with asyncio.timeout(PATIENCE):
            await self.bridge.recorder.written()
        page = await self.bridge.recorder.archive.calls(Filters(), limit=500)
        return {call.id for call in page.calls}

    async def recorded_since(self, known: set[str]) -> list[CallDetail]:
        """What is on record of other calls than these."""
        if self.bridge.recorder is None:
            return []
        archive = self.bridge.recorder.archive
        new = sorted(await self.recorded() - known)
        return [call for one in new for call in await archive.call(one, frames=True)]


@asynccontextmanager
async def house(
    folder: Path, openai: FakeOpenAI, other: FakeAnthropic, **settings: Any
) -> AsyncIterator[House]:
    """Run a bridge that keeps everything, and whose control call holds the line.

    `model_at`: where its model is, if not at `openai`.
    """
    variables = {"ANTHROPIC_BASE_URL": other.base_url, "ANTHROPIC_API_KEY": OTHER_KEY}
    usual: dict[str, Any] = {
        "token": (SecretStr(TOKEN),),
        "record": "full",
        "database_url": f"sqlite+aiosqlite:///{folder / 'calls.db'}",
        "spool_dir": folder / "spool",
        "turn_timeout": TURN,
        "heartbeat": 600.0,  # nobody answers for the control call while another house has a case
        "personas": CONTROL,
    }
    model_at = settings.pop("model_at", openai.base_url)
    with as_served([TOKEN, KEY]) as log, mock.patch.dict(os.environ, variables):
        running = bridge_running(folder, model_at, key=KEY, **{**usual, **settings})
        async with running as bridge, dialled(bridge, f"/millis/{TOKEN}") as wire:
            control = ControlCall(Caller(wire, Tape()))
            await control.wire.start(0, AGENT, agent_id=AGENT)
            await control.wire.answer(0)
            async with control.talking():
                pass
            yield House(bridge, openai, folder, control, log)
