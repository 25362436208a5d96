"""What a model's failure means: its kind, and whether trying again can help."""

import contextlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from bridge.errors import AgentError

_RETRYABLE = frozenset({408, 409, 425, 429})
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
}
"""Anthropic's names of errors; those that are missing are the server's own trouble."""


class ModelFailed(AgentError):
    """One attempt at one model failed."""

    def __init__(
        self, kind: str, detail: str, *, retryable: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(kind, detail)
        self.retryable = retryable
        self.retry_after = retry_after
        """Seconds the server asks us to wait."""


def model_failed(error: Exception, *, spoke: bool) -> ModelFailed:
    """Sort a provider's exception by what follows from it.

    Providers have no common error class, but all carry the HTTP status. Once a word has been
    spoken, nothing may be tried again: the caller would hear it twice.
    """
    if isinstance(error, TimeoutError):
        return ModelFailed("stalled" if spoke else "no_first_token", "", retryable=False)
    status = _status(error)
    kind, retryable = _judge(status)
    return ModelFailed(
        kind,
        f"{type(error).__name__}: {error}",
        retryable=retryable and not spoke,
        retry_after=_retry_after(error),
    )


def _judge(status: int | None) -> tuple[str, bool]:
    if status is None:
        return "connection", True
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "refused_key", False
    if status == HTTPStatus.NOT_FOUND:
        return "unknown_model", False
    if status in _RETRYABLE:
        return ("rate_limit" if status == HTTPStatus.TOO_MANY_REQUESTS else "server"), True
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server", True
    return "bad_request", False


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    if not isinstance(status, int):
        return None
    return status if status >= HTTPStatus.BAD_REQUEST else _status_in(error)


def _status_in(error: Exception) -> int:
    """What an error in mid-stream means, after a response that began with 200."""
    body: Any = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    kind = inner.get("type") if isinstance(inner, dict) else None
    return _STATUS_OF.get(str(kind), HTTPStatus.INTERNAL_SERVER_ERROR)


def _retry_after(error: Exception) -> float | None:
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    value = str(headers.get("retry-after") or "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(ValueError):
        when = parsedate_to_datetime(value)
        return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    return None
