"""The log, as `bridge serve` writes it with the settings that tell the most."""

import io
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

import structlog

from bridge.logs import configure_logs
from tests import loggers


@contextmanager
def as_served(secrets: Sequence[str]) -> Iterator[io.StringIO]:
    """Write JSON, of every level, without what is private: into this text instead of stderr."""
    root, text = logging.getLogger(), io.StringIO()
    before, ours_before = root.handlers[:], structlog.get_config()
    root.handlers[:] = []  # it is set up only where nobody has
    with mock.patch.object(sys, "stderr", text):
        configure_logs("debug", "json", secrets)
    ours = root.handlers[:]
    root.handlers[:] = [handler for handler in before if not _is_of_tests(handler)] + ours
    loggers.forget()
    try:
        yield text
    finally:
        structlog.configure(**ours_before)
        root.handlers[:] = before
        loggers.forget()


def _is_of_tests(handler: logging.Handler) -> bool:
    """Whether it writes to where `tests/conftest.py` has it write."""
    return type(handler) is logging.StreamHandler
