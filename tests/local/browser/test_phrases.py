"""The phrases that are listened for."""

import pytest

from bridge.local.browser.phrases import Phrases, spoken

KNOWN = {"where", "is", "order", "one", "two", "twenty", "five", "don't", "stop"}


def phrases(*given: str) -> Phrases:
    return Phrases(given, lambda word: ("A B",) if word in KNOWN else ())


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("Where is order 12?", "where is order twelve"),
        ("25, 20, 0", "twenty five twenty zero"),
        ("007 1234", "zero zero seven one two three four"),
        ("Don’t stop-now!", "don't stop now"),
        ("'quoted' <b> ; grammar", "quoted b grammar"),
        ("…", ""),
    ],
)
def test_a_phrase_is_known_by_the_words_that_one_says(phrase: str, words: str) -> None:
    assert " ".join(spoken(phrase)) == words


def test_a_phrase_is_given_back_as_it_was_written() -> None:
    given = phrases("Where is order 12?", " Where is order 25? ", "Don’t stop!")

    assert given.as_written("where is order twenty five") == "Where is order 25?"
    assert given.as_written("stop") == "stop"


def test_a_phrase_with_an_unknown_word_is_left_out_and_the_word_named() -> None:
    given = phrases("Stop!", "Stop, Xyzzy!", "Don't", "…")

    assert given.unknown == {"Stop, Xyzzy!": "xyzzy"}
    assert set(given.pronounced) == {"stop", "don't"}
    assert given
    assert not phrases("Xyzzy")


def test_nothing_of_a_phrase_is_a_rule_of_the_grammar() -> None:
    given = phrases("stop; public <x> = order", "is | one")

    assert given.unknown
    assert given.grammar == "#JSGF V1.0;\ngrammar phrases;\npublic <phrase> = is one;\n"
