"""A scheme of codes that a network adds as data: read, spelled, told from others, and refused whole."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.documents.code_schemes import (
    CodeScheme,
    code_schemes,
    identifier_table,
    require_own_layouts,
)
from credentials.documents.identifiers import (
    Subject,
    canonical_beginning,
    canonical_namespace,
    guess_scheme,
    parse_identifier,
    read_identifier,
    subject_from_blind,
)
from credentials.documents.passport import code_mismatches
from credentials.errors import CredentialError
from credentials.ledger.governance_records import RulesNotHere
from credentials.ledger.payload import Criteria
from credentials.ledger.proposals import ChangeProposal
from credentials.ledger.recalls import recall_subject
from tests.harness.governing import Governing, licence_row
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    MAKER,
    Ledger,
    accreditation,
    day_of,
    make_genesis,
)

ROOT = Path(__file__).parents[2]
FILE = "scheme-zin.json"
ZIN: dict[str, Any] = json.loads((ROOT / "tests" / "harness" / "india" / FILE).read_bytes())
GBT: dict[str, Any] = json.loads((ROOT / "config" / "rules" / "gbt34014.json").read_bytes())
TABLE = identifier_table({"gbt34014.json": GBT, FILE: ZIN})
CODE = "2703BQQZAM00010000042"
JUNE = Criteria((), 1_780_272_000, 1_780_272_000)
Change = Callable[[dict[str, Any]], Any]


def refused(text: str, table: Mapping[str, Any] = TABLE) -> str:
    with pytest.raises(CredentialError) as error:
        read_identifier(text, table)
    assert error.value.code == "identifier_invalid"
    return error.value.message


@pytest.mark.parametrize(
    "text", [CODE, f" {CODE.lower()} ", f"urn:comity:item:zin:{CODE}", "2703 BQQZAM0001 0000042"]
)
def test_a_code_of_an_added_scheme_is_read_by_its_file(text: str) -> None:
    """
    Whatever a keyboard adds is taken off; maker and month of production are read off the code.
    """
    read = read_identifier(text, TABLE)

    assert (read.scheme, read.namespace, read.canonical) == ("zin", "QQZA", CODE)
    assert read.uri == f"urn:comity:item:zin:{CODE}"
    assert read.manufactured == (2027, 3, None) and read.notes == ("code_day_unknown",)
    assert read.fields["model"] == "M0001" and read.fields["serial"] == "0000042"
    assert guess_scheme(text, TABLE) == "zin"
    assert subject_from_blind(read, bytes(16)).scheme == "zin"


def test_without_the_file_the_same_text_is_no_code() -> None:
    """
    Before a network adds the scheme, the refusal names what it reads; afterwards also the new one.
    """
    plain = identifier_table({"gbt34014.json": GBT})

    assert refused(CODE, plain).endswith("a GB/T 34014 code has 24 (19 for a cascade product) and a VIN 17. "
                                         "Compare it with the label.")  # fmt: skip
    assert "and a VIN 17, a ZIN code 21. Compare it" in refused(CODE[:-1])
    with pytest.raises(CredentialError, match="'zin' is not known"):
        parse_identifier("zin", CODE, plain)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2713BQQZAM00010000042", "character 3 (month) cannot be '1'"),
        ("2703XQQZAM00010000042", "character 5 (use) cannot be 'X'"),
        ("2703BQ0ZAM00010000042", "character 7 (maker) cannot be '0'"),
        ("2703BQQZAM0001000O042", "character 18 (serial) cannot be 'O'. Probably 0 is meant."),
        ("2703BQQZAM00010000000", "The serial of a ZIN code begins at 1"),
    ],
)
def test_a_mistyped_code_says_where(text: str, says: str) -> None:
    """
    The sentence names the place and what stands there, as for the schemes that are built in.
    """
    assert says in refused(text)


def test_a_code_of_another_length_under_the_scheme_says_its_lengths() -> None:
    """
    Who names the scheme is told how long its codes are.
    """
    with pytest.raises(CredentialError, match="A ZIN code has 21 characters, this one 20"):
        parse_identifier("zin", CODE[:-1], TABLE)


def test_days_are_read_where_a_layout_has_them() -> None:
    """
    A day that does not exist is refused, a day of 0 is unknown.
    """
    dated = copy.deepcopy(ZIN)
    fields = dated["layouts"][0]["fields"]
    days = {symbol: number for number, symbol in enumerate("123456789ABCDEFGHJKLMNPRSTUVWXY", start=1)}
    fields[4:5] = [
        {"pos": "10", "name": "day", "map": days},
        {"pos": "11-14", "name": "model", "charset": "[A-Z0-9]"},
    ]
    scheme = CodeScheme.parse(FILE, dated)

    assert scheme.read("2703BQQZAYM0010000042").manufactured == (2027, 3, 31)
    assert scheme.read("2703BQQZA0M0010000042").manufactured == (2027, 3, None)
    with pytest.raises(CredentialError, match="carries 2027-04-31, which is no date"):
        scheme.read("2704BQQZAYM0010000042")


def test_a_scheme_without_a_date_says_none() -> None:
    """
    A layout need not say when a battery was made.
    """
    table = {"scheme": "zin", "title": "T", "namespace": "maker", "layouts": [
        {"length": 6, "fields": [{"pos": "1-2", "name": "maker", "charset": "[A-B]"},
                                 {"pos": "3-6", "name": "number", "charset": "[0-9]"}]},
    ]}  # fmt: skip

    assert CodeScheme.parse(FILE, table).read("AB0000").manufactured is None
    assert read_identifier("AB0000", identifier_table({"gbt34014.json": GBT, FILE: table})).notes == ()


def test_makers_and_beginnings_are_spelled_as_the_codes_are() -> None:
    """
    What an accreditation or a recall names is what some code has; nothing else is taken.
    """
    schemes = code_schemes({FILE: ZIN})

    assert canonical_namespace("zin", "qqza", schemes) == "QQZA"
    for wrong in ("QQZ", "QQZAA", "QQZ1", "*"):
        with pytest.raises(CredentialError, match="no ZIN code has it as its maker"):
            canonical_namespace("zin", wrong, schemes)
    assert canonical_beginning("zin", "QQZA", "2703bqqzam", schemes) == "2703BQQZAM"
    assert canonical_beginning("zin", "QQZA", "27", schemes) == "27"
    assert canonical_beginning("zin", "QQZA", CODE, schemes) == CODE
    for wrong in ("2703BQQZB", "2703X", CODE + "1", "2703BQQZAM0001A"):
        with pytest.raises(CredentialError, match="No code of 'QQZA' begins with"):
            canonical_beginning("zin", "QQZA", wrong, schemes)


def test_only_the_day_of_a_code_is_held_against_its_passport() -> None:
    """
    X16: another month of production is another battery; what else a symbol means is not compared.
    """
    read = read_identifier(CODE, TABLE)

    def found(made: str | None) -> list[tuple[str, str, bool]]:
        claims = {"GeneralProductInformation": {"manufacturingDate": made}} if made else {}
        return [(m.name, m.code_value, m.confirmed) for m in code_mismatches(read, claims, TABLE)]

    assert found("2027-03-09T00:00:00Z") == found(None) == []
    assert found("2027-04-09T00:00:00Z") == [("date", "2027-03", True)]


def _field(place: int, **members: Any) -> Change:
    return lambda table: table["layouts"][0]["fields"][place].update(members)


def _without(place: int, name: str) -> Change:
    return lambda table: table["layouts"][0]["fields"][place].pop(name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.update(scheme="zim"), "NAME is its scheme"),
        (lambda t: t.update(colour=1), "unknown member 'colour'"),
        (lambda t: t.update(title=""), "its title is a text"),
        (lambda t: t.update(title="a" * 65), "its title is a text"),
        (lambda t: t.update(title="a\u202eb"), "its title is a text"),
        (lambda t: t.pop("title"), "its title is a text"),
        (lambda t: t.update(layouts=[]), "layouts are a list of at least one"),
        (lambda t: t.update(layouts={}), "layouts are a list of at least one"),
        (lambda t: t.update(layouts=[1]), "a layout has the members length and fields"),
        (lambda t: t["layouts"][0].update(colour=1), "a layout has the members length and fields"),
        (lambda t: t["layouts"].append(t["layouts"][0]), "two of its layouts have one length"),
        (lambda t: t["layouts"][0].update(length=True), "a code has 5 to 40 characters"),
        (lambda t: t["layouts"][0].update(length=41), "a code has 5 to 40 characters"),
        (lambda t: t["layouts"][0].update(length=4), "a code has 5 to 40 characters"),
        (lambda t: t["layouts"][0].update(length=22), "fill the length of the layout"),
        (lambda t: t["layouts"][0].update(fields={}), "the fields of a layout are a list"),
        (lambda t: t["layouts"][0]["fields"].pop(), "fill the length of the layout"),
        (lambda t: t["layouts"][0]["fields"].insert(0, 7), "a field has pos, name and one of"),
        (_without(0, "pos"), "a field has pos, name and one of"),
        (_field(0, colour=1), "a field has pos, name and one of"),
        (_field(0, pos="2-3"), "the field year does not begin where the one before it ends"),
        (_field(0, pos="1-0"), "pos of year is a place or two"),
        (_field(3, pos="6-5"), "the field maker does not begin where"),
        (_field(0, pos=1), "pos of year is a place or two"),
        (_field(0, name="1"), "the name of a field is letters"),
        (_field(4, name="serial"), "each with a name of its own"),
        (_field(3, values={"A": "a"}), "maker has one of charset, values and map"),
        (_without(3, "charset"), "maker has one of charset, values and map"),
        (_field(3, charset="A-Z"), "the charset of maker is of A-Z and 0-9"),
        (_field(3, charset="[Z-A]"), "the charset of maker is of A-Z and 0-9"),
        (_field(3, charset="[a-z]"), "the charset of maker is of A-Z and 0-9"),
        (_field(2, values={}), "the values of use are by capitals and digits"),
        (_field(2, values={"b": "bus"}), "the values of use are by capitals and digits"),
        (_field(2, values=["B"]), "the values of use are by capitals and digits"),
        (_field(2, pos="5-6"), "the field use has values, and so one character"),
        (_field(0, map={"26": "2026"}), "the map of year is to whole numbers"),
        (_field(0, map={"26": True}), "the map of year is to whole numbers"),
        (_field(0, map={"26": 0}), "the map of year is to whole numbers"),
        (_field(0, map={"6": 2026}), "the map of year has keys of another length"),
        (_field(0, name="serie"), "year, month and day have a map, and no other field: serie"),
        (_field(2, name="day"), "year, month and day have a map, and no other field: day"),
        (lambda t: t.update(namespace="use"), "its namespace is a field with a charset"),
        (lambda t: t.update(namespace="none"), "its namespace is a field with a charset"),
        (lambda t: t.pop("namespace"), "its namespace is a field with a charset"),
    ],
)
def test_a_file_that_could_not_be_gone_by_is_refused_with_what_is_wrong(change: Change, says: str) -> None:
    """
    Nothing of a scheme is guessed when a code is read: its file is sound, or no network takes it.
    """
    table = copy.deepcopy(ZIN)
    change(table)

    with pytest.raises(CredentialError) as error:
        CodeScheme.parse(FILE, table)

    assert error.value.code == "rules_invalid"
    assert says in error.value.message and error.value.message.startswith(FILE)


@pytest.mark.parametrize("name", ["gbt34014", "gs1", "uri", "vin"])
def test_no_file_takes_over_a_scheme_that_is_built_in(name: str) -> None:
    """
    Codes that this software reads by itself are read so for ever.
    """
    with pytest.raises(CredentialError, match=f"codes of {name} are read by this software itself"):
        CodeScheme.parse(f"scheme-{name}.json", {**ZIN, "scheme": name})


@pytest.mark.parametrize("name", ["zin.json", "scheme-.json", "scheme-ZIN.json", "scheme-zin.toml"])
def test_a_scheme_is_called_after_its_file(name: str) -> None:
    """
    The name says what a rule file is; whatever is not called so adds no scheme.
    """
    with pytest.raises(CredentialError, match=r"it is called scheme-NAME\.json"):
        CodeScheme.parse(name, ZIN)
    assert code_schemes({name: ZIN}) == {}


@pytest.mark.parametrize("length", [17, 18, 19, 24])
def test_codes_are_told_from_each_other_by_their_length(length: int) -> None:
    """
    A length that others have is refused: no code is read as two.
    """
    table = {"scheme": "zin", "title": "T", "namespace": "maker", "layouts": [
        {"length": length, "fields": [{"pos": f"1-{length}", "name": "maker", "charset": "[A-Z]"}]},
    ]}  # fmt: skip

    with pytest.raises(CredentialError, match=f"a code of {length} characters is one of (gbt34014|vin)"):
        code_schemes({FILE: table})
    with pytest.raises(CredentialError, match="a code of 21 characters is one of zin"):
        code_schemes({FILE: ZIN, "scheme-zio.json": {**ZIN, "scheme": "zio"}})


def test_a_file_of_which_only_the_digest_is_known_adds_nothing_yet() -> None:
    """
    Before a proposal is decided nobody has to hold its file.
    """
    assert code_schemes({FILE: None, "lifecycle.json": {}}) == {}
    assert identifier_table({}) == {"schemes": {}}


# -- taken up by a network that runs -------------------------------------------------------------------


def taking_up(table: dict[str, Any]) -> tuple[Governing, ChangeProposal]:
    """A network in which everybody approves this file, and three of four validators hold it."""
    g = Governing(Ledger(make_genesis()))
    data = json.dumps(table).encode()
    digest = sha256(data).digest()
    g.ledger.registry.constitution.rule_files = {**g.ledger.genesis.rule_files, digest: data}.get
    proposal = g.propose(CUSTOMS, {("rule", FILE): {"sha256": digest.hex()}})
    g.approve(proposal, CN_AUTHORITY, EU_AUTHORITY)
    g.ledger.run(*(g.act(did, "held", proposal) for did in (MAKER, CN_AUTHORITY)))
    return g, proposal


def test_a_network_that_runs_takes_up_a_scheme_by_the_digest_of_its_file() -> None:
    """
    Before, a battery with such a code is refused; in force, its maker is licensed, produces and recalls it,
    and a recall of a maker that no such code names is refused with the scheme's own words.
    """
    g, proposal = taking_up(ZIN)
    born = Subject("zin", "QQZA", sha256(b"1").digest())
    with pytest.raises(Refusal, match="zin is no scheme of batteries"):
        g.ledger.run(g.ledger.attest(MAKER, "recall.published", recall_subject("zin", "QQZA"), criteria=JUNE))

    g.ledger.run(g.act(EU_AUTHORITY, "held", proposal))
    g.idle()
    licence = replace(accreditation(MAKER), schemes=(("zin", "QQZA"),), licence="zin")
    g.pass_(CN_AUTHORITY, licence_row(licence))
    g.ledger.happen(MAKER, "battery.produced", born, produced_on=day_of(g.ledger.now))
    g.ledger.run(g.ledger.attest(MAKER, "recall.published", recall_subject("zin", "QQZA"), criteria=JUNE))

    assert g.outcome(proposal) == ("decided", "")
    assert g.now.schemes["zin"] == CodeScheme.parse(FILE, ZIN) and g.ledger.standing(born).born
    assert "zin" in g.now.lifecycle.battery_schemes
    assert g.ledger.history.at(1).schemes == {}
    for namespace, says in (("QQZ1", "no ZIN code has it as its maker"), ("qqza", "is written QQZA")):
        with pytest.raises(Refusal, match=says):
            g.ledger.run(
                g.ledger.attest(MAKER, "recall.published", recall_subject("zin", namespace), criteria=JUNE)
            )
    for beginning, says in (("2703BQQZB", "No code of 'QQZA' begins with"), ("2703b", "is written 2703B")):
        asked = Criteria((beginning,), None, None)
        with pytest.raises(Refusal, match=says):
            g.ledger.run(
                g.ledger.attest(MAKER, "recall.published", recall_subject("zin", "QQZA"), criteria=asked)
            )


def test_who_could_not_read_the_file_stops_instead_of_deciding_otherwise() -> None:
    """
    Three validators held an unsound file: a node that finds it so goes no further, and says why.
    """
    g, proposal = taking_up({**ZIN, "title": ""})

    with pytest.raises(RulesNotHere, match="its title is a text"):
        g.ledger.run(g.act(EU_AUTHORITY, "held", proposal))


def test_a_file_that_takes_the_length_of_another_scheme_lapses() -> None:
    """
    Each file is sound and both together are not: every node sees that alike, and the proposal is over.
    """
    fields = [{"pos": "1-19", "name": "maker", "charset": "[A-Z]"}]
    g, proposal = taking_up({**ZIN, "layouts": [{"length": 19, "fields": fields}]})

    g.ledger.run(g.act(EU_AUTHORITY, "held", proposal))

    assert g.outcome(proposal) == ("lapsed", "rules_invalid")
    assert g.now.schemes == {}


@pytest.mark.parametrize("name", ["productType", "batteryType", "year", "month"])
def test_the_codes_that_are_known_by_themselves_have_the_fields_that_are_read(name: str) -> None:
    """
    A layout of which one of these has another name is refused, and says which one is missing.
    """
    layout = json.loads((ROOT / "config" / "rules" / "gbt34014.json").read_bytes())["newProductCode"]
    require_own_layouts("gbt34014.json", [layout])
    fields = [dict(field) for field in layout["fields"]]
    for field in fields:
        if field["name"] == name:
            field["name"] = "other"
            if field.pop("map", None) is not None:
                field["charset"] = "[0-9A-Z]"

    with pytest.raises(CredentialError, match=f"a layout has a field {name}"):
        require_own_layouts("gbt34014.json", [{**layout, "fields": fields}])
