"""Passports and consignments are found by words: parts of identifiers, names, Chinese."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.storage import schema_steps
from node.storage.database import Database
from node.storage.found_by import GRAM, PUBLIC_PART, TEXT_MAX, consignment_text, passport_text, words_of
from node.storage.issuances import Issuance
from node.storage.office import OfficeStore
from node.storage.schema_history import History
from tests.harness.earlier import STEPS
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import LiveNode, live_node, manifest

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
GENERAL = {
    "productIdentifier": "https://id.battery.example/01/09521001000017/21/G6HD00042",
    "manufacturerInformation": {"contactName": "宁波动力电池有限公司", "identifier": "did:web:maker.example"},
    "model": ["Blade LFP-280Ah"],
}
FOUND = (
    *("G6HD00042", "g6hd000", "6HD0004", "blade", "280ah", "LFP-280", "did:web:maker", "宁波", "电池", "电"),
    *("ＢＬＡＤＥ", "宁波 blade", "blade 有限公司 g6hd", "04qpe0042", "ev:"),
)
STRANGE = (
    *(
        '"',
        '""',
        "blade OR zzzz",
        "NOT blade",
        "text:blade",
        "blade*",
        "^blade",
        "NEAR(blade lfp)",
        "{text}:bla",
    ),
    *(
        "blade\x00zzzz",
        "'; DROP TABLE issuances; --",
        "%%%",
        "___",
        "(((",
        "blade -lfp",
        "\ud7ff\ufffe\uffff",
    ),
)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfficeStore]:
    """Three passports, the second of them as in `GENERAL`."""
    store = OfficeStore(tmp_path_factory.mktemp("office") / "office.db")
    with store.writing() as db:
        for number, general in enumerate(({"model": "Other"}, GENERAL, {"model": "Blade of a kind"})):
            text = passport_text(f"04QPE004{number + 1}", "ev:1", {PUBLIC_PART: general})
            store.issuances.put_words(db, [(store.issuances.put(db, issuance(number)), text)])
    yield store
    store.close()


def issuance(number: int) -> Issuance:
    mark = bytes([number]) * 32
    return Issuance(0, mark, f"b{number}", 1, "ev", mark, None, 1, mark, None, number)


def numbers(office: OfficeStore, text: str, limit: int = 50, before: int | None = None) -> list[int]:
    return [row.number for row in office.issuances.page(limit, before, words_of(text))]


@pytest.mark.parametrize("text", FOUND)
def test_a_passport_is_found_by_a_part_of_what_it_says(office: OfficeStore, text: str) -> None:
    """
    Part of an identifier from anywhere in it, a name in any case and width, one or two Chinese characters;
    several words: all of them.
    """
    assert 2 in numbers(office, text)


def test_all_words_are_there_newest_first_page_by_page(office: OfficeStore) -> None:
    """
    A word more finds fewer; the next page goes on below the last number of this one.
    """
    assert numbers(office, "blade") == [3, 2]
    assert numbers(office, "blade 宁波") == [2]
    assert numbers(office, "宁动") == []
    assert numbers(office, "blade", limit=1) == [3]
    assert numbers(office, "blade", before=3) == [2]


@pytest.mark.parametrize("text", STRANGE)
def test_nothing_of_a_search_is_read_as_syntax(office: OfficeStore, text: str) -> None:
    """
    Operators, quotes, column names, wildcards and control characters are looked for as they stand.
    """
    words = [word for word in words_of(text) if len(word) >= GRAM]

    assert not words or numbers(office, " ".join(words)) == []


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=40), data=st.data())
def test_every_part_of_a_text_finds_it(office: OfficeStore, text: str, data: st.DataObject) -> None:
    """
    Any word of three characters or more that is in a text, and any part of that length, is found there.
    """
    kept = consignment_text("made", "", None, [{"battery": text}])
    words = [word for word in kept.split() if len(word) >= GRAM]
    word = data.draw(st.sampled_from(words))
    start = data.draw(st.integers(0, len(word) - GRAM))
    part = word[start : data.draw(st.integers(start + GRAM, len(word)))]
    with office.writing(durable=False) as db:
        db.execute("DELETE FROM consignment_words")
        db.execute("INSERT INTO consignment_words VALUES (1, ?)", (kept,))

    assert office.consignments._words.newest([part], 1, None) == [1]


def test_a_search_reads_the_index_and_stops_at_its_page(office: OfficeStore) -> None:
    """
    The index in its own order, then the rows it names: nothing is sorted, no table is read through.
    """
    run: list[str] = []
    connection = office.issuances._db.connection
    connection.set_trace_callback(run.append)
    numbers(office, "blade lfp")
    connection.set_trace_callback(None)

    [asked] = [statement for statement in run if "match" in statement]
    plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked}")]

    assert not [step for step in plan if "TEMP B-TREE" in step], plan
    assert [step for step in plan if step.startswith("SCAN")] == [plan[0]] and "VIRTUAL TABLE" in plan[0], (
        plan
    )


def test_what_a_consignment_is_found_by_is_bounded() -> None:
    """
    Its references come first, each text once, and of a very long manifest the first lines.
    """
    lines = [{"battery": f"04QPE{line:019d}", "vin": "WVWZZZ1JZXW000001"} for line in range(20_000)]

    text = consignment_text("made", "26NLREF0001", "NL123456789", lines)

    assert text.splitlines()[:3] == ["made", "26nlref0001", "nl123456789"]
    assert text.count("wvwzzz1jzxw000001") == 1
    assert len(text.splitlines()) > 1_000 and len(text) <= TEXT_MAX


def test_what_is_there_when_the_index_comes_is_found_too(tmp_path: Path) -> None:
    """
    The step that brings an older office forwards reads its public credentials and its manifests.
    """
    path = tmp_path / "office.db"
    steps = STEPS["office"]
    steps = steps[: steps.index(schema_steps.office_13_found_by_words)]
    before = Database(path, History("office", *steps))
    body = orjson.dumps({"credentialSubject": {PUBLIC_PART: GENERAL}})
    sent = orjson.dumps({"lines": [{"line": 1, "battery": "04QPEOLD77"}]})
    with before.writing() as db:
        for row in (
            "issuances (number, digest, battery, version, category, claims_digest, signed_at, published, "
            "status_index) VALUES (5, x'05', 'b', 1, 'ev', x'01', 1, x'01', 0)",
            "consignments (number, id, declaration, manifest_digest, law_date, created, lines) "
            "VALUES (7, 'c', '26NLOLD', x'01', '2027-03-01', 1, 1)",
        ):
            db.execute(f"INSERT INTO {row}")
        db.execute(
            "INSERT INTO documents (digest, kind, body, issuer, point, set_digest) "
            "VALUES (x'01', 'passport', ?, 'd', 1, x'05')",
            (body,),
        )
        db.execute("INSERT INTO manifests VALUES ('c', ?)", (sent,))
    before.close()

    office = OfficeStore(path)

    assert numbers(office, "宁波 blade") == [5]
    assert [row.number for row in office.consignments.page(5, None, words_of("qpeold7 26nlold"))] == [7]
    office.close()


# -- as it is asked for --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """One passport whose public part names a maker in Chinese, and two consignments."""
    with live_node(tmp_path_factory.mktemp("found")) as running:
        claims = claims_of(1)
        claims["GeneralProductInformation"]["manufacturerInformation"]["contactName"] = "远东电池厂"
        running.service.passports.issue(claims, code=code_of(1))
        running.service.passports.issue(claims_of(2), code=code_of(2))
        for name in ("26NLFOUND0001", "26NLOTHER0002"):
            sent = {**manifest(), "declaration": name, "consignee_eori": "NL" + name[-4:]}
            running.service.consignments.create(sent, "test")
        yield running


def test_both_lists_answer_a_search_as_json_and_as_a_page(node: LiveNode) -> None:
    """
    The same rows in both; the field keeps what was written, and whoever finds nothing is told what to do.
    """
    [passport] = node.get_json(f"/passports?q={quote('电池')}")["passports"]
    [consignment] = node.get_json("/consignments?q=nlfound")["consignments"]
    assert passport["battery"] == code_of(1)
    assert consignment["declaration"] == "26NLFOUND0001"
    assert len(node.get_json("/passports?q=")["passports"]) == 2
    assert len(node.get_json("/consignments?q=26nl")["consignments"]) == 2

    shown = node.person.get(f"/passports?q={quote('电池')}", headers=BROWSER).text
    none = node.person.get("/consignments?q=%3Cnowhere%3E", headers=BROWSER).text

    assert code_of(1) in shown and code_of(2) not in shown and 'value="电池"' in shown
    assert "search with fewer, or with a part of one" in none and 'value="&lt;nowhere&gt;"' in none


@pytest.mark.parametrize("path", ["/passports", "/consignments"])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a" * 101, "search_too_long"),
        ("abc " * 9, "search_too_long"),
        ("blade x5", "search_too_short"),
        *((text, None) for text in STRANGE),
    ],
)
def test_a_search_is_answered_or_refused_plainly(
    node: LiveNode, path: str, text: str, code: str | None
) -> None:
    """
    Too much, too little: 400 with what to write instead. Everything else: the rows that have it, or none.
    """
    answer = node.get(f"{path}?q={quote(text)}")

    refused = code or ("search_too_short" if any(len(word) < GRAM for word in words_of(text)) else None)
    assert answer.status_code == (400 if refused else 200), answer.text
    assert refused is None or answer.get_json()["code"] == refused


def test_nobody_finds_by_searching_what_the_list_would_not_show(node: LiveNode) -> None:
    """
    A search is the list: without its scope it is refused, and only the public set is searched.
    """
    stranger = node.app.test_client()
    for path in ("/passports", "/consignments"):
        assert stranger.get(f"{path}?q=found").status_code == stranger.get(path).status_code == 401
    restricted = node.service.stores.office.documents.of_set(
        node.service.stores.office.issuances.page(1, None)[0].digest
    )
    hidden = sorted({d.credential_id or "" for d in restricted})
    assert len(hidden) == 4
    for credential_id in hidden:
        assert node.get_json(f"/passports?q={quote(credential_id)}")["passports"] == []
