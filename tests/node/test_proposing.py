"""Governance at a node: what governs, what is proposed with its exact effect, and nothing approved unseen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest

from credentials.documents.canonical import b64u
from credentials.ledger.engine_terms import COMETBFT, EMBEDDED
from credentials.ledger.genesis_table import accreditation_table, participant_table
from credentials.ledger.governance_records import ENGINE
from credentials.ledger.parties import Accreditation
from credentials.ledger.proposals import prove_possession
from node.api.reading import require_shape
from node.api.schemas import schema_document
from node.errors import ProblemError
from node.use_cases.proposing import ProposalDesk
from tests.harness.answered import closed
from tests.harness.governed_node import (
    CN_AUTHORITY,
    DID,
    EU_AUTHORITY,
    LIMITS_NAME,
    MAKER,
    GovernedNode,
    governed_node,
    party,
    proposal_of,
)
from tests.harness.ledger import WORKSHOP, signer
from tests.node.test_pages import page


@pytest.fixture(scope="module")
def g(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GovernedNode]:
    with governed_node(tmp_path_factory.mktemp("governed")) as found:
        yield found


def test_what_governs_is_shown_to_everybody_with_keys_licences_and_rules(g: GovernedNode) -> None:
    """
    Participants with keys, who may approve, licences with their state, validators, limits, rules by digest,
    who may change what: without a key, in the shape that is described and no other.
    """
    answer = g.node.client.get("/governance")
    told = answer.get_json()

    require_shape(told, "Governance")
    assert not list(jsonschema_rs.validator_for(closed(schema_document("Governance"))).iter_errors(told))
    parties = {p["did"]: p for p in told["participants"]}
    assert parties.keys() == {DID, EU_AUTHORITY, CN_AUTHORITY, MAKER}
    assert {did for did, p in parties.items() if p["authority"]} == {DID, EU_AUTHORITY, CN_AUTHORITY}
    assert parties[MAKER]["recovery"] and {k["state"] for k in parties[MAKER]["keys"]} == {"in_force"}
    assert {k["role"] for k in parties[DID]["keys"]} == {
        "vote", "attest", "credential", "cosign", "log", "transport",
    }  # fmt: skip
    assert [v["did"] for v in told["validators"]] == [DID] and told["quorum"] == 1
    assert all(a["state"] == "in_force" for a in told["accreditations"])
    assert told["approvals"]["approvals_min"] == 2 and told["approvals"]["jurisdictions"] == ["CN", "EU"]
    assert "lifecycle.json" in {rule["name"] for rule in told["rules"]}


def test_a_dry_run_shows_members_before_and_after_and_who_is_missing_by_name(g: GovernedNode) -> None:
    """
    Nothing is signed by it, and nothing reaches the ledger.
    """
    shown = g.tried(g.limits(77))

    effect = shown["effect"]
    require_shape(shown, "DryRun")
    before = g.node.get_json("/governance")["limits"][LIMITS_NAME]
    (change,) = effect["changes"]
    assert change["members"] == [{"member": LIMITS_NAME, "before": before, "after": 77}]
    (action,) = effect["actions"]
    assert (action["sort"], action["text"]) == ("network", "changes limits that every node enforces")
    (missing,) = effect["missing"]
    assert missing["count"] == 1 and missing["jurisdictions"] == ["CN"]
    assert {p["did"] for p in missing["of"]} == {EU_AUTHORITY, CN_AUTHORITY}
    assert missing["text"] == (
        "1 approval more, including CN; those who can give them: cn-authority.example, eu-authority.example"
    )
    assert effect["ready"] is False and effect["blocks_ahead"] == 2
    assert not g.known(shown["digest"])


def test_a_change_for_all_is_proposed_approved_and_in_force_two_blocks_on(g: GovernedNode) -> None:
    """
    Open with what is missing; approved by another; decided; what it changed by members;
    in force at its height and not before; in the history with its time.
    """
    digest = g.propose(g.limits(88))
    waiting = g.proposal(digest)
    assert waiting["outcome"] == "open" and waiting["may"] == ["withdraw"]
    assert [m["count"] for m in waiting["effect"]["missing"]] == [1]

    g.act(CN_AUTHORITY, "approved", digest)

    over = g.until_over(digest)
    assert (over["outcome"], over["by"]) == ("decided", DID)
    assert [p["did"] for p in over["approvals"]] == [CN_AUTHORITY]
    assert [(a["act"], a["by"]) for a in over["acts"]] == [("proposed", DID), ("approved", CN_AUTHORITY)]
    assert over["in_force"] == over["acts"][1]["height"] + 2
    (changed,) = over["changed"]
    assert [(m["member"], m["after"]) for m in changed["members"]] == [(LIMITS_NAME, 88)]
    assert g.node.get_json("/governance")["changes_at"] == over["in_force"]
    then = g.node.get_json(f"/governance?height={over['in_force']}")
    earlier = g.node.get_json(f"/governance?height={over['in_force'] - 1}")
    assert then["limits"][LIMITS_NAME] == 88 != earlier["limits"][LIMITS_NAME]
    assert earlier["changes_at"] == then["since_height"] == over["in_force"]
    g.blocks(over["in_force"])
    assert g.node.get_json(f"/governance?height={over['in_force']}")["limits"] == then["limits"]
    assert g.proposal(digest)["changed"] == over["changed"]
    newest = next(r for r in g.node.get_json("/governance/history")["history"] if r["outcome"] == "decided")
    assert (newest["proposal"], newest["outcome"]) == (digest, "decided")
    assert newest["in_force"] == over["in_force"] and newest["time"] and newest["by"] == DID
    assert [row["type"] for row in newest["changed"]] == ["limits"]


def test_nothing_is_approved_but_the_effect_that_was_shown(g: GovernedNode) -> None:
    """
    Another digest than that of the effect now is refused with 409 and the new effect, and nothing is signed;
    the right one is taken.
    """
    tried = g.tried(g.limits(99))
    digest = proposal_of(g, CN_AUTHORITY, 99)
    shown = g.proposal(digest)["effect"]
    assert shown["digest"] == tried["effect"]["digest"], "one effect has one name, whoever proposes it"
    path = f"/governance/proposals/{digest}/approve"

    stale = g.node.post_json(path, {"effect": b64u(b"\x07" * 32)})

    assert stale.status_code == 409 and stale.content_type == "application/problem+json"
    assert stale.get_json()["code"] == "effect_changed"
    assert stale.get_json()["effect"]["digest"] == shown["digest"]
    assert g.node.post_json(path, {}).status_code == 400
    assert [a["act"] for a in g.proposal(digest)["acts"]] == ["proposed"]
    taken = g.node.post_json(path, {"effect": shown["digest"]})
    assert taken.status_code == 201 and taken.get_json()["act"] == "approved"
    assert g.until_over(digest)["outcome"] == "decided"
    again = g.node.post_json(path, {"effect": shown["digest"]})
    assert again.status_code == 409 and again.get_json()["code"] == "proposal_over"


def test_what_is_proposed_is_what_was_shown(g: GovernedNode) -> None:
    """
    Proposing names its effect as well: where the record has moved on since the dry run, nothing is signed.
    """
    tried = g.tried(g.licence(MAKER, "ZZ4"))
    body = {"proposal": tried["proposal"], "effect": b64u(b"\x01" * 32)}

    refused = g.node.post_json("/governance/proposals", body)

    assert refused.status_code == 409 and refused.get_json()["effect"]["digest"] == tried["effect"]["digest"]
    assert not g.known(tried["digest"])
    assert g.node.post_json("/governance/proposals", {"effect": body["effect"]}).status_code == 400


def test_one_authority_of_the_side_decides_at_once(g: GovernedNode) -> None:
    """
    A licence of its own jurisdiction: proposing it is approving it.
    """
    changes = g.licence(MAKER, "ZZ5")
    assert g.tried(changes)["effect"]["missing"] == []

    over = g.until_over(g.propose(changes))

    assert over["outcome"] == "decided"
    g.node.wait(
        lambda: any(a["licence"] == "L-ZZ5" for a in g.node.get_json("/governance")["accreditations"]),
        "the licence to govern",
    )


def test_the_own_proposal_and_the_own_approval_are_taken_back(g: GovernedNode) -> None:
    """
    Until it is decided; what is over says so.
    """
    mine = g.propose(g.limits(111))
    assert g.node.post_json(f"/governance/proposals/{mine}/withdraw", {}).status_code == 201
    assert g.until_over(mine)["outcome"] == "withdrawn"
    late = g.node.post_json(f"/governance/proposals/{mine}/withdraw", {})
    assert late.get_json()["code"] == "proposal_over"

    theirs = proposal_of(g, MAKER, 222)
    effect = g.proposal(theirs)["effect"]["digest"]
    assert g.proposal(theirs)["may"] == ["approve"]
    g.node.post_json(f"/governance/proposals/{theirs}/approve", {"effect": effect})
    g.node.wait(lambda: g.proposal(theirs)["may"] == ["withdraw_approval"], "the approval")
    assert g.proposal(theirs)["effect"]["digest"] == effect
    g.node.post_json(f"/governance/proposals/{theirs}/withdraw", {})
    g.node.wait(lambda: g.proposal(theirs)["approvals"] == [], "the approval to be taken back")
    refused = g.node.post_json(f"/governance/proposals/{theirs}/object", {})
    assert refused.status_code == 422 and "cannot object" in refused.get_json()["detail"]
    assert refused.get_json()["rule"] == refused.get_json()["code"]


def test_who_may_not_sign_gets_no_further(g: GovernedNode) -> None:
    """
    Proposals are read by participants' people; acts need the scope of who governs.
    """
    assert g.node.client.get("/governance/proposals").status_code == 401
    clerk = g.node.post_json("/keys", {"name": "clerk", "scopes": ["clear"]}).get_json()["key"]
    headers = {"Authorization": f"Bearer {clerk}"}
    assert g.node.client.get("/governance/proposals", headers=headers).status_code == 200
    body = {"effect": b64u(b"\x07" * 32)}
    path = f"/governance/proposals/{b64u(b'x' * 32)}/approve"
    assert g.node.client.post(path, json=body, headers=headers).status_code == 403
    assert g.node.post_json(path, body).get_json()["code"] == "proposal_unknown"


def test_what_cannot_be_asked_or_proposed_is_told(g: GovernedNode) -> None:
    """
    A height to come, a record twice, a change that leaves all as it is, a table that no node would read.
    """
    assert g.node.get("/governance?height=999999").get_json()["code"] == "height_unknown"
    limits = g.node.get_json("/governance")["limits"]
    same = [{"type": "limits", "name": "", "table": limits}]

    def refused(changes: object) -> tuple[int, str]:
        answer = g.node.post_json("/governance/dry-run", {"changes": changes})
        return answer.status_code, answer.get_json()["detail"]

    assert refused(same) == (422, "It leaves limits as it is.")
    assert refused(same * 2) == (400, "One record is given twice.")
    assert refused([{"type": "limits", "name": "", "table": {"x": 1.5}}])[0] == 400
    assert refused([{"type": "limits", "name": "", "table": {"x": 1}}])[1].startswith("limits are among")


def proofs_of(g: GovernedNode, did: str) -> dict[str, str]:
    """That a newcomer has its keys."""
    network_id = g.node.service.overview.genesis.network_id
    signers = {key.role: signer(did, key.role) for key in party(did).keys}
    return {one.key_id: b64u(prove_possession(network_id, role, one)) for role, one in signers.items()}


def third_side(*, until: int | None = None) -> list[dict[str, Any]]:
    """An authority of a side that has none."""
    newcomer = replace(party(WORKSHOP), jurisdiction="IN")
    office = Accreditation(WORKSHOP, ("authority",), (("gs1", "*"),), "IN", 1_700_000_000, until)
    return [
        {"type": "participant", "name": WORKSHOP, "table": dict(participant_table(newcomer))},
        {"type": "accreditation", "name": office.id, "table": dict(accreditation_table(office))},
    ]


def test_a_side_that_gets_an_authority_gets_a_say(g: GovernedNode) -> None:
    """
    What gives a side its first authority names it among those whose consent is asked for, in the effect that
    is approved. Not one whose licence ends, with which a side would end that nothing is decided without; nor
    where the change says itself who approves; nor of a side that has one.
    """

    def consents(changes: list[dict[str, Any]]) -> Any:
        proofs = proofs_of(g, WORKSHOP) if changes[0]["type"] == "participant" else {}
        effect = g.tried(changes, proofs=proofs)["effect"]
        return [
            (m["before"], m["after"])
            for change in effect["changes"]
            for m in change["members"]
            if change["type"] == "approvals"
        ]

    assert consents(third_side()) == [(["CN", "EU"], ["CN", "EU", "IN"])]
    assert consents(third_side(until=2_000_000_000)) == []
    rules = {**g.decided()["approvals"], "stop_s": 4_000}
    own = {"type": "approvals", "name": "", "table": rules}
    assert [after for _, after in consents([*third_side(), own])] == [4_000]
    office = Accreditation(MAKER, ("authority",), (("gs1", "*"),), "CN", 1_700_000_000)
    second = {"type": "accreditation", "name": office.id, "table": dict(accreditation_table(office))}
    assert consents([second]) == [] and consents(g.licence(MAKER, "ZZ8")) == []


def test_nobody_moves_to_the_engine_that_orders_already(g: GovernedNode) -> None:
    """
    Before the first move no record says which that is, and the ledger takes such a move: this node proposes
    none, and of another's it says why it stands behind none, and approves nothing.
    """
    first = g.node.service.engine.condition().height + 500
    move = {"engine": EMBEDDED, "epoch": 1, "first": first}
    refused = g.node.post_json(
        "/governance/dry-run", {"changes": [{"type": ENGINE, "name": "", "table": move}]}
    )
    assert refused.status_code == 422
    assert refused.get_json()["detail"] == "embedded orders already."

    theirs = proposal_of(g, CN_AUTHORITY, changes={(ENGINE, ""): move})
    shown = g.proposal(theirs)
    assert (shown["outcome"], shown["effect"], shown["problem"]["text"]) == (
        "open",
        None,
        "embedded orders already",
    )
    told = page(g.node, f"/governance/proposals/{theirs}").text
    assert "As things stand it would lapse" in told and "lacks a rule file" not in told
    approved = g.node.post_json(f"/governance/proposals/{theirs}/approve", {"effect": b64u(bytes(32))})
    assert (approved.status_code, approved.get_json()["code"]) == (409, "would_lapse")
    assert [act["act"] for act in g.proposal(theirs)["acts"]] == ["proposed"]
    g.act(CN_AUTHORITY, "proposal_withdrawn", theirs)
    g.until_over(theirs)

    other = [{"type": ENGINE, "name": "", "table": move | {"engine": COMETBFT}}]
    assert g.tried(other)["effect"]["actions"][0]["text"] == "moves the network to another engine"


@pytest.mark.check  # its proposal lapses after six seconds
def test_an_idle_network_decides_and_lapses_in_time(g: GovernedNode) -> None:
    """
    Nobody says anything more: what was decided for all is in force within seconds, and a proposal lapses at
    its expiry; then no block is made any more.
    """
    digest = g.propose(g.limits(9901))
    g.act(CN_AUTHORITY, "approved", digest)
    in_force = g.until_over(digest)["in_force"]
    g.node.wait(lambda: g.node.get_json("/governance")["changes_at"] is None, "it to be in force")
    assert g.node.get_json("/governance")["limits"][LIMITS_NAME] == 9901

    tried = g.tried(g.limits(9902), expires_s=6)  # until then it is on the ledger
    body = {"proposal": tried["proposal"], "effect": tried["effect"]["digest"]}
    assert g.node.post_json("/governance/proposals", body).status_code == 201
    g.node.wait(lambda: g.known(tried["digest"]), "the proposal to be on the ledger")
    over = g.until_over(tried["digest"])
    assert (over["outcome"], over["reason"]["code"]) == ("lapsed", "expired")

    height = g.node.service.engine.condition().height
    time.sleep(2.5)
    assert g.node.service.engine.condition().height == height >= in_force


def test_what_would_lapse_is_not_approved() -> None:
    """
    409: as things stand it has no effect that anybody saw.
    """
    with pytest.raises(ProblemError, match="would lapse") as refused:
        ProposalDesk._require_seen(b64u(bytes(32)), None)

    assert (refused.value.status, refused.value.code, refused.value.title) == (409, "would_lapse", "Conflict")
