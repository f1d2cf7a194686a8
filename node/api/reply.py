"""Writing an answer: JSON for programs, a page for people, from the same dictionary."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from flask import Response, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from node.api.problems import asked_language, page_wanted
from node.service import Service
from node.use_cases.access import Session
from node.web.labels import page_text
from node.words import Words


def json_reply(value: Any, status: int = 200, content_type: str = "application/json") -> Response:
    """`value` as JSON, not to be kept by caches."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    return Response(text, status=status, content_type=content_type)


def reply(value: Any, template: str, status: int = 200, /, **context: Any) -> Response:
    """JSON or the page `template` by what the client accepts."""
    if page_wanted():
        return page(template, status, **context)
    return json_reply(value, status)


def page(template: str, status: int = 200, /, **context: Any) -> Response:
    """A page, whatever the client accepts."""
    text = page_text(template, asked_language(), context)
    return Response(text, status=status, content_type="text/html; charset=utf-8")


def attachment(data: bytes | str | Iterable[bytes], name: str, content_type: str) -> Response:
    """A file to keep; `name` is ours, never the caller's."""
    response = Response(data, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def words_for(service: Service) -> Words:
    """The words of this answer, in the language of whoever reads it."""
    return service.words[asked_language()]


def form_sent() -> bool:
    """True when a page's form was sent, not JSON."""
    return request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data")


def see(path: str) -> BaseResponse:
    """After a form: go and look (303), so that reloading does not send it again."""
    return redirect(path, code=303)


def client_name() -> str:
    """Who asks: the key or session, by name."""
    found = session()
    return found.name if found is not None else ""


def client_share() -> str:
    """Whose share a request is taken from: that of whom the operator let in, by name."""
    found = session()
    return found.share or found.name if found is not None else ""


def session() -> Session | None:
    """Who asks, None when nobody known."""
    found: Session | None = g.get("session")
    return found
