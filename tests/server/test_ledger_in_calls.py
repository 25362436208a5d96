"""What the model reads of a call: Millis's words, with the deeds back in their places."""

from pathlib import Path
from typing import Any

import pytest

from tests.fake_openai.client import FakeOpenAI
from tests.wire import asking, bridge_running, dialled, tool_call, write_tool

CANCEL = '''
@tool
async def cancel(order: int) -> str:
    """Cancel an order."""
    return f"order {order} cancelled"
'''
ANSWER = "I have cancelled order 42 for you."
ASKED = "cancel 42"
NEXT = "wait"


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


async def _read_next(
    folder: Path, openai: FakeOpenAI, transcript: list[dict[str, str]], *, cut: bool
) -> list[dict[str, Any]]:
    """Cancel an order, interrupt the answer or not, and ask again: what the model then reads."""
    write_tool(folder, "cancel", CANCEL)
    words: list[Any] = [{"text": ANSWER}]
    words += [{"stall": True}] if cut else [{"finish": "stop"}, {"done": True}]
    await openai.script(asking(tool_call("cancel", order=42)), words)
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.ask(1, ASKED)
        while millis.said(1) != ANSWER:
            await millis.next()
        if cut:
            await millis.interrupt(1)
        else:
            await millis.answer(1)
        data = {"stream_id": 2, "transcript": transcript}
        await millis.send({"type": "stream_request", "data": data})
        await millis.answer(2)
    messages: list[dict[str, Any]] = (await openai.requests())[-1]["body"]["messages"][1:]
    return messages


def _deed(messages: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Take out the one tool call with its result, which stand behind the line that they answer."""
    asked, call, result, *rest = messages
    assert asked == user(ASKED)
    (made,) = call["tool_calls"]
    assert made["function"] == {"name": "cancel", "arguments": '{"order": 42}'}
    assert result["role"] == "tool"
    assert result["tool_call_id"] == made["id"]
    assert result["content"] == "order 42 cancelled"
    return tuple(rest)


async def test_a_deed_stays_behind_the_line_it_answered(tmp_path: Path, openai: FakeOpenAI) -> None:
    transcript = [user(ASKED), assistant(ANSWER), user(NEXT)]
    messages = await _read_next(tmp_path, openai, transcript, cut=False)
    assert _deed(messages) == (assistant(ANSWER), user(NEXT))


@pytest.mark.parametrize(
    ("heard", "note"),
    [
        (
            "I have cancelled",
            'You were cut off. The caller heard only: "I have cancelled". '
            'Not heard: "order 42 for you.".',
        ),
        (ANSWER, "You were cut off. The caller may not have heard the end of your answer."),
        ("", f'You were cut off. The caller heard nothing of: "{ANSWER}".'),
    ],
    ids=["cut to what was heard", "kept whole", "left out"],
)
async def test_an_answer_that_was_cut_is_told_as_heard_with_a_note(
    tmp_path: Path, openai: FakeOpenAI, heard: str, note: str
) -> None:
    said = [assistant(heard)] if heard else []
    messages = await _read_next(tmp_path, openai, [user(ASKED), *said, user(NEXT)], cut=True)
    assert _deed(messages) == (*said, user(f"[Note: {note}]\n{NEXT}"))


async def test_a_deed_survives_lines_that_millis_joined(tmp_path: Path, openai: FakeOpenAI) -> None:
    joined = user(f"{ASKED} {NEXT}")
    messages = await _read_next(tmp_path, openai, [joined], cut=True)
    assert messages[0]["content"].endswith(joined["content"])
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[2]["content"] == "order 42 cancelled"
