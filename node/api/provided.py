"""Signing in by the identity provider: out to its page, and back with what it says."""

from __future__ import annotations

from flask import g, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.wrappers import Response

from node.api.access import cookie_name, own_origin
from node.api.accounts import destination, sign_in_page, subnet
from node.api.keys import over_https, with_cookie
from node.api.reply import page, see
from node.errors import ProblemError
from node.resolution.identity_provider import BEGUN_S
from node.service import Service

PATH = "/oidc"  # the browser shows the cookie of a signing in that is under way here alone


def _cookie(service: Service) -> str:
    return f"{cookie_name(service)}_begun"


def _back(service: Service) -> str:
    """The address that the provider knows this client by."""
    return own_origin(service) + url_for("provided.back")


def begin(service: Service) -> ResponseReturnValue:
    """To the provider's page; what has to come back with its answer stays with this browser."""
    if request.method != "GET":
        raise MethodNotAllowed(["GET"])
    try:
        begun = service.provided.begin(_back(service), request.args.get("next", "/"))
    except ProblemError as error:
        return sign_in_page(service, error)
    answer = see(begun.address)
    # Lax, for the provider's page leads back here; it opens nothing but that one answer.
    answer.set_cookie(
        _cookie(service),
        begun.sealed,
        BEGUN_S,
        httponly=True,
        samesite="Lax",
        secure=over_https(service),
        path=PATH,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def back(service: Service) -> ResponseReturnValue:
    """Signed in, with a page that leads on: a cookie of ours goes with no step that another site began."""
    if request.method != "GET":
        raise MethodNotAllowed(["GET"])
    try:
        opened, wanted = service.provided.finish(
            request.cookies.get(_cookie(service)),
            request.args,
            _back(service),
            subnet=subnet(),
            former=request.cookies.get(cookie_name(service)),
        )
    except ProblemError as error:
        return _begun_no_more(service, sign_in_page(service, error))
    g.session = opened
    shown = page("signed_in.html", who=opened.name, next=destination(wanted, opened))
    return _begun_no_more(service, with_cookie(service, shown, opened))


def _begun_no_more(service: Service, answer: Response) -> Response:
    answer.delete_cookie(_cookie(service), path=PATH, samesite="Lax", httponly=True)
    answer.headers["Cache-Control"] = "no-store"
    return answer
