"""`bridge models`: what is installed, what is missing, what is used; no value of any key."""

import json
from pathlib import Path

import pytest
from langchain.chat_models import base

from bridge.agent.providers import provider_of, providers
from tests.cli.commands import bridge

CANARY = "sk-canary-1234567890"


async def test_each_provider_is_shown_with_what_it_needs(tmp_path: Path) -> None:
    ran = await bridge(
        "models",
        cwd=tmp_path,
        BRIDGE_MODEL="anthropic:claude-sonnet-4-5",
        BRIDGE_FALLBACK_MODELS="openai:gpt-4.1-mini",
        ANTHROPIC_API_KEY=CANARY,
        COLUMNS="200",
    )
    assert ran.code == 0, ran.err
    lines = {line.split(":")[0]: " ".join(line.split()) for line in ran.out.splitlines()}
    assert list(lines)[:2] == ["anthropic", "openai"]
    assert lines["anthropic"] == (
        "anthropic: installed; ANTHROPIC_API_KEY is set ← anthropic:claude-sonnet-4-5 (the model)"
    )
    assert lines["openai"].endswith("OPENAI_API_KEY is not set ← openai:gpt-4.1-mini")
    assert lines["ollama"] == "ollama: installed; needs no key"
    assert lines["mistralai"] == "mistralai: pip install langchain-mistralai"
    assert CANARY not in ran.out + ran.err


async def test_machines_get_the_same(tmp_path: Path) -> None:
    ran = await bridge("models", "--json", cwd=tmp_path, OPENAI_API_KEY=CANARY)
    report = json.loads(ran.out)
    assert report["model"] == "openai:gpt-4.1-mini"
    first, *others = report["providers"]
    assert first == {
        "provider": "openai",
        "package": "langchain-openai",
        "installed": True,
        "keys": {"OPENAI_API_KEY": True},
        "problem": None,
        "used_for": ["openai:gpt-4.1-mini"],
    }
    assert {"provider", "package", "installed", "keys", "problem", "used_for"} == others[0].keys()
    assert CANARY not in ran.out


async def test_a_model_of_nobody_is_a_problem(tmp_path: Path) -> None:
    ran = await bridge("models", cwd=tmp_path, BRIDGE_MODEL="some-model")
    assert "some-model: no provider is known for it" in ran.words


async def test_the_demo_is_shown_when_it_answers(tmp_path: Path) -> None:
    ran = await bridge("models", cwd=tmp_path)
    assert ran.out.startswith("demo ")
    assert "demo (the model)" in ran.words


@pytest.mark.parametrize(
    ("model", "provider"),
    [("ollama:llama3.2:3b", "ollama"), ("claude-opus-4", "anthropic"), ("who:is-it", "")],
)
def test_a_models_provider_is_told(model: str, provider: str) -> None:
    assert provider_of(model) == provider


def test_providers_are_known_even_if_langchain_hides_its_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {one.name for one in providers()}
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", dict.fromkeys(known))
    assert {one.name for one in providers()} == known
    anthropic = next(one for one in providers() if one.name == "anthropic")
    assert (anthropic.package, anthropic.installed) == ("langchain-anthropic", True)
