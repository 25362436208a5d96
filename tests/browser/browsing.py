"""A real Chromium, the real SDK in a page, and what both need to be there."""

import os
import shutil
import subprocess
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).parent / "page"
RATE = 16_000

ARGUMENTS = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",  # else it looks for its maker's servers
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",  # nobody is there to allow the microphone
    "--use-fake-device-for-media-stream",
)


def chromium() -> str | None:
    """The browser's program, as Debian installs it or as BRIDGE_TEST_CHROMIUM says."""
    told = os.environ.get("BRIDGE_TEST_CHROMIUM")
    names = [told] if told else ["chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if (found := shutil.which(name))), None)


def node_modules() -> Path | None:
    """Where npm has put the SDK: below web/, or where BRIDGE_TEST_NODE_MODULES says."""
    folder = Path(os.environ.get("BRIDGE_TEST_NODE_MODULES", ROOT / "web" / "node_modules"))
    return folder if (folder / "@millisai" / "web-sdk" / "package.json").exists() else None


def bundler(modules: Path) -> list[str] | None:
    """Begin a command that packs a script for a page: with rolldown, which Vite has, or esbuild."""
    programs = {"rolldown": ["--format", "iife"], "esbuild": ["--bundle", "--format=iife"]}
    for name, options in programs.items():
        if (program := modules / ".bin" / name).exists():
            return [str(program), *options]
    return None


@cache
def missing(*, sdk: bool) -> str | None:
    """What tests in a browser need and do not have; None: nothing."""
    if find_spec("playwright") is None:
        return "playwright is not installed: pip install -e '.[dev]'"
    if chromium() is None:
        return "no Chromium: install Debian's package chromium, or set BRIDGE_TEST_CHROMIUM"
    if not sdk:
        return None
    modules = node_modules()
    if modules is None:
        return "no @millisai/web-sdk: npm ci in web/, or set BRIDGE_TEST_NODE_MODULES"
    if bundler(modules) is None:
        return f"nothing in {modules} packs a page: neither rolldown nor esbuild"
    return None


def packed(folder: Path) -> Path:
    """The test page with the SDK in it, below a folder."""
    modules = node_modules()
    command = bundler(modules) if modules else None
    assert modules is not None
    assert command is not None, missing(sdk=True)
    (folder / "node_modules").symlink_to(modules)
    shutil.copy(PAGE / "talk.js", folder / "talk.js")
    out = {"rolldown": "--file", "esbuild": "--outfile"}[Path(command[0]).name]
    subprocess.run(  # noqa: S603 - our own command
        [command[0], "talk.js", *command[1:], f"{out}=bundle.js"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return folder / "bundle.js"


@asynccontextmanager
async def page_served(bundle: Path) -> AsyncIterator[str]:
    """Serve the test page, as one's own page is served while it is written; its address."""

    async def html(_: web.Request) -> web.Response:
        head = "<!doctype html><meta charset=utf-8><title>talk</title>"
        return web.Response(
            text=f"{head}<script src=talk.js></script>", content_type="text/html", charset="utf-8"
        )

    async def script(_: web.Request) -> web.FileResponse:
        return web.FileResponse(bundle)

    app = web.Application()
    app.router.add_get("/", html)
    app.router.add_get("/talk.js", script)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def launched(playwright: "Playwright", microphone: Path) -> "AsyncIterator[Browser]":
    """Run a Chromium whose microphone hears a WAV file, once, and then silence."""
    browser = await playwright.chromium.launch(
        executable_path=chromium(),
        args=[*ARGUMENTS, f"--use-file-for-fake-audio-capture={microphone}%noloop"],
    )
    try:
        yield browser
    finally:
        await browser.close()


def write_wav(path: Path, pcm: bytes, rate: int = RATE) -> Path:
    """Save 16-bit sound of one channel."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return path


def silence(seconds: float) -> bytes:
    """Sound of nothing."""
    return bytes(2 * int(RATE * seconds))
