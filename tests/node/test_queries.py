"""What a page, a verdict and a passport cost in statements, parses, digests and signatures: each thing once.

SQL is counted on the connection (node/storage/), the rest by the interpreter's own hook (`sys.setprofile`).
"""

from __future__ import annotations

import inspect
import sqlite3
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import orjson
import pytest

from consensus.cose import parse_sign1, verify_ed25519
from credentials.documents.canonical import digest_document, parse_json
from credentials.documents.identifiers import subject
from credentials.documents.model import parse_credential
from credentials.documents.passport import completeness
from credentials.documents.status import read_list
from credentials.jcs import jcs
from credentials.jsonld.compiled import require_meaning, to_quads
from credentials.ledger.attestation import parse_attestation
from credentials.ledger.entries import parse_entry
from credentials.ledger.genesis_table import accreditation_table
from credentials.ledger.parties import Accreditation
from credentials.ledger.standing import Standing
from credentials.verdicts.manifest import Manifest
from node.config import DataDirectory
from node.setup.wiring import open_service
from node.storage.consignments import ItemRow
from node.storage.database import Database
from node.storage.office import OfficeStore
from node.storage.overtaken import OpenLine
from node.use_cases import batteries
from node.use_cases.decisions import Decisions, Wanted
from tests.harness.border import words
from tests.harness.counted import counted as steps_counted
from tests.harness.governed_node import CN_AUTHORITY, EU_AUTHORITY, MAKER, governed_node
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import DID, PASSPHRASE, ROLES, LiveNode, live_node

FEW, MANY = 3, 24
FORMS_ASKED = ("/propose", "/propose?kind=suspend", "/propose?kind=rule")
OF_AN_INDEX = "-- "  # so begins what the full-text index asks of its own tables
LINES = 16  # two batches of a job


def counted_by(function: Callable[..., Any]) -> CodeType:
    """Its own, also where the tests of `credentials` note what it says."""
    code: CodeType = inspect.unwrap(function).__code__
    return code


# What is counted, by the name it is told under.
SEAMS: dict[CodeType, str] = {
    counted_by(parse_entry): "entries parsed",
    counted_by(parse_attestation): "attestations parsed",
    counted_by(parse_sign1): "COSE messages parsed",
    counted_by(digest_document): "documents digested",
    counted_by(parse_credential): "credentials read",
    counted_by(parse_json): "JSON texts read strictly",
    counted_by(jcs): "values canonicalised",
    counted_by(to_quads): "documents read as JSON-LD",
    counted_by(require_meaning): "documents read as JSON-LD",
    counted_by(verify_ed25519): "signatures verified",
    counted_by(read_list): "status lists opened",
    counted_by(Manifest.parse): "manifests read",
    counted_by(Standing.decode): "standings read",
    counted_by(completeness): "data points looked for",
    counted_by(subject): "subjects computed",
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("queries")) as running:
        yield running


@contextmanager
def counted(node: LiveNode) -> Iterator[list[str]]:
    """The statements of this thread on both databases, as they are run."""
    found: list[str] = []
    stores = node.service.stores
    databases: list[Database] = [stores.ledger._db, stores.office._db]
    for database in databases:
        database.connection.set_trace_callback(found.append)
    try:
        yield found
    finally:
        for database in databases:
            database.connection.set_trace_callback(None)


@contextmanager
def calls() -> Iterator[Counter[str]]:
    """How often this thread went through each seam."""
    found: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in SEAMS:
            found[SEAMS[frame.f_code]] += 1

    sys.setprofile(count)
    try:
        yield found
    finally:
        sys.setprofile(None)


def tell(what: str, found: Counter[str], statements: int, over: int = 1) -> None:
    each = ", ".join(f"{name} {count / over:g}" for name, count in sorted(found.items()))
    print(f"{what}: {each}, statements {statements / over:.1f}")


def issue(node: LiveNode, serials: range) -> None:
    for serial in serials:
        node.service.passports.issue(claims_of(serial), code=code_of(serial))
    waiting = node.service.stores.office.outbox.waiting
    node.wait(lambda: not waiting("outbox") and not waiting("admitted"), "all receipts")


