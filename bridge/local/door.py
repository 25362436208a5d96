"""Where a bridge is: the addresses of its socket, its watch and its health, and the token."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from bridge.errors import SettingsError

_WEBSOCKET = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - we dial it


@dataclass(frozen=True, slots=True)
class Door:
    """One bridge, as somebody outside reaches it."""

    url: str = field(repr=False)
    """Address of the socket, as Millis dials it. It may hold the token: print `shown`."""
    token: str = field(repr=False)
    """For a Bearer header; empty for none."""
    shown: str
    """The address without its secrets."""
    base: str
    """Everything before `/millis`, for http."""
    host: str

    @classmethod
    def at(cls, host: str, port: int, token: str = "") -> Self:
        """The door of a bridge that listens there."""
        host = _ANYWHERE.get(host, host)
        return cls.read(f"ws://{f'[{host}]' if ':' in host else host}:{port}", token)

    @classmethod
    def read(cls, text: str, token: str = "") -> Self:
        """Understand an address that somebody typed; a token in it wins over `token`.

        Raises:
            SettingsError: it is no address of a WebSocket.
        """
        try:
            parts = urlsplit(text if "://" in text else f"ws://{text}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise SettingsError(
                "this is no URL; one looks like ws://127.0.0.1:8080/millis"
            ) from None
        scheme = _WEBSOCKET.get(parts.scheme)
        if scheme is None or not host:
            raise SettingsError("a bridge's URL looks like ws://127.0.0.1:8080/millis")
        path = parts.path if parts.path.strip("/") else "/millis"
        prefix, found, rest = path.partition("/millis")
        if not found:
            prefix = path.rpartition("/")[0]
        own = unquote(rest.strip("/")) or "".join(parse_qs(parts.query).get("token", []))
        place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        query = f"?{parts.query}" if parts.query else ""
        shown = f"{scheme}://{place}{prefix}/millis" if found else f"{scheme}://{place}{path}"
        return cls(
            url=f"{scheme}://{parts.netloc}{path}{query}",
            token=own or token,
            shown=shown + ("/…" if own else ""),
            base=f"{scheme.replace('ws', 'http')}://{place}{prefix}",
            host=host,
        )

    @property
    def health(self) -> str:
        """Where to ask what it is and what it has loaded."""
        return f"{self.base}/healthz"

    def watch(self, session_id: str) -> str:
        """Where to watch a call."""
        return f"{self.base}/watch/{quote(session_id, safe='')}"
