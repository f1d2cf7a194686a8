"""The page to propose: a form for each sort of change; its exact effect before anything is signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import request
from flask.typing import ResponseReturnValue

from node import governance_words
from node.api.problems import problem_told
from node.api.reply import page, words_for
from node.errors import ProblemError, bad_request
from node.service import Service
from node.use_cases.drafted import FieldProblemError, every_of
from node.use_cases.drafting import DAYS, DOCUMENTS, FORMS, GROUPS, OPTIONAL
from node.web.labels import event_word, member_word
from node.words import Words, effect_word

# Choices that the ledger names by a word of its own: how it is called here, beside what it is now.
NAMED: Mapping[str, Callable[[str, str], str]] = {
    "limit": member_word,
    "setting": member_word,
    "action": event_word,
}


def form(service: Service) -> ResponseReturnValue:
    """The form of one sort of change, filled in as the address says; without one, what can be proposed."""
    kind = request.args.get("kind", "")
    given = {field: request.args.get(field, "") for field in FORMS.get(kind, ())}
    return _page(service, kind if kind in FORMS else "", given=given)


def tried(service: Service) -> ResponseReturnValue:
    """What a filled form would do; a mistake is said beside its field."""
    if request.form.get("kind") not in FORMS:
        raise bad_request(
            "malformed", "There is no form of that kind: open /governance/propose and choose one."
        )
    return _tried(service)


def tried_again(service: Service, problem: ProblemError) -> ResponseReturnValue:
    """What a filled form would do now, and why what it showed was not signed: it could not be proposed."""
    if request.form.get("kind") not in FORMS:
        raise problem
    return _tried(service, problem)


def _tried(service: Service, not_signed: ProblemError | None = None) -> ResponseReturnValue:
    kind, words = request.form["kind"], words_for(service)
    given = {field: _given(field) for field in FORMS[kind]}
    told = "" if not_signed is None else problem_told(not_signed, words)[0]
    try:
        draft = service.proposing.drafting.draft(kind, given)
        found = service.proposing.dry_run(draft.changes, proofs=draft.proofs)
    except FieldProblemError as error:
        text = words.sentence(f"propose.wrong.{error.code}", error.parameters)
        return _page(service, kind, status=400, given=given, problems={error.field: text}, not_signed=told)
    except ProblemError as error:
        why, _ = problem_told(error, words)
        return _page(service, kind, status=error.status, given=given, problem=why, not_signed=told)
    status = 200 if not_signed is None else not_signed.status
    shown = governance_words.dry_run(words, found)
    return _page(service, kind, status=status, given=given, tried=shown, not_signed=told)


def _given(field: str) -> str:
    """What a field says; of a document the file, or else its text."""
    upload = request.files.get(field)
    if upload is not None and upload.filename:
        data: bytes = upload.read()
        return data.decode(errors="replace").strip()
    return request.form.get(field, "").strip()


def _page(service: Service, kind: str, *, status: int = 200, **shown: object) -> ResponseReturnValue:
    context: dict[str, object] = {"given": {}, "problems": {}, "problem": "", "tried": None, "not_signed": ""}
    context |= shown
    words = words_for(service)
    context["groups"] = {words.sentence(f"propose.group.{name}"): forms for name, forms in GROUPS.items()}
    context["titles"] = {one: words.sentence(f"propose.kind.{one}") for one in FORMS}
    context["about"] = {one: words.sentence(f"propose.about.{one}") for one in FORMS}
    context["labels"] = {one: words.sentence(f"propose.field.{one}") for one in FORMS.get(kind, ())}
    context["choices"] = offered = _choices(service, words, kind) if kind else {}
    context["nothing"] = [words.sentence(f"propose.none.{field}") for field in offered if not offered[field]]
    context |= {"fields": FORMS.get(kind, ()), "documents": DOCUMENTS, "days": DAYS, "optional": OPTIONAL}
    return page("proposing.html", status, kind=kind, **context)


def _choices(service: Service, words: Words, kind: str) -> dict[str, list[tuple[str, str]]]:
    """What the fields of a form offer, each by how people call it."""
    offered = service.proposing.drafting.choices()
    found = {field: offered[field] for field in FORMS[kind] if field in offered}
    for field, named in NAMED.items():
        if field in found:
            values = ((value, named(value, words.language), now) for value, now in found[field])
            found[field] = [(value, f"{name}: {now}" if now else name) for value, name, now in values]
    if "issuer" in found:
        found["issuer"] = [(value, _issuer(words, value, name)) for value, name in found["issuer"]]
    if "effect" in found:
        found["effect"] = [(value, effect_word(value, words.language)) for value, _ in found["effect"]]
    if "sort" in found:
        found["sort"] = [(sort, words.sentence(f"governance.sort.{sort}")) for sort, _ in found["sort"]]
    return found


def _issuer(words: Words, value: str, name: str) -> str:
    every = every_of("")
    side = {"jurisdiction": value.removeprefix(every)}
    return words.sentence("page.recognised", side) if value.startswith(every) else name
