"""The second act: one battery's whole life with each fraud once, beside an honest one, as authorities see it.

Every statement is made by whose it is, at its own node. Each fraud is one alert by its rule at each
authority whose side has a hand in it; the honest life raises none. One of them becomes a case. What waits
for a lawful record is told after seconds here, by the demo's own node.toml (`founding.py`), and after ten
minutes elsewhere. That a used battery is shown as new is on no record: customs sees it, who judges the line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from node.demo import scenario
from node.demo.play import (
    EXPORT_MEMBERS,
    DemoFailed,
    Desk,
    presented_members,
    produced_members,
    shipped_sample,
    wait,
    wait_admitted,
    wait_followed,
    wait_receipted,
)
from node.demo.scenario import DemoBattery

SERIAL = 9_000_300
SECOND_DECLARATION = "26NL00030000099R5"
AUTHORITIES = ("cn-authority", "eu-authority")
BOTH, CN, EU, CUSTOMS = AUTHORITIES, AUTHORITIES[:1], AUTHORITIES[1:], ("customs",)
OF_HONEST = " of the honest life"
REFUSED = (400, 403, 409, 422)


@dataclass(frozen=True, slots=True)
class Fraud:
    """What was tried once, the alert that it raises, and at which authorities."""

    title: str
    rule: str
    alert: str  # or, of what is on no record, the reason of the verdict
    seen_by: tuple[str, ...]


FRAUDS = (
    Fraud("produced a second time, of used cells", "X2", "produced_twice", CN),
    Fraud("a second passport for its code", "X1", "duplicate_passport", CN),
    Fraud("claimed by a stranger", "", "claimed", BOTH),
    Fraud("declared again, under the same papers", "X12", "declared_twice", BOTH),
    Fraud("lost on the way, and found again", "X18", "reported_lost", BOTH),
    Fraud("built into a second car", "X5", "second_vehicle", BOTH),
    Fraud("given away without the other's signature", "X10", "attempted_without_countersignature", CN),
    Fraud("its car scrapped, the other pack kept back", "X6", "scrapped_without_a_battery", EU),
    Fraud("in two workshops too far apart", "X12", "impossible_travel", BOTH),
    Fraud("used, and shown as new", "X7", "used_sold_as_new", CUSTOMS),
    Fraud("declared waste a second time", "X4", "counted_twice", BOTH),
    Fraud("taken apart without a licence", "X9", "attempted_without_licence", EU),
    Fraud("a module of another pack said to be its own", "X8", "consumed_twice", BOTH),
    Fraud("one more than its recycler may take in", "X14", "beyond_capacity", EU),
    Fraud("more material than there was", "X13", "mass_balance", BOTH),
    Fraud("sold after it was recycled", "X3", "attempted_after_the_end", EU),
)
IN_A_VERDICT = "X7"  # what is shown as new is on no record
OF_A_FACILITY = "beyond_capacity"


@dataclass(frozen=True, slots=True)
class SecondAct:
    """What the two authorities saw: (fraud, at which authorities, how many alerts); `ok`: as expected."""

    battery: str
    honest: str
    seen: tuple[tuple[Fraud, tuple[str, ...], int], ...]
    unexpected: tuple[str, ...]
    case: str

    @property
    def ok(self) -> bool:
        """One alert a fraud and addressee, and none but these."""
        right = all(who == f.seen_by and count == len(f.seen_by) for f, who, count in self.seen)
        return right and not self.unexpected


def play_second_act(desks: Mapping[str, Desk], say: Callable[[str], None], serial: int = SERIAL) -> SecondAct:
    """Play it; the batteries are `serial` and the two after it."""
    battery, honest, spare = (scenario.make(serial + n) for n in range(3))
    _made(desks, battery, honest, spare)
    _moved(desks, battery, honest)
    say("one battery was made and placed, with four frauds on its way; an honest one beside it")
    used = _used(desks, battery, honest, spare)
    say("both were in a car, one of them with six frauds; used, and shown as new it is judged by customs")
    _ended(desks, battery, honest)
    say("both are recycled, one of them with six frauds more")
    seen = _seen(desks, battery, honest, used)
    case = _case(desks, battery)
    say("the EU authority opened a case, the recycler explained, it was closed, and customs reviewed it")
    return SecondAct(battery.code, honest.code, *seen, case)


def tell(act: SecondAct, echo: Callable[[str], None]) -> None:
    """The table."""
    echo(f"\nOne battery's life, {act.battery}; each fraud once:")
    for fraud, who, count in act.seen:
        said = f"{count} at {', '.join(who) or 'nobody'}" + " (its verdict)" * (fraud.rule == IN_A_VERDICT)
        echo(f"  {fraud.title:43} {fraud.rule:4} {fraud.alert:35} {said}")
    honest = sum(one.endswith(OF_HONEST) for one in act.unexpected)
    echo(f"  the same life lived honestly: {honest} alerts")
    if act.ok:
        echo("Each fraud is one alert for each authority that has a hand in it; the honest life raised none.")
    else:
        echo("NOT as expected: " + ", ".join(act.unexpected or ("an alert is missing, or comes twice",)))


def _made(desks: Mapping[str, Desk], *batteries: DemoBattery) -> None:
    maker, sample, stranger = desks["manufacturer"], shipped_sample(), desks["recycler"]
    produced = [maker.attest("battery.produced", b, _with_its_parts(maker, b)) for b in batteries]
    wait_admitted(maker, produced, "productions")
    issued = [maker.issue(scenario.claims_of(sample, b), b) for b in batteries]
    wait_receipted(maker, issued)
    battery = batteries[0]
    _lost(maker, battery, "battery.produced", {**produced_members(battery), "mass_grams": 9})
    claims = scenario.claims_of(sample, battery)
    claims["GeneralProductInformation"]["batteryPassportIdentifier"] += "-second"
    again = maker.issue(claims, battery)
    wait("the second passport's refusal", lambda: maker.get(f"/passports/{again}")["attested"] == "refused")
    wait_followed(stranger, desks.values())
    claim = stranger.attest("battery.installed", battery, {"vin": _vin(battery, 7), "as_claim": True})
    wait("the claim", lambda: stranger.get(f"/attestations/{claim}")["state"] == "claim")
    opened = maker.attest("battery.maintained", battery, {"work": "a module was looked at"})
    wait_admitted(maker, [opened], "the maintenance")


def _moved(desks: Mapping[str, Desk], battery: DemoBattery, honest: DemoBattery) -> None:
    authority, importer, customs = desks["cn-authority"], desks["importer"], desks["customs"]
    members = {"art_41_checked": True, "named_party": scenario.PARTIES[5].did}
    for desk, event, of in (
        (authority, "battery.exported", lambda _: EXPORT_MEMBERS),
        (importer, "battery.presented", presented_members),
        (customs, "customs.released", lambda _: {"basis": "registry_check"}),
        (importer, "market.placed", lambda _: members),
    ):
        wait_admitted(desk, [desk.attest(event, b, of(b)) for b in (battery, honest)], event)
        if event == "battery.presented":
            again = {**presented_members(battery), "declaration_number": SECOND_DECLARATION}
            _lost(importer, battery, event, again)


def _used(desks: Mapping[str, Desk], battery: DemoBattery, honest: DemoBattery, spare: DemoBattery) -> bool:
    """In a car, both in one; True if customs sees in its verdict that it is shown as new."""
    workshop, importer = desks["recycler"], desks["importer"]
    lost = importer.attest("battery.reported_lost", battery, {"reference": "DEMO-POLICE-9"})
    wait_admitted(importer, [lost], "the loss")
    _tried(importer, battery, "battery.sold", {"invoice": "DEMO-INVOICE-98"}, "X18")
    found = importer.attest("battery.found", battery, {"reason": "it stood in another hall"})
    wait_admitted(importer, [found], "what was found")
    wait_followed(workshop, desks.values())
    car = {"vin": _vin(battery, 1)}
    built = [workshop.attest("battery.installed", b, car) for b in (battery, honest)]
    wait_admitted(workshop, built, "installing")
    _lost(workshop, battery, "battery.installed", {"vin": _vin(battery, 2)})
    _waited_in_vain(desks, battery, car)
    out = {"replacement": spare.code, "reason": "range"}
    gone = [workshop.attest("battery.replaced", b, {**car, **out}) for b in (battery, honest)]
    wait_admitted(workshop, gone, "the replacement")
    wait_followed(desks["customs"], desks.values())
    line = {**scenario.line_of(1, battery), "law_date": scenario.LAW_DATE}
    return any(
        (check.get("rule"), check["outcome"]) == (IN_A_VERDICT, "fail")
        for check in desks["customs"].post("/clearance", line)["checks"]
    )


def _waited_in_vain(desks: Mapping[str, Desk], battery: DemoBattery, car: dict[str, str]) -> None:
    """What a lawful record may clear yet: one signs for two, a car is scrapped without its other pack."""
    maker, workshop = desks["manufacturer"], desks["recycler"]
    for key in AUTHORITIES:  # whoever is told asks its own ledger whether it waits there too
        wait_followed(desks[key], desks.values())
    signed_alone = {"incoming_party": scenario.PARTIES[5].did, "contract_reference": "DEMO-CONTRACT-8"}
    _tried(maker, battery, "responsibility.transferred", signed_alone, "X10")
    scrapped = {**car, "scrap_date": time.strftime("%Y-%m-%d", time.gmtime())}
    _tried(workshop, battery, "vehicle.scrapped", scrapped, "X6")
    waits = [f for f in FRAUDS if f.rule in ("X10", "X6")]

    def told() -> bool:
        return all(f.alert in _told(desks[key], battery) for f in waits for key in f.seen_by)

    wait("what waits to be told", told)


def _ended(desks: Mapping[str, Desk], battery: DemoBattery, honest: DemoBattery) -> None:
    recycler, importer = desks["recycler"], desks["importer"]
    two = (battery, honest)
    waste = [recycler.attest("battery.declared_waste", b, {"reason": "worn out"}) for b in two]
    wait_admitted(recycler, waste, "waste")
    _lost(recycler, battery, "battery.declared_waste", {"reason": "worn out again"})
    wait_followed(importer, desks.values())
    _tried(importer, battery, "battery.dismantled", _parts(battery))
    wait_admitted(
        recycler, [recycler.attest("battery.dismantled", honest, _parts(honest))], "taking one apart"
    )
    _lost(recycler, battery, "battery.dismantled", _parts(honest))
    wait_admitted(recycler, [recycler.attest("battery.dismantled", battery, _parts(battery))], "the other")
    masses = {"co": (9200, 8600), "ni": (45100, 42000), "li": (8700, 4700), "cu": (30000, 28000)}
    inside = {f"{metal}_in_grams": given for metal, (given, _) in masses.items()}
    out = {f"{metal}_out_grams": taken for metal, (_, taken) in masses.items()}
    weighed = {"facility_licence": "DEMO-LIC-1"}
    for event, of in (
        ("recycling.received", lambda b: {**weighed, "mass_in_grams": int(b.mass_kg * 1000)}),
        ("recycling.completed", lambda _: {**inside, **out, "method": "hydrometallurgy"}),
        ("material.recovered", lambda b: _lot(b, 8600 if b is honest else 99_000)),
    ):
        wait_admitted(recycler, [recycler.attest(event, b, of(b)) for b in two], event)
    wait_followed(importer, desks.values())
    _tried(importer, battery, "battery.sold", {"invoice": "DEMO-INVOICE-99"})


def _lot(battery: DemoBattery, grams: int) -> dict[str, Any]:
    return {"lot": f"LOT-{battery.serial}", "element": "co", "mass_grams": grams}


def _parts(battery: DemoBattery) -> dict[str, Any]:
    return {"facility_licence": "DEMO-LIC-1", "children": _modules(battery), "fates": ["reuse", "recycle"]}


def _modules(battery: DemoBattery) -> list[str]:
    """Its modules, under their own codes (GB/T 34014: M in the fourth place)."""
    codes = [scenario.make(battery.serial + n).code for n in (50, 60)]
    return [code[:3] + "M" + code[4:] for code in codes]


def _with_its_parts(maker: Desk, battery: DemoBattery) -> dict[str, object]:
    """What is said of its production: a commitment to its modules stands for them until it is taken apart."""
    listed = {"battery": battery.code, "parts": [{"code": code} for code in _modules(battery)]}
    root = maker.post("/parts/check", listed)["shown_root"]
    return {
        **produced_members(battery),
        "mass_grams": int(battery.mass_kg * 1000),
        "children_root": root,
    }


def _vin(battery: DemoBattery, car: int) -> str:
    return scenario.vin_of(battery.serial * 10 % 10_000_000 + car)


def _lost(desk: Desk, battery: DemoBattery, event: str, members: dict[str, Any]) -> None:
    """State what loses by a rule: it is recorded as refused."""
    made = desk.attest(event, battery, members)
    wait(f"{event} to be refused", lambda: desk.get(f"/attestations/{made}")["state"] == "refused")


def _tried(desk: Desk, battery: DemoBattery, event: str, members: dict[str, Any], rule: str = "") -> None:
    """State what the own node refuses, by this rule, and tells the authority of its side."""
    body = {"event": event, "battery": battery.code, "members": members}
    answer = desk.http.post(f"{desk.url}/attestations", json=body, timeout=60)
    if answer.status_code not in REFUSED or (rule and answer.json()["code"] != rule):
        raise DemoFailed(f"{event} by {desk.key} was answered {answer.status_code}: {answer.text[:300]}")


def _alerts(desk: Desk, battery: DemoBattery) -> list[dict[str, Any]]:
    return list(desk.get(f"/supervision?battery={battery.code}&limit=100")["alerts"])


def _told(desk: Desk, battery: DemoBattery) -> list[str]:
    """The codes of what is about the battery, and of what is about its recycler and no battery."""
    of_recycler = desk.get(f"/supervision?code={OF_A_FACILITY}&limit=100")["alerts"]
    return [one["code"] for one in (*_alerts(desk, battery), *of_recycler)]


def _seen(
    desks: Mapping[str, Desk], battery: DemoBattery, honest: DemoBattery, used: bool
) -> tuple[tuple[tuple[Fraud, tuple[str, ...], int], ...], tuple[str, ...]]:
    """(what each authority has of each fraud, what it has beside)."""

    def all_there() -> bool:
        return all(
            {f.alert for f in FRAUDS if key in f.seen_by} <= set(_told(desks[key], battery))
            and desks[key].get("/supervision?limit=1")["looked_until"]
            >= desks[key].get("/status")["log"]["size"]
            for key in AUTHORITIES
        )

    wait("the alerts", all_there)
    told = {key: _told(desks[key], battery) for key in AUTHORITIES}
    told["customs"] = [f.alert for f in FRAUDS if used and f.rule == IN_A_VERDICT]
    seen = tuple(
        (
            fraud,
            tuple(key for key in told if fraud.alert in told[key]),
            sum(codes.count(fraud.alert) for codes in told.values()),
        )
        for fraud in FRAUDS
    )
    known = {fraud.alert for fraud in FRAUDS}
    beside = [f"{code} at {key}" for key in AUTHORITIES for code in told[key] if code not in known]
    of_honest = [f"{a['code']}{OF_HONEST}" for key in AUTHORITIES for a in _alerts(desks[key], honest)]
    return seen, (*beside, *of_honest)


def _case(desks: Mapping[str, Desk], battery: DemoBattery) -> str:
    """Opened, explained, closed and reviewed, each at its own node."""
    eu, recycler, customs = desks["eu-authority"], desks["recycler"], desks["customs"]
    (alert,) = [a for a in _alerts(eu, battery) if a["code"] == "mass_balance"]
    order = {"accused": scenario.PARTIES[5].did, "battery": battery.code, "alert": alert["id"]}
    case = str(eu.post("/supervision/cases", {**order, "text": "99 kg of cobalt from one battery"})["id"])
    path = f"/supervision/cases/{case}"

    def stands(desk: Desk, state: str) -> None:
        def there() -> bool:
            answer = desk.http.get(f"{desk.url}{path}", timeout=60)
            return answer.status_code == 200 and answer.json()["state"] == state

        wait(f"the case to be {state} at {desk.key}", there)

    stands(recycler, "open")
    recycler.post(path, {"act": "explained", "text": "the lot was weighed with another one"})
    stands(eu, "explained")
    eu.post(path, {"act": "closed", "outcome": "founded", "text": "the weighing slips say 8.6 kg"})
    stands(customs, "closed")
    customs.post(path, {"act": "reviewed", "outcome": "upheld", "text": "the slips were seen"})

    def is_reviewed() -> bool:
        return all(
            any(s["act"] == "reviewed" for s in desk.get(path)["statements"]) for desk in (eu, recycler)
        )

    wait("the review", is_reviewed)
    return case
