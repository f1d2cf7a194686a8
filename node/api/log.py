"""The log as anyone may check it: seal, policy, hash tiles, documents by right and receipts."""

from __future__ import annotations

import re

from flask import Response
from flask.typing import ResponseReturnValue

from node.api.reading import integer_argument
from node.api.reply import attachment, json_reply, reply, session
from node.errors import not_found
from node.service import Service
from node.web.proof import document_file, receipt_file

LEVEL_MAX = 5
TILE_WIDTH = 256
ENTRIES_PER_PAGE = 50
TILE_INDEX = re.compile(r"(?:x[0-9]{3}/){0,4}[0-9]{3}")
PARTIAL = re.compile(r"\.p/([1-9][0-9]{0,2})\Z")


def checkpoint(service: Service) -> ResponseReturnValue:
    """The latest cosigned checkpoint (C2SP signed note)."""
    return _text(service.records.checkpoint())


def policy(service: Service) -> ResponseReturnValue:
    """The policy (C2SP tlog-policy) of the newest checkpoint; `leaves`: of a tree of that size, 0 the first.

    Whoever holds another one takes no newer one from here on trust: /log/epochs leads from it to this one.
    """
    text = service.records.log_policy(integer_argument("leaves", None))
    response = attachment(text, "log.policy", "text/plain; charset=utf-8")
    response.headers["Link"] = '</log/epochs>; rel="related"'
    return response


def epochs(service: Service) -> ResponseReturnValue:
    """Every policy of the log, each receipted under the one before it; `after` a size: a part of them."""
    link = integer_argument("link", None)
    after = integer_argument("after", None)
    return attachment(service.records.epochs(link, after), "log.epochs", "text/plain; charset=utf-8")


def parse_tile_path(level: str, path: str) -> tuple[int, int, int]:
    """(level, index, width) of a C2SP tlog-tiles path, refusing any spelling but the one."""
    wrong = not_found("no_such_tile", "That is not the address of a hash tile; see C2SP tlog-tiles.")
    if not re.fullmatch(r"[0-9]", level) or int(level) > LEVEL_MAX:
        raise wrong
    width = TILE_WIDTH
    partial = PARTIAL.search(path)
    if partial:
        width = int(partial.group(1))
        path = path[: partial.start()]
        if width >= TILE_WIDTH:
            raise wrong
    if not TILE_INDEX.fullmatch(path):
        raise wrong
    groups = path.replace("x", "").split("/")
    if len(groups) > 1 and groups[0] == "000":
        raise wrong  # x000/005 is a second spelling of 005
    return int(level), int("".join(groups)), width


def tile(service: Service, level: str, path: str) -> ResponseReturnValue:
    """One hash tile (C2SP tlog-tiles); tiles never change."""
    response = Response(
        service.records.tile(*parse_tile_path(level, path)), content_type="application/octet-stream"
    )
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def entries(service: Service) -> ResponseReturnValue:
    """Entries of the log, for keys of this node."""
    start = integer_argument("start", 0)
    rows = service.records.entries(start, ENTRIES_PER_PAGE)
    return reply(
        {"entries": rows}, "entries.html", entries=rows, start=start, more=len(rows) == ENTRIES_PER_PAGE
    )


def document(service: Service, digest: str) -> ResponseReturnValue:
    """A document by its digest, to whoever has a right to it."""
    found = service.records.document(digest, service.access.audience_of(session()))
    response = json_reply(found)
    response.headers["Content-Disposition"] = f'attachment; filename="{document_file(digest)}"'
    return response


def receipt(service: Service, digest: str) -> ResponseReturnValue:
    """The receipt (C2SP tlog-proof) of an attestation, or of the document it is about."""
    text = service.records.receipt(digest)
    return attachment(text, receipt_file(digest), "text/plain; charset=utf-8")


def _text(text: str) -> Response:
    return Response(text, content_type="text/plain; charset=utf-8")
