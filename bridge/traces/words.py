"""How the conventions write down providers and messages."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from bridge.call.events import AskedTool

Value = str | bool | int | float | list[str]
"""What an attribute may be."""

_LONGEST: Final = 16_000
"""Characters of one text."""
_PROVIDERS: Final[Mapping[str, str]] = {
    "azure_ai": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""LangChain's words, where the conventions have others."""
_BARE: Final = (
    (re.compile(r"gpt-|chatgpt|o\d"), "openai"),
    (re.compile("claude"), "anthropic"),
    (re.compile("demo$"), "millis_bridge"),
)
"""Models that are known without their provider."""


def provider_of(name: str) -> tuple[str, str]:
    """The provider and the model that a name of the settings stands for."""
    provider, colon, model = name.partition(":")
    if colon:
        return _PROVIDERS.get(provider, provider), model
    return next((known for begins, known in _BARE if begins.match(name)), "_OTHER"), name


def plain(text: str, longest: int = _LONGEST) -> str:
    """The text as any collector takes it: one that cannot be encoded would cost the whole batch."""
    return text[:longest].encode("utf-8", "replace").decode()


def known(found: Mapping[str, Value | None]) -> dict[str, Value]:
    """The attributes of these that say something."""
    return {
        name: plain(value, 8 * _LONGEST) if isinstance(value, str) else value
        for name, value in found.items()
        if value is not None and value != ""
    }


def messages(role: str, text: str) -> str:
    """One message that is words, as JSON."""
    return as_json([{"role": role, "parts": [_text(text)]}])


def calls(text: str, tools: Sequence[AskedTool], reason: str) -> str:
    """A message of the model's, with what it asks of tools, as JSON."""
    asked = [
        {"type": "tool_call", "name": plain(tool.name), "arguments": dict(tool.arguments)}
        for tool in tools
    ]
    parts = [*([_text(text)] if text else []), *asked]
    return as_json([{"role": "assistant", "parts": parts, "finish_reason": reason}])


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "content": plain(text)}


def as_json(found: Any) -> str:
    """Write it down; empty if JSON has no form for it."""
    try:
        return orjson.dumps(found, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, or a number beyond 64 bits
        return ""
