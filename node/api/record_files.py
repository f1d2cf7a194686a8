"""The record of a consignment as a PDF that somebody files: words, reasons, heights, who judged.

The record names the SHA-256 of all verdicts, as the lines of the evidence file that hold them: of a file that
was saved beside it, `comity check FILE --evidence` prints the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256

import orjson
from flask import Response

from credentials.verdicts.verdict_record import ItemRecord
from node.api.problems import asked_language
from node.api.readiness_files import judged_by
from node.api.reply import attachment, words_for
from node.api.route import PDF
from node.pdf_pages import Paragraph, pdf_of
from node.service import Service
from node.web.labels import verdict_word
from node.words import Words, when

CLEAR = "clear"


def consignment_record(service: Service, consignment_id: str) -> Response:
    """Every line with its word; those that are not clear with reason, law, step, ground and height."""
    words, language = words_for(service), asked_language()
    head = service.consignments.show(consignment_id, limit=0)
    name = head["declaration"] or head["id"]
    title = words.sentence("record.title", {"name": name})

    def written() -> Iterator[Paragraph]:
        yield Paragraph(title, 0)
        yield from judged_by(service, words)
        yield Paragraph(words.sentence("record.law", {**head, "height": head["height"] or 0}))
        counts = [f"{verdict_word(word, language)} {n}" for word, n in head["counts"].items() if n]
        told = {"lines": head["lines"], "done": head["done"], "counts": ", ".join(counts)}
        yield Paragraph(words.sentence("record.counts", told))
        digest = sha256()
        yield from _items(service.consignments.items(consignment_id), words, language, digest.update)
        left_out = service.consignments.completing.told(consignment_id, words)
        if left_out:
            yield Paragraph(words.sentence("record.left_out", {"count": len(left_out)}), 1)
        for one in left_out:
            yield Paragraph(f"{one.row.cell or one.row.row}: {one.why} {one.step}", 3, 12)
        yield Paragraph(words.sentence("record.digest", {"digest": digest.hexdigest()}), 1)
        yield Paragraph(words.sentence("record.how"), 3)

    return attachment(pdf_of(written(), title=title, foot=name), "consignment.pdf", PDF)


def _items(
    items: Iterable[ItemRecord], words: Words, language: str, seen: Callable[[bytes], object]
) -> Iterator[Paragraph]:
    for item in items:
        seen(orjson.dumps({"line": item}) + b"\n")
        told = words.line(item)
        word = verdict_word(item["verdict"], language)
        yield Paragraph(f"{item['line']}. {item['battery']}: {word}", 3 if item["verdict"] == CLEAR else 1)
        if told["overtaken_note"]:
            yield Paragraph(told["overtaken_note"], 2, 12)
        if item["verdict"] == CLEAR:
            continue
        yield Paragraph(" ".join(part for part in (told["text"], told["provision"]) if part), 2, 12)
        if told["next"]:
            yield Paragraph(told["next"], 2, 12)
        gaps = "; ".join(gap["name"] for gap in told["gaps"])
        if gaps:
            yield Paragraph(words.sentence("record.gaps", {"gaps": gaps}), 3, 12)
        at = {"height": item["height"], "at": when(item["evaluated_at"]), "ground": item["ground"] or ""}
        yield Paragraph(words.sentence("record.at", at), 3, 12)
