"""The routes of the VC-API: issuing, proving and verifying by profiles, and the status of what was issued."""

from __future__ import annotations

from node.api import credentials
from node.api.route import CREDENTIAL_BYTES_MAX, Body, Route, RouteAnswer

ISSUE = ("issue",)
VERIFY = ("verify", "clear")

VERIFIED = (
    RouteAnswer(200, "Verification", text="Verified."),
    RouteAnswer(400, "Verification", text="Not verified, with the reasons."),
)


VC_API: tuple[Route, ...] = (
    Route(
        "POST",
        "/credentials/issue",
        credentials.issue_credential,
        "Secure one credential by the default profile (VC-API)",
        (RouteAnswer(201, "VerifiableCredential", text="Secured."),),
        ISSUE,
        Body("IssueCredentialRequest", size_bytes_max=CREDENTIAL_BYTES_MAX),
        open_api=True,
    ),
    Route(
        "POST",
        "/issuers/<profile>/credentials/issue",
        credentials.issue_by_profile,
        "Secure one credential by a named profile (VC-API)",
        (RouteAnswer(201, "VerifiableCredential", text="Secured."),),
        ISSUE,
        Body("IssueCredentialRequest", size_bytes_max=CREDENTIAL_BYTES_MAX),
        open_api=True,
    ),
    Route(
        "POST",
        "/credentials/status",
        credentials.set_status,
        "Change the status of one credential (VC-API)",
        (RouteAnswer(200, "Document"),),
        ISSUE,
        Body("StatusRequest", size_bytes_max=CREDENTIAL_BYTES_MAX),
        open_api=True,
    ),
    Route(
        "POST",
        "/credentials/verify",
        credentials.verify_credential,
        "Verify one credential (VC-API)",
        VERIFIED,
        VERIFY,
        Body("VerifyCredentialRequest", size_bytes_max=CREDENTIAL_BYTES_MAX),
        open_api=True,
    ),
    Route(
        "POST",
        "/presentations/prove",
        credentials.prove_presentation,
        "Prove one presentation by a key of this node, for a domain and a challenge (VC-API)",
        (RouteAnswer(201, "VerifiablePresentation", text="Proved."),),
        ISSUE,
        Body("ProvePresentationRequest", size_bytes_max=CREDENTIAL_BYTES_MAX),
        open_api=True,
    ),
    Route(
        "POST",
        "/presentations/verify",
        credentials.verify_presentation,
        "Verify one presentation and every credential in it (VC-API)",
        VERIFIED,
        VERIFY,
        Body("VerifyPresentationRequest", size_bytes_max=CREDENTIAL_BYTES_MAX),
        open_api=True,
    ),
    Route(
        "GET",
        "/test-manifest",
        credentials.test_manifest,
        "The credential profiles of a node started with --open-api (404 at any other)",
        (RouteAnswer(200, "Document"),),
    ),
)
