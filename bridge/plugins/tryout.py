"""Rendering a template for a call that could be, to see what it would give, and what it misses."""

from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.call.events import CallData
from bridge.plugins.failures import one_line
from bridge.plugins.jinja import SpeechEnvironment
from bridge.plugins.template import LONGEST_TEXT
from bridge.plugins.values import values_of


@dataclass(frozen=True, slots=True)
class Tryout:
    """What came of it."""

    text: str
    missed: tuple[str, ...] = ()
    """Names that the call does not have."""
    error: str = ""
    """Why it cannot be rendered; empty if it can."""


def try_out(source: str, call: CallData) -> Tryout:
    """Render a template without a trace in the log. Never raises."""
    missed: list[str] = []
    environment = SpeechEnvironment(missed.append)
    try:
        template = environment.from_string(source)
        text, _ = environment.render(template, values_of(call, datetime.now(UTC)), LONGEST_TEXT)
    except Exception as error:  # noqa: BLE001 - a template is foreign code: it may raise anything
        return Tryout(
            "", tuple(dict.fromkeys(missed)), one_line(f"{type(error).__name__}: {error}")
        )
    return Tryout(text, tuple(dict.fromkeys(missed)))
