"""What a battery's life says of it at the border: each route of cases/life ends as its README says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from credentials.documents.canonical import digest_document
from credentials.ledger.descendants import children_root
from credentials.ledger.payload import Criteria
from credentials.ledger.recalls import recall_subject
from credentials.verdicts.clearance import clear_item
from credentials.verdicts.manifest import Line
from tests.harness.border import (
    DECLARATION,
    LAW_DATE,
    World,
    claims_of,
    code,
    made_on,
    policy,
    subject_of,
    words,
)
from tests.harness.ledger import (
    CN_AUTHORITY,
    CN_CUSTOMS,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    RECYCLER,
    RIVAL,
    SECOND_LIFE,
    WORKSHOP,
)

VIN = "ZZ9DEM0E0T0000039"
PRESENTED = {
    "declaration_number": DECLARATION,
    "registration_id": "REG-1",
    "commodity_code": "8507600000",
    "eori": "DE1",
}
GOOD = ("clear", "clear_with_gaps")
AGAIN = {"declaration": "26NLTEST000009"}  # of a later import
CONDITIONS = ("new", "used", "second_life", "return", "repair", "waste", None)


def shape(told: Mapping[str, Any]) -> tuple[str, str]:
    return told["verdict"], told["reason"]


def check(told: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [c for c in told["checks"] if c["name"] == name]


def judged(w: World, text: str, **line: Any) -> Mapping[str, Any]:
    return w.judge(text, **line).as_dict()


def exported(w: World, serial: int, *also: str) -> str:
    """Produced, published, exported; the importer and `also` are named."""
    text = code(serial)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER, *also))
    return text


def placed(w: World, serial: int) -> str:
    """Presented, released and placed in the EU by its importer."""
    text = w.new(serial)
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    w.happen(
        IMPORTER, "market.placed", text, {"art_41_checked": True}, parties=(WORKSHOP, RECYCLER, SECOND_LIFE)
    )
    return text


def installed(w: World, serial: int) -> str:
    text = placed(w, serial)
    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    return text


def removed(w: World, serial: int) -> str:
    text = installed(w, serial)
    w.happen(WORKSHOP, "battery.swapped_out", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    return text


def waste(w: World, serial: int) -> str:
    text = placed(w, serial)
    w.happen(RECYCLER, "battery.declared_waste", text, {"reason": "worn"}, parties=(SECOND_LIFE, IMPORTER))
    return text


def waste_exported_and_presented(w: World) -> str:
    text = waste(w, 1)
    w.happen(RECYCLER, "waste.exported", text, {"notification": "N-1"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    return text


def dismantled_and_presented(w: World) -> str:
    text = waste(w, 1)
    child = subject_of(code(11, maker="ZZ6"))
    w.happen(RECYCLER, "battery.dismantled", text, {"facility_licence": "L"}, references=(child,))
    w.happen(RECYCLER, "waste.exported", text, {"notification": "N-1"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    return text


@pytest.mark.parametrize("route", [waste_exported_and_presented, dismantled_and_presented])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_l01_l02_waste_is_waste_whatever_it_is_shown_as(
    route: Callable[[World], str], condition: str | None
) -> None:
    """
    L01, L02: exported and presented again, the EU status stays waste: refused as anything but waste, and as
    waste never clear, for nobody checked the notification of its shipment.
    """
    w = World()
    told = judged(w, route(w), condition=condition)

    if condition == "waste":
        assert shape(told) == ("undecided", "waste_shipment_not_checked")
    else:
        assert shape(told) == ("refuse_recommended", "waste")


def test_l03_what_an_authority_revoked_stays_refused_until_it_lifts_the_ban() -> None:
    """
    L03: the maker cannot publish again; even after the ban only a new version makes the battery clear.
    """
    w = World()
    text = exported(w, 1)
    digest = w.passports[text].digest
    w.happen(CN_AUTHORITY, "passport.revoked", text, {"reason": "forged test"}, references=(digest,))

    banned = judged(w, text)
    w.happen(CN_AUTHORITY, "passport.ban_lifted", text, {"reason": "tested again"})
    revoked = judged(w, text)
    w.publish(text, w.issue(text, version=2))

    assert shape(banned) == ("refuse_recommended", "revoked")
    assert {c["reason"] for c in check(banned, "standing.publication")} == {"publication_banned"}
    assert check(banned, "standing.publication")[0]["evidence"]["by"] == CN_AUTHORITY
    assert shape(revoked) == ("refuse_recommended", "revoked")
    assert judged(w, text)["verdict"] in GOOD


def test_l04_a_suspended_passport_holds_until_every_suspension_is_lifted() -> None:
    """
    L04: two authorities suspended; one of them reinstating does not make it clear.
    """
    w = World()
    text = w.new(1)
    digest = w.passports[text].digest
    for authority in (EU_AUTHORITY, CN_AUTHORITY):
        w.happen(authority, "passport.suspended", text, {"reason": "test"}, references=(digest,))

    words = [shape(judged(w, text))]
    for authority in (CN_AUTHORITY, EU_AUTHORITY):
        w.happen(authority, "passport.reinstated", text, references=(digest,))
        words.append(shape(judged(w, text)))

    assert words[:2] == [("hold", "suspended")] * 2
    assert words[2][0] in GOOD


# What the act says that makes another battery of waste (X20, Art 73).
TESTED = {
    "soh_permille": 900,
    "soh_date": "2027-01-15",
    "soh_member_state": "DE",
    "declaration_digest": "x",
    "label_date": "2027-01-15",
    "contract_reference": "C",
}


def successor(w: World, *, named: bool) -> str:
    """A battery remanufactured from waste, produced with or without its predecessors."""
    old, text = waste(w, 1), code(21, maker="ZZ5")
    standing = w.ledger.standing(subject_of(old))
    parties = [party for party in (standing.responsible, standing.holder) if party is not None]
    document = w.event_document(SECOND_LIFE, "second_life.remanufactured", old, TESTED)
    w.documents[digest_document(document)] = document
    act = w.ledger.countersigned(
        SECOND_LIFE,
        "second_life.remanufactured",
        subject_of(old),
        parties,
        references=(subject_of(text),),
        document_digest=digest_document(document),
    )
    w.run(act)
    members: dict[str, Any] = {"references": (subject_of(old),)} if named else {}
    w.run(w.ledger.attest(SECOND_LIFE, "battery.produced", subject_of(text), **members))
    w.publish(text, w.issue(text, by=SECOND_LIFE))
    return text


@pytest.mark.parametrize("named", [True, False], ids=["predecessors named", "left out"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_l05_a_successor_is_judged_as_second_life(named: bool, condition: str | None) -> None:
    """
    L05: whether its production names its predecessors or not, the ledger knows it: never clear as new.
    """
    w = World()
    told = judged(w, successor(w, named=named), condition=condition)

    assert told["verdict"] not in GOOD or condition == "second_life"
    found = {(c["outcome"], c["reason"]) for c in check(told, "new_not_used")}
    if condition == "new":
        assert told["verdict"] == "hold"
        assert found == {("fail", "used_sold_as_new")}
    assert check(told, "status_change_values")[0]["outcome"] != "not_applicable"


@pytest.mark.parametrize("when", ["before", "after"])
def test_l06_a_child_of_a_dismantled_pack_is_not_new(when: str) -> None:
    """
    L06: from the moment its pack is dismantled the module is what comes out of it, published and exported or
    not: of a waste pack waste, however it is declared (Art 77(7)).
    """
    w = World()
    pack, module = code(1), code(2)
    w.produce(module)
    subjects = [subject_of(module), subject_of(code(3))]
    w.run(w.ledger.attest(MAKER, "battery.produced", subject_of(pack), children_root=children_root(subjects)))
    w.publish(module)

    def dismantle() -> None:
        w.happen(MAKER, "battery.sold", pack, {"invoice": "I-1"}, parties=(RECYCLER,))
        w.happen(RECYCLER, "battery.declared_waste", pack, {"reason": "worn"})
        w.happen(RECYCLER, "battery.dismantled", pack, {}, references=tuple(reversed(subjects)))

    if when == "before":
        dismantle()
    w.happen(MAKER, "battery.exported", module, {"commodity_code": "850760"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", module, PRESENTED)
    if when == "after":
        assert judged(w, module)["verdict"] in GOOD
        dismantle()

    for condition in ("new", "used", "return", "repair"):
        told = judged(w, module, condition=condition)
        assert shape(told) == ("refuse_recommended", "waste")
    assert ("fail", "used_sold_as_new") in {
        (c["outcome"], c["reason"]) for c in check(judged(w, module), "new_not_used")
    }


def test_unsold_stock_comes_back_unasked() -> None:
    """
    D705: an unused battery made as new needs no agreement of return or repair.
    """
    w = World()
    text = w.new(1)

    for condition in ("return", "repair"):
        assert judged(w, text, condition=condition)["verdict"] in GOOD


def test_l07_a_battery_in_a_car_is_not_loose_and_new() -> None:
    """
    L07: it is held, and the reason names the vehicle, since when, and by whom it was installed.
    """
    w = World()
    text = installed(w, 1)

    told = judged(w, text)

    assert shape(told) == ("hold", "installed_on_record")
    state = next(c for c in check(told, "standing.state") if c["outcome"] == "fail")
    assert state["evidence"]["vehicle"] == VIN
    assert state["evidence"]["by"] == WORKSHOP
    assert state["evidence"]["since"] <= w.now
    assert {c["reason"] for c in check(told, "new_not_used")} == {"used_sold_as_new"}


def test_in_whose_vehicle_it_is_stays_open_where_its_entry_is_not_in_hand() -> None:
    """
    The standing says that it is in a vehicle; without the entry nobody can say which, since when, by whom.
    """
    w = World()
    text = installed(w, 1)
    evidence = w.evidence(text)
    assert evidence.ledger is not None

    told = judged(w, text, evidence=replace(evidence, ledger=replace(evidence.ledger, entries=())))

    state = check(told, "standing.state")[0]
    assert state["reason"] == "installed_on_record"
    assert not {"vehicle", "since", "by"} & state["evidence"].keys()


@pytest.mark.parametrize("condition", ["new", "used", None])
def test_l08_leaving_the_export_out_gains_nothing(condition: str | None) -> None:
    """
    L08, I6: installed and removed, shown with an honest export, with none, with a used one that lacks its
    record: the same word, and never a clear one.
    """
    words = set()
    for export in (None, "battery.exported", "used.exported"):
        w = World()
        text = removed(w, 1)
        if export == "battery.exported":
            w.happen(RECYCLER, export, text, {"commodity_code": "850760"})
        elif export == "used.exported":
            w.happen(IMPORTER, export, text, {"not_waste": False}, quantities={"soh_permille": 900})
        words.add(shape(judged(w, text, condition=condition))[0])

    assert words == {"hold"}


def test_a_used_battery_with_its_record_is_clear_as_used_and_never_as_new() -> None:
    """
    X19: with the Annex XIV record a removed battery is clear as used; as new it is held all the same.
    """
    w = World()
    text = removed(w, 1)
    record = {
        "contract_reference": "INV-1",
        "soh_permille": 900,
        "soh_date": "2027-01-15",
        "not_waste": True,
        "packaging": "crate",
    }
    w.happen(IMPORTER, "used.exported", text, record, quantities={"soh_permille": 900})

    assert judged(w, text, condition="used", head=AGAIN)["verdict"] in GOOD
    assert shape(judged(w, text)) == ("hold", "used_sold_as_new")
    assert shape(judged(w, text, condition="second_life")) == ("hold", "second_life_not_on_record")
    assert shape(judged(w, text, condition="repair")) == ("undecided", "return_not_checked")


def test_declared_as_used_it_brings_its_record_though_no_use_is_on_record() -> None:
    """
    X19: as what it is declared decides; a battery declared as used without the Annex XIV record is held.
    """
    w = World()

    assert shape(judged(w, w.new(1), condition="used")) == ("hold", "used_evidence_missing")


@pytest.mark.parametrize(
    ("by", "members", "reached", "spared"),
    [
        (MAKER, {"criteria": Criteria(("ZZ1PE75",))}, "hold", "hold"),  # the model
        (MAKER, {"criteria": Criteria(("ZZ1PE75QH00001G630000001",))}, "hold", "clear"),  # one code
        (EU_AUTHORITY, {"criteria": Criteria(("ZZ1PE75QH00001G630000001",))}, "hold", "clear"),
        (CN_AUTHORITY, {"criteria": Criteria(("ZZ1PE75",))}, "clear", "clear"),  # elsewhere: an alert
        (MAKER, {"references": (subject_of(code(1)),)}, "hold", "clear"),  # a list
    ],
)
def test_l17_a_recall_reaches_what_it_names(
    by: str, members: dict[str, Any], reached: str, spared: str
) -> None:
    """
    L17: by model, by code, by list; an authority's for its own side, elsewhere a note; lifted, it is over.
    """
    w = World()
    first, second = w.new(1), w.new(2)
    digest = w.recall(by, **members)

    words = [judged(w, text)["verdict"] for text in (first, second)]
    note = check(judged(w, first), "standing.recall")[0]
    w.run(w.ledger.attest(by, "recall.lifted", recall(), references=(digest,)))

    assert words == [reached, spared]
    assert (note["reason"], note["evidence"]["by"]) == (
        "recalled" if reached == "hold" else "recalled_elsewhere",
        by,
    )
    assert judged(w, first)["verdict"] in GOOD


def recall() -> Any:
    return recall_subject("gbt34014", "ZZ1")


def test_a_recall_by_days_of_production_reaches_what_was_made_on_them() -> None:
    """
    L17: batteries made before the days that are recalled are spared.
    """
    w = World()
    text = w.new(1)
    w.recall(MAKER, criteria=Criteria((), made_on(3) + 86_400, made_on(3) + 9 * 86_400))
    spared = judged(w, text)["verdict"]
    w.recall(MAKER, criteria=Criteria((), made_on(3), made_on(3)))

    assert spared in GOOD
    assert shape(judged(w, text)) == ("hold", "recalled")


@pytest.mark.parametrize(("by", "expected"), [(EU_AUTHORITY, ("hold", "lost")), (IMPORTER, ("hold", "lost"))])
def test_what_is_lost_here_is_held(by: str, expected: tuple[str, str]) -> None:
    """
    X18: reported lost by an authority of this side, or by who holds it: held until found.
    """
    w = World()
    text = w.new(1)
    w.happen(by, "battery.reported_lost", text, {"reference": "P-1"})

    assert shape(judged(w, text)) == expected


def test_an_authority_elsewhere_warns_and_holds_nothing() -> None:
    """
    L13, I2: a loss that a Chinese authority reports of goods before EU customs is an alert, shown beside a
    clear word.
    """
    w = World()
    text = w.new(1)
    w.happen(CN_AUTHORITY, "battery.reported_lost", text, {"reference": "P-1"})

    told = judged(w, text)

    assert told["verdict"] in GOOD
    claims = check(told, "standing.claims")[0]
    assert (claims["outcome"], claims["reason"]) == ("warn", "claimed_by_authority")
    assert claims["evidence"]["first"][0]["by"] == CN_AUTHORITY


def test_claims_of_strangers_change_no_word_and_cost_nothing() -> None:
    """
    I5: whatever strangers claim, the word, its reason and every other check stay as they were.
    """
    w = World()
    text = w.new(1)
    before = judged(w, text)
    w.happen(RIVAL, "market.placed", text, {"art_41_checked": True})
    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))

    after = judged(w, text)

    assert shape(after) == shape(before)
    assert check(after, "standing.claims")[0]["evidence"]["count"] == 2

    def others(told: Mapping[str, Any]) -> list[Any]:
        return [
            (c["name"], c["outcome"], c["reason"])
            for c in told["checks"]
            if c["name"] not in ("standing.claims", "fresh")
        ]

    assert others(after) == others(before)
    assert len(w.view(text).entries) == len([s for s in before["timeline"]])


def test_l21_what_is_left_out_is_asked_for_and_never_a_ground() -> None:
    """
    L21: goods, condition or declaration left out: undecided, `not_given`, and the sentence names the member.
    """
    w = World()
    text = w.new(1)

    cases: tuple[tuple[dict[str, Any], dict[str, Any] | None, str], ...] = (
        ({"goods": None}, None, "`goods`"),
        ({"condition": None}, None, "`condition`"),
        ({}, {}, "`declaration`"),
    )
    for line, head, member in cases:
        told = w.judge(text, head=head, **line).as_dict()
        assert (told["verdict"], told["ground"]) == ("undecided", None)
        assert told["undecided_because"] == "not_given"
        assert member in words().item(told)["text"]


@pytest.mark.parametrize(("category", "outcome"), [("ev", "pass"), ("lmt", "fail"), (None, "not_checked")])
def test_l24_the_category_is_that_of_the_production(category: str | None, outcome: str) -> None:
    """
    L24: a passport of another category than the battery was produced with is held; unknown is not checked.
    """
    w = World()
    text = code(1)
    members = {"production_date": "2026-06-03"} | ({} if category is None else {"category": category})
    w.happen(MAKER, "battery.produced", text, members)
    w.publish(text, w.issue(text, claims=claims_of(1)))

    told = judged(w, text)

    assert check(told, "category")[0]["outcome"] == outcome
    assert (told["reason"] == "category_mismatch") == (outcome == "fail")


def test_a_refusal_elsewhere_is_said_and_here_refused() -> None:
    """
    I4: refused by this side's customs it is refused until they lift it; the other side only says so.
    """
    w = World()
    text = w.new(1)
    w.happen(CUSTOMS, "customs.refused", text, {"conclusion": "x", "endorsement": "y"})

    here = judged(w, text)
    elsewhere = w.judge(text, policy_name="authority-cn", evidence=w.evidence(text)).as_dict()
    w.happen(CUSTOMS, "customs.refusal_lifted", text, {"reason": "tested"})

    assert shape(here) == ("refuse_recommended", "release_refused")
    assert "refused_elsewhere" in {c["reason"] for c in check(elsewhere, "standing.state")}
    assert elsewhere["reason"] != "release_refused"
    assert judged(w, text)["reason"] != "release_refused"


def test_what_customs_refused_is_not_about_in_the_country() -> None:
    """
    Refused at import, it is refused inland as well, whatever it is called; sent back, or taken as waste, it
    is judged as that.
    """
    w = World()
    text = w.new(1)
    w.happen(CUSTOMS, "customs.refused", text, {"conclusion": "x", "endorsement": "y"})

    for condition in ("new", "used", "return", "repair"):
        inland = judged(w, text, policy_name="recycler", condition=condition)
        assert shape(inland) == ("refuse_recommended", "release_refused"), condition
    for direction, condition in (("export", "new"), ("inland", "waste")):
        head = {"declaration": DECLARATION, "direction": direction}
        told = judged(w, text, policy_name="recycler", condition=condition, head=head)
        assert told["reason"] != "release_refused"


def test_what_customs_has_not_released_is_not_about_in_the_country() -> None:
    """
    Declared and neither released nor refused, it is held inland, on either side, also on a scan and in its
    car; once released it is not held for that.
    """
    w = World()
    text, car = w.new(1), in_new_car(w, 2)
    scan = Line(1, text, goods="battery", condition="new")

    def scanned(jurisdiction: str = "EU") -> tuple[str, str]:
        there = replace(policy("recycler"), jurisdiction=jurisdiction)
        return shape(clear_item(scan, w.evidence(text), there, LAW_DATE, w.now).as_dict())

    assert scanned() == ("hold", "not_released")
    assert scanned("CN") == ("hold", "not_released")
    for name, line in ((text, {}), (car, CAR_LINE), (text, {"condition": "waste"})):
        assert shape(judged(w, name, policy_name="recycler", **line)) == ("hold", "not_released")
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    assert scanned()[0] in GOOD


def test_what_is_declared_here_leaves_under_that_declaration_alone() -> None:
    """
    I4: shown for export under another declaration, or none, while one is open here it is held, as whatever it
    is shown; under that declaration, from another side, and once customs closed it, it is not.
    """
    w = World()
    text = w.new(1)
    other, none = {"declaration": "26NLOTHER00009"}, dict[str, str]()

    def leaving(head: Mapping[str, str], condition: str = "new", policy_name: str = "customs-eu") -> str:
        told = judged(w, text, direction="export", head=head, condition=condition, policy_name=policy_name)
        return str(told["reason"])

    for head in (other, none):
        for condition in ("new", "used", "return", "repair", "waste"):
            assert leaving(head, condition) == "not_released"
    assert leaving({"declaration": DECLARATION}) != "not_released"
    assert leaving(other, policy_name="authority-cn") != "not_released"
    w.happen(CUSTOMS, "customs.invalidated", text, {"basis": "sent back"})
    assert leaving(other) != "not_released"


def _invalidated(w: World) -> str:
    text = w.new(1)
    w.happen(CUSTOMS, "customs.invalidated", text, {"basis": "wrong goods"})
    return text


def _refusal_lifted(w: World) -> str:
    text = w.new(1)
    w.happen(CUSTOMS, "customs.refused", text, {"conclusion": "x", "endorsement": "y"})
    w.happen(CUSTOMS, "customs.refusal_lifted", text, {"reason": "tested"})
    return text


def _in_transit(w: World) -> str:
    text = w.new(1)
    w.happen(CUSTOMS, "customs.moved", text, {"transit_document": "T-1"}, parties=(CN_CUSTOMS,))
    return text


def _on_the_way(w: World) -> str:
    return exported(w, 1)


def _waste_on_the_way(w: World) -> str:
    text = waste(w, 1)
    w.happen(RECYCLER, "waste.exported", text, {"notification": "N-1"}, parties=(IMPORTER,))
    return text


@pytest.mark.parametrize(
    "route", [_invalidated, _refusal_lifted, _in_transit, _on_the_way, _waste_on_the_way]
)
def test_what_left_a_country_and_was_released_nowhere_since_is_about_in_none(
    route: Callable[[World], str],
) -> None:
    """
    A declaration that was invalidated, a refusal that was lifted, transit and an export release nothing:
    whatever it is called, it is not clear within a country, and at its import none of them holds it.
    """
    w = World()
    text = route(w)
    conditions = ("waste",) if route is _waste_on_the_way else ("new", "used", "return", "repair")

    for condition in conditions:
        told = judged(w, text, policy_name="recycler", condition=condition)
        assert shape(told) == ("hold", "not_released"), condition
    assert judged(w, text, condition=conditions[0])["reason"] != "not_released"


def test_a_recalled_battery_is_taken_over_as_waste() -> None:
    """
    That is what a recall is for: the recycler is told of it, and held up as whatever else it is shown.
    """
    w = World()
    text = waste(w, 1)
    w.happen(MAKER, "battery.recalled", text, {"reason": "fire"})

    told = judged(w, text, policy_name="recycler", condition="waste")
    assert told["verdict"] in GOOD
    assert [(c["outcome"], c["reason"]) for c in check(told, "standing.recall")] == [("warn", "recalled")]
    for condition, policy_name in (("used", "recycler"), ("waste", "customs-eu")):
        other = judged(w, text, policy_name=policy_name, condition=condition)
        assert ("fail", "recalled") in {(c["outcome"], c["reason"]) for c in check(other, "standing.recall")}


@pytest.mark.parametrize("condition", ["new", "used", "second_life", "return", "repair"])
def test_a_certified_end_of_life_is_waste_and_nothing_else(condition: str) -> None:
    """
    I6: leaving the declaration of waste out after an authority's certificate gives no better word anywhere.
    """
    w = World()
    text = exported(w, 1)
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    w.happen(EU_AUTHORITY, "end_of_life.certified", text, {"certificate": "C-1"}, parties=(RECYCLER,))

    for name in ("customs-eu", "importer-eu", "recycler", "authority-cn"):
        told = judged(w, text, policy_name=name, condition=condition)
        assert told["verdict"] in ("hold", "refuse_recommended"), name


@pytest.mark.parametrize("closed", ["customs.released", "customs.refused", "customs.invalidated"])
def test_nothing_more_is_cleared_under_a_declaration_that_customs_closed(closed: str) -> None:
    """
    I4: released, handed over and placed, a battery is clear under that declaration as nothing; nor refused or
    set aside, until it is declared anew. Within the country that says nothing.
    """
    w = World()
    text = exported(w, 1)
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    assert judged(w, text)["verdict"] in GOOD
    members = {
        "customs.released": {"basis": "registry_check"},
        "customs.refused": {"conclusion": "c", "endorsement": "e"},
        "customs.invalidated": {"basis": "b"},
    }
    w.happen(CUSTOMS, closed, text, members[closed])
    if closed == "customs.refused":
        w.happen(CUSTOMS, "customs.refusal_lifted", text, {"reason": "corrected"})

    def words(**line: Any) -> set[str]:
        told = [judged(w, text, condition=as_what, **line) for as_what in ("new", "used", "return")]
        return {one["verdict"] for one in told}

    def told_so() -> bool:
        return "declaration_closed" in {c["reason"] for c in judged(w, text)["checks"]}

    assert shape(judged(w, text)) == ("undecided", "declaration_closed") and told_so()
    if closed != "customs.released":
        assert not words() & set(GOOD)
        w.happen(IMPORTER, "battery.presented", text, PRESENTED)
        assert judged(w, text)["verdict"] in GOOD
        return
    assert judged(w, text, direction="inland")["verdict"] in GOOD
    w.happen(
        MAKER,
        "battery.handed_over",
        text,
        {"incoming_party": RECYCLER},
        parties=(RECYCLER,),
        cosign=[RECYCLER],
    )
    assert told_so() and not words() & set(GOOD)
    w.happen(
        RECYCLER,
        "battery.handed_over",
        text,
        {"incoming_party": IMPORTER},
        parties=(IMPORTER,),
        cosign=[IMPORTER],
    )
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True})
    assert told_so() and not words() & set(GOOD)


def test_sent_out_and_back_a_battery_comes_in_under_another_declaration() -> None:
    """
    I4: presented again under the very number that it was released under once, nothing is cleared under that.
    """
    w = World()
    text = exported(w, 1)
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))

    assert "declaration_closed" in {c["reason"] for c in judged(w, text, condition="return")["checks"]}
    assert judged(w, text, condition="return", head=AGAIN)["verdict"] in GOOD
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    assert judged(w, text, condition="return")["reason"] == "declaration_closed"


@pytest.mark.parametrize("closed", ["customs.released", "customs.refused", "customs.invalidated"])
@pytest.mark.parametrize("back", [False, True])
def test_a_declaration_that_went_on_to_another_office_is_closed_by_it(closed: str, *, back: bool) -> None:
    """
    I4: taken on in transit and closed by the office that it went to, it is closed where it was made as well:
    what leaves from there and comes here comes under another.
    """
    w = World()
    text = exported(w, 1)
    w.happen(IMPORTER, "battery.presented", text, PRESENTED)
    ways = [(CUSTOMS, CN_CUSTOMS)] + ([(CN_CUSTOMS, CUSTOMS), (CUSTOMS, CN_CUSTOMS)] if back else [])
    for by, to in ways:
        w.happen(by, "customs.moved", text, {"transit_document": "T-1"}, parties=(to,))
    members = {
        "customs.released": {"basis": "registry_check"},
        "customs.refused": {"conclusion": "c", "endorsement": "e"},
        "customs.invalidated": {"basis": "b"},
    }
    w.happen(CN_CUSTOMS, closed, text, members[closed])
    if closed != "customs.invalidated":
        w.happen(CN_AUTHORITY, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))

    assert shape(judged(w, text)) == ("undecided", "declaration_closed")
    assert judged(w, text, head=AGAIN)["verdict"] in GOOD


def test_placed_here_it_is_never_placed_first_again() -> None:
    """
    I1: unsold stock that comes back is a return; declared as new at import it is held, elsewhere it is new.
    """
    w = World()
    text = placed(w, 1)

    assert shape(judged(w, text)) == ("hold", "placed_before")
    assert judged(w, text, condition="return", head=AGAIN)["verdict"] in GOOD
    elsewhere = w.judge(text, policy_name="authority-cn", evidence=w.evidence(text)).as_dict()
    assert elsewhere["reason"] != "placed_before"


def test_a_scan_says_in_which_direction() -> None:
    """
    A recycler may take waste over within the country; the same scan as an import asks for the notification.
    """
    w = World()
    text = waste(w, 1)
    line = Line(1, text, goods="battery", condition="waste")

    def told(direction: str | None) -> tuple[str, str]:
        judged = clear_item(line, w.evidence(text), policy("recycler"), LAW_DATE, w.now, direction=direction)
        return shape(judged.as_dict())

    assert told(None)[0] in GOOD
    assert told("inland")[0] in GOOD
    assert told("import") == ("undecided", "waste_shipment_not_checked")


def in_new_car(w: World, serial: int) -> str:
    """Installed by the vehicle's maker in China, exported in its car and declared in the EU."""
    text = code(serial)
    w.happen(MAKER, "battery.produced", text, {"production_date": "2026-06-03", "category": "ev"})
    w.publish(text)
    w.happen(MAKER, "battery.sold", text, {"invoice": "1"}, parties=(WORKSHOP,))
    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    w.happen(MAKER, "battery.exported", text, {"commodity_code": "8703800000"}, parties=(IMPORTER,))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED | {"commodity_code": "8703800000"})
    return text


