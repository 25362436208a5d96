"""A tool that asks first: it runs once, after a yes to a question that was heard."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.agent.asking import UNFIT
from tests.fake_openai.client import FakeOpenAI
from tests.wire import (
    Wire,
    asking,
    bridge_running,
    came_true,
    dialled,
    noted,
    results,
    tool_call,
    watched,
    write_tool,
)

QUESTION = "Shall I cancel order 1042?"
OTHER = "Shall I cancel order 1057?"

CANCEL = """
from bridge import policy

@policy(confirm="Shall I cancel order {order}?")
@tool
async def cancel(order: str) -> str:
    '''Cancel an order.'''
    note("cancelled", order)
    return f"order {order} is cancelled"
"""


def cancelling(order: str = "1042", *more: dict[str, Any]) -> list[dict[str, Any]]:
    return asking(tool_call("cancel", order=order), *more)


SAID_DONE = {"say": "It is cancelled."}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tool(tmp_path, "cancel", CANCEL)
    return tmp_path


async def played(wire: Wire, stream: int) -> None:
    data = {"stream_id": stream, "session_id": "s"}
    await wire.send({"type": "playback_finished", "data": data})


async def test_the_bridge_asks_in_its_own_words_and_a_yes_runs_it_once(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script(cancelling(), match="cancel it")
    await openai.script(cancelling(), SAID_DONE, match="yes")
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "cancel it") == QUESTION
        assert noted(folder, "cancelled") == []
        assert len(await openai.requests()) == 1  # nothing comes after the question

        assert await millis.asked(2, "cancel it", QUESTION, "yes please") == "It is cancelled."

    assert noted(folder, "cancelled") == ["1042"]
    told = [*results((await openai.requests())[1]).values()]
    assert len(told) == 1
    assert QUESTION in told[0]
    assert "Not done yet" in told[0]


async def test_the_end_of_playback_shows_that_the_question_was_heard(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script(cancelling(), cancelling(), SAID_DONE)
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "cancel it")
        await played(millis, 1)
        transcript = [{"role": "user", "content": text} for text in ("cancel it", "yes")]
        data = {"stream_id": 2, "transcript": transcript}  # Millis has left our words out
        await millis.send({"type": "stream_request", "data": data})
        assert await millis.answer(2) == "It is cancelled."
    assert noted(folder, "cancelled") == ["1042"]


async def test_words_that_nobody_is_known_to_have_heard_are_asked_again(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script(cancelling(), cancelling())
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "cancel it")
        transcript = [{"role": "user", "content": text} for text in ("cancel it", "yes")]
        data = {"stream_id": 2, "transcript": transcript}
        await millis.send({"type": "stream_request", "data": data})
        assert await millis.answer(2) == QUESTION
    assert noted(folder, "cancelled") == []


async def test_a_model_that_asks_for_it_twice_at_once_does_not_get_it(
    folder: Path, openai: FakeOpenAI
) -> None:
    again = tool_call("cancel", "c2", order="1042")
    other = tool_call("cancel", "c3", order="1057")
    await openai.script(cancelling("1042", again, other))
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "cancel it") == QUESTION  # and one question at a time
    assert noted(folder, "cancelled") == []


@pytest.mark.parametrize("answer", ["no", "what about the weather"])
async def test_after_an_answer_that_was_no_yes_a_later_yes_is_none_either(
    folder: Path, openai: FakeOpenAI, answer: str
) -> None:
    await openai.script(cancelling(), {"say": "All right."}, cancelling())
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "cancel it")
        await millis.asked(2, "cancel it", QUESTION, answer)
        said = ("cancel it", QUESTION, answer, "All right.", "yes")
        assert await millis.asked(3, *said) == QUESTION
    assert noted(folder, "cancelled") == []


async def test_a_yes_is_one_to_these_arguments_only(folder: Path, openai: FakeOpenAI) -> None:
    await openai.script(cancelling("1042"), cancelling("1057"), cancelling("1042"))
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "cancel it")
        assert await millis.asked(2, "cancel it", QUESTION, "yes") == OTHER
        said = ("cancel it", QUESTION, "yes", OTHER, "yes")
        assert await millis.asked(3, *said) == QUESTION  # the newest question counts
    assert noted(folder, "cancelled") == []


async def test_a_question_that_was_spoken_over_is_asked_again(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script(cancelling(), cancelling(), cancelling(), SAID_DONE)
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "cancel it")
        await millis.interrupt(1)  # while Millis plays it; the transcript keeps it whole
        assert await millis.asked(2, "cancel it", QUESTION, "yes") == QUESTION
        assert noted(folder, "cancelled") == []
        said = ("cancel it", QUESTION, "yes", QUESTION, "yes")
        assert await millis.asked(3, *said) == "It is cancelled."
    assert noted(folder, "cancelled") == ["1042"]


async def test_a_request_that_comes_again_is_no_yes(folder: Path, openai: FakeOpenAI) -> None:
    await openai.script(cancelling(), cancelling(), cancelling(), SAID_DONE)
    async with bridge_running(folder, openai.base_url) as bridge:
        async with dialled(bridge) as lost:
            await lost.start(session="s")
            await lost.asked(1, "cancel it")
        async with dialled(bridge) as millis:
            await millis.start(session="s")
            assert await millis.asked(1, "cancel it") == QUESTION  # said again, without the model
            assert await millis.asked(2, "cancel it now") == QUESTION  # written differently
            assert noted(folder, "cancelled") == []
            assert await millis.asked(3, "cancel it now", QUESTION, "yes") == "It is cancelled."
    assert noted(folder, "cancelled") == ["1042"]


async def test_a_question_that_is_said_again_on_a_new_socket_can_be_answered(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script(cancelling(), cancelling(), SAID_DONE)
    async with bridge_running(folder, openai.base_url) as bridge:
        async with dialled(bridge) as lost:
            await lost.start(session="s")
            await lost.asked(1, "cancel it")
        async with dialled(bridge) as millis:
            await millis.start(session="s")
            await millis.asked(1, "cancel it")
            assert await millis.asked(2, "cancel it", QUESTION, "yes") == "It is cancelled."
    assert noted(folder, "cancelled") == ["1042"]


async def test_a_caller_who_says_yes_and_more_is_understood(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script(cancelling(), match="cancel it")
    await openai.script([{"stall": True}], match="yes")
    await openai.script(cancelling(), SAID_DONE, match="please")
    async with (
        bridge_running(folder, openai.base_url, filler_after=0) as bridge,
        dialled(bridge) as millis,
    ):
        await millis.asked(1, "cancel it")
        await millis.ask(2, "cancel it", QUESTION, "yes")
        await openai.wait("request_started", 2)
        lines = ["cancel it", QUESTION, "yes", "please"]
        transcript = [
            {"role": "assistant" if text == QUESTION else "user", "content": text} for text in lines
        ]
        data = {"stream_id": 3, "transcript": transcript}
        await millis.send({"type": "stream_request", "data": data})
        assert await millis.answer(3) == "It is cancelled."
    assert noted(folder, "cancelled") == ["1042"]


async def test_a_caller_who_repeats_the_yes_over_the_tool_gets_it_once(
    folder: Path, openai: FakeOpenAI
) -> None:
    slow = CANCEL.replace('    return f"order', '    await file_there("open")\n    return f"order')
    write_tool(folder, "cancel", slow)
    await openai.script(cancelling(), cancelling(), cancelling(), SAID_DONE)
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "cancel it")
        said = ("cancel it", QUESTION, "yes")
        await millis.ask(2, *said)
        await came_true(lambda: noted(folder, "cancelled"))
        await millis.interrupt(2)
        await millis.ask(3, *said, "", "hello? yes")
        (folder / "open").touch()
        assert await millis.answer(3) == "It is cancelled."
    assert noted(folder, "cancelled") == ["1042"]


async def test_once_it_was_done_and_told_the_next_wish_is_asked_about_again(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script(cancelling(), cancelling(), SAID_DONE, cancelling())
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.asked(1, "cancel it")
        await millis.asked(2, "cancel it", QUESTION, "yes")
        await played(millis, 2)
        said = ("cancel it", QUESTION, "yes", "It is cancelled.", "cancel it again")
        assert await millis.asked(3, *said) == QUESTION
    assert noted(folder, "cancelled") == ["1042"]


async def test_thinking_ahead_neither_asks_nor_does_it(folder: Path, openai: FakeOpenAI) -> None:
    await openai.script(cancelling(), match="cancel it")
    await openai.script(cancelling(), {"say": "As you like."}, match="yes")
    async with (
        bridge_running(folder, openai.base_url, think_ahead="final") as bridge,
        dialled(bridge) as millis,
    ):
        await millis.start(session="s")
        await millis.answer(0)

        async def partial(text: str) -> None:
            data = {"session_id": "s", "transcript": text, "is_final": True}
            await millis.send({"type": "partial_transcript", "data": data})

        await partial("cancel it")
        await openai.wait("finished", 1)
        await millis.settled()
        assert millis.of(1) == []
        assert await millis.asked(1, "cancel it") == QUESTION
        await partial("yes")
        await openai.wait("finished", 2)
        await asyncio.sleep(0.2)
        assert noted(folder, "cancelled") == []  # the yes may go on, and does
        said = ("cancel it", QUESTION, "yes or rather not")
        assert await millis.asked(2, *said) == "As you like."
    assert noted(folder, "cancelled") == []


async def test_an_answer_that_was_begun_ahead_asks_and_does_it_once_it_is_wanted(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script(cancelling(), cancelling(), SAID_DONE)
    async with (
        bridge_running(folder, openai.base_url, think_ahead="final") as bridge,
        dialled(bridge) as millis,
    ):
        await millis.start(session="s")
        await millis.answer(0)
        said: list[str] = []
        for stream, (line, answer) in enumerate(
            [("cancel it", QUESTION), ("yes", "It is cancelled.")], start=1
        ):
            data = {"session_id": "s", "transcript": line, "is_final": True}
            await millis.send({"type": "partial_transcript", "data": data})
            await openai.wait("finished", stream)
            await asyncio.sleep(0.2)  # the draft asks for its tool; of drafts, nothing is told
            assert noted(folder, "cancelled") == []
            said.append(line)
            assert await millis.asked(stream, *said) == answer
            said.append(answer)
        assert bridge.board.calls.ahead["hit"] == 2
    assert noted(folder, "cancelled") == ["1042"]


async def test_nobody_is_asked_about_arguments_that_do_not_fit(
    folder: Path, openai: FakeOpenAI
) -> None:
    await openai.script(asking(tool_call("cancel", order=["1042"])), {"say": "Which order?"})
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "cancel it") == "Which order?"
    assert [*results((await openai.requests())[1]).values()] == [UNFIT]
    assert noted(folder, "cancelled") == []


async def test_are_you_still_there_is_not_what_a_yes_is_wanted_for(
    folder: Path, openai: FakeOpenAI
) -> None:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "silence.md").write_text("Are you still there?\nGoodbye then.")
    await openai.script(cancelling(), cancelling())
    async with (
        bridge_running(folder, openai.base_url, silence_after=0.05) as bridge,
        dialled(bridge) as millis,
    ):
        await millis.asked(1, "cancel it")
        await played(millis, 1)
        while "still there" not in millis.said(1):
            await millis.next()
        shown = f"{QUESTION} Are you still there?"
        assert await millis.asked(2, "cancel it", shown, "yes") == QUESTION
    assert noted(folder, "cancelled") == []


async def test_a_table_in_the_settings_makes_any_tool_ask(folder: Path, openai: FakeOpenAI) -> None:
    write_tool(folder, "cancel", CANCEL.replace("@policy", "#"))
    await openai.script(cancelling(), {"say": "Fine."}, match="cancel it")
    tools: Any = {"cancel": {"confirm": "Really cancel [pause 9s] {order}?"}}
    async with bridge_running(folder, openai.base_url, tools=tools) as bridge:
        async with watched(bridge) as watch, dialled(bridge) as millis:
            await millis.start(session="s")
            await millis.asked(1, "cancel it")
            seen = await watch.until("ToolFinished", name="cancel")
            assert seen["outcome"] == "refused"
    assert noted(folder, "cancelled") == []
