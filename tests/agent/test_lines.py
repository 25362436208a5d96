"""A conversation written as lines is what LangChain would have made of its messages."""

import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

from bridge.agent.conversation import OPENING, lines_of, messages_of
from bridge.call.history import Item, ToolExchange
from bridge.protocol import Utterance
from tests.fake_openai.models import DEFAULTS

ASKED = Utterance("user", "Is my order on its way? Größe 42, bitte.")
ANSWERED = Utterance("assistant", "It is.")
BOOKED = ToolExchange("abc123def", "book", {"who": "Jürgen", "seats": [1, 2], "vip": None}, "ok")
RUNNING = ToolExchange("def456abc", "taxi", {}, "")


@pytest.mark.parametrize(
    "history",
    [
        [],
        [ASKED],
        [ASKED, ANSWERED, ASKED],
        [BOOKED, ASKED],
        [ASKED, BOOKED, RUNNING, ANSWERED, ASKED],
    ],
    ids=["the opening", "one line", "three lines", "a deed of the greeting", "deeds"],
)
def test_lines_are_the_messages_as_openai_would_be_told_of_them(history: list[Item]) -> None:
    stock = ChatOpenAI(base_url="http://127.0.0.1:9", **DEFAULTS)

    told = stock._get_request_payload(list(messages_of(history)))["messages"]

    assert list(lines_of(history)) == told
    assert stock._get_request_payload(list(lines_of(history)))["messages"] == told


def test_a_call_that_has_just_begun_has_one_message() -> None:
    assert list(messages_of(())) == [HumanMessage(content=OPENING)]
