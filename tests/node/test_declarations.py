"""One battery, one open declaration, also where the ledger does not say yet (I4): manifests of a node."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from node.config import DataDirectory
from node.setup.wiring import open_service
from node.storage.consignments import ConsignmentRow, ItemRow
from node.storage.office import OfficeStore
from node.verdicts import judging as judging_room
from node.verdicts import turns
from node.verdicts.judging import Judging
from node.web.sample import sample_claims
from tests.harness.support_service import PASSPHRASE, ROLES, LiveNode, live_node
from tests.node.test_watching import GOODS, attest, code_of, issue, item, judged, word_now

TURNS_MAX = 12
DECLARED = {"registration_id": "R", "commodity_code": "8507600000", "eori": "DE123"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("declarations"), (*ROLES, "vehicle_manufacturer")) as made:
        yield made


def said(node: LiveNode, consignment: str, line: int = 1) -> tuple[str, str]:
    found = item(node, consignment, line)
    return found["verdict"], found["reason"]


def cleared(node: LiveNode, consignment: str) -> tuple[str, str]:
    """The word on its first line, which is said anew once the lists that its passport names are there."""
    node.wait(lambda: said(node, consignment)[0] in ("clear", "clear_with_gaps"), "a clear word")
    return said(node, consignment)


def check(found: dict[str, Any], name: str, reason: str) -> dict[str, Any]:
    (one,) = (c for c in found["checks"] if c["name"] == name and c["reason"] == reason)
    return dict(one)


def test_the_first_of_two_declarations_has_the_battery_until_it_is_presented(node: LiveNode) -> None:
    """
    The later one is held and names the earlier, which learns of it; presented under the later one, the ledger
    decides: that one is clear, and the earlier is held.
    """
    issue(node, 51)
    first = judged(node, "26NLFIRST", 51)
    good = cleared(node, first)
    second = judged(node, "26nl second", 51)
    node.wait(lambda: any(c["reason"] == "declared_again" for c in item(node, first)["checks"]), "the note")

    assert said(node, second) == ("hold", "declared_before")
    told = check(item(node, second), "manifest", "declared_before")
    assert told["evidence"]["declarations"] == [{"declaration": "26NLFIRST", "consignment": first}]
    assert "26NLFIRST" in told["text"]
    assert said(node, first) == good and good[0] in ("clear", "clear_with_gaps")
    assert check(item(node, first), "manifest", "declared_again")["evidence"]["first"] == "26NLSECOND"

    attest(node, "battery.presented", 51, declaration_number="26NLSECOND", **DECLARED)
    node.wait(lambda: said(node, second) == good, "the later line")
    node.wait(lambda: said(node, first) == ("hold", "second_presentation"), "the earlier line")


def test_a_declaration_uploaded_again_is_the_same_goods_and_lets_go_of_what_it_leaves_out(
    node: LiveNode,
) -> None:
    """
    Corrected and sent again, under whatever spelling, it holds nothing up; without the battery, the other
    declaration has it, and its own earlier upload does not.
    """
    for serial in (52, 53):
        issue(node, serial)
    first = judged(node, "26NLAMEND", 52, 53)
    good = cleared(node, first)
    again = judged(node, "26NL AMEND", 53, 52)
    other = judged(node, "26NLOTHER", 52)

    assert [said(node, again, line) for line in (1, 2)] == [good, good]
    assert said(node, other) == ("hold", "declared_before")
    assert check(item(node, other), "manifest", "declared_before")["evidence"]["declarations"] == [
        {"declaration": "26NLAMEND", "consignment": again}
    ]

    judged(node, "26NLAMEND", 53)
    node.wait(lambda: said(node, other) == good, "the other declaration")
    node.wait(lambda: said(node, first) == ("hold", "declared_before"), "the first upload")
    assert said(node, first, 2) == good


def test_a_scan_is_told_that_a_consignment_names_it_and_not_which(node: LiveNode) -> None:
    """
    Whoever may only scan may not see consignments; a scan is under no declaration and is not held.
    """
    issue(node, 54)
    before = word_now(node, 54)
    made = judged(node, "26NLSCAN", 54)

    found = node.post_json("/clearance", {"battery": code_of(54), "direction": "import", **GOODS})

    assert word_now(node, 54) == before
    assert check(found.get_json(), "manifest", "declared_here")["evidence"] == {}
    assert "26NLSCAN" not in found.text and made not in found.text


def test_a_list_without_a_declaration_is_asked_for_it(node: LiveNode) -> None:
    """
    It is no second declaration, and not clear beside one: whichever came first.
    """
    issue(node, 55)
    lines = [{"line": 1, "battery": code_of(55), **GOODS}]
    made = node.post_json("/consignments", {"lines": lines, "law_date": "2027-03-01"}).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{made}")["state"] == "done", "the verdict")
    good = cleared(node, made)
    declared = judged(node, "26NLGIVEN", 55)

    node.wait(lambda: said(node, made) == ("undecided", "declaration_not_given"), "the list")
    assert said(node, declared) == good


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Judging, OfficeStore, Any]]:
    root = tmp_path_factory.mktemp("rest")
    with live_node(root) as node:
        issue(node, 61)
        issue(node, 79)
    service = open_service(DataDirectory(root / "data"), PASSPHRASE, 0)
    try:
        yield service.judging, service.stores.office, service.consignments
    finally:
        service.stop()


def _sent(consignments: Any, declaration: str, serial: int) -> str:
    lines = [{"line": 1, "battery": code_of(serial), **GOODS}]
    made: str = consignments.create({"declaration": declaration, "lines": lines}, "key")["id"]
    return made


def test_a_manifest_that_arrives_while_a_line_is_judged_is_not_missed(
    at_rest: tuple[Judging, OfficeStore, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What names the battery between looking and storing marks the line: it is looked at again.
    """
    monkeypatch.setattr("node.verdicts.judging.WAIT_S", 0.0)
    judging, office, consignments = at_rest
    look = judging.declarations.beside
    made = _sent(consignments, "26NLRACE", 61)
    arrived: list[str] = []

    def beside(*about: Any) -> Any:
        evidence = look(*about)
        if not arrived:
            arrived.append(_sent(consignments, "26NLLATE", 61))
        return evidence

    monkeypatch.setattr(judging.declarations, "beside", beside)
    reasons: list[str] = []
    for _ in range(TURNS_MAX):
        judging.turn()
        if office.consignments.item(made, 1) is not None:
            reasons = [c["reason"] for c in consignments.item(made, 1)["checks"]]

    assert arrived and "declared_again" in reasons


