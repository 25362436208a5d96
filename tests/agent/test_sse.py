from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agent.sse import EventReader, EventTooLargeError

PIECES = st.one_of(
    st.sampled_from(
        [b"data: ", b"data:", b"data", b"x", b'{"a": 1}', b" ", b":", b"\xff", b"\x00"]
    ),
    st.sampled_from([b": ping", b"event: e", b"id: 7", b"retry: 1", b"\xef\xbb\xbf"]),
    st.sampled_from([b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n"]),
)
BODIES = st.lists(PIECES, max_size=60).map(b"".join)


def read(*chunks: bytes, limit: int = 1000) -> list[bytes]:
    reader = EventReader(limit=limit)
    return [payload for chunk in chunks for payload in reader.feed(chunk)]


def read_to_the_end(chunks: list[bytes], limit: int) -> tuple[list[bytes], bool]:
    """What was read, and whether it broke off."""
    reader, payloads = EventReader(limit=limit), []
    try:
        for chunk in chunks:
            for payload in reader.feed(chunk):
                payloads.append(payload)  # noqa: PERF402 - what came before the error counts
    except EventTooLargeError:
        return payloads, True
    return payloads, False


def by_the_letter(body: bytes) -> list[bytes]:
    """The standard's algorithm, a line at a time."""
    body = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    payloads, data = [], list[bytes]()
    for line in body.split(b"\n")[:-1]:
        if not line:
            payloads += [b"\n".join(data)] if data else []
            data = []
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
    return payloads


@given(BODIES, st.lists(st.integers(0, 400), max_size=20), st.sampled_from([5, 30, 10_000]))
def test_any_chunking_reads_the_same(body: bytes, cuts: list[int], limit: int) -> None:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[a:b] for a, b in pairwise(edges)]

    whole = read_to_the_end([body], limit)

    assert read_to_the_end(chunks, limit) == whole
    assert read_to_the_end([bytes([byte]) for byte in body], limit) == whole


@given(BODIES)
def test_it_reads_what_the_standard_says(body: bytes) -> None:
    assert read(body, limit=10_000) == by_the_letter(body)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_all_three_line_ends_end_a_line(end: bytes) -> None:
    body = end.join([b"event: e", b"data: a", b"data: b", b": ping", b"id: 1", b"", b"data:c", b""])

    assert read(body + end) == [b"a\nb", b"c"]


def test_a_byte_order_mark_is_passed_over_only_at_the_start() -> None:
    bom = b"\xef\xbb\xbf"

    assert read(bom + b"data: a\n\n" + bom + b"data: b\n\ndata: c\n\n") == [b"a", b"c"]


def test_only_one_space_after_the_colon_is_not_data() -> None:
    assert read(b"data:  two\n\ndata:\n\ndata\n\n") == [b" two", b"", b""]


def test_bytes_that_are_no_utf8_pass_through() -> None:
    assert read(b"data: \xff\xfe\n\n") == [b"\xff\xfe"]


def test_an_unfinished_event_is_dropped() -> None:
    assert read(b"data: a\n\ndata: b\n") == [b"a"]


@pytest.mark.parametrize(
    "body", [b"data: " + b"x" * 1001, b"data: x\n" * 600 + b"\n", b": " + b"p" * 1001]
)
def test_an_endless_line_or_event_is_an_error_after_the_events_before_it(body: bytes) -> None:
    reader = EventReader(limit=1000)
    events = reader.feed(b"data: first\n\n" + body)

    assert next(events) == b"first"
    with pytest.raises(EventTooLargeError):
        next(events)


def test_many_events_and_comments_do_not_add_up() -> None:
    body = b": ping\n\nid: 1\ndata: x\n\n"

    assert read(body * 1000, limit=20) == [b"x"] * 1000
