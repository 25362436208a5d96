"""Where spans go: to a collector over OTLP/HTTP, from a thread of OpenTelemetry's own."""

import asyncio
import contextlib
import os
import threading
from typing import Final, Self

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from bridge import __version__
from bridge.call.spans import Span
from bridge.errors import SettingsError
from bridge.traces.spans import Traced

_log = structlog.get_logger(__name__)

_NAME: Final = "millis-bridge"


class Traces:
    """Whoever traces calls. Enter it before all else, so that it is left last: then it is sent."""

    def __init__(self, provider: trace.TracerProvider, *, private: bool) -> None:
        """`private`: what is said, asked of tools and dialled may be told."""
        self._provider = provider
        self._tracer = provider.get_tracer(_NAME, __version__)
        self._private = private
        self.patience = 2.0
        """Seconds, at the end, in which the last spans may be sent."""

    def call(self) -> Span:
        """Begin the span of a call (call.spans.Tracer)."""
        span = self._tracer.start_span("call", kind=trace.SpanKind.SERVER)
        return Traced(self._tracer, span, private=self._private)

    async def __aenter__(self) -> Self:
        """Spans may come."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send the last ones; what a collector does not take in time is lost."""
        if not isinstance(self._provider, TracerProvider):
            return
        sent, loop = asyncio.Event(), asyncio.get_running_loop()

        def send(provider: TracerProvider = self._provider) -> None:
            provider.shutdown()
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(sent.set)

        # A daemon: a collector that does not answer must not keep the process from ending.
        threading.Thread(target=send, name="last spans", daemon=True).start()
        try:
            async with asyncio.timeout(self.patience):
                await sent.wait()
        except TimeoutError:
            _log.warning("the last spans were not sent in time", seconds=self.patience)


def to_collector() -> TracerProvider:
    """Make a provider that does as OpenTelemetry's variables say.

    Raises:
        SettingsError: one of them is wrong.
    """
    own = Resource({"service.version": __version__, "process.pid": os.getpid()})
    said = Resource.create({})
    if str(said.attributes["service.name"]).startswith("unknown_service"):
        said = said.merge(Resource({"service.name": _NAME}))
    try:
        provider = TracerProvider(resource=own.merge(said), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except Exception as error:  # noqa: BLE001 - it reads many variables, and says little of which
        raise SettingsError(f"traces: {error}; look at the OTEL_ variables") from None
    return provider
