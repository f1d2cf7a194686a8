"""Two recyclers race for one battery, at their own nodes, in a network under load: one has it, everywhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from consensus.log_policy import LogPolicy
from consensus.receipt import Receipt, verify_receipt
from credentials.ledger.entries import AdmittedEntry, ClaimEntry, parse_entry
from node.receipts.checker import what_it_says
from node.use_cases.digests import read_digest
from tests.harness.net.batteries import code_of
from tests.harness.net.harness import CN, CUSTOMS, EU, JSON, Node, Party, running, wait

MAKER = Party("maker", "CN", ("manufacturer", "producer"), schemes=(("gbt34014", "ZZ1"),))
RECYCLERS = tuple(
    Party(name, "CN", ("recycler", "waste_operator"), validator=False) for name in ("first", "second")
)
RACES = (
    pytest.param(20, id="20 races", marks=pytest.mark.check),
    pytest.param(200, id="200 races", marks=pytest.mark.long),
)
AT_ONCE = 20  # batteries that are raced for before anybody looks
RACED = "recycling.received"
TAKEN_IN = {"facility_licence": "L-1", "mass_in_grams": 450_000, "as_claim": True}
ENDS = ("admitted", "claim", "refused")
BEHIND_MAX = 50  # batteries of the load that wait for the network
LOADED = 5_000_000  # serials of the batteries that only make the load


def attest(node: Node, event: str, serial: int, members: JSON, at: int | None = None) -> tuple[int, JSON]:
    body = {"event": event, "battery": code_of(serial), "members": members, "event_time": at}
    status, answer = node.request("POST", "/attestations", body)
    return status, dict(answer)


def state_of(node: Node, digest: str) -> JSON:
    return dict(node.get(f"/attestations/{digest}"))


def produced(serial: int) -> JSON:
    return {"production_date": f"2026-06-{1 + serial % 28:02d}", "category": "ev"}


def recorded(node: Node, event: str, serials: Sequence[int], of: Callable[[int], JSON]) -> None:
    """State it of each, and wait until all are on record."""
    made = [attest(node, event, serial, of(serial)) for serial in serials]
    assert all(status == 201 for status, _ in made), made
    digests = [answer["digest"] for _, answer in made]
    wait(event, lambda: all(state_of(node, digest)["state"] == "admitted" for digest in digests))


@contextmanager
def under_load(maker: Node) -> Iterator[Counter[str]]:
    """Batteries are produced the whole time, as fast as one client is answered and the network follows."""
    ended, made = threading.Event(), Counter[str]()

    def produce() -> None:
        while not ended.is_set():
            serial = LOADED + made["produced"]
            status, answer = attest(maker, "battery.produced", serial, produced(serial))
            made["produced"] += 1
            # On a busy machine what is raced for would never have its turn behind all of these.
            if made["produced"] % BEHIND_MAX == 0 and status == 201:
                while state_of(maker, answer["digest"])["state"] == "outbox" and not ended.wait(0.1):
                    pass

    working = threading.Thread(target=produce)
    working.start()
    try:
        yield made
    finally:
        ended.set()
        working.join()


@dataclass(frozen=True, slots=True)
class Race:
    """What the two stated of one battery: (who, digest), in the order of RECYCLERS."""

    serial: int
    stated: tuple[tuple[Node, str], tuple[Node, str]]


def made_ready(maker: Node, both: Sequence[Node], serials: Sequence[int]) -> None:
    """Waste, which its maker named both recyclers for, one after the other."""
    first, second = (node.party.did for node in both)
    recorded(maker, "battery.produced", serials, produced)
    recorded(maker, "market.placed", serials, lambda _: {"art_41_checked": True, "named_party": first})
    recorded(maker, "battery.declared_waste", serials, lambda _: {"reason": "old", "named_party": second})
    height = maker.height()
    wait("both to follow", lambda: min(node.height() for node in both) >= height)


def raced(nodes: Sequence[Node], event: str, serials: Sequence[int], members: JSON) -> list[Race]:
    """Both state it of each battery in the same moment, as of one second."""
    start, at = threading.Barrier(len(nodes)), int(time.time())
    digests: dict[tuple[int, str], str] = {}

    def run(node: Node) -> None:
        for serial in serials:
            start.wait(60)
            status, answer = attest(node, event, serial, members, at)
            assert status == 201, answer
            digests[serial, node.party.name] = str(answer["digest"])

    runners = [threading.Thread(target=run, args=(node,)) for node in nodes]
    for one in runners:
        one.start()
    for one in runners:
        one.join()
    first, second = nodes
    return [
        Race(s, ((first, digests[s, first.party.name]), (second, digests[s, second.party.name])))
        for s in serials
    ]


def offline(node: Node, digest: str) -> tuple[int, Any, str]:
    """(leaf, entry, in words) by the receipt alone, under the log's policy: no node is asked again."""
    policy = LogPolicy.parse(node.get("/log/policy"))
    wait("the receipt", lambda: node.status_of(f"/receipts/{digest}") == 200)
    receipt = Receipt.parse(node.get(f"/receipts/{digest}"))
    verified = verify_receipt(receipt, policy)
    return receipt.index, parse_entry(verified.entry), what_it_says(verified.entry).words


