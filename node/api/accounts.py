"""People at the pages: signing in, the own account, and accounts made and ended by who operates."""

from __future__ import annotations

import re

from flask import current_app, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from node.api.access import cookie_name, own_origin, require_same_origin
from node.api.destinations import require_open
from node.api.keys import LOCAL_PATH, over_https, with_cookie
from node.api.problems import LANGUAGE_COOKIE, problem_told
from node.api.reading import json_body, require_shape
from node.api.reply import form_sent, json_reply, page, reply, see, session, words_for
from node.api.route import BODY_BYTES_MAX
from node.catalogues import READ_IN
from node.errors import ProblemError, bad_request
from node.server.wsgi import SUBNET
from node.service import Service
from node.use_cases.access import Session
from node.use_cases.accounts import AccountMade
from node.use_cases.roles import person_roles

LANGUAGE_S = 365 * 86400
OWN_ADDRESS = re.compile(
    r"/(?![/\\])[!-\[\]-~]{0,2000}"
)  # a page of ours with its query, as a browser names it


def _asking() -> Session:
    found = session()
    assert found is not None, "a route with scopes has a session"
    return found


def subnet() -> str:
    """From which subnet whoever asks comes."""
    return str(request.environ.get(SUBNET) or "")


def _told(service: Service, problem: ProblemError) -> dict[str, str]:
    """What went wrong, for the page of the form that it went wrong in."""
    told, step = problem_told(problem, words_for(service))
    return {"problem": told, "step": step}


# -- signing in ----------------------------------------------------------------------------------------


def sign_in(service: Service) -> ResponseReturnValue:
    """The form."""
    return sign_in_page(service, None, next=request.args.get("next", "/"))


def sign_in_page(
    service: Service, problem: ProblemError | None, *, name: str = "", next: str = "/"
) -> Response:
    """The form, with what went wrong."""
    told = {} if problem is None else _told(service, problem)
    status = 200 if problem is None else problem.status
    shown = page("sign_in.html", status, name=name, next=next, provider=service.provided.host, **told)
    if problem is not None and "wait" in problem.parameters:
        shown.headers["Retry-After"] = str(problem.parameters["wait"])
    return shown


def sign_in_by_form(service: Service) -> ResponseReturnValue:
    """Open a session; what went wrong stands on the form, with the name that was typed."""
    require_same_origin(service)
    name, wanted = request.form.get("name", "").strip(), request.form.get("next", "/")
    try:
        words = request.form.get("passphrase", "")
        opened = service.accounts.sign_in(name, words, subnet(), _former(service))
    except ProblemError as error:
        return sign_in_page(service, error, name=name, next=wanted)
    return _signed_in(service, opened, wanted)


def choose_language(service: Service) -> ResponseReturnValue:
    """Remember in which language this browser reads, and go back to the page where that was chosen."""
    require_same_origin(service)
    language, back = request.form.get("language", ""), request.form.get("back", "")
    if language not in READ_IN:
        told = "there are no pages in that language: choose one of {languages}"
        raise bad_request("malformed", told, languages=", ".join(READ_IN))
    answer = see(back if OWN_ADDRESS.fullmatch(back) else "/")
    answer.set_cookie(
        LANGUAGE_COOKIE,
        language,
        LANGUAGE_S,
        httponly=True,
        samesite="Lax",
        secure=over_https(service),
        path="/",
    )
    return answer


def _former(service: Service) -> str | None:
    return request.cookies.get(cookie_name(service))


def _signed_in(service: Service, opened: Session, wanted: str) -> Response:
    """With the new cookie to the page that was wanted, if it is one of ours that the session may see."""
    return with_cookie(service, see(destination(wanted, opened)), opened)


def destination(wanted: str, opened: Session) -> str:
    """A page of ours that the session may see, else the start."""
    if not LOCAL_PATH.fullmatch(wanted):
        return "/"
    try:
        require_open(wanted, opened.scopes, current_app.config["ROUTES"])
    except ProblemError:
        return "/"
    return wanted


def welcome(service: Service, token: str) -> ResponseReturnValue:
    """The form of an invitation, which it does not use up."""
    whose = service.accounts.invited(token)
    return page("welcome.html", token=token, whose=whose, name="")


def welcome_by_form(service: Service, token: str) -> ResponseReturnValue:
    """Choose the passphrase, and be signed in."""
    require_same_origin(service)
    whose = service.accounts.invited(token)
    name, words = request.form.get("name", "").strip(), request.form.get("passphrase", "")
    try:
        _require_same(words)
        opened = service.accounts.welcome(token, name, words, _former(service))
    except ProblemError as error:
        told = _told(service, error)
        return page("welcome.html", error.status, token=token, whose=whose, name=name, **told)
    return _signed_in(service, opened, "/" if whose else url_for("accounts.accounts"))


