import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from rich.cells import cell_len
from rich.console import Console

from bridge.cli.timeline import Timeline
from bridge.store.notes.note import Note
from bridge.store.shapes import CallDetail
from tests.cli.commands import in_terminal
from tests.cli.records import HOSTILE, UNFIT, a_wire, bridge_inside, keep, now_ms, words
from tests.store.scenes import (
    BEGAN,
    a_beginning,
    a_call,
    a_head,
    a_tally,
    a_tool,
    a_turn,
)

SAID = "Your desk lamp is on its way and arrives tomorrow between nine and eleven."


def a_talk(call_id: str = "c1", **head: Any) -> list[Note]:
    """A call with everything in it."""
    first = a_head(call_id, session_id="s-1", **head)
    greeting = {"at_ms": 12, "first_token_ms": None, "first_frame_ms": 4, "model": None}
    cut = {
        "at_ms": 3200,
        "asked": "Where is my order?",
        "said": SAID,
        "said_chars": len(SAID),
        "heard": SAID[:17],
        "heard_chars": 17,
        "outcome": "interrupted",
        "first_token_ms": 412,
        "first_frame_ms": 1204,
        "tools_ms": 312,
    }
    failed = {
        "at_ms": 63_100,
        "asked": "Wait, on Friday?",
        "said": "I'm sorry, something went wrong.",
        "heard": None,
        "outcome": "failed",
        "failure": "rate_limited",
        "first_token_ms": None,
        "first_frame_ms": 4000,
        "model": None,
        "tokens_in": None,
        "tokens_out": None,
        "ahead": True,
    }
    return [
        a_beginning(first, 1, persona="Nina", user_id="u1", continues="s-0"),
        a_turn(first, 0, 2, **greeting, tokens_in=None, tokens_out=None, asked=None),
        a_turn(first, 1, 3, **cut),
        a_tool(first, "t1", 4, turn=1, at_ms=3650, policy="reads only", duration_ms=312),
        a_turn(first, 2, 5, **failed),
        a_tally(
            first,
            6,
            ended_at=BEGAN + 134_000,
            ending="hung_up",
            turns=3,
            interrupted=1,
            failed=1,
            tools=1,
            slowest_ms=4000,
            tokens_in=1100,
            tokens_out=10,
        ),
    ]


def turns_of(out: str) -> str:
    """What stands below the first empty line."""
    return out.partition("\n\n")[2]


# ── the timeline ─────────────────────────────────────────────────────────────────────────────────


def test_a_call_is_shown_as_it_went(sqlite_url: str) -> None:
    keep(sqlite_url, a_talk())
    ran = bridge_inside(sqlite_url, "calls", "show", "s-1", COLUMNS="80")
    about, _, turns = ran.out.partition("\n\n")

    assert ran.code == 0
    assert [line for line in about.splitlines() if not line.startswith("began")] == [
        "call     s-1",
        "agent    agent · persona Nina",
        "caller   +15550001 → +15550002 · user u1",
        "ended    after 2 min 14 s: the caller hung up, or the connection was lost",
        "memory   of s-0",
        "sums     3 turns · 1 cut · 1 failed · 1 tool · slowest first word 4.00 s",
        "tokens   1,100 in, 10 out",
        'data     {"city": "Zürich"}',
        "kept     full · id c1 · replica here",
    ]
    assert turns.splitlines() == [
        "          waited   ▏ 4 ms",
        "  0:00.0  agent    Answer 0.",
        "",
        "  0:03.2  caller   Where is my order?",
        "          waited   ██░░░ 1.20 s · first token 412 ms · tools 312 ms",
        "  0:03.6  tool     look_up(order=17)",
        "          ok       It is on its way.  312 ms · reads only",
        "  0:04.4  agent    Your desk lamp is ╌╌ cut here ╌╌ on its way and arrives",
        "                   tomorrow between nine and eleven.",
        "                   demo · 100 tokens in, 10 out",
        "",
        "  1:03.1  caller   Wait, on Friday?",
        "          waited   ████████████████ 4.00 s",
        "  1:07.1  agent    I'm sorry, something went wrong.",
        "          failed   rate limited: the caller got an apology",
        "                   begun ahead",
    ]


