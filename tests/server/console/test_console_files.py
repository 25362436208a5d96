"""What is served at /console: the built pages, nothing else, and what browsers are to keep to."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bridge.server.console.files import Pages
from bridge.server.console.headers import set_headers
from tests.server.reading import on_port

INDEX = "<!doctype html><title>console</title>"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Pages as they are built, with secrets around them."""
    folder = tmp_path / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "assets" / "app-1a2b.js").write_text("void 0;")
    (folder / "assets" / "app-1a2b.css").write_text("a{}")
    (tmp_path / "secret.txt").write_text("canary")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    return folder


@pytest.fixture
async def address(built: Path) -> AsyncIterator[str]:
    """Where they are served."""
    pages = Pages(built)

    async def page(request: web.Request) -> web.StreamResponse:
        return pages.answer(request.match_info["name"])

    app = web.Application()
    app.on_response_prepare.append(set_headers)
    app.router.add_get("/console/{name:.*}", page)
    async with on_port(app) as runner:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/console/"


async def asked(url: str) -> tuple[int, dict[str, str], str]:
    async with aiohttp.ClientSession() as http, http.get(URL(url, encoded=True)) as answer:
        return answer.status, dict(answer.headers), await answer.text()


async def test_the_first_page_is_never_kept_and_its_parts_for_ever(address: str) -> None:
    status, headers, body = await asked(address)
    assert (status, body) == (200, INDEX)
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    status, headers, _ = await asked(address + "assets/app-1a2b.js")
    assert status == 200
    assert "immutable" in headers["Cache-Control"]
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"


async def test_a_browser_may_run_the_pages_own_files_only_and_in_no_frame(address: str) -> None:
    _, headers, _ = await asked(address)
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["style-src"] == "'self'"
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]
    assert "'unsafe-eval'" not in headers["Content-Security-Policy"]
    assert not re.search(r"https?:|\*", headers["Content-Security-Policy"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"


OUTSIDE = [
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "assets/../../secret.txt",
    "assets/..%2f..%2fsecret.txt",
    "..\\secret.txt",
    "..%5csecret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "link.txt",
    "up/secret.txt",
    "index.html%00.txt",
    "%00",
    "assets/app-1a2b.js%00",
    "assets",
    "assets/",
    ".",
    "..",
    "INDEX.HTML",
    "index.html/",
    "~root",
    "%ff%fe",
    "a" * 5000,
]


@pytest.mark.parametrize("name", OUTSIDE)
async def test_no_name_leads_out_of_the_folder(address: str, name: str) -> None:
    status, _, body = await asked(address + name)
    assert status in (400, 404)
    assert "canary" not in body
    assert "root:" not in body


async def test_pages_that_are_built_again_are_served_without_a_new_start(
    address: str, built: Path
) -> None:
    await asked(address)
    (built / "assets" / "app-9z.js").write_text("void 1;")
    assert (await asked(address + "assets/app-9z.js"))[0] == 404
    (built / "index.html").write_text("new")
    assert (await asked(address + "assets/app-9z.js"))[0] == 200
    assert (await asked(address))[2] == "new"


async def test_what_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    response = Pages(tmp_path / "nothing").answer("")
    assert isinstance(response, web.Response)
    assert response.status == 503
    assert "make console" in str(response.text)
