"""Look for known holes in the packages of the image and of the console: `make audit`.

Exit codes: 0 none is known, 1 some are, 3 somebody could not be asked, who is named. With
`--where-there-is-network`, as CI runs it, the last is said and no failure.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE = 300.0
"""Seconds that one of them may take."""


class Unreachable(Exception):
    """Nobody could be asked."""


def main(arguments: Sequence[str]) -> int:
    """Ask about everything, tell what was said, and give the exit code."""
    found, unasked = [], []
    for what, holes in (
        ("deploy/requirements.txt", lambda: _python("requirements.txt")),
        ("deploy/requirements-build.txt", lambda: _python("requirements-build.txt")),
        ("web/package-lock.json", _console),
    ):
        try:
            known = list(holes())
        except Unreachable as why:
            unasked.append(what)
            print(f"{what}: NOT LOOKED AT: {why}")
            continue
        found += known
        print("\n".join([f"{what}: {len(known)} known holes", *(f"  {hole}" for hole in known)]))
    if found:
        return 1
    return 3 if unasked and "--where-there-is-network" not in arguments else 0


def _python(name: str) -> Iterator[str]:
    """Holes in packages that are written down with their hashes: none is resolved or installed."""
    options = "--require-hashes --disable-pip -s osv --progress-spinner off -f json"
    told = _told("pip-audit", *options.split(), "-r", str(ROOT / "deploy" / name))
    for package in _part(told, "dependencies"):
        for hole in package["vulns"]:
            fixed = ", ".join(hole["fix_versions"]) or "no version"
            yield f"{package['name']} {package['version']}: {hole['id']}, mended in {fixed}"


def _console() -> Iterator[str]:
    """Holes in what the console's pages are built of, and with."""
    told = _told("npm", "audit", "--package-lock-only", "--json", "--prefix", str(ROOT / "web"))
    for name, hole in _part(told, "vulnerabilities").items():
        yield f"{name} {hole['range']}: {hole['severity']}"


def _told(program: str, *arguments: str) -> str:
    """What a program says; its exit code does not tell a hole from a network that is away."""
    path = shutil.which(program)
    if path is None:
        raise Unreachable(f"{program} is not installed")
    try:
        ran = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{program} has not ended in {PATIENCE:.0f} s") from None
    if '"' in ran.stdout:
        return ran.stdout
    said = ran.stderr.strip().splitlines() or ["nothing"]
    raise Unreachable(f"{program} said: {said[-1]}")


def _part(told: str, name: str) -> Any:
    answer = json.loads(told)
    if name not in answer:
        raise Unreachable(answer.get("message", "no answer"))
    return answer[name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
