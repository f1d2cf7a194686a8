"""Earlier versions of a passport: what the next one replaces, and what of ours came to nothing before it."""

from __future__ import annotations

from collections.abc import Sequence

from node.errors import ProblemError
from node.issuing.signing import StatementSigner
from node.storage.issuances import Issuance
from node.storage.office import OfficeStore
from node.storage.outbox import OutboxItem

GIVEN_UP_MAX = 16  # publications that the next one names


class EarlierVersions:
    """Asks what this node issued before, and what became of it."""

    def __init__(self, signing: StatementSigner, office: OfficeStore) -> None:
        self._signing = signing
        self._office = office

    def require_one(self, battery: str) -> Issuance:
        """The newest passport of ours, recorded; 409 for a battery without one."""
        newest = self._office.issuances.newest_of(battery)
        if newest is None:
            told = "this battery has no passport of this node that a new version could replace"
            raise ProblemError(409, "no_passport_stands", "Conflict", told)
        item = self._office.outbox.get(newest.published)
        if item is not None and item.state == "outbox":
            told = "version {version} of this passport is not recorded yet: a new one names it"
            raise ProblemError(409, "not_recorded", "Not yet", told, version=newest.version)
        return newest

    def given_up(self, ours: Sequence[OutboxItem]) -> list[Issuance]:
        """Our passports, of what we said of a battery, whose publication was given up: others may have it.

        The next names them, so that it is the one that counts, whichever is recorded first (D530).
        """
        publishing = self._signing.event_with("publish")
        if not any(member.ledger == "references" for member in publishing.ledger_members):
            return []  # the rules of this network know no such member
        items = (item for item in ours if item.kind == publishing.type)
        given_up = [item.digest for item in items if item.state in ("dropped", "cancelled")]
        found = (self._office.issuances.published_by(digest) for digest in given_up[-GIVEN_UP_MAX:])
        return [issuance for issuance in found if issuance is not None]
