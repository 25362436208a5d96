"""What the model reads of a call: Millis's transcript, with the deeds put back in their places.

Millis sends words only. A turn's tools are put back after the caller's line that the turn answered,
and where an answer was cut, a note stands before what the caller said next.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.call.anchors import places
from bridge.call.ledger import Entry, user_lines
from bridge.call.notes import note
from bridge.protocol import Utterance

STILL_RUNNING = "Still running. Its result will follow; do not ask for it again."


@dataclass(frozen=True, slots=True)
class ToolExchange:
    """One tool call with its result, as the model reads it."""

    id: str
    name: str
    arguments: dict[str, object]
    result: str


Item = Utterance | ToolExchange


def history(transcript: Sequence[Utterance], entries: Sequence[Entry]) -> tuple[Item, ...]:
    """Put the deeds of earlier turns back into the conversation as Millis tells it."""
    if not any(entry.uses or entry.cut for entry in entries):
        return tuple(transcript)
    at: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry, place in zip(entries, places(user_lines(transcript), entries), strict=True):
        at[place].append(entry)
    items: list[Item] = list(_exchanges(at[-1]))
    place, heard = -1, ""
    for line in transcript:
        if line.role == "assistant":
            heard = f"{heard} {line.content}"
            items.append(line)
            continue
        told = note(at[place], heard)
        place, heard = place + 1, ""
        items.append(Utterance("user", f"{told}\n{line.content}") if told else line)
        items.extend(_exchanges(at[place]))
    return tuple(items)


def _exchanges(entries: Sequence[Entry]) -> Iterator[ToolExchange]:
    for entry in entries:
        for use in entry.uses:
            result = STILL_RUNNING if use.result is None else use.result
            yield ToolExchange(use.id, use.name, dict(use.arguments), result)


# ── long calls ───────────────────────────────────────────────────────────────────────────────────


def trimmed(items: Sequence[Item], budget: int) -> tuple[Item, ...]:
    """Keep the newest within `budget` tokens: old tool results go first, then the oldest pairs.

    The last line of the caller's, and what follows it, always stays.
    """
    sizes = [tokens(item) for item in items]
    excess = sum(sizes) - budget
    if excess <= 0:
        return tuple(items)
    last = max((i for i, item in enumerate(items) if _is_user(item)), default=0)
    old = _old(sizes, last, budget // 2)
    kept: list[int] = []
    for index in range(old):
        if excess > 0 and isinstance(items[index], ToolExchange):
            excess -= sizes[index]
        else:
            kept.append(index)
    kept += range(old, len(items))
    start = 0
    while excess > 0 and kept[start] < last:
        excess -= sizes[kept[start]]
        start += 1
        while kept[start] < last and not _is_user(items[kept[start]]):
            excess -= sizes[kept[start]]  # the answers go with the question
            start += 1
    return tuple(items[index] for index in kept[start:])


def _old(sizes: Sequence[int], last: int, recent: int) -> int:
    """How many of the items before `last` are older than the newest `recent` tokens."""
    while last > 0 and recent >= sizes[last - 1]:
        last -= 1
        recent -= sizes[last]
    return last


def tokens(item: Item) -> int:
    """A careful guess, without a tokenizer: 3 bytes a token, and 8 for the message around it."""
    if isinstance(item, Utterance):
        return 8 + len(item.content.encode("utf-8", "replace")) // 3
    size = len(repr(item.arguments)) + len(item.result.encode("utf-8", "replace"))
    return 24 + size // 3


def _is_user(item: Item) -> bool:
    return isinstance(item, Utterance) and item.role == "user"
