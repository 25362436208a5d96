"""Who may dial in, how many, and what the bridge tells of itself: faults B9, G1–G5."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from bridge.app import Bridge
from bridge.server.guesses import MANY
from tests.fake_openai.client import FakeOpenAI
from tests.server.metered import parsed
from tests.server.reading import own_address
from tests.wire import bridge_running, came_true, dialled, dialled_raw, health

OLD, NEW = "canary-old-5f1c", "canary-new-9ab2"
TOKENS = (SecretStr(OLD), SecretStr(NEW))


@asynccontextmanager
async def got(bridge: Bridge, path: str, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """GET something, as an upgrade to a WebSocket only if the headers say so."""
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{bridge.port}{path}", headers=headers) as response:
            yield response


async def refused(bridge: Bridge, path: str, **headers: str) -> int:
    """Dial and be refused before the upgrade; the status."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with dialled(bridge, path, headers=headers):
            pass
    return caught.value.status


@pytest.fixture
async def guarded(tmp_path: Path, openai: FakeOpenAI) -> AsyncIterator[Bridge]:
    """A bridge with two tokens, as while one is being replaced."""
    async with bridge_running(tmp_path, openai.base_url, token=TOKENS) as running:
        yield running


@pytest.fixture
async def bridge(tmp_path: Path, openai: FakeOpenAI) -> AsyncIterator[Bridge]:
    """A bridge without a token."""
    async with bridge_running(tmp_path, openai.base_url) as running:
        yield running


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("token", [OLD, NEW], ids=["old", "new"])
@pytest.mark.parametrize("place", ["path", "query", "bearer", "small bearer"])
async def test_a_token_is_taken_wherever_it_stands(guarded: Bridge, token: str, place: str) -> None:
    path, headers = {
        "path": (f"/millis/{token}", {}),
        "query": (f"/millis?token={token}", {}),
        "bearer": ("/millis", {"Authorization": f"Bearer {token}"}),
        "small bearer": ("/millis", {"Authorization": f"bearer  {token} "}),
    }[place]
    async with dialled(guarded, path, headers=headers) as millis:
        assert await millis.asked(1, "hello") == "You said: hello"


WRONG: list[tuple[str, dict[str, str]]] = [
    ("/millis", {}),
    ("/millis?token=", {}),
    ("/millis?token=wrong", {}),
    ("/millis?token=%FF", {}),
    (f"/millis?token={OLD}x", {}),
    (f"/millis?token={OLD[:-1]}", {}),
    (f"/millis?token={OLD.upper()}", {}),
    (f"/millis?token={OLD},{NEW}", {}),
    (f"/millis?Token={OLD}", {}),
    ("/millis/wrong", {}),
    ("/millis/%20", {}),
    (f"/millis/{OLD}%00", {}),
    ("/millis", {"Authorization": ""}),
    ("/millis", {"Authorization": "Bearer"}),
    ("/millis", {"Authorization": "Bearer "}),
    ("/millis", {"Authorization": "Bearer wrong"}),
    ("/millis", {"Authorization": f"Basic {OLD}"}),
    ("/millis", {"Authorization": OLD}),
    ("/watch/s", {}),
    ("/watch/s?token=wrong", {}),
]


@pytest.mark.parametrize(("path", "headers"), WRONG)
async def test_a_wrong_token_is_refused_before_the_upgrade_without_a_word_why(  # G1
    guarded: Bridge, path: str, headers: dict[str, str]
) -> None:
    assert await refused(guarded, path, **headers) == 401
    async with got(guarded, path, **headers) as response:
        assert response.status == 401
        assert await response.text() == "unauthorized\n"
    assert not guarded.board.live


@pytest.mark.parametrize("path", ["/millis/wrong", "/watch/s?token=wrong"])
async def test_who_goes_on_with_wrong_tokens_is_told_to_stop_and_the_right_one_enters(  # G1
    guarded: Bridge, path: str
) -> None:
    async with aiohttp.ClientSession() as http:

        async def tried() -> int:
            async with http.get(f"http://127.0.0.1:{guarded.port}{path}") as response:
                assert ("Retry-After" in response.headers) is (response.status == 429)
                return response.status

        statuses = [await tried() for _ in range(MANY + 20)]
    assert statuses == [401] * MANY + [429] * 20
    assert await refused(guarded, "/millis") == 429
    async with dialled(guarded, f"/millis/{NEW}") as millis:
        assert await millis.asked(1, "hello") == "You said: hello"


