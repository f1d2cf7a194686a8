"""SQL per page and per verdict does not grow with the rows: counted on the connection (node/storage/)."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from node.storage.consignments import ItemRow
from node.storage.database import Database
from tests.harness.border import words
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import LiveNode, live_node

FEW, MANY = 3, 24


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
            found[name].append(len(statements))
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
        manifest = {
            "declaration": "26NLTEST000009",
            "law_date": "2027-03-01",
            "direction": "import",
            "lines": [{"line": 1, "battery": code_of(1), "goods": "battery", "condition": "new"}],
        }
        for _ in range(made, rows):
            node.service.consignments.create(dict(manifest), "application/json")
        made = rows
        node.wait(
            lambda: all(c["state"] == "done" for c in node.service.consignments.listing(50, None)),
            "all verdicts",
        )

    def page(path: str) -> Callable[[], Any]:
        return lambda: node.person.get(path, headers={"Accept": "text/html"}).text

    numbers = measure(
        node,
        grow,
        {
            "passports": lambda: node.service.passports.page(40),
            "consignments": lambda: node.service.consignments.listing(40, None),
            "entries of the log": lambda: node.service.records.entries(0, 40),
            "GET /passports": page("/passports"),
            "GET /consignments": page("/consignments"),
            "GET /manufacturer": page("/manufacturer"),
            "GET /customs": page("/customs"),
        },
    )

    assert all(few == many for few, many in numbers.values()), numbers
    assert numbers["passports"][1] <= 6


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
            digest = node.service.passports.attest(event, code, members)["digest"]
            node.wait(lambda d=digest: state_of(node, d) == "admitted", event)  # type: ignore[misc]
        done = rows
        waiting = node.service.stores.office.outbox.waiting
        node.wait(lambda: not waiting("outbox") and not waiting("admitted"), "the lists")

    numbers = measure(
        node,
        grow,
        {
            "a verdict": lambda: node.service.clearance.item({"battery": code, "goods": "battery"}),
            "a battery": lambda: node.service.batteries.battery(code),
            "versions of a list": lambda: node.service.vc_api.status_versions("suspension-1"),
        },
    )

    assert all(few == many for few, many in numbers.values()), numbers


def state_of(node: LiveNode, digest: str) -> str:
    return str(node.service.passports.attestation(digest)["state"])


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
    shown = words().verdict(node.service.consignments.item(listing["id"], 1))
    assert exported["items"][0] == {name: shown[name] for name in exported["items"][0]}
    assert "checks" in exported["items"][0] and exported["items_total"] == len(exported["items"])
