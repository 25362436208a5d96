"""Hostile and broken frames, peers and connections over a real socket: faults A1–A32, B1–B5."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from bridge.app import Bridge
from tests.fake_openai.client import FakeOpenAI
from tests.wire import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Raw,
    Wire,
    bridge_running,
    came_true,
    dialled,
    dialled_raw,
    lag_probe,
    raw_frame,
    watched,
)

REPROMPT = "Sorry, I didn't catch that. Could you say it again?"
MIB = 1 << 20
STALLED = [{"text": "Well"}, {"stall": True}]
REASONS = {"binary", "not_json", "too_many_items", "not_an_object", "unknown_type", "unusable"}


@pytest.fixture
async def bridge(tmp_path: Path, openai: FakeOpenAI) -> AsyncIterator[Bridge]:
    async with bridge_running(tmp_path, openai.base_url) as running:
        yield running


@pytest.fixture
async def millis(bridge: Bridge) -> AsyncIterator[Wire]:
    async with dialled(bridge) as wire:
        yield wire


def request(stream_id: object, content: object, **keys: object) -> dict[str, Any]:
    lines = [{"role": "user", "content": content}]
    return {"type": "stream_request", "data": {"stream_id": stream_id, "transcript": lines, **keys}}


def text(value: object) -> str:
    return orjson.dumps(value).decode()


# ── frames that cannot be used ───────────────────────────────────────────────────────────────────


async def test_junk_of_any_kind_is_counted_and_the_call_goes_on(  # A1, A2, A8, A9, A11
    bridge: Bridge, millis: Wire
) -> None:
    good = text(request(1, "never"))
    junk = {
        "not_json": ["", " ", "hello", "\ufeff" + good, good + "x", good[:-1], "[" * 9_000],
        "not_an_object": ["[]", "1", '"start_call"', "null", "true", f"[{good}]"],
        "unknown_type": ["{}", '{"type":null}', '{"type":7}', '{"type":["interrupt"]}'],
        "unusable": ['{"type":"stream_request"}', '{"type":"playback_finished","data":[]}'],
        "too_many_items": ["[" * 100_000, '{"a":' * 100_000],
    }
    for frame in itertools.chain(*junk.values()):
        await millis.send(frame)
    for payload in (b"", b"\x00\xff", good.encode()):
        await millis.socket.send_bytes(payload)

    assert await millis.asked(2, "hello") == "You said: hello"
    assert {message["stream_id"] for message in millis.got} == {2}
    expected = {reason: len(frames) for reason, frames in junk.items()} | {"binary": 3}
    assert bridge.board.dropped == expected


async def test_ten_thousand_unknown_types_leave_one_count(bridge: Bridge, millis: Wire) -> None:
    chance = random.Random(6)  # noqa: S311 - A6
    for _ in range(10_000):
        kind = chance.choice(
            [chance.randbytes(6).hex(), chance.random(), None, [chance.randrange(9)], {"a": 1}]
        )
        await millis.send({"type": kind, "data": {"stream_id": 1}})
    assert await millis.asked(1, "hello") == "You said: hello"
    assert bridge.board.dropped == {"unknown_type": 10_000}


ODD: tuple[Any, ...] = (None, [], {}, "x", "", 7, -1, 1.5, True, [None], {"a": [{}]}, "9" * 5000)


def _mutations() -> list[dict[str, Any]]:
    """Build every message with one field of every wrong shape, missing, or beside a stranger."""
    start = {"stream_id": 0, "agent_id": "a", "call_sid": None, "session_id": "s"}
    line = {"role": "user", "content": "never"}
    whole: list[dict[str, Any]] = [
        {"type": "start_call", "data": {**start, "metadata": {}, "voip": {"from": "+1"}}},
        {"type": "stream_request", "data": {"stream_id": 1, "transcript": [line]}},
        {"type": "partial_transcript", "data": {"session_id": "s", "transcript": "a"}},
        {"type": "playback_finished", "data": {"session_id": "s", "stream_id": 1}},
        {"type": "interrupt", "stream_id": 1, "data": {}},
    ]
    mutated = [{**message, "stranger": wrong} for message in whole for wrong in ODD]
    for message in whole:
        mutated += [{**message, "data": wrong} for wrong in ODD]
        mutated += [{"type": message["type"]}]
        data = message["data"]
        for name in data:
            mutated += [{**message, "data": {**data, name: wrong}} for wrong in ODD]
            rest = {key: value for key, value in data.items() if key != name}
            mutated += [{**message, "data": rest}]
    return mutated


async def test_any_wrong_field_costs_at_most_its_message(bridge: Bridge, millis: Wire) -> None:
    mutated = _mutations()  # A7
    assert len(mutated) > 200
    for message in mutated:
        await millis.send(message)
    assert (await millis.asked(100, "hello")).endswith("hello")
    assert set(bridge.board.dropped) <= REASONS | {"duplicate", "stale"}
    assert bridge.board.dropped["unusable"] > 20


@pytest.mark.parametrize(
    "stream_id",
    ["true", "false", "null", "NaN", "1e400", "1.5", "9" * 5000, '"x"', "[1]", str(2**63), '"１"'],
)
async def test_a_stream_id_that_is_no_whole_number_is_not_answered(  # A9
    millis: Wire, bridge: Bridge, stream_id: str
) -> None:
    await millis.send(text(request(0, "never")).replace(":0,", f":{stream_id},"))
    assert await millis.asked(1, "hello") == "You said: hello"
    assert {message["stream_id"] for message in millis.got} == {1}
    assert bridge.board.dropped.total() == 1


@pytest.mark.parametrize("stream_id", [0, -1, 2**63 - 1, "0", "-1", "17"])
async def test_a_stream_id_is_echoed_as_it_came(millis: Wire, stream_id: object) -> None:
    assert await millis.asked(stream_id, "hello") == "You said: hello"
    assert {type(message["stream_id"]) for message in millis.got} == {type(stream_id)}
    assert millis.endings(stream_id) == 1


async def test_the_last_of_two_equal_keys_wins(millis: Wire) -> None:  # A10
    body = text(request(1, "hello")["data"])
    await millis.send(f'{{"type":"interrupt","data":1,"type":"stream_request","data":{body}}}')
    assert await millis.answer(1) == "You said: hello"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (r"a\u0000b", "a\ufffdb"),
        ("a\0b", "ab"),
        (r"a\ud800b", "a\ufffdb"),
        ("a\\u00\x0000b", "a\ufffdb"),
        ("a\\ud8\x0000b", "a\ufffdb"),
        (r"a\ud83d\ude00b", "a😀b"),
    ],
    ids=["NUL escaped", "NUL", "surrogate", "NUL in NUL", "NUL in surrogate", "a pair"],
)
async def test_what_no_server_accepts_does_not_reach_the_model(  # A12, A13
    millis: Wire, openai: FakeOpenAI, sent: str, read: str
) -> None:
    start = {"stream_id": 0, "session_id": "@", "metadata": {"name": "@", "@": ["@"]}}
    await millis.send(text({"type": "start_call", "data": start}).replace("@", sent))
    await millis.answer(0)
    await millis.send(text(request(1, "@")).replace("@", sent))
    await millis.answer(1)
    (asked,) = await openai.requests()
    content = asked["body"]["messages"][-1]["content"]
    assert content == read
    assert "\0" not in text(asked)


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_frame_of_a_mebibyte_passes_and_a_larger_one_closes_only_its_call(  # A3
    bridge: Bridge, millis: Wire
) -> None:
    async with dialled(bridge) as other:
        empty = len(text(request(1, "hello", padding="")))
        await other.send(request(1, "hello", padding="x" * (MIB - empty)))
        assert await other.answer(1) == "You said: hello"
        await other.send(request(2, "hello", padding="x" * (MIB + 1 - empty)))
        assert await other.closed() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert await millis.asked(1, "hello") == "You said: hello"
    await came_true(lambda: len(bridge.board.live) == 1)
    assert bridge.board.dropped == {"protocol_error": 1}


HEAVY = {
    "items": "[" + "{}," * (MIB // 3 - 9) + "{}]",
    "lone surrogates": text(request(1, "@")).replace("@", r"\ud800" * 170_000),
    "backslashes": text(request(1, "@")).replace("@", r"\\" * 500_000 + r"\u0000"),
    "mixed escapes": text(request(1, "@")).replace("@", r"\\a\ud800" * 110_000),
    "numbers for lines": text({"type": "stream_request", "data": {"stream_id": 1}}).replace(
        ":1}", ':1,"transcript":[' + "5," * 500_000 + "5]}"
    ),
}


@pytest.mark.parametrize("kind", HEAVY)
async def test_a_heavy_frame_does_not_hold_the_other_calls(  # A14
    bridge: Bridge, openai: FakeOpenAI, kind: str
) -> None:
    await openai.script([{"tokens": ["la "] * 600, "gap_ms": 5}], match="talk")
    await openai.script({"steps": [{"stall": "unanswered"}], "times": 10})  # only reading counts
    frame = raw_frame(HEAVY[kind].encode())
    assert len(frame) > 900_000
    async with dialled(bridge) as talking, dialled_raw(bridge) as heavy:
        await talking.ask(1, "talk")
        await talking.first_word(1)
        async with lag_probe() as lag:
            for count in range(4):
                heavy.writer.write(frame)
                heavy.send(str(count), PING)
                while (await heavy.next())[0] != PONG:
                    pass
        assert lag.worst < 0.25, "the loop was held"
        await talking.next()
    print(f"{kind}: the loop was held {lag.worst * 1000:.0f} ms")  # noqa: T201 - shown with -s


async def test_twenty_heavy_frames_at_once_do_not_delay_a_call(  # A14
    bridge: Bridge, millis: Wire
) -> None:
    frame = raw_frame(HEAVY["items"].encode())
    async with asyncio.TaskGroup() as tasks, lag_probe() as lag:
        for _ in range(20):
            tasks.create_task(_flood(bridge, frame))
        assert await millis.asked(1, "hello") == "You said: hello"
        await came_true(lambda: bridge.board.dropped["too_many_items"] == 20)
    assert lag.worst < 0.5
    print(f"20 at once: the loop was held {lag.worst * 1000:.0f} ms")  # noqa: T201


async def _flood(bridge: Bridge, frame: bytes) -> None:
    async with dialled_raw(bridge) as raw:
        raw.writer.write(frame)
        raw.send("", PING)
        assert (await raw.next())[0] == PONG


# ── below messages ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (raw_frame(b'{"type":"\xff"}'), 1007),
        (raw_frame(b"\xed\xa0\x80"), 1007),  # a surrogate in UTF-8
        (raw_frame(b"{}", rsv=4), 1002),  # compressed, though nobody agreed to it
        (raw_frame(b"{}", rsv=2), 1002),
        (raw_frame(b"{}", 3), 1002),
        (raw_frame(b"x" * 126, PING), 1002),
        (raw_frame(b"x", PING, fin=False), 1002),
        (raw_frame((1005).to_bytes(2, "big"), CLOSE), 1002),
        (raw_frame(b"x", CLOSE), 1002),
        (raw_frame(b"a", fin=False) + raw_frame(b"b"), 1002),
    ],
    ids=[
        *("bad utf-8", "surrogate", "rsv1", "rsv2", "opcode 3", "long ping", "half ping"),
        *("close 1005", "close of one byte", "message in message"),
    ],
)
async def test_a_breach_of_websocket_closes_its_call_with_the_right_code(  # A4
    bridge: Bridge, millis: Wire, frame: bytes, code: int
) -> None:
    async with dialled_raw(bridge) as raw:
        raw.writer.write(frame)
        assert await raw.close_code() == code
        await came_true(lambda: len(bridge.board.live) == 1)
    assert await millis.asked(1, "hello") == "You said: hello"
    assert bridge.board.dropped == {"protocol_error": 1}


async def test_a_message_in_pieces_with_a_ping_between_is_one_message(bridge: Bridge) -> None:
    whole = text(request(1, "grüß dich")).encode()  # A5; the cut goes through a character
    cut = whole.index(b"\xc3") + 1
    async with dialled_raw(bridge) as raw:
        raw.send(whole[:9], fin=False)
        raw.send("mark", PING)
        raw.send(whole[9:cut], 0, fin=False)
        raw.send(b"", 0, fin=False)
        raw.send(whole[cut:], 0)
        assert await raw.next() == (PONG, b"mark")
        assert await _said(raw) == "You said: grüß dich"


async def test_a_message_that_comes_byte_by_byte_is_one_message(bridge: Bridge) -> None:
    async with dialled_raw(bridge) as raw:
        for byte in raw_frame(text(request(1, "hello")).encode()):
            raw.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await _said(raw) == "You said: hello"


async def _said(raw: Raw) -> str:
    said = ""
    while True:
        opcode, payload = await raw.next()
        assert opcode == TEXT
        data = orjson.loads(payload)["data"]
        said += str(data.get("content", ""))
        if data.get("end_of_stream"):
            return said


async def test_compression_is_not_agreed_to(bridge: Bridge) -> None:  # T10, G20
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    async with dialled_raw(bridge, offer) as raw:
        assert raw.head.startswith("HTTP/1.1 101 ")
        assert "sec-websocket-extensions" not in raw.head.lower()


async def test_frames_are_text_and_not_masked(bridge: Bridge) -> None:
    async with dialled_raw(bridge) as raw:
        raw.send(text(request(1, "hello")))
        first, second = await raw.reader.readexactly(2)
    assert first == 0x80 | TEXT
    assert second < 0x80


# ── conversations that are not as they should be ─────────────────────────────────────────────────

USER = {"role": "user", "content": "hello"}
THEM = {"role": "assistant", "content": "Hi!"}


@pytest.mark.parametrize(
    ("transcript", "answer"),
    [
        ([], REPROMPT),
        (None, REPROMPT),
        ("hello", REPROMPT),
        ([THEM], REPROMPT),
        ([USER, THEM], REPROMPT),
        ([{"role": "user", "content": None}], REPROMPT),
        ([{"role": "user", "content": "  "}], REPROMPT),
        ([{"role": "system", "content": "obey"}], REPROMPT),
        ([THEM, USER], "You said: hello"),
        ([USER, {"role": "tool", "content": "42"}], "You said: hello"),
        ([USER, {"role": "user", "content": None}], "You said: hello"),
        ([{"role": "user", "content": [{"type": "text", "text": "hello"}]}], "You said: hello"),
        ([{"role": ["user"], "content": "x"}, 7, None, [USER], USER], "You said: hello"),
    ],
)
async def test_any_transcript_is_answered_and_ended_once(  # A15
    millis: Wire, transcript: object, answer: str
) -> None:
    data = {"stream_id": 1, "transcript": transcript}
    await millis.send({"type": "stream_request", "data": data})
    assert (await millis.answer(1)).strip() == answer
    await millis.settled()
    assert millis.endings(1) == 1


async def test_a_request_needs_no_start_and_a_late_start_greets_nobody(millis: Wire) -> None:
    assert await millis.asked(3, "hello") == "You said: hello"  # A16
    await millis.start(9)
    await millis.settled()
    assert millis.of(9) == []
    assert await millis.asked(4, "hello", "You said: hello", "again") == "You said: again"


async def test_start_told_twice_greets_once_and_another_session_again(  # A17, A18
    millis: Wire,
) -> None:
    for session, stream_id in (("s", 0), ("s", 1), ("other", 5)):
        await millis.start(stream_id, session)
    await millis.answer(5)
    assert millis.of(1) == []
    assert millis.said(5)


async def test_an_id_told_again_or_too_low_is_counted_and_not_answered(  # A20, A21, A22
    bridge: Bridge, millis: Wire
) -> None:
    await millis.asked(5, "hello")
    await millis.ask(5, "hello")
    await millis.ask(4, "too late")
    await millis.settled()
    assert millis.endings(5) == 1
    assert millis.of(4) == []
    assert bridge.board.dropped == {"duplicate": 1, "stale": 1}
    await millis.ask(5, "hello", "You said: hello", "new")
    while millis.endings(5) < 2:
        await millis.next()
    assert millis.said(5) == "You said: helloYou said: new"


@pytest.mark.parametrize(
    "interrupt",
    [
        {"type": "interrupt", "stream_id": 1},
        {"type": "interrupt", "stream_id": "1"},
        {"type": "interrupt", "data": {"stream_id": 1}},
        {"type": "interrupt"},
        {"type": "interrupt", "data": None},
    ],
)
async def test_every_shape_of_interrupt_silences_the_answer(  # A26
    millis: Wire, openai: FakeOpenAI, interrupt: dict[str, object]
) -> None:
    await openai.script(STALLED)
    await millis.ask(1, "hello")
    await millis.first_word(1)
    await millis.send(interrupt)
    await openai.wait("client_left")
    await millis.settled()
    assert not millis.ended(1)


async def test_playback_that_nobody_knows_of_changes_nothing(  # A29
    millis: Wire, openai: FakeOpenAI
) -> None:
    await openai.script([{"tokens": ["one ", "two"], "gap_ms": 20}, {"finish": "stop"}])
    await millis.ask(1, "count")
    for stream_id in (1, 1, 99, -5, "1"):
        data = {"session_id": "elsewhere", "stream_id": stream_id}
        await millis.send({"type": "playback_finished", "data": data})
    assert await millis.answer(1) == "one two"
    assert millis.endings(1) == 1


async def test_a_flood_of_partial_transcripts_asks_no_model(  # A30
    bridge: Bridge, millis: Wire, openai: FakeOpenAI
) -> None:
    finals: list[dict[str, object]] = [{"is_final": False}, {}, {"is_final": "maybe"}]
    async with lag_probe() as lag:
        for number in range(5000):
            data = {"session_id": "s", "transcript": f"word {number}", **finals[number % 3]}
            await millis.send({"type": "partial_transcript", "data": data})
        assert await millis.asked(1, "hello") == "You said: hello"
    assert len(await openai.requests()) == 1
    assert bridge.board.dropped == {}
    assert lag.worst < 0.25


async def test_the_newest_of_two_sockets_with_one_session_has_the_call(  # A32
    bridge: Bridge, openai: FakeOpenAI
) -> None:
    await openai.script([{"text": "CANARY"}, {"stall": True}], match="apple")
    async with dialled(bridge) as first, dialled(bridge) as second:
        await first.start(0, "same")
        await first.answer(0)
        await first.ask(1, "apple")
        await first.first_word(1)
        await second.start(0, "same")
        assert await first.closed() != aiohttp.WSCloseCode.OK
        assert await second.asked(1, "banana") == "You said: banana"
        assert "CANARY" not in second.said(1)
    await openai.wait("client_left")
    assert not first.ended(1)


# ── time ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("junk", [(), ("hello", "{}")], ids=["silence", "junk"])
async def test_a_socket_on_which_nothing_is_said_is_closed(  # A31
    tmp_path: Path, junk: tuple[str, ...]
) -> None:
    async with bridge_running(tmp_path, first_message_timeout=0.2) as bridge:
        async with dialled(bridge) as millis:
            for frame in junk:
                await millis.send(frame)
            assert await millis.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION
        await came_true(lambda: not bridge.board.live)


async def test_a_call_that_has_begun_may_be_silent(tmp_path: Path, openai: FakeOpenAI) -> None:
    settings: dict[str, Any] = {"first_message_timeout": 0.1, "heartbeat": 0.1}  # A31
    async with bridge_running(tmp_path, openai.base_url, **settings) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
            for _ in range(5):  # our pings are the clock
                frame = await millis.socket.receive()
                assert frame.type is aiohttp.WSMsgType.PING
                await millis.socket.pong(frame.data)
            assert await millis.asked(1, "hello") == "You said: hello"


# ── connections that break ───────────────────────────────────────────────────────────────────────


async def test_a_caller_who_vanishes_frees_the_line_and_the_model(  # B1
    bridge: Bridge, openai: FakeOpenAI
) -> None:
    await openai.script(STALLED)
    async with dialled_raw(bridge) as raw:
        raw.send(text(request(1, "hello")))
        await raw.next()
        raw.vanish()
        await openai.wait("client_left")
        await came_true(lambda: not bridge.board.live)
    assert bridge.board.dropped == {}


@pytest.mark.parametrize("code", [1000, 1001, 3000])
async def test_a_caller_who_hangs_up_is_answered_with_the_same_code(  # B1
    bridge: Bridge, openai: FakeOpenAI, code: int
) -> None:
    await openai.script(STALLED)
    async with dialled_raw(bridge) as raw:
        raw.send(text(request(1, "hello")))
        await raw.next()
        raw.send(code.to_bytes(2, "big"), CLOSE)
        assert await raw.close_code() in (code, 1000)
        await openai.wait("client_left")
    await came_true(lambda: not bridge.board.live)


async def test_a_dead_connection_is_noticed_by_its_missing_pongs(  # B2
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(STALLED)
    async with bridge_running(tmp_path, openai.base_url, heartbeat=0.2) as bridge:
        async with dialled_raw(bridge) as dead, dialled(bridge, heartbeat=5) as alive:
            dead.send(text(request(1, "hello")))
            await openai.wait("first_chunk_sent")
            asking = asyncio.create_task(_keep_answering_pings(alive))
            await openai.wait("client_left")
            await came_true(lambda: len(bridge.board.live) == 1)
            asking.cancel()
            await asyncio.wait({asking})
            assert await alive.asked(1, "hello") == "You said: hello"
        assert bridge.board.dropped == {}


async def _keep_answering_pings(wire: Wire) -> None:
    while True:
        frame = await wire.socket.receive()
        if frame.type is aiohttp.WSMsgType.PING:
            await wire.socket.pong(frame.data)


async def test_a_caller_who_stops_reading_is_cut_off_and_nobody_else(  # B3
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    flood = {"tokens": ["blah blah blah. " * 4000] * 400}
    await openai.script([flood, {"stall": True}], match="flood")
    settings: dict[str, Any] = {"send_timeout": 0.3, "max_answer_chars": 10**9}
    async with bridge_running(tmp_path, openai.base_url, **settings) as bridge:
        async with dialled_raw(bridge, window=4096) as deaf, dialled(bridge) as millis:
            deaf.send(text(request(1, "flood")))
            await openai.wait("first_chunk_sent")
            assert await millis.asked(1, "hello") == "You said: hello"
            await openai.wait("client_left", timeout=10)
            await came_true(lambda: len(bridge.board.live) == 1)
            assert await millis.asked(2, "hello", "hi", "again") == "You said: again"


async def test_a_peer_who_only_pings_and_never_reads_is_cut_off(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "send_timeout": 0.3,
        "heartbeat": 0.3,
    }  # T2
    async with bridge_running(tmp_path, **settings) as bridge:
        async with dialled_raw(bridge, window=4096) as deaf:
            deaf.send('{"type":"interrupt"}')
            flooding = asyncio.create_task(_ping_until_cut_off(deaf))
            await came_true(lambda: not bridge.board.live)
            await asyncio.wait({flooding})


async def _ping_until_cut_off(raw: Raw) -> None:
    pings = raw_frame(b"x" * 125, PING) * 1000
    try:
        async with asyncio.timeout(8):
            while True:
                raw.writer.write(pings)
                await raw.writer.drain()
    except (ConnectionError, TimeoutError):
        pass


async def test_pongs_come_at_once_while_the_model_keeps_us_waiting(  # B5, T3
    bridge: Bridge, openai: FakeOpenAI
) -> None:
    await openai.script([{"stall": "unanswered"}])
    loop = asyncio.get_running_loop()
    async with dialled_raw(bridge) as raw:
        raw.send(text(request(1, "hello")))
        await openai.wait("request_started")
        waits = []
        for number in range(20):
            asked = loop.time()
            raw.send(str(number), PING)
            assert await raw.next() == (PONG, str(number).encode())
            waits.append(loop.time() - asked)
    assert sorted(waits)[10] < 0.1


# ── watching ─────────────────────────────────────────────────────────────────────────────────────


async def test_watching_a_call_does_not_break_it_whatever_is_said(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "odd.py").write_text(
        "from langchain_core.tools import tool\n"
        "@tool\n"
        "def odd(number: int, deep: list) -> str:\n"
        '    "Return what JSON cannot hold."\n'
        "    return 'a\\ud800b'\n"
    )
    arguments = '{"number": 99999999999999999999999, "deep": ' + "[" * 300 + "]" * 300 + "}"
    call = {"tool_call": {"name": "odd", "arguments": arguments, "id": "c1"}}
    await openai.script([call, {"finish": "tool_calls"}, {"done": True}])
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
            said = await millis.asked(1, "do it")
            assert said == "You said: do it"
            await watch.until("TurnEnded", stream_id=1, outcome="complete")
