"""The restatement at work: acts are answered, blocks are closed, and every height keeps what governed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from tests.harness.constitution.rules import (
    Effect,
    Never,
    Offer,
    can_object,
    changes_of,
    holding,
    meant,
    missing,
    thefts,
    together,
    touches_rules,
)
from tests.harness.constitution.tables import (
    APPROVALS,
    LIMITS,
    VALIDATORS,
    Id,
    State,
    Table,
    dead_ends,
    digest,
    key_good,
    living,
    member_digest,
    of_type,
    present,
    sound,
    stopped,
)

ADMITTED, WAITS, REFUSED = "admitted", "waits", "refused"
DAY_S = 86_400
ACTS_A_DAY = 200  # of what governs, with each of a party's two keys
PROPOSED, APPROVED, TAKEN_BACK = "proposed", "approved", "approval_withdrawn"
WITHDRAWN, OBJECTED, HELD = "proposal_withdrawn", "objected", "held"
KINDS = (PROPOSED, APPROVED, TAKEN_BACK, WITHDRAWN, OBJECTED, HELD)


@dataclass(frozen=True)
class Act:
    """What somebody signed; `flaw` is what the maker of the act spoilt on purpose, "" for nothing."""

    by: str
    kind: str
    about: bytes  # digest of the proposal
    kid: str
    signed: int
    happened: int
    name: bytes  # SHA-256 of its bytes
    size_bytes: int
    recovery: str = ""  # SHA-256 of the recovery key that signed it, as records have it
    offer: Offer | None = None
    flaw: str = ""


@dataclass
class Table_:
    """What is on the table while a block is filled."""

    open: dict[bytes, Offer]
    over: dict[bytes, str]
    in_block: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a proposal; `in_force`: the first height that it governs, 0 for none."""

    outcome: str
    in_force: int = 0


