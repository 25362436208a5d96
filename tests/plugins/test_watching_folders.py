import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.plugins import watch as watching
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.shelf import ToolShelf

Write = Callable[[str, str], Path]


@asynccontextmanager
async def watched(*shelves: watching.Shelf) -> AsyncIterator[None]:
    task = asyncio.create_task(watching.watch(shelves))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


def drop(folder: Path) -> None:
    folder.rmdir()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for is a file system
            await asyncio.sleep(0.005)


def names(shelf: ToolShelf) -> list[str]:
    return [tool.name for tool in shelf.current.tools]


async def test_saved_edited_and_deleted_files_are_noticed(
    shelf: ToolShelf, tmp_path: Path, write_tool: Write
) -> None:
    (tmp_path / "prompts").mkdir()
    prompts = PromptShelf(tmp_path / "prompts")
    async with watched(shelf, prompts):
        path = write_tool("a.py", "one")
        (tmp_path / "prompts" / "greeting.md").write_text("Hi.")
        await until(lambda: names(shelf) == ["a"] and prompts.current.version == 1)

        old = shelf.current
        write_tool("a.py", "two")
        await until(lambda: shelf.current is not old)

        write_tool("pack/__init__.py", "three")
        await until(lambda: names(shelf) == ["a", "pack"])

        path.write_text("half a fi(le")
        await until(lambda: bool(shelf.current.failures))
        assert names(shelf) == ["a", "pack"]

        path.unlink()
        await until(lambda: names(shelf) == ["pack"])


async def test_an_edit_is_in_use_within_a_second(
    shelf: ToolShelf, write_tool: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_AGAIN", 60.0)  # so that only the event can tell
    write_tool("a.py", "zero")
    async with watched(shelf):
        for number in range(200):  # the first ones may come before the watch stands
            write_tool("a.py", f"edit {number}")
            await asyncio.sleep(0.05)
            if names(shelf):
                break
        before = shelf.current
        write_tool("a.py", "last")
        async with asyncio.timeout(20):
            await until(lambda: shelf.current is not before)


async def test_a_folder_that_comes_goes_and_comes_back_is_followed(
    shelf: ToolShelf, folder: Path, write_tool: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_AGAIN", 0.1)
    drop(folder)
    async with watched(shelf):
        await until(lambda: bool(shelf.current.failures))

        path = write_tool("a.py", "one")
        await until(lambda: names(shelf) == ["a"])

        path.unlink()
        drop(folder)
        await until(lambda: "create the folder" in str(shelf.current.failures))

        write_tool("b.py", "two")
        await until(lambda: names(shelf) == ["b"])
        write_tool("c.py", "three")
        await until(lambda: names(shelf) == ["b", "c"])


async def test_a_loop_of_links_and_editors_files_do_not_disturb_the_watch(
    shelf: ToolShelf, folder: Path, write: Write, write_tool: Write
) -> None:
    (folder / "loop").symlink_to(folder)
    async with watched(shelf):
        write_tool("a.py", "one")
        await until(lambda: names(shelf) == ["a"])
        before = shelf.current
        write(".a.py.swp", "junk")
        write("a.py~", "junk")
        write_tool("b.py", "two")
        await until(lambda: shelf.current is not before)
        assert shelf.current.version == before.version + 1
