"""`bridge test` as a person runs it. What scenarios can do is tested in tests/scenarios."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.cli.commands import bridge

ROOT = Path(__file__).parents[2]

RUDE = """\
about: It fails.
model:
  - says: "No way."
turns:
  - say: "Please?\\e[2J"
    expect:
      says: {contains: of course}
"""
WRONG = """\
turns:
  - sya: Hello
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_the_shipped_scenarios_pass_in_a_fresh_clone(tmp_path: Path) -> None:
    for name in ("tools", "prompts", "scenarios"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    ran = await bridge("test", "--junit", "report.xml", cwd=tmp_path)

    assert (ran.code, ran.err) == (0, "")
    *each, last = ran.out.splitlines()
    assert [line.split()[:2] for line in each] == [
        ["passed", "scenarios/cancelling.yaml"],
        ["passed", "scenarios/interrupted.yaml"],
        ["passed", "scenarios/where_is_my_order.yaml"],
    ]
    assert last == "3 of 3 scenarios passed"
    assert ET.parse(tmp_path / "report.xml").getroot().get("tests") == "3"  # noqa: S314 - ours
    assert names(tmp_path) == {"tools", "prompts", "scenarios", "report.xml"}


async def test_a_scenario_that_fails_is_told_to_people_and_to_machines(tmp_path: Path) -> None:
    (tmp_path / "rude.yaml").write_text(RUDE)
    shown = await bridge("test", "rude.yaml", cwd=tmp_path)
    often = ("--repeat", "2", "--pass-rate", "0")
    told = await bridge("test", "rude.yaml", "--json", *often, cwd=tmp_path)

    assert (shown.code, told.code) == (1, 0)
    assert shown.out.splitlines() == [
        "FAILED  rude.yaml  1 turn · 4.2 s · scripted",
        "    rude.yaml:5: say: Please?",
        "      said: No way.",
        '      line 7: says.contains: no "of course": said was "No way."',
    ]
    assert "\x1b" not in told.out
    (one,) = json.loads(told.out)["scenarios"]
    assert (one["passed"], one["pass_rate"], len(one["runs"])) == (True, 0.0, 2)
    (finding,) = one["runs"][0]["turns"][1]["findings"]
    assert (finding["line"], finding["expected"]) == (7, "says.contains")


async def test_what_cannot_be_played_is_told_before_anything_is(tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "rude.yaml").write_text(RUDE)
    (tmp_path / "scenarios" / "wrong.yaml").write_text(WRONG)
    (tmp_path / "rude.yaml").write_text(RUDE)

    async def told(*arguments: str) -> str:
        ran = await bridge("test", *arguments, cwd=tmp_path)
        assert ran.code == 2
        return ran.err

    assert await told() == "scenarios/wrong.yaml:2: unknown key sya (did you mean say?)\n"
    assert await told("none.yaml") == "none.yaml: No such file or directory\n"
    unknown = await told("rude.yaml", "--model", "nobody:none")
    assert unknown.startswith("bridge: model nobody:none: ")
    assert await told("rude.yaml", "--junit", "no/such/folder.xml") == (
        "bridge: cannot write no/such/folder.xml: No such file or directory\n"
    )
