"""Whether calls are traced, as OpenTelemetry's own variables say. Else nothing of it is loaded."""

import os
import sys
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from bridge.traces.exporting import Traces

_log = structlog.get_logger(__name__)

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN: Final = "http/protobuf"


def traces_of_process(*, private: bool) -> "Traces | None":
    """Whoever traces the calls of this process; None if nobody is to.

    Its provider becomes that of the whole process, so that tools may trace what they do. One that
    is there already, as under `opentelemetry-instrument`, is used instead.

    Raises:
        SettingsError: a variable is wrong.
    """
    if _is("OTEL_SDK_DISABLED", "true") or _is("OTEL_TRACES_EXPORTER", "none"):
        return None
    asked = any(os.environ.get(name) for name in _ENDPOINTS)
    if not asked and "opentelemetry.sdk.trace" not in sys.modules:
        return None
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        provider = trace.get_tracer_provider()
        is_set = not isinstance(provider, trace.ProxyTracerProvider)
        if not asked and not is_set:
            return None
        from bridge.traces.exporting import Traces, to_collector  # noqa: PLC0415 - as above
    except ModuleNotFoundError as missing:
        _log.warning(
            "calls are not traced: pip install 'millis-bridge[otel]'", missing=missing.name
        )
        return None
    if not is_set:
        _warn_of_protocol()
        provider = to_collector()
        trace.set_tracer_provider(provider)
    _log.info("calls are traced", private=private)
    return Traces(provider, private=private)


def _is(name: str, value: str) -> bool:
    return os.environ.get(name, "").strip().lower() == value


def _warn_of_protocol() -> None:
    asked = next((value for name in _PROTOCOLS if (value := os.environ.get(name))), _SPOKEN)
    if asked != _SPOKEN:
        _log.warning(
            "spans go out as http/protobuf: the endpoint must be the collector's port for that",
            asked=asked,
        )
