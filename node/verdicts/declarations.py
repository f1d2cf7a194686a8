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
from credentials.verdicts.evidence import (
    Evidence,
    Held,
    OtherDeclaration,
    Policy,
    alias_texts,
    declaration_text,
)
from credentials.verdicts.manifest import Line, Manifest, canonical_name
from credentials.verdicts.names import OPAQUE
from node.storage.database import Transaction
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

    def look_again(
        self, db: Transaction, newest: int, consignment_id: str, judged: Sequence[tuple[Line, object]]
    ) -> None:
        """Mark lines that were judged, if manifests came since `newest`: they may name the same batteries."""
        if self._office.consignments.newest() != newest:
            self._office.overtaken.mark_again(db, consignment_id, [line.line for line, _ in judged])

    def beside(
        self, battery: str, evidence: Evidence, declaration: str, consignment_id: str = ""
    ) -> Evidence:
        """The evidence with the other declarations that name its battery; `declaration` "": under none.

        And with the other lines of its consignment whose passports name a further code of it.
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
        own = declaration_text(declaration)
        others = self._office.declared.others(names, own, int(time.time()) - OPEN_S)
        if not others:
            return evidence
        first = self._office.declared.first_of(names, own)
        declared = [
            OtherDeclaration(
                row.declaration, row.consignment, first is None or row.first < first, row.created + OPEN_S
            )
            for row in others
        ]
        return replace(evidence, declared=tuple(declared))

    def _sharing(self, consignment_id: str, battery: str, evidence: Evidence) -> Evidence:
        """The evidence with the judged lines whose passports name a further code as its own do (X17)."""
        own = self._gathering.key_of(battery)
        named = [self._gathering.subject_of(text) for text in evidence.aliases if text not in evidence.namers]
        keys = [standing_key(one) for one in named if one is not None and one.scheme != OPAQUE]
        if own is None or not keys:
            return evidence
        return replace(evidence, sharing=self._office.overtaken.sharing(consignment_id, own, keys))
