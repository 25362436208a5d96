"""The record is read over HTTP: lists in pages, calls whole, and problems that say what to do."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from bridge.store.database.database import Database
from bridge.store.notes.note import Note
from bridge.store.reading.archive import Archive
from bridge.store.shapes import CallDetail, CallPage, Filters
from tests.server.reading import Reader, serving, wired_call
from tests.store.postgres import OwnPostgres
from tests.store.scenes import BEGAN, a_call, seed
from tests.wire import came_true, lag_probe

HOUR = 3_600_000


@pytest.fixture
async def reader(database: Database) -> AsyncIterator[Reader]:
    """Reads an empty record, of either kind."""
    async with serving(Archive(database)) as reader:
        yield reader


@pytest.fixture
async def small(sqlite_url: str) -> AsyncIterator[tuple[Database, Reader]]:
    """A record in a file, and who reads it."""
    database = Database(sqlite_url)
    async with serving(Archive(database)) as reader:
        yield database, reader
    await database.close()


# ── lists ────────────────────────────────────────────────────────────────────────────────────────


async def test_calls_are_listed_newest_first(database: Database, reader: Reader) -> None:
    await seed(
        database,
        a_call("old", tools=1),
        a_call("new", started_at=BEGAN + HOUR, ended=False, said={"metadata": None}),
    )
    answer = await reader.get("/api/calls")
    assert answer.status == 200
    assert answer.ids == ["new", "old"]
    page = CallPage.model_validate_json(answer.body)
    assert page == await Archive(database).calls(Filters())
    assert page.next is None
    assert answer.json["calls"][1]["started_at"] == "2026-09-21T14:13:20Z"


async def test_no_calls_are_an_empty_list(reader: Reader) -> None:
    assert (await reader.get("/api/calls")).json == {"calls": [], "next": None}


FILTERS = [
    ("agent=agent", "dcba"),
    ("agent=other", ""),
    ("agent=agent%202", "e"),
    ("caller=%2B15550001", "edcb"),
    ("caller=+15550001", "edcb"),  # a plus sign that was not encoded
    ("caller=+1777", "a"),
    ("session=s-c", "c"),
    ("since=2026-09-21T15:13:20Z", "edcb"),
    ("since=2026-09-21T15:13:20.001Z", "edc"),
    ("since=2026-09-21T17:13:20%2B02:00", "edcb"),
    ("since=2026-09-21T17:13:20+02:00", "edcb"),
    ("since=2026-09-21%2015:13:20", "edcb"),
    ("since=2026-09-21T15:14", "edc"),
    ("since=2026-09-22", ""),
    ("until=2026-09-21T15:13:20Z", "a"),
    ("until=2026-09-22", "edcba"),
    ("since=2026-09-21T15:00:00Z&until=2026-09-21T17:00:00Z", "cb"),
    ("interrupted=true", "b"),
    ("interrupted=false", "edcba"),
    ("failed=true", "cb"),
    ("failed=true&interrupted=true", "b"),
    ("slow_ms=2500", "d"),
    ("slow_ms=2501", ""),
    ("slow_ms=2147483647", ""),
    ("limit=2", "ed"),
    ("limit=200", "edcba"),
    ("agent=%00", ""),
    ("session=%ED%A0%80", ""),
    ("agent=", ""),
]


@pytest.mark.parametrize(("query", "found"), FILTERS)
async def test_a_list_can_be_narrowed(
    small: tuple[Database, Reader], query: str, found: str
) -> None:
    database, reader = small
    await seed(database, *_five())
    answer = await reader.get(f"/api/calls?{query}")
    assert answer.status == 200
    assert "".join(answer.ids) == found


async def test_every_filter_goes_to_either_database(database: Database, reader: Reader) -> None:
    await seed(database, *_five())
    for query, found in FILTERS:
        answer = await reader.get(f"/api/calls?{query}")
        assert ("".join(answer.ids), answer.status) == (found, 200), query


def _five() -> list[list[Note]]:
    return [
        a_call("a", said={"caller": "+1777"}),
        a_call("b", started_at=BEGAN + HOUR, goes={"interrupted": 1, "failed": 1}),
        a_call("c", started_at=BEGAN + 2 * HOUR, goes={"failed": 2}),
        a_call("d", started_at=BEGAN + 3 * HOUR, goes={"slowest_ms": 2500}),
        a_call("e", started_at=BEGAN + 4 * HOUR, agent_id="agent 2"),
    ]


async def test_pages_follow_each_other_and_hold_every_call_once(
    database: Database, reader: Reader
) -> None:
    await seed(database, *(a_call(f"{n:02}", started_at=BEGAN + n // 3) for n in range(11)))
    found: list[str] = []
    after, pages = "", 0
    while pages == 0 or after:
        answer = await reader.get(f"/api/calls?limit=4&agent=agent{after and f'&after={after}'}")
        found += answer.ids
        after = answer.json["next"]
        pages += 1
    assert found == [f"{n:02}" for n in reversed(range(11))]
    assert pages == 3


WRONG = [
    ("limit=0", "limit", "whole number from 1 to 200"),
    ("limit=201", "limit", "whole number from 1 to 200"),
    ("limit=", "limit", "whole number"),
    ("limit=ten", "limit", "whole number"),
    ("limit=1.0", "limit", "whole number"),
    ("limit=5_0", "limit", "whole number"),
    ("limit=%D9%A3", "limit", "whole number"),
    (f"limit={'9' * 5000}", "limit", "whole number"),
    ("limit=5&limit=6", "limit", "once"),
    ("agent=a&agent=b", "agent", "once"),
    ("slow_ms=0", "slow_ms", "whole number from 1 to 2147483647"),
    ("slow_ms=2147483648", "slow_ms", "whole number"),
    ("since=yesterday", "since", "ISO 8601"),
    ("since=1790000000", "since", "ISO 8601"),
    ("since=2026-02-30", "since", "ISO 8601"),
    ("since=2026-01-01T25:00", "since", "ISO 8601"),
    ("until=", "until", "ISO 8601"),
    ("interrupted=1", "interrupted", "true or false"),
    ("failed=yes", "failed", "true or false"),
    ("after=nowhere", "after", "`next`"),
    ("after=", "after", "`next`"),
    ("after=bnVsbA", "after", "`next`"),
    ("after=WzE4NDQ2NzQ0MDczNzA5NTUxNjE1LCJhIl0", "after", "`next`"),  # 2^64 - 1
    ("token=secret", "token", "no such parameter"),
    ("Limit=5", "Limit", "there are: agent, caller, session, since"),
    (f"{'x' * 500}=", "x" * 64, "no such parameter"),
]


@pytest.mark.parametrize(("query", "parameter", "must"), WRONG)
async def test_a_wrong_parameter_is_named_with_what_it_must_be(
    small: tuple[Database, Reader], query: str, parameter: str, must: str
) -> None:
    answer = await small[1].get(f"/api/calls?{query}")
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    assert problem["type"] == "about:blank"
    assert problem["parameter"] == parameter
    assert problem["detail"].startswith(parameter)
    assert must in problem["detail"]


async def test_nothing_in_a_query_brings_either_database_down(
    database: Database, reader: Reader
) -> None:
    await seed(database, a_call("a"))
    odd = ["%00", "%ED%A0%80", "%FF", "'%3B--", "%22", "%5C", "%F0%9F%98%80", "x" * 5000]
    for text in odd:
        for name in ("agent", "caller", "session"):
            assert (await reader.get(f"/api/calls?{name}={text}")).ids == []
        assert (await reader.get(f"/api/calls?after={text}")).status == 400
        assert (await reader.get(f"/api/calls/{text}")).status == 404
    for moment in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        assert (await reader.get(f"/api/calls?since={moment}")).status == 200
    for cursor in ("WzkyMjMzNzIwMzY4NTQ3NzU4MDgsIiJd", "WzEsIlx1MDAwMCJd", "W3RydWUsIiJd"):
        assert (await reader.get(f"/api/calls?after={cursor}")).status == 400


# ── one call ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_is_shown_with_all_its_connections_and_a_connection_by_its_id(
    database: Database, reader: Reader
) -> None:
    await seed(
        database,
        a_call("second", session_id="s", started_at=BEGAN + HOUR),
        a_call("first", session_id="s", tools=2),
        a_call("other"),
    )
    answer = await reader.get("/api/calls/s")
    assert answer.ids == ["first", "second"]
    found = [CallDetail.model_validate(call) for call in answer.json["calls"]]
    assert found == await Archive(database).call("s")
    assert [turn.number for turn in found[0].timeline] == [0, 1]
    assert len(found[0].timeline[0].tool_runs) == 2
    assert found[0].frames is None
    assert (await reader.get("/api/calls/second")).ids == ["second"]


async def test_frames_come_when_they_are_asked_for(database: Database, reader: Reader) -> None:
    notes = wired_call(turns=30, words_each=3)  # more rows than are read at a time
    await seed(database, notes)
    answer = await reader.get("/api/calls/s1?frames=true")
    found = [CallDetail.model_validate(call) for call in answer.json["calls"]]
    assert found == await Archive(database).call("s1", frames=True)
    assert found[0].frames is not None
    assert len(found[0].frames) == 30 * 5
    requests = [f.message["data"] for f in found[0].frames if f.way == "in"]
    assert [len(request["transcript"]) for request in requests] == list(range(1, 31))
    without = await reader.get("/api/calls/s1?frames=false")
    assert without.json["calls"][0] == answer.json["calls"][0] | {"frames": None}


async def test_where_no_frames_were_kept_there_are_none(database: Database, reader: Reader) -> None:
    await seed(database, a_call("a", level="text"), a_call("b", level="full"))
    for name in "ab":
        answer = await reader.get(f"/api/calls/{name}?frames=true")
        assert answer.json["calls"][0]["frames"] is None


@pytest.mark.parametrize(
    ("session", "path"),
    [
        ("a/b", "a%2Fb"),
        ("ü €", "%C3%BC%20%E2%82%AC"),
        ("a\ufffdb", "a%00b"),  # as it was kept
        ("100%", "100%25"),
        ("a?b#c", "a%3Fb%23c"),
        ("openapi.json", "openapi.json"),
        ("<img src=x onerror=alert(1)>", "%3Cimg%20src=x%20onerror=alert(1)%3E"),
        ("' OR 1=1 --", "'%20OR%201=1%20--"),
    ],
)
async def test_a_session_is_found_whatever_its_name_is(
    database: Database, reader: Reader, session: str, path: str
) -> None:
    await seed(database, a_call("c1", session_id=session), a_call("c2"))
    assert (await reader.get(f"/api/calls/{path}")).ids == ["c1"]


async def test_a_call_that_is_not_on_record_is_a_problem(reader: Reader) -> None:
    answer = await reader.get("/api/calls/nobody")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["title"] == "Not Found"
    assert "on record" in answer.json["detail"]
    wrong = await reader.get("/api/calls/nobody?frames=1")
    assert (wrong.status, wrong.json["parameter"]) == (400, "frames")


# ── what every answer is like ────────────────────────────────────────────────────────────────────


async def test_nobody_keeps_an_answer_or_guesses_what_it_is(
    small: tuple[Database, Reader],
) -> None:
    await seed(small[0], a_call("a"))
    for path in ("calls", "calls/a", "calls/b", "calls?x=", "nothing", "openapi.json"):
        answer = await small[1].get(f"/api/{path}", Origin=f"http://127.0.0.1:{small[1].port}")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Content-Type"].split(";")[0] in {
            "application/json",
            "application/problem+json",
        }
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_it_can_only_be_read(small: tuple[Database, Reader]) -> None:
    database, reader = small
    await seed(database, a_call("a"))
    for path in ("/api/calls", "/api/calls/a", "/api/openapi.json"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            answer = await reader.ask(method, path)
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET, HEAD"
            assert answer.json["status"] == 405
        head = await reader.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Type"].startswith("application/json")
    assert (await reader.ask("HEAD", "/api/calls/b")).status == 404
    assert (await reader.get("/api/calls")).ids == ["a"]


@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api/calls/", "/api/calls/a/b"])
async def test_other_paths_are_problems(small: tuple[Database, Reader], path: str) -> None:
    answer = await small[1].get(path)
    assert answer.status == 404
    assert answer.json["title"] == "Not Found"


# ── the database is not well ─────────────────────────────────────────────────────────────────────


async def test_while_nothing_is_recorded_there_is_nothing_to_read() -> None:
    async with serving(None) as reader:
        for path in ("/api/calls", "/api/calls/a"):
            answer = await reader.get(path)
            assert answer.status == 503
            assert "BRIDGE_RECORD" in answer.json["detail"]
        assert (await reader.get("/api/openapi.json")).status == 200


async def test_a_database_that_is_down_is_a_problem_that_passes(own_postgres: OwnPostgres) -> None:
    database = Database(own_postgres.url)
    await seed(database, a_call("a"))
    async with serving(Archive(database)) as reader:
        assert (await reader.get("/api/calls")).ids == ["a"]
        await asyncio.to_thread(own_postgres.stop)
        for path in ("/api/calls", "/api/calls/a"):
            answer = await reader.get(path)
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "5"
            assert answer.json["detail"].startswith("the record's database is away")
        await asyncio.to_thread(own_postgres.start)
        assert (await reader.get("/api/calls")).ids == ["a"]
    await database.close()


async def test_a_database_that_is_frozen_is_told_within_five_seconds(  # E3
    own_postgres: OwnPostgres,
) -> None:
    database = Database(own_postgres.url)
    await seed(database, a_call("a"))
    async with serving(Archive(database)) as reader:
        assert (await reader.get("/api/calls")).ids == ["a"]
        own_postgres.freeze()
        began = time.monotonic()
        paths = ["/api/calls", "/api/calls/a", "/api/calls/a?frames=true"]
        answers = await asyncio.gather(*(reader.get(path) for path in paths))
        assert time.monotonic() - began < 5
        assert [answer.status for answer in answers] == [503] * 3
        assert (await reader.get("/api/openapi.json")).status == 200
        own_postgres.thaw()
        assert (await reader.get("/api/calls")).ids == ["a"]
    await database.close()


async def test_a_database_that_cannot_be_used_is_a_problem_without_secrets(
    postgres_server: str,
) -> None:
    url = make_url(postgres_server).set(database="canary_nobody", password="canary")
    database = Database(url.render_as_string(hide_password=False))
    async with serving(Archive(database)) as reader:
        answer = await reader.get("/api/calls")
        assert answer.status == 503
        assert "see the log" in answer.json["detail"]
        assert b"canary" not in answer.body
    await database.close()


class Watched(Archive):
    """An archive that counts who reads from it at the same time."""

    reading = busiest = 0

    async def calls(self, *args: Any, **kwargs: Any) -> CallPage:
        self.reading += 1
        self.busiest = max(self.busiest, self.reading)
        try:
            return await super().calls(*args, **kwargs)
        finally:
            self.reading -= 1


async def test_many_readers_leave_the_database_to_calls(database: Database) -> None:
    await seed(database, a_call("a"))
    archive = Watched(database)
    async with serving(archive) as reader:
        answers = await asyncio.gather(*(reader.get("/api/calls") for _ in range(20)))
    assert [answer.ids for answer in answers] == [["a"]] * 20
    assert archive.busiest == 1


# ── size ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_of_hours_does_not_hold_the_others(small: tuple[Database, Reader]) -> None:
    database, reader = small
    notes = wired_call(turns=250, words_each=60)
    for first in range(0, len(notes), 200):
        await database.save(notes[first : first + 200])
    async with lag_probe() as lag:
        answer = await reader.get("/api/calls/s1?frames=true")
    assert len(answer.json["calls"][0]["frames"]) == 250 * 62
    assert lag.worst < 0.25  # 0.02 on a machine that has nothing else to do


LONG = ("GET /api/calls/s1?frames=true HTTP/1.1", "Host: localhost", "Connection: close")


async def _is_whole(stream: asyncio.StreamReader) -> bool:
    """Read to the end of the connection; whether the answer had ended by then."""
    try:
        return (await stream.read()).endswith(b"\r\n0\r\n\r\n")
    except ConnectionResetError:
        return False


async def test_a_reader_that_does_not_read_is_cut_off_and_one_that_leaves_is_let_go(  # T2, B3
    sqlite_url: str,
) -> None:
    database = Database(sqlite_url)
    await seed(database, wired_call(turns=700))
    async with serving(Archive(database), send_timeout=0.2) as reader:
        async with reader.dialled(*LONG) as slow:
            async with reader.dialled(*LONG) as gone:
                await gone.readuntil(b"\r\n\r\n")
            assert await slow.readline() == b"HTTP/1.1 200 OK\r\n"
            await came_true(lambda: reader.connections == 0)
            assert not await _is_whole(slow)
        assert (await reader.get("/api/calls/s1")).status == 200
    await database.close()


async def test_a_call_that_cannot_be_read_to_its_end_is_not_taken_for_whole(
    own_postgres: OwnPostgres,
) -> None:
    database = Database(own_postgres.url)
    await seed(database, wired_call(turns=700))
    async with serving(Archive(database)) as reader:
        async with reader.dialled(*LONG) as stream:
            await stream.readuntil(b"\r\n\r\n")
            await asyncio.to_thread(own_postgres.stop_immediate)
            assert not await _is_whole(stream)
    await database.close()
