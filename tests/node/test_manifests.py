"""What the lines of a manifest say of each other follows the rules in force when they are judged."""

from __future__ import annotations

import io
import json
import tracemalloc
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from credentials.documents.code_schemes import identifier_table
from credentials.verdicts.clearance import clear_item, clear_repeated
from credentials.verdicts.manifest import Manifest
from credentials.verdicts.manifest_csv import COLUMNS
from node.cli.judge import _read_manifest
from node.config import rule_files, shipped
from node.errors import SetupError
from node.storage.office import OfficeStore
from node.verdicts import judgement
from node.verdicts.manifests import Manifests
from tests.harness.support_service import CODE as BATTERY
from tests.harness.support_service import UNKNOWN_CODE, live_node, manifest
from tests.system.test_structure import ROOT

INDIA = Path(__file__).parents[1] / "harness" / "india" / "scheme-zin.json"
PERSON = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
CODE = "2606BQQZAM00010000042"


def test_codes_of_a_scheme_that_came_in_meanwhile_are_compared_by_it(tmp_path: Path) -> None:
    """
    One battery in two spellings: two texts while nobody knows the scheme, one battery listed twice once the
    network does, though the manifest was read before; and compared once by each of both rules.
    """
    before = {"gbt34014.json": json.loads(rule_files()["gbt34014.json"])}
    after = {**before, "scheme-zin.json": json.loads(INDIA.read_bytes())}
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    lines = [{"line": n, "battery": text, **goods} for n, text in ((1, CODE), (2, CODE.lower()))]
    body = orjson.dumps({"declaration": "26NLTEST000001", "lines": lines})
    office = OfficeStore(tmp_path / "office.db")
    with office.writing() as db:
        office.consignments.put(
            db, id="c", declaration="26NLTEST000001", manifest=body, manifest_digest=sha256(body).digest(),
            consignee_eori=None, direction="import", law_date="2027-03-01", created=1, lines=2, client="t",
            text="",
        )  # fmt: skip
    together = Manifests(office, lambda text: None).read("c").together
    office.close()

    first, again = (together.by(identifier_table(before)) for _ in range(2))
    later, back = together.by(identifier_table(after)), together.by(identifier_table(before))

    assert first is again is back
    assert [len(found) for found in first.by_battery.values()] == [1, 1]
    assert [len(found) for found in later.by_battery.values()] == [2]


def test_a_battery_that_many_lines_name_alike_is_judged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Lines that differ by their number alone are one judgement, and each has the verdict that it would have by
    itself: the first is warned of the others, each of the others is one too many.
    """
    calls: list[int] = []
    proper = clear_repeated

    def counted(lines: Any, *given: Any) -> Any:
        calls.append(len(lines))
        made = proper(lines, *given)
        alone = [clear_item(line, *given).as_dict() for line in lines]
        assert [one.as_dict() for one in made] == alone
        return made

    monkeypatch.setattr(judgement, "clear_repeated", counted)
    with live_node(tmp_path) as node:
        goods = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
        batteries = [BATTERY, UNKNOWN_CODE] * 10 + [BATTERY]
        lines = [{"line": n, "battery": battery, **goods} for n, battery in enumerate(batteries, 1)]
        made = node.post_json("/consignments", {**manifest(), "lines": lines}).get_json()
        table = node.service.stores.office.consignments

        def done() -> bool:
            row = table.get(made["id"])
            return row is not None and row.done == len(lines)

        node.wait(done, "the lines to be judged")

    assert sorted(calls) == [10, 11]


def test_a_table_goes_in_by_every_door_and_is_the_same_manifest(tmp_path: Path) -> None:
    """
    As text/csv at the API, as a file and as text of the form, and read by a command: one consignment of the
    same lines as JSON; what is wrong in it is told by line and column there too, and what to do.
    """
    head = "battery;goods;condition;commodity_code;declaration;law_date"
    rows = [f"{one};battery;new;8507600000;26NLTEST000001;2027-03-01" for one in (BATTERY, UNKNOWN_CODE)]
    table = ("\ufeff" + "\r\n".join([head, *rows])).encode()
    (tmp_path / "manifest.csv").write_bytes(table)
    wrong = table.replace(b"new", b"old")
    with live_node(tmp_path / "node") as node:
        read = _read_manifest(str(tmp_path / "manifest.csv"))
        raw = node.post_raw("/consignments", table, "text/csv; charset=utf-8").get_json()
        sent = [
            node.person.post("/consignments", data=form, headers=PERSON).headers.get("Location")
            for form in ({"file": (io.BytesIO(table), "m.csv")}, {"manifest": table.decode()})
        ]
        refused = node.post_raw("/consignments", wrong, "text/csv")
        page = node.person.post("/consignments", data={"file": (io.BytesIO(wrong), "m.csv")}, headers=PERSON)
        form = node.person.get("/customs", headers={"Accept": "text/html"}).text

    assert read["lines"] == [
        {k: v for k, v in line.items() if k != "registration_id"} for line in manifest()["lines"]
    ]
    assert sent == [f"/consignments/{raw['id']}"] * 2 and raw["lines"] == 2
    assert refused.status_code == page.status_code == 400
    told = refused.get_json(force=True)
    assert told["code"] == "manifest_invalid" and told["fault"] == "caller"
    assert "line 2 of the file: condition is old: write one of new" in told["detail"]
    assert "line 2 of the file: condition is old: write one of new" in page.text
    assert all(name in form for name in COLUMNS)


def test_readme_shows_the_shipped_table_and_every_column() -> None:
    """
    The block of README is the example that is shipped, and each column is explained.
    """
    text = (ROOT / "README.md").read_text()

    assert shipped("demo/manifest.csv").decode() in text
    assert [name for name in COLUMNS if f"`{name}`" not in text] == []


def test_a_table_that_cannot_be_read_is_told_with_its_name(tmp_path: Path) -> None:
    """
    A command names the file, its line and its column.
    """
    (tmp_path / "m.csv").write_text("battery,colour\nx,red\n")

    with pytest.raises(
        SetupError, match=r"m\.csv: the manifest cannot be read: the unknown columns 'colour'"
    ):
        _read_manifest(str(tmp_path / "m.csv"))


def test_a_manifest_is_kept_as_its_text(tmp_path: Path) -> None:
    """
    While a manifest is judged, its lines take little more memory than their text, and each is read as it was
    sent, by its number.
    """
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    lines = [{"line": 3 * n, "battery": f"ZZ1PE75QH00001G62{n:07d}", **goods} for n in range(1, 2001)]
    value = {"declaration": "26NLTEST000001", "lines": lines}
    office = OfficeStore(tmp_path / "office.db")
    manifests = Manifests(office, lambda text: None)
    parsed = Manifest.parse(value)
    tracemalloc.start()
    try:
        manifests.hand_on("c", parsed, lines)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        office.close()

    read = manifests.read("c")
    assert read.lines.pair(3 * 7) == (parsed.lines[6], lines[6])
    assert [*read.lines] == [*parsed.lines] and len(read.lines) == 2000
    assert kept < 1.8 * len(orjson.dumps(lines))
