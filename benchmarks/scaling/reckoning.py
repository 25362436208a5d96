"""Everything that docs/scale.md tells, reckoned from the measured costs and the call centre."""

from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.scaling.costs import Costs
from benchmarks.scaling.erlang import Hold, erlang_b
from benchmarks.scaling.needs import Centre, Needs, core_seconds, needs
from benchmarks.scaling.rollout import rollout
from benchmarks.scaling.talk import talk
from benchmarks.scaling.traffic import PROFILE, Day, day, refused

STEPS = (100, 10_000, 1_000_000)
"""Simultaneous calls."""
CURVE = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
DAY_SHARE = sum(PROFILE) / max(PROFILE) / len(PROFILE)
"""A day's mean beside its busiest hour."""
DRAINS = (120.0, 300.0, 600.0, 1800.0, 3600.0)
HOLDS = {"short": Hold(120, 0.8), "middle": Hold(240, 1.0), "long": Hold(480, 1.0)}
DRAIN_TIMEOUT = 600.0
"""The setting's default."""
SURGE = 0.25
BLOCKED = 1_900
"""Calls that would be live if none were refused, where refusals are looked at."""
_MINUTE = 60


def reckon(costs: Costs, centre: Centre, *, seed: int = 1) -> dict[str, Any]:
    """All figures, as plain data; the same for the same costs."""
    chance = np.random.default_rng(seed)
    does = talk(centre.habits, chance)
    days = {calls: day(calls, centre.hold, chance) for calls in STEPS}
    asked = {calls: needs(calls, costs, centre, does, DAY_SHARE) for calls in STEPS}
    return {
        "costs": asdict(costs),
        "centre": asdict(centre),
        "talk": asdict(does),
        "core_of_a_call": core_seconds(costs, centre, does),
        "needs": [asdict(each) for each in asked.values()],
        "curve": [asdict(needs(calls, costs, centre, does, DAY_SHARE)) for calls in CURVE],
        "days": [_shown(calls, played) for calls, played in days.items()],
        "deploys": [_deploy(each, centre) for each in asked.values()],
        "drains": [
            {"seconds": seconds, **{name: hold.left(seconds) for name, hold in HOLDS.items()}}
            for seconds in DRAINS
        ],
        "blocking": _blocking(centre, chance),
    }


def _shown(calls: int, played: Day) -> dict[str, Any]:
    """A day in figures, and minute by minute."""
    mean = float(played.busiest.mean())
    return {
        "calls": calls,
        "of_the_day": played.calls,
        "mean": mean,
        "most": int(played.busiest.max()),
        "share": float(played.live.mean()) / mean,
        "most_begun": int(played.begun.max()),
        "minutes": [int(live) for live in played.live[::_MINUTE]],
    }


def _deploy(asked: Needs, centre: Centre) -> dict[str, Any]:
    planned = rollout(asked.processes, centre.hold, DRAIN_TIMEOUT, SURGE)
    return {"calls": asked.calls, "calls_cut": asked.calls * planned.cut, **asdict(planned)}


def _blocking(centre: Centre, chance: np.random.Generator) -> list[dict[str, Any]]:
    """Refusals of processes that share a load: any free line will do, or only those of one."""
    found = []
    for processes in range(BLOCKED // centre.lines, BLOCKED // centre.lines + 3):
        lines = processes * centre.lines
        found.append(
            {
                "processes": processes,
                "pooled": erlang_b(BLOCKED, lines),
                "played": refused(BLOCKED, lines, centre.hold, chance, calls=400_000),
                "sticky": erlang_b(BLOCKED / processes, centre.lines),
            }
        )
    return found
