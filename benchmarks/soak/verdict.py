"""What a soak is held to, and whether it was so. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.soak.slope import slope, warm

Kept = dict[str, Any]
KIB = 1024

GROWS: tuple[tuple[str, str, float, str], ...] = (
    ("memory", "memory, beside SQLite's page cache, grows with each call", 16 * KIB, "KiB"),
    ("tasks", "asyncio tasks, grow a minute", 4, ""),
    ("descriptors", "descriptors, grow a minute", 4, ""),
    ("threads", "threads, grow a minute", 0.5, ""),
    ("to_model", "connections to the model, grow a minute", 4, ""),
)
"""What is looked at, what it is, the most it may be, and its unit.

Fifty callers make some 250 calls and 1,500 turns a minute: one turn in a hundred that leaves a task
or a descriptor is beyond these. Of memory, some KiB of each call (of asyncio's connections) wait
for Python's garbage collector, which looks at what is old less often than every ten minutes; a
call that is kept is 30 and more. That those KiB go, `benchmarks/held --only finished` shows.
"""
LEFT: tuple[tuple[str, str], ...] = (
    ("calls", "calls, when all have hung up"),
    ("tasks", "tasks more than before the first call, then"),
)
NEVER: tuple[tuple[str, str], ...] = (
    ("lost", "turns lost"),
    ("strays", "frames after an interrupt, a newer request, or the end"),
    ("foreign", "answers with words of another turn"),
    ("not_whole", "answers that were not whole, with a model that was well"),
    ("refused", "calls not taken"),
    ("errors", "lines in the log that are errors of the bridge's own"),
)
HEALTHZ = 0.1
CACHE = 16_000 * KIB
"""`PRAGMA cache_size` of the connection that writes (bridge/store/database/sqlite.py)."""


class Found(NamedTuple):
    """One thing that was looked at."""

    what: str
    most: float
    found: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it is no more than it may be."""
        return self.found <= self.most

    def row(self) -> str:
        """It, for the page."""
        factor = {"KiB": 1 / KIB, "ms": 1e3}.get(self.unit, 1)
        most, found = (f"{value * factor:,.1f}".removesuffix(".0") for value in self[1:3])
        met = "met" if self.met else "**not met**"
        return f"| {self.what} | {f'{most} {self.unit}'.strip()} | {found} {self.unit}".rstrip() + (
            f" | {met} |"
        )


def found(kept: Kept) -> Iterator[Found]:
    """Everything that is held to something."""
    samples: Sequence[Kept] = kept["samples"]
    for name, what in NEVER:
        yield Found(what, 0, float(kept["never"][name]), "")
    slowest = max(sample["healthz"] for sample in samples)
    yield Found("`/healthz`, the slowest of all", HEALTHZ, slowest, "ms")
    talk = [sample for sample in samples if kept["began"] <= sample["at"] <= kept["ended"]]
    for name, what, most, unit in GROWS:
        points = [(sample["at"] / 60, _held(sample, name)) for sample in talk]
        per = kept["calls"] / kept["minutes"] if name == "memory" else 1.0
        yield Found(what, most, slope(warm(points)) / per, unit)
    for name, what in LEFT:
        before = samples[0][name]
        yield Found(what, 0, max(0.0, samples[-1][name] - before), "")


def _held(sample: Kept, name: str) -> float:
    """Memory without what SQLite keeps of the record at most: it grows with it, up to there."""
    cached = min(sample["record"], CACHE) if name == "memory" else 0.0
    return float(sample[name] - cached)


def table(kept: Kept) -> str:
    """What was looked at, as Markdown."""
    head = ["| held figure | at most | measured | |", "|---|---:|---:|---|"]
    return "\n".join([*head, *(each.row() for each in found(kept))])


def counts(kept: Kept) -> str:
    """What the callers did, and what came of it, in a few sentences."""
    turns, asked = kept["turns"], sum(kept["turns"].values())
    became = ", ".join(
        f"{turns.get(name, 0):,} {said}"
        for name, said in (
            ("answered", "answered"),
            ("interrupted", "interrupted"),
            ("superseded", "overtaken by a newer one"),
            ("hung_up", "left by a caller who hung up"),
            ("cut", "cut off by the line"),
            ("lost", "lost"),
        )
    )
    about = kept["about"]
    return (
        f"{kept['minutes']:g} minutes, {kept['callers']} callers, seed {kept['seed']}: "
        f"{kept['calls']:,} calls, {asked:,} turns asked, of which {became}. "
        f"`/healthz` was asked {sum(each['asked'] for each in kept['samples']):,} times. "
        f"{about['began'][:16].replace('T', ' ')}, {about['processor']}, {about['cores']} cores, "
        f"load {about['load_before']:.1f} before and {about['load_after']:.1f} after."
    )


def violated(kept: Kept) -> bool:
    """Whether anything is not as it must be."""
    return not all(each.met for each in found(kept))
