"""The figures as a picture: needs beside the number of calls, a day, a drain, refusals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.scaling.erlang import erlang_b
from benchmarks.scaling.reckoning import BLOCKED, DRAIN_TIMEOUT, HOLDS

Kept = Mapping[str, Any]


def draw(kept: Kept, file: Path) -> None:
    """Write the picture as SVG."""
    mpl.rcParams["svg.hashsalt"] = "millis-bridge"  # the same figures give the same file
    mpl.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(11, 8.2), layout="constrained")
    growth, day, drain, blocking = figure.subplots(2, 2).flat
    _growth(growth, kept["curve"])
    _day(day, kept["days"])
    _drain(drain)
    _blocking(blocking, kept["centre"]["lines"], kept["blocking"])
    figure.suptitle("What simultaneous calls need, reckoned from measured costs")
    figure.savefig(file, metadata={"Date": None})


def _growth(axes: Any, curve: Sequence[Kept]) -> None:
    calls = [each["calls"] for each in curve]
    for label, values in (
        ("processes", [each["processes"] for each in curve]),
        ("cores that are busy", [each["cores"] for each in curve]),
        ("memory, GiB", [each["memory"] / 2**30 for each in curve]),
        ("connections to the model", [each["to_model"] for each in curve]),
        ("turns a second", [each["turns"] for each in curve]),
        ("rows of the record a second", [each["rows"] for each in curve]),
    ):
        axes.plot(calls, values, marker="o", markersize=3, label=label)
    axes.set(xscale="log", yscale="log", title="needs", xlabel="simultaneous calls")
    axes.legend(fontsize="small", frameon=False)
    axes.grid(alpha=0.3)


def _day(axes: Any, days: Sequence[Kept]) -> None:
    for day in days:
        shares = [live / day["calls"] for live in day["minutes"]]
        hours = [minute / 60 for minute in range(len(shares))]
        axes.plot(hours, shares, linewidth=0.8, label=f"{day['calls']:,} calls")
    axes.set(title="a day, as played", xlabel="hour", ylabel="live, of the number planned for")
    axes.legend(fontsize="small", frameon=False)
    axes.grid(alpha=0.3)


def _drain(axes: Any) -> None:
    seconds = list(range(0, 3601, 30))
    for hold in HOLDS.values():
        left = [100 * hold.left(second) for second in seconds]
        axes.plot(
            [s / 60 for s in seconds], left, label=f"{hold.mean:.0f} s a call, σ {hold.sigma}"
        )
    axes.axvline(DRAIN_TIMEOUT / 60, color="#999", linestyle=":")
    axes.set(
        yscale="log",
        ylim=(0.01, 100),
        title="a drain: calls that still go on",
        xlabel="minutes since SIGTERM",
        ylabel="%",
    )
    axes.legend(fontsize="small", frameon=False)
    axes.grid(alpha=0.3)


def _blocking(axes: Any, lines: int, played: Sequence[Kept]) -> None:
    processes = range(1, BLOCKED // lines + 4)
    pooled = [100 * erlang_b(BLOCKED, number * lines) for number in processes]
    sticky = [100 * erlang_b(BLOCKED / number, lines) for number in processes]
    axes.plot(processes, pooled, label="any free line (Erlang B)")
    axes.plot(processes, sticky, label="only lines of one process")
    axes.plot(
        [each["processes"] for each in played],
        [100 * each["played"] for each in played],
        "o",
        label="any free line, as played",
    )
    axes.set(
        yscale="symlog",
        title=f"calls refused, of {BLOCKED:,} at once",
        xlabel=f"processes of {lines} calls",
        ylabel="%",
    )
    axes.legend(fontsize="small", frameon=False)
    axes.grid(alpha=0.3)
