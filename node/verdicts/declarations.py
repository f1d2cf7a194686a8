"""One battery, one open declaration, where the ledger does not say yet: what this node was shown (X12).

Two manifests under two declarations may name one battery; the one that named it first has it, until the
battery is presented on the ledger (credentials D755). What a declaration names is what its latest upload
names.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from credentials.ledger.attestation import standing_key
from credentials.verdicts.evidence import Evidence, Held, alias_texts, declaration_text
from credentials.verdicts.manifest import DeclaredHere, Manifest, canonical_name
from credentials.verdicts.names import OPAQUE
from credentials.verdicts.policy import Policy
from node.storage.database import Transaction
from node.storage.declarations import DeclaredRow, OpenRow
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

OPEN_S = 120 * 86_400  # a consignment older than this is not judged again
ASKED_BY = "standing.presentation"  # the check of a policy that asks for presentations


class Declarations:
    """Knows which declarations of this node name a battery."""

    def __init__(self, office: OfficeStore, gathering: Gathering, policy: Policy) -> None:
        self._office = office
        self._gathering = gathering
        self._policy = policy

    def named(self, manifest: Manifest) -> list[tuple[int, str]]:
        """The battery of each line, by its canonical name: found before anything is locked."""
        if ASKED_BY not in self._policy.required:
            return []
        rules = self._gathering.tables.identifiers
        return [(line.line, canonical_name(line.battery, rules)) for line in manifest.lines]

    def put(
        self, db: Transaction, number: int, declaration: str | None, named: Sequence[tuple[int, str]]
    ) -> None:
        """Keep what a manifest that is being stored names; lines that share a battery with it are marked."""
        if not named:
            return
        declaration = declaration_text(declaration or "")
        self._office.declared.put(db, number, declaration, named)
        if declaration:
            mark = max(1, self._office.overtaken.watched_until())
            self._office.declared.mark_shared(db, declaration, int(time.time()) - OPEN_S, mark)

    def look_again(self, db: Transaction, newest: int, consignment_id: str, judged: Sequence[int]) -> None:
        """Mark lines that were judged, if manifests came since `newest`: they may name the same batteries."""
        if self._office.consignments.newest() != newest:
            self._office.overtaken.mark_again(db, consignment_id, judged)

    def beside(
        self, battery: str, evidence: Evidence, declaration: str, consignment_id: str = ""
    ) -> Evidence:
        """The evidence with the other declarations that may name its battery; `declaration` "": under none.

        And with the other lines of its consignment that may rest on a further code of it. Which names are its
        own the verdict says (credentials D866): those here are all that are stated of it, by whomever.
        """
        if consignment_id:
            evidence = self._sharing(consignment_id, battery, evidence)
        if ASKED_BY not in self._policy.required:
            return evidence
        rules = evidence.network.tables.identifiers
        documents = (*evidence.documents.values(), *evidence.earlier.values())
        held = [d.document for d in documents if isinstance(d, Held)]
        shown = [text for document in (*held, *evidence.presented) for text in alias_texts(document)]
        names = sorted({canonical_name(text, rules) for text in (battery, *shown, *evidence.namers)})
        own, table = declaration_text(declaration), self._office.declared
        rows = table.naming(names)
        if all(row.declaration == own or not row.latest for row in rows):
            return evidence
        lines = table.open(names, int(time.time()) - OPEN_S)
        others = dict.fromkeys(line.declaration for line in lines if line.declaration != own)
        declared = tuple(_declared(other, rows, lines) for other in others)
        mine = [row for row in rows if row.declaration == own]
        latest = frozenset(row.battery for row in mine if row.latest)
        first = {row.battery: row.first for row in mine}
        named = DeclaredHere(own, consignment_id, first, latest, 0)
        return replace(evidence, declared=declared, declared_as=named)

    def _sharing(self, consignment_id: str, battery: str, evidence: Evidence) -> Evidence:
        """The evidence with the judged lines that rest on what may be a further code of it (X17)."""
        own, rules = self._gathering.key_of(battery), evidence.network.tables.identifiers
        named = {text: self._gathering.subject_of(text) for text in evidence.aliases}
        keys = {
            standing_key(one): canonical_name(text, rules)
            for text, one in named.items()
            if one is not None and one.scheme != OPAQUE and text not in evidence.namers
        }
        if own is None or not keys:
            return evidence
        lines = self._office.overtaken.sharing(consignment_id, own, sorted(keys))
        return replace(evidence, sharing={keys[key]: numbers for key, numbers in lines.items()})


def _declared(declaration: str, rows: Sequence[DeclaredRow], lines: Sequence[OpenRow]) -> DeclaredHere:
    """A declaration by these names, on lines of its latest upload that are open."""
    latest = [line for line in lines if line.declaration == declaration]
    return DeclaredHere(
        declaration,
        latest[0].consignment,
        {row.battery: row.first for row in rows if row.declaration == declaration},
        frozenset(line.battery for line in latest),
        latest[0].created + OPEN_S,
    )
