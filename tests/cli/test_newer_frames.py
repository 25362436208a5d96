"""Frames that a newer bridge has written: told, and in nobody's way."""

import pytest

from tests.cli.records import bridge_inside, keep
from tests.store.scenes import a_call, a_head, some_frames


@pytest.fixture
def newer(sqlite_url: str) -> str:
    frames = some_frames(a_head("c1", session_id="s"), b'[2,["new"]]', 90)
    keep(sqlite_url, [*a_call("c1", session_id="s"), frames])
    return sqlite_url


@pytest.mark.parametrize(
    "command",
    ["calls show s --frames", "calls show s --frames --json", "calls export", "replay s"],
)
def test_frames_of_a_newer_bridge_are_told_in_one_line(newer: str, command: str) -> None:
    ran = bridge_inside(newer, *command.split())

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "bridge: a newer millis-bridge wrote the frames of call c1: upgrade millis-bridge, or "
        "read it without them (`show` without --frames, `export --no-frames`)\n"
    )


@pytest.mark.parametrize("command", ["calls show s", "calls export --no-frames", "calls"])
def test_the_rest_of_the_call_can_be_read(newer: str, command: str) -> None:
    ran = bridge_inside(newer, *command.split())

    assert (ran.code, ran.err) == (0, "")
    assert "c1" in ran.out or "agent" in ran.out
