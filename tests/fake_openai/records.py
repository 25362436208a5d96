"""What the server was asked and what became of it, and the scripts that wait for a request."""

import asyncio
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.fake_openai.chunks import Step, steps_of

EVENTS = ("request_started", "first_chunk_sent", "client_left", "finished", "connected")


@dataclass
class Record:
    """One request. Times are `time.monotonic()` seconds; `said` is the text that was sent, and
    `done` whether the [DONE] of a script was."""

    number: int
    body: dict[str, Any]
    headers: dict[str, str]
    connection: int
    port: int
    started_at: float
    chunks_sent: int = 0
    bytes_sent: int = 0
    first_chunk_at: float | None = None
    client_left_at: float | None = None
    finished_at: float | None = None
    finished: bool = False
    sent_at: list[float] = field(default_factory=list)
    said: str = ""
    done: bool = False


@dataclass
class Waiting:
    """A script that waits for a request that it matches."""

    steps: list[Step]
    match: str | None
    times: int


class Book:
    """All that was recorded and scripted since the last reset."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.connections = 0
        self._waiting: list[Waiting] = []
        self._counts: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    def enqueue(self, script: Any, match: str | None) -> None:
        keys = script if isinstance(script, dict) else {}
        match = keys.get("match", match)
        self._waiting.append(Waiting(steps_of(script), match, int(keys.get("times", 1))))

    def steps_for(self, body: dict[str, Any]) -> list[Step]:
        """Take the first script that waits for such a request; else repeat what the user said."""
        said = _last_user_line(body)
        for waiting in self._waiting:
            if waiting.match is None or waiting.match == body.get("model") or waiting.match in said:
                waiting.times -= 1
                self._waiting = [each for each in self._waiting if each.times > 0]
                return waiting.steps
        return steps_of({"say": f"You said: {said}"})

    async def note(self, event: str) -> None:
        async with self._changed:
            self._counts[event] += 1
            self._changed.notify_all()

    async def wait(self, event: str, count: int, seconds: float) -> int:
        """Return how often `event` has happened, once that is `count` or the time is up."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._counts[event] >= count)
        except TimeoutError:
            pass
        return self._counts[event]

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(record) for record in self.records]


def new_record(book: Book, body: dict[str, Any], headers: dict[str, str]) -> Record:
    number = len(book.records) + 1
    record = Record(number, body, headers, connection=0, port=0, started_at=time.monotonic())
    book.records.append(record)
    return record


def _last_user_line(body: dict[str, Any]) -> str:
    for message in reversed(body.get("messages", [])):
        if message.get("role") == "user":
            content = message.get("content")
            return content if isinstance(content, str) else ""
    return ""
