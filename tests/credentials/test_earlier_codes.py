"""A code that any passport ever named the battery by binds it as the one the latest names (X1, I1, I4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import subject
from credentials.ledger.payload import Criteria
from credentials.ledger.recalls import recall_subject
from credentials.verdicts.evidence import Evidence, Held, Missing, MissingReason
from credentials.verdicts.names import FURTHER_CODES_MAX
from credentials.verdicts.record import Record
from tests.credentials.test_shown import GOOD, VIN, check, judged, shape
from tests.credentials.test_two_codes import LINK, two_codes
from tests.harness.border import World, claims_of, code, identifier_of, line_of, replace, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    MAKER,
    NETWORK_KEY,
    RIVAL,
    WORKSHOP,
    Ledger,
    accreditation,
    accreditations,
    make_genesis,
)

OWN = "https://id.example.org/01/06912345678902/21/1"  # no code: it names nothing that could be on record


def renew(w: World, text: str, named: str, version: int = 2, event: str = "passport.superseded") -> None:
    """A further version of a passport, which names the battery so."""
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = named
    issued = w.issue(text, version=version, claims=claims)
    refs = (w.passports[text].digest,) if event == "passport.superseded" else ()
    w.run(w.attested(text, issued, event, references=refs))
    w.passports[text] = issued


def republished(w: World, text: str) -> None:
    """Revoked by its maker, and published again without the further code."""
    w.happen(MAKER, "passport.revoked", text, {"reason": "wrong"}, references=(w.passports[text].digest,))
    renew(w, text, OWN, event="passport.published")


def used(w: World, text: str) -> bytes:
    w.happen(MAKER, "market.placed", text, {"art_41_checked": True}, parties=(WORKSHOP,))
    return w.happen(WORKSHOP, "battery.installed", text, {"vin": VIN}, bound_asset=subject_of(VIN))


@pytest.mark.parametrize("again", [lambda w, text: renew(w, text, OWN), republished])
def test_a_passport_that_no_longer_names_a_code_does_not_shed_its_record(
    again: Callable[[World, str], None],
) -> None:
    """
    In use under the further code, it is not new because a later passport leaves that code out.
    """
    w, text = two_codes()
    used(w, LINK)
    before = judged(w, text)
    again(w, text)

    told = judged(w, text)

    assert shape(before) == shape(told) == ("hold", "installed_on_record")
    assert {c["evidence"]["identifier"] for c in check(told, "alias") if c["outcome"] == "fail"} == {LINK}


def test_a_recall_of_the_earlier_code_reaches_it() -> None:
    """
    By the beginning of a code that it no longer names.
    """
    w, text = two_codes()
    renew(w, text, OWN)
    before = judged(w, text)
    about = recall_subject("gs1", "9521001")
    w.run(w.ledger.attest(EU_AUTHORITY, "recall.published", about, criteria=Criteria((LINK,))))

    assert before["verdict"] in GOOD
    assert shape(judged(w, text)) == ("hold", "recalled")


def test_a_code_that_both_name_is_said_once() -> None:
    """
    The record is read once, and an earlier passport that names another battery of the scheme binds nothing.
    """
    w, text = two_codes()
    other = code(2)
    w.produce(other)
    used(w, other)
    renew(w, text, other)
    renew(w, text, LINK, version=3)

    told = judged(w, text)

    assert told["verdict"] in GOOD
    assert [(c["outcome"], c["reason"]) for c in check(told, "alias")] == [("warn", "alias_recorded")]


def test_a_wrong_code_goes_by_voiding_the_passport_that_named_it() -> None:
    """
    I1: a slip of the maker binds until authorities void that publication; then nothing is left of it.
    """
    w, text = two_codes()
    used(w, LINK)
    statements = Record.read(w.view(text), w.governance).admitted
    (named,) = (r.attestation for r in statements if r.attestation.set_list is not None)

    w.happen(
        EU_AUTHORITY,
        "attestation.voided",
        text,
        {"case": "C-1", "reason": "a slip"},
        cosign=[CN_AUTHORITY],
        references=(named.digest,),
    )
    renew(w, text, OWN, event="passport.published")

    assert judged(w, text)["verdict"] in GOOD


def evidence_with(w: World, text: str, held: Held | Missing | None) -> Evidence:
    """The evidence, with this in place of every earlier public set."""
    made = w.evidence(text)
    assert made.earlier
    return replace(made, earlier={} if held is None else dict.fromkeys(made.earlier, held))


@pytest.mark.parametrize(
    ("held", "reason"),
    [(None, "document_unreachable"),
     (Missing(MissingReason.UNREACHABLE), "document_unreachable"),
     (Missing(MissingReason.NOT_FOUND), "document_not_found"),
     (Missing(MissingReason.WITHHELD), "evidence_withheld"),
     (Held({"credentialSubject": {}}), "document_unreachable")],
)  # fmt: skip
def test_an_earlier_passport_that_is_not_handed_out_is_not_passed(
    held: Held | Missing | None, reason: str
) -> None:
    """
    I6, I8: undecided, with the reason, and no ground; another document in its place is none.
    """
    w, text = two_codes()
    renew(w, text, OWN)

    told = judged(w, text, evidence=evidence_with(w, text, held))

    assert (told["verdict"], told["reason"], told["ground"]) == ("undecided", reason, None)


def test_more_codes_than_are_read_are_not_passed() -> None:
    """
    As many as are read decide; one more, and nothing is decided.
    """
    w, text = two_codes()
    for version in range(2, FURTHER_CODES_MAX + 2):
        renew(w, text, f"https://id.gs1.org/01/09521001000000/21/{version}", version)
    renew(w, text, OWN, FURTHER_CODES_MAX + 2)  # the first named LINK: one too many
    told = judged(w, text)
    fine, one = two_codes()
    for version in range(2, FURTHER_CODES_MAX + 1):
        renew(fine, one, f"https://id.gs1.org/01/09521001000000/21/{version}", version)
    renew(fine, one, OWN, FURTHER_CODES_MAX + 1)

    assert shape(told) == ("undecided", "not_held")
    assert judged(fine, one)["verdict"] in GOOD


@pytest.mark.parametrize("before", [False, True])
def test_two_lines_that_an_earlier_passport_made_one_are_one_too_many(*, before: bool) -> None:
    """
    I4, X17: published again without the further code, the battery is on the manifest under both all the same.
    """
    w, text = two_codes()
    renew(w, text, OWN)

    told = judged(w, text, others=[line_of(2, LINK) | {"before": before}])

    assert [(c["outcome"], c["reason"]) for c in check(told, "manifest")] == [("fail", "duplicate_line")]
    assert shape(told) == ("hold", "duplicate_line")


LINKS = [f"https://id.gs1.org/01/09521001000000/21/{serial}" for serial in range(1, 10)]


def chained(*codes: str) -> World:
    """Each is on record, and its passport names the next; the last names none."""
    licences = [*accreditations(), accreditation(MAKER, schemes=(("gs1", "9521001"),), licence="gs1")]
    w = World(Ledger(make_genesis(accreditations=licences)))
    for own, named in zip(codes, (*codes[1:], OWN), strict=True):
        claims = claims_of(1)
        claims["GeneralProductInformation"]["productIdentifier"] = named
        w.produce(own)
        w.publish(own, w.issue(own, claims=claims))
    return w


@pytest.mark.parametrize("shed", [None, 0, 1])
def test_a_further_code_of_a_further_code_binds(shed: int | None) -> None:
    """
    What is known of one name is known under all: named by the passport of the code that its own names, and
    also where either passport names it no more.
    """
    codes = (code(1), LINK, code(2))
    w = chained(*codes)
    before = judged(w, codes[0])
    used(w, codes[2])
    if shed is not None:
        renew(w, codes[shed], OWN)

    told = judged(w, codes[0])

    assert before["verdict"] in GOOD
    assert shape(told) == shape(judged(w, LINK)) == ("hold", "installed_on_record")
    assert {c["evidence"]["identifier"] for c in check(told, "alias") if c["outcome"] == "fail"} == {codes[2]}
    twins = judged(w, codes[0], others=[line_of(2, codes[2])])
    assert [(c["outcome"], c["reason"]) for c in check(twins, "manifest")] == [("fail", "duplicate_line")]


@pytest.mark.parametrize("length", [FURTHER_CODES_MAX + 2, FURTHER_CODES_MAX + 3])
def test_a_chain_of_names_ends(length: int) -> None:
    """
    As many as are read decide, one more is undecided; names that go round are read once.
    """
    codes = [pair[n % 2] for n, pair in enumerate(zip((code(n) for n in range(1, 10)), LINKS, strict=True))]
    w = chained(*codes[:length])
    renew(w, codes[length - 1], codes[0])

    told = judged(w, codes[0])

    assert (told["verdict"] in GOOD) == (length == FURTHER_CODES_MAX + 2)
    assert length == FURTHER_CODES_MAX + 2 or shape(told) == ("undecided", "not_held")


def test_what_a_stranger_entered_names_nothing() -> None:
    """
    I5: a rival that enters the code on the label publishes a passport of it that names a battery in use.
    """
    w, other = World(publishers=(MAKER, RIVAL)), code(2)
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = LINK
    w.produce(code(1))
    w.publish(code(1), w.issue(code(1), claims=claims))
    w.produce(other)
    used(w, other)
    w.happen(RIVAL, "battery.enrolled", LINK, {"ground": "older_stock", "evidence": "x"})
    claims["GeneralProductInformation"]["productIdentifier"] = other
    w.publish(LINK, w.issue(LINK, by=RIVAL, claims=claims))

    told = judged(w, code(1))

    assert told["verdict"] in GOOD
    assert [(c["outcome"], c["reason"]) for c in check(told, "alias")] == [("warn", "alias_claimed")]


@pytest.mark.parametrize("of", [1, 2])
def test_a_passport_of_a_further_code_that_is_not_handed_out_is_not_passed(of: int) -> None:
    """
    I6, I8: what it names is not known; so it is where nobody looked whether a code is on record.
    """
    codes = (code(1), LINK, code(2))
    w = chained(*codes)
    made = w.evidence(codes[0])
    digest = digest_document(w.passports[codes[of]].credentials[1])
    kept_back = replace(made, earlier={k: v for k, v in made.earlier.items() if k != digest})
    unasked = replace(made, aliases={k: v for k, v in made.aliases.items() if k != codes[of]})

    assert shape(judged(w, codes[0], evidence=kept_back)) == ("undecided", "document_unreachable")
    assert shape(judged(w, codes[0], evidence=unasked)) == ("undecided", "not_held")


def test_an_opaque_identifier_is_one_of_whoever_issued_the_passport() -> None:
    """
    X1: used under a URI that is no code, and is on record as its maker's: not new under the code.
    """
    uri, text = "https://id.example.org/batteries/77", code(1)
    licences = [*accreditations(), accreditation(MAKER, schemes=(("uri", MAKER),), licence="uri")]
    w = World(Ledger(make_genesis(accreditations=licences)))
    claims = claims_of(1)
    claims["GeneralProductInformation"]["productIdentifier"] = uri
    w.produce(text)
    w.publish(text, w.issue(text, claims=claims))
    before, about = judged(w, text), subject(identifier_of(uri, MAKER), NETWORK_KEY)
    w.run(w.ledger.attest(MAKER, "battery.produced", about))
    w.run(w.ledger.attest(MAKER, "battery.installed", about, bound_asset=subject_of(VIN)))

    assert before["verdict"] in GOOD
    assert shape(judged(w, text)) == ("hold", "installed_on_record")
