"""The shapes of requests and answers (JSON Schema 2020-12): what /openapi.json shows is what is enforced."""

from __future__ import annotations

from functools import cache
from typing import Any

from consensus.encoding import INTEGER_MAX
from credentials.documents.model import STATUS_ENTRY
from credentials.ledger.governance_records import TYPES
from credentials.ledger.proposals import RECORDS_MAX
from credentials.verdicts.manifest import CONDITIONS, MASS_KG_MAX
from credentials.verdicts.parts_check import PARTS_MAX
from credentials.verdicts.vehicle_check import BATTERIES_MAX
from node.api.described import described
from node.catalogues import FAULTS
from node.issuing.passport_models import COLUMNS_OF_MODEL_MAX, MEMBERS_OF_COLUMN_MAX
from node.oversight.alert_desk import ACTS as ALERT_ACTS
from node.oversight.alert_desk import TEXT_CHARS_MAX as ALERT_TEXT_CHARS_MAX
from node.oversight.case_statements import ACTS as CASE_ACTS
from node.oversight.case_statements import DAYS_MAX, LEAVES_NAMED_MAX, OPENED, OUTCOMES, REVIEWS
from node.oversight.case_statements import KIND as CASE
from node.oversight.request_statements import ANSWERS as REQUEST_ANSWERS
from node.oversight.request_statements import GROUNDS
from node.oversight.request_statements import KIND as REQUEST
from node.use_cases.roles import person_roles

Schema = dict[str, Any]

TEXT_CHARS_MAX = 2048

STRING: Schema = {"type": "string", "maxLength": TEXT_CHARS_MAX}
WORD: Schema = {"type": "string", "minLength": 1, "maxLength": 256}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 100}
SCOPES: Schema = {
    "type": "array",
    "items": {"enum": ["issue", "verify", "clear", "govern", "operate", "read"]},
    "minItems": 1,
    "uniqueItems": True,
}
DIGEST: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$", "description": "SHA-256, base64url"}
DATE: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
ANY: Schema = {}
BATTERY: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 512,
    "description": "Code (GB/T 34014, or of a scheme that the network added), GS1 Digital Link or URI",
}

DIRECTION: Schema = {"enum": ["import", "export", "inland"]}


