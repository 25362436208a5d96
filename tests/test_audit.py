"""`make audit` tells holes, none, and that nobody could be asked, one from the other: G24."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SOUND: dict[str, Any] = {"dependencies": [{"name": "aiohttp", "version": "3.0", "vulns": []}]}
HOLE = {"id": "GHSA-1", "fix_versions": ["3.1"], "aliases": [], "description": ""}
HOLED = {"dependencies": [{"name": "aiohttp", "version": "3.0", "vulns": [HOLE]}]}
PAGES: dict[str, Any] = {"auditReportVersion": 2, "vulnerabilities": {}}
HOLED_PAGES = {"vulnerabilities": {"vite": {"range": "<6", "severity": "high"}}}
AWAY = {"message": "405 Method Not Allowed", "error": {"summary": ""}}


def audited(folder: Path, python: object, npm: object, *options: str) -> tuple[int, str]:
    """Run it with programs that say this: the databases they would ask are not here."""
    for name, said in (("pip-audit", python), ("npm", npm)):
        if said is None:
            continue
        program = folder / name
        text = json.dumps(said) if isinstance(said, dict) else ""
        program.write_text(f"#!/bin/sh\necho '{text}'\necho 'no network' >&2\nexit 1\n")
        program.chmod(0o700)
    ran = subprocess.run(  # noqa: S603 - our own file
        [sys.executable, str(ROOT / "deploy/audit.py"), *options],
        env={**os.environ, "PATH": f"{folder}:/bin" if python else str(folder)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_where_no_hole_is_known_that_is_all(tmp_path: Path) -> None:
    code, said = audited(tmp_path, SOUND, PAGES)
    assert code == 0
    assert said.count("0 known holes") == 3


@pytest.mark.parametrize(
    ("python", "npm", "named"),
    [
        (HOLED, PAGES, "aiohttp 3.0: GHSA-1, mended in 3.1"),
        (SOUND, HOLED_PAGES, "vite <6: high"),
        (HOLED, AWAY, "NOT LOOKED AT: 405 Method Not Allowed"),
    ],
)
def test_a_hole_fails_it_also_in_ci(
    tmp_path: Path, python: dict[str, Any], npm: dict[str, Any], named: str
) -> None:
    code, said = audited(tmp_path, python, npm, "--where-there-is-network")
    assert code == 1
    assert named in said


def test_who_could_not_be_asked_is_named_and_ci_goes_on(tmp_path: Path) -> None:
    code, said = audited(tmp_path, "away", AWAY)
    assert code == 3
    assert said.count("NOT LOOKED AT: pip-audit said: no network") == 2
    assert "web/package-lock.json: NOT LOOKED AT: 405" in said
    assert audited(tmp_path, "away", AWAY, "--where-there-is-network")[0] == 0


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    code, said = audited(tmp_path, None, None)
    assert code == 3
    assert "pip-audit is not installed" in said
