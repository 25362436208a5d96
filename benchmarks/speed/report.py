"""What came out: kept raw, and shown as one page with the targets it is held against."""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scenes import Times

SERVERS = ("floor", "bridge", "stock LangChain", "pipecat", "livekit")
_PACKAGES = ("langchain", "langchain-openai", "langgraph", "openai", "aiohttp", "pydantic")


def machine() -> dict[str, Any]:
    """What this ran on."""
    return {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "packages": {name: version(name) for name in _PACKAGES},
        "peers": _peers(),
        "load_before": os.getloadavg()[0],
        "processor_times": _times(),
    }


@dataclass(slots=True)
class Report:
    """All figures of a run."""

    about: dict[str, Any]
    figures: dict[str, dict[str, Times]] = field(default_factory=dict)
    """By scene, then by server."""
    failures: list[dict[str, str]] = field(default_factory=list)

    def add(self, scene: str, server: str, times: Times) -> None:
        """Keep what one round measured."""
        kept = self.figures.setdefault(scene, {}).setdefault(server, {})
        for name, values in times.items():
            kept.setdefault(name, []).extend(round(value, 9) for value in values)

    def fail(self, scene: str, server: str, why: str) -> None:
        """Note a round whose output was not complete and correct."""
        self.failures.append({"scene": scene, "server": server, "why": why})

    def finish(self) -> None:
        """Note how busy the machine was."""
        before, after = self.about.pop("processor_times"), _times()
        spent = {name: after[name] - before[name] for name in after}
        whole = sum(spent.values()) or 1.0
        self.about["busy"] = {name: round(value / whole, 3) for name, value in spent.items()}
        self.about["minutes"] = round((time.monotonic() - _BEGAN) / 60, 1)

    def as_json(self) -> dict[str, Any]:
        """Everything, in seconds and bytes."""
        return {"about": self.about, "failures": self.failures, "figures": self.figures}

    def at(self, scene: str, server: str, name: str, share: float) -> float | None:
        """A quantile of what was measured; None if it was not."""
        values = sorted(self.figures.get(scene, {}).get(server, {}).get(name, []))
        return values[min(len(values) - 1, int(len(values) * share))] if values else None

    def ratio(
        self, scene: str, name: str, share: float, server: str = "bridge", to: str = "floor"
    ) -> float | None:
        """How many times as much one server has as another."""
        mine, other = self.at(scene, server, name, share), self.at(scene, to, name, share)
        return None if mine is None or not other else mine / other


_BEGAN = time.monotonic()


def read(file: Path) -> Report:
    """A report that was kept."""
    kept = json.loads(file.read_text())
    return Report(kept["about"], kept["figures"], kept["failures"])


def page(report: Report) -> str:
    """The table, as Markdown."""
    return "\n".join([*_head(report), *_latency(report), *_rest(report), *_targets(report)])


def _head(report: Report) -> Iterator[str]:
    about = report.about
    peers = ", ".join(f"{name} {number}" for name, number in about["peers"].items())
    packages = ", ".join(f"{name} {number}" for name, number in about["packages"].items())
    yield f"{about['began']}, {about['minutes']} minutes, Python {about['python']},"
    yield f"{about['cores']} cores ({about['processor']}), servers on one of them."
    yield f"{packages}; {peers or 'no peers installed'}."
    busy = ", ".join(f"{name} {share:.1%}" for name, share in about["busy"].items())
    yield f"Load before {about['load_before']:.1f}; the machine meanwhile: {busy}."
    for failure in report.failures:
        yield f"**Failed**: {failure['server']}, {failure['scene']}: {failure['why']}"
    yield ""


def _latency(report: Report) -> Iterator[str]:
    yield "Added to the model's first word, ms, p50 / p95 (× the floor's p50)"
    yield from _table(report, [("added", "", _in_ms)])
    yield "Processor time per token, turn included, µs (× the floor's)"
    yield from _table(report, [("cpu_per_token", "", _in_us)])


def _rest(report: Report) -> Iterator[str]:
    yield "100 calls speaking, 1,000 interrupts a round, ms, p50 / p99"
    rows = [
        ("last_frame", "to the last frame", _tail),
        ("closed", "to the model's request closed", _tail),
        ("lost", "lost", _plain),
    ]
    yield from _table(report, rows)
    yield "A tool between two requests to the model, ms, p50 / p95"
    yield from _table(report, [("round_trip", "", _in_ms)])
    yield "Memory, KiB"
    rows = [
        ("idle_call", "a call that waits, 1,000 of them", _in_kib),
        ("speaking_call", "more for one that speaks", _in_kib),
    ]
    yield from _table(report, rows)
    yield "Thinking ahead: first word after the request, ms, p50 / p95"
    yield from _table(report, [("first_word", "", _in_ms)])
    yield "Start, s: minimum / median / maximum"
    yield ""
    for name, values in report.figures.get("start", {}).get("bridge", {}).items():
        some = sorted(values)
        yield f"- {name}: {some[0]:.2f} / {some[len(some) // 2]:.2f} / {some[-1]:.2f}"
    yield ""


Cell = Callable[[Report, str, str, str], str]


def _table(report: Report, rows: Sequence[tuple[str, str, Cell]]) -> Iterator[str]:
    """A row for each scene that measured the figure, under the row's label or the scene's name."""
    names = [s for s in SERVERS if any(s in by for by in report.figures.values())]
    yield ""
    yield f"| | {' | '.join(names)} |"
    yield f"|---|{'---:|' * len(names)}"
    for name, label, cell in rows:
        for scene, by_server in report.figures.items():
            if any(name in times for times in by_server.values()):
                cells = " | ".join(cell(report, scene, server, name) for server in names)
                yield f"| {label or scene} | {cells} |"
    yield ""


