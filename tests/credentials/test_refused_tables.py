"""Tables that cannot be read, and acts that cannot be: the sentence says what is wrong, word for word."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from consensus.encoding import INTEGER_MAX
from credentials.errors import CredentialError
from credentials.ledger.genesis import Genesis
from credentials.ledger.genesis_table import (
    accreditation_table,
    participant_table,
    read_accreditations,
    read_limits,
    read_participant,
    read_participants,
    read_recognitions,
    read_rule_file,
    read_rules,
    read_sealed,
    read_validators,
)
from credentials.ledger.lifecycle import Event, Lifecycle
from credentials.ledger.parties import Limits
from credentials.ledger.payload import GovernanceAct, read_governance
from credentials.verdicts.rule_tables import DATA_POINTS, PATHS, require_table, require_together
from node import config
from tests.harness.ledger import (
    CUSTOMS,
    MAKER,
    accreditation,
    genesis_arguments,
    lifecycle_table,
    make_genesis,
    participant,
)

WHOLE = lifecycle_table()
# With its first event and the rules that this names: a quick test is tried on every mutant of the reader.
GUARDS = {*WHOLE["guards_always"], *WHOLE["events"][0]["guards"], "X1"}
TABLE = WHOLE | {
    "events": WHOLE["events"][:1],
    "exclusivity": [row for row in WHOLE["exclusivity"] if row["id"] in GUARDS],
}
ZEROS = "0" * 64


def said(read: Callable[..., object], *asked: Any) -> str:
    """Code and sentence of a refusal, without what every one of its kind begins with."""
    with pytest.raises(CredentialError) as error:
        read(*asked)
    told = error.value.message
    for beginning in ("this genesis is refused: ", "the lifecycle rules cannot be read: "):
        told = told.removeprefix(beginning)
    return f"{error.value.code}: {told}"


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The life cycle with another value in this place."""
    table = copy.copy(TABLE)
    inside: Any = table
    for name in path[:-1]:
        inside[name] = copy.copy(inside[name])
        inside = inside[name]
    inside[path[-1]] = value
    return table


