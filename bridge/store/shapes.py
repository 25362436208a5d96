"""What is read from the record: the shapes of `bridge calls --json`, exports and the HTTP API."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["live", "ended", "aborted", "lost"]
"""`aborted`: the process died. `lost`: it has not been seen for a while, and nobody knows."""


class Shape(BaseModel):
    """One thing that is read: frozen. The strings below its fields describe them to others."""

    model_config = ConfigDict(frozen=True)


class CallSummary(Shape):
    """One call, as it is listed: one connection from Millis."""

    id: str
    """The bridge's own name of the connection."""
    session_id: str
    """Millis's name of the call; a call that was dialled again has several connections."""
    agent_id: str
    persona: str | None = None
    caller: str | None = None
    called: str | None = None
    user_id: str | None = None
    """`user_id` of the metadata."""
    call_sid: str | None = None
    metadata: dict[str, Any] | None = None
    """What Millis passed along."""
    continues: str | None = None
    """The earlier session whose memory it began with."""
    level: Literal["full", "text", "metadata"]
    """How much was kept."""
    replica: str
    """The process that held the call."""
    started_at: datetime
    ended_at: datetime | None = None
    state: State
    ending: str | None = None
    """How it ended: `hung_up`, `ended`, `transferred`, `replaced`, `aborted`, and others."""
    turns: int
    interrupted: int
    """Turns that the caller spoke over."""
    failed: int
    """Turns that ended with an apology."""
    tools: int
    slowest_ms: int
    """The longest wait for a first word."""
    tokens_in: int
    tokens_out: int
    frames_lost: int | None = None
    """Messages on the wire that were not kept, because there were too many; none: all were."""


class ToolRun(Shape):
    """One use of a tool."""

    id: str
    turn: int
    name: str
    arguments: dict[str, Any] | None = None
    result: str | None = None
    policy: str | None = None
    """How it was treated, in words."""
    outcome: str | None = None
    """`ok`, `failed`, `timeout`, `refused`, `cancelled`; none while it runs."""
    at_ms: int
    """When it began, since the start of the call."""
    duration_ms: int | None = None


class ModelMessage(Shape):
    """One message of the model's within a turn."""

    model: str
    text: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    """`name` and `arguments` of each."""
    first_token_ms: int | None = None
    """Since the model was asked."""
    duration_ms: int
    tokens_in: int | None = None
    tokens_out: int | None = None
    finish_reason: str | None = None
    """Why it ended, in its server's words."""


class Turn(Shape):
    """One reply of the agent's. Times count from when the request was read."""

    number: int
    stream_id: str
    at_ms: int
    """When the request was read, since the start of the call."""
    place: int
    """Which of the caller's lines it answers, from 0; -1 for the opening."""
    ahead: bool
    """Whether it was begun before Millis asked for it."""
    asked: str | None = None
    said: str | None = None
    said_chars: int
    heard: str | None = None
    """What the caller heard of it, as Millis tells it; none while nobody knows."""
    heard_chars: int | None = None
    """Where it was interrupted: how many of the characters said were heard."""
    outcome: str
    failure: str | None = None
    model: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    messages: tuple[ModelMessage, ...] | None = None
    first_token_ms: int | None = None
    first_frame_ms: int | None = None
    last_frame_ms: int | None = None
    tools_ms: int
    """Time in which the caller waited for tools."""
    tool_runs: tuple[ToolRun, ...] = ()


class Frame(Shape):
    """One message on the wire."""

    at_ms: int
    """Since the start of the call."""
    way: Literal["in", "out"]
    """Into the bridge or out of it."""
    message: dict[str, Any]


class CallDetail(CallSummary):
    """One call with all that was said and done in it."""

    timeline: tuple[Turn, ...]
    tool_runs: tuple[ToolRun, ...] = ()
    """Those of a call that has no turns: of its first one, which goes on, or was lost."""
    frames: tuple[Frame, ...] | None = None
    """Only where they were asked for, and kept."""

    def every_tool_run(self) -> Iterator[ToolRun]:
        """All that was done, turn by turn."""
        yield from self.tool_runs
        for turn in self.timeline:
            yield from turn.tool_runs


class CallPage(Shape):
    """A part of a list, newest first."""

    calls: tuple[CallSummary, ...]
    next: str | None = None
    """Pass it as `after` for the part that follows; none at the end."""


class Filters(Shape):
    """Which calls are listed: those that all of these hold of."""

    agent: str | None = None
    """agent_id."""
    caller: str | None = None
    """The caller's number."""
    session: str | None = None
    """session_id."""
    since: datetime | None = None
    """Started then or later."""
    until: datetime | None = None
    """Started before."""
    interrupted: bool = False
    """The caller spoke over a reply."""
    failed: bool = False
    """A reply ended with an apology."""
    slow_ms: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """A first word came this late, or later."""
