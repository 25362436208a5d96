"""The whole bridge beside the floor, beside LangChain as it comes, beside its peers: in one run.

`python benchmarks/speed [--rounds N] [--only SCENE …] [--out FILE]`, or `make bench`. All servers
are started once, each pinned to the same core, and take turns: who is not measured is stopped
(SIGSTOP). Callers and the fake model have the other core. Writes the raw figures as JSON, then a
table and, where matplotlib is installed, a plot.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import starting
from report import Report, machine, page, read
from scenes import (
    Failed,
    Interrupts,
    Memory,
    RoundTrip,
    Scene,
    Talk,
    ThinkingAhead,
)
from servers import CORE, HERE, ROOT, Server, bridge, floor, peer
from talker import Model, model

SCENES: dict[str, Scene] = {
    "memory": Memory(),
    "1 call": Talk(1, turns=10),
    "1 call, 60 messages and 10 tools": Talk(1, turns=10, history=60),
    "20 calls": Talk(20),
    "20 calls in a burst": Talk(20, burst=True),
    "100 calls": Talk(100),
    "100 calls, 60 messages and 10 tools": Talk(100, history=60),
    "100 calls in a burst": Talk(100, burst=True),
    "200 calls": Talk(200),
    "200 calls in a burst": Talk(200, burst=True),
    "1 call, unpaced": Talk(1, paced=False, turns=30),
    "20 calls, unpaced": Talk(20, paced=False),
    "100 calls, unpaced": Talk(100, paced=False),
    "200 calls, unpaced": Talk(200, paced=False),
    "tool round trip": RoundTrip("price_of"),
    "interrupts, 100 calls": Interrupts(),
    "thinking ahead": ThinkingAhead(),
}
"""In this order. A scene with tools is for servers that have ten; all others have none."""

_TIMES = {"100 calls": 4}
"""How often a scene is played in a round, if not once: two targets are ratios of its figures, and
from one to the next the machine varies by a third."""
_ONLY_THE_BRIDGE = {"thinking ahead"}
_NOT_THE_FLOOR = {"tool round trip"}


def servers(tools: bool, names: Sequence[str]) -> list[Server]:
    """All that are installed here and named, with ten tools or with none; no name is all."""
    port = 18100 if tools else 18000
    folder = HERE / "tools" if tools else HERE / "no_tools"
    found = [floor(port), bridge(port + 1, folder), bridge(port + 2, folder, stock=True)]
    for number, name in enumerate(("pipecat", "livekit"), 3):
        if (ROOT / f".venv-{name}").exists():
            found.append(peer(name, port + number, tools=tools))
    return [server for server in found if not names or server.name in names]


def with_tools(name: str) -> bool:
    """Whether a scene is for servers with tools."""
    return "tool" in name


def measured(name: str, all_servers: Sequence[Server]) -> list[Server]:
    """Those that can play a scene."""
    if name in _ONLY_THE_BRIDGE:
        return [server for server in all_servers if server.name == "bridge"]
    if name in _NOT_THE_FLOOR:
        return [server for server in all_servers if server.name != "floor"]
    return list(all_servers)


@contextmanager
def started(all_servers: Sequence[Server], model_url: str) -> Iterator[None]:
    """Start all, one after the other, and hold them still."""
    try:
        for server in all_servers:
            server.start(model_url)
            server.hold()
        yield
    finally:
        for server in all_servers:
            server.stop()


async def play(name: str, server: Server, talker: Model, report: Report) -> None:
    """Measure one scene with one server."""
    server.go_on()
    try:
        gc.collect()
        gc.disable()  # a pause of the callers' would look like one of the server's
        await server.quiet()  # what the scene before has left to do is not this one's
        report.add(name, server.name, await SCENES[name].run(server, talker))
    except (Failed, TimeoutError, ConnectionError, OSError) as error:
        report.fail(name, server.name, f"{type(error).__name__}: {error}"[:200])
    finally:
        gc.enable()
        await server.quiet()
        server.hold()


def played(names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The scenes of one round, each with how often it was played before."""
    for name in names:
        for time in range(_TIMES.get(name, 1)):
            yield name, time


async def run(names: Sequence[str], players: Sequence[str], rounds: int, report: Report) -> None:
    """All scenes, so many times, the servers taking turns in each."""
    kinds = {tools: servers(tools, players) for tools in {with_tools(name) for name in names}}
    with model() as talker:
        everybody = [server for kind in kinds.values() for server in kind]
        with started(everybody, talker.base_url):
            for number in range(rounds):
                for name, time in played(names):
                    turns = measured(name, kinds[with_tools(name)])
                    first = (number + time) % len(turns) if turns else 0
                    for player in turns[first:] + turns[:first]:
                        sys.stderr.write(f"\r{number + 1}/{rounds} {name}: {player.name}   \033[K")
                        await play(name, player, talker, report)
    sys.stderr.write("\n")


def show(report: Report, kept: Path) -> None:
    """Print the table, and draw the plot beside the raw figures."""
    print(page(report))
    try:
        from plot import draw  # noqa: PLC0415 - matplotlib is an extra's
    except ImportError:
        print("no plot: matplotlib is not installed")
    else:
        draw(report, kept.with_suffix(".svg"))


def main() -> None:
    """Measure, keep the figures, and print the table."""
    options = argparse.ArgumentParser(description=__doc__, prog="benchmarks/speed")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--starts", type=int, default=5, help="starts of each kind to time")
    options.add_argument("--only", nargs="+", choices=SCENES, default=list(SCENES))
    options.add_argument("--servers", nargs="+", default=[], help="only these, by name")
    options.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/speed.json")
    options.add_argument("--show", type=Path, help="only show the figures kept in this file")
    asked = options.parse_args()
    if asked.show:
        show(read(asked.show), asked.show)
        return
    others = os.sched_getaffinity(0) - {CORE}
    os.sched_setaffinity(0, others or {CORE})
    report = Report(machine())
    if asked.starts:
        report.add("start", "bridge", starting.measure(asked.starts))
    asyncio.run(run(asked.only, asked.servers, asked.rounds, report))
    report.finish()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(report.as_json()))
    show(report, asked.out)


if __name__ == "__main__":
    main()
