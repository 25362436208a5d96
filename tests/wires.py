"""The wires that models are reached over, each with a fake server that speaks it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.app import Bridge
from tests.fake_openai.client import FakeOpenAI
from tests.wire import bridge_running

KEY = "sk-canary-1234567890"

WIRES = ("openai", "azure_openai", "anthropic", "ollama")


@dataclass(frozen=True)
class ModelWire:
    """One provider's wire, and the fake at its other end."""

    provider: str
    fake: FakeOpenAI

    @property
    def model(self) -> str:
        return f"{self.provider}:fake"

    @property
    def variables(self) -> Mapping[str, str]:
        """What a person sets to reach this server."""
        origin = self.fake.base_url.removesuffix("/v1")
        azure = {"AZURE_OPENAI_ENDPOINT": origin, "AZURE_OPENAI_API_KEY": KEY}
        return {
            "openai": {"OPENAI_BASE_URL": self.fake.base_url, "OPENAI_API_KEY": KEY},
            "azure_openai": {**azure, "OPENAI_API_VERSION": "2024-10-21"},
            "anthropic": {"ANTHROPIC_BASE_URL": origin, "ANTHROPIC_API_KEY": KEY},
            "ollama": {"OLLAMA_HOST": origin},
        }[self.provider]

    def results(self, request: Mapping[str, Any]) -> list[str]:
        """Find the results of tools in a recorded request."""
        found: list[str] = []
        for message in request["body"]["messages"]:
            if message["role"] == "tool":
                found.append(message["content"])
            elif not isinstance(message.get("content"), str):
                blocks = [block for block in message.get("content") or () if "tool_use_id" in block]
                found += [_text(block["content"]) for block in blocks]
        return found


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


@asynccontextmanager
async def running(folder: Path, model: ModelWire, **settings: Any) -> AsyncIterator[Bridge]:
    """Run a bridge whose model is at the end of this wire."""
    url = model.fake.base_url if model.provider == "openai" else "http://127.0.0.1:9/v1"
    async with bridge_running(folder, url, **{"model": model.model, **settings}) as bridge:
        yield bridge
