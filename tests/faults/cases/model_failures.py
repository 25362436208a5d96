"""C1–C9, C21, C22: a model that cannot be reached, refuses, breaks off, stalls or is away."""

import asyncio
import base64
import zlib
from typing import Any

from bridge.agent.breaker import Breaker
from tests.faults.house import CANARY, KEY
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.tape import Caller
from tests.faults.trials import trials
from tests.wire import PATIENCE

APOLOGY = "I'm sorry, something went wrong on my side. Could you say that again?"
ECHO = "You said: hello"


async def said(scene: Scene, *scripts: Any, asks: int | None = None) -> str:
    """What a new caller hears of these scripts, for which the model is asked so often.

    The next question must be answered as ever.
    """
    await scene.script(*scripts)
    millis = await scene.call()
    before = len(await scene.openai.requests())
    heard = await millis.asked(1, "hello")
    assert millis.endings(1) == 1
    times = len(await scene.openai.requests()) - before
    assert asks in (None, times), f"the model was asked {times} times"
    assert await millis.asked(2, "hello", heard, "once more") == "You said: once more"
    return heard


def retries(scene: Scene) -> int:
    return next(iter(scene.bridge.personas.models)).retries


@case(
    "C1",
    "a model whose port is closed is tried twice and apologised for",
    model_at="http://127.0.0.1:9/v1",
)
async def refused(scene: Scene) -> None:
    await _apologised_for(scene)


@case(
    "C1",
    "a model whose name is unknown is apologised for",
    model_at="http://model.invalid/v1",
    first_word_timeout=3.0,
)
async def unknown_name(scene: Scene) -> None:
    await _apologised_for(scene)


async def _apologised_for(scene: Scene) -> None:
    millis = await scene.call()
    before = retries(scene)
    assert await millis.asked(1, "hello") == APOLOGY
    assert millis.endings(1) == 1
    assert retries(scene) - before == 1


@case("C2", "a refusal is not tried again and its text goes nowhere")
async def refusals(scene: Scene) -> None:
    body = {"error": {"message": f"Incorrect API key provided: {KEY}. {CANARY}"}}
    kinds = next(iter(scene.bridge.personas.models)).failures
    before = kinds.copy()
    for status in (401, 403, 404):
        assert await said(scene, [{"status": status, "body": body}], asks=1) == APOLOGY
    assert kinds - before == {"refused_key": 2, "unknown_model": 1}


SLOW_DOWN = {"status": 429, "body": {}, "headers": {"Retry-After": "60"}}


@case("C3", "a rate limit with a long wait is not waited out")
async def rate_limit(scene: Scene) -> None:
    assert await said(scene, [SLOW_DOWN], asks=1) == APOLOGY


@case("C3", "after a rate limit another model answers", fallback_models=("openai:second",))
async def another_model(scene: Scene) -> None:
    await scene.script({"steps": [SLOW_DOWN], "times": 2}, match="fake")
    assert await said(scene) == ECHO
    models = [each["body"]["model"] for each in await scene.openai.requests()]
    assert models == ["fake", "second"] * 2


@case("C4", "an error before the first word is tried once more and no more")
async def server_errors(scene: Scene) -> None:
    for status in (500, 502, 503)[-trials(3, 1) :]:
        assert await said(scene, [{"status": status, "body": {}}], asks=2) == ECHO
    down = {"steps": [{"status": 503, "body": {}}], "times": 2}
    assert await said(scene, down, asks=2) == APOLOGY


CUT: list[dict[str, Any]] = [{"text": "The answer is"}, {"sleep_ms": 10}]
BREAKS: dict[str, list[dict[str, Any]]] = {
    "reset": [{"reset": True}],
    "cut": [{"cut": True}],
    "error": [{"data": {"error": {"message": CANARY, "code": 500}}}],
}


@case("C5", "what was said before a break stays and is not said again")
async def breaks(scene: Scene) -> None:
    for name, ending in BREAKS.items():
        heard = await said(scene, [*CUT, *ending], asks=1)
        assert heard == f"The answer is {APOLOGY}", name


@case(
    "C6",
    "silence before the first word is filled and then given up",
    filler_after=0.1,
    first_word_timeout=1.2,
)
async def no_first_word(scene: Scene) -> None:
    heard = await _at_once(scene, [{"stall": "unanswered"}], [{"stall": True}])
    assert all(one.endswith(APOLOGY) and one != APOLOGY for one in heard), "there was no filler"
    await scene.openai.wait("client_left", 2)


