"""Calls over real sockets through a bridge that keeps a record."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bridge.app import Bridge
from bridge.store import Recorder
from bridge.store.shapes import CallDetail
from tests.fake_openai.client import FakeOpenAI
from tests.wire import bridge_running


@asynccontextmanager
async def recording(
    folder: Path, openai: FakeOpenAI, url: str, **settings: Any
) -> AsyncIterator[Bridge]:
    """Run a bridge whose record is at `url`, and whose spool is in `folder`."""
    async with bridge_running(
        folder,
        openai.base_url,
        **{
            "record": "full",
            "database_url": SecretStr(url),
            "spool_dir": folder / "spool",
            **settings,
        },
    ) as bridge:
        yield bridge


def recorder_of(bridge: Bridge) -> Recorder:
    assert bridge.recorder is not None
    return bridge.recorder


async def on_record(bridge: Bridge, session: str = "s", *, frames: bool = False) -> CallDetail:
    """Read the one connection of a session, once everything so far is in the database."""
    recorder = recorder_of(bridge)
    await recorder.written()
    (call,) = await recorder.archive.call(session, frames=frames)
    return call
