"""A model that answers with what was answered in a call on record, turn by turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langgraph.runtime import get_runtime

from bridge.agent.pieces import last_piece, pieces_of
from bridge.agent.reply import Reply
from bridge.call.ledger import plain

MODEL_NAME = "recorded"

Ending = Literal["whole", "cut", "broken"]
"""How a message ended: one that the caller cut off stops and waits, a broken one fails."""


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One message of the model's, as it was."""

    text: str = ""
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Name and arguments of each."""
    first_token: float = 0.0
    """Seconds from asking to the first token."""
    seconds: float = 0.0
    """Seconds from asking to the last token."""
    end: Ending = "whole"


@dataclass(frozen=True, slots=True)
class RecordedAnswers:
    """What the model said in one turn."""

    stream_id: str
    asked: str
    """The caller's line; empty for the opening."""
    messages: tuple[RecordedMessage, ...]


class NothingRecorded(Exception):
    """The model is asked for what the record does not have."""

    status_code = 400  # as servers say it: the request is to blame, and asking again is no use


class Prompter:
    """Knows which of the recorded messages comes next. One for all calls of a replay."""

    def __init__(self) -> None:
        self.asked_for_more: set[str] = set()
        """Streams on which the model was asked for more messages than there are."""
        self._turns: Sequence[RecordedAnswers] = ()
        self._next = 0
        """The turn that Millis will ask for next."""
        self._begun: dict[int, RecordedAnswers | None] = {}
        """Turns of today's, by their numbers."""

    def load(self, turns: Sequence[RecordedAnswers]) -> None:
        """Take the turns of one connection, in their order."""
        self.asked_for_more = set()
        self._turns, self._next, self._begun = turns, 0, {}

    def begin(self, turn: int, stream_id: str) -> None:
        """Millis has asked for a turn."""
        rest = range(self._next, len(self._turns))
        at = next((i for i in rest if self._turns[i].stream_id == stream_id), None)
        self._begun[turn] = None if at is None else self._turns[at]
        self._next = self._next if at is None else at + 1

    def next(self, reply: Reply, line: str) -> RecordedMessage:
        """The message that a reply asks for. `line` is the newest that the model reads.

        Raises:
            NothingRecorded: there are no more messages in this turn, or the reply is a draft of a
                line that Millis did not ask for in the end: of those nothing is on record.
        """
        number = reply.voice.turn
        turn = self._begun[number] if number in self._begun else self._expected(line)
        messages = () if turn is None else turn.messages
        if reply.model_calls > len(messages):
            if turn is not None:
                self.asked_for_more.add(turn.stream_id)
            raise NothingRecorded(f"message {reply.model_calls} of {len(messages)}")
        return messages[reply.model_calls - 1]

    def _expected(self, line: str) -> RecordedAnswers | None:
        """The turn that comes next, if it answers this line; a note may stand before it."""
        turn = self._turns[self._next] if self._next < len(self._turns) else None
        if turn is None or not plain(turn.asked) or not plain(line).endswith(plain(turn.asked)):
            return None
        return turn


class ReplayedModel(BaseChatModel):
    """A chat model that gives recorded messages again, at their speed or `fast`: all at once."""

    prompter: Prompter
    fast: bool = False

    @property
    def _llm_type(self) -> str:
        return MODEL_NAME

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Take no notice of the tools: which ones are used is on record."""
        del tools, tool_choice
        return self.bind(**kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        now = asyncio.get_running_loop().time
        asked = now()
        lines = [message for message in messages if message.type == "human"]
        newest = str(lines[-1].text) if lines else ""
        reply = cast("Reply", get_runtime().context)
        recorded = self.prompter.next(reply, newest)
        pieces = list(pieces_of(recorded.text, recorded.tool_calls))
        gap = max(0.0, recorded.seconds - recorded.first_token) / max(1, len(pieces) - 1)
        for number, piece in enumerate(pieces):
            due = asked + recorded.first_token + number * gap
            await asyncio.sleep(0 if self.fast else max(0.0, due - now()))
            yield ChatGenerationChunk(message=piece)
        if recorded.end == "cut":
            await asyncio.Event().wait()  # until the caller speaks over it
        if recorded.end == "broken":
            raise NothingRecorded("it broke off")
        reason = "tool_calls" if recorded.tool_calls else "stop"
        yield ChatGenerationChunk(message=last_piece(reason))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("recorded messages are streamed")
