"""A manifest as a table of text: the same lines as in JSON, and errors by line of the file and column."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.documents.tables import TableError, rows_of_csv
from credentials.errors import CredentialError
from credentials.verdicts.manifest import LINES_MAX, Manifest
from credentials.verdicts.manifest_csv import COLUMNS, manifest_of_rows
from node.config import shipped

CODE = "ZZ1PE75QH00001G6H0000042"
FULL = {
    "line": 7,
    "battery": CODE,
    "goods": "in_vehicle",
    "condition": "new",
    "commodity_code": "8703800000",
    "vin": "1M8GDM9AXKP042788",
    "mass_kg": 410.5,
    "registration_id": "R-1",
}
HEAD = {
    "declaration": "26NL000001",
    "consignee_eori": "NL123",
    "law_date": "2027-03-01",
    "direction": "import",
}


def manifest_of(data: bytes) -> dict[str, Any]:
    return manifest_of_rows(rows_of_csv(data))


def table(*rows: str) -> bytes:
    return "\n".join(rows).encode()


@pytest.mark.parametrize("between", [",", ";"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_is_the_same_manifest_as_json(between: str, mark: str, end: str) -> None:
    """
    Every column, by comma or semicolon, with a byte order mark or without, whatever ends the lines.
    """
    cells = {**FULL, **HEAD}
    assert cells.keys() == COLUMNS.keys()
    rows = [between.join(COLUMNS), between.join(str(cells[name]) for name in COLUMNS)]

    found = manifest_of((mark + end.join([*rows, "", between * 3]) + end).encode())

    assert found == {**HEAD, "lines": [FULL]}


def test_a_row_says_what_it_has_and_lines_are_numbered_in_order() -> None:
    """
    Columns in any order and case, empty cells say nothing, quoted cells hold what separates, and what is
    said of the manifest may stand in one row.
    """
    data = table(
        "Registration_ID, battery ,declaration", f'"a;b, ""c""",{CODE},', "", f",{CODE[:-1]}3,26NL000001"
    )

    assert manifest_of(data) == {
        "declaration": "26NL000001",
        "lines": [
            {"line": 1, "battery": CODE, "registration_id": 'a;b, "c"'},
            {"line": 2, "battery": f"{CODE[:-1]}3"},
        ],
    }


def test_the_shipped_example_is_a_manifest() -> None:
    """
    The file that README shows is read, and says what it means.
    """
    found = Manifest.parse(manifest_of(shipped("demo/manifest.csv")))

    assert [line.battery for line in found.lines] == [CODE, f"{CODE[:-1]}3"]
    assert (found.law_date, found.direction, found.lines[0].mass_kg) == ("2027-03-01", "import", 410.5)


@pytest.mark.parametrize(
    ("cell", "mass"), [("410", 410.0), ("410.5", 410.5), ('"410,5"', 410.5), ('"1,25"', 1.25)]
)
def test_a_mass_has_a_point_or_a_comma(cell: str, mass: float) -> None:
    """
    As spreadsheets of either habit write it.
    """
    assert manifest_of(table("battery,mass_kg", f"{CODE},{cell}"))["lines"][0]["mass_kg"] == mass


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_a_table_is_read_in_the_encodings_that_spreadsheets_save(encoding: str) -> None:
    """
    A text of more than ASCII is the same manifest in each of them.
    """
    text = f"battery;mass_kg;registration_id\r\n{CODE};410,5;\u767b\u8bb0\u7b2c7\u53f7\r\n"

    (line,) = manifest_of(text.encode(encoding))["lines"]

    assert line["registration_id"] == "\u767b\u8bb0\u7b2c7\u53f7" and line["mass_kg"] == 410.5


