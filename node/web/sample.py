"""A plausible passport to start from: the shipped sample, made to agree with a battery's code."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from credentials.documents.identifiers import Identifier, guess_scheme, read_identifier
from node.config import shipped
from node.errors import bad_request
from node.service import Service

SAMPLE = "demo/plausible-ev-nmc.batterypass-1.2.json"
SERIAL_DIGITS = 7
FORM_SERIAL = 8_000_000  # serials proposed by the form: far from those of a production line


def propose_code(service: Service) -> str:
    """A code this node has not used: that of its newest passport with another serial; empty without one."""
    newest = service.passports.page(1)
    if not newest or len(newest[0]["battery"]) != 24:
        return ""
    serial = FORM_SERIAL + int(newest[0]["number"]) + 1
    return str(newest[0]["battery"][:-SERIAL_DIGITS]) + f"{serial:0{SERIAL_DIGITS}d}"


def sample_claims(service: Service, code: str) -> dict[str, Any]:
    """The shipped BatteryPass 1.2 sample with this code's date, this maker's name and its own identifiers."""
    claims: dict[str, Any] = copy.deepcopy(json.loads(shipped(SAMPLE)))
    if not code:
        return claims
    identifier = _read(code, service.passports.identifiers)
    status = service.overview.status()
    general = claims["GeneralProductInformation"]
    general["batteryPassportIdentifier"] = f"urn:bpass:{identifier.canonical.lower()}"
    general["productIdentifier"] = identifier.uri
    general["manufacturerInformation"] |= {"contactName": status["name"], "identifier": status["participant"]}
    if identifier.manufactured is not None:
        year, month, day = identifier.manufactured
        made = f"{year:04d}-{month:02d}-{day or 1:02d}T09:00:00.000+00:00"
        general["manufacturingDate"] = made
        for value in claims["Performance"]["batteryCondition"].values():
            for part in value if isinstance(value, list) else [value]:
                part["lastUpdate"] = made
    return claims


def _read(code: str, rules: Mapping[str, Any]) -> Identifier:
    if guess_scheme(code, rules) == "uri":
        raise bad_request(
            "code_unreadable", "The form is filled for a GB/T 34014 code or a GS1 Digital Link."
        )
    return read_identifier(code, rules)
