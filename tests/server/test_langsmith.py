"""LangSmith by its own variables: its runs come, a tool's within that of the agent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fake_openai.client import FakeOpenAI
from tests.wire import asking, came_true, dialled, served, tool_call, write_tool

TOOL = '''
@tool
async def price(item: str) -> str:
    """Tell a price."""
    return "3 euros"
'''


@asynccontextmanager
async def langsmith() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Where LangSmith would be, and the runs that have come."""
    runs: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        assert request.headers["x-api-key"] == "ls-test"
        async for part in await request.multipart():
            assert isinstance(part, aiohttp.BodyPartReader)
            if (part.name or "").count(".") == 1:  # others are what runs were given, and gave
                runs.append(orjson.loads(await part.read()))
        return web.json_response({})

    async def info(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application(client_max_size=64 << 20)
    app.router.add_get("/info", info)
    app.router.add_post("/runs/multipart", take)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}", runs


async def test_langsmith_gets_the_runs_of_a_turn(tmp_path: Path, openai: FakeOpenAI) -> None:
    write_tool(tmp_path, "tools", TOOL)
    await openai.script(asking(tool_call("price", "a", item="tea")), {"say": "Three euros."})
    async with langsmith() as (url, runs):
        variables = {
            "BRIDGE_MODEL": "openai:fake",
            "BRIDGE_RECORD": "off",
            "OPENAI_BASE_URL": openai.base_url,
            "OPENAI_API_KEY": "sk-test",
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": url,
            "LANGSMITH_API_KEY": "ls-test",  # pragma: allowlist secret - nobody's
        }
        async with served(tmp_path, **variables) as bridge:
            async with dialled(bridge) as millis:
                assert await millis.asked(1, "How much?") == "Three euros."
                await came_true(lambda: sum(run["run_type"] == "llm" for run in runs) == 2)
                await came_true(lambda: any(run.get("parent_run_id") is None for run in runs))
            code, _, err = await bridge.stop()
    assert (code, "Traceback" in err) == (0, False)
    by_id = {run["id"]: run for run in runs}
    (turn,) = [run for run in by_id.values() if run.get("parent_run_id") is None]
    kinds = [run["run_type"] for run in by_id.values()]
    assert (kinds.count("llm"), kinds.count("tool")) == (2, 1)
    assert {run["trace_id"] for run in by_id.values()} == {turn["id"]}
    (tool,) = [run for run in by_id.values() if run["run_type"] == "tool"]
    assert tool["name"] == "price"
    assert by_id[tool["parent_run_id"]]["name"] == "ToolCalls.awrap_tool_call"
