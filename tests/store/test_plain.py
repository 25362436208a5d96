"""Anything becomes plain, and stays what it was where that is possible."""

import enum
import math
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store.notes.plain import (
    CUT,
    count_or_none,
    milliseconds,
    milliseconds_or_none,
    name_in,
    plain_object,
    text,
    text_or_none,
)
from tests.store.plainness import assert_plain

INT32 = 2**31 - 1

PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(PLAIN_TEXT, inner, max_size=5),
    max_leaves=8,
)
ANY_TEXT = st.text(st.characters())
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    PLAIN
    | ANY_TEXT
    | st.integers()
    | st.floats()
    | st.binary()
    | st.complex_numbers()
    | st.datetimes()
    | st.just(object())
    | st.just(lambda: None)
    | st.sampled_from([10**4000, -(10**4000), math.nan, math.inf, "\0" * 99, "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.sets(st.integers() | ANY_TEXT | st.binary())
        | st.dictionaries(ANY_TEXT | st.integers() | st.none() | st.binary(), inner, max_size=5)
    ),
    max_leaves=8,
)


@given(st.dictionaries(PLAIN_TEXT, PLAIN, max_size=4))
def test_what_is_plain_stays_as_it_was(value: dict[str, Any]) -> None:
    assert plain_object(value) == value


@given(st.dictionaries(ANY_TEXT | st.integers(), ANYTHING, max_size=4))
def test_anything_becomes_plain(value: dict[Any, Any]) -> None:
    assert_plain(plain_object(value))


@given(PLAIN_TEXT)
def test_a_plain_text_stays_as_it_was(value: str) -> None:
    assert text(value) == value


@given(ANY_TEXT)
def test_a_text_loses_only_what_no_database_takes(value: str) -> None:
    clean = text(value)
    assert_plain(clean)
    unfit = {"\0", *(chr(code) for code in range(0xD800, 0xE000))}
    if not unfit & set(value):
        assert clean == value


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),  # two halves of one character
        ("Zoë — 10 °C", "Zoë — 10 °C"),
    ],
)
def test_what_no_database_takes_is_replaced(value: str, clean: str) -> None:
    assert text(value) == clean


def test_a_text_is_cut_where_it_is_too_long() -> None:
    assert text("abcdef", 6) == "abcdef"
    assert text("abcdefg", 6) == "abcdef" + CUT
    assert text_or_none(None) is None
    assert text_or_none("a\0") == "a\ufffd"


def test_numbers_beyond_64_bits_are_texts() -> None:
    value = {"most": 2**63 - 1, "more": 2**63, "less": -(2**63) - 1, "huge": 10**5000}
    assert plain_object(value) == {
        "most": 2**63 - 1,
        "more": str(2**63),
        "less": str(-(2**63) - 1),
        "huge": "<number of 16610 bits>",
    }


def test_what_json_does_not_know_is_named() -> None:
    class Colour(enum.IntEnum):
        RED = 1

    class Word(str):
        __slots__ = ()

    value: dict[Any, Any] = {
        "nan": math.nan,
        "inf": -math.inf,
        "bytes": b"secret",
        "when": datetime(2026, 1, 1),  # noqa: DTZ001
        "pair": (1, {2}),
        "colour": Colour.RED,
        "word": Word("a\0"),
        3: None,
    }
    plain = plain_object(value)
    assert plain == {
        "nan": "nan",
        "inf": "-inf",
        "bytes": "<bytes>",
        "when": "<datetime>",
        "pair": [1, [2]],
        "colour": 1,
        "word": "a\ufffd",
        "3": None,
    }
    assert type(plain["colour"]) is int
    assert type(plain["word"]) is str


class Rude(Mapping[str, Any]):
    """A mapping that raises whatever is done with it."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("no")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        raise RuntimeError("no")


def test_a_mapping_that_raises_is_unreadable() -> None:
    assert plain_object(Rude()) == {CUT: "unreadable"}
    assert plain_object({"inner": Rude()}) == {CUT: "unreadable"}
    assert name_in(Rude(), "user_id") is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("ann", "ann"),
        (7, "7"),
        (-1, "-1"),
        ("a\0", "a\ufffd"),
        ("x" * 300, "x" * 256),
        ("", ""),
        (True, None),
        (1.5, None),
        (None, None),
        (["ann"], None),
    ],
)
def test_a_name_is_a_text_or_a_whole_number(value: Any, name: str | None) -> None:
    assert name_in({"user_id": value}, "user_id") == name
    assert name_in({}, "user_id") is None
    assert name_in({"user_id": 10**5000}, "user_id") == "<number of 16610 bits>"


@pytest.mark.parametrize(
    ("seconds", "ms"),
    [
        (0.0, 0),
        (0.0004, 0),
        (0.0006, 1),
        (1.5, 1500),
        (-3.0, 0),
        (1e300, INT32),
        (math.inf, INT32),
        (-math.inf, 0),
        (math.nan, 0),
    ],
)
def test_milliseconds_fit_their_column(seconds: float, ms: int) -> None:
    assert milliseconds(seconds) == ms
    assert milliseconds_or_none(seconds) == ms
    assert milliseconds_or_none(None) is None


def test_counts_fit_their_column() -> None:
    assert [count_or_none(n) for n in (None, 0, 5, -1, sys.maxsize)] == [None, 0, 5, 0, INT32]