def judged(race: Race) -> Race:
    """The same, with the winner first; the loser holds a receipt of what became of its statement."""
    wait("both to be settled", lambda: all(state_of(*one)["state"] in ENDS for one in race.stated))
    won = [one for one in race.stated if state_of(*one)["state"] == "admitted"]
    lost = [one for one in race.stated if one not in won]
    assert (len(won), len(lost)) == (1, 1), [state_of(*one) for one in race.stated]
    (winner, admitted), (loser, beaten) = won[0], lost[0]
    at, entry, _ = offline(winner, admitted)
    later, refused, words = offline(loser, beaten)
    assert isinstance(entry, AdmittedEntry) and isinstance(refused, ClaimEntry)
    assert (entry.attestation.issuer, entry.attestation.digest) == (winner.party.did, read_digest(admitted))
    assert (refused.attestation.issuer, refused.attestation.digest) == (loser.party.did, read_digest(beaten))
    assert refused.attestation.subject == entry.attestation.subject and at < later
    assert f"{loser.party.did} CLAIMED {RACED}" in words and "had no right over it" in words
    why = state_of(loser, beaten)["refusal"]
    assert (why["state"], why["winner_leaf_index"]) == ("claim", at) and f"no. {at}" in why["text"]
    return Race(race.serial, (won[0], lost[0]))


def alerted(node: Node, race: Race) -> bool:
    """Its one alert here is that the loser counted it twice, and names the record that was there first."""
    (winner, admitted), (loser, _) = race.stated
    first = state_of(winner, admitted)["leaf_index"]
    found = node.get(f"/supervision?battery={code_of(race.serial)}")["alerts"]
    told = [(one["code"], one["rule"], one["party"]) for one in found]
    assert told in ([], [("counted_twice", "X4", loser.party.did)])
    return bool(found) and f"no. {first} was there first" in found[0]["text"]


def shown(node: Node, serial: int) -> JSON:
    """What a node shows of a battery: its standing, and each record with what became of it."""
    told = node.get(f"/batteries/{code_of(serial)}")
    lines = [(one["leaf_index"], one["attestation_digest"], one["state"]) for one in told["timeline"]]
    return {"standing": told["standing"], "timeline": lines}


@pytest.mark.parametrize("count", RACES)
def test_two_recyclers_race_for_one_battery(
    count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Two recyclers whom its holder named state in one moment that they took a battery in, at a network that
    records other batteries meanwhile. One wins, at every node the same; the other has a receipt that its
    statement is a claim from which nothing follows, valid by the log's policy alone, and its node says which
    record was there first. Its authority, and it
    itself, are told once, by X4, with the record that was there first.
    """
    races, wins = list[Race](), Counter[str]()
    with running(tmp_path / "net", (MAKER, CN, EU, CUSTOMS, *RECYCLERS), forked=True) as net:
        maker, both = net["maker"], [net[one.name] for one in RECYCLERS]
        with under_load(maker) as load:
            for begin in range(1, count + 1, AT_ONCE):
                serials = range(begin, min(begin + AT_ONCE, count + 1))
                made_ready(maker, both, serials)
                races += [judged(race) for race in raced(both, RACED, serials, TAKEN_IN)]
        highest = max(node.height() for node in net.values())
        wait("all to follow", lambda: min(node.height() for node in net.values()) >= highest)
        for race in races:
            told = shown(maker, race.serial)
            winner, loser = (one[0] for one in race.stated)
            assert told["standing"]["holder"] == winner.party.did
            assert all(shown(node, race.serial) == told for node in net.values())
            for node in (net["cn"], loser):
                wait("the alert", partial(alerted, node, race))
            wins[winner.party.name] += 1
    with capsys.disabled():
        print(f"\n  {len(races)} races, {load['produced']} batteries produced meanwhile, won by {dict(wins)}")
