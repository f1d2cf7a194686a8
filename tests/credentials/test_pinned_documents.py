"""What a document, a status list, an identifier or a key is read as, or refused with, is pinned.

`tests/vectors/readings.txt`: every member of a credential, presentation and status list left out, of another
type, or at its bound; and texts at both sides of every bound of an identifier, a URL and a DID. To write it
anew, and see in `git diff` what changed:

    python -m tests.credentials.test_pinned_documents
"""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import new, sha256
from typing import Any

import jsonschema_rs
import pytest

from credentials.documents import keys
from credentials.documents.canonical import b64u, rdfc
from credentials.documents.code_schemes import is_calendar_date
from credentials.documents.did_documents import method_key
from credentials.documents.identifiers import (
    canonical_commodity_code,
    canonical_declaration_number,
    canonical_did,
    canonical_vin,
    guess_scheme,
    parse_identifier,
    read_identifier,
)
from credentials.documents.model import parse_credential, parse_date_time
from credentials.documents.presentation import parse_presentation
from credentials.documents.resources import Resource, digests_of
from credentials.documents.shapes import sentence_of
from credentials.documents.status import INFLATED_BYTES_MAX, StatusList, read_list
from credentials.documents.suites import jose
from credentials.documents.uri import is_url, parse_did, parse_uri
from credentials.errors import CredentialError
from tests.credentials.jsonld.test_jsonld import CONTEXTS, LOSSY, V2
from tests.credentials.test_identifiers import CODE, RULES
from tests.credentials.test_keys import KEYS
from tests.credentials.test_model import BREACHES, CREDENTIAL, MULTIBASE, SRI, changed
from tests.credentials.test_status import REVOKED, encoded, gzip, make
from tests.harness.pinned import SHARES, Cases, lines, making_lines, require_some_kept, write
from tests.harness.spoiled import spoiled

PINNED = "readings.txt"
V1: dict[str, Any] = {
    "@context": ["https://www.w3.org/2018/credentials/v1"],
    "id": "urn:a:b",
    "type": ["VerifiableCredential"],
    "issuer": {"id": "did:web:maker.example", "name": "Maker"},
    "issuanceDate": "2026-06-18T00:00:00Z",
    "expirationDate": "2036-06-18T02:00:00+02:00",
    "credentialSubject": {"id": "urn:a:b", "x": 1},
    "credentialSchema": {"id": "urn:a:s", "type": "JsonSchema"},
    "credentialStatus": {"id": "urn:a:s#1", "type": "OtherStatus"},
    "relatedResource": [{"id": "urn:a:r", "digestSRI": SRI}],
    "evidence": {"type": "A"},
    "termsOfUse": {"type": "A"},
    "refreshService": {"type": "A"},
    "proof": {"type": "DataIntegrityProof"},
}


def with_everything() -> dict[str, Any]:
    """A credential of 2.0 with every member that is looked at."""
    document = {**copy.deepcopy(V1), **copy.deepcopy(CREDENTIAL)}
    del document["issuanceDate"], document["expirationDate"]
    document["issuer"] = {"id": "did:web:maker.example", "name": {"@value": "Maker", "@language": "en"}}
    document["description"] = [{"@value": "A", "@direction": "ltr"}]
    document["relatedResource"] = [{"id": "urn:a:r", "digestSRI": SRI, **MULTIBASE}]
    messages = [{"status": f"0x{n}", "message": f"m{n}"} for n in range(4)]
    document["credentialStatus"].append(
        {**document["credentialStatus"][0], "statusSize": 2, "statusMessage": messages}
    )
    return document


def entry_with(**members: Any) -> dict[str, Any]:
    document = copy.deepcopy(CREDENTIAL)
    document["credentialStatus"][0] |= members
    return document


