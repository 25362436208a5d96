"""What a tool wants, read from its OpenAI schema; the schema may be anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from bridge.agent.demo.words import content, plain, stem, words

Kind = Literal["string", "integer", "number", "boolean", "array", "object"]
Choice = str | int | float

_KINDS: tuple[str, ...] = get_args(Kind)
_MOST_TOOLS, _MOST_ARGUMENTS, _MOST_CHOICES = 128, 32, 64
_LONGEST_CHOICE = 100


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a tool."""

    name: str
    kind: Kind = "string"
    required: bool = True
    description: str = ""
    format: str = ""
    choices: tuple[Choice, ...] = ()
    low: float = float("-inf")
    high: float = float("inf")
    items: "Argument | None" = None
    """What a list holds."""


@dataclass(frozen=True)
class ToolSpec:
    """One tool, as far as the demo model understands it."""

    name: str
    description: str = ""
    arguments: tuple[Argument, ...] = ()

    @cached_property
    def purpose(self) -> str:
        """The first sentence of the description, without its full stop."""
        text = plain(self.description, 300) or " ".join(words(self.name))
        return text.replace("e.g. ", "e.g.\0").split(". ")[0].replace("\0", " ").rstrip(".!")

    @cached_property
    def vocabulary(self) -> Mapping[str, float]:
        """How much a stem says in favour of this tool: its name most, its details least."""
        choices = [str(choice) for one in self.arguments for choice in one.choices]
        details = [text for one in self.arguments for text in (one.name, one.description)]
        weights: dict[str, float] = {}
        for weight, texts in (
            (1.0, [self.description, *details]),
            (2.0, [self.purpose, *choices]),
            (3.0, [self.name]),
        ):
            weights.update((found, weight) for text in texts for found in content(text))
        return weights

    @cached_property
    def own_words(self) -> frozenset[str]:
        """Stems that name the tool or its arguments, so are nobody's value."""
        named = [word for argument in self.arguments for word in words(argument.name)]
        return frozenset(stem(word) for word in [*words(self.name), *named])

    @property
    def fillable(self) -> bool:
        """Whether words alone can make a call."""
        return not any(
            one.required and one.kind == "object"
            for argument in self.arguments
            for one in (argument, argument.items or argument)
        )


def read_tools(tools: object) -> tuple[ToolSpec, ...]:
    """The tools that can be called; what cannot be read is left out."""
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        return ()
    return tuple(_specs(tools[:_MOST_TOOLS]))


def _specs(tools: Sequence[object]) -> Iterator[ToolSpec]:
    for tool in tools:
        function = _mapping(_mapping(tool).get("function"))
        name = function.get("name")
        if isinstance(name, str) and name:
            spec = ToolSpec(
                name, _text(function.get("description")), _arguments(function.get("parameters"))
            )
            if spec.fillable:
                yield spec


def _arguments(parameters: object) -> tuple[Argument, ...]:
    schema = _mapping(parameters)
    required = schema.get("required")
    needed = required if isinstance(required, Sequence) else ()
    definitions = _mapping(schema.get("$defs")) or _mapping(schema.get("definitions"))
    properties = list(_mapping(schema.get("properties")).items())
    # The needed ones come first: past the limit, only what can be left out is left out.
    properties.sort(key=lambda entry: entry[0] not in needed)
    return tuple(
        _argument(str(name), _resolve(value, definitions), definitions, required=name in needed)
        for name, value in properties[:_MOST_ARGUMENTS]
    )


def _argument(
    name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], *, required: bool = True
) -> Argument:
    kind = _kind(schema)
    items = _resolve(schema.get("items"), definitions) if kind == "array" else None
    return Argument(
        name=name,
        kind=kind,
        required=required,
        description=_text(schema.get("description")),
        format=_text(schema.get("format")),
        choices=_choices(schema),
        low=_bound(schema.get("minimum"), float("-inf")),
        high=_bound(schema.get("maximum"), float("inf")),
        items=None if items is None else Argument(name, _item_kind(items), choices=_choices(items)),
    )


def _choices(schema: Mapping[str, Any]) -> tuple[Choice, ...]:
    choices = schema.get("enum")
    if not isinstance(choices, Sequence) or isinstance(choices, str):
        choices = [schema["const"]] if "const" in schema else []
    return tuple(
        choice
        for choice in choices[:_MOST_CHOICES]
        if isinstance(choice, str | int | float)
        and not isinstance(choice, bool)
        and len(str(choice)) <= _LONGEST_CHOICE
    )


def _item_kind(schema: Mapping[str, Any]) -> Kind:
    kind = _kind(schema)
    return "object" if kind == "array" else kind  # a list of lists is nothing one can say


def _resolve(schema: object, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references and take the first alternative that is not null, a few steps deep."""
    found = _mapping(schema)
    for _ in range(4):
        reference = found.get("$ref")
        if isinstance(reference, str):
            inner: object = definitions.get(reference.rsplit("/", 1)[-1])
        else:
            inner = next(_alternatives(found), None)
        if inner is None:
            break
        found = {**_mapping(inner), **{k: v for k, v in found.items() if k == "description"}}
    return found


def _alternatives(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("anyOf", "oneOf", "allOf"):
        options = schema.get(key)
        if isinstance(options, Sequence) and not isinstance(options, str):
            yield from (
                option
                for option in options
                if isinstance(option, Mapping) and option.get("type") != "null"
            )


def _kind(schema: Mapping[str, Any]) -> Kind:
    declared = schema.get("type")
    names = declared if isinstance(declared, list) else [declared]
    for name in names:
        if isinstance(name, str) and name in _KINDS:
            return name  # type: ignore[return-value]  # one of Kind's own names
    return "object" if "properties" in schema else "string"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value[:2000] if isinstance(value, str) else ""


def _bound(value: object, otherwise: float) -> float:
    sound = isinstance(value, int | float) and not isinstance(value, bool)
    return value if sound else otherwise  # type: ignore[return-value]  # sound says it
