"""One function as Millis defines it, read from JSON; what is wrong is named by its field."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from yarl import URL

from bridge.plugins.checks import ToolRefused

_MOST = 100
"""Functions in one file."""
_MILLISECONDS_FROM = 1000.0
"""A time-out of so much is in milliseconds: nobody waits that many seconds on the phone."""
_TAKEN = frozenset({"runtime", "config", "run_manager", "callbacks", "self"})
"""Names that LangChain gives its own values under."""
_TYPES = {
    "str": "string",
    "text": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
}


def _type(value: object) -> object:
    if isinstance(value, str):
        return _TYPES.get(value.strip().lower(), value.strip().lower())
    return value


Kind = Literal["string", "number", "integer", "boolean", "array", "object"]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class _Part(BaseModel):
    """What all parts have in common: null means not given, other fields are not for us."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _given(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        for name in data.keys() - cls.model_fields.keys():
            if near := difflib.get_close_matches(str(name), cls.model_fields, n=1, cutoff=0.8):
                raise ValueError(f"there is no field {str(name)!r} (did you mean {near[0]!r}?)")
        return {name: value for name, value in data.items() if value is not None}


class Param(_Part):
    """What the model fills in."""

    name: Identifier
    required: bool = False
    type: Annotated[Kind, BeforeValidator(_type)] = "string"
    description: str = ""

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in _TAKEN:
            raise ValueError(f"the name {name!r} is taken: choose another one")
        return name


class Definition(_Part):
    """One function."""

    name: Identifier
    description: Annotated[str, Field(min_length=1)]
    params: tuple[Param, ...] = ()
    webhook: str
    header: dict[str, str] = Field(default_factory=dict)
    method: Annotated[
        Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
        BeforeValidator(lambda value: value.strip().upper() if isinstance(value, str) else value),
    ] = "POST"
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    messages: tuple[str, ...] = ()
    response_mode: Literal["strict", "flexible"] = "flexible"
    run_after_call: bool = False
    execute_after_message: bool = False
    exclude_session_id: bool = False
    include_metadata: bool = False

    @field_validator("webhook")
    @classmethod
    def _is_url(cls, webhook: str) -> str:
        webhook = webhook.strip()
        try:
            url = URL(webhook.replace("{", "").replace("}", ""))
        except (ValueError, IndexError):  # IndexError: yarl 1.25, of http://[a]@/
            raise ValueError("no URL") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("give a URL that begins with https:// or http://")
        return webhook

    @field_validator("params")
    @classmethod
    def _distinct(cls, params: tuple[Param, ...]) -> tuple[Param, ...]:
        names = [param.name for param in params]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two are called {name!r}")
        return params

    @property
    def seconds(self) -> float | None:
        """The time-out in seconds."""
        if self.timeout is None or self.timeout < _MILLISECONDS_FROM:
            return self.timeout
        return self.timeout / 1000

    @property
    def fixed_host(self) -> str | None:
        """The host, if the file names it; None if a part of it comes from the call."""
        authority = self.webhook.partition("://")[2].partition("/")[0].partition("?")[0]
        return None if "{" in authority else URL(self.webhook.partition("?")[0]).host


def read(content: bytes) -> list[Definition]:
    """Read a file: one function, a list of them, or an agent's configuration with `tools`.

    Raises:
        ToolRefused: something is wrong. It says which field of which function.
    """
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ToolRefused(f"no JSON: {error.msg}", error.lineno) from None
    if isinstance(data, Mapping) and "tools" in data and "webhook" not in data:
        data = data["tools"]
    items = data if isinstance(data, list) else [data]
    if not items or len(items) > _MOST:
        raise ToolRefused(f"it holds {len(items)} functions: from 1 to {_MOST} can be used")
    return [_read_one(item, number, alone=len(items) == 1) for number, item in enumerate(items, 1)]


def _read_one(item: object, number: int, *, alone: bool) -> Definition:
    try:
        return Definition.model_validate(item)
    except ValidationError as error:
        problems = "; ".join(_problem(one) for one in error.errors()[:3])
        name = item.get("name") if isinstance(item, Mapping) else None
        which = [] if alone else [str(number)]
        which += [f"{name!r}"] if isinstance(name, str) else []
        raise ToolRefused(" ".join(["function", *which]) + f": {problems}") from None


def _problem(error: Mapping[str, Any]) -> str:
    where: Sequence[object] = error["loc"]
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{'.'.join(map(str, where))}: {text}" if where else text
