"""From checks to one word: what no table, no order and no missing source can make milder."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from consensus.application import NotYet, Refusal
from credentials.errors import CredentialError
from credentials.ledger.parties import Participant
from credentials.verdicts.evidence import Tables
from credentials.verdicts.severity import GROUNDS, ORDER
from credentials.verdicts.verdict import Check, Outcome, conclude
from tests.harness.border import World, code, subject_of, tables, words, world
from tests.harness.ledger import CREATED, MAKER, PARTIES, participant

BAD = ("undecided", "hold", "refuse_recommended")


def concluded(*checks: Check, reasons: dict[str, Any] | None = None) -> Any:
    values = {name: getattr(tables(), name) for name in Tables.__dataclass_fields__}
    changed = Tables(**(values | ({"reasons": reasons} if reasons is not None else {})))
    return conclude(checks, changed, gaps=False, required=frozenset())


@pytest.mark.parametrize("reason", sorted(tables().reasons))
def test_a_failing_check_is_never_good_news(reason: str) -> None:
    """
    Whatever the table says of a reason, clear included: a failing check with it is undecided at best, and a
    hold stands on a ground.
    """
    conclusion = concluded(Check("schema", Outcome.FAIL, reason))

    assert conclusion.verdict in BAD
    assert (conclusion.ground in GROUNDS) == (conclusion.verdict != "undecided")


def test_where_nothing_was_checked_nothing_is_decided() -> None:
    """
    Without any check the word is undecided, because nothing was checked.
    """
    conclusion = concluded()

    assert (conclusion.verdict, conclusion.reason) == ("undecided", "not_checked")


@pytest.mark.parametrize("word", ["clear", "clear_with_gaps", "fine", None])
def test_a_table_that_calls_a_failure_clear_is_not_believed(word: str | None) -> None:
    """
    A row of the table of reasons that says clear (or nothing, or nonsense) makes a failing check a hold.
    """
    reasons = copy.deepcopy(dict(tables().reasons))
    reasons["schema_invalid"]["verdict"] = word

    assert concluded(Check("schema", Outcome.FAIL, "schema_invalid"), reasons=reasons).verdict == "hold"


@pytest.mark.parametrize("row", ORDER[2:])
@pytest.mark.parametrize("reason", ["revoked", "suspended", "condition_not_given", "already_released"])
def test_the_word_of_a_row_and_of_its_reason_the_worse_counts(row: str, reason: str) -> None:
    """
    A row of shown-as.toml is never laxer than its reason, nor a reason than its row, whatever is required.
    """
    conclusion = concluded(Check("condition", Outcome.FAIL, reason, word=row, ground="26(d)"))
    usual = tables().reasons[reason]["verdict"]

    assert ORDER.index(conclusion.verdict) >= max(ORDER.index(row), ORDER.index(usual))
    if conclusion.verdict != "undecided":
        assert conclusion.ground == "26(d)"


def test_an_undecided_row_counts_though_no_policy_asks_for_its_check() -> None:
    """
    What the table leaves undecided is undecided under every policy.
    """
    asked = Check("condition", Outcome.INDETERMINATE, "condition_not_given", word="undecided")

    assert (concluded(asked).verdict, concluded(asked).because) == ("undecided", "not_given")


def test_the_conclusion_carries_the_provision_of_its_reason() -> None:
    """
    What an officer signs names the article of the main reason, for a bad word, for gaps and for clear.
    """
    reasons = tables().reasons
    failed = concluded(Check("schema", Outcome.FAIL, "revoked"))
    gaps = conclude((Check("parse", Outcome.PASS, "ok"),), tables(), gaps=True, required=frozenset())

    assert words().provision(failed.reason) == reasons["revoked"]["provision"] != ""
    assert words().provision(gaps.reason) == reasons["gaps"]["provision"] != ""
    assert gaps.unmade == 0


def test_a_clear_line_says_how_much_was_not_checked() -> None:
    """
    Each check that was not made is counted once in the sentence beside the word.
    """
    checks = (
        Check("parse", Outcome.PASS, "ok"),
        Check("mass", Outcome.NOT_CHECKED, "not_declared"),
        Check("mass", Outcome.NOT_CHECKED, "not_declared"),
        Check("vin", Outcome.INDETERMINATE, "not_held"),
    )

    conclusion = concluded(*checks)

    assert (conclusion.reason, conclusion.unmade) == ("ok", 2)
    assert concluded(*checks, Check("proof", Outcome.FAIL, "revoked")).unmade == 2
    assert conclude(checks, tables(), gaps=True, required=frozenset()).unmade == 2


@pytest.mark.parametrize("because", ["none", "", None])
def test_an_undecided_word_says_what_it_waits_for(because: str | None) -> None:
    """
    A reason whose row names no cause is told as a source that was not reached, never as nothing.
    """
    reasons = copy.deepcopy(dict(tables().reasons))
    reasons["ledger_unavailable"]["because"] = because
    failed = Check("ledger", Outcome.FAIL, "ledger_unavailable")

    assert concluded(failed, reasons=reasons).because == "unreachable"
    assert concluded(failed, reasons=reasons).ground is None


def raised(w: World, text: str, *, listed: str, recorded: str) -> str:
    issued = w.passports[text]
    w.raised[listed].add(w.index(issued))
    w.publish_lists()
    w.happen(MAKER, recorded, text, {"reason": "x"}, references=(issued.digest,))
    return str(w.judge(text).verdict.conclusion.reason)


def test_of_revoked_and_suspended_the_stricter_counts() -> None:
    """
    The list says one thing and the ledger another: revoked counts, whichever of the two says it.
    """
    for listed, recorded in (("revocation", "passport.suspended"), ("suspension", "passport.revoked")):
        w = World()
        assert raised(w, w.new(1), listed=listed, recorded=recorded) == "revoked", listed


def maker_with_key(**changes: Any) -> World:
    """A network whose maker has a credential key with another interval."""
    parties: list[Participant] = []
    for did in PARTIES:
        party = participant(did)
        if did == MAKER:
            keys = tuple(replace(k, **changes) if k.role == "credential" else k for k in party.keys)
            party = replace(party, keys=keys)
        parties.append(party)
    return world(participants=parties)


@pytest.mark.parametrize(
    ("changes", "made"),
    [
        ({"valid_from": CREATED + 950}, CREATED + 900),  # in force when recorded, not when it happened
        ({"valid_until": CREATED + 950}, CREATED + 900),  # in force when it happened, not when recorded
    ],
)
def test_the_key_was_in_force_when_it_happened_and_when_it_was_recorded(
    changes: dict[str, int], made: int
) -> None:
    """
    A passport signed by a key that was in force at one of the two times only is held.
    """
    w, text = maker_with_key(**changes), code(1)
    w.run(w.ledger.attest(MAKER, "battery.produced", subject_of(text), event_time=made - 50))
    w.publish(text, event_time=made)

    told = w.judge(text).as_dict()

    assert {c["reason"] for c in told["checks"] if c["name"] == "issuer_key"} == {"key_not_valid"}
    assert told["verdict"] == "hold"
    # What the document says counts for nothing, however well it is signed.
    for name in ("standing.publication", "code_matches_passport", "completeness", "mass"):
        assert {c["reason"] for c in told["checks"] if c["name"] == name} == {"document_unestablished"}, name


def test_fetched_sets_of_another_passport_never_complete_the_picture() -> None:
    """
    Set 1 of the version before, shown, with the sets of the newer one fetched: what those say is not counted.
    """
    w = World()
    text = w.new(1)
    first = w.passports[text]
    newer = w.issue(text, version=2)
    w.run(w.attested(text, newer, "passport.superseded", references=(first.digest,)))
    shown = [first.credentials[1]]
    evidence = w.evidence(text, shown=shown, points=(1, 2, 3, 4))

    mixed = w.judge(text, shown=shown, evidence=evidence, policy_name="authority-eu").as_dict()
    whole = w.judge(
        text, evidence=w.evidence(text, points=(1, 2, 3, 4)), policy_name="authority-eu"
    ).as_dict()

    def points(told: Mapping[str, Any]) -> int:
        [found] = [c for c in told["checks"] if c["name"] == "completeness"]
        return int(found["evidence"]["present"])

    assert mixed["verdict"] == "hold" and mixed["reason"] == "superseded"
    assert points(mixed) < points(whole)
    assert len([c for c in mixed["checks"] if c["name"] == "structure"]) == 1, "nothing fetched took part"


def test_shown_sets_of_two_passports_are_not_one() -> None:
    """
    The current set 1 shown beside set 2 of the version before: set 2 fills no gap of the current passport.
    """
    w = World()
    text = w.new(1)
    first = w.passports[text]
    newer = w.issue(text, version=2)
    w.run(w.attested(text, newer, "passport.superseded", references=(first.digest,)))

    def present(*shown: Any) -> int:
        evidence = w.evidence(text, shown=shown, points=())
        told = w.judge(text, shown=shown, evidence=evidence, policy_name="authority-eu").as_dict()
        [found] = [c for c in told["checks"] if c["name"] == "completeness"]
        return int(found["evidence"]["present"])

    alone = present(newer.credentials[1])
    assert present(newer.credentials[1], first.credentials[2]) == alone
    assert present(newer.credentials[1], newer.credentials[2]) > alone


def test_what_fails_in_a_fetched_set_fails_the_line() -> None:
    """
    A fetched set that completes the picture brings its checks: one that does not fit its schema holds.
    """
    w = World()
    text = w.new(1)
    shown = [w.passports[text].credentials[1]]
    evidence = w.evidence(text, shown=shown, points=(1, 2))

    class Picky:
        def check(self, document: Any) -> None:
            if document["credentialSubject"]["annexXiiiPoint"] == 2:
                raise CredentialError("schema_invalid", "planted")

    network = replace(evidence.network, schemas=dict.fromkeys(evidence.network.schemas, Picky()))

    told = w.judge(
        text, shown=shown, evidence=replace(evidence, network=network), policy_name="authority-eu"
    ).as_dict()

    assert (told["verdict"], told["reason"]) == ("hold", "schema_invalid")


def test_a_new_version_has_a_higher_number() -> None:
    """
    The same passport version again is not recorded: two documents never answer to one number.
    """
    w = World()
    text = w.new(1)
    first = w.passports[text]
    again = w.issue(text, version=1)

    with pytest.raises((Refusal, NotYet, AssertionError)):
        w.run(w.attested(text, again, "passport.superseded", references=(first.digest,)))
    assert w.judge(text).verdict.conclusion.verdict == "clear"
