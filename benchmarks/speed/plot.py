"""The figures as a picture: what callers wait, and what a token costs, server beside server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from report import SERVERS, Report

COLOURS = dict(zip(SERVERS, ("#7f8c8d", "#0b7285", "#d9480f", "#862e9c", "#5f3dc4"), strict=True))
CALLS = (1, 20, 100, 200)
MARKS = dict(zip(SERVERS, "soDv^", strict=True))


def draw(report: Report, file: Path) -> None:
    """Write the picture as SVG."""
    mpl.rcParams["svg.hashsalt"] = "millis-bridge"  # the same figures give the same file
    figure = Figure(figsize=(11, 8.2), layout="constrained")
    spread, burst, shares, cost = figure.subplots(2, 2).flat
    _growth(spread, report, "calls that start evenly", ["1 call", *_many("{} calls")])
    _growth(burst, report, "calls that all ask at once", ["1 call", *_many("{} calls in a burst")])
    _shares(shares, report, "100 calls")
    _cost(cost, report)
    handles, labels = spread.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(SERVERS), frameon=False)
    about = report.about
    figure.suptitle(
        f"Added to the model's first word, and processor time per token\n"
        f"one core of {about['processor']}, Python {about['python']}, {about['began'][:10]}"
    )
    figure.savefig(file, metadata={"Date": None})


def _many(name: str) -> list[str]:
    return [name.format(calls) for calls in CALLS[1:]]


def _growth(axes: Any, report: Report, title: str, scenes: Sequence[str]) -> None:
    for server in SERVERS:
        points = [
            (calls, report.at(scene, server, "added", 0.5), report.at(scene, server, "added", 0.95))
            for calls, scene in zip(CALLS, scenes, strict=True)
        ]
        known = [(calls, low, high) for calls, low, high in points if low and high]
        if known:
            calls, low, high = zip(*known, strict=True)
            style = {"color": COLOURS[server], "marker": MARKS[server], "markersize": 5}
            axes.plot(calls, [x * 1e3 for x in low], label=server, **style)
            axes.fill_between(
                calls,
                [x * 1e3 for x in low],
                [x * 1e3 for x in high],
                color=COLOURS[server],
                alpha=0.12,
            )
    axes.set(
        xscale="log", yscale="log", title=title, xlabel="calls at once", ylabel="ms: p50 to p95"
    )
    axes.set_xticks(CALLS, [str(calls) for calls in CALLS])
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def _shares(axes: Any, report: Report, scene: str) -> None:
    for server in SERVERS:
        values = sorted(report.figures.get(scene, {}).get(server, {}).get("added", []))
        if values:
            shares = [100 * (n + 1) / len(values) for n in range(len(values))]
            axes.plot([v * 1e3 for v in values], shares, label=server, color=COLOURS[server])
    axes.set(xscale="log", title=f"{scene}: every turn", xlabel="ms added", ylabel="% of turns")
    axes.grid(alpha=0.3)


def _cost(axes: Any, report: Report) -> None:
    scenes = ("1 call", "20 calls", "100 calls", "100 calls, unpaced")
    width = 0.8 / len(SERVERS)
    for number, server in enumerate(SERVERS):
        heights = [(report.at(scene, server, "cpu_per_token", 0.5) or 0) * 1e6 for scene in scenes]
        places = [place + number * width for place in range(len(scenes))]
        axes.bar(places, heights, width, color=COLOURS[server], label=server)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(scenes))], scenes)
    axes.set(yscale="log", title="processor time per token, turn included", ylabel="µs")
    axes.grid(alpha=0.3, axis="y")
