"""The VC-API: credentials of profiles issued and verified, their status, DIDs resolved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import orjson

from credentials.documents.canonical import b64u
from credentials.documents.did_documents import did_document
from credentials.ledger.governance import GovernanceHistory
from node.answers import ProfileAnswer, ResolutionAnswer
from node.errors import not_found
from node.issuing.issuing import Issuing
from node.issuing.outbox import Outbox
from node.issuing.profiled import Securing, require_change
from node.issuing.status_changes import change_status
from node.resolution.resolver import Resolver
from node.storage.office import OfficeStore
from node.use_cases.progress import ProgressReport
from node.verdicts.verification import Checking, Verification

JSON = dict[str, Any]


class SecuredAnswer(TypedDict):
    """A credential that is secured."""

    verifiableCredential: Any
    warning: NotRequired[str]  # what was signed here is not on the ledger


class ProvedAnswer(TypedDict):
    """A presentation that is proved."""

    verifiablePresentation: Any


class VersionAnswer(TypedDict):
    """A version of a status list, with its attestation and where that is in the log."""

    seq: int
    digest: str
    attestation: str
    state: str
    height: int | None
    leaf_index: int | None
    block_time: int | None
    receipted_at: int | None


class VcApi:
    """What the VC-API's routes call."""

    def __init__(
        self,
        *,
        history: GovernanceHistory,
        did: str,
        open_api: bool,
        securing: Securing,
        checking: Checking,
        resolver: Resolver,
        issuing: Issuing,
        office: OfficeStore,
        outbox: Outbox,
        progress: ProgressReport,
    ) -> None:
        self._history = history
        self._did = did
        self.open_api = open_api  # open to everybody (`serve --open-api`)
        self._securing = securing
        self._checking = checking
        self._resolver = resolver
        self._issuing = issuing
        self._office = office
        self._outbox = outbox
        self._progress = progress

    def issue(self, credential: Any, profile: str | None = None) -> SecuredAnswer:
        """One credential secured by a profile, or the default one: {verifiableCredential, warning?}.

        `warning`: a battery passport or event that was signed here is not on the ledger, and says so.
        """
        answer: SecuredAnswer = {"verifiableCredential": self._securing.issue(profile, credential)}
        if warning := self._issuing.unattested(credential):
            answer["warning"] = warning
        return answer

    def verify_credential(self, credential: Any, options: JSON | None = None) -> Verification:
        """The checks of a credential (the route answers 400 if not verified)."""
        return self._checking.credential(credential, options or {})

    def verify_presentation(self, presentation: Any, options: JSON | None = None) -> Verification:
        """As `verify_credential`, and the checks of each credential in it."""
        return self._checking.presentation(presentation, options or {})

    def prove(self, presentation: Any, options: JSON | None = None) -> ProvedAnswer:
        """{verifiablePresentation}: proved by a key of this node, for `options.domain` and `.challenge`."""
        return {"verifiablePresentation": self._securing.prove(presentation, options or {})}

    def manifest(self) -> dict[str, ProfileAnswer]:
        """{profile: {id, endpoint}}; 404 unless the VC-API is open to everybody."""
        if not self.open_api:
            raise not_found("no_manifest", "this node was not started with --open-api")
        return self._securing.manifest()

    def set_status(self, credential_id: str, purpose: str, status: bool) -> Callable[[], bool]:
        """POST /credentials/status: of a passport's set, or of a credential of a profile.

        What is returned tells whether the lists say so by now: who asks waits, no thread of this node does.
        """
        require_change(purpose, raised=status)
        stored = self._office.documents.with_id(credential_id)
        sets = [d.set_digest for d in stored if d.fetched_at is None and d.set_digest is not None]
        issued = self._office.issuances.get(sets[0]) if sets else None
        if issued is not None:
            return change_status(self._issuing, issued, purpose, raised=status, wake=self._outbox.wake)
        return self._securing.set_status(credential_id, purpose, raised=status, wake=self._outbox.wake)

    def did_document(self) -> JSON:
        """This participant's did.json."""
        return did_document(self._history.latest.participants[self._did])

    def resolve(self, did: str) -> ResolutionAnswer:
        """{didDocument, didDocumentMetadata, didResolutionMetadata}: ledger, computed, or fetched."""
        return self._resolver.resolution(did)

    def status_list(self, name: str, seq: int | None = None) -> JSON:
        """The status list credential in force (version n until n+1 has its receipt), or version `seq`."""
        lists = self._issuing.lists
        digest = lists.served(name) if seq is None else lists.version(name, seq)
        stored = self._office.documents.get(digest) if digest is not None else None
        if stored is None:
            raise not_found("list_unknown", "this node publishes no status list of that name and version")
        body = orjson.loads(stored.body)
        assert isinstance(body, dict), "a status list is a credential"
        return body

    def status_versions(self, name: str) -> list[VersionAnswer]:
        """Every version of a list: {seq, digest, attestation, state, height, leaf_index, block_time}.

        Whether a bit was raised at a time is said by the last version admitted before it; its receipt is at
        /receipts/{attestation}.
        """
        versions = self._issuing.lists.versions(name)
        if not versions:
            raise not_found("list_unknown", "this node publishes no status list of that name")
        told: list[VersionAnswer] = []
        items = self._office.outbox.get_many([version.attestation for version in versions])
        made = self._progress.of_many(list(items.values()))
        for version in versions:
            progress = made[version.attestation]
            told.append(
                {
                    "seq": version.seq,
                    "digest": b64u(version.digest),
                    "attestation": b64u(version.attestation),
                    "state": progress["state"],
                    "height": progress["height"],
                    "leaf_index": progress["leaf_index"],
                    "block_time": progress["block_time"],
                    "receipted_at": progress["receipted_at"],
                }
            )
        return told
