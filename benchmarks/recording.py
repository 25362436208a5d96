"""What recording a turn costs the event loop that all calls share.

The same turns are told to no record, to the spool alone, and to a recorder that writes them into
SQLite and into PostgreSQL; the kinds take turns, and each figure is the CPU time of the loop's
thread beyond that of no record, in the quietest round: neighbours on the machine only add to it.
A turn is a request in the middle of a conversation, an answer of 100 tokens, and the end of its
playback.

While calls speak the loop is never idle for long, so the turns that the writer would gather at a
rate are told one after the other, and then it writes them. For comparison the same turns are told
at that rate to a loop that sleeps between them: a processor that has just been woken takes two or
three times as long for everything, as the cost of no record shows.
"""

import asyncio
import gc
import os
import sys
import tempfile
import time
import timeit
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import cycle, product
from pathlib import Path
from typing import Literal

import asyncpg
from sqlalchemy.engine import make_url

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bridge.call.events import (  # noqa: E402 - needs the path above
    CallBegan,
    CallData,
    CallEnded,
    ModelAnswered,
    NoRecord,
    Record,
    TurnBegan,
    TurnEnded,
    TurnHeard,
)
from bridge.logs import configure_logs  # noqa: E402
from bridge.protocol import (  # noqa: E402
    PlaybackFinished,
    PlaybackFinishedData,
    StreamRequest,
    StreamRequestData,
    Utterance,
    end_of_stream,
    words,
)
from bridge.store import Recorder, RecordSetup  # noqa: E402
from bridge.store.losses import Losses  # noqa: E402
from bridge.store.notes.callrecord import CallRecord  # noqa: E402
from bridge.store.spool.folders import Folder  # noqa: E402
from bridge.store.spool.spool import Spool  # noqa: E402

TOKENS = 100
LINES = 20
"""Lines of the conversation before each request: ten turns."""
CALLS = 20
"""Calls that go on at once."""
TURNS_PER_CALL = 10
BUSY = 200
"""Turns of a round, to a loop that is busy."""
IDLE = 40
"""Turns of a round, to a loop that sleeps in between."""
ROUNDS = 5
RATES = (20, 100)
"""Turns a second: of 100 calls that all speak, and of 500."""
GATHERED = 1.0
"""Seconds for which the writer gathers notes, unless a call ends."""
TARGET = 200.0
"""Microseconds a turn, in all."""
POSTGRES = "postgresql+asyncpg://postgres@127.0.0.1:5432/test"

WORDS = tuple(f"word{n} " for n in range(TOKENS))
SAID = "".join(WORDS)
ASKED = "And could you book us a table for four, on Tuesday at half past seven?"
CALL = CallData("session", "agent", "CA1", "+15550001", "+15550002", {"user_id": "u1", "plan": "x"})
WHO = tuple(
    Utterance("user" if n % 2 == 0 else "assistant", ASKED if n % 2 == 0 else SAID)
    for n in range(LINES)
)


class Caller:
    """One call after the other, on one line."""

    def __init__(self, record: Callable[[], Record]) -> None:
        self._open = record
        self._turn = 0
        self._begin()

    def _begin(self) -> None:
        self._call = replace(CALL, session_id=uuid.uuid4().hex)
        self._record = self._open()
        self._record.note(self._call, CallBegan())
        self._lines = WHO

    def turn(self) -> None:
        """All that is told of a turn."""
        record, call = self._record, self._call
        if self._turn % TURNS_PER_CALL:
            self._played()
        self._turn = number = self._turn + 1
        self._lines = (*self._lines, Utterance("user", ASKED))
        data = StreamRequestData.model_construct(stream_id=number, transcript=self._lines)
        record.heard(call, StreamRequest.model_construct(type="stream_request", data=data))
        record.note(call, TurnBegan(number, number, ASKED, number))
        for place, word in enumerate(WORDS):
            record.sent(call, words(number, word, flush=place == 5))
        record.note(call, ModelAnswered(number, "openai:x", SAID, (), 0.3, 1.5, 900, TOKENS))
        ended = TurnEnded(number, number, "complete", SAID, 0.31, 0.3, 1.5)
        record.secure(call, ended)
        record.sent(call, end_of_stream(number))
        record.note(call, ended)
        self._lines = (*self._lines, Utterance("assistant", SAID))
        if number % TURNS_PER_CALL == 0:
            self._played()
            record.note(call, CallEnded("hung_up"))
            self._begin()

    def _played(self) -> None:
        """The caller has heard the last answer: that is long after it was sent."""
        record, call, number = self._record, self._call, self._turn
        played = PlaybackFinishedData.model_construct(session_id="s", stream_id=number)
        record.heard(call, PlaybackFinished.model_construct(type="playback_finished", data=played))
        record.note(call, TurnHeard(number, SAID))


