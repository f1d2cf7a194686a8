"""Parts of a battery, opened: what its maker committed to, compared with what is on record of each part.

    open_part(keys, key) -> Opened            by whoever has all the codes: the way from one part to the root
    require_opened(key, opened, root)         offline: this part is under that root, or CommitmentError
    check_parts(pack, parts, governance)      each part with what was found (X2, X7, X8)
    committed_parts(pack) -> str | None       whether what was taken out of it is what was committed to
    fate_of(part, pack, stated)               what became of one, beside the state it is in

The commitment is `children_root` of the production: the RFC 9162 root over the sorted standing keys of all
parts. All of them, or one with its path, is the proof. What is not under the root is not checked, and never
counts as committed. Pure; nothing here says that a pack holds no other part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from consensus.merkle import MerkleError, Tree, leaf_hash, verify_inclusion
from credentials.documents.identifiers import Identifier, Subject, subject_from_blind
from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key
from credentials.ledger.descendants import root_of
from credentials.ledger.governance import Governance
from credentials.ledger.rules import LOST
from credentials.ledger.standing import ORIGINAL, Standing

PARTS_MAX = 4_096  # of one battery
NO, NOTE, NOT_CHECKED = "no", "note", "not_checked"
PASS, FAIL = "pass", "fail"
_OUTCOMES = {
    "part_not_committed": NOT_CHECKED,
    "part_claimed": NOT_CHECKED,
    "part_no_record": NOTE,
    **dict.fromkeys(("part_used", "part_of_another", "part_became_another", "part_lost", "part_waste"), NO),
    **dict.fromkeys(("part_recalled", "part_fate_missing"), NO),
    **dict.fromkeys(("part_fate_reuse", "part_fate_repurpose", "part_fate_recycle", "part_status"), NOTE),
    **dict.fromkeys(("part_fate_open", "part_fate_unread"), NOT_CHECKED),
}
WHOLE, OTHER, CLOSED, NOTHING = "whole", "other", "closed", "nothing"  # of what was committed to
RECALLED = "recalled"
_FATES = ("reuse", "repurpose", "recycle", "missing")
_RECEIVED = ("in_recycling", "recycled")  # states of what a recycler has
_GONE_ON = (*_RECEIVED, "dismantled", "consumed")  # its parts, or what it became, have fates of their own


@dataclass(frozen=True, slots=True)
class Opened:
    """The way from one part to the root: its place among `size` leaves, and the hashes beside it."""

    index: int
    size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PartShown:
    """A part that is shown: `opened` None: only its code is."""

    subject: Subject
    code: str
    standing: Standing | None
    opened: Opened | None = None

    @property
    def key(self) -> bytes:
        """Its standing key: what the commitment is over."""
        return standing_key(self.subject)


@dataclass(frozen=True, slots=True)
class PartFinding:
    """One thing that was found of a part: `outcome` no, note or not_checked."""

    code: str
    outcome: str
    parameters: Mapping[str, str | int | list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartChecked:
    """A part with what was found; nothing: its maker committed to it, and it was never used."""

    key: bytes
    code: str
    committed: bool
    findings: tuple[PartFinding, ...]


@dataclass(frozen=True, slots=True)
class PartsChecked:
    """pass: all that was committed was shown, and nothing stands against any; fail; or not_checked.

    `size`: how many parts were committed to, where what was shown proves it.
    """

    answer: str
    size: int | None
    parts: tuple[PartChecked, ...]


class CommitmentError(CredentialError):
    """A part is not under the root that it is said to be under."""


def open_part(keys: Sequence[bytes], key: bytes) -> Opened:
    """The way from one part to the root over all of them; raises CommitmentError if it is none of them."""
    ordered = sorted(set(keys))
    if key not in ordered:
        raise CommitmentError("malformed", "this part is none of those that were committed to")
    tree = Tree(leaf_hash(one) for one in ordered)
    index = ordered.index(key)
    return Opened(index, len(ordered), tuple(tree.inclusion_proof(index)))


def require_opened(key: bytes, opened: Opened, root: bytes) -> None:
    """Raise CommitmentError unless the part with this key stands under this root."""
    try:
        verify_inclusion(leaf_hash(key), opened.index, opened.size, opened.path, root)
    except MerkleError as error:
        raise CommitmentError("malformed", f"the part is not under this commitment: {error}") from error


def key_shown(part: Identifier, blind: bytes) -> bytes:
    """The key of a part whose blind is handed over with its code: without the network's key."""
    return standing_key(subject_from_blind(part, blind))


