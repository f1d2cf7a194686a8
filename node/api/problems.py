"""Errors at the edge: RFC 9457 problem details for programs, the same sentence on a page for people.

This is the one place where an exception becomes an HTTP status.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from flask import Flask, Response, g, make_response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from consensus.errors import ConsensusError
from credentials.errors import CredentialError
from node import log
from node.catalogues import READ_IN, language_of
from node.errors import ProblemError
from node.storage.database import is_damage
from node.transient_faults import damaged, is_out_of_room, out_of_room, sentence
from node.web.labels import page_text
from node.words import Words

# What the framework itself refuses, in our words.
FRAMEWORK_PROBLEMS = {
    400: ("bad_request", "Bad request", "The request cannot be read; check its form and its encoding."),
    404: (
        "no_such_page",
        "Not found",
        "There is nothing at this address; /openapi.json lists what there is.",
    ),
    405: ("wrong_method", "Method not allowed", "This address does not take this method."),
    408: ("too_slow", "Request timeout", "The request took too long to arrive; send it again."),
    411: ("length_required", "Length required", "Send the body with a Content-Length."),
    413: (
        "too_large",
        "Content too large",
        "The body is larger, or has more parts, than this address takes.",
    ),
    414: ("uri_too_long", "URI too long", "The address is too long."),
    415: ("wrong_content_type", "Unsupported media type", "This address does not take this content type."),
}


LANGUAGE_COOKIE = "comity_language"

# Words that begin a sentence and are no name of anything.
OPENING_WORDS = frozenset(
    {
        *("a", "after", "all", "an", "another", "any", "as", "at", "before", "by", "each", "every", "for"),
        *("from", "give", "if", "in", "it", "its", "many", "more", "no", "nobody", "not", "nothing", "of"),
        *("on", "one", "only", "other", "our", "send", "some", "such", "that", "the", "their", "there"),
        *("these", "this", "those", "to", "too", "two", "what", "when", "where", "which", "while", "who"),
        *("whoever", "with", "without", "you", "your"),
    }
)


def page_wanted() -> bool:
    """True when the client prefers HTML to JSON, as browsers do; `*/*` gets JSON."""
    accept = request.accept_mimetypes
    return accept["text/html"] > accept["application/json"]


def asked_language() -> str:
    """The language that was chosen on a page, else the one the client prefers, else English.

    The answer says which it is (`Content-Language`).
    """
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    g.language = chosen if chosen in READ_IN else language_of(request.accept_languages)
    return str(g.language)


def problem_document(problem: ProblemError, said: Words) -> dict[str, object]:
    """The problem details in these words: what happened, whose fault it is, and what to do."""
    title, detail = said.problem(problem)
    step = said.problem_step(problem)
    return {**problem.document(), "title": title, "detail": as_sentence(detail), **step}


def problem_told(problem: ProblemError, said: Words) -> tuple[str, str]:
    """(what happened, what to do next) in these words: for the page of the form that it happened in."""
    return as_sentence(said.problem(problem)[1]), said.problem_step(problem)["next"]


def as_problem(error: ProblemError | CredentialError) -> ProblemError:
    """What was sent cannot be read, by the code and the sentence of the error; a problem as it is."""
    if isinstance(error, ProblemError):
        return error
    return ProblemError(400, error.code, "Bad request", str(error))


def render_problem(problem: ProblemError, words: Mapping[str, Words]) -> Response:
    """The answer for one problem: a page for browsers, problem+json for everyone else."""
    told = problem_document(problem, words[asked_language()])
    if page_wanted():
        text = page_text("problem.html", asked_language(), {"problem": told})
        response = make_response(text, problem.status)
    else:
        text = json.dumps(told, ensure_ascii=False, default=str) + "\n"
        response = Response(text, status=problem.status, content_type="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="comity"'
    if problem.status == 503:
        response.headers["Retry-After"] = "2"
    if isinstance(seconds := problem.parameters.get("seconds"), int):
        response.headers["Retry-After"] = str(seconds)
    return response


def as_sentence(text: str) -> str:
    """The text as one line that ends with a stop, and begins with a capital where that changes no name.

    Names of JSON members, commands and identifiers have case (`statusPurpose`, `lines`): only words that
    cannot be one are written with a capital.
    """
    line = " ".join(text.split()) or "The request could not be answered."
    if line.split()[0] in OPENING_WORDS:
        line = line[0].upper() + line[1:]
    if line[-1] in ".!?`\"'。！？":
        return line
    return line + ("。" if "\u4e00" <= line[-1] <= "\u9fff" or line[-1] in "）”" else ".")


def install(app: Flask, words: Mapping[str, Words]) -> None:
    """Register the error handlers: nothing leaves the node as a bare exception."""

    def render(problem: ProblemError) -> Response:
        return render_problem(problem, words)

    @app.errorhandler(ProblemError)
    def _problem(error: ProblemError) -> Response:
        return render(error)

    @app.errorhandler(CredentialError)
    def _credential(error: CredentialError) -> Response:
        return render(as_problem(error))

    @app.errorhandler(ConsensusError)
    def _consensus(error: ConsensusError) -> Response:
        return render(ProblemError(400, "malformed", "Bad request", str(error)))

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response | HTTPException:
        if isinstance(error, RequestRedirect):
            return error
        status = error.code or 500
        code, title, detail = FRAMEWORK_PROBLEMS.get(
            status, ("http_error", error.name, "The request could not be answered.")
        )
        response = render(ProblemError(status, code, title, detail))
        methods = getattr(error, "valid_methods", None)
        if status == 405 and methods:
            response.headers["Allow"] = ", ".join(sorted(methods))
        return response

    @app.errorhandler(Exception)
    def _broken(error: Exception) -> Response:
        out, broken = is_out_of_room(error), is_damage(error)
        where = None if out or broken else error
        because = sentence(error) if broken else type(error).__name__
        log.moment("api", where, because=because, path=request.path, method=request.method)
        if broken:
            return render(damaged())
        if out:
            return render(out_of_room(error))
        return render(
            ProblemError(500, "broken", "Error in this node", "This node made an error; its log says which.")
        )
