"""A1–A11: frames that cannot be used, or only in part."""

import random
from typing import Any

import aiohttp
import orjson

from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.trials import trials
from tests.server.metered import metrics
from tests.wire import CLOSE, PING, PONG, raw_frame

MIB = 1 << 20
ECHO = "You said: hello"


def request(stream_id: object, content: object = "hello", **keys: object) -> str:
    lines = [{"role": "user", "content": content}]
    data = {"stream_id": stream_id, "transcript": lines, **keys}
    return orjson.dumps({"type": "stream_request", "data": data}).decode()


async def _all_dropped(scene: Scene, reason: str, *frames: str) -> None:
    """Say what cannot be used, in a call that goes on."""
    millis = await scene.call()
    for frame in frames:
        await millis.send(frame)
    assert await millis.asked(1, "hello") == ECHO
    assert scene.drops == {reason: len(frames)}


@case("A1", "what is no JSON is dropped and the call goes on")
async def no_json(scene: Scene) -> None:
    good = request(1, "never")
    frames = ["", " ", "hello", "\ufeff" + good, good + "x", good[:-1], "[" * 9_000]
    await _all_dropped(scene, "not_json", *frames)


@case("A2", "a binary frame is dropped and the socket stays open")
async def binary(scene: Scene) -> None:
    millis = await scene.call()
    for payload in (b"", b"\x00\xff", request(1, "never").encode()):
        await millis.socket.send_bytes(payload)
    assert await millis.asked(1, "hello") == ECHO
    assert scene.drops == {"binary": 3}


@case("A3", "a frame of a mebibyte passes and a larger one closes the call")
async def too_large(scene: Scene) -> None:
    millis = await scene.call("large")
    empty = len(request(1, padding=""))
    await millis.send(request(1, padding="x" * (MIB - 1 - empty)))
    assert await millis.answer(1) == ECHO
    await millis.socket.ping(b"")  # the frame after this one is not read, nor a fence behind it
    await millis.send('{"type":"' + "x" * (MIB + 1 - 11) + '"}')
    assert await millis.closed() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    (call,) = await scene.ended("large")
    assert call.ending == "bad_frame"
    assert scene.drops == {"protocol_error": 1}


BREACHES = {
    "bad UTF-8": (raw_frame(b'{"type":"\xff"}'), 1007),
    "a surrogate in UTF-8": (raw_frame(b"\xed\xa0\x80"), 1007),
    "compressed, though nobody agreed to it": (raw_frame(b"{}", rsv=4), 1002),
    "reserved bit": (raw_frame(b"{}", rsv=2), 1002),
    "opcode 3": (raw_frame(b"{}", 3), 1002),
    "a long ping": (raw_frame(b"x" * 126, PING), 1002),
    "half a ping": (raw_frame(b"x", PING, fin=False), 1002),
    "close with 1005": (raw_frame((1005).to_bytes(2, "big"), CLOSE), 1002),
    "close with one byte": (raw_frame(b"x", CLOSE), 1002),
    "a message in a message": (raw_frame(b"a", fin=False) + raw_frame(b"b"), 1002),
}


@case("A4", "a breach of WebSocket closes its call with the right code")
async def breaches(scene: Scene) -> None:
    for what, (frame, code) in BREACHES.items():
        raw = await scene.dial_raw()
        raw.writer.write(frame)
        assert await raw.close_code() == code, what
    await scene.dropped(protocol_error=len(BREACHES))


@case("A5", "a message in pieces with a ping between is one message")
async def pieces(scene: Scene) -> None:
    whole = request(1, "grüß dich").encode()
    cut = whole.index(b"\xc3") + 1  # through a character
    raw = await scene.dial_raw()
    raw.told(whole.decode())
    raw.send(whole[:9], fin=False)
    raw.send("mark", PING)
    raw.send(whole[9:cut], 0, fin=False)
    raw.send(b"", 0, fin=False)
    raw.send(whole[cut:], 0)
    assert await raw.next() == (PONG, b"mark")
    assert await raw.answer(1) == "You said: grüß dich"


@case("A5", "a message that comes byte by byte is one message")
async def bytewise(scene: Scene) -> None:
    raw = await scene.dial_raw()
    raw.told(request(1))
    for byte in raw_frame(request(1).encode()):
        raw.writer.write(bytes([byte]))
        await raw.writer.drain()
    assert await raw.answer(1) == ECHO


