"""What one jurisdiction asks of a battery, and which evidence answers it, from wherever it comes.

A crosswalk is data: `crosswalk-eu-cn.json` with its evidence in `crosswalk-evidence.json`, and for every
further jurisdiction a rule file `crosswalk-NAME.json` of the network:

    jurisdiction    whose requirements these are
    rows            [{id, requirement, provision, dueFrom: day or null, element, coverage, legalRoute}]
    evidence        {id: {basis, parts: [{what, asks, accepts: [...]}], applies}}: as in that file

A node reads that of its own jurisdiction; where none is given, the first one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from credentials.errors import CredentialError

if TYPE_CHECKING:
    from credentials.verdicts.evidence import Tables

BASES = ("operator-statement", "recognition", "network-policy")
_FILE = re.compile(r"crosswalk-[a-z0-9-]{1,40}\.json")
_NOT_ADDED = ("crosswalk-eu-cn.json", "crosswalk-evidence.json")
_JURISDICTION = re.compile(r"[A-Z]{2,8}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a node's report is about."""

    jurisdiction: str
    rows: Sequence[Row]
    evidence: Mapping[str, Row]  # by the id of the row
    accepted_effects: Sequence[str]  # of a recognition

    @classmethod
    def of(cls, tables: Tables, jurisdiction: str) -> Requirements:
        """Those of a jurisdiction, or the first ones."""
        table = tables.crosswalks.get(jurisdiction, tables.crosswalk)
        added = jurisdiction in tables.crosswalks
        evidence = table["evidence"] if added else tables.crosswalk_evidence.get("rows", {})
        effects = tables.crosswalk_evidence.get("acceptedEffects", ())
        return cls(table.get("jurisdiction", jurisdiction), table.get("rows", ()), evidence, effects)


def is_crosswalk_file(name: str) -> bool:
    """True for a rule file with the requirements of a further jurisdiction."""
    return name not in _NOT_ADDED and _FILE.fullmatch(name) is not None


def crosswalks(rules: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The requirements that these rule files add, by jurisdiction; of two files of one the first by name.

    Two proposals may each bring one: no verdict waits until one of them is taken back.

    Raises CredentialError("rules_invalid", sentence); one of which only the digest is known is passed over.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name in sorted(rules):
        if not is_crosswalk_file(name) or rules[name] is None:
            continue
        table = rules[name]
        _require(name, table)
        found.setdefault(table["jurisdiction"], table)
    return found


def _require(name: str, table: Any) -> None:
    if not isinstance(table, Mapping) or not {"jurisdiction", "rows", "evidence"} <= table.keys():
        raise _invalid(name, "it has jurisdiction, rows and evidence")
    if not _is_text(table["jurisdiction"], _JURISDICTION):
        raise _invalid(name, "its jurisdiction is 2 to 8 capitals")
    evidence, ids = table["evidence"], require_rows(name, table["rows"])
    if not isinstance(evidence, Mapping) or not evidence.keys() <= set(ids):
        raise _invalid(name, "its evidence is by the ids of its rows")
    for row_id in sorted(evidence):
        require_evidence(name, row_id, evidence[row_id])


def require_rows(name: str, rows: object) -> list[str]:
    """The ids of requirements that can be read; raises CredentialError("rules_invalid", sentence)."""
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise _invalid(name, "its rows are a list of objects")
    ids = [row.get("id") for row in rows]
    if not all(isinstance(one, str) and one for one in ids) or len(set(ids)) < len(ids):
        raise _invalid(name, "each of its rows has an id of its own")
    for row in rows:
        due = row.get("dueFrom")
        if not all(isinstance(row.get(member), str) for member in ("requirement", "provision")):
            raise _invalid(name, f"{row['id']} has a requirement and a provision")
        if due is not None and not _is_text(due, _DAY):
            raise _invalid(name, f"{row['id']} is due from a day such as 2028-01-31, or from none (null)")
        for member in ("element", "coverage", "legalRoute"):
            if not isinstance(row.get(member, ""), str):
                raise _invalid(name, f"{member} of {row['id']} is text")
    return ids


def require_evidence(name: str, row_id: str, mapping: Any) -> None:
    """What answers one requirement can be read; raises CredentialError("rules_invalid", sentence)."""
    if not isinstance(mapping, Mapping) or mapping.get("basis") not in BASES:
        raise _invalid(name, f"the basis of {row_id} is one of {', '.join(BASES)}")
    parts = mapping.get("parts")
    if not isinstance(parts, list) or not parts or not all(_is_part(part) for part in parts):
        raise _invalid(name, f"a part of {row_id} says what, whom it asks, and what it accepts")
    applies = mapping.get("applies", {})
    if (
        not isinstance(applies, Mapping)
        or not applies.keys() <= {"eu_status", "item_state", "event"}
        or not all(_are_texts(values) for values in applies.values())
    ):
        raise _invalid(name, f"applies of {row_id} is lists by eu_status, item_state or event")


def _is_part(part: Any) -> bool:
    if not isinstance(part, Mapping) or not all(isinstance(part.get(m), str) for m in ("what", "asks")):
        return False
    accepts = part.get("accepts")
    return isinstance(accepts, list) and all(_is_way(way) for way in accepts)


def _is_way(way: Any) -> bool:
    if not isinstance(way, Mapping) or not _are_texts(way.get("members", [])):
        return False
    if "event" in way:
        return isinstance(way["event"], str)
    points = way.get("datapoints")
    return isinstance(points, list) and bool(points) and all(type(dp) is int for dp in points)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_text(value: Any, form: re.Pattern[str]) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _invalid(name: str, why: str) -> CredentialError:
    return CredentialError("rules_invalid", f"{name:.60} cannot be used: {why}")
