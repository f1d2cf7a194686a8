"""One battery under two codes, both stated in its passport: what is on record of either binds it (X1)."""

from __future__ import annotations

import pytest

from tests.credentials.test_shown import GOOD, check, judged, shape
from tests.harness.border import World, claims_of, code, line_of, subject_of
from tests.harness.ledger import MAKER, RECYCLER, Ledger, accreditation, accreditations, make_genesis

VIN = "ZZ9DEM0E0T0000039"
LINK = "https://id.gs1.org/01/09521001000000/21/1"


def two_codes() -> tuple[World, str]:
    """A battery of MAKER under its GB/T code and under its GS1 link; each passport names the other."""
    licences = [*accreditations(), accreditation(MAKER, schemes=(("gs1", "9521001"),), licence="gs1")]
    w, text = World(Ledger(make_genesis(accreditations=licences))), code(1)
    for own, other in ((text, LINK), (LINK, text)):
        claims = claims_of(1)
        claims["GeneralProductInformation"]["productIdentifier"] = other
        w.produce(own)
        w.publish(own, w.issue(own, claims=claims))
    return w, text


def test_a_further_code_without_anything_against_it_is_said() -> None:
    """
    Both records were read, and neither holds the battery.
    """
    w, _ = two_codes()

    told = judged(w, LINK)

    assert told["verdict"] in GOOD
    assert [(c["outcome"], c["reason"]) for c in check(told, "alias")] == [("warn", "alias_recorded")]


@pytest.mark.parametrize("end", ["installed", "waste"])
def test_what_happened_under_one_code_is_not_new_under_the_other(end: str) -> None:
    """
    In use or waste under the first code, it is held or refused under the second.
    """
    w, text = two_codes()
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=(RECYCLER,))
    if end == "installed":
        w.happen(MAKER, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))
    else:
        w.happen(MAKER, "battery.declared_waste", text, {"reason": "worn"}, parties=(RECYCLER,))

    told = judged(w, LINK)

    expected = {
        "installed": ("hold", "installed_on_record"),
        "waste": ("refuse_recommended", "waste"),
    }[end]
    assert shape(told) == expected
    assert {c["evidence"]["identifier"] for c in check(told, "alias")} == {text}


@pytest.mark.parametrize("before", [False, True])
def test_two_lines_that_are_one_battery_are_one_too_many(before: bool) -> None:
    """
    X17: whichever of the two codes stands first.
    """
    w, text = two_codes()

    told = judged(w, LINK, others=[line_of(2, text) | {"before": before}])

    assert [(c["outcome"], c["reason"]) for c in check(told, "manifest")] == [("fail", "duplicate_line")]
    assert shape(told) == ("hold", "duplicate_line")
