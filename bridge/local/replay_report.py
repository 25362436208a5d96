"""What is told of a replay: the shapes of `bridge replay --json`."""

from typing import Literal

from pydantic import computed_field

from bridge.store.shapes import Shape, ToolRun


class Side(Shape):
    """A turn as it was, or as it is now."""

    said: str
    outcome: str
    failure: str | None = None
    first_word_ms: int | None = None
    """Since the request."""
    whole_ms: int | None = None
    """Until the last word; none where the caller cut it."""


class ToolDifference(Shape):
    """A use of a tool that is not as it was."""

    what: Literal["added", "missing", "arguments", "outcome", "result"]
    """`result` is only told: what is read from the world may differ every time."""
    then: ToolRun | None = None
    now: ToolRun | None = None
    not_run: bool = False
    """Whether today's call was not run, and the record has no result of it."""


class TurnDifference(Shape):
    """A turn as it was and as it is now, and whether that is the same."""

    connection: int
    """Which connection of the call, from 1."""
    stream_id: str
    place: int
    at_ms: int
    """When it was, since the start of its connection."""
    asked: str
    then: Side
    now: Side | None = None
    """None: the replay did not come to it."""
    words_differ: bool = False
    outcome_differs: bool = False
    """Whether it fails now and did not then, or the other way round, or is not there at all."""
    tools: tuple[ToolDifference, ...] = ()
    asked_for_more: bool = False
    """Whether the model was asked for more messages than are on record."""

    @property
    def tools_differ(self) -> bool:
        """Whether other tools were used, or with another outcome."""
        return any(difference.what != "result" for difference in self.tools)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def same(self) -> bool:
        """Whether nothing differs but times and what tools have read."""
        return not (self.words_differ or self.outcome_differs or self.tools_differ)


class Pair(Shape):
    """A number then and now; none where there was none."""

    then: int | None = None
    now: int | None = None


class End(Shape):
    """How a connection ended, then and now; `hung_up` where the recorded caller did."""

    connection: int
    then: str | None = None
    """None: nobody knows."""
    now: str | None = None
    differs: bool
    """Whether the agent ended the call, or transferred it, only once."""


class Summary(Shape):
    """All turns together."""

    turns: int
    same: int
    other_words: int
    other_tools: int
    other_outcome: int
    first_word_p50_ms: Pair
    """Of the turns that answer the caller, where there was a word then and now."""


class ReplayReport(Shape):
    """What came of a replay."""

    session_id: str
    mode: Literal["today", "recorded"]
    """Against today's model, or the recorded answers."""
    model: str
    notes: tuple[str, ...] = ()
    """What limits the comparison."""
    turns: tuple[TurnDifference, ...]
    ends: tuple[End, ...]
    summary: Summary
    differs: bool
    """Whether tools, outcomes or ends differ, or words against the recorded answers."""
