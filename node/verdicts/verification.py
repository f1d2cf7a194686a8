"""Verifying what others show (VC-API): one credential or a presentation, by whatever mechanism it is secured.

The steps are those of `credentials.verdicts.examination`, the same that clearance makes; here is what they
ask of the world: DID documents and status lists of others, and for a participant's document its ledger.

Verified means that no check failed and none that was asked for is undecided. Whether a key is the issuer's is
asked of every document but on an open node, where whoever asks may name the check `issuer_key`; a
participant's name is never lent to another's key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from credentials.documents.canonical import Contexts, parse_json
from credentials.documents.model import StatusEntry
from credentials.documents.presentation import open_presentation
from credentials.documents.secured import credential_shown
from credentials.documents.suites import jose
from credentials.errors import CredentialError
from credentials.ledger.governance import GovernanceHistory
from credentials.verdicts.evidence import At, Tables
from credentials.verdicts.examination import examine_document
from credentials.verdicts.ledger_means import means_of
from credentials.verdicts.means import Demands, ListInHand, Means, Schema, tell
from credentials.verdicts.policy import Policy
from credentials.verdicts.record import Inquiry, Record
from credentials.verdicts.verdict import Check, Findings, Outcome
from node.resolution.fetch import Asking, Fetcher, FetchError
from node.resolution.resolver import Resolver
from node.verdicts.consignments import require_law_date
from node.verdicts.last_held import LastHeld
from node.verdicts.sources import Gathering

JSON = dict[str, Any]
LIST_BYTES_MAX = 4 << 20
LIST_TYPES = "application/vc, application/ld+json, application/json, application/vc+jwt"
# Checks that are told when they were not made, and do not keep a document from being verified.
TOLD_ONLY = ("schema", "related")
PROOF_CHECKS = frozenset({"proof", "issuer_key"})

OwnList = Callable[[str], JSON | None]  # the newest version of a list this node publishes, by its URL


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at in one credential or presentation; words: `node/words.py`."""

    checks: tuple[Check, ...]
    credentials: tuple[Verification, ...] | None = None  # of a presentation

    @property
    def verified(self) -> bool:
        """True if the proof holds, no check failed, and none that was asked for is undecided."""
        proven = any(c.name == "proof" and c.outcome is Outcome.PASS for c in self.checks)
        return proven and not self._bad() and all(inner.verified for inner in self.credentials or ())

    @property
    def problems(self) -> list[Check]:
        """Why it is not verified: its own checks, then those of the credentials in it."""
        own = [check for check in self._bad() if check.outcome is not Outcome.NOT_CHECKED]
        return own + [problem for inner in self.credentials or () for problem in inner.problems]

    @property
    def warnings(self) -> list[Check]:
        """What fails nothing and should be known; not again why something else was not looked at."""
        said = {check.reason for check in self._bad()}
        return [
            c for c in self.checks if c.outcome is Outcome.WARN or (_told_only(c) and c.reason not in said)
        ]

    def _bad(self) -> list[Check]:
        bad = (Outcome.FAIL, Outcome.INDETERMINATE, Outcome.NOT_CHECKED)
        return [check for check in self.checks if check.outcome in bad and not _told_only(check)]


def _told_only(check: Check) -> bool:
    return check.outcome is Outcome.NOT_CHECKED and check.name in TOLD_ONLY


