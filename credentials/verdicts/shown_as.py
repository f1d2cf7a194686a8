"""The table of what follows when a battery with this record is shown as these goods (shown-as.toml; D700).

A cell is one word for every axis. Rows that hold up add up; a clear row stands alone where it stands. `parse`
proves that by taking boxes apart, so a table of a million cells costs what its rows cost:

    every cell has a row                          else a battery would be judged by nobody
    no clear row meets a row that holds up        else the order of rows would decide
    a clear row names every axis, and its words   else a new word would be clear before anybody thought of it
    a row is not laxer than its reason            else the table would whisper what a reason says aloud
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import and_
from typing import Any

from credentials.errors import CredentialError
from credentials.verdicts.severity import CLEAR, GROUNDS, HOLD, REFUSE, UNDECIDED, worse

AXES = (
    "state",
    "eu_status",
    "publication",
    "use",
    "lineage",
    "placed",
    "presented",
    "recall",
    "lost",
    "refusal",
    "goods",
    "condition",
    "direction",
)
NOT_GIVEN = "not_given"
CHECKS = (
    "standing.state",
    "standing.publication",
    "standing.recall",
    "standing.lost",
    "standing.presentation",
    "new_not_used",
    "condition",
    "goods",
)
# What a row of a kind has beside axes.
_ROW = frozenset({"check", "verdict", "ground", "reason", "rule"})
_NOTE = frozenset({"check", "reason", "rule"})
_TABLE = frozenset({"version", "date", "basis", "axes", "marks", "row", "note"})

Box = tuple[int, ...]  # one set of words (bits) for each axis: the cells in which each axis has one of them


@dataclass(frozen=True, slots=True)
class Row:
    """What follows in the cells of a box. `check` is empty in a clear row; a note has no `word`."""

    box: Box
    check: str
    word: str
    reason: str
    ground: str | None
    rule: str | None


@dataclass(frozen=True, slots=True)
class ShownAs:
    """The parsed table. Build it with `ShownAs.parse`."""

    version: int
    date: str
    words: Mapping[str, tuple[str, ...]]  # by axis
    rows: tuple[Row, ...]
    notes: tuple[Row, ...]
    use_of: Mapping[str, str]  # mark: word of the axis `use`
    shown_by: Mapping[str, str]  # kind of a statement that shows use: word of the axis `use`
    lineage_of: Mapping[str, str]  # mark: word of the axis `lineage`
    following: frozenset[str]  # marks that a battery with a lineage gets from being handled at all
    readings: Mapping[str, tuple[int, int]]  # quantity: the least and the most that a new battery reads

    @classmethod
    def parse(cls, table: Mapping[str, Any], reasons: Mapping[str, Any]) -> ShownAs:
        """Read the table and prove it whole; raises CredentialError("rules_invalid", ...)."""
        if not isinstance(table, Mapping) or not table.keys() <= _TABLE:
            raise _invalid("it has members of another table")
        words = _axes(table.get("axes"))
        rows = tuple(_row(row, words, reasons) for row in _tables(table, "row"))
        notes = tuple(_note(note, words, reasons) for note in _tables(table, "note"))
        marks = table.get("marks", {})
        use_of, lineage_of = (_marks(marks, axis, words[axis]) for axis in ("use", "lineage"))
        shown_by = _marks(marks, "shown", words["use"])
        following, readings = _following(marks), _readings(marks)
        version, date = table.get("version"), table.get("date")
        if type(version) is not int or type(date) is not str:
            raise _invalid("it has no version and date")
        _prove(rows, words)
        return cls(version, date, words, rows, notes, use_of, shown_by, lineage_of, following, readings)

    def judge(self, cell: Mapping[str, str]) -> tuple[Row, ...]:
        """The rows that fit a cell: one clear row, or all that hold it up. Never empty.

        Raises CredentialError("tables_unavailable", ...) for a word that is on no axis.
        """
        bits = self._bits(cell)
        found = tuple(row for row in self.rows if _fits(row.box, bits))
        assert found, "the loader proved that every cell has a row"
        return found

    def remarks(self, cell: Mapping[str, str]) -> tuple[Row, ...]:
        """The notes that fit a cell."""
        bits = self._bits(cell)
        return tuple(note for note in self.notes if _fits(note.box, bits))

    def beyond_new(self, quantities: Mapping[str, int]) -> bool:
        """True if one of these readings is none of a new battery (X7)."""
        return any(
            name in self.readings and not self.readings[name][0] <= value <= self.readings[name][1]
            for name, value in quantities.items()
        )

    def grown(self, readings: Iterable[Mapping[str, int]]) -> bool:
        """True if a count (a quantity that is 0 at first) rose here by more than testing explains."""
        told = list(readings)
        for name, (least, most) in self.readings.items():
            values = [quantities[name] for quantities in told if name in quantities]
            if least == 0 and values and max(values) - min(values) > most:
                return True
        return False

    def _bits(self, cell: Mapping[str, str]) -> Box:
        try:
            return tuple(1 << self.words[axis].index(cell[axis]) for axis in AXES)
        except (KeyError, ValueError) as error:
            raise CredentialError("tables_unavailable", f"the table has no such cell: {error}") from error


def cells(words: Mapping[str, Sequence[str]]) -> int:
    """How many cells the axes span."""
    count = 1
    for axis in AXES:
        count *= len(words[axis])
    return count


# -- reading -------------------------------------------------------------------------------------------


def _axes(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or set(value) != set(AXES):
        raise _invalid(f"its axes are not {', '.join(AXES)}")
    words: dict[str, tuple[str, ...]] = {}
    for axis in AXES:
        listed = value[axis]
        if not isinstance(listed, list) or not listed or not all(type(word) is str for word in listed):
            raise _invalid(f"the axis {axis} is no list of words")
        if len(set(listed)) != len(listed):
            raise _invalid(f"the axis {axis} has a word twice")
        words[axis] = tuple(listed)
    return words


def _tables(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = table.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise _invalid(f"{name} is no list of tables")
    return rows


def _row(row: Mapping[str, Any], words: Mapping[str, Sequence[str]], reasons: Mapping[str, Any]) -> Row:
    box = _box(row, words, _ROW)
    word = row.get("verdict")
    if word == CLEAR:
        lacking = [axis for axis in AXES if not isinstance(row.get(axis), list)]
        if lacking:
            raise _invalid(f"a clear row does not name its words of {lacking[0]}")
        if _ROW & row.keys() != {"verdict"}:
            raise _invalid("a clear row has a check, reason or ground")
        return Row(box, "", CLEAR, "ok", None, None)
    if word not in (UNDECIDED, HOLD, REFUSE):
        raise _invalid(f"{word!r} is no verdict of a row")
    check, reason = _named(row, reasons)
    ground = row.get("ground")
    if (ground in GROUNDS) != (word in (HOLD, REFUSE)):
        raise _invalid(f"the row of {reason} has a ground that does not go with {word}")
    usual = reasons[reason].get("verdict")
    if worse(word, usual) != word:
        raise _invalid(f"the row of {reason} says {word}, its reason {usual}")
    return Row(box, check, word, reason, ground, row.get("rule"))


def _note(note: Mapping[str, Any], words: Mapping[str, Sequence[str]], reasons: Mapping[str, Any]) -> Row:
    box = _box(note, words, _NOTE)
    check, reason = _named(note, reasons)
    return Row(box, check, "", reason, None, note.get("rule"))


def _named(row: Mapping[str, Any], reasons: Mapping[str, Any]) -> tuple[str, str]:
    check, reason = row.get("check"), row.get("reason")
    if check not in CHECKS:
        raise _invalid(f"{check!r} is no check of this table")
    if type(reason) is not str or reason not in reasons:
        raise _invalid(f"{reason!r} is no reason code")
    return check, reason


def _box(row: Mapping[str, Any], words: Mapping[str, Sequence[str]], others: frozenset[str]) -> Box:
    stray = row.keys() - others - words.keys()
    if stray:
        raise _invalid(f"a row has the unknown member {min(stray)!r}")
    return tuple(_bits_of(axis, row.get(axis), words[axis]) for axis in AXES)


def _bits_of(axis: str, listed: object, words: Sequence[str]) -> int:
    every = (1 << len(words)) - 1
    if listed is None:
        return every
    if isinstance(listed, Mapping):
        if set(listed) != {"not"}:
            raise _invalid(f"{axis} is a list of words or {{ not = [words] }}")
        return every & ~_bits_of(axis, listed["not"], words)
    if not isinstance(listed, list) or not listed:
        raise _invalid(f"{axis} is no list of words")
    bits = 0
    for word in listed:
        if word not in words:
            raise _invalid(f"{word!r} is no word of the axis {axis}")
        bits |= 1 << words.index(word)
    return bits


def _marks(value: object, axis: str, words: Sequence[str]) -> dict[str, str]:
    listed = value.get(axis) if isinstance(value, Mapping) else None
    if not isinstance(listed, Mapping) or not all(word in words for word in listed.values()):
        raise _invalid(f"marks.{axis} does not lead to words of that axis")
    return dict(listed)


def _following(value: Mapping[str, Any]) -> frozenset[str]:
    listed = value.get("following")
    if not isinstance(listed, list) or not all(type(mark) is str for mark in listed):
        raise _invalid("marks.following is no list of marks")
    return frozenset(listed)


def _readings(value: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    listed = value.get("readings")
    if not isinstance(listed, Mapping) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(type(bound) is int for bound in pair)
        for pair in listed.values()
    ):
        raise _invalid("marks.readings does not give least and most of each quantity")
    return {name: (least, most) for name, (least, most) in listed.items()}


def _invalid(why: str) -> CredentialError:
    return CredentialError("rules_invalid", f"shown-as.toml cannot be used: {why}")


# -- proving -------------------------------------------------------------------------------------------


def _prove(rows: Sequence[Row], words: Mapping[str, Sequence[str]]) -> None:
    holding = [row for row in rows if row.word != CLEAR]
    clear = [row for row in rows if row.word == CLEAR]
    for row in clear:
        for other in holding:
            if _meet(row.box, other.box):
                cell = _told(_common(row.box, other.box), words)
                raise _invalid(f"a cell is clear and {other.word} ({other.reason}): {cell}")
    left: list[Box] = [tuple((1 << len(words[axis])) - 1 for axis in AXES)]
    # Few axes first: boxes stay few.
    for row in sorted(rows, key=lambda r: sum(_narrow(r.box, words))):
        left = [piece for box in left for piece in _without(box, row.box)]
    if left:
        raise _invalid(f"a cell has no row: {_told(left[0], words)}")


def _narrow(box: Box, words: Mapping[str, Sequence[str]]) -> Iterable[bool]:
    return (bits != (1 << len(words[axis])) - 1 for axis, bits in zip(AXES, box, strict=True))


def _fits(box: Box, bits: Box) -> bool:
    return all(map(and_, box, bits))


_meet = _fits


def _common(one: Box, other: Box) -> Box:
    return tuple(a & b for a, b in zip(one, other, strict=True))


def _without(box: Box, taken: Box) -> list[Box]:
    """The cells of `box` that are not in `taken`, as boxes that do not overlap."""
    if not _meet(box, taken):
        return [box]
    pieces, rest = [], list(box)
    for place, bits in enumerate(taken):
        outside = rest[place] & ~bits
        if outside:
            pieces.append((*rest[:place], outside, *rest[place + 1 :]))
        rest[place] &= bits
    return pieces


def _told(box: Box, words: Mapping[str, Sequence[str]]) -> str:
    """One cell of a box, in words."""
    named = (
        f"{axis} {next(word for n, word in enumerate(words[axis]) if bits >> n & 1)}"
        for axis, bits in zip(AXES, box, strict=True)
    )
    return ", ".join(named)
