"""C13–C16: a model that asks for tools as no model should."""

from typing import Any

from bridge.agent.toolrequests import MALFORMED, TOO_MANY
from tests.faults.cases.model_failures import APOLOGY
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.trials import trials
from tests.wire import asking, noted, results, tool_call

HEAD = """
import asyncio, time
from pathlib import Path
from langchain_core.tools import tool
HERE = Path(__file__).parents[1]

def note(name, text):
    with (HERE / name).open("a") as file:
        file.write(f"{text}\\n")
"""
PRICE = (
    HEAD
    + '''
@tool
async def price(of: str, count: int = 1) -> str:
    """Look up a price."""
    note("ran", f"{of} {count}")
    return f"{of}: {7 * count}"
'''
)
PRICES = {"tools/prices.py": PRICE}
AGAIN = {"price": {"read_only": True}}
"""Looking up a price changes nothing: it may be done twice."""


async def told(scene: Scene, script: Any, question: str) -> tuple[str, dict[str, str]]:
    """What a new caller hears whose model asks for tools, and what the model is told of them."""
    await scene.script(script, {"say": "Let me see."}, match=question)
    millis = await scene.call()
    heard = await millis.asked(1, question)
    return heard, results((await scene.openai.requests())[-1])


BROKEN = (
    '{"of": "hats", ',
    '{"of": "hats"',
    '{"of": "ha',
    "hats",
    '["hats"]',
    '"hats"',
    "{'of': 1}",
)


@case("C13", "a tool never runs with arguments that are not whole", files=PRICES)
async def half_arguments(scene: Scene) -> None:
    for number, arguments in enumerate(BROKEN[: trials(len(BROKEN), 3)]):
        for chunked in (1, 5):
            call = {"name": "price", "id": "c1", "arguments": arguments}
            script = [{"tool_call": call, "chunked": chunked}, *asking()]
            heard, answers = await told(scene, script, f"question {number} in {chunked}.")
            assert heard == "Let me see.", arguments
            assert answers == {"c1": MALFORMED}, arguments
    whole = {"name": "price", "id": "c1", "arguments": '{"of": "hats"}'}
    await scene.script([{"tool_call": whole}, {"close": True}], match="a stream that stops")
    millis = await scene.call()
    assert await millis.asked(1, "a stream that stops") == "You said: a stream that stops"
    assert noted(scene.house.folder, "ran") == []


UNFIT = (
    (tool_call("price", of=["hats"]), "of"),
    (tool_call("price", of="hats", count="many"), "count"),
    (tool_call("price"), "of"),
    (tool_call("delete_everything"), "delete_everything is not a valid tool"),
    (tool_call(""), "not a valid tool"),
)


@case(
    "C14",
    "a call that does not fit is told to the model and bounded",
    files=PRICES,
    tools=AGAIN,
    max_model_calls=3,
)
async def unfit(scene: Scene) -> None:
    for number, (call, says) in enumerate(UNFIT):
        heard, answers = await told(scene, asking(call), f"question {number}.")
        assert heard == "Let me see."
        assert says in answers["c1"]
    assert noted(scene.house.folder, "ran") == []
    extra = asking(tool_call("price", of="hats", admin=True))
    assert await told(scene, extra, "more than asked for") == ("Let me see.", {"c1": "hats: 7"})
    for_ever = {"steps": asking(UNFIT[3][0]), "times": 9}
    before = len(await scene.openai.requests())
    assert (await told(scene, for_ever, "always"))[0] == APOLOGY
    assert len(await scene.openai.requests()) - before == 3


@case(
    "C15", "a model that only calls tools is stopped", files=PRICES, tools=AGAIN, max_model_calls=4
)
async def loop(scene: Scene) -> None:
    script = asking(tool_call("price", of="hats"), say="One moment.")
    await scene.script({"steps": script, "times": 100}, match="hats?")
    await scene.script({"say": "Yes."}, match="and caps")
    millis = await scene.call()
    assert await millis.asked(1, "hats?") == f"One moment. {APOLOGY}"
    assert len(noted(scene.house.folder, "ran")) == 3
    assert await millis.asked(2, "hats?", "One moment.", "and caps") == "Yes."


COUNT = (
    HEAD
    + '''
RUNNING = []
@tool
async def count(n: int) -> str:
    """Count."""
    RUNNING.append(n)
    note("at once", len(RUNNING))
    await asyncio.sleep(0.01)
    RUNNING.remove(n)
    return f"did {n}"
'''
)


@case(
    "C16",
    "of twenty tool calls few run at once and not all",
    files={"tools/counts.py": COUNT},
    max_tool_calls=10,
    max_parallel_tools=3,
)
async def twenty(scene: Scene) -> None:
    calls = [tool_call("count", f"c{n}", n=n) for n in range(20)]
    heard, answers = await told(scene, asking(*calls), "count")
    assert heard == "Let me see."
    at_once = [int(line) for line in noted(scene.house.folder, "at once")]
    assert (len(at_once), max(at_once)) == (10, 3)
    did = {f"c{n}": f"did {n}" for n in range(10)}
    assert answers == {**did, **{f"c{n}": TOO_MANY for n in range(10, 20)}}
