"""Documents of others: asked for by digests that are on the ledger, kept with the time they were fetched.

It does not matter who hands a document over, its digest names it. The address asked comes from peers.toml,
never from a document.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from credentials.documents.canonical import b64u, b64u_decode, digest_document, parse_json
from credentials.errors import CredentialError
from credentials.verdicts.evidence import Held, Missing, MissingReason
from node.storage.documents import StoredDocument
from node.storage.office import OfficeStore
from node.verdicts.disclosure import ANSWER_BYTES_MAX, WANT_MAX
from node.verdicts.lag import HeardPeers

MISSING_S = 15.0  # what an issuer did not have or give is not asked for again sooner
SLOW_S = 1.0  # whoever needs longer to say nothing is not asked for anything for as long
FETCH_TIMEOUT_S = 5.0
MISSES_MAX = 50_000


@dataclass(slots=True)
class _Misses:
    """Documents that were asked for in vain, with when and why: the newest of them, in order."""

    found: dict[bytes, tuple[Missing, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, digest: bytes, missing: Missing) -> None:
        with self.lock:
            self.found.pop(digest, None)
            self.found[digest] = missing, time.monotonic()
            if len(self.found) > MISSES_MAX:
                del self.found[next(iter(self.found))]

    def forget(self, digests: Iterable[bytes]) -> None:
        with self.lock:
            for digest in digests:
                self.found.pop(digest, None)

    def get(self, digest: bytes, seconds_max: float = MISSING_S) -> Missing | None:
        with self.lock:
            known = self.found.get(digest)
        return known[0] if known is not None and time.monotonic() - known[1] < seconds_max else None


class Fetching:
    """Asks issuers for documents, and remembers what was asked for in vain."""

    def __init__(self, did: str, office: OfficeStore, gossip: HeardPeers) -> None:
        self._did = did
        self._office = office
        self._gossip = gossip
        self._misses = _Misses()
        self._silent: dict[str, float] = {}  # participants that did not answer, and when: all threads

    def held(self, named: Sequence[tuple[bytes, str]]) -> dict[bytes, Held | Missing]:
        """The documents in hand of these (digest, issuer), or why they are not; asks nobody."""
        stored = self._office.documents.get_many([digest for digest, _ in named])
        found: dict[bytes, Held | Missing] = {}
        for digest, issuer in named:
            one = stored.get(digest)
            if one is not None:
                source = "" if one.fetched_at is None else one.issuer
                found[digest] = Held(orjson.loads(one.body), source, one.fetched_at)
            else:
                # Asked long ago or never: for this verdict nobody answered.
                missing = self._misses.get(digest, 3600.0)
                found[digest] = missing or Missing(MissingReason.UNREACHABLE, issuer)
        return found

    def fetch(
        self, wanted: Mapping[str, set[bytes]], age_s_max: int | None = None, *, once: bool = False
    ) -> None:
        """Ask each issuer for what is not held, or older than `age_s_max`; `once`: in one request."""
        for issuer, digests in wanted.items():
            if issuer == self._did:
                continue
            times = self._office.documents.fetched_times(sorted(digests))
            needed = [digest for digest in digests if self._must_ask(digest, times, age_s_max)]
            if needed and self._is_silent(issuer):
                self._put_unreachable(issuer, needed)
                continue
            while needed:
                part, needed = needed[:WANT_MAX], needed[WANT_MAX:]
                left_out = self._ask(issuer, part)
                if once or len(left_out) == len(part):
                    break
                needed += left_out

    def ask_again(self, digests: Iterable[bytes]) -> None:
        """Whoever withheld these is asked at the next look: they were handed over since."""
        self._misses.forget(digests)

    def _is_silent(self, issuer: str) -> bool:
        """Whoever did not answer a moment ago keeps nobody else's line waiting by not answering again."""
        return time.monotonic() - self._silent.get(issuer, -MISSING_S) < MISSING_S

    def _put_unreachable(self, issuer: str, digests: Sequence[bytes]) -> None:
        now = int(time.time())
        for digest in digests:
            self._misses.put(digest, Missing(MissingReason.UNREACHABLE, issuer, now))

    def _must_ask(self, digest: bytes, times: Mapping[bytes, int | None], age_s_max: int | None) -> bool:
        if digest in times:
            fetched_at = times[digest]
            if age_s_max is None or fetched_at is None:
                return False
            # A copy from a time to come was fetched under a wrong clock: how old it is nobody knows.
            return not 0 <= int(time.time()) - fetched_at <= age_s_max
        return self._misses.get(digest) is None

    def _ask(self, issuer: str, digests: Sequence[bytes]) -> list[bytes]:
        """One request; the digests that the answer left out."""
        now, asked_at = int(time.time()), time.monotonic()
        body = orjson.dumps({"want": [b64u(digest) for digest in digests]})
        try:
            answer = parse_json(
                self._gossip.request(issuer, "documents", body, FETCH_TIMEOUT_S),
                size_bytes_max=2 * ANSWER_BYTES_MAX,
            )
            documents, missing = _answer_of(answer)
        except (OSError, ValueError):  # whatever was sent in place of an answer, nothing was had
            if time.monotonic() - asked_at > SLOW_S:
                self._silent[issuer] = time.monotonic()
            self._put_unreachable(issuer, digests)
            return []
        self._silent.pop(issuer, None)
        asked = set(digests)
        keep: list[StoredDocument] = []
        for document in documents:
            stored = _fetched(document, now)
            if stored is not None and stored.digest in asked:
                keep.append(stored)
                asked.discard(stored.digest)
        with self._office.writing() as db:
            self._office.documents.put(db, keep)
        for digest, reason in missing.items():
            if digest in asked:
                self._misses.put(digest, Missing(reason, issuer, now))
                asked.discard(digest)
        return [digest for digest in digests if digest in asked]


def _answer_of(answer: object) -> tuple[list[Any], dict[bytes, MissingReason]]:
    match answer:
        case {"documents": dict(documents), "missing": dict(missing)}:
            return list(documents.values()), {
                b64u_decode(text): _reason(why) for text, why in missing.items()
            }
        case _:
            raise CredentialError("malformed", "the answer holds no documents")


def _reason(told: object) -> MissingReason:
    """A reason that nobody here knows is none: for this verdict its document was not had."""
    return next((reason for reason in MissingReason if reason == told), MissingReason.UNREACHABLE)


def _fetched(document: object, now: int) -> StoredDocument | None:
    """A fetched document under the digest it really has; None if it is no document."""
    if not isinstance(document, dict):
        return None
    try:
        digest = digest_document(document)
    except CredentialError:
        return None
    issuer = document.get("issuer")
    issuer = issuer.get("id") if isinstance(issuer, dict) else issuer
    credential_id = document.get("id")
    return StoredDocument(
        digest,
        "fetched",
        orjson.dumps(document),
        issuer if isinstance(issuer, str) else "",
        credential_id=credential_id if isinstance(credential_id, str) else None,
        fetched_at=now,
    )
