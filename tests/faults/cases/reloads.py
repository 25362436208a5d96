"""D8, D9: tool files that cannot be loaded, and files that are edited while people talk."""

import asyncio

from tests.faults.cases.model_tools import HEAD, PRICE, told
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.tape import Caller
from tests.faults.trials import trials
from tests.wire import asking, came_true, health, health_when, noted, tool_call

GOOD = {"tools/prices.py": PRICE}
BAD = {
    "tools/a_syntax.py": "def word(:\n",
    "tools/b_missing.py": "import a_package_that_nobody_has\n",
    "tools/c_exit.py": "import sys\nsys.exit(3)\n",
    "tools/d_raises.py": "raise BaseException('no')\n",
    "tools/e_bytes.py": "x = '\0'\n",
}


@case("D8", "a file that cannot be loaded keeps no other from it", files={**BAD, **GOOD})
async def broken_files(scene: Scene) -> None:
    body = await health(scene.bridge)
    assert body["status"] == "degraded"
    assert sorted(failure["file"] for failure in body["failures"]) == sorted(BAD)
    assert "price" in body["tools"]
    heard, answers = await told(scene, asking(tool_call("price", of="hats")), "hats?")
    assert (heard, answers) == ("Let me see.", {"c1": "hats: 7"})


def _edition(number: int) -> str:
    """A tool that notes from which edition of its file it is, from two places of it."""
    return f'''{HEAD}
BEGUN = {number}

@tool
async def edition(n: int) -> str:
    """Edition {number}."""
    note("told", f"{{BEGUN}} {number}")
    return f"{{BEGUN}} {number}"
'''


@case("D9", "no turn fails while its tools are edited", files={"tools/editions.py": _edition(0)})
async def edits(scene: Scene) -> None:
    folder, last = scene.house.folder, trials(1000, 12)
    file, over = folder / "tools/editions.py", asyncio.Event()
    callers = [await scene.call() for _ in range(3)]
    async with asyncio.TaskGroup() as tasks:
        talks = [tasks.create_task(_talk(scene, n, c, over)) for n, c in enumerate(callers)]
        for number in range(1, last + 1):
            file.write_text(_edition(number))
            await asyncio.sleep(0.02)
        await came_true(lambda: _in_use(scene) == f"Edition {last}.")
        over.set()
    told_by_tools = noted(folder, "told")
    assert len(told_by_tools) == sum(talk.result() for talk in talks)
    assert set(told_by_tools) <= {f"{n} {n}" for n in range(last + 1)}
    file.write_text("def edition(:\n")
    await health_when(scene.bridge, lambda body: body["failures"])
    await scene.script(asking(tool_call("edition", n=1)), {"say": "That."}, match="which one now?")
    millis = await scene.call()
    assert await millis.asked(1, "which one now?") == "That."
    assert noted(folder, "told")[-1] == f"{last} {last}"


def _in_use(scene: Scene) -> str:
    tools = {tool.name: tool for tool in scene.bridge.toolbox.current.tools}
    return tools["edition"].description


async def _talk(scene: Scene, who: int, millis: Caller, over: asyncio.Event) -> int:
    turn = 0
    while not over.is_set() or not turn:
        turn += 1
        question = f"edition {who} {turn}."
        call = tool_call("edition", f"e{who}x{turn}", n=turn)
        await scene.script(asking(call), {"say": f"Turn {turn}."}, match=question)
        assert await millis.asked(turn, question) == f"Turn {turn}."
    return turn
