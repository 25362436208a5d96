"""What calls cost, as measured: from the kept results of benchmarks/speed and benchmarks/held."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

RESULTS = Path(__file__).parents[1] / "results"
TOKENS = 100
"""Of each answer in `benchmarks/speed`."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one core, bytes, descriptors, rows: of one process of the bridge."""

    begin: float
    """A call's beginning: handshake, `start_call`, a connection to the model."""
    waiting: float
    """Each second of a call in which nothing happens: pings."""
    turn: float
    """A turn, without its tokens."""
    token: float
    process_bytes: float
    """A process without calls."""
    waiting_bytes: float
    """A call that waits."""
    speaking_bytes: float
    """A call in the middle of an answer, all that it is."""
    process_descriptors: float
    record_bytes: float
    """A token on record, with its share of turn and call: mostly frames, at the level `full`."""
    text_bytes: float
    """The same at the level `text`: without frames."""
    record_rows: float
    """Rows that a turn becomes, frames included."""

    @classmethod
    def read(cls, results: Path = RESULTS) -> Self:
        """Those that are kept.

        What a turn of a hundred tokens costs is the figure of `benchmarks/speed`; how it divides
        into turn and tokens is that of `benchmarks/held`.
        """
        speed = json.loads((results / "speed.json").read_text())["figures"]
        held: dict[str, Any] = json.loads((results / "held.json").read_text())["figures"]
        whole = TOKENS * median(speed["100 calls"]["bridge"]["cpu_per_token"])
        of_token, of_turn = held["cost"]["cpu_of_token"][0], held["cost"]["cpu_of_turn"][0]
        share = whole / (of_turn + TOKENS * of_token)
        idle, record, plain = held["idle"], held["record"], held["text"]
        turns = record["turns"][0]
        return cls(
            begin=idle["cpu_to_begin"][0],
            waiting=idle["cpu_a_second"][0],
            turn=of_turn * share,
            token=of_token * share,
            process_bytes=idle["before"][0],
            waiting_bytes=idle["bytes"][0],
            speaking_bytes=held["speaking"]["bytes"][0],
            process_descriptors=idle["descriptors_before"][0],
            record_bytes=record["bytes_of_a_call"][0] / turns / TOKENS,
            text_bytes=plain["bytes_of_a_call"][0] / turns / TOKENS,
            record_rows=record["rows_of_a_call"][0] / turns,
        )
