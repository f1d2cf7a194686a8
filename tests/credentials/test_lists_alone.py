"""What only a status list says of a passport counts wherever the ledger's word on it would (I3, I8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest

from credentials.documents.canonical import digest_document
from credentials.ledger.attestation import SetList
from credentials.verdicts.evidence import Evidence, StatusSource
from credentials.verdicts.own_word import OWN_WORD_POINT
from tests.credentials.test_earlier_codes import OWN, renew
from tests.credentials.test_fates import module
from tests.credentials.test_list_versions import REVOCATION, SUSPENSION, listed
from tests.credentials.test_namers import named_by
from tests.credentials.test_shown import GOOD, check, shape
from tests.credentials.test_two_codes import LINK, two_codes
from tests.credentials.test_used_before import second_life_pack, two_publishers
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import MAKER, OTHER_MAKER

PACK = code(1)
STOPS = {REVOCATION: "passport.revoked", SUSPENSION: "passport.suspended"}


@dataclass
class Shown:
    """A battery, and another code or battery whose passport a verdict on it may rest on."""

    world: World
    text: str
    of: str  # whose passport it is
    namers: tuple[str, ...] = ()
    condition: str = "new"

    def evidence(self) -> Evidence:
        return self.world.evidence(self.text, namers=self.namers)

    def judged(self, evidence: Evidence | None = None) -> Mapping[str, Any]:
        line = {"condition": self.condition, "head": {"direction": "inland"}, "policy_name": "recycler"}
        return self.world.judge(self.text, evidence=evidence or self.evidence(), **line).as_dict()  # type: ignore[arg-type]

    def stop(self, purpose: str) -> None:
        """Its operator's word on the ledger."""
        digest = self.world.passports[self.of].digest
        self.world.happen(MAKER, STOPS[purpose], self.of, {"reason": "x"}, references=(digest,))


def its_own() -> Shown:
    return Shown(*two_codes(), PACK)


def of_a_further_code() -> Shown:
    return Shown(two_codes()[0], LINK, PACK)


def of_what_names_it() -> Shown:
    return Shown(named_by((PACK, LINK, MAKER), (LINK, OWN, MAKER)), LINK, PACK, (PACK,))


def of_its_pack() -> Shown:
    return Shown(*module("reuse"), PACK, condition="used")


def of_what_it_was_made_from() -> Shown:
    w = two_publishers()
    return Shown(w, second_life_pack(w), PACK, condition="second_life")


@pytest.mark.parametrize(
    ("made", "purpose"),
    [
        (of_a_further_code, REVOCATION),
        *(
            pytest.param(made, purpose, marks=pytest.mark.check)
            for made, purpose in product((its_own, of_a_further_code, of_what_names_it), STOPS)
            if (made, purpose) != (of_a_further_code, REVOCATION)
        ),
    ],
)
def test_what_the_list_alone_says_binds_as_the_ledgers_word_does(
    made: Callable[[], Shown], purpose: str
) -> None:
    """
    X1: of the passport shown, of that of a further code, of one that names the battery.
    """
    listed_alone, stated = made(), made()
    assert listed_alone.judged()["verdict"] in GOOD

    listed(listed_alone.world, listed_alone.of, purpose, raised=True)
    stated.stop(purpose)

    assert shape(listed_alone.judged()) == shape(stated.judged())
    assert listed_alone.judged()["verdict"] not in GOOD


@pytest.mark.check
@pytest.mark.parametrize("made", [of_its_pack, of_what_it_was_made_from])
def test_what_its_operator_raised_of_another_battery_ends_with_that(made: Callable[[], Shown]) -> None:
    """
    As on the ledger: of what it came of an authority's word alone binds it, and no list is an authority's.
    """
    shown = made()
    before = shown.judged()

    for purpose in STOPS:
        listed(shown.world, shown.of, purpose, raised=True)

    assert before["verdict"] in GOOD and shape(shown.judged()) == shape(before)


@pytest.mark.check
def test_of_a_passport_before_the_one_in_force_the_list_says_nothing_of_the_battery() -> None:
    """
    An operator that raised the old one and published anew, under both codes.
    """
    shown = of_a_further_code()
    w = shown.world
    for text, other in ((PACK, LINK), (LINK, PACK)):
        listed(w, text, REVOCATION, raised=True)
        renew(w, text, other)

    assert shown.judged()["verdict"] in GOOD


@pytest.mark.check
def test_lowered_again_the_passport_of_a_further_code_stays_revoked() -> None:
    """
    I3: by a later version of the list, as of the one that is shown.
    """
    shown = of_a_further_code()
    for raised in (True, False):
        listed(shown.world, shown.of, REVOCATION, raised=raised)

    assert shape(shown.judged()) == ("refuse_recommended", "revoked")


THEIRS = code(2, "ZZ3")


def of_another_maker() -> Shown:
    """A further code that another maker produced and published, in lists of its own."""
    return Shown(named_by((THEIRS, LINK, OTHER_MAKER), (LINK, THEIRS, MAKER)), LINK, THEIRS)


@pytest.mark.parametrize(
    "kept", [None, *(pytest.param(age_s, marks=pytest.mark.check) for age_s in (60, 86_400 * 2))]
)
def test_a_list_that_is_not_had_proves_no_passport_of_a_further_code_good(kept: int | None) -> None:
    """
    I8: never had, or older than the policy lets it be; whose lists a verdict rests on is among its sources.
    """
    shown = of_another_maker()
    evidence = shown.evidence()
    assert shown.judged()["verdict"] in GOOD

    def aged(source: StatusSource) -> StatusSource:
        return replace(source, credential=None) if kept is None else replace(source, fetched_at=w.now - kept)

    w, lists = shown.world, evidence.network.status_lists
    given = {key: aged(source) if key[0] == OTHER_MAKER else source for key, source in lists.items()}
    told = shown.judged(replace(evidence, network=w.network(status_lists=given)))

    lost = {None: "status_unavailable", 60: None}.get(kept, "status_stale")
    reasons = {c["reason"] for c in check(told, "alias") if c["outcome"] == "indeterminate"}
    assert reasons == ({lost} if lost else set()) and (told["verdict"] == "undecided") == bool(lost)
    assert {s["from"] for s in told["sources"] if s["source"] == "status_list"} == {MAKER, OTHER_MAKER}


@pytest.mark.check
def test_a_passport_of_a_further_code_without_a_public_set_is_not_passed() -> None:
    """
    I8: nothing says which place of which list is its own.
    """
    w = named_by((LINK, PACK, MAKER))
    w.produce(PACK)
    sets = SetList(1, {OWN_WORD_POINT: digest_document(w.issue(PACK).credentials[OWN_WORD_POINT])})
    w.run(w.ledger.attest(MAKER, "passport.published", subject_of(PACK), set_list=sets))

    told = Shown(w, LINK, PACK).judged()

    assert shape(told) == ("undecided", "set_not_issued")
