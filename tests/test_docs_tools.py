"""Every example of docs/tools.md, run."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from aiohttp import web
from langchain_core.tools import BaseTool

from bridge import ToolError
from bridge.agent.policy import Policy, policy_of
from bridge.call.events import CallData
from bridge.plugins.millis.definition import Definition
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads
from bridge.settings import Settings
from bridge.settings.tables import ToolSettings
from tests.fake_openai.client import FakeOpenAI
from tests.mcp_running import ROOT, by_stdio, http_server, tables
from tests.plugins.test_example_tools import Spoken, runtime
from tests.toolkit.servers import Service, service
from tests.wire import asking, bridge_running, dialled, results, tool_call

TEXT = (Path(__file__).parents[1] / "docs" / "tools.md").read_text()


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def save(folder: Path, server: Service | None = None) -> list[str]:
    """Write all tool files of the page; the services they ask are `server`."""
    names = []
    for snippet in snippets("python"):
        name = snippet.splitlines()[0].removeprefix("# tools/")
        text = snippet
        if server is not None:
            text = text.replace("https://crm.internal", server.url)
            text = text.replace('"crm.internal"', '"127.0.0.1"')
        (folder / name).write_text(text)
        names.append(name)
    (definition,) = snippets("json")
    if server is not None:
        definition = definition.replace("https://example.com", server.url)
    (folder / "shop.millis.json").write_text(definition)
    return [*names, "shop.millis.json"]


async def tools(folder: Path, server: Service | None = None) -> dict[str, BaseTool]:
    save(folder, server)
    toolbox = await ToolShelf(folder, threads=ToolThreads()).reload()
    assert toolbox.failures == ()
    return {tool.name: tool for tool in toolbox.tools}


async def use(tool: BaseTool, call: Spoken | None = None, /, **arguments: object) -> str:
    context = {"runtime": runtime(call)} if call else {}
    return str(await tool.ainvoke({**arguments, **context}))


def test_the_examples_come_shortest_first() -> None:
    names = re.findall(r"^# tools/(\w+)\.py", TEXT, re.MULTILINE)
    assert names == ["stock", "tables", "points", "courier", "menu", "orders", "cancelling"]
    sizes = [len(snippet.splitlines()) for snippet in snippets("python")]
    assert sizes[0] == min(sizes)


async def test_all_examples_load_and_answer(tmp_path: Path) -> None:
    found = await tools(tmp_path)
    assert len(found) == len(snippets("python")) + len(snippets("json"))
    call = Spoken(CallData(caller="+1", metadata={"customer_id": "c-1"}))

    assert await use(found["in_stock"], article="desk lamp") == "twelve"
    assert await use(found["free_tables"], people=2) == "one at the window"
    with pytest.raises(ToolError, match="eight seats"):
        await use(found["free_tables"], people=9)
    assert "c-1, calling from +1" in await use(found["loyalty_points"], call)
    assert await use(found["track_parcel"], call, number="7") == "parcel 7 is in Ghent"
    assert call.words == ["One moment, I'm asking the courier."]
    assert await use(found["todays_menu"]) == "soup, and pasta"
    menu = Policy(read_only=True, timeout=3, filler="Let me look.\nOne moment.")
    assert policy_of(found["todays_menu"]) == menu


async def test_the_service_is_asked(tmp_path: Path) -> None:
    async with service(web.json_response({"status": "packed"})) as server:
        found = await tools(tmp_path, server)
        assert await use(found["order_status"], number="10/42") == "packed"
    assert server.asked[0].path == "/api/orders/10%2F42"
    assert server.asked[0].headers["Authorization"].startswith("Bearer")


async def test_the_caller_is_asked_first(tmp_path: Path, openai: FakeOpenAI) -> None:
    (tmp_path / "tools").mkdir()
    save(tmp_path / "tools")
    cancelling = asking(tool_call("cancel_order", number="1042"))
    await openai.script(cancelling, cancelling, {"say": "It is cancelled."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        question = await millis.asked(1, "cancel my order")
        assert question in TEXT
        said = await millis.asked(2, "cancel my order", question, "yes, please")
        assert said == "It is cancelled."


async def test_the_millis_function_calls_its_webhook(tmp_path: Path) -> None:
    async with service(web.json_response({"table": 4})) as server:
        found = await tools(tmp_path, server)
        call = CallData(session_id="s", caller="+1", metadata={"tenant_key": "k"})
        booked = await use(found["book_table"], Spoken(call), day="Friday", people=4)
    assert json.loads(booked) == {"table": 4}
    (asked,) = server.asked
    assert asked.query == {"phone": "+1"}
    assert asked.json == {"day": "Friday", "people": 4, "session_id": "s"}
    assert asked.headers["Authorization"] == "Bearer k"


def test_every_field_of_a_definition_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(Definition.model_fields)


def test_the_settings_are_understood() -> None:
    tables = [tomllib.loads(text)["tools"] for text in snippets("toml") if "[mcp." not in text]
    assert [list(table) for table in tables] == [["todays_menu"], ["book_table"]]
    for table in tables:
        for name, values in table.items():
            read = Settings(tools={name: ToolSettings(**values)}).tools[name]
            assert read.model_dump(exclude_none=True) == values


async def test_the_tools_of_mcp_servers_are_used(
    tmp_path: Path, openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_TOKEN", "t-12345678")
    monkeypatch.setenv("SHOP_KEY", "k-12345678")
    (written,) = [tomllib.loads(text)["mcp"] for text in snippets("toml") if "[mcp." in text]
    assert list(written) == ["shop", "crm"]
    running = by_stdio(tmp_path)
    written["shop"] |= {"command": running["command"], "args": running["args"], "cwd": ROOT}
    async with http_server(tmp_path) as crm:
        allow = ["header", "find_order"]
        policies = {"header": written["crm"]["tools"].pop("find_customer")}
        written["crm"] |= {"url": crm.url, "allow": allow, "tools": policies}
        calls = asking(
            tool_call("crm_header", "a", name="authorization"),
            tool_call("environment", "b", name="SHOP_KEY"),
        )
        await openai.script(calls, {"say": "Done."})
        async with bridge_running(tmp_path, openai.base_url, mcp=tables(**written)) as bridge:
            tools = {tool.name: tool for tool in bridge.toolbox.current.tools}
            assert policy_of(tools["crm_header"]).filler == "Let me look you up."
            async with dialled(bridge) as millis:
                assert await millis.asked(1, "hello") == "Done."
    told = results((await openai.requests())[-1])
    assert told == {"a": "Bearer t-12345678", "b": "k-12345678"}
