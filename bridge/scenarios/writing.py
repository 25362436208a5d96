"""Writing a scenario, with notes beside it. What is written is read back before anybody has it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from bridge.local.plain import plain
from bridge.scenarios.reading import ScenarioError, parse
from bridge.scenarios.recorded import Recorded

_WIDTH: Final = 100


def written(made: Recorded) -> str:
    """The text of the file.

    Raises:
        ScenarioError: it would be no scenario that can be read; too long, for one.
    """
    text = "".join(_blocks(made))
    read = parse(text, Path("the scenario of this call")).tree.value
    if read != {**made.head, "turns": [step.turn for step in made.steps]}:
        raise ScenarioError("what is on record of this call cannot be written as YAML")
    return text


def _blocks(made: Recorded) -> Iterator[str]:
    yield from _comments(made.remarks)
    yield _yaml(made.head)
    yield from _comments(made.greeting)
    yield "turns:\n"
    for step in made.steps:
        yield "\n"
        yield from _comments(step.before)
        yield _yaml([step.turn])
        yield from _comments(step.after)


class _Dumper(yaml.SafeDumper):
    """Escapes what is not printable: other ways to quote lose some line ends."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def _yaml(value: Any) -> str:
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        allow_unicode=True,
        default_flow_style=None,  # what holds nothing else is on one line
        sort_keys=False,
        width=_WIDTH,
    )
    return text


def _comments(texts: Iterable[str]) -> Iterator[str]:
    """A line each: `plain` leaves nothing that ends one, or that YAML does not allow."""
    for text in texts:
        yield f"# {''.join(c if c.isprintable() else ' ' for c in plain(text))}\n"
