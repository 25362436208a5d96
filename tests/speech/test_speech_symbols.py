import pytest

from bridge.speech import Speakable
from tests.speech.ears import heard

INTACT = [
    "$3.50 and €1,000 and £2",
    "12/05/2026 at 3:30pm, 15:45 or 2026-11-20",
    "50% off, #1 of 10, 1,000.5",
    "it is -5 or 5-10, 20 °C, ½ a cup",
    "call +1-555-0100 or (555) 010-0199",
    "5+ years, A+, C++ and C#",
    "don't, it’s, O'Neill's, rock 'n' roll",
    "and/or, well-known, e.g. this… (so)",
    "今天天气很好，价格是￥1,000。「はい」、한국어도",
    "naïve café, Zürich, Ελλάδα, привет, नमस्ते, مرحبا",
    "می‌خواهم",
    "What?! No! Yes: \"fine\"; 'good' — ok – ok.",
]


@pytest.mark.parametrize("written", INTACT)
def test_ordinary_text_is_left_intact(written: str) -> None:
    assert heard(written) == written


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("AT&T and R & D", "AT and T and R and D"),
        ("a + b = c, 2+2=4", "a plus b equals c, 2 plus 2 equals 4"),
        ("a → b -> c => d", "a to b to c to d"),
        ("3 < 5 and 5 > 3", "3 less than 5 and 5 greater than 3"),
        ("a<b and c", "a less than b and c"),
        ("x <= 5, y >= 6", "x less than or equal to 5, y greater than or equal to 6"),
        ("3 × 4 ÷ 2 ≈ 6", "3 times 4 divided by 2 about 6"),
        ("−5", "-5"),
        ("x^2", "x to the power of 2"),
        ("~5 or 5~6", "about 5 or 5 to 6"),
        ("5 @ $3", "5 at $3"),
        ("© 2024 Acme™", "copyright 2024 Acme"),
        ("Press * or #.", "Press star or pound."),
        ("#sale", "sale"),
        ("tom &amp; jerry &lt; &#39;x&#39;&nbsp;y &#0;z", "tom and jerry less than 'x' y z"),
        ("yes | no", "yes , no"),
        ("a • b", "a , b"),
        ("{name}", "name"),
    ],
)
def test_bare_symbols_become_words(written: str, spoken: str) -> None:
    assert heard(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hi 👋 there", "Hi there"),
        ("Hi 👋", "Hi "),
        ("👋 Hi", "Hi"),
        ("family 👨‍👩‍👧‍👦 flag 🇩🇪 skin 👍🏽 end", "family flag skin end"),
        ("flag 🏴󠁧󠁢󠁥󠁮󠁧󠁿 heart ❤️ star ⭐ tick ✅ end", "flag heart star tick end"),
        ("press 1️⃣ or 2️⃣ now", "press 1 or 2 now"),
        ("Done!🎉Next", "Done! Next"),
        ("你好👋世界", "你好世界"),
        ("Great 🎉!", "Great !"),
    ],
)
def test_emoji_leave_no_trace(written: str, spoken: str) -> None:
    assert heard(written) == spoken


def test_characters_without_a_sound_are_removed() -> None:
    assert heard("a\x00b\u200bc\ufeffd\ud800e\x1bf\u202eg\u00adh") == "abcdefgh"


def test_a_picture_of_many_characters_counts_once() -> None:
    speakable = Speakable()
    speakable.feed("a 👨‍👩‍👧 b 👍🏽\x00")
    assert speakable.dropped == {"emoji": 2, "control": 1}


def test_white_space_never_doubles() -> None:
    assert heard("a  b \t c   \n\n\n  d") == "a b c \nd"
