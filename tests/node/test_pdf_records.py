"""Records as PDF: what is on their pages, wrapped, in any script; how large they become."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator
from hashlib import sha256

import pytest

from credentials.verdicts.verdict_record import ItemRecord
from node.api.record_files import _items
from node.pdf_pages import OTHER, PARAGRAPHS_MAX, PLAIN, Paragraph, lines_of, pdf_of
from node.sheets import rows_of
from node.words import Words
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import LiveNode, live_node, manifest

_STREAM = re.compile(rb"/ASCII85Decode /FlateDecode.*?stream\r?\n(.*?)endstream", re.S)
_TEXT = re.compile(rb"\((.*?(?<!\\)(?:\\\\)*)\) Tj", re.S)


def text_of(data: bytes) -> str:
    """What a reader sees, line by line: Western letters as they stand, others from UCS-2."""
    found = []
    for stream in _STREAM.findall(data):
        page = zlib.decompress(base64.a85decode(stream.strip().removesuffix(b"~>")))
        for raw in _TEXT.findall(page):
            said = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), raw)
            said = re.sub(rb"\\(.)", rb"\1", said, flags=re.S)
            wide = len(said) % 2 == 0 and (b"\0" in said or any(byte > 127 for byte in said))
            found.append(said.decode("utf-16-be" if wide else "latin-1"))
    return "\n".join(found)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("pdf")) as made:
        yield made


def test_a_record_says_words_reasons_heights_and_who_judged(node: LiveNode) -> None:
    """
    The record of a consignment names every line with its word, reason and height, who judged it, and the
    digest of the verdicts that its evidence file holds; in Chinese as well; the readiness report likewise.
    """
    consignment = f"/consignments/{node.post_json('/consignments', manifest()).get_json()['id']}"
    node.wait(lambda: node.get_json(f"{consignment}?limit=0")["state"] == "done", "the verdicts")
    answer = node.get(f"{consignment}/export.pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    said, shown = text_of(answer.data), node.get_json(consignment)
    flat = said.replace("\n", " ")
    assert "Record of consignment 26NLTEST000001" in said and "did:web:everything.example" in said
    for item in shown["items"]:
        assert item["battery"] in said and item["text"].split(". ")[0][:40] in flat
    lines = node.get(f"{consignment}/evidence").data.splitlines(keepends=True)
    told = sha256(b"".join(line for line in lines if "line" in json.loads(line))).hexdigest()
    assert told in said
    chinese = node.client.get(f"{consignment}/export.pdf", headers={**node.bearer, "Accept-Language": "zh"})
    assert "货物批次 26NLTEST000001 的记录" in text_of(chinese.data)
    readiness = text_of(node.get(f"{consignment}/readiness.pdf").data)
    assert "Readiness of consignment 26NLTEST000001" in readiness
    assert node.get(f"{consignment}/export.odt").status_code == 404


def test_a_readiness_report_says_of_each_requirement_who_answered_it_and_who_must_act(node: LiveNode) -> None:
    """
    What the report holds is on its pages: the words of each state, the state of another day beside it, who
    answered and who is to do what, and each line that is not counted.
    """
    assert node.post_json("/passports", {"code": code_of(1), "claims": claims_of(1)}).status_code == 201
    node.wait_quiet()
    goods = {"goods": "battery", "condition": "used", "commodity_code": "8507600000"}
    batteries = [{"line": n, "battery": code_of(n), **goods} for n in (1, 900)]
    asked = {**manifest(), "declaration": "26NLREADY00001", "lines": batteries}
    consignment = f"/consignments/{node.post_json('/consignments', asked).get_json()['id']}"
    node.wait(lambda: node.get_json(f"{consignment}?limit=0")["state"] == "done", "the verdicts")
    other = "2030-01-01"
    report = node.get_json(f"{consignment}/readiness?against={other}")
    words = Words("en", lambda _: {})

    said = text_of(node.get(f"{consignment}/readiness.pdf?against={other}").data).replace("\n", " ")

    rows = report["rows"]
    for row in rows:
        assert f"{row['id']} " in said and words.sentence(f"readiness.{row['shown_as']}") in said
        assert ", ".join(row["evidence"].get("by", ())) in said
        assert not row["who"] or f"{row['who']}: {row['action']}"[:60] in said
    turned = [row for row in rows if row["then"] != row["shown_as"]]
    assert said.count(other) == len(turned) > 0 and any(row["who"] for row in rows)
    (left,) = report["left_out"]
    assert left["battery"] in said and left["text"][:60] in said
    head, *lines = [
        one.cells for one in rows_of(node.get(f"{consignment}/readiness.csv?against={other}").data)
    ]
    at, then = head.index("state"), head.index(f"state_{other}")
    assert [(one[0], one[at]) for one in lines[: len(rows)]] == [
        (row["id"], words.sentence(f"readiness.{row['shown_as']}")) for row in rows
    ]
    assert [one[then] for one in lines[: len(rows)]] == [
        words.sentence(f"readiness.{row['then']}") for row in rows
    ]


def test_what_is_longer_than_a_line_or_a_page_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Words are kept whole, a word wider than a line is cut, Chinese is broken between any two letters; nothing
    is lost, no line is wider than the page, and a file of too many paragraphs says that it is not all.
    """
    for text, font in (("a word or two " * 40, PLAIN), ("w" * 300, PLAIN), ("电池护照" * 60, OTHER)):
        pdf_of([Paragraph(text)], title="t", foot="f")  # registers the font
        lines = list(lines_of(text, font, 9.0, 200.0))
        assert len(lines) > 3 and "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(
        line.strip() == line and not line.startswith("ord")
        for line in lines_of("a word " * 40, PLAIN, 9.0, 60.0)
    )
    many = pdf_of([Paragraph(f"number {n}") for n in range(200)], title="t", foot="foot")
    assert "number 199" in text_of(many) and "foot   4" in text_of(many)
    monkeypatch.setattr("node.pdf_pages.PARAGRAPHS_MAX", 3)
    cut = text_of(pdf_of([Paragraph(f"number {n}") for n in range(9)], title="t", foot="f"))
    assert "number 2" in cut and "number 3" not in cut and "..." in cut and PARAGRAPHS_MAX > 20_000


def test_the_ground_of_a_line_stands_with_its_height(node: LiveNode) -> None:
    """
    Of a line that is held or refused, with the article; of one without a ground only when and at what height.
    """
    consignment = f"/consignments/{node.post_json('/consignments', manifest()).get_json()['id']}"
    node.wait(lambda: node.get_json(f"{consignment}?limit=0")["state"] == "done", "the verdicts")
    item = next(iter(node.service.consignments.items(consignment.rpartition("/")[2])))

    words = node.service.words["en"]
    held: ItemRecord = {**item, "verdict": "hold"}
    judged: list[ItemRecord] = [{**held, "ground": ground} for ground in (None, "26(a)")]
    told = ["\n".join(part.text for part in _items([one], words, "en", len)) for one in judged]

    assert ["Ground: Art 26(a) Reg (EU) 2019/1020" in one for one in told] == [False, True]
    assert all(f"ledger at height {item['height']}." in one for one in told)
