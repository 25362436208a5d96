"""The tables of docs/scale.md, from what was reckoned."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40
Kept = Mapping[str, Any]


def page(kept: Kept) -> str:
    """All tables, as Markdown."""
    return "\n\n".join(
        "\n".join(table)
        for table in (
            _costs(kept["costs"]),
            _assumed(kept["centre"], kept["talk"]),
            _needs(kept["needs"]),
            _days(kept["days"]),
            _deploys(kept["deploys"]),
            _drains(kept["drains"]),
            _blocking(kept["blocking"]),
        )
    )


def number(value: float) -> str:
    """A figure with as many digits as it deserves."""
    if value >= 100:
        digits = len(str(int(value)))
        return f"{round(value, 3 - digits) if digits > 4 else round(value):,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"


def size(value: float) -> str:
    """Bytes, in a unit that suits them."""
    for unit, factor in (("TiB", TIB), ("GiB", GIB), ("MiB", MIB)):
        if value >= factor:
            return f"{number(value / factor)} {unit}"
    return f"{number(value / KIB)} KiB"


def duration(seconds: float) -> str:
    """A time, in a unit that suits it."""
    if seconds >= 5400:
        return f"{number(seconds / 3600)} h"
    return f"{number(seconds / 60)} min" if seconds >= 120 else f"{number(seconds)} s"


def _costs(costs: Kept) -> Iterator[str]:
    yield from _rows(
        ("what a call costs one process", ""),
        ("its beginning", f"{number(costs['begin'] * 1e3)} ms of a core"),
        ("a second in which nobody speaks", f"{number(costs['waiting'] * 1e6)} µs"),
        ("a turn, without its tokens", f"{number(costs['turn'] * 1e3)} ms"),
        ("a token", f"{number(costs['token'] * 1e6)} µs"),
        ("memory while it waits", size(costs["waiting_bytes"])),
        ("memory in the middle of an answer", size(costs["speaking_bytes"])),
        ("memory of the process itself", size(costs["process_bytes"])),
        ("on record for each token, all told", f"{number(costs['record_bytes'])} bytes"),
        ("… at the level `text`", f"{number(costs['text_bytes'])} bytes"),
    )


def _assumed(centre: Kept, does: Kept) -> Iterator[str]:
    habits, hold = centre["habits"], centre["hold"]
    yield from _rows(
        ("assumed", ""),
        ("a call lasts", f"{number(hold['mean'])} s on average, log-normal, σ {hold['sigma']:g}"),
        ("the caller's line", f"{number(habits['caller_words'])} words"),
        ("an answer", f"{number(habits['answer_tokens'])} tokens"),
        ("so a turn, listening included, takes", f"{number(does['seconds_a_turn'])} s"),
        ("an answer comes in during", f"{does['streaming']:.1%} of a call"),
        ("the model reads for each turn", f"{number(habits['prompt_tokens'])} tokens"),
        ("a process may be busy for", f"{centre['busy']:.0%} of its core"),
        ("calls of one process (`max_calls`)", number(centre["lines"])),
        ("callers who find no line, at most", f"{centre['most_refused']:.1%}"),
        ("the record is kept for", f"{centre['retention_days']} days"),
    )


def _needs(needs: Sequence[Kept]) -> Iterator[str]:
    calls = [number(each["calls"]) for each in needs]
    yield from _rows(
        ("simultaneous calls", *calls),
        *(
            (label, *(show(each[name]) for each in needs))
            for label, name, show in (
                ("begin, a second", "begun", number),
                ("turns a second", "turns", number),
                ("cores that are busy", "cores", number),
                ("processes, one core each", "processes", number),
                ("… asked for by", "decided_by", str),
                ("memory", "memory", size),
                ("descriptors of a process, at most", "descriptors", number),
                ("connections to the model", "to_model", number),
                ("… of a full process", "to_model_of_one", number),
                ("tokens that the model writes, a second", "tokens", number),
                ("tokens that it reads, a second", "read_by_model", number),
                ("rows of the record, a second", "rows", number),
                ("bytes of the record, a second", "bytes", size),
                ("its transactions, a second, at most", "transactions", number),
                ("its connections", "database_connections", number),
                ("kept in all", "kept", size),
                ("… at the level `text`", "kept_text", size),
            )
        ),
    )


def _days(days: Sequence[Kept]) -> Iterator[str]:
    yield from _rows(
        ("a day, as played", *(number(day["calls"]) for day in days)),
        ("calls of the day", *(number(day["of_the_day"]) for day in days)),
        ("live in the busiest hour, mean", *(number(day["mean"]) for day in days)),
        ("… at most", *(number(day["most"]) for day in days)),
        ("a day's mean beside the busiest hour's", *(f"{day['share']:.0%}" for day in days)),
        ("begin in the worst second", *(number(day["most_begun"]) for day in days)),
    )


def _deploys(deploys: Sequence[Kept]) -> Iterator[str]:
    yield from _rows(
        ("a rolling deploy", *(number(each["calls"]) for each in deploys)),
        ("processes", *(number(each["processes"]) for each in deploys)),
        ("calls hung up", *(number(each["calls_cut"]) for each in deploys)),
        ("batch after batch", *(duration(each["in_turn"]) for each in deploys)),
        ("without waiting for a drain", *(duration(each["at_once"]) for each in deploys)),
        ("… processes meanwhile", *(number(each["most_processes"]) for each in deploys)),
    )


def _drains(drains: Sequence[Kept]) -> Iterator[str]:
    yield from _rows(
        ("`drain_timeout`", *(duration(each["seconds"]) for each in drains)),
        *(
            (f"{duration(mean)} a call, σ {sigma:g}", *(f"{each[name]:.2%}" for each in drains))
            for name, mean, sigma in (("short", 120, 0.8), ("middle", 240, 1.0), ("long", 480, 1.0))
        ),
    )


def _blocking(blocking: Sequence[Kept]) -> Iterator[str]:
    yield from _rows(
        ("processes", *(number(each["processes"]) for each in blocking)),
        ("Erlang's formula, any free line", *(f"{each['pooled']:.3%}" for each in blocking)),
        ("… as played", *(f"{each['played']:.3%}" for each in blocking)),
        ("a line of one given process only", *(f"{each['sticky']:.3%}" for each in blocking)),
    )


def _rows(*rows: Iterable[str]) -> Iterator[str]:
    head, *rest = (list(row) for row in rows)
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in rest:
        yield f"| {' | '.join(row)} |"
