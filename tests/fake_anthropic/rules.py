"""What Anthropic's API refuses with 400, as far as a bridge could run into it."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

Block = dict[str, Any]


def broken_rule(body: dict[str, Any], headers: dict[str, str]) -> str:
    """Name the first rule that a request breaks, or nothing."""
    return next(chain(_of_request(body, headers), _of_messages(body.get("messages") or [])), "")


def _of_request(body: dict[str, Any], headers: dict[str, str]) -> Iterator[str]:
    if not headers.get("anthropic-version"):
        yield "anthropic-version: header is required"
    if not isinstance(body.get("max_tokens"), int):
        yield "max_tokens: Field required"
    if not body.get("messages"):
        yield "messages: at least one message is required"
    names = [tool["name"] for tool in body.get("tools") or ()]
    choice = body.get("tool_choice") or {"type": "auto"}
    if choice["type"] == "tool" and choice["name"] not in names:
        yield f"tool_choice: Tool '{choice['name']}' not found in provided tools"
    if "tool_choice" in body and not names:
        yield "tool_choice may only be specified while providing tools"


def _of_messages(messages: list[dict[str, Any]]) -> Iterator[str]:
    if messages and messages[0]["role"] != "user":
        yield 'messages: first message must use the "user" role'
    if messages and messages[-1]["role"] != "user":
        yield "this model does not support assistant message prefill"
    asked: list[str] = []
    for message in messages:
        blocks = _blocks(message)
        if not blocks:
            yield "messages: all messages must have non-empty content"
        yield from _of_texts(blocks)
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(results) != sorted(asked):
            yield f"`tool_use` ids {asked} and `tool_result` blocks {results} do not match"
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if asked:
        yield "`tool_use` ids were found without `tool_result` blocks immediately after"


def _of_texts(blocks: list[Block]) -> Iterator[str]:
    for block in blocks:
        if block["type"] == "text" and not block["text"].strip():
            yield "messages: text content blocks must be non-empty"


def _blocks(message: dict[str, Any]) -> list[Block]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
