"""What the lines of a manifest say of each other follows the rules in force when they are judged."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from credentials.documents.code_schemes import identifier_table
from credentials.verdicts.clearance import clear_item, clear_repeated
from node.config import rule_files
from node.storage.office import OfficeStore
from node.verdicts import judging
from node.verdicts.manifests import Manifests
from tests.harness.support_service import CODE as BATTERY
from tests.harness.support_service import UNKNOWN_CODE, live_node, manifest

INDIA = Path(__file__).parents[1] / "harness" / "india" / "scheme-zin.json"
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

    monkeypatch.setattr(judging, "clear_repeated", counted)
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
