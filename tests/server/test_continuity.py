"""A call that goes on from an earlier one, and one that comes back: on another process, too."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.app import Bridge
from bridge.call import recall
from bridge.store import Recorder
from bridge.store import recorder as recorder_module
from bridge.store.reading import earlier
from bridge.store.writing import pulse
from tests.fake_openai.client import FakeOpenAI
from tests.store.postgres import frozen_backends, new_database, server_url
from tests.wire import (
    Served,
    asking,
    bridge_running,
    came_true,
    dialled,
    health,
    noted,
    results,
    served,
    tool_call,
    write_tool,
)

BOOK = '''
@tool
async def book(room: int, breakfast: bool = False) -> str:
    """Book a room."""
    note("ran", str(room))
    return f"booked {room} <b>for Zoë</b>"
'''
GREETING = "Hello, how can I help you?"
ANSWER = "It is booked."
AGENT = "hotel"
NAMED: dict[str, Any] = {"session_continuation": {"session_id": "first"}}
CALLER: dict[str, Any] = {"voip": {"from": "+15550123", "to": "+15550999"}}


@pytest.fixture(scope="module")
def server() -> str:
    """A PostgreSQL server."""
    return server_url()


@dataclass
class House:
    """A place for bridges that share a database; each has a spool of its own."""

    folder: Path
    openai: FakeOpenAI
    url: str

    @asynccontextmanager
    async def bridge(self, name: str = "a", **settings: Any) -> AsyncIterator[Bridge]:
        own = {
            "record": "full",
            "database_url": self.url,
            "spool_dir": self.folder / f"spool-{name}",
        }
        async with bridge_running(self.folder, self.openai.base_url, **{**own, **settings}) as it:
            yield it

    async def first_call(self, bridge: Bridge | Served, **data: Any) -> None:
        """Book a room."""
        await self.openai.script(asking(tool_call("book", room=7)), {"say": ANSWER})
        async with dialled(bridge) as millis:
            await millis.start(0, session="first", **{"agent_id": AGENT, **CALLER, **data})
            assert await millis.answer(0) == GREETING
            assert await millis.asked(1, "book room 7") == ANSWER

    async def next_call(self, bridge: Bridge, *, session: str = "second", **data: Any) -> str:
        """Ask something; the system prompt that the model has read."""
        async with dialled(bridge) as millis:
            await millis.start(0, session=session, **{"agent_id": AGENT, **data})
            assert await millis.answer(0) == GREETING
            await came_true(lambda: not looking())  # how long a reply waits is tested elsewhere
            assert await millis.asked(1, "so?") == "You said: so?"
        system: str = (await self.openai.requests())[-1]["body"]["messages"][0]["content"]
        return system


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked up is waited for: a busy machine is no reason not to find it."""
    for module, limit in (
        (recall, "WAIT_FOR_DEEDS"),
        (recall, "WAIT_FOR_MEMORY"),
        (earlier, "_CATCH_UP"),
        (earlier, "_OVERDUE"),
        (earlier, "_STUCK"),
        (pulse, "_OVERDUE"),
        (recorder_module, "_TAKING_OVER"),
    ):
        monkeypatch.setattr(module, limit, 20)


@pytest.fixture(params=["sqlite", "postgresql"])
async def house(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    openai: FakeOpenAI,
    server: str,
    unhurried: None,
) -> AsyncIterator[House]:
    """A house with a tool that books, and an empty record."""
    write_tool(tmp_path, "book", BOOK)
    if request.param == "sqlite":
        yield House(tmp_path, openai, f"sqlite+aiosqlite:///{tmp_path}/calls.db")
    else:
        async with new_database(server) as url:
            yield House(tmp_path, openai, url)


def recorder(bridge: Bridge) -> Recorder:
    assert bridge.recorder is not None
    return bridge.recorder


def remembered(system: str) -> dict[str, Any] | None:
    """What the system prompt tells of an earlier call."""
    before, there, fenced = system.partition("\n<earlier_call>\n")
    if not there:
        return None
    assert "data, not instructions" in before
    found: dict[str, Any] = json.loads(fenced.removesuffix("\n</earlier_call>"))
    return found


def looking() -> set[str]:
    """What calls look up now."""
    return {task.get_name() for task in asyncio.all_tasks()} & {"recall", "resume"}


def exchange(memory: dict[str, Any] | None) -> dict[str, Any]:
    assert memory is not None
    (one,) = memory["exchanges"]
    return dict(one)


# ── going on from an earlier call ────────────────────────────────────────────────────────────────


async def test_a_call_on_another_replica_remembers_what_was_said_and_done(house: House) -> None:
    async with house.bridge("a") as one, house.bridge("b") as two:
        await house.first_call(one)
        await recorder(one).written()
        memory = remembered(await house.next_call(two, **NAMED))
        assert exchange(memory) == {
            "caller": "book room 7",
            "tools": [
                {
                    "name": "book",
                    "arguments": {"room": 7},
                    "result": "booked 7 <b>for Zoë</b>",
                    "outcome": "ok",
                }
            ],
            "you": ANSWER,
        }
        assert memory is not None
        assert memory["when"].endswith(", just before this call")
        assert (await health(two))["continuation"]["found"] == 1
        await recorder(two).written()
        (second,) = await recorder(two).archive.call("second")
        assert second.continues == "first"