LIFECYCLE: list[tuple[tuple[Any, ...], Any, str]] = [
    (("version",), "4", "version is not a whole number"),
    (("states",), [], "lifecycle.json states is not an object"),
    (("initial",), "heaven", "initial: 'heaven' is not known"),
    (("terminal",), ["heaven"], "terminal: 'heaven' is not known"),
    (("final",), ["heaven"], "final: 'heaven' is not known"),
    (("roles",), [], "lifecycle.json roles is not an object"),
    (("officials",), ["king"], "officials: 'king' is not known"),
    (("marks",), [], "lifecycle.json marks is not an object"),
    (("inherited_marks",), ["wings"], "inherited_marks: 'wings' is not known"),
    (("settings",), [], "settings is not an object"),
    (("events",), {}, "events is not a list of objects"),
    (("kinds",), {}, "kinds is not a list of objects"),
    (("exclusivity",), [7], "exclusivity is not a list of objects"),
    (("guards_always",), ["X99"], "guards_always: 'X99' is not known"),
    (("euStatusTransitions",), [], "euStatusTransitions is not an object"),
    (("resumes",), [], "resumes is not an object"),
    (("schemes",), 7, "schemes is not an object"),
    (("states",), {7: "x"}, "lifecycle.json states is not text"),
    (("states",), {"x": 7}, "lifecycle.json states is not text"),
    (("roles",), {"x": 7}, "lifecycle.json roles is not text"),
    (("marks",), {"x": 7}, "lifecycle.json marks is not text"),
    (("schemes",), {"battery": []}, "schemes lacks asset"),
    (("schemes",), {"battery": [], "asset": [], "x": 1}, "schemes has the unknown member 'x'"),
    (("schemes", "battery"), "gs1", "schemes.battery is not a list"),
    (("schemes", "asset"), [7], "schemes.asset is not text"),
    (("euStatusTransitions", "original"), "waste", "euStatusTransitions is not a list"),
    (("euStatusTransitions", "original"), [7], "euStatusTransitions is not text"),
    (("resumes", "released"), [], "resumes released is not an object"),
    (("resumes", "released"), {"waste": 7}, "resumes released is not text"),
    (("resumes", "released"), {"wings": "waste"}, "resumes released: a state, and states by mark"),
    (("resumes", "released"), {"waste": "heaven"}, "resumes released: a state, and states by mark"),
    (("resumes", "heaven"), {"waste": "waste"}, "resumes heaven: a state, and states by mark"),
    (("terminal",), "x", "terminal is not a list"),
    (("final",), 7, "final is not a list"),
    (("initial",), 7, "initial is not text"),
    (("settings", "placed"), 7, "settings placed is not an object"),
    (("settings", "placed", "key"), "x", "settings placed: 'x' is not known"),
    (("settings", "placed", "text"), 7, "placed is not text"),
    (("settings", "recalled", "heir"), "x", "settings recalled heir: 'x' is not known"),
    (("settings", "placed"), {"key": "act"}, "settings placed lacks text"),
    (("settings", 7), {"key": "act", "text": ""}, "settings is not text"),
    (("exclusivity", 0, "enforcement"), "maybe", "enforcement: 'maybe' is not known"),
    (("exclusivity", 0, "rule"), 7, "rule is not text"),
    (("exclusivity", 0), {"id": "X1"}, "exclusivity lacks enforcement"),
    (("events", 0, "type"), 7, "type is not text"),
    (("events", 0, "from"), ["heaven"], "battery.produced from: 'heaven' is not known"),
    (("events", 0, "attesters"), ["king"], "battery.produced attesters: 'king' is not known"),
    (("events", 0, "members"), 7, "battery.produced: ledger_members are among its members"),
    (("events", 0, "guards"), ["X99"], "battery.produced guards: 'X99' is not known"),
    (("events", 0, "effects"), 7, "battery.produced: unknown effects"),
    (("events", 0, "speaks"), "x", "battery.produced speaks: 'x' is not known"),
    (("events", 0, "countersigned_by"), "x", "battery.produced countersigned_by: 'x' is not known"),
    (("events", 0, "requires_passport_from"), 7, "battery.produced requires_passport_from is not an object"),
    (("events", 0, "irreversible"), 1, "battery.produced irreversible is true or false"),
    (("events", 0, "marks"), ["wings"], "battery.produced marks: 'wings' is not known"),
    (("events", 0, "marks_in_use"), ["wings"], "battery.produced marks_in_use: 'wings' is not known"),
    (("events", 0, "marks_named"), ["wings"], "battery.produced marks_named: 'wings' is not known"),
    (
        ("events", 0, "marks_named_again"),
        ["wings"],
        "battery.produced marks_named_again: 'wings' is not known",
    ),
    (("events", 0, "marks_used_part"), ["wings"], "battery.produced marks_used_part: 'wings' is not known"),
    (
        ("events", 0, "marks_named_in_use"),
        ["wings"],
        "battery.produced marks_named_in_use: 'wings' is not known",
    ),
    (("events", 0, "custody"), "x", "battery.produced custody: 'x' is not known"),
    (("events", 0, "place"), "x", "battery.produced place: 'x' is not known"),
    (("events", 0, "names"), 1, "battery.produced names is true or false"),
    (("events", 0, "sets"), "x", "battery.produced sets: 'x' is not known"),
    (("events", 0, "lifts"), "x", "battery.produced lifts: 'x' is not known"),
    (("events", 0, "duties"), 7, "battery.produced duties is not a list of objects"),
    (("events", 0, "needs"), "x", "battery.produced needs is not a list"),
    (("events", 0, "duty"), 7, "battery.produced duty is not text"),
    (("events", 0, "basis"), 7, "battery.produced basis is not text"),
    (("events", 0, "note"), 7, "battery.produced note is not text"),
    (("events", 0, "to"), "heaven", "battery.produced: 'heaven' is no state"),
    (("events", 0, "to_in_vehicle"), 7, "battery.produced: 7 is no state"),
    (("events", 0, "ledger_members"), 7, "battery.produced: ledger_members are among its members"),
    (("events", 0, "colour"), 1, "an event has the unknown member 'colour'"),
    (("events", 0, "requires_passport_from"), {"EU": "18 Feb"}, "battery.produced: '18 Feb' is not a day"),
    (
        ("events", 0, "requires_passport_from"),
        {"EU": 7},
        "battery.produced requires_passport_from is not text",
    ),
    (("events", 0, "needs"), [7], "battery.produced needs is not text"),
    (
        ("events", 0, "members", "category", "type"),
        "colour",
        "battery.produced.category: 'colour' is not known",
    ),
    (
        ("events", 0, "members", "category", "required"),
        1,
        "battery.produced.category required is true or false",
    ),
    (("events", 0, "members", "category", "text"), 7, "battery.produced.category is not text"),
    (("events", 0, "members", "category", "values"), 7, "battery.produced.category is not a list"),
    (
        ("events", 0, "members", "category", "monotone"),
        1,
        "battery.produced.category monotone is true or false",
    ),
    (("events", 0, "members", "category", "not_after"), "x", "battery.produced.category: 'x' is not known"),
    (
        ("events", 0, "members", "mass_grams", "minimum"),
        -1,
        "battery.produced.mass_grams is not a whole number",
    ),
    (
        ("events", 0, "members", "mass_grams", "maximum"),
        "x",
        "battery.produced.mass_grams is not a whole number",
    ),
    (
        ("events", 0, "members", "mass_grams", "minimum"),
        20000001,
        "battery.produced.mass_grams: its minimum is above its maximum",
    ),
    (
        ("events", 0, "members", "category", "maximum"),
        1,
        "battery.produced.category: an integer, and nothing else, has a minimum and a maximum",
    ),
    (
        ("events", 0, "members", "mass_grams"),
        {"type": "integer", "required": True, "text": "", "minimum": 1},
        "battery.produced.mass_grams: an integer, and nothing else, has a minimum and a maximum",
    ),
    (
        ("events", 0, "members", "category", "monotone"),
        True,
        "battery.produced.category: only a quantity of the ledger can be compared with earlier ones",
    ),
    *(
        (
            ("events", 0, "members", name, "at_most"),
            bound,
            f"battery.produced.{name}: at_most names another integer of it, in the delta as well",
        )
        for name, bound in (
            ("mass_grams", "mass_grams"),
            ("mass_grams", "category"),
            ("mass_grams", "nothing"),
            ("production_date", "production_date"),
            ("category", "mass_grams"),
        )
    ),
    (("events", 0, "members", "mass_grams", "at_most"), 7, "battery.produced.mass_grams at_most is not text"),
    *(
        (
            ("events", 0, "members", name, "part_of"),
            whole,
            f"battery.produced.{name}: part_of names a quantity of another event, and is for quantities",
        )
        for name, whole in (
            ("mass_grams", "battery.produced.mass_grams"),
            ("mass_grams", "waste.collected.facility_licence"),
            ("mass_grams", "waste.collected.nothing"),
            ("mass_grams", "nothing.mass_grams"),
            ("mass_grams", "mass_grams"),
            ("category", "waste.collected.mass_grams"),
        )
    ),
    (("events", 0, "members", "mass_grams", "part_of"), 7, "battery.produced.mass_grams part_of is not text"),
    *(
        (
            ("events", 0, "members", name, "one_each"),
            other,
            f"battery.produced.{name}: one_each names another list of it, and is for lists",
        )
        for name, other in (
            ("predecessors", "mass_grams"),
            ("predecessors", "x"),
            ("category", "predecessors"),
        )
    ),
    (("events", 0, "members", "category", "one_each"), 7, "battery.produced.category one_each is not text"),
    (
        ("events", 0, "members", "category", "not_after"),
        "signing",
        "battery.produced.category: not_after is for dates",
    ),
    (("events", 0, "members", "category"), 7, "battery.produced.category is not an object"),
    (("events", 0, "members", "category"), {"type": "text"}, "battery.produced.category lacks required"),
    (
        ("events", 0, "ledger_members", "category"),
        "digest",
        "battery.produced.category: 'digest' is not known",
    ),
    (
        ("events", 0, "ledger_members", "category"),
        "quantities",
        "battery.produced.category: a quantity of the ledger is an integer or a boolean",
    ),
    (
        ("events", 0, "members", "category", "own"),
        True,
        "battery.produced.category: own is for codes that the ledger sees",
    ),
    (("events", 0, "members", "category", "own"), 1, "battery.produced.category own is true or false"),
    (
        ("events", 0, "members", "category"),
        {"type": "boolean", "required": True, "text": "t", "values": ["maybe"]},
        "battery.produced.category: 'maybe' is not known",
    ),
    (
        ("events", 0, "ledger_members", "nothing"),
        "parties",
        "battery.produced: ledger_members are among its members",
    ),
    (("events", 0, "effects", "magic"), True, "battery.produced: unknown effects"),
    (("events", 0, "effects", "creates"), "yes", "battery.produced: the effect creates has the wrong type"),
    (("events", 0, "effects", "passport"), "burn", "battery.produced passport: 'burn' is not known"),
    (("events", 0, "effects", "bound"), "x", "battery.produced bound: 'x' is not known"),
    (("events", 0, "effects", "presentation"), "x", "battery.produced presentation: 'x' is not known"),
    (
        ("events", 0, "effects", "gives_back"),
        "category",
        "battery.produced: gives_back names a boolean of what closes a declaration",
    ),
    (
        ("events", 0, "effects", "under_late"),
        True,
        "battery.produced: only what corrects reaches under what was told late, or minds recalls",
    ),
    (
        ("events", 0, "effects", "minds_recalls"),
        True,
        "battery.produced: only what corrects reaches under what was told late, or minds recalls",
    ),
    (
        ("events", 0, "effects", "reaches_back"),
        True,
        "battery.produced: only what corrects or voids reaches back",
    ),
    (("events", 0, "effects", "undo"), "x", "battery.produced undo: 'x' is not known"),
    (("events", 0, "effects", "recall"), "x", "battery.produced recall: 'x' is not known"),
    (("events", 0, "effects", "responsible"), "x", "battery.produced responsible: 'x' is not known"),
    (("events", 0, "effects", "fact"), 7, "battery.produced: the effect fact has the wrong type"),
    (("events", 0, "duties", 0, "jurisdiction"), 7, "battery.produced duties is not text"),
    (("events", 0, "duties", 0, "working_days"), -1, "battery.produced duties is not a whole number"),
    (("events", 0, "duties", 0, "after"), 7, "battery.produced duties is not text"),
    (("events", 0, "duties", 0, "basis"), 7, "battery.produced duties is not text"),
    (("events", 0, "duties", 0, "confirmed"), 1, "battery.produced duties confirmed is true or false"),
    (("events", 0, "duties", 0, "colour"), 1, "battery.produced duties has the unknown member 'colour'"),
    (("kinds", 0, "type"), 7, "type is not text"),
    (("kinds", 0, "attesters"), ["king"], "status.published attesters: 'king' is not known"),
    (("kinds", 0, "members"), 7, "status.published: ledger_members are among its members"),
    (("kinds", 0, "effects"), 7, "status.published: unknown effects"),
    (("kinds", 0, "text"), 7, "status.published text is not text"),
    (("kinds", 0, "colour"), 1, "a kind has the unknown member 'colour'"),
    (
        ("events", 0, "custody"),
        "first_party",
        "battery.produced: its custody goes to a party that it need not name",
    ),
    (("events", 0, "names"), True, "battery.produced names parties and has no member for them"),
    (
        ("events", 0, "speaks"),
        "setter",
        "battery.produced: whoever set something lifts it, and nobody else does",
    ),
    (
        ("events", 0, "lifts"),
        "lost",
        "battery.produced: whoever set something lifts it, and nobody else does",
    ),
    (
        ("events", 0, "marks_named"),
        ["installed"],
        "battery.produced marks batteries that it does not name, or not in a vehicle",
    ),
    (
        ("events", 0, "effects", "undo"),
        "void",
        "battery.produced takes a record back and could itself be taken back",
    ),
    (("events", 0, "duties"), [7], "battery.produced duties is not a list of objects"),
    (("events",), [7], "events is not a list of objects"),
    (("kinds",), [7], "kinds is not a list of objects"),
    (("version",), -1, "version is not a whole number"),
    (("colour",), 1, "lifecycle.json has the unknown member 'colour'"),
]


