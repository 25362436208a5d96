"""No dead air: fillers, and the flush of what the model leaves unfinished."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from bridge.call.deadair import Fillers, Patience
from bridge.call.delivery import Delivery, Manner, now
from bridge.call.ledger import ToolUse
from bridge.call.ports import Voice
from bridge.errors import AgentError
from bridge.protocol import Outbound
from bridge.speech import Lexicon
from tests.call.test_call import interrupt, request, settle
from tests.doubles import APOLOGY, LINES, REPROMPT, Line, Room, ScriptedAgent, until

pytestmark = pytest.mark.virtual_time  # waiting is exact, and takes no time

SHORT = Patience(filler_after=0.01, filler_growth=1.5, most_fillers=3, flush_after=0.005)
FILLERS = LINES["fillers"]


class TimedLine(Line):
    """A line that knows when each message came."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def put(self, message: Outbound) -> None:
        self.at.append(now())
        super().put(message)


def waiting_room(*script: Any, patience: Patience = SHORT, **settings: Any) -> Room:
    return Room(
        ScriptedAgent(*script), line=TimedLine(), settings={"patience": patience, **settings}
    )


def heard(room: Room, stream_id: int = 2) -> list[str]:
    return [frame.data.content.strip() for frame in room.line.frames(stream_id)]


async def test_a_caller_who_waits_hears_fillers_at_growing_intervals_three_at_most() -> None:
    go = asyncio.Event()
    room = waiting_room(go, "Five.")
    call = room.call()
    began = now()
    call.hear(request(2, "one"))
    await until(lambda: len(room.line.sent) == 3)
    await asyncio.sleep(0.06)  # the next would be due after 0.034 s
    go.set()
    await settle(room, 1)
    await call.close()

    first, second, third, answer, _ = heard(room)
    assert {first, second, third} <= set(FILLERS)
    assert first != second != third
    assert answer == "Five."
    assert all(frame.data.flush for frame in room.line.frames(2)[:3])
    assert isinstance(room.line, TimedLine)
    at = [began, *room.line.at]
    gaps = [after - before for before, after in pairwise(at[:4])]
    assert gaps == pytest.approx([0.01, 0.015, 0.0225])


async def test_zero_seconds_mean_no_fillers() -> None:
    go = asyncio.Event()
    room = waiting_room(go, patience=Patience(filler_after=0, flush_after=0.005))
    call = room.call()
    call.hear(request(2, "one"))
    await asyncio.sleep(0.03)
    assert room.line.sent == []
    await call.close()


def test_no_filler_is_said_twice_running_not_even_across_turns() -> None:
    fillers = Fillers(lambda: ("a", "b", "c"))
    said = [fillers.pick() for _ in range(50)]
    assert all(one != next_ for one, next_ in pairwise(said))
    assert set(said) == {"a", "b", "c"}


def test_a_tools_own_filler_comes_first_and_a_general_one_where_it_would_repeat() -> None:
    fillers = Fillers(lambda: ("general",))
    assert [fillers.pick(["own"]) for _ in range(3)] == ["own", "general", "own"]
    assert Fillers(lambda: ("only",)).pick() == "only"
    only = Fillers(lambda: ("only",))
    assert [only.pick(), only.pick()] == ["only", ""]
    assert Fillers(tuple).pick() == ""


async def test_there_are_no_fillers_once_the_model_has_said_something() -> None:
    tool = asyncio.Event()

    async def call_tool(voice: Voice) -> None:
        await voice.finish_message(wait_follows=True)
        await tool.wait()

    room = waiting_room("Let me see", call_tool, "Five.")
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: bool(room.line.sent))
    await asyncio.sleep(0.05)
    tool.set()
    await settle(room, 1)
    await call.close()

    assert heard(room) == ["Let me see", "", "Five.", ""]
    assert room.line.frames(2)[1].data.flush, "the last words before a wait are spoken now"


def tool_agent(gate: asyncio.Event, *, filler: str = "", say: str = "") -> ScriptedAgent:
    async def run(voice: Voice) -> None:
        async def tool(use: ToolUse) -> None:
            if say:
                await voice.announce(say)
            await gate.wait()
            voice.finish_tool(use, "found", "ok", 0.0)

        task = voice.start_tool(tool, name="look", arguments={}, identity=None, filler=filler)
        await asyncio.wait({task})

    return ScriptedAgent(run, "Found it.")


async def test_the_filler_of_a_running_tool_is_said() -> None:
    gate = asyncio.Event()
    room = waiting_room()
    room.agent = tool_agent(gate, filler="I'm looking it up.")
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: len(room.line.sent) == 2)
    gate.set()
    await settle(room, 1)
    await call.close()

    assert heard(room)[0] == "I'm looking it up."
    assert heard(room)[1] in FILLERS


async def test_the_filler_of_a_tool_that_is_over_is_not_said() -> None:
    go = asyncio.Event()
    gate = asyncio.Event()
    gate.set()
    room = waiting_room()
    room.agent = tool_agent(gate, filler="I'm looking it up.")
    room.agent.script = (room.agent.script[0], go, "Found it.")
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: len(room.line.sent) == 1)
    go.set()
    await settle(room, 1)
    await call.close()

    assert heard(room)[0] in FILLERS


