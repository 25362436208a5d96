"""The README is product: its tables and snippets are held against the code."""

import ast
import inspect
import re
import tomllib
from itertools import pairwise
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from bridge.agent.policy import Policy, policy_of
from bridge.agent.providers import provider_of, providers
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads
from bridge.settings import Settings
from bridge.settings.tables import ToolSettings
from tests.scenarios.playing import played, problems

README = (Path(__file__).parents[1] / "README.md").read_text()
DOCS = Path(__file__).parents[1] / "docs"
CALLS = (DOCS / "calls.md").read_text()


def descriptions() -> dict[str, str]:
    """What stands below each setting. Pydantic could tell, at a cost for every start."""
    (tree,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(tree, ast.ClassDef)
    return {
        setting.target.id: " ".join(text.split())
        for setting, below in pairwise(tree.body)
        if isinstance(setting, ast.AnnAssign) and isinstance(setting.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(text := below.value.value, str)
    }


def settings_table() -> str:
    told = descriptions()
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        if default is PydanticUndefined or isinstance(default, dict):
            continue  # tables, which only bridge.toml has
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = "" if default is None or default == () else f"`{str(default).lower()}`"
        rows.append(f"| `BRIDGE_{name.upper()}` | {shown} | {told[name]} |")
    return "\n".join(rows)


def snippets(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_settings_table_is_that_of_the_code() -> None:
    (shown,) = re.findall(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", README, re.DOTALL)
    assert shown == settings_table()


async def test_the_tools_of_the_readme_load(tmp_path: Path) -> None:
    names = []
    for snippet in snippets("python"):
        name = snippet.splitlines()[0].removeprefix("# tools/")
        (tmp_path / name).write_text(snippet)
        names.append(name)
    toolbox = await ToolShelf(tmp_path, threads=ToolThreads()).reload()
    assert names
    assert toolbox.failures == ()
    assert {tool.name for tool in toolbox.tools} == {"in_stock", "loyalty_points"}


def test_the_scenario_of_the_readme_passes() -> None:
    (snippet,) = snippets("yaml")
    outcome = played(snippet)
    assert [turn.did for turn in outcome.turns] == ["greeting", "say", "barge_in"]
    assert outcome.passed, problems(outcome)


async def test_the_prompt_of_the_readme_renders(tmp_path: Path) -> None:
    (snippet,) = snippets("jinja")
    (tmp_path / "greeting.md").write_text(snippet)
    prompts = await PromptShelf(tmp_path).reload()
    assert prompts.failures == ()


async def test_the_policy_of_the_guide_to_calls_is_understood(tmp_path: Path) -> None:
    (snippet,) = snippets("python", CALLS)
    (tmp_path / "tables.py").write_text(snippet)
    (tool,) = (await ToolShelf(tmp_path, threads=ToolThreads()).reload()).tools
    assert policy_of(tool) == Policy(read_only=True, filler="Let me look.")
    tables = [tomllib.loads(text) for text in snippets("toml", CALLS)]
    assert ToolSettings(**tables[0]["tools"]["free_tables"]).timeout == 3.0
    assert Settings(destinations=tables[1]["destinations"]).destinations == {"sales": "+15550100"}


def test_the_personas_of_the_guide_are_understood() -> None:
    (snippet,) = snippets("toml", (DOCS / "personas.md").read_text())
    settings = Settings(**tomllib.loads(snippet))
    assert list(settings.personas) == ["sales", "night"]
    sales = settings.of_persona("sales")
    assert (sales.chosen_model, sales.filler_after) == ("openai:gpt-4.1", 1.0)
    assert sales.tools["reserve"].filler == "I'm putting that aside for you."
    assert settings.of_persona("night").greeting == "model"


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in set(re.findall(r"\bmake (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_models_of_the_readme_are_those_of_known_providers() -> None:
    (table,) = re.findall(r"<!-- models -->\n(.*?)\n<!-- /models -->", README, re.DOTALL)
    known = {one.name: one for one in providers()}
    for row in table.splitlines()[2:]:
        _, model, key, package = (re.findall(r"`(.+?)`", cell) for cell in row.split("|")[1:5])
        provider = known[provider_of(model[0])]
        assert package in ([provider.package], [])
        if provider.installed:
            assert list(provider.keys) == key