@dataclass
class Model:
    """Where the network stands. `current` governs the next block, `future` the one after it.

    Whether an act's author may sign at all is asked of what governs its block; whether its office may say so,
    of what governs the block after, where it counts.
    """

    current: State
    future: State
    height: int = 0
    open: dict[bytes, Offer] = field(default_factory=dict)
    over: dict[bytes, str] = field(default_factory=dict)
    final: set[bytes] = field(default_factory=set)
    today: dict[str, tuple[int, int]] = field(default_factory=dict)  # day, acts
    decided: list[tuple[int, Mapping[Id, Table]]] = field(default_factory=list)  # first height, records
    reason: str = ""  # of the last proposal that was refused

    @classmethod
    def founded(cls, state: State) -> Model:
        """Before the first block."""
        return cls(state, state)

    # -- acts ----------------------------------------------------------------------------------------

    def table(self) -> Table_:
        """An empty block."""
        return Table_(dict(self.open), dict(self.over))

    def answer(self, act: Act, at: int, table: Table_) -> str:
        """What an act is answered at `at`, after what is on the table; admitted, it is there afterwards."""
        self.reason = ""
        if act.name in self.final:
            return REFUSED
        heard = self._authentic(act, at)
        if heard != ADMITTED:
            return heard
        limits = self.current[LIMITS]
        ahead = max(act.signed, act.happened) - at
        if ahead > limits["clock_skew_s"]:
            return WAITS
        if at - act.signed > limits["attestation_age_s_max"]:
            return REFUSED
        share = _share(act)
        _, count = self._today(share, at)
        count += table.in_block.get(share, 0)
        if table.in_block.get(share, 0) >= limits["per_issuer_per_block_max"]:
            return WAITS
        if count >= ACTS_A_DAY:
            return WAITS
        heard = str(_SPEAKS[act.kind](self, act, at, table))
        if heard == ADMITTED:
            table.in_block[share] = table.in_block.get(share, 0) + 1
        return heard

    def _today(self, did: str, at: int) -> tuple[int, int]:
        day, count = self.today.get(did, (-1, 0))
        return (day, count) if day >= at // DAY_S else (at // DAY_S, 0)

    def _authentic(self, act: Act, at: int) -> str:
        party = self.current.get(("participant", act.by))
        if party is None or act.flaw == "signature":
            return REFUSED
        if act.recovery:
            known = act.kind in (PROPOSED, OBJECTED) and party.get("recovery") == act.recovery
            return ADMITTED if known and present(party, at) else REFUSED
        keys = [k for k in party["keys"] if k["id"] == act.kid and k["role"] == "attest"]
        if not keys or stopped(self.current, act.by, at) or stopped(self.current, act.kid, at):
            return REFUSED
        good = all(key_good(keys[0], t) and present(party, t) for t in (at, act.happened))
        mine = act.kid not in thefts(self.future, act.by)
        return ADMITTED if good and mine else REFUSED

    def _propose(self, act: Act, at: int, table: Table_) -> str:
        assert act.offer is not None, "a proposal is in its act"
        rules = self.future[APPROVALS]
        if act.recovery and self._recovery_of(act.by) != act.recovery:
            return REFUSED
        if act.about in table.open or act.about in table.over or act.flaw:
            return REFUSED
        if not at < act.offer.expires <= at + rules["proposal_s_max"]:
            return REFUSED
        mine = [o for o in table.open.values() if o.author == act.by and o.by_recovery == bool(act.recovery)]
        if len(mine) >= rules["proposals_per_party_max"]:
            return REFUSED
        alive = frozenset(living(self.future, at))
        if sum(len(o.changed) for o in (*mine, act.offer)) > self._part(act, alive, at):
            return REFUSED
        approvals = frozenset() if act.recovery else alive & {act.by}
        offer = replace(
            act.offer, height=self.height + 1, time=at, objectors=alive, approvals=approvals,
            recovery=act.recovery, robbed_then={act.by: thefts(self.future, act.by)},
        )  # fmt: skip
        try:
            if not self._fits(offer):
                raise Never("written for other records")
            _governing(offer, changes_of(offer, self.future, at), (self.future, self.future), at)
        except Never as never:
            self.reason = str(never)
            return REFUSED
        table.open[act.about] = offer
        return ADMITTED

    def _part(self, act: Act, alive: frozenset[str], at: int) -> int:
        """How many open records are this key's: of 1,024 half is the authorities', the rest everybody's."""
        everybody = [did for did, party in of_type(self.future, "participant") if present(party, at)]
        office = act.by in alive and not act.recovery
        part = 512 // len(alive) if office else 256 // len(everybody)
        return 2 if part < 2 else 32 if part > 32 else part

    def _spoken_of(self, act: Act, table: Table_) -> Offer | str:
        if act.about in table.open:
            return meant(table.open[act.about], self.future)
        return REFUSED if act.about in table.over else WAITS

    def _approve(self, act: Act, at: int, table: Table_) -> str:
        offer = self._spoken_of(act, table)
        if isinstance(offer, str):
            return offer
        if act.by not in living(self.future, at) or act.by in offer.approvals:
            return REFUSED
        known = {**offer.robbed_then, act.by: thefts(self.future, act.by)}
        table.open[act.about] = replace(offer, approvals=offer.approvals | {act.by}, robbed_then=known)
        return ADMITTED

    def _take_back(self, act: Act, at: int, table: Table_) -> str:
        offer = self._spoken_of(act, table)
        if isinstance(offer, str):
            return offer
        if act.by not in offer.approvals:
            return WAITS
        table.open[act.about] = replace(offer, approvals=offer.approvals - {act.by})
        return ADMITTED

    def _withdraw(self, act: Act, at: int, table: Table_) -> str:
        offer = self._spoken_of(act, table)
        if isinstance(offer, str):
            return offer
        if act.by != offer.author:
            return REFUSED
        del table.open[act.about]
        table.over[act.about] = "withdrawn"
        return ADMITTED

    def _recovery_of(self, did: str, state: State | None = None) -> object:
        return (self.future if state is None else state)["participant", did].get("recovery")

    def _object(self, act: Act, at: int, table: Table_) -> str:
        if act.recovery and self._recovery_of(act.by) != act.recovery:
            return REFUSED
        offer = self._spoken_of(act, table)
        if isinstance(offer, str):
            return offer
        try:
            if not self._fits(offer):
                return REFUSED
            changes = changes_of(offer, self.future, at).changes
        except Never:
            return REFUSED
        homes = {did: self.future["participant", did]["jurisdiction"] for did in offer.objectors}
        if act.by not in can_object(changes, homes, living(self.future, at)) - offer.against:
            return REFUSED
        table.open[act.about] = replace(offer, against=offer.against | {act.by})
        return ADMITTED

    def _hold(self, act: Act, at: int, table: Table_) -> str:
        offer = self._spoken_of(act, table)
        if isinstance(offer, str):
            return offer
        if act.by not in self.future[VALIDATORS]["participants"]:
            return REFUSED
        if not touches_rules(offer) or act.by in holding(offer, self.future, at):
            return REFUSED
        table.open[act.about] = replace(offer, held={**offer.held, act.by: act.kid})
        return ADMITTED

    # -- blocks --------------------------------------------------------------------------------------

    def fill(self, acts: Sequence[Act], at: int, previous: bytes) -> tuple[list[Act], Table_]:
        """Those of the acts that a block of this time holds, in its order."""
        limits, table = self.current[LIMITS], self.table()
        chosen: list[Act] = []
        size = 0
        for act in sorted(acts, key=lambda a: sha256(previous + a.name).digest()):
            if len(chosen) == limits["attestations_per_block_max"]:
                break
            if size + act.size_bytes + 5 > limits["block_bytes_max"]:
                continue
            if self.answer(act, at, table) == ADMITTED:
                size += act.size_bytes + 5
                chosen.append(act)
        return chosen, table

    def close(self, acts: Sequence[Act], table: Table_, at: int) -> dict[bytes, Outcome]:
        """The block is over: whatever can be decided is, one after the other."""
        for act in acts:
            self.final.add(act.name)
            day, count = self._today(_share(act), at)
            self.today[_share(act)] = day, count + 1
        found = {d: Outcome(what) for d, what in table.over.items() if d not in self.over}
        self.height += 1
        current, future = self.future, self.future
        begins: dict[Id, int] = {}  # of what this block decided
        for offer in sorted(table.open.values(), key=lambda o: (o.height, o.digest)):
            if self._outlived(offer, future) or at >= offer.expires or not self._fits(offer, future):
                found[offer.digest] = Outcome("lapsed")
                continue
            try:
                effect = changes_of(offer, future, at)
                if missing(meant(offer, future), effect, current[APPROVALS], current, at):
                    continue
                lead = 2 if together(effect, current[APPROVALS], offer) else 1
                following = _governing(offer, effect, (current, future), at)
            except Never:
                found[offer.digest] = Outcome("lapsed")
                continue
            if {begins.get(record, lead) for record in effect.records} - {lead}:
                continue  # one record, two beginnings: it has its turn in the next block
            current, future = following
            begins |= dict.fromkeys(effect.records, lead)
            found[offer.digest] = Outcome("decided", self.height + lead)
            self.decided.append((self.height + lead, effect.records))
        for offer in table.open.values():
            if offer.digest not in found and self._outlived(offer, future):
                found[offer.digest] = Outcome("lapsed")
        self.open = {d: o for d, o in table.open.items() if d not in found}
        self.over = table.over | {d: o.outcome for d, o in found.items()}
        self.current, self.future = current, future
        return found

    def _outlived(self, offer: Offer, future: State) -> bool:
        """True if the key that signed it is its owner's no more, or a key of that sort is not its alone."""
        if not offer.recovery:
            return thefts(future, offer.author) != offer.robbed_then[offer.author]
        return bool(offer.recovery) and self._recovery_of(offer.author, future) != offer.recovery

    def _fits(self, offer: Offer, future: State | None = None) -> bool:
        known = self.future if future is None else future
        return all(_same(known.get(record), said) for record, said in offer.base.items())


