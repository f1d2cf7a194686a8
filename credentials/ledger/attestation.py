"""The attestation: the signed statement that is gossiped, ordered and logged (design.md, section 5).

Tagged COSE_Sign1 (RFC 9052) holding a hash envelope (RFC 9995); the unprotected header is empty:

    18([ {1: -19, 4: kid,
          15: {1: issuer DID, 2: "urn:comity:subject:<b64u H>", 3: "urn:comity:network:<b64u id>", 6: iat},
          258: -16, 259: content type of the document, -70001: delta},
         {}, digest (32) of the document, signature (64) ])

    delta = {0: kind, 1: [predecessor digests], 2: event time, 3: children root, 4: bound asset subject,
             5: [parties], 6: [[kid, countersignature]], 7: [list digest, purpose, seq, previous / null],
             9: {quantity in state units: int}, 10: [references: digest / subject],
             11: [scheme, namespace, H], 12: ["comity/sets/v1", version, {point: digest}]}

An empty member is absent. 8 (governance) is reserved and refused until validator-set changes are built.
A document's digest is never its content: the ledger sees what the delta says and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

from consensus.cose import Sign1, Signer, parse_sign1, sign1, verify_ed25519, verify_sign1
from consensus.encoding import Value, encode
from consensus.errors import ConsensusError
from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError

SIZE_BYTES_MAX = 16_384
INTEGER_MAX = (1 << 53) - 1
DIGEST_BYTES = 32
SIGNATURE_BYTES = 64
PREDECESSORS_MAX = 16
PARTIES_MAX = 8
COUNTERSIGNATURES_MAX = 16
REFERENCES_MAX = 64
QUANTITIES_MAX = 16

# COSE header labels and values (IANA COSE registry; design.md 5).
_ALG, _KID, _CWT_CLAIMS, _HASH_ALG, _CONTENT_TYPE, _DELTA = 1, 4, 15, 258, 259, -70001
_ED25519, _SHA_256 = -19, -16
_HEADER_LABELS = frozenset({_ALG, _KID, _CWT_CLAIMS, _HASH_ALG, _CONTENT_TYPE, _DELTA})
_ISS, _SUB, _AUD, _IAT = 1, 2, 3, 6

_SUBJECT_URN = "urn:comity:subject:"
_NETWORK_URN = "urn:comity:network:"

_KIND = re.compile(r"[a-z0-9_]{1,32}(\.[a-z0-9_]{1,32})?")
_DID = re.compile(r"did:[a-z0-9]{1,16}:[A-Za-z0-9._:%-]{1,200}")
_KID_FRAGMENT = re.compile(r"#[A-Za-z0-9._-]{1,100}")
_SCHEME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_NAMESPACE = re.compile(r"[!-~]{1,255}")  # printable ASCII without space
_CONTENT_TYPE_TEXT = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}")
_QUANTITY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PURPOSE = re.compile(r"[a-z][A-Za-z0-9]{0,31}")

SETS_TAG = "comity/sets/v1"
POINTS = (1, 2, 3, 4)  # the four point sets of Annex XIII
_COUNTERSIGNATURE_TAG = "comity/countersignature/v1"
_STANDING_KEY_TAG = "comity/standing-key/v1"


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """One version of a status list: `previous` is the digest of version `seq` - 1, None for the first."""

    list_digest: bytes
    purpose: str
    seq: int
    previous: bytes | None


@dataclass(frozen=True, slots=True)
class Countersignature:
    """A second party's Ed25519 signature over `countersigned_message`."""

    kid: str
    signature: bytes

    @property
    def signatory(self) -> str:
        """The DID of the party that countersigned."""
        return self.kid.partition("#")[0]


