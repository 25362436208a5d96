"""The figures that one process is held to: calls that wait, speak, are over.

`python benchmarks/held [--only SCENE …] [--out FILE]`: each scene has a bridge of its own, as users
run it, on one core; callers and the fake model have the others. 5,000 idle calls need `ulimit -n`
of 6,000 and more, here and there. Keeps the raw figures as JSON, from which `benchmarks/scale.py`
reckons, and ends with 1 if a target is missed.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "speed"))

from figures import Measure, cost, finished, idle, lag, record, speaking
from interrupts import interrupts
from report import machine
from servers import CORE, HERE, ROOT, bridge
from talker import Model, model
from targets import Kept, missed, table

SCENES: dict[str, Measure] = {
    "lag": lag,
    "speaking": speaking,
    "cost": cost,
    "record": record,
    "text": record,
    "idle": idle,
    "finished": finished,
    "interrupts": interrupts,
}
OUT = ROOT / "benchmarks/results/held.json"


def measure(name: str, talker: Model, number: int) -> dict[str, list[float]]:
    """Play one scene with a bridge of its own."""
    server = bridge(18400 + number, HERE / "no_tools")
    server.variables["BRIDGE_MAX_CALLS"] = "100000"
    if name == "text":
        server.variables["BRIDGE_RECORD"] = "text"
    if name == "interrupts":
        server.variables["BRIDGE_MAX_ANSWER_CHARS"] = "100000"  # only an interrupt ends an answer
    if name == "lag":
        server.command[1:3] = [str(Path(__file__).parent / "watched.py")]
    server.start(talker.base_url)
    try:
        figures = asyncio.run(SCENES[name](server, talker))
    finally:
        server.stop()
    return {name: [round(value, 9) for value in values] for name, values in figures.items()}


def main() -> None:
    """Measure, keep, print."""
    options = argparse.ArgumentParser(description=__doc__, prog="benchmarks/held")
    options.add_argument("--only", nargs="+", choices=SCENES, default=list(SCENES))
    options.add_argument("--out", type=Path, default=OUT)
    asked = options.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    others = os.sched_getaffinity(0) - {CORE}
    os.sched_setaffinity(0, others or {CORE})
    kept: Kept = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    kept = {"about": {}, "figures": {}, **kept}
    with model() as talker:
        for number, name in enumerate(asked.only):
            about = machine()
            del about["processor_times"]
            kept["figures"][name] = measure(name, talker, number)
            kept["about"][name] = {**about, "load_after": os.getloadavg()[0]}
            asked.out.write_text(json.dumps(kept, indent=1))
            print(f"{name}: load {about['load_before']:.1f} → {os.getloadavg()[0]:.1f}", flush=True)
    print(table(kept))
    sys.exit(missed(kept))


if __name__ == "__main__":
    main()
