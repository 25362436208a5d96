"""From the messages of a conversation to the demo model's answer."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from bridge.agent.callcontrol import END_CALL, TRANSFER_CALL
from bridge.agent.demo.agreeing import agreed_to
from bridge.agent.demo.planning import Exchange, open_question, settle
from bridge.agent.demo.results import Result, speak_results
from bridge.agent.demo.schema import ToolSpec
from bridge.agent.demo.smalltalk import (
    FAREWELL,
    GREETING,
    INTRODUCTION,
    asks_for_greeting,
    small_talk,
)
from bridge.agent.demo.words import clean, words
from bridge.call.notes import without_note

_LONGEST_LINE = 1000
"""Characters of a line that are read; its end, where the request usually is."""
_LONGEST_RESULT = 60_000
_LAST_WORDS: Final = {END_CALL: FAREWELL, TRANSFER_CALL: "I'm putting you through."}
"""What is said after these tools: their results tell the model what to do, not the caller."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One tool to call."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the demo model does next: it either speaks or uses tools."""

    text: str = ""
    uses: tuple[ToolUse, ...] = ()

    @property
    def finish_reason(self) -> str:
        """Why the message ends, as OpenAI calls it."""
        return "tool_calls" if self.uses else "stop"


def answer(
    messages: Sequence[BaseMessage],
    specs: Sequence[ToolSpec],
    *,
    choice: str = "auto",
    parallel: bool = True,
) -> Answer:
    """Decide what to say or which tools to call.

    `choice` is "auto", "none" (never call), "required" (call whenever there are words to go by), or
    the name of the only tool that may be called; `parallel` allows several calls at once.
    """
    talk = [message for message in messages if not isinstance(message, SystemMessage)]
    if results := _results(talk):
        last_words = _LAST_WORDS.get(talk[-1].name or "")
        return Answer(last_words or _introduced(talk, speak_results(results)))
    *past, last = _exchanges(talk) or [Exchange("")]
    begun = any(exchange.reply for exchange in past)
    if not begun and asks_for_greeting(last.said):
        return Answer(GREETING)
    agreed = agreed_to(talk) if choice == "auto" else None
    if agreed and any(spec.name == agreed["name"] for spec in specs):
        return Answer(uses=_uses([(agreed["name"], agreed["args"])], talk))
    callable_ = [] if choice == "none" else _allowed(specs, choice)
    forced = choice not in ("auto", "none")
    planned = settle(past, last.said, callable_, forced=forced) if words(last.said) else ()
    if asked := open_question(planned):
        return Answer(_introduced(talk, asked))
    if planned:
        now = planned if parallel else planned[:1]
        return Answer(uses=_uses([(use.tool.name, use.arguments) for use in now], talk))
    return Answer(_introduced(talk, small_talk(last.said, specs)))


def text_of(message: BaseMessage, limit: int = _LONGEST_LINE) -> str:
    """The words of a message, whatever its content is made of, without the bridge's own note."""
    content: Any = message.content
    parts = content if isinstance(content, list) else [content]
    found = (part.get("text") if isinstance(part, dict) else part for part in parts)
    said = (without_note(part) for part in found if isinstance(part, str))
    return clean(" ".join(said), limit)


def _results(talk: Sequence[BaseMessage]) -> list[Result]:
    """The tool messages the conversation ends with, oldest first."""
    results: list[Result] = []
    for message in reversed(talk):
        if not isinstance(message, ToolMessage):
            break
        results.append(Result(text_of(message, _LONGEST_RESULT), message.status == "error"))
    return results[::-1]


def _exchanges(talk: Sequence[BaseMessage]) -> list[Exchange]:
    """Each line of the caller's with our words up to the next one."""
    found: list[Exchange] = []
    for message in talk:
        if isinstance(message, HumanMessage):
            found.append(Exchange(text_of(message)))
        elif isinstance(message, AIMessage) and found:
            reply = f"{found[-1].reply} {text_of(message)}".strip()
            found[-1] = Exchange(found[-1].said, reply)
    return found


def _allowed(specs: Sequence[ToolSpec], choice: str) -> list[ToolSpec]:
    if choice in ("auto", "required"):
        return list(specs)
    return [spec for spec in specs if spec.name == choice]


def _introduced(talk: Sequence[BaseMessage], text: str) -> str:
    """The text, after a word on who is speaking if the caller has not been told yet."""
    told = "demo" in words(text) or any("demo" in words(line) for line in _own_lines(talk))
    answered = any(exchange.reply for exchange in _exchanges(talk))
    return text if told or answered else f"{INTRODUCTION} {text}"


def _own_lines(talk: Sequence[BaseMessage]) -> Iterator[str]:
    return (text_of(message) for message in talk if isinstance(message, AIMessage))


def _uses(
    wanted: Sequence[tuple[str, Mapping[str, Any]]], talk: Sequence[BaseMessage]
) -> tuple[ToolUse, ...]:
    """Calls whose ids say where in which conversation they were made.

    A count alone would repeat itself: a call that was cut short is missing from the next history.
    """
    before = sum(len(message.tool_calls) for message in talk if isinstance(message, AIMessage))
    said = "\0".join(f"{message.type}:{text_of(message)}" for message in talk)
    place = hashlib.blake2s(said.encode("utf-8", "replace"), digest_size=4).hexdigest()
    return tuple(
        ToolUse(f"call_demo_{place}_{before + number}", name, dict(arguments))
        for number, (name, arguments) in enumerate(wanted, start=1)
    )
