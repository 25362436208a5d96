"""Log lines: O10, rule 10, F12, G18."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAD = "import logging, structlog\nfrom bridge.logs import configure_logs\n"


def lines(
    code: str, level: str = "debug", style: str = "json", *, private: bool = False
) -> list[str]:
    """What a program writes to stderr."""
    setup = f"configure_logs({level!r}, {style!r}, private={private})"
    program = f"{HEAD}{setup}\nlog = structlog.get_logger()\n{code}"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, timeout=30
    )
    assert done.stdout == b""
    return done.stderr.decode().splitlines()


BREAK = """
def deep(secret):
    speech = "canary words"
    # In pieces: from Python 3.13 on, a traceback quotes this line, too.
    raise ValueError("first line" + chr(10) + "second" + chr(32) + "line")
key = "canary key"
try:
    deep(key)
except ValueError as error:
"""


def test_every_line_is_one_json_object_whatever_is_in_it() -> None:
    hostile = 'a\\r\\nb\\x1b[2J\\0\\u2028\\ud800 ü {"x": 1}'
    written = lines(
        f"bad = {hostile!r}.encode().decode('unicode_escape')\n"
        "log.info('turn ended', session=bad, stream_id=0, odd=object(), raw=b'\\xff')\n"
        "log.warning(bad)\n"
        "logging.getLogger('aiohttp').error('library %s', bad)\n"
        f"{BREAK}    log.error('reply broke', exc_info=error)\n"
        "    logging.getLogger('asyncio').exception('task broke')\n"
    )
    events = [json.loads(line) for line in written]
    assert len(events) == 5
    assert [event["level"] for event in events] == ["info", "warning", "error", "error", "error"]
    assert all(event["timestamp"] and event["event"] for event in events)
    assert all(line.isascii() and line.isprintable() for line in written)
    assert "in deep" in events[3]["exception"]
    assert "in deep" in events[4]["exception"]
    assert events[4]["logger"] == "asyncio"


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("style", ["json", "pretty"])
def test_an_exception_is_logged_without_the_values_that_led_to_it(
    style: str, private: bool
) -> None:
    written = lines(
        f"{BREAK}    log.error('reply broke', exc_info=error)\n    log.exception('again')\n"
        "    logging.getLogger('aiohttp.server').exception('and again')\n",
        style=style,
        private=private,
    )
    text = "\n".join(written)
    assert text.count("second line") == (3 if private else 0)
    assert text.count("ValueError") == 3
    assert text.count("in deep") == 3
    assert "canary words" not in text
    assert "canary key" not in text


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_a_level_hides_what_is_less_important(level: str, written: list[str]) -> None:
    code = "for name in ('debug', 'info', 'warning', 'error'): getattr(log, name)('event')\n"
    assert [json.loads(line)["level"] for line in lines(code, level)] == written


def test_libraries_are_heard_from_warnings_up() -> None:
    code = "for level in (10, 20, 30): logging.getLogger('lib').log(level, 'x')\n"
    assert [json.loads(line)["level"] for line in lines(code)] == ["warning"]


def test_people_read_lines_that_cannot_command_their_terminal() -> None:
    written = lines(
        "log.info('call ended', session='\\x1b[2J\\x07', other='a\\nb')", style="pretty"
    )
    assert len(written) == 1
    assert "call ended" in written[0]
    assert "\x1b[2J" not in written[0]
    assert "\x07" not in written[0]


def test_auto_is_json_where_nobody_looks() -> None:
    assert json.loads(lines("log.info('event')", style="auto")[0])["event"] == "event"


def test_a_log_that_cannot_be_written_stops_nothing() -> None:  # F12
    program = (
        f"{HEAD}configure_logs('debug', 'json')\nlog = structlog.get_logger()\n"
        "for _ in range(3): log.info('event')\n"
        "logging.getLogger('lib').error('event')\n"
        "print('alive')\n"
    )
    reader, writer = os.pipe()
    os.close(reader)  # the one who read the log is gone
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=writer,
            check=False,
            timeout=30,
        )
    finally:
        os.close(writer)
    assert done.stdout == b"alive\n"


def test_a_log_that_nobody_reads_holds_up_nothing_and_says_later_what_was_lost() -> None:  # F12
    program = (
        f"{HEAD}configure_logs('debug', 'json')\nlog = structlog.get_logger()\n"
        "for number in range(300): log.info('event', number=number, long='x' * number * 20)\n"
        "print('alive', flush=True)\n"
        "input()\n"
        "log.info('read again')\n"
    )
    reader, writer = os.pipe()
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=writer,
    ) as process:
        os.close(writer)
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"alive\n"
        told = _all_there_is(reader)
        process.communicate(b"\n", timeout=30)
    told += _all_there_is(reader)
    os.close(reader)
    written_lines = told.decode().splitlines()
    whole = [json.loads(line) for line in written_lines if line.endswith("}")]
    assert len(written_lines) - len(whole) <= 1, "the last one there was room for is there in part"
    numbers = [line["number"] for line in whole if "number" in line]
    assert numbers == sorted(numbers)
    (lost,) = [line["lines"] for line in whole if "lines" in line]
    assert lost == 300 - len(numbers)
    assert whole[-1]["event"] == "read again"


def _all_there_is(reader: int) -> bytes:
    """Read a pipe until nothing is in it."""
    os.set_blocking(reader, False)
    read = b""
    try:
        while piece := os.read(reader, 1 << 16):
            read += piece
    except BlockingIOError:
        pass
    return read


def test_what_mcp_servers_say_is_not_quoted() -> None:
    written = lines(
        "logging.getLogger('mcp.client.stdio').error('canary')\n"
        "code = 'import logging; logging.warning(\\'canary\\')'\n"
        "exec(compile(code, '/x/mcp/shared/session.py', 'exec'))\n"
        "logging.getLogger('other').warning('heard')\n"
    )
    assert [json.loads(line)["event"] for line in written] == ["heard"]


CHAIN = """
def inner(): raise KeyError("canary one")
def outer():
    try:
        inner()
    except KeyError as error:
        raise OSError("canary two") from error
