"""A tool as people see it: what the model is told of it, and how the bridge treats it."""

from collections.abc import Mapping
from typing import Any

from langchain_core.tools import BaseTool

from bridge.agent.policy import Policy


def schema_of(tool: BaseTool) -> dict[str, Any]:
    """What the model is told about the arguments, as JSON Schema."""
    schema: Any = tool.tool_call_schema
    if isinstance(schema, Mapping):
        return dict(schema)
    write = getattr(schema, "model_json_schema", None) or schema.schema  # a pydantic 1 model
    return dict(write())


def policy_in_full(policy: Policy, timeout: float) -> dict[str, Any]:
    """A policy with nothing left to a default; `timeout` is that of tools without their own."""
    return {
        "read_only": policy.read_only,
        "timeout": policy.timeout or timeout,
        "on_interrupt": "cancel" if policy.stops else "finish",
        "once": policy.guarded,
        "filler": policy.filler,
        "confirm": policy.confirm,
        "in_words": policy.in_words,
    }
