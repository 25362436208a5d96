"""The tools' HTTP client, against real servers."""

import asyncio
import gc
import time
import zlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bridge.errors import ToolError
from bridge.toolkit import HttpClient, HttpFailed
from bridge.toolkit.answers import NOT_ALLOWED, TOO_LARGE, TOO_SLOW, UNCERTAIN, UNREACHABLE
from tests.toolkit.servers import Names, Service, service
from tests.wire import came_true

LOCAL = ("127.0.0.1",)


@pytest.fixture
async def server() -> AsyncIterator[Service]:
    async with service() as running:
        yield running


def moved(where: str, status: int = 302) -> web.Response:
    return web.Response(status=status, headers={"Location": where})


async def refusal(client: HttpClient, url: str, method: str = "GET") -> HttpFailed:
    with pytest.raises(HttpFailed) as failed:
        await client.request(method, url)
    assert isinstance(failed.value, ToolError)
    assert "127.0" not in str(failed.value)
    assert "://" not in str(failed.value)
    return failed.value


# ── asking ───────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_asked_arrives_and_what_is_answered_is_read(server: Service) -> None:
    server.replies.append(web.json_response({"status": "packed"}))
    http = HttpClient(server.url + "/v1/", headers={"Authorization": "Bearer s"}, allow=LOCAL)

    answer = await http.get("/orders/{number}", path={"number": "10 42/x?y"}, params={"q": "ä&b"})
    posted = await http.post("/orders", json={"item": "lamp"}, headers={"X-Trace": "1"})

    assert answer.json() == {"status": "packed"}
    assert answer.status == posted.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    got, sent = server.asked
    assert (got.method, got.path, got.query) == ("GET", "/v1/orders/10%2042%2Fx%3Fy", {"q": "ä&b"})
    assert got.headers["Authorization"] == "Bearer s"
    assert (sent.method, sent.path, sent.json) == ("POST", "/v1/orders", {"item": "lamp"})
    assert sent.headers["X-Trace"] == "1"


@pytest.mark.parametrize("value", ["", ".", "..", None, " .. "])
async def test_a_value_cannot_lead_to_another_path(server: Service, value: str | None) -> None:
    http = HttpClient(server.url, allow=LOCAL)
    with pytest.raises(HttpFailed):
        await http.get("/orders/{number}/lines", path={"number": value})
    assert server.asked == []


@pytest.mark.parametrize(
    "url", ["http://evil.example/x", "//evil.example/x", "@evil.example/", "evil", ""]
)
async def test_a_path_cannot_lead_out_of_the_base(server: Service, url: str) -> None:
    http = HttpClient(server.url, allow=LOCAL)
    try:
        await http.get(url)
    except HttpFailed:
        assert server.asked == []
    else:
        assert server.asked[0].path == url


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://1.1.1.1/",
        "gopher://1.1.1.1",
        "/x",
        "http://",
        "http:x",
        "http://[a]@/",
        "",
    ],
)
async def test_only_http_is_spoken(url: str) -> None:
    assert str(await refusal(HttpClient(), url)) == NOT_ALLOWED


async def test_no_cookie_is_kept_from_one_call_for_the_next(server: Service) -> None:
    server.replies.append(web.Response(headers={"Set-Cookie": "who=ann; Path=/"}))
    names = Names({"shop.example": ["127.0.0.1"]})  # cookies are for names only
    http = HttpClient(f"http://shop.example:{server.port}", allow=LOCAL, resolver=names)
    await http.get("/")
    await http.get("/")
    assert "Cookie" not in server.asked[1].headers


# ── where it may go ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "[::127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "0x7f.1",
        "017700000001",
        "%31%32%37.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "1.1.1.1@127.0.0.1",
        "1.1.1.1%2f@127.0.0.1",
    ],
)
async def test_this_machine_is_not_asked_however_it_is_written(server: Service, host: str) -> None:
    await refusal(HttpClient(tries=1), f"http://{host}:{server.port}/")
    assert server.asked == []


async def test_a_name_that_leads_inside_is_refused_after_it_was_resolved(server: Service) -> None:
    names = Names({"inside.example": ["127.0.0.1"], "metadata.example": ["169.254.169.254"]})
    http = HttpClient(resolver=names)
    assert str(await refusal(http, f"http://inside.example:{server.port}/")) == NOT_ALLOWED
    assert str(await refusal(http, "http://metadata.example/")) == NOT_ALLOWED
    assert server.asked == []
    assert names.asked == ["inside.example", "metadata.example"]  # and not tried again


