"""Identity and peers: did.json, the resolver, status lists, and the signed requests of other nodes."""

from __future__ import annotations

from flask import Response, request
from flask.typing import ResponseReturnValue

from node.api.credentials import list_version
from node.api.reading import raw_body
from node.api.reply import json_reply
from node.api.route import CBOR, COSE
from node.peers.mailboxes import waited
from node.service import Service

PEER_TYPES = (COSE, CBOR)


def did_document(service: Service) -> ResponseReturnValue:
    """This participant's DID document."""
    return json_reply(service.vc_api.did_document(), content_type="application/did+json")


def resolve(service: Service, did: str) -> ResponseReturnValue:
    """Resolve a DID from the ledger (did:web of participants) or by computation (did:key)."""
    result = service.vc_api.resolve(did)
    error = (result.get("didResolutionMetadata") or {}).get("error")
    status = 200 if not error else 404 if error == "notFound" else 400
    return json_reply(result, status)


def participants(service: Service) -> ResponseReturnValue:
    """Who is in the network, in which role and jurisdiction."""
    return json_reply({"participants": service.overview.participants()})


def status_list(service: Service, name: str) -> ResponseReturnValue:
    """The status list in force, a credential (Bitstring Status List 1.0)."""
    listed = service.vc_api.status_list(name, list_version())
    kinds = ["application/vc", "application/json", "application/ld+json"]
    chosen = request.accept_mimetypes.best_match(kinds, default=kinds[0]) or kinds[0]
    return json_reply(listed, content_type=chosen)


def peer(service: Service, kind: str) -> ResponseReturnValue:
    """A request of another node, signed by its transport key; so is the answer.

    A serving node answers these in `server/exchange.py`, on a lane of their own; this is the same door for an
    application that is called without a server, and for `/openapi.json`.
    """
    answer = service.peers.handle(kind, raw_body())
    body = answer.body if answer.later is None else waited(answer.later)
    return Response(body, content_type=COSE)
