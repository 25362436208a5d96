"""Recorded answers, and recorded results of tools, in an agent of today."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import orjson
import pytest
from langchain_core.tools import BaseTool, tool

from bridge.agent.agent import LangChainAgent
from bridge.agent.asking import ASKED, NOT_ASKED
from bridge.agent.callcontrol import call_control
from bridge.agent.chain import NamedModel
from bridge.agent.message import Listener
from bridge.agent.policy import policy
from bridge.agent.replayed import Prompter, RecordedAnswers, RecordedMessage, ReplayedModel
from bridge.agent.reply import Limits
from bridge.agent.standin import NOT_RUN, RecordedRun, StandIn
from bridge.call.events import (
    CallData,
    CallEvent,
    ModelAnswered,
    ToolBegun,
    ToolFinished,
    TurnBegan,
)
from bridge.plugins.prompts import PromptSet, built_in_templates
from bridge.protocol import decode
from tests.doubles import APOLOGY, GREETING, Room, ScriptedAgent, until

ran: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@tool
async def book(table: int, guests: int = 2) -> str:
    """Book a table."""
    ran.append(f"book {table}")
    return f"booked {table}"


@policy(once=False)
@tool
async def order(item: str) -> str:
    """Order one more."""
    ran.append(f"order {item}")
    return "ordered"


@policy(read_only=True)
@tool
async def look(day: str) -> str:
    """Look for a free table."""
    ran.append(f"look {day}")
    return "table 4"


def calls(name: str, **arguments: object) -> RecordedMessage:
    return RecordedMessage(tool_calls=((name, arguments),))


def says(text: str, **more: Any) -> RecordedMessage:
    return RecordedMessage(text, **more)


class Stage(Room):
    """A call whose agent is LangChain's, over recorded answers."""

    def __init__(
        self,
        turns: Sequence[RecordedAnswers],
        runs: Sequence[RecordedRun] = (),
        *,
        fast: bool = True,
        **settings: Any,
    ) -> None:
        self.prompter = Prompter()
        self.prompter.load(turns)
        self.stand_in = StandIn(runs, fast=fast)
        model = ReplayedModel(prompter=self.prompter, fast=fast, callbacks=[Listener()])
        tools: list[BaseTool] = [book, look, order, *call_control(end_call=True, destinations={})]
        agent = LangChainAgent(
            [NamedModel("recorded", model)],
            tools,
            lambda: PromptSet(templates=built_in_templates()),
            Limits(tool_timeout=0.2),
            middleware=[self.stand_in],
        )
        super().__init__(cast("ScriptedAgent", agent), settings=settings)
        self.setup = replace(self.setup, observe=self._observe)
        self.live = self.call()

    def _observe(self, call: CallData, event: CallEvent) -> None:
        """Tell the prompter of each turn, as the record of a replay does."""
        del call
        self.events.append(event)
        if isinstance(event, TurnBegan):
            self.prompter.begin(event.turn, str(event.stream_id))

    def hear(self, kind: str, **data: object) -> None:
        self.live.hear(decode(orjson.dumps({"type": kind, "data": data}).decode()))

    async def start(self) -> None:
        self.hear("start_call", stream_id=0, session_id="s")
        await until(lambda: bool(self.ended()))

    def ask(self, stream_id: int, *said: str) -> None:
        roles = ("user", "assistant")
        lines = [
            {"role": roles[(len(said) - 1 - i) % 2], "content": text} for i, text in enumerate(said)
        ]
        self.hear("stream_request", stream_id=stream_id, transcript=lines)

    async def answer(self, stream_id: int, *said: str) -> str:
        self.ask(stream_id, *said)
        await until(lambda: self.line.endings(stream_id) == 1)
        return self.line.said(stream_id)

    async def drafted(self) -> None:
        """Wait until an answer is held that Millis has not asked for."""
        drafts = self.live._drafts
        await until(lambda: drafts._draft is not None and drafts._draft.turn.sent > 0)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def answers(stream_id: str, asked: str, *messages: RecordedMessage) -> RecordedAnswers:
    return RecordedAnswers(stream_id, asked, messages)


# ── the model ────────────────────────────────────────────────────────────────────────────────────


