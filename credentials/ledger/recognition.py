"""Recognition: who gives effect to whose attestations, for which requirement rows, with which legal effect.

A recognition is a unilateral, dated, scoped statement of one authority. It is not transitive:
that A recognises B and B recognises C says nothing about A and C, and `find` never follows a chain. It is
asked twice, at event time and now, because a recognition may lapse or begin between the two.

No EU act recognises a Chinese battery attestation today: recognitions are data, and every answer carries
its legal basis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from consensus.encoding import Value, encode, whole_numbers
from credentials.errors import CredentialError
from credentials.ledger.parties import Pause, dated_in_force, read_pauses

ANY = "*"
ROWS_MAX = 256


class Effect(StrEnum):
    """The legal effect of a recognition; each has one outcome in a verdict."""

    ACCEPTED_BY_LAW = "accepted-by-law"
    ACCEPTED_AS_LAB_EVIDENCE = "accepted-as-lab-evidence"
    INFORMATION_ONLY = "information-only"
    NOT_RECOGNISED = "not-recognised"


# Outcome of the check `recognised` for one row. A warn leaves the row a gap; the fail counts only where the
# verifier's policy requires recognition.
OUTCOMES: Mapping[Effect, str] = {
    Effect.ACCEPTED_BY_LAW: "pass",
    Effect.ACCEPTED_AS_LAB_EVIDENCE: "pass",
    Effect.INFORMATION_ONLY: "warn",
    Effect.NOT_RECOGNISED: "fail",
}


@dataclass(frozen=True, slots=True)
class Recognition:
    """One row of a recognition table.

    `issuer` is a DID, or "*" for every issuer of `issuer_class` and `issuer_jurisdiction` ("*": any).
    `rows` are ids of the crosswalk's requirements. Valid from `valid_from` until before `valid_until`.
    """

    authority: str  # DID of who recognises
    jurisdiction: str  # for which the authority speaks
    issuer: str
    rows: tuple[str, ...]
    effect: Effect
    legal_basis: str
    valid_from: int
    issuer_class: str = ANY
    issuer_jurisdiction: str = ANY
    valid_until: int | None = None
    conditions: Mapping[str, int | str | bool] = field(default_factory=dict)
    suspended: tuple[Pause, ...] = ()

    @property
    def id(self) -> str:
        """Its name in governance: what it says, whatever becomes of it later."""
        said: dict[str, Value] = self.as_table()
        said.pop("valid_until", None)
        said.pop("suspended", None)
        return sha256(encode(["comity/recognition/v1", said])).hexdigest()[:32]

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> Recognition:
        """Read one row, refusing unknown members; raises CredentialError("recognition_invalid", ...)."""
        required = {"authority", "jurisdiction", "issuer", "rows", "effect", "legal_basis", "valid_from"}
        optional = {"issuer_class", "issuer_jurisdiction", "valid_until", "conditions", "suspended"}
        if not isinstance(row, Mapping) or not required <= row.keys() <= required | optional:
            raise _invalid(
                f"it has the members {', '.join(sorted(required))}; maybe {', '.join(sorted(optional))}"
            )
        texts = ("authority", "jurisdiction", "issuer", "effect", "legal_basis", "issuer_class")
        for name in (*texts, "issuer_jurisdiction"):
            if type(row.get(name, ANY)) is not str or not row.get(name, ANY):
                raise _invalid(f"{name} is not text")
        if row["effect"] not in list(Effect):
            raise _invalid(f"{row['effect']!r} is none of {', '.join(Effect)}")
        rows = row["rows"]
        if not isinstance(rows, list | tuple) or not 0 < len(rows) <= ROWS_MAX:
            raise _invalid(f"rows are 1 to {ROWS_MAX} ids of requirements")
        if not all(type(r) is str and r for r in rows) or len(set(rows)) != len(rows):
            raise _invalid("rows are distinct texts")
        valid_until = row.get("valid_until")
        if not whole_numbers(row["valid_from"], 0 if valid_until is None else valid_until):
            raise _invalid("valid_from and valid_until are whole seconds")
        if valid_until is not None and valid_until <= row["valid_from"]:
            raise _invalid("it ends before it begins")
        conditions = row.get("conditions", {})
        if not isinstance(conditions, Mapping) or not all(
            type(name) is str and type(value) in (int, str, bool) for name, value in conditions.items()
        ):
            raise _invalid("conditions are a table of texts, whole numbers and booleans")
        return cls(
            authority=row["authority"],
            jurisdiction=row["jurisdiction"],
            issuer=row["issuer"],
            rows=tuple(rows),
            effect=Effect(row["effect"]),
            legal_basis=row["legal_basis"],
            valid_from=row["valid_from"],
            issuer_class=row.get("issuer_class", ANY),
            issuer_jurisdiction=row.get("issuer_jurisdiction", ANY),
            valid_until=valid_until,
            conditions=dict(conditions),
            suspended=_pauses(row.get("suspended", [])),
        )

    def as_table(self) -> dict[str, Any]:
        """The row as `parse` reads it."""
        table: dict[str, Any] = {
            "authority": self.authority,
            "jurisdiction": self.jurisdiction,
            "issuer": self.issuer,
            "issuer_class": self.issuer_class,
            "issuer_jurisdiction": self.issuer_jurisdiction,
            "rows": list(self.rows),
            "effect": self.effect.value,
            "legal_basis": self.legal_basis,
            "valid_from": self.valid_from,
        }
        if self.valid_until is not None:
            table["valid_until"] = self.valid_until
        if self.conditions:
            table["conditions"] = dict(self.conditions)
        if self.suspended:
            table["suspended"] = pauses_table(self.suspended)
        return table

    def in_force(self, at: int) -> bool:
        """True while the recognition is valid and not suspended."""
        return dated_in_force(self.valid_from, self.valid_until, self.suspended, at)


def find(
    recognitions: Iterable[Recognition],
    authority: str,
    issuer: str,
    row: str,
    at: int,
    *,
    issuer_roles: Sequence[str] = (),
    issuer_jurisdiction: str = "",
) -> Recognition | None:
    """The recognition of `issuer` for `row` by `authority`, in force at `at`; None: there is none.

    `authority` is a DID, or a jurisdiction: then every authority that speaks for it counts. Where several
    apply, the one that names the issuer goes before one that names a class, then the newer one; of the same
    moment the one with the greater id, in whatever order they are given.
    """
    found = [
        r
        for r in recognitions
        if authority in (r.authority, r.jurisdiction)
        and row in r.rows
        and r.in_force(at)
        and r.issuer in (issuer, ANY)
        and (r.issuer_class == ANY or r.issuer_class in issuer_roles)
        and r.issuer_jurisdiction in (issuer_jurisdiction, ANY)
    ]
    return max(found, key=lambda r: (r.issuer == issuer, r.valid_from, r.id), default=None)


@dataclass(frozen=True, slots=True)
class RecognitionAnswer:
    """A recognition asked twice. `outcome`: pass, warn, or fail (which counts if the policy requires it)."""

    outcome: str
    effect: Effect
    now: Recognition | None


def ask(
    recognitions: Sequence[Recognition],
    authority: str,
    issuer: str,
    row: str,
    *,
    event_time: int,
    now: int,
    issuer_roles: Sequence[str] = (),
    issuer_jurisdiction: str = "",
) -> RecognitionAnswer:
    """Ask for a recognition at event time and now; the weaker of the two effects is the answer."""
    then, today = (
        find(
            recognitions,
            authority,
            issuer,
            row,
            at,
            issuer_roles=issuer_roles,
            issuer_jurisdiction=issuer_jurisdiction,
        )
        for at in (event_time, now)
    )
    order = list(Effect)  # strongest first
    effects = [r.effect if r else Effect.NOT_RECOGNISED for r in (then, today)]
    weaker = max(effects, key=order.index)
    return RecognitionAnswer(OUTCOMES[weaker], weaker, today)


def pauses_table(pauses: Iterable[Pause]) -> list[list[int]]:
    """[[from], ...] while it lasts, [from, until] once it is over."""
    return [[start] if end is None else [start, end] for start, end in pauses]


def _pauses(value: object) -> tuple[Pause, ...]:
    try:
        return read_pauses(value)
    except ValueError as error:
        raise _invalid(str(error)) from error


def _invalid(why: str) -> CredentialError:
    return CredentialError("recognition_invalid", f"not a recognition: {why}")
