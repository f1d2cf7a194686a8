"""The attestation: the signed statement that is gossiped, ordered and logged.

Tagged COSE_Sign1 (RFC 9052) holding a hash envelope (RFC 9995); the unprotected header is empty:

    18([ {1: -19, 4: kid,
          15: {1: issuer DID, 2: "urn:comity:subject:<b64u H>", 3: "urn:comity:network:<b64u id>", 6: iat},
          258: -16, 259: content type of the document, -70001: delta},
         {}, digest (32) of the document, signature (64) ])

    delta: its members are those of `payload.py`

A document's digest is never its content: the ledger sees what the delta says and nothing else. After
`expires` (delta 13) no block may hold it: nothing is recorded long after its author was told that it failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

from consensus.cose import Sign1, Signer, parse_sign1, sign1, verify_ed25519, verify_sign1
from consensus.encoding import Value, encode
from consensus.errors import ConsensusError
from credentials.documents.canonical import b64u
from credentials.documents.identifiers import SUBJECT_URN, Subject
from credentials.errors import CredentialError
from credentials.ledger.payload import (
    CONTENT_TYPE_TEXT,
    DELTA_KEYS,
    KIND,
    MAY_BE_ABSENT,
    POINTS,
    QUANTITIES_MAX,
    REFERENCES_MAX,
    SETS_TAG,
    Countersignature,
    Criteria,
    GovernanceAct,
    Reference,
    SetList,
    StatusUpdate,
    malformed,
    matching,
    read_countersignatures,
    read_criteria,
    read_day,
    read_did,
    read_digest,
    read_digests,
    read_governance,
    read_kid,
    read_parties,
    read_quantities,
    read_references,
    read_set_list,
    read_status,
    read_subject,
    read_time,
    read_urn,
)

__all__ = [
    "POINTS",
    "QUANTITIES_MAX",
    "REFERENCES_MAX",
    "SETS_TAG",
    "Attestation",
    "Countersignature",
    "Criteria",
    "GovernanceAct",
    "Reference",
    "SetList",
    "StatusUpdate",
    "countersign",
    "draft_attestation",
    "make_attestation",
    "parse_attestation",
    "sign_attestation",
    "standing_key",
    "status_subject",
    "verify_attestation",
    "verify_countersignature",
]

SIZE_BYTES_MAX = 16_384

# COSE header labels and values (IANA COSE registry; the delta has one of our own).
_ALG, _KID, _CWT_CLAIMS, _HASH_ALG, _CONTENT_TYPE, _DELTA = 1, 4, 15, 258, 259, -70001
_ED25519, _SHA_256 = -19, -16
_HEADER_LABELS = frozenset({_ALG, _KID, _CWT_CLAIMS, _HASH_ALG, _CONTENT_TYPE, _DELTA})
_ISS, _SUB, _AUD, _IAT = 1, 2, 3, 6

_NETWORK_URN = "urn:comity:network:"
_COUNTERSIGNATURE_TAG = "comity/countersignature/v1"
_STANDING_KEY_TAG = "comity/standing-key/v1"


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
    expires: int | None = None
    criteria: Criteria | None = None
    produced_on: int | None = None  # the first second of the day
    governance: GovernanceAct | None = None
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
        delta = _delta(replace(self, countersignatures=(), expires=None))
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


# Five of what judges an attestation ask for the key of its subject: hashed once, 3 % of a block's work less.
@lru_cache(maxsize=4096)
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
    expires: int | None = None,
    criteria: Criteria | None = None,
    governance: GovernanceAct | None = None,
    produced_on: int | None = None,
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
        expires=expires,
        criteria=criteria,
        governance=governance,
        produced_on=produced_on,
    )


def countersign(draft: Attestation, signer: Signer) -> Countersignature:
    """Agree, as a second party, to a draft (hand-overs, consent, voiding: rule X10)."""
    return Countersignature(signer.key_id, signer.sign(draft.countersigned_message()))


def make_attestation(*, signer: Signer, iat: int, **statement: Any) -> bytes:
    """The bytes of what `sign_attestation` makes."""
    return sign_attestation(signer=signer, iat=iat, **statement).data


def sign_attestation(*, signer: Signer, iat: int, **statement: Any) -> Attestation:
    """Sign an attestation; the other arguments are those of `draft_attestation`.

    What this returns was parsed from its own bytes: a statement outside the bounds raises CredentialError.
    """
    draft = draft_attestation(iat=iat, **statement)
    claims: dict[int | str, Value] = {
        _ISS: draft.issuer,
        _SUB: draft.subject.urn,
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
    return parse_attestation(data)


def parse_attestation(data: bytes) -> Attestation:
    """Read an attestation strictly; does not verify. Raises CredentialError("malformed", ...)."""
    try:
        message = parse_sign1(data, size_bytes_max=SIZE_BYTES_MAX)
    except ConsensusError as error:
        raise CredentialError("malformed", f"not an attestation: {error}") from error
    header = message.protected
    if header.keys() != _HEADER_LABELS:
        raise malformed("its protected header has other labels than 1, 4, 15, 258, 259, -70001")
    if header[_ALG] != _ED25519 or header[_HASH_ALG] != _SHA_256:
        raise CredentialError("unsupported_algorithm", "an attestation is Ed25519 (-19) over SHA-256 (-16)")
    claims = header[_CWT_CLAIMS]
    if type(claims) is not dict or claims.keys() != {_ISS, _SUB, _AUD, _IAT}:
        raise malformed("its CWT claims are not exactly iss, sub, aud and iat")
    issuer = read_did(claims[_ISS], "iss")
    delta = header[_DELTA]
    if type(delta) is not dict or not delta.keys() <= DELTA_KEYS or not delta.keys() >= {0, 2, 11}:
        raise malformed("its delta has unknown members, or lacks kind, event time or subject")
    for key, value in delta.items():
        if key in MAY_BE_ABSENT and not value and type(value) in (list, dict):
            raise malformed("an empty member of the delta is left out, not written")
    subject = read_subject(delta[11])
    network_id = read_urn(claims[_AUD], _NETWORK_URN, "aud")
    if read_urn(claims[_SUB], SUBJECT_URN, "sub") != subject.h:
        raise malformed("sub and the subject of the delta differ")
    kid = header[_KID]
    if type(kid) is not bytes:
        raise malformed("kid is not a byte string")
    return Attestation(
        data=data,
        digest=sha256(data).digest(),
        kind=matching(delta[0], KIND, "kind"),
        issuer=issuer,
        kid=read_kid(kid, issuer),
        subject=subject,
        network_id=network_id,
        iat=read_time(claims[_IAT], "iat"),
        event_time=read_time(delta[2], "event time"),
        document_digest=read_digest(message.payload, "payload"),
        content_type=matching(header[_CONTENT_TYPE], CONTENT_TYPE_TEXT, "content type"),
        predecessors=read_digests(delta[1]) if 1 in delta else (),
        bound_asset=read_subject(delta[4]) if 4 in delta else None,
        parties=read_parties(delta[5]) if 5 in delta else (),
        countersignatures=read_countersignatures(delta[6]) if 6 in delta else (),
        status=read_status(delta[7]) if 7 in delta else None,
        set_list=read_set_list(delta[12], message.payload) if 12 in delta else None,
        references=read_references(delta[10]) if 10 in delta else (),
        quantities=read_quantities(delta[9]) if 9 in delta else {},
        children_root=read_digest(delta[3], "children root") if 3 in delta else None,
        expires=read_time(delta[13], "expires") if 13 in delta else None,
        criteria=read_criteria(delta[14]) if 14 in delta else None,
        governance=read_governance(delta[8]) if 8 in delta else None,
        produced_on=read_day(delta[15], "the day of production") if 15 in delta else None,
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
        8: draft.governance.value if draft.governance else None,
        9: dict(draft.quantities),
        10: [r if isinstance(r, bytes) else _subject_value(r) for r in draft.references],
        11: _subject_value(draft.subject),
        12: draft.set_list.value if draft.set_list else None,
        13: draft.expires,
        14: draft.criteria.value if draft.criteria else None,
        15: draft.produced_on,
    }
    return {key: value for key, value in delta.items() if value is not None and value not in ([], {})}


def _subject_value(subject: Subject | None) -> list[Any] | None:
    return [subject.scheme, subject.namespace, subject.h] if subject else None


def _status_value(status: StatusUpdate | None) -> list[Any] | None:
    return [status.list_digest, status.purpose, status.seq, status.previous] if status else None