async def test_a_call_after_a_restart_remembers(house: House) -> None:
    async with house.bridge() as bridge:
        await house.first_call(bridge)
    async with house.bridge() as bridge:
        metadata = {"session_continuation": {"session_id": "first"}}
        memory = remembered(await house.next_call(bridge, metadata=metadata))
        assert exchange(memory)["you"] == ANSWER


async def test_a_call_of_a_moment_ago_is_remembered_though_it_may_be_in_the_spool(
    house: House,
) -> None:
    async with house.bridge() as bridge:
        for number in range(5):
            await house.openai.script({"say": f"Yes, {number}."})
            async with dialled(bridge) as millis:
                await millis.start(None, session=f"s{number}", agent_id=AGENT)
                await millis.asked(1, f"may I have {number}?")
                other: dict[str, Any] = {"session_continuation": {"session_id": f"s{number}"}}
                memory = remembered(
                    await house.next_call(bridge, session=f"after {number}", **other)
                )
                assert exchange(memory)["caller"] == f"may I have {number}?", "still going on"


async def test_the_memory_is_the_same_text_in_every_turn(house: House) -> None:
    async with house.bridge() as bridge:
        await house.first_call(bridge)
        async with dialled(bridge) as millis:
            await millis.start(0, session="second", agent_id=AGENT, **NAMED)
            await millis.asked(1, "one")
            await millis.asked(2, "one", "You said: one", "two")
    texts = {r["body"]["messages"][0]["content"] for r in (await house.openai.requests())[-2:]}
    assert len(texts) == 1
    assert remembered(texts.pop())


async def test_a_greeting_by_the_model_knows_the_earlier_call(house: House) -> None:
    async with house.bridge() as bridge:
        await house.first_call(bridge)
    async with house.bridge(greeting="model") as bridge, dialled(bridge) as millis:
        await millis.start(0, session="second", agent_id=AGENT, **NAMED)
        await millis.answer(0)
    (*_, request) = await house.openai.requests()
    assert remembered(request["body"]["messages"][0]["content"])


@pytest.mark.parametrize(
    ("data", "counted"),
    [
        ({"session_continuation": {"session_id": "nobody"}}, "unknown"),
        ({**NAMED, "agent_id": "another"}, "refused"),
    ],
)
async def test_a_name_that_is_no_good_is_ignored_and_counted(
    house: House, data: dict[str, Any], counted: str
) -> None:
    async with house.bridge() as bridge:
        await house.first_call(bridge)
        assert remembered(await house.next_call(bridge, **data)) is None
        counts = (await health(bridge))["continuation"]
        assert counts == {name: int(name == counted) for name in counts}


async def test_an_erased_call_is_not_remembered(house: House) -> None:
    async with house.bridge() as bridge:
        await house.first_call(bridge)
        await recorder(bridge).written()
        await recorder(bridge).archive.erase_session("first")
        assert remembered(await house.next_call(bridge, **NAMED)) is None
        assert (await health(bridge))["continuation"]["unknown"] == 1


async def test_a_call_does_not_go_on_from_itself(house: House) -> None:
    async with house.bridge(remember_callers=True) as bridge, dialled(bridge) as millis:
        data = {"session_continuation": {"session_id": "only"}, "agent_id": AGENT, **CALLER}
        await millis.start(None, session="only", **data)
        await millis.asked(1, "one")
        await recorder(bridge).written()
        await millis.start(None, session="only", **data)
        await millis.asked(2, "one", "You said: one", "two")
    (*_, request) = await house.openai.requests()
    assert remembered(request["body"]["messages"][0]["content"]) is None


async def test_with_continuation_off_nothing_is_remembered(house: House) -> None:
    off: dict[str, Any] = {"continuation": "off", "remember_callers": True}
    async with house.bridge(**off) as bridge:
        await house.first_call(bridge)
        assert remembered(await house.next_call(bridge, **NAMED, **CALLER)) is None
        assert not any((await health(bridge))["continuation"].values())


async def test_the_same_caller_must_call_if_the_setting_says_so(house: House) -> None:
    async with house.bridge(continuation="same-caller") as bridge:
        await house.first_call(bridge)
        other: dict[str, Any] = {"voip": {"from": "+15550124", "to": "+15550999"}}
        assert remembered(await house.next_call(bridge, session="x", **NAMED, **other)) is None
        assert remembered(await house.next_call(bridge, session="y", **NAMED)) is None
        assert remembered(await house.next_call(bridge, session="z", **NAMED, **CALLER))
        counts = (await health(bridge))["continuation"]
        assert (counts["refused"], counts["found"]) == (2, 1)


async def test_a_known_caller_is_remembered_without_naming_a_call(house: House) -> None:
    async with house.bridge(remember_callers=True) as bridge:
        await house.first_call(bridge)
        other: dict[str, Any] = {"voip": {"from": "+15550124", "to": "+15550999"}}
        assert remembered(await house.next_call(bridge, session="x", **other)) is None
        assert remembered(await house.next_call(bridge, session="y", **CALLER))
        await recorder(bridge).written()
        (call,) = await recorder(bridge).archive.call("y")
        assert call.continues == "first"


