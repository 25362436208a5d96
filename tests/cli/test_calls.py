import asyncio
import base64
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from bridge import cli
from bridge.cli import record
from bridge.settings import Settings
from bridge.store.database.database import Database
from bridge.store.database.migrations import REVISIONS
from bridge.store.errors import NotesRefused
from bridge.store.reading.archive import Archive
from bridge.store.shapes import CallPage, Filters
from tests.cli.commands import bridge, bridge_anew, in_terminal
from tests.cli.records import HOSTILE, UNFIT, at, bridge_inside, file_of, keep, now_ms
from tests.store.scenes import a_call

HOUR = 3_600_000


def listed(out: str) -> list[str]:
    """The sessions of a list, as they stand in it."""
    return [line.split()[2] for line in out.splitlines()[1:] if line and line[0].isdigit()]


@pytest.fixture
def some_calls(sqlite_url: str) -> str:
    keep(
        sqlite_url,
        a_call("c1", started_at=at("2026-03-01 09:14"), agent_id="support"),
        a_call("c2", started_at=at("2026-03-02 10:00"), goes={"slowest_ms": 2300, "failed": 1}),
        a_call("c3", started_at=at("2026-03-03 11:30"), said={"caller": "+4917612345678"}),
        a_call("c4", started_at=at("2026-03-04 12:00"), goes={"interrupted": 2, "slowest_ms": 900}),
    )
    return sqlite_url


# ── the table ────────────────────────────────────────────────────────────────────────────────────


def test_calls_are_listed_newest_first_a_line_each(some_calls: str) -> None:
    keep(
        some_calls,
        a_call("c5", started_at=at("2026-03-05 08:00"), ended=False, replica="gone", tools=3),
        a_call(
            "c6",
            started_at=at("2026-03-06 08:00"),
            goes={"ending": "ended", "ended_at": at("2026-03-06 09:05"), "turns": 0},
        ),
    )
    ran = bridge_inside(some_calls, "calls")

    assert ran.code == 0
    assert [re.sub(" {2,}", "  ", line) for line in ran.out.splitlines()] == [
        "started  session  agent  caller  length  turns  cut  failed  tools  slowest  ended",
        "2026-03-06 08:00  s-c6  agent  +15550001  1:05:00  ·  ·  ·  ·  ·  by the agent",
        "2026-03-05 08:00  s-c5  agent  +15550001  ?  2  ·  ·  3  ·  lost",
        "2026-03-04 12:00  s-c4  agent  +15550001  1:00  2  2  ·  ·  900 ms  hung up",
        "2026-03-03 11:30  s-c3  agent  +4917612345678  1:00  2  ·  ·  ·  ·  hung up",
        "2026-03-02 10:00  s-c2  agent  +15550001  1:00  2  ·  1  ·  2.30 s  hung up",
        "2026-03-01 09:14  s-c1  support  +15550001  1:00  2  ·  ·  ·  ·  hung up",
    ]
    assert ran.out.splitlines()[3] == (
        "2026-03-04 12:00  s-c4     agent    +15550001          1:00      2    2       ·      ·"
        "   900 ms  hung up"
    )
    assert bridge_inside(some_calls, "calls", "list").out == ran.out


def test_a_call_that_is_going_on_is_told_from_one_whose_process_died(sqlite_url: str) -> None:
    keep(
        sqlite_url,
        a_call("c1", started_at=now_ms() - 95_000, ended=False, replica="here"),
        a_call("c2", started_at=now_ms() - 2 * HOUR, goes={"ending": "aborted"}, replica="gone"),
        living="here",
    )
    live, aborted = bridge_inside(sqlite_url, "calls").out.splitlines()[1:]

    assert live.split()[5].startswith("1:3")
    assert live.endswith("  live")
    assert aborted.endswith("  aborted")


async def test_in_a_terminal_of_80_columns_names_go_on_a_second_line(
    some_calls: str, tmp_path: Path
) -> None:
    variables = {"BRIDGE_DATABASE_URL": some_calls, "NO_COLOR": "1", "TERM": "dumb"}
    async with in_terminal("calls", "--limit", "1", cwd=tmp_path, **variables) as terminal:
        await terminal.until("--after ")
        assert await terminal.code() == 0
    lines = terminal.seen.splitlines()

    assert lines[:4] == [
        "started           length  turns  cut  failed  tools  slowest  ended",
        "  session  agent  caller",
        "2026-03-04 12:00    1:00      2    2       ·      ·   900 ms  hung up",
        "  s-c4     agent  +15550001",
    ]


