"""How a message ended. A stream that just stops is a failure, which LangChain calls success."""

from langchain_core.messages import AIMessage

_SAID_IN = {
    "anthropic": ("stop_reason",),
    "ollama": ("done_reason",),
    "openai": ("finish_reason", "status"),
}
"""Where each wire says that a message is whole. Others are believed."""


class StreamCutError(Exception):
    """The stream ended before the message did."""


def how_it_ended(model: str, message: AIMessage) -> str:
    """Return the reason the model gave for stopping, or nothing if its wire has none.

    Raises:
        StreamCutError: its wire has one, and it is missing.
    """
    said = message.response_metadata
    provider = said.get("model_provider") or model.partition(":")[0]  # Ollama says it at the end
    keys = _SAID_IN.get(str(provider))
    reason = next((str(said[key]) for key in keys or ("finish_reason",) if said.get(key)), "")
    if keys and not reason:
        raise StreamCutError("the stream ended without a reason to stop")
    return reason
