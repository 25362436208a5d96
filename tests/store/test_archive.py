import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.store.database.database import Database
from bridge.store.notes.frames import pack
from bridge.store.reading.archive import Archive
from bridge.store.shapes import CallDetail, CallPage, Filters
from tests.store.scenes import (
    BEGAN,
    a_beginning,
    a_call,
    a_head,
    a_tally,
    a_tool,
    a_turn,
    seed,
    some_frames,
)

MINUTE = 60_000
NOON = datetime.fromtimestamp(BEGAN / 1000, UTC)


@pytest.fixture
def archive(database: Database) -> Archive:
    return Archive(database)


async def listed(archive: Archive, **filters: Any) -> list[str]:
    page = await archive.calls(Filters(**filters))
    return [call.id for call in page.calls]


# ── lists ────────────────────────────────────────────────────────────────────────────────────────


async def test_an_empty_record_has_one_empty_page(archive: Archive) -> None:
    assert await archive.calls(Filters()) == CallPage(calls=(), next=None)


async def test_a_listed_call_tells_what_is_known_of_it(
    archive: Archive, database: Database
) -> None:
    head = a_head("c1", session_id="s1", agent_id="orders", level="text", replica="b-1")
    said: dict[str, Any] = {
        "persona": "sales",
        "user_id": "u1",
        "call_sid": "CA1",
        "continues": "s0",
    }
    goes: dict[str, Any] = {
        "ended_at": BEGAN + MINUTE, "ending": "transferred", "turns": 4, "interrupted": 2,
        "failed": 1, "tools": 3, "slowest_ms": 2500, "tokens_in": 1000, "tokens_out": 50,
        "frames_lost": 7,
    }  # fmt: skip
    await database.save([a_beginning(head, **said), a_tally(head, **goes)])

    [call] = (await archive.calls(Filters())).calls

    assert call.model_dump() == {
        "id": "c1", "session_id": "s1", "agent_id": "orders", "level": "text", "replica": "b-1",
        "caller": "+15550001", "called": "+15550002", "metadata": {"city": "Zürich"},
        "started_at": NOON, "state": "ended", **said, **goes,
        "ended_at": NOON + timedelta(minutes=1),
    }  # fmt: skip