def _share(act: Act) -> str:
    """Attest key and recovery key have a day of their own."""
    return f"{act.by} by recovery" if act.recovery else act.by


def _same(table: Table | None, said: object) -> bool:
    """True if a record, or the members of it that are named, are what a proposal was written for."""
    if not isinstance(said, Mapping):
        return digest(table) == said
    return table is not None and all(member_digest(table, n) == known for n, known in said.items())


def _governing(offer: Offer, effect: Effect, states: tuple[State, State], at: int) -> tuple[State, State]:
    """What governs the next block and the one after; raises Never."""
    current, future = states
    later = {**future, **effect.records}
    _require_way_on(future, later, at)
    if together(effect, current[APPROVALS], offer):
        return current, later
    sooner = {**current, **effect.records}
    _require_way_on(current, sooner, at)
    return sooner, later


def _require_way_on(before: State, after: State, at: int) -> None:
    if not sound(after):
        raise Never("it does not go together")
    if dead_ends(after, at) - dead_ends(before, at):
        raise Never("nothing could be changed any more")


_SPEAKS: Mapping[str, Any] = {
    PROPOSED: Model._propose,
    APPROVED: Model._approve,
    TAKEN_BACK: Model._take_back,
    WITHDRAWN: Model._withdraw,
    OBJECTED: Model._object,
    HELD: Model._hold,
}

__all__ = ["ADMITTED", "KINDS", "REFUSED", "WAITS", "Act", "Id", "Model", "Outcome", "Table"]
