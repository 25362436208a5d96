"""The kinds of values that settings have, each with what is said of a wrong one."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

_DESTINATION = re.compile(r"(?! )[\w -]{1,64}(?<! )")
_NUMBER = re.compile(r"\+[0-9]{3,15}|sips?:[^\s@]+@[^\s@]+")


def items(value: object) -> object:
    """Accept `a, b` where a list is meant, as variables have no lists."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def dialable(destinations: dict[str, str]) -> dict[str, str]:
    """Check that the model can tell the names apart, and that a telephone can dial the numbers."""
    for name, number in destinations.items():
        if not _DESTINATION.fullmatch(name):
            raise PydanticCustomError(
                "name",
                "{name} is no name for a destination: use 1 to 64 letters, digits, spaces, - or _",
                {"name": repr(name)},
            )
        if not _NUMBER.fullmatch(number):
            raise PydanticCustomError(
                "number",
                "{name} is no number to transfer to: write + and digits, or sip:somebody@somewhere",
                {"name": repr(name)},
            )
    return destinations


_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
"""How people write a database's URL, and what the record needs."""


def database(url: SecretStr) -> SecretStr:
    """Complete a URL by its driver; refuse databases that the record does not know."""
    kind, there, rest = url.get_secret_value().partition("://")
    kind = _DRIVERS.get(kind, kind)
    if not there or kind not in _DRIVERS.values() or not _has_parts(url):
        raise PydanticCustomError(
            "database",
            "not a database the record can use: write sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/NAME",
        )
    return SecretStr(f"{kind}://{rest}")


def web_address(url: SecretStr) -> SecretStr:
    """Check that something can be sent there."""
    written = re.fullmatch(r"https?://[^\s/?#]+[^\s]*", url.get_secret_value())
    if not written or not _has_parts(url):
        raise PydanticCustomError("address", "not a web address: write https://HOST/PATH")
    return url


def _has_parts(url: SecretStr) -> bool:
    """Whether its host and port can be told."""
    try:
        _ = urlsplit(url.get_secret_value()).port
    except ValueError:
        return False
    return True


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Pause = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(items)]
Secrets = Annotated[
    tuple[Annotated[SecretStr, Field(min_length=1)], ...], NoDecode, BeforeValidator(items)
]
