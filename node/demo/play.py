"""The scenario, played over HTTP by each party's own operator: no route and no shortcut of its own."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import requests

from credentials.documents.canonical import b64u, digest_document
from credentials.documents.issuer import PASSPORT_CONTEXT, PASSPORT_SCHEMA, PASSPORT_TYPE
from credentials.documents.model import CREDENTIALS_V2
from credentials.documents.passport import split
from node.demo import scenario
from node.demo.scenario import DemoBattery

JSON = dict[str, Any]
WAIT_S_MAX = 60.0
POLL_S = 0.1
REACHES_S_MAX = 15.0  # for a record to reach another node


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

    def attest(self, event: str, battery: DemoBattery, members: JSON) -> str:
        """Attest one event; the digest of the attestation.

        What another node recorded a moment ago may not have reached this one: until then it says 409.
        """
        body = {"event": event, "battery": battery.code, "members": members}
        made: JSON = {}

        def taken() -> bool:
            made.update(self.post("/attestations", body, expect=(200, 201, 409)))
            return "digest" in made

        wait(f"{self.key} to be able to attest {event}", taken, REACHES_S_MAX)
        return str(made["digest"])

    def issue(self, claims: JSON, battery: DemoBattery) -> str:
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
            if state["state"] in ("refused", "dropped", "claim"):
                raise DemoFailed(f"{what}: refused: {state.get('refusal')}")
            if state["state"] not in ("admitted", "receipted"):
                return False
            waiting.pop()
        return True

    wait(f"{what} to be admitted", done)


def wait_followed(desk: Desk, desks: Iterable[Desk]) -> None:
    """Wait until this desk's node has every block that those of the others have."""
    height = max(other.get("/status")["height"] for other in desks)
    wait(f"{desk.key} to have block {height}", lambda: desk.get("/status")["height"] >= height)


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
    "named_party": scenario.PARTIES[4].did,  # nobody else may present them to customs
}


def presented_members(battery: DemoBattery) -> JSON:
    return {
        "declaration_number": scenario.DECLARATION,
        "registration_id": f"DEMO-REG-{battery.serial:07d}",
        "commodity_code": scenario.COMMODITY["in_vehicle" if battery.vin else "battery"],
        "eori": scenario.EORI,
    }


@dataclass(frozen=True, slots=True)
class Played:
    """What the scenario left behind: ids of live objects and the answers of the nodes."""

    consignment: str
    used_verdict: JSON
    report: JSON


def play(desks: dict[str, Desk], say: Callable[[str], None]) -> Played:
    """Play the whole scenario; every statement is made by the party whose it is, at its own node."""
    sample = shipped_sample()
    maker, customs = desks["manufacturer"], desks["customs"]
    batteries = [*scenario.CONSIGNMENT, scenario.USED_BATTERY]
    digests = {b.code: maker.issue(scenario.claims_of(sample, b), b) for b in batteries}
    say(f"{maker.key}: {len(digests)} passports signed, attested to four validators")
    wait_receipted(maker, digests.values())
    say("all of them have a receipt: in the log, cosigned by three of four validators")

    shown = _shown_documents(desks, sample, say)
    _export_and_present(desks, say)
    second = _second_passport(maker, sample, say)
    revoked = scenario.CONSIGNMENT[scenario.REVOKED - 1]
    maker.post(f"/passports/{digests[revoked.code]}/revoke", {"reason": "cell lot recalled by the maker"})
    wait("the revocation", lambda: _standing(customs, revoked)["publication"] in ("ceased", "revoked"))
    say(f"manufacturer: passport of line {scenario.REVOKED} revoked")
    _recycle(desks, say)
    used_verdict = _used_pack(desks, say)

    shown[scenario.ALTERED] = [_altered(maker, digests[scenario.CONSIGNMENT[scenario.ALTERED - 1].code])]
    shown[scenario.SECOND_PASSPORT] = [second]
    for desk in (customs, desks["importer"]):
        wait_followed(desk, desks.values())
    made = customs.post("/consignments", scenario.manifest(shown))
    say(f"customs: manifest of {len(scenario.CONSIGNMENT) + 6} lines received")
    seconds = wait(
        "the verdicts", lambda: customs.get(f"/consignments/{made['id']}")["state"] == "done", 120.0
    )
    say(f"customs: {len(scenario.CONSIGNMENT) + 6} verdicts in {seconds:.1f} s")
    importer = desks["importer"]
    own = importer.post("/consignments", scenario.manifest(shown))
    wait(
        "the importer's verdicts",
        lambda: importer.get(f"/consignments/{own['id']}")["state"] == "done",
        120.0,
    )
    report = importer.get(f"/consignments/{own['id']}/readiness")
    return Played(str(made["id"]), used_verdict, report)


