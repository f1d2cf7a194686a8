"""The description of the API: generated from the table of routes, and true of the running application."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from node.api.openapi import openapi_path
from node.api.route import BODY_BYTES_MAX, MANIFEST_BYTES_MAX, PEER_BYTES_MAX
from node.api.schemas import SCHEMAS, schema_document
from node.api.table import ROUTES
from tests.support_service import LiveNode, live_node

DOCUMENT_METHODS = {"GET", "POST", "PUT", "DELETE", "PATCH"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("node")) as running:
        yield running


def references(value: Any) -> set[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(references(part) for part in value))
    return set()


def test_every_address_of_the_application_is_described(node: LiveNode) -> None:
    """
    The paths and methods of /openapi.json are exactly those Flask answers, but for static files.
    """
    described = {
        (path, method.upper())
        for path, operations in node.get_json("/openapi.json")["paths"].items()
        for method in operations
    }

    answered = {
        (openapi_path(rule.rule), method)
        for rule in node.app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in (rule.methods or set()) & DOCUMENT_METHODS
    }
    assert described == answered


def test_the_description_is_served_as_generated(node: LiveNode) -> None:
    """
    /openapi.json is an OpenAPI 3.1 document whose references all resolve.
    """
    document = node.get_json("/openapi.json")

    assert document["openapi"] == "3.1.0"
    assert references(document) <= {f"#/components/schemas/{name}" for name in SCHEMAS}
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            declared = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert declared == set(re.findall(r"{([a-z_]+)}", path)), path
            assert operation["summary"] and operation["description"]
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_schema_compiles(name: str) -> None:
    """
    Each named schema is a valid JSON Schema that a validator takes.
    """
    jsonschema_rs.validator_for(schema_document(name))


def test_one_table_says_who_may_and_how_much() -> None:
    """
    Every body has a limit of 1, 4 or 16 MiB, and every write needs a scope or a signed body.
    """
    for route in ROUTES:
        if route.method == "POST":
            assert route.body is not None, route.rule
            assert route.body.size_bytes_max in (BODY_BYTES_MAX, PEER_BYTES_MAX, MANIFEST_BYTES_MAX), (
                route.rule
            )
            assert bool(route.scopes) != route.peer, route.rule
        else:
            assert route.body is None, route.rule
    assert {r.rule for r in ROUTES if r.body and r.body.size_bytes_max == MANIFEST_BYTES_MAX} == {
        "/consignments"
    }