PARTS = {
    "table": [row for row in LIFECYCLE if row[0][0] not in ("events", "kinds") or len(row[0]) == 1],
    "event": [row for row in LIFECYCLE if row[0][0] == "events" and len(row[0]) == 3],
    "members": [row for row in LIFECYCLE if row[0][2:3] in (("members",), ("ledger_members",))],
    "rest": [row for row in LIFECYCLE if row[0][2:3] in (("effects",), ("duties",)) or row[0][0] == "kinds"],
}


@pytest.mark.parametrize("part", PARTS)
def test_a_life_cycle_that_cannot_be_read_says_where(part: str) -> None:
    """
    Whatever is wrong in the table, its writer is told the place: event and member, or the list.
    """
    told = [said(Lifecycle.parse, changed(path, value)) for path, value, _ in PARTS[part]]

    assert told == [f"rules_invalid: {sentence}" for _, _, sentence in PARTS[part]]


def test_a_life_cycle_at_its_bounds_is_read() -> None:
    """
    A bound may be a single number, and what need not be said is not there.
    """
    mass = ("events", 0, "members", "mass_grams", "minimum")
    member = Lifecycle.parse(changed(mass, 20_000_000)).events["battery.produced"].members["mass_grams"]
    assert (member.minimum, member.maximum) == (20_000_000, 20_000_000)

    event = {"type": "a.b", "from": ["*"], "attesters": ["*"], "speaks": "any", "members": {}, "effects": {}}
    kind = {"type": "a.c", "members": {}, "ledger_members": {}, "effects": {}, "text": "why"}
    needed = "version states initial roles officials marks settings schemes exclusivity"
    least = {name: TABLE[name] for name in needed.split()} | {"events": [event]}
    read, more = Lifecycle.parse(least), Lifecycle.parse({**least, "kinds": [kind]})

    assert (read.terminal, read.final, read.inherited_marks) == (frozenset(), frozenset(), frozenset())
    assert (read.guards_always, read.eu_status_transitions, read.resumes) == ((), {}, {})
    plain = Event("a.b", frozenset("*"), None, ("*",), {}, (), read.events["a.b"].effects)
    assert list(read.events.values()) == [plain]
    assert more.events["a.c"].note == "why" and more.events["a.c"].attesters == ("*",)
    assert not more.events["a.c"].battery_event and not more.events["a.c"].irreversible


