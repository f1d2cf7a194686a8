"""X6, X21: a vehicle goes anywhere without its batteries. X10: one signs for two. Each is told late.

    a statement that does not pass one of these rules -> ten minutes on it does not still: an attempt
    X6, X21: the same sort of act about that battery is recorded lawfully -> its alert is dealt with

A lawful record may come a moment later, and mostly does: the missing battery, the other signature. No attempt
is told before that (`attempts.py`, D719, D695); [attempts] of node.toml says how long. Whoever reads a report
asks its own ledger the same. What lacked a signature and is recorded with it since is refused for another
reason by then, and told by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from consensus.application import NotYet, Refusal
from consensus.encoding import EncodingError
from credentials.errors import CredentialError
from credentials.ledger.attestation import Attestation, parse_attestation
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.lifecycle import RESTS_ON_ALL_PACKS
from node.oversight.alert_kinds import ADMITTED, ATTEMPT, kind_of
from node.oversight.raising import RECORD_READ_MAX, admitted_of
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore

WAITING_MAX = 512  # statements that are watched
PER_SIGNER_MAX = 16  # of one party
COUNTERSIGNED = "X10"
RULES = RESTS_ON_ALL_PACKS | {COUNTERSIGNED}


class WatchedStatements:
    """Statements that may yet be followed by a lawful one, each since it came first: a few of each signer."""

    def __init__(self) -> None:
        self._since: dict[bytes, tuple[int, str, str]] = {}  # signed bytes -> (when, by which rule, whose)

    def put(self, tx: bytes | Attestation, rule: str, now: int) -> bool:
        """From any thread; False for one too many."""
        data = tx.data if isinstance(tx, Attestation) else tx
        if data in self._since:
            return True
        issuer = _issuer_of(tx)
        of_signer = sum(whose == issuer for _, _, whose in list(self._since.values()))
        if issuer is None or of_signer >= PER_SIGNER_MAX or len(self._since) >= WAITING_MAX:
            return False
        self._since[data] = now, rule, issuer
        return True

    def take(self, until: int) -> list[tuple[bytes, str, int]]:
        """(signed bytes, rule, since when) of what was put until then: it is watched no more."""
        due = [(data, rule, since) for data, (since, rule, _) in list(self._since.items()) if since <= until]
        for data, _, _ in due:
            self._since.pop(data, None)
        return due


def waits_by(check: Callable[[bytes, int], object], data: bytes, at: int) -> str:
    """The rule that a statement of then does not pass by what is on record now; "" for none of these."""
    try:
        check(data, at)
    except NotYet as reason:
        return reason.code
    except Refusal as refusal:
        return COUNTERSIGNED if refusal.code == COUNTERSIGNED else ""
    return ""


def recorded_lawfully(
    rows: Sequence[EntryRow], ledger: LedgerStore, history: GovernanceHistory
) -> Iterator[tuple[str, bytes, int]]:
    """(code of a kind, battery, when) of attempts that these leaves settle: their rule was asked, and passed.

    Of X10 none: another act that both signed says nothing of what one signed alone. Told late it is not asked
    (credentials D898): such a record settles nothing.
    """
    for row in rows:
        event = history.at(row.height).lifecycle.event(row.kind or "") if row.type == ADMITTED else None
        if event is None or row.subject is None or not RESTS_ON_ALL_PACKS & set(event.guards):
            continue
        record = [
            one for _, one in admitted_of(ledger.leaves.of(row.subject, RECORD_READ_MAX, row.leaf_index + 1))
        ]
        if any(one.event_time > record[-1].event_time for one in record[:-1]):
            continue
        at = ledger.block_times([row.height]).get(row.height, 0)
        for rule in sorted(RESTS_ON_ALL_PACKS & set(event.guards)):
            kind = kind_of(ATTEMPT, (rule,))
            if kind is not None:
                yield kind.code, row.subject, at


def _issuer_of(tx: bytes | Attestation) -> str | None:
    try:
        return (tx if isinstance(tx, Attestation) else parse_attestation(tx)).issuer
    except (CredentialError, EncodingError):
        return None
