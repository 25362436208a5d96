"""What a chat completion looks like on the wire, streamed and not."""

import time
from collections.abc import Iterable
from typing import Any

Step = dict[str, Any]

USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 34,
    "total_tokens": 46,
    "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 0},
}


class Completion:
    """One answer's identity, and the objects that carry it."""

    def __init__(self, number: int, model: str) -> None:
        self.head = {
            "id": f"chatcmpl-{number}",
            "created": int(time.time()),
            "model": model,
            "service_tier": "default",
            "system_fingerprint": "fp_fake",
        }

    def chunk(self, **keys: Any) -> dict[str, Any]:
        return {**self.head, "object": "chat.completion.chunk", **keys}

    def delta(self, delta: dict[str, Any], finish: str | None = None, **keys: Any) -> Step:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish, **keys}
        return self.chunk(choices=[choice], usage=None)

    def usage(self) -> dict[str, Any]:
        return self.chunk(choices=[], usage=USAGE)

    def whole(self, steps: Iterable[Step]) -> dict[str, Any]:
        """Make the answer to a request that does not stream."""
        text, finish, calls = "", "stop", []
        for step in steps:
            text += step.get("text", "") + "".join(step.get("tokens", []))
            finish = step.get("finish", finish)
            if "tool_call" in step:
                call = step["tool_call"]
                function = {"name": call["name"], "arguments": call.get("arguments", "{}")}
                calls.append(
                    {"id": call.get("id", "call_1"), "type": "function", "function": function}
                )
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**self.head, "object": "chat.completion", "choices": [choice], "usage": USAGE}


def steps_of(script: Any) -> list[Step]:
    """Expand a script to its steps."""
    if isinstance(script, list):
        return script
    if "steps" in script:
        return list(script["steps"])
    if "say" not in script:
        return [script]
    words = script["say"].split(" ")
    tokens = [words[0], *(f" {word}" for word in words[1:])]
    return [
        {"tokens": tokens, "gap_ms": script.get("gap_ms", 0)},
        {"finish": "stop"},
        {"usage": "asked"},
        {"done": True},
    ]


def pieces(text: str, count: int) -> list[str]:
    """Cut a text into at most `count` pieces of about one length."""
    size = max(1, -(-len(text) // max(1, count)))
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]