def _object(
    required: dict[str, Schema], optional: dict[str, Schema] | None = None, *, closed: bool = False
) -> Schema:
    shape: Schema = {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }
    if closed:
        shape["additionalProperties"] = False
    return shape


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_ITEM = {
    "battery": BATTERY,
}
_ITEM_OPTIONAL: dict[str, Schema] = {
    "line": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "goods": {"enum": ["battery", "in_vehicle", "in_other", None]},
    "condition": {"enum": [*CONDITIONS, None], "description": "as what the battery is declared"},
    "commodity_code": {"type": ["string", "null"], "maxLength": 32},
    "vin": {"type": ["string", "null"], "maxLength": 64},
    "mass_kg": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": MASS_KG_MAX},
    "registration_id": {"type": ["string", "null"], "maxLength": 256},
    "documents": {"type": ["array", "null"], "items": {"type": "object"}, "maxItems": 8},
    "receipts": {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": 8},
}

REQUESTS: dict[str, Schema] = {
    # -- requests: closed, so that a misspelt member is told instead of ignored
    "PassportRequest": _object(
        {
            "code": BATTERY,
            "claims": {"type": "object", "description": "BatteryPass 1.2: one member per submodel"},
        },
        {
            "idempotency_key": {"type": ["string", "null"], "minLength": 1, "maxLength": 128},
            "strict": {"type": "boolean", "description": "refuse claims with a gap; nothing is signed"},
        },
        closed=True,
    ),
    "ModelRequest": _object(
        {"name": NAME, "claims": {"type": "object", "description": "what all items of the model say"}},
        {
            "columns": {
                "type": "object",
                "maxProperties": COLUMNS_OF_MODEL_MAX,
                "additionalProperties": {
                    "anyOf": [
                        WORD,
                        {"type": "array", "items": WORD, "maxItems": MEMBERS_OF_COLUMN_MAX},
                    ]
                },
                "description": "by heading: members of BatteryPass that a cell is given to; none: not read",
            },
            "utc_offset": {
                "type": ["string", "null"],
                "maxLength": 6,
                "description": "+08:00 or Z: a day that stands alone begins at midnight there",
            },
        },
        closed=True,
    ),
    "LabelsRequest": _object(
        {"passports": {"type": "array", "items": DIGEST, "minItems": 1, "maxItems": 100}},
        {
            "symbology": {"enum": ["qr", "datamatrix"]},
            "module_mm": {"type": "number"},
            "side_mm": {
                "type": "string",
                "maxLength": 32,
                "description": "width x height of the largest side",
            },
            "ce": {"type": "boolean"},
            "notified_body": {"type": "string", "maxLength": 4},
            "cadmium": {"type": "boolean"},
            "lead": {"type": "boolean"},
            "language": {"type": "string", "maxLength": 8},
        },
        closed=True,
    ),
    "RevokeRequest": _object({"reason": {"type": "string", "minLength": 1, "maxLength": 512}}, closed=True),
    "AttestationRequest": _object(
        {"event": WORD, "battery": BATTERY},
        {
            "members": {"type": "object"},
            "vin": {"type": ["string", "null"], "maxLength": 64},
            "event_time": {"type": ["integer", "null"], "minimum": 0, "maximum": INTEGER_MAX},
        },
        closed=True,
    ),
    "CountersignRequest": _object({"draft": {"type": "object"}}, closed=True),
    "StatusRequest": _object(
        {
            "credentialId": {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX},
            "credentialStatus": {
                "type": "array",
                "items": _object(
                    {"statusPurpose": WORD, "status": {"type": "boolean"}}, {"type": {"enum": [STATUS_ENTRY]}}
                ),
                "minItems": 1,
                "maxItems": 4,
            },
        }
    ),
    "ClearanceRequest": _object(
        _ITEM,
        {**_ITEM_OPTIONAL, "law_date": _nullable(DATE), "direction": DIRECTION},
        closed=True,
    ),
    "PartsRequest": _object(
        {
            "battery": BATTERY,
            "parts": {
                "type": "array",
                "items": _object(
                    {"code": BATTERY},
                    {
                        "index": {"type": "integer", "minimum": 0, "maximum": PARTS_MAX},
                        "size": {"type": "integer", "minimum": 1, "maximum": INTEGER_MAX},
                        "path": {"type": "array", "items": DIGEST, "maxItems": 64},
                    },
                    closed=True,
                ),
                "minItems": 1,
                "maxItems": PARTS_MAX,
                "description": "all of them by their codes, or some with their way to the commitment",
            },
        },
        closed=True,
    ),
    "VehicleRequest": _object(
        {
            "vin": {"type": "string", "minLength": 1, "maxLength": 64},
            "act": {"type": "string", "maxLength": 32},
        },
        {
            "batteries": {
                "type": "array",
                "items": BATTERY,
                "maxItems": BATTERIES_MAX,
                "description": "those that are in the vehicle, or were",
            },
            "jurisdiction": {"type": "string", "maxLength": 16},
        },
        closed=True,
    ),
    "ManifestLine": _object(
        {"line": {"type": "integer", "minimum": 1}, **_ITEM}, _ITEM_OPTIONAL, closed=True
    ),
    "Manifest": _object(
        {"lines": {"type": "array", "items": _ref("ManifestLine"), "minItems": 1, "maxItems": 20_000}},
        {
            "declaration": {"type": ["string", "null"], "maxLength": 64},
            "consignee_eori": {"type": ["string", "null"], "maxLength": 32},
            "law_date": _nullable(DATE),
            "direction": DIRECTION,
        },
        closed=True,
    ),
    "ReadinessRequest": _object(
        {"consignment": {"type": "string", "minLength": 1, "maxLength": 128}}, closed=True
    ),
    "DryRunRequest": _object(
        {
            "changes": {
                "type": "array",
                "items": _ref("RecordRequest"),
                "minItems": 1,
                "maxItems": RECORDS_MAX,
            }
        },
        {
            "proofs": {
                "type": "object",
                "additionalProperties": {"type": "string", "maxLength": 128},
                "description": "by new key id: its signature over itself, base64url",
            },
            "recovered": {"type": "boolean", "description": "the recovery key will sign it"},
            "expires_s": {"type": "integer", "minimum": 1, "maximum": 366 * 86_400},
        },
        closed=True,
    ),
    "RecordRequest": _object(
        {
            "type": {"enum": list(TYPES)},
            "name": {"type": "string", "maxLength": 256},
            "table": {"type": "object", "description": "the whole record, as it shall be"},
        },
        closed=True,
    ),
    "ProposeRequest": _object(
        {"effect": {**DIGEST, "description": "of the effect that was shown"}},
        {
            "proposal": {"type": "string", "maxLength": 32_768, "description": "as the dry run returned it"},
            "attestation": {
                "type": "string",
                "maxLength": 65_536,
                "description": "instead of it: the proposal, signed with the recovery key of this party",
            },
        },
        closed=True,
    ),
    "ApproveRequest": _object(
        {"effect": {**DIGEST, "description": "of the effect that was shown"}}, closed=True
    ),
    "ObjectRequest": _object(
        {},
        {
            "attestation": {
                "type": "string",
                "maxLength": 65_536,
                "description": "the objection, signed with the recovery key of this party",
            }
        },
        closed=True,
    ),
    "TrqpRequest": _object(  # open, as the schemas of TRQP are; conditions of the context are texts
        {
            "entity_id": {**WORD, "maxLength": TEXT_CHARS_MAX, "description": "DID of who is asked about"},
            "authority_id": {**WORD, "maxLength": TEXT_CHARS_MAX, "description": "DID of an authority"},
            "action": {**WORD, "description": "issue; of an authorization a role, such as manufacturer"},
            "resource": {**WORD, "description": "crosswalk:ROW; of an authorization SCHEME:NAMESPACE"},
        },
        {
            "context": {
                "type": "object",
                "properties": {
                    "time": {"type": "string", "maxLength": 64, "description": "RFC 3339, UTC"},
                    "height": {
                        "type": "string",
                        "pattern": "^[1-9][0-9]{0,14}$",
                        "description": "as known after the block of this height; when left out, by now",
                    },
                    "proof": {"enum": ["whole"], "description": "the proof within the answer"},
                },
                "additionalProperties": STRING,
                "maxProperties": 16,
            }
        },
    ),
    "Nothing": _object({}, closed=True),
    "KeyRequest": _object({"name": NAME, "scopes": SCOPES}, closed=True),
    "RevokeKeyRequest": _object({"name": NAME}, closed=True),
    "AlertAct": _object(
        {"act": {"enum": list(ALERT_ACTS)}},
        {
            "value": {
                "type": "string",
                "maxLength": ALERT_TEXT_CHARS_MAX,
                "description": "to whom it is assigned or handed on, the case it is linked to, or the note",
            },
            "text": {"type": "string", "maxLength": ALERT_TEXT_CHARS_MAX, "description": "to whom it goes"},
        },
        closed=True,
    ),
    "CaseOrder": _object(
        {"accused": WORD, "text": {**WORD, "maxLength": CASE.text_chars_max}},
        {
            "side": {**NAME, "description": "the jurisdiction that decides; left out, that of the accused"},
            "battery": BATTERY,
            "days": {"type": "integer", "minimum": 1, "maximum": DAYS_MAX},
            "leaves": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0, "maximum": INTEGER_MAX},
                "maxItems": LEAVES_NAMED_MAX,
                "description": "numbers of the records of that battery on which it rests",
            },
            "alert": {**DIGEST, "description": "an alert of this node that is linked to it"},
        },
        closed=True,
    ),
    "CaseSaid": _object(
        {
            "act": {"enum": [act for act in CASE_ACTS if act != OPENED]},
            "text": {**WORD, "maxLength": CASE.text_chars_max},
        },
        {
            "whom": WORD,
            "days": {"type": "integer", "minimum": 1, "maximum": DAYS_MAX},
            "outcome": {"enum": [*OUTCOMES, *REVIEWS]},
        },
        closed=True,
    ),
    "SetRequestOrder": _object(
        {
            "consignment": WORD,
            "requirement": {**NAME, "description": "the id of a row of its readiness report"},
            "whom": WORD,
            "ground": {"enum": list(GROUNDS)},
            "text": {**WORD, "maxLength": REQUEST.text_chars_max},
        },
        closed=True,
    ),
    "SetRequestAnswer": _object(
        {"act": {"enum": list(REQUEST_ANSWERS)}, "text": {**WORD, "maxLength": REQUEST.text_chars_max}},
        {
            "points": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1, "maximum": 4},
                "maxItems": 4,
                "description": "points of Annex XIII whose sets are handed over",
            }
        },
        closed=True,
    ),
    "LookAgain": _object({"height": {"type": "integer", "minimum": 1, "maximum": INTEGER_MAX}}, closed=True),
    "AccountRequest": _object(
        {
            "name": NAME,
            "roles": {
                "type": "array",
                "items": {"enum": list(person_roles())},
                "minItems": 1,
                "uniqueItems": True,
                "description": "of a person at this node: each opens scopes that whoever asks must hold",
            },
        },
        closed=True,
    ),
    "AccountName": _object({"name": NAME}, closed=True),
    "LinkRequest": _object(
        {},
        {
            "name": {**NAME, "description": "whose session it opens; it stands in the audit"},
            "scopes": {
                **SCOPES,
                "description": "what the person may do; when left out, what people of this party's roles do",
            },
            "next": {
                "type": "string",
                "pattern": "^/([A-Za-z0-9_.~-][A-Za-z0-9_.~/?=&-]*)?$",
                "maxLength": 256,
                "description": "where the page goes after entering",
            },
        },
        closed=True,
    ),
    "IssueCredentialRequest": _object(
        {"credential": {"type": "object"}}, {"options": {"type": ["object", "null"]}}
    ),
    "VerifyCredentialRequest": _object(
        {"verifiableCredential": ANY}, {"options": {"type": ["object", "null"]}}
    ),
    "ProvePresentationRequest": _object(
        {"presentation": {"type": "object"}}, {"options": {"type": ["object", "null"]}}
    ),
    "VerifyPresentationRequest": _object(
        {"verifiablePresentation": ANY}, {"options": {"type": ["object", "null"]}}
    ),
}


@cache
def schemas() -> dict[str, Schema]:
    """Every schema by its name. Those of answers are read off their types: nobody waits for it to start."""
    return {
        **REQUESTS,
        # -- answers: open, so that a client is not broken by a member added later
        **described(),
        "Problem": _object(
            {"type": STRING, "title": STRING, "status": {"type": "integer"}, "detail": {"type": "string"}},
            {"code": STRING, "fault": {"enum": list(FAULTS)}, "next": STRING},
        ),
        "AttestedOrDraft": {"anyOf": [_ref("AttestedEvent"), _ref("Draft")]},
        "Document": {"type": "object", "description": "A document: its shape is that of its own standard."},
    }


def schema_document(name: str) -> Schema:
    """The named schema as a document of its own, with what it refers to: a request to requests alone."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_ref(name),
        "components": {"schemas": REQUESTS if name in REQUESTS else schemas()},
    }
