from io import StringIO

import pytest
from rich.console import Console

from bridge.local.page import say
from bridge.local.plain import cut, plain
from bridge.local.screen import Screen


def printed(screen_width: int = 40) -> tuple[Screen, StringIO]:
    out = StringIO()
    return Screen(Console(file=out, width=screen_width, highlight=False)), out


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x9b2Jgone", "gone"),
        ("a\rb\nc\td", "a b c d"),
        ("bell\x07 back\b\x00", "bell back"),
        ("\u202eright\u2066", "right"),
        ("lone \ud800", "lone "),
        ("[bold]kept[/bold] 🙂 é", "[bold]kept[/bold] 🙂 é"),
    ],
)
def test_foreign_text_cannot_move_the_cursor(hostile: str, harmless: str) -> None:
    assert plain(hostile) == harmless


def test_a_cut_text_says_so() -> None:
    assert [cut("abcdef", room) for room in (6, 4, 0)] == ["abcdef", "abc…", "…"]


def test_words_are_printed_as_they_come_and_folded_between_words() -> None:
    screen, out = printed(21)
    for piece in ["One two ", "three fo", "ur ", "five."]:
        screen.words(piece)
    screen.pause_words()

    assert out.getvalue() == "agent: One two three\n       four five.\n"


def test_a_note_in_the_middle_of_words_has_a_line_of_its_own() -> None:
    screen, out = printed()
    screen.words("Wait")
    screen.note("(thinking)")
    screen.words(" a moment.")
    screen.pause_words()

    assert out.getvalue() == "agent: Wait\n       (thinking)\nagent: a moment.\n"


def test_tools_are_shown_in_one_line_each() -> None:
    screen, out = printed()
    screen.tool("ToolBegun", {"name": "find", "arguments": {"city": "Ürümqi", "n": 2}})
    screen.tool(
        "ToolFinished",
        {"name": "find", "result": "a\nb " * 50, "outcome": "failed", "seconds": 0.5},
    )
    screen.tool("ToolFinished", {"name": "[/red]", "result": None, "seconds": "?"})
    lines = out.getvalue().splitlines()

    assert lines[0] == '       · find(city="Ürümqi", n=2)'
    assert lines[1].startswith("       · find → failed: a b a")
    assert lines[1].endswith("… · 0.50 s")
    assert all(len(line) <= 40 for line in lines)


def test_a_report_folds_below_its_text_and_keeps_paths_whole() -> None:
    out = StringIO()
    console = Console(file=out, width=30, highlight=False)
    say(console, "problem  ", "tools/a-long-name-of-a-file-[x].py:3: it is broken")

    assert out.getvalue() == (
        "problem  tools/a-long-name-of-a-file-[x].py:3:\n         it is broken\n"
    )
