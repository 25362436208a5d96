"""No dead air, over real sockets and a real model server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.call.events import CallData
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.prompts import BUILT_IN
from tests.fake_openai.client import FakeOpenAI
from tests.wire import (
    Wire,
    asking,
    bridge_running,
    dialled,
    health_when,
    tool_call,
    write_tool,
)

FILLERS = BUILT_IN["fillers"].splitlines()

SLOW = '''
from bridge import policy
@policy(filler="Let me look that up.")
@tool
async def look(runtime: ToolRuntime[CallContext]) -> str:
    """Look something up."""
    await file_there("found")
    return "found"
'''


@asynccontextmanager
async def calling(folder: Path, openai: FakeOpenAI, **settings: Any) -> AsyncIterator[Wire]:
    async with bridge_running(folder, openai.base_url, filler_after=0.05, **settings) as bridge:
        async with dialled(bridge) as wire:
            yield wire


def contents(millis: Wire, stream_id: int) -> list[str]:
    return [m["content"].strip() for m in millis.of(stream_id) if m["content"].strip()]


async def test_a_slow_model_is_covered_by_a_filler_that_is_flushed(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"sleep_ms": 100}, {"text": "Five."}, {"finish": "stop"}, {"done": True}])
    async with calling(tmp_path, openai) as millis:
        await millis.asked(1, "time?")
    filler, answer = contents(millis, 1)
    assert filler in FILLERS
    assert millis.of(1)[0]["flush"] is True
    assert answer == "Five."
    assert millis.said(1) == f"{filler} Five."
    assert millis.endings(1) == 1


async def test_fillers_come_from_the_prompts_folder(tmp_path: Path, openai: FakeOpenAI) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "fillers.md").write_text("- Hold on, {{ metadata.name }}.\n\n")
    await openai.script([{"sleep_ms": 100}, {"text": "Five."}, {"finish": "stop"}, {"done": True}])
    async with calling(tmp_path, openai) as millis:
        await millis.start(0, metadata={"name": "Ann"})
        assert await millis.asked(1, "time?") == "Hold on, Ann. Five."


async def test_a_slow_tool_has_its_own_filler_and_then_a_general_one(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "look", SLOW)
    await openai.script(asking(tool_call("look")), {"say": "Here it is."})
    async with calling(tmp_path, openai) as millis:
        await millis.ask(1, "look")
        while len(contents(millis, 1)) < 2:
            await millis.next()
        (tmp_path / "found").touch()
        await millis.answer(1)
    first, second, *answer = contents(millis, 1)
    assert first == "Let me look that up."
    assert second in FILLERS
    assert " ".join(answer) == "Here it is."


async def test_no_filler_when_the_model_itself_said_something_before_its_tool_call(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    write_tool(tmp_path, "look", SLOW.replace('file_there("found")', "asyncio.sleep(0.15)"))
    await openai.script(asking(tool_call("look"), say="I'll check"), {"say": "Here it is."})
    async with calling(tmp_path, openai) as millis:
        assert await millis.asked(1, "look") == "I'll check Here it is."
    assert any(m.get("flush") for m in millis.of(1)[:2]), "the last words before the wait"


async def test_a_tool_may_speak_while_it_runs(tmp_path: Path, openai: FakeOpenAI) -> None:
    body = SLOW.replace(
        'await file_there("found")', 'await runtime.context.say("I am on page two.")'
    )
    write_tool(tmp_path, "look", body)
    await openai.script(asking(tool_call("look")), {"say": "Here it is."})
    async with calling(tmp_path, openai) as millis:
        assert await millis.asked(1, "look") == "I am on page two. Here it is."
    assert millis.of(1)[0]["flush"] is True


async def test_after_a_filler_the_model_is_still_asked_again(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"sleep_ms": 100}, {"reset": True}], {"say": "Five."})
    async with calling(tmp_path, openai) as millis:
        said = await millis.asked(1, "time?")
    assert said.endswith(" Five.")
    assert contents(millis, 1)[0] in FILLERS
    assert len(await openai.requests()) == 2


async def test_an_empty_answer_after_a_filler_is_asked_again(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"sleep_ms": 100}, {"finish": "stop"}, {"done": True}])
    async with calling(tmp_path, openai) as millis:
        said = await millis.asked(1, "time?")
    assert said.endswith(BUILT_IN["reprompt"])


async def test_at_the_limit_there_is_an_apology_and_the_end(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script({"steps": [{"stall": True}], "times": 5})
    async with calling(tmp_path, openai, first_word_timeout=0.15) as millis:
        said = await millis.asked(1, "time?")
    assert said.endswith(BUILT_IN["apology"])
    assert contents(millis, 1)[0] in FILLERS
    assert millis.endings(1) == 1


async def test_a_stream_that_stops_in_mid_sentence_is_flushed(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    await openai.script([{"text": "The price is"}, {"stall": True}])
    async with calling(tmp_path, openai, flush_first_clause=False) as millis:
        await millis.ask(1, "price?")
        first, second = await millis.next(), await millis.next()
    assert (first["content"], first.get("flush")) == ("The price is", None)
    assert (second["content"], second.get("flush")) == ("", True)


async def test_the_lexicon_is_reloaded_and_a_broken_one_keeps_the_last_good(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    (tmp_path / "prompts").mkdir()
    lexicon = tmp_path / "prompts" / "lexicon.toml"
    lexicon.write_text('[words]\n"SQL" = "sequel"\n')
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "SQL") == "You said: sequel"
        before = bridge.prompts.current
        lexicon.write_text('[words]\n"SQL" = "squirrel"\n')
        async with dialled(bridge) as other:
            number = 0
            while await other.asked(number := number + 1, f"SQL {number}") == (
                f"You said: sequel {number}"
            ):
                pass
            assert other.said(number) == f"You said: squirrel {number}"
        assert bridge.prompts.current.version > before.version
        lexicon.write_text('[words]\n"SQL" = 1\n')
        body = await health_when(bridge, lambda body: body["failures"])
        (failure,) = body["failures"]
        assert failure["file"] == "prompts/lexicon.toml"
        assert failure["reason"].startswith("words.SQL: needs text to say")
        assert failure["last_good_version_kept"] is True
        assert await millis.asked(3, "SQL") == "You said: squirrel"
        lexicon.unlink()
        await health_when(bridge, lambda body: not body["failures"])
        assert await millis.asked(4, "SQL") == "You said: SQL"


async def test_a_lexicon_that_is_broken_at_the_start_does_not_keep_calls_out(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "lexicon.toml").write_text("words = 1")
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        (failure,) = (await health_when(bridge, lambda body: body["failures"]))["failures"]
        assert (failure["file"], failure["last_good_version_kept"]) == (
            "prompts/lexicon.toml",
            False,
        )
        assert await millis.asked(1, "SQL") == "You said: SQL"


@pytest.mark.parametrize("name", ["fillers", "silence"])
async def test_the_shipped_prompts_have_lines_to_speak(name: str) -> None:
    prompts = await PromptShelf(Path(__file__).parents[2] / "prompts").reload()
    lines = prompts.lines(name, CallData())
    assert len(lines) >= 3
    assert all(line[0].isalpha() and line[-1] in ".?!" for line in lines)
