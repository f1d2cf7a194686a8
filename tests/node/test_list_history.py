"""What the versions of a status list said, as a node follows them: what is held is read once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Set
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from credentials.documents.canonical import b64u_decode
from credentials.documents.status import BITS_MIN, read_list
from credentials.ledger.governance import Governance
from node.issuing.statements import Batch
from node.peers.gossip import Gossip
from node.storage.documents import DocumentTable
from node.storage.office import OfficeStore
from node.verdicts import list_history
from node.verdicts.list_history import Before, ListHistory
from node.verdicts.lists import keys_of
from node.verdicts.sources import Gathering
from tests.harness.restarts import Maker, maker
from tests.harness.support_service import DID

REVOCATION = "revocation"


def lower(node: Maker, place: int) -> None:
    """A version of the own list that takes a revocation back, as no node of ours makes it."""
    issuing, office = node.up.passports._issuing, node.up.stores.office
    batch = Batch(int(time.time()))
    with issuing.lock, office.writing() as db:
        issuing.lists.set_bit(db, REVOCATION, place, raised=False, batch=batch)
        batch.store(db)
    node.wait_quiet()


def robbed_from_the_start(governance: Governance) -> Governance:
    party = governance.participants[DID]
    keys = tuple(replace(key, compromised_from=0) if key.role == "attest" else key for key in party.keys)
    return replace(governance, participants={**governance.participants, DID: replace(party, keys=keys)})


def raised_in(before: Before) -> set[int]:
    return {place for place in range(BITS_MIN) if before["raised_before"].meet(range(place, place + 1))}


class Issuer:
    """The maker, as the node of another participant reaches it; that knows it no better than its gossip."""

    def __init__(self, node: Maker, *, kept_back: Set[bytes] = frozenset()) -> None:
        self.giving = node.up.overview.gathering.giving
        self.peers = node.up.overview.gathering.lag._gossip.peers
        self.kept_back = kept_back
        self.asked: list[set[bytes]] = []

    def request(self, did: str, path: str, body: bytes, timeout_s: float) -> bytes:
        assert (did, path) == (DID, "documents")
        wanted = {b64u_decode(text) for text in orjson.loads(body)["want"]}
        self.asked.append(wanted)
        if wanted & self.kept_back:
            raise OSError("nobody answers")
        return self.giving.answer_peer(DID, body)


def gathering_beside(node: Maker, office: OfficeStore, issuer: Issuer) -> Gathering:
    """That of a node that has the maker's ledger, and what is in this office."""
    own = node.up.overview.gathering
    return Gathering(
        history=own.history,
        created=0,
        did="did:web:joined.example",
        network_key=own._network_key,
        ledger=own._ledger,
        office=office,
        gossip=cast(Gossip, issuer),
        tables=lambda _: own.tables,
        policy=own._policy,
        view=own._view,
    )


@pytest.mark.check
def test_who_joins_later_asks_for_the_versions_it_lacks_and_tells_of_them_until_it_has_them(
    tmp_path: Path,
) -> None:
    """
    D842: the second version revoked, the fourth took that back. A node that has the fourth alone asks their
    issuer for the others, with whatever it judges that is no passport on record, and goes by them at once.
    """
    with maker(tmp_path) as node, closing(OfficeStore(tmp_path / "joined.db")) as office:
        node.start()
        given, other = node.issue(1), node.issue(2)
        place = given.entries[REVOCATION][1]
        for one in (given, other):
            node.wait_quiet()
            node.act(one, "revoked")
        node.wait_quiet()
        lower(node, place)
        lists = node.up.passports._issuing.lists
        *before, newest = (version.digest for version in lists.versions(node.list_name(REVOCATION)))
        lacking = set(before)
        key = (DID, REVOCATION, lists.url(node.list_name(REVOCATION)))
        another = {"issuer": DID, "credentialStatus": given.credential["credentialStatus"]}

        def seen(shown: object, **issuer: Any) -> tuple[int, bool, set[bytes]]:
            reached = Issuer(node, **issuer)
            line = {"battery": given.code, "documents": [shown]}
            source = gathering_beside(node, office, reached).evidence(line).network.status_lists[key]
            asked = set[bytes]().union(*reached.asked)
            raised = source.raised_before.meet(range(place, place + 1))
            return source.unread_before, raised, asked & {*lacking, newest}

        passport = seen(given.credential)
        apart = seen(another, kept_back=lacking)
        joined = seen(another)
        again = seen(another)

    assert len(lacking) == 3
    assert passport == (3, False, {newest})
    assert apart == (3, False, lacking)
    assert joined == (0, True, lacking)
    assert again == (0, True, set())


@pytest.mark.check
def test_each_version_is_read_once_and_the_newest_when_it_is_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Two passports are revoked, then a version lowers the first: it is raised before. Each document is read
    once, however often it is asked; the newest, as long as it is not held, is looked for again. Were the key
    under them all stolen, they raised nothing; once that is taken back they did again.
    """
    read = Counter[str]()

    def counted(document: Mapping[str, Any]) -> Any:
        read[document["proof"]["proofValue"]] += 1
        return read_list(document)

    monkeypatch.setattr(list_history, "read_list", counted)
    with maker(tmp_path) as node:
        node.start()
        given = [node.issue(1), node.issue(2)]
        places = [one.entries[REVOCATION][1] for one in given]
        for one in given:
            node.wait_quiet()
            node.act(one, "revoked")
        node.wait_quiet()
        lower(node, places[0])
        lists, stores = node.up.passports._issuing.lists, node.up.stores
        newest, held = lists.newest(node.list_name(REVOCATION)), DocumentTable.get_many
        history, governed = ListHistory(stores.ledger, stores.office), node.up.overview.history
        asked = ((DID, REVOCATION, lists.url(node.list_name(REVOCATION))), governed.height, governed.latest)
        with stores.ledger.reading(), stores.office.reading():
            with monkeypatch.context() as apart:
                apart.setattr(
                    DocumentTable,
                    "get_many",
                    lambda table, digests: {d: x for d, x in held(table, digests).items() if d != newest},
                )
                before = history.of(*asked)
            after = [history.of(*asked) for _ in range(3)]
            reads = Counter(read)
            robbed = history.of(*asked[:2], robbed_from_the_start(asked[2]))
            again = history.of(*asked)
            monkeypatch.setattr(list_history, "HISTORIES_BYTES_MAX", 0)
            history.of(*asked[:2], robbed_from_the_start(asked[2]))  # all that is kept gives way to it
            bounded = history.of(*asked)
            unread = [one["unread_before"] for one in (before, *after, again)]

    assert unread == [0] * 5
    assert max(places) < BITS_MIN
    assert raised_in(before) == set(places)
    assert [raised_in(one) for one in after] == [{places[0]}] * 3
    assert set(reads.values()) == {1} and len(reads) == 4
    assert (raised_in(robbed), raised_in(again), raised_in(bounded)) == (set(), {places[0]}, {places[0]})


def test_the_lists_of_a_document_are_known_by_its_issuer_however_it_is_written() -> None:
    """
    An issuer may be an object with an id; a status entry without its form names no list.
    """
    entry = {"statusPurpose": REVOCATION, "statusListCredential": "https://a.example/1"}
    named = {"issuer": {"id": DID, "name": "Cell works"}, "credentialStatus": [entry, {}, "x"]}
    known = (DID, REVOCATION, "https://a.example/1")

    assert keys_of([named]) == keys_of([{**named, "issuer": DID, "credentialStatus": entry}]) == {known}
    assert keys_of([{**named, "issuer": {"name": "nobody"}}]) == set()
