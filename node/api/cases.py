"""Cases: listed, opened, read with both sides side by side, and what is said in them."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request, url_for
from flask.typing import ResponseReturnValue

from node.api.reading import integer_argument, json_body
from node.api.reply import client_name, form_sent, json_reply, reply, see, words_for
from node.api.route import BODY_BYTES_MAX
from node.oversight.case_desk import CaseAnswer, StatementShown
from node.oversight.case_rules import STATES
from node.service import Service
from node.words import Words, when

SAID, STANDS = "case_said", "case_stands"  # sections of sentences.toml
CASE_ROWS = 50
ASKED = ("state", "party", "side")
GIVEN = ("accused", "battery", "leaves", "alert")  # to the form, by a link of an alert


def cases(service: Service) -> ResponseReturnValue:
    """The cases that this party may read, newest first, and the form that opens one."""
    asked = {name: value for name in ASKED if (value := request.args.get(name, "").strip())}
    limit = integer_argument("limit", CASE_ROWS, largest=500) or CASE_ROWS
    found = service.cases.page(asked, limit, integer_argument("before", None))
    given = {name: request.args.get(name, "")[:300] for name in GIVEN}
    return reply(found, "cases.html", found=found, asked=asked, given=given, states=STATES)


def opened(service: Service) -> ResponseReturnValue:
    """Open a case, signed as this participant's statement."""
    case_id = service.cases.open(_order("CaseOrder"), client_name())
    if form_sent():
        return see(url_for("cases.case", case_id=case_id))
    return json_reply(service.cases.one(case_id), 201)


def case(service: Service, case_id: str) -> ResponseReturnValue:
    """One case: who opened it against whom, what each said, how it stands."""
    found, words = service.cases.one(case_id), words_for(service)
    told = {"until": when(found["due_until"]), "outcome": words.own(found["outcome"] or "")}
    stands = words.sentence(f"{STANDS}.{found['state']}", {**found, **told})
    says = {one["digest"]: _said(words, found, one) for one in found["statements"]}
    return reply(found, "case.html", case=found, stands=stands, says=says)


def _said(words: Words, case: CaseAnswer, one: StatementShown) -> str:
    """What a statement of a case does, in words: an outcome in the reader's, a party by its name."""
    names = {case["accused"]: case["accused_name"], case["opener"]: case["opener_name"]}
    told = {"whom": names.get(one["whom"]) or one["whom"], "outcome": words.own(one["outcome"])}
    return words.sentence(f"{SAID}.{one['act']}", {**one, **told})


def said(service: Service, case_id: str) -> ResponseReturnValue:
    """Ask, explain, comment, give more time, withdraw, close or review, as far as this party may."""
    service.cases.say(case_id, _order("CaseSaid"), client_name())
    if form_sent():
        return see(url_for("cases.case", case_id=case_id))
    return json_reply(service.cases.one(case_id))


def _order(schema: str) -> Mapping[str, object]:
    return request.form if form_sent() else json_body(schema, BODY_BYTES_MAX)