def _require_same(words: str) -> None:
    if words != request.form.get("again", ""):
        raise bad_request("passphrases_differ", "the two passphrases are not the same: nothing was changed")


# -- the own account -----------------------------------------------------------------------------------


def account(service: Service) -> ResponseReturnValue:
    """Who the asker is here, what he may, and where he is signed in."""
    return _own(service)


def _own(service: Service, status: int = 200, **told: str) -> Response:
    asks = _asking()
    sessions = service.accounts.sessions(asks.account, asks.shown) if asks.account else []
    roles = [person_roles()[name] for name in service.accounts.roles_of(asks) if name in person_roles()]
    shown = {"asks": asks, "sessions": sessions, "roles": roles}
    return page("account.html", status, **shown, provided=service.provided.signs_in(asks.account), **told)


def change(service: Service) -> ResponseReturnValue:
    """Another passphrase: every other session of the account ends."""
    words = request.form.get("passphrase", "")
    try:
        _require_same(words)
        opened = service.accounts.change(_asking(), request.form.get("old", ""), words, subnet())
    except ProblemError as error:
        return _own(service, error.status, **_told(service, error))
    return with_cookie(service, see(url_for("accounts.account")), opened)


def end_own_session(service: Service) -> ResponseReturnValue:
    """End one of the own sessions, elsewhere or here."""
    asks = _asking()
    service.accounts.end_session(asks, asks.account, request.form.get("mark", ""))
    return see(url_for("accounts.account"))


# -- accounts ------------------------------------------------------------------------------------------


def accounts(service: Service) -> ResponseReturnValue:
    """Every account, and the form of a new one."""
    return reply({"accounts": service.accounts.listing()}, "accounts.html", **_shown(service))


def _shown(service: Service) -> dict[str, object]:
    rows = service.accounts.listing()
    return {
        "accounts": rows,
        "open": {
            row["account"]: service.accounts.sessions(row["account"]) for row in rows if row["sessions"]
        },
        "roles": [role for role in person_roles().values() if role.fits(service.access.roles())],
        "titles": {name: role.title for name, role in person_roles().items()},
        "given": {"name": "", "roles": ()},
    }


def add(service: Service) -> ResponseReturnValue:
    """A new account: its invitation is in the answer and nowhere else."""
    if not form_sent():
        made = service.accounts.add(_asking(), *_ordered())
        return json_reply(_with_address(service, made), 201)
    try:
        made = service.accounts.add(_asking(), *_ordered())
    except ProblemError as error:
        given = {"name": request.form.get("name", "").strip(), "roles": request.form.getlist("role")}
        told = _told(service, error)
        return page("accounts.html", error.status, **{**_shown(service), "given": given, **told})
    return page("accounts.html", **_shown(service), made=_with_address(service, made))


def give_roles(service: Service) -> ResponseReturnValue:
    """Other roles for an account: whoever has it signs in again."""
    name, roles = _ordered()
    ended = service.accounts.give_roles(_asking(), name, roles)
    return see(url_for("accounts.accounts")) if form_sent() else json_reply({"name": name, "sessions": ended})


def _ordered() -> tuple[str, tuple[str, ...]]:
    """A name and roles, as JSON or as a form has them."""
    if not form_sent():
        order = json_body("AccountRequest", BODY_BYTES_MAX)
        return order["name"], tuple(order["roles"])
    name, roles = request.form.get("name", "").strip(), request.form.getlist("role")
    require_shape({"name": name, "roles": roles}, "AccountRequest")
    return name, tuple(roles)


def _named() -> str:
    if form_sent():
        return request.form.get("name", "")
    return str(json_body("AccountName", BODY_BYTES_MAX)["name"])


def invite(service: Service) -> ResponseReturnValue:
    """A new invitation; the passphrase that was forgotten ends when it is used."""
    made = _with_address(service, service.accounts.invite(_asking(), _named()))
    return page("accounts.html", **_shown(service), made=made) if form_sent() else json_reply(made, 201)


def end(service: Service) -> ResponseReturnValue:
    """End an account: its sessions end at once."""
    name = _named()
    ended = service.accounts.end(_asking(), name)
    return see(url_for("accounts.accounts")) if form_sent() else json_reply({"name": name, "sessions": ended})


def end_session(service: Service) -> ResponseReturnValue:
    """End one session of somebody."""
    service.accounts.end_session(_asking(), request.form.get("account", ""), request.form.get("mark", ""))
    return see(url_for("accounts.accounts"))


def _with_address(service: Service, made: AccountMade) -> dict[str, object]:
    path = url_for("accounts.welcome", token=made["token"])
    return {**made, "path": path, "url": own_origin(service) + path}
