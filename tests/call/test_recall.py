"""How a call looks up the calls before it, and how long a reply waits for that."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from bridge.call.earlier import Miss
from bridge.call.events import CallData, Remembered
from bridge.call.ledger import Entry, Ledger, ToolUse
from bridge.call.memory import Exchange, Past
from bridge.protocol import decode
from tests.doubles import GREETING, Room, ScriptedAgent, until

pytestmark = pytest.mark.virtual_time  # how long a reply waits is exact

FOUND = Past("first", datetime.now(UTC), (Exchange("hi", (), "answer 1"),))


class Record:
    """A record of calls that answers when it is told to."""

    kept = True

    def __init__(
        self, past: Past | Miss = "unknown", deeds: Sequence[Entry] = (), *, prompt: bool = True
    ) -> None:
        self.healthy = True
        self.answers = asyncio.Event()
        self.asked: list[str] = []
        self._past, self._deeds = past, deeds
        if prompt:
            self.answers.set()

    async def warm(self) -> None:
        pass

    def asks(self, call: CallData) -> bool:
        return bool(call.continues)

    async def past(self, call: CallData) -> Past | Miss:
        self.asked.append(f"past of {call.session_id}")
        await self._answered()
        return self._past

    async def deeds(self, call: CallData) -> Sequence[Entry]:
        self.asked.append(f"deeds of {call.session_id}")
        await self._answered()
        return self._deeds

    async def _answered(self) -> None:
        try:
            await self.answers.wait()
        except asyncio.CancelledError:
            for _ in range(50):  # giving the connection back takes a moment
                await asyncio.sleep(0)
            raise


def room(record: Record, **settings: Any) -> Room:
    counts: Counter[str] = Counter()
    return Room(
        ScriptedAgent("Yes."),
        settings={"earlier": record, "continuation": counts, **settings},
    )


def start(session: str = "second", stream_id: str = "0") -> str:
    return (
        f'{{"type": "start_call", "data": {{"session_id": "{session}", "stream_id": {stream_id}, '
        '"session_continuation": {"session_id": "first"}}}'
    )


ASK = (
    '{"type": "stream_request", "data": {"stream_id": %d, '
    '"transcript": [{"role": "user", "content": "%s"}]}}'
)


def answered(here: Room, stream_id: int) -> bool:
    return here.line.endings(stream_id) == 1


async def asked(here: Room, *frames: str, stream_id: int = 1) -> list[str]:
    """Hold a call until the agent has answered; the memories that it was given."""
    call = here.call()
    for frame in frames:
        call.hear(decode(frame))
    await until(lambda: here.line.endings(stream_id) == 1)
    await call.close()
    return [brief.memory for brief in here.agent.briefs]


def used(name: str = "book") -> Entry:
    """A turn of a call that was lost."""
    entry = Entry(3, 4, (), over=True, whole=True, place=0, digest=1 << 64, asked="book")
    entry.uses = [ToolUse("t1", name, {}, result="booked", outcome="ok", recorded=True)]
    return entry


async def test_a_reply_reads_the_memory_and_the_record_is_told() -> None:
    here = room(Record(FOUND))
    (memory,) = await asked(here, start(), ASK % (1, "so?"))
    assert '"answer 1"' in memory
    assert [e.session_id for e in here.events if isinstance(e, Remembered)] == ["first"]
    assert here.setup.continuation == {"found": 1}


@pytest.mark.parametrize("miss", ["unknown", "refused", "away"])
async def test_what_is_not_found_is_counted_and_not_heard_of(miss: Miss) -> None:
    here = room(Record(miss))
    assert await asked(here, start(), ASK % (1, "so?")) == [""]
    assert here.line.said(1) == "Yes."
    assert here.setup.continuation == {miss: 1}


async def test_a_call_without_words_on_record_counts_as_unknown() -> None:
    here = room(Record(Past("first", datetime.now(UTC), ())))
    assert await asked(here, start(), ASK % (1, "so?")) == [""]
    assert here.setup.continuation == {"unknown": 1}


async def test_a_reply_waits_a_moment_and_then_goes_without() -> None:
    record = Record(FOUND, prompt=False)
    here = room(record)
    loop = asyncio.get_running_loop()
    call, began = here.call(), loop.time()
    call.hear(decode(start(stream_id="null")))
    for number in (1, 2):
        call.hear(decode(ASK % (number, f"so {number}?")))
        await until(partial(answered, here, number))
        assert 0.29 < loop.time() - began < 0.5, "it waits only once"
    record.answers.set()
    await until(lambda: here.setup.continuation["found"] == 1)
    call.hear(decode(ASK % (3, "so 3?")))
    await until(lambda: here.line.endings(3) == 1)
    await call.close()
    assert [bool(brief.memory) for brief in here.agent.briefs] == [False, False, True]
    assert here.setup.continuation == {"late": 1, "found": 1}


async def test_nobody_waits_for_a_record_that_is_not_well() -> None:
    record = Record(FOUND, prompt=False)
    record.healthy = False
    here = room(record, greeting="model")
    call, began = here.call(), asyncio.get_running_loop().time()
    call.hear(decode(start()))
    await until(lambda: here.line.endings(0) == 1)
    call.hear(decode(ASK % (1, "so?")))
    await until(lambda: here.line.endings(1) == 1)
    assert asyncio.get_running_loop().time() - began < 0.05
    await call.close()
    assert [brief.memory for brief in here.agent.briefs] == ["", ""]


async def test_waiting_ends_when_the_record_falls_ill() -> None:
    record = Record(FOUND, prompt=False)
    here = room(record)
    loop = asyncio.get_running_loop()
    began = loop.time()
    loop.call_later(0.02, setattr, record, "healthy", False)
    await asked(here, start(), ASK % (1, "so?"))
    assert loop.time() - began < 0.1


async def test_a_greeting_from_a_template_waits_for_no_memory() -> None:
    record = Record(FOUND, prompt=False)
    here = room(record)
    call, began = here.call(), asyncio.get_running_loop().time()
    call.hear(decode(start()))
    await until(lambda: here.line.endings(0) == 1)
    assert here.line.said(0) == GREETING
    assert 0.09 < asyncio.get_running_loop().time() - began < 0.25, "but whether to greet at all"
    await call.close()


async def test_a_look_up_ends_with_its_call() -> None:
    record = Record(FOUND, prompt=False)
    here = room(record)
    call = here.call()
    call.hear(decode(start()))
    await until(lambda: len(record.asked) == 2)
    await call.close()
    assert {task.get_name() for task in asyncio.all_tasks()} & {"recall", "resume"} == set()
    assert here.setup.continuation == {}


async def test_another_session_on_the_socket_has_a_memory_of_its_own() -> None:
    record = Record(FOUND)
    here = room(record)
    call = here.call()
    call.hear(decode(start("one", "null")))
    call.hear(decode(ASK % (1, "so?")))
    await until(partial(answered, here, 1))
    call.hear(decode('{"type": "start_call", "data": {"session_id": "two"}}'))
    call.hear(decode(ASK % (2, "and now?")))
    await until(partial(answered, here, 2))
    await call.close()
    assert [bool(brief.memory) for brief in here.agent.briefs] == [True, False]
    assert "past of two" not in record.asked


async def test_a_memory_that_comes_after_its_session_is_not_the_next_ones() -> None:
    record = Record(FOUND, prompt=False)
    here = room(record)
    call = here.call()
    call.hear(decode(start("one", "null")))
    await until(lambda: "past of one" in record.asked)
    call.hear(decode('{"type": "start_call", "data": {"session_id": "two"}}'))
    record.answers.set()
    call.hear(decode(ASK % (2, "and now?")))
    await until(partial(answered, here, 2))
    await call.close()
    assert [brief.memory for brief in here.agent.briefs] == [""]
    assert not [event for event in here.events if isinstance(event, Remembered)]


async def test_a_draft_reads_the_memory_too() -> None:
    here = room(Record(FOUND))
    partial = '{"type": "partial_transcript", "data": {"transcript": "so?", "is_final": true}}'
    (memory,) = await asked(here, start(stream_id="null"), partial, ASK % (1, "so?"))
    assert memory
    assert here.setup.ahead["hit"] == 1


# ── a socket that was lost on another process ────────────────────────────────────────────────────


async def test_a_call_that_left_off_elsewhere_is_not_greeted_again_and_has_its_deeds() -> None:
    here = room(Record(deeds=[used()]))
    call = here.call()
    call.hear(decode(start()))
    call.hear(decode(ASK % (5, "book")))
    await until(lambda: here.line.endings(5) == 1)
    call.hear(decode(ASK % (6, "thanks")))
    await until(lambda: here.line.endings(6) == 1)
    await call.close()
    assert here.line.said(0) == ""
    for brief in here.agent.briefs:
        assert [getattr(item, "result", "") for item in brief.history].count("booked") == 1


async def test_what_this_process_knows_is_not_looked_up() -> None:
    record = Record(deeds=[used()])
    here = room(record)
    await asked(here, start("s"), ASK % (1, "book"))
    record.asked.clear()
    await asked(here, start("s"), ASK % (2, "thanks"), stream_id=2)
    assert "deeds of s" not in record.asked


@pytest.mark.parametrize("session", ["", "s"])
async def test_only_a_call_with_a_session_is_looked_up(session: str) -> None:
    record = Record()
    await asked(room(record), start(session, "null"), ASK % (1, "so?"))
    assert (f"deeds of {session}" in record.asked) is bool(session)


async def test_a_number_that_was_used_on_the_lost_socket_is_no_duplicate() -> None:
    here = room(Record(deeds=[used()]))
    await asked(here, start(), ASK % (3, "book"), stream_id=3)
    assert here.line.said(3) == "Yes."
    assert not here.setup.dropped


@pytest.mark.parametrize(
    ("told", "outcome", "arguments", "found"),
    [
        (False, "ok", {"room": 7}, True),
        (False, "timeout", {"room": 7}, True),
        (False, "failed", {"room": 7}, False),
        (True, "ok", {"room": 7}, False),
        (False, "ok", {"room": 8}, False),
    ],
)
def test_a_recorded_use_is_known_again_by_what_its_tool_makes_of_its_arguments(
    told: bool, outcome: Any, arguments: dict[str, object], found: bool
) -> None:
    entry = used()
    entry.uses[0].arguments, entry.uses[0].outcome = arguments, outcome
    entry.uses[0].told = told

    def identify(read: Mapping[str, Any]) -> str:
        return f"{read} with breakfast"

    ledger = Ledger([entry])
    same = ledger.same_use("book", "{'room': 7} with breakfast", identify)
    assert same is (entry.uses[0] if found else None)
    assert ledger.same_use("cancel", "{'room': 7} with breakfast", identify) is None


def test_turns_go_on_counting_from_a_ledger_that_was_read() -> None:
    ledger = Ledger()
    ledger.open(0, ())
    ledger.follow(Ledger([used()]))
    assert ledger.open(1, ()).number > 4
