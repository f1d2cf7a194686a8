"""VC-API: issue and verify credentials and presentations, change a status, show a status list's history.

Whatever is sent to a verify address is answered with {verified, problemDetails}: 200 for true, 400 for false.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from flask import Response
from flask.typing import ResponseReturnValue

from credentials.errors import CredentialError
from node.answers import ProblemAnswer, VerificationAnswer
from node.api.reading import integer_argument, json_body
from node.api.reply import json_reply, words_for
from node.api.route import CREDENTIAL_BYTES_MAX
from node.errors import ProblemError
from node.issuing.profiled import require_change
from node.server.feeds import Feed
from node.service import Service
from node.verdicts.verification import Verification
from node.words import Words, step_of

IN_FORCE_S_MAX = 5.0  # then a change of status is answered all the same
JSON = dict[str, Any]


def issue_credential(service: Service) -> ResponseReturnValue:
    """Secure one credential by the default profile of this node."""
    order = json_body("IssueCredentialRequest", CREDENTIAL_BYTES_MAX)
    return json_reply(service.vc_api.issue(order["credential"]), 201)


def issue_by_profile(service: Service, profile: str) -> ResponseReturnValue:
    """Secure one credential by a named profile: its key, its mechanism, its issuer."""
    order = json_body("IssueCredentialRequest", CREDENTIAL_BYTES_MAX)
    return json_reply(service.vc_api.issue(order["credential"], profile), 201)


def prove_presentation(service: Service) -> ResponseReturnValue:
    """Prove one presentation by a key of this node, for a domain and a challenge."""
    order = json_body("ProvePresentationRequest", CREDENTIAL_BYTES_MAX)
    return json_reply(service.vc_api.prove(order["presentation"], order.get("options")), 201)


def verify_credential(service: Service) -> ResponseReturnValue:
    """200 with `verified: true`, or 400 with the reasons."""
    return _verified(
        "VerifyCredentialRequest",
        service,
        lambda order: service.vc_api.verify_credential(order["verifiableCredential"], order.get("options")),
    )


def verify_presentation(service: Service) -> ResponseReturnValue:
    """200 with `verified: true` if the presentation's proof and every credential in it hold, or 400."""
    return _verified(
        "VerifyPresentationRequest",
        service,
        lambda order: service.vc_api.verify_presentation(
            order["verifiablePresentation"], order.get("options")
        ),
    )


def set_status(service: Service) -> ResponseReturnValue:
    """Raise or lower the status bits of one credential of this node; answered when the lists say so."""
    order = json_body("StatusRequest", CREDENTIAL_BYTES_MAX)
    changes = [(entry["statusPurpose"], entry["status"]) for entry in order["credentialStatus"]]
    for purpose, raised in changes:
        require_change(purpose, raised=raised)  # all of them, before the first is made
    told = {"credentialId": order["credentialId"], "statusPurpose": changes[-1][0], "status": changes[-1][1]}
    change = _Changing(service, order["credentialId"], changes)
    change.begin_next()  # what cannot be is refused here
    body = json.dumps(told, ensure_ascii=False).encode() + b"\n"
    waiting = Feed(lambda: (body, True) if change.done() else (b"", False), brief=True)
    return Response(waiting, content_type="application/json", direct_passthrough=True)


class _Changing:
    """Changes of one credential, each begun when the lists say the one before, or after some seconds."""

    def __init__(self, service: Service, credential_id: str, changes: list[tuple[str, bool]]) -> None:
        self._service, self._credential_id = service, credential_id
        self._left = list(changes)

    def begin_next(self) -> None:
        self._in_force = self._service.vc_api.set_status(self._credential_id, *self._left.pop(0))
        self._until = time.monotonic() + IN_FORCE_S_MAX

    def done(self) -> bool:
        """Asked now and then: nobody waits in here."""
        while self._in_force() or time.monotonic() > self._until:
            if not self._left:
                return True
            self.begin_next()
        return False


def status_versions(service: Service, name: str) -> ResponseReturnValue:
    """Every version of a status list in order, with its attestation and where that is in the log."""
    return json_reply({"versions": service.vc_api.status_versions(name)})


def test_manifest(service: Service) -> ResponseReturnValue:
    """The credential profiles of a node that serves the VC-API to everybody."""
    return json_reply(service.vc_api.manifest())


def list_version() -> int | None:
    """`?seq=` of a status list: 1 is the first version."""
    return integer_argument("seq", None, largest=1 << 40)


def _unverified(error: ProblemError | CredentialError, words: Words) -> VerificationAnswer:
    """What is answered to a request in which nothing can be looked at: why, whose fault, what to do."""
    if isinstance(error, ProblemError):
        detail, step = words.problem(error)[1], words.problem_step(error)
    else:
        detail, step = str(error), step_of(error.code, "", {}, words.language)
    told: ProblemAnswer = {
        "type": f"urn:comity:reason:{error.code}",
        "title": "request",
        "detail": detail,
        "fault": step["fault"],
        "next": step["next"],
    }
    return {"verified": False, "checks": [], "problemDetails": [told], "warnings": []}


def _verified(schema: str, service: Service, verify: Callable[[JSON], Verification]) -> ResponseReturnValue:
    try:
        made = verify(json_body(schema, CREDENTIAL_BYTES_MAX))
    except (ProblemError, CredentialError) as error:
        if isinstance(error, ProblemError) and error.status != 400:
            raise
        return json_reply(_unverified(error, words_for(service)), 400)
    return json_reply(words_for(service).verification(made), 200 if made.verified else 400)
