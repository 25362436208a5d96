import asyncio
import os
import termios
from pathlib import Path

import pytest

from bridge.cli.chat import _door_of
from bridge.settings import Settings
from tests.cli.commands import CLOCK, bridge, in_terminal
from tests.local.scripted_bridge import (
    CLOSE,
    END,
    END_CALL,
    HEALTH,
    INTERRUPT,
    Script,
    ScriptedBridge,
)

CANARY = "canary-4f1c9a7e2b"
STORY: Script = {
    "": ["Hello!", END],
    "tell me a story": ["Once upon a time ", INTERRUPT],
    "go on": ["There was a queen.", END],
}


async def test_a_piped_conversation_is_printed_whole(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "clock.py").write_text(CLOCK)
    ran = await bridge(
        *("chat", "--model", "demo"),
        cwd=tmp_path,
        stdin="hello\nwhat time is it",
        BRIDGE_TOKEN=CANARY,
    )
    lines = ran.out.splitlines()

    assert ran.code == 0
    assert "Talking to a bridge in this process." in lines
    assert [line for line in lines if line.startswith("you: ")] == [
        "you: hello",
        "you: what time is it",
    ]
    assert sum(line.startswith("agent: ") for line in lines) == 3
    assert "· current_time(" in ran.out
    assert "· current_time → It is 12:03 in Paris." in ran.out
    assert ran.out.count("first word") == 3
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in ran.out
    assert CANARY not in ran.out + ran.err


async def test_ctrl_c_interrupts_the_agent_and_hangs_up_at_the_prompt(tmp_path: Path) -> None:
    async with ScriptedBridge(STORY) as server:
        async with in_terminal("chat", server.url, cwd=tmp_path) as terminal:
            before = termios.tcgetattr(terminal.slave)
            await terminal.until("Hello!")
            await terminal.until("you: ")
            terminal.type("tell me a story\r")
            await terminal.until("Once upon a time")
            terminal.type("\x03")
            await terminal.until("(interrupted)")
            await terminal.until("you: ")
            terminal.type("go on\r")
            await terminal.until("There was a queen.")
            await terminal.until("you: ")
            terminal.type("half a li\x03")
            code = await terminal.code()
            after = termios.tcgetattr(terminal.slave)

    assert code == 0
    assert after == before
    assert "Traceback" not in terminal.seen
    assert server.received_of("interrupt") == [{"type": "interrupt", "stream_id": 2}]
    assert server.transcript() == [
        ("assistant", "Hello!"),
        ("user", "tell me a story"),
        ("assistant", "Once upon a time"),
        ("user", "go on"),
    ]
    assert [m["data"]["stream_id"] for m in server.received_of("playback_finished")] == [1, 3]


async def test_a_tool_outlives_the_interrupt_and_its_result_is_shown(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "tools").mkdir()
    waiting = CLOCK.replace("    return f", f"    open({str(gate)!r}).close()\n    return f")
    (tmp_path / "tools" / "clock.py").write_text(waiting)
    async with in_terminal("chat", "--model", "demo", cwd=tmp_path) as terminal:
        await terminal.until("you: ")
        terminal.type("what time is it\r")
        await terminal.until("· current_time(")
        terminal.type("\x03")
        await terminal.until("(interrupted)")
        await terminal.until("you: ")
        gate.write_text("")
        terminal.type("thank you\r")
        await terminal.until("you: ")
        terminal.type("\x04")
        code = await terminal.code()

    assert code == 0
    assert "· current_time → It is 12:03 in Paris." in terminal.seen


@pytest.mark.parametrize("keys", ["\x04", "/quit\r"])
async def test_there_are_other_ways_to_hang_up(tmp_path: Path, keys: str) -> None:
    async with ScriptedBridge(STORY) as server:
        async with in_terminal("chat", server.url, cwd=tmp_path) as terminal:
            await terminal.until("you: ")
            terminal.type(keys)
            code = await terminal.code()
        await server.hung_up.wait()

    assert code == 0