@case("A6", "any number of unknown types is counted under one label")
async def unknown_types(scene: Scene) -> None:
    chance, count = random.Random(6), trials(10_000, 1_000)  # noqa: S311 - no secret
    millis = await scene.call()
    await millis.send("{}")
    assert await millis.asked(1, "hello") == ECHO
    before = set((await metrics(scene.bridge)).samples)
    for number in range(count):
        odd = [chance.randbytes(6).hex(), chance.random(), None, [number], {"a": 1}]
        await millis.send({"type": chance.choice(odd), "data": {"stream_id": number}})
        if not number % 100:
            await millis.settled()
    assert await millis.asked(2, "hello", ECHO, "hello") == ECHO
    assert scene.drops == {"unknown_type": count + 1}
    assert set((await metrics(scene.bridge)).samples) == before


ODD: tuple[Any, ...] = (None, [], {}, "x", "", 7, -1, 1.5, True, [None], {"a": [{}]}, "9" * 5000)


@case("A7", "a wrong field costs at most its message")
async def wrong_fields(scene: Scene) -> None:
    millis = await scene.call()
    for number, message in enumerate(_mutations(), start=1):
        await millis.send(_with_its_own_id(message, 100 + number))
        if not number % 50:
            await millis.settled()
    assert (await millis.asked(1000, "hello")).endswith("hello")
    assert set(scene.drops) <= {"unusable", "stale", "duplicate"}
    assert scene.drops["unusable"] > 20


def _with_its_own_id(message: dict[str, Any], stream_id: int) -> dict[str, Any]:
    """Have a request ask for something new, where its id is not what is wrong with it."""
    data = message.get("data")
    if message["type"] != "stream_request" or not isinstance(data, dict):
        return message
    return message | {
        "data": data | ({"stream_id": stream_id} if data.get("stream_id") == 1 else {})
    }


def _mutations() -> list[dict[str, Any]]:
    """Every message with one field of every wrong shape, missing, or beside a stranger."""
    line = {"role": "user", "content": "never"}
    start = {"stream_id": 0, "agent_id": "a", "call_sid": None, "session_id": "odd"}
    whole: list[dict[str, Any]] = [
        {"type": "start_call", "data": {**start, "metadata": {}, "voip": {"from": "+1"}}},
        {"type": "stream_request", "data": {"stream_id": 1, "transcript": [line]}},
        {"type": "partial_transcript", "data": {"session_id": "s", "transcript": "a"}},
        {"type": "playback_finished", "data": {"session_id": "s", "stream_id": 1}},
        {"type": "interrupt", "stream_id": 1, "data": {}},
    ]
    found = [{**message, "stranger": wrong} for message in whole for wrong in ODD]
    for message in whole:
        found += [{**message, "data": wrong} for wrong in ODD]
        found += [{"type": message["type"]}]
        for name in message["data"]:
            rest = {key: value for key, value in message["data"].items() if key != name}
            found += [{**message, "data": {**rest, name: wrong}} for wrong in ODD]
            found += [{**message, "data": rest}]
    return found


@case("A8", "a message that is no object is dropped")
async def no_object(scene: Scene) -> None:
    frames = ["[]", "1", '"start_call"', "null", "true", f"[{request(1, 'never')}]"]
    await _all_dropped(scene, "not_an_object", *frames)


@case("A9", "an id that is no whole number is not answered")
async def no_ids(scene: Scene) -> None:
    odd = ["true", "null", "1.5", '"x"', "[1]", str(2**63), '"１"']
    odd_json = [request(0, "never").replace(":0,", f":{one},") for one in odd]
    await _all_dropped(scene, "unusable", *odd_json)


@case("A9", "an id that is no JSON is not answered")
async def no_numbers(scene: Scene) -> None:
    millis = await scene.call()
    for odd in ("NaN", "1e400", "9" * 5000):
        await millis.send(request(0, "never").replace(":0,", f":{odd},"))
    assert await millis.asked(1, "hello") == ECHO
    assert scene.drops.total() == 3


@case("A9", "a whole number is echoed as it came")
async def ids(scene: Scene) -> None:
    for stream_id in (0, -1, 2**63 - 1, "0", "-1", "17"):
        millis = await scene.dial()
        assert await millis.asked(stream_id, "hello") == ECHO
        assert {type(message["stream_id"]) for message in millis.got} == {type(stream_id)}


@case("A10", "the last of two equal keys counts")
async def equal_keys(scene: Scene) -> None:
    millis = await scene.call()
    body = request(1).partition('"data":')[2]
    await millis.send(f'{{"type":"interrupt","data":1,"type":"stream_request","data":{body}')
    assert await millis.answer(1) == ECHO


@case("A11", "a hundred thousand brackets in each other are dropped")
async def deep(scene: Scene) -> None:
    await _all_dropped(scene, "too_many_items", "[" * 100_000, '{"a":' * 100_000)
