"""Who may call the local Millis, and how much a page may ask of it: G1, G5, G6, G21."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import orjson
import pytest

from bridge.app import Bridge
from tests.local.browser.calling import SILENT, web_dialled
from tests.local.browser.test_web_call import ROOMS
from tests.wire import bridge_running, came_true, dialled_raw, health, write_tool

pytestmark = pytest.mark.virtual_time

PATH = "/local/millis"


async def refused(bridge: Bridge, path: str = PATH, **headers: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with web_dialled(bridge, path, headers=headers):
            pass
    return caught.value.status


async def greeted(bridge: Bridge, path: str = PATH, **headers: str) -> str:
    async with web_dialled(bridge, path, headers=headers) as web:
        await web.initiate()
        return str((await web.until("onheard")).data)


async def test_pages_of_this_machine_may_call_and_no_others(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge:
        assert await greeted(bridge, Origin=f"http://127.0.0.1:{bridge.port}")
        assert await greeted(bridge, Origin="http://localhost:5173")
        assert await refused(bridge, Origin="https://evil.example") == 403
        assert await refused(bridge, Host="evil.example", Origin="http://evil.example") == 403
        assert await refused(bridge, **{"X-Forwarded-For": "203.0.113.9"}) == 403
        assert (await health(bridge))["calls"] == 0


async def test_a_bridge_with_a_token_is_dialled_with_it(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo", token="s3cret") as bridge:
        assert await greeted(bridge) == "Hello, how can I help you?"


async def test_a_persona_is_called_by_its_name_with_its_own_token(tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        (tmp_path / "prompts" / name).mkdir(parents=True)
        (tmp_path / "prompts" / name / "greeting.md").write_text(f"Here is {name}.")
    personas = {"ann": {"token": "own"}, "bob": {}}
    async with bridge_running(tmp_path, model="demo", token="s3cret", personas=personas) as bridge:
        assert await greeted(bridge, f"{PATH}/ann") == "Here is ann."
        assert await greeted(bridge, f"{PATH}/bob") == "Here is bob."
        assert await refused(bridge, f"{PATH}/eve") == 404


async def test_the_tools_of_a_persona_with_its_own_token_are_told_of_too(tmp_path: Path) -> None:
    write_tool(tmp_path, "rooms", ROOMS)
    personas = {"ann": {"token": "own/? token"}}
    async with bridge_running(tmp_path, model="demo", token="s3cret", personas=personas) as bridge:
        async with web_dialled(bridge, f"{PATH}/ann") as web:
            await web.initiate()
            await web.say("book room 12")
            await web.until("onfunction", name="book_room")


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ("{", "not_json"),
        ("[]", "not_an_object"),
        ('{"method": "say", "data": "hi"}', "not_initiate"),
        ('{"method": ["initiate"]}', "unknown_type"),
        ('{"method": "initiate", "data": ' + "[" * 300 + "]" * 300 + "}", "not_json"),
        ('{"method": "initiate", "data": [' + "[]," * 10_001 + "[]]}", "too_many_items"),
    ],
)
async def test_a_page_that_does_not_begin_with_initiate_is_told_so(
    tmp_path: Path, first: str, why: str
) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.socket.send_bytes(bytes(256))  # sound may come before
        await web.socket.send_str(first)

        assert await web.closed() == (1008, f"the first message is no `initiate` ({why})")


async def test_a_page_that_says_nothing_does_not_keep_its_place(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        assert await web.closed() == (1008, "nothing was said: send `initiate`")


async def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate()
        for frame in ("{", '{"method": "say", "data": 7}', '{"method": "initiate"}', '"\\ud800"'):
            await web.socket.send_str(frame)
        await web.send({"method": "ping", "data": "1"})
        await web.until("pong", "1")
        await web.until("onheard", cut=False)


async def test_sound_faster_than_it_can_be_made_ends_the_call(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate()
        for _ in range(11):
            await web.socket.send_bytes(bytes(32_000))

        assert (await web.closed())[0] == 1008


async def test_sound_at_its_own_speed_is_taken_for_ever(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate()
        for _ in range(60):
            await web.socket.send_bytes(bytes(32_000))
            await asyncio.sleep(1)
        await web.say("hello")
        await web.until("ontranscript")


async def test_more_messages_than_anybody_types_end_the_call(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate()
        for number in range(60):
            await web.send({"method": "ping", "data": str(number)})

        assert (await web.closed())[0] == 1008


async def test_a_message_that_is_too_large_ends_the_call(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, web_dialled(bridge) as web:
        await web.initiate()
        await web.socket.send_bytes(bytes(70_000))

        assert (await web.closed())[0] == 1009


async def test_only_so_many_pages_call_at_once(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge, AsyncExitStack() as stack:
        for _ in range(16):
            await stack.enter_async_context(web_dialled(bridge))

        assert await refused(bridge) == 503


async def test_a_page_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text("word " * 700)
    async with bridge_running(tmp_path, model="demo") as bridge:
        async with dialled_raw(bridge, path=PATH, window=4096) as raw:
            agent = {"agent_config": {"voice": SILENT}}
            raw.send(orjson.dumps({"method": "initiate", "data": {"agent": agent}}))
            await came_true(lambda: bridge.board.live)
            await came_true(lambda: not bridge.board.live, timeout=3000)


async def test_when_the_bridge_stops_pages_hear_a_goodbye(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        async with bridge_running(tmp_path, model="demo") as bridge:
            socket = await http.ws_connect(f"http://127.0.0.1:{bridge.port}{PATH}")
            await socket.send_str('{"method": "initiate", "data": {}}')
            assert "onready" in (await socket.receive_str())
            reading = asyncio.create_task(_to_the_end(socket))
        assert await reading in (1000, 1001)


async def _to_the_end(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in socket:
        pass
    return socket.close_code
