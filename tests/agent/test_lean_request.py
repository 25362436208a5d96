"""What lean sends is what stock sends."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from bridge.agent.lean import LeanChatOpenAI
from tests.fake_openai.client import FakeOpenAI
from tests.fake_openai.models import NO_TIMEOUT, Pairs, lean_model, merged, pairs


@pytest.fixture
async def models(fake_openai: FakeOpenAI) -> AsyncIterator[Pairs]:
    await fake_openai.reset()
    async with pairs(fake_openai.base_url) as makers:
        yield makers


def conversation() -> list[BaseMessage]:
    call = {"name": "look_up", "args": {"query": "é"}, "id": "call_1"}
    return [
        SystemMessage("Be brief."),
        HumanMessage([{"type": "text", "text": "Hallo, schöne Welt 👋"}]),
        AIMessage("Moment.", tool_calls=[call]),
        ToolMessage("nothing", tool_call_id="call_1"),
        HumanMessage("And now?"),
    ]


@tool
def look_up(query: str, limit: int = 3) -> str:
    """Look something up."""
    return query * limit


REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "usage": ({"stream_usage": True}, {}),
    "no usage for this one": ({"stream_usage": True}, {"stream_usage": False}),
    "own stream options": ({"model_kwargs": {"stream_options": {"include_usage": True}}}, {}),
    "sampling": ({"temperature": 0.2, "max_tokens": 50, "seed": 7, "stop": ["."]}, {"stop": ["!"]}),
    "integer keys": ({"logit_bias": {50256: -100}}, {}),
    "extra body": ({"extra_body": {"chat_template_kwargs": {"thinking": False}}}, {}),
    "o-series": ({"model": "o4-mini", "reasoning_effort": "low"}, {}),
    "headers": (
        {"default_headers": {"X-Own": "1", "User-Agent": "mine"}, "default_query": {"v": "2"},
         "organization": "org-1"},
        {},
    ),
    "stock's business": ({"timeout": NO_TIMEOUT}, {"extra_headers": {"X-Turn": "7"}}),
    "a number beyond 64 bits": ({}, {"metadata": {"n": 2**70}}),
}  # fmt: skip
SENT_BY_THE_CLIENT = {"accept-encoding", "connection", "content-length"}


def _meant(headers: dict[str, str]) -> dict[str, str]:
    """Those that are neither the HTTP client's own nor the SDK's telemetry."""
    return {
        name: value
        for name, value in headers.items()
        if name not in SENT_BY_THE_CLIENT and not name.startswith("x-stainless-")
    }


@pytest.mark.parametrize(("settings", "kwargs"), REQUESTS.values(), ids=REQUESTS)
async def test_the_request_is_the_same(
    fake_openai: FakeOpenAI, models: Pairs, settings: dict[str, Any], kwargs: dict[str, Any]
) -> None:
    for model in await models.make(**settings):
        await merged(model.bind_tools([look_up]), conversation(), **kwargs)

    expected, sent = await fake_openai.requests()

    assert sent["body"] == expected["body"]
    assert _meant(sent["headers"]) == _meant(expected["headers"])


@pytest.mark.parametrize(
    ("said", "sent"),
    [("a\ud800b", "a\ufffdb"), ("\ud83d\udc4b", "👋"), ("\udc4b é\n", "\ufffd é\n")],
)
async def test_lone_surrogates_are_replaced(fake_openai: FakeOpenAI, said: str, sent: str) -> None:
    await fake_openai.reset()
    async with lean_model(fake_openai.base_url) as lean:
        await merged(lean, said)

    assert (await fake_openai.requests())[0]["body"]["messages"][0]["content"] == sent


async def test_a_large_history_is_sent(fake_openai: FakeOpenAI) -> None:
    await fake_openai.reset()
    await fake_openai.script({"say": "Long."})
    async with lean_model(fake_openai.base_url) as lean:
        assert (await merged(lean, "x" * 2_000_000)).text == "Long."


async def test_what_cannot_be_sent_is_a_plain_error(fake_openai: FakeOpenAI) -> None:
    async with lean_model(fake_openai.base_url) as lean:
        with pytest.raises(TypeError, match="object"):
            await merged(lean, metadata=object())


async def test_it_never_retries(fake_openai: FakeOpenAI) -> None:
    await fake_openai.reset()
    await fake_openai.script({"status": 500, "times": 3})
    async with lean_model(fake_openai.base_url, max_retries=5) as lean:
        assert lean.max_retries == 0
        with pytest.raises(Exception, match="500"):
            await merged(lean)

    assert len(await fake_openai.requests()) == 1


async def test_compression_is_not_asked_for(fake_openai: FakeOpenAI) -> None:
    await fake_openai.reset()
    async with lean_model(fake_openai.base_url) as lean:
        await merged(lean)

    (request,) = await fake_openai.requests()
    assert request["headers"]["accept-encoding"] == "identity"
    assert not [name for name in request["headers"] if name.startswith("x-stainless-")]


async def test_a_proxy_of_the_environment_is_used(
    fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", fake_openai.base_url.removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "")
    await fake_openai.reset()
    async with lean_model("http://model.invalid/v1") as lean:
        assert (await merged(lean, "through?")).text == "You said: through?"

    assert (await fake_openai.requests())[0]["headers"]["host"] == "model.invalid"


def test_it_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")

    lean = LeanChatOpenAI(model="gpt-4.1-mini")

    assert (lean.max_retries, lean.stream_chunk_timeout, lean.connect_timeout) == (0, None, 3.0)
    assert str(lean.root_async_client.base_url) == "http://127.0.0.1:1/v1/"


LEFT_TO_STOCK: dict[str, dict[str, Any]] = {
    "responses api": {"use_responses_api": True},
    "response headers": {"include_response_headers": True},
    "gateway": {"api_key": "lsv2_pt_key"},
    "proxy": {"openai_proxy": "http://127.0.0.1:1"},
    "key function": {"api_key": lambda: "sk-test"},
    "socket options": {"http_socket_options": ()},
    "response format": {"model_kwargs": {"response_format": {"type": "json_object"}}},
    "reasoning": {"reasoning": {"effort": "low"}},
}


@pytest.mark.parametrize("settings", LEFT_TO_STOCK.values(), ids=LEFT_TO_STOCK)
def test_what_it_does_not_know_is_left_to_stock(settings: dict[str, Any]) -> None:
    base = {"model": "gpt-4.1-mini", "api_key": "sk-test", "base_url": "http://127.0.0.1:1/v1"}

    assert LeanChatOpenAI(**base)._is_lean({})
    assert not LeanChatOpenAI(**{**base, **settings})._is_lean({})
