"""What each address answers as JSON is pinned, member by member, for a node of which all is known.

`tests/vectors/answers.txt`: a line an address. Digests, moments, sentences, and what depends on the time that
something took stand as what they are; words, counts, and what is null, true or empty stand as answered. What
the rules of the law say has pins of its own. To write it anew, and see in `git diff` what changed:

    python -m tests.node.test_pinned_answers
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from node.api.described import ANSWERS
from node.api.route import HTML, JSON, Route
from node.api.table import ROUTES
from tests.harness.pinned import kept, require_kept, write
from tests.harness.support_service import CODE, LiveNode, live_node
from tests.node.test_openapi import addresses

PINNED, SECTION = "answers.txt", "answers"
QUIET_S = 90.0  # what is on its way when the node is asked has arrived by then
# What no two runs have alike: how many blocks the same records took, and how long.
PASSING = {
    *("height", "heights", "leaf_index", "last_leaf_index", "leaf", "size", "cosigned_size", "round", "pool"),
    *("tree_size", "number", "before", "seq", "index", "of", "leaf_end", "counted_until", "events"),
}
NAMED = re.compile(r"(_s|_ms|_bytes|_height|_leaf|seconds_left)$")
GENERATED = (
    (re.compile(r"z6Mk\w{40,}"), "<key>"),
    (re.compile(r"[\w-]{90,}"), "<signed>"),
    (re.compile(r"[0-9a-f]{64}"), "<hex>"),
    (re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])"), "<digest>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"[0-9a-f]{32}"), "<hex>"),
    (re.compile(r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{16}([\w-]{6})?(?![\w-])"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+Z?)?"), "<day>"),
    (re.compile(r"\b1[89]\d{8}\b"), "<moment>"),
)
# Their answers are of standards, of this machine, of rule files, or say what is on its way.
ELSEWHERE = {
    *(
        "/openapi.json",
        "/readyz",
        "/metrics",
        "/healthz",
        "/log/tile/<level>/<path:path>",
        "/events",
        *("/webhooks", "/supervision/alerts/<alert_id>"),
    ),
    *("/consignments/<consignment_id>/items/<int:line>", "/consignments/<consignment_id>/readiness"),
    *("/1.0/identifiers/<path:did>", "/governance/proof", "/models/<name>", "/webhooks/<name>/posts"),
}


def lasting(name: str, value: Any) -> Any:
    """A value without what two runs do not have alike."""
    if isinstance(value, dict):
        return {key: lasting(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        found = {json.dumps(kind, sort_keys=True): kind for kind in (lasting(name, one) for one in value)}
        objects = any(isinstance(one, dict) for one in value)  # of these what came first may differ
        return [found[text] for text in (sorted(found) if objects else found)]  # each kind once
    if isinstance(value, str):
        for pattern, told in GENERATED:
            value = pattern.sub(told, value)
        return "<text>" if " " in value.strip() else value
    if isinstance(value, bool) or value is None:
        return value
    if value > 1_500_000_000:
        return "<moment>"
    return "<number>" if name in PASSING or NAMED.search(name) or isinstance(value, float) else value


Asked = list[tuple[Route, str]]


def every_address(node: LiveNode) -> Asked:
    """Each route that is read, and an address of it; nothing is on its way there."""
    known = addresses(node)
    node.wait_quiet()
    return [(route, known.get(route.rule, route.rule)) for route in ROUTES if route.method == "GET"]


def is_pinned(route: Route) -> bool:
    """True of what answers JSON of ours."""
    documented = next((answer for answer in route.answers if answer.status == 200), None)
    is_ours = documented is not None and documented.schema in ANSWERS and JSON in documented.types
    return is_ours and route.rule not in ELSEWHERE


def line(node: LiveNode, rule: str, path: str) -> str:
    answer = node.client.get(path, headers={**node.bearer, "Accept": JSON})
    assert answer.status_code == 200, (path, answer.text[:300])
    return (
        f"{rule} | {json.dumps(lasting('', answer.get_json(force=True)), ensure_ascii=False, sort_keys=True)}"
    )


def lines(node: LiveNode, asked: Asked, pinned: Collection[str] = ()) -> Iterator[str]:
    """A line an address: each is asked again until it is one of these."""
    until = time.monotonic() + QUIET_S
    for route, path in asked:
        while is_pinned(route):
            found = line(node, route.rule, path)
            if found in pinned or not pinned or time.monotonic() > until:
                yield found
                break
            time.sleep(0.2)


def made(folder: Path) -> Iterator[str]:
    with live_node(folder) as node:
        yield from lines(node, every_address(node))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveNode, Asked]]:
    with live_node(tmp_path_factory.mktemp("answers")) as node:
        yield node, every_address(node)


def test_answers_are_the_pinned_ones(known: tuple[LiveNode, Asked]) -> None:
    """
    With all their members, those that are null or empty too: what a client reads there changes knowingly.
    """
    require_kept(lines(*known, frozenset(kept(PINNED, SECTION))), PINNED, SECTION)


# What a page of a list has to name of what there is.
SHOWN = {
    "/models": "a model",
    "/passports": CODE,
    "/consignments": "26NLTEST000001",
    "/webhooks": "mes",
    "/supervision": "/supervision/alerts/",
    "/supervision/cases": "/supervision/cases/",
    "/supervision/facilities": "Everything Ltd",
    "/set-requests": "/set-requests/",
    "/participants": "Everything Ltd",
    "/governance/proposals": "/governance/proposals/",
    "/jobs": "/jobs/",
    "/keys": "guest of operator",
    "/operations/audit": "printed at the start",
}


def test_every_page_shows_what_it_was_given(known: tuple[LiveNode, Asked]) -> None:
    """
    A browser that asks any address is answered, and no page has a value that nobody gave it.
    """
    node, asked = known
    pages = 0
    for route, path in asked:
        if HTML in (kind for answer in route.answers for kind in answer.types):
            answer = node.client.get(path, headers={**node.bearer, "Accept": HTML})
            assert answer.status_code < 500, (path, answer.text[:400])
            assert SHOWN.get(route.rule, "") in answer.text, path
            pages += answer.status_code == 200
    assert pages > 40


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write(PINNED, "tests.node.test_pinned_answers", {SECTION: lambda: made(Path(folder))})
