"""Parts of a battery, opened: compared with their maker's commitment and with what is on record of each."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from node.api.reading import json_body
from node.api.reply import json_reply, words_for
from node.api.route import BODY_BYTES_MAX
from node.parts_answers import parts_answer
from node.service import Service


def check(service: Service) -> ResponseReturnValue:
    """What was found of each part; where all are shown, each with its way to the commitment."""
    asked = json_body("PartsRequest", BODY_BYTES_MAX)
    made = service.parts.check(asked["battery"], asked["parts"])
    return json_reply(parts_answer(words_for(service), made))
