"""ToIP TRQP 2.0 over HTTPS: `POST /recognition` and `POST /authorization`, open to everybody.

Members of a query beyond its schema are ignored, as the schemas of TRQP allow them; conditions of the context
that mean nothing here are named in the answer.
"""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from credentials.ledger.trqp import ANSWERED, AUTHORIZATION, RECOGNITION
from node.api.reading import json_body
from node.api.reply import json_reply, words_for
from node.api.route import QUERY_BYTES_MAX
from node.service import Service


def recognition(service: Service) -> ResponseReturnValue:
    """Is an entity recognised by an authority?"""
    return _answer(service, RECOGNITION)


def authorization(service: Service) -> ResponseReturnValue:
    """Is an entity authorised by an authority?"""
    return _answer(service, AUTHORIZATION)


def _answer(service: Service, kind: str) -> ResponseReturnValue:
    yes, head = service.records.trust_registry.ask(kind, json_body("TrqpRequest", QUERY_BYTES_MAX))
    statement = next(iter(head["statements"]), None)
    head["message"] = words_for(service).sentence(
        f"trust_registry.{head['reason']}",
        {
            "entity": head["entity_id"],
            "authority": head["authority_id"],
            "action": head["action"],
            "resource": head["resource"],
            "time": head.get("time_requested", head["time_evaluated"]),
            "height": head["as_known_at"]["height"],
            "basis": statement["basis"] if statement else "",
            "effect": statement.get("effect", "") if statement else "",
        },
    )
    return json_reply({**head, ANSWERED[kind]: yes})
