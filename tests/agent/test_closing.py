"""What a model has open is closed, though nobody collects garbage."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from bridge.agent.closing import close_model, close_when_heard
from bridge.agent.message import Listener, listening


class Held(BaseChatModel):
    """Streams two words; its stream refers to itself, as exceptions make them do."""

    open: set[str] = Field(default_factory=set)
    callbacks: Any = Field(default_factory=lambda: [Listener()])

    @property
    def _llm_type(self) -> str:
        return "held"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        cycle: list[object] = []
        cycle.append(cycle)
        self.open.add("stream")
        try:
            for word in ("one", "two"):
                yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        finally:
            self.open.discard("stream")


class Stuck:
    """A message whose speaking never ends."""

    def __init__(self) -> None:
        self.streams: list[Any] = []
        self.heard = asyncio.Event()

    async def hear(self, _: BaseMessage) -> None:
        self.heard.set()
        await asyncio.Event().wait()


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_the_stream_of_a_turn_that_is_cancelled_while_it_speaks_can_be_closed() -> None:
    chat, message = Held(), Stuck()
    close_when_heard(chat)

    async def turn() -> None:
        token = listening.set(message)  # type: ignore[arg-type]
        try:
            await chat.ainvoke("hello")
        finally:
            listening.reset(token)
            for stream in message.streams:
                await stream.aclose()

    task = asyncio.create_task(turn())
    await message.heard.wait()
    assert chat.open == {"stream"}
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert chat.open == set()


async def test_a_model_without_connections_needs_no_closing() -> None:
    await close_model(Held())