CAR_LINE = {"goods": "in_vehicle", "commodity_code": "8703800000", "vin": VIN, "mass_kg": None}


def test_a_battery_travels_in_its_new_car() -> None:
    """
    Exported, presented and placed in its car, it is clear as new inside it, and installed again once it is
    placed; nothing more is cleared under its declaration once it was released.
    """
    w = World()
    text = in_new_car(w, 1)
    said = [shape(judged(w, text, **CAR_LINE))]
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    said.append(shape(judged(w, text, **CAR_LINE)))
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True})
    said.append(shape(judged(w, text, direction="inland", **CAR_LINE)))

    standing = w.ledger.standing(subject_of(text))
    assert said == [("clear", "ok"), ("undecided", "declaration_closed"), ("clear", "ok")]
    assert standing.bound_asset is not None
    assert (standing.item_state, standing.bound_asset.h) == ("installed", subject_of(VIN).h)


@pytest.mark.parametrize("released", [False, True])
def test_a_battery_that_travels_in_its_car_is_no_loose_one(released: bool) -> None:
    """
    L07: on record in a car that is before customs or released, it is not shown loose, new or used, nor in
    another car.
    """
    w = World()
    text = in_new_car(w, 1)
    if released:
        w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})

    for condition in ("new", "used"):
        told = judged(w, text, condition=condition)
        assert told["verdict"] == "hold"
        assert check(told, "standing.state")[0]["reason"] == "installed_on_record"
    assert shape(judged(w, text, **CAR_LINE | {"vin": "ZZ9DEM0E0T0000047"})) == ("hold", "vin_other")


