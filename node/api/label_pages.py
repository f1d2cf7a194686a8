"""Labels of the passports of this node, the links that stand on labels, and photographs of labels."""

from __future__ import annotations

import re
from typing import NamedTuple

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from node.api.problems import page_wanted, problem_told
from node.api.reading import json_body
from node.api.reply import attachment, client_share, form_sent, json_reply, page, see, words_for
from node.api.route import BODY_BYTES_MAX, PDF
from node.catalogues import LANGUAGES
from node.data_carriers import PHOTO_BYTES_MAX, SYMBOLOGIES, CodesRead, read_photograph
from node.errors import ProblemError, bad_request
from node.issuing.label import ANNEX_VI_A, MODULE_MM, MODULE_MM_MAX, MODULE_MM_MIN, Label, Marks
from node.service import Service
from node.words import Words

SVG = "image/svg+xml"
LABELS_MAX = 100  # of one request: two seconds of drawing
POINTS = "annex_vi"  # of sentences.toml
SIDE_MM_MAX = 10_000.0
SIDE = re.compile(r"([0-9]{1,5}(?:\.[0-9])?) ?[xX×] ?([0-9]{1,5}(?:\.[0-9])?)")
LENGTH = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,2})?")
NOTIFIED_BODY = re.compile("[0-9]{4}")


class Choices(NamedTuple):
    """What stands on labels beside what the passport says, and in which language."""

    marks: Marks
    language: str


def label(service: Service, digest: str) -> ResponseReturnValue:
    """The label of one passport: its choices, and how it looks."""
    found, asked = service.passports.label(digest), request.args.to_dict()
    words, status, problem = words_for(service), 200, ""
    try:
        choices = _choices(request.args)
        _drawn(service, found, choices)
    except ProblemError as error:
        choices, status = Choices(Marks(), LANGUAGES[0]), error.status
        problem, _ = problem_told(error, words)
    terms = annex_terms(words)
    return page(
        "label.html",
        status,
        label=found,
        digest=digest,
        asked=asked,
        problem=problem,
        missing=[terms[name] for name in found.missing],
        marks=choices.marks,
        language=choices.language,
        languages=LANGUAGES,
    )


def label_drawing(service: Service, digest: str) -> ResponseReturnValue:
    """One label in its true size, as SVG."""
    choices = _choices(request.args)
    return Response(_drawn(service, service.passports.label(digest), choices), content_type=SVG)


def labels(service: Service) -> ResponseReturnValue:
    """Labels of several passports as sheets of A4, in the order asked for."""
    if form_sent():
        given: MultiDict[str, str] = request.form
        digests = given.getlist("passport")
        if not 0 < len(digests) <= LABELS_MAX:
            told = "sheets have 1 to {most} labels, and {count} are asked for"
            raise bad_request("labels_malformed", told, most=LABELS_MAX, count=len(digests))
    else:
        order = json_body("LabelsRequest", BODY_BYTES_MAX)
        digests = order.pop("passports")
        given = MultiDict({name: _as_typed(value) for name, value in order.items()})
    choices = _choices(given)
    from node.issuing.label_drawing import sheets  # noqa: PLC0415

    made = [service.passports.label(digest) for digest in digests]
    terms = annex_terms(service.words[choices.language])
    return attachment(sheets(made, choices.marks, terms), "labels.pdf", PDF)


def _drawn(service: Service, found: Label, choices: Choices) -> str:
    # Loaded where a label is drawn: it takes as long as a third of a node's start.
    from node.issuing.label_drawing import svg  # noqa: PLC0415

    return svg(found, choices.marks, annex_terms(service.words[choices.language]))


def _as_typed(value: object) -> str:
    return ("yes" if value else "") if isinstance(value, bool) else str(value)


def _choices(given: MultiDict[str, str]) -> Choices:
    """What was chosen, each with the sentence that says what it may be."""
    symbology, language = given.get("symbology") or "qr", given.get("language") or LANGUAGES[0]
    if symbology not in SYMBOLOGIES or language not in LANGUAGES:
        told = "a label has one of these symbols: {symbols}; and one of these languages: {languages}"
        symbols, languages = ", ".join(SYMBOLOGIES), ", ".join(LANGUAGES)
        raise bad_request("labels_malformed", told, symbols=symbols, languages=languages)
    text = given.get("module_mm") or f"{MODULE_MM:g}"
    module = float(text) if LENGTH.fullmatch(text) else 0.0
    if not MODULE_MM_MIN <= module <= MODULE_MM_MAX:
        told = "a module of the code is {least} to {most} mm wide"
        raise bad_request("labels_malformed", told, least=MODULE_MM_MIN, most=MODULE_MM_MAX)
    body = given.get("notified_body") or ""
    if body and not NOTIFIED_BODY.fullmatch(body):
        raise bad_request("labels_malformed", "a notified body has a number of four digits")
    marked = {name: bool(given.get(name)) for name in ("ce", "cadmium", "lead")}
    return Choices(
        Marks(symbology, module, _side(given.get("side_mm") or ""), **marked, notified_body=body), language
    )


def _side(text: str) -> tuple[float, float] | None:
    """Width and height of the battery's largest side."""
    if not text.strip():
        return None
    read = SIDE.fullmatch(text.strip())
    side = (float(read[1]), float(read[2])) if read else (0.0, 0.0)
    if not all(0 < length <= SIDE_MM_MAX for length in side):
        told = "the largest side is given in millimetres, width x height, such as 1200 x 800"
        raise bad_request("labels_malformed", told)
    return side


def annex_terms(words: Words) -> dict[str, str]:
    """What Annex VI, Part A, asks of a label, as it is called in these words."""
    return {name: words.sentence(f"{POINTS}.{name}") for name in ANNEX_VI_A}


# -- links on labels, and photographs of them ----------------------------------------------------------


def opened(service: Service, code: str) -> ResponseReturnValue:
    """The link in the data carrier of a label: what is known of the battery."""
    return redirect(url_for("batteries.battery", identifier=code), code=303)


def digital_link(service: Service, keys: str) -> ResponseReturnValue:
    """The same of a GS1 Digital Link, with whatever further keys stand in it."""
    return redirect(url_for("batteries.battery", identifier=f"https://id.gs1.org/01/{keys}"), code=303)


def photograph(service: Service) -> ResponseReturnValue:
    """What is found for the label in a photograph; where several were read, which of them is meant."""
    upload = request.files.get("photo")
    data = upload.read(PHOTO_BYTES_MAX) if upload is not None else b""
    if not data:
        raise bad_request("photo_malformed", "choose a photograph of the label first")
    texts = read_photograph(data, client_share())
    if not page_wanted():
        told: CodesRead = {"codes": texts}
        return json_reply(told)
    if not texts:
        unread = "no QR code, Data Matrix or bar code was found in this photograph"
        raise ProblemError(422, "photo_unread", "Nothing found", unread)
    if len(texts) == 1:
        return see(url_for("finding.find", q=texts[0]))
    return page("photograph.html", texts=texts)
