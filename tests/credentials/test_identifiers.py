"""Battery identifiers: published codes, published mistakes, calendars, and the subject on the ledger."""

import datetime
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials.documents.code_schemes import is_calendar_date
from credentials.documents.identifiers import (
    canonical_commodity_code,
    canonical_declaration_number,
    canonical_did,
    canonical_eori,
    canonical_vin,
    guess_scheme,
    lp,
    parse_identifier,
    read_identifier,
    subject,
    subject_from_blind,
)
from credentials.documents.spelling import BLANKS, joined, trimmed, upper
from credentials.errors import CredentialError

RULES: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "config" / "rules" / "gbt34014.json").read_text()
)
CODE = "ZZ1PE01G6HDABCG6H0000042"
DAYS = RULES["newProductCode"]["fields"][7]["map"]


@pytest.mark.parametrize("example", RULES["examples"], ids=lambda e: e["code"])
def test_published_codes(example: dict[str, Any]) -> None:
    """
    Published codes decode to the published maker, type, chemistry, date and serial.
    """
    decoded = example["decoded"]

    identifier = parse_identifier("gbt34014", example["code"], RULES)

    assert identifier.manufactured is not None
    year, month, day = identifier.manufactured
    assert identifier.namespace == identifier.fields["manufacturerCode"] == decoded["maker"]
    assert identifier.fields["productType"] == decoded["type"]
    assert identifier.fields["batteryType"] == decoded["chem"]
    assert int(identifier.fields["serial"]) == decoded["serial"]
    assert f"{year}-{month:02}-" + ("??" if day is None else f"{day:02}") == decoded["date"]
    assert ("code_day_unknown" in identifier.notes) == (day is None)
    assert identifier.canonical == example["code"]
    assert guess_scheme(example["code"], {}) == "gbt34014"


@pytest.mark.parametrize("example", RULES["negative"], ids=lambda e: e["value"])
def test_published_mistakes(example: dict[str, Any]) -> None:
    """
    Each known mistake is refused with a sentence.
    """
    with pytest.raises(CredentialError) as caught:
        parse_identifier("gbt34014", example["value"], RULES)

    assert caught.value.code == "identifier_invalid"


@pytest.mark.parametrize(
    "text",
    [
        " " + CODE[1:],
        CODE[:-1] + "\u0664",
        CODE[:-1] + "\u00b2",
        CODE[:-1] + "a",
        CODE.replace("E", "\u0395"),
        CODE + "\0",
        "",
        "\u0130" * 24,
    ],
    ids=ascii,
)
def test_only_ascii_symbols(text: str) -> None:
    """
    Digits and letters of other scripts and controls are not symbols of a code, and a blank stands for none.
    """
    with pytest.raises(CredentialError):
        parse_identifier("gbt34014", text, RULES)


def test_cascade_code() -> None:
    """
    A cascade product's code has 19 characters: no traceability code, R and the type at the end.
    """
    identifier = parse_identifier("gbt34014", "ZZ1PE01G6H0000042RP", RULES)

    assert identifier.manufactured == (2026, 6, 17)
    assert identifier.fields["cascadeProductType"] == "P"
    assert guess_scheme("ZZ1PE01G6H0000042RP", {}) == "gbt34014"
    for wrong in ("ZZ1PE01G6H0000042XP", "ZZ1PE01G6H0000042RX", "ZZ1PE01G6H0000000RP", "ZZ1PE01G6H000004RP"):
        with pytest.raises(CredentialError):
            parse_identifier("gbt34014", wrong, RULES)


@pytest.mark.parametrize("symbol", DAYS)
def test_days(symbol: str) -> None:
    """
    Each symbol is one day; the meaning of those after the 17th is marked as inferred.
    """
    identifier = (
        parse_identifier("gbt34014", CODE[:16] + symbol + CODE[17:], RULES) if DAYS[symbol] < 31 else None
    )

    if identifier is None:  # June has 30 days
        with pytest.raises(CredentialError, match="no date"):
            parse_identifier("gbt34014", CODE[:16] + symbol + CODE[17:], RULES)
    else:
        assert identifier.manufactured == (2026, 6, DAYS[symbol])
        assert ("code_day_inferred" in identifier.notes) == (DAYS[symbol] > 17)


def test_calendar() -> None:
    """
    The calendar agrees with Python's for every month border of 400 years.
    """
    for year in range(1900, 2301):
        for month in range(1, 13):
            for day in range(28, 33):
                try:
                    datetime.date(year, month, day)
                    exists = True
                except ValueError:
                    exists = False
                assert is_calendar_date(year, month, day) == exists
    assert (
        not is_calendar_date(2026, 0, 1)
        and not is_calendar_date(2026, 13, 1)
        and not is_calendar_date(2026, 1, 0)
    )


