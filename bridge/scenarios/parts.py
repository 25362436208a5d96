"""What the form of scenarios is made of: mappings with known keys, and kinds of values."""

import difflib
import re
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

T = TypeVar("T")

UNKNOWN_KEY: Final = "unknown_key"


class Part(BaseModel):
    """One mapping of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _has_known_keys(cls, data: Any) -> Any:
        names = [field.alias or name for name, field in cls.model_fields.items()]
        if not isinstance(data, dict):
            raise PydanticCustomError(
                "no_mapping", "a mapping belongs here, of {names}", {"names": ", ".join(names)}
            )
        for key in data:
            if key not in names:
                near = difflib.get_close_matches(str(key), names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
                raise PydanticCustomError(
                    UNKNOWN_KEY, "unknown key {key} ({hint})", {"key": str(key), "hint": hint}
                )
        return data


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _a_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise PydanticCustomError(
            "pattern", "no regular expression: {reason}", {"reason": str(error)}
        ) from None
    return text


def _with_words(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("no_words", "there are no words in it")
    return text


Several = Annotated[tuple[T, ...], BeforeValidator(_listed)]
"""A value where a list may stand is a list of one."""
Seconds = Annotated[float, Field(strict=True, ge=0, le=3600, allow_inf_nan=False)]
Rate = Annotated[float, Field(strict=True, gt=0, le=100)]
Count = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Line = Annotated[str, AfterValidator(_with_words)]
Pattern = Annotated[str, AfterValidator(_a_pattern)]