async def test_what_was_not_heard_is_struck_out_in_a_terminal(
    sqlite_url: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(keep, sqlite_url, a_talk())
    variables = {"BRIDGE_DATABASE_URL": sqlite_url}
    async with in_terminal("calls", "show", "s-1", cwd=tmp_path, **variables) as terminal:
        assert await terminal.code() == 0
        await terminal.until("desk lamp is\x1b[33m ╌╌ cut here ╌╌ \x1b[0m\x1b[2;9mon its way")
        await terminal.until("\x1b[31m████████████████\x1b[0m\x1b[2m 4.00 s")


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (
            {"heard": None, "heard_chars": 0, "outcome": "interrupted"},
            "agent     ╌╌ cut here ╌╌ Answer 1.\n",
        ),
        ({"heard": "Answer 1.", "heard_chars": 9}, "agent    Answer 1. ╌╌ cut here ╌╌\n"),
        (
            {"heard": None, "outcome": "interrupted"},
            "agent    Answer 1. ╌╌ cut, nobody knows where\n",
        ),
        ({"heard": "An answer", "heard_chars": 3}, "agent    Ans ╌╌ cut here ╌╌ wer 1.\n"),
        ({"heard": "An answer", "heard_chars": 3}, "heard, as Millis tells it: An answer"),
        ({}, "waited   ██ 310 ms · first token 300 ms\n"),
        (
            {"first_token_ms": 9, "first_frame_ms": 12_345, "tools_ms": 700},
            "waited   ░░░░░░░░░░░░░░░░ 12.3 s · first token 9 ms · tools 700 ms\n",
        ),
        ({"outcome": "superseded"}, "Millis asked again before it was done · demo"),
        ({"outcome": "hung_up"}, "the caller was gone · demo"),
        ({"outcome": "empty", "said": "", "said_chars": 0, "heard": None}, "nothing to say · demo"),
        ({"outcome": "something_new"}, "something_new · demo"),
        ({"outcome": "failed"}, "failed   the reply failed: the caller got an apology\n"),
        ({"outcome": "failed", "said": "", "said_chars": 0}, "failed   the reply failed\n"),
        ({"tokens_in": 1234, "tokens_out": None}, "demo · 1,234 tokens in, 0 out"),
        ({"said": "word " * 2000, "said_chars": 10_000}, "… (5,999 more characters)"),
    ],
)
def test_an_end_is_told_in_words(sqlite_url: str, row: dict[str, Any], shown: str) -> None:
    head = a_head()
    keep(sqlite_url, [a_beginning(head), a_tally(head), a_turn(head, 1, **row)])
    ran = bridge_inside(sqlite_url, "calls", "show", "c1", COLUMNS="5000")

    assert shown in turns_of(ran.out)


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"outcome": "refused", "result": "No."}, "refused  No.  120 ms · read-only"),
        ({"outcome": None, "result": None, "duration_ms": None}, "no end   read-only"),
        (
            {"policy": None, "result": "x" * 700},
            f"ok       {'x' * 600}… (100 more characters)  120 ms",
        ),
    ],
)
def test_a_tool_is_told_with_its_end(sqlite_url: str, row: dict[str, Any], shown: str) -> None:
    head = a_head()
    keep(sqlite_url, [a_beginning(head), a_tally(head), a_turn(head, 0), a_tool(head, **row)])
    ran = bridge_inside(sqlite_url, "calls", "show", "c1", COLUMNS="5000")

    assert f"          {shown}" in ran.out.splitlines()


def test_what_is_done_while_the_agent_speaks_stands_after_its_words(sqlite_url: str) -> None:
    head = a_head()
    run = a_tool(head, at_ms=900, outcome=None, result=None, duration_ms=None)
    keep(sqlite_url, [a_beginning(head), a_tally(head), a_turn(head, 0), run], living="here")
    labels = [
        line[10:19].split()
        for line in turns_of(bridge_inside(sqlite_url, "calls", "show", "c1").out).splitlines()
    ]

    assert labels == [["waited"], ["agent"], [], ["tool"], ["running"]]


def test_a_call_without_words_on_record_says_so(sqlite_url: str) -> None:
    head = a_head(level="metadata")
    wordless: dict[str, Any] = {"asked": None, "said": None, "heard": None, "said_chars": 5000}
    keep(
        sqlite_url,
        [
            a_beginning(head),
            a_tally(head),
            a_turn(head, 1, 3, **wordless, heard_chars=1200),
            a_turn(head, 2, 4, **wordless),
            a_tool(head, turn=1, arguments=None, result=None),
        ],
    )
    ran = bridge_inside(sqlite_url, "calls", "show", "c1", "--frames")

    assert "  0:04.0  caller   (words not kept)" in ran.out
    assert "  agent    (5,000 characters, cut after 1,200; not kept)" in ran.out
    assert "  agent    (5,000 characters; not kept)" in ran.out
    assert "  tool     look_up(…)" in ran.out
    assert "  ok       (words not kept)  120 ms · read-only" in ran.out
    assert ran.out.endswith("\nNo frames were kept.\n")


