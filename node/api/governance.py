"""Who governs: what is in force, proposals with their exact effect, what became of them, and the own acts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from flask import request, url_for
from flask.typing import ResponseReturnValue

from consensus.encoding import INTEGER_MAX
from credentials.ledger.governance_proof import RECORDS_MAX
from credentials.ledger.governance_records import TYPES
from node import governance_words
from node.api import drafting
from node.api.problems import page_wanted, problem_told
from node.api.reading import integer_argument, json_body
from node.api.reply import form_sent, json_reply, page, reply, see, words_for
from node.api.route import BODY_BYTES_MAX
from node.errors import ProblemError, bad_request
from node.proposal_answers import ActMadeRecord
from node.service import Service
from node.use_cases.decisions import Wanted
from node.use_cases.proposing import EffectChanged

HISTORY_ROWS = 50
FILTERS = ("party", "kind", "from", "until")
KEY_ID_CHARACTERS_MAX = 2_500
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SECOND_SHOWN_MAX = 253_402_300_799  # the last one of the year 9999


def governance(service: Service) -> ResponseReturnValue:
    """What governs the next block, or that of `?height=`."""
    told = service.proposing.governance.governing(integer_argument("height", None))
    return reply(told, "governance.html", governing=told)


def accreditations(service: Service) -> ResponseReturnValue:
    """The licences to attest, as a page."""
    told = service.proposing.governance.governing(integer_argument("height", None))
    return reply({"accreditations": told["accreditations"]}, "accreditations.html", governing=told)


def recognitions(service: Service) -> ResponseReturnValue:
    """Who recognises what of whom, as a page."""
    told = service.proposing.governance.governing(integer_argument("height", None))
    return reply({"recognitions": told["recognitions"]}, "recognitions.html", governing=told)


def proposals(service: Service) -> ResponseReturnValue:
    """Open proposals with what is missing and who can give it; the newest that are over."""
    words, made = words_for(service), request.args.get("made")
    if made and page_wanted() and service.proposing.governance.knows(made):
        return see(url_for("governance.proposal", digest=made))
    is_open, over = service.proposing.governance.proposals()
    told = {
        "open": [governance_words.proposal(words, one) for one in is_open],
        "over": [governance_words.proposal(words, one) for one in over],
    }
    return reply(told, "proposals.html", proposals=told, made=made)


def proposal(service: Service, digest: str) -> ResponseReturnValue:
    """One proposal with its exact effect."""
    told = governance_words.proposal(words_for(service), service.proposing.governance.proposal(digest))
    return reply(told, "proposal.html", proposal=told, not_signed="")


def history(service: Service) -> ResponseReturnValue:
    """What was decided, newest first: of a party, of a type of record, between heights."""
    least = integer_argument("from", 0)
    most = integer_argument("until", INTEGER_MAX)
    kind = request.args.get("kind") or None
    if kind not in (None, *TYPES):
        told = "`kind` is one of {kinds}"
        raise bad_request("bad_argument", told, kinds=", ".join(TYPES))
    wanted = Wanted(
        integer_argument("before", None),
        request.args.get("party") or None,
        kind,
        least,
        most,
    )
    rows = service.proposing.governance.decisions.page(HISTORY_ROWS, wanted)
    asked = {name: text for name in FILTERS if (text := request.args.get(name))}
    parties = service.proposing.governance.names()
    told_page = {"history": rows, "more": len(rows) == HISTORY_ROWS, "asked": asked}
    return reply({"history": rows}, "governance_history.html", **told_page, kinds=TYPES, parties=parties)


def proof(service: Service) -> ResponseReturnValue:
    """What governed after a height, provable offline."""
    height = integer_argument("height", 1)
    start = integer_argument("from", None, largest=RECORDS_MAX)
    if start is not None:
        return json_reply(service.records.governance_proof_part(height, start))
    return json_reply(service.records.governance_proof(height))


def key_uses(service: Service) -> ResponseReturnValue:
    """What rests on a key since a time."""
    kid = request.args.get("key", "")
    if not 1 <= len(kid) <= KEY_ID_CHARACTERS_MAX:
        told = "`key` must be the id of a key, such as did:web:maker.example#attest-1."
        raise bad_request("bad_argument", told)
    day = request.args.get("day", "")
    since = integer_argument("since", _second_of(day) if day else 0)
    leaf = integer_argument("leaf", 0)
    found = service.records.key_uses.uses(kid, since, leaf)
    began = datetime.fromtimestamp(since, UTC).date() if 0 < since <= SECOND_SHOWN_MAX else None
    return reply(found, "key_uses.html", uses=found, day=began)


def _second_of(day: str) -> int:
    """Its first second in UTC, of a day that a person wrote."""
    try:
        if not DAY.fullmatch(day):
            raise ValueError("another form")
        return max(int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()), 0)
    except ValueError as error:
        raise bad_request("bad_argument", "`day` must be a day, written as 2027-03-31.") from error


def dry_run(service: Service) -> ResponseReturnValue:
    """What a change would do that nobody proposed yet."""
    order = json_body("DryRunRequest", BODY_BYTES_MAX)
    found = service.proposing.dry_run(
        order["changes"],
        proofs=order.get("proofs"),
        recovered=order.get("recovered", False),
        expires_s=order.get("expires_s"),
    )
    return json_reply(governance_words.dry_run(words_for(service), found))


def propose(service: Service) -> ResponseReturnValue:
    """Propose what a dry run gave, or take what the recovery key of this party signed."""
    if form_sent():
        try:
            made = service.proposing.propose(
                request.form.get("effect", ""), proposal=request.form.get("proposal", "")
            )
        except ProblemError as problem:
            return drafting.tried_again(service, problem)
        return see(url_for("governance.proposals", made=made["digest"]))
    order = json_body("ProposeRequest", BODY_BYTES_MAX)
    try:
        made = service.proposing.propose(
            order["effect"], proposal=order.get("proposal"), attestation=order.get("attestation")
        )
    except EffectChanged as changed:
        return _changed(service, changed)
    return _made(service, made)


def approve(service: Service, digest: str) -> ResponseReturnValue:
    """Stand behind a proposal, whose effect was shown."""
    if form_sent():
        return _sent(service, digest, service.proposing.approve)
    try:
        made = service.proposing.approve(digest, json_body("ApproveRequest", BODY_BYTES_MAX)["effect"])
    except EffectChanged as changed:
        return _changed(service, changed)
    return _made(service, made)


def withdraw(service: Service, digest: str) -> ResponseReturnValue:
    """Take back the own proposal, or the own approval."""
    if form_sent():
        return _sent(service, digest, service.proposing.withdraw)
    return _made(service, service.proposing.withdraw(digest))


def object_to(service: Service, digest: str) -> ResponseReturnValue:
    """Object to another recovery key, or to an expulsion: then more have to approve it."""
    if form_sent():
        return _sent(service, digest, lambda digest, seen: service.proposing.object(digest, seen=seen))
    order = json_body("ObjectRequest", BODY_BYTES_MAX)
    return _made(service, service.proposing.object(digest, attestation=order.get("attestation")))


def _made(service: Service, made: ActMadeRecord) -> ResponseReturnValue:
    """Signed and on disk: 201."""
    answer = json_reply(governance_words.act_made(words_for(service), made), 201)
    answer.headers["Location"] = url_for("governance.proposal", digest=made["digest"])
    return answer


def _sent(service: Service, digest: str, act: Callable[[str, str], ActMadeRecord]) -> ResponseReturnValue:
    """An act by the form of a page, which names the effect that it showed: the page again.

    What cannot be signed is said on it, above the proposal as it is by now.
    """
    try:
        act(digest, request.form.get("effect", ""))
    except ProblemError as problem:
        if not service.proposing.governance.knows(digest):
            raise
        words = words_for(service)
        told = governance_words.proposal(words, service.proposing.governance.proposal(digest))
        why = " ".join(problem_told(problem, words))
        return page("proposal.html", problem.status, proposal=told, not_signed=why)
    return see(url_for("governance.proposal", digest=digest))


def _changed(service: Service, changed: EffectChanged) -> ResponseReturnValue:
    """409 with the effect as it is now."""
    words = words_for(service)
    title, detail = words.problem(changed)
    document: dict[str, object] = {
        **changed.document(),
        "title": title,
        "detail": detail,
        **words.problem_step(changed),
        "effect": governance_words.effect(words, changed.effect),
    }
    return json_reply(document, 409, "application/problem+json")