@pytest.mark.parametrize("data", [f"{CODE}\n{CODE}\n", f"{CODE}\r\n\r\n{CODE}", f"\n{CODE};\n{CODE};\n"])
def test_a_list_of_scanned_codes_is_a_manifest(data: str) -> None:
    """
    One code a row and no names of columns: lines that say nothing else: what they are declared as is asked.
    """
    found = manifest_of(data.encode())

    assert found == {"lines": [{"line": 1, "battery": CODE}, {"line": 2, "battery": CODE}]}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            table("battery,colour,sze", CODE),
            "the unknown columns 'colour', 'sze': these are read: line, battery",
        ),
        (table("battery,goods,Battery", CODE), "the column battery stands twice"),
        (table("goods", "battery"), "battery is not among them"),
        (table("{"), "the unknown columns '{'"),
        (b"", "battery is not among them"),
        (table("battery"), "no row below the names"),
        (table("battery,goods", ",battery"), "line 2 of the file: the row names no battery"),
        (table("battery", CODE, "", f"{CODE},x"), "line 4 of the file: 'x' stands under no column"),
        (
            table("battery,condition", f"{CODE},old"),
            "line 2 of the file: condition is old: write one of new",
        ),
        (
            table("battery,mass_kg", "", f"{CODE},much"),
            "line 3 of the file: mass_kg is much: write",
        ),
        (
            table("battery;mass_kg", f"{CODE};1,250"),
            "line 2 of the file: mass_kg is 1,250: write 1.250 or 1250",
        ),
        (table("battery,mass_kg", f"{CODE},0"), "line 2 of the file: mass_kg is 0: write kilograms"),
        (table("battery,line", f"{CODE},2.0"), "line 2 of the file: line is 2.0: write a whole number"),
        (table("battery,line", f"{CODE},0"), "line 2 of the file: line is 0: write a whole number"),
        (table("battery,vin", f"{CODE},{'v' * 65}"), "line 2 of the file: vin has more than 64 characters"),
        (
            table("battery,commodity_code", f"{CODE},8.5076E+09"),
            "line 2 of the file: commodity_code is 8.5076E+09: the spreadsheet shortened it",
        ),
        (
            table("battery,direction", f"{CODE},import", f"{CODE},export"),
            "line 3 of the file: direction is export, and import above",
        ),
        (
            table("battery,declaration", f"{CODE},26NL 01!"),
            "line 2 of the file: declaration: '26NL 01!' is not the number of a customs declaration",
        ),
        (
            table("battery,consignee_eori", f"{CODE},x"),
            "line 2 of the file: consignee_eori: 'x' is not an EORI",
        ),
        (b"battery\n" + CODE.encode() + b"\n\xff\n", "line 3 of the file is not in UTF-8"),
        ("battery\n".encode("utf-16-le"), "zero bytes"),
        (b"\xff\xfeb\0a", "line 1 of the file is not in UTF-8"),
        (
            "battery,registration_id\nX1,caf\u00e9 au lait\n".encode("cp1252"),
            "line 2 of the file is not in UTF-8",
        ),
        (table(CODE, f"{CODE},new"), "line 2 of the file: 'new' stands under no column"),
        (table("batery", CODE), "the unknown columns 'batery'"),
        (table("battery", 'x"y', '"open', "on"), "line 3 of the file: its quotation marks"),
        (b"battery\n\0", "zero bytes"),
        (table("battery", *([CODE] * (LINES_MAX + 1))), f"more than {LINES_MAX} rows"),
        (b"battery," * 100_000, "line 1 of the file: its row has more than 4096 characters"),
        (table("battery", CODE, "," * 5000), "line 3 of the file: its row has more than 4096 characters"),
        (table("battery", CODE, "") + b'"x\n",' * 5000, "line 3 of the file: its row has more than 4096"),
        (b"battery" + b"\n" * 90_000, "more than 80000 lines, empty ones among them"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_column(data: bytes, told: str) -> None:
    """
    The line as an editor counts it, the column by its name, and what belongs there.
    """
    with pytest.raises(CredentialError) as refused:
        manifest_of(data)

    assert refused.value.code == "manifest_invalid" and told in str(refused.value)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: f"battery,line\n{t}".encode())))
def test_any_bytes_are_a_manifest_or_are_refused(data: bytes) -> None:
    """
    Nothing but a refusal comes out of bytes that are no manifest, and what is read is one.
    """
    try:
        found = manifest_of(data)
    except CredentialError as error:
        assert error.code == "manifest_invalid"
    else:
        assert len(found["lines"]) >= 1 and all(line["battery"] for line in found["lines"])


def test_a_line_in_no_known_letters_is_told_by_its_number() -> None:
    """
    As the file counts its lines, empty ones too.
    """
    for before, line in ((b"", 1), (b"\n", 2), (b"\n\na,b\n", 4)):
        with pytest.raises(TableError, match=f"line {line} of the file is not in UTF-8"):
            list(rows_of_csv(before + b"\xe4\x00\xff,b\n"))
