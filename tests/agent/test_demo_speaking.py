"""What the demo model says: results, small talk, its introduction."""

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from bridge.agent.demo.answering import answer, text_of
from bridge.agent.demo.results import Result, speak_results
from bridge.agent.demo.schema import Argument, ToolSpec
from bridge.agent.demo.smalltalk import abilities, asks_for_greeting, small_talk

WEATHER = ToolSpec("get_weather", "Returns the weather for a city.", (Argument("city"),))
TIME = ToolSpec("current_time", "Tell the time, e.g. now. Never guess.")
NAMELESS = ToolSpec("look_up_order")
TOOLS = (WEATHER, TIME, NAMELESS)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("Sunny, 21 degrees.", "Here is what I found: Sunny, 21 degrees."),
        ("**Sunny**\n- warm", "Here is what I found: Sunny warm."),
        (
            '{"orderStatus": "in_transit", "days_left": 2, "paid": true, "note": null}',
            "Here is what I found: order status: in transit, days left: 2, paid: yes.",
        ),
        ("[1, 2.50, null]", "Here is what I found: 1, 2.5 and nothing."),
        ('[{"a": 1}, {"a": 2}]', "Here is what I found: a: 1; a: 2."),
        ('{"a": {"b": {"c": {"d": 1}}}}', "Here is what I found: a: b: c: more details."),
        ("[1,2,3,4,5,6,7,8]", "Here is what I found: 1, 2, 3, 4, 5, 6 and 2 more."),
        ('"quoted"', "Here is what I found: quoted."),
        ("{not json", "Here is what I found: {not json."),
        ("5", "Here is what I found: 5."),
        ("", "That is done."),
        ("null", "That is done."),
    ],
)
def test_a_result_is_spoken_as_a_sentence(result: str, said: str) -> None:
    assert speak_results([Result(result)]) == said


def test_several_results_are_joined() -> None:
    said = speak_results([Result("It is noon"), Result("Sunny."), Result("ok")])

    assert said == "Here is what I found: It is noon. Also, Sunny."


def test_an_error_is_apologised_for_without_its_text() -> None:
    failed = Result("ConnectionError in get_weather at 10.0.0.1", failed=True)

    assert speak_results([failed]) == (
        "I'm sorry, that did not work. Would you like to try something else?"
    )
    assert speak_results([Result("noon"), failed]) == (
        "Here is what I found: noon. I'm sorry, something else you asked for did not work."
    )


@pytest.mark.parametrize("result", ["[" * 40_000, "x" * 200_000, '{"a":' * 8000, "[" + "9" * 5000])
def test_an_enormous_result_is_cut(result: str) -> None:
    assert len(speak_results([Result(result)])) < 700


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (
            "hello",
            "Hello! This is the built-in demo model of millis-bridge. What can I do for you?",
        ),
        ("thanks a lot", "You're welcome."),
        ("OK, goodbye!", "Goodbye, and thanks for calling."),
        ("can you hear me?", "Yes, I can hear you."),
        ("how are you", "I'm well, thank you. What can I do for you?"),
        ("never mind", "All right."),
        ("...", "Sorry, I did not catch that."),
        ("count to three", "One, two, three."),
        ("count to 0", "One."),
        (
            "who are you?",
            "I'm the built-in demo model of millis-bridge, not a real language model. I can return "
            "the weather for a city; tell the time, e.g. now; or look up order.",
        ),
        (
            "I like **pizza**!",
            "You said: I like pizza. I can return the weather for a city; tell the time, e.g. now; "
            "or look up order.",
        ),
    ],
)
def test_small_talk_has_an_answer(said: str, reply: str) -> None:
    assert small_talk(said, TOOLS) == reply


def test_long_answers_are_good_for_interrupting() -> None:
    assert len(small_talk("Tell me a long story", ()).split()) > 150
    assert small_talk("please count to a thousand", ()).endswith("ninety-nine, one hundred.")


