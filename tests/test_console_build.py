"""How the console is built: from anybody's registry, and not at all where there is no Node.js."""

import json
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parents[1] / "web"


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/@millisai/web-sdk"]["version"] == "1.0.15"
    assert [name for name, one in lock["packages"].items() if "resolved" in one] == []
    assert all("integrity" in one for name, one in lock["packages"].items() if name)


def test_without_node_nobody_looks_and_it_is_said() -> None:
    command = [sys.executable, "-S", str(WEB / "build.py"), "check"]  # -S: nor what pip installed
    done = subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout == "console: not checked, there is no Node.js here\n"
