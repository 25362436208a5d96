"""Looks at the bridge from a process of its own: what it holds, and how soon `/healthz` answers.

`python -m benchmarks.soak.watch PORT PID MODEL_PORT` in the bridge's folder writes a line of JSON
every two seconds, until its standard input ends.
"""

import http.client
import json
import os
import re
import select
import sys
import time
from pathlib import Path

EVERY = 2.0
"""Seconds between two looks."""
HEALTH_EVERY = 0.1
"""Seconds between two questions to `/healthz`, each on a connection of its own, as a probe has."""


def asked(port: int, path: str) -> str:
    """What the bridge says to a request."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        text = answer.read().decode()
    finally:
        line.close()
    if answer.status != 200:
        raise ConnectionError(f"{path} answers {answer.status}")
    return text


def look(port: int, pid: int, model_port: int) -> dict[str, float]:
    """What the process holds now."""
    process, metrics = Path(f"/proc/{pid}"), asked(port, "/metrics")
    memory = re.findall(r"Private_\w+:\s+(\d+) kB", (process / "smaps_rollup").read_text())
    found = dict(re.findall(r"^millis_bridge_(calls_live|loop_tasks) (\S+)$", metrics, re.M))
    return {
        "memory": float(sum(map(int, memory)) * 1024),
        "record": float(sum(file.stat().st_size for file in Path().glob("calls.db*"))),
        "tasks": float(found["loop_tasks"]),
        "calls": float(found["calls_live"]),
        "descriptors": float(len(os.listdir(process / "fd"))),  # noqa: PTH208 - only their number
        "threads": float(len(os.listdir(process / "task"))),  # noqa: PTH208
        "to_model": float(to(model_port, process)),
    }


def to(port: int, process: Path) -> int:
    """Connections of a process to a port that are established."""
    own = set()
    for file in (process / "fd").iterdir():
        try:
            own.add(str(file.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    rows = (row.split() for row in (process / "net/tcp").read_text().splitlines()[1:])
    return sum(
        row[2].endswith(f":{port:04X}") and row[3] == "01" and f"socket:[{row[9]}]" in own
        for row in rows
    )


def main() -> None:
    """Look until nobody listens."""
    port, pid, model_port = (int(each) for each in sys.argv[1:])
    began, waits, due = time.monotonic(), [0.0][:0], 0.0
    while not select.select([sys.stdin], [], [], HEALTH_EVERY)[0]:
        at = time.monotonic()
        asked(port, "/healthz")
        waits.append(time.monotonic() - at)
        if at - began >= due:
            seen = {"at": round(at - began, 1), **look(port, pid, model_port)}
            print(json.dumps({**seen, "healthz": max(waits), "asked": len(waits)}), flush=True)
            waits.clear()
            due += EVERY


if __name__ == "__main__":
    main()