try:
    outer()
except OSError as error:
    log.error('reply broke', exc_info=error)
async def lost(): raise ValueError("canary three")
import asyncio, gc
async def main():
    task = asyncio.create_task(lost())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
asyncio.run(main())
gc.collect()
"""


def test_what_exceptions_say_is_kept_back_unless_it_is_asked_for() -> None:
    broke, never = [json.loads(line) for line in lines(CHAIN)]
    assert "canary" not in str((broke, never))
    assert broke["exception"].count("in inner") == 1
    order = [broke["exception"].index(word) for word in ("OSError", "in outer", "KeyError")]
    assert order == sorted(order)
    assert "ValueError" in never["exception"]
    assert never["event"] == "Task exception was never retrieved"
    everything = "".join(lines(CHAIN, private=True))
    assert all(f"canary {word}" in everything for word in ("one", "two", "three"))


NUMBERS = ("+15551234567", "+49 30 1234567", "00491512345678", "15551234567", "+1 (555) 123-4567")


def test_phone_numbers_are_kept_back_unless_they_are_asked_for() -> None:  # O10
    code = "".join(
        f"log.info('transferred', why='to {number}, now', session='s{NUMBERS[0]}', stream_id=7)\n"
        for number in NUMBERS
    )
    events = [json.loads(line) for line in lines(code)]
    assert [event["why"] for event in events] == ["to [number], now"] * len(NUMBERS)
    assert {event["session"] for event in events} == {"s[number]"}
    said = [json.loads(line)["why"] for line in lines(code, private=True)]
    assert said == [f"to {number}, now" for number in NUMBERS]


def test_what_only_looks_like_a_number_stays() -> None:
    values = {
        "session": "1763751128999",
        "version": "20251121.0",
        "took": "0.0111023809995",
        "file": "tools/report-2025-11-21-1763751128.py",
        "seconds": 12345678901,
    }
    (line,) = lines(f"log.info('event', **{values!r})\n")
    assert {name: json.loads(line)[name] for name in values} == values
