"""What may stand in a scenario: the form of `scenarios/*.yaml`, checked by pydantic."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.local.playback import at_rate
from bridge.local.speaking import Habits, Interrupted
from bridge.scenarios.parts import Count, Line, Part, Pattern, Rate, Seconds, Several

# ── what is expected ─────────────────────────────────────────────────────────────────────────────


class Words(Part):
    """What is expected of a text."""

    contains: Several[Line] = ()
    never: Several[Line] = ()
    matches: Several[Pattern] = ()

    @model_validator(mode="after")
    def _expects_something(self) -> "Words":
        if not (self.contains or self.never or self.matches):
            raise PydanticCustomError("empty", "give contains, never or matches")
        return self


def _by_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class ToolWanted(Part):
    """A use of a tool; of its arguments, the given ones must be equal."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    outcome: Literal["ok", "failed", "timeout", "refused", "cancelled"] | None = None


class Read(Part):
    """One message that the model read."""

    role: Literal["system", "user", "assistant", "tool"]
    content: Several[Line]


class Transfer(Part):
    """The caller is handed over."""

    transfer: str


def _an_ending(value: Any) -> Any:
    if value in ("call", "never") or isinstance(value, dict):
        return value
    raise PydanticCustomError("ending", 'must be call, never, or {transfer: "+15550199"}')


Ends = Annotated[Literal["call", "never"] | Transfer, BeforeValidator(_an_ending)]


class Expect(Part):
    """What is expected of one answer."""

    says: Words | None = None
    heard: Words | None = None
    tools: Several[Annotated[ToolWanted, BeforeValidator(_by_name)]] | None = None
    never_tools: Several[str] = ()
    first_word: Seconds | None = None
    dead_air: Seconds | None = None
    ends: Ends | None = None
    history: Several[Read] = ()
    judge: Several[Line] = ()


# ── what happens ─────────────────────────────────────────────────────────────────────────────────


class About(Part):
    """What Millis tells of the call."""

    agent_id: str = ""
    persona: str | None = None
    """Dialled at /millis/NAME."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    caller: str | None = Field(default=None, alias="from")
    called: str | None = Field(default=None, alias="to")


class HabitsGiven(Part):
    """How the caller speaks, and how Millis is set up: see `Habits`."""

    words_per_second: Rate = 2.5
    final_after: Seconds = 0.2
    end_of_turn: Seconds = 0.6
    agent_words_per_second: Rate = 2.5
    interrupted: Interrupted = "cut"

    def habits(self) -> Habits:
        """The same, for a caller."""
        return Habits(
            self.words_per_second,
            self.final_after,
            self.end_of_turn,
            at_rate(self.agent_words_per_second),
            self.interrupted,
        )


class ToolCalled(Part):
    """A call of a tool, by the scripted model."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Message(Part):
    """One message of the scripted model's."""

    says: str = ""
    calls: Several[Annotated[ToolCalled, BeforeValidator(_by_name)]] = ()
    after: Seconds = 0.0
    """Seconds until its first token."""


def _as_result(value: Any) -> Any:
    return value if isinstance(value, dict) else {"result": value}


class Stub(Part):
    """What a tool gives, without being run."""

    result: Any = None
    fails: Line | None = None
    """What the model is told instead, as by a `ToolError`."""
    after: Seconds = 0.0
    """Seconds that it takes."""


Stubs = dict[str, Annotated[Stub, BeforeValidator(_as_result)]]


class Turn(Part):
    """Something that the caller does, and what is expected of the answer."""

    say: Line | None = None
    barge_in: Line | None = None
    cough: Seconds | None = None
    silence: Seconds | None = None
    after_words: Count | None = None
    after_seconds: Seconds | None = None
    tools: Stubs = Field(default_factory=dict)
    expect: Expect = Expect()

    @property
    def what(self) -> Literal["say", "barge_in", "cough", "silence"]:
        """What the caller does."""
        for what in ("say", "barge_in", "cough"):
            if getattr(self, what) is not None:
                return what
        return "silence"

    @model_validator(mode="after")
    def _makes_sense(self) -> "Turn":
        done = [self.say, self.barge_in, self.cough, self.silence]
        over = self.barge_in is not None or self.cough is not None
        if sum(value is not None for value in done) != 1:
            raise PydanticCustomError("turn", "give one of say, barge_in, cough or silence")
        if (self.after_words or self.after_seconds is not None) and not over:
            raise PydanticCustomError("turn", "only a barge_in or a cough comes after something")
        if self.after_words and self.after_seconds is not None:
            raise PydanticCustomError("turn", "give after_words or after_seconds, not both")
        if self.cough is not None and "expect" in self.model_fields_set:
            raise PydanticCustomError(
                "turn", "a cough has no answer: expect it at the turn whose answer goes on"
            )
        return self


class Form(Part):
    """A whole scenario."""

    about: str = ""
    call: About = Field(default_factory=About)
    habits: HabitsGiven = Field(default_factory=HabitsGiven)
    model: str | tuple[Message, ...] | None = None
    tools: Stubs = Field(default_factory=dict)
    live_tools: Several[str] = ()
    """Tools with side effects that are really run."""
    greeting: Expect | None = None
    turns: tuple[Turn, ...] = ()
