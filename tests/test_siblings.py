"""Several processes' metrics as one page, whatever becomes of the processes."""

import math
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bridge.metrics.siblings import Across, Siblings
from tests.server.metered import Metrics, parsed

ACROSS: dict[str, Across] = {"millis_bridge_draining": "max", "process_start_time_seconds": "min"}


class Process:
    """One process, and what it counts."""

    def __init__(self, folder: Path, name: str) -> None:
        self.registry = CollectorRegistry()
        self.siblings = Siblings(folder, name)
        self.turns = Counter("millis_bridge_turns", "Turns.", ["outcome"], registry=self.registry)
        self.lag = Histogram("millis_bridge_lag", "Lag.", buckets=[1, 2], registry=self.registry)
        self.live = Gauge("millis_bridge_calls_live", "Calls.", registry=self.registry)
        self.draining = Gauge("millis_bridge_draining", "Stops.", registry=self.registry)
        self.most = Gauge("process_max_fds", "Most. Of \\ and \n", registry=self.registry)
        self.start = Gauge("process_start_time_seconds", "Start.", registry=self.registry)

    def keep(self) -> None:
        self.siblings.keep(generate_latest(self.registry))

    def page(self) -> Metrics:
        self.keep()
        return self.read()

    def read(self) -> Metrics:
        return parsed(self.siblings.page(ACROSS).decode())


@pytest.fixture
def processes(tmp_path: Path) -> tuple[Process, Process]:
    one, other = Process(tmp_path, "1"), Process(tmp_path, "2")
    one.turns.labels("complete").inc(3)
    other.turns.labels("complete").inc(4)
    other.turns.labels("failed").inc()
    for process, lag, start in ((one, 0.5, 10), (other, 1.5, 20)):
        process.lag.observe(lag)
        process.live.set(2)
        process.start.set(start)
        process.most.set(math.inf)
        process.turns.labels('odd " } 1\n').inc()
    other.draining.set(1)
    one.keep()
    other.keep()
    return one, other


def test_whoever_is_asked_tells_of_all(processes: tuple[Process, Process]) -> None:
    one, other = processes
    assert one.page() == other.page()
    page = one.page()
    assert page.value("turns_total", outcome="complete") == 7
    assert page.value("turns_total", outcome="failed") == 1
    assert page.value("lag_bucket", le="1.0") == 1
    assert page.value("lag_bucket", le="+Inf") == 2
    assert page.value("lag_sum") == 2.0
    assert page.value("calls_live") == 4
    assert page.value("draining") == 1
    assert page.samples["process_start_time_seconds", frozenset()] == 10
    assert page.samples["process_max_fds", frozenset()] == math.inf
    assert page.value("turns_total", outcome='odd " } 1\n') == 2
    assert page.families["millis_bridge_turns"] == "counter"


def test_what_the_dead_have_counted_stays_and_what_they_had_is_gone(
    tmp_path: Path, processes: tuple[Process, Process]
) -> None:
    one, _ = processes
    supervisor = Siblings(tmp_path, "supervisor")
    for _ in range(2):  # again is no harm
        supervisor.bury({"1"})
        page = one.page()
        assert page.value("turns_total", outcome="complete") == 7
        assert page.value("lag_count") == 2
        assert page.value("calls_live") == 2
        assert page.value("draining") == 0
    third = Process(tmp_path, "3")
    third.turns.labels("complete").inc()
    third.keep()
    supervisor.bury({"1"})
    assert one.page().value("turns_total", outcome="complete") == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.prom", "buried.prom"]


def test_a_burial_in_the_midst_of_a_reading_counts_nothing_twice_and_leaves_nothing_out(
    tmp_path: Path, processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = processes
    one.keep()
    read = Path.read_bytes
    for moment in range(4):
        other = Process(tmp_path, f"9{moment}")
        other.turns.labels("complete").inc(1)
        other.keep()
        reads = 0

        def read_and_bury(path: Path, moment: int = moment) -> bytes:
            nonlocal reads
            reads += 1
            if reads == moment + 1:
                monkeypatch.setattr(Path, "read_bytes", read)
                Siblings(tmp_path, "supervisor").bury({"1"})
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", read_and_bury)
        assert one.read().value("turns_total", outcome="complete") == 8 + moment
        monkeypatch.setattr(Path, "read_bytes", read)


def test_a_supervisor_that_was_stopped_between_counting_and_removing_counts_nothing_twice(
    tmp_path: Path, processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = processes

    def fails(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError

    with monkeypatch.context() as disk:
        disk.setattr(Path, "unlink", fails)
        with pytest.raises(PermissionError):
            Siblings(tmp_path, "supervisor").bury({"1"})
    assert one.page().value("turns_total", outcome="complete") == 7
    Siblings(tmp_path, "supervisor").bury({"1"})
    assert one.page().value("turns_total", outcome="complete") == 7


def test_files_are_for_nobody_else(tmp_path: Path, processes: tuple[Process, Process]) -> None:
    del processes
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
