"""What `[mcp.NAME]` in bridge.toml says of an MCP server."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from bridge.settings.kinds import Names, web_address
from bridge.settings.tables import ToolSettings

_NAME = re.compile(r"[a-z0-9_-]{1,32}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SECRET: Final = 8
"""Characters from which on a part of a value may be a secret: `Bearer` is none."""


def _there(value: SecretStr) -> SecretStr:
    """Check that the variables are set that a value mentions."""
    for name in _VARIABLE.findall(value.get_secret_value()):
        if not os.environ.get(name):
            raise PydanticCustomError(
                "variable", "the variable {name} is not set", {"name": str(name)}
            )
    return value


Value = Annotated[SecretStr, AfterValidator(_there)]
"""Text in which `${NAME}` stands for a variable."""


def filled(value: SecretStr) -> str:
    """The text with its variables, in clear."""
    return _VARIABLE.sub(lambda found: os.environ.get(found[1], ""), value.get_secret_value())


class McpSettings(BaseModel):
    """What `[mcp.NAME]` says: how to reach a server, and what to take of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    command: Annotated[str, Field(min_length=1)] | None = None
    """Program to start, which is spoken to by stdin and stdout."""
    args: tuple[Value, ...] = ()
    """Its arguments."""
    env: dict[str, Value] = Field(default_factory=dict)
    """Its variables; of ours it gets `PATH`, `HOME` and the like."""
    cwd: Path | None = None
    """Folder that it works in."""
    url: Annotated[SecretStr, AfterValidator(web_address), AfterValidator(_there)] | None = None
    """Address of a server that is there already (streamable HTTP)."""
    headers: dict[str, Value] = Field(default_factory=dict)
    """Sent with each request."""
    allow: Names | None = None
    """Its tools to take, by the names that it gives them. Unset: all."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] | None = None
    """Put before the names of its tools: `prefix_tool`."""
    tools: dict[str, ToolSettings] = Field(default_factory=dict)
    """`[mcp.NAME.tools.TOOL]`: policies."""

    @model_validator(mode="after")
    def _one_way_to_it(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise PydanticCustomError("mcp", "give command, or url, and not both")
        foreign = ("headers",) if self.url is None else ("args", "env", "cwd")
        for name in foreign:
            if name in self.model_fields_set:
                raise PydanticCustomError(
                    "mcp",
                    "{name} is for a server with {other}",
                    {"name": name, "other": "url" if self.url is None else "command"},
                )
        return self

    @property
    def secrets(self) -> Iterator[str]:
        """What must not be shown, in clear."""
        urls = () if self.url is None else (self.url,)
        values = (*self.args, *self.env.values(), *urls, *self.headers.values())
        for value in values:
            for name in _VARIABLE.findall(value.get_secret_value()):
                yield os.environ.get(name, "")
        for value in self.headers.values():
            yield from (part for part in filled(value).split() if len(part) >= _SECRET)

    def plain(self) -> dict[str, Any]:
        """Everything with its variables, in clear, to connect with."""
        return {
            "command": self.command,
            "args": tuple(map(filled, self.args)),
            "env": {name: filled(value) for name, value in self.env.items()},
            "cwd": self.cwd,
            "url": None if self.url is None else filled(self.url),
            "headers": {name: filled(value) for name, value in self.headers.items()},
            "allow": self.allow,
            "prefix": self.prefix,
            "policies": {n: t.model_dump(exclude_none=True) for n, t in self.tools.items()},
        }


def well_named(servers: dict[str, McpSettings]) -> dict[str, McpSettings]:
    """Check that every server has a name that can be put before those of tools."""
    for name in servers:
        if not _NAME.fullmatch(name):
            raise PydanticCustomError(
                "mcp",
                "{name} is no name for an MCP server: use 1 to 32 of a-z, 0-9, - and _",
                {"name": repr(name)},
            )
    return servers
