"""The providers of models that LangChain knows, and what each needs here."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from langchain.chat_models import base, init_chat_model


@dataclass(frozen=True, slots=True)
class Provider:
    """One word that may stand before the colon of a model's name."""

    name: str
    package: str
    """What pip calls it."""
    installed: bool
    keys: tuple[str, ...] = ()
    """Variables that hold its secrets; unknown until it is installed."""
    problem: str = ""
    """Why it cannot be used though it is installed."""


def providers() -> list[Provider]:
    """List all of them, by name."""
    return [_provider(name, *place) for name, place in sorted(_places().items())]


def provider_of(model: str) -> str:
    """Tell which provider a model's name stands for; nothing if none."""
    before, colon, _ = model.partition(":")
    if colon and before in _places():
        return before
    infer = getattr(base, "_attempt_infer_model_provider", None)
    try:
        return str(infer(model) or "") if infer else ""
    except Exception:  # noqa: BLE001 - it is not part of LangChain's promises
        return ""


def _places() -> Mapping[str, tuple[str, str]]:
    """Module and class of each provider; LangChain's table is not public, so it may be missing."""
    table = getattr(base, "_BUILTIN_PROVIDERS", None)
    try:
        return {str(name): (str(entry[0]), str(entry[1])) for name, entry in table.items()}  # type: ignore[union-attr]
    except (AttributeError, TypeError, IndexError):
        return {name: (f"langchain_{name}", "") for name in _named_in_the_refusal()}


def _named_in_the_refusal() -> list[str]:
    try:
        init_chat_model("x", model_provider="nobody")
    except ValueError as error:
        names = re.search(r"Supported [a-z ]*providers(?: are)?: (.+)", str(error))
        return re.findall(r"\w+", names[1]) if names else []
    return []


def _provider(name: str, module: str, class_name: str) -> Provider:
    top = module.partition(".")[0]
    package = top.replace("_", "-")
    if find_spec(top) is None:
        return Provider(name, package, installed=False)
    try:
        keys = _keys(getattr(importlib.import_module(module), class_name)) if class_name else ()
    except Exception as error:  # noqa: BLE001 - importing it runs its code
        return Provider(name, package, installed=True, problem=f"{type(error).__name__}: {error}")
    return Provider(name, package, installed=True, keys=keys)


def _keys(model: Any) -> tuple[str, ...]:
    """Ask the class for the variables of its keys, without making a model, which needs them."""
    secrets = model.model_construct().lc_secrets
    return tuple(v for field, v in secrets.items() if "key" in field or "token" in field)
