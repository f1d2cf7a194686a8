"""Verdicts do not rot (I9): which open lines are judged again, when they are settled, who waits for whom."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from credentials.documents.canonical import b64u, digest_document
from credentials.ledger.attestation import standing_key
from credentials.ledger.descendants import children_root
from credentials.ledger.entries import AdmittedEntry, GovernanceEntry, parse_entry
from credentials.ledger.governance import Governance
from credentials.ledger.recognition import Effect, Recognition
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import Held, Missing, MissingReason
from node.config import DataDirectory
from node.peers.gossip import Gossip
from node.setup.wiring import open_service
from node.storage.office import OfficeStore
from node.verdicts import fetching, judging, learned, watching
from node.verdicts.ledger_views import read_view
from node.verdicts.watching import _recalled_by
from node.web.sample import sample_claims
from tests.harness.governed_node import CN_AUTHORITY, EU_AUTHORITY, MAKER, governed_node
from tests.harness.ledger import battery
from tests.harness.support_service import DID, PASSPHRASE, ROLES, LiveNode, live_node

DISMANTLER = (
    *ROLES,
    "licensed_dismantler",
    "second_life_operator",
    "waste_operator",
    "vehicle_manufacturer",
    "lab",
)
GOODS = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
LARGE = 200


def code_of(serial: int) -> str:
    return f"ZZ1PE75QH00001G62{serial:07d}"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node whose judging looks by itself once in ten minutes: what is seen sooner, a block has told it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "WAIT_S", 600.0)
        with live_node(tmp_path_factory.mktemp("watching"), DISMANTLER) as made:
            yield made


def issue(node: LiveNode, serial: int, named: str | None = None) -> str:
    claims = sample_claims(node.service, code_of(serial))
    if named is not None:
        claims["GeneralProductInformation"]["productIdentifier"] = named
    answer = node.post_json("/passports", {"code": code_of(serial), "claims": claims})
    assert answer.status_code == 201, answer.text
    digest: str = answer.get_json()["digest"]
    node.wait(lambda: node.get(f"/receipts/{digest}").status_code == 200, "the passport's receipt")
    return digest


def attest(node: LiveNode, event: str, serial: int, **members: Any) -> None:
    answer = node.post_json("/attestations", {"event": event, "battery": code_of(serial), "members": members})
    assert answer.status_code == 201, answer.text
    digest = answer.get_json()["digest"]
    node.wait(lambda: node.get(f"/receipts/{digest}").status_code == 200, event)


def judged(node: LiveNode, declaration: str, *serials: int) -> str:
    lines = [{"line": n, "battery": code_of(serial), **GOODS} for n, serial in enumerate(serials, 1)]
    manifest = {"declaration": declaration, "law_date": "2027-03-01", "direction": "import", "lines": lines}
    answer = node.post_json("/consignments", manifest).get_json()
    node.wait(lambda: node.get_json(f"/consignments/{answer['id']}")["state"] == "done", "the verdicts")
    made: str = answer["id"]
    return made


def item(node: LiveNode, consignment: str, line: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = node.get_json(f"/consignments/{consignment}/items/{line}")
    return found


def recall_on(node: LiveNode, consignment: str, line: int) -> str:
    (check,) = (c for c in item(node, consignment, line)["checks"] if c["name"] == "standing.recall")
    reason: str = check["reason"]
    return reason


def word_now(node: LiveNode, serial: int) -> tuple[str, str]:
    asked = {"battery": code_of(serial), "direction": "import", **GOODS}
    found = node.post_json("/clearance", asked).get_json()
    return found["verdict"], found["reason"]


def test_what_happens_to_a_pack_wakes_the_lines_of_what_came_of_it(node: LiveNode) -> None:
    """
    A pack is taken apart, another is made into a new one: no leaf is about the child or the successor, and
    their open lines get the word that a fresh look gives.
    """
    child, pack, successor, old = 11, 12, 14, 13
    issue(node, child)
    rows = [row for row in node.service.stores.ledger.leaves.since(0, 99) if row.kind == "passport.published"]
    entry = parse_entry(rows[-1].entry)
    assert isinstance(entry, AdmittedEntry)
    about = entry.attestation.subject
    for serial in (successor, old):
        issue(node, serial)
    attest(
        node, "battery.produced", pack,
        production_date="2026-06-02", category="ev", children_root=b64u(children_root([about])),
    )  # fmt: skip
    open_lines = judged(node, "26NLCAME", child, successor)
    before = [item(node, open_lines, line)["height"] for line in (1, 2)]

    attest(node, "battery.declared_waste", pack, reason="worn")
    attest(node, "battery.dismantled", pack, facility_licence="L", children=[code_of(child)], fates=["reuse"])
    attest(node, "battery.declared_waste", old, reason="worn")
    attest(
        node, "second_life.remanufactured", old,
        successors=[code_of(successor)], soh_permille=900, soh_date="2026-11-01",
        declaration_digest=b64u(bytes(32)), label_date="2026-11-01", contract_reference="C",
    )  # fmt: skip

    for line, serial in ((1, child), (2, successor)):
        word = word_now(node, serial)

        def has_the_word(line: int = line, word: tuple[str, str] = word) -> bool:
            found = item(node, open_lines, line)
            return found["height"] > before[line - 1] and (found["verdict"], found["reason"]) == word

        assert word[0] != "clear"
        node.wait(has_the_word, "the line")  # it may be looked at between two of these events as well
    # The document of its act is at hand (D887): it says nothing of where the waste was tested.
    assert "status_values_missing" in {check["reason"] for check in item(node, open_lines, 2)["checks"]}

    members = {"reason": "cells", "criteria": {"prefixes": [code_of(pack)]}}
    recall = {"event": "recall.published", "battery": "gbt34014:ZZ1", "members": members}
    assert node.post_json("/attestations", recall).status_code == 201
    node.wait(lambda: recall_on(node, open_lines, 1) == "recalled", "the recall of the pack")
    assert recall_on(node, open_lines, 2) == "ok"


def test_a_repair_wakes_the_lines_of_the_parts_that_it_names(node: LiveNode) -> None:
    """
    The line of a module that a repair of a pack names says so, and is no more clear once that pack is waste.
    """
    part, pack = 71, 72
    for serial in (part, pack):
        issue(node, serial)
    open_line = judged(node, "26NLPART", part)

    attest(node, "battery.maintained", pack, work="module", child_out=code_of(part))

    def told() -> list[str]:
        return [c["reason"] for c in item(node, open_line)["checks"] if c["name"] == "standing.state"]

    node.wait(lambda: "part_named" in told(), "the repair on the line")
    assert word_now(node, part)[1] != "part_of_used"
    attest(node, "battery.declared_waste", pack, reason="worn")
    node.wait(lambda: "part_of_used" in told(), "the end of the pack on the line")
    assert word_now(node, part)[0] == "undecided"


def test_a_recall_of_a_part_wakes_the_line_of_what_it_was_put_into(node: LiveNode) -> None:
    """
    I9: as the repair's document says, which the node reads; what that took out is nothing to the pack.
    """
    pack, part, faulty = 73, 74, 75
    for serial in (pack, part, faulty):
        issue(node, serial)
    said = {"child_out": code_of(faulty), "child_in": code_of(part)}
    attest(node, "battery.maintained", pack, work="module", **said)
    open_line = judged(node, "26NLPACK", pack)

    def told() -> list[str]:
        return [c["reason"] for c in item(node, open_line)["checks"] if c["name"] == "standing.state"]

    for serial, words in ((faulty, ["ok"]), (part, ["part_recalled"])):
        attest(node, "battery.recalled", serial, reason="cells")
        assert word_now(node, pack)[1] != "part_recalled" or serial == part
        node.wait(lambda words=words: told() == words, f"{words} on the line")  # type: ignore[misc]
    assert word_now(node, pack) == ("hold", "part_recalled")


def test_a_recall_of_codes_wakes_the_line_of_what_such_a_part_was_put_into(node: LiveNode) -> None:
    """
    I9: it is about the part's code, which the repair's document has alone; the pack's own is not recalled.
    """
    pack, part = 78, 79
    for serial in (pack, part):
        issue(node, serial)
    attest(node, "battery.maintained", pack, work="module", child_in=code_of(part))
    open_line = judged(node, "26NLCODES", pack)
    assert word_now(node, pack)[1] != "part_recalled"
    members = {"reason": "cells", "criteria": {"prefixes": [code_of(part)]}}
    recall = {"event": "recall.published", "battery": "gbt34014:ZZ1", "members": members}

    assert node.post_json("/attestations", recall).status_code == 201

    node.wait(lambda: item(node, open_line)["reason"] == "part_recalled", "the recall on the line")


@pytest.mark.parametrize(
    ("event", "sold", "members"),
    [
        ("vehicle.sold", 31, {"vin": "ZZ9DEM0E0T0000039", "invoice": "1"}),
        ("soh.measured", 33, {"method": "m", "measured_on": "2026-01-15", "soh_permille": 500}),
    ],
)
def test_what_is_said_of_a_vehicle_wakes_the_lines_of_all_that_is_in_it(
    node: LiveNode, event: str, sold: int, members: dict[str, Any]
) -> None:
    """
    Sold as one battery's vehicle it is sold with the other, and read as worn (0972) it was in use with both:
    the open line of the other gets the new word.
    """
    other, vin = sold + 1, "ZZ9DEM0E0T0000039" if event == "vehicle.sold" else "ZZ9DEM0E0T0000047"
    for serial in (sold, other):
        issue(node, serial)
        attest(node, "battery.installed", serial, vin=vin)
    line = {**GOODS, "goods": "in_vehicle", "commodity_code": "8703800000", "vin": vin}
    manifest = {
        "declaration": f"26NLCAR{sold}", "law_date": "2027-03-01", "direction": "import",
        "lines": [{"line": 1, "battery": code_of(other), **line}],
    }  # fmt: skip
    made = node.post_json("/consignments", manifest).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{made}")["state"] == "done", "the verdict")

    def as_new() -> list[str]:
        return [c["reason"] for c in item(node, made)["checks"] if c["name"] == "new_not_used"]

    assert as_new() == ["ok"]

    attest(node, event, sold, **members)

    node.wait(lambda: as_new() == ["used_sold_as_new"], "the line of the other battery")


def test_what_is_told_late_wakes_the_open_lines(node: LiveNode) -> None:
    """
    Exported and judged as new; then its installation before that is reported: the line gets the new word.
    """
    serial, vin = 41, "ZZ9DEM0E0T0000039"
    issue(node, serial)
    made = node.get_json(f"/batteries/{code_of(serial)}")["standing"]["last_event_time"]
    node.wait(lambda: int(time.time()) > made, "a second after it was made")
    attest(node, "battery.exported", serial, commodity_code="850760", consignee="c", consignment_id="1")
    open_line = judged(node, "26NLLATE", serial)

    def as_new() -> list[str]:
        return [c["reason"] for c in item(node, open_line)["checks"] if c["name"] == "new_not_used"]

    assert as_new() == ["ok"]

    told = {"event": "battery.installed", "battery": code_of(serial), "members": {"vin": vin}}
    answer = node.post_json("/attestations", told | {"event_time": made})
    assert answer.status_code == 201, answer.text

    node.wait(lambda: as_new() != ["ok"], "the line of what was installed before it left")
    claims = [c["reason"] for c in item(node, open_line)["checks"] if c["name"] == "standing.claims"]
    assert claims == ["told_late"]


def test_a_recall_wakes_the_lines_of_what_was_made_of_what_it_names(node: LiveNode) -> None:
    """
    Published and lifted: the line is of another maker's code than the recall, and rests on the pack.
    """
    pack, module = 15, code_of(16).replace("ZZ1", "ZZ2")
    issue(node, pack)
    attest(node, "battery.declared_waste", pack, reason="worn")
    attest(node, "battery.dismantled", pack, facility_licence="L", children=[module], fates=["reuse"])
    manifest = {
        "declaration": "26NLMODULE", "law_date": "2027-03-01", "direction": "import",
        "lines": [{"line": 1, "battery": module, **GOODS}],
    }  # fmt: skip
    line = node.post_json("/consignments", manifest).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{line}")["state"] == "done", "the verdict")

    def recalled() -> bool:
        checks = item(node, line)["checks"]
        return any(c["name"] == "standing.recall" and c["outcome"] == "fail" for c in checks)

    def say(event: str, **members: Any) -> str:
        asked = {"event": event, "battery": "gbt34014:ZZ1", "members": members | {"reason": "fire"}}
        answer = node.post_json("/attestations", asked)
        assert answer.status_code == 201, answer.text
        made: str = answer.get_json()["digest"]
        return made

    def shown() -> bool:
        told: bool = node.get_json(f"/batteries/{module}")["standing"]["recalled"]
        return told

    assert not recalled()
    assert not shown()
    recall = say("recall.published", batteries=[code_of(pack)])
    node.wait(recalled, "the recall")
    assert shown()
    say("recall.lifted", attestation_digest=recall)
    node.wait(lambda: not recalled(), "its end")
    assert not shown()

    gathering = node.service.judging.watching._gathering
    about, identifier = gathering.subject_of(module), gathering._identified(module)[0]
    governance = gathering.history.latest
    assert about is not None and identifier is not None
    party = governance.participants[DID]
    keys = tuple(replace(k, compromised_from=1) if k.role == "attest" else k for k in party.keys)
    robbed = replace(governance, participants={**governance.participants, DID: replace(party, keys=keys)})

    def behind(governance: Governance) -> list[str]:
        view = read_view(node.service.stores.ledger, about, identifier, governance=governance)
        return [
            leaf.parsed.attestation.kind for leaf in view.behind if isinstance(leaf.parsed, AdmittedEntry)
        ]

    assert behind(governance) == []  # read only once a key was stolen
    said = behind(robbed)
    assert {"recall.published", "recall.lifted"} <= set(said)
    assert {"battery.declared_waste", "battery.dismantled"} <= set(said)


@pytest.mark.parametrize(
    ("kind", "state", "marked"),
    [("soh.measured", "admitted", 1), ("soh.measured", "refused", 0), ("battery.sold", "admitted", 0)],
)
def test_a_line_is_woken_by_the_lists_of_those_whose_documents_it_rests_on(
    node: LiveNode, kind: str, state: str, marked: int
) -> None:
    """
    A laboratory withdraws a test in its own list: the line whose verdict read that test is found by it, also
    after it was judged again, and not by the lists of whoever else said something.
    """
    lab, office = "did:web:lab.example", node.service.stores.office
    made = judged(node, f"26NLLAB{len(kind)}{state[:3].upper()}", 71)
    known = item(node, made)
    step = {"kind": kind, "issuer": lab, "state": state}
    verdict = {**known, "passport": {"issuer": DID}, "timeline": [step], "checks": [], "sources": []}

    row = node.service.judging.watching.row_of(verdict, 1)
    with office.writing() as db:
        office.overtaken.put_again(db, made, row)
        found = office.overtaken.mark_stale(db, about={"issuer": [lab]}, created_after=0)
        office.overtaken.settle(db, made, 1)

    assert found == marked
    lists = [{"source": "status_list", "from": lab}]  # of the passport of a further code, by another party
    rests = node.service.judging.watching.row_of({**verdict, "timeline": [], "sources": lists}).rests
    assert ("issuer", lab.encode()) in rests


def test_a_line_is_settled_by_its_release_and_by_nothing_else(node: LiveNode) -> None:
    """
    Placed on the market without customs, a line stays open, and a recall reaches it; released, it keeps its
    word, and the same manifest sent again is judged anew.
    """
    open_one, released = 21, 22
    for serial in (open_one, released):
        issue(node, serial)
    line = judged(node, "26NLOPEN", open_one)
    attest(
        node, "battery.presented", released, declaration_number="26NLDONE",
        registration_id="R", commodity_code="8507600000", eori="DE123",
    )  # fmt: skip
    done = judged(node, "26NLDONE", released)
    kept = item(node, done)["verdict"]

    attest(node, "market.placed", open_one, art_41_checked=True)
    attest(node, "battery.recalled", open_one, reason="fire")
    attest(node, "customs.released", released, basis="registry_check")
    node.wait(lambda: item(node, line)["reason"] == "recalled", "the recall")
    attest(node, "battery.declared_waste", released, reason="worn")
    node.wait(
        lambda: node.service.stores.office.overtaken.watched_until() >= node.service.stores.ledger.log_size(),
        "the watch",
    )

    assert item(node, done)["verdict"] == kept
    again = judged(node, "26NLDONE", released)
    assert again != done
    assert (item(node, again)["verdict"], item(node, again)["reason"]) == word_now(node, released)
    assert item(node, again)["verdict"] != "clear"


def test_a_line_of_a_second_import_is_settled_by_its_own_release(node: LiveNode) -> None:
    """
    Released once before, a battery is declared again: its line is open until it is released again.
    """
    serial = 36
    issue(node, serial)
    declared = {"registration_id": "R", "commodity_code": "8507600000", "eori": "DE123"}
    attest(node, "battery.presented", serial, declaration_number="26NLONCE", **declared)
    attest(node, "customs.released", serial, basis="registry_check")
    attest(node, "battery.exported", serial, commodity_code="850760", consignee=DID, consignment_id="C-1")
    attest(node, "battery.presented", serial, declaration_number="26NLAGAIN", **declared)
    line = judged(node, "26NLAGAIN", serial)
    stores = node.service.stores

    def seen() -> int:
        node.wait(lambda: stores.office.overtaken.watched_until() == stores.ledger.log_size(), "the watch")
        node.wait(lambda: not stores.office.overtaken.stale(1), "the lines")
        height: int = item(node, line)["height"]
        return height

    first = seen()
    attest(node, "battery.recalled", serial, reason="fire")
    recalled = seen()
    attest(node, "customs.released", serial, basis="authority_approval")  # not the first one's very words

    assert first < recalled == seen()


def test_a_line_is_not_settled_by_the_release_of_another_declaration(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Presented and released under another number before anybody looked: the goods of this line are not those
    that were released, and the line says so.
    """
    serial = 51
    issue(node, serial)
    line = judged(node, "26NLFIRST", serial)
    assert item(node, line)["verdict"] in ("clear", "clear_with_gaps")
    monkeypatch.setattr(judging, "WAIT_S", 60.0)
    declared = {"registration_id": "R", "commodity_code": "8507600000", "eori": "DE123"}
    attest(node, "battery.presented", serial, declaration_number="26NLOTHER", **declared)
    attest(node, "customs.released", serial, basis="registry_check")
    node.service.judging.wake()

    def said() -> tuple[str, str]:
        found = item(node, line)
        return found["verdict"], found["reason"]

    node.wait(lambda: said() == ("hold", "second_presentation"), "the line")