class Checking:
    """Judges credentials and presentations; never raises for what is shown."""

    def __init__(
        self,
        *,
        resolver: Resolver,
        fetcher: Fetcher,
        contexts: Contexts,
        related: Mapping[str, Sequence[bytes]],
        schemas: Mapping[str, Schema],
        tables: Callable[[], Tables],
        own_list: OwnList,
        ledger_means: LedgerSources,
        list_issuers: frozenset[str] = frozenset(),
        open_api: bool = False,
    ) -> None:
        self._resolver = resolver
        self._fetcher = fetcher
        self._contexts = contexts
        self._related = related
        self._schemas = schemas
        self._tables = tables
        self._own_list = own_list
        self._ledger_means = ledger_means
        self._list_issuers = list_issuers
        self._open_api = open_api
        self._last_held = LastHeld()

    # -- credentials -----------------------------------------------------------------------------------

    def credential(
        self, shown: object, options: Mapping[str, Any], asking: Asking | None = None
    ) -> Verification:
        """The checks of one credential; `asking`: what asks others, where several share its time."""
        found = Findings(self._tables())
        now = int(time.time())
        asked = options.get("checks")
        asked = (
            frozenset(name for name in asked if isinstance(name, str)) if isinstance(asked, list) else None
        )
        demands = Demands(
            issuer_bound=not self._open_api or "issuer_key" in (asked or ()),
            dated_ahead=Outcome.WARN,  # VCDM 2.0, 4.9: an issuer may date ahead
            schema_expected=False,
            proof_only=asked is not None and "proof" in asked and asked <= PROOF_CHECKS,
        )
        means = self._ledger_means(shown)
        asking = asking or self._fetcher.for_one_request()
        examine_document(found, shown, means or self._own_means(now, asking), demands, now)
        return Verification(tuple(found.checks))

    def _own_means(self, now: int, asking: Asking) -> Means:
        """What this node has beside the ledger: whoever it can ask."""
        return Means(
            key_of=self._resolver.keys("assertionMethod", now, asking),
            contexts=self._contexts,
            schemas=self._schemas,
            resources=self._related,
            list_of=lambda issuer, entry: self._list(entry, now, asking),
            list_issuers=self._list_issuers,
        )

    def _list(self, entry: StatusEntry, now: int, asking: Asking) -> ListInHand:
        """The list that an entry names: our own, or what its server sends."""
        url = entry.list_credential
        shown = self._own_list(url)
        last = self._last_held.get(url)
        try:
            if shown is None:
                data = asking.get(url, accept=LIST_TYPES, size_bytes_max=LIST_BYTES_MAX)
                shown = _list_of(data)
        except (FetchError, CredentialError) as error:
            code = "status_unavailable" if isinstance(error, FetchError) else "status_list_invalid"
            return ListInHand(None, now - last if last is not None else None, code, str(error))
        self._last_held.put(url, now)
        return ListInHand(shown, 0)

    # -- presentations ---------------------------------------------------------------------------------

    def presentation(self, shown: object, options: Mapping[str, Any]) -> Verification:
        """The checks of a presentation, and those of each credential in it."""
        found = Findings(self._tables())
        now, asking = int(time.time()), self._fetcher.for_one_request()
        challenge, domain = (options.get(name) for name in ("challenge", "domain"))
        asked = options.get("checks")
        try:
            for name, value in (("challenge", challenge), ("domain", domain)):
                if value is not None and not isinstance(value, str):
                    raise CredentialError("malformed", f"options.{name} must be a text (VC-API).")
            presentation, secured = open_presentation(
                shown,
                self._resolver.keys("authentication", now, asking),
                self._contexts,
                domain=domain,
                challenge=challenge,
            )
            if secured.expires is not None and secured.expires <= now:
                raise CredentialError("expired", "The proof of the presentation has expired.")
            if (secured.not_before or 0) > now:
                raise CredentialError("not_yet_valid", "The presentation is not to be accepted yet (nbf).")
        except CredentialError as error:
            tell(found, "proof", error)
            return Verification(tuple(found.checks), ())
        found.passed("proof", verification_methods=list(secured.methods))
        if presentation.holder is not None and {presentation.holder} != set(secured.controllers):
            bound = not self._open_api or "holder_key" in (asked if isinstance(asked, list) else ())
            outcome = Outcome.FAIL if bound or self._ledger_means.knows(presentation.holder) else Outcome.WARN
            told = {"holder": presentation.holder, "controllers": list(secured.controllers)}
            # A check of presentations alone: no policy requires it, so it is none of a verdict's (`CHECKS`).
            found.checks.append(Check("holder_key", outcome, "issuer_key_mismatch", evidence=told))
        inner = tuple(self.credential(item, options, asking) for item in presentation.credentials)
        return Verification(tuple(found.checks), inner)


class LedgerSources:
    """What the ledger says about documents of participants: their keys' intervals, and their status."""

    def __init__(self, gathering: Gathering, policy: Policy, history: GovernanceHistory) -> None:
        self._gathering = gathering
        self._policy = policy
        self._history = history

    def knows(self, did: str) -> bool:
        """True for whoever takes part now."""
        return did in self._history.latest.participants

    def __call__(self, document: object) -> Means | None:
        """What the ledger holds to examine a document with; None for what names no participant."""
        said = credential_shown(document)
        issuer = said.get("issuer")
        issuer = issuer.get("id") if isinstance(issuer, dict) else issuer
        if not isinstance(issuer, str) or not self.knows(issuer):
            return None
        subjects = said.get("credentialSubject")
        about = subjects.get("id") if isinstance(subjects, dict) else None
        line = {"battery": about if isinstance(about, str) else "", "documents": [document]}
        evidence = self._gathering.evidence(line)
        at = At(require_law_date(None), int(time.time()))
        return means_of(
            Inquiry(evidence, Record.read(evidence.ledger, evidence.network.governance), self._policy, at)
        )


def _list_of(data: bytes) -> JSON:
    """A status list as it came: JSON, or a bare JWT."""
    text = data.strip()
    if text.startswith(b"ey"):
        return jose.envelop_bare(text.decode("ascii", "replace"))
    value = parse_json(data, size_bytes_max=LIST_BYTES_MAX)
    if not isinstance(value, dict):
        raise CredentialError("status_list_invalid", "The list is not a JSON object.")
    return value
