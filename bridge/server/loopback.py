"""Whether somebody on this machine asks, and from which page: for doors that need no token."""

import ipaddress
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, web

from bridge.server.access import foreign_origin

Guard = Callable[[web.Request], web.Response | None]
"""Looks at a request before it is served: a response turns it away, None lets it in."""

_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PASSED_ON: Final = frozenset(
    {"forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "via"}
)
"""Headers of proxies and tunnels, beside those that begin with `x-forwarded-`."""
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?")


def only_from_here(host: str = "", *, local_pages: bool = False) -> Guard:
    """Make a guard that lets in programs and pages of this machine, and nobody else.

    The Host header must name loopback, or `host`; a browser's page must be our own. `local_pages`
    lets in the pages of other servers on this machine, too, such as one that develops a page.
    """

    def guard(request: web.Request) -> web.Response | None:
        foreign = foreign_origin(request) and not (local_pages and _page_from_here(request))
        if not foreign and is_from_here(request, host):
            return None
        return web.Response(
            status=403, text="only for this machine, by the name of localhost, and its own pages\n"
        )

    return guard


def is_from_here(request: web.Request, host: str = "") -> bool:
    """Whether a program on this machine asks us directly, by a name of loopback, or as `host`.

    A proxy or a tunnel on this machine asks from here, too, for the whole world; and a page that
    has its name resolved to 127.0.0.1 has the visitor's browser ask.
    """
    hosts = request.headers.getall("Host", [])
    return (
        len(hosts) == 1
        and _name(hosts[0]) in {*_NAMES, *({host.lower()} if host else ())}
        and _is_loopback(request)
        and request.version >= HttpVersion11  # older is a proxy: nginx, as it is by default
        and not any(map(_is_of_proxies, request.headers))
    )


def is_rebound(request: web.Request) -> bool:
    """Whether a browser asks for a page whose name was made to mean this machine.

    Its Origin is then the Host that it asks for, as if the page were ours. A tunnel's name is no
    name of loopback either, but a tunnel says that it passes something on, and no page can.
    """
    hosts = request.headers.getall("Host", [])
    return (
        "Origin" in request.headers
        and _is_loopback(request)
        and not any(map(_is_of_proxies, request.headers))
        and not all(_name(host) in _NAMES for host in hosts)
    )


def _name(host: str) -> str:
    """The name in a Host header; empty if it is none."""
    found = _HOST.fullmatch(host)
    return found[1].strip("[]").lower() if found else ""


def _page_from_here(request: web.Request) -> bool:
    try:
        return urlsplit(request.headers.get("Origin", "")).hostname in _NAMES
    except ValueError:  # half an IPv6 address
        return False


def _is_loopback(request: web.Request) -> bool:
    peer = request.transport and request.transport.get_extra_info("peername")
    try:
        return isinstance(peer, tuple) and ipaddress.ip_address(peer[0]).is_loopback
    except ValueError:  # with a scope: an address of a network
        return False


def _is_of_proxies(header: str) -> bool:
    name = header.lower()
    return name in _PASSED_ON or name.startswith("x-forwarded-")