async def test_a_name_is_resolved_once_for_the_check_and_the_connection(server: Service) -> None:
    class Rebinding(Names):
        """Public when it is asked first, and private from then on."""

        async def resolve(self, *args: object) -> list[object]:  # type: ignore[override]
            first = not self.asked
            self.known = {"rebinding.example": ["203.0.114.1" if first else "127.0.0.1"]}
            return list(await super().resolve(*args))  # type: ignore[arg-type]

    names = Rebinding({})
    http = HttpClient(resolver=names, tries=1, timeout=0.3)
    url = f"http://rebinding.example:{server.port}/"
    assert str(await refusal(http, url)) in (TOO_SLOW, UNREACHABLE)  # it went to the public one
    assert str(await refusal(http, url)) == NOT_ALLOWED
    assert server.asked == []


@pytest.mark.parametrize("allow", [("inside.example",), ("127.0.0.0/8",), ("127.0.0.1",)])
async def test_what_is_allowed_may_be_private(server: Service, allow: tuple[str, ...]) -> None:
    http = HttpClient(allow=allow, resolver=Names({"inside.example": ["127.0.0.1"]}))
    assert (await http.get(f"http://inside.example:{server.port}/")).text == "fine"


async def test_an_allowed_host_opens_no_other(server: Service) -> None:
    names = Names({"inside.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    http = HttpClient(allow=("inside.example",), resolver=names)
    await http.get(f"http://inside.example:{server.port}/")
    for host in ("other.example", "127.0.0.1"):
        assert str(await refusal(http, f"http://{host}:{server.port}/")) == NOT_ALLOWED
    assert len(server.asked) == 1


# ── redirects ────────────────────────────────────────────────────────────────────────────────────


async def test_each_redirect_is_checked_like_the_first_address(server: Service) -> None:
    names = Names({"front.example": ["127.0.0.1"], "inside.example": ["127.0.0.1"]})
    http = HttpClient(allow=("front.example",), resolver=names)
    for where in (
        f"http://inside.example:{server.port}/secret",
        f"http://127.0.0.1:{server.port}/secret",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:7f00:1]/",
        "file:///etc/passwd",
        "//127.0.0.1/",
    ):
        server.replies.clear()
        server.replies.append(moved(where))
        assert str(await refusal(http, f"http://front.example:{server.port}/")) == NOT_ALLOWED
    assert {asked.path for asked in server.asked} == {"/"}


async def test_a_redirect_is_followed_and_keeps_what_is_for_its_origin(server: Service) -> None:
    server.replies.extend([moved("/b"), moved("c", 307), web.Response(text="there")])
    http = HttpClient(headers={"Authorization": "Bearer s"}, allow=LOCAL)
    answer = await http.get(server.url + "/a")
    assert (answer.text, answer.url) == ("there", server.url + "/c")
    assert [asked.headers.get("Authorization") for asked in server.asked] == ["Bearer s"] * 3


async def test_secrets_do_not_go_to_another_origin(server: Service) -> None:
    async with service() as other:
        server.replies.append(moved(other.url + "/x"))
        secrets = {"Authorization": "Bearer s", "Cookie": "a=b", "X-Api-Key": "k"}
        http = HttpClient(headers=secrets, allow=LOCAL)
        assert (await http.get(server.url, headers={"X-More": "m"})).text == "fine"
        for name in (*secrets, "X-More"):
            assert name in server.asked[0].headers
            assert name not in other.asked[0].headers


async def test_an_endless_redirect_ends(server: Service) -> None:
    server.replies.append(moved("/again"))
    await refusal(HttpClient(allow=LOCAL), server.url)
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (301, "GET", b""),
        (302, "GET", b""),
        (303, "GET", b""),
        (307, "POST", b"{}"),
        (308, "POST", b"{}"),
    ],
)
async def test_a_redirected_post_becomes_what_http_says(
    server: Service, status: int, method: str, body: bytes
) -> None:
    server.replies.extend([moved("/b", status), web.Response()])
    await HttpClient(allow=LOCAL).post(server.url, json={})
    assert (server.asked[1].method, server.asked[1].body) == (method, body)


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────


async def test_what_can_be_repeated_is_tried_again_while_it_may_pass(server: Service) -> None:
    server.replies.extend([web.Response(status=503), web.Response(status=502), web.Response()])
    assert (await HttpClient(allow=LOCAL).get(server.url)).status == 200
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
async def test_what_will_not_pass_is_not_tried_again(server: Service, status: int) -> None:
    server.replies.append(web.Response(status=status, text="secret reason"))
    failed = await refusal(HttpClient(allow=LOCAL), server.url)
    assert failed.status == status
    assert "secret" not in str(failed)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "maybe"), [(400, False), (503, False), (500, True), (502, True)]
)
async def test_a_post_is_sent_once_and_may_have_been_done(
    server: Service, status: int, maybe: bool
) -> None:
    server.replies.append(web.Response(status=status))
    failed = await refusal(HttpClient(allow=LOCAL), server.url, "POST")
    assert (failed.maybe_done, failed.status) == (maybe, status)
    assert len(server.asked) == 1


