import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.tools import ToolRuntime
from langchain_core.callbacks import CallbackManagerForToolRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, Tool, tool

from bridge.plugins.adapt import adapt
from bridge.plugins.daemon import ToolCrashed
from bridge.plugins.threads import ToolThreads


@dataclass
class Caller:
    """What a call hands to its tools."""

    name: str


@tool
def where_sync(city: str, runtime: ToolRuntime[Caller], config: RunnableConfig) -> str:
    """Say who asks about a city, from a thread."""
    thread = threading.current_thread().name
    return f"{runtime.context.name} {city} {runtime.tool_call_id} {thread} {config['tags']}"


@tool
async def where_async(city: str, runtime: ToolRuntime[Caller], config: RunnableConfig) -> str:
    """Say who asks about a city, from the loop."""
    thread = threading.current_thread().name
    return f"{runtime.context.name} {city} {runtime.tool_call_id} {thread} {config['tags']}"


class OnlyRun(BaseTool):
    """A tool as a class, with a synchronous side only."""

    name: str = "only_run"
    description: str = "Run in a thread."

    def _run(
        self,
        city: str,
        runtime: ToolRuntime[Caller],
        run_manager: CallbackManagerForToolRun | None = None,
    ) -> str:
        assert run_manager is not None
        return f"{runtime.context.name} {city} {threading.current_thread().name}"


class OwnArun(OnlyRun):
    """A tool as a class, with both sides."""

    name: str = "own_arun"

    async def _arun(self, city: str, runtime: ToolRuntime[Caller]) -> str:
        return f"{runtime.context.name} {city} {threading.current_thread().name}"


class ShoutingTool(StructuredTool):
    """A structured tool whose class does something of its own."""

    def _run(self, *args: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        return f"{super()._run(*args, config=config, **kwargs)} {threading.current_thread().name}!"


class OneTurn(BaseChatModel):
    """Calls every tool once with the same arguments, then is done."""

    calls: list[str]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> "OneTurn":
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        answer = AIMessage("done")
        if not isinstance(messages[-1], ToolMessage):
            calls = [
                {"name": name, "args": {"city": "Rome"}, "id": f"id-{name}"} for name in self.calls
            ]
            answer = AIMessage("", tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=answer)])


async def run_agent(*tools: BaseTool) -> dict[str, str]:
    """Let a real agent call every tool, and return what the model reads."""
    adapted = [adapt(one, ToolThreads(4)) for one in tools]
    model = OneTurn(calls=[one.name for one in tools])
    agent = create_agent(model, adapted, context_schema=Caller)
    state = await agent.ainvoke(
        {"messages": [HumanMessage("Where?")]}, {"tags": ["t"]}, context=Caller("Ann")
    )
    found = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    return {str(message.name): str(message.content) for message in found}


async def test_an_agent_gives_sync_and_async_tools_the_runtime_and_the_config() -> None:
    answers = await run_agent(where_sync, where_async)

    assert answers == {
        "where_sync": "Ann Rome id-where_sync tool ['t']",
        "where_async": "Ann Rome id-where_async MainThread ['t']",
    }


async def test_an_agent_runs_tools_that_are_classes() -> None:
    shout = ShoutingTool.from_function(lambda city: city, name="shout", description="Shout.")

    answers = await run_agent(OnlyRun(), OwnArun(), shout)

    assert answers == {
        "only_run": "Ann Rome tool",
        "own_arun": "Ann Rome MainThread",
        "shout": "Rome tool!",
    }


async def test_a_single_input_tool_runs_in_a_thread() -> None:
    plain = Tool(name="plain", func=lambda text: f"got {text}", description="Take a text.")

    assert await adapt(plain, ToolThreads(1)).ainvoke("this") == "got this"


async def test_a_plain_function_that_returns_a_coroutine_is_awaited() -> None:
    @tool
    def later() -> str:
        """Answer later."""

        async def answer() -> str:
            return "later"

        return answer()  # type: ignore[return-value]

    assert await adapt(later, ToolThreads(1)).ainvoke({}) == "later"


async def test_everything_else_about_the_tool_stays() -> None:
    @tool(return_direct=True, response_format="content_and_artifact")
    def both(city: str) -> tuple[str, int]:
        """Answer twice."""
        return city, 7

    both.metadata = {"read_only": True}
    both.tags = ["shop"]

    adapted = adapt(both, ToolThreads(1))

    assert adapted.args_schema is both.args_schema
    assert (adapted.metadata, adapted.tags) == ({"read_only": True}, ["shop"])
    assert (adapted.return_direct, adapted.response_format) == (True, "content_and_artifact")
    assert (adapted.name, adapted.description) == (both.name, both.description)
    call = {"type": "tool_call", "id": "1", "name": "both", "args": {"city": "Rome"}}
    message = await adapted.ainvoke(call)
    assert (message.content, message.artifact) == ("Rome", 7)
    assert both.coroutine is None  # type: ignore[attr-defined]  # the original is left alone


class Leaving(BaseTool):
    """A tool as a class that leaves in its own way."""

    name: str = "leaving"
    description: str = "Leave."
    kind: type[BaseException]

    def _run(self) -> str:
        raise self.kind


class LeavingAsync(Leaving):
    """The same, on the loop."""

    async def _arun(self) -> str:
        raise self.kind


LEAVING = [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]


@pytest.mark.parametrize("kind", LEAVING)
async def test_no_tool_can_take_the_event_loop_with_it(kind: type[BaseException]) -> None:
    def leave() -> str:
        raise kind

    async def leave_later() -> str:
        await asyncio.sleep(0)
        raise kind

    tools: list[BaseTool] = [
        StructuredTool.from_function(leave, description="Leave."),
        StructuredTool.from_function(coroutine=leave_later, description="Leave."),
        Leaving(kind=kind),
        LeavingAsync(kind=kind),
    ]
    for one in tools:
        with pytest.raises(ToolCrashed, match=kind.__name__):
            await adapt(one, ToolThreads(1)).ainvoke({})


async def test_cancelling_from_outside_cancels_an_async_tool() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    @tool
    async def hang() -> None:
        """Hang."""
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    run = asyncio.create_task(adapt(hang, ToolThreads(1)).ainvoke({}))
    await began.wait()
    run.cancel()
    await asyncio.wait({run})

    assert run.cancelled()
    assert ended.is_set()


@pytest.mark.unseen("asyncio closes the generator again, from a task of its own")
async def test_closing_an_async_tool_that_waits_is_quiet() -> None:
    @tool
    async def hang() -> None:
        """Hang."""
        await pause()

    async def pause() -> None:
        async for _ in never():
            pass

    async def never() -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    running = adapt(hang, ToolThreads(1)).coroutine()  # type: ignore[attr-defined]
    running.send(None)

    running.close()  # raises nothing


async def test_a_timeout_inside_a_tool_works_as_ever() -> None:
    @tool
    async def patient() -> str:
        """Wait a little."""
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            pass
        return "gave up"

    assert await adapt(patient, ToolThreads(1)).ainvoke({}) == "gave up"
