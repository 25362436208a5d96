"""Everything that is counted, over real sockets: each metric moves, and no label is foreign."""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from bridge.metrics import labels
from bridge.metrics.siblings import Siblings
from bridge.plugins.millis.aftercall import KIND
from bridge.plugins.prompts import BUILT_IN
from bridge.store.deliveries.deliveries import Deliveries
from tests.fake_openai.client import FakeOpenAI
from tests.server.metered import metrics, metrics_when
from tests.wire import (
    Wire,
    asking,
    bridge_running,
    dialled,
    dialled_raw,
    raw_frame,
    tool_call,
    write_tool,
)

FILLERS = BUILT_IN["fillers"].splitlines()
TOOLS = '''
@tool
async def price(item: str) -> str:
    """Tell a price."""
    return "3 euros"

@tool
async def broken(item: str) -> str:
    """Fail."""
    raise ValueError("canary")
'''


async def test_a_turn_is_timed_and_its_parts_are_told_apart(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    slow = [{"sleep_ms": 60}, {"text": "Five **euros**."}, {"finish": "stop"}, {"done": True}]
    await openai.script(slow)
    async with bridge_running(tmp_path, openai.base_url, filler_after=0.02) as bridge:
        async with dialled(bridge) as millis:
            await millis.asked(1, "How much?")
            live = await metrics(bridge)
        found = await metrics_when(bridge, lambda m: m.value("calls_total", ending="hung_up"))
    assert (live.value("calls_live"), found.value("calls_live")) == (1, 0)
    assert found.value("turns_total", outcome="complete") == 1
    heard = [message.get("content", "").strip() for message in millis.of(1)]
    assert found.value("fillers_total") == sum(text in FILLERS for text in heard) > 0
    assert found.value("unspoken_total", kind="markdown") >= 1
    first_token = found.value("first_token_seconds_sum")
    model = found.value("model_first_token_seconds_sum", model="openai:fake")
    own = found.value("first_frame_own_seconds_sum")
    frame = found.value("first_frame_seconds_sum")
    assert 0.06 <= model <= first_token <= frame <= found.value("turn_seconds_sum")
    assert own == pytest.approx(frame - model, abs=1e-3)
    assert found.value("model_seconds_count", model="openai:fake") == 1


async def test_tools_are_counted_by_the_names_that_are_loaded(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "tools", TOOLS)
    calls = (tool_call("price", "a", item="tea"), tool_call("broken", "b", item="tea"))
    await openai.script(asking(*calls, tool_call("canary", "c")), {"say": "Done."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "How much?")
        found = await metrics(bridge)
    assert found.value("tool_runs_total", tool="price", outcome="ok") == 1
    assert found.value("tool_runs_total", tool="broken", outcome="failed") == 1
    assert found.value("tool_seconds_count", tool="price") == 1
    assert "canary" not in found.labels("tool")


async def test_retries_fallbacks_and_failed_replies_are_counted(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"status": 500}], [{"status": 500}], {"say": "Here."})
    names = ("openai:second",)
    async with bridge_running(tmp_path, openai.base_url, fallback_models=names) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "Hello?") == "Here."
            found = await metrics(bridge)
            await openai.script([{"status": 401}], [{"status": 401}])
            await millis.asked(2, "Hello?", "Here.", "Still there?")
            failed = await metrics(bridge)
    assert found.value("model_failures_total", model="openai:fake", kind="server") == 2
    assert found.value("model_retries_total", model="openai:fake") == 1
    assert found.value("model_fallbacks_total", model="openai:second") == 1
    assert found.value("model_fallbacks_total", model="openai:fake") == 0
    assert found.value("model_left_alone", model="openai:fake") == 0
    assert failed.value("turns_total", outcome="failed") == 1
    assert failed.value("turn_failures_total", kind="refused_key") == 1