def test_an_old_consignment_and_a_settled_line_hold_nothing_up(
    at_rest: tuple[Judging, OfficeStore, Any],
) -> None:
    """
    What is not watched any more, and what went its way, is no open declaration.
    """
    _, office, consignments = at_rest
    made = _sent(consignments, "26NLGONE", 62)
    names, now = [f"gbt34014:{code_of(62)}"], int(time.time())

    assert [row.declaration for row in office.declared.open(names, now - 9)] == ["26NLGONE"]
    assert office.declared.open(names, now + 9) == []
    with office.writing() as db:
        db.execute(
            "INSERT INTO items (consignment, line, seq, verdict, body, settled) VALUES (?, 1, 1, '', '', 1)",
            (made,),
        )
    assert office.declared.open(names, now - 9) == []
    assert [row.declaration for row in office.declared.naming(names)] == ["26NLGONE"]


def test_the_first_is_the_first_that_arrived_not_the_first_that_was_judged(
    at_rest: tuple[Judging, OfficeStore, Any],
) -> None:
    """
    A small consignment is judged before a large one that came first: the battery is the large one's.
    """
    judging, office, consignments = at_rest
    rows = [{"line": n, "battery": code_of(n), **GOODS} for n in range(1, 80)]
    large = consignments.create({"declaration": "26NLLARGE", "lines": rows}, "key")["id"]
    small = _sent(consignments, "26NLSMALL", 79)
    for _ in range(TURNS_MAX):
        if office.consignments.item(small, 1) is None:
            judging.turn()

    assert office.consignments.item(large, 79) is None
    assert "declared_before" in [c["reason"] for c in consignments.item(small, 1)["checks"]]