async def test_each_turn_gets_its_own_messages() -> None:
    stage = Stage([answers("1", "hello", says("Hi there.")), answers("2", "bye", says("Bye now."))])
    await stage.start()

    first = await stage.answer(1, "hello")
    second = await stage.answer(2, "hello", first, "bye")
    await stage.live.close()

    assert (first, second) == ("Hi there.", "Bye now.")
    assert stage.line.said(0) == GREETING


async def test_a_message_comes_in_pieces_and_is_told_whole() -> None:
    stage = Stage([answers("1", "hello", says("One two  three.\n"))])
    await stage.start()

    assert (await stage.answer(1, "hello")).strip() == "One two three."
    await stage.live.close()

    assert len(stage.line.frames(1)) > 3
    assert [told.text for told in stage.of(ModelAnswered)] == ["One two  three.\n"]


async def test_tool_calls_are_made_again_and_the_next_message_follows_them() -> None:
    turn = answers("1", "a table", calls("look", day="Friday"), says("Table four is free."))
    stage = Stage([turn])
    await stage.start()

    assert await stage.answer(1, "a table") == "Table four is free."
    await stage.live.close()

    assert ran == ["look Friday"]
    assert [dict(begun.arguments) for begun in stage.of(ToolBegun)] == [{"day": "Friday"}]


async def test_what_was_not_recorded_is_missed_plainly_and_is_not_asked_for_again() -> None:
    stage = Stage([answers("1", "a table", calls("look", day="Friday"))])
    await stage.start()

    assert await stage.answer(1, "a table") == APOLOGY
    await stage.live.close()

    assert stage.prompter.asked_for_more == {"1"}
    assert stage.ended()[-1].failure == "bad_request"


async def test_a_turn_that_is_not_on_record_fails_and_takes_nobody_elses_answer() -> None:
    stage = Stage([answers("2", "two", says("Second."))])
    await stage.start()

    assert await stage.answer(1, "one") == APOLOGY
    assert await stage.answer(2, "one", "", "two") == "Second."
    await stage.live.close()


async def test_an_unfinished_message_stops_where_the_caller_spoke_over_it() -> None:
    stage = Stage([answers("1", "tell me", says("Once upon a", end="cut"))])
    await stage.start()
    stage.ask(1, "tell me")
    await until(lambda: "upon" in stage.line.said(1))

    await asyncio.sleep(0.02)
    assert stage.line.endings(1) == 0
    stage.live.hear(decode('{"type": "interrupt", "stream_id": 1}'))
    await until(lambda: len(stage.ended()) == 2)
    await stage.live.close()

    assert stage.ended()[-1].outcome == "interrupted"


async def test_the_speed_is_the_recorded_one_unless_it_is_fast() -> None:
    spoken = says("One two three.", first_token=0.1, seconds=0.3)
    stage = Stage([answers("1", "go", spoken)], fast=False)
    await stage.start()

    await stage.answer(1, "go")
    await stage.live.close()

    told = stage.of(ModelAnswered)[0]
    assert 0.1 <= told.first_token < told.seconds
    assert 0.3 <= told.seconds < 3


async def test_a_draft_of_the_line_that_comes_gets_its_answer() -> None:
    stage = Stage([answers("1", "What time is it?", says("Noon."))], think_ahead="final")
    await stage.start()
    stage.hear("partial_transcript", session_id="s", transcript="what time is it", is_final=True)
    await stage.drafted()

    assert await stage.answer(1, GREETING, "What time is it?") == "Noon."
    await stage.live.close()

    assert stage.of(TurnBegan)[-1].ahead


async def test_a_draft_of_a_later_line_gets_the_later_answer() -> None:
    turns = [answers("1", "yes", says("One.")), answers("2", "yes", says("Two."))]
    stage = Stage(turns, think_ahead="final")
    await stage.start()
    one = await stage.answer(1, GREETING, "yes")
    stage.hear("partial_transcript", session_id="s", transcript="yes", is_final=True)
    await stage.drafted()

    assert await stage.answer(2, GREETING, "yes", one, "yes") == "Two."
    await stage.live.close()

    assert stage.of(TurnBegan)[-1].ahead


async def test_two_turns_on_one_stream_get_their_own_answers() -> None:
    stage = Stage([answers("1", "one", says("One.")), answers("1", "two", says("Two."))])
    await stage.start()

    one = await stage.answer(1, GREETING, "one")
    stage.ask(1, GREETING, "one", one, "two")
    await until(lambda: stage.line.endings(1) == 2)
    await stage.live.close()

    assert stage.line.said(1) == "One.Two."


