"""The rule files that govern, as this version reads them: the network's own, else the shipped ones.

A verdict goes by none that cannot be read, and says which. What each file means is in credentials/; here is
which of them counts, and whether this version can go by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from credentials.errors import CredentialError
from node.config import RULES_READ, read_table, shipped

if TYPE_CHECKING:
    from credentials.ledger.governance import Governance
    from credentials.verdicts.evidence import Tables

RULE_FORMAT = 1  # of a rule file that names none; a later version that reads others says so by its `format`
EXAMINED_MAX = 16  # tables that are remembered as examined
_UNREADABLE = (CredentialError, AssertionError, LookupError, TypeError, ValueError, AttributeError)


@lru_cache(maxsize=len(RULES_READ))
def _shipped_rule(name: str) -> Mapping[str, Any]:
    return read_table(name, shipped(f"rules/{name}"))


def rule_table(name: str, governance: Governance) -> Mapping[str, Any]:
    """A rule file as it governs: the network's own, the shipped one where there is none that can be read."""
    own: Mapping[str, Any] | None = governance.rules.get(name)
    return own if own is not None and _is_read(name, own) else _shipped_rule(name)


_examined: list[
    tuple[Mapping[str, Any], bool]
] = []  # the newest first; replaced whole, so that threads agree


def _is_read(name: str, table: Mapping[str, Any]) -> bool:
    """Whether this version can go by a table that is held: examined once, not for each word that asks."""
    global _examined  # noqa: PLW0603
    known = next((read for kept, read in _examined if kept is table), None)
    if known is None:
        known = why_unread(name, table) is None
        _examined = [(table, known), *_examined[: EXAMINED_MAX - 1]]
    return known


@lru_cache(maxsize=1)
def _reasons() -> Mapping[str, Any]:
    return read_table("reasons.toml", shipped("reasons.toml"))


def tables(governance: Governance | None = None) -> Tables:
    """What a verdict reads: the network's own rule files where it has them, the shipped ones otherwise.

    Where some that govern cannot be read, `unread` says so, and no verdict goes by the others alone.
    """
    own = governance.rules if governance is not None else {}
    rules = {name: table for name, table in own.items() if table is not None}
    strange = {name: why for name, table in rules.items() if (why := _strange(name, table)) is not None}
    if not strange:
        try:
            return tables_of(rules)
        except _UNREADABLE:
            pass  # of which file is asked below: rarely, and of each by itself
    unread = {name: why for name, table in rules.items() if (why := why_unread(name, table)) is not None}
    read = dict[str, object]()
    for name in sorted(rules.keys() - unread.keys()):
        why = why_not_together({**read, name: rules[name]})
        if why is None:
            read[name] = rules[name]
        else:
            unread[name] = why  # each of two can be read, and not beside the other
    return replace(tables_of(read), unread=unread)


def why_unread(name: str, table: Mapping[str, Any]) -> str | None:
    """Why this version cannot go by a rule file of that name; None: it can."""
    from credentials.verdicts.rule_tables import require_table  # noqa: PLC0415

    why = _strange(name, table)
    if why is None:
        try:
            require_table(name, table, _reasons())
            _parsed({name: table})
        except _UNREADABLE as error:
            return f"this version cannot read it: {error}"
    return why


def why_not_together(rules: Mapping[str, Any]) -> str | None:
    """Why rule files that can be read each by itself cannot be gone by beside each other; None: they can."""
    try:
        tables_of(rules)
    except _UNREADABLE as error:
        return str(error)
    return None


def why_strange(after: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
    """What rule files name in vain, or lack that those before had; shipped ones stand for those not there."""
    from credentials.verdicts.rule_tables import strange_reference  # noqa: PLC0415

    others = {name: _shipped_rule(name) for name in RULES_READ}
    return strange_reference({**others, **after}, {**others, **before})


def _strange(name: str, table: Mapping[str, Any]) -> str | None:
    """What its name and its format say already."""
    from credentials.documents.code_schemes import is_scheme_file  # noqa: PLC0415
    from credentials.verdicts.crosswalk import is_crosswalk_file  # noqa: PLC0415

    if name not in RULES_READ and not is_scheme_file(name) and not is_crosswalk_file(name):
        return "this version reads no rule file of that name"
    said = table.get("format", RULE_FORMAT)
    return None if said == RULE_FORMAT else f"its format is {said}, and this version reads {RULE_FORMAT}"


def tables_of(rules: Mapping[str, Any]) -> Tables:
    """The same of rule files by name: each examined, and what readers of several of them rely on."""
    from credentials.verdicts import rule_tables  # noqa: PLC0415

    for name in sorted(rules):
        rule_tables.require_table(name, rules[name], _reasons())
    found = _parsed(rules)
    rule_tables.require_together({rule_tables.DATA_POINTS: found.datapoints, rule_tables.PATHS: found.paths})
    return found


def _parsed(rules: Mapping[str, Any]) -> Tables:
    from credentials.documents.code_schemes import identifier_table  # noqa: PLC0415
    from credentials.verdicts.crosswalk import crosswalks  # noqa: PLC0415
    from credentials.verdicts.evidence import Tables  # noqa: PLC0415
    from credentials.verdicts.shown_as import ShownAs  # noqa: PLC0415

    def table(name: str) -> Mapping[str, Any]:
        own: Mapping[str, Any] | None = rules.get(name)
        return own if own is not None else read_table(name, shipped(f"rules/{name}"))

    reasons = _reasons()
    return Tables(
        reasons=reasons,
        verdicts=table("verdicts.json"),
        commodity=table("commodity.toml"),
        access=table("annex-xiii-access.json"),
        datapoints=table("eu-datapoints-v2.json"),
        paths=table("passport-paths.json"),
        identifiers=identifier_table({**rules, "gbt34014.json": table("gbt34014.json")}),
        shown_as=ShownAs.parse(table("shown-as.toml"), reasons),
        crosswalk=table("crosswalk-eu-cn.json"),
        crosswalk_evidence=table("crosswalk-evidence.json"),
        crosswalks=crosswalks(rules),
    )
