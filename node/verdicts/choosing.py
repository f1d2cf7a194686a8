"""Which lines of a consignment a page shows: by word, reason and text, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from credentials.documents.spelling import trimmed
from credentials.verdicts.severity import ORDER
from node.storage.consignments import LineWord
from node.storage.office import OfficeStore

SEARCHED = ("battery", "vin", "commodity_code", "registration_id")
LINE, WORST = "line", "worst"


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a consignment is asked for; None and "": whatever."""

    verdicts: tuple[str, ...] | None = None
    reason: str = ""
    text: str = ""  # some part of a code, a vehicle's number or another number of the line
    order: str = LINE


class Chosen:
    """The lines of one consignment, by the words on them; inside a read transaction."""

    def __init__(self, office: OfficeStore, consignment_id: str, choice: Choice) -> None:
        self._choice = choice
        every = office.consignments.words(consignment_id)
        named = _named(office, consignment_id, choice.text) if trimmed(choice.text) else None
        self._found = [one for one in every if named is None or one.line in named]

    def lines(self) -> list[int]:
        """Their numbers, in the order asked for."""
        choice = self._choice
        found = [one for one in self._of_words() if not choice.reason or one.reason == choice.reason]
        if choice.order == WORST:
            found.sort(key=lambda one: (-ORDER.index(one.verdict), one.reason, one.line))
        return [one.line for one in found]

    def reasons(self) -> list[tuple[str, str, int]]:
        """(word, reason, how many lines) among those words, the worst first."""
        counts = Counter((one.verdict, one.reason) for one in self._of_words())
        rows = [(word, reason, count) for (word, reason), count in counts.items()]
        return sorted(rows, key=lambda row: (-ORDER.index(row[0]), -row[2], row[1]))

    def _of_words(self) -> Sequence[LineWord]:
        words = self._choice.verdicts
        return [one for one in self._found if words is None or one.verdict in words]


def _named(office: OfficeStore, consignment_id: str, text: str) -> set[int]:
    """The lines of the manifest that say something with this in it, in any case and without blanks."""
    part = "".join(text.split()).casefold()
    lines = orjson.loads(office.consignments.manifest(consignment_id))["lines"]
    return {
        line.get("line", number)
        for number, line in enumerate(lines, 1)
        if part in "\n".join("".join(str(line.get(name) or "").split()) for name in SEARCHED).casefold()
    }
