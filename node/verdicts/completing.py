"""Rows that a consignment was taken without: kept as they were sent, and taken in once they are mended.

A manifest is taken as far as it is good. What was left out is no line and has no verdict; it is counted
beside the lines wherever these are, so that nobody takes a part for the whole. Its sender gets the rows back
with what is wrong with each, and sends them again to the same consignment, whose other lines are judged once
more: what lines say of each other has changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

import orjson

from credentials.errors import CredentialError
from credentials.verdicts.manifest import LINES_MAX, Manifest
from credentials.verdicts.manifest_csv import COLUMNS, NOT_READ, LeftOut, TableManifest, column_called
from node import log
from node.catalogues import READ_IN, said, sentences
from node.errors import ProblemError, bad_request, not_found
from node.storage.consignments import ConsignmentRow
from node.storage.database import Transaction
from node.storage.left_out import LeftOutRow
from node.storage.office import OfficeStore
from node.verdicts.judging import Judging
from node.words import Words, left_out_row


@dataclass(frozen=True, slots=True)
class LeftOutTold:
    """A row that was left out, with its sentences."""

    row: LeftOutRow
    why: str
    step: str  # what its sender does next


BESIDE = ("what_is_wrong", "cell", "what_to_do")  # columns beside rows that are handed back


@cache
def headings() -> Mapping[str, str]:
    """The columns of a manifest by what a workbook of ours calls them, in whichever language."""
    means = {**{name: name for name in COLUMNS}, **dict.fromkeys(BESIDE, NOT_READ)}
    told = sentences()["column"]
    return {column_called(said(told[name], one)): meant for one in READ_IN for name, meant in means.items()}


class Completing:
    """What was left out of consignments."""

    def __init__(self, office: OfficeStore, judging: Judging) -> None:
        self._office = office
        self._judging = judging

    def called(self, client: str) -> dict[str, str]:
        """What this sender calls columns."""
        return self._office.left_out.called(client)

    def known(self, client: str) -> dict[str, str]:
        """What columns are called: in an empty workbook of any language, and by this sender."""
        return {**headings(), **self.called(client)}

    def call(self, client: str, called: Mapping[str, str]) -> None:
        """Remember what a sender calls columns: what each is, NOT_READ where it is nobody's business here."""
        if strange := next((meant for meant in called.values() if meant not in (*COLUMNS, NOT_READ)), None):
            raise bad_request("column_unknown", "{name} is no column of a manifest", name=ascii(strange[:40]))
        with self._office.writing() as db:
            self._office.left_out.call(
                db, client, {column_called(name): meant for name, meant in called.items()}
            )

    def keep(self, db: Transaction, consignment_id: str, table: TableManifest) -> None:
        """What was left out of a table whose consignment is being stored."""
        if table.left_out:
            self._office.left_out.put(db, consignment_id, table.columns, map(_stored, table.left_out))

    def told(self, consignment_id: str, words: Words, limit: int | None = None) -> list[LeftOutTold]:
        """Each row that was left out, why, and what to do."""
        rows = self._office.left_out.of(consignment_id, limit)
        return [LeftOutTold(one, *left_out_row(words, one.sentence, one.parameters)) for one in rows]

    def handed_back(self, consignment_id: str, client: str, words: Words) -> Iterator[list[object]]:
        """The same sheet with the rows that were left out, the number of each, and what is wrong with it."""
        sent, rows = self._office.left_out.columns(consignment_id), self.told(consignment_id, words)
        if not rows:
            raise not_found("nothing_left_out", "no row of this consignment was left out")
        beside = {name for name, meant in headings().items() if meant == NOT_READ}
        own = [place for place, name in enumerate(sent) if column_called(name) not in beside]
        known, told = self.known(client), [words.sentence(f"column.{name}") for name in BESIDE]
        numbered = any(known.get(name, name) == "line" for name in map(column_called, sent))
        yield [*([] if numbered else ["line"]), *(sent[place] for place in own), *told]
        for one in rows:
            row = one.row
            cells = [*row.cells, *[""] * (len(sent) - len(row.cells))]
            number = [] if numbered else [row.number]
            yield [*number, *(cells[place] for place in own), one.why, row.cell, one.step]

    def add(self, row: ConsignmentRow, table: TableManifest, sender: str) -> int:
        """Take further lines into a consignment; how many. What is left out now takes the place of before.

        409 while it is being judged, or where its manifest says otherwise of the whole.
        """
        value = orjson.loads(self._office.consignments.manifest(row.id))
        merged = {**value, "lines": _together(value, table)}
        try:
            parsed = Manifest.parse(merged)
        except CredentialError as error:
            raise bad_request(error.code, str(error)) from error
        body, lines = orjson.dumps(merged), merged["lines"]
        added = len(lines) - row.lines
        named = self._judging.declarations.named(parsed)[row.lines :]
        with self._office.writing() as db:
            now = self._office.consignments.get(row.id)
            if now is None or now.state != "done" or now.lines != row.lines:
                told = "this consignment is being judged: send the rows once that is done"
                raise ProblemError(409, "being_judged", "Conflict", told)
            self._office.left_out.put(db, row.id, table.columns, map(_stored, table.left_out))
            if added:
                self._office.left_out.replace_manifest(db, row.id, body, sha256(body).digest(), len(lines))
                self._judging.declarations.put(db, row.number, parsed.declaration, named)
                old = [line["line"] for line in value["lines"]]
                self._office.overtaken.mark_again(db, row.id, old)
            about = f"{row.id}: {added} lines more"
            self._office.audit.put(db, int(time.time()), sender, "consignment.completed", about)
        self._judging.wake()
        log.moment("consignment", id=row.id, lines=added)
        return added


def _together(value: Mapping[str, Any], table: TableManifest) -> Sequence[object]:
    """The lines of a manifest, and behind them those of a table that says the same of the whole."""
    for name, says in table.manifest.items():
        if name != "lines" and value.get(name) not in (None, says):
            told, other = "{name} of these rows is {said}, and {other} of the consignment", value[name]
            raise ProblemError(409, "other_manifest", "Conflict", told, name=name, said=says, other=other)
    taken = {line["line"] for line in value["lines"]}
    if again := next((one["line"] for one in table.manifest["lines"] if one["line"] in taken), None):
        told = "line {number} is in the consignment already"
        raise ProblemError(409, "line_taken", "Conflict", told, number=again)
    lines = [*value["lines"], *table.manifest["lines"]]
    if len(lines) > LINES_MAX:
        raise bad_request("too_many_lines", "a consignment has at most {most} lines", most=LINES_MAX)
    return lines


def _stored(one: LeftOut) -> LeftOutRow:
    parameters = {n: list(v) if isinstance(v, tuple) else v for n, v in one.fault.parameters.items()}
    return LeftOutRow(one.row.number, one.number, one.cell, one.row.cells, one.fault.sentence, parameters)