def shipped_sample() -> JSON:
    """The plausible BatteryPass 1.2 payload that the wheel carries (config/demo)."""
    text = (files("config") / "demo" / "plausible-ev-nmc.batterypass-1.2.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _standing(desk: Desk, battery: DemoBattery) -> JSON:
    return dict(desk.get(f"/batteries/{battery.code}").get("standing") or {"publication": None})


def produced_members(battery: DemoBattery) -> JSON:
    return {"production_date": f"2026-06-{battery.day:02d}", "category": battery.category}


def _export_and_present(desks: dict[str, Desk], say: Callable[[str], None]) -> None:
    moved = [
        *scenario.CONSIGNMENT,
        scenario.NEVER_ATTESTED_BATTERY,
        scenario.UNSUPPORTED_BATTERY,
        scenario.RECYCLED_BATTERY,
        scenario.USED_BATTERY,
    ]
    authority, importer = desks["cn-authority"], desks["importer"]
    maker, cars = desks["manufacturer"], [b for b in moved if b.vin]
    built_in = [maker.attest("battery.installed", b, {"vin": b.vin}) for b in cars]
    wait_admitted(maker, built_in, "installations")
    say(f"manufacturer: {len(built_in)} batteries installed in their cars")
    to_recycler = EXPORT_MEMBERS | {"named_party": scenario.PARTIES[5].did}
    exported = [
        authority.attest(
            "battery.exported", b, to_recycler if b is scenario.RECYCLED_BATTERY else EXPORT_MEMBERS
        )
        for b in moved
    ]
    wait_admitted(authority, exported, "exports")
    say(f"Chinese authority: {len(exported)} exports attested")
    arrived = [b for b in moved if b is not scenario.RECYCLED_BATTERY]
    presented = [importer.attest("battery.presented", b, presented_members(b)) for b in arrived]
    wait_admitted(importer, presented, "presentations")
    say(f"importer: {len(presented)} batteries presented to customs")


def _shown_documents(
    desks: dict[str, Desk], sample: JSON, say: Callable[[str], None]
) -> dict[int, list[JSON]]:
    """The papers that come with a line because no node can hand them out: four odd ones."""
    maker, recycler = desks["manufacturer"], desks["recycler"]
    odd = (scenario.RECYCLED_BATTERY, scenario.NEVER_ATTESTED_BATTERY, scenario.UNSUPPORTED_BATTERY)
    wait_admitted(
        maker, [maker.attest("battery.produced", b, produced_members(b)) for b in odd], "productions"
    )
    # The holder names who may take the battery over: nobody else's receipt of it would count.
    buyer = {"buyer": scenario.PARTIES[5].did, "invoice": "DEMO-INVOICE-63"}
    sold = maker.attest("battery.sold", scenario.RECYCLED_BATTERY, buyer)
    wait_admitted(maker, [sold], "the sale to the recycler")
    never = maker.sign_only(unsigned_passport(sample, scenario.NEVER_ATTESTED_BATTERY, maker_did()))
    outsider = unsigned_passport(sample, scenario.UNACCREDITED_BATTERY, scenario.PARTIES[5].did)
    refused = recycler.http.post(
        f"{recycler.url}/passports",
        json={
            "code": scenario.UNACCREDITED_BATTERY.code,
            "claims": scenario.claims_of(sample, scenario.UNACCREDITED_BATTERY),
        },
        timeout=60,
    )
    if not 400 <= refused.status_code < 500:
        raise DemoFailed(f"a passport by a party without accreditation was answered {refused.status_code}")
    say(f"recycler: passport for a code it is not accredited for refused ({refused.json().get('title')})")
    foreign = unsigned_passport(sample, scenario.UNSUPPORTED_BATTERY, maker_did())
    foreign["proof"] = {
        "type": "DataIntegrityProof",
        "cryptosuite": "sm2-2023",
        "created": "2026-06-20T00:00:00Z",
        "verificationMethod": f"{maker_did()}#sm2-1",
        "proofPurpose": "assertionMethod",
        "proofValue": "z" + "3" * 88,  # made by a signer this network cannot check: that is the point
    }
    sets = {"1": b64u(digest_document(foreign))}
    attested = maker.attest("passport.published", scenario.UNSUPPORTED_BATTERY, {"sets": sets})
    wait_admitted(maker, [attested], "the passport with a foreign signature")
    return {
        scenario.NEVER_ATTESTED: [never],
        scenario.UNACCREDITED: [recycler.sign_only(outsider)],
        scenario.UNSUPPORTED: [foreign],
    }


def maker_did() -> str:
    return scenario.PARTIES[0].did


def unsigned_passport(sample: JSON, battery: DemoBattery, issuer: str) -> JSON:
    """Set 1 of a passport as an issuer's own software would make it, without a proof."""
    paths = json.loads((files("config") / "rules" / "passport-paths.json").read_text(encoding="utf-8"))
    members = split(scenario.claims_of(sample, battery), paths)[1]
    return {
        "@context": [CREDENTIALS_V2, PASSPORT_CONTEXT],
        "id": f"urn:uuid:{uuid.uuid4()}",
        "type": ["VerifiableCredential", PASSPORT_TYPE],
        "issuer": issuer,
        "validFrom": "2026-06-20T00:00:00Z",
        "credentialSubject": {
            "id": f"urn:comity:item:gbt34014:{battery.code}",
            "type": "Battery",
            "code": {"scheme": "gbt34014", "value": battery.code},
            "annexXiiiPoint": 1,
            "passportVersion": 1,
            **members,
        },
        "credentialSchema": dict(PASSPORT_SCHEMA),
    }


def _second_passport(maker: Desk, sample: JSON, say: Callable[[str], None]) -> JSON:
    """The maker's other line issues a passport for a code that has one: the ledger's order decides."""
    battery = scenario.CONSIGNMENT[scenario.DUPLICATED - 1]
    claims = scenario.claims_of(sample, battery)
    claims["GeneralProductInformation"]["batteryPassportIdentifier"] += "-line2"
    issued = maker.post("/passports", {"code": battery.code, "claims": claims})
    digest = str(issued["digest"])
    wait(
        "the refusal of the second passport",
        lambda: maker.get(f"/passports/{digest}")["attested"] == "refused",
    )
    refusal = maker.get(f"/passports/{digest}")["refusal"]
    say(f"manufacturer's other line: a second passport for one code refused by {refusal['rule']}")
    return dict(issued["credentials"]["1"])


def _altered(maker: Desk, digest: str) -> JSON:
    """Set 1 of an honest passport with its mass made lighter on the way."""
    sets = maker.get(f"/passports/{digest}")["sets"]
    document = maker.get(f"/documents/{sets['1']}")
    document["credentialSubject"]["GeneralProductInformation"]["batteryMass"] = 401.0
    return document


def _recycle(desks: dict[str, Desk], say: Callable[[str], None]) -> None:
    recycler, battery = desks["recycler"], scenario.RECYCLED_BATTERY
    received = {"facility_licence": "DEMO-LIC-1", "mass_in_grams": int(battery.mass_kg * 1000)}
    wait_admitted(
        recycler, [recycler.attest("recycling.received", battery, received)], "the receipt of waste"
    )
    masses = {
        "co_in_grams": 9200,
        "ni_in_grams": 45100,
        "li_in_grams": 8700,
        "cu_in_grams": 30000,
        "co_out_grams": 8600,
        "ni_out_grams": 42000,
        "li_out_grams": 4700,
        "cu_out_grams": 28000,
    }
    done = recycler.attest("recycling.completed", battery, {**masses, "method": "hydrometallurgy"})
    wait_admitted(recycler, [done], "recycling")
    say(f"recycler: the battery of line {scenario.RECYCLED} is recycled")


def _used_pack(desks: dict[str, Desk], say: Callable[[str], None]) -> JSON:
    """One pack is released, placed, measured, exported as used; the Chinese node judges it."""
    battery, importer, customs = scenario.USED_BATTERY, desks["importer"], desks["customs"]
    steps = (
        (customs, "customs.released", {"basis": "registry_check"}),
        (importer, "market.placed", {"art_41_checked": True, "named_party": scenario.PARTIES[5].did}),
        (
            desks["recycler"],
            "soh.measured",
            {"method": "capacity test", "measured_on": "2026-11-01", "soh_permille": 870},
        ),
        (
            importer,
            "used.exported",
            {
                "contract_reference": "DEMO-CONTRACT-7",
                "soh_permille": 870,
                "soh_date": "2026-11-01",
                "not_waste": True,
                "packaging": "UN 38.3 crate",
            },
        ),
    )
    for desk, event, members in steps:
        wait_admitted(desk, [desk.attest(event, battery, members)], event)
    line = {**scenario.line_of(1, battery), "condition": "used", "direction": "import"}
    wait_followed(desks["cn-authority"], desks.values())
    verdict = desks["cn-authority"].post("/clearance", {**line, "law_date": scenario.LAW_DATE})
    say("one used pack went from the EU to China and was judged by the Chinese node under its own policy")
    return verdict
