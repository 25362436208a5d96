"""The arguments of a Millis function: what the model is told of them, and what it may give."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bridge.errors import ToolError
from bridge.plugins.millis.definition import Definition, Kind, Param

_STRICT_ENOUGH = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)
_READERS: Mapping[Kind, TypeAdapter[Any]] = {
    "string": TypeAdapter(str, config=_STRICT_ENOUGH),
    "number": TypeAdapter(int | float, config=_STRICT_ENOUGH),
    "integer": TypeAdapter(int, config=_STRICT_ENOUGH),
    "boolean": TypeAdapter(bool, config=_STRICT_ENOUGH),
    "array": TypeAdapter(list[Any], config=_STRICT_ENOUGH),
    "object": TypeAdapter(dict[str, Any], config=_STRICT_ENOUGH),
}


def schema_of(definition: Definition) -> dict[str, Any]:
    """What the model is told, as JSON Schema."""
    return {
        "type": "object",
        "properties": {param.name: _property(param) for param in definition.params},
        "required": [param.name for param in definition.params if param.required],
    }


def _property(param: Param) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": param.type}
    if param.type == "array":
        kind["items"] = {}
    return {**kind, "description": param.description} if param.description else kind


def read(definition: Definition, given: Mapping[str, Any]) -> dict[str, Any]:
    """Take what the function has a parameter for, each of its type.

    Raises:
        ToolError: one is missing, or of another type.
    """
    read: dict[str, Any] = {}
    for param in definition.params:
        value = given.get(param.name)
        if value is None:
            if param.required:
                raise ToolError(f"The argument {param.name!r} is missing. Ask the caller for it.")
            continue
        try:
            read[param.name] = _READERS[param.type].validate_python(value)
        except ValidationError:
            raise ToolError(f"The argument {param.name!r} is no {param.type}.") from None
    return read