def test_clients_take_turns(
    at_rest: tuple[Judging, OfficeStore, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A manifest of many lines of one battery, each with another mass, holds nobody behind it: others' lines are
    judged in turn with its own, and it is judged to its end.
    """
    monkeypatch.setattr(turns, "FEW_LINES", 8)
    monkeypatch.setattr(judging_room, "FEW_LINES", 8)
    judging, office, consignments = at_rest
    clock = 0.0  # seconds; a batch takes one
    monkeypatch.setattr(judging._next, "monotonic", lambda: clock)
    table = office.consignments
    sent = {}
    for client, count in (("many", 56), ("second", 24), ("third", 16)):
        rows = [{"line": n, "battery": code_of(61), "mass_kg": n, **GOODS} for n in range(1, count + 1)]
        sent[client] = consignments.create({"declaration": f"26NL{client}", "lines": rows}, client)["id"]

    def row(client: str) -> ConsignmentRow:
        found = table.get(sent[client])
        assert found is not None
        return found

    over: list[str] = []
    for _ in range(20 * TURNS_MAX):
        over += [client for client in sent if row(client).state == "done" and client not in over]
        if len(over) == len(sent):
            break
        judging.turn()
        clock += 1.0

    assert over == ["third", "second", "many"]
    for client, made in sent.items():
        judged_as = [item.seq for item in table.items_after(made, 0, 100)]
        assert judged_as == list(range(1, row(client).lines + 1)), "each line once"


def taken(office: OfficeStore, declaration: str, batteries: Sequence[str]) -> str:
    """A consignment that was judged, with these batteries on its lines; its id."""
    name = f"{declaration or 'none'}-{len(batteries)}-{office.consignments.newest()}"
    with office.writing() as db:
        number = office.consignments.put(
            db, id=name, declaration=declaration, manifest=b"{}", manifest_digest=bytes(32),
            consignee_eori=None, direction="import", law_date="2027-03-01", created=1_800_000_000,
            lines=len(batteries), client="a", text="",
        )  # fmt: skip
        office.declared.put(db, number, declaration, list(enumerate(batteries, 1)))
        rows = [ItemRow(line, line, "clear", b"{}") for line in range(1, len(batteries) + 1)]
        office.consignments.put_items(db, name, rows)
    return name


def marked(office: OfficeStore, declaration: str) -> set[tuple[str, int]]:
    """What is marked for a declaration, and for nothing before."""
    with office.writing() as db:
        db.execute("UPDATE items SET stale = 0")
        office.declared.mark_shared(db, declaration, 0, 7)
        return {
            (str(row[0]), int(row[1]))
            for row in db.execute("SELECT consignment, line FROM items WHERE stale = 7")
        }


def test_lines_that_share_a_battery_are_marked_and_no_others(tmp_path: Path) -> None:
    """
    Of every battery that this declaration and another one, or none, names: each line; a battery that only
    this one names, or only others, marks nothing.
    """
    office = OfficeStore(tmp_path / "office.db")
    mine, again = taken(office, "A", ["x", "y", "x", "z"]), taken(office, "A", ["w"])
    other, bare = taken(office, "B", ["x", "v", "v"]), taken(office, "", ["z"])

    assert marked(office, "A") == {(mine, 1), (mine, 3), (mine, 4), (other, 1), (bare, 1)}
    assert marked(office, "B") == {(mine, 1), (mine, 3), (other, 1)}
    assert marked(office, "C") == set() and (again, 1) not in marked(office, "A")


def test_one_battery_on_every_line_of_a_manifest_holds_nobody_up(tmp_path: Path) -> None:
    """
    8,000 lines that name one battery, under one declaration and under a second one: each is looked through
    once. It was the square of them, under the lock that everybody writes by.
    """
    office = OfficeStore(tmp_path / "office.db")
    first = taken(office, "A", ["x"] * 8_000)
    started = time.thread_time()  # the work of this thread: others may have this machine meanwhile
    assert marked(office, "A") == set()
    assert time.thread_time() - started < 2

    taken(office, "B", ["x"])
    started = time.thread_time()
    assert len(marked(office, "B")) == 8_001 and (first, 8_000) in marked(office, "A")
    assert time.thread_time() - started < 4


def issue_as(node: LiveNode, serial: int, named: str) -> None:
    """A passport that names the battery by a further code."""
    claims = sample_claims(node.service, code_of(serial))
    claims["GeneralProductInformation"]["productIdentifier"] = named
    answer = node.post_json("/passports", {"code": code_of(serial), "claims": claims})
    assert answer.status_code == 201, answer.text
    digest = answer.get_json()["digest"]
    node.wait(lambda: node.get(f"/receipts/{digest}").status_code == 200, "the passport's receipt")


def test_what_one_label_names_twice_is_placed_once(node: LiveNode) -> None:
    """
    X17, I6: two lines whose passports name one label are both held, the first once the second is read; and in
    use under one code, the battery is not new under the other, on whatever consignment it comes.
    """
    label = "https://id.gs1.org/01/09521001000017/21/LABEL71"
    for serial in (71, 72, 73):
        issue_as(node, serial, label if serial != 73 else f"{label}3")
    first = judged(node, "26NLLABEL", 71, 73, 72)
    node.wait(
        lambda: [said(node, first, n)[1] for n in (1, 3)] == ["duplicate_line"] * 2, "both lines to be held"
    )
    assert said(node, first, 2)[1] != "duplicate_line"

    attest(node, "battery.installed", 71, vin="ZZ9DEM0E0T0000071")
    later = judged(node, "26NLLABEL2", 72)
    node.wait(lambda: said(node, later)[0] == "hold", "the later line to be held")
    assert word_now(node, 72)[1] == "installed_on_record"
    assert {c["evidence"]["identifier"] for c in item(node, later)["checks"] if c["name"] == "alias"} >= {
        code_of(71)
    }