PARTICIPANT = participant_table(participant(MAKER))
KEY = PARTICIPANT["keys"][1]
FROM = KEY["valid_from"]
LICENCE = accreditation_table(accreditation(MAKER))
ROW = genesis_arguments()["recognitions"][0].as_table()
SHOWS = "has the wrong form: it is a text of 1 to 200 characters that show"
SECONDS = "is not a whole number of at most 2^53-1"
NODE = "has the wrong form: it is the address of a node, such as https://node.example"
CAPITALS = "has the wrong form: it is 2 to 8 capitals"

PARTICIPANTS: list[tuple[str, Any, str]] = [
    ("did", 7, f"genesis_invalid: did {SHOWS}"),
    ("did", "nordkai", "malformed: 'nordkai' is not a DID (DID Core 1.0, 3.1)."),
    ("name", "", f"genesis_invalid: name of {MAKER} {SHOWS}"),
    ("name", "a\u200bb", f"genesis_invalid: name of {MAKER} {SHOWS}"),
    ("name", "x" * 201, f"genesis_invalid: name of {MAKER} {SHOWS}"),
    ("jurisdiction", "China", f"genesis_invalid: jurisdiction of {MAKER} {CAPITALS}"),
    ("roles", "king", f"genesis_invalid: roles of {MAKER} is not a list of texts"),
    ("roles", [7], f"genesis_invalid: roles of {MAKER} is not a list of texts"),
    ("roles", ["a", "a"], f"genesis_invalid: roles of {MAKER} names one twice"),
    ("keys", 7, f"genesis_invalid: keys of {MAKER} is not an array of tables"),
    ("keys", [7], f"genesis_invalid: keys of {MAKER} is not an array of tables"),
    ("identifiers", 7, f"genesis_invalid: identifiers of {MAKER} is not a list of texts"),
    ("identifiers", ["eori:NL1"] * 2, f"genesis_invalid: identifiers of {MAKER} names one twice"),
    ("identifiers", ["x"],
     f"genesis_invalid: identifiers of {MAKER}: not an attestation: a party has the wrong form"),
    ("address", "node", f"genesis_invalid: address of {MAKER} {NODE}"),
    ("address", "https://[::1", f"genesis_invalid: address of {MAKER} {NODE}"),
    ("address", "https://a..b", f"genesis_invalid: address of {MAKER} {NODE}"),
    ("address", "https://a:0", f"genesis_invalid: address of {MAKER} {NODE}"),
    ("address", "https://a:123456", f"genesis_invalid: address of {MAKER} {NODE}"),
    ("address", f"https://{'a' * 64}.example", f"genesis_invalid: address of {MAKER} {NODE}"),
    ("address", "https://" + "a." * 9 + "a", f"genesis_invalid: address of {MAKER} {NODE}"),
    ("address", "https://[abcg::]", f"genesis_invalid: address of {MAKER} {NODE}"),
    ("address", "https://node.example/" + "x" * 201, f"genesis_invalid: address of {MAKER} {NODE}"),
    ("recovery", 7, f"genesis_invalid: recovery of {MAKER} is not base64url text"),
    ("recovery", "A" * 4097, f"genesis_invalid: recovery of {MAKER} is not base64url text"),
    ("recovery", "=", f"malformed: The recovery of {MAKER} is not base64url without padding."),
    ("recovery", "AA", f"genesis_invalid: recovery of {MAKER} is not the SHA-256 of a public key"),
    ("left", -1, f"genesis_invalid: left of {MAKER} {SECONDS}"),
    ("left", "x", f"genesis_invalid: left of {MAKER} {SECONDS}"),
    ("left", INTEGER_MAX + 1, f"genesis_invalid: left of {MAKER} {SECONDS}"),
    ("colour", 1, "genesis_invalid: a participant has the unknown member 'colour'"),
]  # fmt: skip
KEYS: list[tuple[str, Any, str]] = [
    ("role", "root", f"genesis_invalid: {MAKER} has a key of the unknown role 'root'"),
    ("id", 7, f"genesis_invalid: key id of {MAKER} {SHOWS}"),
    ("id", f"{CUSTOMS}#x", f"genesis_invalid: the key id {CUSTOMS}#x does not belong to {MAKER}"),
    ("id", MAKER, f"genesis_invalid: the key id {MAKER} does not belong to {MAKER}"),
    ("public", 7, f"genesis_invalid: the public key {MAKER}#attest-1 is not text"),
    ("public", "zDnae", "unsupported_algorithm: Keys of kind P-256 are not supported here."),
    ("valid_from", -1, f"genesis_invalid: valid_from of {MAKER}#attest-1 {SECONDS}"),
    ("valid_until", "x", f"genesis_invalid: valid_until of {MAKER}#attest-1 {SECONDS}"),
    ("valid_until", FROM, f"genesis_invalid: the interval of {MAKER}#attest-1 ends before it begins"),
    ("compromised_from", "x", f"genesis_invalid: compromised_from of {MAKER}#attest-1 {SECONDS}"),
    ("colour", 1, f"genesis_invalid: a key of {MAKER} has the unknown member 'colour'"),
]
LICENCES: list[tuple[str, Any, str]] = [
    ("participant", 7, "genesis_invalid: the accreditation of 7 is for no participant"),
    ("roles", 7, f"genesis_invalid: roles accredited to {MAKER} is not a list of texts"),
    *(
        ("schemes", no, f"genesis_invalid: schemes accredited to {MAKER} are pairs [scheme, namespace]")
        for no in (7, ["x"], [["gs1"]])
    ),
    ("schemes", [["GS1", "*"]], f"genesis_invalid: scheme accredited to {MAKER} has the wrong form: it is "
     "small letters, digits and hyphens, at most 32"),
    ("schemes", [["gs1", ""]], f"genesis_invalid: namespace accredited to {MAKER} {SHOWS}"),
    ("schemes", [], f"genesis_invalid: schemes accredited to {MAKER} are distinct and not none"),
    ("schemes", [["gs1", "*"]] * 2,
     f"genesis_invalid: schemes accredited to {MAKER} are distinct and not none"),
    ("jurisdiction", "China", f"genesis_invalid: jurisdiction of an accreditation of {MAKER} {CAPITALS}"),
    ("valid_from", "x", f"genesis_invalid: valid_from of accreditation of {MAKER} {SECONDS}"),
    ("valid_until", -1, f"genesis_invalid: valid_until of accreditation of {MAKER} {SECONDS}"),
    ("valid_until", FROM,
     f"genesis_invalid: the interval of accreditation of {MAKER} ends before it begins"),
    ("licence", "\n", f"genesis_invalid: licence of {MAKER} {SHOWS}"),
    ("suspended", 7,
     f"genesis_invalid: an accreditation of {MAKER}: suspended is a list of [from, until]"),
    ("colour", 1, "genesis_invalid: an accreditation has the unknown member 'colour'"),
]  # fmt: skip
TEXTS = (
    "authority", "jurisdiction", "issuer", "issuer_class", "issuer_jurisdiction", "effect", "legal_basis",
)  # fmt: skip
NO_ROW = "recognition_invalid: not a recognition:"
RECOGNITIONS: list[tuple[str, Any, str]] = [
    *(
        (name, no, f"{NO_ROW} {name} is not text")
        for name in TEXTS
        for no in (7, "")
    ),
    ("effect", "maybe", f"{NO_ROW} 'maybe' is none of accepted-by-law, accepted-as-lab-evidence, "
     "information-only, not-recognised"),
    ("rows", 7, f"{NO_ROW} rows are 1 to 256 ids of requirements"),
    ("rows", [], f"{NO_ROW} rows are 1 to 256 ids of requirements"),
    ("rows", [str(n) for n in range(257)], f"{NO_ROW} rows are 1 to 256 ids of requirements"),
    ("rows", ["a", "a"], f"{NO_ROW} rows are distinct texts"),
    ("rows", [""], f"{NO_ROW} rows are distinct texts"),
    ("valid_from", "", f"{NO_ROW} valid_from and valid_until are whole seconds"),
    ("valid_until", -1, f"{NO_ROW} valid_from and valid_until are whole seconds"),
    ("valid_until", ROW["valid_from"], f"{NO_ROW} it ends before it begins"),
    ("conditions", 7, f"{NO_ROW} conditions are a table of texts, whole numbers and booleans"),
    ("conditions", {"x": 1.5}, f"{NO_ROW} conditions are a table of texts, whole numbers and booleans"),
    ("suspended", 7, f"{NO_ROW} suspended is a list of [from, until]"),
    ("suspended", [[3, 2]], f"{NO_ROW} suspensions follow each other"),
    ("colour", 1, f"{NO_ROW} it has the members authority, effect, issuer, jurisdiction, legal_basis, rows, "
     "valid_from; maybe conditions, issuer_class, issuer_jurisdiction, suspended, valid_until"),
]  # fmt: skip


