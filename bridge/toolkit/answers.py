"""What came of a request: an answer, or a text for the model that tells nothing of the inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.errors import ToolError

UNREACHABLE = "The service cannot be reached just now. Tell the caller that this did not work."
TOO_SLOW = "The service did not answer in time. Tell the caller that this did not work just now."
UNCERTAIN = "The service gave no good answer. It may or may not have been done."
NOT_ALLOWED = "That address must not be asked."
TOO_LARGE = "The service answered with more than can be read."
UNREADABLE = "The service gave an answer that cannot be read."
LOST = "The service leads from one address to another without end."
UNFIT = "The request cannot be made from these values."

_NOT_FOUND = "The service knows nothing of that."
_REFUSED = "The service refused the request."
_BROKEN = "The service is out of order just now. Tell the caller that this did not work."


class HttpFailed(ToolError):
    """There was no good answer. The text is for the model and names no address."""

    def __init__(self, text: str, status: int | None = None, *, maybe_done: bool = False) -> None:
        super().__init__(text, maybe_done=maybe_done)
        self.status = status
        """What the service answered, from 400 on; None if it gave no answer that could be used."""

    @property
    def refused(self) -> bool:
        """Whether the service said that it did nothing."""
        return self.status is not None and (self.status < 500 or self.status in (501, 503))


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, with a status below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    """Where it came from, after redirects."""

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            HttpFailed: it is none.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise HttpFailed(UNREADABLE) from None


def failure(status: int) -> HttpFailed:
    """What the model is told about a status from 400 on."""
    if status in (404, 410):
        return HttpFailed(_NOT_FOUND, status)
    return HttpFailed(_REFUSED if status < 500 else _BROKEN, status)
