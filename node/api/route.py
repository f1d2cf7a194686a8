"""What one line of the route table says: address, who may, what body, which answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask.typing import ResponseReturnValue

View = Callable[..., ResponseReturnValue]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
HTML = "text/html"
TEXT = "text/plain"
OCTETS = "application/octet-stream"
COSE = "application/cose"
CBOR = "application/cbor"
PROBLEM = "application/problem+json"
CSV = "text/csv"
PDF = "application/pdf"
GZIP = "application/gzip"
EVENTS = "text/event-stream"
NDJSON = "application/x-ndjson"
JSON_OR_PAGE = (JSON, HTML)
JSON_OR_FORM = (JSON, FORM, MULTIPART)

BODY_BYTES_MAX = 1 << 20
MANIFEST_BYTES_MAX = 16 << 20
MANIFEST_VALUES_MAX = 1 << 20  # of lines with documents: one for each sixteen bytes
BATCH_BYTES_MAX = 16 << 20
SHEET_BYTES_MAX = 16 << 20
MODEL_BYTES_MAX = 1 << 20
CREDENTIAL_BYTES_MAX = 4 << 20  # so that a member that is too long is told, not cut off
QUERY_BYTES_MAX = 16 << 10  # of a trust registry
FORM_PARTS_MAX = 16
FORM_FIELDS_MAX = 256  # of a form that is not sent in parts
PASSPORT_FIELDS_MAX = 1_024  # of the one form that has a hundred, and five more for each material


@dataclass(frozen=True, slots=True)
class Body:
    """A request body: its schema (by name, None when it is not JSON), content types and largest size."""

    schema: str | None
    types: tuple[str, ...] = (JSON,)
    size_bytes_max: int = BODY_BYTES_MAX
    fields_max: int = FORM_FIELDS_MAX


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """One way a route answers when all is well."""

    status: int
    schema: str | None  # None when the body is not JSON, or has no fixed shape
    types: tuple[str, ...] = (JSON,)
    text: str = "As asked."


SEEN = RouteAnswer(303, None, (HTML,), "A form was sent: see the page named by Location.")
PAGE = (RouteAnswer(200, None, (HTML,), "A page."),)


def ok(schema: str, types: tuple[str, ...] = (JSON,)) -> tuple[RouteAnswer, ...]:
    """What a route answers that gives one thing, by the name of its schema."""
    return (RouteAnswer(200, schema, types),)


def shown(schema: str, types: tuple[str, ...] = JSON_OR_PAGE) -> tuple[RouteAnswer, ...]:
    """The same of a route that has a page as well."""
    return ok(schema, types)


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table. `scopes` are alternatives: any one of them admits; none means open to all."""

    method: str
    rule: str  # in Flask's notation
    view: View
    summary: str
    answers: tuple[RouteAnswer, ...]
    scopes: tuple[str, ...] = ()
    body: Body | None = None
    query: tuple[str, ...] = ()
    peer: bool = False  # the body is signed by a transport key of a participant
    open_api: bool = False  # open to everybody at a node started with --open-api

    @property
    def endpoint(self) -> str:
        """The name of the route, unique in the table: module and function."""
        return f"{self.view.__module__.rpartition('.')[2]}.{self.view.__name__}"