def credentials() -> Iterator[tuple[str, partial[Any]]]:
    for edition, document in (("2.0", with_everything()), ("1.1", V1)):
        for name, other in spoiled(document):
            yield f"{edition} {name}", partial(parse_credential, other)
    for member, values in BREACHES.items():
        for value in values:
            yield f"{member} {value!r:.60}", partial(parse_credential, changed({member.split(".")[0]: value}))
    for index in ("0", "00", "01", "-1", "9" * 12, "1" + "0" * 12, "٣"):
        yield f"index {index}", partial(parse_credential, entry_with(statusListIndex=index))
    for size in (1, 2, 8, 9, 0):
        rows = [{"status": f"0x{n:x}", "message": "m"} for n in range(1 << size)]
        for some in (rows, rows[:-1], [*rows, rows[0]], None):
            name = f"size {size} with {len(some) if some is not None else 'no'} messages"
            yield name, partial(parse_credential, entry_with(statusSize=size, statusMessage=some))
    for language in (
        "en",
        "zh-Hant-CN",
        "en-",
        "e",
        "deutsch-1996",
        "abcdefghi",
        "en-abcdefghi",
        "EN",
        "x-y",
        "",
    ):
        text = {"@value": "A", "@language": language}
        yield f"language {language!r}", partial(parse_credential, changed({"name": text}))


def times() -> Iterator[tuple[str, partial[Any]]]:
    for text in (
        *("2026-02-28T23:59:59Z", "2026-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "1900-02-29T00:00:00Z"),
        *("2000-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T24:00:00.0Z", "2026-01-01T24:00:01Z"),
        *("2026-01-01T23:60:00Z", "2026-01-01T23:59:60Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z"),
        *(
            "2026-01-00T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-01-01T00:00:00+14:00",
            "0001-01-01T00:00:00Z",
        ),
        *("2026-01-01T00:00:00-14:00", "2026-01-01T00:00:00+14:01", "2026-01-01T00:00:00+13:59"),
        *(
            "2026-01-01T00:00:00+13:60",
            "2026-01-01T00:00:00-00:00",
            "2026-01-01T00:00:00.123456789012345678Z",
        ),
        *(
            "2026-01-01T00:00:00.1234567890123456789Z",
            "2026-01-01T00:00:00",
            "1969-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
        ),
        *("1970-01-01T00:00:00.9Z", "1969-12-31T23:59:59.9Z", "9999-12-31T23:59:59Z", 5, None),
    ):
        yield f"time {text}", partial(parse_date_time, text, "member")
    for date in (
        (2026, 0, 1),
        (2026, 1, 0),
        (2026, 12, 31),
        (2026, 13, 1),
        (2100, 2, 29),
        (2400, 2, 29),
        (2026, 4, 31),
    ):
        yield f"day {date}", partial(is_calendar_date, *date)


def presentations() -> Iterator[tuple[str, partial[Any]]]:
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": "urn:a:p",
        "type": ["VerifiablePresentation"],
        "holder": "did:web:holder.example",
        "verifiableCredential": [{"a": 1}],
        "proof": [{"type": "DataIntegrityProof"}],
    }
    for name, other in spoiled(document):
        yield name, partial(parse_presentation, other)
    for count in (64, 65):
        yield (
            f"{count} credentials",
            partial(parse_presentation, {**document, "verifiableCredential": [{"a": 1}] * count}),
        )
    old = {**document, "@context": ["https://www.w3.org/2018/credentials/v1"]}
    for name in ("type", "holder", "proof", "id"):
        yield f"1.1 {name}", partial(parse_presentation, {**old, name: 7})
    nothing: tuple[Any, ...] = (None, [], "x")
    for no_object in nothing:
        yield f"{no_object!r}", partial(parse_presentation, no_object)
        yield f"credential {no_object!r}", partial(parse_credential, no_object)


