"""A code whose own passports name nothing is judged with the code whose passports name it (X1, I5, I6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from credentials.documents.canonical import digest_document
from credentials.documents.issuer import issue_event
from credentials.verdicts.evidence import Missing, MissingReason
from credentials.verdicts.manifest import canonical_name
from tests.credentials.test_earlier_codes import OWN, renew
from tests.credentials.test_shown import GOOD, VIN, check, judged, shape
from tests.credentials.test_two_codes import LINK
from tests.harness.border import (
    World,
    claims_of,
    code,
    identifier_of,
    line_of,
    made_on,
    replace,
    stamp,
    subject_of,
    tables,
)
from tests.harness.ledger import (
    CREATED,
    MAKER,
    OTHER_MAKER,
    RECYCLER,
    WORKSHOP,
    Ledger,
    accreditation,
    accreditations,
    make_genesis,
    signer,
)

LABEL = "https://id.gs1.org/01/09521001000000/21/77"  # a code that is on a label and on no record


def named_by(*passports: tuple[str, str, str], by: str = MAKER) -> World:
    """Batteries (code, what its passport names it by, its maker), each produced and published."""
    licences = [*accreditations(), accreditation(by, schemes=(("gs1", "9521001"),), licence="gs1")]
    w = World(Ledger(make_genesis(accreditations=licences)), publishers=(MAKER, OTHER_MAKER))
    for own, other, maker in passports:
        claims = claims_of(int(own[-1]) if own != LINK else 1)
        claims["GeneralProductInformation"]["productIdentifier"] = other
        w.produce(own, by=maker)
        w.publish(own, w.issue(own, claims=claims, by=maker))
    return w


def used(w: World, text: str) -> None:
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=(WORKSHOP,))
    w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))


def waste(w: World, text: str) -> None:
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=(RECYCLER,))
    w.happen(RECYCLER, "battery.declared_waste", text, {"reason": "worn"}, parties=(RECYCLER,))


@pytest.mark.parametrize(
    ("ended", "word"), [(used, ("hold", "installed_on_record")), (waste, ("refuse_recommended", "waste"))]
)
def test_what_names_it_binds_it(ended: Callable[[World, str], None], word: tuple[str, str]) -> None:
    """
    In use or waste under its GB/T code, whose passport names the link: under the link, whose passport names
    nothing, it was clear as new.
    """
    text = code(1)
    w = named_by((text, LINK, MAKER), (LINK, OWN, MAKER))
    assert judged(w, LINK)["verdict"] in GOOD
    ended(w, text)

    told = w.judge(LINK, evidence=w.evidence(LINK, namers=(text,))).as_dict()

    assert shape(told) == word
    assert {c["evidence"]["identifier"] for c in check(told, "alias") if c["outcome"] == "fail"} == {text}


def test_a_later_passport_that_names_nothing_does_not_shed_it() -> None:
    """
    What once named it names it still; and where that passport is not had, it is undecided.
    """
    text = code(1)
    w = named_by((text, LINK, MAKER), (LINK, OWN, MAKER))
    used(w, text)
    renew(w, text, OWN)
    evidence = w.evidence(LINK, namers=(text,))

    assert shape(w.judge(LINK, evidence=evidence).as_dict()) == ("hold", "installed_on_record")
    gone = {digest: Missing(MissingReason.UNREACHABLE, MAKER) for digest in evidence.earlier}
    unread = w.judge(LINK, evidence=replace(evidence, earlier=gone)).as_dict()
    assert unread["verdict"] == "undecided"


@pytest.mark.parametrize("last", [False, True])
def test_what_names_what_names_it_binds_it(*, last: bool) -> None:
    """
    A link whose passport names the code, and another code, in use, whose passport names that link: in
    whatever order they are found.
    """
    text, other = code(1), code(2)
    w = named_by((other, LINK, MAKER), (LINK, text, MAKER), (text, OWN, MAKER))
    used(w, other)
    namers = (other, LINK) if last else (LINK, other)

    told = w.judge(text, evidence=w.evidence(text, namers=namers)).as_dict()

    assert shape(told) == ("hold", "installed_on_record")


def test_a_strangers_passport_that_names_it_is_nothing_to_it() -> None:
    """
    I5: another maker names the honest link in a passport of its own, and declares its battery waste.
    """
    theirs = code(2, "ZZ3")
    w = named_by((theirs, LINK, OTHER_MAKER), (LINK, OWN, MAKER))
    plain = judged(w, LINK)
    w.happen(OTHER_MAKER, "battery.recalled", theirs, {"reason": "fire"})

    told = w.judge(LINK, evidence=w.evidence(LINK, namers=(theirs,))).as_dict()

    assert shape(told) == shape(plain) and told["verdict"] in GOOD
    assert check(told, "alias") == check(plain, "alias")


def test_a_battery_that_is_named_by_nobody_is_judged_as_before() -> None:
    """
    A candidate whose passports name something else, or that nobody recorded, changes nothing.
    """
    text = code(1)
    w = named_by((text, LABEL, MAKER), (LINK, OWN, MAKER))
    used(w, text)
    for candidate in (text, code(5)):
        told = w.judge(LINK, evidence=w.evidence(LINK, namers=(candidate,))).as_dict()
        assert told["verdict"] in GOOD


def test_two_codes_that_name_one_label_are_one_battery() -> None:
    """
    X17: two lines, each with a passport of one maker that names the label: one battery was placed twice. Both
    are held, and so is what is new under one code and in use under the other.
    """
    one, other = code(1), code(2)
    w = named_by((one, LABEL, MAKER), (other, LABEL, MAKER))
    assert judged(w, one)["verdict"] in GOOD and judged(w, other)["verdict"] in GOOD

    for text, namer in ((one, other), (other, one)):
        rows = [line_of(2, namer) | {"before": text == other}]
        evidence = w.evidence(text, namers=(namer,))
        assert shape(w.judge(text, evidence=evidence, others=rows).as_dict()) == ("hold", "duplicate_line")
    used(w, one)
    assert shape(w.judge(other, evidence=w.evidence(other, namers=(one,))).as_dict())[0] == "hold"


def test_of_two_makers_that_name_one_label_the_first_line_has_it() -> None:
    """
    Whoever lies: never both are clear. A stranger's passport holds the line that stood before its own by
    nothing but a warning.
    """
    honest, theirs = code(1), code(2, "ZZ3")
    w = named_by((honest, LABEL, MAKER), (theirs, LABEL, OTHER_MAKER))
    words = {}
    for text, other, before in ((honest, theirs, False), (theirs, honest, True)):
        shared = {canonical_name(LABEL, tables().identifiers): (1 if before else 2,)}
        evidence = w.evidence(text, namers=(other,), sharing=shared)
        rows = [line_of(2, other) | {"before": before}]
        words[text] = w.judge(text, evidence=evidence, others=rows).as_dict()

    assert words[honest]["verdict"] in GOOD
    assert [c["reason"] for c in check(words[honest], "manifest")] == ["repeated_on_manifest"]
    assert shape(words[theirs]) == ("hold", "duplicate_line")
    (lost,) = check(words[theirs], "manifest")
    assert (lost["rule"], lost["evidence"]["other_lines"]) == ("X17", [1])


def test_an_opaque_name_may_be_that_of_a_model() -> None:
    """
    Batteries of one model whose passports give the model's address are not one battery.
    """
    one, other = code(1), code(2)
    model = "https://shop.example/packs/model-7"
    w = named_by((one, model, MAKER), (other, model, MAKER))
    waste(w, one)

    told = w.judge(other, evidence=w.evidence(other, namers=(one,))).as_dict()

    assert told["verdict"] in GOOD


def on_record(w: World, label: str, by: str, event: str) -> None:
    """An opaque identifier of the maker's, produced by it or enrolled by somebody."""
    made = {"production_date": "2026-06-03", "category": "ev"}
    said = made if event == "battery.produced" else {"ground": "older_stock", "evidence": "photo"}
    document = issue_event(
        event, identifier_of(label, MAKER), said, event_id="urn:uuid:00000000-0000-4000-9000-00000000f862",
        event_time=stamp(w.now), issuer_did=by, signer=signer(by, "credential"), valid_from=stamp(CREATED),
        created=stamp(CREATED),
    )[0]  # fmt: skip
    digest = digest_document(document)
    w.documents[digest] = document
    days = {"produced_on": made_on()} if event == "battery.produced" else {}
    w.run(w.ledger.attest(by, event, subject_of(label, MAKER), document_digest=digest, **days))