def test_a_recall_wakes_a_line_whose_battery_came_of_others_since(node: LiveNode) -> None:
    """
    Judged before its pack was taken apart, a module is of one maker's codes; since then a recall of any codes
    may reach it.
    """
    pack, module = 61, code_of(62).replace("ZZ1", "ZZ2")
    issue(node, pack)
    manifest = {
        "declaration": "26NLSINCE", "law_date": "2027-03-01", "direction": "import",
        "lines": [{"line": 1, "battery": module, **GOODS}],
    }  # fmt: skip
    line = node.post_json("/consignments", manifest).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{line}")["state"] == "done", "the verdict")
    attest(node, "battery.declared_waste", pack, reason="worn")
    attest(node, "battery.dismantled", pack, facility_licence="L", children=[module], fates=["reuse"])
    node.wait(lambda: item(node, line)["reason"] == "waste", "what it came out of")

    recall = {"event": "recall.published", "battery": "gbt34014:ZZ1"}
    members = {"batteries": [code_of(pack)], "reason": "fire"}
    assert node.post_json("/attestations", recall | {"members": members}).status_code == 201

    node.wait(lambda: recall_on(node, line, 1) == "recalled", "the recall of the pack")


def test_a_line_is_settled_by_an_office_that_is_established_elsewhere(tmp_path: Path) -> None:
    """
    Licensed in the EU and established in China, an office released what was declared in the EU: the line
    keeps its word, whatever becomes of the battery.
    """
    serial = 41
    with live_node(tmp_path, home="CN") as foreign:
        issue(foreign, serial)
        attest(
            foreign, "battery.presented", serial, declaration_number="26NLHOME",
            registration_id="R", commodity_code="8507600000", eori="DE123",
        )  # fmt: skip
        line = judged(foreign, "26NLHOME", serial)
        before = item(foreign, line)

        attest(foreign, "customs.released", serial, basis="registry_check")
        attest(foreign, "battery.recalled", serial, reason="fire")
        stores = foreign.service.stores
        foreign.wait(lambda: stores.office.overtaken.watched_until() == stores.ledger.log_size(), "the watch")
        foreign.wait(lambda: not stores.office.overtaken.stale(1), "the lines")

        assert item(foreign, line) == before


