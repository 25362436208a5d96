import json
from pathlib import Path

import pytest

from bridge.cli.tools import kind_of
from tests.cli.commands import CLOCK, bridge

FORECAST = '''
from typing import Annotated, Literal

from langchain.tools import tool
from pydantic import Field

print("loading")


@tool
def forecast(
    city: str,
    days: Annotated[int, Field(description="How many days.")] = 3,
    unit: Literal["c", "f"] = "c",
) -> str:
    """Tell the weather of the next days in a place that the caller has named, if it is known."""
    return "sun"
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "clock.py").write_text(CLOCK)
    (tmp_path / "tools" / "weather.py").write_text(FORECAST)
    return tmp_path


async def test_tools_are_shown_as_the_model_sees_them(folder: Path) -> None:
    table = '[tools.forecast]\ntimeout = 2.5\nread_only = true\nfiller = "Let me look."\n'
    (folder / "bridge.toml").write_text(table)
    ran = await bridge("tools", cwd=folder)

    assert ran.code == 0
    assert ran.out.splitlines() == [
        "current_time  tools/clock.py · up to 10 s",
        "  Tell the time of day.",
        "  policy: has side effects · runs to its end · once until its outcome was heard",
        '    city: text = "Paris"',
        "forecast  tools/weather.py · up to 2.5 s",
        "  Tell the weather of the next days in a place that the caller has named, if it",
        "    is known.",
        "  policy: reads only · stops when the caller speaks · filler: Let me look.",
        "    city: text",
        "    days: whole number = 3  How many days.",
        '    unit: "c" or "f" = "c"',
    ]


async def test_what_does_not_load_is_named_with_its_line(folder: Path) -> None:
    (folder / "tools" / "bad.py").write_text('\nraise ValueError("[/red] \\x1b[31m")\n')
    (folder / "bridge.toml").write_text("[tools.forcast]\ntimeout = 3\n")
    ran = await bridge("tools", cwd=folder)

    assert ran.code == 1
    assert "current_time" in ran.out
    assert "problem tools/bad.py:2: ValueError: [/red]" in ran.words
    assert "[tools.forcast] names no tool that is loaded (did you mean forecast?)" in ran.words
    assert "\x1b" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


async def test_machines_get_json(folder: Path) -> None:
    (folder / "tools" / "bad.py").write_text("import nothing_of_this_name\n")
    ran = await bridge("tools", "--json", cwd=folder)
    report = json.loads(ran.out)

    assert ran.code == 1
    assert [tool["name"] for tool in report["tools"]] == ["current_time", "forecast"]
    assert report["tools"][1]["arguments"]["required"] == ["city"]
    assert report["tools"][1]["policy"] == {
        "read_only": False,
        "timeout": 10,
        "on_interrupt": "finish",
        "once": True,
        "filler": "",
        "confirm": "",
        "in_words": "has side effects · runs to its end · once until its outcome was heard",
    }
    assert report["failures"][0]["file"] == "tools/bad.py"
    assert report["failures"][0]["line"] == 1


async def test_a_missing_folder_is_a_failure(tmp_path: Path) -> None:
    ran = await bridge("tools", cwd=tmp_path)

    assert ran.code == 1
    assert "No tools." in ran.out
    assert "create the folder" in ran.words


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "array", "items": {"type": "string"}}, "list of text"),
        ({"type": "array"}, "list"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "whole number or none"),
        ({"$ref": "#/$defs/Place"}, "object with city"),
        ({"const": "x"}, '"x"'),
        ({"type": ["string", "null"]}, "['string', 'null']"),
        ({}, "anything"),
        (True, "anything"),
    ],
)
def test_types_are_written_in_words(schema: object, kind: str) -> None:
    place = {"type": "object", "properties": {"city": {"type": "string"}}}

    assert kind_of(schema, {"Place": place}) == kind


def test_a_type_that_holds_itself_has_an_end() -> None:
    tree = {"type": "array", "items": {"$ref": "#/$defs/Tree"}}

    assert kind_of(tree, {"Tree": tree}) == "list of list of anything"
