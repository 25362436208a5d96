"""The API of the record, described: what can be asked, and what is answered (OpenAPI 3.1).

The same operations make the routes, and the same parameters read the query.
"""

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from bridge import __version__
from bridge.server.fieldtexts import DescribedSchema, field_texts
from bridge.server.parameters import Parameter, Parameters
from bridge.server.problems import TYPE as PROBLEM
from bridge.server.problems import Problem
from bridge.store.shapes import CallDetail, CallPage, Filters, Shape

PREFIX: Final = "/api"


class ListQuery(Filters):
    """What `GET /api/calls` may be asked."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """Calls on a page."""
    after: str | None = None
    """`next` of the page before."""


class CallQuery(Shape):
    """What `GET /api/calls/{name}` may be asked."""

    frames: bool = False
    """With every message on the wire, for replay."""


class NoQuery(Shape):
    """Nothing."""


class Calls(Shape):
    """Every connection of a session, oldest first."""

    calls: tuple[CallDetail, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that can be asked with GET, and with HEAD."""

    id: str
    path: str
    """Below /api."""
    summary: str
    query: Parameters[Any]
    answer: type[BaseModel] | None
    fails: tuple[HTTPStatus, ...] = ()
    """Beside what any of them may be answered."""


LIST: Final = Operation(
    "listCalls",
    "/calls",
    "Calls, newest first, in pages",
    Parameters(ListQuery),
    CallPage,
    (HTTPStatus.SERVICE_UNAVAILABLE,),
)
SHOW: Final = Operation(
    "showCalls",
    "/calls/{name}",
    "All connections of a session, or the one of that id, with every turn and tool",
    Parameters(CallQuery),
    Calls,
    (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
)
DESCRIBE: Final = Operation(
    "describe", "/openapi.json", "This description", Parameters(NoQuery), None
)
_OPERATIONS: Final = (LIST, SHOW, DESCRIBE)
_ALWAYS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
_REFERENCE: Final = "#/components/schemas/{model}"


@cache
def described(*, needs_token: bool) -> bytes:
    """The description as JSON; made when it is asked for first, in 10 ms or so."""
    return orjson.dumps(description(needs_token=needs_token))


def description(*, needs_token: bool) -> dict[str, Any]:
    """Describe the API."""
    models: list[type[BaseModel]] = [Problem]
    models += [operation.answer for operation in _OPERATIONS if operation.answer]
    _, schemas = models_json_schema(
        [(model, "serialization") for model in models],
        ref_template=_REFERENCE,
        schema_generator=DescribedSchema,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "millis-bridge",
            "summary": "Every call on record, to be read.",
            "version": __version__,
        },
        "servers": [{"url": "/"}],
        "paths": {
            PREFIX + operation.path: {"get": _operation(operation)} for operation in _OPERATIONS
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of BRIDGE_API_TOKEN. Without that setting the record is "
                    "read from the bridge's own machine only.",
                }
            },
        },
        "security": [{"token": []}] if needs_token else [{}],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    texts = field_texts(operation.query.model)
    asked = [_in_query(one, texts.get(name, "")) for name, one in operation.query.all.items()]
    if "{name}" in operation.path:
        asked.insert(0, _NAME)
    content = {"schema": _reference(operation.answer) if operation.answer else {"type": "object"}}
    return {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": asked,
        "responses": {
            "200": {"description": "The answer", "content": {"application/json": content}},
            **{str(int(status)): _problem(status) for status in (*_ALWAYS, *operation.fails)},
        },
    }


_NAME: Final = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "session_id, or the bridge's own id of one connection.",
    "schema": {"type": "string", "minLength": 1},
}


def _in_query(parameter: Parameter, description: str) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": parameter.schema,
    }


def _problem(status: HTTPStatus) -> dict[str, Any]:
    return {
        "description": status.phrase,
        "content": {PROBLEM: {"schema": _reference(Problem)}},
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
