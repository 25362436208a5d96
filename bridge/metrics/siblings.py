"""The metrics of several processes as those of one.

Each writes down its own in a file, now and then and before it tells them to anybody; whoever is
asked adds up the files. So what was told once is on file, and no counter goes backwards when a
process dies. Nobody waits for anybody: files are replaced whole, and there are no locks.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from prometheus_client.core import Metric

Across = Literal["sum", "max", "min"]
"""How a gauge of all processes comes from theirs. Counters and histograms are added up."""

_BURIED: Final = "buried"
_TRIES: Final = 5
"""Times that the files are read, if a process is buried meanwhile."""

_Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Family:
    """One metric, of one process or of several."""

    kind: str
    about: str
    across: Across
    samples: dict[_Key, float]


_Counted = dict[str, _Family]


class Siblings:
    """What all processes of a supervisor have counted. The folder must be theirs alone."""

    def __init__(self, folder: Path, name: str) -> None:
        """`name` is that of this process; no two have the same, one after the other neither."""
        self._folder = folder
        self._name = name

    def keep(self, families: Iterable[Metric], across: Mapping[str, Across]) -> None:
        """Write down what this process has counted. `across` is of gauges that are no sums.

        Raises:
            OSError: that cannot be.
        """
        _write(self._folder, self._name, _encoded(_read_of(families, across)))

    def collect(self) -> Iterable[Metric]:
        """What all have counted, those that are gone, too.

        Raises:
            OSError: it cannot be read.
        """
        for name, family in self._all().items():
            metric = Metric(name, family.about, family.kind)
            for (sample, labels), value in family.samples.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric

    def bury(self, living: Collection[str]) -> None:
        """In the supervisor: add what the dead have counted to what is kept of all before them.

        Raises:
            OSError: that cannot be; it may be tried again.
        """
        dead = [name for name in _names(self._folder) if name not in living]
        kept, before = _decoded(_content(self._folder, _BURIED))
        left = [name for name in dead if name not in before]
        for name in left:
            counted, _ = _decoded(_content(self._folder, name))
            _add(kept, {n: f for n, f in counted.items() if f.kind != "gauge"})
        if left:
            _write(self._folder, _BURIED, _encoded(kept, dead))
        for name in dead:  # from now on they are counted among the buried
            _file(self._folder, name).unlink(missing_ok=True)
            _draft(self._folder, name).unlink(missing_ok=True)

    def _all(self) -> _Counted:
        for _ in range(_TRIES):
            begun = _content(self._folder, _BURIED)
            counted, buried = _decoded(begun)
            for name in sorted(set(_names(self._folder)) - set(buried)):
                _add(counted, _decoded(_content(self._folder, name))[0])
            if _content(self._folder, _BURIED) == begun:
                return counted
        raise OSError("processes die faster than their metrics can be read")


def _read_of(families: Iterable[Metric], across: Mapping[str, Across]) -> _Counted:
    return {
        family.name: _Family(
            family.type,
            family.documentation,
            across.get(family.name, "sum") if family.type == "gauge" else "sum",
            {(one.name, tuple(one.labels.items())): one.value for one in family.samples},
        )
        for family in families
    }


def _add(to: _Counted, more: _Counted) -> None:
    for name, family in more.items():
        if (known := to.get(name)) is None:
            to[name] = family
            continue
        for key, value in family.samples.items():
            before = known.samples.get(key)
            known.samples[key] = value if before is None else _both(known.across, before, value)


def _both(across: Across, one: float, other: float) -> float:
    return (
        one + other if across == "sum" else max(one, other) if across == "max" else min(one, other)
    )


# ── files ────────────────────────────────────────────────────────────────────────────────────────


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _draft(folder: Path, name: str) -> Path:
    return folder / f"{name}.draft"


def _names(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.json") if path.stem != _BURIED]


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


def _encoded(counted: _Counted, buried: Collection[str] = ()) -> bytes:
    families = [
        (
            name,
            one.kind,
            one.about,
            one.across,
            [(*key, value) for key, value in one.samples.items()],
        )
        for name, one in counted.items()
    ]
    return orjson.dumps({"families": families, "buried": list(buried)})


def _decoded(content: bytes) -> tuple[_Counted, list[str]]:
    if not content:
        return {}, []
    found: dict[str, Any] = orjson.loads(content)
    counted = {
        name: _Family(
            kind,
            about,
            across,
            {(sample, tuple(map(tuple, labels))): value for sample, labels, value in samples},
        )
        for name, kind, about, across, samples in found["families"]
    }
    return counted, found["buried"]
