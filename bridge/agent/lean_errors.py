"""The same exceptions that stock `ChatOpenAI` raises. Every private name of theirs is used here.

There is no public way to turn a status and a body into the SDK's exception, nor that one into
LangChain's. Copies would drift apart from stock; the contract tests run both and compare.
"""

from collections.abc import Iterable
from typing import Any, NoReturn

import httpx2
import openai
from langchain_core.exceptions import ModelAPIError
from langchain_openai.chat_models import base as stock
from openai._models import FinalRequestOptions  # see above

_ALREADY_UNDONE = {b"content-encoding", b"content-length", b"transfer-encoding"}


class UnreadableStreamError(openai.APIError, ModelAPIError):
    """The answer has status 200, but is no stream of chat completion chunks. Retryable."""


def chat_request(client: openai.AsyncOpenAI) -> httpx2.Request:
    """Build the request, without its body, as the SDK would: address, query and headers."""
    return client._build_request(  # noqa: SLF001 - see the module
        FinalRequestOptions.construct(method="post", url="/chat/completions")
    )


def status_error(
    client: openai.AsyncOpenAI,
    request: httpx2.Request,
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
) -> openai.APIStatusError:
    """Make the SDK's exception for a refusal. `body` is decoded already."""
    kept = [(name, value) for name, value in headers if name.lower() not in _ALREADY_UNDONE]
    response = httpx2.Response(status, headers=kept, content=body, request=request)
    return client._make_status_error_from_response(response)  # noqa: SLF001 - see the module


def event_error(request: httpx2.Request, error: Any) -> openai.APIError:
    """Make the SDK's exception for an `error` that came as an event of the stream."""
    message = error.get("message") if isinstance(error, dict) else None
    if not isinstance(message, str) or not message:
        message = "An error occurred during streaming"
    return openai.APIError(message, request, body=error)


def raise_as_langchain(error: openai.APIError) -> NoReturn:
    """Raise LangChain's class for `error`, or itself. To be called in its `except` clause."""
    if isinstance(error, openai.BadRequestError):
        stock._handle_openai_bad_request(error)  # noqa: SLF001 - see the module
    else:
        stock._handle_openai_api_error(error)  # noqa: SLF001 - see the module
    raise error
