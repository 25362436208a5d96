import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.plugins.millis.aftercall import KIND
from bridge.store.database.database import Database
from bridge.store.deliveries.deliveries import Deliveries
from bridge.store.reading.archive import Archive
from bridge.store.shapes import Filters
from bridge.store.spool.refused import Refused
from tests.cli.commands import in_terminal
from tests.cli.records import bridge_inside, keep, now_ms
from tests.store.scenes import a_call, a_head, a_turn
from tests.store.spooling import Desk


def left(url: str) -> list[str]:
    """Ids of the calls on record."""

    async def read() -> list[str]:
        database = Database(url)
        try:
            return [call.id for call in (await Archive(database).calls(Filters())).calls]
        finally:
            await database.close()

    return sorted(asyncio.run(read()))


@pytest.fixture
def some_calls(sqlite_url: str) -> str:
    again: dict[str, Any] = {"session_id": "s-c1"}
    other = {"caller": "+15559999"}
    keep(
        sqlite_url,
        a_call("c1"),
        a_call("c2", **again, said=again),
        a_call("c3", said=other),
        a_call("c4", said=other),
    )
    return sqlite_url


@pytest.mark.parametrize(
    ("typed", "told", "rest"),
    [
        (("s-c1",), "2 calls erased.\n", ["c3", "c4"]),
        (("c1",), "1 call erased.\n", ["c2", "c3", "c4"]),
        (("--caller", "+15559999"), "2 calls erased.\n", ["c1", "c2"]),
    ],
)
def test_a_session_a_connection_or_a_caller_is_erased(
    some_calls: str, typed: tuple[str, ...], told: str, rest: list[str]
) -> None:
    ran = bridge_inside(some_calls, "calls", "erase", *typed, "--yes")

    assert (ran.code, ran.out, ran.err) == (0, told, "")
    assert left(some_calls) == rest


@pytest.mark.parametrize("typed", [("s-c1",), ("--caller", "+15550001")])
@pytest.mark.parametrize("answer", ["y\n", "Yes\n", "n\n", "\n", ""])
def test_it_is_asked_first_with_what_would_go(
    some_calls: str, typed: tuple[str, ...], answer: str
) -> None:
    ran = bridge_inside(some_calls, "calls", "erase", *typed, stdin=answer)
    agreed = answer.lower().startswith("y")

    assert "Erase 2 calls for good? [y/N]: " in ran.err
    assert ran.err.count("  s-c1  ") == 2  # a table of them
    assert ran.code == (0 if agreed else 1)
    assert ran.out == ("2 calls erased.\n" if agreed else "")
    assert ran.err.endswith("]: " if agreed else "bridge: nothing is erased\n")
    assert left(some_calls) == (["c3", "c4"] if agreed else ["c1", "c2", "c3", "c4"])


def test_of_many_calls_a_few_are_shown(sqlite_url: str) -> None:
    keep(sqlite_url, *(a_call(f"c{i:03}", turns=0, started_at=now_ms() - i) for i in range(501)))
    ran = bridge_inside(sqlite_url, "calls", "erase", "--caller", "+15550001", stdin="y\n")

    assert ran.err.count("  s-c00") == 5
    assert "… and 496 more\n" in ran.err
    assert "Erase 501 calls for good?" in ran.err
    assert ran.out == "501 calls erased.\n"
    assert left(sqlite_url) == []


def test_of_a_call_that_goes_on_it_is_said_that_nothing_more_is_kept(sqlite_url: str) -> None:
    keep(sqlite_url, a_call("c1", ended=False), a_call("c2"), living="here")
    ran = bridge_inside(sqlite_url, "calls", "erase", "s-c1", stdin="y\n")
    over = bridge_inside(sqlite_url, "calls", "erase", "s-c2", stdin="y\n")
    keep(sqlite_url, [a_turn(a_head("c1"), 1, 9)])

    assert "1 of them is going on: nothing more of it is kept." in ran.err
    assert "going on" not in over.err
    assert left(sqlite_url) == []