@pytest.mark.parametrize("path", ["/api/calls", "/metrics", "/console/api/agent"])
async def test_wrong_tokens_of_readers_are_counted_as_well_and_none_is_no_guess(  # G1
    tmp_path: Path, path: str
) -> None:
    own = (SecretStr(NEW),)
    doors: dict[str, Any] = {"token": TOKENS, "api_token": own, "console_token": own}
    async with bridge_running(tmp_path, model="demo", **doors) as bridge:

        async def tried(**headers: str) -> int:
            async with got(bridge, path, **headers) as response:
                assert response.status != 429 or response.headers["Retry-After"] == "60"
                return response.status

        assert [await tried() for _ in range(MANY + 5)] == [401] * (MANY + 5)
        wrong = [await tried(Authorization=f"Bearer {OLD}") for _ in range(MANY + 5)]
        assert wrong == [401] * MANY + [429] * 5
        assert await tried() == 401  # and is told what to send
        assert await tried(Authorization=f"Bearer {NEW}") not in {401, 403, 429}
        assert await refused(bridge, "/millis/wrong") == 429  # it is one address
        async with got(bridge, "/metrics", Authorization=f"Bearer {NEW}") as response:
            counted = parsed(await response.text())
    door = "console" if "console" in path else "api"
    assert counted.value("wrong_tokens_total", door=door) == MANY + 5
    assert counted.value("wrong_tokens_total", door="call") == 1


async def test_a_token_of_bytes_that_are_no_text_is_refused(guarded: Bridge) -> None:
    async with dialled_raw(guarded, "Authorization: Bearer \udcff\udcfe") as raw:
        assert raw.head.startswith("HTTP/1.1 401 ")


async def test_a_token_of_other_letters_than_ascii_is_taken(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, token=(SecretStr("schlüssel"),)) as bridge:
        async with dialled(bridge, "/millis/schl%C3%BCssel"):
            pass
        async with dialled_raw(bridge, "Authorization: Bearer schlüssel") as raw:
            assert raw.head.startswith("HTTP/1.1 101 ")


async def test_without_a_token_only_the_bare_path_enters(bridge: Bridge) -> None:
    assert await refused(bridge, "/millis/x") == 401
    async with dialled(bridge, "/millis") as millis:
        assert await millis.asked(1, "hello") == "You said: hello"


@pytest.mark.parametrize("path", ["/", "/millis/", f"/millis/a/{OLD}/more", f"/Millis/{OLD}", "/x"])
async def test_other_paths_lead_nowhere(guarded: Bridge, path: str) -> None:
    assert await refused(guarded, path) == 404
    async with got(guarded, path) as response:
        assert OLD not in await response.text()


async def test_a_plain_visit_with_the_token_is_no_call(guarded: Bridge) -> None:
    async with got(guarded, f"/millis/{OLD}") as response:
        assert response.status == 400
        assert OLD not in await response.text()
    assert not guarded.board.live


# ── browsers ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://[::1", "http://127.0.0.1", "file://"]
)
async def test_another_sites_page_may_not_dial(bridge: Bridge, origin: str) -> None:  # G5
    async with dialled_raw(bridge, f"Origin: {origin}") as raw:
        assert raw.head.startswith("HTTP/1.1 403 ")


async def test_another_sites_page_may_not_watch(bridge: Bridge) -> None:
    async with dialled_raw(bridge, "Origin: https://evil.example", path="/watch/s") as raw:
        assert raw.head.split()[1] in {"401", "403"}


async def test_a_page_of_our_own_and_no_page_at_all_may_dial(bridge: Bridge) -> None:
    for headers in ({}, {"Origin": f"http://127.0.0.1:{bridge.port}"}):
        async with dialled(bridge, headers=headers) as millis:
            assert await millis.asked(1, "hello") == "You said: hello"


@pytest.mark.parametrize("path", ["/millis", "/watch/s"])
async def test_a_page_whose_name_was_made_to_mean_this_machine_may_not_enter(  # G6
    bridge: Bridge, path: str
) -> None:
    host = f"evil.example:{bridge.port}"
    page = {"Host": host, "Origin": f"http://{host}"}
    assert await refused(bridge, path, **page) == 403
    tunnel = {**page, "X-Forwarded-For": "203.0.113.7"}  # and Millis with an Origin behind it
    async with dialled(bridge, path, headers=tunnel):
        pass


