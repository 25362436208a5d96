"""Every scenario, command and table of docs/scenarios.md, held against the code and run."""

import re
import shlex
import shutil
from pathlib import Path

from pydantic import BaseModel

from bridge.scenarios import form
from tests.cli.commands import bridge_each
from tests.fake_openai.client import FakeOpenAI
from tests.scenarios.playing import QUICK
from tests.wire import asking, tool_call

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "scenarios.md").read_text()


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line.partition("#")[0] for line in "\n".join(snippets("sh")).splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.strip()]


def save(folder: Path) -> None:
    """Write all scenarios of the page; what a real model answers goes quickly."""
    for name in ("tools", "prompts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "scenarios").mkdir()
    for text in snippets("yaml"):
        real = "model:" not in text
        (folder / text.splitlines()[0].removeprefix("# ")).write_text(QUICK * real + text)


async def test_every_scenario_and_command_does_what_the_page_says(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    save(tmp_path)
    assert len(snippets("yaml")) == 5
    fine = asking(tool_call("Verdict", reason="It does.", fulfilled=True))
    poor = asking(tool_call("Verdict", reason="It does not.", fulfilled=False))
    sorry = {"say": "I'm so sorry."}
    real = [word for word in commands() if "--model" in word]
    offline = [word for word in commands() if "--model" not in word]
    (tmp_path / "scenarios" / "polite.yaml").rename(tmp_path / "polite.yaml")
    await openai.script(sorry, fine, fine, sorry, fine, fine, sorry, poor, fine)
    (snippet,) = snippets("python")
    moved = [[word.removeprefix("scenarios/") for word in words] for words in real]
    keys = {"OPENAI_BASE_URL": openai.base_url, "OPENAI_API_KEY": "sk-test"}
    ran = await bridge_each(*offline, *moved, cwd=tmp_path, then=snippet, **keys)

    assert (ran.code, ran.err) == (0, "")
    told = ran.out
    assert re.findall(r"exit code (\d)", told) == ["0"] * len(commands())
    assert told.count("4 of 4 scenarios passed") == 2
    assert "1 of 2 passed (50%)" in told
    assert "judge: It does not." in told
    assert told.splitlines()[-1].startswith("True ['Hello Ada")


def test_every_key_of_the_form_is_in_the_tables_and_no_other() -> None:
    models: list[type[BaseModel]] = [
        *(form.Form, form.Turn, form.Expect, form.Words, form.ToolWanted, form.Read),
        *(form.Transfer, form.About, form.HabitsGiven, form.Message, form.ToolCalled, form.Stub),
    ]
    keys = {f.alias or name for model in models for name, f in model.model_fields.items()}
    shown = set(re.findall(r"`(?:\{)?(\w+)", GUIDE))
    assert keys <= shown
    rows = re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE)
    assert set(rows) - {"demo"} <= keys