@case("C7", "a stall in mid-sentence is given up though comments come", token_timeout=0.8)
async def stalls(scene: Scene) -> None:
    pings = [{"comment": "ping"}, {"sleep_ms": 60}] * 50
    well, stall = {"text": "Well,"}, {"stall": True}
    heard = await _at_once(scene, [well, stall], [well, *pings, stall])
    assert heard == [f"Well, {APOLOGY}"] * 2
    await scene.openai.wait("client_left", 2)


async def _at_once(scene: Scene, *scripts: Any) -> list[str]:
    """What callers hear who get these answers at the same time."""
    callers = [await scene.call() for _ in scripts]
    for number, (caller, script) in enumerate(zip(callers, scripts, strict=True)):
        await scene.script(script, match=f"question {number}.")
        await caller.ask(1, f"question {number}.")
    return [await caller.answer(1) for caller in callers]


@case("C8", "an end without a reason is a failed turn")
async def no_reason(scene: Scene) -> None:
    await scene.script([*CUT, {"close": True}])
    millis = await scene.call("cut")
    assert await millis.asked(1, "hello") == f"The answer is {APOLOGY}"
    await millis.asked(2, "hello", "The answer is", "once more")
    await millis.hang_up()
    (call,) = await scene.ended("cut")
    assert [turn.outcome for turn in call.timeline] == ["complete", "failed", "complete"]


BOMB = 16 * 1024 * 1024


def _bomb() -> str:
    """An event of 16 MiB, in 16 KiB."""
    return base64.b64encode(zlib.compress(b"data: " + bytes(BOMB), wbits=31)).decode()


@case("C9", "whatever comes instead of an answer is a failed turn")
async def nonsense(scene: Scene) -> None:
    packed = {"raw64": await asyncio.to_thread(_bomb)}
    bomb: list[dict[str, Any]] = [
        {"headers": {"Content-Encoding": "gzip"}},
        packed,
        {"stall": True},  # it is not waited for: who reads a mebibyte has had enough
    ]
    broken: dict[str, list[dict[str, Any]]] = {
        "a page": [{"html": True}],
        "malformed": [{"raw": "data: {not json\n\n"}],
        "bad utf-8": [{"raw64": "ZGF0YTogeyJhIjogIv8ifQoK"}],
        "a bomb": bomb,
    }
    for name, script in broken.items():
        heard = await said(scene, {"steps": script, "times": 2}, asks=2)
        assert heard == APOLOGY, name
    assert await said(scene, [*CUT, *broken["malformed"]]) == f"The answer is {APOLOGY}"


@case("C21", "calls whose model hangs keep nobody waiting")
async def stuck(scene: Scene) -> None:
    many = trials(120, 12)  # a hundred are what a pool has; test_answering.py has them, too
    await scene.script({"steps": [{"stall": True}], "times": many}, match="stuck")
    callers = [await scene.dial() for _ in range(many)]
    for number, caller in enumerate(callers):
        await caller.ask(1, f"stuck {number}.")
    await scene.openai.wait("request_started", many)
    millis = await scene.call()
    assert await millis.asked(1, "hello") == ECHO
    for caller in callers:
        await caller.interrupt(1)
    await scene.openai.wait("client_left", many)


PAUSE = 0.4


@case("C22", "a provider that is away is left alone and found again", first_word_timeout=2.0)
async def away(scene: Scene) -> None:
    (model, *_) = scene.bridge.personas.models
    model.breaker = Breaker(pause=PAUSE)
    await scene.script({"steps": [{"status": 401, "body": {}}], "times": 10**6}, match="away")
    callers = [await scene.call() for _ in range(6)]  # one more than it takes
    assert await _asked_by_all(scene, callers, 1) > 0
    assert model.breaker.open
    assert await _asked_by_all(scene, callers, 2) == 0, "it is asked although it is away"
    await asyncio.sleep(PAUSE)
    assert await _asked_by_all(scene, callers, 3) == 1, "one looks whether it is back"
    turn = 4
    async with asyncio.timeout(PATIENCE):
        while await callers[0].asked(turn, f"hello {turn}") != f"You said: hello {turn}":
            turn += 1
            await asyncio.sleep(PAUSE / 8)
    assert await callers[1].asked(turn, "hello") == ECHO


async def _asked_by_all(scene: Scene, callers: list[Caller], turn: int) -> int:
    """Have all ask, and hear an apology; how often the model was asked."""
    before = len(await scene.openai.requests())
    for number, caller in enumerate(callers):
        await caller.ask(turn, f"turn {turn} of {number}: away?")
    for caller in callers:
        assert await caller.answer(turn) == APOLOGY
    return len(await scene.openai.requests()) - before
