"""Calls to the agent of this folder, as a caller hears them, and in no time."""

from bridge.testing import Calls, ScriptedModel, Talk


def test_the_shop_says_when_it_is_closed(call: Calls) -> None:
    async def scene(talk: Talk) -> None:
        assert talk.greeting.heard.startswith("Hello Ada")

        reply = await talk.ask("Are you open on Sunday?")

        assert "closed" in reply.heard
        assert [tool.name for tool in reply.tools] == ["opening_hours"]

    call.run(scene, metadata={"name": "Ada"})


def test_the_model_is_told_what_is_no_day(call: Calls, scripted_model: ScriptedModel) -> None:
    scripted_model.uses("opening_hours", {"day": "Someday"}).says("Which day do you mean?")

    async def scene(talk: Talk) -> None:
        reply = await talk.ask("Are you open some day?")

        assert reply.text == "Which day do you mean?"
        assert "not a day of the week" in scripted_model.asked[-1].history[-1]["content"]

    call.run(scene)
