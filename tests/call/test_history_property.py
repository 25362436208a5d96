"""Whatever happens in a call, the model gets a history that a strict provider accepts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from bridge.agent.conversation import messages_of
from bridge.call.call import Call
from bridge.call.history import STILL_RUNNING
from bridge.call.ledger import ToolUse
from bridge.call.ports import Brief, Voice
from bridge.protocol import (
    Interrupt,
    PlaybackFinished,
    PlaybackFinishedData,
    StartCall,
    StreamRequest,
    StreamRequestData,
    Utterance,
)
from tests.doubles import Line, Room, until

LINES = ("yes", "no", "book it", "book it please", "and a taxi", "はい")


def check(messages: Sequence[AnyMessage]) -> list[str]:
    """Refuse what the strictest provider refuses; the results of tools, in order."""
    assert isinstance(messages[0], SystemMessage)
    results: list[str] = []
    seen: set[str] = set()
    waiting: list[str] = []
    for message in messages[1:]:
        assert not isinstance(message, SystemMessage)
        if isinstance(message, ToolMessage):
            assert waiting, "a result without its call"
            assert message.tool_call_id == waiting.pop(0)
            results.append(str(message.content))
            continue
        assert not waiting, "a call without its result"
        if isinstance(message, AIMessage):
            waiting = [str(call["id"]) for call in message.tool_calls]
            assert not seen & set(waiting), "a call told twice"
            assert len(set(waiting)) == len(waiting)
            seen.update(waiting)
            assert message.content or waiting
        else:
            assert isinstance(message, HumanMessage)
            assert str(message.content).strip()
    assert not waiting
    return results


@dataclass
class Puppet:
    """An agent that does what the test says, and checks what it is given."""

    voice: Voice | None = None
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    deeds: list[ToolUse] = field(default_factory=list)
    running: dict[str, asyncio.Event] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    """What had been done when Millis asked."""
    briefs: int = 0
    problems: list[AssertionError] = field(default_factory=list)

    async def warm(self, brief: Brief) -> None:
        pass

    async def reply(self, brief: Brief, voice: Voice) -> None:
        try:
            self.check(brief)
        except AssertionError as problem:
            self.problems.append(problem)
        self.briefs += 1
        self.voice, self.go_on = voice, asyncio.Event()
        await voice.say("Well, let me see what I can do. ")
        await self.go_on.wait()
        await voice.say("That is it.")

    def check(self, brief: Brief) -> None:
        told = check([SystemMessage("s"), *messages_of(brief.history)])
        assert told == self.done, "each deed stands there exactly once, in order"

    def start_tool(self) -> None:
        if self.voice is None or self.go_on.is_set():
            return
        voice, done = self.voice, asyncio.Event()

        async def run(use: ToolUse) -> None:
            await done.wait()
            number = self.deeds.index(use)
            voice.finish_tool(use, f"result {number}", "ok", 0.0)

        def begin(use: ToolUse) -> Any:
            self.deeds.append(use)
            self.running[use.id] = done
            return run(use)

        task = voice.start_tool(begin, name="do", arguments={}, identity="{}", filler="")
        assert not task.done()

    def finish_tools(self, count: int) -> None:
        for _ in range(min(count, len(self.running))):
            self.running.pop(next(iter(self.running))).set()


@dataclass
class Millis:
    """The other end: what was said, and the ways to tell it."""

    room: Room
    puppet: Puppet
    call: Call
    lines: list[Utterance] = field(default_factory=list)
    stream: int = 0
    begun: int = 0

    def hear_us(self) -> None:
        said = "".join(self.room.line.said(n) for n in range(self.begun, self.stream + 1)).strip()
        self.begun = self.stream + 1
        if said:
            self.lines.append(Utterance("assistant", said))

    def ask(self, text: str, drop: int, keep: int) -> None:
        self.hear_us()
        if keep < 9 and self.lines and self.lines[-1].role == "assistant":
            heard = self.lines.pop().content[: keep * 5].strip()
            if heard:
                self.lines.append(Utterance("assistant", heard))
        self.lines.append(Utterance("user", text))
        if 0 < drop < len(self.lines):
            self.lines.pop(-1 - drop)
        elif drop == 9:
            self.merge()
        self.request()

    def merge(self) -> None:
        """Leave our answer out, and join what the caller said before and after it."""
        if len(self.lines) < 3 or self.lines[-3].role != "user":
            return
        joined = f"{self.lines[-3].content} {self.lines[-1].content}"
        self.lines[-3:] = [Utterance("user", joined)]

    def request(self) -> None:
        self.stream += 1
        self.puppet.done = [use.result or STILL_RUNNING for use in self.puppet.deeds]
        self.call.hear(StreamRequest(StreamRequestData(self.stream, tuple(self.lines))))

    def start(self) -> None:
        self.stream += 1
        data = {"stream_id": self.stream, "session_id": "s"}
        self.call.hear(StartCall.model_validate({"type": "start_call", "data": data}))

    async def reconnect(self, first: int) -> None:
        old, self.room.line = self.call, Line()
        self.begun = self.stream + 1
        self.call = self.room.call()
        if first:
            await old.close()
            self.start()
        else:
            self.start()
            await old.close()
        if self.lines and self.lines[-1].role == "user":
            self.request()

    async def act(self, step: tuple[str, str, int, int]) -> None:
        match step:
            case "ask", text, drop, keep:
                self.ask(text, drop, keep)
            case "again", *_:
                if self.lines and self.lines[-1].role == "user":
                    self.request()
            case "interrupt", *_:
                self.call.hear(Interrupt(type="interrupt", stream_id=self.stream))
            case "played", *_:
                data = PlaybackFinishedData(stream_id=self.stream)
                self.call.hear(PlaybackFinished(type="playback_finished", data=data))
            case "tool", *_:
                self.puppet.start_tool()
            case "finish", _, count, _:
                self.puppet.finish_tools(count)
            case "end", *_:
                self.puppet.go_on.set()
            case "reconnect", _, first, _:
                self.puppet.finish_tools(99)
                await self.reconnect(first)
            case _:
                raise AssertionError(step)


STEPS = st.tuples(
    st.sampled_from(
        ["ask"] * 3 + ["tool", "end"] * 2 + ["again", "interrupt", "played", "finish", "reconnect"]
    ),
    st.sampled_from(LINES),
    st.sampled_from((0, 0, 1, 2, 3, 9)),
    st.sampled_from((0, 1, 4, 9, 9)),
)


async def _play(steps: Sequence[tuple[str, str, int, int]], ticks: int) -> None:
    puppet = Puppet()
    room = Room(puppet, settings={"greeting": "off"})  # type: ignore[arg-type] # an agent of its own
    millis = Millis(room, puppet, room.call())
    millis.start()
    for step in steps:
        await millis.act(step)
        for _ in range(ticks):
            await asyncio.sleep(0)
    millis.ask("and now?", 0, 9)
    await until(lambda: puppet.briefs > 0)
    puppet.finish_tools(99)
    await millis.call.close()
    failures = [event.failure for event in room.ended()]
    assert set(failures) <= {None}, failures
    assert puppet.problems == []
    assert puppet.briefs, "the agent was asked at least once"


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=25), st.sampled_from((0, 1, 6)))
def test_any_call_gives_a_history_that_a_strict_provider_accepts(
    steps: list[tuple[str, str, int, int]], ticks: int
) -> None:
    with asyncio.Runner(debug=False) as runner:
        runner.run(_play(steps, ticks))