# ── the call ─────────────────────────────────────────────────────────────────────────────────────


def test_every_connection_of_a_session_is_shown_oldest_first(sqlite_url: str) -> None:
    again = {"ending": "ended", "ended_at": BEGAN + 9_000_000}
    second = a_call(
        "c2",
        session_id="s-1",
        said={"session_id": "s-1"},
        turns=0,
        started_at=BEGAN + 200_000,
        goes=again,
    )
    keep(sqlite_url, second, a_talk())
    ran = bridge_inside(sqlite_url, "calls", "show", "s-1")
    one = bridge_inside(sqlite_url, "calls", "show", "c2")

    assert [line for line in ran.out.splitlines() if line.startswith("call ")] == [
        "call     s-1  connection 1 of 2",
        "call     s-1  connection 2 of 2",
    ]
    assert ran.out.endswith(f"\n\n{one.out.replace('s-1', 's-1  connection 2 of 2', 1)}")
    assert "ended    after 2 h 26 min: the agent ended the call" in one.out
    assert one.out.endswith("\n\nNo turns.\n")


@pytest.mark.parametrize(
    ("call", "living", "told"),
    [
        ({"ended": False}, "here", "state    the call has been going on for 1 min 3"),
        ({"ended": False}, "", "state    the end is not known"),
        (
            {"goes": {"ending": "aborted"}},
            "",
            "ended    after 1 min 0 s: the process died in the call",
        ),
        ({"goes": {"ending": "new_reason"}}, "", "ended    after 1 min 0 s: new_reason"),
    ],
)
def test_how_a_call_ended_is_told(
    sqlite_url: str, call: dict[str, Any], living: str, told: str
) -> None:
    keep(sqlite_url, a_call("c1", started_at=now_ms() - 95_000, **call), living=living)
    ran = bridge_inside(sqlite_url, "calls", "show", "c1")

    assert f"\n{told}" in ran.out


@pytest.mark.parametrize("session", ["-OaBc12", "-O", "2026", "sess.1@x"])
def test_a_session_may_be_called_many_things(sqlite_url: str, session: str) -> None:
    keep(sqlite_url, a_call("c1", session_id=session, said={"session_id": session}))
    ran = bridge_inside(sqlite_url, "calls", "show", session, "--json")

    assert [call["session_id"] for call in json.loads(ran.out)] == [session]


def test_a_session_that_is_not_known_is_one_line(sqlite_url: str) -> None:
    keep(sqlite_url, a_talk())
    for options in ((), ("--json",)):
        ran = bridge_inside(sqlite_url, "calls", "show", f"s-{HOSTILE}", *options)

        assert ran.code == 1
        assert ran.out == ""
        assert ran.err == (
            "bridge: no call 's-[red]evil[/red]' on record: `bridge calls` lists them\n"
        )


def test_tools_of_a_call_without_turns_are_shown(sqlite_url: str) -> None:
    head = a_head("c1")
    keep(sqlite_url, [a_tool(head, outcome=None, result=None, duration_ms=None)])
    out = bridge_inside(sqlite_url, "calls", "show", "c1").out

    assert "  0:00.3  tool     look_up(order=17)\n" in out.partition("No turns.\n")[2]


# ── frames and machines ──────────────────────────────────────────────────────────────────────────


START = {"type": "start_call", "data": {"session_id": "s-1", "stream_id": 0}}
END = {"type": "stream_response", "data": {"stream_id": 0, "end_of_stream": True}}


def the_wire() -> Note:
    head = a_head("c1", session_id="s-1")
    return a_wire(head, (0, "i", START), (250, "o", words("Hello!")), (61_500, "o", END))


def test_frames_are_shown_where_they_are_asked_for(sqlite_url: str) -> None:
    keep(sqlite_url, [*a_talk(), the_wire()])
    ran = bridge_inside(sqlite_url, "calls", "show", "s-1", "--frames", COLUMNS="200")
    frames = ran.out.partition("\nframes: ← from Millis, → to Millis\n")[2].splitlines()

    assert frames == [
        '  0:00.0  ← start_call {"data": {"session_id": "s-1", "stream_id": 0}}',
        '  0:00.2  → stream_response {"data": {"stream_id": 0, "content": "Hello!"}}',
        '  1:01.5  → stream_response {"data": {"stream_id": 0, "end_of_stream": true}}',
    ]
    assert "frames" not in bridge_inside(sqlite_url, "calls", "show", "s-1").out