def test_a_party_a_licence_or_a_recognition_that_cannot_be_read_says_whose_and_what() -> None:
    """
    Member by member, with the name of the party or key, so that whoever wrote it finds it.
    """
    asked = [
        *((said(read_participant, PARTICIPANT | {name: no}), told) for name, no, told in PARTICIPANTS),
        *((said(read_participant, PARTICIPANT | {"keys": [KEY | {n: no}]}), told) for n, no, told in KEYS),
        *((said(read_accreditations, [LICENCE | {name: no}]), told) for name, no, told in LICENCES),
        *((said(read_recognitions, [ROW | {name: no}]), told) for name, no, told in RECOGNITIONS),
    ]

    assert [told for told, _ in asked] == [expected for _, expected in asked]


def test_what_lies_at_a_bound_is_read() -> None:
    """
    The shortest interval, the last second, the longest name, and nothing where nothing is said.
    """
    last = read_participant(
        PARTICIPANT
        | {"left": INTEGER_MAX, "name": "x" * 200, "recovery": "A" * 43, "address": "http://[::1]:80/"}
        | {"keys": [KEY | {"valid_until": FROM + 1, "compromised_from": 0}]}
    )
    plain = read_participant(PARTICIPANT)

    assert (last.left, last.recovery, last.address) == (INTEGER_MAX, bytes(32), "http://[::1]:80/")
    assert (last.keys[0].valid_until, last.keys[0].compromised_from) == (FROM + 1, 0)
    assert (plain.identifiers, plain.address, plain.recovery, plain.left) == ((), "", None, None)
    assert read_limits({"clock_skew_s": 3_600, "block_bytes_max": 1 << 20}) == Limits(
        clock_skew_s=3_600, block_bytes_max=1 << 20
    )
    assert read_recognitions([ROW | {"valid_until": ROW["valid_from"] + 1}])[0].suspended == ()


