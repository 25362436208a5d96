"""What the demo model says when no tool is meant."""

import re
from collections.abc import Sequence

from bridge.agent.demo import values
from bridge.agent.demo.schema import ToolSpec
from bridge.agent.demo.words import plain, words

INTRODUCTION = "This is the built-in demo model."
GREETING = "Hello! This is the built-in demo model of millis-bridge. What can I do for you?"
FAREWELL = "Goodbye, and thanks for calling."
NOTHING_HEARD = "Sorry, I did not catch that."

_IDENTITY = "I'm the built-in demo model of millis-bridge, not a real language model."
_HIGHEST_COUNT = 100
_THIRD_PERSON = re.compile(
    r"(?:add|answer|book|calculate|cancel|check|compute|convert|create|end|fetch|find|get|give|"
    r"list|look|place|play|provide|read|return|retrieve|save|schedule|search|send|set|show|tell|"
    r"transfer|translate|update|write)(e?s)$"
)
_ASKED_TO_GREET = re.compile(
    r"\bgreet\b|\bsay (?:hello|hi) to\b|\b(?:call|conversation)\b.{0,20}\b(?:began|begins|started|"
    r"starts|connected|opened)\b|\b(?:begin|start|open)\b.{0,12}\b(?:call|conversation)\b"
)
_WHO = re.compile(
    r"\bwho (?:are|is) (?:you|this)\b|\bare you (?:a |an )?(?:real|human|robot|bot|ai)\b"
)
_HELP = re.compile(r"\bhelp\b|\bwhat (?:can|do) you\b|\bwhat else\b")
_COUNT = re.compile(r"\bcount (?:up )?to\b")
_LONG = re.compile(
    r"\bstory\b|\bpoem\b|\bkeep (?:talking|going)\b|\btalk for\b|\b(?:something|answer) long\b"
    r"|\blong (?:answer|text|talk)\b"
)
_SHORT = (
    (re.compile(r"\b(?:can|do) you hear me\b|\bare you there\b"), "Yes, I can hear you."),
    (re.compile(r"\b(?:bye|goodbye|good night|see you)\b"), FAREWELL),
    (re.compile(r"\bthank(?:s| you)\b"), "You're welcome."),
    (
        re.compile(r"\bhow are you\b|\bhow s it going\b"),
        "I'm well, thank you. What can I do for you?",
    ),
    (re.compile(r"\bnever ?mind\b|\bforget (?:it|that)\b|^(?:stop|cancel that)$"), "All right."),
    (re.compile(r"^(?:hi|hello|hey|good (?:morning|afternoon|evening))\b"), GREETING),
    (re.compile(r"^(?:yes|yeah|yep|no|nope|ok|okay|sure|right)$"), "All right. What else?"),
)
_SHORT_WORDS = 8
"""A longer sentence is about something else than its polite words."""
_STORY = (
    "Once upon a time there was a telephone exchange at the edge of a small town, and in it worked "
    "a switch that loved to listen. All day long it joined one voice to another, a baker to a "
    "miller, a daughter to her mother, and it never said a word itself. One winter evening the "
    "snow pulled the line down between two villages, and a doctor was needed on the other side of "
    "the hill. The switch thought for a while, which for a switch is a very short time. Then it "
    "tried the long way round, through the mill and the school and the railway station, one "
    "exchange after the other, each asking the next whether it was still awake. At last a bell "
    "rang in the doctor's kitchen, and by morning all was well. Nobody ever learned how the call "
    "had got through. But from that day on, whenever it snowed, the people of the town said good "
    "night to the telephone before they went to bed, and the switch, in its own way, said good "
    "night back. And that is the end of the story."
)
_UNITS = tuple(values.SMALL)
_TENS = tuple(values.TENS)


def asks_for_greeting(said: str) -> bool:
    """Whether a line is the bridge's or the platform's way of asking for an opening."""
    return not words(said) or bool(_ASKED_TO_GREET.search(" ".join(words(said))))


def small_talk(said: str, specs: Sequence[ToolSpec]) -> str:
    """An answer without a tool, whatever was said."""
    heard = words(said)
    line = " ".join(heard)
    if not heard:
        return NOTHING_HEARD
    if _COUNT.search(line):
        return _count(said)
    if _LONG.search(line):
        return _STORY
    if len(heard) <= _SHORT_WORDS:
        if _WHO.search(line) or _HELP.search(line):
            return f"{_IDENTITY} {abilities(specs)}"
        for pattern, reply in _SHORT:
            if pattern.search(line):
                return reply
    return f"You said: {plain(said, 80).rstrip('.,;:!?')}. {abilities(specs, 3)}"


def abilities(specs: Sequence[ToolSpec], most: int = 5) -> str:
    """What the tools can do, in one sentence."""
    can = [_ability(plain(spec.purpose, 80)) for spec in specs[:most]]
    if not can:
        return "I have no tools here, but I can tell you a long story or count to twenty."
    if len(specs) > len(can):
        can.append("do more")
    return f"I can {'; '.join(can[:-1])}{'; or ' if len(can) > 1 else ''}{can[-1]}."


def _ability(purpose: str) -> str:
    """A purpose as it goes after "I can": "Returns the time" becomes "return the time"."""
    purpose = re.sub(r"\b[Tt]he (?:caller|user)(?P<owns>'s)?", _you, purpose)
    verb, _, rest = purpose.split(": ")[0].partition(" ")
    if not verb[1:2].isupper():
        verb = verb[:1].lower() + verb[1:]
    if match := _THIRD_PERSON.match(verb):
        verb = verb[: match.start(1)]
    return f"{verb} {rest}".strip()


def _you(match: re.Match[str]) -> str:
    return "your" if match["owns"] else "you"


def _count(said: str) -> str:
    limit = next((found.value for found in values.numbers(said)), 20)
    last = max(1, min(int(limit), _HIGHEST_COUNT))
    return ", ".join(_spelled(number) for number in range(1, last + 1)).capitalize() + "."


def _spelled(number: int) -> str:
    if number < 20:
        return _UNITS[number]
    if number == 100:
        return "one hundred"
    tens, unit = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_UNITS[unit]}" if unit else "")
