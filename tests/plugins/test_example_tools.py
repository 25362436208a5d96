from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from langchain.tools import ToolRuntime

from bridge import CallContext, ToolError
from bridge.call.events import CallData
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads

ROOT = Path(__file__).parents[2]


@dataclass
class Spoken:
    """A call as a tool sees it; it notes what was said."""

    call: CallData = field(default_factory=CallData)
    words: list[str] = field(default_factory=list)

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.call.metadata

    async def say(self, text: str) -> None:
        self.words.append(text)


def runtime(context: CallContext) -> ToolRuntime[CallContext]:
    return ToolRuntime(
        state={},
        context=context,
        config={},
        stream_writer=lambda _: None,
        tool_call_id="1",
        store=None,
        tools=[],
    )


@pytest.fixture
async def shelf() -> ToolShelf:
    shelf = ToolShelf(ROOT / "tools", threads=ToolThreads())
    toolbox = await shelf.reload()
    assert toolbox.failures == ()
    return shelf


async def use(shelf: ToolShelf, name: str, **arguments: object) -> str:
    found = next(tool for tool in shelf.current.tools if tool.name == name)
    return str(await found.ainvoke(arguments))


async def test_the_examples_load_and_are_short(shelf: ToolShelf) -> None:
    names = [tool.name for tool in shelf.current.tools]
    assert names == [
        "cancel_order",
        "current_time",
        "track_delivery",
        "my_orders",
        "opening_hours",
    ]
    for path in (ROOT / "tools").glob("*.py"):
        assert len(path.read_text().splitlines()) < 60


async def test_the_clock_tells_the_time_or_what_to_do_about_a_wrong_zone(shelf: ToolShelf) -> None:
    assert "in Europe/Berlin" in await use(shelf, "current_time", time_zone="Europe/Berlin")
    for nonsense in ("Mars/Base", "../../etc/passwd", "", "a\0b"):
        with pytest.raises(ToolError, match="IANA"):
            await use(shelf, "current_time", time_zone=nonsense)


async def test_opening_hours_are_looked_up_by_day(shelf: ToolShelf) -> None:
    assert await use(shelf, "opening_hours", day=" sunday") == "Sunday: closed all day"
    assert "Monday" in await use(shelf, "opening_hours")
    with pytest.raises(ToolError):
        await use(shelf, "opening_hours", day="someday")


async def test_orders_are_those_of_whoever_calls(shelf: ToolShelf) -> None:
    by_number = Spoken(CallData(caller="+15550100"))
    by_metadata = Spoken(CallData(metadata={"customer_id": "c-2"}))

    assert "desk lamp" in await use(shelf, "my_orders", runtime=runtime(by_number))
    assert "bookshelf" in await use(shelf, "my_orders", runtime=runtime(by_metadata))
    with pytest.raises(ToolError):
        await use(shelf, "my_orders", runtime=runtime(Spoken()))
    tool = next(tool for tool in shelf.current.tools if tool.name == "my_orders")
    assert tool.args == {}  # there is nothing that a model could choose


async def test_a_slow_tool_speaks_while_it_works_and_only_for_the_callers_own_orders(
    shelf: ToolShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = next(tool for tool in shelf.current.tools if tool.name == "track_delivery")
    monkeypatch.setitem(tool.coroutine.__wrapped__.__globals__, "SECONDS", 0)  # type: ignore[attr-defined]
    call = Spoken(CallData(caller="+15550100"))

    answer = await use(shelf, "track_delivery", order_number="1042", runtime=runtime(call))

    assert "desk lamp" in answer
    assert call.words == ["One moment, I'm asking the courier."]
    with pytest.raises(ToolError):
        await use(shelf, "track_delivery", order_number="1061", runtime=runtime(call))


async def test_an_order_is_cancelled_if_it_is_the_callers_and_not_too_late(
    shelf: ToolShelf,
) -> None:
    call = Spoken(CallData(caller="+15550100"))
    for number in ("1061", "1042", "'; drop table"):
        with pytest.raises(ToolError):
            await use(shelf, "cancel_order", order_number=number, runtime=runtime(call))
    answer = await use(shelf, "cancel_order", order_number="1057", runtime=runtime(call))
    assert answer == "Order 1057, two reading chairs, is cancelled."
    assert "1057" not in await use(shelf, "my_orders", runtime=runtime(call))


async def test_the_example_prompts_render_for_any_call() -> None:
    prompts = await PromptShelf(ROOT / "prompts").reload()
    ann = CallData(caller="+15550100", metadata={"name": "Ann"})
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    assert prompts.failures == ()
    assert prompts.greeting(ann) == "Hello Ann, how can I help you today?"
    assert prompts.greeting(CallData()) == "Hello, how can I help you today?"
    assert "Today is Friday, 20 November 2026." in prompts.system(ann, now)
    assert "Ann" in prompts.system(ann, now)
    assert "number is" not in prompts.system(CallData(), now)
    assert prompts.apology(ann)
    assert prompts.reprompt(ann)
