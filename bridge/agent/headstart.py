"""A reply's first request, on its way before LangChain's graph has come to ask for it.

The graph works for two milliseconds before it calls its model. That is nothing to one caller; with
a hundred at once, the last would wait for the graphs of all others. Here all requests go first, and
the graphs run while the model thinks.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

from langchain_core.messages import BaseMessage

from bridge.agent.lean_http import Body


class HeadStart:
    """One request that was sent ahead. Whoever made it closes it."""

    def __init__(
        self,
        model: object,
        messages: Sequence[BaseMessage],
        kwargs: dict[str, Any],
        request: Coroutine[Any, Any, Body],
    ) -> None:
        self._model = model
        self._messages = messages
        self._kwargs = kwargs
        self._taken = False
        self._request = asyncio.create_task(request, name="head start")

    def take(
        self, model: object, messages: Sequence[BaseMessage], kwargs: dict[str, Any]
    ) -> asyncio.Task[Body] | None:
        """The request, if it is this very one, and the first time it is asked for."""
        same = (
            not self._taken
            and model is self._model
            and len(messages) == len(self._messages)
            and all(a is b for a, b in zip(messages, self._messages, strict=True))
            and kwargs == self._kwargs
        )
        self._taken = self._taken or same
        return self._request if same else None

    async def aclose(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        self._request.cancel()
        await asyncio.wait({self._request})
        if not self._request.cancelled() and self._request.exception() is None:
            self._request.result().close()


@runtime_checkable
class CanBegin(Protocol):
    """A chat model that can be asked ahead of LangChain."""

    def begin(self, messages: Sequence[BaseMessage], kwargs: dict[str, Any]) -> HeadStart | None:
        """Send a request; None if this model, so set, cannot."""


_under_way: ContextVar[HeadStart | None] = ContextVar("head_start", default=None)


def taken(
    model: object, messages: Sequence[BaseMessage], kwargs: dict[str, Any]
) -> asyncio.Task[Body] | None:
    """The request that was sent ahead in this reply, if it is this one."""
    begun = _under_way.get()
    return begun.take(model, messages, kwargs) if begun is not None else None


@asynccontextmanager
async def ahead(
    model: object, messages: Sequence[BaseMessage], kwargs: dict[str, Any]
) -> AsyncIterator[None]:
    """Send the request now, if the model can, and let the block find it."""
    begun = model.begin(messages, kwargs) if isinstance(model, CanBegin) else None
    if begun is None:
        yield
        return
    before = _under_way.set(begun)
    try:
        for _ in range(2):  # aiohttp makes its request in one turn of the loop, and writes in two
            await asyncio.sleep(0)
        yield
    finally:
        _under_way.reset(before)
        await begun.aclose()
