"""`python -m tests.autobahn --wstest PATH`: run the suite, keep what it found, write it down.

Ends with 1 if a case fails for which docs/autobahn.md has no reason.
"""

import argparse
import asyncio
import importlib.metadata
import json
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.autobahn.echo import echoing
from tests.autobahn.results import PAGE, WITHOUT_LIMIT, keep, read, table, unexplained

_PATIENCE = 1800
"""Seconds for all cases. They take one minute."""

_MARKS = ("<!-- autobahn -->\n", "\n<!-- /autobahn -->")


async def run(wstest: str, folder: Path) -> dict[str, Any]:
    """Have the suite dial every case; its index, by agent and case."""
    async with echoing() as origin:
        url = origin.replace("http", "ws", 1)
        return {
            **await _dial(wstest, folder, "bridge", f"{url}/millis", "*"),
            **await _dial(wstest, folder, WITHOUT_LIMIT, f"{url}/large", "9.*"),
        }


async def _dial(wstest: str, folder: Path, agent: str, url: str, cases: str) -> dict[str, Any]:
    spec = {
        "outdir": str(folder),
        "servers": [{"agent": agent, "url": url}],
        "cases": [cases],
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    suite = await asyncio.create_subprocess_exec(
        wstest, "--mode", "fuzzingclient", "--spec", str(folder / "spec.json")
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            if await suite.wait():
                sys.exit(f"{wstest} ended with {suite.returncode}")
    finally:
        if suite.returncode is None:
            suite.kill()
            await suite.wait()
    index: dict[str, Any] = json.loads((folder / "index.json").read_text())
    return index


def about(wstest: str) -> dict[str, str]:
    """Who met whom, and when."""
    said = subprocess.run(  # noqa: S603 - the program that was named
        [wstest, "--autobahnversion"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    return {
        **dict(line.split() for line in said.splitlines()),
        "aiohttp": importlib.metadata.version("aiohttp"),
        "Python": platform.python_version(),
        "on": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def main() -> None:
    """Run, keep, write."""
    options = argparse.ArgumentParser(description=__doc__, prog="python -m tests.autobahn")
    options.add_argument("--wstest", default="wstest", help="program of the suite")
    wstest = options.parse_args().wstest
    versions = about(wstest)
    with tempfile.TemporaryDirectory() as folder:
        keep(versions, asyncio.run(run(wstest, Path(folder))))
    kept = read()
    before, _, rest = PAGE.read_text().partition(_MARKS[0])
    after = rest.partition(_MARKS[1])[2]
    PAGE.write_text(before + _MARKS[0] + table(kept) + _MARKS[1] + after)
    if failed := unexplained(kept):
        sys.exit(f"failed, and docs/autobahn.md does not say why: {', '.join(failed)}")


if __name__ == "__main__":
    main()
