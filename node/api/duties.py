"""Working-day duties: what is due of this party, and on an authority's side what is overdue."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from node.api.reading import integer_argument
from node.api.reply import reply, words_for
from node.duty_answers import duties_answer
from node.service import Service


def duties(service: Service) -> ResponseReturnValue:
    """What is due, overdue, or was said late: of records `before` a leaf, newest first."""
    made = service.duties.listing(integer_argument("before", None))
    found = duties_answer(words_for(service), made)
    return reply(found, "duties.html", found=found)
