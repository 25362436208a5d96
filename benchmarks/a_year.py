"""A year of calls, for benchmarks: rows as they stand in the tables."""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from bridge.store.database.tables import calls, turns

TURNS_OF_A_CALL: Final = 8
AGENTS: Final = ("front desk", "orders", "support", "billing", "recall")
WEIGHTS: Final = (600, 250, 100, 48, 2)
CALLERS: Final = 20_000
YEAR: Final = timedelta(days=365)
NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)

CALL: Final = tuple(calls.c.keys())
TURN: Final = tuple(turns.c.keys())

_ASKED: Final = "I would like to know whether my order has left already, it is number {}."
_SAID: Final = (
    "Thank you for waiting. Order {} left our warehouse this morning, and it will be there "
    "tomorrow before noon. Is there anything else that I can do for you today?"
)

Row = tuple[Any, ...]


def a_year(count: int, size: int = 5000) -> Iterator[tuple[list[Row], list[Row]]]:
    """Calls over a year, oldest first, and their turns; so many calls at a time."""
    chance = random.Random(4)  # noqa: S311 - the same calls each time
    began = int((NOW - YEAR).timestamp() * 1000)
    step = int(YEAR.total_seconds() * 1000) // count
    numbers = iter(range(count))
    while some := list(islice(numbers, size)):
        found = [_a_call(chance, number, began + number * step) for number in some]
        yield [call for call, _ in found], [turn for _, spoken in found for turn in spoken]


def _a_call(chance: random.Random, number: int, at: int) -> tuple[Row, list[Row]]:
    call_id = uuid.UUID(int=chance.getrandbits(128)).hex
    length = TURNS_OF_A_CALL - 4 + chance.randrange(9)
    slowest = 2000 + int(chance.expovariate(0.001)) if chance.random() < 0.03 else 900
    row = {
        "id": call_id,
        "session_id": f"session-{number}",
        "agent_id": chance.choices(AGENTS, WEIGHTS)[0],
        "started_at": at + chance.randrange(1000),
        "replica": "bridge-1",
        "level": "text",
        "seq": 1,
        "caller": f"+1555{chance.randrange(CALLERS):07}",
        "called": "+15550100",
        "metadata": '{"city": "Zürich", "plan": "gold"}',
        "tally_seq": 2,
        "ended_at": at + length * 9000,
        "ending": "hung_up",
        "turns": length,
        "interrupted": int(chance.random() < 0.2),
        "failed": int(chance.random() < 0.02),
        "tools": length // 3,
        "slowest_ms": slowest,
        "tokens_in": 600 * length,
        "tokens_out": 40 * length,
    }
    spoken = [_a_turn(call_id, place, number) for place in range(length)]
    return tuple([row.get(name) for name in CALL]), spoken


def _a_turn(call_id: str, number: int, order: int) -> Row:
    said = _SAID.format(order)
    row = {
        "call_id": call_id,
        "number": number,
        "seq": number + 3,
        "stream_id": str(number),
        "at_ms": number * 9000,
        "place": number,
        "ahead": False,
        "asked": _ASKED.format(order),
        "said": said,
        "said_chars": len(said),
        "heard": said,
        "outcome": "complete",
        "model": "gpt-4.1-mini",
        "tokens_in": 600,
        "tokens_out": 40,
        "first_token_ms": 400,
        "first_frame_ms": 410,
        "last_frame_ms": 2200,
        "tools_ms": 0,
    }
    return tuple([row.get(name) for name in TURN])
