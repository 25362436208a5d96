"""A persona's prompts: its own files over those of everybody, file by file."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.prompts import PromptSet


class LayeredPrompts:
    """The prompts of one persona, as they are in use."""

    def __init__(self, folder: Path, base: PromptShelf) -> None:
        self.own = PromptShelf(folder, built_in={})
        self._base = base
        self._made: tuple[PromptSet, PromptSet, PromptSet] | None = None

    @property
    def current(self) -> PromptSet:
        """Both layers as one set; the same as long as neither changes."""
        own, base = self.own.current, self._base.current
        if self._made is None or self._made[0] is not own or self._made[1] is not base:
            both = replace(
                base,
                templates=MappingProxyType({**base.templates, **own.templates}),
                failures=own.failures,
                lexicon=own.lexicon or base.lexicon,
            )
            self._made = (own, base, both)
        return self._made[2]
