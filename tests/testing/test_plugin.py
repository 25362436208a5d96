"""The pytest plug-in, as a project's tests use it: pytest in pytest."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest

from bridge.testing import Calls, Reply, Talk

TOOL = '''
from langchain_core.tools import tool
from bridge import policy

@policy(read_only=True)
@tool
async def opening_hours(day: str) -> str:
    """Tell when the shop is open on a day of the week."""
    if day == "Someday":
        raise ValueError
    return "closed" if day == "Sunday" else "nine to five"

@tool
async def order_table(what: str) -> str:
    """Order a table of a kind."""
    return f"ordered: {what}"
'''


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with an agent of its own, in which pytest is to be run."""
    tools = pytester.mkdir("tools")
    (tools / "hours.py").write_text(TOOL)
    pytester.mkdir("prompts").joinpath("greeting.md").write_text(
        "Hello {{ metadata.name or 'there' }}, this is the shop."
    )
    return pytester


def ran(project: pytest.Pytester, code: str) -> pytest.RunResult:
    """Run one test file, with what this suite is run with."""
    project.makepyfile(textwrap.dedent(code))
    project.makeini(
        """
        [pytest]
        addopts = --disable-plugin-autoload -p asyncio -p bridge.testing.plugin
            -p no:cacheprovider --strict-markers -W error
        asyncio_mode = auto
        asyncio_default_fixture_loop_scope = function
        """
    )
    return project.runpytest_inprocess()


def test_a_plain_test_holds_a_call_in_no_time(project: pytest.Pytester) -> None:
    result = ran(
        project,
        """
        import time

        def test_it(call):
            async def scene(talk):
                assert talk.greeting.heard == "Hello Ada, this is the shop."
                reply = await talk.ask("When are you open on Sunday?")
                (tool,) = reply.tools
                assert (tool.name, tool.arguments) == ("opening_hours", {"day": "Sunday"})
                assert (tool.outcome, tool.result) == ("ok", "closed")
                assert "closed" in reply.heard
                assert reply.at < tool.at + 1 < talk.now
                assert 0 <= reply.first_word <= reply.dead_air < 2
                await talk.silence(600)
                return talk

            began = time.monotonic()
            talk = call.run(scene, metadata={"name": "Ada"}, caller="+15550100123")
            assert time.monotonic() - began < 60 < 600 < talk.now
            assert [line.role for line in talk.transcript] == ["assistant", "user", "assistant"]
        """,
    )
    result.assert_outcomes(passed=1)


def test_an_async_test_that_is_marked_does_so_too_and_others_keep_their_loop(
    project: pytest.Pytester,
) -> None:
    result = ran(
        project,
        """
        import asyncio, pytest

        @pytest.mark.virtual_time
        async def test_marked(call):
            async with call() as talk:
                story = await talk.say("What can you do?")
                reply = await talk.barge_in("Stop!", after_words=3)
                assert (story.interrupted, len(story.heard.split())) == (True, 3)
                assert talk.replies == [talk.greeting, story, reply]
                await talk.silence(3600)
            assert type(asyncio.get_running_loop()).__name__ == "VirtualLoop"

        async def test_unmarked():
            assert type(asyncio.get_running_loop()).__name__ != "VirtualLoop"

        @pytest.fixture(params=["one", "two"])
        async def own(request):
            await asyncio.sleep(3600)
            yield request.param

        @pytest.mark.virtual_time
        async def test_with_fixtures(own, request):
            assert request.node.name == f"test_with_fixtures[{own}]"
        """,
    )
    result.assert_outcomes(passed=4)


def test_a_scripted_model_says_its_lines_and_shows_what_it_read(project: pytest.Pytester) -> None:
    result = ran(
        project,
        """
        from bridge.testing import Calls, ScriptedModel, Talk

        def test_it(call: Calls, scripted_model: ScriptedModel) -> None:
            scripted_model.uses("opening_hours", {"day": "Monday"}, says="One moment.")
            scripted_model.says("Nine to five.", after=2.0)
            scripted_model.uses("end_call").says("Goodbye!")

            async def scene(talk: Talk) -> None:
                reply = await talk.ask("Are you open on Monday?")
                assert reply.text.split() == ["One", "moment.", "Nine", "to", "five."]
                first, second = scripted_model.asked
                assert first.history[-1] == {"role": "user", "content": "Are you open on Monday?"}
                assert first.tools["opening_hours"]["required"] == ["day"]
                assert second.history[-1]["content"] == "nine to five"
                assert reply.dead_air >= 0.8 and not reply.ends_call
                assert len(scripted_model.left) == 2

                assert (await talk.ask("Bye.")).ends_call
                assert [tool.name for tool in talk.tools] == ["opening_hours", "end_call"]

            call.run(scene, settings={"filler_after": 0})
        """,
    )
    result.assert_outcomes(passed=1)


def test_a_caller_may_interrupt_the_greeting_cough_and_be_silent(project: pytest.Pytester) -> None:
    (project.path / "bridge.toml").write_text(
        "silence_after = 5\n[personas.night]\nagents = ['owl']\ngreeting = 'off'\n"
    )
    result = ran(
        project,
        """
        import pytest
        from bridge.testing import Habits

        def test_greeting(call):
            async def scene(talk):
                await talk.barge_in("Hello?", after_words=2)
                assert talk.greeting.interrupted
                assert talk.greeting.heard == "Hello Ada,"

            call.run(scene, metadata={"name": "Ada"}, hear_greeting=False)

        def test_silence(call):
            async def scene(talk):
                reply = await talk.say("What can you do?")
                await talk.cough(2.0)
                await talk.hear(reply)
                assert reply.heard == reply.text and reply.failure is None
                assert reply.dead_air >= 2.0
                assert "still there" in await talk.silence(9)
                assert "Goodbye" in await talk.silence(60)
                assert talk.action.type == "end_call"
                assert "agent   Are you still there?" in talk.story()

            call.run(scene, habits=Habits(words_per_second=4))

        @pytest.mark.parametrize("about", [{"persona": "night"}, {"agent_id": "owl"}])
        def test_persona(call, about):
            async def scene(talk):
                assert talk.greeting.text == ""

            call.run(scene, **about)
        """,
    )
    result.assert_outcomes(passed=4)


