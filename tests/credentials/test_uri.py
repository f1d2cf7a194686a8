"""URLs, URNs and DIDs by their grammar, and one spelling of equivalent ones (RFC 3986, DID Core 1.0)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials.documents.uri import parse_did, parse_uri, same_uri

# RFC 3986, 1.1.2 and 5.4, RFC 8141, DID Core 1.0, and what must not be taken for one.
LAWFUL = [
    "ftp://ftp.is.co.za/rfc/rfc1808.txt",
    "http://www.ietf.org/rfc/rfc2396.txt",
    "ldap://[2001:db8::7]/c=GB?objectClass?one",
    "mailto:John.Doe@example.com",
    "news:comp.infosystems.www.servers.unix",
    "tel:+1-816-555-1212",
    "telnet://192.0.2.16:80/",
    "urn:oasis:names:specification:docbook:dtd:xml:4.1.2",
    "did:web:maker.example%3A8443:issuers#key-1",
    "https://maker.example/issuers/1#key-1",
    "https://b\u00fccher.example/\u8def",
]
UNLAWFUL = [
    *("", "a", "/a", "//a/b", "1a:b", ":b", "a b:c", "a:b c", "http://h/%", "http://h/%2", "http://h/%zz"),
    *(
        "http://h/<",
        'http://h/"',
        "http://h/\\",
        "http://h/^",
        "http://h:port/",
        "http://h:65536/",
        "a:b#c#d",
    ),
    *("http://[::1/", "http://[x]/", "a:\x00", "a:\x7f", "a:\u00a0", "a:\ud800", "a:\ufdd0", "a:\ue000"),
]


@pytest.mark.parametrize("text", LAWFUL)
def test_what_the_grammar_allows_is_read_and_written_back(text: str) -> None:
    """
    The parts of a URI put together are the URI again.
    """
    uri = parse_uri(text)

    assert uri is not None and uri.text == text


@pytest.mark.parametrize("text", [*UNLAWFUL, None, 1, "a:" + "b" * 8191], ids=lambda t: ascii(t)[:40])
def test_what_the_grammar_does_not_allow_is_none(text: object) -> None:
    """
    Whatever it is, the answer is None, never an exception.
    """
    assert parse_uri(text) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP://www.EXAMPLE.com/", "http://www.example.com/"),
        ("http://example.com", "http://example.com:80/"),
        ("http://example.com/a/./b/../c", "http://example.com/a/c"),
        ("http://example.com/%7Euser", "http://example.com/~user"),
        ("http://example.com/%3a", "http://example.com/%3A"),
        ("http://example.com/..", "http://example.com/"),
        ("http://example.com/a/..", "http://example.com/"),
        ("URN:UUID:a", "urn:uuid:a"),
        ("https://%45xample.com/", "https://example.com/"),
    ],
)
def test_equivalent_uris_have_one_spelling(one: str, other: str) -> None:
    """
    Case of scheme and host, default ports, escapes and dot segments (RFC 3986, 6.2.2 and 6.2.3).
    """
    left, right = parse_uri(one), parse_uri(other)

    assert left is not None and right is not None
    assert left.normal == right.normal == other.replace(":80/", "/")


@pytest.mark.parametrize(
    ("one", "other"), [("http://h/a", "http://h/A"), ("http://h/%2F", "http://h//"), ("urn:x:a", "urn:x:A")]
)
def test_what_differs_stays_different(one: str, other: str) -> None:
    """
    Paths have case, and an escaped delimiter is no delimiter.
    """
    left, right = parse_uri(one), parse_uri(other)

    assert left is not None and right is not None and left.normal != right.normal


def test_dids_are_read_by_their_grammar() -> None:
    """
    Method and specific id of DID Core 1.0, 3.1; a URL, a capital or an empty part is no DID.
    """
    assert parse_did("did:web:maker.example%3A8443:a") == ("web", "maker.example%3A8443:a")
    assert parse_did("did:example::x") == ("example", ":x")
    for wrong in (
        "did:web:",
        "did:web:a:",
        "did:Web:a",
        "DID:web:a",
        "did:web:a#k",
        "did:web:a/b",
        "did:web",
        7,
    ):
        assert parse_did(wrong) is None


@given(st.text(max_size=40) | st.from_regex(r"[A-Za-z+]{1,4}:(//[a-z0-9:.%@\[\]]*)?[/a-z%0-9?#.A-Z]*"))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """
    Any text is a URI or none; the normal form of a URI is a URI and its own normal form.
    """
    uri = parse_uri(text)
    if uri is None:
        return
    again = parse_uri(uri.normal)

    assert again is not None and again.normal == uri.normal


@pytest.mark.parametrize(
    "text", ["a:" + "b/" * 1022, "did:x:" + "a:" * 1020, "http://" + "a" * 2039, "a:" + "%2" * 1022]
)
def test_long_texts_take_no_time(text: str) -> None:
    """
    The grammar is read in one pass: no text of the longest length takes more than 50 ms.
    """
    started = time.thread_time()
    for end in ("", " ", "\\", "%"):
        parse_uri(text + end)
        parse_did(text + end)

    assert time.thread_time() - started < 0.05


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://a.example/x", True),
        ("HTTPS://A.example:443/x", "https://a.example/x", True),
        ("https://a.example/%7ex", "https://a.example/~x", True),
        ("https://a.example/x", "https://a.example/X", False),
        ("https://a.example/x", "https://a.example/x#1", False),
        ("no uri", "no uri", True),
        ("no uri", "no other", False),
        ("no uri", "https://a.example/x", False),
        ("https://a.example/x", "no uri", False),
    ],
)
def test_two_spellings_of_one_uri(one: str, other: str, same: bool) -> None:
    """
    Equal are equal texts, and equivalent URIs; what is no URI is equal to itself alone.
    """
    assert same_uri(one, other) is same
