"""`bridge new`: a project of one's own, from the files beside this one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer

from bridge.errors import SettingsError

_FILES: Final = Path(__file__).with_name("project")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_NAMED_APART: Final = {"gitignore": ".gitignore"}
"""Files that would mean something where the bridge itself is developed."""
_NEXT: Final = """\
next:
  cd {name}
  bridge chat      type to the agent; it needs no key
  bridge test      play scenarios/ to it
  pytest           play tests/ to it, once pytest is installed
  bridge serve     answer Millis; README.md says how it gets there
"""


def new(name: str) -> None:
    """Make a project in a new folder, or an empty one, and say what to do next.

    Raises:
        SettingsError: the name is unfit, or there is something already, or it cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} cannot be the name of a project: take letters, digits, - and _, with a "
            "letter first, such as my-agent"
        )
    folder = Path(name)
    try:
        _require_room(folder)
        made = [_write(source, folder, name) for source in _sources()]
    except OSError as error:
        raise SettingsError(f"{error.filename or folder}: {error.strerror}") from None
    for path in made:
        typer.echo(f"  {path}")
    typer.echo(f"\n{_NEXT.format(name=name)}", nl=False)


def _require_room(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SettingsError(f"{folder} is there already, and is no folder: take another name")
    if folder.exists() and any(folder.iterdir()):
        raise SettingsError(
            f"the folder {folder} is there already, and is not empty: take another name, or empty "
            "it first"
        )


def _sources() -> Iterator[Path]:
    """The files of a project; what Python leaves beside them is not of it."""
    for source in sorted(_FILES.rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            yield source


def _write(source: Path, folder: Path, name: str) -> Path:
    """Write one file, which must not be there."""
    place = source.relative_to(_FILES)
    target = folder / place.with_name(_NAMED_APART.get(place.name, place.name))
    target.parent.mkdir(parents=True, exist_ok=True)
    text = source.read_text(encoding="utf-8")
    with target.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text.replace("PROJECT", name))
    return target
