"""Chat models by name: ours for OpenAI's and Anthropic's wires, LangChain's for all others."""

import re
from importlib.util import find_spec
from typing import Any

import structlog
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from bridge.agent.chain import NamedModel
from bridge.agent.closing import close_when_heard
from bridge.agent.message import Listener
from bridge.errors import SettingsError

_log = structlog.get_logger(__name__)

_OPENAI = re.compile(r"openai:(?P<name>.+)|(?P<bare>(?:gpt-|chatgpt|o\d).*)")
_ANTHROPIC = re.compile(r"anthropic:(?P<name>.+)|(?P<bare>claude.*)")
_LISTENER = Listener()


def build_model(name: str, *, temperature: float | None = None) -> NamedModel:
    """Make the chat model that `name` stands for, as `provider:model`, `demo` or a known model.

    Raises:
        SettingsError: no such provider, its package is not installed, or its key is missing.
    """
    options: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
    try:
        chat = _chat_model(name, options)
    except ImportError as error:
        raise SettingsError(f"model {name}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"model {name}: {message}") from None
    except Exception as error:  # noqa: BLE001 - each provider has its own way to miss a key
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SettingsError(f"model {name}: {line}") from None
    chat.callbacks = [_LISTENER]
    close_when_heard(chat)
    return NamedModel(name, chat)


def _chat_model(name: str, options: dict[str, Any]) -> BaseChatModel:
    if name == "demo":
        from bridge.agent.demo import DemoChatModel  # noqa: PLC0415 - who has a model needs no other

        return DemoChatModel()
    if match := _OPENAI.fullmatch(name):
        from bridge.agent.lean import LeanChatOpenAI  # noqa: PLC0415 - OpenAI's SDK takes 0.5 s

        return LeanChatOpenAI(model=match["name"] or match["bare"], **options)
    if (match := _ANTHROPIC.fullmatch(name)) and find_spec("langchain_anthropic"):
        from bridge.agent.claude import PhoneAnthropic  # noqa: PLC0415 - only where installed

        return PhoneAnthropic(model_name=match["name"] or match["bare"], **options)
    chat: BaseChatModel = init_chat_model(name, max_retries=0, **options)
    # On Python 3.11 this time-out loses interrupts (cpython #86296); the bridge has its own clocks.
    if "stream_chunk_timeout" in type(chat).model_fields:
        chat.stream_chunk_timeout = None  # type: ignore[attr-defined]
    return chat
