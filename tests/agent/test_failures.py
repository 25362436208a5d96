"""What follows from a provider's exception."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import openai
import pytest

from bridge.agent.failures import ModelFailed, model_failed

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")


def _openai(status: int, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(status, headers=headers, request=REQUEST)
    return openai.APIStatusError("canary", response=response, body=None)


class Response:
    """A response, as many HTTP libraries have it."""

    def __init__(self, status_code: object, headers: Any = None) -> None:
        self.status_code = status_code
        self.headers = headers


class WithStatus(Exception):
    """An error that has the status itself."""

    def __init__(self, status_code: object) -> None:
        super().__init__("canary")
        self.status_code = status_code


class WithResponse(Exception):
    """An error, as httpx has it: the status is the response's."""

    def __init__(self, response: object) -> None:
        super().__init__("canary")
        self.response = response


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (_openai(401), "refused_key", False),
        (_openai(403), "refused_key", False),
        (_openai(404), "unknown_model", False),
        (_openai(400), "bad_request", False),
        (_openai(413), "bad_request", False),
        (_openai(422), "bad_request", False),
        (_openai(408), "server", True),
        (_openai(409), "server", True),
        (_openai(425), "server", True),
        (_openai(429), "rate_limit", True),
        (_openai(500), "server", True),
        (_openai(503), "server", True),
        (_openai(529), "server", True),
        (openai.APIConnectionError(request=REQUEST), "connection", True),
        (openai.APITimeoutError(request=REQUEST), "connection", True),
        (openai.APIError("odd event", REQUEST, body=None), "connection", True),
        (WithStatus(401), "refused_key", False),
        (WithStatus(429), "rate_limit", True),
        (WithStatus("429"), "connection", True),
        (WithResponse(Response(404)), "unknown_model", False),
        (WithResponse(Response(502)), "server", True),
        (WithResponse(None), "connection", True),
        (WithResponse({"Error": {"Code": "Throttling"}}), "connection", True),
        (ConnectionResetError(), "connection", True),
        (ValueError("No generations found in stream"), "connection", True),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "connection", True),
        (TimeoutError(), "no_first_token", False),
    ],
)
def test_a_failure_is_sorted_by_what_follows_from_it(
    error: Exception, kind: str, retryable: bool
) -> None:
    failed = model_failed(error, spoke=False)
    assert isinstance(failed, ModelFailed)
    assert (failed.kind, failed.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    "error", [_openai(429), _openai(500), ConnectionResetError(), ValueError()]
)
def test_nothing_is_tried_again_once_a_word_was_spoken(error: Exception) -> None:
    assert model_failed(error, spoke=True).retryable is False


def test_silence_after_the_first_word_is_a_stall() -> None:
    failed = model_failed(TimeoutError(), spoke=True)
    assert (failed.kind, failed.retryable) == ("stalled", False)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.25", 0.25),
        ("0", 0.0),
        ("-5", 0.0),
        ("60", 60.0),
        ("nan", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("1, 2", None),
    ],
)
def test_the_wait_a_server_asks_for_is_read(value: str, seconds: float | None) -> None:
    headers = {"retry-after": value}
    assert model_failed(_openai(429, **headers), spoke=False).retry_after == seconds
    plain = WithResponse(Response(429, headers))
    assert model_failed(plain, spoke=False).retry_after == seconds


def test_the_wait_may_be_given_as_a_date() -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    asked = model_failed(_openai(503, **{"Retry-After": when}), spoke=False).retry_after
    assert asked is not None
    assert 25 < asked <= 30


@pytest.mark.parametrize("error", [_openai(429), WithStatus(429), WithResponse(Response(429))])
def test_without_a_word_on_it_there_is_no_wait(error: Exception) -> None:
    assert model_failed(error, spoke=False).retry_after is None


def test_the_kind_never_quotes_the_provider() -> None:
    assert "canary" not in model_failed(_openai(400), spoke=False).kind
