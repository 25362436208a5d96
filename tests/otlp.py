"""A collector: takes spans over OTLP/HTTP, as any other does, and shows what it got."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.wire import PATIENCE


@dataclass(frozen=True)
class SpanGot:
    """One span as it came."""

    name: str
    id: str
    parent: str
    trace: str
    kind: int
    attributes: Mapping[str, Any]
    error: bool
    events: tuple[str, ...]


@dataclass
class Collector:
    """What has come."""

    url: str = ""
    spans: list[SpanGot] = field(default_factory=list)
    resources: list[Mapping[str, Any]] = field(default_factory=list)
    raw: bytes = b""
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(_read(resource.resource.attributes))
            for scope in resource.scope_spans:
                self.spans += map(_span, scope.spans)
        self._came.set()
        return web.Response()

    def of(self, name: str) -> list[SpanGot]:
        """Those of this name, oldest first."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> SpanGot:
        (span,) = self.of(name)
        return span

    async def until(self, name: str) -> SpanGot:
        """Wait for a span."""
        async with asyncio.timeout(PATIENCE):
            while not self.of(name):
                self._came.clear()
                await self._came.wait()
        return self.of(name)[0]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run one."""
    collector = Collector()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/traces", collector.take)
    async with TestServer(app) as server:
        collector.url = f"http://127.0.0.1:{server.port}"
        yield collector


def _span(span: Any) -> SpanGot:
    return SpanGot(
        span.name,
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.trace_id.hex(),
        span.kind,
        _read(span.attributes),
        span.status.code == 2,
        tuple(event.name for event in span.events),
    )


def _read(attributes: Any) -> Mapping[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
