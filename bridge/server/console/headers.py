"""What browsers are told of every answer of the console: nothing of others, nothing for others."""

from types import MappingProxyType
from typing import Final

from aiohttp import web

_POLICY: Final = MappingProxyType(
    {
        "default-src": "'none'",
        # The web SDK makes its audio worklet, and where there is none its resampler (WebAssembly),
        # from text that it carries.
        "script-src": "'self' blob: 'wasm-unsafe-eval'",
        "connect-src": "'self' data:",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "media-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
)
_HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": "; ".join(f"{name} {of}" for name, of in _POLICY.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    }
)


async def set_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add them (an `on_response_prepare` signal)."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