@pytest.mark.parametrize(
    "text",
    [
        "https://id.gs1.org/01/09521001000017/21/A-1",
        "https://maker.example/some/path/01/9521001000017/21/A-1",
        "http://maker.example/01/09521001000017/21/A-1",
    ],
)
def test_digital_links_have_one_canonical_form(text: str) -> None:
    """
    Whatever the resolver's host and the length of the GTIN, it is one battery.
    """
    identifier = parse_identifier("gs1", text, RULES)

    assert identifier.canonical == identifier.uri == "https://id.gs1.org/01/09521001000017/21/A-1"
    assert identifier.namespace == "9521001"
    assert guess_scheme(text, {}) == "gs1"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("https://id.gs1.org/01/09521001000018/21/A", "identifier_invalid"),
        ("https://id.gs1.org/01/0952100100001\u0662/21/A", "identifier_invalid"),
        ("https://id.gs1.org/01/09521001000017", "identifier_invalid"),
        ("https://id.gs1.org/01/09521001000017/21/", "identifier_invalid"),
        ("https://id.gs1.org/01/09521001000017/21/" + "A" * 21, "identifier_invalid"),
        ("https://id.gs1.org/01/09521001000017/21/A%20B", "identifier_invalid"),
        ("https://id.gs1.org/01/09521001000017/10/LOT", "identifier_invalid"),
        ("ftp://id.gs1.org/01/09521001000017/21/A", "identifier_invalid"),
        ("https://id.gs1.org/01/04006381333931/21/A", "identifier_unsupported"),
    ],
)
def test_digital_links_refused(text: str, code: str) -> None:
    """
    A wrong check digit, a missing serial and foreign digits are refused; an unknown company is unsupported.
    """
    with pytest.raises(CredentialError) as caught:
        parse_identifier("gs1", text, RULES)

    assert caught.value.code == code


def test_vin() -> None:
    """
    A VIN has 17 characters without I, O and Q; its first three name the maker.
    """
    identifier = parse_identifier("vin", "ZZZAB1CD2EF345678", RULES)

    assert (identifier.namespace, identifier.uri) == ("ZZZ", "urn:comity:item:vin:ZZZAB1CD2EF345678")
    assert guess_scheme(identifier.canonical, {}) == guess_scheme(identifier.uri, {}) == "vin"
    for wrong in (
        "ZZZAB1CD2EF34567",
        "IZZAB1CD2EF345678",
        "ZZZAB1CD2EF34567O",
        "ZZZAB1CD2EF34567q",
        "IIZZAB1CD2EF345678",
        "IZZZAB1CD2EF3456789",
        "\u0396ZZAB1CD2EF345678",
    ):
        with pytest.raises(CredentialError):
            parse_identifier("vin", wrong, RULES)


def _spellings(code: str) -> list[str]:
    """What keyboards, scanners, spreadsheets and input methods make of a code."""
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in code)
    blanks = [chr(c) for c in (0x20, 0x09, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)]
    hidden = [chr(c) for c in (0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x202A, 0x2060, 0xFEFF)]
    inside = [f"{code[:4]}{blank}{code[4:]}" for blank in (*blanks, *hidden)]
    return [code, code.lower(), wide, wide.lower(), f"{code}\r\n", f"\ufeff{code}", f"\u3000{code} ", *inside]


@pytest.mark.parametrize("text", _spellings(CODE), ids=ascii)
def test_spellings_of_a_battery_code_are_one_battery(text: str) -> None:
    """
    Blanks of every kind, invisible marks, full-width characters and small letters are not part of a code.
    """
    identifier = read_identifier(text, RULES)

    assert (identifier.scheme, identifier.canonical) == ("gbt34014", CODE)
    assert read_identifier(f"urn:comity:item:gbt34014:{text}", RULES) == identifier


@pytest.mark.parametrize(
    "text", [*_spellings("ZZ9DEM0E0T0000040"), "IZZ9DEM0E0T0000040", "i zz9dem0e0t0000040"]
)
def test_spellings_of_a_vin_are_one_vehicle(text: str) -> None:
    """
    Also the I that a label in Code 39 prints before a VIN is none of its characters.
    """
    assert canonical_vin(text) == read_identifier(text, RULES).canonical == "ZZ9DEM0E0T0000040"