def status_lists() -> Iterator[tuple[str, partial[Any]]]:
    for name, other in spoiled(make()):
        yield name, partial(read_list, other)
    zeros = bytes(16384)
    for name, data in {
        "16 KiB": gzip(zeros),
        "16 KiB less one": gzip(zeros[:-1]),
        "no gzip": b"x" * 30,
        "cut": gzip(zeros)[:-1],
        "two streams": gzip(zeros) * 2,
        "32 MiB": gzip(bytes(INFLATED_BYTES_MAX)),
        "32 MiB and one": gzip(bytes(INFLATED_BYTES_MAX + 1)),
    }.items():
        yield name, partial(_size, encoded(data))
    for text in ("", "u", "z" + b64u(gzip(zeros)), "u" + b64u(gzip(zeros)) + "=", "u!"):
        document = make()
        document["credentialSubject"]["encodedList"] = text
        yield f"encoded {text[:8]}", partial(read_list, document)
    for purposes in ("revocation", ["revocation", "suspension"], [], ["revocation", 1], None):
        document = make()
        document["credentialSubject"]["statusPurpose"] = purposes
        yield f"purposes {purposes}", partial(_purposes, document)
    known = StatusList("urn:l", "did:web:a", ("revocation", "suspension"), 10, 20, b"\x40\x01" + bytes(8190))
    for at in (9, 10, 20, 21):
        yield f"value at {at}", partial(known.value, _entry(42, "urn:l"), at)
    for index, size in (
        (1, 1),
        (15, 1),
        (7, 2),
        (0, 2),
        (0, 8),
        (1, 8),
        (-1, 1),
        (65535, 1),
        (65536, 1),
        (32767, 2),
        (32768, 2),
    ):
        yield f"bits {index} of {size}", partial(known.bits, index, size)
    for place in (*range(16), 131_071):
        yield f"only place {place} raised", partial(_places, [place])
    for size in (1, 2, 4):
        status = replace(_entry(0, "urn:l"), size=size)
        yield f"value of {size} bits", partial(known.value, status, 15)
    yield "places", partial(getattr, known, "places")
    yield "another list", partial(known.value, _entry(42, "urn:m"), 15)
    yield "another purpose", partial(known.value, REVOKED.__class__("message", 1, "urn:l"), 15)


def _places(raised: list[int]) -> list[int]:
    return read_list(make(set_bits=raised)).places


def _size(document: dict[str, Any]) -> int:
    return len(read_list(document).string)


def _purposes(document: dict[str, Any]) -> tuple[str, ...]:
    return read_list(document).purposes


def _entry(index: int, url: str) -> Any:
    return REVOKED.__class__("revocation", index, url)


def resources() -> Iterator[tuple[str, partial[Any]]]:
    text = b"context"
    for function in ("sha256", "sha384", "sha512"):
        right, wrong = new(function, text).digest(), new(function, b"x").digest()
        for name, value in {
            "right": b64encode(right).decode(),
            "wrong": b64encode(wrong).decode(),
            "short": b64encode(right[:-1]).decode(),
            "long": b64encode(right + b"x").decode(),
            "no padding": b64encode(right).decode().rstrip("="),
            "with options": b64encode(right).decode() + "?ct=text",
            "in url letters": b64encode(right).decode().replace("+", "-").replace("/", "_"),
        }.items():
            yield f"{function} {name}", partial(_checked, {"digestSRI": f"{function}-{value}"}, text)
        both = f"{function}-{b64encode(wrong).decode()} {function}-{b64encode(right).decode()}"
        yield f"{function} wrong and right", partial(_checked, {"digestSRI": both}, text)
    weak = f"sha256-{b64encode(sha256(b'x').digest()).decode()} {SRI}"
    yield "a weak wrong one beside a strong right one", partial(_checked, {"digestSRI": weak}, text)
    codes = {
        0x12: "sha256",
        0x13: "sha512",
        0x14: "sha3_512",
        0x15: "sha3_384",
        0x16: "sha3_256",
        0x17: "sha3_224",
        0x20: "sha384",
    }
    for code, function in codes.items():
        digest = new(function, text).digest()
        for name, data in {
            "right": bytes([code, len(digest)]) + digest,
            "wrong": bytes([code, len(digest)]) + bytes(len(digest)),
            "of another length": bytes([code, len(digest) - 1]) + digest[:-1],
            "cut": bytes([code, len(digest)]) + digest[:-1],
        }.items():
            yield (
                f"{function} multihash {name}",
                partial(_checked, {"digestMultibase": "u" + b64u(data)}, text),
            )
    multibase: tuple[Any, ...] = (
        "",
        "u",
        "z",
        "x" * 20,
        "u" + b64u(b"\x80\x01\x02"),
        "u" + b64u(b"\x7f\x01\x02"),
        "uÄ",
        "zO0",
        "u" * 129,
        7,
        None,
    )
    for value in multibase:
        yield f"multibase {value!r:.30}", partial(_checked, {"digestMultibase": value}, text)
    for count in (0, 1, 16, 17):
        yield f"{count} digests", partial(_checked, {"digestSRI": [SRI] * count}, text)
    for value in (
        "",
        " ",
        SRI + " x",
        SRI * 2,
        "md5-" + "A" * 22,
        "x" * 2049,
        SRI + " " * (2048 - len(SRI)),
        SRI + " " * (2049 - len(SRI)),
    ):
        yield f"SRI {value[:20]!r} of {len(value)}", partial(_checked, {"digestSRI": value}, text)
    yield "not known", partial(Resource("urn:a", (), digests_of({"digestSRI": SRI}, "m")).check, {}, "m")


