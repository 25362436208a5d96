"""Calls as spans, at a real collector: what is within what, and what no span may tell."""

import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from structlog.testing import capture_logs

from bridge.app import Bridge
from bridge.traces.exporting import Traces
from tests.fake_openai.client import FakeOpenAI
from tests.otlp import Collector, SpanGot, collecting
from tests.wire import asking, bridge_running, dialled, served, tool_call, write_tool
from tests.wires import ModelWire, running

TOOLS = '''
from opentelemetry import trace
@tool
def price(item: str) -> str:
    """Tell a price."""
    with trace.get_tracer("shop").start_as_current_span("look up"):
        return "canary-result 3 euros"

@tool
async def broken(item: str) -> str:
    """Fail."""
    raise ValueError("canary-exception")
'''
CANARIES = (b"canary", b"+3069912", b"0123456")
ORPHAN = ""
CLIENT = 3


def traces_to(url: str, *, private: bool = False) -> Traces:
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{url}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
    return Traces(provider, private=private)


@asynccontextmanager
async def traced(
    folder: Path, openai: FakeOpenAI, *, private: bool = False, **settings: Any
) -> AsyncIterator[tuple[Bridge, Collector]]:
    """A bridge whose spans have come when it is left, and not before."""
    async with collecting() as collector:
        traces = traces_to(collector.url, private=private)
        async with bridge_running(folder, openai.base_url, traces, **settings) as bridge:
            yield bridge, collector


def is_within(child: SpanGot, parent: SpanGot) -> bool:
    return (child.parent, child.trace) == (parent.id, parent.trace)


def belongs_to(request: Mapping[str, Any]) -> tuple[str, str]:
    """The trace and the span that a model's server was told of."""
    _, trace, span, _ = request["headers"]["traceparent"].split("-")
    return trace, span


def has_words_of_the_conventions(turn: SpanGot, message: SpanGot, tool: SpanGot) -> None:
    expected = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "default",
        "gen_ai.conversation.id": "s1",
        "millis_bridge.outcome": "complete",
    }
    assert expected.items() <= turn.attributes.items()
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.conversation.id": "s1",
        "gen_ai.request.model": "fake",
        "gen_ai.response.model": "fake",
    }
    assert message.kind == CLIENT
    assert expected.items() <= message.attributes.items()
    assert message.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert message.attributes["gen_ai.usage.input_tokens"] > 0
    assert message.attributes["gen_ai.usage.output_tokens"] > 0
    assert message.attributes["gen_ai.response.time_to_first_chunk"] > 0
    expected = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "price",
        "gen_ai.tool.type": "function",
        "millis_bridge.outcome": "ok",
    }
    assert expected.items() <= tool.attributes.items()


