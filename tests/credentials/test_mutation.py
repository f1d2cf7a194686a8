"""The mutation run: every signed vector, altered in every way below; nothing altered may verify.

A mutant that verifies is looked at by an oracle outside the code under test (plain JSON comparison, pyld,
integer arithmetic). It must say what was signed, in one of the ways in which the standards let one statement
be written twice; those are counted apart. Everything else that verifies fails the run.
"""

import json
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import base58
import pytest
from pyld import jsonld

from credentials.documents import suites
from credentials.documents.canonical import Contexts, b64u, b64u_decode, jcs
from credentials.documents.keys import did_key_decode, jwk_decode
from credentials.documents.suites import jose
from credentials.errors import CredentialError
from node.config import contexts
from tests.credentials.test_eddsa import ED25519_2020, UNSIGNED, signed_by_others_2020

VECTORS = Path(__file__).parents[1] / "vectors"
CONTEXTS = Contexts(contexts())
MUTANTS_TEST, MUTANTS_CHECK = 1_000, 20_000
# Orders of P-256, P-384 and P-521 (NIST SP 800-186, 3.2.1), by the size of a signature.
ORDERS = {
    64: 2**256 - 2**224 + 2**192 - 0x4319055258E8617B0C46353D039CDAAF,
    96: 2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D,
    132: 2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
}
REMOVED = object()

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Vector:
    """A signed document, or a JWT with its key."""

    name: str
    signed: Any
    key: bytes | None = None  # of a JWT
    media_type: jose.MediaType = "vc+jwt"


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def vectors() -> list[Vector]:
    documents = [
        "vc-di-eddsa/eddsa-jcs-2022/signedJCS.json",
        "vc-di-eddsa/eddsa-rdfc-2022/signedDataInt.json",
        "vc-di-eddsa/proof-set-chain/signedProofSet1.json",
        "vc-di-eddsa/proof-set-chain/proofChainTempDoc1.json",
        "vc-di-eddsa/proof-set-chain/signedProofChain1.json",
        "vc-di-ecdsa/ecdsa-jcs-2019-p256/signedJCSECDSAP256.json",
        "vc-di-ecdsa/ecdsa-jcs-2019-p384/signedJCSECDSAP384.json",
        "vc-di-ecdsa/ecdsa-rdfc-2019-p256/signedECDSAP256.json",
        "vc-di-ecdsa/ecdsa-rdfc-2019-p384/signedECDSAP384.json",
    ]
    old = {**UNSIGNED, "name": "Another", "@context": [*UNSIGNED["@context"], ED25519_2020]}
    found = [Vector(name.split("/")[-1], read(name)) for name in documents]
    found.append(Vector("Ed25519Signature2020, made with pyld", signed_by_others_2020(old)))
    texts: list[tuple[str, str, jose.MediaType]] = [
        ("credential-jose-minimal", "vm-p256", "vc+jwt"),
        ("credential-issuer-match-signed", "vm-ed25519", "vc+jwt"),
        ("credential-jose-unknown-extensions", "vm-p521", "vc+jwt"),
        ("presentation-jose-multiple", "vm-p384", "vp+jwt"),
    ]
    for name, key, media_type in texts:
        text = (VECTORS / "vc-jose-cose" / f"{name}.txt").read_text().strip()
        public_key = jwk_decode(read(f"vc-jose-cose/{key}.json")["publicKeyJwk"])
        found.append(Vector(name, text, public_key, media_type))
    return found


# -- how a value is altered ----------------------------------------------------------------------------


def put(value: Any, path: Path_, new: Any) -> Any:
    """`value` with `new` at `path`, or without what is there."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, list):
        items = list(value)
        assert isinstance(step, int)
        if not rest and new is REMOVED:
            items.pop(step)
        else:
            items[step] = put(items[step], rest, new)
        return items
    members = dict(value)
    if not rest and new is REMOVED:
        members.pop(step)
    else:
        members[step] = put(members.get(step), rest, new)
    return members


def at(value: Any, path: Path_) -> Any:
    for step in path:
        value = value[step]
    return value


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Every member and element, the whole value first."""
    yield path
    if isinstance(value, dict | list):
        for step in list(value) if isinstance(value, dict) else range(len(value)):
            yield from places(value[step], (*path, step))


def near(character: str) -> str:
    return character.swapcase() if character.swapcase() != character else chr(ord(character) ^ 1)


