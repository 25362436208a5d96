"""What replacing all processes costs while calls go on."""

import math
from dataclasses import dataclass

from benchmarks.scaling.erlang import Hold

START = 10.0
"""Seconds until a new process is ready: two to start, and what a scheduler takes to place it."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One way of replacing them."""

    processes: int
    drain_timeout: float
    surge: float
    """The share of processes that may be there beyond their number."""
    cut: float
    """The share of the calls live at SIGTERM that are hung up after `drain_timeout`."""
    batches: int
    in_turn: float
    """Seconds, if each batch waits until the one before it has drained."""
    at_once: float
    """Seconds until all are new and the last old one is gone, if none waits (Kubernetes)."""
    most_processes: int
    """That are there at the same time if none waits."""


def rollout(processes: int, hold: Hold, drain_timeout: float, surge: float) -> Rollout:
    """Replace so many processes. With a thousand calls, some always last to the end of a drain."""
    together = max(1, math.ceil(processes * surge))
    batches = math.ceil(processes / together)
    starts = batches * START
    gone = min(1.0, starts / max(drain_timeout, 1.0))
    return Rollout(
        processes=processes,
        drain_timeout=drain_timeout,
        surge=surge,
        cut=hold.left(drain_timeout),
        batches=batches,
        in_turn=batches * (START + drain_timeout),
        at_once=starts + drain_timeout,
        most_processes=2 * processes if gone < 1 else processes + together,
    )