@pytest.mark.parametrize(
    "text",
    [
        "HTTPS://ID.GS1.ORG/01/09521001000017/21/SN1",
        "Https://id.gs1.org/01/09521001000017/21/SN1",
        "http://id.gs1.org:80/01/09521001000017/21/SN1",
        "https://Maker.Example:443/01/9521001000017/21/SN1",
        " https://id.gs1.org/01/09521001000017/21/SN1\r\n",
        "https://id.gs1.org/01/09521001000017/21/SN1/",
        "https://id.gs1.org/01/09521001000017/21/SN1?linkType=gs1:sustainabilityInfo",
        "https://id.gs1.org/01/09521001000017/21/SN1?17=270101#top",
        "https://id.gs1.org/a/../01/09521001000017/21/%53N1",
        "https://id.gs1.org/01/09521001000017/10/LOT7/21/SN1",
        "https://id.gs1.org/01/09521001000017/22/2A/21/SN1",
        "https://id.gs1.org/gtin/09521001000017/lot/LOT7/ser/SN1",
        "HTTPS://ID.GS1.ORG/GTIN/09521001000017/SER/SN1",
        "maker.example/01/09521001000017/21/SN1",  # as telephones show it
        "www.maker.example:8443/p/01/09521001000017/21/SN1?linkType=all",
        "(01)09521001000017(21)SN1",  # as it is printed
        "(01) 0952 1001 0000 17 (21) SN1",
        "(01)09521001000017(10)LOT7(17)270101(21)SN1",
        "]d2010952100100001721SN1",  # as scanners send it
        "]Q301095210010000171727010110LOT7\x1d21SN1",
        "\x1d0109521001000017\x1d21SN1\x1d",
        "010952100100001721SN1",
    ],
)
def test_spellings_of_a_link_are_one_battery(text: str) -> None:
    """
    Scheme and host have no case (RFC 3986, 6.2.2.1), a query identifies nothing, escapes are undone.
    """
    identifier = read_identifier(text, RULES)

    assert identifier.canonical == "https://id.gs1.org/01/09521001000017/21/SN1"


@pytest.mark.parametrize(
    ("serial", "written"),
    [
        ("A(B)", "A(B)"),
        ("A%28B%29", "A(B)"),
        ("A%2FB", "A%2FB"),
        ("A%2fB", "A%2FB"),
        ("A&B", "A%26B"),
        ("A%26B", "A%26B"),
        ("%25", "%25"),
        ("%22%3C%3E%3F", "%22%3C%3E%3F"),
        ("LOT", "LOT"),
        ("ser", "ser"),
        ("%2F" * 20, "%2F" * 20),
    ],
)
def test_a_serial_with_escapes_is_one_serial(serial: str, written: str) -> None:
    """
    AI 21 has more characters than a path: an escape is undone, and put where a link needs one.
    """
    link = f"https://id.gs1.org/01/09521001000017/21/{serial}"

    identifier = read_identifier(link, RULES)

    assert identifier.canonical == f"https://id.gs1.org/01/09521001000017/21/{written}"
    assert read_identifier(identifier.canonical, RULES) == identifier


@pytest.mark.parametrize("serial", ["%2F" * 21, "A%20B", "A%C3%A9", "A%00", "A%ZZ", "%7E"])
def test_what_no_serial_has_is_refused(serial: str) -> None:
    """
    A blank, a letter beyond ASCII, a control character, and more than 20 characters, escaped or not.
    """
    with pytest.raises(CredentialError):
        read_identifier(f"https://id.gs1.org/01/09521001000017/21/{serial}", RULES)