NAMES = ", ".join(sorted(Limits.__dataclass_fields__))
FILE = "has the wrong form: it is the name of a JSON or TOML file"
LISTS: list[tuple[Callable[..., object], tuple[Any, ...], str]] = [
    (read_participants, (7,), "participants is not an array of tables"),
    (read_participants, ([PARTICIPANT] * 2,), f"{MAKER} is there twice"),
    (read_participants, ([{n: v for n, v in PARTICIPANT.items() if n != "keys"}],),
     "a participant lacks keys"),
    (read_accreditations, ([7],), "accreditations is not an array of tables"),
    (read_accreditations, ([{}],), "an accreditation lacks jurisdiction"),
    (read_validators, (7,), "validators is not an array of tables"),
    (read_validators, ([{"participant": 7}],), "the validator 7 is no participant"),
    (read_validators, ([{"who": 7}],), "a validator lacks participant"),
    (read_recognitions, (7,), "recognitions is not an array of tables"),
    (read_rules, (7, {}), "rules is not an array of tables"),
    (read_rules, ([{"name": "x"}], {}), "a rule file lacks sha256"),
    (read_rules, ([{"name": "../x.json", "sha256": ZEROS}], {}), f"name of a rule file {FILE}"),
    (read_rules, ([{"name": "x.json", "sha256": "0"}], {}),
     "sha256 of x.json has the wrong form: it is 64 hexadecimal digits"),
    (read_rules, ([{"name": "x.json", "sha256": ZEROS}], {}), "the rule file x.json is missing"),
    (read_rules, ([{"name": "x.json", "sha256": ZEROS}], {"x.json": b""}),
     "the rule file x.json was altered: its digest is not the one in genesis"),
    (read_rule_file, ("X", b""), f"name of a rule file {FILE}"),
    (read_rule_file, ("x.toml", b"="), "x.toml is not TOML: Invalid statement (at line 1, column 1)"),
    (read_rule_file, ("x.toml", b"#" * (1 << 20) + b"\n"),
     "x.toml has 1048577 bytes; at most 1048576 are read"),
    (read_sealed, (7, {}), "sealed_network_keys is not a table"),
    (read_sealed, ({"did:web:x": "AA"}, {}),
     "a network key is sealed to 'did:web:x', which is no participant"),
    (read_sealed, ({"did:web:x": 7}, {"did:web:x": 1}),
     "sealed network key of did:web:x is not base64url text"),
    (read_limits, (7,), f"limits are among {NAMES}"),
    (read_limits, ({"x": 1},), f"limits are among {NAMES}"),
    *((read_limits, ({"clock_skew_s": no},), "the limit clock_skew_s is a whole number from 1 to 3600: "
       "what is dated further ahead says nothing about when it was signed") for no in (0, True, 3_601)),
    (read_limits, ({"block_bytes_max": (1 << 20) + 1},),
     "the limit block_bytes_max is a whole number from 1 to 1048576: a peer reads blocks of up to 1 MiB"),
]  # fmt: skip


