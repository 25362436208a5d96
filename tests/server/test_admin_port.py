"""A port of their own for metrics, console and API: G25."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.app import Bridge
from bridge.errors import SettingsError
from tests.server.metered import parsed
from tests.server.reading import own_address
from tests.wire import PATIENCE, Served, bridge_running, dialled, run_cli, served

OPERATORS = [
    "/metrics",
    "/api/calls",
    "/api/openapi.json",
    "/console",
    "/console/",
    "/console/api/agent",
    "/console/record/calls",
]
EVERYWHERE = ["/healthz", "/readyz"]


async def status(port: int, path: str, host: str = "127.0.0.1", **headers: str) -> int:
    url = f"http://{host}:{port}{path}"
    async with aiohttp.ClientSession() as http:
        async with http.get(url, headers=headers, allow_redirects=False) as response:
            await response.read()
            return response.status


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    """A bridge with a port for its operator."""
    async with bridge_running(tmp_path, model="demo", admin_port=0) as running:
        yield running


def admin(bridge: Bridge) -> int:
    return bridge.ports.operating.port


@pytest.mark.parametrize("path", OPERATORS)
async def test_what_is_the_operators_is_not_where_calls_come_in(bridge: Bridge, path: str) -> None:
    assert await status(bridge.port, path) == 404
    assert await status(admin(bridge), path) not in {404, 403}


@pytest.mark.parametrize("path", ["/millis", "/millis/token", "/watch/s"])
async def test_no_call_comes_in_where_the_operator_looks(bridge: Bridge, path: str) -> None:
    assert await status(admin(bridge), path) == 404
    assert await status(bridge.port, path) != 404


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_both_say_whether_it_lives(bridge: Bridge, path: str) -> None:
    assert await status(bridge.port, path) == await status(admin(bridge), path) == 200


async def test_without_one_all_is_on_one_port(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, model="demo") as bridge:
        assert bridge.ports.operating is bridge.ports.calls
        for path in (*OPERATORS, *EVERYWHERE, "/millis"):
            assert await status(bridge.port, path) != 404


async def test_calls_are_seen_from_the_other_port(bridge: Bridge) -> None:
    url = f"ws://127.0.0.1:{admin(bridge)}"
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/console/watch/s") as watch:
        async with dialled(bridge) as millis:
            await millis.start(0)
            assert await millis.answer(0)
            async with http.get(f"http://127.0.0.1:{admin(bridge)}/metrics") as response:
                assert parsed(await response.text()).value("calls_live") == 1
            async with asyncio.timeout(PATIENCE):
                assert (await watch.receive_json())["event"]


async def test_a_page_of_the_console_talks_to_the_port_of_the_calls(bridge: Bridge) -> None:
    url = f"http://127.0.0.1:{admin(bridge)}/local/millis"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as page:
        await page.send_json({"method": "initiate", "data": {"agent": {"agent_id": "a"}}})
        async with asyncio.timeout(PATIENCE):
            assert (await page.receive_json())["method"] == "onready"


async def test_by_default_it_is_on_loopback_only(tmp_path: Path) -> None:
    anywhere = "0.0.0.0"  # noqa: S104 - to be asked from outside
    settings: dict[str, Any] = {"host": anywhere, "token": ("t" * 20,), "admin_port": 0}
    async with bridge_running(tmp_path, model="demo", **settings) as bridge:
        assert await status(bridge.port, "/healthz", own_address()) == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await status(admin(bridge), "/healthz", own_address())


async def test_a_port_that_is_taken_is_told_by_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match="set BRIDGE_ADMIN_PORT to another"):
            async with bridge_running(tmp_path, model="demo", admin_port=port):
                pass


async def test_workers_share_both_ports(tmp_path: Path) -> None:
    variables = {"BRIDGE_MODEL": "demo", "BRIDGE_ADMIN_PORT": "0", "BRIDGE_WORKERS": "2"}
    async with served(tmp_path, **variables) as bridge:
        apart = _console_port(bridge)
        assert apart != bridge.port
        seen: set[int] = set()
        async with asyncio.timeout(PATIENCE):
            while len(seen) < 2:
                url = f"http://127.0.0.1:{apart}/healthz"
                async with aiohttp.ClientSession() as http, http.get(url) as response:
                    seen.add((await response.json())["worker"]["pid"])
        assert await status(apart, "/metrics") == 200
        assert await status(bridge.port, "/metrics") == 404


async def test_the_same_port_twice_is_one_line(tmp_path: Path) -> None:
    process = await run_cli(tmp_path, "serve", BRIDGE_PORT="8123", BRIDGE_ADMIN_PORT="8123")
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().startswith("bridge: BRIDGE_ADMIN_PORT is 8123, as BRIDGE_PORT is: ")


def _console_port(bridge: Served) -> int:
    (line,) = [line for line in bridge.welcome.splitlines() if line.split()[:1] == ["console"]]
    return int(line.rpartition("/console")[0].rpartition(":")[2])
