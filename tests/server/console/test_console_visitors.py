"""Who may open the console: this machine, or who has logged in with a token: G5, G6, G7."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.app import Bridge
from bridge.server.console import routes, visitors
from bridge.server.guesses import MANY
from tests.server.reading import own_address
from tests.wire import PATIENCE, bridge_running

TOKEN, NEXT = "canary-console-1", "canary-console-2"
DATA = ["api/agent", "api/settings", "api/news", "record/calls", "record/calls/x", "watch/s"]


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[str]:
    """A console without a token."""
    async with bridge_running(tmp_path, model="demo", host="0.0.0.0", token=("t" * 20,)) as bridge:  # noqa: S104 - to be asked from outside
        yield f":{bridge.port}/console/"


@pytest.fixture
async def guarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Bridge, str]]:
    """A console with two tokens, as while one is being replaced."""
    monkeypatch.setattr(visitors, "_SECOND_THOUGHTS", 0.0)
    async with bridge_running(tmp_path, model="demo", console_token=(TOKEN, NEXT)) as bridge:
        yield bridge, f"http://127.0.0.1:{bridge.port}/console/"


async def status(url: str, method: str = "GET", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as http:
        async with http.request(method, url, headers=named, allow_redirects=False) as answer:
            return answer.status


async def log_in(url: str, token: str, **headers: str) -> tuple[int, str]:
    """Send the form; the status, and the cookie as it is set."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as http:
        async with http.post(url + "api/login", json={"token": token}, headers=named) as answer:
            return answer.status, answer.headers.get("Set-Cookie", "")


# ── without a token ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["", "assets/x.js", *DATA])
async def test_without_a_token_only_this_machine_comes_in(bare: str, path: str) -> None:
    assert await status(f"http://{own_address()}{bare}{path}") == 403


@pytest.mark.parametrize("path", ["", *DATA])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"X_Forwarded_For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
async def test_neither_another_sites_page_nor_a_proxy_comes_in(
    bare: str, path: str, headers: dict[str, str]
) -> None:
    assert await status(f"http://127.0.0.1{bare}{path}", **headers) == 403


async def test_this_machine_comes_in(bare: str) -> None:
    for path in ("api/agent", "api/settings"):
        assert await status(f"http://127.0.0.1{bare}{path}") == 200
    assert await status(f"http://127.0.0.1{bare}".removesuffix("/")) == 301


async def test_another_sites_page_cannot_have_anything_done(bare: str) -> None:
    url = f"http://127.0.0.1{bare}api/doctor"
    assert await status(url, "POST", Origin="https://evil.example") == 403
    assert await status(url, "POST") == 415  # no form of a page can send JSON


# ── with a token ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", DATA)
async def test_with_a_token_nothing_is_told_without_it(
    guarded: tuple[Bridge, str], path: str
) -> None:
    _, url = guarded
    assert await status(url + path) == 401
    assert await status(url + path, Authorization="Bearer wrong") == 401
    assert await status(url + path, Cookie="bridge_console=1.x") == 401


@pytest.mark.parametrize("token", [TOKEN, NEXT])
async def test_the_form_exchanges_a_token_for_a_cookie_that_scripts_cannot_read(
    guarded: tuple[Bridge, str], token: str
) -> None:
    _, url = guarded
    done, cookie = await log_in(url, token)
    assert done == 204
    assert token not in cookie
    for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie
    assert await status(url + "api/agent", Cookie=cookie.split(";")[0]) == 200
    assert "Secure" in (await log_in(url, token, X_Forwarded_Proto="https"))[1]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", f"{TOKEN},{NEXT}"])
async def test_a_wrong_token_opens_nothing(guarded: tuple[Bridge, str], token: str) -> None:
    _, url = guarded
    assert await log_in(url, token) == (401, "")


async def test_who_goes_on_logging_in_is_told_to_stop_and_holds_up_nobody(
    guarded: tuple[Bridge, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = guarded
    assert [await log_in(url, "wrong") for _ in range(MANY)] == [(401, "")] * MANY
    monkeypatch.setattr(visitors, "_SECOND_THOUGHTS", 3600.0)
    assert [await log_in(url, "wrong") for _ in range(5)] == [(429, "")] * 5
    assert (await log_in(url, TOKEN))[0] == 204


async def test_a_form_that_is_never_whole_is_not_waited_for(
    guarded: tuple[Bridge, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge, _ = guarded
    monkeypatch.setattr(routes, "_PATIENCE", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
    head = (
        "POST /console/api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    )
    writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    async with asyncio.timeout(PATIENCE):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()


async def test_another_sites_page_cannot_log_in(guarded: tuple[Bridge, str]) -> None:
    _, url = guarded
    assert await log_in(url, TOKEN, Origin="https://evil.example") == (403, "")


FORGED = [
    "",
    "1.2",
    "{until}.",
    "{until}.{signature}0",
    "{later}.{signature}",
    "{past}.{old}",
    "x{until}.{signature}",
    "²{until}.{signature}",
    "9" * 5000 + ".x",
]


@pytest.mark.parametrize("forged", FORGED)
async def test_a_cookie_that_is_made_up_or_old_opens_nothing(
    guarded: tuple[Bridge, str], forged: str
) -> None:
    _, url = guarded
    _, cookie = await log_in(url, TOKEN)
    until, signature = cookie.split(";")[0].removeprefix("bridge_console=").strip('"').split(".")
    past = int(time.time()) - 1
    old = visitors._signed(TOKEN.encode(), past).partition(".")[2]
    parts: dict[str, Any] = {"until": until, "signature": signature, "past": past, "old": old}
    made = forged.format(**parts, later=int(until) + 3600)
    assert await status(url + "api/agent", Cookie=f"bridge_console={made}") == 401


async def test_whoever_has_logged_in_may_call_from_elsewhere_and_nobody_else(
    guarded: tuple[Bridge, str],
) -> None:
    bridge, url = guarded
    _, cookie = await log_in(url, TOKEN)
    dialled = f"http://127.0.0.1:{bridge.port}/local/millis"
    through = {"X-Forwarded-For": "203.0.113.7"}
    assert await status(dialled, X_Forwarded_For="203.0.113.7") == 403
    async with aiohttp.ClientSession(headers=through | {"Cookie": cookie.split(";")[0]}) as http:
        async with http.ws_connect(dialled) as page:
            await page.send_json({"method": "initiate", "data": {"agent": {"agent_id": "a"}}})
            assert (await page.receive_json())["method"] == "onready"


async def test_log_out_takes_the_cookie_back(guarded: tuple[Bridge, str]) -> None:
    _, url = guarded
    async with aiohttp.ClientSession() as http, http.post(url + "api/logout") as answer:
        assert answer.status == 204
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
