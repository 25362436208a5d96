"""What is said when a request cannot be answered: application/problem+json (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from bridge.errors import BridgeError

TYPE: Final = "application/problem+json"


class Problem(BaseModel):
    """Why there is no answer (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """What is wrong, and the remedy."""
    parameter: str | None = None
    """The parameter that is wrong, if one is."""


class CannotAnswer(BridgeError):
    """There is no answer to this request; `detail` says why, and is told to whoever asked."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        parameter: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.parameter = parameter
        self.headers = headers

    def response(self) -> web.Response:
        """Say it."""
        problem = Problem(
            title=self.status.phrase,
            status=self.status,
            detail=self.detail,
            parameter=self.parameter,
        )
        body = orjson.dumps(problem.model_dump(exclude_none=True))
        return web.Response(body=body, status=self.status, headers=self.headers, content_type=TYPE)
