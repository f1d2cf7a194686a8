"""A node's application as tests run it: what no page and no answer may do is an answer of 500 there.

A page that shows a value which nobody gave it would show nothing in its place; an answer of JSON that lacks
a member of its description, or has one beyond it, is another answer than clients were promised.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
from flask import Flask, Response, request
from jinja2 import Undefined, UndefinedError

from node.api.described import ANSWERS
from node.api.route import JSON, NDJSON
from node.api.schemas import schema_document
from node.api.table import ROUTES


def closed(schema: Any) -> Any:
    """The same schema, but nothing beyond it is an answer."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(part) for name, part in schema.items()}
    return (
        inner | {"additionalProperties": False} if "properties" in inner and "description" in inner else inner
    )


class NotGiven(Undefined):
    """A value that nobody gave to a page: it may be asked for, and is not shown."""

    __slots__ = ()

    def __str__(self) -> str:
        raise UndefinedError(f"nobody gave {self._undefined_name!r} to this page")

    def __iter__(self) -> Iterator[Any]:
        raise UndefinedError(f"nobody gave {self._undefined_name!r} to this page")


@cache
def _validator(schema: str) -> Any:
    return jsonschema_rs.validator_for(closed(schema_document(schema)))


@cache
def _schemas() -> dict[tuple[str, int], str]:
    """Endpoint and status -> the schema of an answer that is ours: documents have their standards' shape."""
    return {
        (route.endpoint, answer.status): answer.schema
        for route in ROUTES
        for answer in route.answers
        if answer.schema in ANSWERS
    }


def undescribed(endpoint: str, response: Response) -> list[str]:
    """What an answer of JSON has beyond its description, or lacks of it."""
    schema = _schemas().get((endpoint, response.status_code))
    if schema is None or response.is_streamed or response.mimetype not in (JSON, NDJSON):
        return []  # a page, a table, or a problem
    lines = response.get_data(as_text=True)
    parts = lines.splitlines() if response.mimetype == NDJSON else [lines]
    return [error.message for part in parts for error in _validator(schema).iter_errors(json.loads(part))]


def held_to_its_description(app: Flask) -> Flask:
    """The same application; it answers 500 where an answer is not as described, or a page lacks a value."""
    app.jinja_env.undefined = NotGiven

    @app.after_request
    def _described(response: Response) -> Response:
        if found := undescribed(request.endpoint or "", response):
            return Response(f"{request.endpoint} answers beside its description: {found}", 500)
        return response

    return app