def _checked(item: dict[str, Any], text: bytes) -> bool:
    return Resource("urn:a:b", (), digests_of(item, "member")).check({"urn:a:b": (b"other", text)}, "member")


TEXTS = (
    "",
    " ",
    "x",
    CODE,
    CODE.lower(),
    f" {CODE[:8]} {CODE[8:]} ",
    CODE[:-1],
    CODE + "1",
    CODE[:-7] + "0000000",
    CODE[:-1] + "O",
    CODE[:10] + "Q" + CODE[11:],
    f"urn:comity:item:gbt34014:{CODE}",
    f"URN:COMITY:ITEM:gbt34014:{CODE}",
    "urn:comity:item:x",
    "1HGBH41JXMN109186",
    "I1HGBH41JXMN109186",
    "1HGBH41JXMN10918",
    "1HGBH41JXMN1091866",
    "1HGBH41JXMN10918O",
    "1HGBH41IXMN109186",
    "1HGBH41QXMN109186",
    "1HGBH41-XMN109186",
    "urn:comity:item:vin:1HGBH41JXMN109186",
    "ABCD",
    "ABCDE",
    "A" * 40,
    "A" * 41,
    "https://id.gs1.org/01/09506000134352/21/S1",
    "HTTPS://ID.GS1.ORG/01/09506000134352/21/S1",
    "http://a.example/x/01/9506000134352/21/S1",
    "https://id.gs1.org/01/09506000134353/21/S1",
    "https://id.gs1.org/01/09506000134352",
    "https://id.gs1.org/01/09506000134352/21/",
    *("https://id.gs1.org/01/09506000134352/21/" + "S" * size for size in (20, 21)),
    "https://id.gs1.org/01/09506000134352/10/L1/21/S1",
    "https://id.gs1.org/01/09506000134352/21/S1/10/L1",
    "https://id.gs1.org/01/0950600013435X/21/S1",
    "https://id.gs1.org/01/09506000134352/21/S%2F1",
    "https://id.gs1.org/01/09506000134352/21/S1?x=1",
    "https://id.gs1.org/01/04012345123456/21/S1",
    "https://a.example/b",
    "https://a.example/b#c",
    "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "mailto:a",
    "tag:x",
    "did:web:a.example",
    *("https://a.example/" + "x" * size for size in (494, 495)),
)
CODES = (
    "850760",
    "8507.60",
    " 8507 60 00 ",
    "85076",
    "8507600",
    "85076000",
    "850760009",
    "8507600090",
    "85076000901",
    "85O760",
    "",
    "٨٥٠٧٦٠",
)
NUMBERS = ("", "A", "26nlrtm7 demo000066", "A" * 35, "A" * 36, "A-/1", "A_1", "Ä")
DIDS = (
    "did:web:maker.example",
    "DID:WEB:Maker.Example",
    "did:web:maker.example%3a8443:Path",
    "did:web:maker.example%3A",
    "did:web:",
    "did:web:maker.example%3A65535",
    "did:web:maker.example%3A65536",
    "did:web:maker.example%3A123456",
    "did:web:-a.example",
    "did:web:a-.example",
    "did:web:" + "a" * 63,
    "did:web:" + "a" * 64,
    "did:web:a..b",
    "did:web:a.example:",
    "did:web:a.example:..",
    "did:web:a.example:.",
    "did:web:a.example:b:c",
    "did:web:A.example",
    "did:web:a.example:%41",
    "did:web:a.example#k",
    "did:web:a.example#",
    "did:web:a.example?x",
    "did:web:a.example/x",
    "did:example:1",
    "did:x",
    "did:",
    "x",
    "",
    "https://a.example/x",
    "https://a.example/x#k",
    "urn:a:b",
    "did:Web:a.example",
    "did:key:zz",
    *("did:web:" + "a." * 4088 + "a" * size for size in (8, 9)),
    *(keys.did_key(public) for public in KEYS.values()),
    *(keys.did_key_url(public) for public in KEYS.values()),
    keys.did_key(KEYS["Ed25519"]) + "#other",
)
READERS_OF_DIDS: tuple[Any, ...] = (
    keys.require_did,
    keys.did_web_url,
    keys.did_key_decode,
    keys.controller_of,
    keys.controller_of_proof,
)
URLS = (
    "http://a",
    "HTTP://A.Example:80/%7Eb/./c/../d/?q=%2f#f%41",
    "https://u:p@a.example:443",
    "https://a.example:65535/",
    "https://a.example:65536/",
    "https://a.example:/",
    "https://[2001:db8::1]:1/",
    "https://[x]/",
    "https:///x",
    "https:x",
    "http://",
    "a:",
    "1a:b",
    "a b:c",
    "urn:ISBN:X",
    "URN:isbn:x",
    "http://a/..",
    "http://a/.",
    "http://a/b/..",
    "http://a/../b",
    "http://a//b",
    "https://ä.example/ü",
    "http://a/%zz",
    "http://a/%4",
    "http://a?b",
    "http://a#",
    *("file:///x", "file:/x", "mailto:a@b", "did:web:a?x#y", "x" * 8193),
    *("https://a/" + "x" * size for size in (8182, 8183)),
)


