"""What was said and done in a call: Millis knows the words, the ledger knows the deeds."""

import asyncio
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.protocol import Utterance

ToolOutcome = Literal["ok", "failed", "timeout", "refused", "cancelled"]

Identify = Callable[[Mapping[str, Any]], str | None]
"""Writes the arguments of a tool as a text that is equal for equal ones."""

_UNTOUCHABLE = frozenset({None, "ok", "timeout"})
"""Outcomes after which a side effect may have happened, so that it must not happen again; None: it
still may."""

_MAX_ASKED = 200
"""Characters of a line that are kept: enough to know it again, hours later."""
_MAX_READ = 4_000
"""Characters of a line that are looked at to know it again."""
_MAX_RESULTS = 1_000_000
"""Characters of results kept in a call; no model reads as much."""

_NO_WORD = re.compile(r"[\W_]+")


@dataclass(slots=True, eq=False)
class ToolUse:
    """One use of a tool, from the moment it is asked for."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    identity: str | None = None
    """The validated arguments as text; None if they may be used any number of times."""
    task: asyncio.Task[Any] | None = None
    """Runs the tool; None when it is over."""
    begun: bool = False
    """Whether the tool itself was called: until then, nothing can have happened."""
    result: str | None = None
    """What the model reads; None while the tool runs."""
    outcome: ToolOutcome | None = None
    told: bool = False
    """Whether the caller has heard an answer that knew the result."""
    late: bool = False
    """Whether it finished after its turn had been silenced."""
    question: str = ""
    """What the caller was asked instead of doing it, in plain words; empty once that is settled."""
    asked_at: float = 0.0
    """When they were asked, on the event loop's clock."""
    recorded: bool = False
    """Whether it was read from the record: then its identity has to be found out."""


@dataclass(slots=True, eq=False)
class Entry:
    """One turn: what it answered, what it did, and what it sent to be spoken."""

    stream_id: int | None
    """None while the turn is thought ahead."""
    number: int
    """Counts the turns of the call, from 1; the drafts that came to nothing, too."""
    transcript: tuple[Utterance, ...]
    """What Millis said when it asked; empty for the opening. Kept of the newest turn only."""
    asked: str = ""
    """How the line of the caller's begins that it answers, as `beginning` writes it."""
    place: int = -1
    """Which of the caller's lines that is, counted from 0; -1 for the opening."""
    digest: int | None = None
    """Tells one conversation from another; None for the opening."""
    uses: list[ToolUse] = field(default_factory=list)
    knows: list[ToolUse] = field(default_factory=list)
    """Uses whose results its model has read, before it said another word."""
    tells: list[ToolUse] = field(default_factory=list)
    """Uses whose results its model has read and spoken after."""
    said: str = ""
    over: bool = False
    """Whether it has ended, one way or another."""
    whole: bool = False
    """Whether it was sent to its end."""
    failed: bool = False
    """Whether the caller got an apology in place of the answer, or of its end."""
    cut: bool = False
    """Whether the caller spoke over it, or was gone, while it was sent or played."""
    played: bool = False
    """Whether Millis said that the caller has heard all of it."""

    def __post_init__(self) -> None:
        self.answers(self.transcript)

    def answers(self, transcript: tuple[Utterance, ...]) -> None:
        """Take this as what the turn answers."""
        self.transcript = transcript
        if transcript:
            lines = user_lines(transcript)
            self.asked = beginning(plain(lines[-1])) if lines else ""
            self.place = len(lines) - 1
            self.digest = hash(transcript)

    @property
    def can_be_repeated(self) -> bool:
        """Whether all of a good answer was sent, so that it can be said again as it was."""
        return self.whole and not self.failed and not self.cut

    def speaks(self) -> None:
        """The model says something: from now on the caller hears of what it knows."""
        self.tells += self.knows
        self.knows = []


