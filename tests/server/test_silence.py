"""A silent caller, over real sockets."""

from pathlib import Path
from typing import Any

from bridge.plugins.prompts import BUILT_IN
from tests.fake_openai.client import FakeOpenAI
from tests.wire import Wire, bridge_running, dialled

ASK, BYE = BUILT_IN["silence"].splitlines()


async def played(millis: Wire, stream_id: int) -> None:
    data = {"session_id": "s", "stream_id": stream_id}
    await millis.send({"type": "playback_finished", "data": data})


async def test_a_silent_caller_is_asked_then_told_goodbye_and_the_call_is_ended(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(tmp_path, openai.base_url, silence_after=0.03) as bridge:
        async with dialled(bridge) as millis:
            await millis.asked(1, "hello")
            got: list[Any] = []
            for words in (ASK, BYE):
                await played(millis, 1)
                got = [await millis.next(), await millis.next()]
                assert (got[0]["stream_id"], got[0]["content"]) == (1, words)
                assert got[0]["flush"] is True
                assert got[1]["end_of_stream"] is True
            await played(millis, 1)
            assert (await millis.next())["type"] == "end_call"


async def test_the_lines_come_from_the_prompts_folder(tmp_path: Path, openai: FakeOpenAI) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "silence.md").write_text("Hello, {{ metadata.name }}?\nBye.")
    async with bridge_running(tmp_path, openai.base_url, silence_after=0.03) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0, metadata={"name": "Ann"})
            await millis.answer(0)
            await played(millis, 0)
            assert (await millis.next())["content"] == "Hello, Ann?"


async def test_by_default_nobody_is_asked(tmp_path: Path, openai: FakeOpenAI) -> None:
    async with bridge_running(tmp_path, openai.base_url) as bridge:
        assert bridge.settings.silence_after == 0
        async with dialled(bridge) as millis:
            await millis.asked(1, "hello")
            await played(millis, 1)
            await millis.settled()
            assert len(millis.of(1)) == len([m for m in millis.got if m["stream_id"] == 1])
            assert millis.endings(1) == 1
