import asyncio
import gc
import os
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads
from bridge.plugins.toolbox import Toolbox
from tests.wire import came_true

Write = Callable[[str, str], Path]

HEAD = "from langchain_core.tools import tool\n"


def names(toolbox: Toolbox) -> list[str]:
    return [tool.name for tool in toolbox.tools]


def drop(folder: Path) -> None:
    folder.rmdir()


async def answer(toolbox: Toolbox, name: str) -> object:
    return await next(tool for tool in toolbox.tools if tool.name == name).ainvoke({})


async def test_every_tool_of_a_file_counts_once_in_the_order_of_files_then_lines(
    shelf: ToolShelf, write: Write, write_tool: Write
) -> None:
    write(
        "b.py",
        HEAD
        + """
@tool
def zebra() -> str:
    "Say z."
    return "z"

again = zebra

@tool
def ant() -> str:
    "Say a."
    return "a"

_hidden = tool("hidden", description="Not public.")(lambda: "h")
""",
    )
    write_tool("a.py", "first")

    toolbox = await shelf.reload()

    assert names(toolbox) == ["a", "zebra", "ant"]
    assert toolbox.failures == ()
    assert toolbox.version == 1
    assert dict(toolbox.files) == {
        "a": Path("tools/a.py"),
        "zebra": Path("tools/b.py"),
        "ant": Path("tools/b.py"),
    }


async def test_a_package_with_several_modules_is_one_file_of_tools(
    shelf: ToolShelf, write: Write
) -> None:
    write("orders/inner/data.py", "WORD = 'found'\n")
    write("orders/inner/__init__.py", "")
    write("orders/find.py", "from .inner.data import WORD\ndef find(): return WORD\n")
    body = '@tool\ndef orders() -> str:\n    "Find."\n    return find()\n'
    write("orders/__init__.py", HEAD + "from .find import find\n" + body)

    assert await answer(await shelf.reload(), "orders") == "found"

    write("orders/inner/data.py", "WORD = 'other'\n")
    assert await answer(await shelf.reload(), "orders") == "other"


async def test_private_files_are_shared_but_not_scanned_and_a_change_reloads_everything(
    shelf: ToolShelf, write: Write
) -> None:
    write("_db.py", HEAD + "WORD = 'one'\n@tool\ndef secret() -> str:\n  'No.'\n  return ''\n")
    body = '@tool\ndef {0}() -> str:\n    "Look."\n    return WORD\n'
    write("a.py", HEAD + "from ._db import WORD\n" + body.format("a"))
    write("b.py", HEAD + "from . import _db\nWORD = _db.WORD\n" + body.format("b"))
    toolbox = await shelf.reload()
    assert names(toolbox) == ["a", "b"]

    write("_db.py", "WORD = 'two'\n")
    toolbox = await shelf.reload()

    assert [await answer(toolbox, name) for name in "ab"] == ["two", "two"]


async def test_a_file_that_imports_a_neighbour_is_reloaded_with_it_and_a_tool_counts_once(
    shelf: ToolShelf, write: Write, write_tool: Write
) -> None:
    write_tool("b.py", "old")
    write("a.py", "from .b import b\n")
    write(
        "c.py", HEAD + "from .b import b\n@tool\nasync def c() -> str:\n  'C.'\n  return b.func()\n"
    )
    toolbox = await shelf.reload()
    assert (names(toolbox), toolbox.failures) == (["b", "c"], ())

    write_tool("b.py", "new")
    toolbox = await shelf.reload()

    assert (names(toolbox), toolbox.failures) == (["b", "c"], ())
    assert [await answer(toolbox, name) for name in "bc"] == ["new", "new"]


async def test_only_changed_files_are_imported_again_so_others_keep_their_state(
    shelf: ToolShelf, write: Write, write_tool: Write
) -> None:
    counter = "calls = []\n@tool\ndef count() -> int:\n  'Count.'\n  calls.append(1)\n"
    write("count.py", HEAD + counter + "  return len(calls)\n")
    write_tool("other.py", "one")
    first = await shelf.reload()
    assert await answer(first, "count") == 1

    write_tool("other.py", "two")
    second = await shelf.reload()

    assert await answer(second, "count") == 2
    assert second.version == first.version + 1


async def test_unchanged_content_is_the_same_toolbox(
    shelf: ToolShelf, folder: Path, write_tool: Write
) -> None:
    path = write_tool("a.py", "same")
    first = await shelf.reload()

    os.utime(path, (1, 1))

    assert await shelf.reload() is first
    assert shelf.current is first


