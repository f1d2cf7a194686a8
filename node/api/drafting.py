"""The page to propose: a form for each sort of change; its exact effect before anything is signed."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from node import governance_words
from node.api.problems import as_sentence
from node.api.reply import page, words_for
from node.errors import ProblemError, bad_request
from node.service import Service
from node.use_cases.drafting import FORMS, FieldProblemError


def form(service: Service) -> ResponseReturnValue:
    """The form of one sort of change; without one, what can be proposed."""
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


def unsigned(service: Service, problem: ProblemError) -> ResponseReturnValue:
    """What was filled in, tried again: what it showed cannot be proposed any more, and nothing is signed."""
    if request.form.get("kind") not in FORMS:
        raise problem
    return _tried(service, problem)


def _tried(service: Service, unsigned: ProblemError | None = None) -> ResponseReturnValue:
    kind, words = request.form["kind"], words_for(service)
    given = {field: request.form.get(field, "").strip() for field in FORMS[kind]}
    told = "" if unsigned is None else as_sentence(words.problem(unsigned)[1])
    try:
        found = service.proposing.dry_run(service.proposing.drafting.changes(kind, given))
    except FieldProblemError as error:
        text = words.sentence(f"propose.wrong.{error.code}", error.parameters)
        return _page(service, kind, status=400, given=given, problems={error.field: text}, unsigned=told)
    except ProblemError as error:
        why = as_sentence(words.problem(error)[1])
        return _page(service, kind, status=error.status, given=given, problem=why, unsigned=told)
    status = 200 if unsigned is None else unsigned.status
    shown = governance_words.dry_run(words, found)
    return _page(service, kind, status=status, given=given, tried=shown, unsigned=told)


def _page(service: Service, kind: str, *, status: int = 200, **shown: object) -> ResponseReturnValue:
    context: dict[str, object] = {"given": {}, "problems": {}, "problem": "", "tried": None, "unsigned": ""}
    context |= shown
    words = words_for(service)
    context["titles"] = {one: words.sentence(f"propose.kind.{one}") for one in FORMS}
    context["labels"] = {one: words.sentence(f"propose.field.{one}") for one in FORMS.get(kind, ())}
    choices = service.proposing.drafting.choices() if kind else {}
    fields = FORMS.get(kind, ())
    return page("proposing.html", status, kinds=FORMS, kind=kind, fields=fields, choices=choices, **context)