def test_spellings_of_an_eori() -> None:
    """
    Blanks, small and wide letters and its label are spelling; letters of other scripts that look or fold
    alike are told.
    """
    labelled = ("EORI NL123456789", "eori: nl 123456789", "EORINL123456789")
    for text in ("NL123456789", "nl 123 456\u00a0789", "\uff2e\uff2c123456789", *labelled):
        assert canonical_eori(text) == "NL123456789"
    for wrong in ("", "NL", "12", "N1", "NL" + "1" * 16, "NL_1", "de\u017f12", "\u041dL12", "EORI"):
        with pytest.raises(CredentialError, match="is not an EORI") as caught:
            canonical_eori(wrong)
        assert caught.value.code == "identifier_invalid"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CODE[:-1], "has 23 characters"),
        (f"{CODE[:4]}-{CODE[4:]}", "Character 5 of .* is '-'"),
        (f"{CODE}.", "Character 25 of"),
        (f'"{CODE}"', "Character 1 of"),
        (CODE[:12], "has 12 characters"),
        (CODE.replace("H0000042", "H000004O"), "Probably 0 is meant"),
        (CODE.replace("G6H0000042", "GOH0000042"), "Probably 0 is meant"),
        ("ZZ9DEM0E0T00000I0", "Probably 1 is meant"),
        ("ZZ9DEM0E0T00000Q0", "Probably 0 is meant"),
        ("https://id.gs1.org/01/09521001000018/21/A", "check digit"),
        ("https://id.gs1.org/01/09521001000017", "no serial"),
        ("(01)09521001000017", "no serial"),
        ("(01)09521001000018(21)SN1", "check digit"),
        ("(01)09521001000017(01)09521001000017(21)SN1", "is not a GB/T 34014 code"),  # says one thing twice
        ("(8006)095210010000170102(21)SN1", "Character 1"),
        ("010952100100001821SN1", "has 21 characters"),
        ("]d201095210010000172", "Character 1"),
        ("https://id.gs1.org/01/09521001000017/10/LOT", "no serial"),
    ],
)
def test_a_mistyped_code_is_told_as_such(text: str, told: str) -> None:
    """
    What is wrong about a code is said where a person can compare it with the label.
    """
    with pytest.raises(CredentialError, match=told) as caught:
        read_identifier(text, RULES)

    assert caught.value.code == "identifier_invalid"


@pytest.mark.parametrize(
    "text",
    ["8507600000", "8507 60 00 00", "8507\u00a060\u00a000\u00a000", "8507.60.00.00", "\uff18507600000\t"],
)
def test_spellings_of_a_commodity_code(text: str) -> None:
    """
    Blanks of every kind and full stops are grouping.
    """
    assert canonical_commodity_code(text) == "8507600000"


@pytest.mark.parametrize(
    "text", ["abc", "", " ", "85076", "8507600", "850760000000", "85076\u0660", "8507-60", "O50760"]
)
def test_what_is_no_commodity_code_is_told(text: str) -> None:
    """
    Six, eight or ten digits of ASCII, or a sentence that says so.
    """
    with pytest.raises(CredentialError, match="6, 8 or 10 digits") as caught:
        canonical_commodity_code(text)

    assert caught.value.code == "commodity_code_invalid"


def test_spellings_of_a_declaration_number() -> None:
    """
    Blanks and small letters are spelling; anything but letters, digits, - and / is told.
    """
    for text in ("26NLRTM7DEMO000066", "26 nl rtm7demo000066", "\uff12\uff16NLRTM7DEMO000066\u00a0"):
        assert canonical_declaration_number(text) == "26NLRTM7DEMO000066"
    for wrong in ("", " ", "26NL_RTM", "2" * 36, "26NL\u0660", "None?"):
        with pytest.raises(CredentialError, match="customs declaration"):
            canonical_declaration_number(wrong)


def test_spellings_of_a_did() -> None:
    """
    Scheme, method and host of a did:web have no case; its path and every other DID have.
    """
    assert canonical_did(" DID:Web:Maker.Example\u00a0") == "did:web:maker.example"
    assert canonical_did("did:web:Maker.Example%3a8443:Path") == "did:web:maker.example%3A8443:Path"
    assert canonical_did("did:key:z6MkABC") == "did:key:z6MkABC"
    for wrong in (
        "",
        "did:web:",
        "maker.example",
        "did:web:a b",
        "https://maker.example",
        "did:WEB:a#k",
        "did::x",
    ):
        with pytest.raises(CredentialError, match="not a DID"):
            canonical_did(wrong)


def test_opaque_uris_belong_to_their_issuer() -> None:
    """
    The same opaque URI by two issuers is two batteries, and without an issuer it is none.
    """
    text = "https://maker.example/b/42"
    one, two = (parse_identifier("uri", text, RULES, namespace=f"did:web:{name}.example") for name in "ab")

    assert subject(one, b"k").h != subject(two, b"k").h
    with pytest.raises(CredentialError, match="issuer"):
        parse_identifier("uri", text, RULES)
    for wrong in (
        "no-colon",
        ":x",
        "1a:b",
        "a:b c",
        "urn:b\u00e9",
        "a:" + "b" * 600,
        "urn:comity:item:vin:X",
        "URN:Comity:item:vin:X",
    ):
        with pytest.raises(CredentialError):
            parse_identifier("uri", wrong, RULES, namespace="did:web:a.example")


def test_uri_of_a_code_is_read_as_the_code() -> None:
    """
    The subject id of a passport leads back to the same identifier.
    """
    identifier = parse_identifier("gbt34014", CODE, RULES)

    assert guess_scheme(identifier.uri, {}) == "gbt34014"
    assert parse_identifier("gbt34014", identifier.uri, RULES) == identifier