def test_all_that_the_page_names_is_there() -> None:
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    named = re.findall(r"`(?:await talk\.)?(\w+)", " ".join(rows))
    options = inspect.signature(Calls.__call__).parameters
    assert len(named) > 20
    for name in named:
        assert name in options or hasattr(Talk, name) or hasattr(Reply, name), name
    assert all(name in named for name in options if name != "self")


def test_what_has_side_effects_is_run_only_if_the_test_says_so(project: pytest.Pytester) -> None:
    result = ran(
        project,
        """
        import pytest
        from bridge.testing import StubbedResult

        CASES = {
            "ordered: oak": {"live_tools": ["order_table"]},
            "No oak.": {"tools": {"order_table": "No oak."}},
            '{"number": 7}': {"tools": {"order_table": {"number": 7}}},
            "Sold out.": {"tools": {"order_table": StubbedResult(fails="Sold out.", seconds=3)}},
        }

        @pytest.mark.parametrize("result", CASES)
        def test_it(call, scripted_model, result):
            scripted_model.uses("order_table", {"what": "oak"}).says("So.")
            reply = call.run(lambda talk: talk.ask("A table, please."), **CASES[result])
            assert [tool.result for tool in reply.tools] == [result]

        def test_neither(call, scripted_model):
            scripted_model.uses("order_table", {"what": "oak"}).says("So.")
            call.run(lambda talk: talk.ask("A table, please."))

        def test_misspelled(call):
            call.run(lambda talk: talk.ask("Hello?"), live_tools=["order_tabel"])

        def test_nobody(call):
            call.run(lambda talk: talk.ask("Hello?"), persona="nobody")
        """,
    )
    result.assert_outcomes(passed=4, failed=3)
    result.stdout.fnmatch_lines(
        [
            "order_table was not run, for it is not read_only: give its result in tools={*",
            "there is no tool 'order_tabel'; there are: opening_hours, order_table",
            "there is no persona 'nobody'; there are: default",
        ]
    )


def test_a_failed_test_tells_the_call_as_it_went(project: pytest.Pytester) -> None:
    result = ran(
        project,
        r"""
        def test_it(call, scripted_model):
            scripted_model.uses("opening_hours", {"day": "Someday"})
            scripted_model.says("Beech, ash, oak and pine.").says("Bye.")

            async def scene(talk):
                await talk.say("What wood?")
                reply = await talk.barge_in("Enough\x1b[31m.", after_words=2)
                assert "walnut" in reply.text

            call.run(scene, settings={"think_ahead": "off"})
        """,
    )
    result.assert_outcomes(failed=1)
    shown = result.stdout.str()
    assert "assert 'walnut' in 'Bye.'" in shown
    story = shown.partition(" Call ")[2]
    for line in (
        r"0\.00  agent   Hello there, this is the shop\.",
        r"\d\.\d\d  caller  What wood\?",
        r'\d\.\d\d  tool    opening_hours\(day="Someday"\) → failed: ',
        r"\d\.\d\d  agent   Beech, ash, oak and pine\.",
        r"\(cut off after: 'Beech, ash,'\)",
        r"\d\.\d\d  caller  Enough\.",
        r"\d\.\d\d  agent   Bye\.",
    ):
        match = re.search(line, story)
        assert match, f"no {line} in {story}"
        story = story[match.end() :]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            """
            def test_it(call, scripted_model):
                try:
                    call.run(lambda talk: talk.ask("Hello?"))
                finally:
                    assert call.talks[0].replies[-1].failure == "bad_request"
            """,
            "the model was asked for message 1, and the script has 0. The newest that it read: "
            "user: 'Hello?'",
        ),
        (
            """
            async def scene(talk): ...

            def test_it(call):
                with open("tools/broken.py", "w") as file:
                    file.write("import nothing_of_this_name")
                call.run(scene)
            """,
            "broken.py:1: ",
        ),
        (
            """
            import os

            async def scene(talk): ...

            def test_it(call, monkeypatch):
                os.mkdir("elsewhere")
                monkeypatch.chdir("elsewhere")
                call.run(scene)
            """,
            "elsewhere, which has no bridge.toml, no tools, no prompts: run pytest in its folder",
        ),
        (
            """
            import asyncio, pytest

            @pytest.mark.virtual_time
            def test_it(call):
                async def go():
                    async with call():
                        pass

                with asyncio.Runner() as runner:
                    runner.run(go())
            """,
            "marked virtual_time, but its event loop goes by the real clock",
        ),
    ],
    ids=["script too short", "broken tool", "no project", "no such clock"],
)
def test_what_keeps_a_call_from_being_held_is_said(
    project: pytest.Pytester, code: str, reason: str
) -> None:
    result = ran(project, code)
    result.assert_outcomes(failed=1)
    assert reason in result.stdout.str()


def test_what_is_not_used_is_not_loaded(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others load what they like
    project.makepyfile(
        """
        import sys

        def test_it():
            heavy = {"aiohttp", "langchain", "langchain_core", "pydantic", "bridge.app"}
            assert not heavy & sys.modules.keys()
            assert "bridge.testing.plugin" in sys.modules
        """
    )
    result = project.runpytest_subprocess("-p", "bridge.testing.plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
