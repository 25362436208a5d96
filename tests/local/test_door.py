import pytest

from bridge.errors import SettingsError
from bridge.local.door import Door


@pytest.mark.parametrize(
    ("typed", "url", "health"),
    [
        ("127.0.0.1:8080", "ws://127.0.0.1:8080/millis", "http://127.0.0.1:8080/healthz"),
        ("http://localhost:1/", "ws://localhost:1/millis", "http://localhost:1/healthz"),
        ("https://a.example", "wss://a.example/millis", "https://a.example/healthz"),
        ("wss://a.example/x/millis", "wss://a.example/x/millis", "https://a.example/x/healthz"),
        ("ws://[::1]:80/millis", "ws://[::1]:80/millis", "http://[::1]:80/healthz"),
    ],
)
def test_an_address_is_understood_as_people_type_it(typed: str, url: str, health: str) -> None:
    door = Door.read(typed)

    assert door.url == door.shown == url
    assert door.health == health
    assert door.token == ""


@pytest.mark.parametrize(
    "typed", ["ws://h/millis/can%2Fary", "ws://h/millis?token=can/ary", "ws://u:can/ary@h"]
)
def test_a_token_in_an_address_is_used_and_never_shown(typed: str) -> None:
    door = Door.read(typed.replace("u:can/ary@", "u:canary@"), token="ours")

    assert door.token in ("can/ary", "ours")
    assert "ary" not in f"{door.shown} {door!r} {door.watch('s')} {door.health}"


def test_watching_asks_at_the_same_bridge() -> None:
    door = Door.read("wss://a.example/x/millis/secret")

    assert door.watch("a/b") == "https://a.example/x/watch/a%2Fb"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])  # noqa: S104
def test_a_bridge_that_listens_everywhere_is_dialled_on_loopback(host: str) -> None:
    assert Door.at(host, 8080).host in ("127.0.0.1", "::1")


@pytest.mark.parametrize("typed", ["ftp://h/millis", "ws://", "ws://h:port/millis", "ws://[/x"])
def test_no_address_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(SettingsError, match="ws://127"):
        Door.read(typed)