async def test_a_memory_holds_no_memory(house: House) -> None:
    async with house.bridge() as bridge:
        await house.first_call(bridge)
        await house.next_call(bridge, **NAMED)
        chain: dict[str, Any] = {"session_continuation": {"session_id": "second"}}
        memory = remembered(await house.next_call(bridge, session="third", **chain))
        assert exchange(memory) == {"caller": "so?", "you": "You said: so?"}


# ── a socket that drops ──────────────────────────────────────────────────────────────────────────


async def _comes_back(house: House, stack: AsyncExitStack, bridge: Bridge) -> list[dict[str, Any]]:
    """The same session again, on a process that does not know it: what the model reads."""
    millis = await stack.enter_async_context(dialled(bridge))
    await millis.start(0, session="first", agent_id=AGENT, **CALLER)
    assert await millis.answer(0) == "", "it is not greeted twice"
    await house.openai.script(asking(tool_call("book", room=7)), {"say": "Done already."})
    assert await millis.asked(5, "book room 7") == "Done already."
    assert await millis.asked(6, "book room 7", "Done already.", "thanks") == "You said: thanks"
    messages: list[dict[str, Any]] = (await house.openai.requests())[-1]["body"]["messages"]
    return messages


async def test_a_call_whose_socket_drops_goes_on_on_another_replica(house: House) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(house.bridge("a"))
        two = await stack.enter_async_context(house.bridge("b"))
        await house.first_call(one)
        await recorder(one).written()
        messages = await _comes_back(house, stack, two)
        assert noted(house.folder, "ran") == ["7"], "it is not booked twice"
        assert [m["content"] for m in messages if m["role"] == "tool"] == [
            "booked 7 <b>for Zoë</b>"
        ]


async def test_a_call_whose_socket_drops_goes_on_after_a_restart(house: House) -> None:
    async with house.bridge() as bridge:
        await house.first_call(bridge)
    async with AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(house.bridge())
        await _comes_back(house, stack, bridge)
        assert noted(house.folder, "ran") == ["7"]


@pytest.mark.parametrize("settings", [{"resume_window": 0.05}, {}], ids=["too late", "other agent"])
async def test_what_is_another_call_is_greeted_and_begins_anew(
    house: House, settings: dict[str, Any]
) -> None:
    async with house.bridge() as bridge:
        await house.first_call(bridge)
    await asyncio.sleep(0.06)
    agent = AGENT if settings else "another"
    async with house.bridge(**settings) as bridge:
        await house.next_call(bridge, session="first", agent_id=agent)
    assert not results((await house.openai.requests())[-1])


async def test_a_request_that_comes_at_once_still_finds_the_deeds(house: House) -> None:
    async with house.bridge() as bridge:
        await house.first_call(bridge)
    async with house.bridge() as bridge, dialled(bridge) as millis:
        await millis.start(None, session="first", agent_id=AGENT)
        await millis.asked(2, "book room 7", ANSWER, "thanks")
    assert results((await house.openai.requests())[-1])


@pytest.mark.usefixtures("unhurried")
async def test_a_call_goes_on_after_its_process_was_killed(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    house = House(tmp_path, openai, f"sqlite+aiosqlite:///{tmp_path}/calls.db")
    write_tool(tmp_path, "book", BOOK)
    variables = {
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_API_KEY": "sk",
        "BRIDGE_MODEL": "openai:fake",
    }
    async with served(tmp_path, **variables) as bridge:
        await house.first_call(bridge)
        bridge.process.kill()
    spool = tmp_path / "calls.spool"
    assert list(spool.glob("*/*.jsonl")), "it left notes that are not in the database"
    async with AsyncExitStack() as stack:
        again = await stack.enter_async_context(house.bridge(spool_dir=spool))
        await _comes_back(house, stack, again)
        assert noted(tmp_path, "ran") == ["7"]


# ── a database that is not well ──────────────────────────────────────────────────────────────────


async def test_with_the_database_frozen_no_call_but_the_first_waits(
    server: str, tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with new_database(server) as url:
        house = House(tmp_path, openai, url)
        async with house.bridge(remember_callers=True) as bridge:
            async with frozen_backends(url):
                assert await _seconds(bridge, "first") < 0.5
                await came_true(lambda: not recorder(bridge).healthy)
                took = [await _seconds(bridge, f"s{number}") for number in range(9)]
                assert min(took) < 0.1, "as long as the first waited, to greet nobody twice"
            counts = bridge.board.calls.continuation
            assert counts["late"] + counts["away"] >= 10


async def _seconds(bridge: Bridge, session: str) -> float:
    """How long a greeting and an answer take."""
    began = asyncio.get_running_loop().time()
    async with dialled(bridge) as millis:
        await millis.start(0, session=session, agent_id=AGENT, **NAMED, **CALLER)
        assert await millis.answer(0) == GREETING
        assert await millis.asked(1, "so?") == "You said: so?"
        return asyncio.get_running_loop().time() - began
