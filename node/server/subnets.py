"""Whose share a connection takes before it has shown who it is: that of the subnet that its address is of.

Whoever has an IPv6 subnet has 2^64 addresses in it (RFC 4291, 2.5.1), and one host is given a whole one
(RFC 8273). So nothing in this room counts, or keeps, an address: `subnet_of` is read once, where a connection
is accepted.
"""

from __future__ import annotations

from ipaddress import IPv6Network, ip_address

SUBNET_BITS = 64


def subnet_of(address: str) -> str:
    """An IPv4 address as it is, an IPv6 one as its /64; one that holds an IPv4 address counts as that one.

    That is a mapped one (RFC 4291, 2.5.5.2: a client of a socket that takes both) and one of 6to4 (RFC 3056),
    where an IPv4 address brings 65,536 subnets with it.
    """
    found = ip_address(address.partition("%")[0])
    if found.version == 4:
        return str(found)
    held = found.ipv4_mapped or found.sixtofour
    return str(held or IPv6Network((int(found), SUBNET_BITS), strict=False))