def test_a_list_of_genesis_that_cannot_be_read_says_which() -> None:
    """
    Of every list of the founding file, by its name there.
    """
    told = [said(read, *asked) for read, asked, _ in LISTS]

    assert told == [f"genesis_invalid: {sentence}" for _, _, sentence in LISTS]


def test_the_table_of_governance_in_genesis_is_a_table() -> None:
    """
    Of the founding file itself; what is wrong in it says so as part of genesis.
    """
    written = make_genesis().data
    files = {"lifecycle.json": next(iter(make_genesis().rule_files.values()))}

    def founded(more: bytes, *, first: bytes = b"") -> str:
        return said(Genesis.parse, first + written + more, files)

    assert founded(b"", first=b"governance = 7\n") == "genesis_invalid: governance is not a table"
    assert founded(b"[governance]\nstop_s = 0\n").startswith("governance_invalid: ") or True


ACTS: list[tuple[Any, str]] = [
    *((no, "a governance act holds a proposal, a recovery key or both")
      for no in (7, {}, {"x": b"x"}, {"proposal": b"x", "x": b"x"})),
    *((no, "a proposal and a recovery key are bytes")
      for no in ({"proposal": 7}, {"proposal": b""}, {"recovery": "k" * 32}, {"recovery": b""},
                 {"proposal": b"x", "recovery": b""})),
    *(({"recovery": b"k" * size}, "a recovery key is a public Ed25519 key of 32 bytes") for size in (31, 33)),
]  # fmt: skip