async def test_a_change_that_keeps_time_and_size_is_noticed(
    shelf: ToolShelf, write_tool: Write
) -> None:
    path = write_tool("a.py", "one")
    os.utime(path, (1, 1))
    assert await answer(await shelf.reload(), "a") == "one"

    write_tool("a.py", "two")
    os.utime(path, (1, 1))

    assert await answer(await shelf.reload(), "a") == "two"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("x = 1\ndef broken(:\n", 2, "SyntaxError: invalid syntax"),
        ("import sys\n\nsys.exit()\n", 3, "it calls sys.exit() while it loads"),
        ("\nraise KeyboardInterrupt\n", 2, "KeyboardInterrupt"),
        ("\nraise StopIteration\n", 2, "StopIteration"),
        ("def f():\n    1 / 0\n\nf()\n", 2, "ZeroDivisionError: division by zero"),
        ("raise ValueError('a\\n  b\\x1b[0m')\n", 1, "ValueError: a b [0m"),
        (
            "import not_there_at_all\n",
            1,
            "ModuleNotFoundError: No module named 'not_there_at_all' "
            "(is it installed where the bridge runs?)",
        ),
        (
            "import _half\n",
            1,
            "ModuleNotFoundError: No module named '_half' "
            "(a neighbour is imported with a dot: from ._half import …)",
        ),
        ("\nfrom ._half import x\n", 2, "SyntaxError: '(' was never closed (in _half.py, line 3)"),
        ("X = 1\n", None, "no tool found (decorate a function with @tool)"),
        (
            HEAD + "\n@tool('a b')\ndef f() -> str:\n  'F.'\n",
            3,
            "tool 'a b': a name has 1 to 64 letters, digits, _ or -",
        ),
        (
            HEAD + "@tool(description=' ')\ndef f() -> str:\n  return ''\n",
            2,
            "tool 'f': it has no description (write a docstring, for the model to read)",
        ),
        (HEAD + "@tool\ndef f() -> str:\n  return ''\n", 2, "ValueError: Function must have a doc"),
        (
            HEAD + "from threading import Lock\n@tool\ndef f(x: Lock) -> str:\n  'F.'\n",
            None,
            "",
        ),
        (
            "from __future__ import annotations\n" + HEAD + "@tool\ndef f() -> Gone:\n  'F.'\n",
            3,
            "NameError: name 'Gone' is not defined",
        ),
        (
            HEAD + "@tool('x')\ndef f() -> str:\n  'F.'\n@tool('x')\ndef g() -> str:\n  'G.'\n",
            2,
            "two tools are called 'x'",
        ),
        (
            HEAD + "@tool\ndef end_call() -> str:\n  'End.'\n",
            None,
            "the name 'end_call' belongs to a tool of the bridge: rename this one",
        ),
        (
            "from langchain_core.tools import Tool\nt = Tool(name='t', func=None, description='T')",
            None,
            "tool 't': it has no function to run",
        ),
    ],
)
async def test_a_broken_file_takes_nothing_else_down_and_says_where_and_why(
    shelf: ToolShelf, write: Write, write_tool: Write, text: str, line: int | None, reason: str
) -> None:
    write("_half.py", "\n\nx = (\n")
    write("broken.py", text)
    write_tool("fine.py", "fine")

    toolbox = await shelf.reload()

    assert names(toolbox) == ["fine"]
    (failure,) = toolbox.failures
    assert failure.reason.startswith(reason)
    assert len(failure.reason.splitlines()) == 1
    if reason:
        assert failure.line == line
    assert (failure.file, failure.kept) == (Path("tools/broken.py"), False)

    write_tool("broken.py", "mended")
    assert names(await shelf.reload()) == ["broken", "fine"]
    assert shelf.current.failures == ()


@pytest.mark.parametrize("content", [b"\xff\xfe tool", b"x = 1\0", b"(" * 5000, b"-" * 99999])
async def test_bytes_that_are_no_python_are_a_failure(
    shelf: ToolShelf, folder: Path, content: bytes
) -> None:
    (folder / "a.py").write_bytes(content)

    toolbox = await shelf.reload()

    assert [failure.file.name for failure in toolbox.failures] == ["a.py"]


