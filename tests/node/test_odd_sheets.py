"""Three hundred odd and hostile sheets: every row has a result, nothing else stops, no answer is a 5xx."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openpyxl import Workbook

from node.sheets import XLSX
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import LiveNode, live_node
from tests.node.test_jobs import CSV, NDJSON, model_of, row_of, send, sheet

SHEETS = 300
ROWS = 4

CELLS = (
    *("", " ", "=cmd|' /C calc'!A0", "@SUM(1)", "'452.5", "452,5", "1,234", "1.234,5", "4.5E+02"),
    *("４５２．５", "-1", "0", "NaN", "inf", "9" * 20, "9" * 9_000, "true", "是", "null", "{}", "[1]"),
    *("\u202e452", "452.5 kg", "46190", "2026-06-31", "2026-13-01", "31/12/2026", "2026年6月9日"),
    *("2026-06-09T09:00:00Z", "yesterday", "\x00", "\x07", "\ud7ff", "😀", "a\nb", 'a"b', "a;b"),
    *("ev", "EV", "tractor"),
)
ENCODINGS = (
    *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030", "latin-1", "cp1252", "shift_jis", "utf-7"),
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("odd")) as running:
        assert running.post_json("/models", model_of()).status_code == 200
        yield running


def rows(chance: random.Random) -> list[list[str]]:
    """Rows of which most have something odd in one of their cells."""
    made = [row_of(chance.randint(1, 5_000)) for _ in range(ROWS)]
    for number in range(ROWS):
        made[number][chance.randrange(4)] = chance.choice(CELLS)
        if chance.random() < 0.2:
            made[number] += [chance.choice(CELLS)] * chance.randint(1, 3)
    if chance.random() < 0.3:
        made.append(made[0])
    return made


def table(chance: random.Random) -> tuple[bytes, str]:
    text = sheet(rows(chance), chance.choice(",;\t")).decode("utf-8", "surrogatepass")
    return text.encode(chance.choice(ENCODINGS), "replace"), CSV


def torn(chance: random.Random) -> tuple[bytes, str]:
    """Bytes of a sheet left out, doubled or replaced."""
    data = bytearray(sheet(rows(chance)))
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data))
        data[at : at + chance.randint(0, 20)] = chance.randbytes(chance.randint(0, 20))
    return bytes(data), CSV


def packed(chance: random.Random) -> tuple[bytes, str]:
    data = gzip.compress(sheet(rows(chance)) if chance.random() < 0.7 else bytes(60 << 20))
    return data[: chance.choice([len(data), len(data) // 2])], "application/gzip"


def lines(chance: random.Random) -> tuple[bytes, str]:
    """Lines of JSON: orders, and what is none."""
    claims = claims_of(1)
    claims["GeneralProductInformation"]["batteryCategory"] = chance.choice(["ev", "tractor", 7, None])
    odd: list[Any] = [
        {"code": code_of(chance.randint(1, 5_000)), "claims": claims},
        *({"code": 5, "claims": {}}, {"code": "x"}, {"claims": {}}, {"code": ["a"], "claims": {"a": 1}}, {}),
        *([], 1, "x", None, {"code": "c", "claims": {}, "more": 1}, {"code": "c" * 5_000, "claims": {}}),
    ]
    made = [json.dumps(chance.choice(odd)).encode() for _ in range(ROWS)]
    made.append(chance.choice([b"{", b"\xff", b'{"code": 1e999}', b'{"a": 1, "a": 2}', b"[" * 5_000]))
    return b'{"code": "x", "claims": {}}\n' + b"\n".join(made), NDJSON


def named(chance: random.Random) -> tuple[bytes, str]:
    """Lines of JSON by the columns of the model."""
    codes, masses = [code_of(chance.randint(1, 5_000)), 5, None], [4, "x", [], {}]
    made = [{"code": chance.choice(codes), "mass (kg)": chance.choice(masses)} for _ in range(ROWS)]
    return b"\n".join(json.dumps(one).encode() for one in made), NDJSON


def workbook(chance: random.Random) -> tuple[bytes, str]:
    book = Workbook()
    page = book.active
    assert page is not None
    page.append(["code", "mass (kg)", "生产日期", "remarks"])
    for row in rows(chance):
        page.append([cell if cell.isprintable() and len(cell) < 9_000 else "x" for cell in row])
    if chance.random() < 0.5:
        page.merge_cells("B2:B3")
    out = io.BytesIO()
    book.save(out)
    data = out.getvalue()
    return data[: chance.choice([len(data), len(data), len(data) // 2])], XLSX


Made = tuple[bytes, str]  # a sheet, and its content type
KINDS: tuple[Callable[[random.Random], Made], ...] = (table, torn, packed, lines, named, workbook)


@pytest.mark.check
def test_odd_and_hostile_sheets_have_a_result_for_each_row(node: LiveNode) -> None:
    """
    Whatever is sent is a job of which each row ends with a result, or a 4xx with a code and a next step; the
    thread that issues raises nothing, and a proper sheet after all of them is signed.
    """
    chance = random.Random(14)
    jobs: list[str] = []
    refused = 0
    for number in range(SHEETS):
        data, kind = KINDS[number % len(KINDS)](chance)
        model = "" if kind == NDJSON and number % len(KINDS) == KINDS.index(lines) else "model=P75&"
        answer = send(node, data, f"{model}dry_run={number % 2}", kind)
        told = answer.get_json(force=True)
        if answer.status_code == 202:
            jobs.append(told["id"])
        else:
            assert 400 <= answer.status_code < 500 and told["code"] and told["next"], (number, told)
            refused += 1
    node.wait(lambda: all(node.get_json(f"/jobs/{id}")["state"] == "done" for id in jobs), "the jobs")
    shown = [node.get_json(f"/jobs/{id}") for id in jobs]
    results = [row for id in jobs for row in node.get_json(f"/jobs/{id}/rows")["rows"]]
    last = send(node, sheet([row_of(9_001)])).get_json()
    node.wait(lambda: node.get_json(f"/jobs/{last['id']}")["state"] == "done", "a proper sheet")
    broken = [row for row in results if row["problem"] and row["problem"]["code"] == "broken"]

    assert len(jobs) > SHEETS // 3 and refused > SHEETS // 20
    assert all(one["done"] == one["rows"] and "waiting" not in one["counts"] for one in shown)
    assert all(row["problem"]["next"] for row in results if row["state"] == "refused") and broken == []
    assert all(fact.failures == 0 for fact in node.service.supervisor.facts() if fact.name == "jobs")
    assert {row["state"] for row in results} >= {"signed", "checked", "refused"}
    assert node.get_json(f"/jobs/{last['id']}")["counts"] == {"signed": 1}
