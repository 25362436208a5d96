"""What plain means."""

import json
import math
from collections.abc import Iterator
from typing import Any

import orjson

INT64 = range(-(2**63), 2**63)


def scalars(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            yield from value
            for item in value.values():
                yield from scalars(item)
        case list():
            for item in value:
                yield from scalars(item)
        case _:
            yield value


def assert_plain(value: Any) -> None:
    for scalar in scalars(value):
        assert type(scalar) in {str, int, float, bool, type(None)}
        if isinstance(scalar, str):
            assert "\0" not in scalar
            scalar.encode()  # no lone surrogate
        if isinstance(scalar, float):
            assert math.isfinite(scalar)
        if type(scalar) is int:
            assert scalar in INT64
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert orjson.loads(orjson.dumps(value)) == value
