"""What is to be done after a call stays on disk until it is done, by one process at a time."""

import math
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from bridge.store.deliveries.deliveries import Deliveries
from bridge.store.deliveries.delivery import Delivery
from bridge.store.spool.folders import Folder, abandoned
from tests.store.spooling import full_disk, no_descriptors

KIND = "call_ended"
DAY = 86_400.0
PAYLOAD = {"tool": "book", "arguments": {"day": "Friday"}}
PROCESS = """
import sys, time
from pathlib import Path
from bridge.store.deliveries.deliveries import Deliveries
deliveries = Deliveries(Path(sys.argv[1]))
for key in sys.argv[3:]:
    deliveries.put("call_ended", key)
if sys.argv[2] == "hold":
    deliveries.hold("call_ended", "held", {"for": "later"})
if sys.argv[2] == "claim":
    assert deliveries.due("call_ended", time.time())
print("ready", flush=True)
sys.stdin.read()
"""


def now() -> float:
    return time.time()


def opened(folder: Path, **settings: Any) -> Deliveries:
    """The folder as a process finds it that has just started."""
    deliveries = Deliveries(folder, **settings)
    deliveries.look()
    return deliveries


def claimed(deliveries: Deliveries, at: float | None = None) -> Delivery:
    delivery = deliveries.due(KIND, now() if at is None else at)
    assert delivery is not None
    return delivery


def keys_due(deliveries: Deliveries, at: float | None = None) -> list[str]:
    """Claim all that is due."""
    found = []
    while delivery := deliveries.due(KIND, now() if at is None else at):
        found.append(delivery.key)
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "deliveries"


def a_process(folder: Path, what: str, *keys: str) -> subprocess.Popen[str]:
    """Another process that shares the folder, and lives until it is killed."""
    process = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-c", PROCESS, str(folder), what, *keys],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


# ── put, done ────────────────────────────────────────────────────────────────────────────────────


def test_what_was_put_is_due_at_once_in_its_order_until_it_is_done(folder: Path) -> None:
    deliveries = opened(folder)
    for key in ("b", "a", "c"):
        deliveries.put(KIND, key)
    assert deliveries.waiting[KIND] == 3
    assert deliveries.wait(KIND, now()) == 0
    first = claimed(deliveries)
    assert (first.kind, first.key, first.attempts) == (KIND, "b", 0)
    deliveries.done(first)
    assert keys_due(deliveries) == ["a", "c"]
    assert deliveries.waiting[KIND] == 2
    assert names(folder) == [f"{KIND}-a", f"{KIND}-c"]
    assert keys_due(opened(folder)) == []  # claimed, and not done


def test_what_is_put_again_is_there_once(folder: Path) -> None:
    deliveries, other = opened(folder), opened(folder)
    ids = {deliveries.put(KIND, "a"), deliveries.put(KIND, "a"), other.put(KIND, "a")}
    assert len(ids) == 1
    assert names(folder) == [*ids]
    assert keys_due(deliveries) == ["a"]
    assert deliveries.waiting[KIND] == 1