def test_where_frames_end_because_they_were_too_many_is_shown(sqlite_url: str) -> None:
    keep(sqlite_url, [*a_call("c1", session_id="s-1", goes={"frames_lost": 1234}), the_wire()])
    ran = bridge_inside(sqlite_url, "calls", "show", "s-1", "--frames")

    assert ran.out.endswith("\n1,234 frames after that: too many to be kept.\n")
    assert "too many" not in bridge_inside(sqlite_url, "calls", "show", "s-1").out


@pytest.mark.parametrize("kind", ["sqlite_url", "postgres_url"])
def test_machines_get_every_connection_whole(kind: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(kind)
    keep(url, [*a_talk(), the_wire()], a_call("c2"))
    ran = bridge_inside(url, "calls", "show", "s-1", "--json")
    with_frames = bridge_inside(url, "calls", "show", "s-1", "--json", "--frames")
    [call] = TypeAdapter(list[CallDetail]).validate_json(ran.out)
    [whole] = TypeAdapter(list[CallDetail]).validate_json(with_frames.out)

    assert [turn.said for turn in call.timeline][1] == SAID
    assert call.timeline[1].tool_runs[0].arguments == {"order": 17}
    assert call.frames is None
    assert whole.frames is not None
    assert [frame.at_ms for frame in whole.frames] == [0, 250, 61_500]


# ── hostile data ─────────────────────────────────────────────────────────────────────────────────


def test_foreign_text_can_do_nothing_to_a_terminal(sqlite_url: str) -> None:
    head = a_head(session_id=HOSTILE, agent_id=HOSTILE, replica=HOSTILE)
    names: dict[str, Any] = dict.fromkeys(
        ("persona", "caller", "called", "user_id", "continues"), HOSTILE
    )
    said: dict[str, Any] = dict.fromkeys(("asked", "said", "heard", "failure", "model"), HOSTILE)
    done: dict[str, Any] = dict.fromkeys(("name", "policy", "result"), HOSTILE)
    keep(
        sqlite_url,
        [
            a_beginning(head, metadata={HOSTILE: [HOSTILE]}, **names),
            a_tally(head, ended_at=BEGAN, ending=HOSTILE[:16]),
            a_turn(head, 0, **(said | {"outcome": "failed", "failure": HOSTILE})),
            a_turn(head, 1, 4, **said, said_chars=9, heard_chars=3, outcome=HOSTILE[:16]),
            a_tool(head, arguments={HOSTILE: HOSTILE}, **done, outcome=HOSTILE[:16]),
            a_wire(head, (0, "o", words(HOSTILE))),
        ],
    )
    ran = bridge_inside(sqlite_url, "calls", "show", "c1", "--frames")
    as_json = bridge_inside(sqlite_url, "calls", "show", "c1", "--frames", "--json")

    assert ran.code == 0
    assert not any(unfit in ran.out + as_json.out for unfit in UNFIT)
    assert ran.out.count("[red]") > 15
    [call] = TypeAdapter(list[CallDetail]).validate_json(as_json.out)
    assert call.timeline[0].said == HOSTILE


@pytest.mark.parametrize("width", [45, 80])
def test_every_line_fits_the_screen(width: int) -> None:
    wide = "日本語 " * 40 + "x" * 200
    turn = {
        "number": 1, "stream_id": "1", "at_ms": 0, "place": 0, "ahead": False, "asked": wide,
        "said": wide, "said_chars": 400, "heard_chars": 100, "outcome": "interrupted",
        "tools_ms": 10, "model": wide, "first_frame_ms": 900_000, "first_token_ms": 800_000,
        "tool_runs": [{"id": "t", "turn": 1, "name": wide, "arguments": {"a": wide}, "result": wide,
                       "policy": wide, "outcome": "ok", "at_ms": 90_000_000}],
    }  # fmt: skip
    call = CallDetail.model_validate(
        {
            "id": "c1", "session_id": "s" * 200, "agent_id": wide, "caller": wide, "level": "full",
            "replica": wide, "started_at": 0, "state": "lost", "turns": 1, "interrupted": 0,
            "failed": 0, "tools": 0, "slowest_ms": 1, "tokens_in": 1, "tokens_out": 1,
            "metadata": {"a": wide}, "timeline": [turn],
            "frames": [{"at_ms": 1, "way": "in", "message": {"type": wide, "data": wide}}],
        }
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=width)
    Timeline(console).call(call, 1, 1, frames=True)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]

    assert max(map(cell_len, lines)) <= width
    assert not any(line != line.rstrip() for line in lines)
