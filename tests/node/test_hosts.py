"""Which `Host` is this node's own (node/server/hosts.py)."""

import pytest

from node.server.hosts import Hosts

DID = "did:web:maker.example"


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("10.0.0.1:8470", True),
        ("10.0.0.1:8471", False),
        ("10.0.0.2:8470", False),
        ("passports.example", True),
        ("passports.example:443", True),
        ("PASSPORTS.example.", True),
        ("passports.example:8470", False),
        ("peer.example:8470", True),
        ("maker.example", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("passports.example.evil.example", False),
        ("evil.example@10.0.0.1:8470", False),
        ("localhost#.evil.example", False),
        ("localhost/", False),
        ("", False),
        ("10.0.0.1:port", False),
    ],
)
def test_own_hosts_are_those_that_were_configured(host: str, own: bool) -> None:
    """
    Where it listens, public_url, its line of peers.toml, its did:web, loopback; nothing that looks alike.
    """
    hosts = Hosts.of(DID, ("10.0.0.1", 8470), ("https://passports.example", "http://peer.example:8470", None))

    assert hosts.admit(host) is own


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("192.0.2.7:8470", True),
        ("[2001:db8::1]:8470", True),
        ("192.0.2.7:80", False),
        ("any.example:8470", False),
    ],
)
def test_a_node_on_every_address_takes_any_address_at_its_port(host: str, own: bool) -> None:
    """
    Listening on 0.0.0.0, an IP address at the port is ours (no name can be rebound to it); a name is not.
    """
    assert Hosts.of(DID, ("0.0.0.0", 8470), ()).admit(host) is own


def test_the_port_of_a_did_is_part_of_its_host() -> None:
    """
    did:web:host%3A8470 names host and port.
    """
    hosts = Hosts.of("did:web:alone.example%3A8470:path", None, ())

    assert hosts.admit("alone.example:8470")
    assert not hosts.admit("alone.example")


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("http", "passports.example", "https://passports.example"),  # a proxy ends TLS in front of us
        ("https", "passports.example", "https://passports.example"),
        ("http", "127.0.0.1:8470", "http://127.0.0.1:8470"),
        ("http", "peer.example:8470", "http://peer.example:8470"),
        ("https", "localhost:1", "https://localhost:1"),
    ],
)
def test_the_origin_is_that_of_the_url_by_which_a_node_is_known(scheme: str, host: str, origin: str) -> None:
    """
    public_url says by which scheme others see this node, whatever scheme the last step has.
    """
    hosts = Hosts.of(DID, ("127.0.0.1", 8470), ("https://passports.example", "http://peer.example:8470"))

    assert hosts.origin(scheme, host) == origin
