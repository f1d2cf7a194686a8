"""A border for tests: really signed passports of an invented maker, on the real in-memory ledger.

`World` plays the parties; `evidence(...)` gathers what a node would, from the ledger's own entries.
"""

from __future__ import annotations

import copy
import itertools
import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.cose import SeedSigner
from credentials.documents import status
from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import Identifier, Subject, guess_scheme, parse_identifier, subject
from credentials.documents.issuer import (
    IssuedPassport,
    issue_event,
    issue_status_list,
    status_entries,
)
from credentials.documents.passport import PassportSchema
from credentials.documents.status import Places, read_list
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, SetList, StatusUpdate, standing_key, status_subject
from credentials.ledger.entries import AdmittedEntry, Entry, RefusedEntry, parse_entry
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import Governance
from credentials.ledger.namings import Namings, namings_key
from credentials.ledger.recalls import Recalls, recall_subject, recalls_of
from credentials.ledger.records import Asset, Claims, StatusLists, asset_key, claims_key
from credentials.ledger.standing import Standing
from credentials.verdicts.clearance import ItemVerdict, clear_item
from credentials.verdicts.evidence import (
    Evidence,
    Held,
    LedgerEntry,
    LedgerView,
    Missing,
    NetworkView,
    StatusSource,
    Tables,
    alias_texts,
    identifiers_in_play,
    issuer_shown,
    kin_of,
    part_texts,
    relatives_of,
)
from credentials.verdicts.hands import by_own_names, made_from, of_same_hands, own_parties
from credentials.verdicts.kin import made_at, placings_of
from credentials.verdicts.list_versions import AttestedBy
from credentials.verdicts.manifest import Line, Manifest, ManifestContext
from credentials.verdicts.means import OpenedList
from credentials.verdicts.named import taken_back_by_authorities
from credentials.verdicts.names import PUBLIC_POINT, kin_sets_of, sets_published
from credentials.verdicts.own_word import OWN_WORD_POINT
from credentials.verdicts.policy import Policy
from credentials.verdicts.record import Record, hours_of, made_into_at, put_in_at, taken_out_at
from credentials.verdicts.repaired import UNDOING, lost_at, repairs_behind
from credentials.verdicts.shown_as import ShownAs
from credentials.verdicts.tests_read import tests_behind
from credentials.verdicts.unrecorded import as_unrecorded
from node.config import contexts, related_resources
from node.words import Words
from tests.harness.ledger import CREATED, MAKER, NETWORK_KEY, RECYCLER, WORKSHOP, Ledger, make_genesis, signer
from tests.harness.signed_passports import issue_passport

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
LAW_DATE = "2027-03-01"
DECLARATION = "26NLTEST000001"


def lists_of(publisher: str) -> dict[str, str]:
    """Where a publisher's status lists are served, by purpose."""
    host = publisher.rsplit(":", 1)[-1]
    return {purpose: f"https://{host}/status/{purpose}" for purpose in status.PURPOSES}


LISTS = lists_of(MAKER)
DAY = "123456789ABCDEFGHJKLMNPRSTUVWXY"


@cache
def words(language: str = "en") -> Words:
    """What the codes of a verdict say to whoever reads it."""
    return Words(language, lambda height: tables().datapoints)


@cache
def tables() -> Tables:
    def table(name: str) -> Any:
        data = (CONFIG / name).read_bytes()
        return json.loads(data) if name.endswith(".json") else tomllib.loads(data.decode())

    reasons = table("reasons.toml")
    return Tables(
        reasons=reasons,
        verdicts=table("rules/verdicts.json"),
        commodity=table("rules/commodity.toml"),
        access=table("rules/annex-xiii-access.json"),
        datapoints=table("rules/eu-datapoints-v2.json"),
        paths=table("rules/passport-paths.json"),
        identifiers=table("rules/gbt34014.json"),
        shown_as=ShownAs.parse(table("rules/shown-as.toml"), reasons),
        crosswalk=table("rules/crosswalk-eu-cn.json"),
        crosswalk_evidence=table("rules/crosswalk-evidence.json"),
    )


@cache
def schemas() -> Mapping[str, PassportSchema]:
    schema = json.loads((ROOT / "credentials/documents/schemas/passport-1.2.schema.json").read_bytes())
    return {schema["$id"]: PassportSchema(schema)}


@cache
def policy(name: str = "customs-eu") -> Policy:
    data = (CONFIG / f"policies/{name}.toml").read_bytes()
    return Policy.parse(data.replace(b'jurisdiction = "*"', b'jurisdiction = "IN"'))  # as `comity init` does


@cache
def sample() -> dict[str, Any]:
    claims: dict[str, Any] = json.loads((CONFIG / "demo/plausible-ev-nmc.batterypass-1.2.json").read_bytes())
    return claims


