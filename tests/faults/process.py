"""A bridge in a process of its own, which keeps its record and its log where the house does.

What it says, keeps and logs is looked at by the oracles, as if it were the house's bridge.
"""

import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.house import KEY, TOKEN
from tests.faults.scene import Scene
from tests.wire import Served, served


@asynccontextmanager
async def process(scene: Scene, name: str = "own", **variables: str) -> AsyncIterator[Served]:
    """Run `bridge serve` meanwhile, and at the end stop it, unless that is done already.

    Of one that is `name`d as another was, the spool is found again.
    """
    folder = scene.house.folder
    settings = {
        "OPENAI_BASE_URL": scene.openai.base_url,
        "OPENAI_API_KEY": KEY,
        "BRIDGE_MODEL": "openai:fake",
        "BRIDGE_FILLER_AFTER": "0",
        "BRIDGE_END_CALL": "false",
        "BRIDGE_TOKEN": TOKEN,
        "BRIDGE_RECORD": "full",
        "BRIDGE_DATABASE_URL": f"sqlite:///{scene.house.database}",
        "BRIDGE_SPOOL_DIR": str(folder / f"spool of {name}"),
        "BRIDGE_DRAIN_TIMEOUT": "0.2",
        "BRIDGE_LOG_FORMAT": "json",
    }
    async with served(folder, **{**settings, **variables}) as bridge:
        yield bridge
        if bridge.process.returncode is None:
            await stopped(scene, bridge)


async def stopped(scene: Scene, bridge: Served, how: signal.Signals = signal.SIGTERM) -> int | None:
    """Stop it; its exit code. What it has logged is in the house's log from then on."""
    code, _, err = await bridge.stop(how)
    scene.house.log.write(err)
    return code


def limited(bridge: Served, what: int, most: int) -> int:
    """Allow it no more of something, now; how much it was before."""
    before, hard = resource.prlimit(bridge.process.pid, what)
    resource.prlimit(bridge.process.pid, what, (most, hard))
    return before


def descriptors(bridge: Served) -> int:
    """How many it has open."""
    return len(list(Path(f"/proc/{bridge.process.pid}/fd").iterdir()))
