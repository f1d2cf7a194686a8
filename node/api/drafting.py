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
    return _page(service, kind if kind in FORMS else "")


def tried(service: Service) -> ResponseReturnValue:
    """What a filled form would do; a mistake is said beside its field."""
    kind = request.form.get("kind", "")
    if kind not in FORMS:
        raise bad_request(
            "malformed", "There is no form of that kind: open /governance/propose and choose one."
        )
    words = words_for(service)
    given = {field: request.form.get(field, "").strip() for field in FORMS[kind]}
    try:
        found = service.proposing.dry_run(service.proposing.drafting.changes(kind, given))
    except FieldProblemError as error:
        text = words.sentence(f"propose.wrong.{error.code}", error.parameters)
        return _page(service, kind, status=400, given=given, problems={error.field: text})
    except ProblemError as error:
        return _page(
            service, kind, status=error.status, given=given, problem=as_sentence(words.problem(error)[1])
        )
    return _page(service, kind, given=given, tried=governance_words.dry_run(words, found))


def _page(service: Service, kind: str, *, status: int = 200, **shown: object) -> ResponseReturnValue:
    context: dict[str, object] = {"given": {}, "problems": {}, "problem": "", "tried": None, **shown}
    words = words_for(service)
    context["titles"] = {one: words.sentence(f"propose.kind.{one}") for one in FORMS}
    context["labels"] = {one: words.sentence(f"propose.field.{one}") for one in FORMS.get(kind, ())}
    choices = service.proposing.drafting.choices() if kind else {}
    fields = FORMS.get(kind, ())
    return page("proposing.html", status, kinds=FORMS, kind=kind, fields=fields, choices=choices, **context)
