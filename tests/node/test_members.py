"""Members of an event as people and programs write them: one form each, before anything is signed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.issuing.members import VALUES

LIFECYCLE = Path(__file__).parents[2] / "config" / "rules" / "lifecycle.json"


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        ("commodity_code", "8507\u00a060\u202f00.00", "8507600000"),
        ("commodity_code", "\uff18\uff15\uff10\uff17\uff16\uff10 ", "850760"),
        ("declaration", "26 nl rtm7demo000066\u00a0", "26NLRTM7DEMO000066"),
        ("did", " DID:WEB:Importer.Example\ufeff", "did:web:importer.example"),
    ],
)
def test_a_member_has_one_form_however_it_is_written(kind: str, text: str, read: str) -> None:
    """
    What was signed cannot be mended on the ledger: blanks, small letters and wide characters go before.
    """
    assert VALUES[kind](text) == read


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("commodity_code", "abc"),
        ("commodity_code", "85076"),
        ("declaration", "26_NL"),
        ("declaration", " "),
        ("did", "importer.example"),
    ],
)
def test_what_is_no_such_member_is_refused(kind: str, text: str) -> None:
    """
    With a sentence, and before anything is signed.
    """
    with pytest.raises(ValueError, match=r".{10}"):
        VALUES[kind](text)


def test_every_kind_of_member_is_read() -> None:
    """
    No member of the table is of a kind that nothing here reads.
    """
    events = json.loads(LIFECYCLE.read_text())["events"]
    rows = events.values() if isinstance(events, dict) else events
    kinds = {member["type"] for row in rows for member in row.get("members", {}).values()}

    assert "declaration" in kinds
    assert kinds - {"status"} <= VALUES.keys()
