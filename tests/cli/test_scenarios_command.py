"""`bridge test` as a person runs it. What scenarios can do is tested in tests/scenarios."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.cli.commands import bridge, bridge_each

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
    often = ["rude.yaml", "--json", "--repeat", "2", "--pass-rate", "0"]
    ran = await bridge_each(["test", "rude.yaml"], ["test", *often], cwd=tmp_path)
    shown, told = ran.out.split("exit code 1\n")

    assert shown.splitlines() == [
        "FAILED  rude.yaml  1 turn · 4.2 s · scripted",
        "    rude.yaml:5: say: Please?",
        "      said: No way.",
        '      line 7: says.contains: no "of course": said was "No way."',
    ]
    told, code = told.split("exit code ")
    assert int(code) == 0
    assert "\x1b" not in told
    (one,) = json.loads(told)["scenarios"]
    assert (one["passed"], one["pass_rate"], len(one["runs"])) == (True, 0.0, 2)
    (finding,) = one["runs"][0]["turns"][1]["findings"]
    assert (finding["line"], finding["expected"]) == (7, "says.contains")


async def test_what_cannot_be_played_is_told_before_anything_is(tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "rude.yaml").write_text(RUDE)
    (tmp_path / "scenarios" / "wrong.yaml").write_text(WRONG)
    unknown = ["rude.yaml", "--model", "nobody:none"]
    (tmp_path / "rude.yaml").write_text(RUDE)
    nowhere = ["rude.yaml", "--junit", "no/such/folder.xml"]
    ran = await bridge_each(
        ["test"], ["test", "none.yaml"], ["test", *unknown], ["test", *nowhere], cwd=tmp_path
    )

    told = ran.err.splitlines()
    assert told[:2] == [
        "scenarios/wrong.yaml:2: unknown key sya (did you mean say?)",
        "none.yaml: No such file or directory",
    ]
    assert told[2].startswith("bridge: model nobody:none: ")
    assert told[3] == "bridge: cannot write no/such/folder.xml: No such file or directory"
    assert ran.out.count("exit code 2") == 4