async def test_the_newest_call_comes_first(archive: Archive, database: Database) -> None:
    at = {"c1": 2, "c2": 3, "c3": 1, "c4": 2}
    await seed(database, *[a_call(name, started_at=BEGAN + n) for name, n in at.items()])

    assert await listed(archive) == ["c2", "c4", "c1", "c3"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
async def test_pages_hold_every_call_once(archive: Archive, database: Database, limit: int) -> None:
    await seed(database, *[a_call(f"c{n}", started_at=BEGAN + n // 3) for n in range(7)])
    found: list[str] = []
    after = None
    while True:
        page = await archive.calls(Filters(), limit=limit, after=after)
        found += [call.id for call in page.calls]
        after = page.next
        if after is None:
            break
        await seed(database, a_call(f"new{after}"[:32], started_at=BEGAN + 100))  # goes to page one

    assert found == [f"c{n}" for n in reversed(range(7))]


async def test_a_page_has_1_to_500_calls(archive: Archive, database: Database) -> None:
    await seed(database, *[a_call(f"c{n}", turns=0) for n in range(501)])

    page = await archive.calls(Filters(), limit=500)
    rest = await archive.calls(Filters(), limit=500, after=page.next)

    assert (len(page.calls), len(rest.calls), rest.next) == (500, 1, None)
    for limit in (0, -1, 501):
        with pytest.raises(ValueError, match="1 to 500"):
            await archive.calls(Filters(), limit=limit)


@pytest.mark.parametrize(
    "after",
    ["", "x", "%%%", "bnVsbA", "WzFd", "WzEsMl0", "WyIxIiwiYSJd", "ÿ", "W10=",
     "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5LCJhIl0", "WzEsIlx1MDAwMCJd", "W3RydWUsImEiXQ"],
)  # fmt: skip
async def test_what_is_no_cursor_is_refused(archive: Archive, after: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await archive.calls(Filters(), after=after)


@pytest.fixture
async def variety(database: Database) -> None:
    """Calls that differ; each name tells how."""
    a: dict[str, Any] = {"agent_id": "a"}
    b: dict[str, Any] = {"agent_id": "b"}
    at = iter(range(BEGAN, BEGAN + 100 * MINUTE, MINUTE))
    await seed(
        database,
        a_call("plain", started_at=next(at), **a),
        a_call("cut", started_at=next(at), goes={"interrupted": 1}, **a),
        a_call("failed", started_at=next(at), goes={"failed": 2}, **b),
        a_call("slow", started_at=next(at), goes={"slowest_ms": 2000}, **a),
        a_call("slower", started_at=next(at), goes={"slowest_ms": 9000, "failed": 1}, **b),
        a_call("quick", started_at=next(at), goes={"slowest_ms": 1999}, **b),
        a_call("other", started_at=next(at), said={"caller": "+1999"}, session_id="s", **a),
        a_call("again", started_at=next(at), said={"caller": "+1999"}, session_id="s", **b),
    )


FILTERED: list[tuple[dict[str, Any], str]] = [
    ({"agent": "a"}, "other slow cut plain"),
    ({"agent": "none"}, ""),
    ({"caller": "+1999"}, "again other"),
    ({"session": "s"}, "again other"),
    ({"session": "s", "agent": "a"}, "other"),
    ({"interrupted": True}, "cut"),
    ({"failed": True}, "slower failed"),
    ({"slow_ms": 1}, "quick slower slow"),
    ({"slow_ms": 1999}, "quick slower slow"),
    ({"slow_ms": 2000}, "slower slow"),
    ({"slow_ms": 2001}, "slower"),
    ({"failed": True, "slow_ms": 1000, "agent": "b"}, "slower"),
    ({"failed": True, "interrupted": True}, ""),
    ({"since": NOON + timedelta(minutes=6)}, "again other"),
    ({"until": NOON + timedelta(minutes=2)}, "cut plain"),
    ({"since": NOON + timedelta(minutes=1), "until": NOON + timedelta(minutes=3)}, "failed cut"),
    ({"since": (NOON + timedelta(minutes=7)).replace(tzinfo=None)}, "again"),
    ({"since": datetime(1, 1, 1, tzinfo=UTC), "until": datetime(9999, 12, 31, tzinfo=UTC),
      "agent": "b", "failed": True}, "slower failed"),
    ({"agent": "a\0"}, ""),
    ({"caller": "\ud800"}, ""),
    ({"session": "x" * 100_000}, ""),
]  # fmt: skip


@pytest.mark.usefixtures("variety")
@pytest.mark.parametrize(("filters", "names"), FILTERED, ids=[str(f)[:60] for f, _ in FILTERED])
async def test_a_list_holds_the_calls_that_all_filters_hold_of(
    archive: Archive, filters: dict[str, Any], names: str
) -> None:
    assert await listed(archive, **filters) == names.split()


async def test_a_call_is_live_while_its_process_is_seen(
    archive: Archive, database: Database
) -> None:
    await seed(
        database,
        a_call("live", replica="alive", ended=False, started_at=BEGAN + 3),
        a_call("lost", replica="unheard of", ended=False, started_at=BEGAN + 2),
        a_call("aborted", replica="alive", goes={"ending": "aborted"}, started_at=BEGAN + 1),
        a_call("ended", replica="alive"),
    )
    await database.seen("alive")

    page = await archive.calls(Filters())

    assert [call.state for call in page.calls] == [call.id for call in page.calls]


async def test_a_call_is_lost_when_its_process_was_not_seen_for_two_minutes(
    archive: Archive, database: Database
) -> None:
    await seed(database, a_call("c1", replica="r", ended=False))
    await database.seen("r")
    states = []
    for seconds in (110, 130):
        async with database.writing() as connection:
            past = f"UPDATE replicas SET seen_at = seen_at - {seconds * 1000}"  # noqa: S608
            await connection.exec_driver_sql(past)
        states += [call.state for call in (await archive.calls(Filters())).calls]
        await database.seen("r")

    assert states == ["live", "lost"]


# ── one call ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_is_all_its_connections_oldest_first(
    archive: Archive, database: Database
) -> None:
    await seed(
        database,
        a_call("c2", session_id="s", started_at=BEGAN + MINUTE),
        a_call("c1", session_id="s"),
        a_call("c3", session_id="t"),
    )

    assert [call.id for call in await archive.call("s")] == ["c1", "c2"]
    assert [call.id for call in await archive.call("c2")] == ["c2"]
    assert await archive.call("nobody") == []
    assert await archive.call("s\0") == []


async def test_a_call_has_its_turns_with_their_tools_in_order(
    archive: Archive, database: Database
) -> None:
    head = a_head()
    await database.save(
        [
            a_turn(head, 2, heard=None, messages=[{"model": "m", "text": "x", "duration_ms": 5}]),
            a_turn(head, 0, heard_chars=3, outcome="interrupted", failure="timeout", ahead=True),
            a_tool(head, "t3", turn=2, at_ms=9000, outcome=None, result=None, duration_ms=None),
            a_tool(head, "t2", turn=0, at_ms=500),
            a_tool(head, "t1", turn=0, at_ms=400, arguments={"deep": [{"er": None}]}),
        ]
    )

    [call] = await archive.call("c1")

    assert [turn.number for turn in call.timeline] == [0, 2]
    first, last = call.timeline
    assert [run.id for run in first.tool_runs] == ["t1", "t2"]
    assert first.tool_runs[0].arguments == {"deep": [{"er": None}]}
    assert (first.heard_chars, first.failure, first.ahead) == (3, "timeout", True)
    assert [(run.id, run.outcome) for run in last.tool_runs] == [("t3", None)]
    assert last.messages is not None
    assert last.messages[0].text == "x"
    assert call.frames is None


async def test_a_tool_run_whose_turn_is_missing_is_told_with_the_turn_before(
    archive: Archive, database: Database
) -> None:
    head = a_head()
    runs = {"t0": 0, "t3": 3, "t9": 9}
    await database.save([a_turn(head, 1), a_turn(head, 5)])
    await database.save([a_tool(head, run, turn=turn) for run, turn in runs.items()])

    [call] = await archive.call("c1")

    assert [[run.id for run in turn.tool_runs] for turn in call.timeline] == [["t0", "t3"], ["t9"]]
    assert call.tool_runs == ()


async def test_tool_runs_of_a_call_without_turns_are_told_of_the_call(
    archive: Archive, database: Database
) -> None:
    head = a_head()
    await database.save([a_tool(head, "t2", at_ms=500), a_tool(head, "t1", turn=1, at_ms=400)])

    [call] = await archive.call("c1")
    [exported] = [call async for call in archive.export(Filters())]

    assert call.timeline == ()
    assert [(run.id, run.turn) for run in call.tool_runs] == [("t1", 1), ("t2", 0)]
    assert list(call.every_tool_run()) == list(call.tool_runs)
    assert exported == call


def spoken(words: str, at_ms: int) -> bytes:
    data = {"stream_id": 1, "content": words}
    return pack([["o", at_ms, {"type": "stream_response", "data": data}]])


async def test_frames_come_when_they_are_asked_for(archive: Archive, database: Database) -> None:
    head = a_head()
    await database.save([some_frames(head, spoken("World", 2000), 7), a_turn(head)])
    await database.save([some_frames(head, spoken("Hello", 1000), 5)])
    await database.save([a_turn(a_head("c2"))])

    [without] = await archive.call("c1")
    [call] = await archive.call("c1", frames=True)
    [empty] = await archive.call("c2", frames=True)

    assert without.frames is None
    assert call.frames is not None
    assert [(f.at_ms, f.way, f.message["data"]["content"]) for f in call.frames] == [
        (1000, "out", "Hello"),
        (2000, "out", "World"),
    ]
    assert empty.frames is None


async def test_requests_have_the_whole_transcript_again(
    archive: Archive, database: Database
) -> None:
    lines = [{"role": "user", "content": words} for words in ("Hello?", "Is anybody there?")]
    first = pack([["r", 100, 1, 0, lines[:1]]])
    second = pack([["r", 900, 2, 1, lines[1:]]])
    await database.save([some_frames(a_head(), first, 1), some_frames(a_head(), second, 2)])

    [call] = await archive.call("c1", frames=True)

    assert call.frames is not None
    assert [frame.message["data"]["transcript"] for frame in call.frames] == [lines[:1], lines]


async def test_frames_that_cannot_be_read_do_not_hide_the_others(
    archive: Archive, database: Database
) -> None:
    head = a_head()
    await database.save([some_frames(head, b"rubbish", 5), some_frames(head, spoken("Yes", 1), 6)])

    [call] = await archive.call("c1", frames=True)

    assert call.frames is not None
    assert len(call.frames) == 1


# ── export ───────────────────────────────────────────────────────────────────────────────────────


async def exported(calls: AsyncIterator[CallDetail]) -> list[str]:
    return [call.id async for call in calls]


async def test_an_export_holds_every_call_oldest_first(
    archive: Archive, database: Database
) -> None:
    await seed(database, *[a_call(f"c{n:02}", started_at=BEGAN + n // 4) for n in range(45)])
    wanted = [f"c{n:02}" for n in range(45)]

    assert await exported(archive.export(Filters())) == wanted
    since = NOON + timedelta(milliseconds=5)
    assert await exported(archive.export(Filters(since=since))) == wanted[20:]
    assert await exported(archive.export(Filters(failed=True))) == []


async def test_an_exported_call_is_whole_and_is_json(archive: Archive, database: Database) -> None:
    head = a_head()
    await seed(database, [*a_call(tools=1), some_frames(head, spoken("Hello", 1000), 90)])

    [call] = [call async for call in archive.export(Filters())]
    [bare] = [call async for call in archive.export(Filters(), frames=False)]

    assert [call] == await archive.call("c1", frames=True)
    assert [bare] == await archive.call("c1")
    assert json.loads(call.model_dump_json())["timeline"][0]["tool_runs"][0]["name"] == "look_up"


async def test_an_export_may_be_left_early_and_others_read_meanwhile(
    archive: Archive, database: Database
) -> None:
    await seed(database, *[a_call(f"c{n:02}", started_at=BEGAN + n) for n in range(30)])

    async with aclosing(archive.export(Filters())) as calls:
        async for _ in calls:
            await seed(database, a_call("other"))
            break

    assert len(await listed(archive)) == 31
