"""A status list alone takes nothing back, and no version of a thief makes a word milder (I2, I3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from consensus.cose import SeedSigner
from credentials.ledger.governance import Governance
from credentials.ledger.parties import Key
from credentials.verdicts.evidence import At, StatusSource
from credentials.verdicts.severity import ORDER
from credentials.verdicts.verifier import verify
from tests.credentials.test_issuers import Change, govern, stolen
from tests.harness.border import LAW_DATE, World, policy
from tests.harness.ledger import CN_AUTHORITY, CUSTOMS, IMPORTER, MAKER, RECYCLER

REVOCATION, SUSPENSION = "revocation", "suspension"
WORDS = {REVOCATION: "revoked", SUSPENSION: "suspended"}
NEW = SeedSigner(f"{MAKER}#attest-2", sha256(b"the new key").digest())


def of_status(found: Mapping[str, Any]) -> set[tuple[str, str | None]]:
    return {(c["outcome"], c["reason"]) for c in found["checks"] if c["name"] == "status"}


def word(w: World, text: str) -> str:
    return str(w.judge(text).as_dict()["verdict"])


def outcomes(w: World, text: str) -> set[tuple[str, str | None]]:
    return of_status(w.judge(text).as_dict())


def listed(w: World, text: str, purpose: str, *, raised: bool, key: SeedSigner | None = None) -> None:
    """A version of the lists in which one bit differs."""
    places, index = w.raised[purpose], w.index(w.passports[text])
    (places.add if raised else places.discard)(index)
    w.publish_lists(key=key)


def with_new_key(governance: Governance, now: int) -> Governance:
    party = governance.participants[MAKER]
    added = replace(party, keys=(*party.keys, Key("attest", NEW.key_id, NEW.public_key, now)))
    return replace(governance, participants={**governance.participants, MAKER: added})


def robbed(since: int) -> Change:
    """The theft is stated, and the maker has a new key."""
    return lambda governance, now: with_new_key(stolen(MAKER, since)(governance, now), now)


@pytest.mark.parametrize("ledger", [True, False], ids=["on the ledger too", "in the list alone"])
def test_a_revocation_is_not_taken_back_by_a_list(ledger: bool) -> None:
    """
    Raised once, it is revoked in every later version, also where its issuer lowers the bit; another passport
    in the same list is not touched.
    """
    w = World()
    text, other = w.new(1), w.new(2)
    good = word(w, other)
    w.revoke(text, ledger=ledger)

    listed(w, text, REVOCATION, raised=False)

    assert ("fail", "revoked") in outcomes(w, text)
    assert word(w, other) == good


def test_a_suspension_ends_as_its_issuer_says() -> None:
    """
    A bit of a list of suspensions is lowered by a later version: only a revocation is final.
    """
    w = World()
    text = w.new(1)
    good = word(w, text)
    listed(w, text, SUSPENSION, raised=True)
    assert ("fail", "suspended") in outcomes(w, text)

    listed(w, text, SUSPENSION, raised=False)

    assert word(w, text) == good


@pytest.mark.parametrize("purpose", WORDS)
def test_a_version_that_a_thief_attested_makes_nothing_milder(purpose: str) -> None:
    """
    A thief puts a version on record in which the bit is not raised. Once the theft is stated it is raised as
    before; what was good is not decided, until the issuer publishes a version with a key of its own.
    """
    w = World()
    text, other = w.new(1), w.new(2)
    good = word(w, other)
    listed(w, text, purpose, raised=True)
    held, at = word(w, text), w.now
    listed(w, text, purpose, raised=False)

    govern(w, robbed(at))

    assert ("fail", WORDS[purpose]) in outcomes(w, text)
    assert ORDER.index(word(w, text)) >= ORDER.index(held)
    assert ("indeterminate", "status_list_invalid") in outcomes(w, other) and word(w, other) == "undecided"
    listed(w, text, purpose, raised=True, key=NEW)
    assert ("fail", WORDS[purpose]) in outcomes(w, text)
    assert outcomes(w, other) == {("pass", "ok")}
    assert good in ("clear", "clear_with_gaps")


@pytest.mark.check
@pytest.mark.parametrize("purpose", WORDS)
def test_what_a_thief_raised_is_gone_with_the_next_version(purpose: str) -> None:
    """
    Nobody is revoked for ever by a thief's list: its bit counts no more once the issuer lowers it itself.
    """
    w = World()
    text, at = w.new(1), w.now
    listed(w, text, purpose, raised=True)
    assert ("fail", WORDS[purpose]) in outcomes(w, text)

    govern(w, robbed(at))
    listed(w, text, purpose, raised=False, key=NEW)

    assert outcomes(w, text) == {("pass", "ok")}


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("unread", [None, SUSPENSION, REVOCATION])
def test_a_list_of_which_an_earlier_version_was_never_held_proves_no_document_good(
    unread: str | None, *, recorded: bool
) -> None:
    """
    I8: what it revoked stays revoked, and is not known: not checked. Of a passport on record the ledger says;
    a suspension ends as the list of today says; and what is raised now is raised.
    """
    w = World()
    text = w.new(1)
    document = (w.passports[text] if recorded else w.issue(text, version=2)).credentials[1]

    def lists() -> dict[tuple[str, str, str], StatusSource]:
        known = w.network().status_lists.items()
        return {key: replace(source, unread_before=2 * (key[1] == unread)) for key, source in known}

    def verified() -> Mapping[str, Any]:
        seen = w.evidence(text, network=w.network(status_lists=lists()))
        return verify(document, seen, policy("manufacturer"), At(LAW_DATE, w.now)).as_dict()

    def judged() -> set[tuple[str, str | None]]:
        return of_status(verified())

    def told() -> tuple[int, str] | None:
        (one,) = (c["evidence"] for c in verified()["checks"] if c["name"] == "status")
        return (one["unread"], one["issuer"]) if "unread" in one else None

    good = recorded or unread != REVOCATION
    assert judged() == {("pass", "ok") if good else ("indeterminate", "status_unavailable")}
    assert told() == (None if good else (2, MAKER))
    w.raised[REVOCATION].add(int(document["credentialStatus"][0]["statusListIndex"]))
    w.publish_lists()
    assert ("fail", "revoked") in judged()


def test_a_suspended_passport_that_ceased_stays_suspended() -> None:
    """
    An authority suspended it; the battery is recycled, and its passport ends with it.
    """
    w = World()
    text = w.new(1)
    suspended = (w.passports[text].digest,)
    w.happen(CUSTOMS, "customs.released", text, {"basis": "registry_check"})
    w.happen(IMPORTER, "market.placed", text, {"art_41_checked": True}, parties=(RECYCLER,))
    w.happen(CN_AUTHORITY, "passport.suspended", text, {"reason": "case"}, references=suspended)
    assert ("fail", "suspended") in outcomes(w, text)

    w.happen(RECYCLER, "battery.declared_waste", text, {"reason": "worn"})
    w.happen(RECYCLER, "recycling.received", text, quantities={"mass_in_grams": 450_000})
    metals = {f"{m}_{way}_grams": 100 for m in ("co", "ni", "li", "cu") for way in ("in", "out")}
    w.happen(RECYCLER, "recycling.completed", text, {"method": "x"} | metals, quantities=metals)

    standing = w.view(text).standing
    assert standing is not None and standing.passport is not None and standing.passport.status == "ceased"
    assert ("fail", "suspended") in outcomes(w, text)


@pytest.mark.check
def test_a_revocation_outlives_the_versions_that_a_standing_keeps() -> None:
    """
    Ten versions later the standing knows nothing of the first; the record does.
    """
    w = World()
    text = w.new(1)
    first = w.passports[text]
    for version in range(2, 12):
        w.revoke(text, listed=False)
        w.publish(text, w.issue(text, version=version))
    standing = w.view(text).standing
    assert standing is not None and standing.passport_with(first.digest) is None

    document = first.credentials[1]
    verdict = verify(document, w.evidence(text), policy("manufacturer"), At(LAW_DATE, w.now))

    assert ("fail", "revoked") in of_status(verdict.as_dict())
