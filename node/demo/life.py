"""Four lives that end at the border: each of true statements by whose they are, at its own node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from node.demo import scenario
from node.demo.play import (
    EXPORT_MEMBERS,
    DemoFailed,
    Desk,
    presented_members,
    shipped_sample,
    wait,
    wait_admitted,
    wait_followed,
    wait_receipted,
)
from node.demo.scenario import DemoBattery

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Life:
    """One battery and the word it got when it was shown as new."""

    title: str
    verdict: JSON


def play_lives(desks: dict[str, Desk], say: Callable[[str], None]) -> list[Life]:
    """Used as new, waste as new, revoked and republished, claimed by a stranger: all shown as new."""
    maker, customs, sample = desks["manufacturer"], desks["customs"], shipped_sample()
    used, waste, revoked, claimed = lives = scenario.LIVES
    digests = {b.code: maker.issue(scenario.claims_of(sample, b), b) for b in lives}
    wait_receipted(maker, digests.values())
    _claim(desks["recycler"], claimed)
    _revoke(desks["cn-authority"], maker, revoked, digests[revoked.code])
    authority, importer = desks["cn-authority"], desks["importer"]
    wait_admitted(
        authority, [authority.attest("battery.exported", b, EXPORT_MEMBERS) for b in lives], "exports"
    )
    shown = [importer.attest("battery.presented", b, presented_members(b)) for b in lives]
    wait_admitted(importer, shown, "presentations")
    for battery in (used, waste):
        _place(customs, importer, battery)
    _use(desks["recycler"], used, claimed)
    ended = desks["recycler"].attest("battery.declared_waste", waste, {"reason": "worn out"})
    wait_admitted(desks["recycler"], [ended], "waste")
    wait_followed(customs, desks.values())
    say("four batteries lived on: used, waste, revoked by an authority, claimed by a stranger; shown as new")
    return [
        Life(title, customs.post("/clearance", {**scenario.line_of(1, b), "law_date": scenario.LAW_DATE}))
        for title, b in zip(scenario.LIFE_TITLES, lives, strict=True)
    ]


def _claim(stranger: Desk, battery: DemoBattery) -> None:
    """A workshop that never had the battery says that it built it into a car."""
    digest = stranger.attest(
        "battery.installed", battery, {"vin": scenario.vin_of(9000105), "as_claim": True}
    )
    wait("the claim", lambda: stranger.get(f"/attestations/{digest}")["state"] == "claim")


def _revoke(authority: Desk, maker: Desk, battery: DemoBattery, digest: str) -> None:
    """The maker's authority revokes; publishing again, one word changed, is not for the maker to do."""
    reason = {"passport_digest": digest, "reason": "test report withdrawn"}
    wait_admitted(authority, [authority.attest("passport.revoked", battery, reason)], "the revocation")
    claims = scenario.claims_of(shipped_sample(), battery)
    claims["GeneralProductInformation"]["batteryPassportIdentifier"] += "-again"
    known = f"{maker.url}/batteries/{battery.code}"
    wait("the ban", lambda: "banned" in maker.get(known.removeprefix(maker.url))["standing"]["settings"])
    again = maker.http.post(
        f"{maker.url}/passports", json={"code": battery.code, "claims": claims}, timeout=60
    )
    if not 400 <= again.status_code < 500:
        raise DemoFailed(f"a passport under an authority's ban was answered {again.status_code}")


def _place(customs: Desk, importer: Desk, battery: DemoBattery) -> None:
    released = customs.attest("customs.released", battery, {"basis": "registry_check"})
    wait_admitted(customs, [released], "the release")
    members = {"art_41_checked": True, "named_party": scenario.PARTIES[5].did}
    wait_admitted(importer, [importer.attest("market.placed", battery, members)], "the placing")


def _use(workshop: Desk, battery: DemoBattery, replacement: DemoBattery) -> None:
    """Built into a car, and taken out again."""
    vin = scenario.vin_of(9000102)
    wait_admitted(workshop, [workshop.attest("battery.installed", battery, {"vin": vin})], "installing")
    members = {"vin": vin, "replacement": replacement.code, "reason": "range"}
    wait_admitted(workshop, [workshop.attest("battery.replaced", battery, members)], "the replacement")
