"""Who may import whom: the drawing in docs/architecture.md, as a check."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "bridge"

MAY_IMPORT = {
    "errors": set[str](),
    "protocol": {"errors"},
    "settings": {"errors"},
    "logs": {"discretion", "whose"},
    "discretion": set[str](),
    "whose": set[str](),
    "speech": {"errors"},
    "call": {"errors", "protocol", "speech", "whose"},
    "toolkit": {"errors", "call"},
    "agent": {"errors", "protocol", "call"},
    "plugins": {"errors", "protocol", "speech", "call", "toolkit"},
    "metrics": {"call", "speech"},
    "traces": {"errors", "call"},
    "store": {"errors", "protocol", "call"},
    "server": {"errors", "protocol", "call", "store"},
    "local": {"errors", "protocol", "call", "store"},
}
"""What each room knows. `app` puts all of them together, and `cli` sits on top of it."""

ONLY_IN = {
    "aiohttp": {"server", "local", "toolkit", "agent.lean_http", "agent.lean_eager"},
    "langchain": {"agent", "plugins"},
    "langchain_core": {"agent", "plugins", "cli.tools"},
    "langchain_openai": {"agent"},
    "langchain_anthropic": {"agent"},
    "anthropic": {"agent"},
    "langgraph": {"agent", "plugins"},
    "jinja2": {"plugins"},
    "watchfiles": {"plugins"},
    "tenacity": {"agent", "toolkit"},
    "typer": {"cli"},
    "pytest": {"testing"},
    "gunicorn": {"cli.workers"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "aiosqlite": {"store"},
    "asyncpg": {"store"},
    "langchain_mcp_adapters": {"plugins.mcp"},
    "mcp": {"plugins.mcp"},
    "httpx": {"plugins.mcp"},
    "anyio": {"plugins.mcp"},
    "yaml": {"scenarios"},
    "prometheus_client": {"metrics", "metering"},
    "opentelemetry": {"traces"},
}


FILES = sorted(set(ROOT.rglob("*.py")) - set((ROOT / "cli/project").rglob("*.py")))


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def imports(file: Path) -> frozenset[str]:
    return frozenset(_imported(ast.parse(file.read_text())))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: name_of(file) or "bridge")
def test_a_module_imports_only_what_its_room_may_know(file: Path) -> None:
    module = name_of(file)
    allowed = MAY_IMPORT.get(room(module))
    if allowed is None:
        top = {
            "",
            "agentview",
            "app",
            "checkup",
            "cli",
            "doctor",
            "keeping",
            "metering",
            "personas",
            "scenarios",
            "serving",
            "settingsview",
            "stage",
            "testing",
            "tooling",
        }
        assert room(module) in top, f"{module} has no place in the house"
        return
    known = {name.split(".")[1] for name in imports(file) if name.startswith("bridge.")}
    rooms = {name for name in known if (ROOT / name).is_dir() or (ROOT / f"{name}.py").exists()}
    assert rooms - {room(module)} <= allowed


@pytest.mark.parametrize("file", FILES, ids=lambda file: name_of(file) or "bridge")
def test_a_library_is_used_only_where_it_belongs(file: Path) -> None:
    module = name_of(file)
    used = {name.split(".")[0] for name in imports(file)}
    for library, places in ONLY_IN.items():
        if library in used:
            rooms = {module, room(module), module.rpartition(".")[0]}
            assert rooms & places, f"{module} imports {library}"


def test_every_room_of_the_drawing_exists() -> None:
    rooms = {room(name_of(file)) for file in FILES}
    assert MAY_IMPORT.keys() <= rooms
