"""D15, D16, G10: what stands in metadata, and what a prompt makes of it."""

import json
from typing import Any

from tests.faults.registry import case
from tests.faults.scene import Scene

AGAIN = "Sorry {{ metadata.customer.name.first }}! {{ nobody }}Once {{ metadata.word }} more."


@case("D15", "what a prompt names and nobody has is nothing", files={"prompts/reprompt.md": AGAIN})
async def missing(scene: Scene) -> None:
    scene.own_lines.append("Sorry ! Once  more.")
    found: list[Any] = [None, {}, {"customer": {}}, {"customer": "Ann"}, {"customer": {"name": 5}}]
    for value in found:
        millis = await scene.call(metadata=value)
        heard = await millis.asked(1, "")
        assert heard.split() == ["Sorry", "!", "Once", "more."]
    assert any("nobody" in str(line) for line in scene.log), "there was no warning"


HOSTILE = "{{ 7 * 7 }} {{ cycler.__init__.__globals__ }} {% for x in y %} {metadata} ${x} %s"


@case(
    "G10",
    "template code in metadata is data",
    files={
        "prompts/greeting.md": "Hi {{ metadata.name }}",
        "prompts/system.md": "You help {{ metadata.name }}.",
    },
)
async def template_code(scene: Scene) -> None:
    millis = await scene.dial()
    await millis.start(0, metadata={"name": HOSTILE})
    greeting = await millis.answer(0)
    assert "49" not in greeting
    assert "os" not in greeting.split()
    scene.own_lines.append(greeting)
    await millis.asked(1, "hello")
    (request,) = await scene.openai.requests()
    assert request["body"]["messages"][0]["content"] == f"You help {HOSTILE}."


SHADOWS: dict[str, Any] = {
    "transcript": [], "tools": "all", "self": 1, "call": {"caller": "me"}, "__class__": "x",
    "items": None, "session_id": "mine",
}  # fmt: skip
ODD: list[Any] = [None, [], ["list"], "text", 7, True, SHADOWS]
FENCE = "<caller_data>\n"


@case("D16", "metadata of any shape and size is data within bounds")
async def metadata(scene: Scene) -> None:
    for number, value in enumerate([*ODD, {"long": "x" * 1_000_000}]):
        question = f"hello {number}"
        millis = await scene.call(metadata=value, include_metadata_in_prompt=True)
        assert await millis.asked(1, question) == f"You said: {question}"
        system = (await scene.openai.requests())[-1]["body"]["messages"][0]["content"]
        assert len(system) < 70_000
        if value is SHADOWS:
            told = system.split(FENCE)[1].removesuffix("\n</caller_data>")
            assert json.loads(told) == SHADOWS
