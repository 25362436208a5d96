"""However a message is cut, the caller hears the same."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.speech import Lexicon, Speakable, Text
from bridge.speech.hidden import JSON_LIMIT
from tests.speech.ears import heard_in_chunks, words

UNSPEAKABLE = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff*`{}<>|\[\]\u200b\ufe0f\u20e3👋]")
LEXICON = Lexicon({"Millis": "Millie", "SQL": "sequel", "New York": "NY", "York": "J", "東京": "T"})

MARKS = """\
* ** *** _ __ ~ ~~ ~~~ ` `` ``` # - -- -> --- > >> < <= <b> </b> <think> </think> <thi nk> <br>
<tool_call> </tool_call> <a <!-- --> <|im|> <https://a.b> <3 [ ] ( ) ]( ](http://x.y) [1] [^a] [1]:
[pause [pause] 500ms] 1s] 【 】 【4†s】 ! ![ { } {" "} {"a":1} [{ }] [" "
: , . ; | || |---| |:-: 1. 2) 12 3.50 $ € % & &amp; &# lt; @ a@b.c ://
https:// http h w www. www.x.y/z?q=1 .com word Hello
snake_case Mil lis Millis SQL New York 東京 今天 。 ， 👋 👩‍👩‍👧 🇩🇪 🏽 1️⃣ ©
™ → • × − \\ \\* = == => + ++ ^
é İ ß ' ’ — [x]
"""
PARTS = MARKS.split()
PARTS += [" ", "  ", "\n", "\n\n", "\r\n", "\t", "- ", "# ", "> ", "1. ", "| a | b |\n", "New "]
PARTS += ["\u200d", "\ufe0f", "\u20e3", "\x00", "\ud800", "\u200b", "\ue200", "\ue201", "e\u0301"]
TEXTS = [
    "# Menu\n\n| Dish | Price |\n|---|---|\n| Soup | $3.50 |\n\n**Anything else?** 😀",
    "Sure! I found 2 flights [1]: BA 117 at 12:05 [pause 500ms] and *AA 100*【2†x】, ok?",
    "<think>They want SQL.</think>Call +1-555-0100 or mail a.b@c-d.co.uk; see https://x.com/y?z=1.",
    '{"name": "lookup", "arguments": {"q": "a\\"}"}}\n\nMillis in New York - 东京 & 20 °C.',
    "1. First, `npm i`\n2. Then:\n```\ncode\n```\n- [ ] last → _done_ 👨‍👩‍👧",
]
MESSAGES = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=20).map("".join),
    st.text(alphabet="*_~`#->|[](){}<>!\\ \n1a.h:/w@&=+^", max_size=40),
    st.text(max_size=40),
    st.sampled_from(TEXTS),
)


@st.composite
def cut_messages(draw: st.DrawFn) -> list[str]:
    message = draw(MESSAGES)
    if draw(st.booleans()):
        return list(message)
    places = draw(st.lists(st.integers(0, len(message)), max_size=6).map(sorted))
    ends = zip([0, *places], [*places, len(message)], strict=True)
    return [message[start:end] for start, end in ends]


@settings(max_examples=1500, deadline=None)
@given(cut_messages())
def test_chunked_equals_whole(chunks: list[str]) -> None:
    whole = "".join(chunks)
    assert heard_in_chunks(chunks, LEXICON) == heard_in_chunks([whole], LEXICON)


@settings(max_examples=300, deadline=None)
@given(cut_messages())
def test_what_was_dropped_does_not_depend_on_the_cuts_either(chunks: list[str]) -> None:
    cut, whole = Speakable(), Speakable()
    for chunk in chunks:
        cut.feed(chunk)
    whole.feed("".join(chunks))
    cut.finish()
    whole.finish()
    assert cut.dropped == whole.dropped


@settings(max_examples=300, deadline=None)
@given(cut_messages())
def test_nothing_unspeakable_leaves(chunks: list[str]) -> None:
    said, _ = heard_in_chunks(chunks)
    assert not UNSPEAKABLE.search(said)
    assert "  " not in said
    assert "\n\n" not in said


@settings(max_examples=300, deadline=None)
@given(cut_messages())
def test_no_piece_is_without_a_purpose_and_no_hold_without_a_bound(chunks: list[str]) -> None:
    speakable = Speakable(LEXICON)
    for chunk in chunks:
        for piece in speakable.feed(chunk):
            assert piece.content or piece.pause
            assert not piece.flush
        assert speakable.held <= JSON_LIMIT
    speakable.finish()
    assert speakable.held == 0


@pytest.mark.parametrize("text", TEXTS)
def test_every_single_cut_of_a_real_text_gives_the_same(text: str) -> None:
    whole = heard_in_chunks([text], LEXICON)
    for place in range(len(text) + 1):
        assert heard_in_chunks([text[:place], text[place:]], LEXICON) == whole


PROSE = (
    "Good afternoon, this is the front desk! How may I help you? It's $1,250.75 for 3 nights, "
    "which is 50% of what we'd ask in July (that's well-known), so it's worth it: 3:30pm, 12/05. "
    "东京的天气很好。 Shall we - or shall we not? Who would?"
)


def test_ordinary_prose_is_never_held() -> None:
    speakable = Speakable()
    for token in re.findall(r"\s?[^\s]+", PROSE):
        said = words(speakable.feed(token))
        if token == " -":
            assert said == " "  # the one mark here that may become an arrow
            assert speakable.held == 1
        else:
            assert said.removeprefix("-") == token
            assert speakable.held == 0


def test_letter_by_letter_only_the_first_letters_of_an_address_are_held() -> None:
    speakable = Speakable()
    for letter in PROSE:
        speakable.feed(letter)
        assert speakable.held <= 1
        assert not speakable.held or letter in "hHwW-"


def test_words_are_forwarded_as_they_come() -> None:
    speakable = Speakable()
    assert speakable.feed("Hello") == [Text("Hello")]
    assert speakable.feed(" there. ") == [Text(" there. ")]
    assert speakable.feed("") == []
    assert words(speakable.finish()) == ""


def test_a_finished_filter_takes_no_more() -> None:
    speakable = Speakable()
    speakable.feed("Hello *")
    assert speakable.finish() == [Text("star")]
    assert speakable.finish() == []
    with pytest.raises(ValueError, match="finished"):
        speakable.feed("more")
