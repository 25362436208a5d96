"""Text in, speakable text out, while it is still arriving."""

from collections import Counter

from bridge.speech.blocks import start_of_line
from bridge.speech.characters import SPECIAL
from bridge.speech.lexicon import Lexicon
from bridge.speech.pronounce import Pronouncer
from bridge.speech.reader import Kind, Reader, Verdict
from bridge.speech.rules import inside_line
from bridge.speech.text import Text


class Speakable:
    """A streaming filter for one message of the model, or one text from a template.

    However the message is cut into chunks, the words spoken and the places of the pauses are the
    same. Ordinary words are returned at once; only an ending that may still become something else
    is held: a mark such as `*` or `[`, a web address until it is complete, a beginning of a word in
    the lexicon. The longest hold is that of JSON at the beginning of a line (`JSON_LIMIT`).

    A pause belongs to the piece before it. If that piece has gone already, or there is none, the
    pause comes as a piece with empty content.
    """

    __slots__ = ("_done", "_pronouncer", "_reader")

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._reader = Reader()
        self._pronouncer = Pronouncer(lexicon) if lexicon else None
        self._done = False

    @property
    def dropped(self) -> Counter[Kind]:
        """How many things of which kind were left unspoken."""
        return self._reader.dropped

    @property
    def held(self) -> int:
        """How many characters wait for what comes next."""
        reader = self._reader
        words = len(self._pronouncer.held) if self._pronouncer else 0
        return len(reader.source) - reader.at + words

    def feed(self, text: str) -> list[Text]:
        """The pieces that may be spoken now; often one, sometimes none.

        Raises:
            ValueError: the message was finished.
        """
        if self._done:
            raise ValueError("this message is finished; a new one needs a new filter")
        reader = self._reader
        calm = reader.at == len(reader.source) and reader.hidden is None and reader.spoken.line
        if calm and text and not SPECIAL.search(text):
            # Nothing is held and a line is under way: ordinary words need no reading.
            reader.spoken.say(text)
            reader.source = text[-1]
            reader.at = 1
        else:
            reader.source = reader.source[reader.at - 1 :] + text
            reader.at = 1
            _read(reader)
        return self._pieces()

    def finish(self) -> list[Text]:
        """What was held back. Afterwards the filter is done; finishing again gives nothing."""
        if self._done:
            return []
        self._done = True
        self._reader.final = True
        _read(self._reader)
        return self._pieces()

    def _pieces(self) -> list[Text]:
        pieces: list[Text] = []
        content = ""
        for item in self._reader.spoken.take():
            if isinstance(item, int):
                pieces.append(Text(content + self._last_words(), pause=item))
                content = ""
            else:
                content += self._pronouncer.feed(item) if self._pronouncer else item
        if self._done:
            content += self._last_words()
        if content:
            pieces.append(Text(content))
        return pieces

    def _last_words(self) -> str:
        return self._pronouncer.finish() if self._pronouncer else ""


def speak(text: str, lexicon: Lexicon | None = None) -> list[Text]:
    """A whole text at once: a greeting, a filler, an apology."""
    filter_ = Speakable(lexicon)
    return filter_.feed(text) + filter_.finish()


def _read(reader: Reader) -> None:
    while reader.at < len(reader.source):
        if _step(reader) is Verdict.WAIT:
            return


def _step(reader: Reader) -> Verdict:
    if reader.hidden is not None:
        return reader.skip_hidden(reader.hidden)
    if not reader.spoken.line:
        verdict = start_of_line(reader)
        if verdict is not Verdict.PASS:
            return verdict
    special = SPECIAL.search(reader.source, reader.at)
    end = special.start() if special else len(reader.source)
    if end > reader.at:
        reader.spoken.say(reader.source[reader.at : end])
        reader.at = end
        return Verdict.DONE
    return inside_line(reader)
