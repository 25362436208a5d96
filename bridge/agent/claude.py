"""`ChatAnthropic` as phone calls need it."""

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import anthropic
import httpx2
import structlog
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from pydantic import Field, model_validator

_log = structlog.get_logger(__name__)

MAX_TOKENS = 4096
"""More than anybody wants to hear; the model's own limit would let it talk for hours."""

OPENING = "(The call has just been connected.)"
"""What the user says first where the agent greeted: Anthropic refuses to begin with the agent."""

_KEEP = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=120)
"""Callers think for longer than the SDK's five seconds, and a new connection is heard."""


class PhoneAnthropic(ChatAnthropic):
    """`ChatAnthropic` that never retries, and has connections of its own that outlive a turn.

    It has no clock but that for connecting: the bridge holds the others.
    """

    max_retries: int = 0
    max_tokens: int | None = Field(default=MAX_TOKENS, alias="max_tokens_to_sample")
    connect_timeout: float = Field(default=3.0, gt=0)
    """Seconds until a connection, with its DNS look-up and TLS, must be there."""

    @model_validator(mode="before")
    @classmethod
    def set_default_max_tokens(cls, values: dict[str, Any]) -> Any:
        """Leave the default to this class, not to the model's profile."""
        return values

    @model_validator(mode="after")
    def _has_key(self) -> "PhoneAnthropic":
        if not self.anthropic_api_key.get_secret_value():
            raise ValueError("no key: set ANTHROPIC_API_KEY")
        return self

    @cached_property
    def _http(self) -> httpx2.AsyncClient:
        return anthropic.DefaultAsyncHttpxClient(
            base_url=self.anthropic_api_url or "",
            timeout=httpx2.Timeout(None, connect=self.connect_timeout),
            limits=_KEEP,
            proxy=self.anthropic_proxy,
        )

    @cached_property
    def _async_client(self) -> anthropic.AsyncClient:
        timeout = httpx2.Timeout(None, connect=self.connect_timeout)
        settings = {**self._client_params, "timeout": timeout, "http_client": self._http}
        return anthropic.AsyncClient(**settings)

    async def warm(self) -> None:
        """Have a connection open before the caller speaks. Never fails."""
        try:
            async with asyncio.timeout(self.connect_timeout):
                await self._http.head("/")
        except (TimeoutError, httpx2.HTTPError) as error:
            _log.debug("model_not_warmed", error=type(error).__name__)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools; `tool_choice="none"` forbids them; stock takes it for a tool's name."""
        if tool_choice == "none":
            tool_choice = {"type": "none"}
        return super().bind_tools(tools, tool_choice=tool_choice, **kwargs)

    def _get_request_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(*args, **kwargs)
        messages = payload["messages"]
        if messages and messages[0]["role"] == "assistant":
            payload["messages"] = [{"role": "user", "content": OPENING}, *messages]
        return payload