def texts_near(text: str) -> Iterator[tuple[str, str]]:
    for place, character in enumerate(text):
        yield "character replaced", text[:place] + near(character) + text[place + 1 :]
        yield "character removed", text[:place] + text[place + 1 :]
        yield "character doubled", text[:place] + character + text[place:]
    for other in (" " + text, text + " ", text + "\u200b", text + "\x00", text.replace("e", "\u0435", 1), ""):
        if other != text:
            yield "text altered", other


REPLACEMENTS: tuple[Any, ...] = (None, True, False, 0, 1, -1, 1.5, "", [], {}, [[]], "urn:x", {"id": "urn:x"})
ADDED: tuple[tuple[str, Any], ...] = (
    ("name", "Added"),
    ("id", "urn:uuid:added"),
    ("type", "AlumniCredential"),
    ("undefinedMember", "added"),
    ("validUntil", "2099-01-01T00:00:00Z"),
    ("credentialStatus", {"id": "urn:status", "type": "BitstringStatusListEntry"}),
    ("issuer", "did:web:thief.example"),
    ("alumniOf", "Another School"),
    ("domain", "thief.example"),
    ("nonce", "1"),
    ("expires", "2099-01-01T00:00:00Z"),
    ("@id", "urn:x"),
    ("@type", "AlumniCredential"),
    ("@index", "x"),
    ("@included", [{"id": "urn:x", "name": "y"}]),
    ("@graph", [{"id": "urn:x", "name": "y"}]),
    ("@nest", {"name": "y"}),
    ("@reverse", {"name": {"id": "urn:x"}}),
    ("@context", {"name": "urn:other"}),
    ("@context", {"@vocab": "urn:other:"}),
    ("@context", None),
    ("https://schema.org/name", "Added"),
    ("https://www.w3.org/2018/credentials#validUntil", "2099-01-01T00:00:00Z"),
    ("proofValue", "z1"),
    ("__proto__", "x"),
    ("", "x"),
)


def documents_near(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each member altered, added, removed; each list reordered; values exchanged and rewritten."""
    everywhere = list(places(document))
    leaves = [path for path in everywhere if not isinstance(at(document, path), dict | list)]
    for path in everywhere[1:]:
        value = at(document, path)
        yield "removed", put(document, path, REMOVED)
        for new in REPLACEMENTS:
            if json.dumps(new) != json.dumps(value):
                yield "replaced", put(document, path, new)
        for wrapped in (
            [value],
            [value, value],
            {"@value": value},
            {"id": value},
            {"@id": value},
            {"@set": [value]},
        ):
            yield "wrapped", put(document, path, wrapped)
        if isinstance(value, str):
            for kind, new in texts_near(value):
                yield kind, put(document, path, new)
    for path in everywhere:
        value = at(document, path)
        if isinstance(value, dict):
            for name, new in ADDED:
                if name not in value:
                    yield "added", put(document, (*path, name), new)
            for name in value:
                for renamed in (
                    name + "x",
                    name.upper(),
                    "@" + name,
                    "https://www.w3.org/2018/credentials#" + name,
                ):
                    members = {renamed if key == name else key: member for key, member in value.items()}
                    if len(members) == len(value):
                        yield "renamed", put(document, path, members)
        elif isinstance(value, list):
            yield "reordered", put(document, path, value[::-1])
            yield "reordered", put(document, path, value[1:] + value[:1])
            for new in ("urn:x", {"id": "urn:x"}, None, value[0]):
                yield "element added", put(document, path, [*value, new])
                yield "element added", put(document, path, [new, *value])
    for first in leaves:
        for second in leaves:
            if first < second if len(first) == len(second) and first[:-1] == second[:-1] else first != second:
                one, two = at(document, first), at(document, second)
                yield "exchanged", put(put(document, first, two), second, one)


def contexts_near(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Contexts dropped, reordered, repeated, appended, replaced, written inside the document."""
    listed = document["@context"]
    known = sorted(contexts())
    inline: list[Any] = [
        {},
        None,
        {"@vocab": None},
        {"@vocab": "urn:other:"},
        {"@base": "urn:other:"},
        {"@language": "en"},
        {"name": "urn:other:name"},
        {"alumniOf": "urn:other:alumniOf"},
        {"alumniOf": None},
        {"issuer": {"@id": "urn:other:issuer", "@type": "@id"}},
        {"hidden": {"@id": "https://www.w3.org/2018/credentials#validFrom"}},
        {"AlumniCredential": "urn:other:AlumniCredential"},
    ]
    for lists in (listed, [listed[0]], listed[:0], listed[1:], listed[::-1], listed * 2):
        for extra in (*known, *inline, "https://unknown.example/v1"):
            yield "contexts", put(document, ("@context",), [*lists, extra])
            yield "contexts", put(document, ("@context",), [extra, *lists])
        if lists != listed:
            yield "contexts", put(document, ("@context",), lists)
    for single in (listed[0], *known, *inline):
        yield "contexts", put(document, ("@context",), single)
    for path in places(document):
        if path and isinstance(at(document, path), dict):
            for new in (listed, listed[::-1], *inline):
                yield "contexts", put(document, (*path, "@context"), new)


def signatures_near(raw: bytes, other: bytes) -> Iterator[bytes]:
    """Truncated, extended, bits turned, parts exchanged, encoded otherwise; and the other half (r, n - s)."""
    for size in range(len(raw)):
        yield raw[:size]
        yield raw[size:]
    yield from (
        raw + bytes(1),
        bytes(1) + raw,
        raw + raw,
        raw[::-1],
        bytes(len(raw)),
        b"\xff" * len(raw),
        other,
    )
    for bit in range(8 * len(raw)):
        yield bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(raw))
    half = len(raw) // 2
    yield raw[half:] + raw[:half]
    r, s = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    order = ORDERS[len(raw)]
    for one, two in ((r, order - s), (order - r, s), (r + order, s), (r, s + order), (r, 0), (0, s), (r, r)):
        if 0 <= one < 256**half and 0 <= two < 256**half:
            yield one.to_bytes(half, "big") + two.to_bytes(half, "big")
    integers = [b"\x02" + bytes([len(part) + 1]) + b"\x00" + part for part in (raw[:half], raw[half:])]
    yield b"\x30" + bytes([len(b"".join(integers))]) + b"".join(integers)  # DER


