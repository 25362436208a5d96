"""What a model writes, on its way to be spoken: `bridge/speech`."""

from bridge.speech import Speakable
from bridge.speech.hidden import JSON_LIMIT
from tests.fuzz.target import Target, encoded, pieces, text_of
from tests.speech.ears import heard_in_chunks
from tests.speech.test_speech_chunking import LEXICON, MARKS, TEXTS, UNSPEAKABLE


def check(data: bytes) -> None:
    """However it is cut, the same is heard, nothing is held for long, and all can be spoken."""
    text = text_of(data)
    whole = heard_in_chunks([text], LEXICON)
    for cut in pieces(text):
        assert heard_in_chunks(cut, LEXICON) == whole
    speakable = Speakable(LEXICON)
    for letter in text:
        speakable.feed(letter)
        assert speakable.held <= JSON_LIMIT
    assert not UNSPEAKABLE.search(heard_in_chunks([text])[0])


FOUND = ("<`@/>", "https://a*b.com", "<http://a`b>", "<a*b@c>", '{"a": "' + "x" * 2200)
TARGET = Target("speech", check, encoded([*TEXTS, *FOUND]), encoded(MARKS.split()))
