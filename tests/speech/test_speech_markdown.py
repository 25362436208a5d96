import pytest

from bridge.speech import Speakable
from tests.speech.ears import heard


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**bold** and *it* and __b__ and _it_", "bold and it and b and it"),
        ("***both*** and ~~gone~~", "both and gone"),
        ("a **very *deep* mark**", "a very deep mark"),
        ("这是**重点**内容", "这是重点内容"),
        ("run `ls -a` now", "run ls -a now"),
        ("==marked== text", "marked text"),
        ("\\*not\\* bold, snake\\_case, \\$5", "not bold, snake_case, $5"),
        ("2 * 3", "2 times 3"),
        ("5*4", "5 times 4"),
        ("2**3", "2 to the power of 3"),
        ("my snake_case name", "my snake_case name"),
        ("__init__", "init"),
    ],
)
def test_marks_inside_a_line_are_not_spoken(written: str, spoken: str) -> None:
    assert heard(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("# Heading\nText", "Heading.\nText"),
        ("## Is it open? ##\nYes", "Is it open? \nYes"),
        ("Title\n=====\nText", "Title\nText"),
        ("- a\n- b", "a.\nb"),
        ("* a\n* b\n", "a.\nb.\n"),
        ("+ a!\n+ b", "a!\nb"),
        ("• a\n• b", "a.\nb"),
        ("1. Apples\n2. Pears\nDone", "1. Apples.\n2. Pears.\nDone"),
        ("- 苹果\n- 梨", "苹果。\n梨"),
        ("- [ ] buy\n- [x] sell", "buy.\nsell"),
        ("- outer\n    - inner", "outer.\ninner"),
        ("> quoted\n>> deeper", "quoted\ndeeper"),
        ("before\n\n---\n\nafter", "before\nafter"),
        ("before\n* * *\nafter", "before\nafter"),
        ("soft\nwrap", "soft\nwrap"),
        ("windows\r\nlines", "windows\nlines"),
        ("-5 degrees", "-5 degrees"),
        ("+1-555-0100", "+1-555-0100"),
    ],
)
def test_marks_at_the_beginning_of_a_line_are_not_spoken(written: str, spoken: str) -> None:
    assert heard(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("see [our menu](https://x.com/a_(b)?q=1) now", "see our menu now"),
        ('[menu](/m "The menu")', "menu"),
        ("[**bold** link](x)", "bold link"),
        ("![a red car](car.png) here", "a red car here"),
        ("[https://a.com](https://a.com)", "a dot com"),
        ("it [sic] was", "it sic was"),
        ("[x] (really)", "x (really)"),
        ("[x](yes, really)", "x(yes, really)"),
    ],
)
def test_a_link_is_spoken_as_its_text(written: str, spoken: str) -> None:
    assert heard(written) == spoken


def test_a_table_is_spoken_as_its_cells() -> None:
    table = "| Name | Price |\n|------|:-----:|\n| Tea | $3 |\n| Loss | -5 |\nThat is all."
    assert heard(table) == "Name, Price.\nTea, $3.\nLoss, -5.\nThat is all."


def test_a_table_without_outer_bars_loses_its_row_of_dashes() -> None:
    assert heard("A | B\n--- | ---\n1 | 2") == "A , B\n1 , 2"


def test_fenced_code_is_dropped() -> None:
    assert heard("So:\n```python\nx = 1\n```\nDone.") == "So:\nDone."
    assert heard("~~~\nx\n~~~~\nDone.") == "Done."
    assert heard("````\n```\nx\n````\nDone.") == "Done."


def test_unclosed_code_is_dropped_to_the_end() -> None:
    speakable = Speakable()
    assert speakable.feed("```json\n{") == []
    assert speakable.feed('"a": 1}') == []
    assert speakable.finish() == []
    assert speakable.dropped == {"code": 1}