def _proofs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The proofs that are there: null in a list is none."""
    proofs = document["proof"]
    return [proof for proof in proofs if proof is not None] if isinstance(proofs, list) else [proofs]


def _same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return as_json(unsecured(one)) == as_json(unsecured(two))


def proofs_near(document: dict[str, Any], others: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Proof members exchanged with other vectors', proofs dropped and repeated, signatures re-encoded."""
    proofs = _proofs(document)
    strangers = [proof for other in others for proof in _proofs(other)]
    # Most vectors sign one document: exchanging whole proofs among those makes another of the vectors.
    foreign = [p for p in strangers if all(p not in _proofs(o) for o in others if _same(o, document))]
    for place, proof in enumerate(proofs):
        path: Path_ = ("proof", place) if isinstance(document["proof"], list) else ("proof",)
        raw = base58.b58decode(proof["proofValue"][1:])
        other = base58.b58decode(strangers[0]["proofValue"][1:])
        for signature in signatures_near(raw, other):
            text = "z" + base58.b58encode(signature).decode()
            yield "signature", put(document, (*path, "proofValue"), text)
        for text in (
            "u" + b64u(raw),
            "U" + urlsafe_b64encode(raw).decode(),
            "f" + raw.hex(),
            "F" + raw.hex().upper(),
            "z1" + proof["proofValue"][1:],
            proof["proofValue"][1:],
            "m" + b64u(raw),
        ):
            yield "signature re-encoded", put(document, (*path, "proofValue"), text)
        for stranger in strangers:
            if stranger == proof:
                continue
            if stranger in foreign:
                yield "proof exchanged", put(document, path, stranger)
            for name in {*proof, *stranger}:
                new = stranger.get(name, REMOVED)
                if (new is REMOVED and name in proof) or (new is not REMOVED and new != proof.get(name)):
                    yield "proof member exchanged", put(document, (*path, name), new)
        for suite in (*suites.SUITES, "ecdsa-sd-2023", "sm2-2023"):
            yield (
                "suite",
                put(put(document, (*path, "cryptosuite"), suite), (*path, "type"), "DataIntegrityProof"),
            )
            yield "suite", put(document, (*path, "type"), suite)
    listed: list[Any] = [[proof for proof in proofs if proof is not left] for left in proofs]
    listed += [
        proofs[::-1],
        [*proofs, proofs[0]],
        [*proofs, *foreign[:1]],
        [],
        [*proofs, {}],
        [*proofs, None],
    ]
    listed += [[proofs], [{**proof, "id": "urn:x"} for proof in proofs]]
    for new in listed:
        yield "proofs", put(document, ("proof",), new)


