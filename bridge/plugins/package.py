"""The tools folder as a Python package of its own, so that `from ._db import connect` works."""

import importlib.util
import secrets
import sys
import weakref
from collections.abc import Collection, Mapping, Sequence
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from bridge.plugins.sources import Source


class _Snapshot(SourceLoader):
    """Runs the bytes that were read and compared, never a cached .pyc with the same timestamp."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        self._content = content

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        if path == str(self._path):
            return self._content
        raise FileNotFoundError(path)


class _Finder(MetaPathFinder):
    """Finds the modules of one package, and no others."""

    def __init__(self, package: str) -> None:
        self.prefix = f"{package}."
        self.sources: Mapping[str, Source] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(self.prefix):
            return None
        top, *inner = fullname.removeprefix(self.prefix).split(".")
        source = self.sources.get(top)
        file = None if source is None else _file_of(source, inner)
        if source is None or file is None:
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            file,
            loader=_Snapshot(file, source.files[file]),
            submodule_search_locations=[str(file.parent)] if file.name == "__init__.py" else None,
        )


def _file_of(source: Source, inner: list[str]) -> Path | None:
    if not inner:
        return source.path
    *folders, name = inner
    folder = source.path.parent.joinpath(*folders)
    candidates = (folder / name / "__init__.py", folder / f"{name}.py")
    return next((file for file in candidates if file in source.files and source.is_package), None)


class ToolPackage:
    """The modules of one tools folder, under a name that nothing else uses."""

    def __init__(self, folder: Path) -> None:
        self.name = f"bridge_tools_{secrets.token_hex(4)}"
        self._root = ModuleType(self.name)
        self._root.__path__ = [str(folder)]
        self._finder = _Finder(self.name)
        sys.modules[self.name] = self._root
        sys.meta_path.insert(0, self._finder)  # before Python's own, which trusts a cached .pyc
        weakref.finalize(self, _forget, self.name, self._finder).atexit = False

    def read_from(self, sources: Mapping[str, Source]) -> None:
        """Import from these sources from now on."""
        self._finder.sources = sources

    def load(self, name: str) -> ModuleType:
        """Run one module, unless a neighbour has already imported it.

        Past the import system, whose lock on the module would stay with a thread that hangs.
        Whatever the module raises comes out.
        """
        fullname = f"{self.name}.{name}"
        if fullname in sys.modules:
            return sys.modules[fullname]
        spec = self._finder.find_spec(fullname)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        module = importlib.util.module_from_spec(spec)
        sys.modules[fullname] = module
        spec.loader.exec_module(module)
        setattr(self._root, name, module)
        return module

    def take_out(self, names: Collection[str]) -> dict[str, ModuleType]:
        """Forget these modules, with what is inside them; return them for `put_back`."""
        for name in names:
            vars(self._root).pop(name, None)
        mine = [fullname for fullname in list(sys.modules) if self._top(fullname) in names]
        return {fullname: sys.modules.pop(fullname) for fullname in mine}

    def put_back(self, taken: Mapping[str, ModuleType], name: str) -> None:
        """Have one module again as it was when it was taken out."""
        self.take_out({name})
        old = {full: module for full, module in taken.items() if self._top(full) == name}
        sys.modules.update(old)
        if f"{self.name}.{name}" in old:
            setattr(self._root, name, old[f"{self.name}.{name}"])

    def has(self, name: str) -> bool:
        """Whether the module has been imported."""
        return f"{self.name}.{name}" in sys.modules

    def _top(self, fullname: str) -> str | None:
        prefix = self._finder.prefix
        if not fullname.startswith(prefix):
            return None
        return fullname.removeprefix(prefix).split(".", 1)[0]


def _forget(package: str, finder: _Finder) -> None:
    if finder in sys.meta_path:
        sys.meta_path.remove(finder)
    for fullname in list(sys.modules):
        if fullname == package or fullname.startswith(finder.prefix):
            del sys.modules[fullname]