def _in_ms(report: Report, scene: str, server: str, name: str) -> str:
    middle, high = (report.at(scene, server, name, share) for share in (0.5, 0.95))
    if middle is None or high is None:
        return "–"
    ratio = report.ratio(scene, name, 0.5, server)
    times = f" (×{ratio:.1f})" if ratio and server != "floor" else ""
    return f"{middle * 1e3:.1f} / {high * 1e3:.1f}{times}"


def _in_us(report: Report, scene: str, server: str, name: str) -> str:
    middle, ratio = report.at(scene, server, name, 0.5), report.ratio(scene, name, 0.5, server)
    if middle is None:
        return "–"
    return f"{middle * 1e6:.0f}" + (f" (×{ratio:.1f})" if ratio and server != "floor" else "")


def _tail(report: Report, scene: str, server: str, name: str) -> str:
    middle, high = (report.at(scene, server, name, share) for share in (0.5, 0.99))
    return "–" if middle is None or high is None else f"{middle * 1e3:.1f} / {high * 1e3:.1f}"


def _plain(report: Report, scene: str, server: str, name: str) -> str:
    values = report.figures.get(scene, {}).get(server, {}).get(name)
    return f"{sum(values):.0f}" if values else "–"


def _in_kib(report: Report, scene: str, server: str, name: str) -> str:
    """The most of all rounds: in a later one, calls take the room of those that are over."""
    most = report.at(scene, server, name, 1.0)
    return "–" if most is None else f"{most / 1024:.0f}"


# ── what was to be reached ───────────────────────────────────────────────────────────────────────


def _targets(report: Report) -> Iterator[str]:
    yield "| target | measured | |"
    yield "|---|---:|---|"
    for what, value, most, unit in _reached(report):
        if value is None:
            continue
        met = "met" if value <= most else "**not met**"
        yield f"| {what} ≤ {most:g}{unit} | {value:.2f}{unit} | {met} |"
    for rival in SERVERS[2:]:
        times = report.ratio("100 calls", "added", 0.5, rival, "bridge")
        if times is not None:
            met = "met" if times >= 20 else "**not met**"
            yield f"| 100 calls, {rival}: p50 ≥ 20 × the bridge's | {times:.1f} × | {met} |"


def _reached(report: Report) -> Sequence[tuple[str, float | None, float, str]]:
    burst, loaded = "100 calls in a burst", "1 call, 60 messages and 10 tools"
    talk, waits = "100 calls", "interrupts, 100 calls"
    lost = sum(report.figures.get(waits, {}).get("bridge", {}).get("lost", [0.0]))
    return (
        ("100 calls, p50, of the floor's", report.ratio(talk, "added", 0.5), 1.5, " ×"),
        ("100 calls, p95, of the floor's", report.ratio(talk, "added", 0.95), 2.0, " ×"),
        ("burst of 100, p95 over the floor's", _over(report, burst, "added", 0.95), 100, " ms"),
        (
            "60 messages and 10 tools, over 2 and none",
            _between(report, "1 call", loaded, "added"),
            2,
            " ms",
        ),
        ("CPU per token, of the floor's", report.ratio(talk, "cpu_per_token", 0.5), 2.5, " ×"),
        (
            "CPU per token, of stock LangChain's",
            report.ratio(talk, "cpu_per_token", 0.5, to="stock LangChain"),
            0.5,
            " ×",
        ),
        (
            "interrupt to last frame, p99",
            _ms(report.at(waits, "bridge", "last_frame", 0.99)),
            10,
            " ms",
        ),
        ("interrupt to closed, p99", _ms(report.at(waits, "bridge", "closed", 0.99)), 50, " ms"),
        ("interrupts lost", lost, 0, ""),
        (
            "tool round trip, p50",
            _ms(report.at("tool round trip", "bridge", "round_trip", 0.5)),
            5,
            " ms",
        ),
        (
            "ready to serve, median",
            report.at("start", "bridge", "serve, first start (SQLite)", 0.5),
            2,
            " s",
        ),
        ("bridge --help, median", report.at("start", "bridge", "bridge --help", 0.5), 0.3, " s"),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _over(report: Report, scene: str, name: str, share: float) -> float | None:
    mine, floor = report.at(scene, "bridge", name, share), report.at(scene, "floor", name, share)
    return None if mine is None or floor is None else (mine - floor) * 1e3


def _between(report: Report, plain: str, loaded: str, name: str) -> float | None:
    less, more = report.at(plain, "bridge", name, 0.5), report.at(loaded, "bridge", name, 0.5)
    return None if less is None or more is None else (more - less) * 1e3


# ── the machine ──────────────────────────────────────────────────────────────────────────────────


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")


def _times() -> dict[str, float]:
    """Seconds that all cores have spent since they were switched on."""
    first = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = [int(number) / os.sysconf("SC_CLK_TCK") for number in first]
    return {
        "working": ticks[0] + ticks[1] + ticks[2] + ticks[6],
        "idle": ticks[3],
        "stolen": ticks[7],
    }


def _peers() -> dict[str, str]:
    root = Path(__file__).parents[2]
    names = {"pipecat": "pipecat_ai", "livekit": "livekit_agents"}
    found = {}
    for peer, package in names.items():
        for about in (root / f".venv-{peer}").glob(f"lib/*/site-packages/{package}-*.dist-info"):
            found[peer] = about.name.removeprefix(f"{package}-").removesuffix(".dist-info")
    return found