def test_abilities_are_few_and_there_may_be_none() -> None:
    assert abilities(TOOLS * 3, 1) == "I can return the weather for a city; or do more."
    assert "no tools" in abilities(())


def test_abilities_are_told_to_the_caller() -> None:
    orders = ToolSpec("orders", "Look up the caller's orders: all of them. Tell the caller.")
    transfer = ToolSpec("transfer", "Transfers the caller to a person.")

    assert abilities([orders, transfer]) == (
        "I can look up your orders; or transfer you to a person."
    )


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("", True),
        ("(The call has just started. Greet the caller.)", True),
        ("Start the conversation", True),
        ("what's the weather", False),
        ("how do I start a car", False),
    ],
)
def test_an_opening_is_recognised(said: str, asked: bool) -> None:
    assert asks_for_greeting(said) is asked


def spoken(*messages: BaseMessage) -> str:
    return answer(messages, TOOLS).text


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [SystemMessage("You are kind.")],
        [HumanMessage("")],
        [SystemMessage("x"), AIMessage("Hello, how can I help?")],
        [HumanMessage("Greet the caller.")],
    ],
)
def test_a_conversation_without_a_question_gets_a_greeting(messages: list[BaseMessage]) -> None:
    assert spoken(*messages).startswith("Hello! This is the built-in demo model")


def test_the_first_reply_says_once_that_this_is_a_demo() -> None:
    talk: list[BaseMessage] = [AIMessage("Good day!"), HumanMessage("thanks")]
    first = spoken(*talk)
    second = spoken(*talk, AIMessage(first), HumanMessage("thanks"))

    assert first == "This is the built-in demo model. You're welcome."
    assert second == "You're welcome."


def test_a_greeting_that_says_demo_is_introduction_enough() -> None:
    assert spoken(AIMessage("This is the demo."), HumanMessage("thanks")) == "You're welcome."


def test_the_results_of_this_turn_are_spoken_and_older_ones_are_not() -> None:
    calls = [{"name": "current_time", "args": {}, "id": name} for name in "ab"]
    talk: list[BaseMessage] = [
        HumanMessage("what time is it"),
        AIMessage("", tool_calls=calls[:1]),
        ToolMessage("noon", tool_call_id="a"),
        AIMessage("Noon."),
        HumanMessage("and now?"),
        AIMessage("", tool_calls=calls[1:]),
        ToolMessage([{"type": "text", "text": "one"}, " o'clock"], tool_call_id="b"),
        SystemMessage("be brief"),
    ]

    assert spoken(*talk) == "Here is what I found: one o'clock."


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("end_call", "Goodbye, and thanks for calling."),
        ("transfer_call", "I'm putting you through."),
    ],
)
def test_what_a_tool_tells_the_model_to_do_is_not_read_to_the_caller(tool: str, said: str) -> None:
    call = {"name": tool, "args": {}, "id": "a"}
    talk = (HumanMessage("bye"), AIMessage("", tool_calls=[call]))
    assert spoken(*talk, ToolMessage("Say a few words.", name=tool, tool_call_id="a")) == said


def test_silence_in_a_conversation_is_not_heard_as_a_question() -> None:
    talk = [HumanMessage("hi"), AIMessage("Hello, a demo here."), HumanMessage("  ")]

    assert spoken(*talk) == "Sorry, I did not catch that."


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (["a", {"type": "text", "text": "b"}, {"type": "image_url"}, {"text": 3}], "a b"),
        ([], ""),
        (None, ""),
        (7, ""),
    ],
)
def test_any_content_can_be_read(content: Any, text: str) -> None:
    assert text_of(HumanMessage.model_construct(content=content, type="human")) == text


def test_what_the_bridge_notes_on_a_cut_is_not_the_callers_word() -> None:
    note = '[Note: You were cut off. The caller heard only: "Here is".]'
    said = answer([HumanMessage("Hi."), HumanMessage(f"{note}\nfrobnicate")], ()).text

    assert "frobnicate" in said
    assert "cut off" not in said
