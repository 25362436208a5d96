"""The settings as the console shows them: their values and meaning, and no secret."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bridge.server.fieldtexts import field_texts
from bridge.settings import Settings

_HIDDEN: Final = "•••"


def settings_shown(settings: Settings) -> Sequence[Mapping[str, Any]]:
    """Every setting as plain data; of a secret only that it is set."""
    texts = field_texts(Settings)
    return [
        _setting(name, field, getattr(settings, name), texts.get(name, ""))
        for name, field in Settings.model_fields.items()
    ]


def _setting(name: str, field: FieldInfo, value: Any, text: str) -> Mapping[str, Any]:
    default = field.get_default(call_default_factory=True, validated_data={})
    return {
        "name": name,
        "variable": f"BRIDGE_{name.upper()}",
        "value": _database(value) if name == "database_url" else _open(value),
        "is_default": bool(value == default),
        "about": " ".join(text.split()),
    }


def _open(value: Any) -> Any:
    """A value that may be shown: of secrets only that they are there."""
    if isinstance(value, SecretStr):
        return _HIDDEN
    if isinstance(value, BaseModel):
        shown = {name: getattr(value, name) for name in value.model_fields_set}
        return {name: _open(one) for name, one in shown.items()}
    if isinstance(value, Mapping):
        return {str(name): _open(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_open(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _database(value: SecretStr) -> str:
    """Where it is, without the password."""
    url = value.get_secret_value()
    parts = urlsplit(url)
    if parts.password is None:
        return url.partition("?")[0]
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{parts.username}:{_HIDDEN}@{place}{parts.path}"
