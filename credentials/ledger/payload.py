"""The members of an attestation's delta: their types, and one strict reader of each.

    delta = {0: kind, 1: [predecessor digests], 2: event time, 3: children root, 4: bound asset subject,
             5: [parties], 6: [[kid, countersignature]], 7: [list digest, purpose, seq, previous / null],
             9: {quantity in state units (true: 1): int}, 10: [references: digest / subject],
             11: [scheme, namespace, H], 12: ["comity/sets/v1", version, {point: digest}],
             13: expires, 14: [[beginnings of codes], produced from / null, produced until / null],
             15: first second (UTC) of the day of production}

    8: {"proposal": proposal (proposals.py), "recovery": public recovery key}: of governance acts alone

An empty member is absent.
A party is a DID, or `eori:` or `uscc:` with the number of one without a node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

from consensus.encoding import INTEGER_MAX, Value, encode, whole_numbers
from credentials.documents.canonical import b64u_decode
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError

DAY_S = 86_400
DIGEST_BYTES = 32
SIGNATURE_BYTES = 64
PREDECESSORS_MAX = 16
PARTIES_MAX = 8
COUNTERSIGNATURES_MAX = 16
REFERENCES_MAX = 64
QUANTITIES_MAX = 16
PREFIXES_MAX = 16

KIND = re.compile(r"[a-z0-9_]{1,32}(\.[a-z0-9_]{1,32})?")
CONTENT_TYPE_TEXT = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}")
_DID = re.compile(r"did:[a-z0-9]{1,16}:[A-Za-z0-9._:%-]{1,200}")
# Without a node: EORI (two letters of the country, up to 15 characters), USCC (GB 32100, 18 characters).
_PARTY = re.compile(_DID.pattern + r"|eori:[A-Z]{2}[A-Z0-9]{1,15}|uscc:[0-9A-HJ-NPQRTUWXY]{18}")
_KID_FRAGMENT = re.compile(r"#[A-Za-z0-9._-]{1,100}")
_SCHEME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_NAMESPACE = re.compile(r"[!-~]{1,255}")  # printable ASCII without space
_QUANTITY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PURPOSE = re.compile(r"[a-z][A-Za-z0-9]{0,31}")
_PREFIX = re.compile(r"[!-~]{3,128}")  # the beginning of a canonical code, at least the maker's three

SETS_TAG = "comity/sets/v1"
POINTS = (1, 2, 3, 4)  # the four point sets of Annex XIII
DELTA_KEYS = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
MAY_BE_ABSENT = frozenset({1, 5, 6, 9, 10})

Reference = bytes | Subject
Span = tuple[int, int]  # first and last second, both of it


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


@dataclass(frozen=True, slots=True)
class GovernanceAct:
    """What an act of governance carries beside the digest that it is about."""

    proposal: bytes = b""
    recovery: bytes = b""  # the public key whose SHA-256 is on record, where it signed

    @property
    def value(self) -> dict[str, Value]:
        """The member of the delta."""
        return {n: v for n, v in (("proposal", self.proposal), ("recovery", self.recovery)) if v}


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a recall covers: codes that begin so, produced on these days (seconds); all of it holds."""

    prefixes: tuple[str, ...] = ()
    produced_from: int | None = None
    produced_until: int | None = None

    @property
    def value(self) -> list[Value]:
        """`[[prefixes], from, until]`."""
        return [list(self.prefixes), self.produced_from, self.produced_until]

    def cover(self, code: str, made: Sequence[Span]) -> bool:
        """True if a battery with this canonical code is covered; `made`: when, by each source that says it.

        Where the sources differ it is covered if any of them lies in the range, and without any it is: a
        recall never misses.
        """
        if self.prefixes and not code.startswith(self.prefixes):
            return False
        return not made or any(self._reaches(first, last) for first, last in made)

    def rests_on(self, made: Sequence[Span]) -> bool:
        """True if it goes by days of production, and by one on which this was made: whatever the code."""
        by_days = self.produced_from is not None or self.produced_until is not None
        return by_days and any(self._reaches(first, last) for first, last in made)

    def _reaches(self, first: int, last: int) -> bool:
        return (self.produced_from is None or self.produced_from <= last) and (
            self.produced_until is None or first <= self.produced_until
        )


def malformed(why: str) -> CredentialError:
    return CredentialError("malformed", f"not an attestation: {why}")


def matching(value: object, pattern: re.Pattern[str], what: str) -> str:
    if type(value) is not str or not pattern.fullmatch(value):
        raise malformed(f"{what} has the wrong form")
    return value


def read_did(value: object, what: str) -> str:
    return matching(value, _DID, what)


@lru_cache(maxsize=1024)
def read_kid(kid: bytes, issuer: str) -> str:
    text = kid.decode("ascii", "replace")
    did, mark, fragment = text.partition("#")
    if did != issuer or not _KID_FRAGMENT.fullmatch(mark + fragment):
        raise malformed("kid is not a key of the issuer")
    return text


@lru_cache(maxsize=64)
def _urn_bytes(text: str, what: str) -> bytes:
    return b64u_decode(text, what)


def read_urn(value: object, prefix: str, what: str) -> bytes:
    if type(value) is not str or not value.startswith(prefix):
        raise malformed(f"{what} does not begin with {prefix}")
    return read_digest(_urn_bytes(value[len(prefix) :], what), what)


