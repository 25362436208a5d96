"""`bridge new`, as those have it who install the package: from its wheel."""

import re
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from tests.cli.records import bridge_inside

ROOT = Path(__file__).parents[2]
NOWHERE = "sqlite+aiosqlite:///unused.db"
COMMANDS = """
import pytest
from typer.testing import CliRunner
from bridge.cli import app

@pytest.mark.parametrize(("command", "shown"), [
    ("tools", "opening_hours"), ("doctor", "ok       tools     opening_hours"), ("test", "passed")
])
def test_command(command: str, shown: str) -> None:
    ran = CliRunner().invoke(app, [command])
    assert (ran.exit_code, shown in ran.stdout, "problem" in ran.stdout) == (0, True, False)

def test_it_is_the_wheel() -> None:
    import bridge
    assert "site/bridge" in bridge.__file__
"""


def files(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def the_docs() -> str:
    """The example of docs/testing.md."""
    text = (ROOT / "docs" / "testing.md").read_text()
    (example,) = re.findall(r"```python\n# tests/test_calls\.py\n(.*?)```", text, re.DOTALL)
    return str(example)


def installed(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """From now on, have other processes import what the wheel holds."""
    with patch.context() as there:
        there.chdir(ROOT)
        name = build_wheel(str(folder))
    with zipfile.ZipFile(folder / name) as wheel:
        wheel.extractall(folder / "site")
    patch.setenv("PYTHONPATH", str(folder / "site"))
    patch.setenv("BRIDGE_PORT", "0")
    patch.delenv("OPENAI_API_KEY", raising=False)


def test_a_new_project_passes_its_tests_at_once_and_the_docs_are_right(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed(tmp_path, monkeypatch)
    made = pytester.run(sys.executable, "-m", "bridge.cli", "new", "demo")

    assert made.ret == 0
    project = pytester.path / "demo"
    assert set(files(project)) == {
        ".gitignore",
        "README.md",
        "bridge.toml",
        "prompts/greeting.md",
        "prompts/system.md",
        "pyproject.toml",
        "requirements.txt",
        "scenarios/opening_hours.yaml",
        "tests/test_calls.py",
        "tools/opening_hours.py",
    }
    assert (project / "README.md").read_text().startswith("# demo\n")
    made.stdout.fnmatch_lines(["*demo/tools/opening_hours.py", "*cd demo", "*bridge chat *"])

    (project / "tests" / "test_docs.py").write_text(the_docs())
    (project / "tests" / "test_commands.py").write_text(COMMANDS)
    monkeypatch.chdir(project)
    ini = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    # Plain: pytest would rewrite every module of a package that brings a plug-in.
    tests = pytester.run(sys.executable, "-m", "pytest", "--assert=plain", *ini)
    tests.assert_outcomes(passed=8)


def test_what_is_there_already_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine")
    Path("file").write_text("mine")
    Path("link").symlink_to("nowhere")
    Path("empty").mkdir()
    before = files(tmp_path)

    for name, reason in {
        "full": "the folder full is there already, and is not empty",
        "file": "file is there already, and is no folder",
        "link": "link is there already, and is no folder",
        "../up": "'../up' cannot be the name of a project",
        "": "'' cannot be the name of a project",
        "a b": "'a b' cannot be the name of a project",
        "Ärger": "'Ärger' cannot be the name of a project",
    }.items():
        refused = bridge_inside(NOWHERE, "new", name)
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.startswith(f"bridge: {reason}")
        assert refused.err.count("\n") == 1
    assert files(tmp_path) == before

    assert bridge_inside(NOWHERE, "new", "empty").code == 0
    assert "empty/README.md" in files(tmp_path)