async def test_what_a_tool_says_itself_is_heard_at_once_and_puts_the_filler_off() -> None:
    gate = asyncio.Event()
    room = waiting_room(patience=Patience(filler_after=5))
    room.agent = tool_agent(gate, say="Looking.")
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: len(room.line.sent) == 1)
    gate.set()
    await settle(room, 1)
    await call.close()

    assert room.line.said(2) == "Looking. Found it."
    assert room.line.frames(2)[0].data.flush


async def test_a_tool_that_outlives_its_turn_speaks_to_nobody() -> None:
    gate = asyncio.Event()

    async def run(voice: Voice) -> None:
        async def tool(use: ToolUse) -> None:
            await gate.wait()
            await voice.announce("Too late.")
            voice.finish_tool(use, "found", "ok", 0.0)

        await asyncio.wait(
            {voice.start_tool(tool, name="look", arguments={}, identity=None, filler="")}
        )

    room = waiting_room(run, turn_timeout=0.01, patience=Patience())
    call = room.call()
    call.hear(request(2, "one"))
    await settle(room, 1)
    gate.set()
    await call.close()

    assert room.line.said(2) == APOLOGY
    assert room.line.frames(2)[-1].data.end_of_stream


async def test_an_empty_answer_after_a_filler_is_still_asked_again() -> None:
    go = asyncio.Event()
    room = waiting_room(go)
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: bool(room.line.sent))
    go.set()
    await settle(room, 1)
    await call.close()

    assert heard(room)[-2:] == [REPROMPT, ""]


async def test_a_filler_does_not_count_as_the_models_word() -> None:
    sent: list[int] = []
    room = waiting_room(lambda voice: sent.append(voice.sent))
    go = asyncio.Event()
    room.agent.script = (go, *room.agent.script, AgentError("server"))
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: bool(room.line.sent))
    go.set()
    await settle(room, 1)
    await call.close()

    assert sent == [0]
    assert heard(room)[-2:] == [APOLOGY, ""]
    assert room.ended()[0].first_word is None


async def test_an_unfinished_clause_is_flushed_once_when_the_model_stops() -> None:
    go = asyncio.Event()
    room = waiting_room("The price", go, " is five.", flush_first_clause=False)
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: len(room.line.sent) == 2)
    await asyncio.sleep(0.02)
    go.set()
    await settle(room, 1)
    await call.close()

    frames = [(frame.data.content, bool(frame.data.flush)) for frame in room.line.frames(2)]
    assert frames == [("The price", False), ("", True), (" is five.", False), ("", False)]


async def test_the_flush_is_not_late_although_the_next_filler_was_far_off() -> None:
    tool = asyncio.Event()
    patience = Patience(filler_after=0.01, filler_growth=1000, flush_after=0.005)
    room = waiting_room(tool, "The price", asyncio.Event(), patience=patience)
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: len(room.line.sent) == 1)  # the first filler
    tool.set()
    await until(lambda: len(room.line.sent) == 3, seconds=1)
    await call.close()

    assert room.line.frames(2)[-1].data.flush
    assert not room.line.frames(2)[-1].data.content


async def test_after_an_interrupt_no_filler_leaves() -> None:
    room = waiting_room(asyncio.Event())
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: bool(room.line.sent))
    call.hear(interrupt(2))
    sent = len(room.line.sent)
    await asyncio.sleep(0.03)
    await call.close()

    assert len(room.line.sent) == sent


@pytest.mark.parametrize("ticks", [0, 1, 3])
@pytest.mark.parametrize("offset", range(8))
async def test_a_filler_and_the_first_words_never_mix(ticks: int, offset: int) -> None:
    line = Line(ticks)
    manner = Manner(Lexicon(), flush_first_clause=False, max_chars=100)
    delivery = Delivery(line, manner, 1)

    async def answer() -> None:
        for _ in range(offset):
            await asyncio.sleep(0)
        for token in ("It", " is", " to", "day", "."):
            await delivery.say(token)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(answer())
        tasks.create_task(delivery.announce("One. [pause 100ms] Two."))

    contents = [frame.data.content for frame in line.frames(1)]
    at = next(i for i, content in enumerate(contents) if content.strip() == "One.")
    said = contents.pop(at) + contents.pop(at)
    assert said.split() == ["One.", "Two."], "the filler is said in one piece"
    assert said.startswith(" ") == (at > 0)
    if at < len(contents):
        assert contents[at].startswith(" "), "the words after it are apart from it"
        contents[at] = contents[at].strip()
    tokens = ["It", " is", " to", "day", "."]
    assert contents == [t.strip() if i == at else t for i, t in enumerate(tokens)]


async def test_a_reply_that_will_not_stop_keeps_nobody_busy_once_it_is_silenced() -> None:
    async def stubborn(voice: Voice) -> None:
        await voice.say("Once upon a")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.04)
            raise

    room = waiting_room(stubborn)
    call = room.call()
    call.hear(request(2, "one"))
    await until(lambda: bool(room.line.sent))
    call.hear(interrupt(2))
    began = []
    for _ in range(20):
        await asyncio.sleep(0.001)
        began += [task for task in asyncio.all_tasks() if task.get_name() == "company"]
    await call.close()

    assert began == []
    assert len(room.line.sent) == 1
