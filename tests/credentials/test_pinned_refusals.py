"""What cannot be read is refused with a pinned sentence: attestations, entries, genesis, table, recognitions.

`tests/vectors/refusals.txt`: for every member of each form, left out, of another type, or just beyond its
bound, what the reader says. To write it anew, and see in `git diff` what changed:

    python -m tests.credentials.test_pinned_refusals
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Iterator
from functools import cache, partial
from hashlib import sha256
from typing import Any, cast

import pytest
import tomli_w

from consensus.cose import parse_sign1, sign1
from consensus.encoding import encode
from credentials.errors import CredentialError
from credentials.ledger.attestation import make_attestation, parse_attestation
from credentials.ledger.entries import PolicyEntry, parse_entry
from credentials.ledger.genesis import Genesis, write_genesis
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.parties import Limits
from credentials.ledger.recognition import Recognition
from tests.credentials.test_attestation import ALTERATIONS, BATTERY, SETS, SIGNER, altered, everything
from tests.credentials.test_genesis import REFUSED
from tests.credentials.test_lifecycle import MALFORMED
from tests.credentials.test_recognition import row
from tests.harness.ledger import (
    CREATED,
    CUSTOMS,
    MAKER,
    accreditation,
    genesis_arguments,
    lifecycle_table,
    participant,
    rule_files,
)
from tests.harness.pinned import SHARES, lines, making_lines, require_some_kept, write
from tests.harness.spoiled import spoiled

PINNED = "refusals.txt"


# -- attestations -------------------------------------------------------------------------------------


def header() -> dict[Any, Any]:
    """The protected header of an attestation with every member."""
    members = everything() | {
        "countersignatures": (), "expires": CREATED, "parties": ("did:web:importer.example", "eori:DE1"),
    }  # fmt: skip
    protected = dict(parse_sign1(make_attestation(signer=SIGNER, iat=5, **members)).protected)
    del protected[1], protected[4]
    delta: dict[Any, Any] = cast(Any, protected[-70001])
    delta[6] = [["did:web:a.example#1", b"s" * 64]]
    delta[7] = [b"l" * 32, "revocation", 2, b"k" * 32]
    delta[14] = [["ZZ1"], 1, 2]
    return protected


def digests(count: int) -> list[bytes]:
    return [bytes([n]) * 32 for n in range(count)]


def countersigned(kid: str, size: int = 64) -> list[list[Any]]:
    return [[kid, b"s" * size]]


DIGESTS: tuple[Any, ...] = (b"", b"x" * 31, b"x" * 33)
H, LIST = b"x" * 32, b"l" * 32
LONG_DID = "did:web:" + "a" * 200
# Both sides of each bound of a delta's members.
BOUNDS: dict[int, tuple[Any, ...]] = {
    0: ("a" * 32, "a" * 33, f"{'a' * 32}.{'b' * 32}", f"a.{'b' * 33}", "a.b.c", "A", "a b"),
    1: (digests(16), digests(17), [H, H], *([digest] for digest in DIGESTS)),
    2: ((1 << 53) - 1, 1 << 53, 0, -1),
    3: DIGESTS,
    4: tuple(
        [scheme, namespace, h]
        for scheme, namespace, h in (
            *(("vin", "ZZ9", digest) for digest in DIGESTS),
            *(("v" * size, "ZZ9", H) for size in (32, 33)),
            *(("vin", "n" * size, H) for size in (255, 256)),
            *(("vin", " ", H), ("1", "a", H), ("vin", "~!", H)),
        )
    ),
    5: (
        *([f"eori:DE{n}" for n in range(size)] for size in (8, 9)),
        *([f"eori:{text}"] for text in ("D1", "DE", "DE" + "1" * 15, "DE" + "1" * 16, "de1")),
        *([f"uscc:{text}"] for text in ("9" * 17, "9" * 18, "9" * 19, "I" * 18, "Y" * 18)),
        *(["eori:DE1", "eori:DE1"], [LONG_DID], [LONG_DID + "a"], ["did:Web:a"]),
    ),
    6: (
        *([[f"did:web:a{n}.example#1", b"s" * 64] for n in range(size)] for size in (16, 17)),
        countersigned("did:web:a.example#1") + countersigned("did:web:a.example#2"),
        *(countersigned(f"did:web:a.example{end}") for end in ("", "#", "#ä", "#1#2")),
        *(countersigned(f"{LONG_DID}#{'1' * size}") for size in (100, 101, 111, 112, 113)),
        *(countersigned("did:web:a.example#1", size) for size in (63, 65)),
    ),
    7: (
        *([LIST, "revocation", seq, None] for seq in (0, 1, 2)),
        *([LIST, "revocation", seq, H] for seq in (0, 1, 2, (1 << 53) - 1, 1 << 53)),
        *([LIST, "p" * size, 1, None] for size in (0, 1, 32, 33)),
        *([digest, "revocation", 2, H] for digest in DIGESTS),
        *([LIST, "revocation", 2, digest] for digest in DIGESTS),
    ),
    9: (
        *({f"q{n}": 1 for n in range(size)} for size in (16, 17)),
        *({"q" * size: 1} for size in (40, 41)),
        *({"q": amount} for amount in (-1, 0, (1 << 53) - 1, 1 << 53)),
    ),
    10: (digests(64), digests(65), [H, H], *([digest] for digest in DIGESTS)),
    11: (["gbt34014", "ZZ1", H],),
    12: tuple(
        ["comity/sets/v1", version, points]
        for version, points in (
            *((version, {1: H}) for version in (0, 1, 1_000_000, 1_000_001)),
            *((1, {point: H}) for point in (0, 4, 5)),
            *((1, {1: digest}) for digest in DIGESTS),
            (1, {}),
        )
    ),
    13: ((1 << 53) - 1, 1 << 53, 0),
    14: (
        *([codes, None, None] for codes in (["ZZ1", "ZZ2"], ["ZZ2", "ZZ1"], ["ZZ1", "ZZ1"], [])),
        *([["Z" * size], None, None] for size in (2, 3, 128, 129)),
        *([[], since, until] for since, until in ((1, None), (None, 1), (2, 1), (1, 1), (1, 2))),
        *([[f"ZZ{n:02}" for n in range(size)], None, None] for size in (16, 17)),
    ),
}


def attestations() -> Iterator[tuple[str, Callable[[], Any]]]:
    payload = sha256(encode(SETS.value)).digest()

    def of(protected: dict[Any, Any], payload: bytes = payload) -> Callable[[], Any]:
        return lambda: parse_attestation(sign1(protected, payload, SIGNER))

    for name, change in ALTERATIONS.items():
        yield name, partial(parse_attestation, altered(change))
    for name, protected in spoiled(header()):
        yield name, of(protected)
    for member, values in BOUNDS.items():
        for value in values:
            protected = header()
            protected[-70001][member] = value
            if member == 12:
                yield f"bound {value!r}"[:90], of(protected, sha256(encode(value)).digest())
            yield f"bound {member} {value!r}"[:90] + f" ({len(repr(value))})", of(protected)
    data = make_attestation(signer=SIGNER, iat=5, **everything())
    for size in (0, 1, 2, 10, 100, len(data) - 1):
        yield f"the first {size} bytes", partial(parse_attestation, data[:size])


INSTEAD: tuple[Any, ...] = (None, True, 7, "x", b"x", H, [], ["a", "b", H], {})


# -- entries ------------------------------------------------------------------------------------------


def entries() -> Iterator[tuple[str, Callable[[], Any]]]:
    forms: dict[str, list[Any]] = {
        "refused": ["comity/refused/v1", b"d" * 32, MAKER, BATTERY.as_list(), "X1", 4, 2],
        "block": ["comity/block/v1", 1, 2, *(bytes([n]) * 32 for n in range(5))],
        "policy": ["comity/policy/v1", bytes(32), "log ...", ["key"]],
        "claim": ["comity/claim/v1", make_attestation(signer=SIGNER, iat=5, **everything())],
    }
    for name, form in forms.items():
        for place in range(len(form)):
            for other in INSTEAD:
                changed = [*form[:place], other, *form[place + 1 :]]
                yield f"{name} {place}: {other!r}", partial(parse_entry, encode(changed))
        yield f"{name}", partial(parse_entry, encode(form))
        yield f"{name} and more", partial(parse_entry, encode([*form, 1]))
        yield f"{name} and less", partial(parse_entry, encode(form[:-1]))
        yield f"{name} cut", partial(parse_entry, encode(form)[:-1])
    for size in (1 << 17, (1 << 17) - 24, (1 << 17) - 23):
        yield f"policy of {size}", partial(parse_entry, PolicyEntry(bytes(32), "x" * size).encode())


# -- genesis, table, recognitions ---------------------------------------------------------------------


@cache
def small_rules() -> dict[str, bytes]:
    return {"lifecycle.json": json.dumps(small_table()).encode()}


@cache
def small_genesis() -> dict[str, Any]:
    """A network of two with everything that a genesis file can hold, and little of it."""
    maker, customs = participant(MAKER), participant(CUSTOMS)
    arguments = genesis_arguments(
        participants=[maker, customs],
        validators=(MAKER,),
        accreditations=[accreditation(MAKER, licence="L1", valid_until=CREATED + 9), accreditation(CUSTOMS)],
        recognitions=[Recognition.parse(row(authority=CUSTOMS))],
        limits=Limits(),
        rule_files=small_rules(),
    )
    table = tomllib.loads(write_genesis(**arguments).decode())
    table["participants"][0]["identifiers"] = ["eori:DE1"]
    keys = table["participants"][0]["keys"]
    keys.insert(0, keys.pop(1))  # no vote key: that of a validator has no stated end
    keys[0] |= {"valid_until": CREATED + 9, "compromised_from": CREATED + 5}
    return table


def genesis() -> Iterator[tuple[str, Callable[[], Any]]]:
    def of(table: dict[str, Any], files: dict[str, bytes]) -> Callable[[], Any]:
        def read() -> Any:
            try:
                data = tomli_w.dumps(table).encode()
            except TypeError:
                raise CredentialError("no_toml", "TOML has no null") from None
            found = Genesis.parse(data, files)
            first = found.governance
            return first.limits, first.participants, first.accreditations, first.recognitions, found.created

        return read

    whole = tomllib.loads(write_genesis(**genesis_arguments()).decode())
    for name, (_, change) in REFUSED.items():
        table = copy.deepcopy(whole)
        change(table)
        yield name, of(table, rule_files())
    for name, table in spoiled(small_genesis()):
        if ": None" not in name:
            yield name, of(table, small_rules())


def small_table() -> dict[str, Any]:
    """The table of the law with two of its events, each with all that an event can hold, and one kind."""
    table = lifecycle_table()
    found = {event["type"]: event for event in table["events"]}
    first = {
        **copy.deepcopy(found["battery.produced"]),
        "countersigned_by": "parties", "requires_passport_from": {"EU": "2027-02-18"}, "irreversible": False,
        "marks": [], "marks_in_use": [], "names": False, "sets": "placed", "note": "x",
    }  # fmt: skip
    table["events"] = [first, found["passport.reinstated"], found["responsibility.transferred"]]
    table["kinds"] = table["kinds"][:1]
    table["settings"] = {name: table["settings"][name] for name in ("placed", "suspended")}
    for name in ("production_date", "predecessors"):
        del first["members"][name]
        del first["ledger_members"][name]
    return table


def lifecycle() -> Iterator[tuple[str, Callable[[], Any]]]:
    def of(table: dict[str, Any]) -> Callable[[], Any]:
        return lambda: Lifecycle.parse(table).events

    for name, change in MALFORMED.items():
        table = lifecycle_table()
        change(table)
        yield name, of(table)
    for least in (19_999_999, 20_000_000, 20_000_001):
        table = small_table()
        table["events"][0]["members"]["mass_grams"]["minimum"] = least
        yield f"a mass from {least} to 20,000,000", of(table)
    for name, table in spoiled(small_table()):
        if not name.startswith(("states.", "roles.", "marks.", "enforcement.")):
            yield name, of(table)


def recognitions() -> Iterator[tuple[str, Callable[[], Any]]]:
    whole = row(issuer_class="lab", issuer_jurisdiction="CN", conditions={"age": 3})
    for name, changed in spoiled(whole):
        yield name, partial(Recognition.parse, changed)
    bounds: dict[str, dict[str, Any]] = {
        "rows of 256": {"rows": [f"R{n}" for n in range(256)]},
        "rows of 257": {"rows": [f"R{n}" for n in range(257)]},
        "ends as it begins": {"valid_until": 1_000},
        "ends a second later": {"valid_until": 1_001},
        "at the end of time": {"valid_from": (1 << 53) - 2, "valid_until": (1 << 53) - 1},
    }
    for name, change in bounds.items():
        yield name, partial(Recognition.parse, row(**change))


SECTIONS = {
    "attestations": attestations,
    "entries": entries,
    "genesis": genesis,
    "lifecycle": lifecycle,
    "recognitions": recognitions,
}


@pytest.mark.parametrize("one_in", SHARES)
@pytest.mark.parametrize("section", SECTIONS)
def test_refusals_are_the_pinned_ones(section: str, one_in: int) -> None:
    """
    Every member of the form left out, of another type, or at and beyond its bound: read, or refused with
    the pinned sentence.
    """
    require_some_kept(making_lines(SECTIONS[section]()), PINNED, section, one_in)


if __name__ == "__main__":
    write(
        PINNED,
        "tests.credentials.test_pinned_refusals",
        {n: partial(lines, m()) for n, m in SECTIONS.items()},
    )
