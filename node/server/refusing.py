"""Problem details for what ends before the application or outside it: the same words as the API's.

Programs are told in the language that they ask for, pages in English, as everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from node.catalogues import LANGUAGES, READ_IN, language_of
from node.errors import ProblemError
from node.server.wsgi import WholeAnswer
from node.words import Words

LINE_BYTES_MAX = 8190  # of the address, and of each header
PROBLEM = "application/problem+json"
_ENDING = (400, 408, 413, 421)  # after these, what follows on the connection is not trusted to be a request
_LATER = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.REQUEST_TIMEOUT)


def _no_points(height: int) -> Mapping[str, Any]:
    raise AssertionError("no problem of the server names a data point")


_WORDS = {language: Words(language, _no_points) for language in READ_IN}


def unreadable(status: int) -> bytes:
    """Problem details for a request of which no header could be read."""
    title = HTTPStatus(status).phrase.capitalize()
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        problem = ProblemError(
            status,
            "headers_too_large",
            title,
            "The address or a header has more than {most} bytes; shorten it.",
            most=LINE_BYTES_MAX,
        )
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        problem = ProblemError(status, "broken", title, "This node cannot answer that; its log may say why.")
    else:
        sentence = "The request cannot be read; check its form and its encoding."
        problem = ProblemError(status, "bad_request", title, sentence)
    return _document(problem, LANGUAGES[0])


def asked_language(accept: str | None, accept_language: str | None) -> str:
    """The language that whoever sent these headers is told in."""
    page = "text/html" in (accept or "")
    return LANGUAGES[0] if page else language_of(parse_accept_header(accept_language, LanguageAccept))


def told(problem: ProblemError, language: str) -> WholeAnswer:
    """The answer for one problem."""
    body, later = _document(problem, language), [("Content-Language", language)]
    if problem.status in _LATER:
        later.append(("Retry-After", "2"))
    answer = WholeAnswer.of(problem.status, problem.title, PROBLEM, body, *later)
    return replace(answer, last=problem.status in _ENDING)


def _document(problem: ProblemError, language: str) -> bytes:
    words = _WORDS[language]
    title, detail = words.problem(problem)
    document = {**problem.document(), "title": title, "detail": detail, **words.problem_step(problem)}
    return json.dumps(document).encode() + b"\n"