def test_a_small_consignment_does_not_wait_for_a_large_one(tmp_path: Path) -> None:
    """
    One line behind 200 is judged beside them, and so is a line that the ledger has overtaken.
    """
    with live_node(tmp_path):
        pass
    service = open_service(DataDirectory(tmp_path / "data"), PASSPHRASE, 0)
    office, consignments = service.stores.office, service.consignments

    def sent(name: str, lines: int) -> str:
        rows = [{"line": n, "battery": code_of(n), **GOODS} for n in range(1, lines + 1)]
        return consignments.create({"declaration": name, "lines": rows}, "key")["id"]

    def done(made: str) -> int:
        return consignments.show(made, limit=0)["done"]

    try:
        old = sent("26NLOLD", 1)
        while done(old) < 1:
            service.judging.turn()
        large, small = sent("26NLLARGE", LARGE), sent("26NLSMALL", 1)
        with office.writing() as db:
            office.overtaken.mark_stale(db, about=None, created_after=0)
        turns = 0
        while not done(small) or office.overtaken.stale(1):
            service.judging.turn()
            turns += 1
        assert turns < 8 and done(large) < LARGE / 2
        while done(large) < LARGE:
            service.judging.turn()
    finally:
        service.stop()


class _SilentGossip:
    """A peer that takes its time and then does not answer."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.asked = seconds, 0

    def request(self, *_: Any) -> bytes:
        self.asked += 1
        time.sleep(self.seconds)
        raise TimeoutError("no answer")


@pytest.mark.parametrize(
    ("seconds", "slow_s", "asked"), [(0.03, 0.02, 1), (0.0, 600.0, 3)], ids=["slow", "refused at once"]
)
def test_who_does_not_answer_keeps_nobody_waiting_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, slow_s: float, asked: int
) -> None:
    """
    An issuer that let a request run out of time is not asked for other documents at once: these are
    unreachable without waiting. One that refuses at once costs nothing and is asked again.
    """
    monkeypatch.setattr(fetching, "SLOW_S", slow_s)
    office, gossip = OfficeStore(tmp_path / "office.db"), _SilentGossip(seconds)
    fetcher = fetching.Fetching("did:web:me.example", office, cast(Gossip, gossip))
    issuer, digests = "did:web:silent.example", [bytes([n]) * 32 for n in range(3)]
    try:
        for digest in digests:
            fetcher.fetch({issuer: {digest}})
        found: Mapping[bytes, Any] = fetcher.held([(digest, issuer) for digest in digests])
    finally:
        office.close()

    assert gossip.asked == asked
    for missing in found.values():
        assert isinstance(missing, Missing) and missing.reason is MissingReason.UNREACHABLE


def test_of_what_was_asked_for_in_vain_the_oldest_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    However much is asked for in vain, the newest of it is not asked for again at once.
    """
    monkeypatch.setattr(fetching, "MISSES_MAX", 2)
    office, gossip = OfficeStore(tmp_path / "office.db"), _SilentGossip(0.0)
    fetcher = fetching.Fetching("did:web:me.example", office, cast(Gossip, gossip))
    issuer, digests = "did:web:silent.example", [bytes([n]) * 32 for n in range(4)]
    try:
        for n in (0, 1, 2, 2, 1, 3, 0):
            fetcher.fetch({issuer: {digests[n]}})
        asked = gossip.asked
        for n in (3, 0):
            fetcher.fetch({issuer: {digests[n]}})
    finally:
        office.close()

    assert (asked, gossip.asked) == (5, 5)


