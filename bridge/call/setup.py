"""What every call of a bridge shares."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bridge.call.ahead import ThinkAhead
from bridge.call.deadair import Patience
from bridge.call.earlier import Earlier, NoEarlier
from bridge.call.events import CallData, NoRecord, Observer, Record
from bridge.call.ports import Agent, Prompts
from bridge.call.sessions import Sessions
from bridge.call.spans import UNTRACED, Tracer
from bridge.speech import Lexicon

Greeting = Literal["template", "model", "off"]


@dataclass(frozen=True, slots=True)
class CallSetup:
    """What the calls of one persona share. The callables give what is loaded now."""

    agent: Callable[[], Agent]
    prompts: Callable[[], Prompts]
    lexicon: Callable[[], Lexicon]
    observe: Observer
    persona: str = "default"
    choose: "Callable[[CallData], CallSetup] | None" = None
    """Finds the persona that a call is for, once Millis has told; None if it is known before."""
    record: Callable[[], Record] = NoRecord
    """Opens the record of a conversation."""
    trace: Tracer = lambda: UNTRACED
    earlier: Earlier = field(default_factory=NoEarlier)
    """Reads of the conversations before."""
    memory_tokens: int = 1000
    """Of an earlier call, what the model reads."""
    continuation: Counter[str] = field(default_factory=Counter)
    """How going on from earlier calls went, by `recall.COUNTS`."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Messages that were not acted on, by reason: here `duplicate` and `stale` requests."""
    interrupts: Counter[str] = field(default_factory=Counter)
    """What interrupts met: a reply that was `speaking`, or `playing` to its end, or `nothing`."""
    ahead: Counter[str] = field(default_factory=Counter)
    """How thinking ahead went: `hit`, `miss`, `wasted_tokens`."""
    sessions: Sessions = field(default_factory=lambda: Sessions(keep=300.0))
    greeting: Greeting = "template"
    include_metadata_in_prompt: bool = False
    turn_timeout: float = 60.0
    max_answer_chars: int = 4000
    flush_first_clause: bool = True
    patience: Patience = field(default_factory=Patience)
    think_ahead: ThinkAhead = "final"
    silence_after: float = 0.0
    """Seconds of a caller's silence until they are asked again; 0 for never."""
    goodbye_timeout: float = 5.0
    """Seconds that the end of the last words may be reported late, before an action follows."""
    history_tokens: int = 24_000
    tool_grace: float = 30.0
    """Seconds that tools may go on after the caller has hung up."""
