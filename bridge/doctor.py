"""Looks at a bridge before the first call does: each check says what it found and the remedy."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

from bridge.agent.chain import NamedModel
from bridge.agent.closing import close_model
from bridge.agent.failures import ModelFailed, model_failed
from bridge.agent.models import build_model
from bridge.call.events import CallData
from bridge.errors import SettingsError
from bridge.local.door import Door
from bridge.local.outside import health_of
from bridge.plugins.failures import one_line
from bridge.plugins.jinja import SpeechEnvironment
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.template import LONGEST_TEXT
from bridge.plugins.values import values_of
from bridge.settings import DEFAULT_MODEL, DEMO, FILE, Settings
from bridge.settings.tables import DEFAULT_PERSONA

Level = Literal["ok", "warning", "problem"]

MODEL_TIMEOUT: Final = 10.0
"""Seconds a model has for its whole answer."""
_QUESTION: Final = "Count from one to ten, in words."
_LONG: Final = 24
"""Characters that no model streams as one token."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    level: Level
    check: str
    message: str
    remedy: str = ""


# ── models ───────────────────────────────────────────────────────────────────────────────────────


async def check_models(settings: Settings) -> list[Finding]:
    """Ask every model of the chain something small, all at once."""
    personas = [settings.of_persona(name) for name in (DEFAULT_PERSONA, *settings.personas)]
    names = dict.fromkeys(
        name for one in personas for name in (one.chosen_model, *one.fallback_models)
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_check_model(name, settings)) for name in names]
    return [task.result() for task in tasks]


async def _check_model(name: str, settings: Settings) -> Finding:
    if name == DEMO:
        return _demo(settings)
    try:
        model = build_model(name, temperature=settings.temperature)
    except SettingsError as error:
        return Finding("problem", "model", one_line(str(error)), _missing_remedy(name))
    texts: list[str] = []
    clock = asyncio.get_running_loop().time
    began = clock()
    first = 0.0
    try:
        async with asyncio.timeout(MODEL_TIMEOUT):
            async with aclosing(_answer(model)) as answer:
                async for text in answer:
                    first = first or clock() - began
                    texts.append(text)
    except Exception as error:  # noqa: BLE001 - providers raise anything
        return _failed(name, model_failed(error, spoke=bool(texts)))
    finally:
        await close_model(model.chat)
    return _judged(name, texts, first, settings)


def _demo(settings: Settings) -> Finding:
    if settings.model == DEMO:
        return Finding("ok", "model", "demo: built in, not a real language model")
    return Finding(
        "warning",
        "model",
        "none is set, so the built-in demo answers, which is not a real language model",
        f"set OPENAI_API_KEY, and BRIDGE_MODEL if {DEFAULT_MODEL} is not the one you want",
    )


async def _answer(model: NamedModel) -> AsyncGenerator[str]:
    stream = cast("AsyncGenerator[Any]", model.chat.astream([("user", _QUESTION)]))
    async with aclosing(stream):
        async for chunk in stream:
            if text := str(chunk.text):
                yield text


def _judged(name: str, texts: list[str], first: float, settings: Settings) -> Finding:
    if not texts:
        return Finding("problem", "model", f"{name} answers without a word", "choose another model")
    took = f"{name}: first token after {first * 1000:.0f} ms"
    if len(texts) == 1 and len(texts[0]) > _LONG:
        return Finding(
            "warning",
            "model",
            f"{took}, but it does not stream: the whole answer came at once",
            "callers will wait longer: switch streaming on, or buffering off on the way to it",
        )
    if first > settings.first_word_timeout:
        return Finding(
            "warning",
            "model",
            f"{took}, which is over first_word_timeout ({settings.first_word_timeout:g} s)",
            "choose a faster model, or raise BRIDGE_FIRST_WORD_TIMEOUT",
        )
    return Finding("ok", "model", took)


def _failed(name: str, error: ModelFailed) -> Finding:
    what, remedy = {
        "refused_key": ("the key is refused", f"set {_key_variable(name)} to a valid key"),
        "unknown_model": (
            "there is no such model there",
            f"check the model's name in BRIDGE_MODEL or {FILE}{_base_url_hint(' and the URL in')}",
        ),
        "connection": (
            "no connection",
            f"check the network{_base_url_hint(' and the base URL in')}",
        ),
        "rate_limit": ("too many requests, or no credit", "check the account's limits and credit"),
        "no_first_token": (f"no word within {MODEL_TIMEOUT:g} s", "choose a faster model"),
        "stalled": (f"not finished within {MODEL_TIMEOUT:g} s", "choose a faster model"),
        "server": ("its server has an error", "try again later; set BRIDGE_FALLBACK_MODELS"),
        "bad_request": (
            "it refuses the request",
            "check the model's name, and BRIDGE_TEMPERATURE if set",
        ),
    }.get(error.kind, (error.kind, "see its documentation"))
    return Finding("problem", "model", f"{name}: {what}", remedy)