class _OddGossip:
    """A participant whose signed answer is not what was asked for."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def request(self, *_: Any) -> bytes:
        return self.answer


ODD_REASONS: list[Any] = ["later", "", None, 7, [], {}, "x" * 5000]
ODD_DOCUMENTS: list[Any] = [None, [], {}, {"issuer": 1}]
ODD_ANSWERS: list[Any] = [
    *([], {}, {"documents": [], "missing": {}}, {"documents": {}, "missing": {"a": 1}}),
    *({"documents": {}, "missing": {b64u(bytes(32)): why}} for why in ODD_REASONS),
    *({"documents": {"a": one}, "missing": {}} for one in ODD_DOCUMENTS),
]


@pytest.mark.parametrize("answer", [b"", b"\xff", *(json.dumps(odd).encode() for odd in ODD_ANSWERS)])
def test_an_odd_answer_of_an_issuer_is_no_document(tmp_path: Path, answer: bytes) -> None:
    """
    Whatever an issuer sends in place of its documents, they were not had: unreachable, and no error of ours.
    """
    office = OfficeStore(tmp_path / "office.db")
    fetcher = fetching.Fetching("did:web:me.example", office, cast(Gossip, _OddGossip(answer)))
    try:
        fetcher.fetch({"did:web:odd.example": {bytes(32)}})
        found = fetcher.held([(bytes(32), "did:web:odd.example")])[bytes(32)]
    finally:
        office.close()

    assert isinstance(found, Missing) and found.reason is MissingReason.UNREACHABLE


class _Issuer:
    """A participant that hands over what it has of what it is asked for."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.documents = {b64u(digest_document(document)): document for document in documents}
        self.asked: list[tuple[str, str, list[str]]] = []

    def request(self, receiver: str, path: str, body: bytes, _: float) -> bytes:
        wanted = json.loads(body)["want"]
        self.asked.append((receiver, path, wanted))
        given = {text: self.documents[text] for text in wanted if text in self.documents}
        missing = {text: "not_found" for text in wanted if text not in self.documents}
        return json.dumps({"documents": given, "missing": missing}).encode()


