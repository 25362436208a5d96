"""The prompts folder as it is in use: changed files are compiled aside and swapped in whole."""

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import structlog

from bridge.errors import SettingsError
from bridge.plugins.daemon import DaemonRun
from bridge.plugins.failures import PromptFailure, one_line
from bridge.plugins.lexicon_file import LexiconFile
from bridge.plugins.prompts import BUILT_IN, PromptSet, built_in_templates
from bridge.plugins.template import LONGEST_SOURCE, PromptTemplate

log = structlog.get_logger(__name__)

Templates = Mapping[str, PromptTemplate]


class PromptShelf:
    """Keeps the current prompts of one folder; a file that breaks keeps its last good version."""

    def __init__(self, folder: Path, built_in: Templates | None = None) -> None:
        self.folder = folder
        self._built_in = built_in_templates() if built_in is None else built_in
        """What is used where the folder has no file of a name."""
        self.current = PromptSet(templates=self._built_in)
        self.refused = 0
        """Files that could not be used, each time they came."""
        self._root = folder.absolute()
        self._lexicon = LexiconFile(self._root / "lexicon.toml")
        self._one_at_a_time = asyncio.Lock()

    async def reload(self) -> PromptSet:
        """Compile what has changed, swap it in, and return the set now in use.

        A folder with the same content keeps the same set.
        """
        async with self._one_at_a_time:
            before = self.current
            work = functools.partial(self._read, before)
            current = await DaemonRun(work, name="prompts").result
            if current != before:
                self.current = replace(current, version=before.version + 1)
                self.refused += _report(before, self.current)
            return self.current

    def _read(self, before: PromptSet) -> PromptSet:
        templates, failures = self._templates(before.templates)
        try:
            lexicon = self._lexicon.read(before.lexicon)
        except SettingsError as error:
            lexicon = before.lexicon
            failures = (*failures, self._lexicon.failure(error, kept=bool(lexicon)))
        return PromptSet(before.version, MappingProxyType(templates), failures, lexicon)

    def _templates(
        self, before: Templates
    ) -> tuple[dict[str, PromptTemplate], tuple[PromptFailure, ...]]:
        templates = dict(self._built_in)
        failures = []
        try:
            paths = sorted(path for path in self._root.iterdir() if _is_prompt(path))
        except OSError as error:
            remedy = "create the folder, with a system.md; until then the built-in prompts are used"
            reason = one_line(f"{error.strerror}: {remedy}")
            return templates, (PromptFailure(self.folder, None, reason, kept=False),)
        for path in paths:
            last_good = before.get(path.stem)
            compiled = self._compile(path, last_good)
            if isinstance(compiled, PromptTemplate):
                templates[path.stem] = compiled
                continue
            failures.append(compiled)
            if last_good is not None:
                templates[path.stem] = last_good
        return templates, tuple(failures)

    def _compile(
        self, path: Path, last_good: PromptTemplate | None
    ) -> PromptTemplate | PromptFailure:
        shown = Path(self._root.name) / path.name
        try:
            source = _text_of(path)
            if last_good is not None and last_good.source == source:
                return last_good
            return PromptTemplate(str(shown), source, fallback=BUILT_IN.get(path.stem, ""))
        except Exception as error:  # noqa: BLE001 - a template is foreign code: compiling it may raise anything
            line = getattr(error, "lineno", None)
            kept = last_good is not None and last_good is not self._built_in.get(path.stem)
            return PromptFailure(shown, line, one_line(f"{type(error).__name__}: {error}"), kept)


def _is_prompt(path: Path) -> bool:
    return path.suffix == ".md" and not path.name.startswith(".") and path.is_file()


def _text_of(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(LONGEST_SOURCE + 1)
    if len(content) > LONGEST_SOURCE:
        raise ValueError(f"longer than {LONGEST_SOURCE // 1024} KiB")
    return content.decode("utf-8-sig")


def _report(before: PromptSet, after: PromptSet) -> int:
    """Log what has changed; the number of failures that are new."""
    old, new = before.templates, after.templates
    log.info(
        "prompts swapped in",
        version=after.version,
        added=sorted(new.keys() - old.keys()),
        changed=sorted(name for name in new.keys() & old.keys() if new[name] is not old[name]),
        removed=sorted(old.keys() - new.keys()),
        lexicon=after.lexicon is not before.lexicon,
        failures=len(after.failures),
    )
    news = [failure for failure in after.failures if failure not in before.failures]
    for failure in news:
        log.warning(
            "prompt file not loaded",
            file=str(failure.file),
            line=failure.line,
            reason=failure.reason,
            kept=failure.kept,
        )
    return len(news)