def test_a_car_before_customs_is_stopped_as_any_goods() -> None:
    """
    Suspended, refused, or released under another declaration: its battery is held for that, not as used.
    """
    w = World()
    suspended, refused, twice = (in_new_car(w, n) for n in (1, 2, 3))
    w.happen(CUSTOMS, "customs.suspended", suspended, {"ground": "26(e)"})
    w.happen(CUSTOMS, "customs.refused", refused, {"conclusion": "c", "endorsement": "e"})
    w.happen(CUSTOMS, "customs.released", twice, {"basis": "registry_check"})

    held = judged(w, suspended, **CAR_LINE)
    other = judged(w, twice, head={"declaration": "26NLOTHER00001"}, **CAR_LINE)

    assert shape(held) == ("hold", "release_suspended")
    assert check(held, "new_not_used")[0]["outcome"] == "pass"
    assert shape(judged(w, refused, **CAR_LINE)) == ("refuse_recommended", "release_refused")
    assert shape(other) == ("hold", "second_presentation")


def test_an_enrolled_battery_is_never_clear_as_new() -> None:
    """
    I5: origin not on record: held as new.
    """
    w = World()
    text = code(1)
    w.happen(IMPORTER, "battery.enrolled", text, {"ground": "older stock", "evidence": "invoice"})

    told = judged(w, text)

    assert check(told, "new_not_used")[0]["reason"] == "origin_not_on_record"
    assert told["verdict"] == "hold"


