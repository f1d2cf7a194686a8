"""What a proposal comes to, member by member: whose approval it needs, from when on, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from consensus.application import NotYet, Refusal
from consensus.checkpoint import COSIGNATURE_KIND, LOG_KIND
from consensus.encoding import decode, encode
from credentials.errors import CredentialError
from credentials.ledger.amendment import Amendment, read_amendments
from credentials.ledger.approvals import ApprovalRules
from credentials.ledger.attestation import parse_attestation
from credentials.ledger.consents import ApprovalMissing, Wanting, may_object, wanting
from credentials.ledger.constitution import Constitution, GovernanceRow
from credentials.ledger.dead_ends import require_way_on
from credentials.ledger.entries import GovernanceEntry, parse_entry
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import governance_with, records_of
from credentials.ledger.governance_state import Sitting
from credentials.ledger.limit_bounds import BOUNDS, beyond_bounds
from credentials.ledger.parties import Limits, Stop
from credentials.ledger.proposals import ChangeProposal, Tabled
from credentials.ledger.recognition import Effect, Recognition
from credentials.ledger.registry import parameters_of
from credentials.ledger.shares import records_max
from tests.credentials.test_governance_refusals import (
    AT,
    FIRST,
    HELD,
    NEW_KEY,
    STOPPED,
    Tables,
    ended,
    refused,
    with_licence,
    with_stop,
)
from tests.credentials.test_proposals import governing, licence, limits_row, stop_row
from tests.harness.governing import Governing, licence_row, participant_row, party_row, with_key
from tests.harness.ledger import (
    CN_AUTHORITY,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    OUTSIDER,
    RECYCLER,
    VALIDATORS,
    participant,
    signer,
)

LATE = "did:web:late.example"
EU_LICENCE = next(a for a in FIRST.accreditations if a.participant == EU_AUTHORITY)


def read(changed: Tables, governance: Governance = FIRST, at: int = AT) -> list[Amendment]:
    before = records_of(governance)
    return list(
        read_amendments(governance, before, {r: encode(dict(t)) for r, t in changed.items()}, at).amendments
    )


def settled(changed: Tables, governance: Governance = FIRST, at: int = AT) -> Any:
    """The one record as it would come into force."""
    before = records_of(governance)
    records = read_amendments(
        governance, before, {r: encode(dict(t)) for r, t in changed.items()}, at
    ).records
    (data,) = records.values()
    return decode(data)


# -- whose approval --------------------------------------------------------------------------------------


def test_what_is_done_to_a_party_names_it_its_side_and_what_it_weighs() -> None:
    """
    Of an authority all decide together, of a key that votes too; who cannot approve any more is named.
    """
    importer, authority, maker = (("participant", did) for did in (IMPORTER, EU_AUTHORITY, MAKER))

    def keys(did: str, **changes: Any) -> Any:
        role = changes.pop("role")
        return tuple(replace(k, **changes) if k.role == role else k for k in FIRST.participants[did].keys)

    def of(did: str, **changes: Any) -> list[Amendment]:
        return read(participant_row(FIRST, did, **changes))

    voting = (*keys(MAKER, role="vote", valid_until=AT), replace(NEW_KEY, role="vote", id=f"{MAKER}#vote-9"))
    assert of(IMPORTER, address="http://a") == [
        Amendment("participant.moved", importer, IMPORTER, "EU", weighty=False)
    ]
    assert of(EU_AUTHORITY, address="http://a", identifiers=("eori:NL1",)) == [
        Amendment("participant.moved", authority, EU_AUTHORITY, "EU", weighty=False),
        Amendment("participant.described", authority, EU_AUTHORITY, "EU", weighty=False),
    ]
    assert of(IMPORTER, recovery=bytes(32)) == [Amendment("recovery.replaced", importer, IMPORTER, "EU")]
    assert of(EU_AUTHORITY, recovery=bytes(32)) == [
        Amendment("recovery.replaced", authority, EU_AUTHORITY, "EU", weighty=True)
    ]
    assert of(IMPORTER, left=AT) == [Amendment("participant.left", importer, IMPORTER, "EU")]
    assert of(EU_AUTHORITY, left=AT) == [
        Amendment("participant.left", authority, EU_AUTHORITY, "EU", weighty=True, unseats=EU_AUTHORITY)
    ]
    assert of(IMPORTER, keys=keys(IMPORTER, role="vote", compromised_from=AT)) == [
        Amendment("keys.compromised", importer, IMPORTER, "EU", weighty=False)
    ]
    assert of(MAKER, keys=keys(MAKER, role="attest", compromised_from=AT)) == [
        Amendment("keys.compromised", maker, MAKER, "CN", weighty=False)
    ]
    stolen = (*keys(MAKER, role="log", compromised_from=AT), replace(voting[-1], role="log"))
    assert of(MAKER, keys=stolen) == [
        Amendment(action, maker, MAKER, "CN", weighty=True) for action in ("keys.compromised", "keys.rotated")
    ]
    assert of(MAKER, keys=voting) == [Amendment("keys.rotated", maker, MAKER, "CN", weighty=True)]
    for role, unseats in (("attest", EU_AUTHORITY), ("transport", "")):
        for change, action in (("compromised_from", "keys.compromised"), ("valid_until", "keys.rotated")):
            assert of(EU_AUTHORITY, keys=keys(EU_AUTHORITY, role=role, **{change: AT})) == [
                Amendment(action, authority, EU_AUTHORITY, "EU", weighty=False, unseats=unseats)
            ]


def test_who_is_admitted_first_on_a_side_is_admitted_by_all() -> None:
    """
    Nobody at home could sponsor it; a side with an authority, suspended or stopped too, does so alone.
    """
    late = replace(participant(OUTSIDER), did=LATE, keys=())
    row = ("participant", LATE)

    assert read(party_row(replace(late, jurisdiction="IN"))) == [
        Amendment("participant.admitted", row, LATE, "IN", weighty=True)
    ]
    assert read(party_row(late)) == [Amendment("participant.admitted", row, LATE, "CN", weighty=False)]
    licences = tuple(
        replace(a, valid_until=AT) if a.participant == CN_AUTHORITY else a for a in FIRST.accreditations
    )
    gone = replace(FIRST, accreditations=licences)
    assert read(party_row(late), gone)[0].weighty and not read(party_row(late), gone, AT - 1)[0].weighty


def test_a_licence_or_recognition_names_its_holder_and_the_side_that_gives_it() -> None:
    """
    That of an authority is weighty; ended or suspended it unseats its holder, given it does not.
    """
    office = replace(EU_LICENCE, participant=OUTSIDER, licence="second")

    def action(which: str, of: Any, party: str, **more: Any) -> list[Amendment]:
        kind = ("recognition" if isinstance(of, Recognition) else "accreditation", of.id)
        return [Amendment(f"{kind[0]}.{which}", kind, party, "EU", **more)]

    assert read(licence_row(replace(HELD, valid_until=AT))) == action("withdrawn", HELD, IMPORTER)
    assert read(licence_row(office)) == action("given", office, OUTSIDER, weighty=True)
    for change, which in (
        ({"valid_until": AT}, "withdrawn"),
        ({"suspended": ((AT, None),)}, "suspended"),
    ):
        assert read(licence_row(replace(EU_LICENCE, **change))) == action(
            which, EU_LICENCE, EU_AUTHORITY, weighty=True, unseats=EU_AUTHORITY
        )
    (row,) = FIRST.recognitions
    table = {("recognition", row.id): replace(row, suspended=((AT, None),)).as_table()}
    assert read(table) == action("suspended", row, EU_AUTHORITY)


def test_a_stop_names_who_set_it_and_who_may_confirm() -> None:
    """
    Set by that authority alone; confirmed by another; that of an authority is for all, and unseats it.
    """
    row, held = ("stop", MAKER), ("stop", EU_AUTHORITY)
    stops = replace(STOPPED, until=AT)
    set_again = stop_row(MAKER, CN_AUTHORITY)
    since = {"target": MAKER, "by": CN_AUTHORITY, "since": AT - 100}

    assert read(set_again) == [Amendment("stop.set", row, MAKER, "CN", only_by=CN_AUTHORITY)]
    assert read(set_again, with_stop(stops)) == [
        Amendment("stop.set", row, MAKER, "CN", weighty=True, only_by=CN_AUTHORITY)
    ]
    quiet_s = 10 * FIRST.approvals.stop_s
    for over, weighty in ((AT, True), (AT - quiet_s + 1, True), (AT - quiet_s, False)):
        lifted = with_stop(replace(stops, since=0, until=over, lifted=True))
        assert read(set_again, lifted)[0].weighty is weighty
        assert read(stop_row(f"{MAKER}#attest-1", CN_AUTHORITY), lifted)[0].weighty is weighty
        assert read(stop_row(OUTSIDER, CN_AUTHORITY), lifted)[0].weighty is False
    assert read(stop_row(EU_AUTHORITY, CN_AUTHORITY)) == [
        Amendment("stop.set", held, EU_AUTHORITY, "EU", weighty=True, unseats=EU_AUTHORITY,
                  only_by=CN_AUTHORITY)
    ]  # fmt: skip
    assert read({row: since}, with_stop(STOPPED)) == [
        Amendment("stop.confirmed", row, MAKER, "CN", not_by=frozenset({CN_AUTHORITY}))
    ]
    assert read({row: since | {"lifted": True}}, with_stop(STOPPED)) == [
        Amendment("stop.lifted", row, MAKER, "CN")
    ]
    assert (
        refused({row: since}, with_stop(replace(STOPPED, until=None))) == f"it leaves stop {MAKER} as it is"
    )
    key = f"{MAKER}#attest-1"
    assert read(stop_row(key, CN_AUTHORITY))[0].record == ("stop", key)


def test_what_there_is_one_of_is_for_all() -> None:
    """
    Limits, rules, versions, approvals and validators: whole records, each weighty.
    """
    for record, table, action in (
        (("app_version", ""), {"app_version": 2}, "rules.changed"),
        (("rule", "a.json"), {"sha256": "a" * 64}, "rules.changed"),
        (("approvals", ""), ApprovalRules(stop_s=7).as_table(), "approvals.changed"),
        (("validators", ""), {"participants": [*VALIDATORS, IMPORTER]}, "validators.changed"),
        (("validators", ""), {"participants": list(VALIDATORS[1:])}, "validators.changed"),
    ):
        assert read({record: table}) == [Amendment(action, record, weighty=True)]
        assert settled({record: table}) == table
    assert governance_with(FIRST, {("app_version", ""): encode({"app_version": 2})}, None).app_version == 2
    assert governance_with(FIRST, {}, None) is FIRST


def test_what_is_decided_together_is_the_same_in_any_order() -> None:
    """
    Newcomers and licences that one block decides stand in the same places whichever was told first.
    """
    made: Tables = {}
    for name in ("b", "a", "c"):
        did = f"did:web:{name}.example"
        keys = tuple(
            replace(key, id=f"{did}#{key.role}-1", public=sha256(f"{name} {key.role}".encode()).digest())
            for key in FIRST.participants[OUTSIDER].keys
        )
        made |= party_row(replace(FIRST.participants[OUTSIDER], did=did, keys=keys))
        made |= licence_row(replace(EU_LICENCE, participant=did, licence=name))
    records = {record: encode(dict(table)) for record, table in made.items()}

    one = governance_with(FIRST, records, None)
    other = governance_with(FIRST, dict(reversed(records.items())), None)

    assert one == other != FIRST
    assert list(one.participants) == list(other.participants)


# -- from when on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "until", "suspended"),
    [
        (None, {"valid_until": AT - 5}, AT, []),
        (None, {"valid_until": AT + 5}, AT + 5, []),
        ({}, {"valid_until": AT - 5}, AT, []),
        ({"valid_until": AT + 9}, {"valid_until": AT + 5}, AT + 5, []),
        ({}, {"suspended": ((AT - 5, None),)}, None, [[AT]]),
        ({}, {"suspended": ((AT + 5, None),)}, None, [[AT + 5]]),
        ({"suspended": ((1, 2),)}, {"suspended": ((1, 2), (AT - 5, None))}, None, [[1, 2], [AT]]),
        ({"suspended": ((5, None),)}, {"suspended": ((5, AT - 5),)}, None, [[5, AT]]),
        ({"suspended": ((5, None),)}, {"suspended": ((5, AT),)}, None, [[5, AT]]),
        ({"suspended": ((1, 2), (5, None))}, {"suspended": ((1, 2), (5, AT))}, None, [[1, 2], [5, AT]]),
        ({"suspended": ((AT + 9, None),)}, {"suspended": ((AT + 9, AT + 9),)}, None, [[AT + 9, AT + 9]]),
    ],
)
def test_what_a_change_states_is_never_over_when_it_comes_into_force(
    before: Any, after: Any, until: int | None, suspended: list[list[int]]
) -> None:
    """
    An end in the past is now, a suspension begins now at the earliest, and what began before keeps its start.
    """
    was = replace(HELD, licence="another", schemes=(("gs1", "7"),)) if before is None else HELD
    given = licence_row(replace(was, **((before or {}) | after)))
    table = settled(given, with_licence(**(before or {})))

    assert (table.get("valid_until"), table.get("suspended", [])) == (until, suspended)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"suspended": ((1, 2), (5, None))}, {"suspended": ((1, 3), (5, AT))}),
        ({"suspended": ((1, 2), (5, None))}, {"suspended": ((1, 2), (6, AT))}),
        ({"suspended": ((1, 2), (5, None))}, {"suspended": ((5, AT),)}),
        ({"suspended": ((1, 2),)}, {"suspended": ((1, 3), (AT, None))}),
        ({"suspended": ((1, 2),)}, {"suspended": ((1, 2), (3, 4), (AT, None))}),
        ({"suspended": ((1, 2),)}, {"suspended": ()}),
        ({"suspended": ((1, AT),)}, {"suspended": ((1, AT - 1),)}),
    ],
)
def test_suspensions_that_were_are_not_rewritten(before: Any, after: Any) -> None:
    """
    Only the last one that lasts is ended, and only one is added.
    """
    told = refused(licence_row(replace(HELD, **after)), with_licence(**before))

    assert told == "of what is given only its end and its suspension can be stated"


def test_an_end_may_come_earlier_and_not_twice() -> None:
    """
    An end on record is moved up while it has not come; a suspension that is over lets another begin.
    """
    later = with_licence(valid_until=AT + 1)

    assert settled(licence_row(replace(HELD, valid_until=AT)), later)["valid_until"] == AT
    over = refused(licence_row(replace(HELD, valid_until=AT - 1)), with_licence(valid_until=AT))
    assert over == "it is over: give another one"
    again = licence_row(replace(HELD, suspended=((1, AT), (AT, None))))
    assert read(again, with_licence(suspended=((1, AT),)))[0].action == "accreditation.suspended"
    early = refused(
        licence_row(replace(HELD, suspended=((1, AT + 1), (AT + 1, None)))),
        with_licence(suspended=((1, AT + 1),)),
    )
    assert early == "it is suspended already"


def test_keys_and_departures_come_into_force_now_at_the_earliest() -> None:
    """
    A new key is nobody's before, an old one ends not before, who leaves has not left before.
    """
    keys = FIRST.participants[IMPORTER].keys
    past, to_come = replace(NEW_KEY, valid_from=AT - 5), replace(NEW_KEY, valid_from=AT + 5)

    def table(**changes: Any) -> Any:
        return settled(participant_row(FIRST, IMPORTER, **changes))

    assert [table(keys=(*keys, k))["keys"][-1]["valid_from"] for k in (past, to_come)] == [AT, AT + 5]
    ends = [
        table(keys=tuple(map(ended(at, role="log"), keys)))["keys"][4]["valid_until"]
        for at in (AT - 5, AT, AT + 5)
    ]
    assert ends == [AT, AT, AT + 5]
    assert [table(left=at)["left"] for at in (AT - 5, AT + 5)] == [AT, AT + 5]
    late = replace(participant(OUTSIDER), did=LATE, keys=(replace(NEW_KEY, id=f"{LATE}#a", valid_from=1),))
    assert settled(party_row(late))["keys"][0]["valid_from"] == AT
    stopped = settled(stop_row(MAKER, CN_AUTHORITY, since=5, until=9))
    assert stopped == {"target": MAKER, "by": CN_AUTHORITY, "since": AT,
                       "until": AT + FIRST.approvals.stop_s}  # fmt: skip
    row = {"target": MAKER, "by": CN_AUTHORITY, "since": AT - 100}
    assert settled({("stop", MAKER): row}, with_stop(STOPPED)) == row
    lifted = settled({("stop", MAKER): row | {"lifted": True}}, with_stop(STOPPED))
    assert lifted == row | {"until": AT, "lifted": True}


def test_the_end_of_a_key_is_moved_up_and_never_back() -> None:
    """
    Nor that of a key that has ended; and what is known of its compromise is never known later.
    """
    keys = FIRST.participants[IMPORTER].keys
    first = keys[0].id

    def told(before: Any, after: Any) -> str:
        was = tuple(replace(keys[0], **before) if k.id == first else k for k in keys)
        now = tuple(replace(keys[0], **after) if k.id == first else k for k in keys)
        party = replace(FIRST.participants[IMPORTER], keys=was)
        governance = replace(FIRST, participants={**FIRST.participants, IMPORTER: party})
        try:
            read(party_row(replace(party, keys=now)), governance)
        except Exception as error:
            return str(getattr(error, "message", error))
        return "read"

    late = f"the end of {first} cannot be put off"
    assert told({"valid_until": AT + 5}, {"valid_until": AT + 6}) == late
    assert told({"valid_until": AT + 5}, {"valid_until": None}) == late
    assert told({"valid_until": AT + 5}, {"valid_until": AT + 4}) == "read"
    assert told({"valid_until": AT}, {"valid_until": AT - 1}) == f"{first} has ended already"
    assert told({"valid_until": AT + 1}, {"valid_until": AT - 1}) == "read"
    wrong = f"{first} is compromised from a time until now, and no later than known"
    assert told({}, {"compromised_from": AT}) == "read"
    assert told({"compromised_from": 9}, {"compromised_from": 8}) == "read"
    assert told({"compromised_from": 9}, {"compromised_from": 10}) == wrong
    assert told({"compromised_from": 9}, {"compromised_from": None}) == wrong


# -- what is missing -------------------------------------------------------------------------------------


def lacking(
    changed: Tables,
    by: str = CUSTOMS,
    *approvals: str,
    governance: Governance = FIRST,
    recovered: bool = False,
    held: Mapping[str, str] | None = None,
    at: int = AT,
) -> Wanting:
    before = records_of(governance)
    rows = {r: encode(dict(t)) for r, t in changed.items()}
    reading = read_amendments(governance, before, rows, at)
    proposal = ChangeProposal(bytes(32), rows, dict.fromkeys(rows), {}, AT + 10**6, bytes(16))
    tabled = Tabled(proposal, by, recovered, AT - 7, 3, frozenset(approvals), held or {})
    return wanting(tabled, reading.amendments, governance, at)


BOTH = (CN_AUTHORITY, EU_AUTHORITY)


def test_what_is_missing_says_who_can_give_it() -> None:
    """
    The sort, the number, the parties and the sides; nothing once they are there.
    """
    withdrawn = licence_row(replace(HELD, valid_until=AT))
    keys = FIRST.participants[IMPORTER].keys
    rotated = participant_row(FIRST, IMPORTER, keys=(*map(ended(AT), keys), NEW_KEY))
    limits = limits_row(clock_skew_s=1)

    assert lacking(withdrawn) == Wanting(
        (ApprovalMissing("accreditation.withdrawn", "authority", 1, (EU_AUTHORITY,), ("EU",)),)
    )
    assert lacking(withdrawn, CUSTOMS, EU_AUTHORITY) == Wanting()
    assert lacking(withdrawn, CUSTOMS, CN_AUTHORITY) == lacking(withdrawn)
    assert lacking(rotated) == Wanting((ApprovalMissing("keys.rotated", "recovery", 1, (IMPORTER,)),))
    assert lacking(rotated, IMPORTER) == lacking(rotated)
    assert lacking(rotated, IMPORTER, recovered=True) == Wanting()
    moved = participant_row(FIRST, IMPORTER, address="http://a")
    assert lacking(moved) == Wanting((ApprovalMissing("participant.moved", "own", 1, (IMPORTER,)),))
    assert lacking(moved, IMPORTER) == Wanting()
    assert lacking(limits) == Wanting((ApprovalMissing("limits.changed", "network", 2, BOTH, ("CN", "EU")),))
    assert lacking(limits, CUSTOMS, CN_AUTHORITY) == Wanting(
        (ApprovalMissing("limits.changed", "network", 1, (EU_AUTHORITY,), ("EU",)),)
    )
    assert lacking(limits, CUSTOMS, *BOTH) == Wanting()
    only = with_only_by = lacking(stop_row(MAKER, CN_AUTHORITY))
    assert (
        only
        == with_only_by
        == Wanting((ApprovalMissing("stop.set", "authority", 1, (CN_AUTHORITY,), ("CN",)),))
    )
    assert lacking(stop_row(MAKER, EU_AUTHORITY)).missing[0].of == ()


def test_a_side_with_one_authority_confirms_its_stop_with_all_others() -> None:
    """
    It cannot confirm what it set: then k authorities and one of each side do, and are named.
    """
    row = {("stop", MAKER): {"target": MAKER, "by": CN_AUTHORITY, "since": AT - 100}}
    both = ApprovalMissing("stop.confirmed", "network", 2, BOTH, ("CN", "EU"))
    other = ApprovalMissing("stop.confirmed", "network", 1, (EU_AUTHORITY,), ("EU",))

    assert lacking(row, governance=with_stop(STOPPED)) == Wanting((both,))
    assert lacking(row, CUSTOMS, CN_AUTHORITY, governance=with_stop(STOPPED)) == Wanting((other,))
    assert lacking(row, CUSTOMS, *BOTH, governance=with_stop(STOPPED)) == Wanting()


def test_whoever_is_unseated_is_so_by_all_others_after_a_wait() -> None:
    """
    From the moment at which it was proposed, so that it is heard; with its own recovery key for its keys.
    """
    wait = AT - 7 + FIRST.approvals.removal_s
    keys = tuple(map(ended(AT), FIRST.participants[EU_AUTHORITY].keys))
    rotated = participant_row(FIRST, EU_AUTHORITY, keys=keys)
    own = ApprovalMissing("keys.rotated", "recovery", 1, (EU_AUTHORITY,))
    left = participant_row(FIRST, EU_AUTHORITY, left=AT)

    assert lacking(left) == Wanting(
        (ApprovalMissing("participant.left", "network", 1, (CN_AUTHORITY,)),), wait
    )
    assert lacking(left, CUSTOMS, CN_AUTHORITY) == Wanting((), wait)
    assert lacking(rotated).missing[0] == own
    assert lacking(rotated, EU_AUTHORITY, CN_AUTHORITY, recovered=True).missing == ()
    ready = Wanting((), wait)
    assert (ready.ready(wait - 1), ready.ready(wait)) == (False, True)
    assert not replace(ready, held_missing=1).ready(wait)


def test_a_recovery_key_waits_for_objections_and_rules_for_a_quorum_that_holds_them() -> None:
    """
    Seconds from the proposal on, and votes that are missing, none below zero.
    """
    wait = AT - 7 + FIRST.approvals.objection_s
    replaced = participant_row(FIRST, IMPORTER, recovery=bytes(32))
    rules = {("rule", "a.json"): {"sha256": "a" * 64}}

    assert lacking(replaced, CUSTOMS, EU_AUTHORITY) == Wanting((), wait)
    quorum = FIRST.validators.quorum
    for count in range(len(VALIDATORS) + 1):
        held = {did: signer(did).key_id for did in VALIDATORS[:count]}
        assert lacking(rules, CUSTOMS, *BOTH, held=held) == Wanting((), 0, max(quorum - count, 0))


# -- one block -------------------------------------------------------------------------------------------


def sitting_of(g: Governing) -> Sitting:
    constitution = g.ledger.registry.constitution
    return constitution.state.sitting(g.ledger.now, g.ledger.height + 1, constitution.rule_files)


def test_what_ended_in_a_block_is_over_for_the_acts_after_it() -> None:
    """
    Withdrawn a moment ago: approved no more, not made again, and told so; an objection ends nothing.
    """
    g = governing()
    mine = g.propose(CUSTOMS, limits_row(clock_skew_s=61))
    theirs = g.propose(EU_AUTHORITY, participant_row(g.now, IMPORTER, recovery=bytes(32)))
    sitting = sitting_of(g)
    for by, kind, about in ((CUSTOMS, "proposal_withdrawn", mine), (IMPORTER, "objected", theirs)):
        sitting.act(parse_attestation(g.act(by, kind, about)))

    def told(by: str, kind: str, about: ChangeProposal) -> tuple[str, str]:
        with pytest.raises(Refusal) as refusal:
            sitting.act(parse_attestation(g.act(by, kind, about)))
        assert not isinstance(refusal.value, NotYet)
        return refusal.value.code, str(refusal.value)

    assert told(CN_AUTHORITY, "approved", mine) == ("proposal_over", "the proposal is over: withdrawn ")
    assert told(IMPORTER, "objected", theirs) == ("duplicate", f"{IMPORTER} objected to it already")
    assert told(CUSTOMS, "proposed", mine) == (
        "duplicate",
        "this proposal was made already: make another one",
    )
    assert {d: t.outcome for d, t in sitting.over.items()} == {mine.digest: "withdrawn"}
    assert {d: t.objections for d, t in sitting.tabled.items()} == {theirs.digest: frozenset({IMPORTER})}


def test_a_partys_share_of_open_proposals_counts_its_own_alone() -> None:
    """
    One that is over makes room again; the sentence says how many.
    """
    g = governing(governance={"proposals_per_party_max": 2})
    rows = [limits_row(clock_skew_s=61 + n) for n in range(4)]
    first = g.propose(CUSTOMS, rows[0])
    g.propose(OUTSIDER, rows[1])
    g.propose(CUSTOMS, rows[1])

    with pytest.raises(Refusal) as refusal:
        g.ledger.registry.check_tx(g.act(CUSTOMS, "proposed", g.proposal(rows[2])), g.ledger.now)
    assert (refusal.value.code, str(refusal.value)) == ("quota", f"{CUSTOMS} has 2 proposals open already")
    g.ledger.run(g.act(CUSTOMS, "proposal_withdrawn", first))
    g.propose(CUSTOMS, rows[3])


def test_a_thief_who_fills_a_partys_room_leaves_that_of_its_recovery_key() -> None:
    """
    What the recovery key proposes is counted apart: its owner ends the theft whatever the thief proposed.
    """
    g = governing(governance={"proposals_per_party_max": 1})
    g.propose(MAKER, limits_row(clock_skew_s=61))
    votes = [
        with_key(g.now, MAKER, ("vote",), number, g.ledger.now, network_id=g.ledger.genesis.network_id)
        for number in (2, 3)
    ]

    assert g.refused(MAKER, "proposed", g.proposal(limits_row(clock_skew_s=62))) == "quota"
    g.propose(MAKER, votes[0][0], proofs=votes[0][1], recovery=True)
    other = g.proposal(votes[1][0], proofs=votes[1][1])
    assert g.refused(MAKER, "proposed", other, recovery=True) == "quota"


def test_the_open_proposals_of_a_party_are_of_so_many_records_together() -> None:
    """
    As many as its part is: one more is refused, what is over makes room. Others have room of their own.
    """
    g = governing()
    most = records_max(g.now, OUTSIDER, g.ledger.now, recovered=False)

    def rules(count: int, first: int) -> Any:
        return {("rule", f"r{first + n}.json"): {"sha256": f"{first + n:064x}"} for n in range(count)}

    large = g.propose(OUTSIDER, rules(most - 1, 0))
    g.propose(OUTSIDER, rules(1, 31))
    with pytest.raises(Refusal) as refusal:
        g.ledger.registry.check_tx(g.act(OUTSIDER, "proposed", g.proposal(rules(1, 32))), g.ledger.now)
    told = f"{OUTSIDER} has proposals of more than {most} records open then: withdraw one, or wait"
    assert (refusal.value.code, str(refusal.value)) == ("quota", told)
    g.propose(CUSTOMS, rules(most, 40))
    g.ledger.run(g.act(OUTSIDER, "proposal_withdrawn", large))
    g.propose(OUTSIDER, rules(most - 1, 80))


def test_a_proposal_expires_at_its_second() -> None:
    """
    At it no more, and the longest time from now is one that is taken.
    """
    g = governing()
    most = g.now.approvals.proposal_s_max
    longest, short = (
        g.proposal(limits_row(clock_skew_s=61), for_s=most),
        g.proposal(limits_row(clock_skew_s=62), for_s=30),
    )
    g.ledger.run(*(g.act(CUSTOMS, "proposed", p) for p in (longest, short)))
    for _ in range(3):
        g.idle()
        seen = g.outcome(short)
    assert seen == ("lapsed", "expired") and g.outcome(longest) == ("open", "")


# -- what is made of it ----------------------------------------------------------------------------------


def test_consensus_reads_its_times_and_bounds_off_the_limits() -> None:
    """
    Each where it belongs; of the two votes the slower one.
    """
    limits = Limits(
        timeout_propose_ms=11, timeout_delta_ms=22, timeout_prevote_ms=33, timeout_precommit_ms=44,
        block_bytes_max=555, heartbeat_ms=66, evidence_heights_max=77,
    )  # fmt: skip
    one = replace(FIRST, limits=limits, app_version=9)

    read_ = parameters_of(one, "log.test.example")

    times = read_.timeouts
    assert (times.propose_ms, times.propose_delta_ms, times.vote_ms, times.vote_delta_ms) == (11, 22, 44, 22)
    assert (read_.app_version, read_.block_bytes_max, read_.heartbeat_ms) == (9, 555, 66)
    assert read_.evidence_heights_max == 77
    slower = replace(one, limits=replace(limits, timeout_prevote_ms=55))
    assert parameters_of(slower, "log.test.example").timeouts.vote_ms == 55
    assert read_.note_keys == one.note_keys("log.test.example")
    keys = read_.note_keys[IMPORTER]
    assert [(k.name, k.kind, k.public_key) for k in keys] == [
        ("log.test.example", LOG_KIND, signer(IMPORTER, "log").public_key),
        ("importer.example", COSIGNATURE_KIND, signer(IMPORTER, "cosign").public_key),
    ]


def test_epochs_of_the_rows_are_those_of_the_ledger() -> None:
    """
    A new rule file included: whoever replays them reads the file that they name, and has the same history.
    """
    g = governing()
    lifecycle = b"a = 1\n"
    files = {sha256(lifecycle).digest(): lifecycle}
    constitution = g.ledger.registry.constitution
    founded = constitution.rule_files
    both = constitution.rule_files = lambda digest: files.get(digest) or founded(digest)
    rows: list[GovernanceRow] = []
    rule = {("rule", "a.toml"): {"sha256": sha256(lifecycle).hexdigest()}}
    licensed = licence_row(licence(OUTSIDER, schemes=(("gbt34014", "ZZ8"),)))
    for tables in (rule, licensed):
        proposal = g.proposal(tables)
        acts = [("proposed", CN_AUTHORITY), ("approved", EU_AUTHORITY), *(("held", v) for v in VALIDATORS)]
        for kind, by in acts if tables is rule else acts[:1]:
            execution = g.ledger.run(g.act(by, kind, proposal))
            rows += [GovernanceRow(g.ledger.height, *row) for row in execution.governance]
            if g.outcome(proposal)[0] == "decided":
                break
        for _ in range(2):
            execution = g.idle()
            rows += [GovernanceRow(g.ledger.height, *row) for row in execution.governance]

    again = Constitution.restored(g.ledger.genesis, rows, g.ledger.height, both)

    epochs = again.history.epochs
    assert [(h, e.rules.get("a.toml")) for h, e in epochs] == [
        (h, e.rules.get("a.toml")) for h, e in g.ledger.history.epochs
    ]
    assert g.now.rules["a.toml"] == {"a": 1}
    assert epochs == g.ledger.history.epochs
    assert again.records.root == constitution.records.root and again.state == constitution.state


def test_a_recognition_that_begins_and_ends_says_so() -> None:
    """
    Its table has what it says and no more, and its name stays whatever becomes of it.
    """
    row = Recognition(EU_AUTHORITY, "EU", MAKER, ("EXP-02",), Effect.INFORMATION_ONLY, "network-policy", AT)
    over = replace(row, valid_until=AT + 5, suspended=((AT, AT + 1), (AT + 2, None)))

    assert row.id == over.id and Recognition.parse(over.as_table()) == over
    assert over.as_table()["suspended"] == [[AT, AT + 1], [AT + 2]]
    assert {"valid_until", "suspended", "conditions"}.isdisjoint(row.as_table())


# -- who may approve, and what must stay possible --------------------------------------------------------


def test_a_side_that_a_stop_silences_is_waited_for() -> None:
    """
    Until the last stop of its authorities, or of their keys, is over: where nobody confirmed it, where its
    consent is asked for, and for what is no stop.
    """
    limits, late = limits_row(clock_skew_s=1), AT + 50
    key = f"{EU_AUTHORITY}#attest-1"

    def waits(*stops: Stop, changed: Tables = limits, **rules: Any) -> int:
        one = replace(FIRST, stops={stop.target: stop for stop in stops})
        if rules:
            one = replace(one, approvals=replace(one.approvals, **rules))
        return lacking(changed, CUSTOMS, CN_AUTHORITY, governance=one).waits_until

    silent = Stop(EU_AUTHORITY, CN_AUTHORITY, AT - 5, late)
    assert waits() == 0
    assert waits(silent) == waits(Stop(key, CN_AUTHORITY, AT - 5, late)) == late
    assert waits(silent, Stop(key, CN_AUTHORITY, AT, late + 9)) == late + 9
    assert waits(replace(silent, until=None)) == waits(replace(silent, until=AT)) == 0
    assert waits(Stop(IMPORTER, CN_AUTHORITY, AT, late)) == waits(Stop(MAKER, CN_AUTHORITY, AT, late)) == 0
    assert waits(silent, Stop(CUSTOMS, CN_AUTHORITY, AT, late + 9)) == late
    assert waits(silent, jurisdictions=("CN",)) == 0
    stopped = Stop(MAKER, CN_AUTHORITY, AT - 9, AT)
    again = stop_row(MAKER, CN_AUTHORITY)
    assert read(again, replace(FIRST, stops={MAKER: stopped}))[0].weighty
    assert waits(silent, stopped, changed=again) == 0
    assert waits(silent, stopped, changed={**again, **limits}) == late


def test_who_may_approve_has_a_key_a_licence_at_home_and_no_stop() -> None:
    """
    Each of these takes the office away while it lacks, and nothing else does.
    """
    eu = FIRST.participants[EU_AUTHORITY]

    def others(**changes: Any) -> dict[str, str]:
        return replace(FIRST, **changes).authorities(AT)

    def licensed(**changes: Any) -> dict[str, str]:
        kept = [replace(a, **changes) if a is EU_LICENCE else a for a in FIRST.accreditations]
        return others(accreditations=tuple(kept))

    def party(**changes: Any) -> dict[str, str]:
        return others(participants={**FIRST.participants, EU_AUTHORITY: replace(eu, **changes)})

    both, one = {CN_AUTHORITY: "CN", EU_AUTHORITY: "EU"}, {CN_AUTHORITY: "CN"}
    assert others() == both
    assert licensed(roles=("market_surveillance",)) == licensed(jurisdiction="CN") == one
    assert licensed(valid_until=AT) == licensed(suspended=((AT, None),)) == one
    assert licensed(valid_until=AT + 1) == licensed(suspended=((AT + 1, None),)) == both
    attest = tuple(replace(k, valid_until=AT) if k.role == "attest" else k for k in eu.keys)
    assert party(keys=attest) == party(keys=tuple(k for k in eu.keys if k.role != "attest")) == one
    validators = tuple(did for did in VALIDATORS if did != EU_AUTHORITY)
    left = {**FIRST.participants, EU_AUTHORITY: replace(eu, left=AT + 1)}
    gone = replace(FIRST, participants=left, validator_dids=(validators[0],), approvals=ApprovalRules())
    assert (gone.authorities(AT), gone.authorities(AT + 1)) == (both, one)
    for target in (EU_AUTHORITY, f"{EU_AUTHORITY}#attest-1"):
        stop = Stop(target, CN_AUTHORITY, AT, AT + 5)
        assert others(stops={target: stop}) == one
        assert others(stops={target: replace(stop, since=AT + 1)}) == both
    assert others(stops={"x": Stop(f"{EU_AUTHORITY}#log-1", CN_AUTHORITY, AT, AT + 5)}) == both


def test_who_left_has_no_key_and_no_licence_from_then_on() -> None:
    """
    An end that was stated before stays where it was.
    """
    party = FIRST.participants[IMPORTER]
    ended_key = replace(party.keys[1], valid_until=AT - 5)
    keys = (party.keys[0], ended_key, *party.keys[2:])
    gone = replace(FIRST, participants={**FIRST.participants, IMPORTER: replace(party, left=AT, keys=keys)})

    first, second = gone.key_by_id(keys[0].id), gone.key_by_id(ended_key.id)
    assert first is not None and second is not None
    assert (first.valid_until, second.valid_until) == (AT, AT - 5)
    assert [a.valid_until for a in gone.accreditations_of(IMPORTER)] == [AT]
    assert gone.key_by_id(keys[0].id, AT - 1) == first and gone.key_by_id(keys[0].id, AT) is None
    assert [gone.key(IMPORTER, "vote", at) is None for at in (AT - 1, AT)] == [False, True]
    assert IMPORTER in gone.note_keys("log.test.example")
    bare = replace(FIRST, participants={**FIRST.participants, IMPORTER: replace(party, keys=())})
    assert IMPORTER not in bare.note_keys("log.test.example")


def test_no_change_leads_to_where_nothing_can_be_changed_any_more() -> None:
    """
    Room for a proposal, time for it, enough authorities for ever and one of each side: at the bound it is
    fine, below it the sentence says what to do; what was so before is nobody's new fault.
    """

    def told(before: Governance = FIRST, **changes: Any) -> str:
        try:
            require_way_on(before, replace(FIRST, **changes), AT)
        except CredentialError as error:
            assert error.code == "governance_invalid"
            return error.message
        return "fine"

    def ruled(**changes: Any) -> str:
        return told(approvals=replace(FIRST.approvals, **changes))

    def licensed(**changes: Any) -> str:
        kept = [replace(a, **changes) if a is EU_LICENCE else a for a in FIRST.accreditations]
        return told(accreditations=tuple(kept))

    room = 16 * 1024
    small = replace(FIRST.limits, block_bytes_max=room - 1)
    no_room = f"no block could hold a proposal: block_bytes_max is {room} at least"
    assert told(limits=small) == no_room and told(limits=replace(small, block_bytes_max=room)) == "fine"
    assert told(replace(FIRST, limits=small), limits=small) == "fine"
    no_time = (
        "no proposal would live until it can be decided: proposal_s_max is a day at least, and longer "
        "than objection_s and removal_s"
    )
    day = 86_400
    for objection, removal in ((1, 1), (2 * day, 1), (1, 2 * day)):
        least = max(day, objection + 1, removal + 1)
        assert ruled(objection_s=objection, removal_s=removal, proposal_s_max=least) == "fine"
        assert ruled(objection_s=objection, removal_s=removal, proposal_s_max=least - 1) == no_time
    few = (
        "2 authorities approve a change for all, and in the end 1 would be left: admit another one first, or "
        "lower approvals_min with it"
    )
    nobody = (
        "EU would in the end have no authority that can approve, and its consent is needed: admit another "
        "one first, or take it out of `jurisdictions` with it"
    )
    assert ruled(approvals_min=3) == few.replace("2 ", "3 ").replace("end 1", "end 2")
    for lost in (
        {"valid_until": AT + 10**8},
        {"suspended": ((AT, None),)},
        {"jurisdiction": "CN"},
        {"valid_from": AT + 1},
        {"roles": ("market_surveillance",)},
    ):
        assert licensed(**lost) == few
    assert licensed(suspended=((AT, AT + 1),)) == licensed(valid_from=AT) == "fine"
    for target in (EU_AUTHORITY, f"{EU_AUTHORITY}#attest-1"):
        stop = Stop(target, CN_AUTHORITY, AT, None)
        assert told(stops={target: stop}) == few
        assert told(stops={target: replace(stop, until=AT + 9)}) == "fine"
    alone = replace(FIRST, approvals=replace(FIRST.approvals, approvals_min=1))
    kept = tuple(replace(a, valid_until=AT) if a is EU_LICENCE else a for a in FIRST.accreditations)
    with pytest.raises(CredentialError) as error:
        require_way_on(alone, replace(alone, accreditations=kept), AT)
    assert error.value.message == nobody


def test_records_that_do_not_go_together_say_which() -> None:
    """
    The same licence or recognition twice, a validator that left, one without its key: word for word.
    """
    (row,) = FIRST.recognitions
    maker = FIRST.participants[MAKER]

    def told(**changes: Any) -> str:
        with pytest.raises(CredentialError) as error:
            replace(FIRST, **changes)
        assert error.value.code == "governance_invalid"
        return error.value.message

    def party(**changes: Any) -> str:
        return told(participants={**FIRST.participants, MAKER: replace(maker, **changes)})

    assert told(accreditations=(HELD, HELD)) == f"{IMPORTER} is accredited for the same twice"
    assert told(recognitions=(row, row)) == f"{EU_AUTHORITY} recognises the same twice"
    assert party(left=AT) == f"the validator {MAKER} left: propose the other validators with it"
    for role in ("vote", "log", "cosign"):
        keys = tuple(replace(k, valid_until=AT) if k.role == role else k for k in maker.keys)
        assert party(keys=keys) == f"the validator {MAKER} needs exactly one {role} key"
    assert told(validator_dids=(MAKER, CN_AUTHORITY, CUSTOMS, OTHER_MAKER)) == (
        "EU has 1 of 4 validators and needs 2, or a quorum could decide without it: choose other validators, "
        "or take it out of `quorum_jurisdictions` (who is not named there rests on the quorum; of 4 "
        "validators at most 2 can be named)"
    )
    none_of = told(validator_dids=(MAKER, CN_AUTHORITY, OTHER_MAKER))
    assert none_of.startswith("EU has 0 of 3 validators and needs 1, or a quorum could decide without it")


def test_a_record_that_only_reads_otherwise_changes_nothing() -> None:
    """
    Another spelling of the same party is refused: nobody approves what does nothing.
    """
    ((record, table),) = participant_row(FIRST, IMPORTER).items()

    assert refused({record: {**table, "identifiers": []}}) == (
        f"nothing that may be changed of participant {IMPORTER} is changed"
    )


def test_the_leaf_of_a_proposal_is_read_strictly() -> None:
    """
    Each changed record with its digests before and after, the first perhaps none.
    """
    rows = (("limits", "", None, b"a" * 32), ("stop", MAKER, b"b" * 32, b"c" * 32))
    entry = GovernanceEntry(b"p" * 32, "decided", "", 9, rows)

    def told(place: int, value: Any) -> str:
        raw: Any = decode(entry.encode())
        raw[place] = value
        with pytest.raises(CredentialError) as error:
            parse_entry(encode(raw))
        assert error.value.code == "malformed"
        return error.value.message.removeprefix("not an entry of the log: ")

    assert parse_entry(entry.encode()) == entry
    four, no_bytes, no_text = (
        "a changed record is four values",
        "a member is not bytes",
        "a member is not str",
    )
    assert told(1, b"p") == told(1, "p") == no_bytes
    assert told(2, 7) == told(3, 7) == no_text
    assert told(4, "x") == told(4, True) == "a member is not int"
    assert told(5, [7]) == told(5, [["limits", "", None]]) == four
    assert told(5, [[7, "", None, b"a" * 32]]) == told(5, [["limits", 7, None, b"a" * 32]]) == no_text
    assert told(5, [["limits", "", None, None]]) == told(5, [["limits", "", None, b"a"]]) == no_bytes
    assert told(5, [["limits", "", "x", b"a" * 32]]) == told(5, [["limits", "", b"x", b"a" * 32]]) == no_bytes


# -- objections ------------------------------------------------------------------------------------------


def objected(changed: Tables, *who: str, by: str = CUSTOMS, **options: Any) -> Wanting:
    """What it wants once these objected."""
    governance = options.pop("governance", FIRST)
    rows = {r: encode(dict(t)) for r, t in changed.items()}
    reading = read_amendments(governance, records_of(governance), rows, AT)
    proposal = ChangeProposal(bytes(32), rows, dict.fromkeys(rows), {}, AT + 10**6, bytes(16))
    approvals = frozenset(options.pop("approvals", ()))
    tabled = Tabled(
        proposal, by, options.pop("recovered", False), AT - 7, 3, approvals, objections=frozenset(who)
    )
    return wanting(tabled, reading.amendments, governance, AT)


def test_an_objection_asks_for_more_and_ends_nothing() -> None:
    """
    Where one authority was enough all decide together, where all did anyway all others do; of what cannot be
    objected to nothing changes.
    """
    wait = AT - 7 + FIRST.approvals.objection_s
    replaced = participant_row(FIRST, IMPORTER, recovery=bytes(32))
    expelled = participant_row(FIRST, IMPORTER, left=AT)
    for changed, action in ((replaced, "recovery.replaced"), (expelled, "participant.left")):
        alone = objected(changed)
        all_ = ApprovalMissing(action, "network", 2, BOTH, ("CN", "EU"))
        assert [m.sort for m in alone.missing] == ["authority"] and alone.waits_until == wait
        assert objected(changed, IMPORTER) == Wanting((all_,), wait)
        assert objected(changed, IMPORTER, approvals=BOTH) == Wanting((), wait)
        assert objected(changed, IMPORTER, approvals=(EU_AUTHORITY,)).missing[0].of == (CN_AUTHORITY,)
    office = participant_row(FIRST, EU_AUTHORITY, recovery=bytes(32))
    assert objected(office, approvals=BOTH) == Wanting((), wait)
    assert objected(office, EU_AUTHORITY, approvals=BOTH) == Wanting((), wait)
    third = replace(EU_LICENCE, participant=RECYCLER, licence="third")
    three = replace(FIRST, accreditations=(*FIRST.accreditations, third))
    assert objected(office, governance=three, approvals=BOTH) == Wanting((), wait)
    more = ApprovalMissing("recovery.replaced", "network", 1, (RECYCLER,))
    assert objected(office, EU_AUTHORITY, governance=three, approvals=BOTH) == Wanting((more,), wait)
    limits = limits_row(clock_skew_s=1)
    assert objected(limits, IMPORTER, approvals=BOTH) == objected(limits, approvals=BOTH) == Wanting()
    assert objected(limits, IMPORTER, governance=three, approvals=BOTH) == Wanting()


def test_who_goes_by_its_own_recovery_key_is_not_expelled() -> None:
    """
    It waits for nobody; signed by another or with its daily key it is an expulsion.
    """
    left = participant_row(FIRST, IMPORTER, left=AT)

    assert objected(left, by=IMPORTER, recovered=True) == Wanting()
    for by, recovered in ((IMPORTER, False), (CUSTOMS, True)):
        told = objected(left, by=by, recovered=recovered)
        assert [m.sort for m in told.missing] == ["authority"]
        assert told.waits_until == AT - 7 + FIRST.approvals.objection_s


def test_the_party_and_the_authorities_of_its_side_object() -> None:
    """
    To what takes its recovery key or its place, and to nothing else.
    """

    def who(changed: Tables, *, by: str = CUSTOMS, recovered: bool = False) -> list[str]:
        rows = {r: encode(dict(t)) for r, t in changed.items()}
        amendments = read_amendments(FIRST, records_of(FIRST), rows, AT).amendments
        proposal = ChangeProposal(bytes(32), rows, dict.fromkeys(rows), {}, AT + 10**6, bytes(16))
        tabled = Tabled(proposal, by, recovered, AT, 3)
        asked = (*FIRST.participants, "did:web:x.example")
        return [did for did in asked if may_object(tabled, amendments, FIRST, did, AT)]

    replaced, left = (participant_row(FIRST, IMPORTER, **c) for c in ({"recovery": bytes(32)}, {"left": AT}))
    assert who(replaced) == who(left) == [EU_AUTHORITY, IMPORTER]
    assert who(left, by=IMPORTER, recovered=True) == []
    assert who(participant_row(FIRST, IMPORTER, name="x")) == who(limits_row(clock_skew_s=1)) == []
    assert who(participant_row(FIRST, EU_AUTHORITY, recovery=bytes(32))) == [EU_AUTHORITY]


def test_who_cannot_object_is_heard_after_its_stop_or_by_all() -> None:
    """
    Without a recovery key on record the wait begins when its stop ends, and while it lasts all decide.
    """
    wait = FIRST.approvals.objection_s
    replaced = participant_row(FIRST, IMPORTER, recovery=bytes(32))
    row = ("participant", IMPORTER)

    def amended(governance: Governance) -> Amendment:
        return read(participant_row(governance, IMPORTER, recovery=bytes(32)), governance)[0]

    for target in (IMPORTER, f"{IMPORTER}#attest-1"):
        stop = Stop(target, CN_AUTHORITY, AT - 50, AT - 3)
        over = replace(FIRST, stops={target: stop})
        lasts = replace(FIRST, stops={target: replace(stop, until=AT + 50)})
        assert objected(replaced, governance=over).waits_until == AT - 3 + wait
        assert not amended(over).weighty and amended(lasts).weighty
        assert objected(replaced, governance=lasts).waits_until == AT + 50 + wait
        long_ago = replace(FIRST, stops={target: replace(stop, until=AT - 40)})
        assert objected(replaced, governance=long_ago).waits_until == AT - 7 + wait
        party = replace(FIRST.participants[IMPORTER], recovery=b"r" * 32)
        keyed = replace(lasts, participants={**FIRST.participants, IMPORTER: party})
        assert amended(keyed) == Amendment("recovery.replaced", row, IMPORTER, "EU")
        assert objected(
            participant_row(keyed, IMPORTER, recovery=bytes(32)), governance=keyed
        ).waits_until == (AT - 7 + wait)
    other = replace(FIRST, stops={"x": Stop(f"{IMPORTER}#log-1", CN_AUTHORITY, AT - 5, AT + 50)})
    assert not amended(other).weighty
    keys = tuple(map(ended(AT), FIRST.participants[IMPORTER].keys))
    silent = replace(FIRST.participants[IMPORTER], keys=keys)
    assert amended(replace(FIRST, participants={**FIRST.participants, IMPORTER: silent})).weighty


def test_each_limit_is_read_at_its_bounds_and_refused_beyond() -> None:
    """
    The sentence has the bounds and says why they are there.
    """
    for name, (least, most, reason) in BOUNDS.items():
        assert beyond_bounds({name: least}) is None and beyond_bounds({name: most}) is None
        for wrong in (least - 1, most + 1, True, "1"):
            assert beyond_bounds({name: wrong}) == (
                f"the limit {name} is a whole number from {least} to {most}: {reason}"
            )
    assert beyond_bounds({}) is None and BOUNDS.keys() == Limits.__dataclass_fields__.keys()
