"""What the oracles look at is what there is: leavings, the log, and the count at the end."""

import asyncio
import socket
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import orjson
import structlog

from tests.faults.counting import count_of
from tests.faults.leavings import holdings
from tests.faults.logged import as_served


async def test_a_task_a_thread_and_descriptors_are_leavings(tmp_path: Path) -> None:
    before, over = holdings(0, "calls.db"), threading.Event()
    thread = threading.Thread(target=over.wait, name="tool 7")
    thread.start()
    task = asyncio.create_task(asyncio.Event().wait())
    with (tmp_path / "file").open("w"), socket.socket():
        more = holdings(0, "calls.db") - before
    over.set()
    thread.join()
    task.cancel()
    await asyncio.wait({task})
    assert more == {
        "task Event.wait": 1,
        "thread tool n": 1,
        "descriptor socket": 1,
        f"descriptor {tmp_path / 'file'}": 1,
    }
    assert not holdings(0, "calls.db") - before


async def test_connections_to_the_model_and_the_database_are_none(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port, database = server.sockets[0].getsockname()[1], str(tmp_path / "calls.db")
        before = holdings(port, database)
        file = Path(f"{database}-wal").open("w")  # noqa: ASYNC230, SIM115 - a moment
        with socket.create_connection(("127.0.0.1", port)), file:
            assert not holdings(port, database) - before
            assert holdings(0, database) - before == {"descriptor socket": 1}


def test_the_next_file_of_the_spool_is_none(tmp_path: Path) -> None:
    async def both() -> Counter[str]:
        with (tmp_path / "000001.jsonl").open("w"):
            before = holdings(0, "/nowhere")
        with (tmp_path / "000002.jsonl").open("w"):
            return holdings(0, "/nowhere") - before

    assert asyncio.run(both()) == {}


def test_the_log_is_as_a_user_has_it() -> None:
    log = structlog.get_logger("bridge.test")
    with as_served(["a-secret-of-ours"]) as text:
        log.debug("heard", key="a-secret-of-ours", caller="+15550104477")
    (line,) = map(orjson.loads, text.getvalue().splitlines())
    assert (line["key"], line["caller"]) == ("[secret]", "[number]")


def test_the_log_of_one_bridge_goes_on_when_another_one_has_ended() -> None:
    with as_served([]) as text:
        with as_served([]) as another:
            structlog.get_logger("bridge.test").info("of another")
        structlog.get_logger("bridge.test").info("of the first")
    assert "of another" in another.getvalue()
    assert "of the first" not in another.getvalue()
    assert "of the first" in text.getvalue()


def test_the_count_is_by_section_and_tells_what_failed() -> None:
    played = [("A1", False), ("A1", True), ("B2", False)]
    reports = [
        SimpleNamespace(user_properties=[("fault", [id_, 9])], when="call", failed=failed)
        for id_, failed in played
    ]
    first, second, last, *_ = count_of(reports)
    assert first.endswith("2 cases of 1/32 faults, 1 failed")
    assert second.endswith("1 cases of 1/10 faults")
    assert last.startswith("3 cases, after which oracles were asked 27 times")
    assert count_of([]) == []