@dataclass(frozen=True, slots=True)
class SetList:
    """The digests of one passport version's credentials, by Annex XIII point."""

    version: int
    points: Mapping[int, bytes]

    @property
    def value(self) -> list[Value]:
        """`["comity/sets/v1", version, {point: digest}]`: its SHA-256 is the passport's digest."""
        return [SETS_TAG, self.version, {point: self.points[point] for point in sorted(self.points)}]


Reference = bytes | Subject


@dataclass(frozen=True, slots=True)
class Attestation:
    """A parsed attestation. Its form is checked; its signature is not: see `verify_attestation`."""

    data: bytes
    digest: bytes  # SHA-256 of data: the attestation's name everywhere
    kind: str
    issuer: str
    kid: str
    subject: Subject
    network_id: bytes
    iat: int
    event_time: int
    document_digest: bytes
    content_type: str
    predecessors: tuple[bytes, ...] = ()
    bound_asset: Subject | None = None
    parties: tuple[str, ...] = ()
    countersignatures: tuple[Countersignature, ...] = ()
    status: StatusUpdate | None = None
    set_list: SetList | None = None
    references: tuple[Reference, ...] = ()
    quantities: Mapping[str, int] = field(default_factory=dict)
    children_root: bytes | None = None
    governance: None = None
    message: Sign1 | None = field(default=None, repr=False, compare=False)

    @property
    def referenced_digests(self) -> tuple[bytes, ...]:
        """The references that are digests of attestations or documents."""
        return tuple(r for r in self.references if isinstance(r, bytes))

    @property
    def referenced_subjects(self) -> tuple[Subject, ...]:
        """The references that are batteries: successors, children, packs present."""
        return tuple(r for r in self.references if isinstance(r, Subject))

    def countersigned_message(self) -> bytes:
        """The bytes a second party signs: the statement without times of signing and countersignatures."""
        delta = _delta(replace(self, countersignatures=()))
        return encode(
            [
                _COUNTERSIGNATURE_TAG,
                self.network_id,
                self.issuer,
                cast(Value, delta),
                self.content_type,
                self.document_digest,
            ]
        )


def standing_key(subject: Subject) -> bytes:
    """The key of a subject in the map of standings: SHA-256 over scheme, namespace and H.

    H hides the namespace it was made with, so H alone would let an accredited maker register another
    maker's battery under its own namespace. With the namespace in the key the two never meet.
    """
    return _standing_key(subject.scheme, subject.namespace, subject.h)


def _standing_key(scheme: str, namespace: str, h: bytes) -> bytes:
    s, n = scheme.encode(), namespace.encode()
    tag = _STANDING_KEY_TAG.encode()
    return sha256(tag + len(s).to_bytes(2, "big") + s + len(n).to_bytes(2, "big") + n + h).digest()


def status_subject(issuer: str, list_id: str) -> Subject:
    """The subject of a status list: `["status", issuer DID, SHA-256(list id)]` (list id = its URL)."""
    return Subject(scheme="status", namespace=issuer, h=sha256(list_id.encode()).digest())


def draft_attestation(
    *,
    kind: str,
    issuer: str,
    subject: Subject,
    network_id: bytes,
    event_time: int,
    document_digest: bytes,
    content_type: str = "application/vc",
    iat: int = 0,
    predecessors: Sequence[bytes] = (),
    bound_asset: Subject | None = None,
    parties: Sequence[str] = (),
    countersignatures: Sequence[Countersignature] = (),
    status: StatusUpdate | None = None,
    set_list: SetList | None = None,
    references: Sequence[Reference] = (),
    quantities: Mapping[str, int] | None = None,
    children_root: bytes | None = None,
) -> Attestation:
    """An attestation that is not signed yet: what a countersigning party reads and signs."""
    return Attestation(
        data=b"",
        digest=b"",
        kind=kind,
        issuer=issuer,
        kid="",
        subject=subject,
        network_id=network_id,
        iat=iat,
        event_time=event_time,
        document_digest=document_digest,
        content_type=content_type,
        predecessors=tuple(predecessors),
        bound_asset=bound_asset,
        parties=tuple(parties),
        countersignatures=tuple(countersignatures),
        status=status,
        set_list=set_list,
        references=tuple(references),
        quantities=dict(quantities or {}),
        children_root=children_root,
    )


