"""The routes of running a node, a part of the table: how it is, what was set aside, who may and who is in."""

from __future__ import annotations

from node.api import accounts, keys, operations, provided, webhook_pages
from node.api.route import (
    FORM,
    HTML,
    JSON,
    JSON_OR_FORM,
    JSON_OR_PAGE,
    PAGE,
    SEEN,
    TEXT,
    Body,
    Route,
    RouteAnswer,
)

OPERATE = ("operate",)
ANYBODY = ("read", "operate", "clear", "issue", "govern", "verify")
PROMETHEUS = "text/plain; version=0.0.4"
FORM_BYTES_MAX = 16 << 10  # of who has not signed in
SIGNED_IN = RouteAnswer(303, None, (HTML,), "Signed in: the cookie is set, see Location.")


def _shown(schema: str, types: tuple[str, ...] = JSON_OR_PAGE) -> tuple[RouteAnswer, ...]:
    return (RouteAnswer(200, schema, types, "As asked."),)


OPERATIONS = (
    Route("GET", "/status", operations.status, "What this node is", _shown("Status")),
    Route(
        "GET", "/healthz", operations.healthz, "The process answers", (RouteAnswer(200, None, (TEXT,), "ok"),)
    ),
    Route(
        "GET",
        "/readyz",
        operations.readyz,
        "This node can do its work",
        (
            RouteAnswer(200, "Ready", text="Ready."),
            RouteAnswer(503, "Ready", text="Not ready, with the reasons."),
        ),
    ),
    Route(
        "GET",
        "/metrics",
        operations.metrics,
        "Numbers (Prometheus)",
        (RouteAnswer(200, None, (PROMETHEUS,), "Numbers."),),
    ),
    Route(
        "GET",
        "/openapi.json",
        operations.openapi,
        "This description",
        _shown("Document", ("application/vnd.oai.openapi+json",)),
    ),
    Route(
        "GET",
        "/operations/aside",
        operations.aside,
        "Work that failed unforeseen and was set aside",
        _shown("Aside"),
        OPERATE,
    ),
    Route(
        "POST",
        "/operations/aside/<int:number>/again",
        operations.try_again,
        "Have one piece of it tried once more",
        (RouteAnswer(202, "AsideItem", text="It will be tried."), SEEN),
        OPERATE,
        Body("Nothing", JSON_OR_FORM),
    ),
    Route(
        "GET",
        "/operations/audit",
        operations.audit,
        "Who did what at this node, newest first",
        _shown("Audit"),
        OPERATE,
        query=("before", "who"),
    ),
    Route(
        "GET",
        "/webhooks",
        webhook_pages.webhooks,
        "Endpoints that are told what happens, and what was given up",
        _shown("Webhooks"),
        OPERATE,
    ),
    Route(
        "GET",
        "/webhooks/<name>/posts",
        webhook_pages.posts,
        "What was said to one endpoint, in order, from behind a number",
        _shown("WebhookPosts", (JSON,)),
        OPERATE,
        query=("state", "after", "limit"),
    ),
    Route(
        "POST",
        "/webhooks/<name>/again",
        webhook_pages.again,
        "Send what was given up once more",
        (RouteAnswer(202, "WebhooksAgain", text="They wait once more."), SEEN),
        OPERATE,
        Body("Nothing", JSON_OR_FORM),
        query=("number",),
    ),
    # -- who may ---------------------------------------------------------------------------------------
    Route("GET", "/keys", keys.keys, "Keys and sessions", _shown("Keys"), OPERATE),
    Route(
        "POST",
        "/keys",
        keys.grant,
        "Make a bearer key, with scopes of your own",
        (RouteAnswer(201, "Key", text="Its secret is shown this once."),),
        OPERATE,
        Body("KeyRequest"),
    ),
    Route(
        "POST",
        "/keys/revoke",
        keys.revoke,
        "End a key, its sessions and its links",
        (*_shown("Revoked", (JSON,)), SEEN),
        OPERATE,
        Body("RevokeKeyRequest", (JSON, FORM)),
    ),
    Route(
        "POST",
        "/links",
        keys.open_link,
        "Make a one-time link for a page",
        (RouteAnswer(201, "Link", text="Valid once, for 24 hours."),),
        OPERATE,
        Body("LinkRequest"),
    ),
    Route(
        "GET",
        "/enter/<token>",
        keys.enter,
        "Enter by a one-time link",
        (RouteAnswer(303, None, (HTML,), "Entered: the cookie is set, see Location."),),
    ),
    # -- people ----------------------------------------------------------------------------------------
    Route("GET", "/sign-in", accounts.sign_in, "Sign in with a name and a passphrase", PAGE, query=("next",)),
    Route(
        "POST",
        "/sign-in",
        accounts.sign_in_by_form,
        "Sign in",
        (SIGNED_IN,),
        body=Body(None, (FORM,), FORM_BYTES_MAX),
    ),
    Route(
        "GET",
        "/oidc",
        provided.begin,
        "Sign in by the identity provider of this node (OpenID Connect)",
        (RouteAnswer(303, None, (HTML,), "To its page; a cookie is set for the way back."),),
        query=("next",),
    ),
    Route(
        "GET",
        "/oidc/back",
        provided.back,
        "Back from the identity provider, with its answer",
        (RouteAnswer(200, None, (HTML,), "Signed in: the cookie is set, and the page leads on."),),
        query=("code", "state", "iss", "error"),
    ),
    Route(
        "POST",
        "/language",
        accounts.choose_language,
        "Choose the language of the pages",
        (SEEN,),
        body=Body(None, (FORM,), FORM_BYTES_MAX),
    ),
    Route("GET", "/welcome/<token>", accounts.welcome, "Choose a passphrase by an invitation", PAGE),
    Route(
        "POST",
        "/welcome/<token>",
        accounts.welcome_by_form,
        "Choose it, and be signed in",
        (SIGNED_IN,),
        body=Body(None, (FORM,), FORM_BYTES_MAX),
    ),
    Route("GET", "/account", accounts.account, "Who you are here, and your sessions", PAGE, ANYBODY),
    Route(
        "POST",
        "/account/passphrase",
        accounts.change,
        "Choose another passphrase",
        (SIGNED_IN,),
        ANYBODY,
        Body(None, (FORM,)),
    ),
    Route(
        "POST",
        "/account/sessions/end",
        accounts.end_own_session,
        "End a session of your own",
        (SEEN,),
        ANYBODY,
        Body(None, (FORM,)),
    ),
    Route("GET", "/accounts", accounts.accounts, "Accounts of people", _shown("Accounts"), OPERATE),
    Route(
        "POST",
        "/accounts",
        accounts.add,
        "Make an account, with roles that open nothing you do not hold",
        (
            RouteAnswer(201, "AccountMade", text="Its invitation is shown this once."),
            RouteAnswer(200, None, (HTML,), "The same, on a page."),
        ),
        OPERATE,
        Body("AccountRequest", (JSON, FORM)),
    ),
    Route(
        "POST",
        "/accounts/invite",
        accounts.invite,
        "Make a new invitation, for who forgot the passphrase",
        (RouteAnswer(201, "AccountMade"), RouteAnswer(200, None, (HTML,), "The same, on a page.")),
        OPERATE,
        Body("AccountName", (JSON, FORM)),
    ),
    Route(
        "POST",
        "/accounts/roles",
        accounts.give_roles,
        "Give an account other roles; its sessions end",
        (*_shown("AccountEnded", (JSON,)), SEEN),
        OPERATE,
        Body("AccountRequest", (JSON, FORM)),
    ),
    Route(
        "POST",
        "/accounts/end",
        accounts.end,
        "End an account, and its sessions",
        (*_shown("AccountEnded", (JSON,)), SEEN),
        OPERATE,
        Body("AccountName", (JSON, FORM)),
    ),
    Route(
        "POST",
        "/accounts/sessions/end",
        accounts.end_session,
        "End one session of somebody",
        (SEEN,),
        OPERATE,
        Body(None, (FORM,)),
    ),
    Route(
        "POST",
        "/leave",
        keys.leave,
        "Sign out",
        (RouteAnswer(303, None, (HTML,), "The session has ended."),),
        ANYBODY,
        Body("Nothing", JSON_OR_FORM),
    ),
)
