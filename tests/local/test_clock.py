import asyncio
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from bridge.local.clock import VirtualLoop, run
from bridge.local.conversation import Conversation
from bridge.local.traffic import Counted, Traffic
from tests.wire import bridge_running, write_tool

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_an_hour_passes_at_once() -> None:
    began, really = now(), time.monotonic()
    await asyncio.sleep(3600)

    assert now() - began == 3600
    assert time.monotonic() - really < 60


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    woken: list[tuple[float, float]] = []
    began = now()

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((seconds, round(now() - began, 9)))

    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 0.1, 20.0, 0.2):
            group.create_task(sleep(seconds))

    assert woken == [(0.1, 0.1), (0.2, 0.2), (3.0, 3.0), (20.0, 20.0)]


async def test_a_deadline_comes_before_what_takes_longer_and_not_before_what_does_not() -> None:
    async with asyncio.timeout(2):
        await asyncio.sleep(1.999)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await asyncio.sleep(2.001)


def test_whoever_waits_for_ever_is_told_so() -> None:
    async def wait() -> None:
        loop = asyncio.get_running_loop()

        def beat() -> None:
            loop.call_later(20, beat)

        beat()
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="a day has passed"):
        run(wait())


# ── sockets of this process ──────────────────────────────────────────────────────────────────────


async def test_bytes_between_sockets_of_this_process_arrive_before_time_goes_on() -> None:
    size, many = 1 << 20, 8

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(size))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    began = now()
    for _ in range(many):
        async with asyncio.timeout(0.001):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes(size))
            assert len(await reader.read(-1)) == size
            writer.close()
    server.close()
    await server.wait_closed()

    assert now() == began


async def test_bytes_that_the_kernel_takes_its_time_with_are_waited_for() -> None:
    asked: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set_result(await reader.readexactly(5))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    end = writer.get_extra_info("socket")._sock
    end.sent += 5  # it says so, but
    late = threading.Timer(0.03, lambda: os.write(end.fileno(), b"hello"))
    late.name = "asyncio_ by its name, one that does not count"
    late.start()
    async with asyncio.timeout(0.001):
        assert await asked == b"hello"
    late.join()
    writer.close()
    server.close()


async def test_bytes_that_nobody_ever_takes_hold_the_clock_once() -> None:
    class Deaf(asyncio.Protocol):
        pass

    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    server = await loop.create_server(Deaf, sock=listening, start_serving=False)
    transport, _ = await loop.create_connection(Deaf, *listening.getsockname())
    assert isinstance(transport, asyncio.Transport)
    transport.write(b"hello")
    really = time.monotonic()
    for _ in range(3):
        await asyncio.sleep(5)

    assert 0.4 < time.monotonic() - really < 5
    transport.abort()
    server.close()


async def test_a_connection_takes_no_time_to_be_made_unless_it_takes_long() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as third:
        with socket.create_connection(full.getsockname()):
            third.setblocking(False)
            began, really = now(), time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.get_running_loop().sock_connect(third, full.getsockname())

    assert time.monotonic() - really >= 0.1
    assert now() - began < 1


def pair(traffic: Traffic) -> tuple[Counted, Counted]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        other, _ = listening.accept()
    return traffic.count(one), traffic.count(other)


def reads(_: int) -> bool:
    return True


def test_what_was_sent_is_under_way_until_the_other_end_has_it() -> None:
    traffic = Traffic()
    one, other = pair(traffic)
    assert traffic.inside == {one.fileno(), other.fileno()}
    assert not traffic.under_way(reads)

    one.send(b"hello")
    assert traffic.under_way(reads)
    assert not traffic.under_way(lambda _: False)  # nobody waits for it
    other.setblocking(True)
    other.recv(3)
    assert traffic.under_way(reads)
    other.recv_into(bytearray(9))
    assert not traffic.under_way(reads)

    one.close()
    assert traffic.under_way(reads)  # the end itself
    assert other.recv(9) == b""
    assert not traffic.under_way(reads)
    other.close()
    assert traffic.inside == set()


def test_what_nobody_has_accepted_yet_is_under_way() -> None:
    traffic = Traffic()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = traffic.count(socket.create_connection(listening.getsockname()))
        one.send(b"hello")
        assert not traffic.under_way(reads)  # as far as is known, it leads out
        assert traffic.inside == set()

        traffic.listen(listening.getsockname()[1])
        assert traffic.under_way(reads)
        assert traffic.inside == {one.fileno()}
    one.close()


# ── what is outside ──────────────────────────────────────────────────────────────────────────────


async def test_a_thread_has_time_to_finish() -> None:
    began, done = now(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        time.sleep(0.03)
        loop.call_soon_threadsafe(done.set)

    async with asyncio.timeout(2):
        await asyncio.to_thread(time.sleep, 0.03)
    async with asyncio.timeout(2):
        threading.Thread(target=work, name="tool").start()
        await done.wait()

    assert now() - began < 1


async def test_a_thread_that_takes_long_takes_real_time() -> None:
    began = now()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await asyncio.to_thread(time.sleep, 0.4)

    assert 0.05 <= now() - began < 0.35


async def test_while_a_connection_leads_out_of_the_process_time_is_real() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        _, writer = await asyncio.open_connection(sock=ours)
        really = time.monotonic()
        await asyncio.sleep(0.05)
        assert time.monotonic() - really >= 0.05
        writer.close()
        await writer.wait_closed()


async def test_whoever_waits_for_the_outside_may_hold_the_clock() -> None:
    loop, really = asyncio.get_running_loop(), time.monotonic()
    assert isinstance(loop, VirtualLoop)
    with loop.hold():
        await asyncio.sleep(0.05)

    assert time.monotonic() - really >= 0.05


# ── a bridge ─────────────────────────────────────────────────────────────────────────────────────


def test_a_call_takes_the_same_time_in_every_run(tmp_path: Path) -> None:
    write_tool(
        tmp_path,
        "clock",
        """
        @tool
        def current_time(place: str = "Paris") -> str:
            '''The current time.'''
            time.sleep(0.001)  # in a thread
            return f"It is 12:03 in {place}."
        """,
    )
    runs = [run(_call(tmp_path)) for _ in range(2)]

    assert runs[0] == runs[1]
    assert runs[0][-1] > 15


async def _call(folder: Path) -> list[float]:
    async with bridge_running(folder, model="demo", think_ahead="off") as bridge:
        async with Conversation.dial(f"ws://127.0.0.1:{bridge.port}/millis") as talk:
            began = now()
            await talk.hear(talk.caller.greeting)
            await talk.ask("What time is it?")
            await talk.ask("Thank you. What else can you do?")
            assert talk.caller.violations == []
            heard = [answer.playback for answer in talk.caller.answers.values()]
            words = [word for playback in heard if playback for word in playback.words]
            return [round(word.end - began, 6) for word in words]
