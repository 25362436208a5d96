"""A folder to fill, and a shelf over it."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads

Write = Callable[[str, str], Path]

HEAD = "from langchain_core.tools import tool\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tools"
    path.mkdir()
    return path


@pytest.fixture
def write(folder: Path) -> Write:
    def save(name: str, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return save


@pytest.fixture
def write_tool(write: Write) -> Write:
    """Save a file with one tool that answers with fixed words: `write_tool("a.py", "hello")`."""

    def save(name: str, answer: str) -> Path:
        tool = name.removesuffix(".py").replace("/__init__", "")
        body = f'@tool\ndef {tool}() -> str:\n    """Say {answer}."""\n    return {answer!r}\n'
        return write(name, HEAD + body)

    return save


@pytest.fixture
def shelf(folder: Path) -> ToolShelf:
    return ToolShelf(
        folder, threads=ToolThreads(4), reserved=frozenset({"end_call"}), import_timeout=5
    )