@pytest.mark.parametrize(
    ("by", "event", "one"),
    [
        (MAKER, "battery.produced", True),
        (MAKER, "battery.enrolled", True),
        (WORKSHOP, "battery.enrolled", False),
    ],
)
def test_an_opaque_name_that_is_on_record_is_that_of_one_battery(by: str, event: str, *, one: bool) -> None:
    """
    X17: an address under which its maker recorded a battery is no model's: two codes that name it are one.
    A stranger who enters a model's address holds nobody (I5).
    """
    first, second, label = code(1), code(2), "https://maker.example/packs/77"
    licences = [*accreditations(), accreditation(MAKER, schemes=(("uri", MAKER),), licence="uri")]
    w = World(Ledger(make_genesis(accreditations=licences)))
    for text in (first, second):
        claims = claims_of(int(text[-1]))
        claims["GeneralProductInformation"]["productIdentifier"] = label
        w.produce(text)
        w.publish(text, w.issue(text, claims=claims))
    on_record(w, label, by, event)

    words = []
    for text, namer in ((first, second), (second, first)):
        rows = [line_of(2, namer) | {"before": text == second}]
        told = w.judge(text, evidence=w.evidence(text, namers=(namer,)), others=rows).as_dict()
        words.append(told["verdict"])
        assert ("duplicate_line" in {c["reason"] for c in check(told, "manifest")}) == one
    assert one or set(words) <= set(GOOD)
