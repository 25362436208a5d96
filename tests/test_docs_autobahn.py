"""docs/autobahn.md shows what the suite found, and tells of every failure."""

import re

import aiohttp
import pytest

from bridge.protocol import MAX_FRAME_BYTES
from tests.autobahn.echo import echoing
from tests.autobahn.results import IN_AIOHTTP, PAGE, of, read, table, too_large, unexplained

TOLD = PAGE.read_text()


def paragraph(of_verdict: str) -> str:
    return " ".join(
        re.findall(rf"^- \*\*{of_verdict}\*\*[^\n]*(?:\n  [^\n]*)*", TOLD, re.MULTILINE)
    )


def test_the_page_has_the_table_of_what_was_found() -> None:
    assert table(read()) in TOLD


def test_every_case_of_the_suite_was_played() -> None:
    assert len(read()["bridge"]) == 517


def test_the_page_tells_of_every_failure() -> None:
    kept = read()

    assert unexplained(kept) == []
    assert f"{len(too_large(kept))} of section 9" in paragraph("FAILED")
    assert {case.partition(".")[0] for case in too_large(kept)} == {"9"}
    assert set(of(kept, "FAILED")) >= IN_AIOHTTP
    for case in IN_AIOHTTP:
        assert case in paragraph("FAILED")


@pytest.mark.parametrize("verdict", ["NON-STRICT", "INFORMATIONAL"])
def test_the_page_tells_of_what_is_neither_good_nor_bad(verdict: str) -> None:
    told = paragraph(verdict).replace("6.4.1 to 6.4.4", "6.4.1 6.4.2 6.4.3 6.4.4")

    assert set(re.findall(r"\d+\.\d+\.\d+", told)) == set(of(read(), verdict))


def test_a_failure_without_a_reason_is_named() -> None:
    kept = read()
    kept["bridge"]["1.1.1"]["behavior"] = "FAILED"
    kept["bridge"]["9.1.4"]["remoteCloseCode"] = 1002

    assert unexplained(kept) == ["1.1.1", "9.1.4"]


async def test_the_suite_meets_a_socket_as_calls_have_it() -> None:
    whole = "x" * MAX_FRAME_BYTES
    async with (
        echoing() as origin,
        aiohttp.ClientSession(origin) as session,
        session.ws_connect("/millis", compress=15, max_msg_size=0) as socket,
    ):
        assert socket.compress == 0
        await socket.send_str(whole)
        assert (await socket.receive_str()) == whole
        await socket.send_bytes(b"\xff")
        assert (await socket.receive_bytes()) == b"\xff"
        await socket.send_str(whole + "x")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