async def test_a_terminal_gets_colour(some_calls: str, tmp_path: Path) -> None:
    variables = {"BRIDGE_DATABASE_URL": some_calls}
    async with in_terminal("calls", cwd=tmp_path, **variables) as terminal:
        assert await terminal.code() == 0
        await terminal.until("\x1b[31m2.30 s\x1b[0m")


def test_foreign_text_can_do_nothing_to_a_terminal(sqlite_url: str) -> None:
    head: dict[str, Any] = {"session_id": HOSTILE, "agent_id": HOSTILE}
    keep(sqlite_url, a_call("c1", said={**head, "caller": HOSTILE}, **head))
    ran = bridge_inside(sqlite_url, "calls")
    as_json = bridge_inside(sqlite_url, "calls", "--json")

    assert not any(unfit in ran.out + as_json.out for unfit in UNFIT)
    assert "[red]evil[/red]" in ran.out  # not taken for markup
    assert listed(ran.out) == ["c1"]  # a name that can be typed
    assert json.loads(as_json.out)["calls"][0]["session_id"] == HOSTILE


@pytest.mark.parametrize(
    "session", ["", "two words", "it's", "x" * 100, "$(reboot)", "a;b", "--yes", "naïve"]
)
def test_a_call_is_named_so_that_the_name_can_be_typed(sqlite_url: str, session: str) -> None:
    keep(sqlite_url, a_call("c1", session_id=session, said={"session_id": session}))

    assert listed(bridge_inside(sqlite_url, "calls").out) == ["c1"]
    assert bridge_inside(sqlite_url, "calls", "show", "c1").code == 0


# ── filters ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("--agent support", ["s-c1"]),
        ("--caller +4917612345678", ["s-c3"]),
        ("--session s-c2", ["s-c2"]),
        ("--since 2026-03-03", ["s-c4", "s-c3"]),
        ("--since '2026-03-03 11:31'", ["s-c4"]),
        ("--until 2026-03-02T10:01", ["s-c2", "s-c1"]),
        ("--since 2026-03-02 --until 2026-03-03", ["s-c2"]),
        ("--interrupted", ["s-c4"]),
        ("--failed", ["s-c2"]),
        ("--slow", ["s-c2"]),
        ("--slow --failed", ["s-c2"]),
        ("--slow 900", ["s-c4", "s-c2"]),
        ("--slow=901", ["s-c2"]),
        ("--slow --interrupted", []),
        ("--agent nobody", []),
    ],
)
def test_filters_let_through_what_they_say(some_calls: str, typed: str, found: list[str]) -> None:
    ran = bridge_inside(some_calls, "calls", *shlex.split(typed))

    assert ran.code == 0
    assert listed(ran.out) == found
    if not found:
        assert ran.out == "No call on record is like that: `bridge calls` lists all of them.\n"


def test_a_time_may_be_told_as_how_long_ago(sqlite_url: str) -> None:
    keep(
        sqlite_url,
        a_call("old", started_at=now_ms() - 3 * HOUR),
        a_call("new", started_at=now_ms() - HOUR),
    )

    assert listed(bridge_inside(sqlite_url, "calls", "--since", "2h").out) == ["s-new"]
    assert listed(bridge_inside(sqlite_url, "calls", "--until", "90m").out) == ["s-old"]
    assert listed(bridge_inside(sqlite_url, "calls", "--since", "7d").out) == ["s-new", "s-old"]


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("--since soon", "--since: 'soon' is no point in time"),
        ("--since 999999999w", "--since: '999999999w' is no point in time"),
        ("--since 0001-01-01", "--since: '0001-01-01' is no point in time"),
        ("--until 2026-13-01", "--until: '2026-13-01' is no point in time"),
        ("--after nowhere", "--after: no place in a list"),
        ("--slow 0", "--slow"),
        ("--limit 0", "--limit"),
        ("--agent ''", "--agent: empty"),
        ("--agent \udcff", "--agent: not UTF-8"),
    ],
)
def test_what_cannot_be_understood_is_said(some_calls: str, typed: str, complaint: str) -> None:
    ran = bridge_inside(some_calls, "calls", *shlex.split(typed))

    assert ran.code == 2
    assert complaint in " ".join(ran.err.split())
    assert not ran.out


