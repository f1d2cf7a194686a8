"""A small real ledger for tests: a genesis of invented parties, their keys, a registry fed with blocks."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.application import Execution
from consensus.cose import SeedSigner
from consensus.encoding import encode
from consensus.merkle import Frontier, leaf_hash
from consensus.types import Block
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import SetList, countersign, draft_attestation, make_attestation
from credentials.ledger.genesis import Genesis, key_check, write_genesis
from credentials.ledger.parties import KEY_ROLES, Accreditation, Key, Limits, Participant
from credentials.ledger.recognition import Effect, Recognition
from credentials.ledger.registry import MemoryReader, Registry
from credentials.ledger.standing import Standing

RULES = Path(__file__).parents[2] / "config" / "rules"
CREATED = 1_800_000_000
NETWORK_KEY = b"n" * 32
ANY_BATTERY = (("gbt34014", "*"), ("gs1", "*"), ("uri", "*"))

MAKER = "did:web:maker.example"
OTHER_MAKER = "did:web:other-maker.example"
CN_AUTHORITY = "did:web:cn-authority.example"
EU_AUTHORITY = "did:web:eu-authority.example"
CUSTOMS = "did:web:customs.example"
IMPORTER = "did:web:importer.example"
WORKSHOP = "did:web:workshop.example"
RECYCLER = "did:web:recycler.example"
SECOND_LIFE = "did:web:second-life.example"
OUTSIDER = "did:web:outsider.example"
RIVAL = "did:web:rival-importer.example"  # as the importer, without any right over the batteries here
CN_CUSTOMS = "did:web:cn-customs.example"

# DID: (jurisdiction, roles, namespaces under which it may bring batteries into being)
PARTIES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    MAKER: ("CN", ("manufacturer", "vehicle_manufacturer", "producer"), ("ZZ1", "ZZ2")),
    CN_AUTHORITY: ("CN", ("authority", "customs_origin", "registration_authority"), ()),
    EU_AUTHORITY: ("EU", ("authority", "market_surveillance", "registration_authority"), ()),
    CUSTOMS: ("EU", ("customs",), ()),
    IMPORTER: ("EU", ("importer", "distributor", "holder", "owner"), ()),
    RIVAL: ("EU", ("importer", "distributor", "holder", "owner"), ()),
    CN_CUSTOMS: ("CN", ("customs",), ()),
    WORKSHOP: ("EU", ("workshop", "swap_operator", "lab", "insurer", "vehicle_dismantler"), ()),
    RECYCLER: (
        "EU",
        ("recycler", "waste_operator", "licensed_dismantler", "collection_point", "exporter", "manufacturer"),
        ("ZZ6",),
    ),
    SECOND_LIFE: ("EU", ("second_life_operator", "manufacturer"), ("ZZ5",)),
    OTHER_MAKER: ("CN", ("manufacturer",), ("ZZ3",)),
    OUTSIDER: ("CN", (), ()),
}
VALIDATORS = (MAKER, CN_AUTHORITY, EU_AUTHORITY, CUSTOMS)


@cache
def signer(did: str, role: str = "attest") -> SeedSigner:
    """The key of a party for a role: the same in every test."""
    return SeedSigner(f"{did}#{role}-1", sha256(f"{did}/{role}".encode()).digest())


def participant(did: str, *, valid_from: int = CREATED - 86_400) -> Participant:
    jurisdiction, roles, _ = PARTIES[did]
    keys = [Key(r, signer(did, r).key_id, signer(did, r).public_key, valid_from) for r in KEY_ROLES]
    return Participant(did, did.removeprefix("did:web:"), jurisdiction, roles, tuple(keys))


def accreditation(did: str, **changes: Any) -> Accreditation:
    jurisdiction, roles, namespaces = PARTIES[did]
    schemes = tuple(("gbt34014", n) for n in namespaces) if namespaces else ANY_BATTERY
    values: dict[str, Any] = {
        "participant": did,
        "roles": roles,
        "schemes": schemes,
        "jurisdiction": jurisdiction,
        "valid_from": CREATED - 86_400,
    }
    return Accreditation(**(values | changes))


@cache
def rule_files() -> dict[str, bytes]:
    return {"lifecycle.json": (RULES / "lifecycle.json").read_bytes()}


def accreditations() -> list[Accreditation]:
    found = [accreditation(did) for did, (_, roles, _) in PARTIES.items() if roles]
    # Makers also act on batteries that are not their own (placing on the market, second life).
    acting = (MAKER, SECOND_LIFE, RECYCLER)
    return found + [accreditation(did, schemes=ANY_BATTERY, licence="acting") for did in acting]


def genesis_arguments(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "name": "test",
        "origin": "log.test.example",
        "created": CREATED,
        "participants": [participant(did) for did in PARTIES],
        "validators": VALIDATORS,
        "accreditations": accreditations(),
        "recognitions": [
            Recognition(
                authority=EU_AUTHORITY,
                jurisdiction="EU",
                issuer=MAKER,
                rows=("ID-06",),
                effect=Effect.INFORMATION_ONLY,
                legal_basis="network-policy",
                valid_from=CREATED,
                conditions={"attestation_age_days_max": 30},
            )
        ],
        "rule_files": rule_files(),
        "network_key_check": key_check(NETWORK_KEY),
        "sealed_network_keys": {MAKER: b"sealed"},
    }
    return arguments | changes


def make_genesis(**changes: Any) -> Genesis:
    """The usual founding, or one with other arguments."""
    if not changes:
        return founded(Limits())
    arguments = genesis_arguments(**changes)
    return Genesis.parse(write_genesis(**arguments), arguments["rule_files"])


@cache
def founded(limits: Limits) -> Genesis:
    """The usual founding with these limits: written and read once, as it takes longer than most tests."""
    arguments = genesis_arguments(limits=limits)
    return Genesis.parse(write_genesis(**arguments), arguments["rule_files"])


def battery(number: int, namespace: str = "ZZ1") -> Subject:
    return Subject("gbt34014", namespace, sha256(b"battery %d" % number).digest())


def vehicle(number: int) -> Subject:
    return Subject("vin", "ZZ9", sha256(b"vehicle %d" % number).digest())


def set_list(number: int, version: int = 1) -> SetList:
    return SetList(
        version, {p: sha256(b"set %d %d %d" % (number, version, p)).digest() for p in (1, 2, 3, 4)}
    )


def set_list_digest(sets: SetList) -> bytes:
    return sha256(encode(sets.value)).digest()


def day_of(moment: int) -> int:
    """The first second of the day (UTC) of a moment; the second day of 1970 is the first that there is."""
    return max(86_400, moment - moment % 86_400)


def without_kinds(table: Mapping[str, Any], *kinds: str) -> dict[str, Any]:
    """The life cycle without what is of these kinds; nothing left is part of a quantity of theirs."""
    left = {s: [row for row in table[s] if row["type"] not in kinds] for s in ("events", "kinds")}
    for n, event in enumerate(left["events"]):
        members = {
            name: {k: v for k, v in member.items() if k != "part_of" or v.rpartition(".")[0] not in kinds}
            for name, member in event["members"].items()
        }
        left["events"][n] = {**event, "members": members}
    return {**table, **left}


class Ledger:
    """One registry with its own reader, fed block by block."""

    def __init__(self, genesis: Genesis | None = None, **limits: int) -> None:
        if genesis is None and not limits:
            usual = _usual()
            vars(self).update(copy.deepcopy(vars(usual), usual.unchanging()))
            return
        self.genesis = genesis or founded(Limits(**limits))
        self.reader = MemoryReader()
        self.history = self.genesis.history()
        self.registry = Registry(self.genesis, self.reader, history=self.history)
        self.now = CREATED + 1_000
        self.height = 0
        self.previous_id = bytes(32)
        self.log = Frontier()
        self._documents = 0

    def unchanging(self) -> dict[int, object]:
        """What a copy shares with this ledger, by its identity, as `copy.deepcopy` takes it."""
        verified = [attestation for attestation, _ in self.registry._verified.values()]
        governed = [governance for _, governance in self.history.epochs]
        return {id(one): one for one in (self.genesis, *governed, *verified)}

    def statement(self, kind: str, subject: Subject, **members: Any) -> dict[str, Any]:
        """What `make_attestation` takes, with a document nobody else has."""
        self._documents += 1
        statement: dict[str, Any] = {
            "kind": kind,
            "subject": subject,
            "network_id": self.genesis.network_id,
            "event_time": self.now,
            "document_digest": sha256(b"document %d" % self._documents).digest(),
        }
        sets = members.get("set_list")
        if sets is not None:
            statement["document_digest"] = set_list_digest(sets)
        if kind == "battery.produced":
            statement["produced_on"] = day_of(members.get("event_time", self.now))
        event = self.history.latest.lifecycle.event(kind)
        truths = [m for m in (event.ledger_members if event else ()) if m.type == "boolean" and m.required]
        if members.get("quantities", truths):  # {}: it states none; None: it leaves one out
            stated = dict.fromkeys((m.name for m in truths), 1) | members.get("quantities", {})
            members["quantities"] = {name: amount for name, amount in stated.items() if amount is not None}
        return statement | members

    def attest(self, by: str, kind: str, subject: Subject, **members: Any) -> bytes:
        """A signed attestation."""
        key = members.pop("key", signer(by))
        iat = members.pop("iat", self.now)
        return make_attestation(
            signer=key, iat=iat, **{"issuer": by, **self.statement(kind, subject, **members)}
        )

    def block(self, txs: Sequence[bytes], **changes: Any) -> Block:
        """The next block with exactly these attestations, in this order."""
        values: dict[str, Any] = {
            "height": self.height + 1,
            "time": self.now,
            "previous_id": self.previous_id,
            "proposer": MAKER,
            "app_hash": self.registry.app_hash,
            "log_size": self.log.size,
            "log_root": self.log.root,
            "config_digest": self.genesis.config_digest,
            "app_version": self.registry.app_version,
            "attestations": tuple(txs),
        }
        return Block(**(values | changes))

    def propose(self, txs: Sequence[bytes]) -> tuple[bytes, ...]:
        """What a proposer would put into the next block."""
        return self.registry.prepare_proposal(txs, self.height + 1, self.now, self.previous_id, 1 << 20)

    def run(self, *txs: bytes) -> Execution:
        """Check, propose, execute, store and commit; all of `txs` must have been proposable."""
        for tx in txs:
            self.registry.check_tx(tx, self.now)
        chosen = self.propose(txs)
        assert len(chosen) == len(txs), "an attestation was not proposable"
        return self.execute(self.block(chosen))

    def execute(self, block: Block) -> Execution:
        """Execute a block, store it and commit it."""
        execution = self.registry.process_proposal(block)
        self.reader.store(execution)
        self.registry.commit(execution)
        self.height, self.previous_id = block.height, block.id
        self.log = self.log.append([leaf_hash(entry) for entry in execution.entries])
        self.now += 10
        return execution

    def countersigned(
        self, by: str, kind: str, subject: Subject, who: Sequence[str], **members: Any
    ) -> bytes:
        """An attestation that other parties countersigned before its author signed it."""
        statement = self.statement(kind, subject, **members)
        draft = draft_attestation(issuer=by, **statement)
        statement["countersignatures"] = [countersign(draft, signer(did)) for did in who]
        return make_attestation(signer=signer(by), iat=self.now, issuer=by, **statement)

    def hand_over(self, by: str, subject: Subject, to: str) -> None:
        """The holder hands the battery over; both sign, if the incoming party has a node."""
        who = [to] if to.startswith("did:") else []
        self.run(self.countersigned(by, "battery.handed_over", subject, who, parties=(to,)))

    def happen(self, by: str, kind: str, subject: Subject, **members: Any) -> Execution:
        """Attest one event and run it in a block of its own."""
        return self.run(self.attest(by, kind, subject, **members))

    def forget(self, *kinds: str) -> None:
        """From the next block on the life cycle in force has no events of these kinds."""
        self.go_by(without_kinds(lifecycle_table(), *kinds))

    def go_by(self, table: Mapping[str, Any]) -> None:
        """From the next block on this life cycle is in force."""
        governance = self.history.latest
        rules = {**governance.rules, "lifecycle.json": table}
        self.history.enact(self.history.height + 1, replace(governance, rules=rules))
        self.run()

    def standing(self, subject: Subject) -> Standing:
        """The committed standing, or that of an unknown battery."""
        return self.registry.standing(subject) or Standing(subject)

    def produced(self, number: int, *, published: bool = False) -> Subject:
        """A battery of MAKER."""
        subject = battery(number)
        self.happen(MAKER, "battery.produced", subject)
        if published:
            self.happen(MAKER, "passport.published", subject, set_list=set_list(number))
        return subject

    def installed(self, number: int, car: Subject) -> Subject:
        """A published battery in a vehicle."""
        subject = self.produced(number, published=True)
        self.happen(MAKER, "battery.installed", subject, bound_asset=car)
        return subject

    def waste(self, number: int) -> Subject:
        """A battery that was placed on the market and declared waste; RECYCLER and SECOND_LIFE are named."""
        subject = self.produced(number, published=True)
        self.happen(MAKER, "market.placed", subject, parties=(RECYCLER,))
        self.happen(MAKER, "battery.declared_waste", subject, parties=(SECOND_LIFE,))
        return subject


@cache
def _usual() -> Ledger:
    """The ledger of the usual genesis before its first block."""
    return Ledger(founded(Limits()))


def lifecycle_table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((RULES / "lifecycle.json").read_bytes())
    return table
