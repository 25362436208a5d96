"""A request is written when it is sent, and not a round of the loop later."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bridge.agent.lean import LeanChatOpenAI
from bridge.agent.lean_eager import Begun, EagerRequest
from tests.fake_openai.client import FakeOpenAI
from tests.fake_openai.models import lean_model, merged

BODY = b'{"messages": []}'


@pytest.fixture
async def lean(fake_openai: FakeOpenAI) -> AsyncIterator[LeanChatOpenAI]:
    await fake_openai.reset()
    async with lean_model(fake_openai.base_url) as model:
        yield model


class Ear:
    """A server that answers one request, and then only listens, without the loop."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._peer: socket.socket | None = None
        self._answering = threading.Thread(target=self._answer)
        self._answering.start()

    def _answer(self) -> None:
        self._peer, _ = self._socket.accept()
        assert self._peer.recv(4096)
        self._peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def has_heard(self, body: bytes) -> bool:
        """Whether this is in what came since."""
        self._answering.join()
        assert self._peer is not None
        try:
            return body in self._peer.recv(65536, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
        if self._peer is not None:
            self._peer.close()


async def rounds_until_written(kind: type[aiohttp.ClientRequest]) -> int:
    """How often the loop goes round until a request is on the wire of an open connection."""
    ear = Ear()
    try:
        async with aiohttp.ClientSession(request_class=kind) as session:
            async with session.head(ear.url):
                pass
            asking = asyncio.create_task(session.post(ear.url, data=BODY)._coro)
            rounds = 0
            while not ear.has_heard(BODY):
                await asyncio.sleep(0)
                rounds += 1
                assert rounds < 100
            asking.cancel()
            await asyncio.wait({asking})
            return rounds
    finally:
        ear.close()


async def test_a_request_is_on_the_wire_in_the_round_in_which_it_is_sent() -> None:
    assert await rounds_until_written(EagerRequest) == 1


@pytest.mark.parametrize("size", [100, 900_000, 5_000_000])
async def test_a_request_of_any_size_comes_whole(
    fake_openai: FakeOpenAI, lean: LeanChatOpenAI, size: int
) -> None:
    await fake_openai.script({"say": "Yes."})

    assert (await merged(lean, "x" * size)).text == "Yes."

    (request,) = await fake_openai.requests()
    assert len(request["body"]["messages"][0]["content"]) == size


class Step:
    """A coroutine that waits once, with what became of it."""

    def __init__(self) -> None:
        self.told = asyncio.get_running_loop().create_future()
        self.log: list[Any] = ["before"]

    async def run(self) -> str:
        self.log.append("begun")
        try:
            self.log.append(await self.told)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            self.log.append("left")
        return "done"

    def begun(self) -> Begun:
        coroutine = self.run()
        return Begun(coroutine, coroutine.send(None))


async def test_what_was_begun_goes_on_in_a_task() -> None:
    step = Step()
    task = asyncio.create_task(step.begun())
    assert step.log == ["before", "begun"]

    asyncio.get_running_loop().call_later(0.01, step.told.set_result, "heard")

    assert await task == "done"
    assert step.log == ["before", "begun", "heard", "left"]


@pytest.mark.parametrize("rounds", range(4))
async def test_what_was_begun_can_be_cancelled_at_any_moment(rounds: int) -> None:
    step = Step()
    task = asyncio.create_task(step.begun())
    for _ in range(rounds):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()
    assert step.log == ["before", "begun", "cancelled", "left"]
