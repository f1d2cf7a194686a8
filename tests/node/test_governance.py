"""A node whose governance changes while it runs: every room asks what is in force now, or was then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.cose import SeedSigner
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance import LIFECYCLE_FILE, GovernanceHistory
from credentials.ledger.parties import Key, Stop
from credentials.ledger.registry import MemoryReader, Registry
from credentials.verdicts.rule_tables import CODES, PATHS
from node import config, rules_in_force
from node.errors import ProblemError, SetupError
from node.issuing.accused import FaultInvalid
from node.issuing.faults import verify_credential, verify_statements
from node.issuing.issuing import Issuing
from node.issuing.ledger_follower import Kinds
from node.issuing.signing import Signers
from node.ledger import snapshot
from node.ledger.chain import constitution_of
from node.peers.authentication import PARTING_S, PeerAuthentication
from node.peers.gossip import Gossip
from node.resolution.fetch import Fetcher
from node.resolution.resolver import Resolver
from node.setup.keystore import Keys
from node.setup.network import verify as verify_network
from node.storage.office import OfficeStore
from node.use_cases.governance_shown import _key
from node.verdicts.lag import Lag
from tests.harness import ledger
from tests.harness.epochs import first, with_keys, with_party, without_licences, without_party
from tests.harness.ledger import CREATED, CUSTOMS, EU_AUTHORITY, IMPORTER, MAKER, make_genesis
from tests.harness.support_service import CODE, DID, PASSPHRASE, LiveNode, live_node
from tests.node.test_fault_credentials import faults, known_by

NOW = CREATED + 100
NEWER = SeedSigner(f"{MAKER}#transport-2", b"\x09" * 32)
SIGNED_BY_ITSELF = {
    "type": ["BatteryEventCredential"],
    "issuer": MAKER,
    "credentialSubject": {"id": "ZZ1PE75QH00001G630000001", "event": "battery.produced"},
}
DROPPED = ("battery.produced", "passport.published")


def moved_on(history: GovernanceHistory) -> None:
    """One more block is committed."""
    history.advance(history.height + 1)


def speaker(history: GovernanceHistory, did: str, signer: SeedSigner | None = None) -> PeerAuthentication:
    own = signer or ledger.signer(did, "transport")
    return PeerAuthentication(make_genesis().network_id, history, did, (own,), now=lambda: NOW)


def test_peers_are_heard_by_the_keys_of_the_next_block() -> None:
    """
    A rotated transport key is taken from its epoch on, the old one no more; who left is not heard at all.
    """
    history = make_genesis().history()
    rotated = with_keys(
        without_party(first(), IMPORTER),
        MAKER,
        lambda key: replace(key, valid_until=NOW) if key.role == "transport" else key,
        Key("transport", NEWER.key_id, NEWER.public_key, NOW),
    )
    history.enact(2, rotated)
    customs = speaker(history, CUSTOMS)
    maker, newer, importer = (
        speaker(history, MAKER),
        speaker(history, MAKER, NEWER),
        speaker(history, IMPORTER),
    )

    def heard(by: PeerAuthentication) -> str:
        try:
            return customs.open_request(by.request(CUSTOMS, "status", b"x")[0], "status")[0]
        except ProblemError as refused:
            return refused.code

    before = [heard(maker), heard(newer), heard(importer)]
    moved_on(history)
    after = [heard(maker), heard(newer), heard(importer)]

    assert before == [MAKER, "peer_not_authenticated", IMPORTER]
    assert after == ["peer_not_authenticated", MAKER, "peer_not_authenticated"]
    with pytest.raises(ProblemError, match="knows no transport key"):
        customs.request(IMPORTER, "status", b"x")


def test_votes_and_lag_are_those_of_the_next_block() -> None:
    """
    Whoever votes no more is sent nothing for validators, and its claims and silence count no more.
    """
    history = make_genesis().history()
    history.enact(2, replace(first(), validator_dids=(MAKER, EU_AUTHORITY)))
    own = speaker(history, MAKER)
    addresses = {did: f"http://127.0.0.1:{n}" for n, did in enumerate((CUSTOMS, EU_AUTHORITY, IMPORTER), 9)}
    gossip = Gossip(own, addresses, None, poll_s=5)  # type: ignore[arg-type]  # nobody is heard
    lag = Lag(history, MAKER, gossip)
    gossip.peers[CUSTOMS].height, gossip.peers[EU_AUTHORITY].height = 50, 20

    def sent() -> list[str]:
        waiting = {did: len(peer.outgoing) for did, peer in gossip.peers.items()}
        gossip.broadcast([1, b"x"])
        return [did for did, peer in gossip.peers.items() if len(peer.outgoing) > waiting[did]]

    before = sent(), lag.lag_heights(10)
    moved_on(history)
    after = sent(), lag.lag_heights(10)

    assert before == ([CUSTOMS, EU_AUTHORITY], 10)
    assert after == ([EU_AUTHORITY], 10)
    gossip.close()


def test_a_did_document_shows_the_keys_in_force() -> None:
    """
    The resolver answers from what governs now: a new key is found, and its document names it.
    """
    history = make_genesis().history()
    key = Key("credential", f"{MAKER}#credential-2", NEWER.public_key, NOW)
    history.enact(2, with_keys(first(), MAKER, lambda k: k, key))
    resolver = Resolver(history, Fetcher(None))

    before = str(resolver.document(MAKER))
    moved_on(history)

    assert key.id not in before and key.id in str(resolver.document(MAKER))
    assert resolver.keys("assertionMethod", NOW)(key.id) == NEWER.public_key


def test_what_is_signed_is_judged_by_what_governs_the_next_block() -> None:
    """
    A licence that ends with the next block is missed by whoever signs now.
    """
    genesis = make_genesis(rule_files=ledger.rule_files())
    identifiers = {"gbt34014.json": json.loads((ledger.RULES / "gbt34014.json").read_bytes())}
    # Of today: the clock of this machine is before the founding of the tests' network.
    licences = tuple(replace(a, valid_from=0) for a in genesis.governance.accreditations)
    rules = {**genesis.governance.rules, **identifiers}
    one = replace(genesis.governance, rules=rules, accreditations=licences)
    history = GovernanceHistory([(0, one)])
    history.enact(2, without_licences(one, MAKER))
    office = OfficeStore(Path(":memory:"))
    issuing = issuing_of(genesis, history, office)
    before = issuing.unattested(SIGNED_BY_ITSELF), issuing.signing.governance
    moved_on(history)
    after = issuing.unattested(SIGNED_BY_ITSELF), issuing.signing.governance

    assert before[1] is one and after[1] is history.at(2)
    assert "not attested" in str(before[0]) and "not accredited" not in str(before[0])
    assert "not accredited" in str(after[0])
    office.close()


def test_what_is_issued_goes_by_the_rule_files_that_a_verdict_reads() -> None:
    """
    Nothing is signed by a rule file in force that this version cannot go by, whatever it could read of it,
    nor of a kind that the life cycle has no more: each is told. Where the network has none, the shipped one
    is gone by.
    """
    genesis = make_genesis(rule_files=ledger.rule_files())
    first, cycle = genesis.governance, ledger.lifecycle_table()
    cycle["events"] = [row for row in cycle["events"] if row["type"] not in DROPPED]
    newer = {
        name: config.read_table(name, config.shipped(f"rules/{name}")) | {"format": 2}
        for name in (CODES, PATHS)
    }
    history = GovernanceHistory([(0, first)])
    history.enact(2, replace(first, rules={**first.rules, **newer, LIFECYCLE_FILE: cycle}))
    office = OfficeStore(Path(":memory:"))
    issuing = issuing_of(genesis, history, office)
    shipped = rules_in_force.tables()

    signing = issuing.signing
    assert (signing.identifiers, signing.paths) == (shipped.identifiers, shipped.paths)
    assert signing.event_with("publish").type == "passport.published"
    moved_on(history)

    for asked, status, code in (
        (lambda: signing.identifiers, 503, "rules_unread"),
        (lambda: signing.paths, 503, "rules_unread"),
        (lambda: issuing.unattested(SIGNED_BY_ITSELF), 503, "rules_unread"),
        (lambda: signing.event_with("publish"), 409, "unknown_kind"),
        (lambda: signing.event_that(lambda effects: effects.creates), 409, "unknown_kind"),
    ):
        with pytest.raises(ProblemError) as refused:
            asked()
        assert (refused.value.status, refused.value.code) == (status, code)
    office.close()


def issuing_of(genesis: Genesis, history: GovernanceHistory, office: OfficeStore) -> Issuing:
    return Issuing(
        network_id=genesis.network_id,
        history=history,
        did=MAKER,
        signers=Signers(ledger.signer(MAKER), ledger.signer(MAKER, "credential")),
        network_key=ledger.NETWORK_KEY,
        places_secret=bytes(32),
        office=office,
        registry=Registry(genesis, MemoryReader(), history=history),
        schema=None,
        tables=rules_in_force.tables,
    )


def test_the_kinds_that_an_office_follows_are_those_of_the_life_cycle() -> None:
    """
    Which statements change, list or publish passports is read off the table in force.
    """
    kinds = Kinds.of(first())

    assert {"passport.revoked", "attestation.voided"} <= set(kinds.changing)
    assert kinds.listing == {"status.published"}
    assert "passport.published" in kinds.publishing and kinds.listing.isdisjoint(kinds.changing)


# -- a node that runs ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("governed")) as running:
        yield running


def test_a_fault_is_judged_by_who_voted_at_its_height(node: LiveNode) -> None:
    """
    The accused is asked for at the height of its votes: before it voted, and after, nothing is proven.
    """
    genesis = verify_network(node.data / "network").genesis
    found = faults(Keys.load(node.data, DID, PASSPHRASE), genesis)["double"]
    one = genesis.governance
    party = one.participants[DID]
    other = replace(
        party,
        did="did:web:other.example",
        keys=tuple(
            Key(k.role, f"did:web:other.example#{k.role}", bytes([n]) * 32, k.valid_from)
            for n, k in enumerate(party.keys, 1)
        ),
    )
    both = {**one.participants, other.did: other}
    elsewhere = replace(one, participants=both, validator_dids=(other.did,))
    known = replace(one, participants=both)

    verify_statements(found, genesis, known_by(node, genesis.history()))
    verify_statements(found, genesis, known_by(node, GovernanceHistory([(0, known), (2, elsewhere)])))
    with pytest.raises(FaultInvalid, match="was no validator of this network then"):
        verify_statements(
            found, genesis, known_by(node, GovernanceHistory([(0, elsewhere), (2, known)], height=5))
        )
    with pytest.raises(FaultInvalid):
        verify_credential({"credentialSubject": {}}, genesis, known_by(node, genesis.history()))


def test_a_running_node_takes_over_what_the_ledger_enacts(node: LiveNode) -> None:
    """
    A new name and a lost licence count from their height on, everywhere and without a restart; an entry is
    shown under the name of its time.
    """
    history = node.service.overview.history

    def produced(serial: int) -> Any:
        code, members = f"{CODE[:-2]}{serial}", {"production_date": "2026-06-02", "category": "ev"}
        body = {"event": "battery.produced", "battery": code, "members": members}
        return node.post_json("/attestations", body)

    def name_shown() -> str:
        return str(node.get_json("/status")["name"])

    assert produced(11).status_code in (201, 202)
    node.wait(lambda: history.height >= 1, "the first block")
    old = name_shown()
    start = history.height + 2
    renamed = with_party(history.latest, DID, name="Renamed works")
    history.enact(start, renamed)
    for serial in range(12, 16):
        if history.height >= start:
            break
        height = history.height
        assert produced(serial).status_code in (201, 202)
        node.wait(lambda height=height: history.height > height, "a block")  # type: ignore[misc]

    entries = node.service.records.entries(0, 200)
    names = {e["height"]: e["issuer_name"] for e in entries if e["issuer"] == DID}
    assert name_shown() == "Renamed works" != old
    assert [p["name"] for p in node.service.overview.participants()] == ["Renamed works"]
    assert {name for height, name in names.items() if height < start} == {old}
    assert {name for height, name in names.items() if height >= start} == {"Renamed works"}
    network = verify_network(node.data / "network")
    restored = constitution_of(node.service.stores.ledger, network.genesis, network.rule_files)
    assert restored.history.height == history.height


def test_who_left_is_answered_its_last_blocks_for_a_week() -> None:
    """
    It asks where the others are and for blocks, and is told which is its last one; no documents, no snapshot,
    and nothing after that week.
    """
    history = make_genesis().history()
    history.enact(2, with_party(first(), IMPORTER, left=NOW))
    moved_on(history)
    network, at = make_genesis().network_id, [NOW + 1]
    own = (ledger.signer(IMPORTER, "transport"),)
    behind = PeerAuthentication(network, make_genesis().history(), IMPORTER, own, now=lambda: at[0])
    peers_own = (ledger.signer(CUSTOMS, "transport"),)
    peer = PeerAuthentication(network, history, CUSTOMS, peers_own, now=lambda: at[0])

    def answered(path: str) -> bytes:
        data, nonce = behind.request(CUSTOMS, path, b"x")
        sender, seen, _ = peer.open_request(data, path)
        return behind.open_reply(peer.reply(sender, seen, path, b"answer"), path, CUSTOMS, nonce)

    assert peer.last_height_for(IMPORTER) == 1 and peer.last_height_for(MAKER) is None
    for path in ("status", "messages", "blocks"):
        assert answered(path) == b"answer"
    for path in ("documents", "snapshot", "joining"):
        with pytest.raises(ProblemError, match="not signed by the transport key"):
            answered(path)
    at[0] = NOW + PARTING_S
    with pytest.raises(ProblemError, match="not signed by the transport key"):
        answered("blocks")
    with pytest.raises(ProblemError, match="knows no transport key"):
        peer.request(IMPORTER, "status", b"x")


class Wire:
    """A link to a peer that hears what it can open."""

    def __init__(self, peer: PeerAuthentication) -> None:
        self._peer = peer

    def post(self, path: str, data: bytes, **_: object) -> tuple[int, bytes]:
        try:
            sender, nonce, body = self._peer.open_request(data, "snapshot")
        except ProblemError as refused:
            return refused.status, b""
        return 200, self._peer.reply(sender, nonce, "snapshot", body[::-1])

    def close(self) -> None:
        """Nothing is open."""


def test_who_has_no_ledger_is_heard_with_the_key_that_governs(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Its own transport key was replaced, and the peer's: asked with one key after the other, answered with the
    key that was asked. A peer of later than the founding is not asked, and the sentence says why.
    """
    history, at = make_genesis().history(), NOW
    newer = SeedSigner(f"{IMPORTER}#transport-2", b"\x09" * 32)
    peers_newer = SeedSigner(f"{CUSTOMS}#transport-2", b"\x0a" * 32)
    governs = first()
    for signer in (newer, peers_newer):
        did = signer.key_id.partition("#")[0]
        key = Key("transport", signer.key_id, signer.public_key, at - 1)
        governs = with_keys(
            governs, did, lambda k: replace(k, valid_until=at) if k.role == "transport" else k, key
        )
    history.enact(1, governs)
    history.advance(1)
    network, own = make_genesis().network_id, (ledger.signer(IMPORTER, "transport"), newer)
    peers_own = (peers_newer, ledger.signer(CUSTOMS, "transport"))
    peer = PeerAuthentication(network, history, CUSTOMS, peers_own, now=lambda: NOW)
    asker = PeerAuthentication(network, make_genesis().history(), IMPORTER, own, now=lambda: NOW)
    monkeypatch.setattr(snapshot, "Link", lambda *_: Wire(peer))
    addresses = {CUSTOMS: "https://customs.example", "did:web:new.example": "https://new.example"}

    with snapshot.asking(asker, addresses, "https://customs.example") as ask:
        assert ask(b"abc") == b"cba"
    with (
        pytest.raises(SetupError, match=r"did:web:new\.example joined later than the founding"),
        snapshot.asking(asker, addresses, "https://new.example"),
    ):
        pass


def test_a_key_is_told_as_stopped_while_its_stop_lasts() -> None:
    """
    Before a stop begins and once it lapsed it is what it was.
    """
    governance = make_genesis().governance
    key = governance.participants[MAKER].keys[0]
    stop = Stop(key.id, ledger.CN_AUTHORITY, since=2_000_000_000, until=2_000_000_010)
    stopped = replace(governance, stops={key.id: stop})

    told = [_key(stopped, key, at)["state"] for at in (1_999_999_999, 2_000_000_000, 2_000_000_010)]

    assert told == ["in_force", "stopped", "in_force"]