def measure(
    node: LiveNode, grow: Callable[[int], None], pages: dict[str, Callable[[], Any]]
) -> dict[str, list[int]]:
    """Statements of each page, with few rows and with many; what they ran is printed."""
    found: dict[str, list[int]] = {name: [] for name in pages}
    for rows in (FEW, MANY):
        grow(rows)
        for name, page in pages.items():
            page()  # caches of the first time
            with counted(node) as statements:
                page()
            # What the full-text index reads of its own tables follows its segments, not the rows of a page.
            found[name].append(len([one for one in statements if not one.startswith(OF_AN_INDEX)]))
    for name, numbers in found.items():
        print(f"{name:40} {numbers[0]:4} statements with {FEW} rows, {numbers[1]:4} with {MANY}")
    return found


def test_lists_cost_the_same_whatever_they_hold(node: LiveNode) -> None:
    """
    Lists of passports, consignments and entries, as pages and as JSON: as many statements with many rows as
    with few.
    """
    made = 0

    def grow(rows: int) -> None:
        nonlocal made
        issue(node, range(made + 1, rows + 1))
        for number in range(made, rows):
            manifest = {
                "declaration": f"26NLTEST0000{number:02d}",  # the same again would be the one that is there
                "law_date": "2027-03-01",
                "direction": "import",
                "lines": [{"line": 1, "battery": code_of(1), "goods": "battery", "condition": "new"}],
            }
            node.service.consignments.create(manifest, "application/json")
            assert node.post_json("/keys", {"name": f"key {number}", "scopes": ["read"]}).status_code == 201
        made = rows
        node.wait(
            lambda: [c["state"] for c in node.service.consignments.listing(50, None)] == ["done"] * rows,
            "all verdicts",
        )

    def page(path: str) -> Callable[[], Any]:
        def shown() -> None:
            answer = node.person.get(path, headers={"Accept": "text/html"})
            assert answer.status_code == 200, answer.text[:300]

        return shown

    numbers = measure(
        node,
        grow,
        {
            "passports": lambda: node.service.passports.page(40),
            "consignments": lambda: node.service.consignments.listing(40, None),
            "entries of the log": lambda: node.service.records.entries(0, 40),
            "GET /passports": page("/passports"),
            "GET /consignments": page("/consignments"),
            "GET /passports?q=": page(f"/passports?q={code_of(1)[:12]}"),
            "GET /consignments?q=": page("/consignments?q=test0000"),
            "GET /manufacturer": page("/manufacturer"),
            "GET /customs": page("/customs"),
            "GET /importer": page("/importer"),
            "GET /find?q= a code": page(f"/find?q={code_of(1)}"),
            "GET /find?q= a part": page(f"/find?q={code_of(1)[:12]}"),
            "GET /log/entries": page("/log/entries"),
            "GET /participants": page("/participants"),
            "GET /keys": lambda: node.get_json("/keys"),
            "GET /operations/audit": lambda: node.get_json("/operations/audit"),
            "GET /operations/aside": lambda: node.get_json("/operations/aside"),
            "GET /supervision": page("/supervision"),
            "GET /supervision/facilities": page("/supervision/facilities"),
            "GET /supervision/recall-reach": page(
                "/supervision/recall-reach?namespace=gbt34014:ZZ1&prefixes=ZZ1"
            ),
            "GET /supervision/cases": page("/supervision/cases"),
            "GET /status": page("/status"),
        },
    )

    assert all(few == many for few, many in numbers.values()), numbers
    assert numbers["passports"][1] <= 6


def test_a_consignment_costs_the_same_however_many_lines_it_has(node: LiveNode) -> None:
    """
    Its page and its lines as JSON, and what is found of a battery that is on every line of it. Its report
    reads for each line what is of its battery alone, in transactions of many lines.
    """
    made, code = "", code_of(900)
    issue(node, range(900, 901))

    def grow(rows: int) -> None:
        nonlocal made
        lines = [{"line": n, "battery": code, "goods": "battery", "condition": "new"} for n in range(1, rows)]
        told = node.service.consignments.create({"declaration": f"26NLLINES{rows}", "lines": lines}, "key")
        made = told["id"]
        node.wait(lambda: node.get_json(f"/consignments/{made}?limit=0")["state"] == "done", "the verdicts")

    def page(path: str, accepted: str = "text/html") -> Callable[[], Any]:
        def shown() -> None:
            answer = node.person.get(path.format(made), headers={"Accept": accepted})
            assert answer.status_code == 200, answer.text[:300]

        return shown

    numbers = measure(
        node,
        grow,
        {
            "GET /consignments/ID": page("/consignments/{}"),
            "GET /consignments/ID, JSON": page("/consignments/{}", "application/json"),
            "GET /consignments/ID/readiness": page("/consignments/{}/readiness"),
            "GET /consignments/ID/items/1": page("/consignments/{}/items/1"),
            "GET /find?q=": page(f"/find?q={code}"),
        },
    )

    few, many = numbers.pop("GET /consignments/ID/readiness")
    assert many - few <= 6 * (MANY - FEW)
    assert all(few == many for few, many in numbers.values()), numbers


