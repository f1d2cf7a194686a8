"""What a form or a question leaves out is what it leaves empty, at every door that reads one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Request
from werkzeug.datastructures import ImmutableMultiDict

from node.api.route import FORM, HTML, Route
from node.api.table import ROUTES
from tests.harness.support_service import CODE, LiveNode, live_node

FILLED = "x"
HIDDEN = {"base", "next"}  # what a page of ours always sends along
asked: set[str] = set()  # the fields that the last request was asked for


class Fields(ImmutableMultiDict[str, str]):
    """The fields of a request, which note what they are asked for."""

    def get(self, key: str, *others: Any, **named: Any) -> Any:
        asked.add(key)
        return super().get(key, *others, **named)

    def __getitem__(self, key: str) -> Any:
        asked.add(key)
        return super().__getitem__(key)


class Noting(Request):
    """A request with such fields."""

    parameter_storage_class = Fields


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("left_out")) as running:
        running.app.request_class = Noting
        yield running


FORMS = [route for route in ROUTES if route.body is not None and FORM in route.body.types]


def path_of(node: LiveNode, route: Route) -> str:
    """An address of the route; of what is named there nothing exists, but for a link of welcome."""
    rule = route.rule.replace("<token>", node.service.accounts.first_link() or "")
    return re.sub(r"<[a-z_]+>", "nothing", re.sub(r"<int:\w+>", "1", re.sub(r"<path:\w+>", CODE, rule)))


def sent(node: LiveNode, route: Route, fields: dict[str, str]) -> tuple[int, str]:
    """The status of what is answered to a form, and its text without what differs from request to request."""
    asked.clear()
    answer = node.client.open(
        path_of(node, route),
        method=route.method,
        data=fields,
        headers={**node.bearer, "Sec-Fetch-Site": "same-origin", "Accept": HTML},
        content_type=FORM,
    )
    assert answer.status_code < 500, answer.text[:400]
    return answer.status_code, re.sub(r"[\w-]{16,}|\d{10}", "#", answer.text)


@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.endpoint)
def test_a_field_that_is_left_out_is_an_empty_one(node: LiveNode, route: Route) -> None:
    """
    A form without any field is answered as one whose fields are all empty, and one that lacks a single field
    as one in which that is empty; none by an error of this node.
    """
    nothing = sent(node, route, {})
    names = sorted(asked - HIDDEN)
    assert sent(node, route, dict.fromkeys(names, "")) == nothing

    for name in names:
        others = dict.fromkeys(set(names) - {name}, FILLED)
        lacking = sent(node, route, others)
        assert sent(node, route, {**others, name: ""}) == lacking, name
