"""Which tools the demo model thinks a caller means, over one line or several."""

from itertools import pairwise

import pytest

from bridge.agent.demo.choosing import choose
from bridge.agent.demo.planning import Exchange, open_question, plan, settle
from bridge.agent.demo.schema import Argument, ToolSpec
from bridge.agent.demo.words import clean, content, plain, stem

TIME = ToolSpec("current_time", "Tell the current time in a time zone.")
WEATHER = ToolSpec(
    "get_weather", "Get the weather for a city.", (Argument("city", description="The city to ask"),)
)
ADD = ToolSpec(
    "add_numbers",
    "Add two numbers.",
    (
        Argument("a", "number", description="First number"),
        Argument("b", "number", description="Second number"),
    ),
)
ORDER = ToolSpec(
    "look_up_order",
    "Look up an order by its number.",
    (
        Argument("order_id", description="The order number, like A-1234"),
        Argument("detail", required=False, choices=("status", "items")),
    ),
)
TRANSFER = ToolSpec(
    "transfer_call",
    "Transfer the caller to a person.",
    (Argument("department", choices=("sales", "support")),),
)
REMIND = ToolSpec("remind", "Set a reminder.", (Argument("message"),))
END = ToolSpec("end_call", "End the call when the caller says goodbye.")
TOOLS = (TIME, WEATHER, ADD, ORDER, TRANSFER, REMIND, END)

Asked = list[tuple[str, dict[str, object]]]


def asked(said: str) -> Asked:
    return [(use.tool.name, dict(use.arguments)) for use in plan(said, TOOLS)]


@pytest.mark.parametrize(
    ("said", "tool"),
    [
        ("what time is it?", TIME),
        ("What's the weather in Paris", WEATHER),
        ("weather Paris", WEATHER),
        ("will it rain in Oslo tomorrow", WEATHER),
        ("adding 2 and 3", ADD),
        ("what is two plus two", ADD),
        ("where is my order A-1234", ORDER),
        ("I'd like to talk to sales", TRANSFER),
        ("remind me to call the plumber before the long weekend begins", REMIND),
        ("goodbye", END),
        ("hello", None),
        ("thanks a lot", None),
        ("who are you?", None),
        ("help", None),
        ("how are you today", None),
        ("I had a great time yesterday at the beach", None),
        ("That is a good number", None),
        ("count to twenty", None),
        ("I like pizza", None),
        ("今天天气怎么样", None),
        ("", None),
    ],
)
def test_a_tool_is_chosen_by_its_own_words_and_small_talk_chooses_none(
    said: str, tool: ToolSpec | None
) -> None:
    assert choose(said, TOOLS) == tool


def test_of_two_equal_tools_the_one_that_needs_less_is_chosen() -> None:
    mine = ToolSpec("my_order", "Look up an order.")

    assert choose("where is my order", (ORDER, mine)) == mine


def test_a_forced_choice_takes_the_best_tool_and_no_tools_mean_none() -> None:
    assert choose("hello", TOOLS, forced=True) == TIME
    assert choose("hello", (), forced=True) is None


@pytest.mark.parametrize(
    ("said", "uses"),
    [
        (
            "what time is it and what is the weather in Paris",
            [("current_time", {}), ("get_weather", {"city": "Paris"})],
        ),
        (
            "What is the weather in Paris and in London?",
            [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "London"})],
        ),
        (
            "weather in Rome. Then add 1 and 2!",
            [("get_weather", {"city": "Rome"}), ("add_numbers", {"a": 1, "b": 2})],
        ),
        ("add two and add three", [("add_numbers", {"a": 2, "b": 3})]),
        (
            "add 2 and 3 and what time is it",
            [("add_numbers", {"a": 2, "b": 3}), ("current_time", {})],
        ),
        ("weather in Rome and I like pizza", [("get_weather", {"city": "Rome"})]),
        ("weather in Rome and weather in Rome", [("get_weather", {"city": "Rome"})]),
        ("remind me to call Bob and Alice", [("remind", {"message": "call Bob and Alice"})]),
        ("hello and what time is it", [("current_time", {})]),
        ("hello and good morning", []),
    ],
)
def test_a_sentence_is_split_only_where_it_asks_for_another_thing(said: str, uses: Asked) -> None:
    assert asked(said) == uses


def test_no_more_than_four_tools_are_used_at_once() -> None:
    cities = ("Rome", "Oslo", "Paris", "London", "Madrid", "Berlin")

    assert len(asked(" and ".join(f"the weather in {city}" for city in cities))) == 4


def test_questions_are_answered_one_by_one_until_the_plan_is_complete() -> None:
    past: list[Exchange] = []
    for said in ("add numbers", "five"):
        past.append(Exchange(said, open_question(settle(past, said, TOOLS))))

    (use,) = settle(past, "and six", TOOLS)

    assert [exchange.reply for exchange in past] == ["What first number?", "What second number?"]
    assert use.arguments == {"a": 5, "b": 6}
    assert open_question((use,)) == ""


@pytest.mark.parametrize(
    ("said", "uses"),
    [
        ("It's Paris, thanks", [("get_weather", {"city": "Paris"})]),
        ("the weather in Rome", [("get_weather", {"city": "Rome"})]),
        ("what time is it?", [("current_time", {})]),
        ("never mind", []),
        ("who are you", []),
        ("goodbye", [("end_call", {})]),
        ("I don't know", [("get_weather", {})]),
    ],
)
def test_an_answer_completes_the_call_unless_the_caller_talks_of_something_else(
    said: str, uses: Asked
) -> None:
    past = [Exchange("what's the weather?", "This is the demo. WHAT  CITY")]

    planned = settle(past, said, TOOLS)

    assert [(use.tool.name, dict(use.arguments)) for use in planned] == uses


def test_a_question_for_a_text_may_be_answered_with_words_of_other_tools() -> None:
    past = [Exchange("set a reminder", "What message?")]

    (use,) = settle(past, "look at the weather in Paris", TOOLS)

    assert use.arguments == {"message": "look at the weather in Paris"}


def test_a_line_after_another_answer_is_not_taken_for_an_answer() -> None:
    past = [Exchange("what's the weather?", "What city? Never mind, I will ask later.")]

    assert settle(past, "Paris", TOOLS) == ()


def test_two_things_are_both_done_once_the_missing_argument_is_known() -> None:
    said = "what's the weather and what time is it"

    first, second = settle([Exchange(said, "What city?")], "Rome", TOOLS)

    assert (first.tool, first.arguments, second.tool) == (WEATHER, {"city": "Rome"}, TIME)


@pytest.mark.parametrize("same", ["add adds adding added", "city cities", "book books booking"])
def test_endings_do_not_matter(same: str) -> None:
    assert all(stem(one) == stem(other) for one, other in pairwise(same.split()))


def test_content_drops_small_words_and_numbers() -> None:
    assert content("What is the order number of A-1234, please?") == ["order", "number"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**Bold** and `code`", "Bold and code"),
        ("# Title\n- one\n- two", "Title one two"),
        ("[the site](https://example.com)", "the site"),
        ("in_transit to a_b@example.com", "in transit to a_b@example.com"),
        ("a\x00b\ud800", "a b"),
        ("word " * 500, ("word " * 119).strip()),
    ],
)
def test_plain_text_can_be_spoken(text: str, said: str) -> None:
    assert plain(text, 599) == said


def test_a_cleaned_line_is_one_line_without_control_characters() -> None:
    assert clean(" Caf\u0065\u0301\x00 \n\n tab\tend ", 100) == "Café tab end"
    assert clean("x" * 5000, 1000) == "x" * 1000
