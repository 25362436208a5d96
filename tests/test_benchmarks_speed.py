"""The servers that `make bench` compares are servers: each answers a call, whole and in order."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.mcp_running import free_port

SPEED = Path(__file__).parents[1] / "benchmarks/speed"


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The modules of the benchmark, which stand beside its script and are no package."""
    monkeypatch.syspath_prepend(str(SPEED))
    try:
        yield {name: import_module(name) for name in ("scenes", "servers", "talker")}
    finally:
        for name in ("callers", "scenes", "servers", "talker"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("kind", ["floor", "bridge", "stock"])
async def test_a_server_to_be_measured_answers_a_call(
    speed: dict[str, ModuleType], kind: str
) -> None:
    scenes, servers, talker = (speed[name] for name in ("scenes", "servers", "talker"))
    port = free_port()
    if kind == "floor":
        server = servers.floor(port)
    else:
        server = servers.bridge(port, SPEED / "no_tools", stock=kind == "stock")
    with talker.model() as model:
        try:
            server.start(model.base_url)
            times = await scenes.Talk(1, turns=2, paced=False).run(server, model)
        finally:
            server.stop()

    assert len(times["added"]) == 2