def identifiers() -> Iterator[tuple[str, partial[Any]]]:
    for text in dict.fromkeys(TEXTS):
        shown = f"{text[:70]!r} ({len(text)})"
        yield f"read {shown}", partial(read_identifier, text, RULES, namespace="did:web:a.example")
        yield f"guess {shown}", partial(guess_scheme, text, {})
        yield f"vin {shown}", partial(canonical_vin, text)
        for scheme in ("gbt34014", "gs1", "vin", "uri", "x"):
            yield f"{scheme} {shown}", partial(parse_identifier, scheme, text, RULES)
    for place in range(24):
        for symbol in "IOQ*0Zz":
            text = CODE[:place] + symbol + CODE[place + 1 :]
            yield f"code {text}", partial(_parts, text)
    for text in CODES:
        yield f"commodity {text!r}", partial(canonical_commodity_code, text)
    for text in NUMBERS:
        yield f"declaration {text!r}", partial(canonical_declaration_number, text)


def _parts(text: str) -> Any:
    found = read_identifier(text, RULES)
    return found.canonical, json.dumps(found.fields), found.manufactured, found.notes, found.uri


def urls() -> Iterator[tuple[str, partial[Any]]]:
    for text in (*URLS, *DIDS):
        shown = f"{text[:70]} ({len(text)})"
        yield f"parts of {shown}", partial(parse_uri, text)
        yield f"normal {shown}", partial(_normal, text)
        yield f"is {shown}", partial(is_url, text)
    for text in DIDS:
        shown = f"{text[:70]} ({len(text)})"
        yield f"did {shown}", partial(parse_did, text)
        yield f"canonical {shown}", partial(canonical_did, text)
        for reader in READERS_OF_DIDS:
            yield f"{reader.__name__} {shown}", partial(reader, text)


