"""A declaration counts for a battery by the names that a verdict verified, and by no others (I4, I5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from credentials.verdicts.evidence import Evidence
from node.storage.consignments import ItemRow
from node.storage.office import OfficeStore
from node.verdicts.declarations import Declarations
from tests.credentials.test_earlier_codes import OWN
from tests.credentials.test_namers import LABEL, named_by
from tests.credentials.test_shown import GOOD, shape
from tests.credentials.test_two_codes import LINK
from tests.harness.border import (
    DECLARATION,
    World,
    code,
    key_if_readable,
    line_of,
    policy,
    subject_if_readable,
    tables,
)
from tests.harness.ledger import MAKER, OTHER_MAKER

OTHER = "26NLTEST000002"
ONE, HONEST = code(1), code(2)
NAMES = {ONE: f"gbt34014:{ONE}", HONEST: f"gbt34014:{HONEST}"}


@pytest.fixture(scope="module")
def named() -> World:
    """MAKER's passport of one battery names a code of another maker, whose own passport names a second one.

    So the first rests on the second, of which nobody with a right over it said anything.
    """
    passports = (ONE, LINK, MAKER), (LINK, HONEST, OTHER_MAKER), (HONEST, OWN, MAKER)
    return named_by(*passports, by=OTHER_MAKER)


def upload(office: OfficeStore, declaration: str, *batteries: str) -> str:
    """A manifest that a node has taken in; its id."""
    name = f"{declaration}-{office.consignments.newest()}"
    with office.writing() as db:
        number = office.consignments.put(
            db, id=name, declaration=declaration, manifest=b"{}", manifest_digest=bytes(32),
            consignee_eori=None, direction="import", law_date="2027-03-01", created=1 << 40,
            lines=len(batteries), client="a", text="",
        )  # fmt: skip
        office.declared.put(db, number, declaration, list(enumerate(batteries, 1)))
    return name


def declarations(office: OfficeStore) -> Declarations:
    gathering = SimpleNamespace(tables=tables(), key_of=key_if_readable, subject_of=subject_if_readable)
    return Declarations(office, cast(Any, gathering), policy())


def judged(w: World, office: OfficeStore, evidence: Evidence, consignment: str = "") -> tuple[str, str]:
    beside = declarations(office).beside(HONEST, evidence, DECLARATION, consignment)
    return shape(w.judge(HONEST, evidence=beside).as_dict())


@pytest.mark.parametrize(
    ("uploads", "word"),
    [
        # Another declaration names what nobody verified to be this battery: nothing to it.
        ([(OTHER, ONE), (DECLARATION, HONEST)], "clear"),
        # This declaration named that before: it is not the first to have named the battery.
        ([(DECLARATION, ONE), (OTHER, HONEST), (DECLARATION, ONE, HONEST)], "hold"),
        ([(DECLARATION, HONEST), (OTHER, HONEST)], "clear"),
    ],
    ids=["named by a candidate", "first by a candidate", "first by its own name"],
)
def test_a_candidate_that_nobody_verified_declares_nothing(
    named: World, tmp_path: Path, uploads: Sequence[tuple[str, ...]], word: str
) -> None:
    """
    X12: it neither holds an honest battery nor makes a later declaration the first one.
    """
    office = OfficeStore(tmp_path / "office.db")
    for declaration, *batteries in uploads:
        upload(office, declaration, *(NAMES[one] for one in batteries))

    found = judged(named, office, named.evidence(HONEST, namers=(ONE,)))

    assert found == ("hold", "declared_before") if word == "hold" else found[0] in GOOD
    office.close()


@pytest.mark.parametrize(("rested", "word"), [(LINK, "clear"), (LABEL, "hold")])
def test_a_line_that_shares_what_nobody_verified_is_no_twin(
    tmp_path: Path, named: World, rested: str, word: str
) -> None:
    """
    X17: another line of the manifest rests on a code that only the candidate names, or on one that its own
    passport names.
    """
    w = named if rested == LINK else named_by((ONE, LABEL, MAKER), (HONEST, LABEL, MAKER))
    office = OfficeStore(tmp_path / "office.db")
    made = upload(office, DECLARATION, NAMES[ONE], NAMES[HONEST])
    first, key = key_if_readable(ONE), key_if_readable(rested)
    assert first is not None and key is not None
    with office.writing() as db:
        row = ItemRow(1, 1, "clear", b"{}", subject=first, issuer=OTHER_MAKER, rests=(("subject", key),))
        office.consignments.put_items(db, made, [row])

    beside = declarations(office).beside(HONEST, w.evidence(HONEST, namers=(ONE,)), DECLARATION, made)
    told = w.judge(HONEST, evidence=beside, others=[line_of(1, code(9)) | {"before": True}]).as_dict()

    assert shape(told) == ("hold", "duplicate_line") if word == "hold" else told["verdict"] in GOOD
    office.close()
