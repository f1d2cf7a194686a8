"""What a change of what governs would do to the open lines of this node, and what a decision did."""

from __future__ import annotations

from credentials.ledger.foreseen import Foreseen
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import RuleFiles, RulesNotHere
from node.proposal_answers import ReachRecord
from node.storage.office import OfficeStore
from node.use_cases.governance_shown import party
from node.verdicts.foretelling import Foretelling, TriedChange

ITEMS_SHOWN = 50
ISSUERS_SHOWN = 50


class Reach:
    """Tells whom and which lines a change concerns."""

    def __init__(self, foretelling: Foretelling, office: OfficeStore) -> None:
        self._foretelling = foretelling
        self._office = office

    def foretold(self, foreseen: Foreseen, rule_files: RuleFiles) -> ReachRecord | None:
        """Before it is signed; None: this node lacks a rule file of it, or the code."""
        try:
            after = foreseen.governance(rule_files)
        except RulesNotHere:
            return None
        records = tuple((change.record, change.after) for change in foreseen.changed)
        found = self._foretelling.of(TriedChange(foreseen.digest, foreseen.before, after, records))
        changed = [one for one in found.tried if one.changes]
        parties = found.parties or ()
        return {
            "at": found.at,
            "everybody": found.parties is None,
            "issuers": [party(after, did) for did in parties[:ISSUERS_SHOWN]],
            "issuers_total": len(parties),
            "lines": found.lines,
            "consignments": found.consignments,
            "judged": len(found.tried),
            "changed": len(changed),
            "later": found.later,
            "items": [
                {
                    "consignment": one.line.consignment,
                    "declaration": one.line.declaration,
                    "line": one.line.line,
                    "before": one.before["verdict"],
                    "before_reason": one.before["reason"],
                    "after": one.after["verdict"],
                    "after_reason": one.after["reason"],
                }
                for one in changed[:ITEMS_SHOWN]
            ],
        }

    def told(self, proposal: bytes, governance: Governance, parties: set[str] | None) -> ReachRecord | None:
        """After it is in force: which lines were judged again for it; None: no open line rested on it."""
        found = self._office.reached.of_proposal(proposal)
        if found is None:
            return None
        waiting, changed = self._office.reached.counts(found.leaf)
        rows = self._office.reached.lines(found.leaf, ITEMS_SHOWN)
        named = sorted(parties or ())
        return {
            "at": found.at,
            "everybody": parties is None,
            "issuers": [party(governance, did) for did in named[:ISSUERS_SHOWN]],
            "issuers_total": len(named),
            "lines": found.lines,
            "consignments": found.consignments,
            "judged": found.lines - waiting,
            "changed": changed,
            "later": None,
            "items": [
                {
                    "consignment": row.consignment,
                    "declaration": row.declaration,
                    "line": row.line,
                    "before": row.was,
                    "before_reason": row.was_reason,
                    "after": row.verdict,
                    "after_reason": row.reason,
                }
                for row in rows
            ],
        }
