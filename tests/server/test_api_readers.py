"""Who may read the record: whoever has a token of its own, or only this machine: G1, G5, G6."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bridge.server.access import Keys
from bridge.store.database.database import Database
from bridge.store.reading.archive import Archive
from tests.server.reading import Reader, own_address, serving

OLD, NEW, MILLIS = "canary-old-5f1c", "canary-new-9ab2", "canary-millis-01"
PATHS = ["/api/calls", "/api/calls/x", "/api/openapi.json", "/api/calls?limit=0", "/api/nothing"]


@pytest.fixture
async def archive(sqlite_url: str) -> AsyncIterator[Archive]:
    database = Database(sqlite_url)
    yield Archive(database)
    await database.close()


@pytest.fixture
async def guarded(archive: Archive) -> AsyncIterator[Reader]:
    """A record with two tokens, as while one is being replaced."""
    async with serving(archive, OLD, NEW) as reader:
        yield reader


@pytest.fixture
async def bare(archive: Archive) -> AsyncIterator[Reader]:
    """A record without a token."""
    async with serving(archive) as reader:
        yield reader


# ── with tokens ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["Bearer {}", "bearer {}", "BEARER  {} "])
@pytest.mark.parametrize("token", [OLD, NEW])
async def test_each_token_opens_it(guarded: Reader, token: str, how: str) -> None:
    assert (await guarded.get("/api/calls", Authorization=how.format(token))).status == 200


async def test_a_token_of_other_letters_than_ascii_opens_it(archive: Archive) -> None:
    async with serving(archive, "schlüssel") as reader:
        status = await reader.ask_raw(
            "GET /api/calls HTTP/1.1", "Host: x", "Authorization: Bearer schlüssel"
        )
        assert status == 200


WRONG = [
    ("", {}),
    ("", {"Authorization": ""}),
    ("", {"Authorization": "Bearer"}),
    ("", {"Authorization": "Bearer "}),
    ("", {"Authorization": "Bearer wrong"}),
    ("", {"Authorization": f"Bearer {OLD}x"}),
    ("", {"Authorization": f"Bearer {OLD[:-1]}"}),
    ("", {"Authorization": f"Bearer {OLD},{NEW}"}),
    ("", {"Authorization": f"Bearer {OLD} {OLD}"}),
    ("", {"Authorization": f"Bearer {MILLIS}"}),
    ("", {"Authorization": f"Basic {OLD}"}),
    ("", {"Authorization": OLD}),
    ("", {"X-Api-Key": OLD}),
    ("", {"Cookie": f"token={OLD}"}),
    (f"?token={OLD}", {}),  # what is in a URL shows in logs
    (f"?api_token={OLD}", {}),
]


@pytest.mark.parametrize(("query", "headers"), WRONG)
async def test_without_a_token_nothing_is_told_not_even_what_there_is(
    guarded: Reader, query: str, headers: dict[str, str]
) -> None:
    seen = set()
    for path in PATHS:
        answer = await guarded.get(path.partition("?")[0] + query, **headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"] == "application/problem+json"
        seen.add(answer.body)
    assert len(seen) == 1
    assert b"canary" not in seen.pop()
    assert (await guarded.ask("POST", "/api/calls", headers)).status == 401


async def test_a_token_of_bytes_that_are_no_text_is_refused(guarded: Reader) -> None:
    head = ("GET /api/calls HTTP/1.1", "Host: localhost")
    assert await guarded.ask_raw(*head, "Authorization: Bearer \x80\xff") == 401


async def test_with_a_token_it_is_read_from_anywhere(guarded: Reader) -> None:
    head = ("GET /api/calls HTTP/1.1", "Host: bridge.example", "X-Forwarded-For: 203.0.113.9")
    assert await guarded.ask_raw(*head, f"Authorization: Bearer {NEW}") == 200


async def test_with_a_token_set_this_machine_needs_it_too(guarded: Reader) -> None:
    assert await guarded.ask_raw("GET /api/calls HTTP/1.1", "Host: localhost") == 401


async def test_the_token_of_the_api_is_none_for_millis_nor_the_other_way_round(
    archive: Archive,
) -> None:
    async def millis(request: web.Request) -> web.Response:
        return web.Response(status=200 if Keys([MILLIS]).may_enter(request) else 401)

    async with serving(archive, OLD, also={"/millis": millis}) as reader:
        assert (await reader.get("/millis", Authorization=f"Bearer {MILLIS}")).status == 200
        assert (await reader.get("/millis", Authorization=f"Bearer {OLD}")).status == 401
        assert (await reader.get("/api/calls", Authorization=f"Bearer {MILLIS}")).status == 401


# ── without ──────────────────────────────────────────────────────────────────────────────────────

GET = "GET /api/calls HTTP/1.1"


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535"]
)
async def test_this_machine_reads_without_a_token(bare: Reader, host: str) -> None:
    assert await bare.ask_raw(GET, f"Host: {host}") == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",  # a page whose name resolves to 127.0.0.1
        "localhost.evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "localhost:8080:1",
        "localhost:",
        "localhost.",
        "xlocalhost",
        "127.0.0.2",
        "192.0.2.1",
        "::1",
        "[::2]",
        "192.168.1.7",
        "",
    ],
)
async def test_a_name_that_is_not_localhost_is_refused(bare: Reader, host: str) -> None:  # G6
    assert await bare.ask_raw(GET, f"Host: {host}") == 403


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded: for=203.0.113.9",
        "X-Forwarded-For: 203.0.113.9",
        "x-forwarded-for: 127.0.0.1",
        "X-Forwarded-Host: localhost",
        "X-Forwarded-Proto: https",
        "X-Real-IP: 203.0.113.9",
        "Cf-Connecting-Ip: 203.0.113.9",
        "True-Client-IP: 203.0.113.9",
        "X-Client-IP: 203.0.113.9",
        "Via: 1.1 proxy",
        "X-Forwarded-For:",
    ],
)
async def test_what_came_through_a_proxy_or_a_tunnel_is_refused(bare: Reader, header: str) -> None:
    assert await bare.ask_raw(GET, "Host: localhost", header) == 403


async def test_an_old_version_of_http_is_taken_for_a_proxys(bare: Reader) -> None:
    assert await bare.ask_raw("GET /api/calls HTTP/1.0", "Host: localhost") == 403


async def test_two_hosts_or_none_are_refused(bare: Reader) -> None:
    assert await bare.ask_raw(GET, "Host: localhost", "Host: localhost") in {400, 403}
    assert await bare.ask_raw(GET) in {400, 403}


async def test_another_machine_is_refused(archive: Archive) -> None:
    all_of_them, address = "0.0.0.0", own_address()  # noqa: S104
    async with serving(archive, host=all_of_them, address=address) as reader:
        answer = await reader.get("/api/calls", Host="localhost")
        assert answer.status == 403
        assert "BRIDGE_API_TOKEN" in answer.json["detail"]
    async with serving(archive, OLD, host=all_of_them, address=address) as reader:
        assert (await reader.get("/api/calls", Authorization=f"Bearer {OLD}")).status == 200


async def test_this_machine_reads_over_ipv6_too(archive: Archive) -> None:
    async with serving(archive, host="::1", address="[::1]") as reader:
        assert (await reader.get("/api/calls")).status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_whoever_is_refused_learns_nothing_but_the_remedy(bare: Reader, path: str) -> None:
    answer = await bare.get(path, Host="evil.example")
    assert answer.status == 403
    assert "set BRIDGE_API_TOKEN" in answer.json["detail"]


# ── browsers ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://[::1", "file://"])
async def test_another_sites_page_may_not_read(archive: Archive, origin: str) -> None:  # G5
    for tokens in ((), (OLD,)):
        async with serving(archive, *tokens) as reader:
            answer = await reader.get("/api/calls", Origin=origin, Authorization=f"Bearer {OLD}")
            assert answer.status == 403
            assert not any(name.startswith("Access-Control") for name in answer.headers)


async def test_a_page_of_our_own_may_read(bare: Reader) -> None:
    origin = f"http://127.0.0.1:{bare.port}"
    assert (await bare.get("/api/calls", Origin=origin)).status == 200