def check_parts(
    pack: Standing,
    parts: Sequence[PartShown],
    governance: Governance,
    code_of: Callable[[bytes], str | None],
) -> PartsChecked:
    """Compare what is shown with the pack's commitment, and each part with what is on record of it.

    `code_of` names another pack by its key, where that is known.
    """
    root = pack.children_root
    keys = [part.key for part in parts]
    whole = root is not None and bool(keys) and len(set(keys)) == len(keys) and root_of(keys) == root
    checked: list[PartChecked] = []
    sizes = set[int]()
    for part in parts:
        under = whole
        if not under and root is not None and part.opened is not None:
            under = _is_under(part, part.opened, root)
            sizes |= {part.opened.size} if under else set()
        checked.append(
            PartChecked(part.key, part.code, under, tuple(_found(pack, part, under, governance, code_of)))
        )
    size = len(keys) if whole else sizes.pop() if len(sizes) == 1 else None
    outcomes = {one.outcome for part in checked for one in part.findings}
    complete = size is not None and len({p.key for p in checked if p.committed}) == size
    answer = FAIL if NO in outcomes else PASS if complete and NOT_CHECKED not in outcomes else NOT_CHECKED
    return PartsChecked(answer, size, tuple(checked))


def committed_parts(pack: Standing | None) -> str | None:
    """whole: exactly what was committed to was taken out; other: not exactly that; closed: nothing was yet.

    nothing: parts were taken out that nobody had committed to; None: there is nothing to compare.
    """
    if pack is None or (pack.children_root is None and not pack.children):
        return None
    if pack.children_root is None:
        return NOTHING
    if not pack.children:
        return CLOSED
    return WHOLE if root_of(pack.children) == pack.children_root else OTHER


def fate_of(one: Standing | None, pack: Standing | None, stated: str | None) -> tuple[PartFinding, ...]:
    """What is to be known of a battery beside its state; of a part, also what its dismantler stated.

    `pack`: what it is shown under, for a part; `stated`: the fate that the document of that act names.
    """
    found: list[PartFinding] = []

    def add(code: str, **parameters: str | int | list[str]) -> None:
        found.append(PartFinding(code, _OUTCOMES[code], parameters))

    if one is not None:
        for name, code in ((LOST, "part_lost"), (RECALLED, "part_recalled")):
            if one.settings(name):
                add(code, by=sorted({setting.by for setting in one.settings(name).values()}))
        if one.eu_status != ORIGINAL and one.item_state not in (one.eu_status, *_RECEIVED):
            add("part_status", status=one.eu_status)
    if pack is None:
        return tuple(found)
    if one is not None and one.parent is not None and one.parent.key != pack.key:
        add("part_of_another", battery="")
    add(f"part_fate_{stated}" if stated in _FATES else "part_fate_unread")
    if stated == "recycle" and (one is None or one.item_state not in _GONE_ON):
        add("part_fate_open")
    return tuple(found)


def _is_under(part: PartShown, opened: Opened, root: bytes) -> bool:
    try:
        require_opened(part.key, opened, root)
    except CommitmentError:
        return False
    return True


def _found(
    pack: Standing,
    part: PartShown,
    under: bool,
    governance: Governance,
    code_of: Callable[[bytes], str | None],
) -> list[PartFinding]:
    found: list[PartFinding] = []

    def add(code: str, **parameters: str | int | list[str]) -> None:
        found.append(PartFinding(code, _OUTCOMES[code], parameters))

    one = part.standing
    if not under:
        add("part_not_committed")
    elif not _makers(pack, part, governance):
        add("part_claimed", namespace=part.subject.namespace)
    if one is None or not one.born:
        add("part_no_record")
        return found
    if one.parent is not None and one.parent.key != pack.key:
        add("part_of_another", battery=code_of(one.parent.key) or "")
    elif one.used and one.parent is None:
        add("part_used", marks=list(one.marks))
    if one.lineage is not None:
        add("part_became_another", battery=next((c for k in one.lineage.successors if (c := code_of(k))), ""))
    if one.settings(LOST):
        add("part_lost", by=sorted(setting.by for setting in one.settings(LOST).values()))
    if one.eu_status not in (ORIGINAL, pack.eu_status):
        add("part_waste", status=one.eu_status)
    return found


def _makers(pack: Standing, part: PartShown, governance: Governance) -> bool:
    """Whether the pack's maker could commit to it: a code of its own, or a part that it holds or held.

    In another maker's namespace a commitment is a claim until that maker confirms it, by handing it over.
    """
    one, maker = part.standing, pack.producer
    if maker is None:
        return False
    own = governance.makes(maker, part.subject.scheme, part.subject.namespace, pack.production_time or 0)
    if one is None:
        return own
    given = one.holder == maker or (one.parent is not None and one.parent.key == pack.key)
    return given or (own and one.producer in (None, maker))
