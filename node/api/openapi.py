"""OpenAPI 3.1, generated from the table of routes: it cannot promise a route that is not there."""

from __future__ import annotations

import re
from typing import Any

from node.api.route import FORM, MULTIPART, PROBLEM, Route
from node.api.schemas import schemas

PARAMETER = re.compile(r"<(?:(?P<kind>[a-z]+):)?(?P<name>[a-z_]+)>")


def openapi_path(rule: str) -> str:
    """Flask's `/a/<int:b>` in OpenAPI's notation, `/a/{b}`."""
    return PARAMETER.sub(lambda match: "{" + match["name"] + "}", rule)


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for match in PARAMETER.finditer(route.rule):
        schema = {"type": "integer", "minimum": 0} if match["kind"] == "int" else {"type": "string"}
        found.append({"name": match["name"], "in": "path", "required": True, "schema": schema})
    found += [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in route.query
    ]
    return found


def _content(types: tuple[str, ...], schema: str | None) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for kind in types:
        if kind in (FORM, MULTIPART):
            content[kind] = {"schema": {"type": "object"}}
        elif schema is not None and ("json" in kind or kind == "application/vc"):
            content[kind] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
        else:
            content[kind] = {}
    return content


def _operation(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {
        str(answer.status): {"description": answer.text, "content": _content(answer.types, answer.schema)}
        for answer in route.answers
    }
    responses["default"] = {
        "description": "A problem (RFC 9457): whose fault it is and what to do.",
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    operation: dict[str, Any] = {
        "operationId": route.endpoint,
        "summary": route.summary,
        "description": (route.view.__doc__ or route.summary).strip(),
        "responses": responses,
    }
    parameters = _parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": _content(route.body.types, route.body.schema),
            "x-size-bytes-max": route.body.size_bytes_max,
        }
    if route.scopes:
        operation["security"] = [{"key": []}, {"session": []}]
        operation["x-scopes"] = list(route.scopes)
    return operation


def describe(routes: tuple[Route, ...], *, version: str, cookie: str) -> dict[str, Any]:
    """The OpenAPI document of `routes`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(openapi_path(route.rule), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Comity node",
            "version": version,
            "description": "Issue, check and prove battery passports. No answer says a product conforms.",
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
            },
        },
    }
