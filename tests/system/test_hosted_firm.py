"""A firm whose address is another's node: it issues at home, is read through its host, and leaves."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from consensus.cose import SeedSigner
from node.setup.keystore import Keys
from tests.harness.net.batteries import claims_of, code_of, wait_published, wait_receipted
from tests.harness.net.harness import PASSPHRASE, Node, Party, comity, running, wait

pytestmark = pytest.mark.check

HOST = Party("host", "CN", ("authority",))
EU = Party("eu", "EU", ("authority", "market_surveillance"))
FIRM = Party("firm", "CN", ("manufacturer",), validator=False, schemes=(("gbt34014", "ZZ3"),), host=HOST.name)


def sets(node: Node, serial: int) -> dict[int, tuple[bytes, bytes]]:
    """{Annex XIII point: (digest, document)} of a passport that a node issued."""
    sought = "SELECT point, digest, body FROM documents WHERE kind = 'passport' AND battery = ?"
    with closing(sqlite3.connect(node.data / "office.db")) as db:
        rows = db.execute(sought, (code_of(serial, "ZZ3"),)).fetchall()
    return {point: (digest, body) for point, digest, body in rows}


def digests(node: Node) -> set[bytes]:
    """Of all documents that a node has on its disk."""
    with closing(sqlite3.connect(node.data / "office.db")) as db:
        return {digest for (digest,) in db.execute("SELECT digest FROM documents")}


def mark_of(document: bytes) -> bytes:
    """What stands in this document alone: its signature."""
    proof = orjson.loads(document)["proof"]
    return str((proof[0] if isinstance(proof, list) else proof)["proofValue"]).encode()


def memory(node: Node) -> Iterator[bytes]:
    """What a process has in memory that it can write to."""
    assert node.process is not None
    process = Path(f"/proc/{node.process.pid}")
    with (process / "mem").open("rb", 0) as file:
        for line in (process / "maps").read_text().splitlines():
            begin, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()  # type: ignore[union-attr]
            if rights.startswith("rw"):
                try:
                    file.seek(int(begin, 16))
                    yield file.read(int(end, 16) - int(begin, 16))
                except (OSError, OverflowError):  # of the kernel
                    continue


def held_by(node: Node, sought: dict[str, bytes]) -> set[str]:
    """Which of these a node has in memory, on its disk or in its log."""
    files = [node.log, *(one for one in node.data.rglob("*") if one.is_file())]
    found = {name for one in files for name, mark in sought.items() if mark in one.read_bytes()}
    return found | {name for part in memory(node) for name, mark in sought.items() if mark in part}


def conditions(node: Node) -> set[str]:
    return {one["code"] for one in node.request("GET", "/readyz")[1]["conditions"]}


def take_address(firm: Node, url: str) -> None:
    """Say where other nodes ask for the firm, with the one command that there is for it."""
    assert comity("network", "propose", "move", url, "--data", firm.data, "--yes") == 0


def issue(firm: Node, serial: int) -> dict[str, Any]:
    claims = claims_of(serial, "ZZ3")
    return firm.post("/passports", {"code": code_of(serial, "ZZ3"), "claims": claims})


def require_read(eu: Node, firm: Node, serial: int) -> None:
    """An authority that judges the battery reads the sets that it may, and their lists, from the firm."""
    code = code_of(serial, "ZZ3")
    wait_published(eu, code)
    asked = {"battery": code, "goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    asked |= {"law_date": "2027-03-01", "direction": "import"}

    own = {point: digest for point, (digest, _) in sets(firm, serial).items()}

    def read() -> bool:  # what could not be read is asked for again after a while
        eu.post("/clearance", asked)
        return {own[1], own[2], own[3]} <= digests(eu)

    wait("the sets to be read", read)
    assert own[4] not in digests(eu), "it is for others"


def require_host_has_nothing(host: Node, firm: Node) -> None:
    """What passed by the host is nowhere in it, nor any key of the firm."""
    own, keys = sets(firm, 1), Keys.load(firm.data, FIRM.did, PASSPHRASE)
    sought = {f"set {point}": mark_of(body) for point, (_, body) in own.items() if point > 1}
    for role in ("attest", "credential", "transport"):
        signer = keys.signer(role)
        assert isinstance(signer, SeedSigner)
        sought[role] = signer.seed
    assert held_by(firm, {"set 2": sought["set 2"]}), "what is looked for can be found"
    assert held_by(host, {"itself": HOST.did.encode()})
    assert held_by(host, sought) == set()


def require_it_leaves(host: Node, firm: Node) -> None:
    """The host withholds, which the firm sees; it takes an address of its own, with all that it has."""
    host.stop()
    (host.data / "node.toml").write_text("")
    host.start()
    host.wait_ready()
    wait("the firm to see it", lambda: "host_away" in conditions(firm))
    take_address(firm, firm.url)
    firm.stop()
    (firm.data / "node.toml").unlink()
    firm.start()
    firm.wait_ready()
    assert "host_away" not in conditions(firm)


def test_a_hosted_firm_is_read_through_its_host_and_leaves_with_all(tmp_path: Path) -> None:
    """
    The firm's node opens no door to the outside. Its passport has a receipt, and whoever judges reads what it
    may read of it; the host has no key and no set of it in memory, on disk or in its log. A host that
    withholds is seen; the firm moves with one command, and what it issued stays what it was.
    """
    with running(tmp_path, (HOST, EU, FIRM)) as nodes:
        host, eu, firm = (nodes[party.name] for party in (HOST, EU, FIRM))
        take_address(firm, host.url)
        first = issue(firm, 1)
        wait_receipted(firm, first["digest"])
        require_read(eu, firm, 1)
        require_host_has_nothing(host, firm)

        before = sets(firm, 1)
        require_it_leaves(host, firm)
        assert issue(firm, 1)["digest"] == first["digest"] and sets(firm, 1) == before
        second = issue(firm, 2)
        wait_receipted(firm, second["digest"])
        require_read(eu, firm, 2)
