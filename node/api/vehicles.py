"""No vehicle without registration: may this vehicle be registered, sold or scrapped, by what is on record?"""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from credentials.verdicts.vehicle_check import BATTERIES_MAX
from node.api.problems import problem_told
from node.api.reading import json_body
from node.api.reply import form_sent, json_reply, page, words_for
from node.api.route import BODY_BYTES_MAX
from node.errors import ProblemError, bad_request
from node.service import Service
from node.vehicle_answers import VehicleAnswer, vehicle_answer


def ask(service: Service) -> ResponseReturnValue:
    """The form: a vehicle, what is meant to happen to it, and the batteries that are in it."""
    return _form(service, request.args.get("vin", "").strip(), request.args.get("act", ""), "")


def check(service: Service) -> ResponseReturnValue:
    """Whether it may, with every battery of the vehicle and what stands in the way of each."""
    if not form_sent():
        asked = json_body("VehicleRequest", BODY_BYTES_MAX)
        batteries = asked.get("batteries") or ()
        made = service.vehicles.check(asked["vin"], asked["act"], batteries, asked.get("jurisdiction"))
        return json_reply(vehicle_answer(words_for(service), made))
    vin, act = request.form.get("vin", "").strip(), request.form.get("act", "")
    text = request.form.get("batteries", "")
    try:
        made = service.vehicles.check(vin, act, _lines(text))
    except ProblemError as error:
        why, step = problem_told(error, words_for(service))
        return _form(service, vin, act, text, error.status, problem=why, step=step)
    return _form(service, vin, act, text, made=vehicle_answer(words_for(service), made))


def _lines(text: str) -> list[str]:
    """The codes of a form, one a line."""
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if len(found) > BATTERIES_MAX:
        told = "Name at most {most} batteries with one vehicle."
        raise bad_request("too_many_batteries", told, most=BATTERIES_MAX)
    return found


def _form(
    service: Service,
    vin: str,
    act: str,
    batteries: str,
    status: int = 200,
    *,
    problem: str = "",
    step: str = "",
    made: VehicleAnswer | None = None,
) -> ResponseReturnValue:
    return page(
        "vehicle.html",
        status,
        acts=service.vehicles.acts,
        vin=vin,
        act=act,
        batteries=batteries,
        problem=problem,
        step=step,
        made=made,
    )
