"""Long calls: what the model reads stays within its window, without another model call."""

from pathlib import Path

from tests.fake_openai.client import FakeOpenAI
from tests.wire import asking, bridge_running, dialled, results, tool_call, write_tool

LONG = '''
@tool
async def look(n: int) -> str:
    """Look something up."""
    return f"found {n} " + "x" * 2000
'''


def _bytes(request: dict[str, object]) -> int:
    body = request["body"]
    assert isinstance(body, dict)
    return sum(len(str(message.get("content") or "")) for message in body["messages"][1:])


async def test_a_long_call_stays_within_the_window_and_asks_the_model_once_a_turn(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    said: list[str] = []
    async with bridge_running(tmp_path, openai.base_url, history_tokens=1000) as bridge:
        async with dialled(bridge) as millis:
            for turn in range(60):
                said.append(f"line {turn} " + "word " * 20)
                said.append(await millis.asked(turn, *said))
    requests = await openai.requests()
    assert len(requests) == 60
    assert all(_bytes(request) < 3 * 1000 for request in requests)
    last = requests[-1]["body"]["messages"]
    assert last[-1]["content"].startswith("line 59 ")
    assert last[1]["role"] == "user", "a question goes with its answer"
    assert len(last) > 10


async def test_old_results_go_before_old_words(tmp_path: Path, openai: FakeOpenAI) -> None:
    write_tool(tmp_path, "look", LONG)
    said: list[str] = []
    async with bridge_running(tmp_path, openai.base_url, history_tokens=2500) as bridge:
        async with dialled(bridge) as millis:
            for turn in range(8):
                line = f"look {turn}."
                say = {"say": f"Found {turn}."}
                await openai.script(asking(tool_call("look", n=turn)), say, match=line)
                said.append(line)
                said.append(await millis.asked(turn, *said))
            await millis.asked(9, *said, "and now?")
    last = (await openai.requests())[-1]
    texts = [message["content"] for message in last["body"]["messages"]]
    assert "look 0." in texts
    found = [result[:7] for result in results(last).values()]
    assert found == [f"found {turn}" for turn in range(8)][-len(found) :]
    assert 1 <= len(found) < 8


async def test_a_line_longer_than_the_window_is_still_answered(
    tmp_path: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(tmp_path, openai.base_url, history_tokens=500) as bridge:
        async with dialled(bridge) as millis:
            assert await millis.asked(1, "hi", "hello", "word " * 2000)
    (request,) = await openai.requests()
    assert [m["role"] for m in request["body"]["messages"]] == ["system", "user"]
