"""A bridge tells of its calls: over HTTP when it is asked, and to a webhook when they end."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from pydantic import SecretStr

from tests.fake_openai.client import FakeOpenAI
from tests.store.calls import recorder_of, recording
from tests.wire import dialled, health, health_when

GREETING = "Hello, how can I help you?"
SECRET = "s" * 32


class Receiver:
    """Takes what a webhook sends."""

    def __init__(self) -> None:
        self.url = ""
        self.got: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        self.got.put_nowait((dict(request.headers), await request.read()))
        return web.Response(status=204)

    async def next(self) -> tuple[dict[str, str], dict[str, Any]]:
        async with asyncio.timeout(10):
            headers, body = await self.got.get()
        signed = f"{headers['Bridge-Webhook-Id']}.{headers['Bridge-Webhook-Timestamp']}."
        digest = hmac.new(SECRET.encode(), signed.encode() + body, hashlib.sha256).hexdigest()
        assert headers["Bridge-Webhook-Signature"] == f"v1={digest}"
        return headers, orjson.loads(body)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Listen for a webhook."""
    takes = Receiver()
    app = web.Application()
    app.router.add_post("/hook", takes.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    takes.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield takes
    finally:
        await runner.cleanup()


async def test_a_call_that_ends_is_sent_to_the_webhook(
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    await openai.script({"say": "It is five."})
    async with receiver() as takes:
        hook = {"webhook_url": SecretStr(takes.url), "webhook_secret": SecretStr(SECRET)}
        async with recording(tmp_path, openai, url, **hook) as bridge:
            async with dialled(bridge) as millis:
                await millis.start(0, agent_id="a")
                await millis.answer(0)
                await millis.asked(1, GREETING, "What time is it?")
            _, told = await takes.next()
            body = await health_when(bridge, lambda body: body["webhook"]["delivered"])
            assert body["webhook"]["waiting"] == 0
    assert told["event"] == "call_ended"
    assert (told["call"]["session_id"], told["call"]["ending"]) == ("s", "hung_up")
    assert [turn["said"] for turn in told["call"]["timeline"]] == [GREETING, "It is five."]


async def test_a_call_that_goes_on_when_the_server_stops_is_sent_all_the_same(
    tmp_path: Path, openai: FakeOpenAI, sqlite_url: str
) -> None:
    async with receiver() as takes:
        hook = {"webhook_url": SecretStr(takes.url), "webhook_secret": SecretStr(SECRET)}
        async with aiohttp.ClientSession() as http:
            async with recording(tmp_path, openai, sqlite_url, **hook) as bridge:
                socket = await http.ws_connect(f"http://127.0.0.1:{bridge.port}/millis")
                start = {"stream_id": 0, "session_id": "s"}
                await socket.send_json({"type": "start_call", "data": start})
                await socket.receive()
        _, told = await takes.next()
    assert told["call"]["ending"] == "server_stopped"


async def test_the_record_is_read_over_http(tmp_path: Path, openai: FakeOpenAI, url: str) -> None:
    await openai.script({"say": "It is five."})
    async with recording(tmp_path, openai, url) as bridge, aiohttp.ClientSession() as http:
        async with dialled(bridge) as millis:
            await millis.start(0, agent_id="a")
            await millis.answer(0)
            await millis.asked(1, GREETING, "What time is it?")
        await health_when(bridge, lambda body: body["calls"] == 0)
        await recorder_of(bridge).written()
        base = f"http://127.0.0.1:{bridge.port}/api"
        async with http.get(f"{base}/calls", params={"agent": "a"}) as response:
            page = await response.json()
        async with http.get(f"{base}/calls/s") as response:
            shown = await response.json()
        async with http.get(f"{base}/openapi.json") as response:
            described = await response.json()
    assert [call["session_id"] for call in page["calls"]] == ["s"]
    assert [turn["said"] for turn in shown["calls"][0]["timeline"]] == [GREETING, "It is five."]
    assert "/api/calls" in described["paths"]


async def test_the_api_has_a_token_of_its_own(
    tmp_path: Path, openai: FakeOpenAI, sqlite_url: str
) -> None:
    tokens = {"token": ("millis-token",), "api_token": (SecretStr("api-token"),)}
    async with recording(tmp_path, openai, sqlite_url, **tokens) as bridge:
        async with aiohttp.ClientSession() as http:
            statuses = []
            for token in ("api-token", "millis-token", ""):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                address = f"http://127.0.0.1:{bridge.port}/api/calls"
                async with http.get(address, headers=headers) as response:
                    statuses.append(response.status)
    assert statuses == [200, 401, 401]


async def test_without_a_record_there_is_nothing_to_read(
    tmp_path: Path, openai: FakeOpenAI, sqlite_url: str
) -> None:
    async with recording(tmp_path, openai, sqlite_url, record="off") as bridge:
        address = f"http://127.0.0.1:{bridge.port}/api/calls"
        async with aiohttp.ClientSession() as http, http.get(address) as response:
            assert response.status == 503
        assert (await health(bridge))["webhook"] == {"state": "off"}
