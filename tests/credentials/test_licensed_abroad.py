"""Who is at home in one country and licensed in another acts where its licence is (I4), and did so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.credentials.test_shown import GOOD, PRESENTED, exported, judged, shape
from tests.harness.border import World, world
from tests.harness.ledger import (
    CN_CUSTOMS,
    CUSTOMS,
    IMPORTER,
    PARTIES,
    RECYCLER,
    accreditation,
    accreditations,
    participant,
)

CLOSED = ("undecided", "declaration_closed")


def at_home_in(home: str, did: str) -> World:
    """The usual parties, and this one of the EU is established elsewhere, with its licence for the EU."""
    parties = [participant(one) for one in PARTIES]
    return world(participants=[replace(p, jurisdiction=home) if p.did == did else p for p in parties])


def licensed_in_both() -> World:
    """Customs of China have an office in the EU, with a licence there alone."""
    others = [one for one in accreditations() if one.participant != CN_CUSTOMS]
    return world(accreditations=[*others, accreditation(CN_CUSTOMS, jurisdiction="EU")])


def released(w: World, text: str, by: str) -> None:
    w.happen(by, "customs.released", text, {"basis": "registry_check"})


def invalidated(w: World, text: str, by: str) -> None:
    w.happen(by, "customs.invalidated", text, {"reason": "x"})


def gone_on(w: World, text: str, by: str) -> None:
    """Released and placed; then it leaves for elsewhere, and comes back."""
    released(w, text, by)
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True}, parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.exported", text, {"commodity_code": "850760"}, parties=(IMPORTER,))


@pytest.mark.parametrize("over", [released, invalidated, gone_on])
@pytest.mark.parametrize("home", ["EU", "CN", "IN"])
def test_a_declaration_of_an_importer_from_abroad_is_over_once_it_is(
    home: str, over: Callable[[World, str, str], None]
) -> None:
    """
    Whoever imports with a licence of the EU declares to the EU, wherever it is at home: under what customs
    closed nothing more comes in.
    """
    w = at_home_in(home, IMPORTER)
    text = w.new(1)
    assert judged(w, text)["verdict"] in GOOD

    over(w, text, CUSTOMS)

    assert shape(judged(w, text, condition="return")) == CLOSED


@pytest.mark.parametrize("over", [released, invalidated, gone_on])
@pytest.mark.parametrize("moved", [False, True])
def test_so_is_one_before_an_office_from_abroad(
    over: Callable[[World, str, str], None], *, moved: bool
) -> None:
    """
    Declared before, or moved to, an office that is licensed here and established elsewhere.
    """
    w = licensed_in_both()
    text = exported(w, 1)
    office = () if moved else (CN_CUSTOMS,)
    w.happen(IMPORTER, "battery.presented", text, PRESENTED, parties=office)
    if moved:
        w.happen(CUSTOMS, "customs.moved", text, {"office": "x"}, parties=(CN_CUSTOMS,))
    assert judged(w, text)["verdict"] in GOOD

    over(w, text, CN_CUSTOMS)

    assert shape(judged(w, text, condition="return")) == CLOSED
