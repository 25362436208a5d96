"""Who is taken for somebody on this machine: G5, G6."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from bridge.server.loopback import only_from_here
from tests.server.reading import own_address


@asynccontextmanager
async def guarded(host: str = "", *, local_pages: bool = False) -> AsyncIterator[int]:
    """Serve what the guard lets in; the port."""
    guard = only_from_here(host, local_pages=local_pages)

    async def answer(request: web.Request) -> web.Response:
        return guard(request) or web.Response(text="in")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "0.0.0.0", 0).start()  # noqa: S104 - to be asked from outside
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def status(port: int, address: str = "127.0.0.1", **headers: str) -> int:
    async with aiohttp.ClientSession() as http:
        url = f"http://{address}:{port}/"
        async with http.get(url, headers={k.replace("_", "-"): v for k, v in headers.items()}) as a:
            return a.status


async def test_a_program_on_this_machine_comes_in() -> None:
    async with guarded() as port:
        assert await status(port) == 200
        assert await status(port, Host=f"localhost:{port}") == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
async def test_a_name_that_was_made_to_mean_this_machine_does_not(host: str) -> None:
    async with guarded() as port:
        assert await status(port, Host=host) == 403
        assert await status(port, Host=host, Origin=f"http://{host}") == 403


async def test_the_configured_name_is_ours_too() -> None:
    async with guarded("bridge.internal") as port:
        assert await status(port, Host="bridge.internal:80") == 200
        assert await status(port, Host="other.internal") == 403


async def test_our_own_page_comes_in_and_another_sites_does_not() -> None:
    async with guarded() as port:
        assert await status(port, Origin=f"http://127.0.0.1:{port}") == 200
        for origin in ("http://evil.example", "null", "http://[::1", "http://localhost:5173"):
            assert await status(port, Origin=origin) == 403


async def test_pages_of_other_servers_on_this_machine_come_in_where_they_may() -> None:
    async with guarded(local_pages=True) as port:
        for origin in ("http://localhost:5173", "http://[::1]:3000", "https://127.0.0.1"):
            assert await status(port, Origin=origin) == 200
        for origin in ("http://evil.example", "null", "http://localhost.evil.example", "file://"):
            assert await status(port, Origin=origin) == 403


async def test_what_a_proxy_passes_on_is_not_from_here() -> None:
    async with guarded() as port:
        assert await status(port, X_Forwarded_For="127.0.0.1") == 403


async def test_another_machine_stays_outside() -> None:
    async with guarded() as port:
        assert await status(port, own_address(), Host="localhost") == 403
