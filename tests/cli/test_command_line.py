from pathlib import Path

import pytest

from tests.cli.commands import bridge, bridge_anew


async def test_help_names_every_command_without_loading_what_they_need(tmp_path: Path) -> None:
    ran = await bridge_anew("--help", cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")

    assert ran.code == 0
    assert all(name in ran.out for name in ("serve", "chat", "tools", "doctor"))
    assert "typer" in ran.err  # so imports are listed
    assert "langchain" not in ran.err
    assert "aiohttp" not in ran.err


@pytest.mark.parametrize("command", ["serve", "chat", "tools"])
async def test_wrong_settings_are_one_line_and_code_2(tmp_path: Path, command: str) -> None:
    ran = await bridge(command, cwd=tmp_path, BRIDGE_PORT="many")

    assert ran.code == 2
    assert ran.err.startswith("bridge: BRIDGE_PORT: ")
    assert len(ran.err.splitlines()) == 1
