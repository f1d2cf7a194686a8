"""The routes of governance, a part of the table: who governs is shown to everybody, as participants are."""

from __future__ import annotations

from node.api import drafting, governance, trqp
from node.api.route import (
    FORM,
    HTML,
    JSON,
    JSON_OR_FORM,
    JSON_OR_PAGE,
    MULTIPART,
    QUERY_BYTES_MAX,
    SEEN,
    Body,
    Route,
    RouteAnswer,
)

READ = ("read", "operate", "clear", "issue", "govern")
GOVERN = ("govern",)
MADE = RouteAnswer(201, "GovernanceActMade", text="Signed, and queued for the ledger; on disk.")


def _shown(schema: str, types: tuple[str, ...] = JSON_OR_PAGE) -> tuple[RouteAnswer, ...]:
    return (RouteAnswer(200, schema, types),)


GOVERNANCE = (
    Route(
        "GET",
        "/governance",
        governance.governance,
        "Who and what governs, now or at a height",
        _shown("Governance"),
        query=("height",),
    ),
    Route(
        "GET",
        "/governance/accreditations",
        governance.accreditations,
        "Licences to attest, now or at a height",
        _shown("Accreditations"),
        query=("height",),
    ),
    Route(
        "GET",
        "/governance/recognitions",
        governance.recognitions,
        "Who recognises what of whom, now or at a height",
        _shown("Recognitions"),
        query=("height",),
    ),
    Route(
        "GET",
        "/governance/proposals",
        governance.proposals,
        "Proposals: effect, what is missing and who can give it",
        (*_shown("Proposals"), SEEN),
        READ,
        query=("made",),
    ),
    Route(
        "GET",
        "/governance/proposals/<digest>",
        governance.proposal,
        "One proposal with its exact effect",
        _shown("Proposal"),
        READ,
    ),
    Route(
        "GET",
        "/governance/history",
        governance.history,
        "What was decided, newest first",
        _shown("GovernanceHistory"),
        READ,
        query=("before", "party", "kind", "from", "until"),
    ),
    Route(
        "GET",
        "/governance/proof",
        governance.proof,
        "What governed after a height, whole, with its proof under the log; `from`: a part of it",
        _shown("GovernanceProof", (JSON,)),
        query=("height", "from"),
    ),
    Route(
        "POST",
        "/recognition",
        trqp.recognition,
        "TRQP 2.0: is an entity recognised by an authority, at a time, as known at a height?",
        _shown("TrqpRecognition", (JSON,)),
        (),
        Body("TrqpRequest", size_bytes_max=QUERY_BYTES_MAX),
    ),
    Route(
        "POST",
        "/authorization",
        trqp.authorization,
        "TRQP 2.0: is an entity authorised by an authority, at a time, as known at a height?",
        _shown("TrqpAuthorization", (JSON,)),
        (),
        Body("TrqpRequest", size_bytes_max=QUERY_BYTES_MAX),
    ),
    Route(
        "GET",
        "/governance/key-uses",
        governance.key_uses,
        "What rests on a key since a time, and the open lines about it",
        _shown("KeyUses"),
        READ,
        query=("key", "since", "day", "leaf"),
    ),
    Route(
        "POST",
        "/governance/dry-run",
        governance.dry_run,
        "What a change would do that nobody proposed yet",
        _shown("DryRun", (JSON,)),
        READ,
        Body("DryRunRequest"),
    ),
    Route(
        "POST",
        "/governance/proposals",
        governance.propose,
        "Propose what a dry run showed",
        (MADE, SEEN),
        GOVERN,
        Body("ProposeRequest", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/governance/propose",
        drafting.form,
        "The form of a sort of change",
        (RouteAnswer(200, None, (HTML,), "A page."),),
        GOVERN,
        query=("kind",),
    ),
    Route(
        "POST",
        "/governance/propose",
        drafting.tried,
        "What a filled form would do: nothing is signed",
        (RouteAnswer(200, None, (HTML,), "A page with the exact effect."),),
        GOVERN,
        Body(None, (FORM, MULTIPART)),
    ),
    Route(
        "POST",
        "/governance/proposals/<digest>/approve",
        governance.approve,
        "Approve the effect that was shown; 409 if it is another one by now",
        (MADE, SEEN),
        GOVERN,
        Body("ApproveRequest", JSON_OR_FORM),
    ),
    Route(
        "POST",
        "/governance/proposals/<digest>/withdraw",
        governance.withdraw,
        "Take back the own proposal, or the own approval",
        (MADE, SEEN),
        GOVERN,
        Body("Nothing", JSON_OR_FORM),
    ),
    Route(
        "POST",
        "/governance/proposals/<digest>/object",
        governance.object_to,
        "Object to another recovery key or to an expulsion: then more have to approve",
        (MADE, SEEN),
        GOVERN,
        Body("ObjectRequest", JSON_OR_FORM),
    ),
)
