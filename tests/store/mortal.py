"""A process that records calls until it is killed: python -m tests.store.mortal URL SPOOL_DIR DEATH

It prints each turn when that is on the disk, as Millis would hear the end of it then.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from bridge.logs import configure_logs
from bridge.store import Recorder, RecordSetup
from bridge.store.notes.note import Head, Note
from tests.store.spooling import TALLY, TURN


async def live(url: str, spool_dir: Path, death: str) -> None:
    async with Recorder(RecordSetup(url, "full", spool_dir, 1 << 26, 0)) as recorder:
        if death == "between commit and clearing the spool":
            recorder.on_ended = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        print(recorder.replica, flush=True)  # noqa: T201 - its parent reads it
        for number in range(1, 1_000_000):
            call = f"call-{number % 5}-{os.getpid()}"
            head = Head(call, f"session of {call}", "agent", 1_000, recorder.replica, "full")
            said = f"turn {number} " * 40
            row = {**TURN, "number": number, "said": said, "said_chars": len(said)}
            recorder._keep(Note("turn", head, 3 * number, row))
            recorder._keep(Note("frames", head, 3 * number + 1, {"data": os.urandom(2_000)}))
            over = death.startswith("between") and number >= 40 and number % 5 == 0
            recorder._keep(
                Note("tally", head, 3 * number + 2, {**TALLY, "ended_at": 5_000 if over else None})
            )
            recorder._flush()
            print(call, number, flush=True)  # noqa: T201
            await asyncio.sleep(0.002)


if __name__ == "__main__":
    configure_logs("warning", "json")
    asyncio.run(live(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
