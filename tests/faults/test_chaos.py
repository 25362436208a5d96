"""The bad line itself: what it is told to do to bytes, it does, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fake_openai.client import FakeOpenAI
from tests.faults.chaos import GOOD, SILENT, Chaos, Weather
from tests.wire import PATIENCE, bridge_running, came_true, dialled

STORY = bytes(range(256)) * 256


@dataclass
class End(asyncio.Protocol):
    """One end of a connection, and what came to it, read by read."""

    came: list[bytes] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Future[Exception | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.came.append(data)

    def eof_received(self) -> bool:
        self.over.set()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)

    @property
    def text(self) -> bytes:
        return b"".join(self.came)

    async def has(self, size: int) -> bytes:
        await came_true(lambda: len(self.text) >= size)
        return self.text


@asynccontextmanager
async def line(up: Weather = GOOD, down: Weather = GOOD) -> AsyncIterator[tuple[Chaos, End, End]]:
    """A bad line, with its caller and its server."""
    loop = asyncio.get_running_loop()
    answering = End()
    server = await loop.create_server(lambda: answering, "127.0.0.1", 0)
    async with server, Chaos(server.sockets[0].getsockname()[1], up=up, down=down) as chaos:
        _, caller = await loop.create_connection(End, "127.0.0.1", chaos.port)
        await came_true(lambda: hasattr(answering, "transport"))
        yield chaos, caller, answering
        for end in (caller, answering):
            end.transport.abort()
            await asyncio.wait({end.lost})


async def test_a_good_line_carries_all_both_ways_and_the_end() -> None:
    async with line() as (chaos, caller, server):
        caller.transport.write(STORY)
        server.transport.write(STORY[::-1])
        caller.transport.write_eof()
        async with asyncio.timeout(PATIENCE):
            await server.over.wait()
        assert server.text == STORY
        assert await caller.has(len(STORY)) == STORY[::-1]
        assert not caller.over.is_set()
        server.transport.write_eof()
        async with asyncio.timeout(PATIENCE):
            await caller.over.wait()
        await came_true(lambda: not chaos.links)


async def test_latency_delays_one_way_and_keeps_the_order() -> None:
    late = Weather(latency=0.2, jitter=0.05)
    async with line(down=late) as (_, caller, server):
        now = asyncio.get_running_loop().time
        begun = now()
        caller.transport.write(b"?")
        await server.has(1)
        for number in range(100):
            server.transport.write(b"%2d" % number)
            await asyncio.sleep(0.001)
        told = now()
        assert not caller.text or now() - begun >= late.latency
        assert await caller.has(200) == b"".join(b"%2d" % number for number in range(100))
        assert now() - begun >= late.latency
        assert now() - told < 100 * late.latency  # they were under way together


async def test_slices_arrive_one_by_one() -> None:
    async with line(up=Weather(slices=7)) as (_, caller, server):
        caller.transport.write(STORY[:700])
        assert await server.has(700) == STORY[:700]
        assert len(server.came) >= 50, "they arrived in one piece"


async def test_no_more_bytes_pass_than_the_rate_allows() -> None:
    async with line(up=Weather(rate=10_000)) as (_, caller, server):
        begun = asyncio.get_running_loop().time()
        caller.transport.write(STORY[:4000])
        assert await server.has(4000) == STORY[:4000]
        assert asyncio.get_running_loop().time() - begun >= 0.35


async def test_a_silent_way_holds_back_words_and_the_end_until_it_is_well_again() -> None:
    async with line() as (chaos, caller, server):
        chaos.be(down=SILENT)
        server.transport.write(b"anybody there?")
        server.transport.write_eof()
        caller.transport.write(b"hello?")
        assert await server.has(6) == b"hello?"  # the other way is well
        assert not caller.came
        assert not caller.over.is_set()
        chaos.be()
        async with asyncio.timeout(PATIENCE):
            await caller.over.wait()
        assert caller.text == b"anybody there?"


async def test_who_is_reset_behind_a_silent_line_is_not_missed() -> None:
    async with line() as (chaos, caller, server):
        chaos.be(up=SILENT, down=SILENT)
        caller.transport.abort()
        server.transport.write(b"still there?")
        await asyncio.sleep(0.05)  # nothing happens, and no event tells of that
        assert not server.over.is_set()
        assert not server.lost.done()
        chaos.be()
        await came_true(lambda: server.over.is_set() or server.lost.done())


async def test_a_reset_reaches_both_ends() -> None:
    async with line() as (chaos, caller, server):
        caller.transport.write(b"hello")
        await server.has(5)
        chaos.reset()
        async with asyncio.timeout(PATIENCE):
            errors = [await end.lost for end in (caller, server)]
        assert all(isinstance(error, ConnectionResetError) for error in errors)
        await came_true(lambda: not chaos.links)


async def test_a_line_is_reset_at_the_byte_it_was_told() -> None:
    async with line(up=Weather(reset_at=1000)) as (_, caller, server):
        caller.transport.write(STORY[:999])
        await server.has(999)
        assert not server.lost.done()
        caller.transport.write(STORY[999:5000])
        async with asyncio.timeout(PATIENCE):
            errors = [await end.lost for end in (caller, server)]
        assert server.text == STORY[:1000]
        assert all(isinstance(error, ConnectionResetError) for error in errors)


async def test_a_server_that_is_not_there_is_as_a_reset() -> None:
    async with Chaos(9) as chaos:
        _, caller = await asyncio.get_running_loop().create_connection(End, "127.0.0.1", chaos.port)
        async with asyncio.timeout(PATIENCE):
            assert isinstance(await caller.lost, ConnectionResetError)


async def test_who_does_not_read_is_felt_at_the_other_end() -> None:
    async with line() as (_, caller, server):
        caller.transport.pause_reading()
        whole = 32 * 1024 * 1024
        server.transport.write(bytes(whole))
        await came_true(lambda: server.transport.get_write_buffer_size() < whole)
        await asyncio.sleep(0.1)  # for what may still go to have gone
        assert server.transport.get_write_buffer_size() > whole // 4
        caller.transport.resume_reading()
        assert len(await caller.has(whole)) == whole


BAD = {
    "late": Weather(latency=0.05, jitter=0.05),
    "sliced": Weather(slices=1),
    "slow": Weather(rate=16 * 1024),
}


@pytest.mark.parametrize("weather", BAD.values(), ids=BAD)
async def test_a_call_through_a_bad_line_is_only_slower(  # B4
    tmp_path: Path, openai: FakeOpenAI, weather: Weather
) -> None:
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with Chaos(bridge.port, up=weather, down=weather) as bad, dialled(bad) as millis:
            await millis.start(0)
            for turn in range(1, 4):
                assert await millis.asked(turn, f"turn {turn}") == f"You said: turn {turn}"
            assert [millis.endings(turn) for turn in (1, 2, 3)] == [1, 1, 1]
