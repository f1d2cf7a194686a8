"""The scenario, played over HTTP by each party's own operator: no route and no shortcut of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import requests

from node.demo import scenario
from node.demo.scenario import Battery

JSON = dict[str, Any]
WAIT_S_MAX = 60.0
POLL_S = 0.1


class DemoFailed(Exception):
    """A step of the scenario did not do what it must; the sentence says which."""


@dataclass
class Desk:
    """One party's operator at its own node: base URL and operator key."""

    key: str
    url: str
    operator_key: str
    http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.http.headers["Authorization"] = f"Bearer {self.operator_key}"
        self.http.headers["Accept"] = "application/json"
        self.http.trust_env = False  # loopback only: a proxy of the environment has no part in this

    def post(self, path: str, body: JSON, expect: tuple[int, ...] = (200, 201, 202)) -> JSON:
        answer = self.http.post(self.url + path, json=body, timeout=60)
        if answer.status_code not in expect:
            raise DemoFailed(f"{self.key}: POST {path} answered {answer.status_code}: {answer.text[:600]}")
        return dict(answer.json())

    def get(self, path: str) -> JSON:
        answer = self.http.get(self.url + path, timeout=60)
        if answer.status_code != 200:
            raise DemoFailed(f"{self.key}: GET {path} answered {answer.status_code}: {answer.text[:600]}")
        return dict(answer.json())

    def text(self, path: str) -> str:
        answer = self.http.get(self.url + path, timeout=60)
        if answer.status_code != 200:
            raise DemoFailed(f"{self.key}: GET {path} answered {answer.status_code}: {answer.text[:600]}")
        return answer.text

    def attest(self, event: str, battery: Battery, members: JSON) -> str:
        """Attest one event; the digest of the attestation."""
        body = {"event": event, "battery": battery.code, "members": members}
        return str(self.post("/attestations", body)["digest"])

    def issue(self, claims: JSON, battery: Battery) -> str:
        """Issue one passport; the digest of its set list."""
        return str(self.post("/passports", {"code": battery.code, "claims": claims})["digest"])

    def sign_only(self, credential: JSON) -> JSON:
        """Have the node sign a credential without attesting it (VC-API)."""
        return dict(self.post("/credentials/issue", {"credential": credential})["verifiableCredential"])


def wait(what: str, done: Callable[[], bool], seconds_max: float = WAIT_S_MAX) -> float:
    """Poll until `done`; the seconds it took."""
    start = time.monotonic()
    while not done():
        if time.monotonic() - start > seconds_max:
            raise DemoFailed(f"waited {seconds_max:.0f} s for {what}: it did not come")
        time.sleep(POLL_S)
    return time.monotonic() - start


def wait_admitted(desk: Desk, digests: Iterable[str], what: str) -> None:
    """Wait until every attestation of this desk has its place in the log."""
    waiting = list(digests)

    def done() -> bool:
        while waiting:
            state = desk.get(f"/attestations/{waiting[-1]}")
            if state["state"] == "refused":
                raise DemoFailed(f"{what}: refused: {state.get('refusal')}")
            if state["state"] not in ("admitted", "receipted"):
                return False
            waiting.pop()
        return True

    wait(f"{what} to be admitted", done)


def wait_receipted(desk: Desk, digests: Iterable[str]) -> None:
    """Wait until every passport has its receipt."""
    waiting = list(digests)

    def done() -> bool:
        while waiting and desk.get(f"/passports/{waiting[-1]}").get("receipted_at"):
            waiting.pop()
        return not waiting

    wait("the receipts of the passports", done)


EXPORT_MEMBERS = {
    "commodity_code": "850760",
    "consignee": scenario.PARTIES[4].did,
    "consignment_id": "DEMO-CONSIGNMENT-66",
}


def presented_members(battery: Battery) -> JSON:
    return {
        "declaration_number": scenario.DECLARATION,
        "registration_id": f"DEMO-REG-{battery.serial:07d}",
        "commodity_code": scenario.COMMODITY["in_vehicle" if battery.vin else "battery"],
        "eori": scenario.EORI,
    }