def countersign(draft: Attestation, signer: Signer) -> Countersignature:
    """Agree, as a second party, to a draft (hand-overs, consent, voiding: rule X10)."""
    return Countersignature(signer.key_id, signer.sign(draft.countersigned_message()))


def make_attestation(*, signer: Signer, iat: int, **statement: Any) -> bytes:
    """Sign an attestation; the other arguments are those of `draft_attestation`.

    What this returns always parses: a statement outside the bounds raises CredentialError here.
    """
    draft = draft_attestation(iat=iat, **statement)
    claims: dict[int | str, Value] = {
        _ISS: draft.issuer,
        _SUB: _SUBJECT_URN + b64u(draft.subject.h),
        _AUD: _NETWORK_URN + b64u(draft.network_id),
        _IAT: draft.iat,
    }
    protected: dict[int, Value] = {
        _CWT_CLAIMS: cast(Value, claims),
        _HASH_ALG: _SHA_256,
        _CONTENT_TYPE: draft.content_type,
        _DELTA: cast(Value, _delta(draft)),
    }
    try:
        data = sign1(protected, draft.document_digest, signer)
    except ConsensusError as error:
        raise CredentialError("malformed", f"the attestation cannot be encoded: {error}") from error
    parse_attestation(data)
    return data


def parse_attestation(data: bytes) -> Attestation:
    """Read an attestation strictly; does not verify. Raises CredentialError("malformed", ...)."""
    try:
        message = parse_sign1(data, size_bytes_max=SIZE_BYTES_MAX)
    except ConsensusError as error:
        raise CredentialError("malformed", f"not an attestation: {error}") from error
    header = message.protected
    if header.keys() != _HEADER_LABELS:
        raise _malformed("its protected header has other labels than 1, 4, 15, 258, 259, -70001")
    if header[_ALG] != _ED25519 or header[_HASH_ALG] != _SHA_256:
        raise CredentialError("unsupported_algorithm", "an attestation is Ed25519 (-19) over SHA-256 (-16)")
    claims = header[_CWT_CLAIMS]
    if type(claims) is not dict or claims.keys() != {_ISS, _SUB, _AUD, _IAT}:
        raise _malformed("its CWT claims are not exactly iss, sub, aud and iat")
    issuer = _did(claims[_ISS], "iss")
    delta = header[_DELTA]
    if type(delta) is not dict or not delta.keys() <= _DELTA_KEYS or not delta.keys() >= {0, 2, 11}:
        raise _malformed("its delta has unknown members, or lacks kind, event time or subject")
    for key, value in delta.items():
        if key in _MAY_BE_ABSENT and not value and type(value) in (list, dict):
            raise _malformed("an empty member of the delta is left out, not written")
    subject = _subject(delta[11])
    network_id = _urn(claims[_AUD], _NETWORK_URN, "aud")
    if _urn(claims[_SUB], _SUBJECT_URN, "sub") != subject.h:
        raise _malformed("sub and the subject of the delta differ")
    kid = header[_KID]
    if type(kid) is not bytes:
        raise _malformed("kid is not a byte string")
    return Attestation(
        data=data,
        digest=sha256(data).digest(),
        kind=_matching(delta[0], _KIND, "kind"),
        issuer=issuer,
        kid=_kid(kid, issuer),
        subject=subject,
        network_id=network_id,
        iat=_time(claims[_IAT], "iat"),
        event_time=_time(delta[2], "event time"),
        document_digest=_digest(message.payload, "payload"),
        content_type=_matching(header[_CONTENT_TYPE], _CONTENT_TYPE_TEXT, "content type"),
        predecessors=_digests(delta[1]) if 1 in delta else (),
        bound_asset=_subject(delta[4]) if 4 in delta else None,
        parties=_parties(delta[5]) if 5 in delta else (),
        countersignatures=_countersignatures(delta[6]) if 6 in delta else (),
        status=_status(delta[7]) if 7 in delta else None,
        set_list=_set_list(delta[12], message.payload) if 12 in delta else None,
        references=_references(delta[10]) if 10 in delta else (),
        quantities=_quantities(delta[9]) if 9 in delta else {},
        children_root=_digest(delta[3], "children root") if 3 in delta else None,
        message=message,
    )


