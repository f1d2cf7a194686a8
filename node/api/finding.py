"""The one box of every page: what somebody typed, pasted or scanned, looked for in all that is known here."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from node.api.reading import searched
from node.api.reply import reply, session, words_for
from node.errors import bad_request
from node.service import Service
from node.storage.found_by import words_of
from node.use_cases.access import Session
from node.use_cases.lookup import SHOWN, FoundAnswer, FoundBattery, FoundLine
from node.verdicts.consignments import without_checks

CODE_MAX = 512  # characters: of a link with its further keys
SEE_ISSUED, SEE_CLEARED = frozenset({"read", "issue"}), frozenset({"read", "clear"})


def find(service: Service) -> ResponseReturnValue:
    """What `q` names: a battery, a vehicle, or what stands in the lists that whoever asks may see."""
    text = request.args.get("q", "").strip()
    if len(text) > CODE_MAX:
        told = "A code or link has at most {characters} characters: look for a part of it."
        raise bad_request("search_too_long", told, characters=CODE_MAX)
    who = session()
    found = _found(service, text, who) if text else _nothing()
    return reply(found, "found.html", found=found, q=text, clears=_may(who, frozenset({"clear"})))


def _may(who: Session | None, scopes: frozenset[str]) -> bool:
    return who is not None and not scopes.isdisjoint(who.scopes)


def _nothing() -> FoundAnswer:
    return {
        "q": "",
        "code": None,
        "not_a_code": None,
        "battery": None,
        "vehicle": None,
        "lines": None,
        "passports": None,
        "consignments": None,
    }


def _found(service: Service, text: str, who: Session | None) -> FoundAnswer:
    issued, cleared = _may(who, SEE_ISSUED), _may(who, SEE_CLEARED)
    by_code = service.lookup.find(text, staff=who is not None)
    words = words_of(by_code["code"]) if by_code["code"] is not None else searched()[1]
    told = words_for(service).passport
    passports = [told(row) for row in service.passports.page(SHOWN, None, words)] if issued else None
    consignments = service.consignments.listing(SHOWN, None, words) if cleared else None
    lines = _lines(service, by_code["battery"]) if cleared else None
    return {**by_code, "q": text, "lines": lines, "passports": passports, "consignments": consignments}


def _lines(service: Service, battery: FoundBattery | None) -> list[FoundLine]:
    """What this node's word is on its open lines about a battery, the newest first."""
    words, found = words_for(service), list[FoundLine]()
    for item in service.lookup.open_lines(battery["battery"]) if battery else ():
        told: FoundLine = {
            "consignment": item["consignment"],
            "declaration": item["declaration"],
            "verdict": words.line(without_checks(item)),
        }
        found.append(told)
    return sorted(found, key=lambda one: one["verdict"]["evaluated_at"], reverse=True)