def test_a_copy_that_was_fetched_under_a_clock_that_was_ahead_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Fetched while the clock was an hour ahead: once it is right, that copy is not taken for a fresh one.
    """
    issuer = "did:web:issuer.example"
    document: dict[str, Any] = {"id": "urn:example:1", "issuer": issuer}
    peer, office, wall = _Issuer(document), OfficeStore(tmp_path / "office.db"), time.time()
    fetcher = fetching.Fetching("did:web:me.example", office, cast(Gossip, peer))
    wanted = {issuer: {digest_document(document)}}
    try:
        for ahead_s in (3600, 0, 1):
            monkeypatch.setattr(time, "time", lambda now=wall + ahead_s: now)
            fetcher.fetch(wanted, 600)
    finally:
        office.close()

    assert len(peer.asked) == 2


def test_a_document_of_others_is_kept_with_who_wrote_it_and_when_it_was_fetched(tmp_path: Path) -> None:
    """
    It is asked for by its digest, of its issuer, once; again only when it is older than it may be.
    """
    issuer = "did:web:issuer.example"
    documents = [
        {"id": "urn:example:1", "issuer": issuer, "credentialSubject": {"id": "urn:example:a"}},
        {"id": "urn:example:2", "issuer": {"id": issuer, "name": "Issuer"}},
    ]
    peer, office = _Issuer(*documents), OfficeStore(tmp_path / "office.db")
    fetcher = fetching.Fetching("did:web:me.example", office, cast(Gossip, peer))
    digests, lacking = [digest_document(document) for document in documents], bytes(32)
    before = int(time.time())
    try:
        for age_s_max in (None, 3600, None, -1):
            fetcher.fetch({issuer: {*digests, lacking}}, age_s_max)
        stored = [office.documents.get(digest) for digest in digests]
        found = fetcher.held([(digests[0], issuer), (lacking, issuer)])
    finally:
        office.close()

    asked = [(receiver, path, sorted(wanted)) for receiver, path, wanted in peer.asked]
    assert asked == [
        (issuer, "documents", sorted(b64u(digest) for digest in (*digests, lacking))),
        (issuer, "documents", sorted(b64u(digest) for digest in digests)),
    ]
    for number, one in enumerate(stored, 1):
        assert one is not None
        assert (one.issuer, one.credential_id) == (issuer, f"urn:example:{number}")
        assert one.fetched_at is not None and before <= one.fetched_at <= time.time()
    held, missing = found[digests[0]], found[lacking]
    assert isinstance(held, Held) and (held.document, held.source) == (documents[0], issuer)
    assert isinstance(missing, Missing) and missing.reason is MissingReason.NOT_FOUND


@pytest.mark.parametrize(
    ("sources", "codes"), [(("ledger",), "gbt34014:ZZ1"), (("ledger", "relatives"), "*")]
)
def test_a_line_is_reached_by_recalls_of_its_own_codes_or_of_all_it_was_made_of(
    sources: tuple[str, ...], codes: str
) -> None:
    """
    A battery that nothing was made into is asked about its own maker's recalls alone.
    """
    verdict = {"sources": [{"source": source} for source in sources]}

    assert _recalled_by(verdict, battery(1)) == codes


@pytest.mark.parametrize(("read", "all_read"), [(2, False), (4, True)])
def test_beyond_what_is_followed_every_line_of_what_was_made_of_others_is_woken(
    read: int, all_read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    I9: a pack, what came out of it and what came out of that: where not all of it is read, no line of a
    battery that came of another keeps its word.
    """
    monkeypatch.setattr(learned, "DESCENDANTS_MAX", read)
    about = [battery(1), battery(2), battery(3)]
    keys = [standing_key(subject) for subject in about]
    of = {
        key: Standing(subject, children=tuple(keys[place + 1 : place + 2])).encode()
        for place, (key, subject) in enumerate(zip(keys, about, strict=True))
    }
    standings = SimpleNamespace(
        keys_changed=lambda first, last: {keys[0]}, records=lambda asked: {key: of[key] for key in asked}
    )
    ledger = SimpleNamespace(standings=standings)
    gathering = SimpleNamespace(event_of=lambda row: None)
    row = SimpleNamespace(type="admitted", height=1, subject=keys[0])
    watch = watching.Watching(*[cast(Any, one) for one in (None, ledger, gathering, None)])

    found = watch.learned.about([cast(Any, row)])

    assert found is not None and (found["namespace"] == []) == all_read
    assert set(found["subject"]) >= set(keys[:read])