# ── pages ────────────────────────────────────────────────────────────────────────────────────────


def test_the_line_for_the_next_page_is_there_to_be_typed(some_calls: str) -> None:
    command = ["calls", "--since", "2026-03-01", "--until", "2026-03-04", "--limit", "1"]
    found = []
    while command:
        ran = bridge_inside(some_calls, *command, COLUMNS="80")
        found += [line.split()[0] for line in ran.out.splitlines() if line.startswith("  s-")]
        more = [line for line in ran.out.splitlines() if line.startswith("more: bridge ")]
        command = shlex.split(more[0])[2:] if more else []

    assert found == ["s-c3", "s-c2", "s-c1"]


def test_the_filters_are_in_the_line_for_the_next_page(sqlite_url: str) -> None:
    goes = {"failed": 1, "interrupted": 1, "slowest_ms": 2500}
    head: dict[str, Any] = {"session_id": "s-1", "agent_id": "Ada's"}
    keep(sqlite_url, *(a_call(name, goes=goes, said=head, **head) for name in ("c1", "c2")))
    filters = ["--agent", "Ada's", "--caller", "+15550001", "--session", "s-1"]
    filters += ["--since", "2026-01-02T03:04:05+00:00", "--until", "2027-01-02T03:04:05+00:00"]
    filters += ["--interrupted", "--failed", "--slow", "2400", "--limit", "1"]
    first = bridge_inside(sqlite_url, "calls", *filters)
    more = shlex.split(first.out.splitlines()[-1])
    second = bridge_inside(sqlite_url, *more[2:])

    assert more[:-1] == ["more:", "bridge", "calls", *filters, "--after"]
    assert listed(first.out) == listed(second.out) == ["s-1"]
    assert "more:" not in second.out


def test_after_the_last_page_there_is_none(some_calls: str) -> None:
    after = json.loads(bridge_inside(some_calls, "calls", "--limit", "1", "--json").out)["next"]
    last = bridge_inside(some_calls, "calls", "--limit", "3", "--after", after)
    beyond = bridge_inside(some_calls, "calls", "--agent", "nobody", "--after", after)

    assert listed(last.out) == ["s-c3", "s-c2", "s-c1"]
    assert "more:" not in last.out
    assert beyond.out == "No more calls.\n"


# ── machines ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["sqlite_url", "postgres_url"])
def test_machines_get_a_page(kind: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(kind)
    keep(url, a_call("c1"), a_call("c2", said={"persona": "Nina \U0001f600"}))
    ran = bridge_inside(url, "calls", "--json", "--limit", "1", COLUMNS="40")

    async def page() -> CallPage:
        database = Database(url)
        try:
            return await Archive(database).calls(Filters(), limit=1)
        finally:
            await database.close()

    assert ran.code == 0
    assert CallPage.model_validate_json(ran.out) == asyncio.run(page())
    assert "\U0001f600" in ran.out


@pytest.mark.parametrize("kind", ["sqlite_url", "postgres_url"])
def test_a_place_in_the_list_beyond_all_time_is_one_line(
    kind: str, request: pytest.FixtureRequest
) -> None:
    url: str = request.getfixturevalue(kind)
    keep(url)
    after = base64.urlsafe_b64encode(json.dumps([1 << 70, "c1"]).encode()).decode()
    ran = bridge_inside(url, "calls", "--after", after)

    assert ran.code == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err


# ── no record ────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_record_says_how_to_make_a_call(sqlite_url: str) -> None:
    keep(sqlite_url)
    ran = bridge_inside(sqlite_url, "calls")

    assert ran.code == 0
    assert ran.out.startswith("No calls yet: ")
    assert "bridge chat" in ran.out
    assert json.loads(bridge_inside(sqlite_url, "calls", "--json").out) == {
        "calls": [],
        "next": None,
    }


async def test_who_reads_makes_no_record(tmp_path: Path) -> None:
    ran = await bridge("calls", cwd=tmp_path)

    assert ran.code == 1
    assert ran.err.startswith(f"bridge: no record yet at {tmp_path}/calls.db: for a first call")
    assert len(ran.err.splitlines()) == 1
    assert not ran.out
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - in a test of a process


@pytest.mark.parametrize(
    "command", ["list", "show s", "export", "erase s --yes", "erase --caller 1 --yes"]
)
def test_no_reading_command_makes_a_record(tmp_path: Path, command: str) -> None:
    ran = bridge_inside(f"sqlite:///{tmp_path}/none.db", "calls", *command.split())

    assert ran.code == 1
    assert ran.err.startswith(f"bridge: no record yet at {tmp_path}/none.db: ")
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_is_switched_off_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    ran = bridge_inside(url, "calls", BRIDGE_RECORD="off")

    assert ran.code == 1
    assert "switched off (BRIDGE_RECORD)" in ran.err


def test_a_database_without_our_tables_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "calls.db").touch()
    ran = bridge_inside(f"sqlite:///{tmp_path}/calls.db", "calls")

    assert ran.code == 1
    assert "no record yet" in ran.err
    assert (tmp_path / "calls.db").stat().st_size == 0


