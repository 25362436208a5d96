"""What a model asks of tools, before anything of it runs."""

from typing import cast

import pytest
from langchain_core.messages import AIMessage, InvalidToolCall
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call_chunk

from bridge.agent.reply import Limits, Reply
from bridge.agent.toolrequests import MALFORMED, TOO_MANY, ToolRequests
from bridge.call.events import CallData
from bridge.call.ports import Brief, Voice

Asked = list[tuple[str, dict[str, object], str | None]]


def _reply(*, max_model_calls: int = 8, max_tool_calls: int = 10) -> Reply:
    limits = Limits(max_model_calls=max_model_calls, max_tool_calls=max_tool_calls)
    reply = Reply(Brief(CallData(), ()), cast("Voice", None), limits)
    reply.model_calls = 1
    return reply


def _chunk(
    args: str | None, index: int | None = 0, *, name: str | None = None, call: str | None = None
) -> ToolCallChunk:
    return tool_call_chunk(name=name, args=args, id=call, index=index)


def _streamed(reply: Reply, *chunks: ToolCallChunk) -> Asked:
    requests = ToolRequests()
    for chunk in chunks:
        requests.hear([chunk])
    return _asked(requests.check(AIMessage(""), reply))


def _asked(message: AIMessage) -> Asked:
    assert message.invalid_tool_calls == []
    return [(call["name"], call["args"], call["id"]) for call in message.tool_calls]


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        (['{"a": 1}'], {"a": 1}),
        (["{", '"a"', ": ", "1", "}"], {"a": 1}),
        ([None, '{"a": 1}', None], {"a": 1}),
        (["{}"], {}),
        ([""], {}),  # some servers send nothing for a tool without parameters
        ([], {}),
        ([' {"a": "ü 😀"}\n'], {"a": "ü 😀"}),
        (['{"a": 1, "a": 2}'], {"a": 2}),
    ],
)
def test_arguments_in_pieces_are_read_as_one(
    pieces: list[str | None], arguments: dict[str, object]
) -> None:
    reply = _reply()
    first = _chunk(None, name="price", call="c1")
    assert _streamed(reply, first, *map(_chunk, pieces)) == [("price", arguments, "c1")]
    assert reply.refused == {}


@pytest.mark.parametrize(
    "arguments",
    ['{"a": 1', '{"a": 1,', "{", '{"a"', '{"a": }', "[]", "1", '"a"', "{}{}", '{"a": NaN}',
     "{'a': 1}", '{"a": "\\ud800"}', "a" * 1000],
)  # fmt: skip
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    reply = _reply()
    asked = _streamed(reply, _chunk(arguments, name="price", call="c1"))
    assert asked == [("price", {}, "c1")]
    assert reply.refused == {"c1": MALFORMED}


def test_calls_whose_pieces_come_mixed_are_kept_apart() -> None:
    asked = _streamed(
        _reply(),
        _chunk('{"a"', 0, name="price", call="c0"),
        _chunk('{"b"', 1, name="stock", call="c1"),
        _chunk(": 0}", 0),
        _chunk(": 1}", 1),
    )
    assert asked == [("price", {"a": 0}, "c0"), ("stock", {"b": 1}, "c1")]


def test_calls_without_an_index_are_one_piece_each() -> None:
    asked = _streamed(
        _reply(),
        _chunk('{"a": 0}', None, name="price", call="c0"),
        _chunk('{"b": 1}', None, name="stock", call="c1"),
    )
    assert asked == [("price", {"a": 0}, "c0"), ("stock", {"b": 1}, "c1")]


def test_another_id_under_the_same_index_is_another_call() -> None:
    asked = _streamed(
        _reply(),
        _chunk('{"a": ', 0, name="price", call="c0"),
        _chunk("0}", 0),
        _chunk('{"b": ', 0, name="stock", call="c1"),
        _chunk("1}", 0),
    )
    assert asked == [("price", {"a": 0}, "c0"), ("stock", {"b": 1}, "c1")]


def test_an_id_that_is_repeated_in_each_piece_is_one_call() -> None:
    pieces = [_chunk("{", name="price", call="c0"), _chunk('"a": 0', call="c0"), _chunk("}")]
    assert _streamed(_reply(), *pieces) == [("price", {"a": 0}, "c0")]


@pytest.mark.parametrize("ids", [("x", "x"), (None, None), ("", ""), ("x", ""), (None, "x")])
def test_every_call_has_an_id_of_its_own(ids: tuple[str | None, str | None]) -> None:
    pieces = [_chunk("{}", n, name="price", call=call) for n, call in enumerate(ids)]
    found = [identity for _, _, identity in _streamed(_reply(), *pieces)]
    assert all(found)
    assert len(set(found)) == 2
    if "x" in ids:
        assert "x" in found


def test_only_the_call_that_is_not_whole_is_refused_when_two_share_an_id() -> None:
    reply = _reply()
    pieces = [_chunk('{"a": 0}', 0, name="price", call="x"), _chunk("{", 1, name="p", call="x")]
    (_, arguments, good), (_, _, bad) = _streamed(reply, *pieces)
    assert (good, arguments) == ("x", {"a": 0})
    assert reply.refused == {bad: MALFORMED}


def test_calls_beyond_the_limit_are_refused_in_words() -> None:
    reply = _reply(max_tool_calls=3)
    first = _streamed(reply, *[_chunk("{}", n, name="p", call=f"a{n}") for n in range(2)])
    assert (len(first), reply.refused) == (2, {})
    second = _streamed(reply, *[_chunk("{}", n, name="p", call=f"b{n}") for n in range(3)])
    assert len(second) == 3, "each needs a result, or the server refuses the next request"
    assert reply.refused == {"b1": TOO_MANY, "b2": TOO_MANY}
    assert reply.must_answer


@pytest.mark.parametrize(
    ("limits", "model_calls", "tool_calls"),
    [({"max_model_calls": 2}, 2, 0), ({"max_tool_calls": 2}, 1, 2)],
)
def test_who_was_told_to_answer_gets_no_tools(
    limits: dict[str, int], model_calls: int, tool_calls: int
) -> None:
    reply = _reply(**limits)
    reply.model_calls, reply.tool_calls = model_calls, tool_calls
    assert _streamed(reply, _chunk("{}", name="price", call="c1")) == []


def test_a_message_that_asks_for_nothing_is_left_alone() -> None:
    message = AIMessage("It rains.")
    assert ToolRequests().check(message, _reply()) is message


def test_a_message_that_came_whole_is_checked_like_any_other() -> None:
    reply = _reply()
    broken: InvalidToolCall = invalid_tool_call(name="stock", args='{"b', id="c1", error=None)
    good = {"name": "price", "args": {"a": 1}, "id": "c0", "type": "tool_call"}
    message = AIMessage("", tool_calls=[good], invalid_tool_calls=[broken])
    assert _asked(ToolRequests().check(message, reply)) == [
        ("price", {"a": 1}, "c0"),
        ("stock", {}, "c1"),
    ]
    assert reply.refused == {"c1": MALFORMED}