def _normal(text: str) -> Any:
    uri = parse_uri(text)
    return uri and (uri.normal, uri.text, uri.is_web, uri.is_did, uri.method)


def public_keys() -> Iterator[tuple[str, partial[Any]]]:
    for kind, public in KEYS.items():
        jwk = keys.jwk_encode(public)
        yield f"{kind} jwk", partial(keys.jwk_decode, jwk)
        whole = {**jwk, "use": "sig", "key_ops": ["verify"]}
        for name, other in spoiled(whole):
            yield f"{kind} {name}", partial(keys.jwk_decode, other)
        text = keys.multikey_encode(public)
        for name, other_text in {
            "whole": text,
            "cut": text[:-1],
            "more": text + "1",
            "u": "u" + text[1:],
            "O": text[:-1] + "O",
        }.items():
            yield f"{kind} multikey {name}", partial(keys.multikey_decode, other_text, tuple(KEYS))
        yield f"{kind} not wanted", partial(keys.multikey_decode, text, ())
        document = {
            "id": "did:web:a.example",
            "verificationMethod": [
                {"id": "did:web:a.example#k", "type": "Multikey", "controller": "did:web:a.example",
                 "publicKeyMultibase": text, "expires": "2030-01-01T00:00:00Z",
                 "revoked": "2031-01-01T00:00:00Z"}
            ],
            "assertionMethod": ["#k"],
        }  # fmt: skip
        url = "did:web:a.example#k"
        for name, other in spoiled(document):
            yield f"{kind} {name}", partial(method_key, other, url, "assertionMethod", 1_800_000_000)
        for at in (1_893_455_999, 1_893_456_000):
            yield f"{kind} at {at}", partial(method_key, document, url, "assertionMethod", at)
    no_jwks: tuple[Any, ...] = (
        None,
        [],
        {"kty": "OKP", "crv": "Ed25519", "x": "", "d": "x"},
        {**keys.jwk_encode(KEYS["Ed25519"]), "d": "x"},
    )
    for no_jwk in no_jwks:
        yield f"jwk {no_jwk!r:.40}", partial(keys.jwk_decode, no_jwk)


HEADER = {"alg": "EdDSA", "kid": "did:web:maker.example#k", "typ": "vc+jwt", "cty": "vc", "crit": ["x"]}
REGISTERED = {
    "iss": "did:web:maker.example", "sub": "urn:a:b", "jti": "urn:a:b", "aud": ["https://a.example"],
    "iat": 1_800_000_000, "nbf": 1_800_000_000, "exp": 1_900_000_000, "nonce": "n",
}  # fmt: skip


DATA_URLS = (
    "data:text/vc+jwt,a",
    "data:application/vc+jwt;a,b",
    "data:application/vc+jwt;base64,!",
    "data:application/vc+jwt;base64,YS5iLmM=",
    "data:application/vp+jwt,a%2Eb.c",
    "data:,a",
    "urn:x",
)


