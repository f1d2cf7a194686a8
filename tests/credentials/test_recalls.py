"""What a recall by model, batch or days of production reaches: it never misses, and is refused if it must."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.application import Refusal
from credentials.documents.identifiers import Identifier
from credentials.errors import CredentialError
from credentials.ledger.attestation import Criteria, parse_attestation
from credentials.ledger.recalls import Recall, Recalls, made_when, recall_subject
from credentials.ledger.standing import Standing
from tests.credentials.test_routes import ends_as
from tests.harness.border import World, code, identifier_of, made_on, subject_of
from tests.harness.ledger import (
    CN_AUTHORITY,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    Ledger,
    accreditation,
    accreditations,
    battery,
    day_of,
    make_genesis,
)

DAY_S = 86_400
GTIN = "https://id.gs1.org/01/09521001000008"
LINK = Identifier("gs1", "9521001", f"{GTIN}/21/1")


def june(first: int, last: int) -> Criteria:
    """Made on these days of June 2026, whole days as a node writes them."""
    return Criteria((), made_on(first), made_on(last) + DAY_S - 1)


def reached(w: World, text: str) -> str:
    """The verdict about a battery that is declared as new, and the reason."""
    conclusion = w.judge(text).verdict.conclusion
    return f"{conclusion.verdict} {conclusion.reason}"


def recalls(ledger: Ledger, scheme: str = "gbt34014", namespace: str = "ZZ1") -> Recalls:
    return Recalls.decode(ledger.reader.records[Recalls(scheme, namespace).key])


@pytest.mark.parametrize("by", [CN_AUTHORITY, EU_AUTHORITY, MAKER])
@pytest.mark.parametrize(("first", "last"), [(3, 3), (4, 30)])
def test_no_production_is_redated_out_of_a_recall(by: str, first: int, last: int) -> None:
    """
    I2, I3: once somebody else's recall goes by the day on which it was made, its maker does not correct that,
    to make it anew of another day; authorities void it. Its own recall it could lift as well.
    """
    w = World()
    text = code(1)
    said = {"production_date": "2026-06-03", "category": "ev"}
    made = w.happen(MAKER, "battery.produced", text, said)
    lifted = w.recall(by, criteria=june(first, last))
    back = {"references": (made,)}

    rests = by != MAKER and first == 3
    assert (ends_as(w.ledger, MAKER, "attestation.corrected", subject_of(text), **back) == "depends") == rests
    if rests:
        subject = recall_subject("gbt34014", "ZZ1")
        w.run(w.ledger.attest(by, "recall.lifted", subject, references=(lifted,)))
        assert ends_as(w.ledger, MAKER, "attestation.corrected", subject_of(text), **back) == "admitted"


def test_a_recall_of_codes_holds_up_no_correction_of_a_day() -> None:
    """
    What goes by codes reaches the battery whenever it was made.
    """
    w = World()
    text = code(1)
    made = w.happen(MAKER, "battery.produced", text, {"production_date": "2026-06-03", "category": "ev"})
    w.recall(CN_AUTHORITY, criteria=Criteria((text[:7],)))

    back = {"references": (made,)}
    assert ends_as(w.ledger, MAKER, "attestation.corrected", subject_of(text), **back) == "admitted"


# -- days of production ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "held"), [(1, 30, True), (3, 3, True), (1, 2, False), (4, 30, False)]
)
def test_a_recall_by_days_goes_by_the_day_of_production_not_by_when_that_was_attested(
    first: int, last: int, held: bool
) -> None:
    """
    Made on 3 June 2026 and attested in January 2027: the recall of June reaches it, that of other days not.
    """
    w = World()
    text = w.new(1)
    w.recall(EU_AUTHORITY, criteria=june(first, last))

    assert (reached(w, text) == "hold recalled") is held


@pytest.mark.parametrize("day", [made_on(3), made_on(20)])
def test_where_code_and_record_name_different_days_a_recall_of_either_reaches_it(day: int) -> None:
    """
    A recall never misses: the code says 3 June, the production record 20 June.
    """
    w = World()
    text = code(1)
    w.run(w.ledger.attest(MAKER, "battery.produced", subject_of(text), produced_on=made_on(20)))
    standing = w.ledger.standing(subject_of(text))
    ledger = w.ledger
    ledger.happen(
        MAKER, "recall.published", recall_subject("gbt34014", "ZZ1"), criteria=Criteria((), day, day)
    )

    assert recalls(ledger).covering(identifier_of(text), standing.key, standing)


def test_without_any_day_on_record_a_recall_by_days_reaches_the_battery() -> None:
    """
    Neither the code nor a record says when it was made: it is covered, by whatever days.
    """
    ledger = Ledger()
    about = recall_subject("gs1", "9521001")
    ledger.happen(EU_AUTHORITY, "recall.published", about, criteria=Criteria((), DAY_S, DAY_S))
    found = recalls(ledger, "gs1", "9521001")
    known = Standing(battery(1), produced_on=9 * DAY_S)

    assert found.covering(LINK, b"x" * 32, None)
    assert found.covering(LINK, b"x" * 32, Standing(battery(1)))
    assert not found.covering(LINK, b"x" * 32, known)


def test_a_code_that_names_no_day_was_made_on_any_day_of_its_month() -> None:
    """
    The whole month counts, to its last second, and no day before it.
    """
    month = replace(LINK, manufactured=(2026, 6, None))
    (span,) = made_when(month, None)

    assert span == (made_on(1), made_on(1) + 31 * DAY_S - 1)
    assert made_when(replace(LINK, manufactured=(2026, 6, 3)), None) == ((made_on(3), made_on(4) - 1),)


def test_the_day_of_production_is_part_of_the_statement() -> None:
    """
    Without it the ledger takes no production; a day that has not begun anywhere, or is none, is refused.
    """
    ledger = Ledger()
    today = day_of(ledger.now)

    assert ends_as(ledger, MAKER, "battery.produced", battery(1), produced_on=None) == "members"
    assert ends_as(ledger, MAKER, "battery.produced", battery(1), produced_on=today + 2 * DAY_S) == (
        "value_impossible"
    )
    assert ends_as(ledger, MAKER, "battery.sold", battery(1), produced_on=today) == "members"
    for none in (0, today + 1):
        with pytest.raises(CredentialError, match="first second of a day"):
            ledger.attest(MAKER, "battery.produced", battery(1), produced_on=none)
    tomorrow = ledger.attest(MAKER, "battery.produced", battery(1), produced_on=today + DAY_S)
    assert parse_attestation(tomorrow).produced_on == today + DAY_S
    ledger.now = today + 1  # a day begins in the east before it begins in UTC
    ledger.run(ledger.attest(MAKER, "battery.produced", battery(1), produced_on=today + DAY_S))
    assert ledger.standing(battery(1)).produced_on == today + DAY_S


# -- what can reach nothing ------------------------------------------------------------------------------


def test_a_recall_that_names_a_battery_of_another_maker_is_refused() -> None:
    """
    It would be recorded and never found beside that battery's code: one recall for each maker's codes.
    """
    ledger = Ledger()
    about = recall_subject("gbt34014", "ZZ1")
    both = (battery(1), battery(2, "ZZ2"))

    assert ends_as(ledger, EU_AUTHORITY, "recall.published", about, references=both) == (
        "recall_reaches_nothing"
    )
    assert ends_as(ledger, EU_AUTHORITY, "recall.published", about, references=both[:1]) == "admitted"


@pytest.mark.parametrize(
    ("scheme", "namespace", "prefix", "expected"),
    [
        ("gbt34014", "ZZ1", "zz1pe75qh", "recall_reaches_nothing"),
        ("gbt34014", "ZZ1", "ZZ2PE", "recall_reaches_nothing"),
        ("gbt34014", "ZZ1", "ZZ1PE75-", "recall_reaches_nothing"),
        ("gbt34014", "ZZ1", "ZZ1PE75QH00001G6300000011", "recall_reaches_nothing"),
        ("gbt34014", "ZZ1", "ZZ1PE75QH00001G630000001", "admitted"),
        ("gbt34014", "ZZ1", "ZZ1", "admitted"),
        ("gs1", "9521001", GTIN.upper(), "recall_reaches_nothing"),
        ("gs1", "9521001", "https://shop.example/01/09521001000008", "recall_reaches_nothing"),
        ("gs1", "9521001", "https://id.gs1.org/01/09521002", "recall_reaches_nothing"),
        ("gs1", "9521001", f"{GTIN}/10/LOT", "recall_reaches_nothing"),
        ("gs1", "9521001", "https://id.gs1.org/01/0952", "admitted"),
        ("gs1", "9521001", GTIN, "admitted"),
        ("gs1", "9521001", f"{GTIN}/21/A", "admitted"),
    ],
)
def test_a_beginning_that_no_code_has_is_refused(
    scheme: str, namespace: str, prefix: str, expected: str
) -> None:
    """
    What is recorded as recalled can be found: the beginning is one of the namespace's codes, as written.
    """
    ledger = Ledger()
    about = recall_subject(scheme, namespace)

    assert ends_as(ledger, EU_AUTHORITY, "recall.published", about, criteria=Criteria((prefix,))) == expected


@pytest.mark.parametrize(
    ("scheme", "namespace"),
    [("gbt34014", "zz1"), ("gbt34014", "ZZ"), ("gs1", "952100X"), ("gs1", "952"), ("uri", "maker.example"),
     ("uri", "did:web:Maker.example")],
)  # fmt: skip
def test_a_namespace_that_no_code_has_is_refused(scheme: str, namespace: str) -> None:
    """
    A recall of codes under another spelling of their maker would never be asked.
    """
    about = recall_subject(scheme, namespace)

    assert ends_as(Ledger(), EU_AUTHORITY, "recall.published", about, criteria=june(1, 2)) == "subject"


def test_the_right_spelling_of_a_namespace_is_told() -> None:
    """
    Whoever recalls codes under another spelling is told the one that codes have.
    """
    ledger = Ledger()
    recall = ledger.attest(
        EU_AUTHORITY, "recall.published", recall_subject("gbt34014", "zz1"), criteria=june(1, 2)
    )

    with pytest.raises(Refusal, match="zz1 is written ZZ1: no code is found under another spelling"):
        ledger.registry.check_tx(recall, ledger.now)


def test_a_recall_of_opaque_codes_is_by_their_issuer() -> None:
    """
    Codes of the scheme uri have their issuer's DID as namespace and begin as they please.
    """
    ledger = Ledger()
    about = recall_subject("uri", MAKER)

    criteria = Criteria(("https://maker.example/b/",))
    assert ends_as(ledger, EU_AUTHORITY, "recall.published", about, criteria=criteria) == "admitted"
    item = Identifier("uri", MAKER, "https://maker.example/b/1")
    assert recalls(ledger, "uri", MAKER).covering(item, b"x" * 32, None)


# -- on which side ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kept", "ends"), [("authority", "admitted"), ("customs", "X9")])
def test_an_authority_lifts_its_recall_by_any_licence_to_recall_there(kept: str, ends: str) -> None:
    """
    It published as market surveillance and is that no more: as an authority of that side it may recall, so it
    lifts its own; as customs it has no licence for either.
    """
    licences = [a for a in accreditations() if a.participant != EU_AUTHORITY]
    first = accreditation(EU_AUTHORITY, roles=("market_surveillance",), licence="first")
    second = accreditation(EU_AUTHORITY, roles=(kept,), licence="second")
    ledger = Ledger(make_genesis(accreditations=[*licences, first]))
    about = recall_subject("gbt34014", "ZZ1")
    ledger.happen(EU_AUTHORITY, "recall.published", about, criteria=Criteria(("ZZ1",)))
    (recall,) = recalls(ledger).recalls
    later = replace(ledger.history.latest, accreditations=(*licences, second))
    ledger.history.enact(ledger.history.height + 1, later)
    ledger.run()

    assert (recall.role, recall.by) == ("market_surveillance", EU_AUTHORITY)
    assert ends_as(ledger, EU_AUTHORITY, "recall.lifted", about, references=(recall.attestation,)) == ends


def test_an_authority_of_two_sides_recalls_on_both_and_lifts_both() -> None:
    """
    A namespace is nowhere: the recall is not that of whichever accreditation is found first.
    """
    more = [accreditation(EU_AUTHORITY, jurisdiction="CN"), *accreditations()]
    ledger = Ledger(make_genesis(accreditations=more))
    about = recall_subject("gbt34014", "ZZ1")
    ledger.happen(EU_AUTHORITY, "recall.published", about, criteria=Criteria(("ZZ1",)))
    ledger.happen(CN_AUTHORITY, "recall.published", about, criteria=Criteria(("ZZ1",)))

    first = recalls(ledger).recalls[0]
    assert [(r.by, r.jurisdiction) for r in recalls(ledger).recalls] == [
        (EU_AUTHORITY, "CN"), (EU_AUTHORITY, "EU"), (CN_AUTHORITY, "CN"),
    ]  # fmt: skip
    assert ends_as(ledger, IMPORTER, "recall.lifted", about, references=(first.attestation,)) == (
        "not_responsible"
    )
    ledger.happen(EU_AUTHORITY, "recall.lifted", about, references=(first.attestation,))
    assert [(r.by, r.jurisdiction) for r in recalls(ledger).recalls] == [(CN_AUTHORITY, "CN")]


def test_what_is_read_of_recalls_is_what_was_written() -> None:
    """
    Whose each recall is, for which side, where it stands in the log and what it covers: the map forgets none.
    """
    days = Recall(b"d" * 32, "did:web:a.example", "authority", "EU", 7, Criteria((), 0, 86_400), ())
    items = Recall(b"i" * 32, "did:web:m.example", "manufacturer", "", 9, None, (b"k" * 32, b"l" * 32))
    written = Recalls("gbt34014", "ZZ1", (days, items))

    assert Recalls.decode(written.encode()) == written