def test_a_battery_enrolled_and_produced_is_for_authorities_to_decide() -> None:
    """
    I5: an authority relied on an enrolment, then the maker of the code produced it: a case is open, and until
    authorities decide no border says clear, as whatever the battery is declared.
    """
    w, text = World(publishers=(MAKER, IMPORTER)), code(1)
    w.happen(IMPORTER, "battery.enrolled", text, {"ground": "older_stock", "evidence": "invoice"})
    w.publish(text, w.issue(text, by=IMPORTER))
    w.happen(IMPORTER, "battery.presented", text, PRESENTED | {"customs_office": CUSTOMS}, parties=(CUSTOMS,))
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    inland = {"direction": "inland", "condition": "used"}
    before = judged(w, text, **inland)
    w.happen(MAKER, "battery.produced", text, {"production_date": "2026-06-03", "category": "ev"})

    said = {condition: judged(w, text, direction="inland", condition=condition) for condition in CONDITIONS}

    assert before["verdict"] in GOOD, before
    assert not {c: told["verdict"] for c, told in said.items() if told["verdict"] in GOOD}
    assert shape(said["used"]) == shape(said["second_life"]) == ("hold", "origin_disputed")
    assert said["used"]["ground"] == "26(a)"
    assert shape(said["new"]) == ("hold", "origin_disputed")
