"""A running node whose network has other parties: a test holds their keys, and sends what they do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import GovernanceAct, make_attestation
from credentials.ledger.governance_state import NAMESPACE, SCHEME
from credentials.ledger.parties import Accreditation, Participant
from credentials.ledger.proposals import propose
from tests.harness.governing import Tables, recovery_of
from tests.harness.ledger import CN_AUTHORITY, EU_AUTHORITY, MAKER, accreditation, participant, signer
from tests.harness.support_service import DID, LiveNode, live_node, serving

LIMITS_NAME = "per_issuer_per_day_max"


def party(did: str) -> Participant:
    return replace(participant(did, valid_from=1), recovery=recovery_of(did))


def others(*further: str) -> list[tuple[Participant, Accreditation | None]]:
    """Two authorities more, one of each side, a maker, and others without a licence."""
    licences = [replace(accreditation(did), valid_from=1) for did in (EU_AUTHORITY, CN_AUTHORITY)]
    return [
        *((party(a.participant), a) for a in licences),
        *((party(did), None) for did in (MAKER, *further)),
    ]


@dataclass
class GovernedNode:
    """What tests of governance do at a node and beside it."""

    node: LiveNode

    def decided(self) -> Any:
        """What is decided so far: proposals are compared with that, in force or not yet."""
        now = self.node.get_json("/governance")
        at = now["changes_at"]
        return now if at is None else self.node.get_json(f"/governance?height={at}")

    def limits(self, per_day: int) -> list[dict[str, Any]]:
        """A change for the whole network."""
        limits = self.decided()["limits"]
        return [{"type": "limits", "name": "", "table": {**limits, LIMITS_NAME: per_day}}]

    def licence(self, did: str, namespace: str = "ZZ3", jurisdiction: str = "EU") -> list[dict[str, Any]]:
        """A change that one authority of that side decides."""
        table = {
            "participant": did,
            "roles": ["manufacturer"],
            "schemes": [["gbt34014", namespace]],
            "jurisdiction": jurisdiction,
            "licence": f"L-{namespace}",
            "valid_from": 1_700_000_000,
        }
        given = Accreditation(
            did, ("manufacturer",), (("gbt34014", namespace),), jurisdiction, 1_700_000_000, None,
            f"L-{namespace}",
        )  # fmt: skip
        return [{"type": "accreditation", "name": given.id, "table": table}]

    def tried(self, changes: list[dict[str, Any]], **options: Any) -> Any:
        """What a dry run answers."""
        answer = self.node.post_json("/governance/dry-run", {"changes": changes, **options})
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def propose(self, changes: list[dict[str, Any]]) -> str:
        """Propose as the node's party; the digest, once it is on the ledger."""
        tried = self.tried(changes)
        body = {"proposal": tried["proposal"], "effect": tried["effect"]["digest"]}
        answer = self.node.post_json("/governance/proposals", body)
        assert answer.status_code == 201, answer.text
        digest = str(answer.get_json()["digest"])
        self.node.wait(lambda: self.known(digest), "the proposal to be on the ledger")
        return digest

    def known(self, digest: str) -> bool:
        return self.node.get(f"/governance/proposals/{digest}").status_code == 200

    def proposal(self, digest: str) -> Any:
        return self.node.get_json(f"/governance/proposals/{digest}")

    def act(self, by: str, kind: str, digest: str) -> None:
        """Another party's act, sent to this node; returns once it is on the ledger."""
        now, about = int(time.time()), b64u_decode(digest, "digest")
        service = self.node.service
        data = make_attestation(
            signer=signer(by),
            iat=now,
            kind=f"governance.{kind}",
            subject=Subject(SCHEME, NAMESPACE, about),
            network_id=service.overview.genesis.network_id,
            event_time=now,
            document_digest=about,
            issuer=by,
        )
        before = len(self.proposal(digest)["acts"])
        service.engine.submit(data)
        self.node.wait(lambda: len(self.proposal(digest)["acts"]) > before, f"{kind} by {by}")

    def blocks(self, height: int) -> None:
        """Blocks up to a height: one after the other, as acts of the node's own party make them."""
        governance = self.node.service.proposing.governance
        number = 0
        while governance.governing()["height"] <= height:
            number += 1
            digest = self.propose(self.limits(10_000 + number))
            assert self.node.post_json(f"/governance/proposals/{digest}/withdraw", {}).status_code == 201
            self.until_over(digest)

    def until_over(self, digest: str) -> Any:
        self.node.wait(lambda: self.proposal(digest)["outcome"] != "open", "the decision")
        return self.proposal(digest)


def proposal_of(g: GovernedNode, by: str, per_day: int = 0, *, changes: Tables | None = None) -> str:
    """Another party's proposal, on the ledger of the node: of limits, or of other records; its digest."""
    now, service = int(time.time()), g.node.service
    limits = {(row["type"], row["name"]): row["table"] for row in g.limits(per_day)} if per_day else {}
    made = propose(
        service.overview.genesis.network_id,
        service.proposing.governance.state.records,
        changes or limits,
        expires=now + 1000,
        nonce=secrets.token_bytes(16),
    )
    data = make_attestation(
        signer=signer(by),
        iat=now,
        kind="governance.proposed",
        subject=Subject(SCHEME, NAMESPACE, made.digest),
        network_id=made.network_id,
        event_time=now,
        document_digest=made.digest,
        issuer=by,
        governance=GovernanceAct(made.encode()),
    )
    service.engine.submit(data)
    digest = b64u(made.digest)
    g.node.wait(lambda: g.known(digest), "the proposal to be on the ledger")
    return digest


@contextmanager
def governed_node(root: Path, *further: str) -> Iterator[GovernedNode]:
    with live_node(root, others=others(*further)) as node:
        yield GovernedNode(node)


__all__ = ["CN_AUTHORITY", "DID", "EU_AUTHORITY", "MAKER", "GovernedNode", "governed_node", "proposal_of"]


@contextmanager
def served_node(root: Path, *further: str) -> Iterator[tuple[GovernedNode, str]]:
    """The same on a port of loopback, with its address."""
    with governed_node(root, *further) as g, serving(g.node) as address:
        yield g, address
