"""What a page says: read as far as it can be, whatever it is."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ProtocolError
from bridge.local.browser.config import AgentConfig
from bridge.local.browser.messages import Initiate, Say, read, write

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
METHODS = st.sampled_from(["initiate", "say", "interrupt", "ping", "onready", ""])
SETTINGS = st.sampled_from(
    ["first_message", "language", "voice", "flow", "session_timeout", "custom_vocabulary"]
)


@settings(max_examples=50)
@given(st.text() | JSON.map(str))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except ProtocolError as error:
        assert error.reason  # noqa: PT017 - either is right


@settings(max_examples=50)
@given(METHODS | JSON, JSON)
def test_any_message_is_read_or_refused_and_can_be_passed_on(method: object, data: object) -> None:
    frame = json.dumps({"method": method, "data": data}).encode("utf-8", "replace").decode()
    try:
        message = read(frame)
    except ProtocolError:
        return
    if isinstance(message, Initiate):
        orjson.dumps(message.data.about)
        AgentConfig.read(message.data.agent.agent_config)


@settings(max_examples=50)
@given(st.dictionaries(SETTINGS, JSON))
def test_any_settings_are_understood_as_far_as_they_can_be(given_: dict[str, object]) -> None:
    AgentConfig.read(given_)


def test_what_the_sdk_sends_is_understood() -> None:
    config = {"first_message": "Hi.", "flow": {"interruption": {"allowed": False}}}
    data = {
        "public_key": "pk",
        "agent": {"agent_id": "a", "agent_config": config},
        "metadata": {"name": "Ada"},
        "session_continuation": {"session_id": "s"},
    }
    message = read(orjson.dumps({"method": "initiate", "data": data}).decode())

    assert isinstance(message, Initiate)
    assert message.data.about == {
        "agent_id": "a",
        "metadata": {"name": "Ada"},
        "session_continuation": {"session_id": "s"},
    }
    understood = AgentConfig.read(message.data.agent.agent_config)
    assert understood.first_message == "Hi."
    assert understood.flow.interruption.allowed is False


@pytest.mark.parametrize(
    ("keywords", "phrases"),
    [
        (["Stop", 7, "Go"], ("Stop", "Go")),
        ({"Stop": 2, "Go": None}, ("Stop", "Go")),
        ("Stop", ()),
        (["x" * 500], ("x" * 200,)),
    ],
)
def test_phrases_are_a_list_or_the_keys_of_an_object(keywords: object, phrases: object) -> None:
    config = AgentConfig.read({"custom_vocabulary": {"keywords": keywords}})

    assert config.custom_vocabulary.keywords == phrases


def test_a_typed_line_is_cut_to_what_somebody_may_say() -> None:
    message = read(orjson.dumps({"method": "say", "data": " " + "word " * 1000}).decode())

    assert isinstance(message, Say)
    assert len(message.data) < 2000
    assert message.data.startswith("word")


def test_a_page_gets_text_that_its_parser_takes() -> None:
    assert orjson.loads(write("onresponsetext", "a\udc80b", is_final=True)) == {
        "method": "onresponsetext",
        "data": "a?b",
        "payload": {"is_final": True},
    }
