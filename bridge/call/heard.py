"""How much of an answer the caller heard, as the conversation tells it afterwards."""

from collections.abc import Sequence

from bridge.call.anchors import places
from bridge.call.events import TurnHeard
from bridge.call.ledger import Entry, user_lines
from bridge.call.notes import divided
from bridge.protocol import Utterance


def heard_of(entry: Entry, transcript: Sequence[Utterance]) -> TurnHeard:
    """Find out from the next request what the caller heard of a turn.

    Millis's transcript is believed where the turn was cut; otherwise all of it was heard.
    """
    if not entry.cut:
        return TurnHeard(entry.number, entry.said.strip())
    told = _answers(entry, transcript)
    heard, _ = divided(entry.said, told) if told else ("", "")
    return TurnHeard(entry.number, heard, len(heard))


def _answers(entry: Entry, transcript: Sequence[Utterance]) -> str:
    """What was said to the caller after the line that the turn answered, and before the next."""
    place = places(user_lines(transcript), [entry])[0]
    said: list[str] = []
    line = -1
    for utterance in transcript:
        if utterance.role == "user":
            line += 1
        elif line == place:
            said.append(utterance.content)
    return " ".join(said)
