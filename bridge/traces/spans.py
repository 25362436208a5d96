"""A call's spans in the words of OpenTelemetry's conventions for generative AI."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind, Status, StatusCode

from bridge.call.events import (
    NOTHING,
    CallData,
    CallEnded,
    ModelAnswered,
    ToolBegun,
    ToolFinished,
    TurnEnded,
)
from bridge.call.spans import Span, Whole, onward
from bridge.traces.words import Value, as_json, calls, known, messages, plain, provider_of

_OWN = "millis_bridge"
"""What the conventions have no name for begins with this, as our metrics do."""


class Traced:
    """One span of OpenTelemetry's (call.spans.Span)."""

    def __init__(
        self,
        tracer: trace.Tracer,
        span: trace.Span,
        shared: Mapping[str, Value | None] = NOTHING,
        *,
        private: bool,
    ) -> None:
        """`shared`: what all within it say, too. `private`: what people say may be told."""
        self._tracer = tracer
        self._span = span
        self._shared = shared
        self._private = private
        self._context = trace.set_span_in_context(span)

    def turn(self, call: CallData, number: int, asked: Callable[[], str]) -> Span:
        """A reply begins."""
        found: dict[str, Value | None] = {
            "gen_ai.operation.name": "invoke_agent",
            f"{_OWN}.turn.number": number,
        }
        if self._private and (line := asked()):
            found["gen_ai.input.messages"] = messages("user", line)
        shared = {"gen_ai.agent.name": call.persona, "gen_ai.conversation.id": call.session_id}
        return self._within(f"invoke_agent {call.persona}", SpanKind.INTERNAL, found, shared)

    def promoted(self) -> None:
        """Millis has asked for what was begun ahead."""
        self._span.add_event(f"{_OWN}.promoted")

    def model(self, name: str) -> Span:
        """A model is asked for a message."""
        provider, model = provider_of(name)
        found: dict[str, Value | None] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.request.stream": True,
        }
        return self._within(f"chat {model}", SpanKind.CLIENT, found)

    def tool(self, begun: ToolBegun) -> Span:
        """A tool begins."""
        found: dict[str, Value | None] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": begun.name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": begun.id,
        }
        if self._private:
            found["gen_ai.tool.call.arguments"] = as_json(dict(begun.arguments))
        return self._within(f"execute_tool {begun.name}", SpanKind.INTERNAL, found)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Meanwhile, what is done here belongs to this: ours, and what tools trace themselves."""
        token = attach(self._context)
        headers: dict[str, str] = {}
        propagate.inject(headers, self._context)
        before = onward.set(headers)
        try:
            yield
        finally:
            onward.reset(before)
            detach(token)

    def end(self, call: CallData, event: Whole) -> None:
        """It is over."""
        if not self._span.is_recording():
            return
        match event:
            case CallEnded():
                self._note(self._of_call(call, event))
            case TurnEnded():
                self._note(self._of_turn(event))
                self._judge(event.failure)
            case ModelAnswered():
                self._note(self._of_message(event))
            case ToolFinished(outcome=outcome):
                self._note(self._of_tool(event))
                self._judge(outcome if outcome in ("failed", "timeout") else None)
        self._span.end()

    def fail(self, kind: str) -> None:
        """It came to nothing."""
        if self._span.is_recording():
            self._judge(kind)
            self._span.end()

    def drop(self) -> None:
        """Nobody wanted it any more: that is no error."""
        if self._span.is_recording():
            self._note({f"{_OWN}.outcome": "dropped"})
            self._span.end()

    def _within(
        self,
        name: str,
        kind: SpanKind,
        found: Mapping[str, Value | None],
        shared: Mapping[str, Value | None] | None = None,
    ) -> Span:
        shared = self._shared if shared is None else shared
        told = known({**found, **shared})
        span = self._tracer.start_span(plain(name), self._context, kind, told)
        return Traced(self._tracer, span, shared, private=self._private)

    def _note(self, found: Mapping[str, Value | None]) -> None:
        self._span.set_attributes(known(found))

    def _judge(self, failure: str | None) -> None:
        if failure is not None:
            self._span.set_attribute("error.type", failure)
            self._span.set_status(Status(StatusCode.ERROR))

    # ── what is known at the end ─────────────────────────────────────────────────────────────────

    def _of_call(self, call: CallData, event: CallEnded) -> dict[str, Value | None]:
        return {
            "gen_ai.conversation.id": call.session_id,
            "gen_ai.agent.name": call.persona,
            f"{_OWN}.outcome": event.ending,
            f"{_OWN}.call.agent_id": call.agent_id,
            f"{_OWN}.call.caller": call.caller if self._private else None,
            f"{_OWN}.call.called": call.called if self._private else None,
        }

    def _of_turn(self, event: TurnEnded) -> dict[str, Value | None]:
        said = messages("assistant", event.said) if self._private and event.said else None
        return {
            f"{_OWN}.outcome": event.outcome,
            f"{_OWN}.turn.stream_id": str(event.stream_id),
            f"{_OWN}.turn.first_frame_seconds": event.first_frame,
            "gen_ai.output.messages": said,
        }

    def _of_message(self, event: ModelAnswered) -> dict[str, Value | None]:
        said = calls(event.text, event.tool_calls, event.finish_reason) if self._private else None
        return {
            "gen_ai.response.model": event.response_model,
            "gen_ai.response.finish_reasons": [event.finish_reason]
            if event.finish_reason
            else None,
            "gen_ai.response.time_to_first_chunk": event.first_token,
            "gen_ai.usage.input_tokens": event.tokens_in,
            "gen_ai.usage.output_tokens": event.tokens_out,
            "gen_ai.output.messages": said,
        }

    def _of_tool(self, event: ToolFinished) -> dict[str, Value | None]:
        return {
            f"{_OWN}.outcome": event.outcome,
            "gen_ai.tool.call.result": event.result if self._private else None,
        }
