"""Who governs and how that changes: what is in force at a height, proposals with their effect, history."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import cast

from consensus.application import Refusal
from consensus.encoding import Value, decode, encode
from credentials.documents.canonical import b64u
from credentials.errors import CredentialError
from credentials.ledger.approvals import ApprovalRules
from credentials.ledger.consents import may_object
from credentials.ledger.engine_terms import FOUNDED, EngineTerm, require_next
from credentials.ledger.entries import GovernanceEntry
from credentials.ledger.foreseen import ChangedRecord, Foreseen, dry_run, effect_of, with_sides_begun
from credentials.ledger.governance import VALIDATORS_AHEAD, Governance, GovernanceHistory
from credentials.ledger.governance_records import ENGINE, Table, read_record, records_of
from credentials.ledger.governance_state import RECOVERY_FRAGMENT, GovernanceState
from credentials.ledger.proposals import OPEN, ChangeProposal, Tabled
from credentials.ledger.registry import Registry
from node.errors import ProblemError, not_found
from node.governance_answers import GoverningAnswer, PartyAnswer
from node.issuing.governance_acts import GovernanceActs
from node.proposal_answers import (
    ActAheadRecord,
    EffectRecord,
    GovernanceActAnswer,
    ProposalRecord,
    ReachRecord,
    RecordChange,
    WhyRecord,
)
from node.storage.ledger import LedgerStore
from node.use_cases.decisions import Decisions
from node.use_cases.digests import read_digest
from node.use_cases.governance_shown import acts_ahead, effect, governing, name_of, party, record_change
from node.use_cases.proposal_records import ProposalOnLedger, recorded
from node.use_cases.reach import Reach
from node.verdicts.foretelling import parties_concerned

OVER_SHOWN = 20


class GovernanceDesk:
    """Reads what governs, what is proposed, and what was decided."""

    def __init__(
        self,
        *,
        history: GovernanceHistory,
        registry: Registry,
        ledger: LedgerStore,
        acts: GovernanceActs,
        reach: Reach,
        founded_with: str,
    ) -> None:
        self._history = history
        self._registry = registry
        self._ledger = ledger
        self._acts = acts
        self._reach = reach
        self._founded = replace(FOUNDED, engine=founded_with)
        # What a decision changed stays what it was once it governs.
        self._changed_for_good = lru_cache(maxsize=4 * OVER_SHOWN)(self._changed)
        self.decisions = Decisions(history, ledger, lambda: self.state.future)

    @property
    def state(self) -> GovernanceState:
        """After the last block."""
        return self._registry.constitution.state

    @property
    def orders(self) -> EngineTerm:
        """The last term that is decided; before the first move this node alone says whose it is."""
        return self.state.future.engine or self._founded

    def now(self) -> int:
        """As the next block would be dated; never before the last one."""
        tip = self._ledger.tip()
        return max(int(time.time()), tip.time if tip else 0)

    # -- what governs --------------------------------------------------------------------------------

    def governing(self, height: int | None = None) -> GoverningAnswer:
        """What governs the block of a height (None: the next one); 404 `height_unknown` for later ones."""
        state, epochs, committed = self.state, self._history.epochs, self._history.height
        asked, known = committed + 1 if height is None else height, committed + VALIDATORS_AHEAD
        if asked > known:
            told = "this ledger knows what governs up to the height {known}"
            raise not_found("height_unknown", told, known=known)
        starts = [start for start, _ in epochs]
        if state.future is not state.next:
            starts.append(known)
        return governing(
            state.future if asked == known else self._history.at(asked),
            height=asked,
            at=self._ledger.block_times([asked]).get(asked) or self.now(),
            since_height=max(start for start in starts if start <= asked),
            changes_at=next((start for start in starts if start > asked), None),
        )

    def names(self) -> list[PartyAnswer]:
        """Every participant by name."""
        governance = self._history.latest
        return [party(governance, did) for did in governance.participants]

    def name(self, target: str) -> str:
        """How a participant, or the owner of a key, is called; another text as it is."""
        return name_of(self._history.latest, target)

    # -- proposals -----------------------------------------------------------------------------------

    def proposals(self) -> tuple[list[ProposalRecord], list[ProposalRecord]]:
        """Those that are open, the oldest first; the newest that are over."""
        state = self.state
        order = sorted(state.tabled, key=lambda digest: (state.tabled[digest].height, digest))
        over = list(islice(reversed(list(state.over)), OVER_SHOWN))
        held = recorded(self._ledger, self._acts, [*order, *over])
        at = self.now()
        is_open = [self._open(state, digest, held[digest], at) for digest in order]
        return is_open, [self._over(state, digest, held[digest]) for digest in over]

    def knows(self, digest: str) -> bool:
        """True once a proposal is on the ledger."""
        state, wanted = self.state, read_digest(digest)
        return wanted in state.tabled or wanted in state.over

    def proposal(self, digest: str) -> ProposalRecord:
        """One proposal; 404 `proposal_unknown`."""
        state, wanted = self.state, read_digest(digest)
        if wanted in state.tabled:
            return self._open(state, wanted, self._recorded(wanted), self.now(), alone=True)
        if wanted in state.over:
            shown = self._over(state, wanted, self._recorded(wanted))
            if shown["in_force"] and shown["in_force"] <= self._history.height + 1:  # it governs
                shown["reach"] = self._reached(wanted, shown)
            return shown
        raise not_found("proposal_unknown", "the ledger holds no proposal with that digest")

    def _reached(self, digest: bytes, shown: ProposalRecord) -> ReachRecord | None:
        governance = self._history.at(shown["in_force"] or 0)
        records = [(row["type"], row["name"]) for row in shown["changed"]]
        return self._reach.told(digest, governance, parties_concerned(governance, records))

    def _recorded(self, digest: bytes) -> ProposalOnLedger:
        return recorded(self._ledger, self._acts, [digest])[digest]

    def _open(
        self, state: GovernanceState, digest: bytes, held: ProposalOnLedger, at: int, *, alone: bool = False
    ) -> ProposalRecord:
        tabled, governance = state.tabled[digest], self._history.latest
        shown: EffectRecord | None = None
        problem: WhyRecord | None = None
        reach: ReachRecord | None = None
        ahead, objects = list[ActAheadRecord](), False
        try:
            found = self._foreseen(state, tabled, at)
            shown = effect(governance, found, at)
            if alone:
                reach = self._reach.foretold(found, self._registry.constitution.rule_files)
            amendments = [r.amendment for r in found.required]
            own = self._acts.did
            objects = own not in tabled.objections and may_object(tabled, amendments, governance, own, at)
        except CredentialError as error:
            problem = {"code": error.code, "template": error.message, "parameters": {}}
        may = [] if held.under_way else self._may(tabled, at, objects=objects)
        if alone and shown is not None:
            ahead = acts_ahead(state, tabled, self._acts.did, may, at=at, height=self._history.height + 1)
        return {
            "digest": b64u(digest),
            "by": tabled.by,
            "by_name": name_of(governance, tabled.by),
            "recovered": tabled.recovered,
            "since": tabled.since,
            "height": tabled.height,
            "expires": tabled.proposal.expires,
            "outcome": OPEN,
            "reason": "",
            "in_force": None,
            "approvals": [party(governance, did) for did in sorted(tabled.approvals)],
            "may": may,
            "under_way": list(held.under_way),
            "changed": [],
            "acts": self._acts_shown(held),
            "effect": shown,
            "ahead": ahead,
            "reach": reach,
            "problem": problem,
        }

    def _over(self, state: GovernanceState, digest: bytes, held: ProposalOnLedger) -> ProposalRecord:
        governance = self._history.latest
        row, proposed, since = held.proposed
        carried = proposed.governance
        assert carried is not None, "a proposal is carried by the act that makes it"
        (outcome, reason), decision = state.over[digest], held.decision
        return {
            "digest": b64u(digest),
            "by": proposed.issuer,
            "by_name": name_of(governance, proposed.issuer),
            "recovered": proposed.kid.endswith(f"#{RECOVERY_FRAGMENT}"),
            "since": since,
            "height": row.height,
            "expires": ChangeProposal.decode(carried.proposal).expires,
            "outcome": outcome,
            "reason": reason,
            "in_force": decision.in_force or None if decision else None,
            "approvals": [party(governance, did) for did in held.approving],
            "may": [],
            "under_way": [],
            "changed": self._changed_by(decision) if decision and decision.in_force else [],
            "acts": self._acts_shown(held),
            "effect": None,
            "ahead": [],
            "reach": None,
            "problem": None,
        }

    def _may(self, tabled: Tabled, at: int, *, objects: bool) -> list[str]:
        did, may = self._acts.did, []
        if did in tabled.approvals and did != tabled.by:
            may.append("withdraw_approval")
        elif did in self._history.latest.authorities(at).keys() - tabled.approvals:
            may.append("approve")
        if did == tabled.by:
            may.append("withdraw")
        return [*may, "object"] if objects else may

    def tried(self, proposal: ChangeProposal, by: str, *, recovered: bool) -> EffectRecord:
        """What a proposal would do that is not made yet; 422 if it would be refused."""
        return effect(self._history.latest, self.would(proposal, by, recovered=recovered), self.now())

    def whole(self, found: Foreseen) -> tuple[EffectRecord, ReachRecord | None]:
        """What one would do, and what to the open lines of this node."""
        reach = self._reach.foretold(found, self._registry.constitution.rule_files)
        return effect(self._history.latest, found, self.now()), reach

    def with_a_say(self, found: Foreseen) -> ApprovalRules:
        """Who approves, and from then on each side that gets an authority by it."""
        return with_sides_begun(found, self._registry.constitution.rule_files, self.now())

    def would(self, proposal: ChangeProposal, by: str, *, recovered: bool) -> Foreseen:
        """As the ledger would have it; 422 if it would be refused."""
        at, height, files = self.now(), self._history.height + 1, self._registry.constitution.rule_files
        try:
            _require_another_engine(proposal, self.orders, height)
            return dry_run(
                self.state, proposal, by, recovered=recovered, at=at, height=height, rule_files=files
            )
        except CredentialError as error:
            raise _refused(Refusal(error.code, error.message)) from error
        except Refusal as refusal:
            raise _refused(refusal) from refusal

    def _foreseen(self, state: GovernanceState, tabled: Tabled, at: int) -> Foreseen:
        height, files = self._history.height + 1, self._registry.constitution.rule_files
        _require_another_engine(tabled.proposal, self.orders, height)
        return effect_of(state, tabled, at, height, files)

    def _acts_shown(self, held: ProposalOnLedger) -> list[GovernanceActAnswer]:
        return [
            {
                "digest": b64u(attestation.digest),
                "act": attestation.kind.partition(".")[2],
                "by": attestation.issuer,
                "by_name": name_of(self._history.at(row.height), attestation.issuer),
                "height": row.height,
                "time": since,
                "leaf_index": row.leaf_index,
            }
            for row, attestation, since in held.acts
        ]

    def _changed_by(self, entry: GovernanceEntry) -> list[RecordChange]:
        governs = entry.in_force <= self._history.height + 1
        return list(self._changed_for_good(entry) if governs else self._changed(entry))

    def _changed(self, entry: GovernanceEntry) -> list[RecordChange]:
        """The records of a decision as they were and became: those whose digests its leaf names."""
        after = self._history.at(entry.in_force)
        governed = (self.state.future, self._history.at(entry.in_force - 1), after)
        known = {digest: table for one in governed for digest, table in _by_digest(one).items()}
        found = []
        for kind, name, old, new in entry.changed:
            if new in known and (old is None or old in known):
                before = None if old is None else known[old]
                change = ChangedRecord((kind, name), before, known[new])
                found.append(record_change(after, change, encode(cast(Value, dict(known[new])))))
        return found


def _require_another_engine(proposal: ChangeProposal, orders: EngineTerm, height: int) -> None:
    """Refuse the first move of a network, too, where it leads to the engine that orders.

    The ledger has no record of that engine, and so does what all decide all the same.
    """
    if (move := proposal.records.get((ENGINE, ""))) is not None:
        require_next(orders, EngineTerm.parse(read_record(ENGINE, move)), height, VALIDATORS_AHEAD)


def _by_digest(governance: Governance) -> dict[bytes, Table]:
    return {sha256(data).digest(): _table(data) for data in records_of(governance).values()}


def _table(data: bytes) -> Table:
    table = decode(data)
    assert isinstance(table, dict), "a record is a table"
    return {str(name): value for name, value in table.items()}


def _refused(refusal: Refusal) -> ProblemError:
    return ProblemError(
        422, refusal.code, "Refused by the rules of the ledger", "{why}", rule=refusal.code, why=refusal
    )
