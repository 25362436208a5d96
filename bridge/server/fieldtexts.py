"""What a model says of its fields: the strings that stand below them.

Pydantic would read them as well (`use_attribute_docstrings`), but whenever the class is made, and
by looking through every module that is loaded: a twentieth of a start, for what is asked so rarely.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue


class DescribedSchema(GenerateJsonSchema):
    """JSON schemas of models, with what they say of their fields."""

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """Describe a model."""
        found = super().model_schema(schema)
        texts = field_texts(schema["cls"])
        for name in found.get("properties", {}).keys() & texts.keys():
            found["properties"][name]["description"] = texts[name]
        return found


def field_texts(model: type[BaseModel]) -> Mapping[str, str]:
    """Of each field that has one, the text; also of those that it inherits."""
    kinds = [kind for kind in reversed(model.__mro__) if issubclass(kind, BaseModel)]
    return {name: text for kind in kinds[1:] for name, text in _own_texts(kind)}


def _own_texts(kind: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(_classes(inspect.getfile(kind))[kind.__name__].body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)
            case _:
                pass


@cache
def _classes(file: str) -> Mapping[str, ast.ClassDef]:
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
