"""What calls tell of themselves, counted (call.events.Observer)."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from bridge.call.events import (
    CallData,
    CallEnded,
    CallEvent,
    ModelAnswered,
    ToolFinished,
    TurnBegan,
    TurnEnded,
)
from bridge.metrics import labels
from bridge.metrics.labels import OTHER, Named, among

_HEARD: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
"""Seconds that a caller notices."""
_OWN: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds that the bridge takes."""
_DONE: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds of tools, and of whole answers."""
_MOST_TOOLS: Final = 200


class CallMetrics:
    """Counts the events of all calls."""

    def __init__(
        self,
        registry: CollectorRegistry,
        tools: Callable[[], Collection[str]],
        models: Collection[str],
    ) -> None:
        """`tools` are those loaded now, `models` those of the settings."""
        self._loaded = tools
        self._tools = Named(_MOST_TOOLS)
        self._models = frozenset(models)
        count = partial(Counter, namespace="millis_bridge", registry=registry)
        times = partial(Histogram, namespace="millis_bridge", registry=registry)
        self._calls = count("calls", "Calls that have ended, by how they did.", ["ending"])
        self._turns = count("turns", "Replies that are over, by how they ended.", ["outcome"])
        self._ahead = count("turns_ahead", "Replies that were begun before Millis asked.")
        self._failures = count(
            "turn_failures",
            "Replies that failed, and the caller heard an apology, by why.",
            ["kind"],
        )
        self._fillers = count("fillers", "Fillers that callers heard while they waited.")
        self._unspoken = count(
            "unspoken", "Parts of answers that were not fit to be spoken, by kind.", ["kind"]
        )
        self._first_token = times(
            "first_token_seconds", "From the request to the model's first token.", buckets=_HEARD
        )
        self._first_frame = times(
            "first_frame_seconds",
            "From the request to the first frame of speech, fillers aside.",
            buckets=_HEARD,
        )
        self._own = times(
            "first_frame_own_seconds",
            "The bridge's own part of the first frame: until it asks the model, after the token.",
            buckets=_OWN,
        )
        self._turn_seconds = times(
            "turn_seconds", "From the request to the last frame.", buckets=_DONE
        )
        self._silence = times(
            "silence_seconds",
            "From an interrupt, or a newer request, until nothing worked on the old reply.",
            buckets=_OWN,
        )
        self._model_first_token = times(
            "model_first_token_seconds",
            "The model's own part: from asking it to its first token.",
            ["model"],
            buckets=_HEARD,
        )
        self._model_seconds = times(
            "model_seconds", "From asking the model to its last token.", ["model"], buckets=_DONE
        )
        self._tokens = count(
            "model_tokens", "Tokens, as the model's server counts them.", ["model", "way"]
        )
        self._tool_runs = count(
            "tool_runs", "Uses of tools, by how they ended.", ["tool", "outcome"]
        )
        self._tool_seconds = times("tool_seconds", "How long tools took.", ["tool"], buckets=_DONE)
        self._begin_at_zero()

    def __call__(self, call: CallData, event: CallEvent) -> None:
        """Count an event."""
        match event:
            case TurnEnded():
                self._turn(event)
            case TurnBegan(ahead=True):
                self._ahead.inc()
            case ModelAnswered():
                self._model(event)
            case ToolFinished():
                self._tool(event)
            case CallEnded(ending=ending):
                self._calls.labels(among(ending, labels.ENDINGS)).inc()
            case _:
                pass

    def _begin_at_zero(self) -> None:
        """Have every series there from the start: what begins at 1 has no rate."""
        for metric, values in (
            (self._calls, labels.ENDINGS),
            (self._turns, labels.TURN_OUTCOMES),
            (self._failures, (*labels.TURN_FAILURES, OTHER)),
            (self._unspoken, labels.UNSPOKEN),
        ):
            for value in values:
                metric.labels(value)
        for model in self._models:
            self._model_first_token.labels(model)
            self._model_seconds.labels(model)
            for way in ("in", "out"):
                self._tokens.labels(model, way)
        for outcome in labels.TOOL_OUTCOMES:
            self._tool_runs.labels(OTHER, outcome)
        self._tool_seconds.labels(OTHER)

    def _turn(self, event: TurnEnded) -> None:
        self._turns.labels(among(event.outcome, labels.TURN_OUTCOMES)).inc()
        if event.failure is not None:
            self._failures.labels(among(event.failure, labels.TURN_FAILURES)).inc()
        if event.fillers:
            self._fillers.inc(event.fillers)
        for kind, times in event.unspoken.items():
            self._unspoken.labels(among(kind, labels.UNSPOKEN)).inc(times)
        for metric, seconds in (
            (self._first_token, event.first_token),
            (self._first_frame, event.first_frame),
            (self._own, event.own),
            (self._turn_seconds, event.last_frame),
        ):
            if seconds is not None:
                metric.observe(seconds)
        if event.stopped is not None and event.outcome in ("interrupted", "superseded"):
            self._silence.observe(event.stopped)

    def _model(self, event: ModelAnswered) -> None:
        model = among(event.model, self._models)
        if event.first_token is not None:
            self._model_first_token.labels(model).observe(event.first_token)
        self._model_seconds.labels(model).observe(event.seconds)
        for way, tokens in (("in", event.tokens_in), ("out", event.tokens_out)):
            if tokens is not None and tokens > 0:
                self._tokens.labels(model, way).inc(tokens)

    def _tool(self, event: ToolFinished) -> None:
        tool = self._tools.label(event.name, self._loaded())
        self._tool_runs.labels(tool, among(event.outcome, labels.TOOL_OUTCOMES)).inc()
        self._tool_seconds.labels(tool).observe(event.seconds)
