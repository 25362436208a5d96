"""Where requests go."""

import pytest
from yarl import URL

from bridge.toolkit import HttpFailed
from bridge.toolkit.targets import filled, joined, redirected


def test_a_redirect_never_leaves_what_is_encrypted() -> None:
    with pytest.raises(HttpFailed):
        redirected(URL("https://shop.example/a"), "http://shop.example/b")
    assert str(redirected(URL("http://shop.example/a"), "https://shop.example/b"))


def test_a_redirect_brings_no_password_along() -> None:
    there = redirected(URL("https://shop.example/a"), "https://me:secret@other.example/b")
    assert str(there) == "https://other.example/b"


@pytest.mark.parametrize(
    "location", ["http://[", "http://[a]@/", "data:text/plain,x", "javascript:1", "http://a:b/"]
)
def test_a_redirect_leads_to_an_http_address_or_nowhere(location: str) -> None:
    with pytest.raises(HttpFailed):
        redirected(URL("http://shop.example/a"), location)


def test_values_stay_in_their_part() -> None:
    values = {"a": "x/../y?z=1#f&g=%2e", "b": None, "n": 7}
    assert filled("/p/{a}/{n}?q={a}&b={b}", values) == (
        "/p/x%2F..%2Fy%3Fz%3D1%23f%26g%3D%252e/7?q=x%2F..%2Fy%3Fz%3D1%23f%26g%3D%252e&b="
    )


def test_what_is_below_a_base_stays_below_it() -> None:
    assert str(joined("https://crm.example/api/", "/orders")) == "https://crm.example/api/orders"
    for path in ("orders", "https://evil.example/", ""):
        with pytest.raises(HttpFailed):
            joined("https://crm.example/api", path)