async def test_with_a_token_the_name_does_not_matter(guarded: Bridge) -> None:
    host = f"bridge.example:{guarded.port}"
    page = {"Host": host, "Origin": f"http://{host}"}
    async with dialled(guarded, f"/millis/{OLD}", headers=page) as millis:
        assert await millis.asked(1, "hello") == "You said: hello"


# ── how many ─────────────────────────────────────────────────────────────────────────────────────


async def test_one_call_too_many_is_refused_and_a_place_is_free_after_a_hang_up(  # B9
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(tmp_path, openai.base_url, max_calls=3) as bridge:
        async with AsyncExitStack() as calls:
            live = [await calls.enter_async_context(dialled(bridge)) for _ in range(2)]
            async with dialled(bridge):
                for _ in range(3):
                    assert await refused(bridge, "/millis") == 503
                async with got(bridge, "/millis") as response:
                    assert (response.status, response.headers["Retry-After"]) == (503, "5")
                for millis in live:
                    assert await millis.asked(1, "hello") == "You said: hello"
            await came_true(lambda: len(bridge.board.live) == 2)
            async with dialled(bridge) as millis:
                assert await millis.asked(1, "hello") == "You said: hello"


async def test_what_is_no_call_takes_no_place(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, max_calls=1, token=TOKENS) as bridge:
        for path, status in ((f"/millis/{OLD}", 400), ("/millis/wrong", 401)):
            async with got(bridge, path) as response:
                assert response.status == status
        async with dialled(bridge, f"/millis/{OLD}"):
            assert await refused(bridge, f"/millis/{OLD}") == 503
            assert await refused(bridge, "/millis/wrong") == 401


async def test_a_storm_of_connections_leaves_no_place_taken(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(tmp_path, openai.base_url, max_calls=40) as bridge:

        async def dial(number: int) -> None:
            async with dialled_raw(bridge) as raw:
                if number % 2:
                    raw.vanish()

        await asyncio.gather(*(dial(number) for number in range(40)))
        await came_true(lambda: not bridge.board.live)
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == "You said: hello"


# ── health ───────────────────────────────────────────────────────────────────────────────────────


async def test_health_tells_what_runs(bridge: Bridge) -> None:
    async with dialled(bridge) as millis:
        await millis.send("junk")
        await millis.socket.send_bytes(b"")
        await millis.settled()
        body = await health(bridge)
    assert body["status"] == "ok"
    assert body["model"] == "openai:fake"
    assert body["tools"] == body["failures"] == []
    assert body["calls"] == 1
    assert body["dropped_frames"] == {"not_json": 1, "binary": 1}
    async with got(bridge, "/readyz") as response:
        assert response.status == 200


async def test_health_names_a_broken_tool_file_and_calls_go_on(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "broken.py").write_text("x = 1\n\ndef tool(:\n    pass\n")
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        async with got(bridge, "/healthz") as response:
            assert response.status == 200  # alive: a restart would not mend the file
            body: dict[str, Any] = await response.json()
        async with got(bridge, "/readyz") as response:
            assert response.status == 200
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hello") == "You said: hello"
    assert body["status"] == "degraded"
    (failure,) = body["failures"]
    assert failure["file"].endswith("broken.py")
    assert failure["line"] == 3
    assert "syntax" in failure["reason"].lower()


async def test_health_tells_why_a_file_did_not_load_to_this_machine_only(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "crm.py").write_text("raise RuntimeError('canary at https://crm')\n")
    anywhere = "0.0.0.0"  # noqa: S104 - to be asked from outside
    async with bridge_running(tmp_path, host=anywhere, token=TOKENS) as bridge:
        assert "canary" in str((await health(bridge))["failures"])
        for url, headers in (
            (f"http://{own_address()}:{bridge.port}/healthz", {}),
            (f"http://127.0.0.1:{bridge.port}/healthz", {"X-Forwarded-For": "203.0.113.7"}),
        ):
            async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
                body = await response.text()
            assert "crm.py" in body
            assert "canary" not in body


async def test_health_answers_while_every_place_is_taken(tmp_path: Path) -> None:
    async with bridge_running(tmp_path, max_calls=1) as bridge, dialled(bridge):
        assert (await health(bridge))["calls"] == 1


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_does_not_show_in_settings(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger().warning("%r", TOKENS)
    assert "canary" not in caplog.text
