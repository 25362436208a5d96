"""What the console's pages are told: tools, prompts, settings, findings, and that there is news."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from bridge.app import Bridge
from tests.wire import PATIENCE, bridge_running, dialled

BOOKING = '''
from bridge import policy
from bridge.errors import ToolError
from langchain_core.tools import tool

@policy(confirm="Shall I book {room}?", timeout=3)
@tool
def book(room: str) -> str:
    """Book a room.

        Ask for its name."""
    raise ToolError("no rooms")
'''


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator["Visitor"]:
    async with bridge_running(folder, **{"model": "demo", **settings}) as bridge:
        async with aiohttp.ClientSession() as http:
            yield Visitor(bridge, http)


class Visitor:
    """Somebody on this machine who opens the console."""

    def __init__(self, bridge: Bridge, http: aiohttp.ClientSession) -> None:
        self.bridge = bridge
        self._http = http
        self._url = f"http://127.0.0.1:{bridge.port}/console/"

    async def get(self, path: str) -> Any:
        async with self._http.get(self._url + path) as answer:
            assert answer.status == 200
            assert answer.headers["Cache-Control"] == "no-store"
            return orjson.loads(await answer.read())

    async def post(self, path: str, body: object, status: int = 200) -> Any:
        async with self._http.post(self._url + path, json=body) as answer:
            assert answer.status == status
            return orjson.loads(await answer.read())

    @asynccontextmanager
    async def news(self) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
        async with self._http.get(self._url + "api/news") as answer:
            assert answer.content_type == "text/event-stream"

            async def versions() -> AsyncIterator[dict[str, str]]:
                async for line in answer.content:
                    if line.startswith(b"data: "):
                        yield orjson.loads(line.removeprefix(b"data: "))

            yield versions()

    @asynccontextmanager
    async def watch(self, session: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        async with self._http.ws_connect(f"{self._url}watch/{session}") as socket:

            async def events() -> AsyncIterator[dict[str, Any]]:
                async for frame in socket:
                    yield orjson.loads(frame.data)

            yield events()


async def test_a_tool_is_shown_with_its_schema_and_its_policy(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "booking.py").write_text(BOOKING)
    async with serving(tmp_path) as visitor:
        (tool,) = (await visitor.get("api/agent"))["tools"]
    assert tool["name"] == "book"
    assert tool["file"] == "tools/booking.py"
    assert tool["description"] == "Book a room.\n\nAsk for its name."
    assert tool["arguments"]["properties"]["room"]["type"] == "string"
    assert tool["policy"]["confirm"] == "Shall I book {room}?"
    assert tool["policy"]["timeout"] == 3
    assert tool["broken"] is None
    assert tool["last_error"] is None


async def test_a_broken_file_is_news_and_the_tool_says_that_its_old_version_is_in_use(
    tmp_path: Path,
) -> None:
    (tmp_path / "tools").mkdir()
    file = tmp_path / "tools" / "booking.py"
    file.write_text(BOOKING)
    async with serving(tmp_path) as visitor, visitor.news() as news, asyncio.timeout(PATIENCE):
        before = await anext(news)
        file.write_text(BOOKING + "\nthis is no Python")
        after = await anext(news)
        assert after["agent"] != before["agent"]
        agent = await visitor.get("api/agent")
    (failure,) = agent["failures"]
    assert failure["file"] == "tools/booking.py"
    assert failure["kept"]
    assert agent["tools"][0]["broken"] == failure


async def test_prompts_are_rendered_for_a_sample_and_as_data(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    source = "Hello {{ metadata.name }}, {{ metadata.gone }}!"
    (tmp_path / "prompts" / "greeting.md").write_text(source)
    (tmp_path / "prompts" / "apology.md").write_text("{{ 1 / 0 }}")
    sample = {"metadata": {"name": "{{ 7*7 }} <b>"}, "include_metadata_in_prompt": True}
    async with serving(tmp_path) as visitor:
        prompts = {one["name"]: one for one in await visitor.post("api/prompts", sample)}
    greeting = prompts["greeting"]
    assert greeting["text"] == "Hello {{ 7*7 }} <b>, !"
    assert greeting["source"] == source
    assert greeting["missed"] == ["gone"]
    assert "<caller_data>" in prompts["system"]["text"]
    assert prompts["apology"]["error"].startswith("ZeroDivisionError")
    assert prompts["apology"]["text"].startswith("I'm sorry")  # what a caller would hear


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"metadata": []}, 400),
        ({"persona": 1}, 400),
        ({"unknown": 1}, 400),
        ([], 400),
        ({"metadata": {"a": "x" * 300_000}}, 413),
    ],
)
async def test_a_sample_that_is_none_is_refused_in_words(
    tmp_path: Path, body: object, status: int
) -> None:
    async with serving(tmp_path) as visitor:
        problem = await visitor.post("api/prompts", body, status)
    assert problem["detail"]


async def test_a_persona_that_is_not_there_has_no_prompts(tmp_path: Path) -> None:
    async with serving(tmp_path) as visitor:
        assert await visitor.post("api/prompts", {"persona": "nobody"}) == []


SECRETS = {
    "token": ("canary-millis",),
    "api_token": ("canary-api",),
    "webhook_url": "https://user:canary-url@hooks.example/canary-path",
    "webhook_secret": "canary-webhook",
    "database_url": "postgresql://user:canary-pass@db.example/calls?password=canary-query",
    "personas": {"sales": {"token": ("canary-sales",)}},
    "mcp": {},
}


async def test_settings_are_told_with_their_meaning_and_no_secret_is(tmp_path: Path) -> None:
    async with serving(tmp_path, **SECRETS) as visitor:
        told = await visitor.get("api/settings")
        agent = await visitor.get("api/agent")
        findings = await visitor.post("api/doctor", {})
    assert "canary" not in orjson.dumps([told, agent, findings]).decode()
    settings = {one["name"]: one for one in told}
    assert settings["token"]["value"] == ["•••"]
    assert not settings["token"]["is_default"]
    assert settings["database_url"]["value"] == "postgresql+asyncpg://user:•••@db.example/calls"
    assert settings["max_calls"] == {
        "name": "max_calls",
        "variable": "BRIDGE_MAX_CALLS",
        "value": 1000,
        "is_default": True,
        "about": "Calls at once, of one process; more are refused with 503.",
    }


async def test_the_doctor_looks_at_the_bridge_as_it_runs(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "broken.py").write_text("import nothing_of_that_name")
    async with serving(tmp_path, tools={"bok": {"timeout": 1}}) as visitor:
        findings = await visitor.post("api/doctor", {})
        asked = await visitor.post("api/doctor", {"ask_models": True})
    problems = [one["message"] for one in findings if one["level"] == "problem"]
    assert any("nothing_of_that_name" in one for one in problems)
    assert any("[tools.bok]" in one for one in problems)
    assert [one["check"] for one in findings if one["check"] == "model"] == []
    assert [one["message"] for one in asked if one["check"] == "model"] == [
        "demo: built in, not a real language model"
    ]


FAILING = '''
from bridge.errors import ToolError
from langchain_core.tools import tool

@tool
def weather() -> str:
    """Tell what the weather is like."""
    raise ToolError("no weather today <b>")
'''


async def test_a_call_is_watched_is_news_and_leaves_a_tools_last_error(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "weather.py").write_text(FAILING)
    async with serving(tmp_path) as visitor, visitor.news() as news, asyncio.timeout(PATIENCE):
        before = await anext(news)
        async with visitor.watch("s") as events, dialled(visitor.bridge) as millis:
            await millis.start(0, "s")
            await millis.ask(1, "What is the weather like?")
            finished = await anext(one async for one in events if one["event"] == "ToolFinished")
            assert finished["data"]["result"] == "no weather today <b>"
        assert (await anext(news))["calls"] != before["calls"]
        (tool,) = (await visitor.get("api/agent"))["tools"]
    assert tool["last_error"]["outcome"] == "failed"
    assert tool["last_error"]["session_id"] == "s"
    assert tool["last_error"]["result"] == "no weather today <b>"


async def test_whoever_comes_a_moment_late_sees_how_the_call_began(tmp_path: Path) -> None:
    async with serving(tmp_path) as visitor, asyncio.timeout(PATIENCE):
        async with dialled(visitor.bridge) as other, dialled(visitor.bridge) as millis:
            await other.start(0, "other")
            await other.answer(0)
            await millis.start(0, "s")
            await millis.answer(0)
            async with visitor.watch("s") as events:
                names = [(await anext(events))["event"] for _ in range(3)]
                await millis.ask(1, "Hello?")
                went_on = await anext(one async for one in events if one["event"] == "TurnBegan")
    assert names == ["CallBegan", "TurnBegan", "TurnEnded"]
    assert went_on["data"]["asked"] == "Hello?"


async def test_calls_on_record_are_read_here_too(tmp_path: Path) -> None:
    record = {"record": "text", "database_url": f"sqlite:///{tmp_path}/calls.db"}
    async with serving(tmp_path, **record, spool_dir=tmp_path / "spool") as visitor:
        found: list[dict[str, Any]] = []
        async with visitor.news() as news, asyncio.timeout(PATIENCE):
            async with dialled(visitor.bridge) as millis:
                await millis.start(0, "s")
            while not found:
                await anext(news)  # that there is another call, and that it is on record
                found = (await visitor.get("record/calls?session=s"))["calls"]
        assert [call["session_id"] for call in found] == ["s"]
        assert (await visitor.get("record/calls/s"))["calls"][0]["level"] == "text"


async def test_a_page_that_is_open_does_not_keep_the_bridge_from_stopping(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE):
        async with bridge_running(tmp_path, model="demo", shutdown_timeout=60) as bridge:
            answer = await http.get(f"http://127.0.0.1:{bridge.port}/console/api/news")
            await answer.content.readline()
        answer.close()
