"""YAML as plain values, and the line on which each of them stands. The text may be hostile."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import yaml

Path = tuple[str | int, ...]
"""The keys and positions that lead to a value."""

_LONGEST: Final = 256 * 1024
_MOST_VALUES: Final = 20_000
"""An alias repeats what it stands for, so a short text can mean a very long one."""
_DEEPEST: Final = 30
_NO_CHARACTER: Final = "a character that YAML does not allow"
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


class BadYaml(Exception):
    """The text cannot be read as YAML of the kind that we take."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Tree:
    """What a YAML text says, and where."""

    value: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Where something stands; of what is not there, where it would belong."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Loader(yaml.SafeLoader):
    """Reads a date as the text that it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def tree_of(text: str) -> Tree:
    """Read one YAML document.

    Raises:
        BadYaml: it is none, is too large, or has keys that are no text or stand twice.
    """
    if len(text) > _LONGEST:
        raise BadYaml(1, f"longer than {_LONGEST // 1024} KiB")
    try:
        loader = _Loader(text)
        root = _root(loader)
        walk = _Walk(loader)
        value = None if root is None else walk.value(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(mark.line + 1 if mark else 1, _reason(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadYaml(line, _NO_CHARACTER) from None
    except RecursionError:
        raise BadYaml(1, "nested too deeply") from None
    return Tree(value, walk.lines)


def _root(loader: _Loader) -> yaml.Node | None:
    try:
        return loader.get_single_node()
    except (ValueError, OverflowError):  # an escape like "\UFFFFFFFF"
        raise BadYaml(loader.line + 1, _NO_CHARACTER) from None


class _Walk:
    """Goes through the nodes of a document once."""

    def __init__(self, loader: _Loader) -> None:
        self.lines: dict[Path, int] = {}
        self._loader = loader

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if len(path) > _DEEPEST:
            raise BadYaml(line, "nested too deeply")
        if len(self.lines) > _MOST_VALUES:
            raise BadYaml(line, f"more than {_MOST_VALUES} values")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, place)) for place, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise BadYaml(line, "a key must be text: put it in quotes")
            if key in found:
                raise BadYaml(line, f"the key {key} stands here twice")
            self.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        line = node.start_mark.line + 1
        try:
            value = cast("Any", self._loader.construct_object(node))
        except ValueError:
            raise BadYaml(line, "no number: put it in quotes") from None
        except (LookupError, AttributeError):
            raise BadYaml(line, f"this is no {node.tag.rpartition(':')[2]}") from None
        if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
            raise BadYaml(line, _NO_CHARACTER)
        return value


def _reason(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "no YAML"
    return f"this is no YAML: {problem}"