def test_what_is_put_again_keeps_its_failures(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    deliveries.failed(claimed(deliveries), now())
    opened(folder).put(KIND, "a")
    later = opened(folder)
    assert keys_due(later) == []
    assert claimed(later, now() + 2).attempts == 1


def test_kinds_are_kept_apart(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    deliveries.put("after_call", "a")
    assert deliveries.due("other", now()) is None
    job = deliveries.due("after_call", now())
    assert job is not None
    assert job.kind == "after_call"
    assert keys_due(deliveries) == ["a"]
    assert deliveries.waiting == {KIND: 1, "after_call": 1}


@pytest.mark.parametrize(
    "key", ["0123abcdef", "../../etc/passwd", ".", "", "a/b", "tool:1.2", "é\0\n%2F", "x" * 200]
)
def test_any_short_key_comes_back_as_it_was_and_stays_in_the_folder(folder: Path, key: str) -> None:
    opened(folder).put(KIND, key)
    again = claimed(opened(folder))
    assert again.key == key
    assert names(folder) == [again.id]
    assert "." not in again.id  # it is signed with dots around it


@pytest.mark.parametrize(
    ("kind", "key"), [("Kind", "a"), ("a-b", "a"), ("", "a"), (KIND, "x" * 201)]
)
def test_a_kind_is_a_word_and_a_key_is_short(folder: Path, kind: str, key: str) -> None:
    with pytest.raises(ValueError, match="kind"):
        opened(folder).put(kind, key)


def test_nobody_else_may_read_it(folder: Path) -> None:  # G23
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    deliveries.put(KIND, "b")
    deliveries.failed(claimed(deliveries), now())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_strange_file_is_left_alone_and_an_old_draft_is_removed(folder: Path) -> None:
    opened(folder).put(KIND, "a")
    for name in ("README", ".0123456789abcdef", ".fedcba9876543210", "lock"):
        (folder / name).write_text("x")
    for name in (".0123456789abcdef", "README", "lock"):
        os.utime(folder / name, (0, 0))
    deliveries = opened(folder)
    assert keys_due(deliveries) == ["a"]
    assert names(folder) == sorted([".fedcba9876543210", "README", "lock", f"{KIND}-a"])


# ── with a payload, and held ─────────────────────────────────────────────────────────────────────


def test_what_is_held_is_nobodys_until_it_is_put_back(folder: Path) -> None:
    deliveries, other = opened(folder), opened(folder)
    held = deliveries.hold(KIND, "a", PAYLOAD)
    other.look()
    deliveries.look()
    assert (keys_due(deliveries, now() + 99), keys_due(other, now() + 99)) == ([], [])
    assert deliveries.wait(KIND, now()) == math.inf  # nobody need wake for it
    assert deliveries.waiting[KIND] == 1
    deliveries.put_back(held, now())
    delivery = claimed(deliveries)
    assert (delivery.key, delivery.payload, delivery.attempts) == ("a", PAYLOAD, 0)
    deliveries.done(delivery)
    assert names(folder) == []


def test_what_a_process_held_that_was_killed_is_done_by_another(folder: Path) -> None:
    process = a_process(folder, "hold")
    ours = opened(folder)
    assert keys_due(ours) == []
    process.kill()
    process.communicate()
    delivery = claimed(ours, now() + 10)
    assert (delivery.key, delivery.payload) == ("held", {"for": "later"})


def test_a_payload_outlives_failures_and_the_process(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put_back(deliveries.hold(KIND, "a", PAYLOAD), now())
    deliveries.failed(claimed(deliveries), now())
    again = claimed(opened(folder), now() + 2)
    assert (again.payload, again.attempts) == (PAYLOAD, 1)


@pytest.mark.parametrize("disk", [full_disk, no_descriptors])
def test_a_payload_that_the_disk_does_not_take_waits_in_memory(
    folder: Path, disk: Callable[[], AbstractContextManager[None]]
) -> None:
    folder.mkdir(parents=True)
    deliveries = opened(folder)
    with disk():
        held = deliveries.hold(KIND, "a", PAYLOAD)
    assert names(folder) == []  # nothing half
    assert keys_due(deliveries, now() + 99) == []
    deliveries.put_back(held, now())
    assert names(folder) == [held.id]  # the disk is well again
    assert claimed(deliveries).payload == PAYLOAD


@pytest.mark.parametrize(
    ("payload", "why"),
    [({"a": "x" * 65_536}, "64 KiB"), ({"a": {1, 2}}, "plain JSON"), ({"a": 1 << 64}, "plain")],
)
def test_a_payload_is_plain_json_and_not_large(
    folder: Path, payload: dict[str, Any], why: str
) -> None:
    deliveries = opened(folder)
    with pytest.raises(ValueError, match=why):
        deliveries.hold(KIND, "a", payload)
    largest = {"a": "x" * (65_536 - len('{"a":""}'))}
    held = deliveries.hold(KIND, "b", largest)
    deliveries.failed(held, now())
    assert claimed(opened(folder), now() + 2).payload == largest


def test_a_held_one_is_not_given_up_for_a_newer_one(folder: Path) -> None:
    deliveries = opened(folder, most=1)
    held = deliveries.hold(KIND, "a", PAYLOAD)
    deliveries.put(KIND, "b")
    assert deliveries.given_up[KIND] == 0
    deliveries.done(held)


def test_what_is_removed_from_the_folder_is_called_off(folder: Path) -> None:
    deliveries = opened(folder)
    for key in "ab":
        deliveries.put_back(deliveries.hold(KIND, key, PAYLOAD), now())
    at_work = claimed(deliveries)
    for path in folder.iterdir():
        path.unlink()
    assert not deliveries.failed(at_work, now())
    assert keys_due(deliveries, now() + 9) == []
    assert deliveries.waiting[KIND] == deliveries.given_up[KIND] == 0
    assert names(folder) == []


def test_what_is_hopeless_is_counted_and_gone(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    deliveries.give_up(claimed(deliveries), "hopeless")
    assert (deliveries.waiting[KIND], deliveries.given_up[KIND]) == (0, 1)
    assert names(folder) == []


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


def test_after_each_failure_the_pause_is_twice_as_long_up_to_ten_minutes(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    at = now()
    pauses = []
    for _ in range(14):
        assert deliveries.failed(claimed(deliveries, at), at)
        assert keys_due(deliveries, at) == []
        pauses.append(deliveries.wait(KIND, at))
        at += pauses[-1]
    for number, pause in enumerate(pauses):
        meant = min(600, 2**number)
        assert 0.8 * meant <= pause <= 1.2 * meant
    assert len({round(pause / min(600, 2**n), 3) for n, pause in enumerate(pauses)}) > 5  # jitter


def test_failures_outlive_the_process(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    at = now()
    for _ in range(3):
        deliveries.failed(claimed(deliveries, at), at)
        at += 10
    again = opened(folder)
    assert keys_due(again, at - 10) == []
    assert 0 < again.wait(KIND, at - 10) < 10
    found = claimed(again, at)
    assert found.attempts == 3
    assert found.first == pytest.approx(at - 30)


def test_it_is_given_up_when_it_fails_a_day_after_the_first_failure(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    at = now() + 3 * DAY  # so long the bridge was down
    assert deliveries.failed(claimed(deliveries, at), at)
    assert deliveries.failed(claimed(deliveries, at + DAY - 1), at + DAY - 1)
    again = opened(folder)
    assert not again.failed(claimed(again, at + DAY + 9), at + DAY + 9)
    assert again.given_up[KIND] == 1
    assert again.waiting[KIND] == 0
    assert names(folder) == []


def test_there_are_never_too_many_and_the_oldest_go_first(folder: Path) -> None:
    deliveries = opened(folder, most=3)
    for key in "abcde":
        deliveries.put(KIND, key)
    assert deliveries.given_up[KIND] == 2
    assert deliveries.waiting[KIND] == 3
    assert keys_due(deliveries) == ["c", "d", "e"]
    assert len(names(folder)) == 3


def test_which_are_the_oldest_is_known_after_a_restart_too(folder: Path) -> None:
    deliveries = opened(folder)
    for key in "abcd":
        deliveries.put(KIND, key)
        time.sleep(0.01)  # file systems count coarsely
    first = claimed(deliveries)
    deliveries.failed(first, now())  # its file is the newest now
    assert keys_due(opened(folder, most=2), now() + 2) == ["c", "d"]


@pytest.mark.parametrize("disk", [nullcontext, no_descriptors], ids=["on disk", "in memory"])
def test_one_that_is_being_worked_on_is_not_given_up_for_a_newer_one(
    folder: Path, disk: Callable[[], AbstractContextManager[None]]
) -> None:
    deliveries = opened(folder, most=1)
    with disk():
        deliveries.put(KIND, "a")
    at_work = claimed(deliveries)
    deliveries.put(KIND, "b")
    assert deliveries.given_up[KIND] == 0
    deliveries.done(at_work)
    assert keys_due(deliveries) == ["b"]


def test_what_was_put_back_has_not_failed(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    at = now()
    deliveries.put_back(claimed(deliveries, at), at + 5)
    assert keys_due(deliveries, at + 4) == []
    again = claimed(deliveries, at + 5)
    assert again.attempts == 0
    deliveries.done(again)
    deliveries.put_back(again, at)  # it is not ours any more
    assert deliveries.waiting[KIND] == 0
    assert keys_due(deliveries, at + 9) == []
    assert names(folder) == []


def test_a_clock_that_is_set_makes_nothing_wait_for_long_and_gives_nothing_up(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    at = now() + 10 * 365 * DAY
    deliveries.failed(claimed(deliveries, at), at)
    at = now()  # set back by ten years
    delivery = claimed(deliveries, at)
    assert deliveries.failed(delivery, at)
    assert deliveries.wait(KIND, at) < 3


# ── several processes ────────────────────────────────────────────────────────────────────────────


def test_two_who_share_the_folder_are_never_at_work_on_the_same(folder: Path) -> None:
    one = opened(folder)
    for key in "abcd":
        one.put(KIND, key)
    other = opened(folder)
    mine = claimed(one)
    theirs = claimed(other)
    assert {mine.key, theirs.key} == {"a", "b"}
    one.done(mine)
    other.done(theirs)
    assert sorted([*keys_due(one), *keys_due(other)]) == ["c", "d"]


def test_what_another_has_done_is_not_done_again(folder: Path) -> None:
    one = opened(folder)
    one.put(KIND, "a")
    other = opened(folder)
    other.done(claimed(other))
    assert keys_due(one) == []
    assert one.waiting[KIND] == 0
    assert one.wait(KIND, now()) == math.inf


def test_what_another_has_failed_at_waits_as_it_would_for_them(folder: Path) -> None:
    one = opened(folder)
    one.put(KIND, "a")
    other = opened(folder)
    other.failed(claimed(other), now())
    assert keys_due(one) == []
    assert one.wait(KIND, now()) > 0.5
    assert claimed(one, now() + 2).attempts == 1


def test_what_a_process_left_that_was_killed_is_done_by_another(folder: Path) -> None:
    process = a_process(folder, "claim", "a")
    ours = opened(folder)
    assert keys_due(ours) == []  # it is at work on it
    process.send_signal(signal.SIGSTOP)
    assert keys_due(ours, now() + 10) == []  # and may go on
    process.kill()
    process.communicate()
    assert keys_due(ours, now() + 20) == ["a"]


def test_what_others_put_is_found_when_we_look(folder: Path) -> None:
    ours = opened(folder)
    process = a_process(folder, "put", "a", "b")
    process.kill()
    process.communicate()
    assert keys_due(ours) == []
    ours.look()
    assert keys_due(ours) == ["a", "b"]


def test_the_folder_is_no_dead_process_for_the_spool(folder: Path) -> None:
    own = Folder.claim(folder.parent)
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    assert list(abandoned(folder.parent)) == []
    assert keys_due(deliveries) == ["a"]
    own.release()


def test_a_folder_that_was_cleared_away_is_made_again(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    deliveries.done(claimed(deliveries))
    folder.rmdir()
    deliveries.look()
    deliveries.put(KIND, "b")
    assert keys_due(opened(folder)) == ["b"]


# ── a bad disk ───────────────────────────────────────────────────────────────────────────────────


def test_while_the_disk_takes_nothing_it_waits_in_memory(folder: Path) -> None:  # E5
    deliveries = opened(folder)
    with no_descriptors():
        deliveries.put(KIND, "a")
    assert deliveries.waiting[KIND] == 1
    delivery = claimed(deliveries)
    deliveries.failed(delivery, now())
    assert names(folder) == [delivery.id]  # the disk is well again
    assert claimed(opened(folder), now() + 2).attempts == 1


def test_what_is_in_memory_only_is_done_once(folder: Path) -> None:
    deliveries = opened(folder)
    with no_descriptors():
        deliveries.put(KIND, "a")
    delivery = claimed(deliveries)
    assert keys_due(deliveries, now() + 10) == []
    deliveries.done(delivery)
    assert deliveries.waiting[KIND] == 0
    assert keys_due(deliveries, now() + 10) == []


def test_what_could_not_be_tried_goes_to_disk_when_it_can(folder: Path) -> None:
    deliveries = opened(folder)
    with no_descriptors():
        deliveries.put(KIND, "a")
    deliveries.put_back(claimed(deliveries), now())
    assert keys_due(opened(folder)) == ["a"]


def test_a_failure_that_cannot_be_written_is_remembered_at_least_here(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    with full_disk():
        deliveries.failed(claimed(deliveries), now())
    assert keys_due(deliveries) == []  # it is not tried in a loop
    again = claimed(deliveries, now() + 2)
    assert again.attempts == 1
    deliveries.failed(again, now())
    assert names(folder) == [again.id]
    assert claimed(opened(folder), now() + 5).attempts == 2


def test_with_no_descriptor_left_it_is_put_off(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    with no_descriptors():
        assert keys_due(deliveries) == []
        deliveries.look()
    assert keys_due(deliveries, now() + 6) == ["a"]


def test_a_torn_file_is_as_good_as_new(folder: Path) -> None:
    deliveries = opened(folder)
    deliveries.put(KIND, "a")
    deliveries.failed(claimed(deliveries), now())
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:7])
    again = claimed(opened(folder))
    assert (again.key, again.attempts) == ("a", 0)


def test_no_descriptor_is_left_open(folder: Path) -> None:  # O8
    before = open_files()
    deliveries = opened(folder)
    for key in "abcd":
        deliveries.put(KIND, key)
    for what in (deliveries.done, lambda it: deliveries.failed(it, now())):
        what(claimed(deliveries))
    deliveries.put_back(claimed(deliveries), now() + 9)
    held = claimed(deliveries)
    assert keys_due(opened(folder)) == ["c"]
    deliveries.done(held)
    assert open_files() == before + 1  # that of "c"
