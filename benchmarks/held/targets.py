"""What one process is held to, and whether it is so."""

from collections.abc import Iterator
from typing import Any

KIB = 1024
TARGETS: tuple[tuple[str, str, str, float, float, str], ...] = (
    ("5,000 calls that wait, each", "idle", "bytes", 1, 32 * KIB, "KiB"),
    ("100 calls in a turn, each", "speaking", "bytes", 1, 400 * KIB, "KiB"),
    ("kept of each of 20,000 finished calls", "finished", "kept", 1, 1 * KIB, "KiB"),
    ("100 calls speak: lag of the event loop, p99", "lag", "lag", 0.99, 0.05, "ms"),
    ("100 calls speak: `/healthz`, the slowest", "lag", "healthz", 1, 0.1, "ms"),
    ("interrupts lost, of 10,000", "interrupts", "lost", 1, 0, ""),
)
"""What, scene, figure, quantile, the most it may be, and the unit it is shown in."""

FACTORS = {"KiB": 1 / KIB, "ms": 1e3, "": 1.0}

Kept = dict[str, Any]


def quantile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    some = sorted(values)
    return some[min(len(some) - 1, int(len(some) * share))]


def table(kept: Kept) -> str:
    """The targets and what was measured, when, and under which load, as Markdown."""
    return "\n".join(
        [
            "| held figure | at most | measured | | when | load before, after |",
            "|---|---:|---:|---|---|---:|",
            *_rows(kept),
        ]
    )


def missed(kept: Kept) -> bool:
    """Whether a figure is beyond its target."""
    return any(found > most for _, found, most, _, _ in _found(kept))


def _rows(kept: Kept) -> Iterator[str]:
    for what, found, most, unit, about in _found(kept):
        factor = FACTORS[unit]
        shown = f"{found * factor:.1f} {unit}" if unit else f"{found:g}"
        met = "met" if found <= most else "**not met**"
        load = f"{about['load_before']:.1f}, {about['load_after']:.1f}"
        yield (
            f"| {what} | {f'{most * factor:g} {unit}'.strip()} | {shown} | {met} "
            f"| {about['began'][:16].replace('T', ' ')} | {load} |"
        )


def _found(kept: Kept) -> Iterator[tuple[str, float, float, str, Kept]]:
    for what, scene, name, share, most, unit in TARGETS:
        if scene in kept["figures"]:
            found = quantile(kept["figures"][scene][name], share)
            yield what, found, most, unit, kept["about"][scene]
