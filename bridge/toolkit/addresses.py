"""Which addresses a tool may ask: those of the open internet, and what its author allows besides.

A name is checked when it is resolved for the connection itself, so that what was checked is what is
connected to. Public is an allow-list: what nobody has thought of is refused.
"""

import contextlib
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

_IP = IPv4Address | IPv6Address

_SPECIAL_V4 = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24")))
"""Protocol assignments and 6to4 relays, which Python calls global in part."""
_UNICAST_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
"""Teredo and its like, examples, 6to4: they may hold a private address of the old kind."""
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""NAT64: the last 32 bits are the real address."""


class AddressRefused(OSError):
    """The address is not one that may be asked. An OSError: that is what a resolver may raise."""


class Reach:
    """How far a client reaches: public addresses, and the hosts and networks that were allowed."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._hosts = set[str]()
        self._networks = []
        for one in allow:
            try:
                self._networks.append(ip_network(one.strip("[]")))
            except ValueError:
                self._hosts.add(_plain(one))

    def includes(self, host: str, address: str) -> bool:
        """Whether this address may be asked under this name."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if _plain(host) in self._hosts or is_public(found):
            return True
        mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
        return any((mapped or found) in network for network in self._networks)

    def check_literal(self, host: str) -> None:
        """Check a host that is an address already: no resolver will see it.

        Raises:
            AddressRefused: it must not be asked.
        """
        with contextlib.suppress(ValueError):
            ip_address(host.partition("%")[0])
            if not self.includes(host, host):
                raise AddressRefused(host)


def is_public(address: _IP) -> bool:
    """Whether the address belongs to a host of the open internet."""
    if isinstance(address, IPv4Address):
        special = any(address in network for network in _SPECIAL_V4)
        odd = address.is_multicast or address.is_reserved or address.is_unspecified
        return address.is_global and not odd and not special
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _TRANSLATED:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _UNICAST_V6 and not any(address in network for network in _SPECIAL_V6)


class CheckedResolver(AbstractResolver):
    """Resolves names for connections, and gives out only addresses that may be asked."""

    def __init__(self, reach: Reach, inner: AbstractResolver | None = None) -> None:
        self._reach = reach
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Find the addresses of a host.

        Raises:
            AddressRefused: one of them must not be asked.
        """
        found = await self._inner.resolve(host, port, family)
        if not all(self._reach.includes(host, one["host"]) for one in found):
            raise AddressRefused(host)
        return found

    async def close(self) -> None:
        """Release what the inner one holds."""
        await self._inner.close()


def _plain(host: str) -> str:
    return host.lower().strip("[]").rstrip(".")