def test_older_tables_are_not_migrated_by_who_only_reads(
    some_calls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "REVISIONS", (*REVISIONS, "9999"))
    ran = bridge_inside(some_calls, "calls")

    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert f"database {file_of(some_calls)}: its tables are older" in ran.err
    assert "`bridge db upgrade`" in ran.err


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "calls.db").write_bytes(b"no database " * 1000)
    ran = bridge_inside(f"sqlite:///{tmp_path}/calls.db", "calls")

    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert "damaged" in ran.err


@pytest.mark.parametrize("command", ["calls", "calls export", "calls erase s", "db upgrade"])
def test_a_database_that_is_away_is_one_line_without_its_password(command: str) -> None:
    ran = bridge_inside("postgresql://someone:hush-hush@127.0.0.1:1/calls", *command.split())

    assert ran.code == 2
    assert ran.err.startswith("bridge: database postgresql://someone@127.0.0.1:1/calls: cannot be ")
    assert len(ran.err.splitlines()) == 1
    assert "hush" not in ran.err + ran.out


def test_a_database_that_does_not_let_us_in_is_one_line(postgres_server: str) -> None:
    nowhere = make_url(postgres_server).set(database="nowhere", password="hush-hush")
    ran = bridge_inside(nowhere.render_as_string(hide_password=False), "calls")

    assert ran.code == 2
    assert "there is no such database" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert "hush" not in ran.err


def test_a_database_that_refuses_a_question_is_one_line(
    some_calls: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask(_: Archive) -> None:
        raise NotesRefused("type")

    with pytest.raises(SystemExit, match="2"):
        record.with_archive(Settings(database_url=SecretStr(some_calls)), ask)

    assert capsys.readouterr().err == (
        f"bridge: database {file_of(some_calls)}: cannot look for that (type)\n"
    )


# ── the process ──────────────────────────────────────────────────────────────────────────────────


async def test_help_is_instant(tmp_path: Path) -> None:
    for words in (("calls", "list"), ("db",)):
        ran = await bridge_anew(*words, "--help", cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")

        assert ran.code == 0
        assert "typer" in ran.err  # so imports are listed
        assert "sqlalchemy" not in ran.err
        assert "bridge.store" not in ran.err
        assert "bridge.settings" not in ran.err


def test_a_shell_completes_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_BRIDGE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "bridge calls ")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit, match="0"):
        cli.app(prog_name="bridge")

    assert capsys.readouterr().out.split() == [
        "list",
        "show",
        "export",
        "to-scenario",
        "erase",
    ]


def test_wrong_settings_are_one_line(sqlite_url: str) -> None:
    for command in (("calls",), ("db", "upgrade")):
        ran = bridge_inside(sqlite_url, *command, BRIDGE_PORT="many")

        assert ran.code == 2
        assert ran.err.startswith("bridge: BRIDGE_PORT: ")
