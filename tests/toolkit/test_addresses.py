"""Which addresses a tool may ask."""

from ipaddress import ip_address

import pytest

from bridge.toolkit.addresses import AddressRefused, CheckedResolver, Reach, is_public
from tests.toolkit.servers import Names

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - never bound
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.8.9.10",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.169.0.1",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_open_internet_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(AddressRefused):
        Reach().check_literal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_of_the_open_internet_is_asked(address: str) -> None:
    assert is_public(ip_address(address))
    Reach().check_literal(address)


def test_a_scope_does_not_hide_an_address() -> None:
    with pytest.raises(AddressRefused):
        Reach().check_literal("fe80::1%eth0")


def test_names_are_left_to_the_resolver() -> None:
    Reach().check_literal("localhost")


def test_hosts_and_networks_can_be_allowed() -> None:
    reach = Reach(("CRM.internal.", "10.1.0.0/16", "::1", "192.168.0.7"))
    assert reach.includes("crm.internal", "192.168.9.9")
    assert reach.includes("any.example", "10.1.2.3")
    assert reach.includes("any.example", "::ffff:10.1.2.3")
    assert reach.includes("any.example", "::1")
    assert reach.includes("192.168.0.7", "192.168.0.7")
    assert not reach.includes("any.example", "192.168.9.9")
    assert not reach.includes("x.crm.internal", "10.2.0.1")
    assert not reach.includes("any.example", "not an address")


async def test_a_name_with_one_private_address_is_refused_whole() -> None:
    names = Names({"mixed.example": ["93.184.216.34", "10.0.0.1"], "good.example": ["1.1.1.1"]})
    resolver = CheckedResolver(Reach(), names)
    with pytest.raises(AddressRefused):
        await resolver.resolve("mixed.example", 80)
    assert [one["host"] for one in await resolver.resolve("good.example", 80)] == ["1.1.1.1"]
