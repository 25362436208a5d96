"""How one model is asked with certain arguments: worked out once, for each request repeats it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import MessageLikeRepresentation

from bridge.agent.lean_request import encoded, wire_messages


@dataclass(frozen=True, slots=True)
class Asking:
    """All of a request but its messages."""

    arguments: dict[str, Any]
    """What `bind_tools` and its like have bound."""
    stop: list[str] | None
    lean: bool
    """Whether it goes over aiohttp; else the rest is not known here."""
    payload: dict[str, Any]
    extra: dict[str, Any]
    """What is put over it, as the SDK does with `extra_body`."""
    odd: Callable[[Sequence[MessageLikeRepresentation]], list[dict[str, Any]]]
    """Stock's way of writing messages."""
    system: str | None
    """What the model calls the system's role; None leaves that to stock."""

    def fits(self, arguments: dict[str, Any], stop: list[str] | None) -> bool:
        """Whether it is just this that is asked with."""
        return self.arguments == arguments and self.stop == stop

    def body(self, messages: Sequence[MessageLikeRepresentation]) -> bytes:
        """Write a request.

        Raises:
            TypeError: it holds what JSON cannot.
        """
        written = wire_messages(messages, self.odd, system=self.system)
        return encoded({**self.payload, "messages": written, **self.extra})
