"""Parameters of a URL's query: a model's fields say what there is, how it is written and read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from bridge.server.problems import CannotAnswer

Query = TypeVar("Query", bound=BaseModel)

_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)([Zz]|[+\- ]\d\d:\d\d)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter."""

    name: str
    schema: Mapping[str, Any]
    """JSON schema of its value."""

    @property
    def must(self) -> str:
        """What it has to be, in words."""
        match self.schema:
            case {"type": "boolean"}:
                return "must be true or false"
            case {"type": "integer", "minimum": least, "maximum": most}:
                return f"must be a whole number from {least} to {most}"
            case {"format": "date-time"}:
                return "must be a time in ISO 8601, such as 2026-01-31T09:30:00Z"
            case _:
                return "must be a text"

    def plain(self, text: str) -> str | None:
        """What was written, in the one way that the model reads; None if it cannot be that."""
        match self.schema:
            case {"type": "boolean"}:
                return text if text in {"true", "false"} else None
            case {"type": "integer"}:
                return text if re.fullmatch(r"[0-9]{1,18}", text) else None
            case {"format": "date-time"}:
                if not (found := _MOMENT.fullmatch(text)):
                    return None
                day, time, zone = found.groups()
                # A plus sign that was not encoded is read as a space.
                return f"{day}T{time or '00:00'}{(zone or 'Z').replace(' ', '+')}"
            case _:
                return text


class Parameters(Generic[Query]):
    """What a query may hold."""

    def __init__(self, model: type[Query]) -> None:
        self.model = model

    @cached_property
    def all(self) -> Mapping[str, Parameter]:
        """By name; made when they are asked for first."""
        schemas = self.model.model_json_schema().get("properties", {})
        return {name: _parameter(name, schema) for name, schema in schemas.items()}

    def read(self, query: Mapping[str, str]) -> Query:
        """Read a query.

        Raises:
            CannotAnswer: something in it is unknown, or not what it must be.
        """
        found: dict[str, str] = {}
        for name, text in query.items():
            parameter = self.all.get(name)
            if parameter is None:
                known = ", ".join(self.all) or "none"
                raise wrong(name[:64], f"there is no such parameter; there are: {known}")
            if name in found:
                raise wrong(name, "may be given once")
            value = parameter.plain(text)
            if value is None:
                raise wrong(name, parameter.must)
            found[name] = value
        try:
            return self.model.model_validate_strings(found)
        except ValidationError as error:
            name = str(error.errors()[0]["loc"][0])
            raise wrong(name, self.all[name].must) from None


def wrong(name: str, must: str) -> CannotAnswer:
    """Say which parameter is wrong, and what it must be."""
    return CannotAnswer(HTTPStatus.BAD_REQUEST, f"{name}: {must}", parameter=name)


def _parameter(name: str, schema: Mapping[str, Any]) -> Parameter:
    """A parameter that may be left out, rather than a field that may be null."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    value = {k: v for k, v in kinds[0].items() if k not in {"title", "default"}}
    default = schema.get("default")
    told = {} if default is None else {"default": default}
    return Parameter(name, value | told)
