"""Read a tools folder: which modules there are, and what their files say right now."""

import ast
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

DEFINITION = ".millis.json"
"""How the name of a file ends that holds functions as Millis defines them."""


@dataclass(frozen=True, slots=True)
class Source:
    """One module of the folder, as read: a file, or a package with all its files."""

    name: str
    """Its module name inside the folder."""
    path: Path
    """The file that runs: `clock.py`, or `orders/__init__.py`."""
    files: Mapping[Path, bytes]
    """Every Python file of the module, with its content."""
    digest: bytes

    @property
    def is_private(self) -> bool:
        """Whether only its neighbours use it: its name starts with an underscore."""
        return self.name.startswith("_")

    @property
    def is_package(self) -> bool:
        """Whether it is a folder of files."""
        return self.path.name == "__init__.py"

    @property
    def is_definition(self) -> bool:
        """Whether it is no Python, but functions as Millis defines them."""
        return self.path.name.endswith(DEFINITION)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A module whose files could not be read."""

    path: Path
    reason: str


def scan(folder: Path) -> list[Source | Unreadable]:
    """Read every module of the folder, in sorted order.

    Compares by content later on, so content is what is read: two saves within one tick of the
    clock can leave the same time and size behind.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    found: list[Source | Unreadable] = []
    for path in sorted(_modules(folder)):
        try:
            found.append(_read(path))
        except OSError as error:
            found.append(Unreadable(path, error.strerror or type(error).__name__))
    return found


def _modules(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name == "__init__.py":
            continue  # hidden files include editors' lock files, such as Emacs's .#clock.py
        if entry.name.endswith((".py", DEFINITION)) and entry.is_file():
            yield entry
        elif (entry / "__init__.py").is_file() and not _holds(entry, folder):
            yield entry / "__init__.py"


def _holds(entry: Path, folder: Path) -> bool:
    """Whether this is a link back to the folder itself, or to one around it."""
    return entry.is_symlink() and folder.resolve().is_relative_to(entry.resolve())


def _read(path: Path) -> Source:
    is_package = path.name == "__init__.py"
    paths = _package_files(path.parent) if is_package else [path]
    files = {file: file.read_bytes() for file in paths}
    digest = hashlib.sha256()
    for file, content in files.items():
        digest.update(f"{file}\0{len(content)}\0".encode(errors="surrogateescape"))
        digest.update(content)
    stem = path.parent.name if is_package else path.name.removesuffix(path.suffix)
    return Source(stem.replace(".", "_"), path, files, digest.digest())


def _package_files(folder: Path) -> list[Path]:
    found = []
    for root, folders, names in os.walk(folder):  # follows no links, so a loop of links is no loop
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        found += [Path(root, n) for n in names if n.endswith(".py") and not n.startswith(".")]
    return sorted(file for file in found if file.is_file())


def neighbours(source: Source) -> frozenset[str]:
    """Name the modules of the folder that this one imports: `from .orders import find`."""
    return frozenset(
        name
        for path, content in source.files.items()
        if not source.is_definition
        for name in _neighbours_in(content, _package_of(source, path))
    )


def _package_of(source: Source, path: Path) -> str:
    """Name the package that `.` means in this file, counted from the folder, `top`."""
    if not source.is_package:
        return "top"
    inner = path.relative_to(source.path.parent).parent.parts
    return ".".join(("top", source.name, *inner))


def _neighbours_in(content: bytes, package: str) -> Iterator[str]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the import will report it
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        for alias in node.names:
            try:
                target = resolve_name("." * node.level + (node.module or alias.name), package)
            except ImportError:  # more dots than folders: the import will report it
                continue
            yield target.split(".")[1]
