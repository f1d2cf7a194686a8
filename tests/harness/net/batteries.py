"""Passports for tests: the shipped plausible claims, made to agree with a code of an invented maker."""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib import resources
from typing import Any

from tests.harness.net.harness import JSON, WAIT_S_MAX, Node, wait

SYMBOLS = "123456789ABCDEFGHJKLMNPRSTUVWXY"


def code_of(serial: int, maker: str = "ZZ1") -> str:
    """A GB/T 34014 pack code made on a day of June 2026."""
    return f"{maker}PE75QH00001G6{SYMBOLS[serial % 28]}{serial:07d}"


@cache
def _sample() -> str:
    file = resources.files("config") / "demo" / "plausible-ev-nmc.batterypass-1.2.json"
    return file.read_text(encoding="utf-8")


def claims_of(serial: int, maker: str = "ZZ1", **general: Any) -> JSON:
    """The seven submodels for one battery."""
    claims: JSON = copy.deepcopy(json.loads(_sample()))
    code = code_of(serial, maker)
    made = f"2026-06-{1 + serial % 28:02d}T09:14:27.000+08:00"
    claims["GeneralProductInformation"] |= {
        "batteryPassportIdentifier": f"urn:bpass:{code.lower()}",
        "productIdentifier": f"urn:comity:item:gbt34014:{code}",
        "batteryCategory": "ev",
        "batteryMass": 452.5,
        "manufacturingDate": made,
        **general,
    }
    for value in claims["Performance"]["batteryCondition"].values():
        for part in value if isinstance(value, list) else [value]:
            part["lastUpdate"] = made
    return claims


def issue(node: Node, serial: int, **general: Any) -> JSON:
    """Issue one passport at a node."""
    return node.post("/passports", {"code": code_of(serial), "claims": claims_of(serial, **general)})


def wait_receipted(node: Node, digest: str, seconds_max: float = WAIT_S_MAX) -> JSON:
    """The progress of a passport once its receipt is there."""
    path = f"/passports/{digest}"
    wait(f"the receipt of {digest}", lambda: bool(node.get(path)["receipted_at"]), seconds_max)
    return dict(node.get(path))


def wait_published(node: Node, code: str) -> JSON:
    """Wait until a passport of this battery is live on a node's ledger; its standing."""

    def live() -> bool:
        status, told = node.request("GET", f"/batteries/{code}")
        return status == 200 and told["standing"]["publication"] == "active"

    wait(f"{node.party.name} to see the passport of {code}", live)
    return dict(node.get(f"/batteries/{code}")["standing"])
