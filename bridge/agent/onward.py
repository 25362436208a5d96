"""Telling a model's server which span its work belongs to, where the request is not our own."""

from typing import Any

from langchain_core.language_models import BaseChatModel

from bridge.call.spans import onward

_TAKES = {"BaseChatOpenAI", "ChatAnthropic"}
"""Classes whose models pass `extra_headers` on; by name, as importing them takes half a second."""


def headers_for(model: BaseChatModel) -> dict[str, Any]:
    """What to ask a model with, so that its request has them; nothing if it cannot, or does."""
    headers = onward.get()
    if not headers or getattr(model, "sends_onward", False):
        return {}
    if _TAKES.isdisjoint(base.__name__ for base in type(model).__mro__):
        return {}
    return {"extra_headers": dict(headers)}
