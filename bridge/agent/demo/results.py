"""Say what tools brought back, in sentences."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.agent.demo.words import listed, plain, words

_LONGEST_JSON = 50_000
_MOST_ITEMS = 6
_DEEPEST = 3
_DONE = frozenset({"", "ok", "done", "true", "success", "null", "none", "{}", "[]"})


@dataclass(frozen=True, slots=True)
class Result:
    """What one tool said."""

    text: str
    failed: bool = False


def speak_results(results: Sequence[Result]) -> str:
    """One or more results as something to say; failures without their details."""
    good = [result for result in results if not result.failed]
    said = [_spoken(result.text) for result in good]
    said = [text for text in said if text]
    parts = []
    if said:
        first, *others = said
        parts = [_sentence(f"Here is what I found: {first}")]
        parts += [_sentence(f"Also, {other}") for other in others]
    elif good:
        parts = ["That is done."]
    failed = len(results) - len(good)
    if failed and good:
        parts.append("I'm sorry, something else you asked for did not work.")
    elif failed:
        parts.append("I'm sorry, that did not work. Would you like to try something else?")
    return " ".join(parts)


def phrase(value: Any, depth: int = 0) -> str:
    """A JSON value in words."""
    if isinstance(value, dict | list) and depth >= _DEEPEST:
        return "more details"
    if isinstance(value, dict):
        known = [(key, one) for key, one in value.items() if one is not None]
        return ", ".join(_few([f"{_label(key)}: {phrase(one, depth + 1)}" for key, one in known]))
    if isinstance(value, list):
        nested = any(isinstance(one, dict | list) for one in value)
        parts = _few([phrase(one, depth + 1) for one in value])
        return "; ".join(parts) if nested else listed(parts)
    if isinstance(value, bool | None):
        return {True: "yes", False: "no", None: "nothing"}[value]
    return plain(f"{value:.10g}" if isinstance(value, float) else str(value), 300)


def _few(parts: list[str]) -> list[str]:
    more = len(parts) - _MOST_ITEMS
    return parts if more <= 0 else [*parts[:_MOST_ITEMS], f"{more} more"]


def _label(key: object) -> str:
    return " ".join(words(str(key)[:60])) or "value"


def _spoken(text: str) -> str:
    if text.strip().lower() in _DONE:
        return ""
    if text.lstrip()[:1] in ("{", "[", '"') and len(text) <= _LONGEST_JSON:
        try:
            return plain(phrase(json.loads(text)))
        except (ValueError, RecursionError):
            pass  # not JSON after all: said as it stands
    return plain(text)


def _sentence(text: str) -> str:
    return text if text[-1:] in (".", "!", "?") else f"{text}."
