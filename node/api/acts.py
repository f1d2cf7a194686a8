"""Acts beside the verdict: what may be attested now, its form, its effect before, what became of it after."""

from __future__ import annotations

from flask import request, url_for
from flask.typing import ResponseReturnValue

from credentials.ledger.lifecycle import Event, Member
from node.api.problems import problem_told
from node.api.reply import page, see, words_for
from node.errors import ProblemError
from node.service import Service
from node.use_cases.act_desk import ForeseenAct, Offered
from node.verdicts.consignments import today

PASSPORT = "passport_digest"  # the member that says which passport an act is about
FIELD = "m-"  # before the name of a member, in the fields of a form
UNITS = {"grams": "g", "permille": "‰"}  # of members, by the last part of their name


def acts(service: Service) -> ResponseReturnValue:
    """What waits to be recorded; of a `battery` what may be attested now, and the form of one `event`.

    `passport`: the digest that the form of an act about a passport begins with.
    """
    text, kind = request.args.get("battery", "").strip(), request.args.get("event", "")
    if not text:
        told = words_for(service).progress
        rows = [(told(one.progress), one.expires) for one in service.acts.waiting()]
        return page("acts.html", rows=rows)
    offered = service.acts.offered(text)
    if not kind:
        return page("act.html", offered=offered)
    event, passport = service.acts.event(offered, kind), request.args.get("passport", "").strip()
    given = {PASSPORT: passport} if passport and PASSPORT in event.members else {}
    return _form(service, offered, event, given=given)


def act(service: Service) -> ResponseReturnValue:
    """Show what a filled form would do; sign it where exactly that effect was shown."""
    offered = service.acts.offered(request.form.get("battery", "").strip())
    event = service.acts.event(offered, request.form.get("event", ""))
    given = _given(event)
    words = words_for(service)
    wrong = service.acts.wrong(event, given)
    if wrong:
        problems = {name: problem_told(one, words)[0] for name, one in wrong.items()}
        return _form(service, offered, event, 400, given=given, problems=problems)
    try:
        foreseen = service.acts.foresee(offered, event, given)
        shown = request.form.get("shown")
        if shown == foreseen.digest:
            made = service.passports.attest(event.type, offered.battery, given)
            return see(url_for("passports.attestation", digest=made.get("digest", "")))
    except ProblemError as error:
        why, step = problem_told(error, words)
        return _form(service, offered, event, error.status, given=given, problem=why, step=step)
    return _form(
        service, offered, event, 409 if shown else 200, given=given, foreseen=foreseen, other=bool(shown)
    )


def cancel_by_form(service: Service, digest: str) -> ResponseReturnValue:
    """Send a statement of this node no more, and show what became of it."""
    service.passports.cancel(digest)
    return see(url_for("passports.attestation", digest=digest))


def _given(event: Event) -> dict[str, str]:
    """What was filled in; an empty field says nothing."""
    found = {name: request.form.get(f"{FIELD}{name}", "").strip() for name in event.members}
    return {name: value for name, value in found.items() if value}


def _form(
    service: Service,
    offered: Offered,
    event: Event,
    status: int = 200,
    *,
    given: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
    problem: str = "",
    step: str = "",
    foreseen: ForeseenAct | None = None,
    other: bool = False,
) -> ResponseReturnValue:
    return page(
        "act.html",
        status,
        offered=offered,
        event=event,
        units={name: unit(member) for name, member in event.members.items()},
        given=given or {},
        problems=problems or {},
        problem=problem,
        step=step,
        foreseen=foreseen,
        other=other,
        today=today(),
        field=FIELD,
    )


def unit(member: Member) -> str:
    """The unit of a number; empty where it has none."""
    return UNITS.get(member.name.rpartition("_")[2], "") if member.type == "integer" else ""
