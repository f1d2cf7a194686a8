"""Where a one-time link leads: the page must be one that the session it opens may see."""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from node.api.route import Route
from node.errors import bad_request


def require_open(path: str, scopes: Iterable[str], routes: Iterable[Route]) -> None:
    """400 `page_needs_scope` or `no_such_page` unless GET `path` answers a session with these scopes."""
    pages = {route.endpoint: route for route in routes if route.method == "GET"}
    rules = Map([Rule(r.rule, endpoint=name) for name, r in pages.items()], merge_slashes=False)
    try:
        endpoint, _ = rules.bind("localhost").match(path.partition("?")[0])
    except HTTPException as error:
        raise bad_request("no_such_page", "this node has no page {page}", page=path[:80]) from error
    needed = pages[endpoint].scopes
    if needed and not set(needed) & set(scopes):
        raise bad_request(
            "page_needs_scope",
            "the page {page} needs the scope {scopes:or}: add it to the link",
            page=path[:80],
            scopes=tuple(needed),
        )