def verify_attestation(attestation: Attestation, public_key: bytes) -> None:
    """Verify the issuer's signature; raises SignatureInvalid."""
    message = attestation.message or parse_sign1(attestation.data, size_bytes_max=SIZE_BYTES_MAX)
    verify_sign1(message, public_key)


def verify_countersignature(
    attestation: Attestation, countersignature: Countersignature, public_key: bytes
) -> None:
    """Verify one countersignature; raises SignatureInvalid."""
    verify_ed25519(public_key, countersignature.signature, attestation.countersigned_message())


_DELTA_KEYS = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12})
_MAY_BE_ABSENT = frozenset({1, 5, 6, 9, 10})


def _delta(draft: Attestation) -> dict[int, Any]:
    delta: dict[int, Any] = {
        0: draft.kind,
        1: list(draft.predecessors),
        2: draft.event_time,
        3: draft.children_root,
        4: _subject_value(draft.bound_asset),
        5: list(draft.parties),
        6: [[c.kid, c.signature] for c in draft.countersignatures],
        7: _status_value(draft.status),
        9: dict(draft.quantities),
        10: [r if isinstance(r, bytes) else _subject_value(r) for r in draft.references],
        11: _subject_value(draft.subject),
        12: draft.set_list.value if draft.set_list else None,
    }
    return {key: value for key, value in delta.items() if value is not None and value not in ([], {})}


def _subject_value(subject: Subject | None) -> list[Any] | None:
    return [subject.scheme, subject.namespace, subject.h] if subject else None


def _status_value(status: StatusUpdate | None) -> list[Any] | None:
    return [status.list_digest, status.purpose, status.seq, status.previous] if status else None


def _malformed(why: str) -> CredentialError:
    return CredentialError("malformed", f"not an attestation: {why}")


def _matching(value: object, pattern: re.Pattern[str], what: str) -> str:
    if type(value) is not str or not pattern.fullmatch(value):
        raise _malformed(f"{what} has the wrong form")
    return value


def _did(value: object, what: str) -> str:
    return _matching(value, _DID, what)


@lru_cache(maxsize=1024)
def _kid(kid: bytes, issuer: str) -> str:
    text = kid.decode("ascii", "replace")
    did, mark, fragment = text.partition("#")
    if did != issuer or not _KID_FRAGMENT.fullmatch(mark + fragment):
        raise _malformed("kid is not a key of the issuer")
    return text


@lru_cache(maxsize=64)
def _urn_bytes(text: str, what: str) -> bytes:
    return b64u_decode(text, what)


def _urn(value: object, prefix: str, what: str) -> bytes:
    if type(value) is not str or not value.startswith(prefix):
        raise _malformed(f"{what} does not begin with {prefix}")
    return _digest(_urn_bytes(value[len(prefix) :], what), what)