@pytest.mark.parametrize("text", ["", "x", "04QCB76836300JBC4000090", "urn:comity:item:gs1:x", "\u0130" * 24])
def test_unknown_forms(text: str) -> None:
    """
    A text of no scheme is refused in words.
    """
    with pytest.raises(CredentialError) as caught:
        guess_scheme(text, {})
    assert caught.value.code == "identifier_invalid"
    with pytest.raises(CredentialError) as caught:
        parse_identifier("bpan", "x", RULES)
    assert caught.value.code == "identifier_unsupported"


@given(st.text(max_size=30) | st.text(alphabet=CODE, min_size=19, max_size=24))
def test_any_text(text: str) -> None:
    """
    Any text is read or refused, never a crash; what is read is its own canonical form.
    """
    for scheme in ("gbt34014", "gs1", "vin", "uri"):
        try:
            identifier = parse_identifier(scheme, text, RULES, namespace="did:web:a.example")
        except CredentialError:
            continue
        assert (
            parse_identifier(scheme, identifier.canonical, RULES, namespace="did:web:a.example") == identifier
        )


def test_subject_formula() -> None:
    """
    Blind and H are those that `identifiers.py` says, written out by hand.
    """
    key = b"n" * 32
    spelt = b"\0\x08gbt34014" + b"\0\x03ZZ1" + b"\0\x18" + CODE.encode()
    blind = hmac.new(key, b"comity/blind/v1" + spelt, hashlib.sha256).digest()[:16]
    h = hashlib.sha256(b"comity/subject/v1" + blind + spelt).digest()

    found = subject(parse_identifier("gbt34014", CODE, RULES), key)

    assert (found.blind, found.h) == (blind, h)
    assert found.as_list() == ["gbt34014", "ZZ1", h]
    assert found.urn.startswith("urn:comity:subject:") and "=" not in found.urn


def test_blind_is_enough_for_one_battery() -> None:
    """
    Who holds identifier and blind computes the same subject; another blind gives another.
    """
    identifier = parse_identifier("gbt34014", CODE, RULES)
    found = subject(identifier, b"n" * 32)
    assert found.blind is not None

    assert subject_from_blind(identifier, found.blind) == found
    assert subject_from_blind(identifier, bytes(16)).h != found.h
    with pytest.raises(CredentialError, match="16 bytes"):
        subject_from_blind(identifier, found.blind[:15])


@given(st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20))
def test_lengths_keep_parts_apart(a: bytes, b: bytes, c: bytes, d: bytes) -> None:
    """
    Two pairs that are concatenated with their lengths are equal only part by part.
    """
    assert (lp(a) + lp(b) == lp(c) + lp(d)) == ((a, b) == (c, d))


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_spelled_as_the_tables_say(text: str) -> None:
    """
    What is all ASCII takes a shorter way to the same text: as if one character beside it were not.
    """
    mark = "\u00e4"  # neither a blank nor invisible, and no small letter of a to z

    assert upper(text) == upper(text + mark)[:-1]
    assert joined(text) == joined(text + mark)[:-1]
    assert trimmed(text) == trimmed(mark + text + mark)[1:-1].strip(BLANKS)


@given(
    text=st.one_of(
        st.sampled_from(
            [CODE, CODE.lower(), f" {CODE} ", CODE[:-1], "1HGBH41JXMN109186", "did:web:a.example"]
        ),
        st.from_regex(r"\A[A-Z0-9]{15,26}\Z"),
        st.text(max_size=140),
    ),
    namespace=st.sampled_from([None, "-", "did:web:maker.example"]),
    renamed=st.booleans(),
)
def test_what_is_kept_is_what_is_read(text: str, namespace: str | None, *, renamed: bool) -> None:
    """
    A text that was read before by a table is read alike again, and by another table as that says: kept is
    what reading it gives, refusals are not.
    """
    letters = {**RULES["newProductCode"]["fields"][7], "map": {}} if renamed else None
    fields = [*RULES["newProductCode"]["fields"]]
    if letters is not None:
        fields[7] = letters  # no day can be read by it
    table = {**RULES, "newProductCode": {**RULES["newProductCode"], "fields": fields}}

    def read(reading: Any) -> object:
        try:
            return reading()
        except CredentialError as error:
            return error.code, str(error)

    plain = read(lambda: parse_identifier(guess_scheme(text, table), text, table, namespace=namespace))

    for _ in range(2):
        assert read(lambda: read_identifier(text, table, namespace=namespace)) == plain
