"""C10–C12, C17–C20: answers that are empty, cut, too long, too slow, or full of what is none."""

from typing import Any

from tests.faults.cases.conversations import REPROMPT
from tests.faults.cases.model_failures import APOLOGY, said
from tests.faults.registry import case
from tests.faults.scene import Scene
from tests.faults.trials import trials

END: list[dict[str, Any]] = [{"finish": "stop"}, {"done": True}]


@case("C10", "an empty answer asks the caller again")
async def empty(scene: Scene) -> None:
    for text in ("", "  \n ", "**", "😀"):
        assert (await said(scene, [{"text": text}, *END])).strip() == REPROMPT, repr(text)
    nothing = {"steps": [{"done": True}], "times": 2}
    assert await said(scene, nothing, asks=2) == APOLOGY


@case("C11", "an answer that ends early ends cleanly and the record says why")
async def early(scene: Scene) -> None:
    for reason in ("length", "content_filter"):
        await scene.script([{"text": "One, two"}, {"finish": reason}, {"done": True}])
        millis = await scene.call(reason)
        assert await millis.asked(1, "count") == "One, two"
        await millis.hang_up()
        (call,) = await scene.ended(reason)
        turn = call.timeline[-1]
        assert turn.outcome == "complete"
        assert [message.finish_reason for message in turn.messages or ()] == [reason]


@case("C12", "what is no part of the answer is ignored")
async def strangers(scene: Scene) -> None:
    other = {"index": 1, "delta": {"content": "another choice"}, "finish_reason": None}
    late = {"index": 0, "delta": {"content": "after the end"}, "finish_reason": None}
    script: list[dict[str, Any]] = [
        {"chunk": {"choices": []}},
        {"chunk": {"choices": [other]}},
        {"reasoning": "the caller greets me"},
        {"text": "Hi."},
        {"finish": "stop"},
        {"usage": True},
        {"done": True},
        {"chunk": {"choices": [late]}},
    ]
    assert await said(scene, script) == "Hi."


LIMIT = 4000


@case("C17", "an answer without end is cut and its request closed")
async def endless(scene: Scene) -> None:
    many = trials(100_000, 20_000)
    scripts: list[list[dict[str, Any]]] = [
        [{"text": "x" * 1_000_000}, {"stall": True}],
        [{"tokens": ["word "] * many}, {"stall": True}],
    ]
    for number, script in enumerate(scripts, start=1):
        await scene.script(script, match=f"question {number}")
        millis = await scene.call()
        heard = await millis.asked(1, f"question {number}")
        assert len(heard.rstrip()) in range(LIMIT - 5, LIMIT + 1)
        assert millis.endings(1) == 1
        assert len(millis.of(1)) > number, "tokens go out as they come"
        await scene.openai.wait("client_left", number)


@case("C18", "how an answer is cut does not matter")
async def cuts(scene: Scene) -> None:
    text = "Fine, thank you. It costs $3.50, doesn't it? Well: yes… or no."
    heard = {
        await said(
            scene, [{"tokens": [text[at : at + size] for at in range(0, len(text), size)]}, *END]
        )
        for size in (1, 2, 7, 1000)
    }
    assert heard == {text}


HIDDEN = "<think>the caller wants\n\n42</think>"
FENCE = '```json\n{"tool": "book", "arguments": {"room": 1}}\n```'


def unsaid(text: str) -> dict[str, Any]:
    """A piece of the answer that must not be heard: the model's server does not count it."""
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"chunk": {"choices": [delta]}}


@case("C19", "nothing that cannot be spoken leaves")
async def unspeakable(scene: Scene) -> None:
    plain = ("**Sure** 😀, ", "see `it`.\n", "\n# Done\n- one\n- two")
    for size in (1, 3, 1000):
        steps = [*_cut(HIDDEN, size), {"tokens": _pieces("".join(plain[:2]), size)}]
        steps += [*_cut(f"\n{FENCE}\n", size), {"tokens": _pieces(plain[2], size)}, *END]
        heard = await said(scene, steps)
        for word in ("Sure", "see it", "Done", "one", "two"):
            assert word in heard, heard
        assert not set("*`#{}<>😀") & set(heard), heard
        assert not any(word in heard for word in ("caller", "42", "think", "room")), heard


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _cut(text: str, size: int) -> list[dict[str, Any]]:
    return [unsaid(piece) for piece in _pieces(text, size)]


@case("C20", "an answer that drips is ended by the turn's time", turn_timeout=1.2)
async def drip(scene: Scene) -> None:
    await scene.script([{"tokens": ["la "] * 400, "gap_ms": 20}])
    millis = await scene.call()
    heard = await millis.asked(1, "sing")
    assert heard.startswith("la la")
    assert heard.endswith(APOLOGY)
    await scene.openai.wait("client_left")
