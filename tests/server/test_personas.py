"""Several agents in one bridge: who answers, with what, and who may reach whom."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.errors import SettingsError
from tests.fake_openai.client import FakeOpenAI
from tests.wire import asking, bridge_running, dialled, health_when, tool_call, write_tool

TOOLS = '''
@tool
def book(room: str) -> str:
    """Book a room."""
    return "booked"
@tool
def price(room: str) -> str:
    """Say the price of a room."""
    return "a hundred"
'''

ANN, BOB, OUR = "token-of-ann", "token-of-bob", "token-of-all"


def prompt(folder: Path, name: str, text: str) -> None:
    path = folder / "prompts" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def house(folder: Path) -> Path:
    """Tools and prompts for everybody, and some of a persona's own."""
    write_tool(folder, "rooms", TOOLS)
    prompt(folder, "greeting", "Hello from everybody.")
    prompt(folder, "apology", "Sorry from everybody.")
    prompt(folder, "sales/greeting", "Hello from sales.")
    return folder


async def greeted(bridge: Any, path: str = "/millis", **start: Any) -> str:
    async with dialled(bridge, path) as millis:
        await millis.start(0, uuid.uuid4().hex, **start)
        return await millis.answer(0)


async def refused(bridge: Any, path: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with dialled(bridge, path):
            pass
    return caught.value.status


# ── who answers ──────────────────────────────────────────────────────────────────────────────────


async def test_the_agent_id_chooses_the_persona_and_everybody_else_gets_the_default(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas = {"sales": {"agents": ["agent-1", "agent-2"]}}
    async with bridge_running(house(tmp_path), openai.base_url, personas=personas) as bridge:
        assert await greeted(bridge, agent_id="agent-1") == "Hello from sales."
        assert await greeted(bridge, agent_id="agent-2") == "Hello from sales."
        assert await greeted(bridge, agent_id="agent") == "Hello from everybody."
        assert await greeted(bridge) == "Hello from everybody."


async def test_the_path_chooses_the_persona_whatever_the_agent_is(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas = {"sales": {}, "care": {"agents": ["agent-1"]}}
    async with bridge_running(house(tmp_path), openai.base_url, personas=personas) as bridge:
        assert await greeted(bridge, "/millis/sales") == "Hello from sales."
        assert await greeted(bridge, "/millis/sales", agent_id="agent-1") == "Hello from sales."
        assert await greeted(bridge, "/millis/care") == "Hello from everybody."


async def test_a_call_that_is_asked_before_it_is_told_for_whom_becomes_the_personas(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    prompt(house(tmp_path), "system", "You serve everybody.")
    prompt(tmp_path, "sales/system", "You sell.")
    personas = {"sales": {"agents": ["agent-1"]}}
    await openai.script({"say": "Yes."}, {"say": "Yes."})
    async with bridge_running(tmp_path, openai.base_url, personas=personas) as bridge:
        async with dialled(bridge) as millis:
            await millis.asked(0, "hi")
            await millis.start(1, agent_id="agent-1")
            await millis.asked(2, "hi", "Yes.", "more")
    texts = [request["body"]["messages"][0]["content"] for request in await openai.requests()]
    assert texts == ["You serve everybody.", "You sell."]


async def test_another_session_on_the_socket_may_be_for_another_persona(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas = {"sales": {"agents": ["agent-1"]}}
    async with bridge_running(house(tmp_path), openai.base_url, personas=personas) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0, "one", agent_id="agent-1")
            assert await millis.answer(0) == "Hello from sales."
            await millis.start(1, "two", agent_id="other")
            assert await millis.answer(1) == "Hello from everybody."


# ── with what ────────────────────────────────────────────────────────────────────────────────────


async def test_a_persona_has_its_own_model_tools_and_policies(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas = {
        "sales": {
            "agents": ["agent-1"],
            "model": "openai:clever",
            "temperature": 0.5,
            "allow": ["price"],
            "tools": {"price": {"filler": "Let me see."}},
            "end_call": False,
        }
    }
    tools = {"price": {"read_only": True}}
    await openai.script({"say": "Yes."}, {"say": "No."})
    async with bridge_running(
        house(tmp_path), openai.base_url, personas=personas, tools=tools
    ) as bridge:
        for agent in ("agent-1", "agent"):
            async with dialled(bridge) as millis:
                await millis.start(0, f"s-{agent}", agent_id=agent)
                await millis.answer(0)
                await millis.asked(1, "hi")
        sales, everybody = await openai.requests()
        agents = {persona.name: persona.agent() for persona in bridge.personas}
    assert (sales["body"]["model"], sales["body"]["temperature"]) == ("clever", 0.5)
    assert everybody["body"]["model"] == "fake"

    def names(request: Any) -> list[str]:
        return [tool["function"]["name"] for tool in request["body"]["tools"]]

    assert names(sales) == ["price"]
    assert names(everybody) == ["book", "price", "end_call"]
    assert agents["sales"].overrides == {"price": {"read_only": True, "filler": "Let me see."}}
    assert agents["default"].overrides == {"price": {"read_only": True}}


async def test_a_persona_has_manners_of_its_own(tmp_path: Path, openai: FakeOpenAI) -> None:
    prompt(house(tmp_path), "fillers", "One moment.")
    await openai.script(
        *[[{"sleep_ms": 400}, {"text": "Yes."}, {"finish": "stop"}, {"done": True}]] * 2
    )
    personas = {"quick": {"filler_after": 0.05, "greeting": "off"}}
    async with bridge_running(
        tmp_path, openai.base_url, personas=personas, filler_after=0.0
    ) as bridge:
        async with dialled(bridge, "/millis/quick") as millis:
            await millis.start(0)
            assert await millis.answer(0) == ""
            assert (await millis.asked(1, "hi")).startswith("One moment.")
        async with dialled(bridge) as millis:
            await millis.start(0, "other")
            assert await millis.answer(0) == "Hello from everybody."
            assert await millis.asked(1, "hi") == "Yes."


async def test_personas_that_want_the_same_model_share_it_and_each_compiles_once(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas = {"one": {}, "two": {}, "three": {"model": "openai:other"}}
    async with bridge_running(house(tmp_path), openai.base_url, personas=personas) as bridge:
        assert [model.name for model in bridge.personas.models] == ["openai:fake", "openai:other"]
        for persona in bridge.personas:
            assert persona.agent() is persona.agent()


# ── a persona's files ────────────────────────────────────────────────────────────────────────────


async def test_its_prompts_and_everybodys_are_reloaded_file_by_file(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas = {"sales": {"agents": ["agent-1"]}}

    async def until_greeted(text: str) -> None:
        async with asyncio.timeout(10):
            while await greeted(bridge, agent_id="agent-1") != text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async with bridge_running(house(tmp_path), openai.base_url, personas=personas) as bridge:
        prompt(tmp_path, "sales/greeting", "Hello again from sales.")
        await until_greeted("Hello again from sales.")
        (tmp_path / "prompts" / "sales" / "greeting.md").unlink()
        await until_greeted("Hello from everybody.")
        prompt(tmp_path, "greeting", "Hello again from everybody.")
        await until_greeted("Hello again from everybody.")
        prompt(tmp_path, "sales/greeting", "Hello {{ broken")
        body = await health_when(bridge, lambda body: body["failures"])
        assert body["failures"][0]["file"] == "sales/greeting.md"


async def test_a_tool_that_vanishes_leaves_the_persona_as_it_was_and_is_named(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas = {"sales": {"allow": ["price"]}}
    await openai.script(asking(tool_call("price", room="red")), {"say": "A hundred."})
    async with bridge_running(house(tmp_path), openai.base_url, personas=personas) as bridge:
        (tmp_path / "tools" / "rooms.py").unlink()
        body = await health_when(bridge, lambda body: body["failures"])
        assert body["failures"] == [
            {
                "file": "bridge.toml",
                "line": None,
                "reason": "[personas.sales] names the tool 'price', which is not loaded",
                "last_good_version_kept": True,
            }
        ]
        async with dialled(bridge, "/millis/sales") as millis:
            await millis.start(0)
            await millis.answer(0)
            assert await millis.asked(1, "price?") == "A hundred."
        write_tool(tmp_path, "rooms", TOOLS)
        await health_when(bridge, lambda body: not body["failures"])


@pytest.mark.parametrize(
    ("persona", "said"),
    [
        ({"allow": ["pirce"]}, "bridge.toml: [personas.sales] names the tool 'pirce'"),
        (
            {"prompts_dir": "nowhere"},
            "bridge.toml: [personas.sales] prompts_dir: there is no folder nowhere",
        ),
        ({"model": "nobody:x"}, "model nobody:x: "),
    ],
)
async def test_a_persona_that_names_what_is_not_there_is_refused_in_one_line(
    tmp_path: Path, openai: FakeOpenAI, persona: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        async with bridge_running(house(tmp_path), openai.base_url, personas={"sales": persona}):
            pass
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


# ── who may reach whom ───────────────────────────────────────────────────────────────────────────


async def test_a_token_of_its_own_is_the_only_way_to_a_persona(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas = {
        "sales": {"token": [ANN], "agents": ["agent-1"]},
        "care": {"token": [BOB]},
        "open": {},
    }
    async with bridge_running(
        house(tmp_path), openai.base_url, personas=personas, token=[OUR]
    ) as bridge:
        for path in (f"/millis/{ANN}", f"/millis/sales/{ANN}", f"/millis/sales?token={ANN}"):
            assert await greeted(bridge, path) == "Hello from sales."
        # the agent's name alone does not open it
        assert (
            await greeted(bridge, f"/millis/{OUR}", agent_id="agent-1") == "Hello from everybody."
        )
        assert await greeted(bridge, f"/millis/open/{OUR}") == "Hello from everybody."
        for path in (
            "/millis",
            "/millis/sales",
            "/millis/open",
            f"/millis/sales/{OUR}",
            f"/millis/sales/{BOB}",
            f"/millis/care?token={ANN}",
            f"/millis/open/{ANN}",
            f"/millis/nobody/{OUR}",
            "/millis/wrong",
        ):
            assert await refused(bridge, path) == 401, path


async def test_without_a_token_for_everybody_the_personas_stay_locked(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    personas = {"sales": {"token": [ANN]}, "open": {}}
    async with bridge_running(house(tmp_path), openai.base_url, personas=personas) as bridge:
        assert await greeted(bridge) == "Hello from everybody."
        assert await greeted(bridge, "/millis/open") == "Hello from everybody."
        assert await greeted(bridge, f"/millis/{ANN}") == "Hello from sales."
        assert await refused(bridge, "/millis/sales") == 401
        assert await refused(bridge, "/millis/anything") == 401