class Ledger:
    """The turns of one call, oldest first. It outlives a socket that drops in mid-call."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = list(entries)
        self.opened = max((entry.number for entry in self.entries), default=0)
        """Turns that were begun, drafts included."""

    def open(self, stream_id: int | None, transcript: tuple[Utterance, ...]) -> Entry:
        """Begin the record of a turn; one without a stream is no part of the call yet."""
        self.opened += 1
        entry = Entry(stream_id, self.opened, transcript)
        entry.knows = [u for u in self._all_uses() if u.result is not None and not u.told]
        if stream_id is not None:
            self.entries.append(entry)
        return entry

    def promote(self, entry: Entry, stream_id: int, transcript: tuple[Utterance, ...]) -> None:
        """Millis has asked for a turn that was begun ahead."""
        entry.stream_id = stream_id
        entry.answers(transcript)
        self.entries.append(entry)

    def follow(self, earlier: "Ledger") -> None:
        """Go on where another socket of the same call has left off."""
        self.entries[:0] = earlier.entries
        self.opened += earlier.opened

    def find(self, stream_id: int) -> Entry | None:
        """The newest turn on a stream."""
        return next((e for e in reversed(self.entries) if e.stream_id == stream_id), None)

    def answered(self, digest: int) -> Entry | None:
        """The newest turn that answered just this conversation."""
        return next((e for e in reversed(self.entries) if e.digest == digest), None)

    def use(
        self, entry: Entry, name: str, arguments: Mapping[str, Any], identity: str | None
    ) -> ToolUse:
        """Note that a tool is used.

        Ids are our own: providers' may repeat within a call. Nine letters and digits, as the
        strictest of them (Mistral) wants them.
        """
        use = ToolUse(uuid.uuid4().hex[:9], name, arguments, identity)
        entry.uses.append(use)
        return use

    def same_use(
        self, name: str, identity: str, identify: Identify | None = None
    ) -> ToolUse | None:
        """An equal use that the caller knows nothing of yet: it must not be done twice.

        One that failed before it did anything may be tried again. `identify` finds the identity of
        those whose arguments are known only as the model wrote them.
        """
        for use in self._all_uses():
            if use.name != name or use.told or use.outcome not in _UNTOUCHABLE:
                continue
            if use.recorded and use.identity is None and identify is not None:
                use.identity = identify(use.arguments)
            if use.identity == identity:
                return use
        return None

    @property
    def running(self) -> bool:
        """Whether a tool is at work."""
        return any(use.outcome is None for use in self._all_uses())

    def heard(self, entry: Entry) -> None:
        """The caller has heard a whole answer, and with it the results that it told."""
        if entry.can_be_repeated:
            for use in entry.tells:
                use.told = True

    def _all_uses(self) -> Iterator[ToolUse]:
        for entry in reversed(self.entries):
            yield from reversed(entry.uses)

    def forget_before(self, newest: Entry) -> None:
        """Millis tells the whole conversation each time: what it will say again is not kept.

        The last answer is: it may have to be said again. So are those that were cut, to know where.
        """
        earlier = self.entries[: self.entries.index(newest)]
        asked = [entry for entry in earlier if entry.digest is not None]
        for entry in earlier:
            if not entry.transcript and not entry.said:
                continue  # forgotten already, as most of a long call
            entry.transcript = ()
            open_question = any(use.question for use in entry.uses)
            if not entry.cut and not open_question and entry not in asked[-1:]:
                entry.said = ""
        room = _MAX_RESULTS
        for entry in (entry for entry in reversed(earlier) if entry.uses):
            room -= sum(len(use.result or "") for use in entry.uses)
            if room < 0:
                entry.uses = [use for use in entry.uses if not use.told]


def user_lines(lines: Iterable[Utterance]) -> Sequence[str]:
    """What the caller said, line by line."""
    return [line.content for line in lines if line.role == "user"]


def plain(text: str) -> str:
    """Words only: what two ways of writing the same speech have in common."""
    return _NO_WORD.sub(" ", text[:_MAX_READ].casefold()).strip()


def beginning(text: str) -> str:
    """As many whole words of a plain text as it takes to know it again."""
    if len(text) <= _MAX_ASKED:
        return text
    return text[:_MAX_ASKED].rpartition(" ")[0] or text[:_MAX_ASKED]
