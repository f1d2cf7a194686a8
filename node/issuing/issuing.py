"""What this participant says: passports, events, revocations, status lists.

Acknowledged means on disk: documents and their attestations (in the outbox) are written together, and only
then does a caller get an answer. Which events publish, revoke or create is read from the lifecycle's effects.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from credentials.documents.identifiers import read_identifier
from credentials.documents.issuer import EVENT_TYPE, PASSPORT_TYPE
from credentials.documents.passport import PassportSchema
from credentials.errors import CredentialError
from credentials.ledger.governance import Governance, GovernanceHistory
from credentials.ledger.registry import Registry
from credentials.verdicts.evidence import Tables
from node.issuing.admission import Admission
from node.issuing.events import EventIssuing
from node.issuing.gate import Gate
from node.issuing.governance_acts import GovernanceActs
from node.issuing.passports import PassportIssuing, Reading
from node.issuing.signing import Signers, StatementSigner
from node.issuing.status_lists import OwnStatusLists
from node.storage.office import OfficeStore

JSON = dict[str, Any]


class Issuing:
    """The trades of one participant's speaking, made to fit each other."""

    def __init__(
        self,
        *,
        network_id: bytes,
        history: GovernanceHistory,
        did: str,
        signers: Signers,
        network_key: bytes,
        places_secret: bytes,
        office: OfficeStore,
        registry: Registry,
        schema: PassportSchema | None,
        tables: Callable[[Governance], Tables],
        base_url: str | None = None,
        gate: Gate | None = None,
        reading: Reading = nullcontext,
    ) -> None:
        gate = gate or Gate()
        salt = office.bind("salt", secrets.token_bytes(32))
        self.lock = threading.Lock()  # one statement at a time
        self.signing = StatementSigner(
            network_id, history, did, signers=signers, network_key=network_key, salt=salt, tables=tables
        )
        self.admission = Admission(registry, office)
        self.lists = OwnStatusLists(
            did,
            signers.credential,
            office,
            self.signing.list_statement,
            places_secret=places_secret,
            base_url=base_url,
            gate=gate,
        )
        self.passports = PassportIssuing(
            signing=self.signing,
            office=office,
            registry=registry,
            admission=self.admission,
            lists=self.lists,
            gate=gate,
            lock=self.lock,
            schema=schema,
            reading=reading,
        )
        self.events = EventIssuing(
            signing=self.signing, office=office, admission=self.admission, gate=gate, lock=self.lock
        )
        self.acts = GovernanceActs(
            network_id=network_id,
            signing=self.signing,
            office=office,
            admission=self.admission,
            gate=gate,
            lock=self.lock,
        )

    def unattested(self, credential: JSON) -> str | None:
        """What to say of a battery's document that was signed by itself; None for any other credential."""
        types, subjects = credential.get("type"), credential.get("credentialSubject")
        named = types if isinstance(types, list) else [types]
        kind = next((found for found in (PASSPORT_TYPE, EVENT_TYPE) if found in named), None)
        if kind is None:
            return None
        told = "signed, not attested: no node will find it on the ledger"
        issuer = credential.get("issuer", self.signing.did)
        issuer = issuer.get("id") if isinstance(issuer, dict) else issuer
        about = subjects if isinstance(subjects, dict) else {}
        event = self.signing.event_with("publish").type if kind == PASSPORT_TYPE else about.get("event")
        try:
            text = str(about.get("id"))
            found = read_identifier(text, self.signing.identifiers, namespace=str(issuer))
        except CredentialError:
            return f"{told}; and it names no battery that can be read"
        allowed = self.signing.governance.accredited(
            str(issuer), str(event), found.scheme, found.namespace, int(time.time())
        )
        if allowed is None:
            told += (
                f"; and {issuer} is not accredited for {event} of codes {found.namespace} ({found.scheme})"
            )
        return told