async def test_a_draft_of_another_line_takes_no_answer() -> None:
    turns = [answers("1", "What time is it in Rome?", calls("look", day="today"), says("Noon."))]
    stage = Stage(turns, think_ahead="final")
    await stage.start()
    stage.hear("partial_transcript", session_id="s", transcript="What time", is_final=True)
    drafts = stage.live._drafts
    await until(lambda: drafts._draft is not None and drafts._draft.turn.failed)
    assert ran == []

    assert await stage.answer(1, GREETING, "What time is it in Rome?") == "Noon."
    await stage.live.close()

    assert stage.prompter.asked_for_more == set()


# ── tools ────────────────────────────────────────────────────────────────────────────────────────


def run(
    result: str, outcome: str | None = "ok", seconds: float = 0.0, /, **arguments: Any
) -> RecordedRun:
    return RecordedRun("book", arguments, result, outcome, seconds)


async def finished(stage: Stage) -> list[tuple[str, str]]:
    await stage.start()
    await stage.answer(1, "book it")
    await stage.live.close()
    return [(told.result, told.outcome) for told in stage.of(ToolFinished)]


def booking(*messages: RecordedMessage) -> list[RecordedAnswers]:
    return [answers("1", "book it", *messages, says("Done."))]


async def test_a_tool_with_side_effects_is_not_run_and_its_recorded_result_stands_in() -> None:
    stage = Stage(booking(calls("book", table=4)), [run("booked then", table=4)])

    assert await finished(stage) == [("booked then", "ok")]
    assert ran == []


async def test_arguments_are_equal_if_the_tool_reads_them_so() -> None:
    stage = Stage(booking(calls("book", table="4")), [run("booked then", guests=2, table=4)])

    assert await finished(stage) == [("booked then", "ok")]


async def test_another_call_is_not_run_and_the_model_is_told_so() -> None:
    stage = Stage(booking(calls("book", table=5)), [run("booked then", table=4)])

    assert await finished(stage) == [(NOT_RUN, "failed")]
    assert ran == []
    assert [(name, dict(args)) for name, args in stage.stand_in.unknown] == [("book", {"table": 5})]


async def test_a_recorded_result_is_given_once() -> None:
    tea = calls("order", item="tea")
    runs = [RecordedRun("order", {"item": "tea"}, result, "ok", 0.0) for result in ("one", "two")]
    stage = Stage(booking(tea, tea, tea), runs)

    assert await finished(stage) == [("one", "ok"), ("two", "ok"), (NOT_RUN, "failed")]
    assert ran == []


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (run("no such table", "refused", table=4), ("no such table", "refused")),
        (run("The tool failed.", "failed", table=4), ("The tool failed.", "failed")),
        (run("It took too long.", "timeout", table=4), ("It took too long.", "timeout")),
    ],
)
async def test_it_fails_as_it_did(recorded: RecordedRun, expected: tuple[str, str]) -> None:
    stage = Stage(booking(calls("book", table=4)), [recorded])

    assert await finished(stage) == [expected]


@pytest.mark.parametrize("outcome", ["cancelled", None])
async def test_one_that_did_not_end_takes_all_its_time(outcome: str | None) -> None:
    stage = Stage(booking(calls("book", table=4)), [run("", outcome, table=4)])

    assert [outcome for _, outcome in await finished(stage)] == ["timeout"]


async def test_a_question_to_the_caller_is_no_result() -> None:
    asked = run(ASKED.format(question="Shall I?"), "refused", table=4)
    never = run(NOT_ASKED, "refused", table=4)
    stage = Stage(booking(calls("book", table=4)), [asked, never, run("booked then", table=4)])

    assert await finished(stage) == [("booked then", "ok")]


async def test_it_takes_as_long_as_then() -> None:
    stage = Stage(booking(calls("book", table=4)), [run("ok", "ok", 0.1, table=4)], fast=False)
    await finished(stage)

    assert stage.of(ToolFinished)[0].seconds >= 0.1


async def test_a_tool_that_only_reads_is_run() -> None:
    stage = Stage(booking(calls("look", day="Friday")))

    assert await finished(stage) == [("table 4", "ok")]
    assert ran == ["look Friday"]


async def test_the_bridges_own_tools_are_run() -> None:
    stage = Stage(booking(calls("end_call")))

    [(result, outcome)] = await finished(stage)
    assert outcome == "ok"
    assert "The call ends" in result
