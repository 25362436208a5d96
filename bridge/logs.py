"""Log lines: JSON for machines, colour for people, and never a caller's words above DEBUG."""

import contextlib
import logging
import os
import select
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.processors import ExceptionRenderer, format_exc_info

from bridge.discretion import print_told, told, without_numbers, without_quotes
from bridge.whose import say_whose

_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
_PIECE = 4096
"""Bytes that a pipe has room for when it says that it has some (PIPE_BUF)."""
_LEAST = 8
"""Characters from which on a value is a secret; replacing shorter ones would garble the log."""


def _secrets(known: Sequence[str]) -> list[str]:
    named = (value for name, value in os.environ.items() if name.upper().endswith(_SECRET_NAMES))
    values = (*known, *named)
    items = (item.strip() for value in values for item in (value, *value.split(",")))
    return sorted({item for item in items if len(item) >= _LEAST}, key=len, reverse=True)


class _Stream:
    """Where log lines go. A full disk, or a reader that has gone or stopped, must not end a call.

    Keys and tokens are blotted out by value: a provider may quote ours.
    """

    def __init__(
        self, stream: TextIO, secrets: Sequence[str], telling: Callable[[int], str]
    ) -> None:
        self._stream = stream
        self._secrets = secrets
        self._telling = telling
        """What is logged once somebody reads again, of so many lines that were lost."""
        self._room = _Room.of(stream)
        self._lock = threading.Lock()
        self._lost = 0
        """Lines that nobody made room for, since one was last written."""
        self._cut = False
        """Whether the last line is there in part."""

    def write(self, text: str) -> None:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._room is None:
                self._stream.write(text)
            else:
                self._write_where_there_is(self._room, text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def _write_where_there_is(self, room: "_Room", text: str) -> None:
        """Write a line as far as nobody has to wait for that: the event loop would."""
        if not room.is_there():
            self._lost += 1
            return
        if self._lost:
            text, self._lost = self._telling(self._lost) + text, 0
        data = ("\n" * self._cut + text).encode("utf-8", "backslashreplace")
        for start in range(0, len(data), _PIECE):
            self._cut = start > 0 and not room.is_there()
            if self._cut:
                self._lost += 1
                return
            os.write(room.descriptor, data[start : start + _PIECE])


@dataclass(frozen=True, slots=True)
class _Room:
    """Whether a descriptor takes a piece without waiting, as a pipe does that is read."""

    descriptor: int
    _poll: select.poll

    @classmethod
    def of(cls, stream: TextIO) -> "_Room | None":
        """That of a stream; None for one that is in memory."""
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):
            return None
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return cls(descriptor, poll)

    def is_there(self) -> bool:
        return bool(self._poll.poll(0))


def _quotes_no_server(record: logging.LogRecord) -> bool:
    """Keep out what the mcp package logs: it quotes whole messages, as errors and as warnings."""
    return record.name.partition(".")[0] != "mcp" and "/mcp/shared/" not in record.pathname


def configure_logs(
    level: str,
    style: Literal["auto", "json", "pretty"],
    secrets: Sequence[str] = (),
    *,
    private: bool = False,
) -> None:
    """Set up structlog and the libraries' loggers, all to stderr.

    `secrets` are blotted out, and so is what stands in variables that are named like secrets.
    `private`: leave phone numbers in, and what exceptions say.
    """
    pretty = style == "pretty" or (style == "auto" and sys.stderr.isatty())
    # Plain tracebacks: the default ones show local variables, which hold keys and speech, and take
    # seconds of the event loop to draw. Values as Python writes them: Millis's ids are hostile, and
    # a terminal obeys them.
    renderer = (
        structlog.dev.ConsoleRenderer(
            exception_formatter=structlog.dev.plain_traceback if private else print_told,
            repr_native_str=True,
        )
        if pretty
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        say_whose,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]

    def telling(lost: int) -> str:
        line: Any = {"event": "log lines were lost: whoever reads them had stopped", "lines": lost}
        for processor in (*before, renderer):
            line = processor(None, "warning", line)
        return f"{line}\n"

    stream = cast(TextIO, _Stream(sys.stderr, _secrets(secrets), telling))
    last: list[structlog.typing.Processor] = [
        *([] if pretty else [format_exc_info if private else ExceptionRenderer(told)]),
        *([] if private else [without_numbers]),
        renderer,
    ]
    structlog.configure(
        processors=[*before, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    libraries = logging.StreamHandler(stream)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                *before,
                structlog.stdlib.add_logger_name,
                *([] if private else [without_quotes]),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    libraries.addFilter(_quotes_no_server)
    logging.basicConfig(level=logging.WARNING, handlers=[libraries])
    # It repeats, with the text of the exception, what we raise through a callback on purpose.
    logging.getLogger("langchain_core.callbacks.manager").setLevel(logging.ERROR)