async def test_a_call_that_the_agent_ends_does_not_wait_for_a_line(tmp_path: Path) -> None:
    script: Script = {"": ["Hello!", END], "bye": ["Goodbye!", END, END_CALL]}
    async with (
        ScriptedBridge(script) as server,
        in_terminal("chat", server.url, cwd=tmp_path) as terminal,
    ):
        await terminal.until("you: ")
        terminal.type("bye\r")
        await terminal.until("(the agent has ended the call)")

        assert await terminal.code() == 0


async def test_what_the_call_is_like_can_be_said(tmp_path: Path) -> None:
    async with ScriptedBridge({}) as server:
        ran = await bridge(
            *("chat", server.url, "--agent-id", "a", "--session-id", "s", "--from", "+15550100"),
            *("--metadata", "name=Ada", "--metadata", '{"vip": true}'),
            cwd=tmp_path,
        )

    assert ran.code == 0
    assert server.received[0]["data"] == {
        "stream_id": 1,
        "agent_id": "a",
        "call_sid": None,
        "session_id": "s",
        "metadata": {"name": "Ada", "vip": True},
        "voip": {"from": "+15550100", "to": None},
    }


async def test_hostile_words_cannot_touch_the_terminal(tmp_path: Path) -> None:
    hostile = "\x1b[31m[bold]red[/bold]\x1b[0m \x1b]0;owned\x07 [/nothing]\x00\r\n done"
    async with ScriptedBridge({"": [hostile, END]}) as server:
        async with in_terminal("chat", server.url, cwd=tmp_path) as terminal:
            await terminal.until("done")
            await terminal.until("you: ")
            terminal.type("\x04")
            await terminal.code()

    assert "[bold]red[/bold] [/nothing] done" in terminal.seen
    assert "owned" not in terminal.seen
    assert "\x1b[31m" not in terminal.seen


async def test_a_bridge_that_runs_here_is_found_and_gets_the_token(tmp_path: Path) -> None:
    async with ScriptedBridge({"": ["Hello!", END]}) as server:
        ran = await bridge(
            "chat", cwd=tmp_path, BRIDGE_PORT=str(server.port), BRIDGE_TOKEN=f"{CANARY},other"
        )

    assert f"Talking to the bridge at {server.url}." in ran.out
    assert "model: scripted · tools: none" in ran.out
    assert server.headers[0]["Authorization"] == f"Bearer {CANARY}"
    assert CANARY not in ran.out + ran.err


async def test_another_server_on_the_port_gets_neither_call_nor_token(tmp_path: Path) -> None:
    other = {key: value for key, value in HEALTH.items() if key != "version"}
    async with ScriptedBridge({}, health=other) as server:
        ran = await bridge("chat", cwd=tmp_path, BRIDGE_PORT=str(server.port), BRIDGE_TOKEN=CANARY)

    assert "Talking to a bridge in this process." in ran.out
    assert server.headers == []


def test_the_token_stays_with_our_own_bridge() -> None:
    settings = Settings(host="bridge.internal")

    assert _door_of("wss://elsewhere.example", settings, CANARY).token == ""
    assert _door_of("wss://bridge.internal", settings, CANARY).token == CANARY
    assert _door_of("ws://localhost:1", settings, CANARY).token == CANARY


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (ScriptedBridge({}, refuse=401), "/millis: it refuses the token"),
        (ScriptedBridge({"": ["We", CLOSE]}), "the bridge closed the line (close code 1012)"),
    ],
    ids=["refused", "lost"],
)
async def test_no_call_or_a_lost_one_ends_with_one_line_and_code_1(
    tmp_path: Path, server: ScriptedBridge, message: str
) -> None:
    async with server:
        ran = await bridge("chat", server.url, cwd=tmp_path, stdin="hello\n")

    assert ran.code == 1
    assert message in ran.err
    assert len(ran.err.splitlines()) == 1


async def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    runs = await asyncio.gather(
        bridge("chat", "ws://h", "--model", "demo", cwd=tmp_path),
        bridge("chat", "--metadata", "name", cwd=tmp_path),
        bridge("chat", "--metadata", "{1", cwd=tmp_path),
        bridge("chat", "ftp://h", cwd=tmp_path),
    )

    assert [ran.code for ran in runs] == [2, 2, 2, 2]
    assert not any("Traceback" in ran.err for ran in runs)