def test_a_vehicle_costs_the_same_however_many_batteries_are_in_it(tmp_path: Path) -> None:
    """
    What is found of its number: their codes are read at once, in their order, not one by one.
    """
    vin, inside = "ZZ9DEM0E0T0000091", list[str]()
    with live_node(tmp_path, (*ROLES, "vehicle_manufacturer")) as node:

        def grow(rows: int) -> None:
            for number in range(len(inside) + 1, rows // 3 + 1):
                issue(node, range(number, number + 1))
                body = {"event": "battery.installed", "battery": code_of(number), "members": {"vin": vin}}
                assert node.post_json("/attestations", body).status_code == 201
                inside.append(code_of(number))
                node.wait(lambda: found() == inside, "the batteries in their vehicle")

        def found() -> list[str]:
            told: list[str] = node.get_json(f"/find?q={vin}")["vehicle"]["batteries"]
            return told

        numbers = measure(node, grow, {"GET /find?q= a vehicle": found})

    assert len(inside) == MANY // 3
    assert all(few == many for few, many in numbers.values()), numbers


def test_a_battery_costs_the_same_however_long_its_record(node: LiveNode) -> None:
    """
    A verdict, the page of a battery and the versions of a list: the record of the battery and the versions
    are read at once, not row by row.
    """
    code = code_of(900)
    made = node.service.passports.issue(claims_of(900), code=code)
    done = 0

    def grow(rows: int) -> None:
        nonlocal done
        for number in range(done, rows):
            event = ("passport.suspended", "passport.reinstated")[number % 2]
            members = {"passport_digest": made["digest"], "reason": f"number {number}"}
            queued: Any = node.service.passports.attest(event, code, members)
            digest = queued["digest"]
            node.wait(lambda d=digest: state_of(node, d) == "admitted", event)  # type: ignore[misc]
        done = rows
        waiting = node.service.stores.office.outbox.waiting
        node.wait(lambda: not waiting("outbox") and not waiting("admitted"), "the lists")

    suspensions = node.service.passports._issuing.lists.numbered("suspension", 1)
    numbers = measure(
        node,
        grow,
        {
            "a verdict": lambda: node.service.clearance.item({"battery": code, "goods": "battery"}),
            "a battery": lambda: node.service.batteries.battery(code),
            "versions of a list": lambda: node.service.vc_api.status_versions(suspensions),
        },
    )

    assert all(few == many for few, many in numbers.values()), numbers


@pytest.mark.check
def test_the_history_of_decisions_costs_the_same_however_long_it_is(tmp_path: Path) -> None:
    """
    Newest first, by party, type and height, in pages: as many statements with many decisions as with few; so
    does every page of governance, with many proposals open and over.
    """
    with governed_node(tmp_path) as g:
        desk = g.node.service.proposing.governance
        made: list[tuple[str, str]] = []  # (kind, proposal)

        def grow(rows: int) -> None:
            while len(made) < rows:
                number = len(made)
                changes = g.licence(EU_AUTHORITY, f"Q{number}") if number % 3 else g.limits(11_000 + number)
                digest = g.propose(changes)
                made.append(("accreditation" if number % 3 else "", digest))
                if not number % 3:
                    assert g.node.post_json(f"/governance/proposals/{digest}/withdraw", {}).status_code == 201
                g.until_over(digest)
            for number in range(rows // 4):  # that stay open
                g.propose(g.limits(12_000 + number))

        def page(wanted: Wanted, limit: int = 50) -> list[str]:
            return [row["proposal"] for row in desk.decisions.page(limit, wanted)]

        link = g.node.post_json("/links", {"scopes": ["govern", "read"], "name": "the signer"}).get_json()
        g.node.person.get(link["path"])

        def screen(path: str) -> Callable[[], Any]:
            def shown() -> None:
                answer = g.node.person.get(f"/governance{path}", headers={"Accept": "text/html"})
                assert answer.status_code == 200, path

            return shown

        def one() -> None:
            screen(f"/proposals/{made[0][1]}")()

        screens = ("", "/accreditations", "/recognitions", "/proposals", "/history", *FORMS_ASKED)

        numbers = measure(
            g.node,
            grow,
            {
                "decisions": lambda: page(Wanted()),
                "decisions of a party": lambda: page(Wanted(party=EU_AUTHORITY)),
                "decisions about licences": lambda: page(Wanted(kind="accreditation", height_max=10**6)),
            }
            | {f"GET /governance{path}": screen(path) for path in screens}
            | {"one proposal": one},
        )
        assert all(few == many for few, many in numbers.values()), numbers
        assert all(many <= 3 for what, (_, many) in numbers.items() if what.startswith("decisions")), numbers

        newest = [digest for _, digest in reversed(made)]
        licences = [digest for kind, digest in reversed(made) if kind]
        assert page(Wanted()) == page(Wanted(party=DID)) == newest
        assert page(Wanted(party=EU_AUTHORITY)) == page(Wanted(kind="accreditation")) == licences
        assert page(Wanted(party=EU_AUTHORITY, kind="accreditation")) == licences
        assert page(Wanted(party=EU_AUTHORITY, kind="limits")) == page(Wanted(party=MAKER)) == []
        rows = desk.decisions.page(50, Wanted())
        before = None
        for part in (rows[n : n + 7] for n in range(0, len(rows), 7)):
            assert desk.decisions.page(7, Wanted(before=before)) == part
            before = part[-1]["leaf_index"]
        low, high = rows[9]["height"], rows[4]["height"]
        between = [row["proposal"] for row in rows if low <= row["height"] <= high]
        assert page(Wanted(height_min=low, height_max=high)) == between and len(between) == 6
        assert (
            Decisions(desk._history, desk._ledger, lambda: desk.state.future).page(50, Wanted()) == rows
        )  # after a restart

        asked = f"party={EU_AUTHORITY}&kind=accreditation&from={low}&until={high}"
        told = g.node.get_json(f"/governance/history?{asked}")["history"]
        assert [row["proposal"] for row in told] == [d for d in between if d in licences]
        refused = g.node.get("/governance/history?kind=everything")
        assert refused.status_code == 400 and "one of participant" in refused.get_json(force=True)["detail"]
        text = g.node.person.get("/governance/history?kind=limits", headers={"Accept": "text/html"}).text
        assert "No decision is like that." in text


def test_a_decision_that_is_to_govern_is_found_by_its_parties(tmp_path: Path) -> None:
    """
    What all decide governs two blocks later. Asked about before that, it is found by whose licence it gives:
    then, and ever after.
    """
    with governed_node(tmp_path) as g:
        office = Accreditation(MAKER, ("authority",), (("gbt34014", "*"),), "CN", 1_700_000_000)
        table = accreditation_table(office)
        digest = g.propose([{"type": "accreditation", "name": office.id, "table": table}])
        for by in (CN_AUTHORITY, EU_AUTHORITY):
            if g.proposal(digest)["outcome"] == "open":
                g.act(by, "approved", digest)
        in_force = g.until_over(digest)["in_force"]

        def found() -> list[str]:
            told = g.node.get_json(f"/governance/history?party={MAKER}")["history"]
            return [row["proposal"] for row in told]

        assert found() == [digest]
        g.blocks(in_force)
        assert found() == [digest]


def test_decisions_are_found_by_an_index(node: LiveNode) -> None:
    """
    A look for what was decided since reads no other leaf.
    """
    query = "SELECT entry FROM entries WHERE type = 'governance' AND leaf_index >= 5 ORDER BY leaf_index"
    plan = node.service.stores.ledger._db.connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()

    assert "entries_decisions" in plan[0]["detail"], plan[0]["detail"]


def test_what_waits_is_found_by_an_index(tmp_path: Path) -> None:
    """
    Whose consignment is next, and how many lines wait, costs the same however many were judged: no step of
    the database more for these, and no row of them is read.
    """
    office, steps, asked = OfficeStore(tmp_path / "office.db"), list[int](), set[str]()
    table, connection = office.consignments, office._db.connection

    def put(number: int, state: str) -> None:
        made = {"id": f"{state} {number}", "manifest": b"{}", "manifest_digest": b"", "declaration": ""}
        told = {"consignee_eori": None, "direction": None, "law_date": "2027-03-01", "created": 1}
        with office.writing() as db:
            table.put(db, **made, **told, lines=100 * number, client=f"client {number % 2}", text="")  # type: ignore[arg-type]
            table.put_state(db, f"{state} {number}", state)

    def ask() -> None:
        assert [row.number for row in table.oldest_waiting().values()] == [1, 2]
        assert [row.id for row in table.oldest_waiting(lines_min=101).values()] == ["queued 2", "queued 3"]
        with office.writing() as db:
            assert table.lines_waiting(db, "client 1") == (600, 400)

    for number, state in ((1, "queued"), (2, "queued"), (3, "queued")):
        put(number, state)
    for judged in (range(FEW), range(FEW, 10 * MANY)):
        for number in judged:
            put(number, "done")
        steps.append(0)

        def step() -> None:
            steps[-1] += 1

        connection.set_progress_handler(step, 1)
        connection.set_trace_callback(asked.add)
        ask()
        connection.set_progress_handler(None, 1)
        connection.set_trace_callback(None)
    queries = [query for query in asked if query.startswith("SELECT")]
    plans = [row["detail"] for q in queries for row in connection.execute(f"EXPLAIN QUERY PLAN {q}")]
    office.close()

    assert steps[0] == steps[1]
    assert len(queries) == 3
    scans = [plan for plan in plans if plan.startswith("SCAN")]
    assert scans == ["SCAN consignments USING COVERING INDEX consignments_waiting"] * 3


def test_who_shares_a_further_code_costs_the_same_however_long_the_manifest(tmp_path: Path) -> None:
    """
    Asked for each line of a manifest in steps of the database: it was all lines, and so the square of them.
    """
    office, steps = OfficeStore(tmp_path / "office.db"), Counter[int]()
    for lines in (FEW, 100 * MANY):
        with office.writing() as db:
            rests = {n: ("subject", b"shared" if n < 2 else n.to_bytes(32)) for n in range(lines)}
            rows = [ItemRow(n, n, "clear", subject=n.to_bytes(31), rests=(rests[n],)) for n in rests]
            office.consignments.put_items(db, f"{lines} lines", rows)

        def step(lines: int = lines) -> None:
            steps[lines] += 1

        office._db.connection.set_progress_handler(step, 1)
        shared = office.overtaken.sharing(f"{lines} lines", (0).to_bytes(31), [b"shared", b"other"])
        office._db.connection.set_progress_handler(None, 1)
        assert shared == {b"shared": [1]}
    office.close()

    assert steps[100 * MANY] < 2 * steps[FEW]


def test_who_names_a_battery_costs_the_same_however_many_lines_its_maker_has(tmp_path: Path) -> None:
    """
    Asked for each line of a manifest in steps of the database: it was all lines of the maker that this node
    has judged, and so the square of them.
    """
    office, taken = OfficeStore(tmp_path / "office.db"), list[int]()
    for first, lines in ((0, FEW), (FEW, 100 * MANY)):
        with office.writing() as db:
            rests = {
                n: ("subject", b"named" if n == 1 else n.to_bytes(32)) for n in range(first, first + lines)
            }
            rows = [
                ItemRow(
                    n,
                    n,
                    "clear",
                    b'{"battery": "B%d"}' % n,
                    n.to_bytes(32),
                    issuer="maker",
                    rests=(rests[n],),
                )
                for n in rests
            ]
            office.consignments.put_items(db, f"{lines} lines", rows)
        for keys in ([b"named"], [b"named", b"other"], [b"named", *(bytes([n]) for n in range(8))]):
            with steps_counted(office._db) as work:
                found = office.overtaken.named_by(keys, ["maker"])
            taken.append(work.steps)
            assert found == (["B1"], [])
    office.close()

    assert all(many < 2 * few for few, many in zip(taken[:3], taken[3:], strict=True)), taken


def test_lines_about_one_battery_are_not_compared_each_with_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A battery on every line of a long manifest, found by both its codes: each line once, those of the newest
    consignment first where a few are wanted, and no square of them.
    """
    office, lines, compared = OfficeStore(tmp_path / "office.db"), 50 * MANY, 0
    same = OpenLine.__eq__

    def counting(self: OpenLine, other: object) -> bool:
        nonlocal compared
        compared += 1
        return same(self, other)

    monkeypatch.setattr(OpenLine, "__eq__", counting)
    with office.writing() as db:
        for name in ("old", "new"):
            made = {"id": name, "manifest": b"{}", "manifest_digest": b"", "declaration": f"26NL {name}"}
            told = {"consignee_eori": None, "direction": None, "law_date": "2027-03-01", "created": 1}
            office.consignments.put(db, **made, **told, lines=lines, client="", text="")  # type: ignore[arg-type]
            rests = (("subject", b"battery"),)
            rows = [ItemRow(n, n, "clear", subject=b"battery", rests=rests) for n in range(1, lines + 1)]
            office.consignments.put_items(db, name, rows)

    found = office.overtaken.open_lines([b"battery"])[b"battery"]
    newest = office.overtaken.newest_about(b"battery", 3)
    bodies = office.consignments.items_at([("new", 2), ("old", 1), ("gone", 1)])
    # More places than conditions that SQLite takes of one statement: as a recall that reaches so many lines.
    every = office.consignments.items_at([("new", line) for line in range(1, lines + 1)])
    office.close()

    assert len(found) == 2 * lines
    assert compared <= 2 * lines
    assert newest == [("new", 1, "26NL new"), ("new", 2, "26NL new"), ("new", 3, "26NL new")]
    assert bodies == {("new", 2): b"", ("old", 1): b""}
    assert len(every) == lines


def state_of(node: LiveNode, digest: str) -> str:
    return str(node.service.passports.attestation(digest)["state"])


@pytest.mark.check
def test_exports_are_streamed(node: LiveNode) -> None:
    """
    6,000 lines of 20 kB (120 MB) as CSV and as JSON: whole, readable, and never more than 8 MB in memory.
    """
    lines, padding = 6_000, "x" * 20_000
    manifest = {
        "declaration": "26NLTEST000010",
        "law_date": "2027-03-01",
        "direction": "import",
        "lines": [{"line": 1, "battery": code_of(1), "goods": "battery", "condition": "new"}],
    }
    made = node.service.consignments.create(manifest, "application/json")["id"]
    node.wait(lambda: node.service.consignments.show(made)["state"] == "done", "the verdict")
    office = node.service.stores.office
    body = office.consignments.item(made, 1)
    assert body is not None
    item = {**orjson.loads(body), "timeline": [padding]}
    with office.writing() as db:
        rows = (
            ItemRow(n, n, item["verdict"], orjson.dumps({**item, "line": n})) for n in range(2, lines + 1)
        )
        office.consignments.put_items(db, made, rows)

    for form, count in (("csv", b"\r\n"), ("json", b'"verdict":"')):
        tracemalloc.start()
        size = found = 0
        for part in node.service.consignments.export(made, form, words()):
            size, found = size + len(part), found + part.count(count)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"{form}: {size:,} bytes, {found} lines, peak {peak:,} bytes")
        assert found >= lines
        assert peak < 8 << 20
    assert size > 100 << 20


def test_an_export_reads_as_what_it_is(node: LiveNode) -> None:
    """
    The JSON of an export is one document with the lines as they were judged.
    """
    listing = node.service.consignments.listing(1, None)[0]
    exported = orjson.loads(b"".join(node.service.consignments.export(listing["id"], "json", words())))

    assert exported["declaration"] == listing["declaration"]
    shown: Mapping[str, Any] = words().item(node.service.consignments.item(listing["id"], 1))
    assert exported["items"][0] == {name: shown[name] for name in exported["items"][0]}
    assert "checks" in exported["items"][0] and exported["items_total"] == len(exported["items"])


def test_a_verdict_reads_each_thing_once(node: LiveNode) -> None:
    """
    One verdict parses each entry of its battery, digests and canonicalises each document, and verifies each
    signature once, and none of them again the next time; a status list is opened once for as long as it is
    the latest.
    """
    code = code_of(950)
    issue(node, range(950, 952))
    item = {"battery": code, "goods": "battery", "condition": "new", "law_date": "2027-03-01"}
    entries = len(node.service.batteries.battery(code)["timeline"])
    node.service.clearance.item({**item, "battery": code_of(951)})  # opens the lists

    with counted(node) as statements, calls() as found:
        judged = node.service.clearance.item(dict(item))

    tell("a verdict", found, len(statements))
    documents = 2  # the set that customs may see, and the document of the production
    assert entries == 2 and judged["sources"]
    assert found == Counter(
        {
            "entries parsed": entries,
            "attestations parsed": entries,
            "COSE messages parsed": entries,
            "documents digested": documents,
            "credentials read": documents,
            # Its digest; its proof's options and what they secure; the members of an event.
            "values canonicalised": 3 * documents + 1,
            "documents read as JSON-LD": documents,
            "signatures verified": documents,
            "standings read": 1,
            "data points looked for": 1,
        }
    )
    with calls() as again:
        assert node.service.clearance.item(dict(item))["verdict"] == judged["verdict"]
    assert again["documents digested"] == documents and again["signatures verified"] == 0
    assert len(statements) <= 24  # 10 read; the others begin and end four moments on two databases


def test_a_line_of_a_manifest_reads_each_thing_once(tmp_path: Path) -> None:
    """
    A job reads its manifest once for both who took it in and who judges it, each status list once, and for
    each line what one verdict reads.
    """
    with live_node(tmp_path) as node:
        issue(node, range(1, LINES + 1))
    service = open_service(DataDirectory(tmp_path / "data"), PASSPHRASE, 0)  # its threads do not run
    lines = [
        {"line": n, "battery": code_of(n), "goods": "battery", "condition": "new"}
        for n in range(1, LINES + 1)
    ]
    statements: list[str] = []
    subject.cache_clear()  # these batteries were issued in this process
    try:
        for database in (service.stores.ledger._db, service.stores.office._db):
            database.connection.set_trace_callback(statements.append)
        with calls() as found:
            made = service.consignments.create({"declaration": "26NLTEST000011", "lines": lines}, "key")
            table = service.stores.office.consignments
            while (row := table.get(made["id"])) is not None and row.state != "done":
                service.judging.turn()
        items = service.consignments.show(made["id"])["items"]
    finally:
        service.stop()

    tell("a line", found, len(statements), LINES)
    assert [item["line"] for item in items] == [line["line"] for line in lines]
    per_line = {
        "entries parsed": 2,
        "attestations parsed": 2,
        "COSE messages parsed": 2,
        "documents digested": 2,  # the set that customs may see, and the document of the production
        "credentials read": 2,
        "values canonicalised": 3 * 2 + 1,
        "documents read as JSON-LD": 2,
        "signatures verified": 2,
        "standings read": 1,
        "data points looked for": 1,  # for its verdict, and for what a report adds up of it
        "subjects computed": 1,
    }
    lists = {  # of the two lists, once a job: digest, proof, text, who attested it; what is revoked for good
        "entries parsed": 2,
        "attestations parsed": 2,
        "COSE messages parsed": 2,
        "documents digested": 2,
        "credentials read": 2 + 1,
        "values canonicalised": 2 * 3,
        "documents read as JSON-LD": 2,
        "signatures verified": 2,
        "status lists opened": 2 + 1,
    }
    assert found == Counter({"manifests read": 1}) + Counter(lists) + Counter(
        {name: count * LINES for name, count in per_line.items()}
    )
    assert (
        len(statements) <= 22 * LINES + 2
    )  # with those of looking whether it is done, and of what came meanwhile


def test_what_two_lines_rest_on_is_verified_once(tmp_path: Path) -> None:
    """
    Two lines that name one battery and say different things of it: each credential that both verdicts rest on
    is verified once a job, and the lists once.
    """
    with live_node(tmp_path) as node:
        issue(node, range(1, 2))
    service = open_service(DataDirectory(tmp_path / "data"), PASSPHRASE, 0)  # its threads do not run
    table = service.stores.office.consignments
    lines = [
        {"line": n, "battery": code_of(1), "goods": "battery", "condition": "new", "mass_kg": 400 + n}
        for n in range(1, 4)
    ]
    try:
        with calls() as found:
            made = service.consignments.create({"declaration": "26NLTEST000012", "lines": lines}, "key")
            while (row := table.get(made["id"])) is not None and row.state != "done":
                service.judging.turn()
        items = service.consignments.show(made["id"])["items"]
    finally:
        service.stop()

    assert [item["line"] for item in items] == [1, 2, 3]
    documents, lists = 2, 2
    assert found["signatures verified"] == documents + lists
    assert found["documents digested"] == documents * len(lines) + lists


def test_a_manifest_is_read_once_however_often_its_lines_are_judged_again(tmp_path: Path) -> None:
    """
    After a restart a manifest is read from disk once for its whole job, and once for all lines that the
    ledger has overtaken.
    """
    with live_node(tmp_path) as node:
        issue(node, range(1, LINES + 1))
    service = open_service(DataDirectory(tmp_path / "data"), PASSPHRASE, 0)
    lines = [{"line": n, "battery": code_of(n), "goods": "battery"} for n in range(1, LINES + 1)]
    made = service.consignments.create({"lines": lines}, "key")["id"]
    service.stop()
    service = open_service(DataDirectory(tmp_path / "data"), PASSPHRASE, 0)
    office = service.stores.office
    try:
        with calls() as found:
            while service.consignments.show(made, limit=0)["state"] != "done":
                service.judging.turn()
        with office.writing() as db:
            marked = office.overtaken.mark_stale(db, about={"issuer": [DID]}, created_after=0)
        with calls() as again:
            while office.overtaken.stale(1):
                service.judging.turn()
    finally:
        service.stop()

    assert marked == LINES
    assert found["manifests read"] == 1
    assert again["manifests read"] == 0  # still in hand


def test_a_passport_is_built_once(node: LiveNode) -> None:
    """
    Issuing signs four sets and one event in one pass over their members, of which nothing is digested again,
    and parses each attestation once; the answer is what was signed, and the same as what is on disk.
    """
    issue(node, range(960, 961))  # the lists exist

    with counted(node) as statements, calls() as found:
        made = node.service.passports.issue(claims_of(961), code=code_of(961))

    tell("a passport", found, len(statements))
    sets = len(made["credentials"])
    assert sets == 4
    assert found["documents digested"] == 0
    assert found["credentials read"] == sets + 1
    assert found["attestations parsed"] == found["COSE messages parsed"] == 2
    assert found["signatures verified"] == 2
    subjects, shared = sets + 1, 2 * 2 + 2  # a proof is put together from its options, which are shared
    assert found["values canonicalised"] <= subjects + shared + 3
    assert len(statements) <= 45
    again = node.service.passports.issue(claims_of(961), code=code_of(961))
    assert again["repeated"] and not made["repeated"]
    assert again["credentials"] == made["credentials"]


def test_what_was_issued_before_is_found_by_an_index(node: LiveNode) -> None:
    """
    A passport costs the same however many were issued: of what is asked for it no table is looked through,
    with an idempotency key and without one, and when it is asked for again.
    """
    stores = node.service.stores
    connections = [stores.office._db.connection, stores.ledger._db.connection]
    with counted(node) as statements:
        for key in (None, "line 7, shift 2"):
            for _ in range(2):
                node.service.passports.issue(claims_of(970), code=code_of(970), idempotency_key=key)

    plans = set[str]()
    for query in {one for one in statements if one.startswith(("SELECT", "UPDATE"))}:
        for connection in connections:
            with suppress(sqlite3.OperationalError):  # it is of the other file
                plans |= {row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")}
    assert len(plans) > 10
    assert [plan for plan in plans if plan.startswith("SCAN")] == []


def test_a_long_record_is_shown_in_pages(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Anybody may ask for a battery: an answer has its newest records and the passport in force, and says where
    the older ones begin; together the pages are the whole record.
    """
    monkeypatch.setattr(batteries, "RECORDS_SHOWN", 3)
    issue(node, range(970, 971))
    for number in range(5):
        body = {"event": "battery.sold", "battery": code_of(970), "members": {"invoice": str(number)}}
        digest = node.post_json("/attestations", body).get_json()["digest"]
        node.wait(lambda digest=digest: node.get(f"/receipts/{digest}").status_code == 200, "the receipt")  # type: ignore[misc]

    pages, before = [], ""
    while True:
        found = node.get_json(f"/batteries/{code_of(970)}{before}")
        pages.append(found)
        if found["before"] is None:
            break
        before = f"?before={found['before']}"

    leaves = [[step["leaf_index"] for step in page["timeline"]] for page in reversed(pages)]
    total = pages[0]["timeline_total"]
    assert [len(page) for page in leaves[1:]] == [3] * (len(pages) - 1) and total >= 6
    whole = list(chain.from_iterable(leaves))
    assert whole == sorted(whole) and len(whole) == total
    assert all(any(p["live"] for p in page["passports"]) for page in pages)
    text = node.person.get(f"/batteries/{code_of(970)}", headers={"Accept": "text/html"}).text
    assert f"3 of {total}." in text and f"before={pages[0]['before']}" in text
