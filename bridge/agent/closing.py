"""Closing what a model has open, which LangChain leaves to the garbage collector."""

import inspect
from collections.abc import AsyncGenerator
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk

from bridge.agent.message import listening

_HOLDERS = ("root_async_client", "_async_client")
"""Where LangChain's models keep a provider's client."""


def close_when_heard(chat: BaseChatModel) -> None:
    """Have the message that listens close the stream of its answer, however its hearing ends.

    A turn that is cancelled while it speaks leaves the stream where it was: suspended, with its
    request open for as long as something refers to it.
    """
    read = chat._astream  # noqa: SLF001 - LangChain's place to implement streaming

    def read_and_tell(*args: Any, **kwargs: Any) -> AsyncGenerator[ChatGenerationChunk]:
        stream = cast("AsyncGenerator[ChatGenerationChunk]", read(*args, **kwargs))
        message = listening.get()
        if message is not None:
            message.streams.append(stream)
        return stream

    # The models are pydantic's and admit no other attributes, but the class is theirs to keep.
    object.__setattr__(chat, "_astream", read_and_tell)


async def close_model(chat: BaseChatModel) -> None:
    """Close the connections of a model, as far as it lets us."""
    for holder in (chat, *(getattr(chat, name, None) for name in _HOLDERS)):
        if close := _closing(holder):
            await close()
            return


def _closing(holder: object) -> Any:
    ways = (getattr(holder, name, None) for name in ("aclose", "close"))
    return next((way for way in ways if inspect.iscoroutinefunction(way)), None)
