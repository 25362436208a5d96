"""Secrets, and what callers say, planted everywhere: nothing tells of them (G2, G13, G16, G17)."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from tests.cli.commands import bridge as run_bridge
from tests.fake_openai.client import FakeOpenAI
from tests.wire import Served, asking, dialled, served, tool_call

SECRETS: Final = {
    "BRIDGE_TOKEN": "canary-token-5f1c,canary-token-9ab2",
    "BRIDGE_API_TOKEN": "canary-api-token-77d0",
    "BRIDGE_CONSOLE_TOKEN": "canary-console-token-31e8",
    "BRIDGE_WEBHOOK_SECRET": "canary-webhook-secret-0c4f",
    "OPENAI_API_KEY": "sk-canary-key-8b21",
    "CRM_PASSWORD": "canary-crm-password-e6a3",
}
OLD, NEW = SECRETS["BRIDGE_TOKEN"].split(",")
KEY = SECRETS["OPENAI_API_KEY"]
PHONE, CUSTOMER, WORDS = "+15550104477", "parrot-customer-2291", "parrot said the caller"
"""What a caller brings along: for the record and for who watches, never for logs and health."""

HOSTILE_ID: Final = 'evil\r\n{"level": "info"}\x1b[2J\0\u2028' + "x" * 100_000
"""A session that would write lines of its own into a log, if it could (G18)."""

TOOL = '''
import os
from langchain_core.tools import tool

@tool
def look_up(words: str) -> str:
    """Look something up."""
    raise RuntimeError(f"no {words} at https://crm:{os.environ['CRM_PASSWORD']}@crm.example/")
'''
GREETING = "Hello {{ metadata.customer + 1 }}!"


@asynccontextmanager
async def bridge_with_canaries(folder: Path, openai: FakeOpenAI) -> AsyncIterator[Served]:
    """`bridge serve`, with a tool that raises a secret and a greeting that fails on metadata."""
    for name, file, text in (("tools", "crm.py", TOOL), ("prompts", "greeting.md", GREETING)):
        (folder / name).mkdir()
        (folder / name / file).write_text(text)
    async with served(
        folder,
        BRIDGE_LOG_LEVEL="debug",
        BRIDGE_MODEL="openai:fake",
        BRIDGE_WEBHOOK_URL="http://127.0.0.1:9/canary-webhook-path",
        OPENAI_BASE_URL=openai.base_url,
        **SECRETS,
    ) as server:
        yield server


async def troubled_call(server: Served, openai: FakeOpenAI) -> str:
    """One call in which much goes wrong; all that it brought."""
    leak = {"error": {"message": f"Incorrect API key provided: {KEY}; {WORDS}"}}
    await openai.script(
        [{"status": 401, "body": leak}],
        asking(tool_call("look_up", words=WORDS)),
        [{"text": "I could not find it."}, {"done": True}],
        [{"status": 500, "body": leak}],
        [{"status": 500, "body": leak}],
    )
    async with dialled(server, f"/millis/{OLD}") as millis:
        numbers = {"from": PHONE, "to": "+15550100000"}
        await millis.start(0, "s", metadata={"customer": CUSTOMER}, voip=numbers)
        await millis.answer(0)
        for stream_id in (1, 2, 3):
            await millis.asked(stream_id, f"{WORDS} {stream_id}")
        for junk in (f"junk {OLD} {WORDS}", {"type": WORDS}, {"type": "start_call", "data": WORDS}):
            await millis.send(junk)
        await millis.start(9, HOSTILE_ID)
        await millis.answer(9)
        await millis.settled()
        return f"{millis.got} {[millis.said(stream_id) for stream_id in (0, 1, 2, 3, 9)]}"


class Asked:
    """Requests of all kinds, and what was said to each: its headers and its body."""

    def __init__(self, http: aiohttp.ClientSession, server: Served) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{server.port}"
        self.told: dict[str, str] = {}

    async def ask(self, path: str, method: str = "GET", kind: str = "", **how: Any) -> None:
        """Ask; `kind` is `record` where what callers said may be told."""
        url = self._url + path
        async with self._http.request(method, url, allow_redirects=False, **how) as response:
            self.told[f"{kind} {path} {how}"] = f"{response.headers} {await response.text()}"

    async def as_stranger(self) -> None:
        for path in (
            "/",
            "/healthz",
            "/readyz",
            "/metrics",
            "/api/calls",
            f"/{NEW}",
            f"/x?t={OLD}",
        ):
            await self.ask(path)
        for path in (f"/millis/{OLD}", f"/millis/{OLD}x", f"/millis?token={NEW}"):
            await self.ask(path)
        for path in (f"/watch/s?token={OLD}", "/console", "/console/", f"/console/{NEW}"):
            await self.ask(path)
        await self.ask("/console/api/agent")

    async def as_reader(self) -> None:
        reader = {"Authorization": f"Bearer {SECRETS['BRIDGE_API_TOKEN']}"}
        await self.ask("/metrics", headers=reader)
        for path in ("", "/s?frames=true", f"?token={NEW}", f"?after={NEW}", f"/{OLD}", "/s/x"):
            await self.ask(f"/api/calls{path}", kind="record", headers=reader)

    async def as_visitor(self) -> None:
        form = "/console/api/login"
        token = SECRETS["BRIDGE_CONSOLE_TOKEN"]
        await self.ask(form, "POST", json={"token": f"{token}x"})
        await self.ask(form, "POST", json={"token": [NEW]})
        await self.ask(form, "POST", data=token)
        async with self._http.post(self._url + form, json={"token": token}) as response:
            assert response.status == 204
        cookie = response.headers["Set-Cookie"].partition(";")[0]
        self.told["the cookie"] = cookie
        visitor = {"Cookie": cookie}
        for path in ("agent", "settings", "nothing"):
            await self.ask(f"/console/api/{path}", headers=visitor)
        for path, body in (("doctor", {"ask_models": False}), ("prompts", {"call": 7})):
            await self.ask(f"/console/api/{path}", "POST", headers=visitor, json=body)
        for path in ("calls", "calls/s?frames=true"):
            await self.ask(f"/console/record/{path}", kind="record", headers=visitor)


async def asked_for(server: Served) -> dict[str, str]:
    """What the bridge says to all kinds of requests, by request."""
    async with aiohttp.ClientSession() as http:
        asked = Asked(http, server)
        await asked.as_stranger()
        await asked.as_reader()
        await asked.as_visitor()
        return asked.told


def logged(text: str) -> dict[str, str]:
    """Lines of the log that are written as it comes, by their number."""
    lines = [line for line in text.splitlines() if orjson.loads(line)["level"] != "debug"]
    return {f"line {number} of the log": line for number, line in enumerate(lines)}


async def test_neither_secrets_nor_callers_are_told_to_whom_they_are_no_business_of(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with bridge_with_canaries(tmp_path, openai) as server:
        heard = await troubled_call(server, openai)
        told = await asked_for(server)
        command = await asyncio.to_thread(Path(f"/proc/{server.process.pid}/cmdline").read_bytes)
        code, out, log = await server.stop()
    assert code == 0
    told |= {"the welcome": server.welcome, "the goodbye": out, "its command line": str(command)}
    told |= logged(log)
    read = str([request["body"] for request in await openai.requests()])
    all_went_wrong(told, heard, read, log)
    for where, text in {**told, "the log": log, "the call": heard, "the model": read}.items():
        assert "canary" not in text, f"{where}: tells a secret"
    for where, text in told.items():
        if not where.startswith("record "):
            for canary in (PHONE, PHONE[1:], CUSTOMER, WORDS):
                assert canary.lower() not in text.lower(), f"{where}: tells of the caller"


def all_went_wrong(told: dict[str, str], heard: str, read: str, log: str) -> None:
    """See that what is looked for has happened: else nothing is found for no reason."""
    lines = [text for where, text in told.items() if where.endswith("of the log")]
    for event in ("tool failed", "model failed", "call ended", "request", "evil"):
        assert event in str(lines), log
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert max(map(len, lines)) < 4000
    assert "frame dropped" in log
    assert "/millis/<your token>" in told["the welcome"]
    assert "I could not find it." in heard
    assert WORDS in read
    answers = {where: text for where, text in told.items() if text.startswith("<CIMultiDict")}
    assert any("millis_bridge_turn_failures_total" in text for text in answers.values())
    record = str([text for where, text in answers.items() if where.startswith("record ")])
    assert WORDS in record
    assert PHONE in record


async def loud(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a PostgreSQL server that takes no password, and says which one it was offered."""

    async def body() -> bytes:
        (size,) = struct.unpack(">I", await reader.readexactly(4))
        return await reader.readexactly(size - 4)

    if await body() == struct.pack(">I", 80877103):  # may it be encrypted?
        writer.write(b"N")
        await body()
    writer.write(b"R" + struct.pack(">II", 8, 3))  # send the password as it is
    await reader.readexactly(1)
    offered = (await body()).rstrip(b"\0")
    fields = b"SFATAL\0C28P01\0Mno user has the password " + offered + b"\0\0"
    writer.write(b"E" + struct.pack(">I", len(fields) + 4) + fields)
    writer.close()
    await writer.wait_closed()


async def test_a_wrong_database_password_is_told_without_the_password(tmp_path: Path) -> None:
    server = await asyncio.start_server(loud, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://bridge:canary-database%2Fpassword@127.0.0.1:{port}/calls"
        ran = await run_bridge("serve", cwd=tmp_path, BRIDGE_PORT="0", BRIDGE_DATABASE_URL=url)
    assert ran.code == 2
    assert "password" in ran.err, ran.err
    assert "canary" not in ran.out + ran.err