@pytest.mark.parametrize(
    "loop",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except Exception: pass",
        "for _ in range(3):\n    try:\n        while True: pass\n    except BaseException: pass",
    ],
)
async def test_an_endless_loop_at_import_is_stopped_and_burns_nothing_afterwards(
    folder: Path, write: Write, write_tool: Write, loop: str
) -> None:
    shelf = ToolShelf(folder, threads=ToolThreads(1), import_timeout=0.5)
    write("slow.py", "\n" + loop)
    write_tool("z.py", "fine")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    calls = asyncio.create_task(tick())
    toolbox = await shelf.reload()
    calls.cancel()

    assert names(toolbox) == ["z"]
    (failure,) = toolbox.failures
    assert failure.reason == "still loading after 0.5 s: stopped"
    assert failure.line is not None
    assert ticks >= 5  # calls went on meanwhile: 20 to 50 on an idle machine
    for thread in threading.enumerate():
        if thread.name == "load slow":  # it has told its end, and may be on its last line
            thread.join(5)
            assert not thread.is_alive()
    assert await shelf.reload() is toolbox  # and is not tried again until it changes


async def test_an_import_that_cannot_be_stopped_does_not_stand_in_the_way_of_its_repair(
    folder: Path, write: Write, write_tool: Write
) -> None:
    shelf = ToolShelf(folder, threads=ToolThreads(1), import_timeout=0.1)
    write("a.py", "import time\n\ntime.sleep(3)\n")

    (failure,) = (await shelf.reload()).failures
    assert failure.line == 3

    write_tool("a.py", "mended")
    assert await answer(await shelf.reload(), "a") == "mended"


