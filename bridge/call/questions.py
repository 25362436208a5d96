"""Whether the caller has agreed to a deed: the question was heard, and their next words answer it.

What they answered, the model decides; that they were asked just this, and have spoken since, is
decided here. In doubt the answer is no: then they are asked once more.
"""

from collections.abc import Sequence
from itertools import dropwhile, takewhile

from bridge.call.ledger import Entry, ToolUse, plain
from bridge.protocol import Utterance

ANSWER_WITHIN = 120.0
"""Seconds after which an answer is no answer any more."""

_LONGEST = 2_000
"""Characters at the end of what was said that are looked at; a question is shorter."""


def take_answer(
    entries: Sequence[Entry], answer: Entry, name: str, identity: str, now: float
) -> bool:
    """Whether `answer` is a reply to a yes to this very use of a tool; true once for a question.

    The question has to be the last thing that was said before. A turn that said anything since has
    decided that there was no yes; one that was overtaken without a word has decided nothing.
    """
    before = list(takewhile(lambda entry: entry is not answer, entries))
    last = next((entry for entry in reversed(before) if entry.whole or entry.said.strip()), None)
    if last is None or not last.can_be_repeated:
        return False  # the caller spoke over it, so that they may not know what they were asked
    use = _question_of(before, last)
    if use is None or (use.name, use.identity) != (name, identity):
        return False
    if now - use.asked_at > ANSWER_WITHIN or not _heard(last, answer, use.question):
        return False
    use.question = ""
    return True


def _question_of(before: Sequence[Entry], last: Entry) -> ToolUse | None:
    """The open question of a turn, or of an earlier one whose words it said again."""
    asked = [entry for entry in before if entry is last or entry.digest == last.digest]
    uses = (use for entry in reversed(asked) for use in reversed(entry.uses))
    return next((use for use in uses if use.question), None)


def _heard(last: Entry, answer: Entry, question: str) -> bool:
    """Whether the question ended what was said, reached the caller, and they have spoken since."""
    if not _end(last.said).endswith(question):
        return False  # a later word, "are you still there?", may be what they answer
    if _end(_said_before(answer.transcript)).endswith(question):
        return True
    return last.played and answer.place > last.place


def _said_before(transcript: Sequence[Utterance]) -> str:
    """The last thing said to the caller before their newest words; empty if they did not speak."""
    if not transcript or transcript[-1].role != "user":
        return ""
    said = dropwhile(lambda line: line.role == "user", reversed(transcript))
    lines = takewhile(lambda line: line.role == "assistant", said)
    return " ".join(reversed([line.content for line in lines]))


def _end(text: str) -> str:
    return plain(text[-_LONGEST:])
