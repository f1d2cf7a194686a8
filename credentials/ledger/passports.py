"""What an event changes about the publication of a passport (invariants I2, I3).

An authority's suspension or ban is a setting that only it lifts. Its maker cannot publish, supersede, revoke
or cede to get round one. What is revoked stays revoked; only a suspension returns.
"""

from __future__ import annotations

from dataclasses import replace

from consensus.application import NotYet, Refusal
from credentials.ledger.attestation import Attestation
from credentials.ledger.changes import Change
from credentials.ledger.rules import Context
from credentials.ledger.speaking import Voice
from credentials.ledger.standing import (
    ACTIVE,
    BANNED,
    CEASED,
    DRAFT,
    EARLIER_PASSPORTS_MAX,
    LIVE,
    PARTY,
    PASSPORT_SUSPENDED,
    REVOKED,
    SUPERSEDED,
    SUSPENDED,
    Passport,
    Standing,
    side_of,
)


def passport_after(standing: Standing, attestation: Attestation, context: Context, voice: Voice) -> Change:
    """The members of the standing that change."""
    effect = context.event.effects.passport
    match effect:
        case "publish" | "supersede":
            return _published(standing, attestation, context, effect)
        case "cede" | "cease":
            return _ended(standing, attestation, effect)
        case "suspend":
            return _suspended(standing, attestation, voice)
        case "reinstate":
            return _reinstated(standing, attestation, voice)
        case _:
            assert effect == "revoke", "lifecycle.PASSPORT_EFFECTS has no other"
            return _revoked(standing, attestation, voice)


def _published(standing: Standing, attestation: Attestation, context: Context, effect: str) -> Change:
    assert attestation.set_list is not None, "required by the table"
    _require_free(standing, "published")
    passport = standing.passport
    if effect == "supersede":
        passport = _named_passport(standing, attestation, (LIVE,))
    if passport is not None and attestation.set_list.version <= passport.version:
        raise Refusal("passport_state", "the version follows {version}", version=passport.version)
    earlier = standing.earlier
    if passport is not None:
        status = SUPERSEDED if passport.status == LIVE else passport.status
        earlier = (*earlier, replace(passport, status=status))[-EARLIER_PASSPORTS_MAX:]
    new = Passport(
        digest=attestation.document_digest,
        version=attestation.set_list.version,
        issuer=attestation.issuer,
        attestation=attestation.digest,
        leaf_index=context.leaf_index,
        height=context.height,
        status=LIVE,
        changed_by=attestation.issuer,
    )
    return {"passport": new, "earlier": earlier, "publication": ACTIVE}


def _ended(standing: Standing, attestation: Attestation, effect: str) -> Change:
    """Ceded to a successor's passport, or ceased with the battery."""
    passport = standing.passport
    if effect == "cede":
        _require_free(standing, "ceded")
    publication = SUPERSEDED if effect == "cede" else CEASED
    if passport is None:
        return {"publication": publication if effect == "cease" else DRAFT}
    if passport.status not in (LIVE, SUSPENDED):
        return {"publication": publication}
    return {
        "publication": publication,
        "passport": replace(passport, status=publication, changed_by=attestation.issuer),
    }


def _suspended(standing: Standing, attestation: Attestation, voice: Voice) -> Change:
    """An authority's suspension joins one that is there: neither hides the other."""
    passport = _named_passport(standing, attestation, (LIVE, SUSPENDED) if voice.role else (LIVE,))
    side = voice.jurisdiction if voice.role else PARTY
    if _is_setter(standing, PASSPORT_SUSPENDED, side, attestation.issuer):
        raise Refusal("passport_state", "{issuer} suspended it already", issuer=attestation.issuer)
    return {"passport": replace(passport, status=SUSPENDED, changed_by=attestation.issuer)}


def _reinstated(standing: Standing, attestation: Attestation, voice: Voice) -> Change:
    """Live again once nobody's suspension is left; a revoked or ceased passport stays so."""
    passport = _named_passport(standing, attestation, (SUSPENDED, REVOKED, CEASED))
    left = [key for key in standing.settings(PASSPORT_SUSPENDED) if key != voice.lifts]
    if left or passport.status != SUSPENDED:
        return {}
    return {"passport": replace(passport, status=LIVE, changed_by=attestation.issuer)}


def _revoked(standing: Standing, attestation: Attestation, voice: Voice) -> Change:
    """Final. An authority's revocation also bans (the table's `sets`), even after the maker's own."""
    ended: Change = {}
    if not voice.role:
        _require_free(standing, "revoked")
        passport = _named_passport(standing, attestation, (LIVE, SUSPENDED))
        others = standing
        for key in standing.settings(PASSPORT_SUSPENDED):
            others = others.with_set(PASSPORT_SUSPENDED, key, None)  # nobody else's: `_require_free`
        ended["jurisdictions"] = others.jurisdictions
    else:
        passport = _named_passport(standing, attestation, (LIVE, SUSPENDED, REVOKED))
        if passport.status == REVOKED and _is_setter(
            standing, BANNED, voice.jurisdiction, attestation.issuer
        ):
            raise Refusal("passport_state", "it is revoked and banned already")
    return {
        "passport": replace(passport, status=REVOKED, changed_by=attestation.issuer),
        "publication": CEASED,
        **ended,
    }


def _is_setter(standing: Standing, name: str, side: str, did: str) -> bool:
    return any(s.by == did and side_of(key) == side for key, s in standing.settings(name).items())


def _require_free(standing: Standing, what: str) -> None:
    """No authority's ban or suspension stands in the way."""
    ban = standing.ban
    if ban is not None:
        told = "{by} revoked its passport: nothing is {done} until it lifts that ({jurisdiction})"
        raise Refusal("banned", told, by=ban.by, done=what, jurisdiction=ban.jurisdiction)
    for key, setting in standing.settings(PASSPORT_SUSPENDED).items():
        if side_of(key) != PARTY:
            told = "{by} suspended its passport: nothing is {done} until it reinstates it ({jurisdiction})"
            raise Refusal("passport_state", told, by=setting.by, done=what, jurisdiction=side_of(key))


def _named_passport(standing: Standing, attestation: Attestation, statuses: tuple[str, ...]) -> Passport:
    passport, named = standing.passport, attestation.referenced_digests[0]
    if passport is None or standing.passport_with(named) is None:
        raise NotYet("state", "the passport it names is not published on the ledger yet")
    if passport.digest != named or passport.status not in statuses:
        status = passport.status if passport.digest == named else SUPERSEDED
        raise Refusal(
            "passport_state", "the passport is {status}, not {wanted:or}", status=status, wanted=statuses
        )
    return passport