def jwts() -> Iterator[tuple[str, partial[Any]]]:
    """Headers, claims, the members they must agree with, envelopes; and every sentence about a key."""
    header = {name: value for name, value in HEADER.items() if name != "crit"}
    document = {**copy.deepcopy(CREDENTIAL), "id": "urn:a:b", "issuer": "did:web:maker.example"}
    said = {**document, **REGISTERED, "validFrom": "2027-01-15T08:00:00Z", "vc": {}, "holder": "did:web:a"}
    for name, other in spoiled(HEADER):
        yield f"header {name}", partial(_jwt, other, document)
    for name in (*REGISTERED, "validFrom", "vc", "holder"):
        for how, other in spoiled({name: said[name]}):
            yield f"payload {how}", partial(_jwt, header, {**document, **other})
            yield f"older {how}", partial(_jwt, {"alg": "ES256"}, {"vc": V1, **REGISTERED, **other}, "jwt")
    for name, text in {
        "parts": "a.b",
        "base64": "!.e30.AA",
        "JSON": "e30.WzFd.AA",
        "long": "x" * 3_000_000,
    }.items():
        yield name, partial(jose.read_jwt, text)
    for kind, media_type in (("Credential", "vc+jwt"), ("Presentation", "vp+jwt")):
        envelope = jose.envelop("a.b.c", "vc+jwt") | {"type": f"EnvelopedVerifiable{kind}"}
        envelope["id"] = f"data:application/{media_type},a.b.c"
        for name, other in spoiled(envelope):
            yield f"envelope of a {kind} {name}", partial(jose.open_envelope, other)
    for url in DATA_URLS:
        yield f"envelope {url}", partial(jose.open_envelope, jose.envelop("a.b.c") | {"id": url})
    for kid in ("did:web:maker.example#k", "#k", "k", "did:web:maker.example", "https://a.example/k", " "):
        for issuer in ("did:web:maker.example", None):
            named = {**document, "issuer": issuer}
            yield f"key {kid} of {issuer}", partial(_key_of, {**header, "kid": kid}, named)


def _text(header: Any, payload: Any) -> str:
    return ".".join(b64u(json.dumps(part).encode()) for part in (header, payload)) + "." + b64u(bytes(64))


def _jwt(header: Any, payload: Any, media_type: Any = "vc+jwt") -> Any:
    read = jose.read_jwt(_text(header, payload), media_type=media_type)
    return sorted(read.claims.items()), json.dumps(read.document, sort_keys=True), read.algorithm.name


def _key_of(header: Any, payload: Any) -> Any:
    asked = list[str]()
    try:
        jose.read_jwt(_text(header, payload)).verify(lambda method: asked.append(method) or KEYS["Ed25519"])  # type: ignore[func-returns-value]
    except CredentialError as error:
        return asked, error.code, error.message
    return asked


FORMS: dict[str, Any] = {
    "type": {"type": ["string", "integer", "boolean", "array", "object", "number"]},
    "required": {"required": ["a", "b"]},
    "additionalProperties": {"additionalProperties": False},
    "unevaluatedProperties": {"unevaluatedProperties": False},
    "enum": {"enum": ["a", None, 7]},
    "minimum": {"minimum": 5},
    "maximum": {"maximum": 5},
    "exclusiveMinimum": {"exclusiveMinimum": 5},
    "exclusiveMaximum": {"exclusiveMaximum": 5},
    "minItems": {"minItems": 2},
    "maxItems": {"maxItems": 1},
    "minLength": {"minLength": 2},
    "maxLength": {"maxLength": 1},
    "pattern": {"pattern": "^[0-9]{4}$"},
    "another pattern": {"pattern": "^[a-z]$"},
    "anyOf": {"anyOf": [{"type": "null"}, {"pattern": "^[0-9]{4}$"}]},
    "anyOf two": {"anyOf": [{"type": "null"}, {"minimum": 5}, {"type": "string", "minLength": 9}]},
    "const": {"const": "x" * 300},
    "uniqueItems": {"uniqueItems": True},
}


def shapes() -> Iterator[tuple[str, partial[Any]]]:
    """Every kind of reason, said of a value that is no member, of a member, and of one of a list."""
    for name, form in FORMS.items():
        schema = {
            "properties": {
                "a": form,
                "statuses": {"items": form},
                "lines": {"items": {"properties": {"a": form}}},
            }
        }
        for value in (None, 4, 5, 6, "", "ab", "2027", "x" * 300, [], [1, 1], {}, {"c": 1}, False):
            for place in (
                {"a": value},
                {"statuses": [1, value]},
                {"lines": [{"a": value, "line": 7}, {"a": value}]},
            ):
                yield f"{name}: {value!r:.20} in {sorted(place)}", partial(_told_of, schema, place)
            yield f"{name}: {value!r:.20}", partial(_told_of, form, value)


