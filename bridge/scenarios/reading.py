"""Reading scenarios. What is wrong with one is told with the line it stands on, and the remedy."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from bridge.errors import BridgeError
from bridge.local.plain import cut, plain
from bridge.scenarios.form import Form
from bridge.scenarios.parts import UNKNOWN_KEY
from bridge.scenarios.tree import BadYaml, Tree, tree_of
from bridge.scenarios.tree import Path as Place

_QUOTE: Final = ": put it in quotes"
_IN_WORDS: Final = {
    "float_type": "must be a number",
    "int_type": "must be a number",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
}


class ScenarioError(BridgeError):
    """A scenario that cannot be played. Each line of the message is `file:line: what, remedy`."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, and where everything of it stands."""

    file: Path
    """As it is shown."""
    form: Form
    tree: Tree

    def line(self, place: Place) -> int:
        """On which line something stands."""
        return self.tree.line(place)

    def error(self, place: Place, problem: str) -> ScenarioError:
        """What to raise about something in it."""
        return ScenarioError(_told(self.file, self.line(place), problem))


def read(file: Path) -> Scenario:
    """Read a scenario from its file.

    Raises:
        ScenarioError: there is no such file, or something in it is not as it should be.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{plain(file)}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{plain(file)}: not UTF-8") from None
    return parse(text, file)


def parse(text: str, file: Path) -> Scenario:
    """Read a scenario from a text. `file` is what errors name.

    Raises:
        ScenarioError: something in it is not as it should be.
    """
    try:
        tree = tree_of(text)
    except BadYaml as error:
        raise ScenarioError(_told(file, error.line, str(error))) from None
    try:
        return Scenario(file, Form.model_validate(tree.value), tree)
    except ValidationError as error:
        problems = (_told(file, *problem) for problem in _problems(error, tree))
        raise ScenarioError("\n".join(problems)) from None


def found(given: Iterable[Path], folder: Path) -> list[Path]:
    """The files that are meant: those given, in given folders too, else all of `folder`.

    Raises:
        ScenarioError: there is none.
    """
    places = list(given) or [folder]
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = sorted(p for p in place.iterdir() if p.suffix in (".yaml", ".yml"))
            if not inside:
                raise ScenarioError(f"{plain(place)}: no scenario (*.yaml) in this folder")
            files += inside
        else:
            files.append(place)
    if not given and not folder.is_dir():
        raise ScenarioError(
            f"there is no folder {plain(folder)} here: name files, or write {plain(folder)}/"
            "first.yaml (docs/scenarios.md)"
        )
    return files


def _told(file: Path, line: int, problem: str) -> str:
    return f"{plain(file)}:{line}: {cut(plain(problem), 300)}"


def _problems(error: ValidationError, tree: Tree) -> Iterator[tuple[int, str]]:
    """What is wrong, line by line. Of several readings of one value, the one that came furthest."""
    first: dict[Place, Mapping[str, Any]] = {}
    for one in error.errors():
        first.setdefault(_place(one, tree.value), one)
    for place in sorted(first, key=tree.line):
        size, problem = len(place), first[place]
        if not any(len(other) > size and other[:size] == place for other in first):
            key = next((part for part in reversed(place) if isinstance(part, str)), "")
            about = f"{key}: " if key and problem["type"] not in (UNKNOWN_KEY, "missing") else ""
            yield tree.line(place), f"{about}{_in_words(problem)}"


def _place(error: Mapping[str, Any], value: Any) -> Place:
    """Where it is in the file: pydantic also names the alternatives that it has tried."""
    place: list[str | int] = []
    for part in error["loc"]:
        known: Any = value if isinstance(value, dict) else ()
        if isinstance(value, list):
            known = range(len(value))
        if part in known:
            value = value[part]
            place.append(part)
    if error["type"] == UNKNOWN_KEY:
        place.append(error["ctx"]["key"])
    return tuple(place)


def _in_words(error: Mapping[str, Any]) -> str:
    kind, given = error["type"], error["input"]
    if kind == "missing":
        return f"{error['loc'][-1]} is missing"
    if kind == "string_type":
        number = isinstance(given, bool | int | float)
        return "there is no value" if given is None else f"must be text{_QUOTE if number else ''}"
    message: str = error["msg"]
    return _IN_WORDS.get(kind, message.replace("Input should be", "must be"))