def _key_variable(name: str) -> str:
    provider, colon, _ = name.partition(":")
    return f"{re.sub(r'[^A-Z0-9]', '_', provider.upper())}_API_KEY" if colon else "OPENAI_API_KEY"


def _missing_remedy(name: str) -> str:
    provider = name.partition(":")[0]
    package = f"langchain-{provider.replace('_', '-')}"
    return f"set {_key_variable(name)}; models are provider:name, and need {package} installed"


def _base_url_hint(before: str) -> str:
    """Name the variable, and the host it leads to; not the whole URL, which may hold a secret."""
    for variable in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        if url := os.environ.get(variable):
            parts = urlsplit(url)
            return f"{before} {variable} (host {parts.netloc.rpartition('@')[2] or 'missing'})"
    return ""


# ── prompts ──────────────────────────────────────────────────────────────────────────────────────


async def check_prompts(settings: Settings, metadata: Mapping[str, Any]) -> list[Finding]:
    """Compile every prompt, and render it for a call that could be."""
    findings, names = await _check_folder(PromptShelf(settings.prompts_dir), metadata)
    return findings or [Finding("ok", "prompts", f"all render: {names}")]


async def check_personas(settings: Settings, metadata: Mapping[str, Any]) -> list[Finding]:
    """Check the prompts that personas have of their own, and say what each answers for."""
    findings = []
    for name, persona in settings.personas.items():
        folder = persona.prompts_dir or settings.prompts_dir / name
        own = "those of everybody"
        if persona.prompts_dir is not None or folder.is_dir():
            wrong, own = await _check_folder(PromptShelf(folder, built_in={}), metadata)
            findings += wrong
        agents = ", ".join(persona.agents) or "none"
        message = f"{name} answers for /millis/{name} and the agents {agents}; prompts: {own}"
        findings.append(Finding("ok", "persona", message))
    return findings


async def _check_folder(
    shelf: PromptShelf, metadata: Mapping[str, Any]
) -> tuple[list[Finding], str]:
    """Check a folder of prompts; what is wrong, and the names of all."""
    prompts = await shelf.reload()
    findings = []
    for failure in prompts.failures:
        missing = failure.file == shelf.folder
        where = f"{failure.file}" + (f":{failure.line}" if failure.line else "")
        remedy = "correct the template" if failure.file.suffix == ".md" else ""
        level: Level = "warning" if missing else "problem"
        findings.append(Finding(level, "prompts", f"{where}: {failure.reason}", remedy))
    call = CallData("doctor", "doctor", None, "+15550100", "+15550101", dict(metadata))
    for name, template in sorted(prompts.templates.items()):
        findings += _rendered(f"{shelf.folder.name}/{name}.md", template.source, call)
    return findings, ", ".join(sorted(prompts.templates)) or "none"


def _rendered(file: str, source: str, call: CallData) -> list[Finding]:
    missed: list[str] = []
    environment = SpeechEnvironment(missed.append)
    try:
        alone = {*_names_in(environment.parse(source))}
        template = environment.from_string(source)
        environment.render(template, values_of(call, datetime.now(UTC)), LONGEST_TEXT)
    except Exception as error:  # noqa: BLE001 - a template is foreign code: it may raise anything
        message = f"{file} cannot be rendered: {type(error).__name__}: {error}"
        remedy = "correct it; until then its built-in text is spoken"
        return [Finding("problem", "prompts", one_line(message), remedy)]
    return [_missing(file, name, known=name not in alone) for name in dict.fromkeys(missed)]


def _names_in(node: Any) -> Iterator[str]:
    """Names a template uses by themselves, not as a part of something."""
    if type(node).__name__ == "Name":
        yield node.name
    for child in node.iter_child_nodes():
        yield from _names_in(child)


def _missing(file: str, name: str, *, known: bool) -> Finding:
    if known:
        message = f"{file}: the sample call has no {name!r}, so it shows nothing"
        remedy = "if it may be missing, use | default('…'); try others with --metadata KEY=VALUE"
    else:
        message = f"{file}: there is no {name!r}, so it shows nothing"
        remedy = f"templates know metadata, call and now: is it metadata.{name}?"
    return Finding("warning", "prompts", message, remedy)


# ── the door ─────────────────────────────────────────────────────────────────────────────────────


async def check_port(settings: Settings) -> Finding:
    """Whether the port can be had, or has a bridge on it."""
    place = f"{settings.host}:{settings.port}"
    health = await health_of(Door.at(settings.host, settings.port)) if settings.port else None
    if health is not None:
        message = f"a bridge {health['version']} already serves {place}, model {health['model']}"
        return Finding("ok", "port", message)
    try:
        family, kind, protocol, _, address = (
            await asyncio.get_running_loop().getaddrinfo(
                settings.host or None,
                settings.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        message = f"cannot listen on {place}: {error.strerror or error}"
        remedy = "stop what uses it, or set BRIDGE_HOST and BRIDGE_PORT"
        return Finding("problem", "port", message, remedy)
    return Finding("ok", "port", f"{place} is free" if settings.port else "a free one is taken")
