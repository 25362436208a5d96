"""What the command line and its surroundings give: the settings."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.settings import Settings


def settings(**overrides: object) -> "Settings":
    """Read the settings; what the command line says goes first, unless it is None.

    Raises:
        SettingsError: a value is wrong.
    """
    # Late, so that `--help` is instant.
    from dotenv import load_dotenv  # noqa: PLC0415

    from bridge.settings.reading import load_settings  # noqa: PLC0415

    load_dotenv(Path(".env"))
    return load_settings(**{name: value for name, value in overrides.items() if value is not None})
