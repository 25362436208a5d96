"""The record over HTTP, for reading only: `/api/calls`, for the console and people's own pages."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from bridge.errors import SettingsError
from bridge.server.bites import bites, call_json, items_json
from bridge.server.openapi import DESCRIBE, LIST, PREFIX, SHOW, ListQuery, described
from bridge.server.parameters import wrong
from bridge.server.problems import CannotAnswer
from bridge.server.readers import Readers
from bridge.store.errors import DatabaseAway
from bridge.store.shapes import CallDetail, CallPage

if TYPE_CHECKING:
    from bridge.store.reading.archive import Archive

log = structlog.get_logger(__name__)

_PATIENCE: Final = 4.5
"""Seconds in which the database has to answer."""


class Admission(Protocol):
    """Who may read."""

    @property
    def need_token(self) -> bool:
        """Whether everybody needs one."""

    def admit(self, request: web.Request) -> None:
        """Let somebody in.

        Raises:
            CannotAnswer: they may not come in.
        """


FindArchive = Callable[[], "Archive | None"]
_ARCHIVE: web.AppKey[FindArchive] = web.AppKey("archive", Callable)  # type: ignore[arg-type]
_READERS: web.AppKey[Admission] = web.AppKey("readers", object)  # type: ignore[arg-type]
_READING: web.AppKey[asyncio.Semaphore] = web.AppKey("reading", asyncio.Semaphore)
_SLOW_READER: web.AppKey[float] = web.AppKey("slow_reader", float)


def add_api(
    app: web.Application, archive: FindArchive, readers: Readers, *, send_timeout: float = 10.0
) -> None:
    """Serve the record below /api.

    `archive` finds it when it is asked for; None while the record is off. `send_timeout`: seconds
    that a reader may leave a bite unread.
    """
    app.add_subapp(PREFIX, record_app(archive, readers, send_timeout=send_timeout))


def record_app(
    archive: FindArchive, readers: Admission, *, send_timeout: float = 10.0
) -> web.Application:
    """The record as an application of its own, for whomever `readers` lets in."""
    api = web.Application(middlewares=[_answer_whatever_happens, _let_in])
    api[_ARCHIVE] = archive
    api[_READERS] = readers
    api[_SLOW_READER] = send_timeout
    # One at a time: calls that go on from earlier ones read from the same few connections.
    api[_READING] = asyncio.Semaphore(1)
    api.router.add_get(LIST.path, _list_calls)
    api.router.add_get(SHOW.path, _show_calls)
    api.router.add_get(DESCRIBE.path, _describe)
    api.on_response_prepare.append(_keep_private)
    return api


async def _list_calls(request: web.Request) -> web.StreamResponse:
    query: ListQuery = LIST.query.read(request.query)
    if query.caller and query.caller[0] == " ":  # +1555… whose plus sign was not encoded
        query = query.model_copy(update={"caller": f"+{query.caller[1:]}"})
    async with _reading(request) as archive:
        try:
            page = await archive.calls(query, limit=query.limit, after=query.after)
        except ValidationError:  # it is a ValueError, and not the reader's fault
            raise
        except ValueError:
            raise wrong("after", "must be the `next` of a page of this list") from None
    return await _send(request, _page(page))


async def _page(page: CallPage) -> AsyncGenerator[bytes]:
    yield b'{"calls":['
    for part in items_json(page.calls):
        yield part
    yield b'],"next":' + orjson.dumps(page.next) + b"}"


async def _show_calls(request: web.Request) -> web.StreamResponse:
    query = SHOW.query.read(request.query)
    async with _reading(request) as archive:
        calls = await archive.call(request.match_info["name"])
    if not calls:
        raise CannotAnswer(HTTPStatus.NOT_FOUND, "no call of that name is on record")
    return await _send(request, _calls(request, calls, with_frames=query.frames))


async def _calls(
    request: web.Request, calls: Sequence[CallDetail], *, with_frames: bool
) -> AsyncGenerator[bytes]:
    for number, call in enumerate(calls):
        yield b"," if number else b'{"calls":['
        for part in call_json(call):
            yield part
        if with_frames and call.level == "full":
            async with aclosing(_frames(request, call.id)) as frames:
                async for part in frames:
                    yield part
            yield b"}"
        else:
            yield b"null}"
    yield b"]}"


async def _frames(request: web.Request, call_id: str) -> AsyncGenerator[bytes]:
    from bridge.store.reading.wire import Wire  # noqa: PLC0415 - SQLAlchemy is there by now

    wire = None
    separator = b"["
    while True:
        async with _reading(request) as archive:
            wire = wire or Wire(archive, call_id)
            found = await wire.more()
        if found is None:
            break
        for frame in found:
            yield separator + frame.model_dump_json().encode()
            separator = b","
    yield b"null" if separator == b"[" else b"]"


async def _describe(request: web.Request) -> web.Response:
    DESCRIBE.query.read(request.query)
    body = described(needs_token=request.app[_READERS].need_token)
    return web.Response(body=body, content_type="application/json")


@asynccontextmanager
async def _reading(request: web.Request) -> AsyncGenerator["Archive"]:
    """Read from the record, if it can be had in time."""
    archive = request.app[_ARCHIVE]()
    if archive is None:
        raise _unavailable("nothing is recorded (BRIDGE_RECORD is off)")
    try:
        async with asyncio.timeout(_PATIENCE), request.app[_READING]:
            yield archive
    except TimeoutError:
        raise _unavailable("the record's database does not answer") from None
    except DatabaseAway as error:
        raise _unavailable(f"the record's database is away: {error.reason}") from None
    except SettingsError:
        raise _unavailable("the record's database cannot be used; see the log") from None


def _unavailable(detail: str) -> CannotAnswer:
    return CannotAnswer(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "5"})


async def _send(request: web.Request, parts: AsyncGenerator[bytes]) -> web.StreamResponse:
    """Send a body as it is made; a reader that is slow is cut off, one that has gone is let go."""
    seconds = request.app[_SLOW_READER]
    response = web.StreamResponse()
    response.content_type = "application/json"
    async with aclosing(parts), aclosing(bites(parts)) as body:
        bite = await anext(body)  # what goes wrong by now can still be said
        try:
            async with asyncio.timeout(seconds):
                await response.prepare(request)
            while bite and request.method != "HEAD":
                async with asyncio.timeout(seconds):
                    await response.write(bite)
                bite = await anext(body, b"")
        except ConnectionError:  # the reader has gone
            pass
        except (TimeoutError, CannotAnswer) as error:
            log.warning("an answer was cut off", reason=str(error) or "the reader is slow")
            if request.transport is not None:  # there is no other way to say that it is not whole
                request.transport.abort()
    return response


@web.middleware
async def _answer_whatever_happens(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with a problem where there is no other answer."""
    try:
        return await handler(request)
    except CannotAnswer as problem:
        return problem.response()
    except web.HTTPException as error:  # no such path; another method than GET
        status = HTTPStatus(error.status)
        allowed = {"Allow": "GET, HEAD"} if status is HTTPStatus.METHOD_NOT_ALLOWED else None
        return CannotAnswer(status, status.description, headers=allowed).response()
    except Exception as error:  # SQLAlchemy and the drivers may raise anything
        log.error("fault while the record was read", kind=type(error).__name__)  # noqa: TRY400 - its text may hold speech
        log.debug("fault while the record was read", exc_info=error)
        return CannotAnswer(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault; see the log").response()


@web.middleware
async def _let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    request.app[_READERS].admit(request)
    return await handler(request)


async def _keep_private(_: web.Request, response: web.StreamResponse) -> None:
    """Have nobody keep it, guess what it is, or show it in a page of another site."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