def read_time(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value <= INTEGER_MAX:
        raise malformed(f"{what} is not a time in whole seconds")
    return value


def read_day(value: object, what: str) -> int:
    """The first second of a day (UTC), after the first one of 1970."""
    day = read_time(value, what)
    if not day or day % DAY_S:
        raise malformed(f"{what} is not the first second of a day")
    return day


def read_digest(value: object, what: str) -> bytes:
    if type(value) is not bytes or len(value) != DIGEST_BYTES:
        raise malformed(f"{what} is not 32 bytes")
    return value


def _list(value: object, size_max: int, what: str) -> list[Any]:
    if type(value) is not list or len(value) > size_max:
        raise malformed(f"{what} is not a list of at most {size_max}")
    return value


def read_digests(value: object) -> tuple[bytes, ...]:
    digests = tuple(read_digest(d, "a predecessor") for d in _list(value, PREDECESSORS_MAX, "predecessors"))
    if len(set(digests)) != len(digests):
        raise malformed("a predecessor is named twice")
    return digests


def read_subject(value: object) -> Subject:
    if type(value) is not list or len(value) != 3:
        raise malformed("a subject is [scheme, namespace, H]")
    scheme = matching(value[0], _SCHEME, "the scheme of a subject")
    namespace = matching(value[1], _NAMESPACE, "the namespace of a subject")
    return Subject(scheme=scheme, namespace=namespace, h=read_digest(value[2], "H of a subject"))


def read_parties(value: object) -> tuple[str, ...]:
    parties = tuple(matching(p, _PARTY, "a party") for p in _list(value, PARTIES_MAX, "parties"))
    if len(set(parties)) != len(parties):
        raise malformed("a party is named twice")
    return parties


def read_countersignatures(value: object) -> tuple[Countersignature, ...]:
    found = []
    for item in _list(value, COUNTERSIGNATURES_MAX, "countersignatures"):
        if type(item) is not list or len(item) != 2:
            raise malformed("a countersignature is [kid, signature]")
        kid, signature = item
        if type(kid) is not str or len(kid) > 320:
            raise malformed("the kid of a countersignature has the wrong form")
        did = read_did(kid.partition("#")[0], "the kid of a countersignature")
        if type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
            raise malformed("a countersignature is not 64 bytes")
        found.append(Countersignature(read_kid(kid.encode(), did), signature))
    if len({c.signatory for c in found}) != len(found):
        raise malformed("a party countersigned twice")
    return tuple(found)


def read_status(value: object) -> StatusUpdate:
    if type(value) is not list or len(value) != 4:
        raise malformed("status is [list digest, purpose, seq, previous]")
    previous = None if value[3] is None else read_digest(value[3], "the previous status list")
    seq = read_time(value[2], "seq of the status list")
    if (seq <= 1) != (previous is None) or seq < 1:
        raise malformed("status list 1 has no previous one, every later list has")
    purpose = matching(value[1], _PURPOSE, "the purpose of the status list")
    return StatusUpdate(read_digest(value[0], "the status list"), purpose, seq, previous)


def read_set_list(value: object, payload: bytes) -> SetList:
    if type(value) is not list or len(value) != 3 or value[0] != SETS_TAG:
        raise malformed(f'a set list is ["{SETS_TAG}", version, {{point: digest}}]')
    version, points = value[1], value[2]
    if type(version) is not int or not 1 <= version <= 1_000_000:
        raise malformed("the version of a set list is 1 to 1,000,000")
    if type(points) is not dict or not points or not points.keys() <= set(POINTS):
        raise malformed("the sets of a set list are Annex XIII points 1 to 4")
    for digest in points.values():
        read_digest(digest, "the digest of a set")
    if sha256(encode(cast(Value, value))).digest() != payload:
        raise malformed("the payload is not the digest of the set list")
    return SetList(version, points)


def read_references(value: object) -> tuple[Reference, ...]:
    found: list[Reference] = [
        read_digest(item, "a reference") if type(item) is bytes else read_subject(item)
        for item in _list(value, REFERENCES_MAX, "references")
    ]
    if len(set(found)) != len(found):
        raise malformed("a reference is named twice")
    return tuple(found)


def read_quantities(value: object) -> dict[str, int]:
    if type(value) is not dict or len(value) > QUANTITIES_MAX:
        raise malformed(f"quantities are a map of at most {QUANTITIES_MAX}")
    for name, amount in value.items():
        matching(name, _QUANTITY, "the name of a quantity")
        if not whole_numbers(amount):
            raise malformed("a quantity is a whole number of its unit")
    return cast(dict[str, int], value)


def read_governance(value: object) -> GovernanceAct:
    """Read what a governance act holds."""
    if type(value) is not dict or not value or not value.keys() <= {"proposal", "recovery"}:
        raise malformed("a governance act holds a proposal, a recovery key or both")
    proposal, recovery = value.get("proposal", b""), value.get("recovery", b"")
    if type(proposal) is not bytes or type(recovery) is not bytes or not all(value.values()):
        raise malformed("a proposal and a recovery key are bytes")
    if recovery and len(recovery) != 32:
        raise malformed("a recovery key is a public Ed25519 key of 32 bytes")
    return GovernanceAct(proposal, recovery)


def read_criteria(value: object) -> Criteria:
    """Read the criteria of a recall."""
    if type(value) is not list or len(value) != 3:
        raise malformed("criteria are [[beginnings of codes], produced from, produced until]")
    prefixes = tuple(
        matching(p, _PREFIX, "the beginning of a code") for p in _list(value[0], PREFIXES_MAX, "prefixes")
    )
    if list(prefixes) != sorted(set(prefixes)):
        raise malformed("the beginnings of codes are sorted and distinct")
    since, until = (None if v is None else read_time(v, "a day of production") for v in value[1:])
    if not prefixes and since is None and until is None:
        raise malformed("criteria that cover everything are none")
    if since is not None and until is not None and since > until:
        raise malformed("the days of production end before they begin")
    return Criteria(prefixes, since, until)
