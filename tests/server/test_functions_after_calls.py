"""What a function notes in a call is done when that is over, also if the process dies before."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bridge.call.events import CallBegan, CallData, CallEnded
from bridge.errors import ToolError
from bridge.plugins.millis.aftercall import KIND, noted
from bridge.plugins.millis.tools import deliver
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads
from bridge.store.deliveries.aftercalls import SpooledAfterCalls, call_off
from bridge.store.deliveries.deliveries import Deliveries
from tests.fake_openai.client import FakeOpenAI
from tests.server.receiving import hang
from tests.store.calls import recording
from tests.store.spooling import no_descriptors
from tests.toolkit.servers import Service, service
from tests.wire import Served, asking, came_true, dialled, health_when, served, tool_call

CALL = CallData(session_id="s-1", agent_id="a", caller="+15550100", metadata={"tenant": "acme"})
HUNG_UP = CallEnded("hung_up")


class Office:
    """A tools folder with one function, and the processes that do what it notes."""

    def __init__(self, folder: Path, server: Service) -> None:
        self.tools = folder / "tools"
        self.deliveries = folder / "spool" / "deliveries"
        self.server = server

    def define(self, **changes: Any) -> None:
        definition = {
            "name": "note_down",
            "description": "Note it down.",
            "webhook": f"{self.server.url}/notes/{{tenant}}",
            "params": [{"name": "what", "type": "string", "required": True}],
            "run_after_call": True,
            **changes,
        }
        self.tools.mkdir(exist_ok=True)
        (self.tools / "notes.millis.json").write_text(json.dumps(definition))

    @asynccontextmanager
    async def process(self, last: float = 2.0, **settings: Any) -> AsyncIterator[SpooledAfterCalls]:
        shelf = ToolShelf(self.tools, threads=ToolThreads())

        async def do(payload: Any) -> None:
            await shelf.reload()
            await deliver(payload, {tool.name: tool for tool in shelf.current.tools})

        pauses = {"first_pause": 0.02, "longest_pause": 0.05}
        deliveries = Deliveries(self.deliveries, **{**pauses, **settings})
        async with SpooledAfterCalls(KIND, do, deliveries, last=last) as after:
            yield after

    @property
    def files(self) -> list[str]:
        return [path.name for path in self.deliveries.iterdir()] if self.deliveries.exists() else []


@pytest.fixture
async def server() -> AsyncIterator[Service]:
    async with service() as running:
        yield running


@pytest.fixture
def office(tmp_path: Path, server: Service) -> Office:
    office = Office(tmp_path, server)
    office.define()
    return office


def note(after: SpooledAfterCalls, what: str = "milk", call: CallData = CALL) -> None:
    after.put(KIND, noted("note_down", {"what": what}, call))


# ── when ─────────────────────────────────────────────────────────────────────────────────────────


async def test_it_is_on_disk_and_held_until_the_caller_has_hung_up(
    office: Office, server: Service
) -> None:
    async with office.process() as after:
        note(after)
        note(after, "eggs", CallData(session_id="another"))
        assert len(office.files) == 2
        async with office.process() as other:
            await came_true(lambda: other.status()["waiting"] == 2)
            for event in (CallBegan(), CallEnded("replaced")):
                after(CALL, event)
            await asyncio.sleep(0.1)  # nothing tells that nobody does it
            assert server.asked == []
            after(CALL, HUNG_UP)
            after(CALL, HUNG_UP)
            await came_true(lambda: after.status()["done"])
        (asked,) = server.asked
        assert asked.path == "/notes/acme"
        assert asked.json == {"what": "milk", "session_id": "s-1"}
        assert after.status()["waiting"] == 1


async def test_what_is_still_held_at_the_end_is_done_then(office: Office, server: Service) -> None:
    async with office.process() as after:
        note(after)
    assert len(server.asked) == 1
    assert office.files == []


async def test_what_was_noted_first_is_begun_first(tmp_path: Path) -> None:
    begun: list[str] = []

    async def begin(payload: Any) -> None:
        begun.append(payload["arguments"]["what"])

    words = [str(number) for number in range(9)]
    async with SpooledAfterCalls(KIND, begin, Deliveries(tmp_path / "deliveries")) as after:
        for word in words:
            note(after, word)
        after(CALL, HUNG_UP)
        await came_true(lambda: after.status()["done"] == len(words))
    assert begun == words


# ── until it is done, and once ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("method", "status"), [("PUT", 500), ("POST", 503), ("POST", 404)])
async def test_what_was_not_done_is_tried_again_until_it_is(
    office: Office, server: Service, method: str, status: int
) -> None:
    office.define(method=method)
    server.replies += [web.Response(status=status)] * 2 + [web.Response(status=200)]
    async with office.process() as after:
        note(after)
        after(CALL, HUNG_UP)
        await came_true(lambda: after.status()["done"] == 1)
        assert after.status()["failed_attempts"] == 2
    assert len(server.asked) == 3
    assert office.files == []


@pytest.mark.parametrize("reply", [hang, web.Response(status=500)], ids=["no answer", "500"])
async def test_what_may_have_been_done_is_not_done_again(
    office: Office, server: Service, reply: Any
) -> None:
    office.define(method="POST", timeout=0.1)
    server.replies.append(reply)
    with capture_logs() as logs:
        async with office.process() as after:
            note(after)
            after(CALL, HUNG_UP)
            await came_true(lambda: after.status()["uncertain"] == 1)
        async with office.process() as after:
            await asyncio.sleep(0.1)  # nothing tells that it is not done again
    assert len(server.asked) == 1
    assert office.files == []
    (told,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert told["delivery"].startswith("millis_function-note_down-")


async def test_it_is_given_up_when_it_was_tried_for_too_long(
    office: Office, server: Service
) -> None:
    server.replies.append(web.Response(status=503))
    with capture_logs() as logs:
        async with office.process(patience=0.2) as after:
            note(after)
            after(CALL, HUNG_UP)
            await came_true(lambda: after.status()["given_up"] == 1)
            assert after.status()["waiting"] == 0
            assert after.status()["failed_attempts"] == len(server.asked) >= 3
    assert office.files == []
    (told,) = [entry for entry in logs if entry["event"] == "delivery given up"]
    assert told["delivery"].startswith("millis_function-note_down-")


async def test_a_function_that_is_gone_may_come_back(office: Office, server: Service) -> None:
    office.define(name="something_else")
    async with office.process() as after:
        note(after)
        after(CALL, HUNG_UP)
        await came_true(lambda: after.status()["failed_attempts"])
        assert after.status()["waiting"] == 1
        office.define()
        await came_true(lambda: after.status()["done"] == 1)
    assert len(server.asked) == 1


async def test_what_is_under_way_when_the_bridge_stops_is_not_cut_off(
    office: Office, server: Service
) -> None:
    """It would be done again after the next start."""
    stopped = asyncio.Event()

    async def late(_: web.Request) -> web.Response:
        await stopped.wait()
        return web.Response()

    server.replies.append(late)
    async with AsyncExitStack() as stack:
        after = await stack.enter_async_context(office.process(last=0.05))
        note(after)
        after(CALL, HUNG_UP)
        await came_true(lambda: server.asked)
        asyncio.get_running_loop().call_later(0.2, stopped.set)
    assert after.status()["done"] == 1
    assert office.files == []


# ── what cannot be kept ──────────────────────────────────────────────────────────────────────────


async def test_what_is_too_large_is_refused_in_the_call(office: Office) -> None:
    async with office.process() as after:
        with pytest.raises(ToolError, match="too much"):
            note(after, "x" * 65_536)
        assert office.files == []


async def test_while_the_disk_takes_nothing_it_waits_in_memory(
    office: Office, server: Service
) -> None:
    async with office.process() as after:
        with no_descriptors():
            note(after)
        assert office.files == []
        assert after.status()["waiting"] == 1
        after(CALL, HUNG_UP)
        await came_true(lambda: after.status()["done"] == 1)
    assert len(server.asked) == 1


async def test_what_a_bad_machine_left_half_is_given_up(office: Office, server: Service) -> None:
    async with office.process() as after:
        note(after)
        (path,) = office.deliveries.iterdir()
        path.write_bytes(path.read_bytes()[:20])
        after(CALL, HUNG_UP)
        await came_true(lambda: after.status()["given_up"] == 1)
    assert server.asked == []
    assert office.files == []


async def test_what_is_called_off_is_not_done_nor_tried_again(
    office: Office, server: Service
) -> None:
    refusing = asyncio.Event()

    async def refuse(_: web.Request) -> web.Response:
        await refusing.wait()
        return web.Response(status=503)

    server.replies.append(refuse)
    other = CallData(session_id="s-2", caller="+15550122")
    async with office.process() as after:
        note(after, "under way")
        after(CALL, HUNG_UP)
        await came_true(lambda: server.asked)
        note(after, "held")
        note(after, "kept", other)
        off = call_off(office.deliveries, KIND, lambda call: call["session_id"] == "s-1")
        assert off == 2
        refusing.set()
        after(CALL, HUNG_UP)
        await came_true(lambda: after.status()["waiting"] == 1)
        assert len(office.files) == 1
        assert call_off(office.deliveries, KIND, lambda call: call["caller"] == "+15550122") == 1
    assert [asked.json["what"] for asked in server.asked] == ["under way"]


# ── real calls ───────────────────────────────────────────────────────────────────────────────────


def variables(tmp_path: Path, openai: FakeOpenAI) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_API_KEY": "sk-test",
        "BRIDGE_MODEL": "openai:fake",
        "BRIDGE_DATABASE_URL": f"sqlite:///{tmp_path}/calls.db",
        "BRIDGE_SPOOL_DIR": str(tmp_path / "spool"),
        "BRIDGE_LOG_LEVEL": "error",
    }


@asynccontextmanager
async def a_call(bridge: Served, openai: FakeOpenAI) -> AsyncIterator[None]:
    """A call in which the function has been noted."""
    await openai.script(asking(tool_call("note_down", what="milk")), {"say": "I will."})
    async with dialled(bridge) as millis:
        await millis.start(session="s-1", metadata={"tenant": "acme"})
        await millis.answer(0)
        assert await millis.asked(1, "note down milk") == "I will."
        yield


async def test_a_process_that_is_killed_in_mid_call_leaves_it_to_the_next_one(
    tmp_path: Path, openai: FakeOpenAI, office: Office, server: Service
) -> None:
    async with served(tmp_path, **variables(tmp_path, openai)) as bridge:
        async with a_call(bridge, openai):
            assert len(office.files) == 1
            assert server.asked == []
            bridge.process.send_signal(signal.SIGKILL)
            await bridge.process.wait()
    assert server.asked == []
    url = f"sqlite+aiosqlite:///{tmp_path}/calls.db"
    async with recording(tmp_path, openai, url) as heir:
        body = await health_when(heir, lambda body: body["after_calls"]["done"])
        assert body["after_calls"]["waiting"] == 0
    (asked,) = server.asked
    assert asked.path == "/notes/acme"
    assert asked.json == {"what": "milk", "session_id": "s-1"}
    assert office.files == []


async def test_a_process_that_is_killed_while_the_service_is_down_leaves_it_to_the_next_one(
    tmp_path: Path, openai: FakeOpenAI, office: Office
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port: int = closed.getsockname()[1]
    office.define(webhook=f"http://127.0.0.1:{port}/notes")
    async with served(tmp_path, **variables(tmp_path, openai)) as bridge:
        async with a_call(bridge, openai):
            (path,) = office.deliveries.iterdir()
        await came_true(lambda: orjson.loads(path.read_bytes())["attempts"])
        bridge.process.send_signal(signal.SIGKILL)
        await bridge.process.wait()
    async with (
        service(port=port) as server,
        recording(tmp_path, openai, f"sqlite+aiosqlite:///{tmp_path}/calls.db") as heir,
    ):
        await health_when(heir, lambda body: body["after_calls"]["done"])
        assert len(server.asked) == 1
    assert office.files == []
