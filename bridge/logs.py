"""Log lines: JSON for machines, colour for people, and never a caller's words above DEBUG."""

import logging
import sys
from typing import Literal

import structlog


def configure_logs(level: str, style: Literal["auto", "json", "pretty"]) -> None:
    """Set up structlog and the libraries' loggers, all to stderr."""
    pretty = style == "pretty" or (style == "auto" and sys.stderr.isatty())
    # Plain tracebacks: the default ones show local variables, which hold keys and speech, and take
    # seconds of the event loop to draw.
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    errors = [] if pretty else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *errors,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # It repeats, with the text of the exception, what we raise through a callback on purpose.
    logging.getLogger("langchain_core.callbacks.manager").setLevel(logging.ERROR)