@pytest.mark.parametrize("typed", [("s",), ("--caller", "+1999")])
@pytest.mark.parametrize("options", [(), ("--yes",)])
@pytest.mark.parametrize("kind", ["sqlite_url", "postgres_url"])
def test_calls_that_wait_on_this_machine_are_erased_too(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kind: str,
    typed: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    url: str = request.getfixturevalue(kind)
    late: dict[str, Any] = {"session_id": "s", "said": {"session_id": "s", "caller": "+1999"}}
    keep(url, a_call("old", **late), a_call("other"))
    desk, refused = Desk.open(tmp_path / "spool"), Refused(tmp_path / "spool", 1 << 20)
    for note in a_call("new", **late):
        desk.spool.append(note)
    desk.spool.flush()
    refused.add(a_turn(a_head("old", session_id="s"), 9))
    refused.add(a_turn(a_head("other"), 9))
    spool = {"BRIDGE_SPOOL_DIR": str(tmp_path / "spool")}

    ran = bridge_inside(url, "calls", "erase", *typed, *options, stdin="y\n", **spool)
    keep(url, desk.take_all())
    desk.close()

    assert (ran.code, ran.out) == (0, "2 calls erased.\n")
    assert options or "\n1 call not in the database yet\nErase 2 calls for good?" in ran.err
    assert left(url) == ["other"]
    assert refused.calls() == {"other"}


def test_a_spool_that_cannot_be_read_is_one_line(some_calls: str, tmp_path: Path) -> None:
    (tmp_path / "refused.jsonl").mkdir()
    spool = {"BRIDGE_SPOOL_DIR": str(tmp_path)}

    ran = bridge_inside(some_calls, "calls", "erase", "s-c1", "--yes", **spool)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"bridge: cannot look for calls in {tmp_path}: Is a directory\n"
    assert left(some_calls) == ["c1", "c2", "c3", "c4"]


@pytest.mark.parametrize("options", [(), ("--yes",)])
@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("nobody",), "no call of 'nobody' on record"),
        (("--caller", "+1"), "no call from '+1' on record"),
    ],
)
def test_what_is_not_there_is_one_line(
    some_calls: str, typed: tuple[str, ...], told: str, options: tuple[str, ...]
) -> None:
    ran = bridge_inside(some_calls, "calls", "erase", *typed, *options)

    assert (ran.code, ran.out, ran.err) == (1, "", f"bridge: {told}\n")


@pytest.mark.parametrize("typed", [(), ("s-c1", "--caller", "+15550001"), ("",), ("--caller", "")])
def test_it_must_be_said_what_goes(some_calls: str, typed: tuple[str, ...]) -> None:
    ran = bridge_inside(some_calls, "calls", "erase", *typed, "--yes")

    assert ran.code == 2
    assert left(some_calls) == ["c1", "c2", "c3", "c4"]


@pytest.mark.parametrize(
    ("typed", "rest"), [(("s-c1",), ["b", "c"]), (("--caller", "+15559999"), ["a"])]
)
def test_what_functions_have_still_to_do_is_called_off(
    some_calls: str, tmp_path: Path, typed: tuple[str, ...], rest: list[str]
) -> None:
    deliveries = Deliveries(tmp_path / "deliveries")
    for key, session, caller in (
        ("a", "s-c1", "+15550001"),
        ("b", "s-c3", "+15559999"),
        ("c", "s-c4", "+15559999"),
    ):
        deliveries.hold(KIND, key, {"call": {"session_id": session, "caller": caller}})
    deliveries.put("call_ended", "c1")
    spool = {"BRIDGE_SPOOL_DIR": str(tmp_path)}

    ran = bridge_inside(some_calls, "calls", "erase", *typed, "--yes", **spool)

    off = 3 - len(rest)
    told = f"{off} function{'s' * (off > 1)} will not be run after the call.\n2 calls erased.\n"
    assert (ran.code, ran.out, ran.err) == (0, told, "")
    names = sorted(path.name for path in (tmp_path / "deliveries").iterdir())
    assert names == ["call_ended-c1", *(f"{KIND}-{key}" for key in rest)]


async def test_a_person_answers_in_the_terminal(some_calls: str, tmp_path: Path) -> None:
    variables = {"BRIDGE_DATABASE_URL": some_calls}
    async with in_terminal("calls", "erase", "s-c1", cwd=tmp_path, **variables) as terminal:
        await terminal.until("Erase 2 calls for good? [y/N]: ")
        terminal.type("y\n")
        await terminal.until("2 calls erased.")
        assert await terminal.code() == 0

    assert await asyncio.to_thread(left, some_calls) == ["c3", "c4"]
