"""What can be spoken, through the socket: pauses, the lexicon, addresses, the first clause."""

from pathlib import Path

from tests.fake_openai.client import FakeOpenAI
from tests.wire import bridge_running, came_true, dialled


async def test_a_pause_in_the_models_text_becomes_the_frames_pause(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    tokens = list("One[pause 500ms] two.")
    await openai.script([{"tokens": tokens}, {"finish": "stop"}, {"done": True}])
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "count") == "One two."
        assert [frame["pause"] for frame in millis.of(1) if "pause" in frame] == [500]


async def test_a_pause_in_the_greeting_becomes_the_frames_pause(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text("Hello! [pause 1s] Who is calling?")
    async with bridge_running(tmp_path) as bridge, dialled(bridge) as millis:
        await millis.start(0)
        assert (await millis.answer(0)).split() == ["Hello!", "Who", "is", "calling?"]
        assert [frame["pause"] for frame in millis.of(0) if "pause" in frame] == [1000]


async def test_words_are_pronounced_as_the_lexicon_says_and_it_may_change_in_a_call(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    (tmp_path / "prompts").mkdir()
    lexicon = tmp_path / "prompts" / "lexicon.toml"
    lexicon.write_text('[words]\n"Siobhan" = "Shivawn"\n')
    tokens = ["Sio", "bhan", " is", " here."]
    script = {"steps": [{"tokens": tokens}, {"finish": "stop"}, {"done": True}], "times": 2}
    await openai.script(script)
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "who?") == "Shivawn is here."
        before = bridge.prompts.current
        lexicon.write_text('[words]\n"Siobhan" = "Chevonne"\n')
        await came_true(lambda: bridge.prompts.current is not before)
        assert await millis.asked(2, "who?", "Shivawn is here.", "who?") == "Chevonne is here."


async def test_addresses_are_spoken_and_numbers_left_alone(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    text = "It costs $3.50; write to ann@example.com, it's 你好."
    await openai.script([{"tokens": list(text)}, {"finish": "stop"}, {"done": True}])
    async with bridge_running(tmp_path, openai.base_url) as bridge, dialled(bridge) as millis:
        said = await millis.asked(1, "how much?")
    assert "$3.50" in said
    assert "ann at example dot com" in said
    assert "it's 你好." in said
