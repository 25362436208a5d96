"""How the demo model reads schemas, fills arguments and asks for missing ones."""

from typing import Any

import pytest

from bridge.agent.demo import values
from bridge.agent.demo.filling import answered, fill, missing, question
from bridge.agent.demo.schema import Argument, ToolSpec, read_tools


def spec(*arguments: Argument) -> ToolSpec:
    return ToolSpec("do_it", "Do a thing.", arguments)


A = Argument("a", "integer")
B = Argument("b", "number")
CITY = Argument("city")
OPTIONAL_CITY = Argument("city", required=False)
EMAIL = Argument("recipient", format="email")
DATE = Argument("day", format="date")
LOOSE_DATE = Argument("date")
TIME = Argument("time")
ORDER = Argument("order_id")
QUERY = Argument("query")
STATUS = Argument("status", choices=("open", "in_transit", "closed"))
SIZE = Argument("size", "integer", choices=(10, 20))
FLAG = Argument("terrace", "boolean")
LIST = Argument("values", "array", items=Argument("values", "number"))
NAMES = Argument("query", "array", items=Argument("query"))
TAGS = Argument("tags", "array", items=Argument("tags", choices=("red", "blue", "green")))


@pytest.mark.parametrize(
    ("arguments", "said", "filled"),
    [
        ((A, B), "add 2 and 3.5", {"a": 2, "b": 3.5}),
        ((A, B), "add twenty-one and minus two hundred", {"a": 21, "b": -200}),
        ((A,), "take 2.5 of them", {}),
        ((Argument("a", "integer", low=1, high=9),), "from 12 or 7", {"a": 7}),
        ((CITY,), "what is it like in Paris", {"city": "Paris"}),
        ((CITY,), "in new york, please", {"city": "new york"}),
        ((CITY,), "How is Rio de Janeiro today?", {"city": "Rio de Janeiro"}),
        ((CITY,), "in München", {"city": "München"}),
        ((CITY,), "in the morning", {}),
        ((CITY,), "what is it like today", {}),
        ((CITY, A), "in Ho Chi Minh City for 3 days", {"city": "Ho Chi Minh City", "a": 3}),
        ((OPTIONAL_CITY,), "in Paris", {"city": "Paris"}),
        ((OPTIONAL_CITY,), "in time for lunch", {}),
        ((Argument("name"),), "my name is Anna Schmidt", {"name": "Anna Schmidt"}),
        ((Argument("name"),), "a cat called Tom", {"name": "Tom"}),
        (
            (Argument("origin"), Argument("destination")),
            "a train to Rome from Milan",
            {"origin": "Milan", "destination": "Rome"},
        ),
        ((EMAIL,), "write to bob.b@example.co.uk now", {"recipient": "bob.b@example.co.uk"}),
        ((EMAIL,), "bob at example dot com", {"recipient": "bob@example.com"}),
        ((EMAIL,), "write to Bob", {}),
        ((DATE,), "on 2026-02-31 or 2026-12-24", {"day": "2026-12-24"}),
        ((DATE,), "tomorrow", {}),
        ((LOOSE_DATE,), "next Friday", {"date": "next Friday"}),
        ((LOOSE_DATE,), "Tomorrow", {"date": "Tomorrow"}),
        ((Argument("day", required=False),), "next Friday", {"day": "Friday"}),
        ((Argument("day", required=False),), "today", {}),
        (
            (Argument("start", format="date-time"),),
            "2026-12-24T18:30",
            {"start": "2026-12-24T18:30"},
        ),
        ((TIME, A), "for 4 at 7 pm", {"time": "7 pm", "a": 4}),
        ((Argument("timezone", required=False),), "now in Tokyo", {"timezone": "Asia/Tokyo"}),
        ((Argument("timezone"),), "in Asia/Dubai", {"timezone": "Asia/Dubai"}),
        ((Argument("phone"),), "call +1 555 010-2030", {"phone": "+1 555 010-2030"}),
        ((ORDER,), "my order A-1234, please", {"order_id": "A-1234"}),
        ((ORDER,), "number one two three four", {"order_id": "1234"}),
        ((ORDER,), "number ten forty two", {"order_id": "1042"}),
        ((ORDER,), "that one, number twelve", {"order_id": "12"}),
        ((ORDER,), "this one", {}),
        ((ORDER,), "my order", {}),
        ((QUERY,), "search for how to reset it", {"query": "how to reset it"}),
        ((QUERY,), 'look for "red shoes" please', {"query": "red shoes"}),
        ((QUERY,), "find red shoes", {"query": "red shoes"}),
        ((STATUS,), "set it to In Transit", {"status": "in_transit"}),
        ((STATUS,), "what about it", {}),
        ((SIZE,), "the twenty one? no, 20", {"size": 20}),
        ((FLAG,), "on the terrace", {"terrace": True}),
        ((FLAG,), "not on the terrace", {"terrace": False}),
        ((FLAG,), "somewhere", {}),
        ((LIST,), "of 1, 2 and three", {"values": [1, 2, 3]}),
        ((NAMES,), "search for milk, eggs and bread", {"query": ["milk", "eggs", "bread"]}),
        ((TAGS,), "green and red", {"tags": ["red", "green"]}),
        ((Argument("options", "object", required=False),), "all of them", {}),
    ],
)
def test_arguments_are_filled_from_what_was_said(
    arguments: tuple[Argument, ...], said: str, filled: dict[str, Any]
) -> None:
    assert fill(spec(*arguments), said) == filled


