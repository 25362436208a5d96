"""However large, deep or knotted something is, its plain copy is small, and quickly made."""

import time
from typing import Any

import orjson
import pytest

from bridge.store.notes.plain import CUT, MAX_OBJECT, plain_object
from tests.store.plainness import assert_plain


def test_what_holds_itself_ends() -> None:
    ring: dict[str, Any] = {"name": "ring"}
    ring["many"] = [ring] * 10
    plain = plain_object(ring)
    assert_plain(plain)
    assert plain["many"][0]["name"] == "ring"
    assert len(orjson.dumps(plain)) < 2 * MAX_OBJECT


def test_what_is_too_deep_is_cut() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    plain = plain_object({"deep": value})
    nested, levels = plain["deep"], 1
    while nested != CUT:
        (nested,), levels = nested, levels + 1
    assert levels == 32


def test_a_bomb_of_shared_lists_costs_little() -> None:
    bomb: Any = "x"
    for _ in range(20):
        bomb = [bomb] * 10
    began = time.process_time()
    plain = plain_object({"bomb": bomb})
    assert time.process_time() - began < 0.1
    assert_plain(plain)


@pytest.mark.parametrize(
    "value",
    [
        {"long": "x" * (1 << 20), "after": 1},
        {f"key {n}": "x" * 1000 for n in range(1000)},
        {"x" * (1 << 20): 1},
        {"list": list(range(500_000))},
        {"list": ["x" * 100] * 100_000},
        {str(n): n for n in range(100_000)},
        {"wide": {str(n): [[]] * 9 for n in range(10_000)}},
        {"\0" * (1 << 20): "\0" * (1 << 20)},
    ],
)
def test_what_is_too_long_is_cut_and_says_so(value: dict[str, Any]) -> None:
    plain = plain_object(value)
    assert_plain(plain)
    written = orjson.dumps(plain)
    assert MAX_OBJECT // 16 < len(written) < 4 * MAX_OBJECT
    assert "cut" in written.decode()


def test_what_was_left_out_is_counted() -> None:
    plain = plain_object({str(n): "x" * 1000 for n in range(100)})
    assert plain[CUT] == f"{100 - (len(plain) - 1)} more"
    assert plain["0"] == "x" * 1000
