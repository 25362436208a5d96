"""What the tests of the spool share: notes, a disk that is full, a process that dies."""

import asyncio
import os
import resource
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bridge.store.losses import Losses
from bridge.store.notes.note import Head, Note
from bridge.store.spool.folders import Folder
from bridge.store.spool.spool import REMEMBERED, Spool

TURN: dict[str, Any] = {
    "stream_id": "1",
    "at_ms": 5,
    "place": 0,
    "ahead": False,
    "asked": "Hello?",
    "said": "Hi.",
    "said_chars": 3,
    "heard": None,
    "heard_chars": None,
    "outcome": "complete",
    "failure": None,
    "model": "demo",
    "tokens_in": 1,
    "tokens_out": 2,
    "messages": None,
    "first_token_ms": 1,
    "first_frame_ms": 2,
    "last_frame_ms": 3,
    "tools_ms": 0,
}
TALLY: dict[str, Any] = {
    "ended_at": None,
    "ending": None,
    "turns": 1,
    "interrupted": 0,
    "failed": 0,
    "tools": 0,
    "slowest_ms": 2,
    "tokens_in": 1,
    "tokens_out": 2,
}


def head_of(call: str, replica: str = "here-1-00", started_at: int = 1_000) -> Head:
    return Head(call, f"session of {call}", "agent", started_at, replica, "full")


def turn_note(call: str, number: int, said: str = "Hi.", *, replica: str = "here-1-00") -> Note:
    row = {**TURN, "number": number, "said": said, "said_chars": len(said)}
    return Note("turn", head_of(call, replica), number, row)


def end_note(call: str, seq: int, *, replica: str = "here-1-00") -> Note:
    return Note("tally", head_of(call, replica), seq, {**TALLY, "ended_at": 9, "ending": "hung_up"})


@dataclass
class Desk:
    """A spool in a folder of its own, and how to end its process."""

    remembered: ClassVar[int] = REMEMBERED
    """Bytes of notes that a spool need not read again."""
    spool_dir: Path
    folder: Folder
    spool: Spool
    losses: Losses

    @classmethod
    def open(cls, spool_dir: Path, limit: int = 1 << 26, **sizes: int) -> "Desk":
        folder, losses = Folder.claim(spool_dir), Losses()
        sizes = {"remembered": cls.remembered, **sizes}
        return cls(spool_dir, folder, Spool(folder, limit, losses, **sizes), losses)

    def die(self) -> None:
        """As SIGKILL does: what is in memory is gone, and the lock is free."""
        for segment in self.spool._files.files:
            segment.seal()
        os.close(self.folder._lock)

    def close(self) -> None:
        self.spool.close()
        self.folder.release()

    def take_all(self) -> list[Note]:
        """Read all there is, as if it went into the database."""
        return list(taken(self.spool))

    @property
    def lost(self) -> dict[str, int]:
        return {str(reason): notes for reason, notes in self.losses.counts.items()}

    @property
    def bytes_on_disk(self) -> int:
        return sum(path.stat().st_size for path in self.folder.segments())


def taken(spool: Any) -> Iterator[Note]:
    """Read all there is in a spool, or in an abandoned one."""
    while (batch := spool.batch()) is not None:
        yield from batch.notes
        spool.done()


@contextmanager
def limited(what: int, to: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (to, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


def full_disk(at: int = 0) -> AbstractContextManager[None]:
    """No file of this process can grow beyond so many bytes."""
    return limited(resource.RLIMIT_FSIZE, at)


def no_descriptors() -> AbstractContextManager[None]:
    """This process can open nothing more."""
    return limited(resource.RLIMIT_NOFILE, 0)


class MemoryTables:
    """A database in memory. `script`: an exception or an event for each thing asked of it."""

    def __init__(self, *script: Exception | asyncio.Event | None) -> None:
        self.script = list(script)
        self.refuses: Callable[[Note], Exception | None] = lambda _: None
        self.saved: list[tuple[Note, ...]] = []
        self.asked: Counter[str] = Counter()
        self.erased: set[str] = set()
        self.orphans: dict[str, list[str]] = {}
        self.swept_before: list[int] = []
        self.asking = asyncio.Event()
        """Something is being asked of it."""

    @property
    def notes(self) -> list[Note]:
        return [note for batch in self.saved for note in batch]

    async def _answer(self, question: str) -> None:
        self.asked[question] += 1
        self.asking.set()
        match self.script.pop(0) if self.script else None:
            case asyncio.Event() as event:
                await event.wait()
            case Exception() as error:
                raise error
            case None:
                await asyncio.sleep(0)

    async def open(self) -> None:
        await self._answer("open")

    async def save(self, notes: Sequence[Note]) -> Counter[str]:
        await self._answer("save")
        for note in notes:
            if (error := self.refuses(note)) is not None:
                raise error
        kept = [note for note in notes if note.head.id not in self.erased]
        self.saved.append(tuple(kept))
        return Counter(erased=len(notes) - len(kept))

    async def seen(self, replica: str) -> None:
        await self._answer(f"seen {replica}")

    async def open_calls(self, replica: str) -> list[str]:
        await self._answer(f"open calls {replica}")
        return list(self.orphans.get(replica, []))

    async def abort_orphans(self, replica: str) -> list[str]:
        await self._answer(f"abort {replica}")
        return self.orphans.pop(replica, [])

    async def sweep(self, before_ms: int) -> int:
        self.asked["sweep"] += 1
        self.swept_before.append(before_ms)
        return 0


async def until(true: Callable[[], object]) -> None:
    """Wait for what nobody tells."""
    while not true():  # noqa: ASYNC110 - see above
        await asyncio.sleep(0.002)