def jwts_near(vector: Vector, others: list[str]) -> Iterator[tuple[str, str]]:
    """The text character by character; header and payload as documents; parts exchanged; signatures."""
    header, payload, signature = vector.signed.split(".")
    yield from texts_near(vector.signed)
    for changed in (documents_near({"x": json.loads(b64u_decode(header))}),):
        for kind, document in changed:
            if isinstance(document, dict) and isinstance(document.get("x"), dict):
                yield f"header {kind}", f"{b64u(jcs_or_json(document['x']))}.{payload}.{signature}"
    if vector.media_type == "vc+jwt":
        for kind, document in documents_near(json.loads(b64u_decode(payload))):
            yield f"payload {kind}", f"{header}.{b64u(jcs_or_json(document))}.{signature}"
    raw = b64u_decode(signature)
    for changed_signature in signatures_near(raw, b64u_decode(others[0].split(".")[2])):
        yield "signature", f"{header}.{payload}.{b64u(changed_signature)}"
    for other in others:
        parts = other.split(".")
        yield "parts exchanged", f"{parts[0]}.{payload}.{signature}"
        yield "parts exchanged", f"{header}.{parts[1]}.{signature}"
        yield "parts exchanged", f"{header}.{payload}.{parts[2]}"
        yield "parts exchanged", f"{parts[0]}.{payload}.{parts[2]}"
    for algorithm in (*jose.BY_NAME, "none", "HS256", "RS256"):
        changed_header = {**json.loads(b64u_decode(header)), "alg": algorithm}
        if algorithm != json.loads(b64u_decode(header))["alg"]:
            yield "algorithm", f"{b64u(jcs(changed_header))}.{payload}.{signature}"
            yield "algorithm", f"{b64u(jcs(changed_header))}.{payload}."


def jcs_or_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# -- the oracle ----------------------------------------------------------------------------------------


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def quads(value: dict[str, Any]) -> str:
    """The statements of a document, by pyld."""

    def load(url: str, options: object) -> dict[str, Any]:
        return {"documentUrl": url, "contextUrl": None, "document": contexts()[url]}

    options = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": load}
    try:
        text: str = jsonld.normalize(value, options)
    except KeyError:  # pyld stumbles over {"@vocab": null} where no vocabulary is set: there it says nothing
        text = jsonld.normalize(without_null_vocabulary(value), options)
    return text


def without_null_vocabulary(value: Any) -> Any:
    if isinstance(value, list):
        return [without_null_vocabulary(item) for item in value if item != {"@vocab": None}]
    if not isinstance(value, dict):
        return value
    return {
        name: without_null_vocabulary(member)
        for name, member in value.items()
        if (name, member) != ("@context", {"@vocab": None})
    }


def unsecured(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "proof"}


def other_half(one: bytes, two: bytes) -> bool:
    """True for (r, s) and (r, n - s): two signatures of one signer over one message (FIPS 186-5, 6.4)."""
    half = len(one) // 2
    if len(one) != len(two) or one[:half] != two[:half] or len(one) not in ORDERS:
        return False
    return int.from_bytes(one[half:], "big") + int.from_bytes(two[half:], "big") == ORDERS[len(one)]


def why_it_may_verify(
    original: dict[str, Any], mutant: dict[str, Any], results: tuple[Any, ...]
) -> str | None:
    """Name the way in which `mutant` says what `original` says, or None."""
    listed = [_proofs(document) for document in (original, mutant)]
    on_rdf = "rdfc" in results[0].cryptosuite or results[0].cryptosuite == "Ed25519Signature2020"
    halves = False
    for proof in listed[1]:
        config = {name: value for name, value in proof.items() if name not in ("proofValue", "@context")}
        for known in listed[0]:
            ours = {name: value for name, value in known.items() if name not in ("proofValue", "@context")}
            same = as_json(ours) == as_json(config) or (
                on_rdf
                and quads({**ours, "@context": original["@context"]})
                == quads({**config, "@context": mutant["@context"]})
            )
            signatures = [base58.b58decode(item["proofValue"][1:]) for item in (proof, known)]
            if same and signatures[0] == signatures[1]:
                break
            if same and "ecdsa" in results[0].cryptosuite and other_half(*signatures):
                halves = True
                break
        else:
            return None
    if halves:
        return "the signature's other half (r, n - s)"
    if not on_rdf:
        if any(as_json(result.document) != as_json(unsecured(original)) for result in results):
            return None
        if as_json(unsecured(mutant)) != as_json(unsecured(original)):
            return "contexts appended to signed ones, not part of what is returned as verified"
    elif as_json(unsecured(mutant)) != as_json(unsecured(original)):
        same_statements = quads(unsecured(mutant)) == quads(unsecured(original))
        return "on RDF, the same statements written otherwise" if same_statements else None
    if as_json(listed[0]) != as_json(listed[1]):
        return "the same proofs, some left out, repeated or in another order"
    return "one proof as a list of one" if as_json(original["proof"]) != as_json(mutant["proof"]) else None


