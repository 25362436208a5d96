"""Connections that ask for nothing, however many, take no call's place: faults B8, B10, G21.

benchmarks/flood.py does it with twenty thousand.
"""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bridge.app import Bridge
from tests.server.metered import metrics
from tests.wire import PATIENCE, Served, bridge_running, came_true, dialled, served, watched

FLOOD = 300
"""Connections of one flood."""
ROOM = 40
HALF = b"GET /millis HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Drip: "
WHOLE = HALF + b"1\r\n\r\n"


class Stranger:
    """One TCP connection, by hand."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.wire, data)

    async def drips(self) -> None:
        """Send one byte at a time, for as long as it is taken."""
        async with asyncio.timeout(PATIENCE):
            while True:
                await self.send(b"x")
                await asyncio.sleep(0.01)

    async def heard(self) -> bytes:
        """What it is told; nothing when it is cut off."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await asyncio.get_running_loop().sock_recv(self.wire, 4096)
            except ConnectionError:
                return b""


@asynccontextmanager
async def strangers(
    bridge: Bridge | Served, count: int, address: str = "127.0.0.1", say: bytes = b""
) -> AsyncIterator[list[Stranger]]:
    """Connect so often, from an address of this machine."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as closing:
        found = []
        for _ in range(count):
            wire = closing.enter_context(socket.socket())
            wire.setblocking(False)
            wire.bind((address, 0))
            await loop.sock_connect(wire, ("127.0.0.1", bridge.port))
            found.append(Stranger(wire))
            if say:
                await found[-1].send(say)
        yield found


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    """A bridge that has little room for those that wait."""
    async with bridge_running(tmp_path, model="demo") as running:
        running.ports.calls.hall.most = ROOM
        yield running


def waiting(bridge: Bridge) -> int:
    return len(bridge.ports.calls.hall)


async def answered(bridge: Bridge | Served) -> None:
    """Make a call, and hear something."""
    async with dialled(bridge) as millis:
        await millis.start(0, "another")
        assert await millis.answer(0)


@pytest.mark.parametrize("say", [b"", b"G", HALF], ids=["silent", "one letter", "half a request"])
async def test_a_connection_that_does_not_ask_in_time_is_cut_off(
    tmp_path: Path, say: bytes
) -> None:
    async with bridge_running(tmp_path, model="demo", first_message_timeout=0.2) as bridge:
        async with strangers(bridge, 1, say=say) as (stranger,):
            assert await stranger.heard() == b""
        assert bridge.board.refused["silent"] == 1
        assert waiting(bridge) == 0
        assert (await metrics(bridge)).value("calls_refused_total", reason="silent") == 1


async def test_headers_that_drip_buy_no_time(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo", first_message_timeout=0.3) as bridge:
        async with strangers(bridge, 1, say=HALF) as (stranger,):
            with pytest.raises(ConnectionError):
                await stranger.drips()
        assert bridge.board.refused["silent"] == 1


@pytest.mark.parametrize("say", [b"", HALF], ids=["silent", "half a request"])
async def test_calls_get_through_a_flood_from_their_own_address(bridge: Bridge, say: bytes) -> None:
    async with dialled(bridge) as earlier, watched(bridge):
        async with strangers(bridge, FLOOD, say=say):
            await answered(bridge)
            await earlier.start(0)
            assert await earlier.answer(0)
            assert waiting(bridge) <= ROOM
            assert bridge.board.refused["crowded"] >= FLOOD - ROOM - 10
            assert len(bridge.board.live) == 1
    await came_true(lambda: waiting(bridge) == 0)


async def test_who_takes_more_than_their_share_of_the_room_pays_for_it(bridge: Bridge) -> None:
    async with strangers(bridge, 2, say=HALF) as mine, strangers(bridge, 2, "127.0.0.3", HALF):
        await came_true(lambda: waiting(bridge) == 4)
        async with strangers(bridge, FLOOD, "127.0.0.2", HALF) as flood:
            await came_true(lambda: bridge.board.refused["crowded"] == FLOOD + 4 - ROOM)
            assert await flood[0].heard() == b""
            for one in mine:  # though they have waited longest
                await one.send(b"\r\n\r\n")
                assert (await one.heard()).startswith(b"HTTP/1.1 ")


async def test_of_many_addresses_those_go_that_wait_longest(bridge: Bridge) -> None:
    async with AsyncExitStack() as flood:
        first = [
            await flood.enter_async_context(strangers(bridge, 1, f"127.0.1.{number}"))
            for number in range(1, ROOM + 11)
        ]
        await came_true(lambda: bridge.board.refused["crowded"] == 10)
        for (one,) in first[:10]:
            assert await one.heard() == b""
        await first[-1][0].send(WHOLE)
        assert (await first[-1][0].heard()).startswith(b"HTTP/1.1 ")


async def test_who_was_answered_waits_again_and_may_ask_again(bridge: Bridge) -> None:
    async with strangers(bridge, 1, say=WHOLE) as (stranger,):
        for _ in range(2):
            assert (await stranger.heard()).startswith(b"HTTP/1.1 400 ")
            assert waiting(bridge) == 1
            await stranger.send(WHOLE)
        assert await stranger.heard()
    await came_true(lambda: waiting(bridge) == 0)


async def test_requests_of_one_connection_go_one_after_the_other(bridge: Bridge) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        for path in ("/healthz", "/readyz", "/nowhere", "/console/", "/metrics") * 3:
            async with http.get(f"http://127.0.0.1:{bridge.port}{path}") as response:
                assert await response.read()
        assert waiting(bridge) == 1


async def test_a_stop_waits_for_nobody_who_asks_for_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as open_to_the_end:
        async with bridge_running(tmp_path, model="demo", first_message_timeout=600) as bridge:
            found = await open_to_the_end.enter_async_context(strangers(bridge, 3, say=HALF))
            found += await open_to_the_end.enter_async_context(strangers(bridge, 3))
            await came_true(lambda: waiting(bridge) == 6)
        for one in found:
            assert await one.heard() == b""


# ── descriptors ──────────────────────────────────────────────────────────────────────────────────


async def test_with_no_descriptor_left_live_calls_go_on_and_others_come_later(  # B10
    tmp_path: Path,
) -> None:
    async with served(tmp_path, BRIDGE_MODEL="demo") as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            assert await millis.answer(0)
            most = descriptors(bridge) + 8
            resource.prlimit(bridge.process.pid, resource.RLIMIT_NOFILE, (most, most))
            async with strangers(bridge, 30):
                await came_true(lambda: descriptors(bridge) == most)
                for turn in range(1, 4):
                    assert await millis.asked(turn, "what are your opening hours?")
            async with asyncio.timeout(PATIENCE + 5):  # asyncio tries again once a second
                await answered(bridge)
            assert await millis.asked(4, "and on Sundays?")
        code, _, log = await bridge.stop()
    assert code == 0
    assert log.count("the system gives us no more connections") == 1
    assert "Traceback" not in log


def descriptors(bridge: Served) -> int:
    """How many a process has open."""
    return len(list(Path(f"/proc/{bridge.process.pid}/fd").iterdir()))