def code(serial: int, maker: str = "ZZ1", day: int = 3) -> str:
    """A GB/T 34014 pack code of ternary chemistry, made in June 2026."""
    return f"{maker}PE75QH00001G6{DAY[day - 1]}{serial:07d}"


def first_second(day: str) -> int:
    """The first second (UTC) of a day."""
    from datetime import UTC, datetime

    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def made_on(day: int = 3) -> int:
    """The first second of the day of June 2026 on which the codes here say that they were made."""
    return first_second(f"2026-06-{day:02}")


def claims_of(serial: int, day: int = 3, category: str = "ev") -> dict[str, Any]:
    claims = copy.deepcopy(sample())
    general = claims["GeneralProductInformation"]
    general["productIdentifier"] = f"https://id.example.org/01/06912345678902/21/{serial}"
    general["batteryPassportIdentifier"] = f"urn:bpass:{serial}"
    general["batteryCategory"] = category
    general["manufacturingDate"] = f"2026-06-{day:02d}T09:14:27.000+08:00"
    return claims


def stamp(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def identifier_of(text: str, issuer: str = "-") -> Identifier:
    return parse_identifier(guess_scheme(text, {}), text, tables().identifiers, namespace=issuer)


@cache
def subject_of(text: str, issuer: str = "-") -> Subject:
    return subject(identifier_of(text, issuer), NETWORK_KEY)


def subject_if_readable(text: str) -> Subject | None:
    """None for a text that is no identifier, as a node gathers it."""
    try:
        return subject_of(text)
    except CredentialError:
        return None


def key_if_readable(text: str) -> bytes | None:
    """The key on the ledger of the battery with this text, as a node gathers it."""
    about = subject_if_readable(text)
    return None if about is None else standing_key(about)


NOT_FOUNDED = Ledger()  # stands for no ledger at all: nothing is recorded on it


@dataclass
class World:
    """The ledger, every document anybody made, and the publishers' status lists."""

    ledger: Ledger = field(default_factory=lambda: NOT_FOUNDED)  # then one of the usual genesis
    publishers: tuple[str, ...] = (MAKER,)
    passports: dict[str, IssuedPassport] = field(default_factory=dict)
    documents: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    lists: dict[str, dict[str, Any]] = field(default_factory=dict)
    raised: dict[str, set[int]] = field(default_factory=lambda: {p: set() for p in LISTS})
    seqs: dict[str, int] = field(default_factory=dict)
    leaves: list[LedgerEntry] = field(default_factory=list)
    refused: dict[bytes, bytes] = field(default_factory=dict)
    read: dict[bytes, frozenset[int]] = field(default_factory=dict)  # raised places of list versions
    issued: int = 0
    # Status lists that were opened, as a node keeps them: for as long as the same keys count.
    opened: tuple[Governance, dict[bytes, OpenedList]] | None = None

    def __post_init__(self) -> None:
        if self.ledger is NOT_FOUNDED:
            vars(self).update(vars(_twin(_begun(self.publishers))))
            return
        for publisher in self.publishers:
            self.publish_lists(publisher)

    @property
    def genesis(self) -> Genesis:
        return self.ledger.genesis

    @property
    def governance(self) -> Governance:
        """What governs at the height the ledger is read at, as a node asks it."""
        return self.ledger.history.at(self.ledger.height)

    @property
    def now(self) -> int:
        return self.ledger.now

    def run(self, *txs: bytes) -> None:
        """One block; its leaves are kept with their places, as a store keeps them."""
        time, first = self.ledger.now, self.ledger.log.size
        execution = self.ledger.run(*txs)
        by_digest = {sha256(tx).digest(): tx for tx in txs}
        for offset, entry in enumerate(execution.entries):
            self.leaves.append(LedgerEntry(first + offset, execution.height, time, entry))
            parsed = _parsed(entry)
            if isinstance(parsed, RefusedEntry):
                self.refused[parsed.digest] = by_digest[parsed.digest]

    def issue(
        self,
        text: str,
        *,
        by: str = MAKER,
        version: int = 1,
        claims: dict[str, Any] | None = None,
        day: int = 3,
    ) -> IssuedPassport:
        """Sign a passport; nothing is attested."""
        self.issued += 1
        issued = issue_passport(
            claims or claims_of(self.issued, day),
            issuer_did=by,
            signer=signer(by, "credential"),
            identifier=identifier_of(text),
            version=version,
            ids={p: f"urn:uuid:00000000-0000-4000-8000-{self.issued:06d}{p:06d}" for p in (1, 2, 3, 4)},
            status_entry=status_entries(lists_of(by), self.issued),
            valid_from=stamp(CREATED),
            created=stamp(CREATED),
            paths=tables().paths,
        )
        for document in issued.credentials.values():
            self.documents[digest_document(document)] = document
        return issued

    def index(self, issued: IssuedPassport) -> int:
        return int(issued.credentials[1]["credentialStatus"][0]["statusListIndex"])

    def attested(
        self, text: str, issued: IssuedPassport, kind: str = "passport.published", **members: Any
    ) -> bytes:
        """The attestation of a passport's set list, by its issuer."""
        version = issued.credentials[1]["credentialSubject"]["passportVersion"]
        digests = {p: digest_document(dict(d)) for p, d in issued.credentials.items()}
        return self.ledger.attest(
            issued.credentials[1]["issuer"],
            kind,
            subject_of(text),
            set_list=SetList(version, digests),
            document_digest=issued.digest,
            **members,
        )

    def publish(self, text: str, issued: IssuedPassport | None = None, **members: Any) -> IssuedPassport:
        issued = issued or self.issue(text)
        self.run(self.attested(text, issued, **members))
        self.passports[text] = issued
        return issued

    def happen(
        self,
        by: str,
        event: str,
        text: str,
        document: Mapping[str, Any] | None = None,
        *,
        cosign: Sequence[str] = (),
        **delta: Any,
    ) -> bytes:
        """Attest one event with a signed event document; the attestation's digest."""
        if document and "production_date" in document:
            delta.setdefault("produced_on", first_second(document["production_date"]))
        doc = self.event_document(by, event, text, document, delta.get("event_time"))
        return self.attest_document(by, event, text, doc, cosign=cosign, **delta)

    def attest_document(
        self, by: str, event: str, text: str, doc: dict[str, Any], *, cosign: Sequence[str] = (), **delta: Any
    ) -> bytes:
        """Attest an event with this document, whatever it says; the attestation's digest."""
        digest = digest_document(doc)
        self.documents[digest] = doc
        about = subject_of(text)
        if cosign:
            tx = self.ledger.countersigned(by, event, about, cosign, document_digest=digest, **delta)
        else:
            tx = self.ledger.attest(by, event, about, document_digest=digest, **delta)
        self.run(tx)
        return sha256(tx).digest()

    def event_document(
        self,
        by: str,
        event: str,
        text: str,
        document: Mapping[str, Any] | None = None,
        event_time: int | None = None,
    ) -> dict[str, Any]:
        """A signed document of an event; nothing is attested."""
        self.issued += 1
        return issue_event(
            event,
            identifier_of(text),
            dict(document or {}),
            event_id=f"urn:uuid:00000000-0000-4000-9000-{self.issued:012d}",
            event_time=stamp(event_time or self.now),
            issuer_did=by,
            signer=signer(by, "credential"),
            valid_from=stamp(CREATED),
            created=stamp(CREATED),
        )[0]

    def produce(self, text: str, by: str = MAKER, **members: Any) -> None:
        """Bring a battery into being, with the document of its production."""
        said = {"production_date": "2026-06-03", "category": "ev"} | members
        self.happen(by, "battery.produced", text, said)

    def publish_lists(self, by: str = MAKER, key: SeedSigner | None = None) -> None:
        """A new version of a publisher's status lists, attested; only the maker raises bits."""
        self.seqs[by] = self.seqs.get(by, 0) + 1
        for purpose, url in lists_of(by).items():
            previous = digest_document(self.lists[url]) if url in self.lists else None
            document = issue_status_list(
                list_id=url,
                purpose=purpose,
                set_bits=sorted(self.raised[purpose]) if by == MAKER else [],
                issuer_did=by,
                signer=signer(by, "credential"),
                valid_from=stamp(CREATED),
                created=stamp(self.now),
            )
            self.lists[url] = document
            digest = digest_document(document)
            self.documents[digest] = document
            update = StatusUpdate(digest, purpose, self.seqs[by], previous)
            about = status_subject(by, url)
            said = {"status": update, "document_digest": digest, "key": key or signer(by)}
            self.run(self.ledger.attest(by, "status.published", about, **said))

    def new(self, serial: int, **members: Any) -> str:
        """A battery that was produced, published and exported, and declared by the importer."""
        text = code(serial)
        self.produce(text)
        self.declare(text, f"REG-{serial}", **members)
        return text

    def declare(self, text: str, registration: str, **members: Any) -> None:
        """A battery that was produced is published and exported, and declared by the importer."""
        self.publish(text)
        self.happen(
            "did:web:cn-authority.example",
            "battery.exported",
            text,
            {"commodity_code": "850760"},
            parties=("did:web:importer.example",),
        )
        self.happen(
            "did:web:importer.example",
            "battery.presented",
            text,
            {
                "declaration_number": DECLARATION,
                "registration_id": registration,
                "commodity_code": "8507600000",
                "eori": "DE1",
            }
            | members,
        )

    def revoke(self, text: str, *, ledger: bool = True, listed: bool = True) -> None:
        issued = self.passports[text]
        if listed:
            self.raised["revocation"].add(self.index(issued))
            self.publish_lists()
        if ledger:
            self.happen(MAKER, "passport.revoked", text, {"reason": "defect"}, references=(issued.digest,))

    def recycle(self, text: str) -> None:
        self.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=(RECYCLER,))
        self.happen(MAKER, "battery.declared_waste", text, {"reason": "worn"}, parties=(RECYCLER,))
        self.happen(RECYCLER, "recycling.received", text, quantities={"mass_in_grams": 450_000})
        metals = {f"{m}_{way}_grams": 100 for m in ("co", "ni", "li", "cu") for way in ("in", "out")}
        self.happen(RECYCLER, "recycling.completed", text, {"method": "x"} | metals, quantities=metals)

    # -- what a node gathers -------------------------------------------------------------------------

    def network(self, **changes: Any) -> NetworkView:
        updates = [
            (leaf.block_time, entry.attestation)
            for leaf in self.leaves
            if isinstance(entry := _parsed(leaf.entry), AdmittedEntry)
            and entry.attestation.status is not None
        ]
        values: dict[str, Any] = {
            "height": self.ledger.height,
            "block_time": self.now - 10,
            "tables": tables(),
            "governance": self.governance,
            "network_id": self.genesis.network_id,
            "network_name": self.genesis.name,
            "lag_heights": 0,
            "quorum_silence_s": 2,
            "recognitions": self.governance.recognitions,
            "lists_opened": self._lists_opened(),
            "status_lists": {
                (by, purpose, url): StatusSource(
                    self.lists[url],
                    self.list_digest(purpose, by),
                    self.now - 60,
                    by,
                    **self.versions(by, purpose, url, updates),
                )
                for by in self.publishers
                for purpose, url in lists_of(by).items()
            },
            "schemas": schemas(),
            "contexts": contexts(),
            "resources": related_resources(),
        }
        return NetworkView(**(values | changes))

    def _lists_opened(self) -> dict[bytes, OpenedList]:
        if self.opened is None or self.opened[0] is not self.governance:
            self.opened = self.governance, {}
        return self.opened[1]

    def versions(
        self, by: str, purpose: str, url: str, updates: Sequence[tuple[int, Attestation]]
    ) -> dict[str, Any]:
        """Who attested the latest version of a list, and what those before it said: all are held here.

        `updates`: the admitted attestations of lists, each with the time of its block.
        """
        about = status_subject(by, url)
        said: list[tuple[AttestedBy, frozenset[int]]] = []
        for time, attestation in updates:
            update = attestation.status
            if update is not None and update.purpose == purpose and attestation.subject == about:
                said.append((AttestedBy(attestation.kid, time), self.places(update.list_digest)))
        if not said:
            return {}
        own = [places for attested, places in said if not attested.stolen(self.governance)]
        raised = frozenset[int]().union(*own) if purpose == "revocation" else frozenset[int]()
        latest, places = said[-1]
        if not latest.stolen(self.governance):
            raised -= places
        elif own:
            raised |= own[-1]
        string = bytearray(max(raised, default=-1) // 8 + 1)
        for place in raised:
            string[place // 8] |= 0x80 >> place % 8
        return {"attested": latest, "raised_before": Places(bytes(string))}

    def places(self, digest: bytes) -> frozenset[int]:
        """The raised places of a version, read once."""
        if digest not in self.read:
            self.read[digest] = frozenset(read_list(self.documents[digest]).places)
        return self.read[digest]

    def list_digest(self, purpose: str, by: str = MAKER) -> bytes | None:
        key = standing_key(status_subject(by, lists_of(by)[purpose]))
        data = self.ledger.reader.get_many([key]).get(key)
        return StatusLists.decode(data).latest[purpose].digest if data else None

    def view(self, text: str, issuer: str = "-") -> LedgerView:
        """What the ledger says of a battery; an opaque identifier names one with its issuer."""
        named, target = identifier_of(text, issuer), subject_of(text, issuer)
        mine = [leaf for leaf in self.leaves if _read(leaf.entry)[0] == target.as_list()]
        reader, key = self.ledger.reader, standing_key(target)
        standing = self._standings([key]).get(key)
        about = standing_key(recall_subject(target.scheme, target.namespace))
        found = reader.get_many([claims_key(key), about])
        claims, recalls = found.get(claims_key(key)), found.get(about)
        relatives, vehicle = relatives_of(standing, self._standings), self._vehicle(standing)
        own = [replace(leaf, parsed=_parsed(leaf.entry)) for leaf in mine]
        older = made_from(standing, relatives)
        parties = own_parties(standing, relatives)
        beside = self._standings(
            [one.pack for one in vehicle.installed if one.pack != key] if vehicle else []
        )
        kin = {key: self._kin_view(one) for key, one in beside.items() if kin_of(one)}
        same = of_same_hands(standing, beside, kin)
        asked = [*older, *same.batteries]
        behind = repairs_behind(own, asked, parties | same.parties, self.governance, self._repairs)
        parts = {**as_unrecorded(behind, own, self.governance), **self._standings(behind.parts)}
        tied = self._named(key)
        put_in = [self.leaves[leaf] for leaf in put_in_at(standing)]
        old = [one for leaf in put_in if (one := _read_subject(leaf.entry)) is not None]
        replaced = self._standings([standing_key(one) for one in old])
        around = {**beside, **tied.get("named_in", {}), **parts}
        kin |= {key: self._kin_view(one) for key, one in around.items() if key not in kin and kin_of(one)}
        old_kin = {key: one for view in kin.values() for key, one in view.relatives.items()}
        return LedgerView(
            standing,
            mine,
            self.refused,
            vehicle=vehicle.of(key) if vehicle is not None else None,
            beside=beside,
            tests=tests_behind(
                {**tied.get("named_in", {}), **parts, **beside, **replaced}, self.governance, self._tests
            ),
            claims=Claims.decode(claims) if claims else None,
            relatives=relatives,
            taken_out=[self.leaves[leaf] for leaf in taken_out_at(standing, relatives)],
            made_into=[self.leaves[leaf] for leaf in made_into_at(standing, relatives)],
            put_in=put_in,
            replaced=next(iter(replaced.values()), None),
            kin_sets={key: self._kin_sets(one) for key, one in relatives.items()},
            tied_sets={key: self._kin_sets(one) for key, one in around.items()},
            tied_kin=kin,
            kin_recalls=recalls_of(relatives, reader.get_many),
            kin_placed={leaf: self.leaves[leaf].block_time for leaf in placings_of(relatives)},
            recalls=Recalls.decode(recalls).covering(named, key, standing) if recalls else (),
            parts=parts,
            part_recalls=recalls_of({**tied.get("named_in", {}), **parts, **beside}, reader.get_many),
            kin_named=self._named_of(relatives),
            beside_named={key: [*self._named_of(lives).values()] for key, lives in same.lives.items()},
            repairs=behind.repairs,
            repairs_unread=behind.cut,
            behind=self._behind(target, {**relatives, **around, **old_kin}) if self.governance.robbed else (),
            **tied,
        )

    def _named_of(self, standings: Mapping[bytes, Standing]) -> dict[bytes, LedgerView]:
        """What names these without being state of them."""
        read = self.ledger.reader.get_many
        named = {key: what for key in standings if (what := self._named(key))}
        return {
            key: LedgerView(standings[key], part_recalls=recalls_of(what["named_in"], read), **what)
            for key, what in named.items()
        }

    def _kin_view(self, standing: Standing) -> LedgerView:
        """What a battery came of, with the acts by which it did."""
        relatives = relatives_of(standing, self._standings)
        return LedgerView(
            standing,
            relatives=relatives,
            kin_recalls=recalls_of(relatives, self.ledger.reader.get_many),
            taken_out=[self.leaves[leaf] for leaf in taken_out_at(standing, relatives)],
            made_into=[self.leaves[leaf] for leaf in made_into_at(standing, relatives)],
        )

    def _repairs(self, parties: Collection[str], key: bytes, before: int, most: int) -> list[LedgerEntry]:
        """What repairs a battery, before a leaf or by these, and what takes that back."""
        events = self.governance.lifecycle.events.items()
        repairs = {kind for kind, event in events if event.effects.names_parts}
        ends = {kind for kind, event in events if event.effects.undo in UNDOING}
        found = []
        for leaf in (replace(one, parsed=_parsed(one.entry)) for one in self.leaves):
            by = leaf.parsed.attestation.issuer if isinstance(leaf.parsed, AdmittedEntry) else ""
            counts = leaf.leaf_index < before or by in parties
            if _repairs_it(leaf.parsed, key, ends | (repairs if counts else set())):
                found.append(leaf)
        return found[:most]

    def _tests(
        self, key: bytes, tests: Sequence[str], voiding: Sequence[str], most: int
    ) -> list[LedgerEntry]:
        """What tests a battery, and what authorities voided of it."""
        leaves = (replace(one, parsed=_parsed(one.entry)) for one in self.leaves)
        return [leaf for leaf in leaves if _repairs_it(leaf.parsed, key, {*tests, *voiding})][:most]

    def _named(self, key: bytes) -> dict[str, Any]:
        """What names it without being state of it, with what is on record of that."""
        data = self.ledger.reader.get_many([namings_key(key)]).get(namings_key(key))
        if data is None:
            return {}
        namings = Namings.decode(data)
        named_in = self._standings(sorted({n.about for n in namings.first}))
        unnamed = frozenset[bytes]()
        for one in named_in.values():
            mine = [leaf for leaf in self.leaves if _read(leaf.entry)[0] == one.subject.as_list()]
            record = Record.read(LedgerView(one, mine), self.governance)
            unnamed |= taken_back_by_authorities(record)
        named_by = [self.leaves[naming.leaf_index] for naming in namings.first]
        found = {"namings": namings, "named_in": named_in, "unnamed": unnamed, "named_by": named_by}
        return found | {"lost_at": hours_of(self.leaves[leaf] for leaf in lost_at(named_in.values()))}

    def _behind(self, about: Subject, others: Mapping[bytes, Standing]) -> list[LedgerEntry]:
        """The leaves about what it was made from or is a part of, and about recalls of all their codes."""
        family = (about, *(one.subject for one in others.values()))
        recalled = (recall_subject(one.scheme, one.namespace) for one in family)
        wanted = [one.as_list() for one in (*family[1:], *recalled)]
        return [leaf for leaf in self.leaves if _read(leaf.entry)[0] in wanted]

    def _kin_sets(self, one: Standing) -> list[tuple[bytes, str]]:
        mine = [leaf for leaf in self.leaves if _read(leaf.entry)[0] == one.subject.as_list()]
        return kin_sets_of(one, Record.read(LedgerView(one, mine), self.governance))

    def _vehicle(self, standing: Standing | None) -> Asset | None:
        if standing is None or standing.bound is None:
            return None
        key = asset_key(standing.bound.asset)
        return Asset.decode(self.ledger.reader.get_many([key])[key])

    def _kin_documents(self, view: LedgerView) -> list[dict[str, Any]]:
        """The documents of the acts by which others became this battery."""
        asked = made_at(view) if view.kin_recalls or view.behind else ()
        leaves = dict.fromkeys([*(leaf.leaf_index for leaf in (*view.taken_out, *view.made_into)), *asked])
        digests = [_read(self.leaves[leaf].entry)[1] for leaf in leaves]
        return [self.documents[d] for d in digests if d in self.documents]

    def _taken_out_of(self, view: LedgerView) -> list[dict[str, Any]]:
        """The documents of the acts by which it came out of its pack and of others, and that of its own."""
        named = (one.named_by for one in (view, *view.named_of_others))
        repairs = (leaf for said in (*view.repairs.values(), *named) for leaf in said)
        acts = (leaf for one in (view, *view.tied_kin.values()) for leaf in (*one.taken_out, *one.made_into))
        digests = [_read(leaf.entry)[1] for leaf in (*acts, *repairs)]
        return [self.documents[d] for d in digests if d in self.documents]

    def _earlier(self, view: LedgerView, *, live: bool = False) -> dict[bytes, Held | Missing]:
        """The sets of points 1 and 4 of the passports before the live one, or of all."""
        said = {
            leaf.leaf_index: parsed.attestation
            for leaf in view.entries
            if isinstance(parsed := _parsed(leaf.entry), AdmittedEntry)
        }
        passport = view.standing.passport if view.standing is not None else None
        latest = said.get(passport.leaf_index) if passport is not None and not live else None
        return {
            digest: Held(self.documents[digest])
            for point in (PUBLIC_POINT, OWN_WORD_POINT)
            for digest, _ in sets_published(said.values(), latest, point=point)
            if digest in self.documents
        }

    def _live_sets(self, view: LedgerView) -> list[dict[str, Any]]:
        """The sets of every passport of a battery, by which it is named."""
        held = self._earlier(view, live=True).values()
        return [dict(one.document) for one in held if isinstance(one, Held)]

    def _kin_held(self, view: LedgerView) -> dict[bytes, Held | Missing]:
        """The public sets of what it came of."""
        named = (*view.kin_sets.values(), *view.tied_sets.values())
        digests = [digest for sets in named for digest, _ in sets]
        return {digest: Held(self.documents[digest]) for digest in digests if digest in self.documents}

    def _further_codes(
        self, view: LedgerView, documents: Sequence[object]
    ) -> tuple[dict[bytes, Held | Missing], dict[str, LedgerView]]:
        """The public sets by which codes are named, and the record of each code, however it is named."""
        sets, aliases = self._earlier(view) | self._kin_held(view), dict[str, LedgerView]()
        own = view.standing.key if view.standing is not None else None
        asked = [*documents, *(h.document for h in sets.values() if isinstance(h, Held))]
        while asked:
            said = {t: issuer_shown(d) for d in reversed(asked) for t in alias_texts(d) if t not in aliases}
            named = {t: by for t, by in reversed(said.items()) if key_if_readable(t) not in (None, own)}
            aliases |= {t: self.view(t, by) for t, by in named.items()}
            more = {k: h for t in named for k, h in self._earlier(aliases[t], live=True).items()}
            more |= {k: h for t in named for k, h in self._kin_held(aliases[t]).items()}
            asked = [h.document for k, h in more.items() if k not in sets and isinstance(h, Held)]
            sets |= more
        return sets, aliases

    def _standings(self, keys: Sequence[bytes]) -> Mapping[bytes, Standing]:
        found = self.ledger.reader.get_many(list(keys))
        return {key: by_own_names(Standing.decode(data), self.governance) for key, data in found.items()}

    def recall(self, by: str, *, namespace: str = "ZZ1", **members: Any) -> bytes:
        """Publish a recall about a maker's codes; its attestation's digest, by which it is lifted."""
        subject = recall_subject("gbt34014", namespace)
        statement = self.ledger.attest(by, "recall.published", subject, **members)
        self.run(statement)
        return sha256(statement).digest()

    def evidence(
        self,
        text: str,
        *,
        shown: Sequence[Mapping[str, Any] | bytes] = (),
        points: Sequence[int] = (1,),
        network: NetworkView | None = None,
        vin: str | None = None,
        namers: Sequence[str] = (),
        **changes: Any,
    ) -> Evidence:
        """As a node gathers it: the live passport's sets of `points`, the events' documents, the ledger."""
        view = self.view(text)
        fetched: dict[int, Held | Missing] = {}
        passport = view.standing.passport if view.standing else None
        if passport is not None:
            statement = next(
                parsed.attestation
                for leaf in view.entries
                if isinstance(parsed := _parsed(leaf.entry), AdmittedEntry)
                and parsed.attestation.digest == passport.attestation
            )
            assert statement.set_list is not None
            for point in points:
                document = self.documents[statement.set_list.points[point]]
                fetched[point] = Held(document, statement.issuer, self.now - 30)
        held = [h.document for h in fetched.values() if isinstance(h, Held)]
        in_play = identifiers_in_play(
            {"battery": text, "vin": vin, "documents": list(shown)},
            [
                *(held.document for held in fetched.values() if isinstance(held, Held)),
                *self._kin_documents(view),
            ],
        )
        held = [h.document for h in fetched.values() if isinstance(h, Held)]
        earlier, aliases = self._further_codes(view, [*held, *shown])
        for namer in namers:
            aliases[namer] = self.view(namer)
            sets, more = self._further_codes(aliases[namer], self._live_sets(aliases[namer]))
            own = view.standing.key if view.standing is not None else None
            earlier |= sets | self._earlier(aliases[namer], live=True)
            aliases |= {t: v for t, v in more.items() if key_if_readable(t) != own}
        of_packs = [document for one in (view, *aliases.values()) for document in self._taken_out_of(one)]
        cited = {_read(leaf.entry)[1] for one in (view, *aliases.values()) for leaf in one.entries}
        said = [self.documents[digest] for digest in cited if digest in self.documents]
        lifecycle = self.governance.lifecycle
        named = (text for document in (*said, *of_packs) for text in part_texts(document, lifecycle))
        in_play = (*in_play, *identifiers_in_play({}, of_packs), *named)
        leaves = [
            leaf
            for one in (view, *aliases.values())
            for leaf in (
                *one.entries,
                *one.taken_out,
                *one.made_into,
                *itertools.chain(*one.repairs.values(), one.named_by),
                *itertools.chain(*(k.named_by for k in one.named_of_others)),
                *itertools.chain(*(k.taken_out for k in one.tied_kin.values())),
                *itertools.chain(*(k.made_into for k in one.tied_kin.values())),
            )
        ]
        cited = {digest for leaf in leaves if (digest := _read(leaf.entry)[1]) is not None}
        events: dict[bytes, Held | Missing] = {
            digest: Held(self.documents[digest]) for digest in cited if digest in self.documents
        }
        values: dict[str, Any] = {
            "aliases": aliases,
            "network": network or self.network(),
            "ledger": view,
            "subjects": {
                t: found for t in (*in_play, *aliases) if (found := subject_if_readable(t)) is not None
            },
            "documents": fetched,
            "presented": tuple(shown),
            "events": events,
            "earlier": earlier,
            "namers": tuple(namers),
        }
        return Evidence(**(values | changes))

    def judge(
        self,
        text: str,
        *,
        shown: Sequence[Mapping[str, Any] | bytes] = (),
        policy_name: str = "customs-eu",
        direction: str | None = None,
        evidence: Evidence | None = None,
        others: Sequence[Mapping[str, Any]] = (),
        at: int | None = None,
        law_date: str = LAW_DATE,
        head: Mapping[str, Any] | None = None,
        asked_too: Collection[str] = (),
        **line: Any,
    ) -> ItemVerdict:
        """The verdict of one line of a manifest of this declaration, `others` being its further lines.

        `asked_too`: checks that the policy requires beside its own.
        """
        rules = policy(policy_name)
        rules = replace(rules, required=rules.required | set(asked_too))
        row = line_of(1, text, **line)
        documents = [d for d in shown if isinstance(d, Mapping)]
        number = 1 + sum(o.get("before", False) for o in others)
        row["line"] = number
        before = [{k: v for k, v in o.items() if k != "before"} for o in others if o.get("before")]
        after = [{k: v for k, v in o.items() if k != "before"} for o in others if not o.get("before")]
        rows = [*before, row | {"documents": documents}, *after]
        rows = [r | {"line": n} for n, r in enumerate(rows, start=1)]
        members = {"declaration": DECLARATION} if head is None else dict(head)
        manifest = Manifest.parse(members | {"lines": rows})
        context = ManifestContext.of(manifest, tables().identifiers, key_if_readable)
        return clear_item(
            manifest.lines[number - 1],
            evidence or self.evidence(text, shown=shown, vin=line.get("vin")),
            replace(rules, direction=direction) if direction else rules,
            law_date,
            at or self.now,
            context,
        )


def _repairs_it(entry: Entry | None, key: bytes, kinds: set[str]) -> bool:
    said = entry.attestation if isinstance(entry, AdmittedEntry) else None
    return said is not None and said.kind in kinds and standing_key(said.subject) == key


def line_of(number: int, text: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "line": number,
        "battery": text,
        "goods": "battery",
        "condition": "new",
        "commodity_code": "8507600000",
        "mass_kg": 452.5,
    }
    return row | changes


def world(**genesis: Any) -> World:
    return World(Ledger(make_genesis(**genesis))) if genesis else World()


@cache
def _begun(publishers: tuple[str, ...]) -> World:
    """The usual world before anything happened: only its lists are published."""
    return World(Ledger(), publishers)


def _twin(begun: World) -> World:
    """The same world once more: what never changes is shared, all else its own."""
    return copy.deepcopy(begun, begun.ledger.unchanging() | {id(leaf): leaf for leaf in begun.leaves})


@lru_cache(maxsize=4096)
def _parsed(entry: bytes) -> Entry:
    """A leaf, read once: what the harness gathers for one verdict asks again for most of the last one's."""
    return parse_entry(entry)


def _read_subject(entry: bytes) -> Subject | None:
    parsed = _parsed(entry)
    return parsed.attestation.subject if isinstance(parsed, AdmittedEntry) else None


@lru_cache(maxsize=4096)
def _read(entry: bytes) -> tuple[list[Any] | None, bytes | None]:
    """Whom a leaf is about, and the digest of the document that it attests."""
    parsed = _parsed(entry)
    if isinstance(parsed, AdmittedEntry):
        return parsed.attestation.subject.as_list(), parsed.attestation.document_digest
    return (parsed.subject.as_list(), None) if isinstance(parsed, RefusedEntry) else (None, None)


def used_pack(w: World, serial: int, *, record: Mapping[str, Any] | None = None) -> str:
    """A battery placed in the EU, measured, and exported as used; `record` changes the Annex XIV record."""
    text = code(serial)
    w.produce(text)
    w.publish(text)
    w.happen(
        MAKER,
        "market.placed",
        text,
        {"art_41_checked": True},
        parties=(WORKSHOP, "did:web:importer.example"),
    )
    w.happen(
        WORKSHOP,
        "soh.measured",
        text,
        {"method": "m", "measured_on": "2027-01-01", "soh_permille": 871},
        quantities={"soh_permille": 871},
    )
    members: dict[str, Any] = {
        "contract_reference": "INV-1",
        "soh_permille": 871,
        "soh_date": "2027-01-15",
        "not_waste": True,
        "packaging": "crate",
    }
    w.happen(
        "did:web:importer.example",
        "used.exported",
        text,
        members | dict(record or {}),
        quantities={"soh_permille": 871},
    )
    return text


__all__ = ["Line", "World", "replace"]
