"""Chat models by name."""

import os
from collections.abc import Iterator
from unittest import mock

import pytest
from langchain_ollama import ChatOllama
from langchain_openai import AzureChatOpenAI

from bridge.agent.claude import PhoneAnthropic
from bridge.agent.demo import DemoChatModel
from bridge.agent.lean import LeanChatOpenAI
from bridge.agent.message import Listener
from bridge.agent.models import build_model
from bridge.errors import SettingsError


@pytest.fixture(autouse=True)
def no_keys() -> Iterator[None]:
    """Hide the keys of whoever runs the tests."""
    hidden = ("OPENAI_", "ANTHROPIC_", "AZURE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    with mock.patch.dict(os.environ, kept, clear=True):
        yield


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("openai:gpt-4.1-mini", "gpt-4.1-mini"),
        ("openai:my-own/model:latest", "my-own/model:latest"),
        ("gpt-4.1-mini", "gpt-4.1-mini"),
        ("chatgpt-4o-latest", "chatgpt-4o-latest"),
        ("o3-mini", "o3-mini"),
    ],
)
def test_openais_models_are_lean(name: str, model: str) -> None:
    built = build_model(name)
    assert built.name == name
    assert isinstance(built.chat, LeanChatOpenAI)
    assert built.chat.model_name == model


def test_the_demo_needs_no_key() -> None:
    assert isinstance(build_model("demo").chat, DemoChatModel)


def test_another_providers_model_has_no_retries_and_no_clock_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://canary.invalid")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    chat = build_model("azure_openai:gpt-4o").chat
    assert isinstance(chat, AzureChatOpenAI)
    assert chat.max_retries == 0
    assert chat.stream_chunk_timeout is None


@pytest.mark.parametrize("name", ["anthropic:claude-sonnet-4-5", "claude-sonnet-4-5"])
def test_anthropics_models_are_made_for_calls(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    chat = build_model(name, temperature=0.3).chat
    assert isinstance(chat, PhoneAnthropic)
    assert (chat.model, chat.temperature) == ("claude-sonnet-4-5", 0.3)
    assert (chat.max_retries, chat.max_tokens) == (0, 4096)


def test_ollamas_models_need_no_key() -> None:
    assert isinstance(build_model("ollama:llama3.2").chat, ChatOllama)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("name", ["openai:gpt-4.1-mini", "demo"])
def test_every_model_is_listened_to(name: str) -> None:
    callbacks = build_model(name).chat.callbacks
    assert isinstance(callbacks, list)
    assert [type(one) for one in callbacks] == [Listener]


@pytest.mark.usefixtures("key")
def test_the_temperature_is_passed_on_when_set() -> None:
    warm, plain = build_model("openai:x", temperature=0.3).chat, build_model("openai:x").chat
    assert isinstance(warm, LeanChatOpenAI)
    assert isinstance(plain, LeanChatOpenAI)
    assert (warm.temperature, plain.temperature) == (0.3, None)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nobody:some-model", "provider"),
        ("some-model", "provider"),
        ("demo:loud", "provider"),
        ("groq:llama", "pip install langchain-groq"),
        ("mistralai:small", "pip install langchain-mistralai"),
    ],
)
def test_a_model_that_cannot_be_had_is_named_with_the_remedy_in_one_line(
    name: str, says: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        build_model(name)
    message = str(caught.value)
    assert message.startswith(f"model {name}: ")
    assert says in message
    assert "\n" not in message
    assert "canary" not in message


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai:gpt-4.1-mini", "OPENAI_API_KEY"),
        ("gpt-4.1-mini", "OPENAI_API_KEY"),
        ("azure_openai:gpt-4o", "AZURE_OPENAI_API_KEY"),
        ("anthropic:claude-opus", "ANTHROPIC_API_KEY"),
        ("claude-opus", "ANTHROPIC_API_KEY"),
    ],
)
def test_a_missing_key_is_named_in_one_line(name: str, variable: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_model(name)
    message = str(caught.value)
    assert message.startswith(f"model {name}: ")
    assert variable in message
    assert "\n" not in message


@pytest.mark.usefixtures("key")
def test_a_value_the_model_does_not_take_is_named_without_the_key() -> None:
    with pytest.raises(SettingsError, match=r"model openai:x: .*number") as caught:
        build_model("openai:x", temperature="hot")  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert "canary" not in str(caught.value)
