"""Starts the fake server in another process, and controls it.

As a fixture:

    @pytest.fixture(scope="session")
    def fake_openai() -> Iterator[FakeOpenAI]:
        with running() as fake:
            yield fake
"""

import asyncio
import io
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

_ROOT = Path(__file__).parents[2]
_START = 20.0


class FakeOpenAI:
    """One fake server. Use `running()`, `async with`, or `start()` and `stop()`."""

    module = "tests.fake_openai"

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._origin = ""

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` would be."""
        return f"{self._origin}/v1"

    def start(self) -> None:
        process = subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-m", self.module, "--port", "0"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._process = process
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _START)
        line = process.stdout.readline() if ready else b""
        if not line:
            self.stop()
            raise RuntimeError(f"{self.module} did not start")
        self._origin = f"http://127.0.0.1:{int(line)}"

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        process.communicate(timeout=10)  # closes the pipes, too

    async def __aenter__(self) -> "FakeOpenAI":
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    async def script(self, *scripts: Any, match: str | None = None) -> None:
        """Queue answers. `match`: the model's name, or a part of the user's last line."""
        body = orjson.dumps({"scripts": scripts, "match": match})
        await self._control("POST", "scripts", data=io.BytesIO(body))  # may be large

    async def requests(self) -> list[dict[str, Any]]:
        """Return the records of all requests since the last reset, oldest first."""
        records: list[dict[str, Any]] = await self._control("GET", "requests")
        return records

    async def wait(self, event: str, count: int = 1, timeout: float = 5.0) -> None:
        """Wait until `event` (see `records.EVENTS`) has happened `count` times since the reset.

        Raises:
            TimeoutError: it has not.
        """
        query = {"event": event, "count": str(count), "timeout": str(timeout)}
        seen = await self._control("GET", "wait", params=query)
        if not seen["reached"]:
            raise TimeoutError(f"{event} happened {seen['count']} times, not {count}")

    async def reset(self) -> None:
        """Forget scripts and records. Requests that still run are not recorded any more."""
        await self._control("POST", "reset")

    async def _control(self, method: str, what: str, **kwargs: Any) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self._origin}/control/{what}", **kwargs) as response,
        ):
            response.raise_for_status()
            return orjson.loads(await response.read())


@contextmanager
def running() -> Iterator[FakeOpenAI]:
    """Run a fake server: the body of a fixture of any scope."""
    fake = FakeOpenAI()
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