def _told_of(schema: Any, value: Any) -> Any:
    errors = jsonschema_rs.validator_for(schema).iter_errors(value)
    return [sentence_of(error, value, {"^[0-9]{4}$": "a year"})[:50] for error in errors][:1]


TERM = {
    "@id": "urn:x:", "@type": "@id", "@container": "@set", "@language": "en", "@direction": "ltr",
    "@nest": "@nest", "@protected": True, "@prefix": True, "@index": "urn:i", "@reverse": "urn:r",
    "@context": {"y": "urn:y"},
}  # fmt: skip
CONTEXT = {
    "@version": 1.1, "@vocab": "urn:v:", "@language": "en", "@base": "urn:b", "@propagate": True,
    "@import": "urn:c", "@direction": "rtl", "@protected": True,
}  # fmt: skip
CONTAINERS = ("@set", "@list", "@language", "@index", "@graph", "@id", "@type", ["@graph", "@id"])
HELD: dict[str, Any] = {
    "a value": {"@value": "a", "@type": "urn:t"},
    "a text": {"@value": "a", "@language": "en", "@direction": "ltr"},
    "a list": {"@list": ["a", {"@value": 1}]},
    "a node": {"@id": "urn:a", "@type": ["urn:t"], "urn:p": "x"},
    "a map": {"en": ["a", "b"], "@none": "c", "de-DE": "d"},
}


def meanings() -> Iterator[tuple[str, partial[Any]]]:
    """What contexts, terms and values mean as statements, or why they are not signed."""
    for name, document in LOSSY.items():
        yield name, partial(rdfc, document, CONTEXTS)
    for name, other in spoiled(TERM):
        term = {member: value for member, value in other.items() if member in ("@id", _near(name))}
        yield f"term {name}", partial(_meant, {"x": term}, {"x": "urn:v"})
    for name, other in spoiled(CONTEXT):
        context = {member: value for member, value in other.items() if member == _near(name)}
        yield f"context {name}", partial(_meant, context, {"x": "v"})
    for container in CONTAINERS:
        term = {"x": {"@id": "urn:x", "@container": container}}
        for name, value in HELD.items():
            for how, other in spoiled({"x": value}):
                yield f"{container} {name} {how}", partial(_meant, term, other)


def _near(name: str) -> str:
    """The member that a name of `spoiled` is about, and no other: each fault by itself."""
    return name.partition(" ")[0].partition(".")[0].rstrip(":")


def _meant(context: Any, members: Any) -> Any:
    subject = {"id": "urn:s", **members}
    document = {"@context": [V2, context], "type": ["VerifiableCredential"], "credentialSubject": subject}
    return rdfc(document, CONTEXTS)


SECTIONS: dict[str, Any] = {
    "credentials": credentials,
    "times": times,
    "presentations": presentations,
    "status lists": status_lists,
    "resources": resources,
    "identifiers": identifiers,
    "urls": urls,
    "keys": public_keys,
    "jwts": jwts,
    "shapes": shapes,
    "meanings": meanings,
}


def cases(section: str) -> Cases:
    return SECTIONS[section]()  # type: ignore[no-any-return]


@pytest.mark.parametrize("one_in", SHARES)
@pytest.mark.parametrize("section", SECTIONS)
def test_readings_are_the_pinned_ones(section: str, one_in: int) -> None:
    """
    Every member left out, of another type or at its bound, and every text beside a bound: what it is read
    as, or the sentence it is refused with.
    """
    require_some_kept(making_lines(cases(section)), PINNED, section, one_in)


if __name__ == "__main__":
    write(PINNED, "tests.credentials.test_pinned_documents", {n: partial(lines, cases(n)) for n in SECTIONS})
