"""Putting a lexicon's words in place while the text is still arriving."""

from bridge.speech.characters import is_cjk, is_wordlike
from bridge.speech.lexicon import Lexicon, fold


def _joins(left: str, right: str) -> bool:
    """Whether two neighbours belong to one word. Scripts without spaces have no whole words."""
    return is_wordlike(left) and is_wordlike(right) and not is_cjk(left) and not is_cjk(right)


class Pronouncer:
    """The replacements in one message.

    Holds back the end of the text only while it is a whole beginning of a key, from the start of a
    word on. The longest key wins; what was put in place is not searched again.
    """

    __slots__ = ("_before", "_lexicon", "held")

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._before = ""
        self.held = ""

    def feed(self, text: str) -> str:
        """What can be said now, of this and of what was held back."""
        return self._replace(self.held + text, final=False)

    def finish(self) -> str:
        """What was held back. Words do not join across this."""
        said = self._replace(self.held, final=True)
        self._before = ""
        return said

    def _replace(self, text: str, *, final: bool) -> str:
        lexicon, folded = self._lexicon, fold(text)
        place = lexicon.places.search(folded)
        if place is None:
            self._before, self.held = text[-1:] or self._before, ""
            return text
        said: list[str] = []
        done = at = 0
        while place := lexicon.places.search(folded, at):
            at = place.start()
            before = text[at - 1] if at else self._before
            if _joins(before, text[at]):
                at += 1
                continue
            may_go_on = not final and len(text) - at <= lexicon.lengths[0]
            if may_go_on and folded[at:] in lexicon.beginnings:
                break
            length = self._key_length(text, at)
            if length:
                said += (text[done:at], lexicon.find(text[at : at + length]) or "")
                done = at + length
            at += length or 1
        else:
            at = len(text)
        said.append(text[done:at])
        if at:
            self._before = text[at - 1]
        self.held = text[at:]
        return "".join(said)

    def _key_length(self, text: str, at: int) -> int:
        """The length of the longest key that stands here as a whole word; 0 for none."""
        if fold(text[at : at + self._lexicon.shortest]) not in self._lexicon.beginnings:
            return 0
        for length in self._lexicon.lengths:
            end = at + length
            if end > len(text) or self._lexicon.find(text[at:end]) is None:
                continue
            if not _joins(text[end - 1], text[end : end + 1]):
                return length
        return 0