def test_what_one_argument_took_no_other_gets() -> None:
    booking = spec(Argument("name"), A, LOOSE_DATE, TIME, FLAG)

    found = fill(booking, "a table for 4 at 19:30 on 2026-12-24 for Bob on the terrace")

    assert list(found.items()) == [
        ("name", "Bob"),
        ("a", 4),
        ("date", "2026-12-24"),
        ("time", "19:30"),
        ("terrace", True),
    ]
    assert missing(booking, found) is None


def test_the_first_required_argument_without_a_value_is_missing() -> None:
    assert missing(spec(OPTIONAL_CITY, A, B), {"a": 1}) == B


@pytest.mark.parametrize(
    ("argument", "said", "value"),
    [
        (CITY, "It's Paris, please.", "Paris"),
        (CITY, "paris", "paris"),
        (CITY, "Nice", "Nice"),
        (CITY, "hello", None),
        (CITY, "I don't know", None),
        (CITY, "...", None),
        (QUERY, "lunch on Friday", "lunch on Friday"),
        (TIME, "half past seven", "half past seven"),
        (DATE, "some day", None),
        (A, "five", 5),
        (A, "none", None),
        (FLAG, "yes please", True),
        (FLAG, "No, thanks", False),
        (FLAG, "well", None),
        (STATUS, "the closed one", "closed"),
        (STATUS, "blue", None),
    ],
)
def test_an_answer_needs_fewer_words(argument: Argument, said: str, value: object) -> None:
    found = answered(spec(argument), argument, said)

    assert (found and found.value) == value


@pytest.mark.parametrize(
    ("argument", "asked"),
    [
        (Argument("city", description="The city to look up, e.g. Paris"), "What city?"),
        (Argument("id", description="The order number, like A-1234"), "What order number?"),
        (Argument("n", description="Number of people"), "What is the number of people?"),
        (Argument("message", description="What to be reminded of"), "What message?"),
        (Argument("order_id"), "What order id?"),
        (Argument("_"), "What value?"),
        (Argument("url", description="URL of `page`"), "What is the URL of page?"),
        (STATUS, "Which status: open, in transit or closed?"),
        (FLAG, "Yes or no: terrace?"),
    ],
)
def test_a_question_uses_the_description(argument: Argument, asked: str) -> None:
    assert question(argument) == asked


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,234 and 5,6", [1234, 5, 6]),
        ("A-1234 3pm 7:30 2026-12-24 v2", []),
        ("minus 5, -3", [-5, -3]),
        ("a hundred or a third", [100]),
        ("ninety nine thousand", [99000]),
        ("9" * 400, []),
        ("٣", [3]),
    ],
)
def test_numbers_are_heard_in_digits_and_words(text: str, numbers: list[float]) -> None:
    assert [found.value for found in values.numbers(text)] == numbers


def schema(parameters: object) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": "it", "parameters": parameters}}]


def test_a_schema_is_read_through_references_and_alternatives() -> None:
    (tool,) = read_tools(
        schema(
            {
                "$defs": {"Size": {"enum": ["small", "large", None, True], "type": "string"}},
                "properties": {
                    "size": {"$ref": "#/$defs/Size", "description": "How big"},
                    "count": {"anyOf": [{"type": "null"}, {"type": "integer", "maximum": 9}]},
                    "kind": {"const": "fixed"},
                    "many": {"type": ["array", "null"], "items": {"type": "number"}},
                },
                "required": ["many", "size"],
            }
        )
    )

    assert tool.arguments == (
        Argument("size", description="How big", choices=("small", "large")),
        Argument("many", "array", items=Argument("many", "number")),
        Argument("count", "integer", required=False, high=9),
        Argument("kind", required=False, choices=("fixed",)),
    )


LOOP = {"$ref": "#/$defs/Loop"}


@pytest.mark.parametrize(
    "tools",
    [
        None,
        "tools",
        [None, 1, {}, {"type": "web_search"}, {"function": {"name": 1}}, {"function": []}],
        schema(None),
        schema({"properties": [1], "required": "city"}),
        schema({"properties": {"a": None, "b": 3, "c": {"type": 1, "enum": "x"}}, "required": 1}),
        schema({"$defs": {"Loop": LOOP}, "properties": {"a": LOOP}, "required": ["a"]}),
        schema({"properties": {"a": {"type": "object"}}, "required": ["a"]}),
        schema({"properties": {"a": {"type": "array", "items": {"type": "array"}}}}),
        schema({"properties": {"a": {"minimum": "x", "enum": [[], {}, "y" * 9000]}}}),
        schema({"properties": {"a": {"pattern": "(a+)+$", "format": 7, "enum": ["", "+"]}}}),
        schema({"properties": {"": {"description": ["x"]}}, "required": [""]}),
        schema({"properties": {f"p{n}": {"anyOf": [{}]} for n in range(5000)}}),
    ],
)
def test_a_hostile_schema_does_no_harm(tools: object) -> None:
    for tool in read_tools(tools):
        filled = fill(tool, "the weather in Paris for 3 days, a+b")
        if wanted := missing(tool, filled):
            assert question(wanted).endswith("?")


def test_a_tool_that_needs_an_object_is_not_offered() -> None:
    needs = {"type": "object", "properties": {"x": {"type": "string"}}}

    assert read_tools(schema({"properties": {"a": needs}, "required": ["a"]})) == ()
    assert len(read_tools(schema({"properties": {"a": needs}}))) == 1