def test_what_governs_wakes_the_lines_of_whose_words_it_is_about(tmp_path: Path) -> None:
    """
    A party's licence, key or stop: the lines on whose record it speaks; recognition of anybody: every line. A
    change that no verdict goes by wakes none. Judged again once it is in force, not before.
    """
    with governed_node(tmp_path) as g:
        node, stores = g.node, g.node.service.stores
        issue(node, 51)
        line = judged(node, "26NLGOVERN", 51)

        def woken(changes: list[dict[str, Any]], by: str | None = None) -> bool:
            before: int = item(node, line)["height"]
            digest = g.propose(changes)
            if by is not None:
                g.act(by, "approved", digest)
            over = g.until_over(digest)
            assert over["outcome"] == "decided", over
            g.blocks(over["in_force"])
            node.wait(
                lambda: stores.office.overtaken.watched_until() == stores.ledger.log_size(), "the watch"
            )
            node.wait(lambda: not stores.office.overtaken.stale(1), "the lines")
            height: int = item(node, line)["height"]
            assert height == before or height >= over["in_force"]
            return height > before

        everybody = Recognition(DID, "EU", "*", ("EXP-02",), Effect.INFORMATION_ONLY, "network-policy", 1)
        of_one = replace(everybody, issuer=MAKER)
        assert not woken([{"type": "recognition", "name": of_one.id, "table": dict(of_one.as_table())}])
        assert not woken(g.licence(EU_AUTHORITY))
        assert woken(g.licence(DID, "ZZ4"))
        assert woken([{"type": "recognition", "name": everybody.id, "table": dict(everybody.as_table())}])
        assert not woken(g.limits(12_345), CN_AUTHORITY)

        of = node.service.judging.watching.learned.parties_changed
        licence, named = g.licence(DID, "ZZ4")[0]["name"], of_one.id
        for kind, name, parties in (
            ("participant", MAKER, {MAKER}), ("stop", MAKER, {MAKER}), ("stop", f"{MAKER}#attest-1", {MAKER}),
            ("accreditation", licence, {DID}), ("recognition", named, {MAKER}), ("limits", "", set()),
            ("validators", "", set()), ("approvals", "", set()), ("recognition", everybody.id, None),
            ("rule", "lifecycle.json", None), ("app_version", "", None),
        ):  # fmt: skip
            changed = ((kind, name, None, bytes(32)),)
            assert of(GovernanceEntry(bytes(32), "decided", "", 1, changed)) == parties, (kind, name)
        history = node.service.judging.watching._gathering.history
        history.at(history.height).__dict__["robbed"] = frozenset({MAKER})
        thefts = GovernanceEntry(bytes(32), "decided", "", 1, (("participant", MAKER, None, bytes(32)),))
        assert of(thefts) is None  # what it said of origins and recalls is in no line's rests (D806)
