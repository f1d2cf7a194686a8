"""By which words passports and consignments are found: one short text each, in a full-text index.

The text is in a table of its own, with its index kept by triggers (sqlite-utils): what is listed changes with
each line that is judged, and what it is found by never does. The index is of each three characters that
follow one another, so that a part of an identifier is found like the whole. A character of a script without
cases (Chinese above all) stands there three times: a word of one or two of them is found by the same index.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from node.storage.database import Database, Transaction

PASSPORTS, CONSIGNMENTS = "passport_words", "consignment_words"
TEXT_MAX = 65_536  # characters: of a manifest more than a thousand lines
AGAIN_MAX = 256  # characters: the words of a longer text are not kept
GRAM = 3  # characters of the tokenizer: a shorter word is found by nothing
NUMBER_MAX = 1 << 53
PUBLIC_PART = "GeneralProductInformation"  # in the public set: what it is, and who made it


def words_of(text: str) -> list[str]:
    """Its words as they are compared: one spelling of wide and narrow, large and small characters."""
    return list(_words_again(text) if len(text) <= AGAIN_MAX else _words(text))


@lru_cache(maxsize=1024)  # most of what a passport is found by stands in the next one of its model as well
def _words_again(text: str) -> tuple[str, ...]:
    return _words(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple("".join(map(_compared, unicodedata.normalize("NFKC", text).casefold())).split())


@lru_cache(maxsize=8192)  # what is written here and now; documents may hold every character there is
def _compared(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "C":
        return " "
    return character * GRAM if category == "Lo" else character


def passport_text(battery: str, category: str, subject: object) -> str:
    """What a passport is found by; `subject` is that of its public credential."""
    part = subject.get(PUBLIC_PART) if isinstance(subject, Mapping) else None
    return _text([battery, category, *_texts(part)])


def consignment_text(
    made: str, declaration: str, consignee_eori: str | None, lines: Iterable[Mapping[str, object]]
) -> str:
    """What a consignment is found by: its references, then batteries and vehicles of its lines, as fit."""
    named = (line.get(name) for line in lines for name in ("battery", "vin"))
    return _text([made, declaration, consignee_eori or "", *(one for one in named if isinstance(one, str))])


def _texts(value: object) -> Iterable[str]:
    """The texts within a JSON value, in their order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one)


def _text(parts: Iterable[str]) -> str:
    """Each part once, as it is compared."""
    found: dict[str, None] = {}
    room = TEXT_MAX
    for part in parts:
        text = " ".join(words_of(part[:TEXT_MAX]))
        if text and text not in found:
            room -= len(text) + 1
            if room < 0:
                break
            found[text] = None
    return "\n".join(found)


class WordTable:
    """The texts of one kind, by the number in order of which it is listed."""

    def __init__(self, database: Database, name: str) -> None:
        self._db = database
        self._name = name

    def put(self, db: Transaction, number: int, text: str) -> None:
        db.execute(f"INSERT INTO {self._name} VALUES (?, ?)", (number, text))

    def newest(self, words: Sequence[str], limit: int, before: int | None) -> list[int]:
        """The newest with all these words (of `words_of`) somewhere in them, numbered below `before`.

        Each word is one phrase of the index, quoted: nothing of it is read as syntax.
        """
        found = (
            self._db.tables()
            .table(self._name)
            .search(
                " ".join('"' + word.replace('"', '""') + '"' for word in words),
                order_by=f"{self._name}_fts.rowid DESC",  # the order of the index: nothing is sorted
                columns=["number"],
                limit=limit,
                where="number < :before",
                where_args={"before": NUMBER_MAX if before is None else before},
            )
        )
        return [row["number"] for row in found]
