"""D8, D9: tool files that cannot be loaded, and files that are edited while people talk."""

import asyncio

from tests.faults.cases.model_tools import PRICE, told
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.tape import Caller
from tests.faults.trials import trials
from tests.wire import asking, came_true, health, health_when, results, tool_call

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
    """A tool that tells from which edition of its file it is, and its file as well."""
    return f'''
from langchain_core.tools import tool
BEGUN = {number}

@tool
async def edition(n: int) -> str:
    """Say which edition this is."""
    return f"{{BEGUN}} {number}"
'''


@case("D9", "no turn fails while its tools are edited", files={"tools/editions.py": _edition(0)})
async def edits(scene: Scene) -> None:
    last, file = trials(1000, 30), scene.house.folder / "tools/editions.py"
    over = asyncio.Event()
    callers = [await scene.call() for _ in range(3)]
    async with asyncio.TaskGroup() as tasks:
        talks = [tasks.create_task(_talk(scene, n, c, over)) for n, c in enumerate(callers)]
        for number in range(1, last + 1):
            file.write_text(_edition(number))
            await asyncio.sleep(0.02)
        await came_true(lambda: _in_use(scene) == f"{last} {last}")
        over.set()
    assert all(talk.result() for talk in talks)
    assert _told(await scene.openai.requests()) <= {f"{n} {n}" for n in range(last + 1)}
    file.write_text("def edition(:\n")
    await health_when(scene.bridge, lambda body: body["failures"])
    heard, answers = await told(scene, asking(tool_call("edition", n=1)), "which one now?")
    assert (heard, answers) == ("Let me see.", {"c1": f"{last} {last}"})


def _in_use(scene: Scene) -> str:
    tools = {tool.name: tool for tool in scene.bridge.toolbox.current.tools}
    return _said_by(tools["edition"])


def _said_by(tool: object) -> str:
    """What the function behind a tool would say, by the numbers in it."""
    code = tool.coroutine  # type: ignore[attr-defined]
    while hasattr(code, "__wrapped__"):
        code = code.__wrapped__
    begun = code.__globals__.get("BEGUN")
    return f"{begun} {begun}"


async def _talk(scene: Scene, who: int, millis: Caller, over: asyncio.Event) -> int:
    turn = 0
    while not over.is_set() or not turn:
        turn += 1
        question = f"edition {who} {turn}."
        call = tool_call("edition", f"e{who}x{turn}", n=turn)
        await scene.script(asking(call), {"say": f"Turn {turn}."}, match=question)
        assert await millis.asked(turn, question) == f"Turn {turn}."
    return turn


def _told(requests: list[dict[str, object]]) -> set[str]:
    return {told for request in requests for told in results(request).values()}
