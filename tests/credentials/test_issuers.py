"""Who spoke, as they stand now: stops, suspensions and thefts are told, and no theft leaves a clear word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from consensus.cose import SeedSigner
from credentials.ledger.attestation import Criteria, countersign, draft_attestation, make_attestation
from credentials.ledger.governance import Governance
from credentials.ledger.parties import Key, Stop
from credentials.ledger.recalls import recall_subject
from credentials.verdicts.evidence import LedgerEntry
from credentials.verdicts.issuers import CHECK, FIRST
from tests.credentials.test_kin_recalls import LINK, made_of_it, named_by_link, without_documents
from tests.credentials.test_recalls import june
from tests.credentials.test_two_codes import two_codes
from tests.credentials.test_used_before import second_life_pack, two_publishers
from tests.harness.border import World, code, subject_of
from tests.harness.ledger import CN_AUTHORITY, EU_AUTHORITY, IMPORTER, MAKER, WORKSHOP, signer

GOOD = ("clear", "clear_with_gaps")
Change = Callable[[Governance, int], Governance]


def told(w: World, text: str) -> tuple[str, list[Mapping[str, Any]]]:
    """The word, and what the check says."""
    found = w.judge(text).as_dict()
    return found["verdict"], [dict(c) for c in found["checks"] if c["name"] == CHECK]


def govern(w: World, change: Change) -> None:
    """From the next block on, which is made."""
    history = w.ledger.history
    history.enact(history.height + 1, change(history.latest, w.now))
    w.run()


def stop(target: str, *, until: int | None = None, since: int = 0) -> Change:
    def change(governance: Governance, now: int) -> Governance:
        made = Stop(target, CN_AUTHORITY, since or now, now + 10_000 if until is None else until)
        return replace(governance, stops={target: made})

    return change


def stolen(did: str, since: int, role: str = "attest") -> Change:
    def change(governance: Governance, _: int) -> Governance:
        party = governance.participants[did]
        keys = tuple(replace(k, compromised_from=since) if k.role == role else k for k in party.keys)
        return replace(governance, participants={**governance.participants, did: replace(party, keys=keys)})

    return change


def suspended(did: str, *, ended: bool = False) -> Change:
    def change(governance: Governance, now: int) -> Governance:
        pause = (now - 1, now if ended else None)
        licences = tuple(
            replace(a, suspended=(pause,)) if a.participant == did else a for a in governance.accreditations
        )
        return replace(governance, accreditations=licences)

    return change


def test_nothing_is_told_of_parties_that_stand_as_they_stood() -> None:
    """
    Made and passed, as long as nobody who spoke was stopped, suspended or robbed.
    """
    w = World()
    text = w.new(1)
    govern(w, stop(WORKSHOP))  # who said nothing about it

    word, (check,) = told(w, text)

    assert word in GOOD and check["outcome"] == "pass"


@pytest.mark.parametrize("target", [MAKER, f"{MAKER}#attest-1", IMPORTER])
def test_a_stop_is_told_and_undoes_nothing(target: str) -> None:
    """
    A party or a key that is stopped: who said so and since when; the word stays, and until when it holds.
    """
    w = World()
    text = w.new(1)
    before = told(w, text)[0]
    govern(w, stop(target))

    word, (check,) = told(w, text)

    assert (word, check["outcome"], check["reason"]) == (before, "warn", "issuer_stopped")
    (first,) = check["evidence"]["first"]
    assert (first["stopped"], first["by"], check["evidence"]["count"]) == (target, CN_AUTHORITY, 1)
    assert first["stopped_at"] == w.governance.stops[target].since


def test_a_stop_that_is_over_is_not_told_and_its_end_is_waited_for() -> None:
    """
    The verdict is good until the stop ends; judged then, nothing is told.
    """
    w = World()
    text = w.new(1)
    govern(w, stop(MAKER, until=w.now + 500))
    ends = w.governance.stops[MAKER].until
    assert ends is not None

    good_until = w.judge(text).as_dict()["good_until"]
    assert good_until is not None and good_until <= ends
    _, (check,) = told(w, text)
    assert check["reason"] == "issuer_stopped"
    found = w.judge(text, at=ends).as_dict()

    assert [c["outcome"] for c in found["checks"] if c["name"] == CHECK] == ["pass"]


def test_a_suspension_to_come_and_its_end_are_waited_for() -> None:
    """
    The verdict is good until it begins, and then until it ends.
    """
    w = World()
    text = w.new(1)
    begins, ends = w.now + 500, w.now + 900

    def paused(governance: Governance, _: int) -> Governance:
        licences = tuple(
            replace(a, suspended=((begins, ends),)) if a.participant == MAKER else a
            for a in governance.accreditations
        )
        return replace(governance, accreditations=licences)

    govern(w, paused)

    for at, until, outcome in ((w.now, begins, "pass"), (begins, ends, "warn")):
        found = w.judge(text, at=at).as_dict()
        good_until = found["good_until"]
        assert good_until is not None and good_until <= until
        assert [c["outcome"] for c in found["checks"] if c["name"] == CHECK] == [outcome]


@pytest.mark.parametrize(("ended", "outcome"), [(False, "warn"), (True, "pass")])
def test_a_suspended_licence_is_told_while_it_is(ended: bool, outcome: str) -> None:
    """
    Suspended now: told, once a party. Reinstated, or suspended once: not.
    """
    w = World()
    text = w.new(1)
    govern(w, suspended(MAKER, ended=ended))

    word, (check,) = told(w, text)

    assert (word in GOOD, check["outcome"]) == (True, outcome)
    if not ended:
        assert check["reason"] == "issuer_suspended"
        assert check["evidence"] == {"count": 1, "first": [MAKER]}


def test_what_a_stolen_key_signed_since_is_not_decided() -> None:
    """
    From the second on from which the key is said to be stolen; what it signed before stays as it was. Only
    statements of that key are named.
    """
    w = World()
    text = w.new(1)
    since = w.ledger.now
    clean = told(w, text)[0]
    govern(w, stolen(MAKER, since))
    assert told(w, text) == (clean, [{"name": CHECK, "outcome": "pass", "reason": "ok", "evidence": {}}])

    w = World()
    text = w.new(1)
    made = next(leaf for leaf in w.view(text).entries)
    govern(w, stolen(MAKER, made.block_time))

    word, (check,) = told(w, text)

    assert (word, check["outcome"]) == ("undecided", "indeterminate")
    assert check["reason"] == "statement_key_compromised"
    first = check["evidence"]["first"]
    assert {one["by"] for one in first} == {MAKER}
    assert first[0] == {"by": MAKER, "kind": "battery.produced", "leaf_index": made.leaf_index}
    assert check["evidence"]["count"] == len(first) <= FIRST


def test_who_agreed_with_a_stolen_key_is_told_as_well() -> None:
    """
    A countersignature is a signature: one of a stolen key leaves the statement undecided.
    """
    w = World()
    text = w.new(1)
    lie = w.happen(MAKER, "battery.reported_lost", text, {"reference": "P-1"})
    w.happen(EU_AUTHORITY, "attestation.voided", text, cosign=(CN_AUTHORITY,), references=(lie,))
    govern(w, stolen(CN_AUTHORITY, w.view(text).entries[-1].block_time))

    word, (check,) = told(w, text)

    assert (word, check["reason"]) == ("undecided", "statement_key_compromised")
    assert check["evidence"]["first"][-1]["kind"] == "attestation.voided"


def test_a_workshop_that_loses_its_key_spoils_nothing() -> None:
    """
    I5: a report of a trade by a stolen key is told; the word is that of before.
    """
    w = World()
    text = code(1)
    w.produce(text)
    w.publish(text)
    w.happen(MAKER, "battery.sold", text, {"invoice": "1"}, parties=(WORKSHOP,))
    said = {"method": "m", "measured_on": "2027-01-15", "soh_permille": 900}
    w.happen(WORKSHOP, "soh.measured", text, said, quantities={"soh_permille": 900})
    before = told(w, text)[0]
    govern(w, stolen(WORKSHOP, 1))

    word, (check,) = told(w, text)

    assert (word, check["outcome"], check["reason"]) == (before, "warn", "statement_key_compromised")
    assert [one["by"] for one in check["evidence"]["first"]] == [WORKSHOP]


def lift(w: World, by: str, recall: bytes, **signed: Any) -> None:
    about = recall_subject("gbt34014", "ZZ1")
    w.run(w.ledger.attest(by, "recall.lifted", about, references=(recall,), **signed))


MODEL, OTHER = Criteria((code(1)[:13],)), Criteria((code(1)[:10] + "9",))


@pytest.mark.parametrize(("criteria", "decided"), [(MODEL, False), (OTHER, True)])
@pytest.mark.parametrize("by", [MAKER, EU_AUTHORITY])
def test_a_recall_of_codes_that_a_stolen_key_lifted_is_not_decided(
    by: str, criteria: Criteria, decided: bool
) -> None:
    """
    The recall is on no battery's record, nor is its lifting: it is asked about all the same. What it did not
    reach it holds up no longer.
    """
    w = World()
    text = w.new(1)
    recall, since = w.recall(by, criteria=criteria), w.now
    lift(w, by, recall)
    assert told(w, text)[0] in GOOD

    govern(w, stolen(by, since))

    word, (check,) = told(w, text)
    assert (word in GOOD) == decided and (check["outcome"] == "pass") == decided
    if not decided:
        assert (word, check["reason"]) == ("undecided", "statement_key_compromised")
        assert check["evidence"]["count"] == 1
        assert check["evidence"]["first"][0]["kind"] == "recall.lifted"


@pytest.mark.parametrize(("days", "outcome"), [((10, 14), "indeterminate"), ((15, 20), "pass")])
def test_a_recall_by_days_that_a_stolen_key_lifted_goes_by_the_day_on_record_too(
    days: tuple[int, int], outcome: str
) -> None:
    """
    The code says the third, the record the twelfth: a recall never misses where either is among its days.
    """
    w = World()
    text = code(1)
    w.happen(MAKER, "battery.produced", text, {"production_date": "2026-06-12", "category": "ev"})
    w.publish(text)
    recall, since = w.recall(MAKER, criteria=june(*days)), w.now
    lift(w, MAKER, recall)
    govern(w, stolen(MAKER, since))

    _, (check,) = told(w, text)

    assert check["outcome"] == outcome


def test_what_was_lifted_before_the_theft_is_lifted() -> None:
    """
    The key was its owner's then.
    """
    w = World()
    text = w.new(1)
    lift(w, MAKER, w.recall(MAKER, criteria=MODEL))

    govern(w, stolen(MAKER, w.now))

    assert told(w, text)[0] in GOOD


@pytest.mark.parametrize(("criteria", "decided"), [(MODEL, True), (OTHER, False)])
def test_a_recall_that_its_publisher_published_again_is_decided(criteria: Criteria, decided: bool) -> None:
    """
    Lifted by a thief, published and lifted again under the new key: the last word is its own, of these codes.
    """
    w = World()
    text = w.new(1)
    recall, since = w.recall(MAKER, criteria=MODEL), w.now
    lift(w, MAKER, recall)
    govern(w, stolen(MAKER, since))
    key = SeedSigner(f"{MAKER}#attest-2", sha256(b"the next one").digest())
    govern(w, with_key(MAKER, Key("attest", key.key_id, key.public_key, w.now)))

    again = w.recall(MAKER, criteria=criteria, key=key)
    lift(w, MAKER, again, key=key)

    assert (told(w, text)[0] in GOOD) == decided


@pytest.mark.parametrize("by", [MAKER, CN_AUTHORITY])
def test_neither_the_thief_nor_another_party_decides_what_the_thief_lifted(by: str) -> None:
    """
    Published and lifted again with the stolen key, or by another: the first lifting is as open as before.
    """
    w = World()
    text = w.new(1)
    recall, since = w.recall(MAKER, criteria=MODEL), w.now
    lift(w, MAKER, recall)
    lift(w, by, w.recall(by, criteria=MODEL))

    govern(w, stolen(MAKER, since))

    assert told(w, text)[0] == "undecided"


def test_what_a_stolen_key_said_under_a_further_code_is_not_decided_either() -> None:
    """
    D734: its record under the other code counts as its own does; what cannot be read there says nothing.
    """
    w, text = two_codes()
    (other,) = w.evidence(text).aliases
    since = w.now
    w.happen(MAKER, "battery.sold", other, {"invoice": "1"}, parties=(IMPORTER,))
    before = told(w, text)[0]

    govern(w, stolen(MAKER, since))

    found, reason = w.judge(text).as_dict(), "statement_key_compromised"
    assert before in GOOD and (found["verdict"], found["reason"]) == ("undecided", reason)
    assert [c["name"] for c in found["checks"] if c["reason"] == reason] == ["alias"]


def test_a_leaf_that_cannot_be_read_is_no_word_of_a_thief() -> None:
    """
    What stands behind a record is asked for thefts alone.
    """
    w = World()
    text = w.new(1)
    govern(w, stolen(WORKSHOP, w.now))
    seen = w.evidence(text)
    assert seen.ledger is not None
    spoiled = replace(seen, ledger=replace(seen.ledger, behind=[LedgerEntry(0, 1, 0, b"x")]))

    assert w.judge(text, evidence=spoiled).as_dict()["verdict"] in GOOD


def packs_module() -> tuple[World, str, str]:
    """A pack, and what was made of it: judged as that it is clear."""
    w = two_publishers()
    text = second_life_pack(w)
    return w, code(1), text


def word_of(w: World, text: str) -> str:
    return str(w.judge(text, condition="second_life").as_dict()["verdict"])


@pytest.mark.parametrize("voided", [False, True])
def test_what_a_stolen_key_said_of_the_pack_leaves_what_was_made_of_it_undecided(voided: bool) -> None:
    """
    What binds a pack binds what was made of it (I2): a thief that lifts it there frees that too. Once
    authorities void the lifting, the recall is in force as before.
    """
    w, pack, text = packs_module()
    w.happen(EU_AUTHORITY, "battery.recalled", pack, {"reason": "x"})
    held, since = word_of(w, text), w.now
    lifted = w.happen(EU_AUTHORITY, "battery.recall_lifted", pack, {"reason": "x"})
    assert (held, word_of(w, text) in GOOD) == ("hold", True)

    govern(w, stolen(EU_AUTHORITY, since))

    assert word_of(w, text) == "undecided"
    if voided:
        key = SeedSigner(f"{EU_AUTHORITY}#attest-2", sha256(b"the next one").digest())
        govern(w, with_key(EU_AUTHORITY, Key("attest", key.key_id, key.public_key, w.now)))
        statement = w.ledger.statement("attestation.voided", subject_of(pack), references=(lifted,))
        draft = draft_attestation(issuer=CN_AUTHORITY, **statement)
        statement["countersignatures"] = [countersign(draft, key)]
        w.run(make_attestation(signer=signer(CN_AUTHORITY), iat=w.now, issuer=CN_AUTHORITY, **statement))
        assert word_of(w, text) == "hold"


@pytest.mark.parametrize("made", ["successor", pytest.param("module", marks=pytest.mark.check)])
def test_what_a_stolen_key_lifted_under_a_further_code_of_the_pack_is_not_lifted_for_what_came_of_it(
    made: str,
) -> None:
    """
    I2, X1: lost under its link, found again by a thief of the authority's key, and made into something else.
    """
    w = named_by_link()
    text = made_of_it(w, made)
    line: dict[str, Any] = {"condition": "used", "head": {"direction": "inland"}, "policy_name": "recycler"}
    w.happen(CN_AUTHORITY, "battery.reported_lost", LINK, {"reference": "P"})
    held, since = w.judge(text, **line).as_dict(), w.now
    w.happen(CN_AUTHORITY, "battery.found", LINK, {"reason": "x"})
    assert held["reason"] == "lost" and w.judge(text, **line).as_dict()["verdict"] in GOOD

    govern(w, stolen(CN_AUTHORITY, since))

    assert w.judge(text, **line).as_dict()["verdict"] == "undecided"


def test_a_recall_of_the_packs_codes_that_a_stolen_key_lifted_is_asked_about_too() -> None:
    """
    D757: what reaches the pack reaches what was made of it, and so does a thief's lifting.
    """
    w, _, text = packs_module()
    recall, since = w.recall(EU_AUTHORITY, criteria=MODEL), w.now
    lift(w, EU_AUTHORITY, recall)
    assert word_of(w, text) in GOOD

    govern(w, stolen(EU_AUTHORITY, since))

    assert word_of(w, text) == "undecided"


@pytest.mark.parametrize("form", ["named", "by code"])
def test_a_thiefs_lifting_may_have_reached_a_pack_whose_code_is_not_in_hand(form: str) -> None:
    """
    D757: by its key it is reached for certain, by a code perhaps; neither is clear.
    """
    w, pack, text = packs_module()
    by_code, by_key = {"criteria": OTHER}, {"references": (subject_of(pack),)}
    covered: dict[str, Any] = by_code if form == "by code" else by_key
    recall, since = w.recall(EU_AUTHORITY, **covered), w.now
    lift(w, EU_AUTHORITY, recall)
    govern(w, stolen(EU_AUTHORITY, since))

    unnamed = w.judge(text, condition="second_life", evidence=without_documents(w, text)).as_dict()
    told = [c["reason"] for c in unnamed["checks"] if c["name"] == CHECK]

    assert told == ["statement_key_compromised"]
    assert (word_of(w, text) in GOOD) == (form == "by code")


def with_key(did: str, key: Key) -> Change:
    """The party's next key."""

    def change(governance: Governance, _: int) -> Governance:
        party = governance.participants[did]
        party = replace(party, keys=(*party.keys, key))
        return replace(governance, participants={**governance.participants, did: party})

    return change
