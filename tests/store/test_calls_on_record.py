"""What a call leaves behind, through the socket, a model server and a database."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.fake_openai.client import FakeOpenAI
from tests.store.calls import on_record, recorder_of, recording
from tests.wire import (
    asking,
    came_true,
    dialled,
    dialled_raw,
    health,
    health_when,
    tool_call,
    write_tool,
)

GREETING = "Hello, how can I help you?"

LOOK = '''
from bridge import policy
@policy(read_only=True)
@tool
async def look(town: str) -> str:
    """Look up the weather."""
    await asyncio.sleep(0.05)
    return f"rain in {town}"
'''


async def test_a_call_is_on_record_with_its_words_deeds_and_times(
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    write_tool(tmp_path, "look", LOOK)
    told = [{"text": "It rains."}, {"finish": "stop"}, {"usage": True}, {"done": True}]
    await openai.script(asking(tool_call("look", town="Rome")), told)
    async with recording(tmp_path, openai, url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(
                0,
                agent_id="a",
                call_sid="CA1",
                metadata={"user_id": 7, "name": "Ann"},
                voip={"from": "+1555", "to": "+1556"},
            )
            await millis.answer(0)
            await millis.asked(1, GREETING, "Weather in Rome?")
            await millis.send(
                {"type": "playback_finished", "data": {"session_id": "s", "stream_id": 1}}
            )
            await millis.settled()
        await health_when(bridge, lambda body: body["calls"] == 0)
        call = await on_record(bridge)

    assert (call.session_id, call.agent_id, call.call_sid) == ("s", "a", "CA1")
    assert (call.caller, call.called, call.user_id) == ("+1555", "+1556", "7")
    assert call.metadata == {"user_id": 7, "name": "Ann"}
    assert (call.state, call.ending, call.level) == ("ended", "hung_up", "full")
    assert (call.turns, call.tools, call.interrupted, call.failed) == (2, 1, 0, 0)
    assert call.ended_at is not None
    assert call.ended_at > call.started_at
    greeting, weather = call.timeline
    assert (greeting.place, greeting.asked, greeting.said) == (-1, "", GREETING)
    assert greeting.heard == GREETING
    assert greeting.first_frame_ms is not None
    assert (weather.stream_id, weather.place, weather.asked) == ("1", 0, "Weather in Rome?")
    assert (weather.said, weather.heard, weather.outcome) == ("It rains.", "It rains.", "complete")
    assert weather.model == "openai:fake"
    assert weather.tokens_in is not None
    assert weather.tokens_out is not None
    assert call.tokens_in == weather.tokens_in > 0
    assert weather.first_token_ms is not None
    assert weather.first_frame_ms is not None
    assert weather.last_frame_ms is not None
    assert weather.tools_ms >= 45
    assert weather.first_frame_ms >= weather.tools_ms  # it had to wait for the tool
    assert weather.first_token_ms <= weather.first_frame_ms <= weather.last_frame_ms
    assert call.slowest_ms == weather.first_frame_ms
    (run,) = weather.tool_runs
    assert (run.name, run.arguments, run.result) == ("look", {"town": "Rome"}, "rain in Rome")
    assert (run.outcome, run.turn) == ("ok", weather.number)
    assert run.policy == "reads only · stops when the caller speaks"
    assert run.duration_ms is not None
    assert run.duration_ms >= 45
    assert weather.messages is not None
    assert [message.text for message in weather.messages] == ["", "It rains."]
    assert weather.messages[0].tool_calls == ({"name": "look", "arguments": {"town": "Rome"}},)


async def test_where_the_caller_spoke_is_on_record(
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    await openai.script([{"text": "One two three."}, {"sleep_ms": 30_000}], {"say": "Okay."})
    async with recording(tmp_path, openai, url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
            await millis.ask(1, GREETING, "count")
            await millis.first_word(1)
            await millis.interrupt(1)
            await millis.asked(2, GREETING, "count", "One two", "stop")
            call = await on_record(bridge)
    _, cut, answer = call.timeline
    assert cut.outcome == "interrupted"
    assert cut.said is not None
    assert cut.said.startswith("One two three")
    assert (cut.heard, cut.heard_chars) == ("One two", 7)
    assert answer.said == "Okay."
    assert call.interrupted == 1
    assert call.state == "live"


async def test_the_frames_of_both_sides_are_on_record_with_their_times(
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    await openai.script({"say": "It is five."})
    async with recording(tmp_path, openai, url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
            await millis.asked(1, GREETING, "What time is it?")
            await millis.interrupt(1)
        await health_when(bridge, lambda body: body["calls"] == 0)
        call = await on_record(bridge, frames=True)
    assert call.frames is not None
    out = [frame.message for frame in call.frames if frame.way == "out"]
    assert [{"type": m["type"], **m["data"]} for m in out] == millis.got
    came = [frame.message["type"] for frame in call.frames if frame.way == "in"]
    assert came == ["start_call", "stream_request", "interrupt"]
    times = [frame.at_ms for frame in call.frames]
    assert times == sorted(times)
    assert call.ended_at is not None
    assert times[-1] <= (call.ended_at - call.started_at).total_seconds() * 1000 + 1


@pytest.mark.parametrize("level", ["text", "metadata"])
async def test_less_is_kept_where_less_is_wanted(
    tmp_path: Path, openai: FakeOpenAI, url: str, level: str
) -> None:
    write_tool(tmp_path, "look", LOOK)
    await openai.script(asking(tool_call("look", town="Rome")), {"say": "It rains."})
    async with recording(tmp_path, openai, url, record=level) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0, metadata={"user_id": 7})
            await millis.answer(0)
            await millis.asked(1, GREETING, "Weather in Rome?")
        await health_when(bridge, lambda body: body["calls"] == 0)
        call = await on_record(bridge, frames=True)
    turn = call.timeline[1]
    (run,) = turn.tool_runs
    assert not call.frames
    assert call.user_id == "7"
    assert (run.name, run.outcome, turn.said_chars) == ("look", "ok", 9)
    assert turn.first_frame_ms is not None
    words = [turn.asked, turn.said, turn.messages, run.arguments, run.result]
    assert [word is not None for word in words] == [level == "text"] * 5


async def test_without_a_record_nothing_is_written(tmp_path: Path, openai: FakeOpenAI) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/none.db"
    async with recording(tmp_path, openai, url, record="off") as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
        assert (await health(bridge))["record"] == {"state": "off"}
    assert not {"none.db", "spool"} & set(os.listdir(tmp_path))  # noqa: PTH208 - names are enough


async def test_a_call_is_readable_while_it_goes_on(
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    await openai.script({"say": "It is five."})
    async with recording(tmp_path, openai, url) as bridge, dialled(bridge) as millis:
        await millis.start(0)
        await millis.answer(0)
        await millis.asked(1, GREETING, "What time is it?")
        call = await on_record(bridge)
        assert call.state == "live"
        assert [turn.said for turn in call.timeline] == [GREETING, "It is five."]
        body = await health(bridge)
        assert body["record"]["state"] == "ok"
        assert body["record"]["lost"] == {}


# ── how connections end ──────────────────────────────────────────────────────────────────────────


async def ending_of(bridge: object, session: str = "s") -> str | None:
    call = await on_record(bridge, session)  # type: ignore[arg-type]
    return call.ending


async def test_a_lost_socket_is_a_hang_up(tmp_path: Path, openai: FakeOpenAI, url: str) -> None:
    await openai.script([{"text": "One."}, {"sleep_ms": 30_000}])
    async with recording(tmp_path, openai, url) as bridge:
        async with dialled_raw(bridge) as raw:
            raw.send('{"type":"start_call","data":{"stream_id":0,"session_id":"s"}}')
            raw.send(
                '{"type":"stream_request","data":{"stream_id":1,"transcript":'
                '[{"role":"user","content":"hi"}]}}'
            )
            await openai.wait("first_chunk_sent")
            raw.vanish()
        await health_when(bridge, lambda body: body["calls"] == 0)
        call = await on_record(bridge)
    assert call.ending == "hung_up"
    assert call.timeline[-1].outcome == "hung_up"


async def test_a_frame_that_is_too_large_ends_the_call_and_says_so(
    tmp_path: Path, openai: FakeOpenAI, sqlite_url: str
) -> None:
    async with recording(tmp_path, openai, sqlite_url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
            await millis.send("x" * ((1 << 20) + 1))
            assert await millis.closed() == 1009
        await health_when(bridge, lambda body: body["calls"] == 0)
        assert await ending_of(bridge) == "bad_frame"


async def test_a_socket_that_says_nothing_is_on_record_without_turns(
    tmp_path: Path, openai: FakeOpenAI, sqlite_url: str
) -> None:
    async with recording(tmp_path, openai, sqlite_url, first_message_timeout=0.05) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.closed() == 1008
        await health_when(bridge, lambda body: body["calls"] == 0)
        call = await on_record(bridge, session="")
    assert (call.ending, call.turns, call.timeline) == ("nothing_said", 0, ())


async def test_a_server_that_stops_ends_its_calls_and_says_so(
    tmp_path: Path, openai: FakeOpenAI, sqlite_url: str
) -> None:
    async with recording(tmp_path, openai, sqlite_url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
            stopping = asyncio.create_task(bridge.ports.stop())
            assert await millis.closed() == 1001
            await stopping
        assert await ending_of(bridge) == "server_stopped"


async def test_a_reader_that_stops_reading_is_cut_off_and_that_is_on_record(
    tmp_path: Path, openai: FakeOpenAI, sqlite_url: str
) -> None:
    await openai.script([{"tokens": ["word " * 40] * 20_000}])
    async with recording(
        tmp_path, openai, sqlite_url, send_timeout=0.2, max_answer_chars=4_000_000
    ) as bridge:
        async with dialled_raw(bridge, window=4096) as raw:
            raw.send('{"type":"start_call","data":{"stream_id":0,"session_id":"s"}}')
            raw.send(
                '{"type":"stream_request","data":{"stream_id":1,"transcript":'
                '[{"role":"user","content":"hi"}]}}'
            )
            await health_when(bridge, lambda body: body["calls"] == 0)
        assert await ending_of(bridge) == "not_reading"


async def test_both_connections_of_a_call_that_dropped_are_on_record(
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    await openai.script({"say": "It is five."}, {"say": "Ten past."})
    async with recording(tmp_path, openai, url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
            await millis.asked(1, GREETING, "What time is it?")
        await health_when(bridge, lambda body: body["calls"] == 0)
        async with dialled(bridge) as millis:
            await millis.start(2)
            assert await millis.answer(2) == ""  # no second greeting
            await millis.asked(3, GREETING, "What time is it?", "It is five.", "And now?")
        await health_when(bridge, lambda body: body["calls"] == 0)
        recorder = recorder_of(bridge)
        await recorder.written()
        first, second = await recorder.archive.call("s")
    assert [turn.said for turn in first.timeline] == [GREETING, "It is five."]
    assert [turn.said for turn in second.timeline] == ["", "Ten past."]
    assert first.id != second.id


# ── hostile data ─────────────────────────────────────────────────────────────────────────────────


async def test_what_a_database_would_refuse_is_kept_as_far_as_it_can_be(  # A13, A12, D7
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    write_tool(
        tmp_path,
        "odd",
        '''
        @tool
        def odd(what: str) -> str:
            """Return something odd."""
            return "a\\0b\\ud800c"
        ''',
    )
    await openai.script(
        asking({"name": "odd", "id": "c", "arguments": '{"what": "x\\u0000y"}'}),
        [{"text": "N\0UL"}, {"finish": "stop"}, {"done": True}],
    )
    metadata = {"nul": "a\0b", "deep": [[[[]]]], "big": 2**70, "user_id": "u\0"}
    async with recording(tmp_path, openai, url) as bridge:
        async with dialled(bridge) as millis:
            data = {"stream_id": 0, "session_id": "s", "metadata": metadata, "agent_id": "a\0gent"}
            await millis.send(json.dumps({"type": "start_call", "data": data}))
            await millis.answer(0)
            await millis.asked(1, GREETING, "x\0y")
        await health_when(bridge, lambda body: body["calls"] == 0)
        call = await on_record(bridge, frames=True)
        status = recorder_of(bridge).status()
    assert status["lost"] == {}
    assert call.timeline[1].asked == "x\ufffdy"
    assert call.timeline[1].said is not None
    assert "\0" not in call.model_dump_json()
    (run,) = call.timeline[1].tool_runs
    assert run.outcome == "ok"
    assert run.result is not None
    assert run.result.startswith("ab")


async def test_the_spool_is_empty_once_the_database_has_it_all(
    tmp_path: Path, openai: FakeOpenAI, url: str
) -> None:
    async with recording(tmp_path, openai, url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
        await health_when(bridge, lambda body: body["calls"] == 0)
        await recorder_of(bridge).written()
        await came_true(lambda: recorder_of(bridge).status()["spool_bytes"] == 0)
        (folder,) = (tmp_path / "spool").glob("*/")
        assert sum(path.stat().st_size for path in folder.glob("*")) == 0
    assert not any((tmp_path / "spool").glob("*"))
