"""What a recall would reach, looked at before it is signed: batteries and open lines that this node knows.

    codes of a namespace, beginnings, days of production -> the recall that would be in force
    -> of the batteries with a passport of this node, and of its open lines, those that it covers

The ledger holds no codes: of a battery that this node neither made nor has on a line it says nothing, and the
answer says so. By that rule verdicts find a recall that is published (`Recall.covers`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypedDict

import orjson

from credentials.documents.identifiers import Identifier
from credentials.ledger.attestation import standing_key
from credentials.ledger.recalls import Recall, made_when
from credentials.ledger.standing import Standing
from node.errors import ProblemError, bad_request
from node.issuing.issuing import Issuing
from node.issuing.members import VALUES, namespace_of, read_criteria, spell_beginnings
from node.storage.database import VARIABLES_MAX
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.declarations import OPEN_S

ASKED = ("namespace", "prefixes", "produced_from", "produced_until")
SHOWN_MAX, LOOKED_MAX, TOGETHER = 100, 20_000, 2_000  # batteries, or lines, of one answer


class ReachedLine(TypedDict):
    """An open line with a battery that the recall covers."""

    consignment: str
    line: int
    battery: str


class RecallReachAnswer(TypedDict):
    """What a recall of these criteria covers, of what this node knows. Nothing is done by looking."""

    namespace: str
    batteries: int  # with a passport of this node
    codes: list[str]  # the first of them
    lines_found: int  # open lines
    lines: list[ReachedLine]  # the newest of them
    more: bool  # there is more than was looked at
    others: str  # not_checked: batteries that this node neither made nor has on a line


class RecallReach:
    """Reads; any thread."""

    def __init__(self, issuing: Issuing, office: OfficeStore, ledger: LedgerStore) -> None:
        self._issuing, self._office, self._ledger = issuing, office, ledger

    def of(self, asked: Mapping[str, str], now: int) -> RecallReachAnswer:
        """What these criteria reach; nothing where none is asked for, 400 for criteria no recall can have."""
        if not asked:
            return _answer("", [], [], more=False)
        about = namespace_of(asked.get("namespace", ""), self._issuing.signing.identifiers)
        criteria = _criteria(asked)
        spelled = spell_beginnings({"criteria": criteria}, about, self._issuing.signing.governance.schemes)
        recall = Recall(b"", "", "", "", 0, read_criteria(spelled["criteria"]), ())
        with self._ledger.reading(), self._office.reading():
            begins = tuple(spelled["criteria"]["prefixes"])
            made = list(self._made(about.namespace, begins))
            places = self._office.reached.of_codes(about.namespace, begins, now - OPEN_S, LOOKED_MAX)
            told = list(self._lines(places))
            covered = self._covered(recall, {*made, *(one["battery"] for one in told)})
        codes = [code for code in made if code in covered]
        lines = [one for one in told if one["battery"] in covered]
        more = len(made) == LOOKED_MAX or len(places) == LOOKED_MAX
        return _answer(about.namespace, codes, lines, more=more)

    def _made(self, namespace: str, begins: tuple[str, ...]) -> Iterator[str]:
        """The batteries of this namespace with a passport of ours in force, each once."""
        found = dict[str, None]()
        for beginning in begins or ("",):
            after = 0
            while part := self._office.issuances.standing_ones(beginning, None, after, TOGETHER):
                after = part[-1].number
                found |= {one.battery: None for one in part if self._is_of(one.battery, namespace)}
                if len(found) >= LOOKED_MAX:
                    yield from list(found)[:LOOKED_MAX]
                    return
        yield from found

    def _is_of(self, code: str, namespace: str) -> bool:
        read = self._issuing.signing.identifier(code)
        return f"{read.scheme}:{read.namespace}" == namespace

    def _lines(self, places: list[tuple[str, int]]) -> Iterator[ReachedLine]:
        for start in range(0, len(places), TOGETHER):
            for (consignment, line), body in self._office.consignments.items_at(
                places[start : start + TOGETHER]
            ).items():
                battery = orjson.loads(body).get("battery")
                if isinstance(battery, str):
                    yield ReachedLine(consignment=consignment, line=line, battery=battery)

    def _covered(self, recall: Recall, codes: Collection[str]) -> frozenset[str]:
        """Those of these codes that the recall covers, by the code and by the record."""
        signing, read = self._issuing.signing, dict[str, tuple[Identifier, bytes]]()
        for code in codes:
            try:
                identifier = signing.identifier(code)
            except ProblemError:
                continue  # a line names it that nobody can read
            read[code] = identifier, standing_key(signing.subject(identifier))
        keys, records = sorted({key for _, key in read.values()}), dict[bytes, bytes]()
        for start in range(0, len(keys), VARIABLES_MAX):
            records |= self._ledger.standings.records(keys[start : start + VARIABLES_MAX])
        found = set[str]()
        for code, (identifier, key) in read.items():
            standing = Standing.decode(records[key]) if key in records else None
            if recall.covers(identifier.canonical, key, made_when(identifier, standing)):
                found.add(code)
        return frozenset(found)


def _answer(namespace: str, codes: list[str], lines: list[ReachedLine], *, more: bool) -> RecallReachAnswer:
    return {
        "namespace": namespace,
        "batteries": len(codes),
        "codes": codes[:SHOWN_MAX],
        "lines_found": len(lines),
        "lines": lines[:SHOWN_MAX],
        "more": more,
        "others": "not_checked",
    }


def _criteria(asked: Mapping[str, str]) -> Any:
    """The criteria that are asked for, as a recall states them."""
    given: dict[str, object] = {name: asked[name] for name in ASKED[2:] if asked.get(name)}
    if asked.get("prefixes"):
        given["prefixes"] = [one.strip() for one in asked["prefixes"].split(",") if one.strip()]
    try:
        return VALUES["criteria"](given)
    except ValueError as error:
        raise bad_request("members_malformed", "{why}", why=str(error)) from error
