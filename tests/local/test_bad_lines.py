import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.app import Bridge
from bridge.local.answer import LineLost
from bridge.local.caller import Caller
from bridge.local.conversation import Conversation
from bridge.local.line import Line
from tests.local.scripted_bridge import CLOSE, END, INTERRUPT, Script, ScriptedBridge
from tests.wire import bridge_running

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def calling(folder: Path) -> AsyncIterator[tuple[Bridge, Conversation]]:
    """A call to a real bridge, whose greeting has been heard."""
    async with bridge_running(folder, model="demo") as bridge:
        async with Conversation.dial(f"ws://127.0.0.1:{bridge.port}/millis") as talk:
            await talk.hear(talk.caller.greeting)
            yield bridge, talk


# ── the same request again ───────────────────────────────────────────────────────────────────────


async def test_a_request_that_comes_twice_is_answered_once(tmp_path: Path) -> None:
    async with calling(tmp_path) as (bridge, talk):
        answer = await talk.say("What can you do?")
        again = await talk.caller.ask_again()
        await talk.hear(answer)
        await talk.caller.ask_again()
        await talk.ask("Thank you.")

        assert again is answer
        assert bridge.board.dropped["duplicate"] == 2
        assert talk.caller.violations == []


async def test_a_request_is_the_same_message_when_it_comes_again() -> None:
    async with ScriptedBridge({}) as bridge, Caller.dial(bridge.url) as caller:
        await caller.ask("hi")
        await caller.ask_again()
        await caller.ask("bye")

        first, second, _ = bridge.received_of("stream_request")
        assert first == second


# ── sockets that are lost ────────────────────────────────────────────────────────────────────────


async def test_a_call_goes_on_on_a_new_socket(tmp_path: Path) -> None:
    async with calling(tmp_path) as (_bridge, talk):
        caller = talk.caller
        lost = await talk.say("What can you do?")
        await asyncio.sleep(0.1)
        await caller.line.vanish()
        await talk.hear(lost)
        with pytest.raises(LineLost):
            await talk.say("hello?")
        await asyncio.sleep(4)
        await caller.dial_again()
        opening = await talk.hear(caller.newest)
        answer = await talk.hear(await caller.ask_again())
        await talk.ask("Thank you.")

        assert (opening.stream_id, opening.text) == (3, "")
        assert lost.lost
        assert answer.stream_id == 4
        assert answer.text.startswith(lost.text)
        assert answer.ended
        assert caller.greeting.text.strip()
        assert [line.role for line in caller.transcript[:2]] == ["assistant", "user"]
        assert caller.violations == []
        assert not caller.over.is_set()


async def test_a_new_socket_begins_with_the_same_call() -> None:
    script: Script = {"": ["Hello!", END], "hi": ["Well, ", CLOSE]}
    async with ScriptedBridge(script) as bridge:
        async with Caller.dial(bridge.url, session_id="s", agent_id="a", stream_id=0) as caller:
            await caller.greeting.complete()
            with pytest.raises(LineLost):
                await caller.ask("hi")
            await caller.dial_again()
            await caller.newest.complete()

    first, second = bridge.received_of("start_call")
    assert second["data"] == {**first["data"], "stream_id": 2}


async def test_words_that_had_arrived_are_played_though_the_line_is_lost() -> None:
    async with ScriptedBridge({"hi": ["One two. Three", CLOSE]}) as bridge:
        async with Conversation.dial(bridge.url) as talk:
            answer = await talk.ask("hi")
            await asyncio.sleep(5)

            assert answer.heard(asyncio.get_running_loop().time()) == "One two."


async def test_a_caller_who_vanishes_says_no_goodbye() -> None:
    async with ScriptedBridge({"hi": [INTERRUPT]}) as bridge:
        async with Caller.dial(bridge.url) as caller:
            await caller.request("hi")
            await caller.line.vanish()
            await bridge.hung_up.wait()
            await caller.over.wait()

            assert bridge.close_codes == [1006]
            with pytest.raises(LineLost):
                await caller.interrupt()


async def test_a_caller_who_vanishes_resets_the_connection() -> None:
    ends: list[Exception] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
        digest = hashlib.sha1(f"{key}{_MAGIC}".encode()).digest()  # noqa: S324 - the protocol's
        accept = base64.b64encode(digest).decode()
        said = ("101 Welcome", "Upgrade: websocket", "Connection: upgrade")
        answer = [f"HTTP/1.1 {said[0]}", *said[1:], f"Sec-WebSocket-Accept: {accept}", "", ""]
        writer.write("\r\n".join(answer).encode())
        try:
            await reader.read(-1)
        except ConnectionResetError as error:
            ends.append(error)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    line = await Line.dial(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/millis")
    await line.vanish()
    await asyncio.sleep(1)
    server.close()

    assert len(ends) == 1


async def test_a_caller_who_hangs_up_does() -> None:
    async with ScriptedBridge({}) as bridge:
        async with Caller.dial(bridge.url):
            pass
        await bridge.hung_up.wait()

        assert bridge.close_codes == [1000]


# ── a caller who does not read ───────────────────────────────────────────────────────────────────


async def test_a_slow_reader_holds_the_bridge_up_until_it_reads_on() -> None:
    many, much = 60, "word " * 20_000
    async with ScriptedBridge({"hi": [*[much] * many, END]}) as bridge:
        async with Caller.dial(bridge.url, window=4096) as caller:
            await caller.greeting.complete()
            caller.line.stop_reading()
            answer = await caller.request("hi")
            await asyncio.sleep(60)
            got = len(answer.pieces)
            assert got < many
            assert bridge.steps < many

            caller.line.read_on()
            await answer.complete()

    assert answer.text == much * many