async def test_a_broken_edit_keeps_the_last_good_version_until_it_parses_again(
    shelf: ToolShelf, write: Write, write_tool: Write
) -> None:
    path = write_tool("a.py", "one")
    good = await shelf.reload()
    whole = path.read_text()

    path.write_text(whole[: len(whole) // 2])
    half = await shelf.reload()

    assert half.tools == good.tools
    assert [failure.kept for failure in half.failures] == [True]
    assert await answer(half, "a") == "one"
    assert half.tools[0].func.__module__ in sys.modules  # type: ignore[attr-defined]

    path.write_text(whole.replace("one", "two"))
    assert await answer(await shelf.reload(), "a") == "two"


async def test_a_turn_keeps_the_toolbox_it_began_with(shelf: ToolShelf, write_tool: Write) -> None:
    write_tool("a.py", "one")
    of_the_turn = await shelf.reload()

    for number in range(5):
        write_tool("a.py", f"edit {number}")
        await shelf.reload()
        assert await answer(of_the_turn, "a") == "one"

    assert await answer(shelf.current, "a") == "edit 4"


async def test_a_deleted_file_takes_its_tools_along(
    shelf: ToolShelf, write: Write, write_tool: Write
) -> None:
    write_tool("a.py", "a")
    path = write_tool("b.py", "b")
    write("c.py", "nonsense nonsense")
    await shelf.reload()

    path.unlink()
    (path.parent / "c.py").unlink()
    toolbox = await shelf.reload()

    assert (names(toolbox), toolbox.failures) == (["a"], ())
    assert not [name for name in sys.modules if name.endswith(".b") and "bridge_tools" in name]


async def test_the_second_file_with_a_name_is_refused_and_both_files_are_named(
    shelf: ToolShelf, write: Write, write_tool: Write
) -> None:
    write_tool("a.py", "from a")
    write("b.py", HEAD + "@tool('a')\ndef f() -> str:\n  'F.'\n@tool\ndef g() -> str:\n  'G.'\n")

    toolbox = await shelf.reload()

    assert names(toolbox) == ["a"]
    (failure,) = toolbox.failures
    assert failure.file == Path("tools/b.py")
    assert failure.reason == "the tool 'a' is already in tools/a.py: rename one"

    (shelf.folder / "a.py").unlink()
    assert names(await shelf.reload()) == ["a", "g"]


async def test_an_edit_that_takes_another_files_name_keeps_the_last_good_version(
    shelf: ToolShelf, write: Write, write_tool: Write
) -> None:
    write_tool("a.py", "from a")
    write_tool("b.py", "from b")
    await shelf.reload()

    write("b.py", HEAD + "@tool('a')\ndef f() -> str:\n  'F.'\n  return 'stolen'\n")
    toolbox = await shelf.reload()

    assert [await answer(toolbox, name) for name in "ab"] == ["from a", "from b"]
    assert [failure.kept for failure in toolbox.failures] == [True]


async def test_what_editors_leave_behind_is_ignored(
    shelf: ToolShelf, folder: Path, write: Write, write_tool: Write
) -> None:
    write_tool("a.py", "a")
    for name in (".a.py.swp", "a.py~", ".#a.py", "#a.py#", "4913", "notes.txt", "__init__.py"):
        write(name, "this is no python")
    write("__pycache__/b.cpython-311.pyc", "junk")
    (folder / "loop").symlink_to(folder)
    (folder / "knot.py").symlink_to(folder / "knot.py")
    (folder / "gone.py").symlink_to(folder / "nowhere.py")
    os.mkfifo(folder / "pipe.py")
    write("pack/__init__.py", (folder / "a.py").read_text().replace("def a", "def pack"))
    (folder / "pack" / "loop").symlink_to(folder / "pack")

    toolbox = await shelf.reload()

    assert (names(toolbox), toolbox.failures) == (["a", "pack"], ())


async def test_an_editors_rename_over_the_file_is_an_ordinary_change(
    shelf: ToolShelf, folder: Path, write: Write, write_tool: Write
) -> None:
    text = write_tool("a.py", "one").read_text()
    await shelf.reload()

    write("a.py.tmp", text.replace("one", "two")).rename(folder / "a.py")

    assert await answer(await shelf.reload(), "a") == "two"


async def test_a_file_and_a_folder_of_one_name_are_told_apart(
    shelf: ToolShelf, write_tool: Write
) -> None:
    write_tool("a.py", "file")
    write_tool("a/__init__.py", "folder")

    toolbox = await shelf.reload()

    assert names(toolbox) == ["a"]
    assert "module of the same name" in toolbox.failures[0].reason


async def test_a_missing_folder_is_an_empty_toolbox_with_the_remedy(
    shelf: ToolShelf, folder: Path, write_tool: Write
) -> None:
    write_tool("a.py", "a").unlink()
    drop(folder)

    toolbox = await shelf.reload()

    assert toolbox.tools == ()
    assert toolbox.failures[0].file == folder
    assert "create the folder" in toolbox.failures[0].reason

    write_tool("a.py", "a")
    assert names(await shelf.reload()) == ["a"]


async def test_reloads_at_the_same_time_wait_for_each_other(
    shelf: ToolShelf, write_tool: Write
) -> None:
    write_tool("a.py", "a")

    boxes = await asyncio.gather(*(shelf.reload() for _ in range(10)))

    assert {id(box) for box in boxes} == {id(shelf.current)}
    assert shelf.current.version == 1


async def test_a_cancelled_reload_changes_nothing_and_can_be_repeated(
    shelf: ToolShelf, write: Write, write_tool: Write
) -> None:
    write_tool("a.py", "a")
    before = await shelf.reload()
    write_tool("a.py", "b")
    write("slow.py", "while True: pass")

    reload = asyncio.create_task(shelf.reload())
    while "load slow" not in {thread.name for thread in threading.enumerate()}:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    reload.cancel()
    await asyncio.wait({reload})

    assert shelf.current is before
    assert [await answer(before, "a")] == ["a"]
    (shelf.folder / "slow.py").unlink()
    assert await answer(await shelf.reload(), "a") == "b"


async def test_a_broken_file_is_tried_again_on_request(
    shelf: ToolShelf, folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = '@tool\ndef a() -> str:\n    "A."\n    return ""\n'
    write("a.py", "import late_dependency_of_a\n" + HEAD + tool)
    broken = await shelf.reload()
    monkeypatch.syspath_prepend(str(folder.parent))
    (folder.parent / "late_dependency_of_a.py").write_text("")

    assert await shelf.reload() is broken
    assert names(await shelf.reload(again=True)) == ["a"]


async def test_a_forgotten_shelf_leaves_nothing_in_the_interpreter(
    folder: Path, write_tool: Write
) -> None:
    write_tool("a.py", "a")
    shelf = ToolShelf(folder, threads=ToolThreads(1))
    await shelf.reload()
    package = shelf.current.tools[0].func.__module__.split(".")[0]  # type: ignore[attr-defined]

    def left() -> list[object]:
        gc.collect()
        modules = [name for name in sys.modules if name.startswith(package)]
        return modules + [m for m in sys.meta_path if getattr(m, "prefix", "") == f"{package}."]

    assert left()
    del shelf
    await came_true(lambda: not left())  # the thread that loaded it may still be ending


async def test_hundreds_of_edits_do_not_leak(shelf: ToolShelf, write_tool: Write) -> None:
    async def edit(times: int) -> int:
        for number in range(times):
            write_tool("a.py", f"answer {number}")
            await shelf.reload()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    write_tool("a.py", "first")
    await shelf.reload()
    tracemalloc.start()
    try:
        before = await edit(20)
        growth = await edit(200) - before
    finally:
        tracemalloc.stop()

    assert growth / 200 < 10 * 1024  # measured: under 1.5 KiB, and 0 once caches are full
    assert len([name for name in sys.modules if name.endswith(".a")]) <= 2
