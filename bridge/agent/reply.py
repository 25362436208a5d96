"""The state of one reply, and what tools see of it as `runtime.context`."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.call.events import CallData
from bridge.call.ports import Action, AnswerFull, Brief, Voice
from bridge.errors import CallClosed


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often; the settings of the same names say what for."""

    first_word_timeout: float = 8.0
    token_timeout: float = 5.0
    tool_timeout: float = 10.0
    max_model_calls: int = 8
    max_tool_calls: int = 10
    max_parallel_tools: int = 4


class Reply:
    """One reply while it is being made. Tools get it as `runtime.context` (ports.CallContext)."""

    def __init__(self, brief: Brief, voice: Voice, limits: Limits) -> None:
        self.call: CallData = brief.call
        self.metadata: Mapping[str, Any] = brief.call.metadata
        self.voice = voice
        self.limits = limits
        self.model_calls = 0
        self.tool_calls = 0
        self.messages_spoken: list[str] = []
        """Texts of the model's earlier messages in this reply, to notice one that is repeated."""
        self.refused: dict[str, str] = {}
        """Tool calls that must not run, by id: what the model is told instead."""
        self.call_ids: set[str] = set()
        """Ids of all its tool calls: some providers count from 0 in every message."""
        self.first: Any = None
        """The model's first message, if the graph is run for its tools only; then a message of
        LangChain's."""
        self.asked = False
        """Whether the caller was asked before a deed: nothing may be said after the question."""
        self.parallel = asyncio.Semaphore(limits.max_parallel_tools)

    @property
    def must_answer(self) -> bool:
        """Whether the model has used up its calls and has to speak now."""
        return (
            self.model_calls >= self.limits.max_model_calls
            or self.tool_calls >= self.limits.max_tool_calls
        )

    def request(self, action: Action) -> None:
        """End or transfer the call after the last word, unless the caller speaks before."""
        self.voice.request(action)

    async def say(self, text: str) -> None:
        """Speak now, while the tool runs on. Silent once the turn was interrupted."""
        with contextlib.suppress(CallClosed, AnswerFull):
            await self.voice.announce(text)
