"""Whether calls are traced, and how spans are worded."""

import os
import subprocess
import sys

import orjson
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from structlog.testing import capture_logs

from bridge.call.events import AskedTool
from bridge.errors import SettingsError
from bridge.traces.choosing import traces_of_process
from bridge.traces.exporting import to_collector
from bridge.traces.words import calls, messages, plain, provider_of

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def test_nothing_of_opentelemetry_is_loaded_where_no_collector_is_named() -> None:
    script = (
        "import sys; from bridge.traces.choosing import traces_of_process; "
        "assert traces_of_process(private=False) is None; "
        "print(*[name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", script], check=True, capture_output=True, timeout=30
    )
    assert done.stdout.split() == []


def test_without_the_extra_calls_are_not_traced_and_the_log_says_how_they_would_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with capture_logs() as logs:
        assert traces_of_process(private=False) is None
    (told,) = logs
    assert "pip install 'millis-bridge[otel]'" in told["event"]


def test_parts_of_opentelemetry_that_others_brought_along_are_no_reason_to_say_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bridge.traces.exporting", None)
    assert "opentelemetry.sdk.trace" in sys.modules
    with capture_logs() as logs:
        assert traces_of_process(private=False) is None
    assert logs == []


def test_a_collectors_port_for_grpc_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    made: list[object] = []
    monkeypatch.setattr(trace, "set_tracer_provider", made.append)
    with capture_logs() as logs:
        assert traces_of_process(private=False) is not None
    assert [log["log_level"] for log in logs] == ["warning", "info"]
    (provider,) = made
    assert isinstance(provider, TracerProvider)
    provider.shutdown()


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
)
def test_opentelemetrys_own_switches_turn_it_off(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    assert traces_of_process(private=False) is None


def test_a_wrong_variable_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(SettingsError, match="look at the OTEL_ variables"):
        to_collector()


def test_a_provider_that_is_there_already_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    there = trace.NoOpTracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: there)
    traces = traces_of_process(private=False)
    assert traces is not None
    assert traces._provider is there


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai:gpt-5", ("openai", "gpt-5")),
        ("gpt-5", ("openai", "gpt-5")),
        ("o3-mini", ("openai", "o3-mini")),
        ("claude-x", ("anthropic", "claude-x")),
        ("azure_openai:mine", ("azure.ai.openai", "mine")),
        ("ollama:llama3:8b", ("ollama", "llama3:8b")),
        ("demo", ("millis_bridge", "demo")),
        ("something", ("_OTHER", "something")),
    ],
)
def test_providers_have_the_conventions_names(name: str, expected: tuple[str, str]) -> None:
    assert provider_of(name) == expected


def test_what_no_collector_could_take_is_made_plain() -> None:
    assert plain("a\ud800b") == "a?b"
    (message,) = orjson.loads(messages("user", "a\ud800b"))
    assert message == {"role": "user", "parts": [{"type": "text", "content": "a?b"}]}
    asked = AskedTool("price", {"item": "tea"})
    (message,) = orjson.loads(calls("", [asked], "tool_calls"))
    assert message["parts"] == [
        {"type": "tool_call", "name": "price", "arguments": {"item": "tea"}}
    ]
    assert calls("", [AskedTool("price", {"item": "\ud800"})], "tool_calls") == ""
