"""Each call that has ended is sent to the webhook, signed, until it is taken."""

import asyncio
import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bridge.call.events import CallBegan, CallEnded
from bridge.server.webhook import Webhook
from bridge.store.database.database import Database
from bridge.store.deliveries.deliveries import Deliveries
from bridge.store.errors import DatabaseAway
from bridge.store.reading.archive import Archive
from bridge.store.recorder import Recorder
from bridge.store.setup import RecordSetup
from bridge.store.shapes import CallDetail
from tests.server.reading import wired_call
from tests.server.receiving import Respond, hang, receiving
from tests.store.kept import CALL
from tests.store.postgres import OwnPostgres
from tests.store.scenes import a_call, seed
from tests.wire import came_true, lag_probe

SECRET = "canary-webhook-secret"
KIND = "call_ended"


class Post:
    """A record of some calls, a folder, and a webhook that sends them."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder / "deliveries"
        self.database = database
        self.archive = Archive(database)

    def deliveries(self, **settings: Any) -> Deliveries:
        return Deliveries(self.folder, **{"first_pause": 0.02, "longest_pause": 0.05, **settings})

    def webhook(self, url: str, timeout: float = 10, **settings: Any) -> Webhook:
        deliveries = self.deliveries(**settings)
        return Webhook(url, SECRET, lambda: self.archive, deliveries, timeout=timeout)

    @property
    def files(self) -> int:
        return len(list(self.folder.iterdir()))


@pytest.fixture
async def post(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Post]:
    database = Database(sqlite_url)
    await seed(database, *(a_call(name, tools=1) for name in "abcdefgh"))
    yield Post(tmp_path, database)
    await database.close()


def verify(secret: bytes, headers: dict[str, str], body: bytes, now: float) -> bool:
    """As docs/record.md tells receivers to do it."""
    id, timestamp = headers["Bridge-Webhook-Id"], headers["Bridge-Webhook-Timestamp"]
    signed = f"{id}.{timestamp}.".encode() + body
    wanted = "v1=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()
    fresh = abs(now - int(timestamp)) < 300
    return fresh and hmac.compare_digest(wanted, headers["Bridge-Webhook-Signature"])


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────


async def test_a_call_that_has_ended_is_sent_whole_but_for_its_frames(
    tmp_path: Path, database: Database
) -> None:
    post = Post(tmp_path, database)
    await seed(database, wired_call(), a_call("other", session_id="s1"))
    (call, _) = await post.archive.call("s1")
    async with receiving() as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended([call.id])
        await came_true(lambda: webhook.status()["delivered"] == 1)
    message = receiver.message
    assert list(message) == ["event", "id", "call"]
    assert message["event"] == "call_ended"
    assert CallDetail.model_validate(message["call"]) == call
    assert message["call"]["frames"] is None
    ((headers, _),) = receiver.got
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("millis-bridge/")
    assert headers["Bridge-Webhook-Id"] == message["id"] == f"call_ended-{call.id}"
    assert post.files == 0


async def test_it_is_signed_so_that_nobody_can_change_or_replay_it(post: Post) -> None:
    async with receiving() as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(["a"])
        await came_true(lambda: receiver.got)
    ((headers, body),) = receiver.got
    now = time.time()
    secret = SECRET.encode()
    assert re.fullmatch(r"v1=[0-9a-f]{64}", headers["Bridge-Webhook-Signature"])
    assert verify(secret, headers, body, now)
    assert not verify(b"another", headers, body, now)
    assert not verify(secret, headers, body + b" ", now)
    assert not verify(secret, headers | {"Bridge-Webhook-Id": "call_ended-b"}, body, now)
    later = str(int(headers["Bridge-Webhook-Timestamp"]) + 1)
    assert not verify(secret, headers | {"Bridge-Webhook-Timestamp": later}, body, now)
    assert not verify(secret, headers, body, now + 301)


async def test_each_attempt_is_signed_anew_with_the_same_id(post: Post) -> None:
    async with (
        receiving(500) as receiver,
        post.webhook(receiver.url, longest_pause=2, first_pause=1.5) as webhook,
    ):
        webhook.ended(["a"])
        await came_true(lambda: len(receiver.got) == 2)
    (first, body), (second, _) = receiver.got
    assert first["Bridge-Webhook-Id"] == second["Bridge-Webhook-Id"]
    assert first["Bridge-Webhook-Signature"] != second["Bridge-Webhook-Signature"]
    assert verify(SECRET.encode(), second, body, time.time())


async def test_a_call_of_hours_is_sent_without_holding_the_others(post: Post) -> None:
    said = {"said": "word " * 100, "asked": "word " * 100}
    await seed(post.database, *_long_call(2000, said))
    async with receiving() as receiver, post.webhook(receiver.url) as webhook:
        async with lag_probe() as lag:
            webhook.ended(["long"])
            await came_true(lambda: webhook.status()["delivered"] == 1)
    ((headers, body),) = receiver.got
    assert len(body) > 2_000_000
    assert verify(SECRET.encode(), headers, body, time.time())
    assert lag.worst < 0.25  # 0.02 on a machine that has nothing else to do


def _long_call(turns: int, said: dict[str, str]) -> list[list[Any]]:
    notes = a_call("long", turns=turns)
    for note in notes:
        if note.kind == "turn":
            note.row.update(said)
    return [notes[first : first + 200] for first in range(0, len(notes), 200)]


# ── until it is taken ────────────────────────────────────────────────────────────────────────────


async def redirect(_: web.Request) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect("/elsewhere")


async def vanish(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    """Begin to answer, and go no further than the status line."""
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 O")
    return await hang(request)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (400, "status 400"),
        (401, "status 401"),
        (404, "status 404"),
        (410, "status 410"),
        (429, "status 429"),
        (500, "status 500"),
        (redirect, "status 307"),
        (vanish, "ServerDisconnectedError"),
        (hang, "no answer in time"),
        (half, "no answer in time"),
    ],
)
async def test_a_call_that_was_not_taken_is_sent_again_until_it_is(
    post: Post, answer: int | Respond, reason: str
) -> None:
    async with receiving(answer, answer) as receiver:
        timeout = 0.3 if reason == "no answer in time" else 10
        async with post.webhook(receiver.url, timeout=timeout) as webhook:
            webhook.ended(["a"])
            await came_true(lambda: webhook.status()["failed_attempts"] == 1)
            assert webhook.status()["state"] == "failing"
            assert webhook.status()["reason"] == reason
            await came_true(lambda: webhook.status()["delivered"] == 1)
            status = webhook.status()
    assert receiver.calls == ["a", "a", "a"]
    assert status == {
        "state": "ok",
        "reason": None,
        "waiting": 0,
        "delivered": 1,
        "failed_attempts": 2,
        "given_up": 0,
        "erased": 0,
    }
    assert post.files == 0


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_takes_it(post: Post, status: int) -> None:
    async with receiving(status) as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(["a"])
        await came_true(lambda: webhook.status()["delivered"] == 1)
    assert len(receiver.got) == 1


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * (1 << 16))


async def dripping(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
    await response.prepare(request)
    await response.write(b"not gzip")
    return await hang(request)


@pytest.mark.parametrize(("answer", "timeout"), [(endless, 60), (dripping, 0.3)])
async def test_what_the_receiver_says_does_not_matter_once_it_has_taken_it(
    post: Post, answer: Respond, timeout: float
) -> None:
    async with receiving(answer) as receiver, post.webhook(receiver.url, timeout) as webhook:
        webhook.ended(["a"])
        await came_true(lambda: webhook.status()["delivered"] == 1)
        webhook.ended(["b"])
        await came_true(lambda: webhook.status()["delivered"] == 2)
    assert receiver.calls == ["a", "b"]


async def test_a_receiver_that_says_no_before_it_has_read_all_is_heard(post: Post) -> None:
    await seed(post.database, *_long_call(2000, {"said": "word " * 400}))

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await stopped.wait()
        writer.close()
        await writer.wait_closed()

    stopped = asyncio.Event()
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with post.webhook(f"http://127.0.0.1:{port}", first_pause=60) as webhook:
            webhook.ended(["long"])
            await came_true(lambda: webhook.status()["failed_attempts"])
            assert webhook.status()["reason"] == "status 413"
        stopped.set()


async def test_it_is_given_up_when_it_was_tried_for_too_long(post: Post) -> None:
    async with receiving(otherwise=500) as receiver:
        async with post.webhook(receiver.url, patience=1.0) as webhook:
            webhook.ended(["a"])
            await came_true(lambda: webhook.status()["given_up"] == 1)
            assert webhook.status()["waiting"] == 0
            assert webhook.status()["failed_attempts"] == len(receiver.got) >= 2
    assert post.files == 0


async def test_nobody_at_the_address_is_no_harm(post: Post, unused_port: int) -> None:
    async with post.webhook(f"http://127.0.0.1:{unused_port}/") as webhook:
        webhook.ended(["a"])
        await came_true(lambda: webhook.status()["failed_attempts"] >= 2)
        assert webhook.status()["reason"] == "ClientConnectorError"
        assert webhook.status()["waiting"] == 1


@pytest.mark.parametrize("url", ["http://[::1", "http://exa mple/", "http://x:99999/", "http://"])
async def test_an_address_that_is_none_is_no_harm(post: Post, url: str) -> None:
    async with post.webhook(url) as webhook:
        webhook.ended(["a"])
        await came_true(lambda: webhook.status()["failed_attempts"] >= 2)


async def test_four_are_sent_at_once_and_no_more(post: Post) -> None:
    go_on = asyncio.Event()

    async def wait(_: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.Response()

    async with receiving(otherwise=wait) as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(list("abcdefgh"))
        await came_true(lambda: receiver.busy == 4)
        await asyncio.sleep(0.1)  # nothing tells that no fifth one comes
        assert len(receiver.got) == 4
        go_on.set()
        await came_true(lambda: webhook.status()["delivered"] == 8)
    assert sorted(receiver.calls) == list("abcdefgh")


async def test_one_that_fails_does_not_keep_the_others_back(post: Post) -> None:
    async def not_a(request: web.Request) -> web.StreamResponse:
        refused = request.headers["Bridge-Webhook-Id"] == "call_ended-a"
        return web.Response(status=500 if refused else 200)

    async with receiving(otherwise=not_a) as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(list("abcd"))
        await came_true(lambda: webhook.status()["delivered"] == 3)
        assert webhook.status()["waiting"] == 1


class Watched(Archive):
    """An archive that counts who reads from it at the same time."""

    reading = busiest = 0

    async def call(self, *args: Any, **kwargs: Any) -> list[CallDetail]:
        self.reading += 1
        self.busiest = max(self.busiest, self.reading)
        try:
            return await super().call(*args, **kwargs)
        finally:
            self.reading -= 1


async def test_it_leaves_the_database_to_calls(post: Post) -> None:
    post.archive = archive = Watched(post.database)
    async with receiving() as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(list("abcdefgh"))
        await came_true(lambda: webhook.status()["delivered"] == 8)
    assert archive.busiest == 1


async def test_a_backlog_is_sent_with_pauses_so_that_calls_are_not_crowded_out(post: Post) -> None:
    async with receiving() as receiver, post.webhook(receiver.url) as webhook:
        began = time.monotonic()
        webhook.ended(list("abcdefgh"))
        await came_true(lambda: webhook.status()["delivered"] == 8)
        assert time.monotonic() - began >= 0.1


# ── erased, or the database is away ──────────────────────────────────────────────────────────────


async def test_a_call_that_is_told_of_before_it_is_marked_as_over_is_sent_then(post: Post) -> None:
    await seed(post.database, a_call("orphan", replica="dead", ended=False))
    async with receiving() as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(["orphan", "a"])
        await came_true(lambda: webhook.status()["delivered"] == 1)
        assert receiver.calls == ["a"]

        await post.database.abort_orphans("dead")
        await came_true(lambda: webhook.status()["delivered"] == 2)
        assert receiver.calls == ["a", "orphan"]
    assert b'"ending":"aborted"' in receiver.got[-1][1]
    assert post.files == 0


async def test_a_call_that_was_erased_meanwhile_is_not_sent(post: Post) -> None:
    erased = asyncio.Event()

    async def fail(_: web.Request) -> web.StreamResponse:
        await erased.wait()
        return web.Response(status=500)

    async with receiving(fail) as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(["a"])
        await came_true(lambda: receiver.got)
        await post.archive.erase_session("s-a")
        erased.set()
        await came_true(lambda: webhook.status()["erased"] == 1)
        assert webhook.status()["waiting"] == 0
    assert len(receiver.got) == 1
    assert post.files == 0


async def test_another_call_whose_session_bears_its_id_is_not_sent_in_its_place(post: Post) -> None:
    await seed(post.database, a_call("x", session_id="gone"))
    async with receiving() as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(["gone"])
        await came_true(lambda: webhook.status()["erased"] == 1)
    assert receiver.got == []


async def test_while_the_database_is_away_it_waits_and_nothing_has_failed(
    tmp_path: Path, own_postgres: OwnPostgres
) -> None:
    database = Database(own_postgres.url)
    await seed(database, a_call("a"))
    post = Post(tmp_path, database)
    await asyncio.to_thread(own_postgres.stop)
    async with receiving() as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(["a"])
        deliveries = webhook._deliveries
        await came_true(lambda: deliveries.wait(KIND, time.time()) > 3)
        assert webhook.status()["waiting"] == 1
        assert receiver.got == []
        await asyncio.to_thread(own_postgres.start)
        await came_true(lambda: receiver.calls == ["a"], timeout=20)
        await came_true(lambda: webhook.status()["delivered"] == 1)
        assert webhook.status()["failed_attempts"] == 0
    await database.close()


class Away(Archive):
    """An archive whose database is away."""

    asked = 0

    async def call(self, *_: Any, **__: Any) -> list[CallDetail]:
        self.asked += 1
        raise DatabaseAway


async def test_a_database_that_is_away_is_not_asked_for_all_that_waits(post: Post) -> None:
    post.archive = archive = Away(post.database)
    async with receiving() as receiver, post.webhook(receiver.url) as webhook:
        webhook.ended(list("abcdefgh"))
        await came_true(lambda: archive.asked == 4)
        await asyncio.sleep(0.1)  # nothing tells that it is not asked again
        assert archive.asked == 4
        assert webhook.status()["waiting"] == 8
        assert webhook.status()["failed_attempts"] == 0
    assert archive.asked <= 8  # nor at the end, but for what each was about to ask
    assert webhook.status()["waiting"] == post.files == 8


# ── processes that die, and several of them ──────────────────────────────────────────────────────


async def test_what_a_process_had_to_send_when_it_died_is_sent_by_the_next(post: Post) -> None:
    async with receiving() as receiver:
        post.webhook(receiver.url).ended(["a", "b"])  # it never came to sending them
        async with post.webhook(receiver.url) as webhook:
            await came_true(lambda: webhook.status()["delivered"] == 2)
    assert sorted(receiver.calls) == ["a", "b"]
    assert post.files == 0


async def test_what_was_on_its_way_when_it_stopped_is_sent_again_by_the_next(post: Post) -> None:
    async with receiving(hang) as receiver:
        async with post.webhook(receiver.url) as webhook:
            webhook.ended(["a"])
            await came_true(lambda: receiver.got)
        async with post.webhook(receiver.url) as webhook:
            await came_true(lambda: webhook.status()["delivered"] == 1)
    assert receiver.calls == ["a", "a"]


async def test_at_its_end_it_sends_what_is_due_first(post: Post) -> None:
    async with receiving() as receiver:
        async with post.webhook(receiver.url) as webhook:
            webhook.ended(list("abcdefgh"))
    assert sorted(receiver.calls) == list("abcdefgh")
    assert post.files == 0


async def test_what_it_is_told_of_after_its_end_is_on_disk(post: Post) -> None:
    async with receiving() as receiver:
        async with post.webhook(receiver.url) as webhook:
            pass
        webhook.ended(["a"])  # the record closes after it
        assert post.files == 1
    assert receiver.got == []


async def test_its_end_does_not_wait_for_a_receiver_that_hangs(post: Post) -> None:
    async with receiving(otherwise=hang) as receiver:
        async with post.webhook(receiver.url) as webhook:
            webhook.ended(list("abcdef"))
            await came_true(lambda: receiver.busy == 4)
            began = time.monotonic()
        assert time.monotonic() - began < 8
    assert post.files == 6


async def test_two_who_share_the_folder_send_each_call_once(post: Post) -> None:
    async def slowly(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return web.Response()

    async with receiving(otherwise=slowly) as receiver:
        for name in "abcdefgh":
            post.deliveries().put(KIND, name)
        async with post.webhook(receiver.url) as one, post.webhook(receiver.url) as other:
            one.ended(["a", "b"])  # named again: after a crash, say
            other.ended(["b", "c"])
            await came_true(lambda: len(set(receiver.calls)) == 8)
            await came_true(lambda: not post.files)
            delivered = [webhook.status()["delivered"] for webhook in (one, other)]
    assert sorted(receiver.calls) == list("abcdefgh")
    assert sum(delivered) == 8
    assert min(delivered) > 0


async def test_a_call_is_sent_when_its_end_is_in_the_record(tmp_path: Path, url: str) -> None:
    setup = RecordSetup(url, "full", tmp_path / "spool", 1 << 26, 0)
    recorder = Recorder(setup)
    deliveries = Deliveries(tmp_path / "spool" / "deliveries")
    async with receiving() as receiver:
        webhook = Webhook(receiver.url, SECRET, lambda: recorder.archive, deliveries)
        recorder.on_ended = webhook.ended
        async with recorder, webhook:
            record = recorder.open()
            record.note(CALL, CallBegan())
            await recorder.written()
            assert webhook.status()["waiting"] == 0
            record.note(CALL, CallEnded("hung_up"))
            await came_true(lambda: webhook.status()["delivered"] == 1)
    call = receiver.message["call"]
    assert (call["session_id"], call["state"], call["ending"]) == ("s1", "ended", "hung_up")


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────


async def test_neither_address_nor_secret_nor_words_are_logged(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving(500, 500, redirect, vanish, hang) as receiver:
        with capture_logs() as logs:
            async with post.webhook(receiver.url, timeout=0.2) as webhook:
                webhook.ended(["a"])
                await came_true(lambda: webhook.status()["delivered"] == 1)
    told = [(entry["log_level"], entry.get("reason")) for entry in logs]
    reasons = ["status 500", "status 307", "ServerDisconnectedError", "no answer in time"]
    assert told == [*(("warning", reason) for reason in reasons), ("info", None)]
    logged = f"{logs} {caplog.text} {webhook.status()}"
    for secret in ("canary", "/hook", "Answer 0", "+1555"):
        assert secret not in logged
