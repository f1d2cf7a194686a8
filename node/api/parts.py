"""Parts of a battery: the tree of what came of it, and parts opened and compared with their commitment."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from credentials.verdicts.parts_check import PARTS_MAX
from node.api.problems import problem_told
from node.api.reading import integer_argument, json_body
from node.api.reply import form_sent, json_reply, page, reply, session, words_for
from node.api.route import BODY_BYTES_MAX
from node.errors import ProblemError, bad_request
from node.parts_answers import PartsTreeAnswer, parts_answer, tree_answer
from node.service import Service
from node.use_cases.parts import ShownPart


def tree(service: Service, identifier: str) -> ResponseReturnValue:
    """What the battery came from, its parts level by level, what it became, with the fate of each."""
    made = _tree(service, identifier, integer_argument("after", 0))
    return reply(made, "parts.html", tree=made, listed="")


def check(service: Service) -> ResponseReturnValue:
    """What was found of each part; where all are shown, each with its way to the commitment."""
    if not form_sent():
        asked = json_body("PartsRequest", BODY_BYTES_MAX)
        made = service.parts.check(asked["battery"], asked["parts"])
        return json_reply(parts_answer(words_for(service), made))
    battery, listed = request.form.get("battery", "").strip(), request.form.get("parts", "")
    shown = _tree(service, battery, 0)
    try:
        compared = parts_answer(words_for(service), service.parts.check(battery, _lines(listed)))
    except ProblemError as error:
        why, step = problem_told(error, words_for(service))
        return page("parts.html", error.status, tree=shown, listed=listed, problem=why, step=step)
    return page("parts.html", tree=shown, listed=listed, compared=compared)


def _tree(service: Service, battery: str, after: int) -> PartsTreeAnswer:
    made = service.parts_tree.of(battery, service.access.audience_of(session()), after)
    return tree_answer(words_for(service), made)


def _lines(text: str) -> list[ShownPart]:
    """The codes of a form, one a line."""
    found: list[ShownPart] = [{"code": line.strip()} for line in text.splitlines() if line.strip()]
    if not found:
        raise bad_request("parts_missing", "Name the parts, one code a line.")
    if len(found) > PARTS_MAX:
        raise bad_request("too_many_parts", "Name at most {most} parts of one battery.", most=PARTS_MAX)
    return found