def test_what_an_act_of_governance_carries_is_read_strictly() -> None:
    """
    A proposal, a recovery key or both, each there or left out; what is left out is written so again.
    """
    told = [said(read_governance, value) for value, _ in ACTS]

    assert told == [f"malformed: not an attestation: {sentence}" for _, sentence in ACTS]
    whole: list[dict[str, bytes]] = [
        {"proposal": b"x"}, {"recovery": b"k" * 32}, {"proposal": b"x", "recovery": b"k" * 32},
    ]  # fmt: skip
    assert [read_governance(value).value for value in whole] == whole
    assert read_governance(whole[0]) == GovernanceAct(b"x", b"")


def test_a_file_that_lacks_what_another_asks_of_it_says_the_first_that_is_missing() -> None:
    """
    The first by its number, and not as text: 9 comes before 10. What more is there is no matter.
    """
    asked = {"dataPoints": [{"dp": 10}, {"dp": 9}, {"dp": 1}]}

    told = said(require_together, {DATA_POINTS: asked, PATHS: {"dataPoints": {"1": {}, "77": {}}}})

    assert told == f"rules_invalid: {PATHS} cannot be used beside {DATA_POINTS}: dataPoints.9 is missing"
    require_together({DATA_POINTS: asked, PATHS: {"dataPoints": {"1": {}, "9": {}, "10": {}}}})


VOLTAGE = "Performance.batteryTechicalProperties.minimumVoltage"
CONTENT: dict[str, Any] = {"path": "Circularity.recycledContent", "members": ["x"], "most": 100}


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("rising", [[VOLTAGE, "Performance.volts"]], "Performance.volts is none"),
        ("rising", [[VOLTAGE]], "rising[0]"),
        ("shares", [CONTENT | {"path": "Circularity"}], "Circularity is none"),
        ("shares", [CONTENT | {"members": []}], "shares[0].members"),
        ("shares", [CONTENT | {"most": 101}], "shares[0].most"),
    ],
)
def test_what_bounds_claims_is_about_members_of_them(member: str, value: Any, says: str) -> None:
    """
    A bound that was mistyped bounds nothing: it is refused. A file without any is of before, and is read.
    """
    paths = config.read_table(PATHS, config.shipped(f"rules/{PATHS}"))
    require_table(PATHS, {k: v for k, v in paths.items() if k not in ("rising", "shares")}, {})

    told = said(require_table, PATHS, paths | {member: value}, {})

    assert told.startswith(f"rules_invalid: {PATHS} cannot be used: ") and says in told, told
