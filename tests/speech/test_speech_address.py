import pytest

from tests.speech.ears import heard, heard_in_chunks


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("https://www.example.com", "example dot com"),
        ("HTTP://Example.com/", "Example dot com"),
        ("https://example.com/pricing?utm=1#top", "example dot com slash pricing"),
        ("https://www.example.com/a/b/c?x=1", "example dot com slash a slash b"),
        ("https://example.com/2f9a8c7be61d4f5a9b8c7d6e/x", "example dot com"),
        ("https://user:secret@example.com:8080/", "example dot com"),
        ("www.my-shop.co.uk", "my dash shop dot co dot uk"),
        ("(see https://a.com/x_(y)).", "(see a dot com)."),
        ("Go to https://a.com.", "Go to a dot com."),
        ("**https://a.com**", "a dot com"),
        ("<https://a.com> or <a@b.com>", "a dot com or a at b dot com"),
        ("https://a*b.com <http://c`d.com>", "a b dot com c d dot com"),
        ("<`@/>", "less than at /"),
        ("请看https://a.com，谢谢", "请看 a dot com，谢谢"),
        ("https:// is a scheme", "https:// is a scheme"),
        ("john@example.com.", "john at example dot com."),
        ("john.doe@mail.co.uk, ok", "john.doe at mail dot co dot uk, ok"),
        ("follow @john", "follow at john"),
        ("open example.com today", "open example.com today"),
        ("how what why hw www", "how what why hw www"),
    ],
)
def test_an_address_is_spoken_as_on_the_phone(written: str, spoken: str) -> None:
    assert heard(written) == spoken


def test_an_endless_address_is_cut_off() -> None:
    assert heard("https://a.com/?" + "x" * 5000 + " end") == "a dot com end"


def test_the_name_before_an_at_sign_is_not_held() -> None:
    assert heard_in_chunks(["john", "@", "example", ".com"])[0] == "john at example dot com"
