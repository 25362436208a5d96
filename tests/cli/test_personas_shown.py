"""`bridge tools --persona` and `bridge doctor`: what each persona would use."""

import json
from pathlib import Path

import pytest

from tests.cli.commands import CLOCK, bridge

ROOMS = '''
from langchain.tools import tool
@tool
def book(room: str) -> str:
    """Book a room."""
    return "booked"
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "tools/clock.py": CLOCK,
        "tools/rooms.py": ROOMS,
        "prompts/greeting.md": "Hello.",
        "prompts/sales/greeting.md": "Hello from sales.",
        "bridge.toml": """
            model = "demo"
            record = "off"
            port = 0
            [personas.sales]
            agents = ["agent-1"]
            allow = ["book"]
            [personas.sales.tools.book]
            timeout = 2
            [personas.care]
        """,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


async def test_the_tools_of_a_persona_are_those_it_may_use(folder: Path) -> None:
    ran = await bridge("tools", "--persona", "sales", cwd=folder)
    assert ran.code == 0
    assert ran.out.splitlines()[0] == "book  tools/rooms.py · up to 2 s"
    assert "current_time" not in ran.out
    both = await bridge("tools", "--persona", "care", "--json", cwd=folder)
    assert [tool["name"] for tool in json.loads(both.out)["tools"]] == ["current_time", "book"]


async def test_a_persona_that_is_not_there_is_refused_and_the_others_are_named(
    folder: Path,
) -> None:
    ran = await bridge("tools", "--persona", "sale", cwd=folder)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "bridge: no persona 'sale': there are default, sales, care\n"


async def test_a_tool_that_a_persona_names_in_vain_is_a_problem(folder: Path) -> None:
    (folder / "tools" / "rooms.py").unlink()
    said = "bridge.toml: [personas.sales] names the tool 'book', which is not loaded"
    shown = await bridge("tools", "--persona", "sales", cwd=folder)
    assert shown.code == 1
    assert said in shown.words
    checked = await bridge("doctor", "--json", cwd=folder)
    assert checked.code == 1
    assert {"level": "problem", "check": "tools", "message": said}.items() <= {
        key: value
        for finding in json.loads(checked.out)["findings"]
        if finding["message"] == said
        for key, value in finding.items()
    }.items()
    served = await bridge("serve", cwd=folder)
    assert served.code == 2
    assert served.err.splitlines()[-1] == f"bridge: {said}"


async def test_the_doctor_says_what_each_persona_answers_for(folder: Path) -> None:
    (folder / "prompts" / "sales" / "apology.md").write_text("Sorry {{ broken")
    ran = await bridge("doctor", cwd=folder)
    assert "sales answers for /millis/sales and the agents agent-1; prompts: greeting" in ran.words
    assert "care answers for /millis/care and the agents none; prompts: those of everybody" in (
        ran.words
    )
    assert "sales/apology.md" in ran.out
    assert ran.code == 1
