"""One soak: a bridge, its model and callers, somebody who edits a tool, somebody who watches."""

import asyncio
import contextlib
import json
import os
import platform
import random
import shutil
import sys
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.soak.callers import Person
from benchmarks.soak.model import Model
from benchmarks.soak.tally import Tally
from benchmarks.soak.verdict import LEFT, Kept
from benchmarks.speed.servers import CORE, ROOT, pinned
from tests.fake_openai.client import FakeOpenAI

HERE = Path(__file__).parent
SERVE = ("-m", "bridge.cli", "serve")
LOG = "bridge.log"
START = 30.0
"""Seconds until the bridge must be ready."""
SETTLE = 30.0
"""Seconds in which nothing may be left of calls that are over."""
EDIT_EVERY = 10.0
"""Seconds between two versions of a tool; every fifth is broken."""


@dataclass
class Watch:
    """What is seen of the bridge, from another process."""

    samples: list[dict[str, float]] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> dict[str, float]:
        """Wait for the next sample."""
        self.more.clear()
        await self.more.wait()
        return self.samples[-1]


async def soak(folder: Path, minutes: float, callers: int, seed: int) -> Kept:
    """Run it; everything that was seen."""
    about = machine()
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - to be had again
    async with Model() as model, serving(folder, model) as (port, pid):
        others = os.sched_getaffinity(0) - {CORE}
        os.sched_setaffinity(0, others or {CORE})
        model_port = urllib.parse.urlsplit(model.base_url).port
        async with (
            watching(folder, port, pid, model_port) as watch,
            editing(folder / "tools/lookup.py"),
        ):
            began = (await watch.next())["at"]
            await talking(port, callers, minutes * 60, chance, tally)
            ended = (await watch.next())["at"]
            await settled(watch)
    about["load_after"] = os.getloadavg()[0]
    log = (folder / LOG).read_text()
    errors = list(errors_in(log))
    for error in errors:
        tally.tell("errors", line=error)
    for each in tally.told:
        each["log"] = [line for line in log.splitlines() if each.get("session", "-") in line][-9:]
    flaws = dict(tally.flaws)
    never = {name: flaws.pop(name, 0) for name in ("foreign", "not_whole")}
    return {
        "about": about,
        "minutes": minutes,
        "callers": callers,
        "seed": seed,
        "calls": tally.calls,
        "turns": dict(tally.outcomes),
        "deeds": dict(tally.deeds),
        "moods": dict(tally.moods),
        "strays": flaws,
        "never": {
            **never,
            "lost": tally.outcomes["lost"],
            "strays": sum(flaws.values()),
            "refused": tally.refused,
            "errors": len(errors),
        },
        "told": tally.told,
        "began": began,
        "ended": ended,
        "samples": watch.samples,
    }


async def talking(
    port: int, callers: int, seconds: float, chance: random.Random, tally: Tally
) -> None:
    """All callers, to the end."""
    async with asyncio.TaskGroup() as persons:
        for _ in range(callers):
            own = random.Random(chance.getrandbits(64))  # noqa: S311
            persons.create_task(Person(port, own, tally).talk(seconds))


async def settled(watch: Watch) -> None:
    """Wait until nothing is left, or for so long that it will stay."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE):
            before, now = watch.samples[0], await watch.next()
            while any(now[name] > before[name] for name, _ in LEFT):
                now = await watch.next()


@asynccontextmanager
async def serving(folder: Path, model: FakeOpenAI) -> AsyncIterator[tuple[int, int]]:
    """`bridge serve` in a folder of its own; its port and process."""
    shutil.copytree(HERE / "tools", folder / "tools")
    shutil.copytree(ROOT / "prompts", folder / "prompts")
    shutil.copy(HERE / "bridge.toml", folder)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BRIDGE_", "OPENAI_"))}
    with (folder / LOG).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(*pinned(CORE), sys.executable, *SERVE, "--port", "0"),
            cwd=folder,
            env={
                **inherited,
                "PYTHONPATH": str(ROOT),
                "OPENAI_BASE_URL": model.base_url,
                "OPENAI_API_KEY": "sk-soak",  # pragma: allowlist secret - the fake asks for none
                "BRIDGE_LOG_FORMAT": "json",
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START):
            while (line := (await process.stdout.readline()).decode()).split()[:1] != ["health"]:
                if not line:
                    raise RuntimeError(f"it did not start: {(folder / LOG).read_text()}")
        yield int(line.rpartition("/healthz")[0].rpartition(":")[2]), process.pid
        if process.returncode is not None:
            raise RuntimeError(f"it ended by itself, with {process.returncode}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


@asynccontextmanager
async def watching(
    folder: Path, port: int, pid: int, model_port: int | None
) -> AsyncIterator[Watch]:
    """Have another process look at the bridge."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.soak.watch", str(port), str(pid), str(model_port)),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    watch = Watch()

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            watch.samples.append(json.loads(line))
            watch.more.set()
        raise RuntimeError("nobody watches any more: what it said stands above")

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read())
        try:
            yield watch
        finally:
            reading.cancel()
            process.kill()
            await process.wait()


@asynccontextmanager
async def editing(file: Path) -> AsyncIterator[None]:
    """Save a tool again and again, at times half of it."""
    whole = file.read_text()

    async def edit() -> None:
        version = 0
        while True:
            await asyncio.sleep(EDIT_EVERY)
            version += 1
            broken = version % 5 == 0
            file.write_text(whole[: len(whole) // 2] if broken else f"{whole}\n# {version}\n")

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(edit())
        try:
            yield
        finally:
            task.cancel()


def errors_in(log: str) -> Iterator[str]:
    """Lines that tell of an error, of the bridge's own then, and those that are no JSON."""
    for line in log.splitlines():
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            yield line
            continue
        if said.get("level") in ("error", "critical"):
            yield line


def machine() -> dict[str, Any]:
    """What this ran on."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line for line in cpus if line.startswith("model name")), ": unknown")
    return {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "processor": name.partition(":")[2].strip(),
        "load_before": os.getloadavg()[0],
    }
