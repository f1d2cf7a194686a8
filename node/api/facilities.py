"""Supervision by facility and month: parties, their licences, and what they recorded."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from node.api.reply import client_name, reply
from node.service import Service

ASKED = ("party", "facility", "side", "kind", "since", "until")


def facilities(service: Service) -> ResponseReturnValue:
    """What happens on the sides that this party supervises, by facility and month."""
    asked = {name: value for name in ASKED if (value := request.args.get(name, "").strip())}
    found = service.facilities.overview(asked, client_name())
    return reply(found, "facilities.html", found=found, asked=asked)
