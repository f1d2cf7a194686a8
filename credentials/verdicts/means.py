"""What there is to examine a document with, and what whoever asks wants to know of it.

What a node lacks it says so: nothing here fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from credentials.documents.canonical import Contexts
from credentials.documents.model import Credential, StatusEntry
from credentials.documents.secured import Secured
from credentials.documents.status import StatusList
from credentials.documents.suites.integrity import KeyOf
from credentials.errors import UNDECIDED, CredentialError
from credentials.verdicts.verdict import Findings, Outcome


class Schema(Protocol):
    """A compiled credential schema; raises CredentialError("schema_invalid", ...)."""

    def check(self, document: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class ListInHand:
    """A status list as it was had; None: why not, by a code of `errors.UNDECIDED`."""

    document: Mapping[str, Any] | None
    age_s: int | None = None
    code: str = "status_unavailable"
    why: str | None = None
    digest: bytes | None = None  # of the latest one on the ledger, which this is


@dataclass(frozen=True, slots=True)
class OpenedList:
    """A list whose proof holds, with the times of its envelope."""

    list: StatusList
    not_before: int | None
    expires: int | None


@dataclass(frozen=True, slots=True)
class HeldProofs:
    """Proofs that hold by these keys, without the document that they secure."""

    secured: Secured
    keys: tuple[bytes, ...]  # of its methods, in their order


class LedgerSide(Protocol):
    """What the ledger says about documents of a participant."""

    def require_key(self, method: str, digest: bytes | None) -> None:
        """Refuse a key that was not in force when the document of this digest counted (None: a list)."""

    def status(self, digest: bytes, credential: Credential) -> str | None:
        """`revoked` or `suspended`, by what is on the ledger and was in the lists that it knows."""

    def unread(self, digest: bytes, credential: Credential) -> Mapping[str, Any] | None:
        """What to tell of a list that may have revoked it in a version nobody read; None: there is none."""

    def records(self, digest: bytes) -> bool:
        """True if an admitted attestation covers the document."""

    def ended(self, digest: bytes) -> str | None:
        """Why the battery of a recorded document is no product any more, as a reason code."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a node has to examine a document with."""

    key_of: KeyOf  # the URL of a verification method, or a DID with one key
    contexts: Contexts
    schemas: Mapping[str, Schema]
    resources: Mapping[str, Sequence[bytes]]  # right texts by URL: contexts and schemas that are held
    list_of: Callable[[str, StatusEntry], ListInHand]  # of an issuer's entry
    ledger: LedgerSide | None = None  # None: the issuer is no participant
    list_issuers: frozenset[str] = frozenset()  # whose lists count for credentials of others
    # Lists of participants that were opened, by digest: the same for as long as the keys of participants are.
    opened: dict[bytes, OpenedList] = field(default_factory=dict)
    # Documents whose proofs held, by digest: the same for as long as their methods have the same keys.
    proofs: dict[bytes, HeldProofs] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Demands:
    """What whoever asks makes of findings that the specifications leave to the verifier."""

    issuer_bound: bool = True  # the issuer's own key must have signed
    dated_ahead: Outcome = Outcome.FAIL  # validFrom lies in the future
    skew_s: int = 0  # between the clocks of signer and verifier
    schema_expected: bool = True  # a document that names no schema was not checked
    proof_only: bool = False


@dataclass(frozen=True, slots=True)
class Examination:
    """A document that could be read as a credential, and what became of its proof."""

    document: Mapping[str, Any]  # as it was shown
    credential: Credential
    digest: bytes
    proven: bool = False  # the signature holds and is the issuer's, by a key in force
    unreadable: str | None = None  # why nobody could verify it here: its record is not looked for
    controllers: tuple[str, ...] = ()
    methods: tuple[str, ...] = field(default=())


def tell(found: Findings, name: str, error: CredentialError, **evidence: Any) -> None:
    """Keep what an error says: undecided where it says nothing against the document."""
    outcome = Outcome.INDETERMINATE if error.code in UNDECIDED else Outcome.FAIL
    found.add(name, outcome, error.code, detail=str(error), **evidence)
