"""Recorded calls, as the notes that the recorder would make of them."""

from typing import Any

from bridge.store.database.database import Database
from bridge.store.notes.note import Head, Note

BEGAN = 1_790_000_000_000
"""When scenes begin unless they say otherwise, in milliseconds since 1970."""


def a_head(call_id: str = "c1", **other: Any) -> Head:
    """How a call begins."""
    columns: dict[str, Any] = {
        "session_id": f"s-{call_id}",
        "agent_id": "agent",
        "started_at": BEGAN,
        "replica": "here",
        "level": "full",
    }
    return Head(id=call_id, **(columns | other))


def a_beginning(head: Head, seq: int = 1, **row: Any) -> Note:
    """What `start_call` said."""
    columns: dict[str, Any] = {
        "session_id": head.session_id,
        "agent_id": head.agent_id,
        "persona": None,
        "caller": "+15550001",
        "called": "+15550002",
        "user_id": None,
        "call_sid": None,
        "metadata": {"city": "Zürich"},
        "continues": None,
    }
    return Note("call", head, seq, columns | row)


def a_tally(head: Head, seq: int = 2, **row: Any) -> Note:
    """How the call goes; it is live unless `ended_at` is given."""
    columns: dict[str, Any] = {
        "ended_at": None,
        "ending": None,
        "turns": 0,
        "interrupted": 0,
        "failed": 0,
        "tools": 0,
        "slowest_ms": 0,
        "tokens_in": 0,
        "tokens_out": 0,
    }
    return Note("tally", head, seq, columns | row)


def a_turn(head: Head, number: int = 0, seq: int = 3, **row: Any) -> Note:
    """One reply."""
    columns: dict[str, Any] = {
        "number": number,
        "stream_id": str(number),
        "at_ms": 4000 * number,
        "place": number - 1,
        "ahead": False,
        "asked": f"Question {number}?",
        "said": f"Answer {number}.",
        "said_chars": 9,
        "heard": f"Answer {number}.",
        "heard_chars": None,
        "outcome": "complete",
        "failure": None,
        "model": "demo",
        "tokens_in": 100,
        "tokens_out": 10,
        "messages": None,
        "first_token_ms": 300,
        "first_frame_ms": 310,
        "last_frame_ms": 900,
        "tools_ms": 0,
    }
    return Note("turn", head, seq, columns | row)


def a_tool(head: Head, run: str = "t1", seq: int = 4, **row: Any) -> Note:
    """One use of a tool."""
    columns: dict[str, Any] = {
        "id": run,
        "turn": 0,
        "at_ms": 350,
        "name": "look_up",
        "arguments": {"order": 17},
        "policy": "read-only",
        "outcome": "ok",
        "result": "It is on its way.",
        "duration_ms": 120,
    }
    return Note("tool", head, seq, columns | row)


def some_frames(head: Head, data: bytes, seq: int = 5) -> Note:
    """Some of the wire, packed."""
    return Note("frames", head, seq, {"data": data})


def a_call(
    call_id: str = "c1",
    *,
    turns: int = 2,
    tools: int = 0,
    ended: bool = True,
    said: dict[str, Any] | None = None,
    goes: dict[str, Any] | None = None,
    **head: Any,
) -> list[Note]:
    """A whole call. `said` and `goes` are columns of `call` and `tally`, the rest is its head's."""
    first = a_head(call_id, **head)
    end = {"ended_at": first.started_at + 60_000, "ending": "hung_up"} if ended else {}
    seqs = iter(range(1, 10_000))
    notes = [a_beginning(first, next(seqs), **(said or {}))]
    notes += [a_turn(first, number, next(seqs)) for number in range(turns)]
    notes += [a_tool(first, f"{call_id}-{n}", next(seqs)) for n in range(tools)]
    row = {"turns": turns, "tools": tools, **end, **(goes or {})}
    return [*notes, a_tally(first, next(seqs), **row)]


async def seed(database: Database, *calls: list[Note]) -> None:
    """Put calls on record."""
    await database.save([note for call in calls for note in call])
