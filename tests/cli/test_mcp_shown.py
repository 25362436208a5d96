"""`bridge tools`, `bridge doctor` and `bridge serve` with MCP servers."""

import json
import sys
from pathlib import Path

import pytest

from tests.cli.commands import CLOCK, bridge, bridge_anew
from tests.mcp_running import ROOT, free_port

CANARY = "canary-77aa41c0"


def write(folder: Path, *more: str) -> None:
    """A folder with one tool, a server by stdio, and more lines of settings."""
    (folder / "tools").mkdir(exist_ok=True)
    (folder / "tools" / "clock.py").write_text(CLOCK)
    args = json.dumps(["-m", "tests.mcp_server", str(folder)])
    lines = (
        'model = "demo"',
        'record = "off"',
        "port = 0",
        "[mcp.shop]",
        f"command = {json.dumps(sys.executable)}",
        f"args = {args}",
        f"cwd = {json.dumps(str(ROOT))}",
        'allow = ["find_order"]',
        *more,
    )
    (folder / "bridge.toml").write_text("\n".join(lines))


async def test_tools_of_servers_are_shown_with_their_policy(tmp_path: Path) -> None:
    policy = ["[mcp.shop.tools.find_order]", "read_only = true"]
    write(tmp_path, *policy, "[tools.find_order]", "timeout = 2")
    ran = await bridge("tools", cwd=tmp_path)
    assert ran.code == 0, ran.out
    assert ran.out.splitlines() == [
        "current_time  tools/clock.py · up to 10 s",
        "  Tell the time of day.",
        "  policy: has side effects · runs to its end · once until its outcome was heard",
        '    city: text = "Paris"',
        "find_order  [mcp.shop] · up to 2 s",
        "  Look up where an order is.",
        "  policy: reads only · stops when the caller speaks",
        "    number: text",
        "    urgent: true or false = false",
    ]


async def test_a_dead_server_is_a_problem_and_its_secrets_are_not_shown(tmp_path: Path) -> None:
    write(
        tmp_path,
        "[mcp.crm]",
        f'url = "http://127.0.0.1:{free_port()}/${{CRM_TOKEN}}/mcp"',
        'headers = {Authorization = "Bearer ${CRM_TOKEN}"}',
    )
    shown = await bridge("tools", cwd=tmp_path, CRM_TOKEN=CANARY)
    examined = await bridge("doctor", cwd=tmp_path, CRM_TOKEN=CANARY)
    for ran in (shown, examined):
        assert ran.code == 1
        assert "[mcp.crm] it cannot be reached" in ran.words
        assert CANARY not in ran.out + ran.err
    assert "see that the server runs, or correct its table in bridge.toml" in examined.words


async def test_doctor_lists_the_tools_of_servers(tmp_path: Path) -> None:
    write(tmp_path)
    ran = await bridge("doctor", cwd=tmp_path)
    assert "ok tools current_time, find_order" in ran.words


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['env = {KEY = "${NOT_THERE}"}'], "mcp.shop.env.KEY: the variable NOT_THERE is not set"),
        (['url = "http://x/"'], "mcp.shop: give command, or url, and not both"),
        (["[mcp.b]", "prefix = 'b'"], "mcp.b: give command, or url, and not both"),
        (["headers = {a = 'b'}"], "mcp.shop: headers is for a server with url"),
        (["comand = 'x'"], "mcp.shop.comand: no such setting (did you mean command?)"),
        (["[mcp.'a b']", "command = 'x'"], "mcp: 'a b' is no name for an MCP server"),
        (["[mcp.shop.tools.x]", "timout = 1"], "mcp.shop.tools.x.timout: no such setting"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, lines: list[str], said: str
) -> None:
    write(tmp_path, *lines)
    ran = await bridge("tools", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


async def test_missing_packages_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "langchain_mcp_adapters.py").write_text("raise ModuleNotFoundError(__name__)\n")
    ran = await bridge_anew("serve", cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "bridge: bridge.toml: [mcp.shop] needs packages that are not installed: "
        "pip install 'millis-bridge[mcp]'\n"
    )
    examined = await bridge_anew("doctor", cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert examined.code == 1
    assert "pip install 'millis-bridge[mcp]'" in examined.words
