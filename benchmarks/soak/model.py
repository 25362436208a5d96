"""The scripted model of the soak: `python -m benchmarks.soak.model --port 0`.

The fake OpenAI of the tests, that does what the caller's last line asks of it, and keeps nothing.
"""

from collections import OrderedDict
from typing import Any

from benchmarks.soak import moods
from tests.fake_openai.__main__ import main
from tests.fake_openai.chunks import Step
from tests.fake_openai.client import FakeOpenAI
from tests.fake_openai.records import Book
from tests.fake_openai.server import Fake

GAP_MS = 20
_DONE: list[Step] = [{"finish": "stop"}, {"usage": "asked"}, {"done": True}]
_REMEMBERED = 1000


def _words(text: str) -> Step:
    return {"tokens": [f"{word} " for word in text.split()], "gap_ms": GAP_MS}


def _asking(*tools: str, **arguments: str) -> list[Step]:
    given = ", ".join(f'"{name}": "{value}"' for name, value in arguments.items())
    calls = [{"tool_call": {"name": tool, "arguments": f"{{{given}}}"}} for tool in tools]
    return [*calls, {"finish": "tool_calls"}, {"done": True}]


_BEGINNING = _words("Well, let me see what there is to be said")
FAILING: dict[str, list[Step]] = {
    "broken": [{"status": 500}],
    "mute": [{"stall": "unanswered"}],
    "stalling": [_BEGINNING, {"stall": True}],
    "cut": [_BEGINNING, {"close": True}],
    "reset": [_BEGINNING, {"reset": True}],
}
ASKING = {
    "lookup": ["lookup"],
    "raising": ["raising"],
    "hanging": ["hanging"],
    "blocking": ["blocking"],
    "pair": ["lookup", "blocking"],
}
"""The tools that it asks for, by mood."""


def _whole(code: str, mood: str) -> list[Step]:
    words = _words(f"Well, {code} is what you asked for, and that is all I know of it.")
    if mood == "long":
        story = " ".join(f"There is more, of chapter {n} for one." for n in range(12))
        words = _words(f"Oh, {code}. {story}")
    return [*([{"sleep_ms": 1500}] if mood == "late" else []), words, *_DONE]


class Moody(Book):
    """Answers as it is asked to, and remembers only who has been turned away before."""

    def __init__(self) -> None:
        super().__init__()
        self._turned_away: OrderedDict[str, None] = OrderedDict()

    def steps_for(self, body: dict[str, Any]) -> list[Step]:
        """What is done with one request."""
        self.records.clear()
        messages = body["messages"]
        said = next(str(each["content"]) for each in reversed(messages) if each["role"] == "user")
        code, mood = moods.read(said)
        if mood in ASKING and messages[-1]["role"] != "tool":
            return _asking(*ASKING[mood], word=code)
        if mood == "busy" and code not in self._turned_away:
            self._turned_away[code] = None
            while len(self._turned_away) > _REMEMBERED:
                self._turned_away.popitem(last=False)
            return [{"status": 429}]
        return FAILING.get(mood) or _whole(code, mood)


class MoodyModel(Fake):
    """The server."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Moody()


class Model(FakeOpenAI):
    """It, in a process of its own."""

    module = "benchmarks.soak.model"


if __name__ == "__main__":
    main(MoodyModel)