async def test_a_call_its_turns_messages_and_tools_are_spans_within_one_another(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "tools", TOOLS)
    calls = tool_call("price", "a", item="canary-item"), tool_call("broken", "b", item="canary")
    story = [{"text": "Well, canary-said "}, {"stall": True}]
    whole = [{"text": "Canary-said."}, {"finish": "stop"}, {"usage": True}, {"done": True}]
    await openai.script(asking(*calls), whole, story)
    async with collecting() as collector:
        variables = {
            "BRIDGE_MODEL": "openai:fake",
            "BRIDGE_FILLER_AFTER": "0",
            "BRIDGE_RECORD": "off",
            "OPENAI_BASE_URL": openai.base_url,
            "OPENAI_API_KEY": "sk-canary-key",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        async with served(tmp_path, **variables) as bridge:
            async with dialled(bridge) as millis:
                voip = {"from": "+306991234567", "to": "+3069912"}
                await millis.start(0, session="s1", agent_id="a1", voip=voip)
                await millis.answer(0)
                await millis.asked(1, "canary-asked how much?")
                await millis.ask(2, "canary-asked how much?", "Canary-said.", "A story.")
                await millis.first_word(2)
                await millis.interrupt(2)
                await millis.settled()
            code, _, err = await bridge.stop()
    assert (code, "Traceback" in err) == (0, False)

    call = collector.one("call")
    greeting, turn, story_turn = collector.of("invoke_agent default")
    assert call.parent == ORPHAN
    assert all(is_within(each, call) for each in (greeting, turn, story_turn))
    chats = collector.of("chat fake")
    asked, said, cut = chats
    assert is_within(asked, turn)
    assert is_within(said, turn)
    assert is_within(cut, story_turn)
    tools = collector.one("execute_tool price"), collector.one("execute_tool broken")
    assert all(is_within(tool, asked) for tool in tools)
    assert is_within(collector.one("look up"), tools[0])
    assert len(collector.spans) == 10

    assert call.attributes["gen_ai.conversation.id"] == "s1"
    assert call.attributes["millis_bridge.outcome"] == "hung_up"
    has_words_of_the_conventions(turn, said, tools[0])
    assert asked.attributes["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert (tools[1].error, tools[1].attributes["error.type"]) == (True, "failed")
    assert story_turn.attributes["millis_bridge.outcome"] == "interrupted"
    assert cut.attributes["millis_bridge.outcome"] == "dropped"
    assert not any(span.error for span in collector.spans if span is not tools[1])

    requests = await openai.requests()
    assert list(map(belongs_to, requests)) == [(chat.trace, chat.id) for chat in chats]
    assert collector.resources[0]["service.name"] == "millis-bridge"
    assert collector.resources[0]["deployment.environment.name"] == "test"
    assert [canary for canary in CANARIES if canary in collector.raw.lower()] == []


async def test_what_was_said_is_told_where_it_was_asked_for(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "tools", TOOLS)
    await openai.script(asking(tool_call("price", "a", item="tea")), {"say": "Three euros."})
    async with traced(tmp_path, openai, private=True) as (bridge, collector):
        async with dialled(bridge) as millis:
            await millis.start(None, voip={"from": "+306991234567", "to": "+30210"})
            await millis.asked(1, "How much?")
    call, turn = collector.one("call"), collector.one("invoke_agent default")
    tool = collector.one("execute_tool price")
    assert call.attributes["millis_bridge.call.caller"] == "+306991234567"
    assert '"How much?"' in turn.attributes["gen_ai.input.messages"]
    assert '"Three euros."' in turn.attributes["gen_ai.output.messages"]
    assert tool.attributes["gen_ai.tool.call.arguments"] == '{"item":"tea"}'
    assert tool.attributes["gen_ai.tool.call.result"] == "canary-result 3 euros"
    assert '"tool_call"' in collector.of("chat fake")[0].attributes["gen_ai.output.messages"]


async def test_attempts_that_fail_are_errors_and_so_is_a_reply_without_an_answer(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"status": 500}], {"say": "Here."}, [{"status": 401}])
    async with traced(tmp_path, openai) as (bridge, collector), dialled(bridge) as millis:
        assert await millis.asked(1, "Hello?") == "Here."
        await millis.asked(2, "Hello?", "Here.", "Still there?")
    first, second = collector.of("invoke_agent default")
    failed, answered, refused = collector.of("chat fake")
    assert (failed.error, failed.attributes["error.type"]) == (True, "server")
    assert (answered.error, first.error) == (False, False)
    assert is_within(failed, first)
    assert (refused.error, refused.attributes["error.type"]) == (True, "refused_key")
    assert (second.error, second.attributes["error.type"]) == (True, "refused_key")


async def test_answers_begun_ahead_are_traced_whether_they_are_spoken_or_not(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script({"say": "One."}, {"say": "Two."})
    async with traced(tmp_path, openai) as (bridge, collector), dialled(bridge) as millis:
        for number, line in ((1, "What time is it"), (2, "Where are")):
            data = {"session_id": "s", "transcript": line, "is_final": True}
            await millis.send({"type": "partial_transcript", "data": data})
            await openai.wait("request_started", number)
            if number == 1:
                await millis.asked(1, "What time is it?")
    promoted, dropped = collector.of("invoke_agent default")
    assert promoted.events == ("millis_bridge.promoted",)
    assert promoted.attributes["millis_bridge.outcome"] == "complete"
    assert dropped.events == ()
    assert dropped.attributes["millis_bridge.outcome"] == "dropped"


@pytest.mark.parametrize("is_there", [False, True], ids=["away", "silent"])
async def test_calls_go_on_and_the_stop_is_quick_where_no_collector_answers(
    tmp_path: Path, openai: FakeOpenAI, is_there: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, capture_logs() as logs:
        traces = traces_to(f"http://127.0.0.1:{silent.getsockname()[1] if is_there else 9}")
        traces.patience = 0.2
        async with bridge_running(tmp_path, openai.base_url, traces) as bridge:
            async with dialled(bridge) as millis:
                assert await millis.asked(1, "Hello?") == "You said: Hello?"
            began = time.monotonic()
        took = time.monotonic() - began
    assert took < 8  # the exporter itself would be patient for ten seconds and more
    assert [log["event"] for log in logs if "spans" in log["event"]] == [
        "the last spans were not sent in time"
    ]


async def test_a_models_server_is_told_whose_request_it_is_where_its_wire_can(
    tmp_path: Path, model: ModelWire
) -> None:
    async with collecting() as collector:
        traces = traces_to(collector.url)
        async with running(tmp_path, model, traces=traces) as bridge, dialled(bridge) as millis:
            await millis.asked(1, "Hello?")
    chat = collector.one("chat fake")
    (request,) = await model.fake.requests()
    if model.provider == "ollama":  # LangChain's has no place for a header of one request
        assert "traceparent" not in request["headers"]
    else:
        assert belongs_to(request) == (chat.trace, chat.id)
