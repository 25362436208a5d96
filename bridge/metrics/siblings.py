"""The metrics of several processes as those of one.

Each writes its page to a file, now and then and before it tells of it; whoever is asked adds up the
files. So what was told once is on file, and no counter goes backwards when a process dies. Nobody
waits for anybody: files are replaced whole, and there are no locks.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from prometheus_client.utils import floatToGoString

Across = Literal["sum", "max", "min"]
"""How a gauge of all processes comes from theirs. Counters and histograms are added up."""

_BURIED: Final = "buried"
_DEAD: Final = "# buried "
"""Begins the line of that file which names those that it has counted last."""
_TRIES: Final = 5
"""Times that the files are read, if a process is buried meanwhile."""


@dataclass(slots=True)
class _Family:
    """One metric, of one process or of several."""

    about: str
    kind: str = ""
    samples: dict[str, float] = field(default_factory=dict)
    """By what stands before the value: name and labels."""


_Counted = dict[str, _Family]


class Siblings:
    """What all processes of a supervisor have counted. The folder must be theirs alone."""

    def __init__(self, folder: Path, name: str) -> None:
        """`name` is that of this process; no two have the same, one after the other neither."""
        self._folder = folder
        self._name = name

    def keep(self, page: bytes) -> None:
        """Write down what this process has counted, in Prometheus's text format.

        Raises:
            OSError: that cannot be.
        """
        _write(self._folder, self._name, page)

    def page(self, across: Mapping[str, Across]) -> bytes:
        """What all have counted, those that are gone, too. `across` is of gauges that are no sums.

        Raises:
            OSError: it cannot be read.
        """
        for _ in range(_TRIES):
            begun = _content(self._folder, _BURIED)
            counted = _parsed(begun)
            for name in sorted(set(_names(self._folder)) - _dead(begun)):
                _add(counted, _parsed(_content(self._folder, name)), across)
            if _content(self._folder, _BURIED) == begun:
                return _written(counted)
        raise OSError("processes die faster than their metrics can be read")

    def bury(self, living: Collection[str]) -> None:
        """In the supervisor: add what the dead have counted to what is kept of all before them.

        Raises:
            OSError: that cannot be; it may be tried again.
        """
        dead = [name for name in _names(self._folder) if name not in living]
        before = _content(self._folder, _BURIED)
        kept, left = _parsed(before), set(dead) - _dead(before)
        for name in left:
            counted = _parsed(_content(self._folder, name))
            _add(kept, {n: f for n, f in counted.items() if f.kind != "gauge"}, {})
        if left:
            _write(self._folder, _BURIED, f"{_DEAD}{' '.join(dead)}\n".encode() + _written(kept))
        for name in dead:  # from now on they are counted among the buried
            _file(self._folder, name).unlink(missing_ok=True)
            _draft(self._folder, name).unlink(missing_ok=True)


def _add(to: _Counted, more: _Counted, across: Mapping[str, Across]) -> None:
    for name, family in more.items():
        samples = to.setdefault(name, _Family(family.about, family.kind)).samples
        how = across.get(name, "sum") if family.kind == "gauge" else "sum"
        for key, value in family.samples.items():
            before = samples.get(key)
            samples[key] = value if before is None else _both(how, before, value)


def _both(how: Across, one: float, other: float) -> float:
    return one + other if how == "sum" else max(one, other) if how == "max" else min(one, other)


# ── Prometheus's text ────────────────────────────────────────────────────────────────────────────


def _parsed(page: bytes) -> _Counted:
    found: _Counted = {}
    family = _Family("")
    for line in page.decode().split("\n"):
        match line.split(" ", 3):
            case ["#", "HELP", name, about]:
                family = found[name] = _Family(about)
            case ["#", "TYPE", _, kind]:
                family.kind = kind
            case ["#" | "", *_]:
                pass
            case _:
                key, _, value = line.rpartition(" ")
                family.samples[key] = float(value)
    return found


def _written(counted: _Counted) -> bytes:
    lines = []
    for name, family in counted.items():
        lines += [f"# HELP {name} {family.about}", f"# TYPE {name} {family.kind}"]
        lines += [f"{key} {_number(value)}" for key, value in family.samples.items()]
    return "\n".join([*lines, ""]).encode()


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _dead(buried: bytes) -> set[str]:
    first = buried.decode().partition("\n")[0]
    return set(first.removeprefix(_DEAD).split()) if first.startswith(_DEAD) else set()


# ── files ────────────────────────────────────────────────────────────────────────────────────────


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.prom"


def _draft(folder: Path, name: str) -> Path:
    return folder / f"{name}.draft"


def _names(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.prom") if path.stem != _BURIED]


def _content(folder: Path, name: str) -> bytes:
    try:
        return _file(folder, name).read_bytes()
    except FileNotFoundError:  # nothing yet; or buried just now, and then it is counted there
        return b""


def _write(folder: Path, name: str, content: bytes) -> None:
    draft = _draft(folder, name)
    with open(draft, "wb", opener=_for_us_alone) as file:
        file.write(content)
    draft.replace(_file(folder, name))


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