@dataclass(frozen=True)
class Desk:
    """Where turns are told, and how to wait until they are written."""

    open: Callable[[], Record]
    written: Callable[[], Awaitable[object]]


async def busy(desk: Desk, rate: int) -> float:
    """CPU time of this thread for each turn, to a loop that is busy; in µs."""
    callers = cycle([Caller(desk.open) for _ in range(CALLS)])
    together = int(rate * GATHERED)
    gc.collect()
    used = time.thread_time()
    for _ in range(BUSY // together):
        for _ in range(together):
            next(callers).turn()
        await desk.written()
    return (time.thread_time() - used) / BUSY * 1e6


async def idle(desk: Desk, rate: int) -> float:
    """The same, at so many turns a second, to a loop that sleeps in between."""
    callers = cycle([Caller(desk.open) for _ in range(CALLS)])
    loop = asyncio.get_running_loop()
    gc.collect()
    began, used = loop.time(), time.thread_time()
    for n in range(IDLE):
        await asyncio.sleep(max(0.0, began + n / rate - loop.time()))
        next(callers).turn()
    await desk.written()
    return (time.thread_time() - used) / IDLE * 1e6


# ── what the turns are told to ───────────────────────────────────────────────────────────────────

Level = Literal["full", "text", "metadata"]
Opened = AsyncIterator[Desk]


async def _at_once() -> None:
    """Nobody writes."""


@asynccontextmanager
async def nothing(_level: Level, _folder: Path) -> Opened:
    """No record."""
    yield Desk(NoRecord, _at_once)


@asynccontextmanager
async def spool(level: Level, folder: Path) -> Opened:
    """The part that calls wait for: notes are made and written to the spool. Nobody reads it."""
    own = Folder.claim(folder)
    spool = Spool(own, 1 << 30, Losses())
    yield Desk(
        lambda: CallRecord(spool.append, spool.flush, replica=own.replica, level=level), _at_once
    )
    spool.close()
    own.release()


@asynccontextmanager
async def sqlite(level: Level, folder: Path) -> Opened:
    """All of it, into a file."""
    async with _recorder(f"sqlite+aiosqlite:///{folder}/calls.db", level, folder) as opened:
        yield opened


@asynccontextmanager
async def postgresql(level: Level, folder: Path) -> Opened:
    """All of it, into a server."""
    server = make_url(os.environ.get("BRIDGE_TEST_POSTGRES_URL", POSTGRES))
    name = f"bridge_bench_{uuid.uuid4().hex}"
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        url = server.set(database=name).render_as_string(hide_password=False)
        async with _recorder(url, level, folder) as opened:
            yield opened
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def _recorder(url: str, level: Level, folder: Path) -> Opened:
    async with Recorder(RecordSetup(url, level, folder / "spool", 1 << 30, 0)) as recorder:
        yield Desk(recorder.open, recorder.written)
        assert not recorder.status()["lost"], "notes were lost"


# ── the figures ──────────────────────────────────────────────────────────────────────────────────

LEVELS: tuple[Level, ...] = ("full", "text")
KINDS = (nothing, spool, sqlite, postgresql)


Way = Callable[[Desk, int], Awaitable[float]]


async def measure(way: Way, level: Level, rate: int) -> dict[str, float]:
    """Microseconds a turn for each kind, in the quietest round; beyond those of no record."""
    costs: dict[str, list[float]] = {kind.__name__: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                async with kind(level, Path(folder)) as desk:
                    costs[kind.__name__].append(await way(desk, rate))
    least = min(costs["nothing"])
    beyond = {name: min(found) - least for name, found in costs.items()}
    return {**beyond, "nothing": least}


async def main() -> None:
    """Print the table."""
    configure_logs("warning", "pretty")
    adding = min(timeit.repeat("sum(range(1000))", number=1000)) * 1000
    print(f"To compare machines: adding a thousand numbers takes {adding:.0f} µs here.\n")
    print(f"µs of the event loop for each turn of {TOKENS} tokens; at most {TARGET:.0f}\n")
    print(f"{'loop':6}{'level':6}{'turns/s':>8}{'no record':>11}", end="")
    print(f"{'spool':>9}{'+ SQLite':>10}{'+ PostgreSQL':>14}")
    for way, level, rate in product((busy, idle), LEVELS, RATES):
        found = await measure(way, level, rate)
        none, spooled, file, server = (found[kind.__name__] for kind in KINDS)
        print(f"{way.__name__:6}{level:6}{rate:8}{none:11.0f}", end="")
        print(f"{spooled:9.0f}{file:10.0f}{server:14.0f}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