async def test_a_post_with_a_key_of_its_own_is_tried_again(server: Service) -> None:
    server.replies.extend([web.Response(status=503), web.Response()])
    http = HttpClient(allow=LOCAL)
    await http.post(server.url, json={}, headers={"Idempotency-Key": "k1"})
    assert len(server.asked) == 2


async def test_a_post_whose_connection_is_lost_may_have_been_done(server: Service) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    server.replies.append(hang_up)
    failed = await refusal(HttpClient(allow=LOCAL), server.url, "POST")
    assert (str(failed), failed.maybe_done) == (UNCERTAIN, True)
    assert len(server.asked) == 1


async def test_a_post_that_reached_nobody_was_not_done() -> None:
    async with service() as gone:
        pass
    failed = await refusal(HttpClient(allow=LOCAL), gone.url, "POST")
    assert (str(failed), failed.maybe_done) == (UNREACHABLE, False)


async def test_a_post_that_was_led_somewhere_forbidden_may_have_been_done(server: Service) -> None:
    server.replies.append(moved("http://10.0.0.1/"))
    assert (await refusal(HttpClient(allow=LOCAL), server.url, "POST")).maybe_done


async def test_time_is_bounded_retries_and_all(server: Service) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    server.replies.append(slow)
    began = time.monotonic()
    failed = await refusal(HttpClient(allow=LOCAL, timeout=0.2), server.url)
    assert (str(failed), failed.maybe_done) == (TOO_SLOW, False)
    assert time.monotonic() - began < 4


async def test_a_body_that_drips_is_given_up(server: Service) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(500):
            await response.write(b"x")
            await asyncio.sleep(0.01)
        return response

    server.replies.append(drip)
    failed = await refusal(HttpClient(allow=LOCAL, timeout=0.2, tries=1), server.url)
    assert str(failed) == TOO_SLOW


async def test_a_body_is_read_up_to_one_mebibyte(server: Service) -> None:
    http = HttpClient(allow=LOCAL)
    server.replies.append(web.Response(body=b"x" * 1024 * 1024))
    assert len((await http.get(server.url)).body) == 1024 * 1024
    server.replies.clear()
    server.replies.append(web.Response(body=b"x" * (1024 * 1024 + 1)))
    assert str(await refusal(http, server.url)) == TOO_LARGE


async def test_a_packed_body_is_neither_wanted_nor_unpacked(server: Service) -> None:
    bomb = zlib.compress(b"0" * 10_000_000)
    server.replies.append(web.Response(body=bomb, headers={"Content-Encoding": "deflate"}))
    await refusal(HttpClient(allow=LOCAL), server.url)
    assert server.asked[0].headers["Accept-Encoding"] == "identity"


async def test_what_is_no_json_is_an_error_for_the_model(server: Service) -> None:
    server.replies.append(web.Response(body=b"<html>\xff"))
    answer = await HttpClient(allow=LOCAL).get(server.url)
    assert answer.text == "<html>\ufffd"
    with pytest.raises(HttpFailed):
        answer.json()


async def test_a_header_that_would_be_two_is_not_sent(server: Service) -> None:
    http = HttpClient(allow=LOCAL)
    with pytest.raises(HttpFailed):
        await http.get(server.url, headers={"X-Who": "a\r\nX-Admin: 1"})
    assert server.asked == []


# ── its connections ──────────────────────────────────────────────────────────────────────────────


async def test_one_connection_serves_many_requests(server: Service) -> None:
    http = HttpClient(allow=LOCAL)
    for _ in range(5):
        await http.get(server.url)
    assert len(server.connections) == 1


async def test_clients_that_are_forgotten_close_their_connections(server: Service) -> None:
    connectors = []
    for _ in range(20):
        tool_file: dict[str, object] = {"http": (http := HttpClient(allow=LOCAL))}
        await http.get(server.url)
        assert http._open is not None
        connectors.append(http._open[2].connector)
        tool_file["itself"] = tool_file  # as modules, functions and their globals
        del http, tool_file
    gc.collect()
    await came_true(lambda: all(one is not None and one.closed for one in connectors))


async def test_a_client_may_be_closed_and_used_again(server: Service) -> None:
    http = HttpClient(allow=LOCAL)
    await http.get(server.url)
    await http.aclose()
    await http.aclose()
    assert (await http.get(server.url)).status == 200


def test_a_client_outlives_an_event_loop_which_closes_its_connections() -> None:
    http = HttpClient(allow=LOCAL)
    sessions = []

    async def ask() -> None:
        async with service() as server:
            await http.get(server.url)
            assert http._open is not None
            sessions.append(http._open[2])

    asyncio.run(ask())
    asyncio.run(ask())
    assert sessions[0] is not sessions[1]
    assert all(session.closed for session in sessions)
