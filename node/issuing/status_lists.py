"""The status lists of this participant: places given away, bits raised, versions numbered and attested.

One list for each purpose; a full one is followed by the next. `list_places.py` says in which order places are
given away, and what a list is called. Version n is served until n+1 has its receipt. Methods with `db` run
inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from consensus.cose import Signer
from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import Subject
from credentials.documents.issuer import issue_status_list
from credentials.documents.keys import did_web_url
from credentials.documents.status import BITS_MIN, PURPOSES
from credentials.ledger.attestation import StatusUpdate, parse_attestation, status_subject
from node.errors import ProblemError
from node.issuing.gate import Gate
from node.issuing.list_places import ListPlaces
from node.issuing.statements import Batch, Statement, stamp
from node.storage.database import Transaction
from node.storage.documents import StoredDocument
from node.storage.office import OfficeStore
from node.storage.status import ListVersion

Attest = Callable[[Subject, int, StatusUpdate], Statement]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in one list of each purpose."""

    names: Mapping[str, str]  # the lists, by purpose
    number: int  # how many were counted before it: in no document
    index: int  # over all lists of a purpose

    @property
    def in_list(self) -> int:
        return self.index % BITS_MIN


class OwnStatusLists:
    """Bitstring status lists of one issuer; `attest` makes the ledger's statement about a version."""

    def __init__(
        self,
        did: str,
        signer: Signer,
        office: OfficeStore,
        attest: Attest,
        *,
        places_secret: bytes,
        base_url: str | None = None,
        issuer_did: str | None = None,
        prefix: str = "",
        gate: Gate | None = None,
    ) -> None:
        self._did = did
        self._issuer_did = issuer_did or did
        self._signer = signer
        self._office = office
        self._attest = attest
        self._prefix = prefix
        self._places_secret = places_secret
        self._places = ListPlaces(places_secret, prefix)
        self._mark = f"{prefix}places hidden from list"
        self.gate = gate or Gate()
        self.base_url = base_url or did_web_url(did).removesuffix("/did.json").removesuffix("/.well-known")

    def of_issuer(self, issuer_did: str, signer: Signer, prefix: str) -> OwnStatusLists:
        """The lists of another issuer of this participant, attested alike."""
        return OwnStatusLists(
            self._did,
            signer,
            self._office,
            self._attest,
            places_secret=self._places_secret,
            base_url=self.base_url,
            issuer_did=issuer_did,
            prefix=prefix,
            gate=self.gate,
        )

    def url(self, name: str) -> str:
        """The `id` of a status list: where outsiders find it."""
        return f"{self.base_url}/status/{name}"

    def served(self, name: str) -> bytes | None:
        """The digest of the version in force: the latest with a receipt; the first one before it has one."""
        self.gate.require_open()
        if self._office.status.withheld(name):
            raise ProblemError(
                503,
                "status_list_withheld",
                "Not served",
                "what {name} must say was lost with this node's records: an incomplete list would call good "
                "what is revoked",
                name=name,
            )
        return self._office.status.served(name)

    def newest(self, name: str) -> bytes | None:
        """The digest of the newest version, in force or not yet."""
        if self.gate.closed is not None or self._office.status.withheld(name):
            return None
        found = self._office.status.newest(name)
        return None if found is None else found.digest

    def version(self, name: str, seq: int) -> bytes | None:
        """The digest of version `seq`."""
        found = self._office.status.version(name, seq)
        return None if found is None else found.digest

    def versions(self, name: str) -> list[ListVersion]:
        """Every version of a list, oldest first."""
        return self._office.status.versions(name)

    def name_of(self, url: str) -> str | None:
        """The name of a list in the address of one of these lists, None for any other address."""
        name = url.removeprefix(f"{self.base_url}/status/")
        known = name != url and any(name.startswith(f"{self._prefix}{purpose}-") for purpose in PURPOSES)
        return name if known else None

    def next_place(self) -> Place:
        """The next place, and the list for each purpose that has it; a full list is followed by the next."""
        number = max(self.counted(), (self._hidden_from() - 1) * BITS_MIN)
        names = {purpose: self.names(purpose, 1 + number // BITS_MIN)[1] for purpose in PURPOSES}
        return Place(names, number, self._places.place(number))

    def numbered(self, purpose: str, number: int) -> str:
        """The name of the list with this number, 1 for the first."""
        plain, hidden = self.names(purpose, number)
        return hidden if number >= self._hidden_from() else plain

    def names(self, purpose: str, number: int) -> tuple[str, str]:
        """What the list with this number is called if it was begun in order, and if not."""
        begin = f"{self._prefix}{purpose}-"
        return f"{begin}{number}", f"{begin}{self._places.word(number)}"

    def counted(self) -> int:
        """One running number over all lists of a purpose: of the next place, or of one before its list."""
        return self._office.status.next_index(f"{self._prefix}{PURPOSES[0]}-")

    @property
    def key_id(self) -> str:
        """The DID URL of the key that signs versions."""
        return self._signer.key_id

    def given(self, number: int, given: int, beyond: int, *, hidden: bool) -> Iterable[int]:
        """The places of the list with this number of which so many were `given` away, and so many `beyond`
        may have been: from the last one that was outwards.
        """
        first, end = (number - 1) * BITS_MIN, min(BITS_MIN, given + beyond)
        outwards = (nth for step in range(end) for nth in (given - 1 - step, given + step))
        within = (nth for nth in outwards if 0 <= nth < end)
        return (self._places.place(first + nth) % BITS_MIN if hidden else nth for nth in within)

    def hide_from(self, db: Transaction, number: int) -> None:
        """From the list with this number on places are given away in a keyed order: decided once."""
        if self._office.remembered(self._mark) is None:
            self._office.remember(db, self._mark, number.to_bytes(8))

    def _hidden_from(self) -> int:
        """Lists that were begun in order are left: a place of such a one may have been given away."""
        kept = self._office.remembered(self._mark)
        return int.from_bytes(kept) if kept is not None else 1 - -self.counted() // BITS_MIN

    def bit(self, purpose: str, index: int) -> bool:
        """Whether the bit at a place, counted over all lists of a purpose, is raised here."""
        name = self.numbered(purpose, 1 + index // BITS_MIN)
        return self._office.status.raised(name, index % BITS_MIN)

    def in_force(self, purpose: str, index: int) -> bool:
        """Whether the list with this place is served as it is here."""
        name = self.numbered(purpose, 1 + index // BITS_MIN)
        return self.served(name) == self.newest(name)

    def open(self, db: Transaction, names: Mapping[str, str], batch: Batch) -> None:
        """Publish the first version of lists that do not exist yet."""
        for purpose, name in names.items():
            if self._office.status.open(db, name, purpose):
                self.publish(db, name, purpose, batch)

    def take(self, db: Transaction, place: Place) -> None:
        """The place is given away."""
        self.hide_from(db, 1 + place.number // BITS_MIN)
        self._office.status.count(db, place.names.values(), place.number + 1)

    def set_bit(self, db: Transaction, purpose: str, index: int, *, raised: bool, batch: Batch) -> None:
        """Raise or lower one bit; if that changes it, a new version of the list is published."""
        name = self.numbered(purpose, 1 + index // BITS_MIN)
        self.set_bit_of(db, name, purpose, index % BITS_MIN, raised=raised, batch=batch)

    def set_bit_of(
        self, db: Transaction, name: str, purpose: str, place: int, *, raised: bool, batch: Batch
    ) -> None:
        """Raise or lower the bit at a place of the list called `name`."""
        if self._office.status.set_bit(db, name, place, raised=raised):
            self.publish(db, name, purpose, batch)

    def made(self, name: str, purpose: str, bits: Iterable[int], at: int) -> tuple[bytes, dict[str, Any]]:
        """(digest, document) of a version made at `at`: the same bits and time give the same bytes."""
        document = issue_status_list(
            list_id=self.url(name),
            purpose=purpose,
            set_bits=bits,
            issuer_did=self._issuer_did,
            signer=self._signer,
            valid_from=stamp(at),
            created=stamp(at),
        )
        return digest_document(document), document

    def stored(self, name: str, digest: bytes, body: bytes) -> StoredDocument:
        """A version as it is kept."""
        return StoredDocument(digest, "status_list", body, self._issuer_did, credential_id=self.url(name))

    def renew(self, db: Transaction, batch: Batch, in_force: Callable[[str], bool]) -> None:
        """Follow each newest version under a key that is in force no more: nobody believes such a one."""
        for number in range(1, 2 + self.counted() // BITS_MIN):
            for purpose in PURPOSES:
                name = self.numbered(purpose, number)
                newest = self._office.status.newest(name)
                if newest is not None and not all(in_force(kid) for kid in self._keys_under(newest)):
                    self.publish(db, name, purpose, batch)

    def _keys_under(self, version: ListVersion) -> tuple[str, str]:
        stored, item = (
            self._office.documents.get(version.digest),
            self._office.outbox.get(version.attestation),
        )
        assert stored is not None and item is not None, "a version is stored with both"
        method: str = orjson.loads(stored.body)["proof"]["verificationMethod"]
        return method, parse_attestation(item.data).kid

    def publish(self, db: Transaction, name: str, purpose: str, batch: Batch) -> None:
        """The next version of a list, with its attestation; none of a list that is withheld."""
        if self._office.status.withheld(name):
            return
        last = self._office.status.newest(name)
        digest, document = self.made(name, purpose, self._office.status.bits(name), batch.now)
        seq = 1 if last is None else last.seq + 1
        update = StatusUpdate(digest, purpose, seq, None if last is None else last.digest)
        statement = self._attest(status_subject(self._did, self.url(name)), batch.now, update)
        batch.add(statement, self.stored(name, digest, orjson.dumps(document)))
        self._office.status.put_version(db, name, ListVersion(seq, digest, statement.digest))
