"""D1–D4, D7: tools that break, hang, block, or return what nobody reads."""

import asyncio
import socket

from bridge.agent.toolcalls import FAILED, MAX_RESULT_CHARS, TIMED_OUT
from tests.faults.cases.model_tools import HEAD, told
from tests.faults.house import CANARY
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.trials import trials
from tests.wire import asking, came_true, noted, results, tool_call

KINDS = (
    "RuntimeError", "SystemExit", "KeyboardInterrupt", "BaseException", "GeneratorExit",
    "asyncio.CancelledError", "StopIteration", "TimeoutError", "RecursionError", "MemoryError",
)  # fmt: skip
BREAKS = (
    HEAD
    + f'''
TEXT = "{CANARY}"  # a line of code stands in tracebacks, its values do not
KINDS = {{kind.__name__: kind for kind in ({", ".join(KINDS)})}}

@tool
async def break_off(kind: str) -> str:
    """Break."""
    raise KINDS[kind](TEXT)

@tool
def break_in_a_thread(kind: str) -> str:
    """Break."""
    raise KINDS[kind](TEXT)
'''
)


@case(
    "D1", "whatever a tool raises is a failure without its text", files={"tools/breaks.py": BREAKS}
)
async def raises(scene: Scene) -> None:
    millis, turn = await scene.call(), 0
    for kind in KINDS[: trials(len(KINDS), 4)]:
        for name in ("break_off", "break_in_a_thread"):
            turn += 1
            call = tool_call(name, kind=kind.rpartition(".")[2])
            await scene.script(asking(call), {"say": "It broke."}, match=f"{name} {kind}!")
            assert await millis.asked(turn, f"{name} {kind}!") == "It broke.", kind
            assert results((await scene.openai.requests())[-1])["c1"] == FAILED, kind
    assert CANARY not in str(await scene.openai.requests())


HANGS = (
    HEAD
    + '''
@tool
async def hang() -> str:
    """Never come back."""
    await asyncio.Event().wait()

@tool
def block(n: int = 0) -> str:
    """Block a thread."""
    note("blocking", n)
    while not (HERE / "open").exists():
        time.sleep(0.005)
    return "late"
'''
)
HANG = {"tools/hangs.py": HANGS}


@case(
    "D2",
    "a tool that hangs is filled in for and given up",
    files=HANG,
    tool_timeout=0.4,
    turn_timeout=5.0,
    filler_after=0.1,
)
async def hangs(scene: Scene) -> None:
    names, callers = ("hang", "block"), [await scene.call() for _ in range(2)]
    for name, caller in zip(names, callers, strict=True):
        await scene.script(asking(tool_call(name)), {"say": "Too late."}, match=f"{name}, please")
        await caller.ask(1, f"{name}, please")
    for caller in callers:
        heard = await caller.answer(1)
        assert heard.endswith("Too late.")
        assert heard != "Too late.", "there was no filler"
    told_of = [results(request) for request in await scene.openai.requests()]
    assert [told for told in told_of if told] == [{"c1": TIMED_OUT}] * 2
    (scene.house.folder / "open").touch()


@case("D3", "a tool that blocks its thread keeps nobody else waiting", files=HANG)
async def blocks(scene: Scene) -> None:
    await scene.script(asking(tool_call("block")), {"say": "Done."}, match="block")
    one, other = await scene.call(), await scene.call()
    await one.ask(1, "block")
    await came_true(lambda: noted(scene.house.folder, "blocking"))
    for turn in range(1, 4):
        assert await other.asked(turn, f"hello {turn}") == f"You said: hello {turn}"
    assert one.of(1) == []
    (scene.house.folder / "open").touch()
    assert await one.answer(1) == "Done."


@case(
    "D4",
    "when every thread hangs the rest are refused at once",
    files=HANG,
    tool_threads=trials(16, 4),
)
async def all_hang(scene: Scene) -> None:
    many, threads = trials(50, 10), scene.bridge.settings.tool_threads
    callers = [await scene.dial() for _ in range(many)]
    for n, caller in enumerate(callers):
        question = f"block {n}."
        await scene.script(asking(tool_call("block", n=n)), {"say": "There."}, match=question)
        await caller.ask(1, question)
    await came_true(lambda: len(noted(scene.house.folder, "blocking")) == threads)
    running = {int(n) for n in noted(scene.house.folder, "blocking")}
    for n, caller in enumerate(callers):
        if n not in running:
            assert await caller.answer(1) == "There."
    everything = [results(request) for request in await scene.openai.requests()]
    busy = [told for told in everything if "busy" in told.get("c1", "")]
    assert len(busy) == many - threads
    await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    millis = await scene.call("meanwhile")
    await millis.asked(1, "hello")
    await millis.hang_up()
    assert len((await scene.ended("meanwhile"))[0].timeline) == 2
    (scene.house.folder / "open").touch()
    for n in running:
        assert await callers[n].answer(1) == "There."


MUCH = (
    HEAD
    + '''
class Broken:
    def __repr__(self): raise RuntimeError("no text")

CIRCLE = {}
CIRCLE["self"] = CIRCLE
GIFTS = {
    "much": lambda: "x" * 10_000_000,
    "many": lambda: ["x" * 1000] * 10_000,
    "bytes": lambda: b"bytes",
    "object": Broken,
    "circle": lambda: CIRCLE,
    "nothing": lambda: None,
}

@tool
async def give(what: str):
    """Give something."""
    return GIFTS[what]()
'''
)


@case(
    "D7",
    "whatever a tool returns the model reads a text of some length",
    files={"tools/gifts.py": MUCH},
)
async def gifts(scene: Scene) -> None:
    read = {}
    for what in ("much", "many", "bytes", "object", "circle", "nothing"):
        heard, answers = await told(scene, asking(tool_call("give", what=what)), f"give {what}.")
        assert heard == "Let me see.", what
        read[what] = answers["c1"]
    for what in ("much", "many"):
        assert len(read.pop(what)) < MAX_RESULT_CHARS + 20
    assert read == {
        "bytes": "b'bytes'",
        "object": FAILED,
        "circle": "{'self': {...}}",
        "nothing": "null",
    }
