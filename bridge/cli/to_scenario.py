"""`bridge calls to-scenario`: a call on record, as a scenario for `bridge test`."""

import sys
from pathlib import Path
from typing import Final

from bridge.cli.record import fail, with_archive
from bridge.cli.words import count
from bridge.local.plain import cut, plain
from bridge.scenarios.reading import ScenarioError
from bridge.scenarios.recorded import recorded
from bridge.scenarios.writing import written
from bridge.settings import Settings
from bridge.store.reading.archive import Archive
from bridge.store.shapes import CallDetail

_LONGEST_NAME: Final = 80


def to_scenario(
    settings: Settings, name: str, *, out: Path | None, words: bool, numbers: bool
) -> int:
    """Write or print the scenario of a call."""

    async def look(archive: Archive) -> list[CallDetail]:
        return await archive.call(name, frames=True)

    calls = with_archive(settings, look)
    shown = repr(cut(plain(name), _LONGEST_NAME))
    if not calls:
        fail(f"no call {shown} on record: `bridge calls` lists them", 1)
    try:
        made = recorded(calls, words=words, numbers=numbers)
        text = written(made)
    except (ValueError, ScenarioError) as error:
        fail(f"no scenario of call {shown}: {error}", 1)
    if out is None:
        sys.stdout.write(text)
        return 0
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        fail(f"{out} is there already: name another file", 1)
    except OSError as error:
        fail(f"cannot write {out}: {error.strerror}", 1)
    turns = count(len(made.steps), "turn")
    sys.stderr.write(f"{plain(out)} written, with {turns}: `bridge test {plain(out)}` plays it\n")
    return 0
