import re
from pathlib import Path

import pytest

from bridge.errors import SettingsError
from bridge.speech import Lexicon, Speakable, Text
from tests.speech.ears import heard

LEXICON = Lexicon(
    {
        "Millis": "Millie",
        "SQL": "sequel",
        "US": "U S",
        "New York": "the Big Apple",
        "York": "Jork",
        "東京": "とうきょう",
        "İzmir": "Izmir",
    }
)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Millis, millis and MILLIS's", "Millie, Millie and Millie's"),
        ("Milliseconds and unMillis", "Milliseconds and unMillis"),
        ("SQL, not sql or MySQL", "sequel, not sql or MySQL"),
        ("tell us about the US.", "tell us about the U S."),
        ("New York, York, New Yorkers, New", "the Big Apple, Jork, New Yorkers, New"),
        ("東京都へ", "とうきょう都へ"),
        ("**Mil**lis", "Millie"),
        ("Mil[pause]lis", "Millis"),
        ("İzmir", "Izmir"),
        ("Millis\u0301", "Millis\u0301"),
    ],
)
def test_whole_words_are_replaced(written: str, spoken: str) -> None:
    assert heard(written, LEXICON) == spoken


def test_a_word_is_held_only_while_it_is_the_beginning_of_an_entry() -> None:
    speakable = Speakable(LEXICON)
    assert speakable.feed("I am Mil") == [Text("I am ")]
    assert speakable.feed("lis") == []
    assert speakable.feed(" here") == [Text("Millie here")]
    assert speakable.feed(" in New") == [Text(" in ")]
    assert speakable.feed("ark") == [Text("Newark")]
    assert speakable.feed(" SQL") == [Text(" ")]
    assert speakable.finish() == [Text("sequel")]


def test_words_with_other_beginnings_are_not_held() -> None:
    speakable = Speakable(LEXICON)
    for token in ["Good", " after", "noon", ",", " how", " can", " I", " help", "?"]:
        assert speakable.feed(token) == [Text(token)]


def test_a_missing_file_is_an_empty_lexicon(tmp_path: Path) -> None:
    assert not Lexicon.load(tmp_path / "lexicon.toml")


def test_the_example_we_ship_is_read() -> None:
    lexicon = Lexicon.load(Path(__file__).parents[2] / "prompts" / "lexicon.toml")
    assert heard("Siobhan knows SQL.", lexicon) == "Shivawn knows sequel."


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[words", "write each line as"),
        ("x = " + "[" * 3000, "write each line as"),
        ("x = " + "1" * 5000, "write each line as"),
        ("[word]\na = 'b'", "word: not known here; put the words under [words]"),
        ("words = 3", "words: must be a table; write [words] above the lines"),
        ("[words]\na = 3", 'words.a: needs text to say; write "a" = "how to say it"'),
        ("[words]\na = ' '", "words.a: needs text to say"),
        ("[words]\n'' = 'x'", "words.(empty): not a word; use 1 to 60 characters"),
        ("[words]\n'a ' = 'x'", "use 1 to 60 characters without spaces around them"),
        ("[words]\n'C++' = 'x'", "words.C++: not a word; begin and end it with a letter"),
        ("[words]\nAnna = 'x'\nanna = 'y'", "words.anna: is the same word as Anna; keep one"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key_and_the_remedy(
    tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "lexicon.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(complaint)) as refusal:
        Lexicon.load(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="UTF-8"):
        Lexicon.load(path)
