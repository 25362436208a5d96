"""What so many simultaneous calls need."""

import math
from dataclasses import dataclass, field

from benchmarks.scaling.costs import Costs
from benchmarks.scaling.erlang import Hold, lines_for
from benchmarks.scaling.talk import Habits, Talk

PORTS = 60_999 - 32_768 + 1
"""Connections that one address can have to one other address and port: Linux's ephemeral range."""


@dataclass(frozen=True, slots=True)
class Centre:
    """A call centre, and how it is served. All of it is chosen, not measured."""

    hold: Hold = field(default_factory=lambda: Hold(240, 1.0))
    habits: Habits = field(default_factory=Habits)
    busy: float = 0.5
    """How much of its core a process may have to do; above, first words wait for each other."""
    lines: int = 500
    """`BRIDGE_MAX_CALLS`: of one process."""
    most_refused: float = 0.001
    """Calls that may find no free line."""
    least: int = 2
    """Processes, for one that fails."""
    retention_days: int = 30


@dataclass(frozen=True, slots=True)
class Needs:
    """All of it for one number of simultaneous calls."""

    calls: float
    begun: float
    """Calls a second."""
    turns: float
    tokens: float
    cores: float
    """That are busy, all processes together."""
    processes: int
    decided_by: str
    """What asked for the most processes: `cores`, `lines` or `least`."""
    memory: float
    descriptors: int
    """Of one process, at its `lines`."""
    to_model: int
    """Connections to the model at once, in a bad moment."""
    to_model_of_one: int
    """Those of one process."""
    read_by_model: float
    """Tokens a second of prompts and histories."""
    rows: float
    """Rows a second into the record."""
    bytes: float
    """Bytes a second into the record."""
    kept: float
    """Bytes that stay, with retention and the days as they are."""
    kept_text: float
    """The same at the level `text`."""
    transactions: float
    """Of the record, a second."""
    database_connections: int


def core_seconds(costs: Costs, centre: Centre, does: Talk) -> float:
    """Seconds of a core that one simultaneous call takes in a second."""
    return (
        costs.begin / centre.hold.mean
        + costs.waiting
        + does.turns * costs.turn
        + does.tokens * costs.token
    )


def needs(calls: float, costs: Costs, centre: Centre, does: Talk, day_share: float) -> Needs:
    """What so many calls at once need; `day_share` is a day's mean beside its busiest hour's."""
    cores = calls * core_seconds(costs, centre, does)
    asked = {
        "cores": math.ceil(cores / centre.busy),
        "lines": math.ceil(lines_for(calls, centre.most_refused) / centre.lines),
        "least": centre.least,
    }
    decided_by = max(asked, key=lambda name: asked[name])
    processes = asked[decided_by]
    begun = calls / centre.hold.mean
    streaming = calls * does.streaming
    of_one = centre.lines * does.streaming
    tokens = calls * does.tokens
    written = tokens * costs.record_bytes
    days = day_share * 86_400 * centre.retention_days
    speaking = streaming * (costs.speaking_bytes - costs.waiting_bytes)
    return Needs(
        calls=calls,
        begun=begun,
        turns=calls * does.turns,
        tokens=tokens,
        cores=cores,
        processes=processes,
        decided_by=decided_by,
        memory=processes * costs.process_bytes + calls * costs.waiting_bytes + speaking,
        descriptors=math.ceil(costs.process_descriptors + centre.lines + _in_a_bad_moment(of_one)),
        to_model=math.ceil(_in_a_bad_moment(streaming)),
        to_model_of_one=math.ceil(_in_a_bad_moment(of_one)),
        read_by_model=calls * does.turns * centre.habits.prompt_tokens,
        rows=calls * does.turns * costs.record_rows,
        bytes=written,
        kept=written * days,
        kept_text=tokens * costs.text_bytes * days,
        transactions=processes * _batches(begun / processes) + processes / _SEEN,
        database_connections=processes * _POOL,
    )


_POOL = 4
"""Two engines of two connections each (`store/database/postgresql.py`); eight in a rush."""
_SEEN = 30.0
"""Seconds between two signs of life of a process (`store/writing/writer.py`)."""
_LONGEST = 20.0
"""Batches a second that a process can write if a call ends all the time: about 50 ms each."""


def _batches(ends: float) -> float:
    """Transactions of one process a second: one for what was gathered, and one for each end."""
    return min(1 + ends, _LONGEST)


def _in_a_bad_moment(mean: float) -> float:
    """What is exceeded for seconds a day: the mean and four deviations of a Poisson number."""
    return mean + 4 * math.sqrt(mean)