def _time(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value <= INTEGER_MAX:
        raise _malformed(f"{what} is not a time in whole seconds")
    return value


def _digest(value: object, what: str) -> bytes:
    if type(value) is not bytes or len(value) != DIGEST_BYTES:
        raise _malformed(f"{what} is not 32 bytes")
    return value


def _list(value: object, size_max: int, what: str) -> list[Any]:
    if type(value) is not list or len(value) > size_max:
        raise _malformed(f"{what} is not a list of at most {size_max}")
    return value


def _digests(value: object) -> tuple[bytes, ...]:
    digests = tuple(_digest(d, "a predecessor") for d in _list(value, PREDECESSORS_MAX, "predecessors"))
    if len(set(digests)) != len(digests):
        raise _malformed("a predecessor is named twice")
    return digests


def _subject(value: object) -> Subject:
    if type(value) is not list or len(value) != 3:
        raise _malformed("a subject is [scheme, namespace, H]")
    scheme = _matching(value[0], _SCHEME, "the scheme of a subject")
    namespace = _matching(value[1], _NAMESPACE, "the namespace of a subject")
    return Subject(scheme=scheme, namespace=namespace, h=_digest(value[2], "H of a subject"))


def _parties(value: object) -> tuple[str, ...]:
    parties = tuple(_did(p, "a party") for p in _list(value, PARTIES_MAX, "parties"))
    if len(set(parties)) != len(parties):
        raise _malformed("a party is named twice")
    return parties


def _countersignatures(value: object) -> tuple[Countersignature, ...]:
    found = []
    for item in _list(value, COUNTERSIGNATURES_MAX, "countersignatures"):
        if type(item) is not list or len(item) != 2:
            raise _malformed("a countersignature is [kid, signature]")
        kid, signature = item
        if type(kid) is not str or len(kid) > 320:
            raise _malformed("the kid of a countersignature has the wrong form")
        did = _did(kid.partition("#")[0], "the kid of a countersignature")
        if type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
            raise _malformed("a countersignature is not 64 bytes")
        found.append(Countersignature(_kid(kid.encode(), did), signature))
    if len({c.signatory for c in found}) != len(found):
        raise _malformed("a party countersigned twice")
    return tuple(found)


def _status(value: object) -> StatusUpdate:
    if type(value) is not list or len(value) != 4:
        raise _malformed("status is [list digest, purpose, seq, previous]")
    previous = None if value[3] is None else _digest(value[3], "the previous status list")
    seq = _time(value[2], "seq of the status list")
    if (seq <= 1) != (previous is None) or seq < 1:
        raise _malformed("status list 1 has no previous one, every later list has")
    purpose = _matching(value[1], _PURPOSE, "the purpose of the status list")
    return StatusUpdate(_digest(value[0], "the status list"), purpose, seq, previous)


def _set_list(value: object, payload: bytes) -> SetList:
    if type(value) is not list or len(value) != 3 or value[0] != SETS_TAG:
        raise _malformed(f'a set list is ["{SETS_TAG}", version, {{point: digest}}]')
    version, points = value[1], value[2]
    if type(version) is not int or not 1 <= version <= 1_000_000:
        raise _malformed("the version of a set list is 1 to 1,000,000")
    if type(points) is not dict or not points or not points.keys() <= set(POINTS):
        raise _malformed("the sets of a set list are Annex XIII points 1 to 4")
    for digest in points.values():
        _digest(digest, "the digest of a set")
    if sha256(encode(cast(Value, value))).digest() != payload:
        raise _malformed("the payload is not the digest of the set list")
    return SetList(version, points)


def _references(value: object) -> tuple[Reference, ...]:
    found: list[Reference] = [
        _digest(item, "a reference") if type(item) is bytes else _subject(item)
        for item in _list(value, REFERENCES_MAX, "references")
    ]
    if len(set(found)) != len(found):
        raise _malformed("a reference is named twice")
    return tuple(found)


def _quantities(value: object) -> dict[str, int]:
    if type(value) is not dict or len(value) > QUANTITIES_MAX:
        raise _malformed(f"quantities are a map of at most {QUANTITIES_MAX}")
    for name, amount in value.items():
        _matching(name, _QUANTITY, "the name of a quantity")
        if type(amount) is not int or not 0 <= amount <= INTEGER_MAX:
            raise _malformed("a quantity is a whole number of its unit")
    return cast(dict[str, int], value)