async def test_an_interrupt_is_counted_and_the_silence_is_timed(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    story = [{"text": "Well, **now** it "}, {"stall": True}]
    await openai.script(story, {"say": "Yes."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.ask(1, "A story.")
        await millis.first_word(1)
        await millis.interrupt(7)
        await millis.interrupt(1)
        await millis.asked(2, "A story.", "Well,", "Stop.")
        await millis.interrupt(2)
        await millis.settled()
        found = await metrics(bridge)
    assert [found.value("interrupts_total", met=met) for met in labels.INTERRUPTS] == [1, 1, 1]
    assert found.value("turns_total", outcome="interrupted") == 1
    assert found.value("unspoken_total", kind="markdown") > 0
    assert found.value("silence_seconds_count") == 1
    assert found.value("silence_seconds_sum") < 5


async def test_answers_begun_ahead_are_counted(tmp_path: Path, openai: FakeOpenAI) -> None:
    async def heard(millis: Wire, line: str) -> None:
        data = {"session_id": "s", "transcript": line, "is_final": True}
        await millis.send({"type": "partial_transcript", "data": data})

    await openai.script({"say": "One."}, {"say": "Two."}, {"say": "Three."})
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        await heard(millis, "What time is it")
        await openai.wait("request_started", 1)
        await millis.asked(1, "What time is it?")
        await heard(millis, "Where are")
        await openai.wait("request_started", 2)
        await millis.asked(2, "What time is it?", "One.", "Where is it?")
        found = await metrics(bridge)
    assert found.value("thinking_ahead_total", result="hit") == 1
    assert found.value("thinking_ahead_total", result="miss") == 1
    assert found.value("turns_ahead_total") == 1


async def test_nothing_from_the_wire_or_the_model_becomes_a_label(
    tmp_path: Path, openai: FakeOpenAI
) -> None:  # G19, A6
    write_tool(tmp_path, "tools", TOOLS)
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        before = await metrics(bridge)
        async with dialled(bridge) as millis:
            await millis.start(0, session="canary-s", agent_id="canary-a", call_sid="canary-c")
            for number in range(300):
                await millis.send({"type": f"canary-{number}", "data": {}})
            await millis.send("canary")
            await millis.send({"type": "interrupt", "stream_id": 99})
            calls = [tool_call(f"canary_{number}", f"canary{number}") for number in range(3)]
            await openai.script(asking(*calls), {"say": "Done."})
            await millis.asked(1, "How much?")
        async with dialled_raw(bridge) as raw:
            raw.send(b"\xff", 2)
            raw.writer.write(raw_frame(b"x", rsv=4))
            await raw.close_code()
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{bridge.port}/millis/canary-token") as refused:
                assert refused.status == 401
        found = await metrics_when(bridge, lambda m: not m.value("calls_live"))
    assert found.value("frames_dropped_total", reason="unknown_type") == 300
    assert found.value("frames_dropped_total", reason="not_json") == 1
    assert found.value("frames_dropped_total", reason="binary") == 1
    assert found.value("frames_dropped_total", reason="protocol_error") == 1
    assert found.value("calls_total", ending="bad_frame") == 1
    assert found.value("calls_refused_total", reason="token") == 1
    new = {name for name, _ in found.samples.keys() - before.samples.keys()}
    assert new <= {"millis_bridge_model_tokens_total"} | {
        f"millis_bridge_model_seconds_{part}" for part in ("bucket", "sum", "count")
    }
    assert not any("canary" in str(key) for key in found.samples)


async def test_files_that_break_while_calls_go_on_are_counted(tmp_path: Path) -> None:
    async with bridge_running(tmp_path) as bridge:
        (tmp_path / "tools" / "bad.py").write_text("def (")
        (tmp_path / "prompts" / "greeting.md").write_text("{{ open")
        found = await metrics_when(bridge, lambda m: m.value("not_loaded") == 2)
    assert found.value("reload_failures_total", kind="tools") == 1
    assert found.value("reload_failures_total", kind="prompts") == 1


async def test_the_record_and_what_is_to_be_done_about_calls_are_shown(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    settings = {
        "record": "full",
        "database_url": f"sqlite+aiosqlite:///{tmp_path}/calls.db",
        "spool_dir": tmp_path / "spool",
        "webhook_url": "http://127.0.0.1:9/nobody",
        "webhook_secret": "0123456789abcdef",
    }
    await openai.script({"say": "Hello."})
    async with bridge_running(tmp_path, openai.base_url, **settings) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(None, session_continuation={"session_id": "canary"})
            await millis.asked(1, "Hello?")
            spooled = await metrics(bridge)
        tried = await metrics_when(
            bridge, lambda m: m.value("deliveries_failed_attempts_total", kind="webhook")
        )
    assert spooled.value("record_waiting") > 0
    assert spooled.value("record_spool_bytes") > 100
    looked = [spooled.value("continuation_total", result=it) for it in ("unknown", "late")]
    assert sum(looked) >= 1, "late first, if the machine is busy"
    assert tried.value("record_written_total") > 0
    assert tried.value("record_state", state="ok") == 1
    assert tried.value("record_state", state="off") == 0
    assert tried.value("deliveries_waiting", kind="webhook") == 1
    assert tried.value("deliveries_waiting", kind="after_call") == 0


async def test_what_the_record_has_lost_and_what_will_never_be_done_is_counted(
    tmp_path: Path,
) -> None:
    spool = tmp_path / "spool"
    died = spool / "bridge-1-dead"
    died.mkdir(parents=True)
    (died / "lock").touch()
    (died / "1.jsonl").write_bytes(b'{"head": {"id": "torn when the process di')
    Deliveries(spool / "deliveries").put(KIND, "empty-since-the-machine-lost-power")
    settings: dict[str, Any] = {
        "record": "full",
        "database_url": f"sqlite+aiosqlite:///{tmp_path}/calls.db",
        "spool_dir": spool,
    }
    async with bridge_running(tmp_path, **settings) as bridge:
        found = await metrics_when(
            bridge,
            lambda m: (
                m.value("record_lost_total", reason="torn")
                and m.value("deliveries_given_up_total", kind="after_call")
            ),
        )
    assert found.value("record_lost_total", reason="torn") == 1
    assert found.value("record_lost_total", reason="spool_full") == 0
    assert found.value("deliveries_given_up_total", kind="after_call") == 1
    assert found.value("deliveries_given_up_total", kind="webhook") == 0
    assert found.value("deliveries_waiting", kind="after_call") == 0


async def test_a_server_that_is_told_to_stop_shows_that_it_drains(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, pre_drain=0.0) as bridge:
        async with dialled(bridge) as millis:
            await millis.settled()
            assert (await metrics(bridge)).value("draining") == 0
            draining = asyncio.create_task(bridge.drain())
            await metrics_when(bridge, lambda m: m.value("draining") == 1)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with dialled(bridge):
                    pass
            found = await metrics(bridge)
        await draining
    assert found.value("calls_refused_total", reason="draining") == 1
    assert found.value("calls_live") == 1


async def test_what_is_shared_is_told_at_once_and_nothing_where_it_cannot_be_read(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    async with bridge_running(tmp_path) as bridge:
        bridge.meters.share(Siblings(folder, "1"))
        async with dialled(bridge) as millis:
            await millis.settled()
            found = await metrics(bridge)
        shutil.rmtree(folder)
        url = f"http://127.0.0.1:{bridge.port}/metrics"
        with capture_logs() as logs:
            async with aiohttp.ClientSession() as http, http.get(url) as response:
                assert response.status == 503
            bridge.meters.keep()
            bridge.meters.keep()
    assert found.value("calls_live") == 1
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == [
        "the metrics of other processes cannot be read",
        "metrics cannot be shared",
    ]


async def test_a_model_that_keeps_failing_is_shown_as_left_alone(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script(*([{"status": 401}] for _ in range(5)))
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        for number in range(1, 6):
            await millis.asked(number, "Hello?")
        found = await metrics(bridge)
    assert found.value("model_left_alone", model="openai:fake") == 1
    assert found.value("model_failures_total", model="openai:fake", kind="refused_key") == 5
    assert found.value("turn_failures_total", kind="refused_key") == 5


async def test_a_loop_that_is_held_up_is_counted_and_the_log_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # F9
    monkeypatch.setattr("bridge.metrics.loopwatch.HELD_UP", 0.1)

    def hold_up() -> None:
        secret = "canary words"
        time.sleep(0.4)
        assert secret

    async with bridge_running(tmp_path) as bridge:
        with capture_logs() as logs:
            hold_up()
        found = await metrics_when(bridge, lambda m: m.value("loop_lag_seconds_sum") > 0.2)
    assert found.value("loop_blocked_total") >= 1  # a busy machine may hold it up, too
    assert found.value("loop_lag_seconds_bucket", le="0.1") < found.value("loop_lag_seconds_count")
    all_told = [log for log in logs if log["event"] == "the event loop is held up"]
    (told,) = [log for log in all_told if log["at"][0].endswith("hold_up")]
    assert "server/test_metrics.py" in told["at"][0]
    assert "canary" not in str(told)


async def test_the_tasks_of_the_event_loop_are_counted(tmp_path: Path) -> None:
    async with bridge_running(tmp_path) as bridge:
        before = (await metrics(bridge)).value("loop_tasks")
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.answer(0)
            live = (await metrics(bridge)).value("loop_tasks")
        await metrics_when(bridge, lambda m: m.value("loop_tasks") <= before)
    assert live > before > 0


async def test_only_this_machine_or_a_token_reads_the_metrics(tmp_path: Path) -> None:  # G25
    async def asked(port: int, **headers: str) -> int:
        async with aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{port}/metrics"
            async with http.get(url, headers=headers) as response:
                body = await response.text()
                assert ("millis_bridge_calls_live" in body) is (response.status == 200)
                return response.status

    async with bridge_running(tmp_path) as bridge:
        assert await asked(bridge.port) == 200
        assert await asked(bridge.port, **{"X-Forwarded-For": "1.2.3.4"}) == 403
        assert await asked(bridge.port, Host="bridge.example") == 403
        assert await asked(bridge.port, Origin="http://evil.example") == 403
    async with bridge_running(tmp_path, api_token="a-long-token") as bridge:
        assert await asked(bridge.port) == 401
        assert await asked(bridge.port, Authorization="Bearer wrong") == 401
        assert await asked(bridge.port, Authorization="Bearer a-long-token") == 200


def test_tools_that_come_and_go_add_no_series_without_end() -> None:
    names = labels.Named(2)
    assert names.label("never loaded", {"a"}) == "other"
    assert names.label("a", {"a"}) == "a"
    assert names.label("a", ()) == "a"  # it ends after it was unloaded
    assert names.label("b", {"b"}) == "b"
    assert names.label("c", {"c"}) == "other"
