"""Our documents, given to other nodes by right: sets by the access table, events to participants (Art 77(2)).

POST /peer/documents   {"want": [digest, ...]}
                       -> {"documents": {digest: document}, "missing": {digest: "withheld" | "not_found"}}
                       an answer may leave digests out that did not fit: they are asked for again
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from credentials.documents.canonical import b64u, b64u_decode, parse_json
from credentials.errors import CredentialError
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import MissingReason
from node.errors import bad_request
from node.storage.documents import StoredDocument
from node.storage.office import OfficeStore

WANT_MAX = 64
ANSWER_BYTES_MAX = 2 << 20

# Who sees which Annex XIII sets: roles that are no row of annex-xiii-access.json themselves. Accredited
# operators of the waste stage have a legitimate interest (Art 77(2)(b)); everybody else is the public.
_AUDIENCE_BY_ROLE = {
    "authority": "market_surveillance",
    "recycler": "legitimate_interest",
    "licensed_dismantler": "legitimate_interest",
    "waste_operator": "legitimate_interest",
    "second_life_operator": "legitimate_interest",
    "workshop": "legitimate_interest",
}
OWN_OPERATOR, PUBLIC = "responsible_operator", "public"


class Giving:
    """Decides who may see which document of ours, and hands it over."""

    def __init__(
        self,
        history: GovernanceHistory,
        access: Callable[[], Mapping[str, Any]],
        office: OfficeStore,
        standing_of: Callable[[str], Standing | None],
    ) -> None:
        self._history = history
        self._access = access  # the table in force now
        self._office = office
        self._standing_of = standing_of

    def answer_peer(self, sender: str, body: bytes) -> bytes:
        """Documents of ours that `sender` has a right to."""
        try:
            wanted = parse_json(body)
            texts = wanted["want"] if isinstance(wanted, dict) else None
            if not isinstance(texts, list) or len(texts) > WANT_MAX:
                raise bad_request("malformed", f"want is a list of at most {WANT_MAX} digests")
            digests = [b64u_decode(text) for text in texts]
        except (CredentialError, KeyError, TypeError) as error:
            raise bad_request("malformed", "a request for documents is {want: [digest, ...]}") from error
        handed = self._office.requested.handed(sender, digests)
        documents: dict[str, Any] = {}
        missing: dict[str, str] = {}
        size = 0
        for digest in digests:
            stored = self._office.documents.get(digest)
            if stored is None or stored.fetched_at is not None:
                missing[b64u(digest)] = MissingReason.NOT_FOUND.value
            elif digest not in handed and not self.entitled(stored, self.audience_of_peer(sender, stored)):
                missing[b64u(digest)] = MissingReason.WITHHELD.value
            elif documents and size + len(stored.body) > ANSWER_BYTES_MAX:
                continue
            else:
                size += len(stored.body)
                documents[b64u(digest)] = orjson.Fragment(stored.body)
        return orjson.dumps({"documents": documents, "missing": missing})

    def entitled(self, stored: StoredDocument, audience: str) -> bool:
        """Whether this audience may see a document: sets by the access table, events by participants."""
        if stored.kind == "status_list":
            return True
        if stored.kind == "passport":
            return str(stored.point) in self._access()["audiences"].get(audience, [])
        return stored.kind == "set_list" or audience != PUBLIC

    def audience_of_peer(self, did: str, stored: StoredDocument) -> str:
        """The row of the access table that a participant falls under, for one document.

        An event's document is for every participant: they judge by it. Roles are those it has now.
        """
        if stored.kind != "passport":
            return OWN_OPERATOR
        standing = self._standing_of(stored.battery) if stored.battery else None
        if standing is not None and did == standing.responsible:
            return OWN_OPERATOR
        participant = self._history.latest.participants[did]
        rows = self._access()["audiences"]
        # Answering for one battery is no role: what its operator sees comes with the battery alone.
        audiences = [
            role if role in rows and role != OWN_OPERATOR else _AUDIENCE_BY_ROLE.get(role, PUBLIC)
            for role in participant.roles
        ]
        return max(audiences, key=lambda row: len(rows[row]), default=PUBLIC)