# -- the run -------------------------------------------------------------------------------------------


def documents() -> Iterator[tuple[Vector, str, Any]]:
    """Every mutant of every Data Integrity vector."""
    found = [vector for vector in vectors() if vector.key is None]
    for vector in found:
        others = [other.signed for other in found if other is not vector]
        for make in (documents_near, contexts_near):
            yield from ((vector, kind, mutant) for kind, mutant in make(vector.signed))
        yield from ((vector, kind, mutant) for kind, mutant in proofs_near(vector.signed, others))


def jwts() -> Iterator[tuple[Vector, str, str]]:
    """Every mutant of every JWT vector."""
    found = [vector for vector in vectors() if vector.key is not None]
    for vector in found:
        others = [other.signed for other in found if other is not vector]
        yield from ((vector, kind, mutant) for kind, mutant in jwts_near(vector, others))


def key_for(vector: Vector) -> Callable[[str], bytes]:
    """A resolver that gives the signer's key whatever name is asked: the signature must decide."""
    if vector.key is not None:
        return lambda url: vector.key or b""
    proof = vector.signed["proof"]
    first = (proof[0] if isinstance(proof, list) else proof)["verificationMethod"]

    def key_of(url: str) -> bytes:
        try:
            return did_key_decode(url)
        except CredentialError:
            return did_key_decode(first)

    return key_of


def run(one_in: int) -> tuple[int, Counter[str], Counter[str]]:
    """Try every `one_in`-th mutant; returns how many were refused, by kind, and those counted apart."""
    refused: Counter[str] = Counter()
    apart: Counter[str] = Counter()
    wrong: list[str] = []
    tried = number = 0
    seen: set[tuple[str, str]] = set()
    for vector, kind, mutant in (*documents(), *jwts()):
        number += 1
        if number % one_in:
            continue
        key = (vector.name, json.dumps(mutant))
        if key in seen or as_json(mutant) == as_json(vector.signed):
            continue
        seen.add(key)
        tried += 1
        try:
            if vector.key is not None:
                verified = jose.verify_jwt(mutant, key_for(vector), media_type=vector.media_type)
                texts = [text.rpartition(".") for text in (vector.signed, mutant)]
                signatures = [b64u_decode(text[2]) for text in texts]
                ecdsa = verified.algorithm.startswith("ES")
                same = texts[0][0] == texts[1][0] and ecdsa and other_half(*signatures)
                why = "the signature's other half (r, n - s)" if same else None
            elif isinstance(mutant, dict):
                results = suites.verify(mutant, key_for(vector), contexts=CONTEXTS)
                why = why_it_may_verify(vector.signed, mutant, results)
            else:
                continue
        except CredentialError:
            refused[kind] += 1
            continue
        if why is None:
            wrong.append(f"{vector.name}, {kind}: {json.dumps(mutant)[:2000]}")
        else:
            apart[why] += 1
    assert not wrong, "\n".join([f"{len(wrong)} mutants verified:", *wrong[:10]])
    return tried, refused, apart


def tell(capsys: pytest.CaptureFixture[str], tried: int, refused: Counter[str], apart: Counter[str]) -> None:
    with capsys.disabled():
        print(f"\n{refused.total()} mutants refused, 0 verified with another meaning ({tried} tried)")
        for why, count in apart.most_common():
            print(f"  {count} verified, counted apart: {why}")


def test_vectors_verify_unaltered() -> None:
    """
    The vectors that the run alters do verify.
    """
    for vector in vectors():
        if vector.key is None:
            assert suites.verify(vector.signed, key_for(vector), contexts=CONTEXTS)
        else:
            assert jose.verify_jwt(vector.signed, key_for(vector), media_type=vector.media_type)


def test_mutants_sampled(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Of an even sample of the mutants of every signed vector none verifies.
    """
    tried, refused, apart = run(one_in=70)

    tell(capsys, tried, refused, apart)
    assert refused.total() >= MUTANTS_TEST


@pytest.mark.check
def test_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Of at least 20,000 mutants of the signed vectors none verifies; the number is printed.
    """
    tried, refused, apart = run(one_in=1)

    tell(capsys, tried, refused, apart)
    assert refused.total() >= MUTANTS_CHECK
