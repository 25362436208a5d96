"""One prompt file, compiled; rendering it always gives words."""

import traceback
from collections.abc import Mapping
from typing import Any

import structlog
from jinja2 import Template

from bridge.plugins.jinja import SpeechEnvironment, reject_references

log = structlog.get_logger(__name__)

LONGEST_SOURCE = 256 * 1024
"""Bytes of a prompt file."""
LONGEST_TEXT = 64 * 1024
"""Characters of a rendered prompt."""
MOST_NOTICES = 64
"""Missing names reported per template; a template may compute the names it looks for."""


class PromptTemplate:
    """One prompt, fit to be rendered for any number of calls at once."""

    def __init__(self, file: str, source: str, *, fallback: str) -> None:
        """Compile it.

        Raises:
            TemplateError: the source is not a template. `lineno` says where.
        """
        self.file = file
        self.source = source
        self.fallback = fallback
        """What is said when rendering fails."""
        self._noticed: set[str] = set()
        environment = self._environment = SpeechEnvironment(self._notice)
        reject_references(environment.parse(source, filename=file))
        code = environment.compile(source, filename=file)
        self._template = Template.from_code(environment, code, environment.make_globals(None))

    def render(self, values: Mapping[str, Any]) -> str:
        """Put the values in; on any error, log it and give the fallback."""
        try:
            return self._render(values)
        except Exception as error:  # noqa: BLE001 - a template is foreign code: it may raise anything
            log.error(  # noqa: TRY400 - the traceback may quote the caller
                "prompt failed; its built-in text is used",
                file=self.file,
                line=self._line_of(error),
                error=type(error).__name__,
            )
            return self.fallback

    def _render(self, values: Mapping[str, Any]) -> str:
        text, cut = self._environment.render(self._template, values, LONGEST_TEXT)
        if cut:
            log.warning("prompt cut", file=self.file, longest=LONGEST_TEXT)
        return text

    def _notice(self, name: str) -> None:
        # A name that is not in the file was computed, perhaps from what the caller said.
        name = name if name in self.source else "(computed)"
        if name not in self._noticed and len(self._noticed) < MOST_NOTICES:
            self._noticed.add(name)
            log.warning("undefined in prompt", file=self.file, name=name)

    def _line_of(self, error: Exception) -> int | None:
        lines = [
            line
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename == self.file
        ]
        return lines[-1] if lines else None
