"""The examples of this repository in a call, with the demo model."""

from pathlib import Path

import pytest

from bridge.app import Bridge
from bridge.settings import Settings
from tests.wire import dialled

ROOT = Path(__file__).parents[2]
QUESTION = "Shall I cancel order 1057?"


@pytest.mark.parametrize(
    ("answer", "done"),
    [("yes please", True), ("no", False), ("yes, but the other one", False), ("my orders", False)],
)
async def test_the_demo_model_cancels_an_order_after_a_yes(answer: str, done: bool) -> None:
    settings = Settings(
        model="demo",
        port=0,
        tools_dir=ROOT / "tools",
        prompts_dir=ROOT / "prompts",
        record="off",
    )
    async with Bridge(settings) as bridge, dialled(bridge) as millis:
        await millis.start(voip={"from": "+15550100", "to": "+15550199"})
        greeting = await millis.answer(0)
        asked = await millis.asked(1, greeting, "Please cancel my order 1057.")
        assert asked.endswith(QUESTION)
        said = await millis.asked(2, greeting, "Please cancel my order 1057.", asked, answer)
        assert ("is cancelled" in said) is done
