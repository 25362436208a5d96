"""The console's routes: pages for the browser, and JSON for the pages."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.server.api import FindArchive, record_app
from bridge.server.console.exhibit import Examination, Exhibit, Sample
from bridge.server.console.files import Pages
from bridge.server.console.headers import set_headers
from bridge.server.console.news import News
from bridge.server.console.pulse import Pulse
from bridge.server.console.visitors import COOKIE, LASTS, Visitors
from bridge.server.problems import CannotAnswer
from bridge.server.watching import Watchers, show_call

log = structlog.get_logger(__name__)

PREFIX: Final = "/console"
_LONGEST_BODY: Final = 256 * 1024
_PATIENCE: Final = 10.0
"""Seconds that a body may take."""
_Body = TypeVar("_Body", bound=BaseModel)


class _Login(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: str = Field(max_length=1024)


@dataclass(frozen=True, slots=True)
class Watching:
    """Calls as they happen."""

    watchers: Watchers
    pulse: Pulse


def add_console(
    app: web.Application,
    exhibit: Exhibit,
    archive: FindArchive,
    watching: Watching,
    visitors: Visitors,
) -> None:
    """Serve the console below /console, for whomever `visitors` lets in."""
    pages = Pages()

    async def page(request: web.Request) -> web.StreamResponse:
        visitors.admit_to_pages(request)
        return pages.answer(request.match_info["name"])

    async def redirect(request: web.Request) -> web.StreamResponse:
        visitors.admit_to_pages(request)
        raise web.HTTPMovedPermanently(f"{PREFIX.removeprefix('/')}/")

    console = web.Application(middlewares=[_answer_in_words])
    console.on_response_prepare.append(set_headers)
    console.add_subapp("/api/", _api(exhibit, visitors))
    console.add_subapp("/record/", record_app(archive, visitors))
    console.router.add_get("/watch/{session}", _watch(watching, visitors))
    console.router.add_get("/{name:.*}", page)
    app.router.add_get(PREFIX, redirect)
    app.add_subapp(f"{PREFIX}/", console)


def _api(exhibit: Exhibit, visitors: Visitors) -> web.Application:
    """What the pages ask for."""
    api = web.Application()
    news = News(exhibit.versions)
    api.on_shutdown.append(news.close)

    async def prompts(request: web.Request) -> Any:
        return await exhibit.prompts(await _read(request, Sample))

    async def agent(_: web.Request) -> Any:
        return {**exhibit.agent(), "has_login": visitors.need_token}

    async def settings(_: web.Request) -> Any:
        return exhibit.settings()

    async def doctor(request: web.Request) -> Any:
        examination = await _read(request, Examination)
        return await exhibit.doctor(ask_models=examination.ask_models)

    async def told(request: web.Request) -> web.StreamResponse:
        visitors.admit(request)
        return await news.tell(request)

    api.router.add_get("/agent", _as_json(agent, visitors))
    api.router.add_get("/settings", _as_json(settings, visitors))
    api.router.add_post("/prompts", _as_json(prompts, visitors))
    api.router.add_post("/doctor", _as_json(doctor, visitors))
    api.router.add_get("/news", told)
    api.router.add_post("/login", _login(visitors))
    api.router.add_post("/logout", _logout(visitors))
    return api


def _as_json(ask: Callable[[web.Request], Awaitable[Any]], visitors: Visitors) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        visitors.admit(request)
        body = orjson.dumps(await ask(request), default=str)
        return web.Response(body=body, content_type="application/json")

    return answer


def _watch(watching: Watching, visitors: Visitors) -> Handler:
    async def watch(request: web.Request) -> web.StreamResponse:
        visitors.admit(request)
        before = watching.pulse.recent(request.match_info["session"])
        return await show_call(request, watching.watchers, before)

    return watch


def _login(visitors: Visitors) -> Handler:
    async def log_in(request: web.Request) -> web.StreamResponse:
        visitors.admit_to_pages(request)
        cookie = await visitors.log_in(request, (await _read(request, _Login)).token)
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=LASTS,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=_is_encrypted(request),
        )
        return response

    return log_in


def _logout(visitors: Visitors) -> Handler:
    async def log_out(request: web.Request) -> web.StreamResponse:
        visitors.admit_to_pages(request)
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response

    return log_out


def _is_encrypted(request: web.Request) -> bool:
    """Whether the browser came by HTTPS; a proxy before us says so."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "") == "https"


async def _read(request: web.Request, kind: type[_Body]) -> _Body:
    if request.content_type != "application/json":  # a form of another site cannot send this
        raise CannotAnswer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
    try:
        async with asyncio.timeout(_PATIENCE):
            body = await request.read()
    except TimeoutError:
        raise CannotAnswer(HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time") from None
    if len(body) > _LONGEST_BODY:
        raise CannotAnswer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "send 256 KiB at most")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        detail = f"{where}: {first['msg']}"
        raise CannotAnswer(HTTPStatus.BAD_REQUEST, detail) from None


@web.middleware
async def _answer_in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say why there is no answer; a fault of ours is logged, and not shown."""
    try:
        return await handler(request)
    except CannotAnswer as problem:
        return problem.response()
    except web.HTTPException as error:
        status = HTTPStatus(error.status)
        return CannotAnswer(status, status.description or status.phrase).response()
    except Exception as error:  # what is shown comes from tools and templates: foreign code
        log.error("fault in the console", kind=type(error).__name__)  # noqa: TRY400 - may hold speech
        log.debug("fault in the console", exc_info=error)
        return CannotAnswer(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault; see the log").response()
