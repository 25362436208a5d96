"""The table of pronunciations as a file that changes: read again only when its content has."""

from pathlib import Path

from bridge.errors import SettingsError
from bridge.plugins.failures import PromptFailure, one_line
from bridge.speech import Lexicon


class LexiconFile:
    """One `lexicon.toml`, and what was last found in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: bytes | None = None
        self._found: Lexicon | SettingsError | None = None

    def read(self, current: Lexicon) -> Lexicon:
        """The table as it is in the file; the current one if that has not changed.

        Raises:
            SettingsError: the file is not as it should be.
        """
        content = self._read_content()
        if self._found is None or content != self._content:
            self._content, self._found = content, self._load(current)
        if isinstance(self._found, SettingsError):
            raise self._found
        return self._found

    def failure(self, error: SettingsError, *, kept: bool) -> PromptFailure:
        """What is told about it."""
        shown = Path(self._path.parent.name) / self._path.name
        reason = str(error).removeprefix(f"{self._path}: ")
        return PromptFailure(shown, None, one_line(reason), kept)

    def _read_content(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None

    def _load(self, current: Lexicon) -> Lexicon | SettingsError:
        try:
            found = Lexicon.load(self._path)
        except SettingsError as error:
            return error
        return found if found or current else current
