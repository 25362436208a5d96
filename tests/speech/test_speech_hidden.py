import pytest

from bridge.speech import Speakable
from bridge.speech.hidden import JSON_LIMIT
from tests.speech.ears import heard, words


@pytest.mark.parametrize("name", ["think", "THINKING", "Reasoning", "reflection", "scratchpad"])
def test_thinking_aloud_is_dropped(name: str) -> None:
    assert heard(f"<{name}>What now?\n<b></{name}>Hello <{name}>x</{name}>there") == "Hello there"


def test_unclosed_thinking_drops_everything_to_the_end() -> None:
    speakable = Speakable()
    assert words(speakable.feed("Hello <think>hm") + speakable.feed(" hm </th")) == "Hello "
    assert speakable.finish() == []
    assert speakable.dropped == {"think": 1}


def test_the_end_of_thinking_without_its_beginning_drops_only_the_tag() -> None:
    assert heard("it is so.\n</think>Hello") == "it is so.\nHello"


def test_leaked_tool_tags_are_dropped_with_what_they_enclose() -> None:
    speakable = Speakable()
    pieces = speakable.feed('<tool_call>{"name": "x"}</tool_call>Hello')
    assert words(pieces) == "Hello"
    assert speakable.dropped == {"tool": 1}


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("<b>bold</b> <speak>x</speak> <spell>abc</spell>", "bold x abc"),
        ('<a href="https://x.com" class=y>text</a>', "text"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<p>one</p><p>two</p>", "one\ntwo\n"),
        ("a <!-- not <b> said --> b", "a b"),
        ("bye<|im_end|>", "bye"),
    ],
)
def test_other_tags_are_dropped_and_their_text_is_kept(written: str, spoken: str) -> None:
    assert heard(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It opens at nine [1], says [2, 3].", "It opens at nine , says ."),
        ("so[1-3] it【4†source】 is[^1]", "so it is"),
        ("so [1](https://x.com) it is", "so it is"),
        ("【重要】今天", "【重要】今天"),
        ("done \ue200cite\ue202turn0search1\ue201now", "done now"),
        ("text[1]\n\n[1]: https://x.com/a\n[^2]: note\nend", "text\nend"),
    ],
)
def test_citation_marks_are_dropped(written: str, spoken: str) -> None:
    assert heard(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ('{"name": "book", "args": {"x": "}\\""}}', ""),
        ('[{"a": [1, 2]}]\nHello', "Hello"),
        ('Sure.\n{"a": 1}\nDone.', "Sure.\nDone."),
        ('{"a": 1, "b', ""),
        ("{}", ""),
        ("{name}, hello", "name, hello"),
        ("[laughs] Hello", "laughs Hello"),
        ('{"quoted" words} hello', '"quoted" words hello'),
    ],
)
def test_json_in_place_of_an_answer_is_dropped(written: str, spoken: str) -> None:
    assert heard(written) == spoken


def test_json_is_not_held_for_ever() -> None:
    speakable = Speakable()
    for _ in range(3000):
        speakable.feed('{"a":')
        assert speakable.held <= JSON_LIMIT + 5
    assert words(speakable.feed("\n\nHello")) == "Hello"
    assert speakable.dropped == {"json": 1}


def test_hostile_nesting_is_survived() -> None:
    assert heard("[" * 1500 + '"' + "]" * 1500) == ""
