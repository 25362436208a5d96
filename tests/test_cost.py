"""A doubling of what a token or a turn costs is noticed, as a ratio to something in the same run.

Processor time, the least of many tries: so a busy machine changes little. `benchmarks/speed` and
docs/performance.md have the figures themselves.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import httpx2
import orjson
from aiohttp import web
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from pydantic import SecretStr

from bridge.agent.agent import LangChainAgent
from bridge.agent.chain import NamedModel
from bridge.agent.lean import LeanChatOpenAI
from bridge.agent.lean_chunks import AnswerReader
from bridge.agent.lean_http import Upstream
from bridge.agent.reply import Limits
from bridge.call.delivery import Delivery, Manner
from bridge.call.events import CallData
from bridge.call.ports import Brief
from bridge.protocol import Utterance
from bridge.server.outbox import Outbox
from bridge.speech import Lexicon
from tests.call.test_call import request
from tests.doubles import RecordingVoice, Room, until

WORDS = [f"word{number} " for number in range(100)]
CHUNK: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}

MOST_PER_TOKEN = 14.0
"""Times what a bare relay computes; 5 to 9 when this was written (CPython 3.11)."""
MOST_PER_TURN = 0.7
"""Of one run of LangChain's own graph; 0.25 to 0.4 when this was written."""


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({**CHUNK, "choices": [choice]}) + b"\n\n"


class Socket:
    """Takes frames for nothing."""

    closed = False

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        pass

    async def send_frame(self, payload: bytes, kind: object) -> None:
        pass


class Request:
    transport = Socket()


class Prompts:
    def system(self, *_: object) -> str:
        return "Be brief."


class Given:
    """An answer that is there already."""

    def __init__(self) -> None:
        self._parts = [event({"content": word}) for word in WORDS[:3]]
        self._parts.append(event({}, "stop") + b"data: [DONE]\n\n")

    async def read(self) -> bytes:
        return self._parts.pop(0)

    async def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


async def least(work: Callable[[], Awaitable[object]], tries: int) -> float:
    """Seconds of processor time, of the try that took the fewest."""
    times = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(tries):
            began = time.thread_time()
            await work()
            times.append(time.thread_time() - began)
    finally:
        gc.enable()
    return min(times)


async def test_a_token_costs_no_more_than_twice_what_it_did() -> None:
    socket = Socket()
    outbox = Outbox(cast("web.WebSocketResponse", socket), cast("web.Request", Request()), 5)
    lexicon = Lexicon.load(Path(__file__).parents[1] / "prompts/lexicon.toml")
    events = [event({"content": word}) for word in WORDS]

    async def bridge() -> None:
        reader = AnswerReader(lambda _: None, request=httpx2.Request("POST", "http://model"))
        delivery = Delivery(outbox, Manner(lexicon, True, 10_000), 1)
        for data in events:
            for words in reader.feed(data):
                await delivery.say(cast("str", words))

    async def relay() -> None:
        for data in events:
            delta = orjson.loads(data[6:])["choices"][0]["delta"]
            said = {"stream_id": 1, "content": delta["content"], "end_of_stream": False}
            frame = orjson.dumps({"type": "stream_response", "data": said})
            await socket.send_frame(frame, 1)

    await bridge()
    await relay()
    ratio = await least(bridge, 60) / await least(relay, 60)

    assert ratio < MOST_PER_TOKEN, f"a token costs {ratio:.1f} times a relay's"


async def test_a_plain_turn_costs_less_than_a_run_of_the_graph(monkeypatch: Any) -> None:
    async def opened(*_: object) -> Given:
        await asyncio.sleep(0)
        return Given()

    monkeypatch.setattr(Upstream, "open", opened)
    model = LeanChatOpenAI(model="m", api_key=SecretStr("sk-test"))

    agent = LangChainAgent([NamedModel("m", model)], [], Prompts, Limits())
    graph = create_agent(FakeListChatModel(responses=["word0 word1 word2"]), [])
    brief = Brief(CallData(), (Utterance("user", "Hello?"),))

    async def turn() -> None:
        voice = RecordingVoice()
        await agent.reply(brief, voice)
        assert voice.said

    async def run() -> None:
        await graph.ainvoke({"messages": [HumanMessage("Hello?")]})

    await turn()
    await run()
    ratio = await least(turn, 60) / await least(run, 60)

    assert ratio < MOST_PER_TURN, f"a turn costs {ratio:.2f} of a graph's"


async def test_a_plain_turn_leaves_nothing_that_only_the_garbage_collector_finds(
    monkeypatch: Any,
) -> None:
    async def opened(*_: object) -> Given:
        await asyncio.sleep(0)
        return Given()

    monkeypatch.setattr(Upstream, "open", opened)
    model = LeanChatOpenAI(model="m", api_key=SecretStr("sk-test"))
    agent = LangChainAgent([NamedModel("m", model)], [], Prompts, Limits())
    room = Room(cast("Any", agent))
    call = room.call()

    async def turn(number: int) -> None:
        call.hear(request(number, "Hello?"))
        await until(lambda: room.line.endings(number) == 1)
        await asyncio.sleep(0.01)

    await turn(1)
    await turn(2)
    gc.collect()
    gc.disable()
    try:
        for number in range(3, 8):
            await turn(number)
        assert gc.collect() == 0
    finally:
        gc.enable()
    await call.close()
    assert "word2" in room.line.said(7)
