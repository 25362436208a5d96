"""What a caller would hear: the words, and where the pauses are."""

from collections.abc import Iterable

from bridge.speech import Lexicon, Speakable, Text, speak

Heard = tuple[str, list[tuple[int, int]]]


def heard(text: str, lexicon: Lexicon | None = None) -> str:
    return words(speak(text, lexicon))


def words(pieces: Iterable[Text]) -> str:
    return "".join(piece.content for piece in pieces)


def heard_in_chunks(chunks: Iterable[str], lexicon: Lexicon | None = None) -> Heard:
    speakable = Speakable(lexicon)
    pieces = [piece for chunk in chunks for piece in speakable.feed(chunk)]
    pieces += speakable.finish()
    place, pauses = 0, []
    for piece in pieces:
        place += len(piece.content)
        if piece.pause is not None:
            pauses.append((place, piece.pause))
    return words(pieces), pauses
