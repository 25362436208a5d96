"""The two models under comparison, pointed at a fake server and closed in the loop they ran in."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI

from bridge.agent.lean import LeanChatOpenAI

DEFAULTS = {"model": "gpt-4.1-mini", "api_key": "sk-test", "max_retries": 0}
NO_TIMEOUT = httpx2.Timeout(None)
"""Not hashable, and so keeps the SDK's client out of the cache that is shared between loops."""


@asynccontextmanager
async def stock_model(base_url: str, **kwargs: Any) -> AsyncIterator[ChatOpenAI]:
    """Stock `ChatOpenAI`, with a client of its own: the shared one breaks in a second loop."""
    kwargs = {**DEFAULTS, "stream_chunk_timeout": None, **kwargs}
    async with httpx2.AsyncClient(timeout=None, verify=False) as client:
        yield ChatOpenAI(base_url=base_url, http_async_client=client, **kwargs)


@asynccontextmanager
async def lean_model(base_url: str, **kwargs: Any) -> AsyncIterator[LeanChatOpenAI]:
    """Lean, closed afterwards. Pass `timeout=NO_TIMEOUT` where it leaves the work to stock."""
    model = LeanChatOpenAI(base_url=base_url, **{**DEFAULTS, **kwargs})
    try:
        yield model
    finally:
        await model.aclose()
        if kwargs.get("timeout") is NO_TIMEOUT:
            await model.root_async_client.close()


class Pairs:
    """Makes both models with the same settings, until it is closed."""

    def __init__(self, base_url: str, stack: AsyncExitStack) -> None:
        self._base_url = base_url
        self._stack = stack

    async def make(self, **kwargs: Any) -> tuple[ChatOpenAI, LeanChatOpenAI]:
        url = kwargs.pop("base_url", self._base_url)
        stock = await self._stack.enter_async_context(stock_model(url, **kwargs))
        return stock, await self._stack.enter_async_context(lean_model(url, **kwargs))


@asynccontextmanager
async def pairs(base_url: str) -> AsyncIterator[Pairs]:
    async with AsyncExitStack() as stack:
        yield Pairs(base_url, stack)


async def merged(model: Runnable[Any, Any], said: Any = "hello", **kwargs: Any) -> BaseMessage:
    """Stream an answer and put it together."""
    chunks = [chunk async for chunk in model.astream(said, **kwargs)]
    message = chunks[0]
    for chunk in chunks[1:]:
        message += chunk
    message.id = None  # LangChain's, one per run
    whole: BaseMessage = message
    return whole
