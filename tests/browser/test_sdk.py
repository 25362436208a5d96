"""The real SDK in a real browser calls the bridge, unchanged: every callback of its guide."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.app import Bridge
from tests.browser.talking import opened, started
from tests.wire import health_when, write_tool

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOMS = '''
@tool
def book_room(room: int) -> str:
    """Book a room."""
    return f"Room {room} is booked."
'''


def address(bridge: Bridge) -> str:
    return f"127.0.0.1:{bridge.port}"


async def test_every_callback_fires_in_a_call(
    page: "Page", talk_page: str, bridge: Bridge, tmp_path: Path
) -> None:
    write_tool(tmp_path, "rooms", ROOMS)
    await bridge.tools.reload()
    (tmp_path / "prompts" / "greeting.md").write_text("Hello.")
    await bridge.prompts.reload()
    about = "{agent_id: 'a'}, {metadata: {name: 'Ada'}, include_metadata_in_prompt: true}"
    talk = await started(page, talk_page, address(bridge), about)
    await talk.until("onheard")
    await talk.value("talk.say('book room 12')")
    await talk.until("onfunction")
    await talk.until("onlatency", 2)
    await talk.value("talk.say('goodbye')")
    closed = await talk.until("onclose")

    names = await talk.names()
    assert names[:3] == ["useraudioready", "analyzer", "onopen"]
    ready = (await talk.of("onready"))[0]
    assert len(ready["session_id"]) == 32
    assert (await talk.of("useraudioready"))[0]["tracks"] == 1
    assert (await talk.of("analyzer"))[0]["kind"] == "AnalyserNode"
    assert [event["bytes"] % 2 for event in await talk.of("onaudio")].count(0) > 10
    assert (await talk.of("onresponsetext"))[0]["given"][1]["is_final"] in (True, False)
    assert (await talk.of("ontranscript"))[0]["given"] == ["book room 12", {"is_final": True}]
    used = (await talk.of("onfunction"))[0]["given"]
    assert used == ["", {"name": "book_room", "params": {"room": 12}}]
    assert len(await talk.of("onlatency")) == 3
    assert all(0 <= event["given"][0] < 5000 for event in await talk.of("onlatency"))
    assert names.index("onsessionended") < names.index("onclose")
    assert (closed["code"], closed["reason"]) == (1000, "")
    assert await talk.of("onerror") == []


async def test_a_line_over_an_answer_silences_the_page(
    page: "Page", talk_page: str, bridge: Bridge
) -> None:
    talk = await started(page, talk_page, address(bridge))
    await talk.value("talk.say('count to fifty')")
    await talk.true("talk.of('onresponsetext').some((event) => event.given[0].length > 50)")
    await talk.value("talk.interrupt()")
    cut = "event.given[1].cut && event.given[1].stream_id === 2"
    await talk.true(f"talk.of('onheard').some((event) => {cut})")
    received = len(await talk.of("onaudio"))
    await talk.value("talk.client.send(JSON.stringify({method: 'ping', data: '1'}))")
    await talk.true("talk.of('onagentstate').at(-1).given[0] === 'idle'")

    assert len(await talk.of("onaudio")) == received


async def test_hanging_up_in_the_page_ends_the_call(
    page: "Page", talk_page: str, bridge: Bridge
) -> None:
    talk = await started(page, talk_page, address(bridge))
    assert len(bridge.board.live) == 1
    await talk.value("talk.stop()")
    await talk.until("onclose")

    await health_when(bridge, lambda body: body["calls"] == 0)


async def test_a_call_that_is_not_taken_is_an_error_in_the_page(
    page: "Page", talk_page: str, bridge: Bridge
) -> None:
    talk = await opened(page, talk_page, address(bridge), "/local/millis/nobody")
    await talk.value("talk.start()")

    assert (await talk.until("onerror"))["kind"] == "error"
    assert (await talk.until("onclose"))["code"] == 1006
