"""What cannot be changed, or not so, is refused with the one sentence that says why: word for word."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any, cast

import pytest

from consensus.application import NotYet, Refusal
from consensus.encoding import decode, encode
from credentials.documents.identifiers import Subject
from credentials.errors import CredentialError
from credentials.ledger.amendment import read_amendments
from credentials.ledger.approvals import ACTIONS, ApprovalRules
from credentials.ledger.attestation import GovernanceAct
from credentials.ledger.governance import Governance
from credentials.ledger.governance_records import governance_with, records_of
from credentials.ledger.parties import Key, Stop, read_pauses
from credentials.ledger.proposals import ChangeProposal, Tabled
from credentials.ledger.recognition import Effect, Recognition
from tests.credentials.test_proposals import governing, licence, limits_row, stop_row
from tests.harness.governing import Governing, licence_row, participant_row, party_row
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    OUTSIDER,
    make_genesis,
    signer,
)

AT = CREATED + 1_000
FIRST = make_genesis().governance
HELD = next(a for a in FIRST.accreditations if a.participant == IMPORTER)
Tables = Any


def refused(changed: Tables, governance: Governance = FIRST, at: int = AT) -> str:
    before = records_of(governance)
    with pytest.raises(CredentialError) as error:
        read_amendments(governance, before, {r: encode(dict(t)) for r, t in changed.items()}, at)
    assert error.value.code == "governance_invalid"
    return error.value.message


def actions(changed: Tables, governance: Governance = FIRST, at: int = AT) -> list[str]:
    before = records_of(governance)
    read = read_amendments(governance, before, {r: encode(dict(t)) for r, t in changed.items()}, at)
    return [amendment.action for amendment in read.amendments]


def with_licence(**changes: Any) -> Governance:
    """The same with the importer's licence otherwise."""
    kept = [replace(a, **changes) if a.id == HELD.id else a for a in FIRST.accreditations]
    return replace(FIRST, accreditations=tuple(kept))


def with_own_keys(did: str, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> Tables:
    return participant_row(FIRST, did, keys=change(FIRST.participants[did].keys))


def ended(at: int, *, role: str = "attest") -> Callable[[Key], Key]:
    return lambda key: replace(key, valid_until=at) if key.role == role else key


def with_stop(stop: Stop) -> Governance:
    return replace(FIRST, stops={stop.target: stop})


STOPPED = Stop(MAKER, CN_AUTHORITY, AT - 100, AT + 100)
NEW_KEY = Key("attest", f"{IMPORTER}#attest-9", signer(IMPORTER, "attest-9").public_key, AT)
LATE = "did:web:late.example"

SENTENCES: dict[str, tuple[Callable[[], str], str]] = {
    "as it is": (lambda: refused(participant_row(FIRST, MAKER)), f"it leaves participant {MAKER} as it is"),
    "unnamed as it is": (
        lambda: refused({("validators", ""): {"participants": list(FIRST.validator_dids)}}),
        "it leaves validators as it is",
    ),
    "a type of ours": (
        lambda: refused({("proposal", "00"): {"a": 1}}),
        "records of the type 'proposal' are not changed by proposals",
    ),
    "validators no list": (
        lambda: refused({("validators", ""): {"participants": "all"}}),
        "validators are a list of DIDs",
    ),
    "validators in another order": (
        lambda: refused({("validators", ""): {"participants": list(FIRST.validator_dids)[::-1]}}),
        "validators that stay keep their order, new ones come last",
    ),
    "a validator between": (
        lambda: refused(
            {
                ("validators", ""): {
                    "participants": [FIRST.validator_dids[0], IMPORTER, *FIRST.validator_dids[1:]]
                }
            }
        ),
        "validators that stay keep their order, new ones come last",
    ),
    "a validator twice": (
        lambda: refused({("validators", ""): {"participants": [*FIRST.validator_dids, MAKER]}}),
        "validators that stay keep their order, new ones come last",
    ),
    "left before": (
        lambda: refused(party_row(replace(FIRST.participants[OUTSIDER], did=LATE, keys=(), left=AT))),
        f"{LATE} has left before it was admitted",
    ),
    "another side": (
        lambda: refused(participant_row(FIRST, MAKER, jurisdiction="EU")),
        f"{MAKER} stays in CN: admit another participant",
    ),
    "gone": (
        lambda: refused(
            participant_row(FIRST, IMPORTER, name="again"),
            replace(
                FIRST,
                participants={
                    **FIRST.participants,
                    IMPORTER: replace(FIRST.participants[IMPORTER], left=AT),
                },
            ),
        ),
        f"{IMPORTER} has left: admit it under another DID",
    ),
    "a key left out": (
        lambda: refused(with_own_keys(IMPORTER, lambda keys: keys[:-1])),
        f"{IMPORTER} keeps every key on record: state when it ends",
    ),
    "keys in another order": (
        lambda: refused(with_own_keys(IMPORTER, lambda keys: keys[::-1])),
        f"{IMPORTER}#vote-1 stays as it is and in its place: only its end can be stated",
    ),
    "a key of another beginning": (
        lambda: refused(with_own_keys(IMPORTER, lambda ks: (replace(ks[0], valid_from=AT), *ks[1:]))),
        f"{IMPORTER}#vote-1 stays as it is and in its place: only its end can be stated",
    ),
    "a validator without a vote key": (
        lambda: refused(with_own_keys(MAKER, lambda ks: tuple(map(ended(AT, role="vote"), ks)))),
        f"{MAKER} is a validator: its vote key ends with the next one beside it",
    ),
    "a new key that is over": (
        lambda: refused(
            with_own_keys(IMPORTER, lambda ks: (*ks, replace(NEW_KEY, valid_until=AT + 5)))
        ),
        f"the new key {IMPORTER}#attest-9 is ended already",
    ),
    "compromised from a time to come": (
        lambda: refused(
            with_own_keys(IMPORTER, lambda ks: (replace(ks[0], compromised_from=AT + 1), *ks[1:]))
        ),
        f"{IMPORTER}#vote-1 is compromised from a time until now, and no later than known",
    ),
    "given and suspended": (
        lambda: refused(licence_row(licence(OUTSIDER, suspended=((AT, None),)))),
        "what is given is not suspended yet",
    ),
    "ended and suspended": (
        lambda: refused(licence_row(replace(HELD, valid_until=AT + 9, suspended=((AT, None),)))),
        "it is ended or suspended, not both at once",
    ),
    "over": (
        lambda: refused(licence_row(replace(HELD, valid_until=AT - 1)), with_licence(valid_until=AT)),
        "it is over: give another one",
    ),
    "an end put off": (
        lambda: refused(
            licence_row(replace(HELD, valid_until=AT + 20)), with_licence(valid_until=AT + 10)
        ),
        "its end cannot be put off: give another one",
    ),
    "an end taken back": (
        lambda: refused(licence_row(HELD), with_licence(valid_until=AT + 10)),
        "its end cannot be put off: give another one",
    ),
    "a suspension with an end": (
        lambda: refused(licence_row(replace(HELD, suspended=((AT, AT + 5),)))),
        "a suspension lasts until it is ended: state no end",
    ),
    "suspended twice": (
        lambda: refused(
            licence_row(replace(HELD, suspended=((AT - 9, AT + 5), (AT + 5, None)))),
            with_licence(suspended=((AT - 9, AT + 5),)),
        ),
        "it is suspended already",
    ),
    "reinstated later": (
        lambda: refused(
            licence_row(replace(HELD, suspended=((AT - 9, AT + 5),))),
            with_licence(suspended=((AT - 9, None),)),
        ),
        "a suspension is ended now, or lasts: state no end that is to come",
    ),
    "a suspension rewritten": (
        lambda: refused(
            licence_row(replace(HELD, suspended=((AT - 8, AT),))), with_licence(suspended=((AT - 9, None),))
        ),
        "of what is given only its end and its suspension can be stated",
    ),
    "a stop of nobody": (
        lambda: refused(stop_row("did:web:nobody.example", CN_AUTHORITY)),
        "did:web:nobody.example is no participant and no key of one",
    ),
    "a stop of no key": (
        lambda: refused(stop_row(f"{MAKER}#none", CN_AUTHORITY)),
        f"{MAKER}#none is no participant and no key of one",
    ),
    "a stop without an end": (
        lambda: refused({("stop", MAKER): {"target": MAKER, "by": CN_AUTHORITY, "since": 0}}),
        f"{MAKER} is not stopped: a stop begins with an end and who sets it",
    ),
    "a stop by nobody": (
        lambda: refused(stop_row(MAKER, "did:web:nobody.example")),
        f"{MAKER} is not stopped: a stop begins with an end and who sets it",
    ),
    "a stop that another set": (
        lambda: refused(
            {("stop", MAKER): {"target": MAKER, "by": EU_AUTHORITY, "since": AT - 100}}, with_stop(STOPPED)
        ),
        f"the stop of {MAKER} was set by {CN_AUTHORITY} at {AT - 100}",
    ),
    "a stop made longer": (
        lambda: refused(
            stop_row(MAKER, CN_AUTHORITY, since=AT - 100, until=AT + 999), with_stop(STOPPED)
        ),
        f"the stop of {MAKER} is confirmed or lifted, nothing else",
    ),
    "a stop without its target": (
        lambda: refused({("stop", MAKER): {"target": 7, "by": MAKER, "since": 0}}),
        "a stop names its target and who set it",
    ),
    "a stop without times": (
        lambda: refused({("stop", MAKER): {"target": MAKER, "by": MAKER, "since": "now"}}),
        "a stop is [since, until) in whole seconds",
    ),
    "a stop without an end that is one": (
        lambda: refused({("stop", MAKER): {"target": MAKER, "by": MAKER, "since": 0, "until": "soon"}}),
        "a stop is [since, until) in whole seconds",
    ),
    "lifted not": (
        lambda: refused(stop_row(MAKER, CN_AUTHORITY, lifted=False)), "lifted is true or left out",
    ),
    "a stop of more": (
        lambda: refused(stop_row(MAKER, CN_AUTHORITY, why="x")),
        "a stop has the members by, lifted, since, target, until",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SENTENCES)
def test_what_cannot_be_changed_says_why(case: str) -> None:
    """
    The sentence, word for word: it is all that the proposer learns.
    """
    ask, sentence = SENTENCES[case]

    assert ask() == sentence


def invalid(changed: Tables) -> str:
    with pytest.raises(CredentialError) as error:
        governance_with(FIRST, {r: encode(t) for r, t in changed.items()}, None)
    return error.value.message


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({("limits", "x"): {}}, "limits has no name"),
        ({("strange", ""): {}}, "there are no records of the type 'strange'"),
        ({("validators", ""): {"participants": [7]}}, "validators are a list of DIDs"),
        ({("validators", ""): {"who": []}}, "validators has the members participants"),
        ({("app_version", ""): {"app_version": True}}, "app_version is a whole number"),
        ({("app_version", ""): {}}, "app_version has the members app_version"),
        ({("rule", "a.json"): {"sha256": "g" * 64}}, "the SHA-256 of a.json is 64 hexadecimal digits"),
        ({("rule", "a.json"): {"sha256": "X" * 64}}, "the SHA-256 of a.json is 64 hexadecimal digits"),
        ({("rule", "a.json"): {"sha256": "A" * 64}}, "the SHA-256 of a.json is 64 hexadecimal digits"),
        ({("rule", "a.json"): {"sha256": "a" * 63}}, "the SHA-256 of a.json is 64 hexadecimal digits"),
        ({("rule", "a.json"): {"digest": "a"}}, "a rule file has the members sha256"),
        (
            {("rule", "A.JSON"): {"sha256": "a" * 64}},
            "A.JSON is no name of a rule file: small letters, .json or .toml",
        ),
        ({("participant", MAKER): [1]}, "a record is a table"),
        ({("participant", MAKER): {1: 2}}, "a record is a table"),
        ({("stop", CUSTOMS): {"target": MAKER, "by": MAKER, "since": 0}},
         f"the record of {MAKER} is called {CUSTOMS}"),
        ({("accreditation", "other"): dict(licence_row(HELD)["accreditation", HELD.id])},
         f"the record of {HELD.id} is called other"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_says_why(changed: Any, sentence: str) -> None:
    """
    Whatever is not the table of its type is refused before anything governs by it.
    """
    assert invalid(changed) == sentence


def test_a_rule_that_is_only_named_changes_its_digest_alone() -> None:
    """
    Before it is decided nobody reads the file; a TOML file and a JSON file are each read as they are.
    """
    later = governance_with(FIRST, {("rule", "lifecycle.json"): encode({"sha256": "ab" * 32})}, None)
    assert later.rule_digests["lifecycle.json"] == bytes.fromhex("ab" * 32)
    assert later.lifecycle is not None and later.rules == FIRST.rules

    files = {sha256(b"a = 1\n").digest(): b"a = 1\n", sha256(b'{"b": 2}').digest(): b'{"b": 2}'}
    names = {
        ("rule", n): encode({"sha256": d.hex()}) for n, d in zip(("x.toml", "y.json"), files, strict=True)
    }
    read = governance_with(FIRST, names, files.get)
    assert (read.rules["x.toml"], read.rules["y.json"]) == ({"a": 1}, {"b": 2})


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"k": 1}, "[governance]: it has the unknown member 'k'; known are actions, approvals_min, "
         "jurisdictions, objection_s, proposal_s_max, proposals_per_party_max, quorum_jurisdictions, "
         "removal_s, stop_s"),
        ({"approvals_min": 0}, "[governance]: approvals_min is a whole number from 1 to 64"),
        ({"approvals_min": 65}, "[governance]: approvals_min is a whole number from 1 to 64"),
        ({"stop_s": True}, "[governance]: stop_s is a whole number from 1 to 31622400"),
        ({"stop_s": 31622401}, "[governance]: stop_s is a whole number from 1 to 31622400"),
        ({"actions": 7}, "[governance]: actions is a table"),
        (
            {"actions": {"fly": "own"}},
            "[governance]: there is no action 'fly'; there are " + ", ".join(ACTIONS),
        ),
        ({"actions": {"stop.set": "me"}},
         "[governance]: stop.set is approved by one of own, recovery, authority, network"),
        ({"actions": {"limits.changed": "authority"}}, "[governance]: limits.changed stays with network"),
        ({"actions": {"keys.rotated": "own"}}, "[governance]: keys.rotated stays with recovery"),
        ({"jurisdictions": "CN"}, "[governance]: jurisdictions is a list of texts"),
        ({"jurisdictions": ["CN", ""]}, "[governance]: jurisdictions is a list of texts"),
        ({"quorum_jurisdictions": ["EU", "CN"]}, "[governance]: quorum_jurisdictions is sorted, each once"),
    ],
)  # fmt: skip
def test_approval_rules_that_cannot_be_say_why(table: Any, sentence: str) -> None:
    """
    Nobody hands to fewer what decides over all, and keys stay with their owner.
    """
    with pytest.raises(CredentialError) as error:
        ApprovalRules.parse(table)

    assert (error.value.code, error.value.message) == ("governance_invalid", sentence)


def test_approval_rules_at_their_bounds_are_read_and_written_alike() -> None:
    """
    What is left out is the default, or what the founders imply; what is written reads the same.
    """
    rules = ApprovalRules.parse({"approvals_min": 64, "stop_s": 1, "actions": {"stop.set": "network"}},
                                jurisdictions=("CN",))  # fmt: skip

    assert ApprovalRules.parse(rules.as_table()) == rules
    assert (rules.approvals_min, rules.stop_s, rules.jurisdictions) == (64, 1, ("CN",))
    assert (rules.sort_of("stop.set"), rules.sort_of("stop.lifted")) == ("network", "authority")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (7, "suspended is a list of [from, until]"),
        ([7], "a suspension has a beginning and an end; the last may last"),
        ([[1], [2, 3]], "a suspension has a beginning and an end; the last may last"),
        ([["a", 2]], "a suspension is [from, until] in whole seconds"),
        ([[-1, 2]], "a suspension is [from, until] in whole seconds"),
        ([[3, 2]], "suspensions follow each other"),
        ([[1, 5], [4, 6]], "suspensions follow each other"),
    ],
)
def test_suspensions_that_cannot_be_say_why(value: Any, sentence: str) -> None:
    """
    In rising order, each over before the next, the last perhaps not.
    """
    with pytest.raises(ValueError, match="^" + sentence.replace("[", r"\[").replace("]", r"\]") + "$"):
        read_pauses(value)


def test_intervals_begin_with_their_first_second_and_end_before_their_last() -> None:
    """
    A licence, a stop and a suspension hold from their beginning on and no more at their end.
    """
    dated = replace(HELD, valid_from=10, valid_until=40, suspended=((20, 30),))
    stop = Stop(MAKER, CN_AUTHORITY, 10, 20)

    assert [t for t in range(5, 45) if dated.in_force(t)] == [*range(10, 20), *range(30, 40)]
    assert [t for t in range(5, 25) if stop.holds(t)] == [*range(10, 20)]
    assert replace(stop, until=None).holds(10**9)
    assert read_pauses([[1, 5], [5]]) == ((1, 5), (5, None))


def malformed(change: Callable[[list[Any]], object]) -> str:
    from consensus.encoding import decode

    g = governing()
    value: Any = decode(g.proposal(limits_row(clock_skew_s=61)).encode())
    change(value)
    with pytest.raises(CredentialError) as error:
        ChangeProposal.decode(encode(value))
    assert error.value.code == "malformed"
    return error.value.message.removeprefix("not a proposal: ")


ROWS = "its rows are [type, name, value]"
FORM = "its tag, network id, expiry or nonce has the wrong form"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v: v.pop(),
         'it is ["comity/proposal/v1", network id, records, base, proofs, expires, nonce]'),
        (lambda v: v.__setitem__(0, "comity/proposal/v2"), FORM),
        (lambda v: v.__setitem__(1, bytes(31)), FORM),
        (lambda v: v.__setitem__(5, True), FORM),
        (lambda v: v.__setitem__(6, bytes(15)), FORM),
        (lambda v: v.__setitem__(2, []), "it changes 1 to 32 records and reads at most 64"),
        (lambda v: v.__setitem__(3, []), "it changes 1 to 32 records and reads at most 64"),
        (lambda v: v.__setitem__(2, [["limits", ""]]), ROWS),
        (lambda v: v.__setitem__(2, [["strange", "", {}]]), ROWS),
        (lambda v: v.__setitem__(3, [["limits", "", 7]]), ROWS),
        (lambda v: v.__setitem__(2, v[2] * 2), "its rows are in order, each once"),
        (lambda v: v.__setitem__(3, [["validators", "", None]]),
         "its base names every record that it changes"),
        (lambda v: v.__setitem__(3, [["limits", "", b"x"]]), "a digest of its base is not 32 bytes"),
        (lambda v: v.__setitem__(4, {"k": "s"}), "its proofs are signatures by key id"),
        (lambda v: v.__setitem__(4, {7: b"s"}), "its proofs are signatures by key id"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_proposal_say_why(change: Any, sentence: str) -> None:
    """
    One form, in one order.
    """
    assert malformed(change) == sentence


def test_a_changed_record_of_a_proposal_is_read_or_refused() -> None:
    """
    As a snapshot may bring it: whichever bit is another, and whichever member is of another form.
    """
    g = governing()
    proposal = g.propose(OUTSIDER, limits_row(clock_skew_s=61))
    g.approve(proposal, CN_AUTHORITY)
    tabled = g.ledger.registry.constitution.state.tabled[proposal.digest]
    data = replace(tabled, held={CN_AUTHORITY: "a key"}).encode()
    table = cast(dict[str, Any], decode(data))
    foreign = (None, True, 1, "x", b"x", [1], [b"x"], {"x": 1}, {1: "x"}, [["x"]])
    changed = [
        data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
        for at in range(len(data))
        for bit in (1, 16, 128)
    ]
    changed += [encode({**table, name: value}) for name in table for value in foreign]
    changed += [encode({k: v for k, v in table.items() if k != name}) for name in table]

    for record in (*changed, encode([table]), encode({**table, "x": 1}), b""):
        with suppress(CredentialError):
            assert isinstance(Tabled.decode(record), Tabled)
    assert Tabled.decode(data).encode() == data


def answer(g: Governing, tx: bytes) -> tuple[str, str, str]:
    with pytest.raises(Refusal) as refusal:
        g.ledger.registry.check_tx(tx, g.ledger.now)
    waits = "waits" if isinstance(refusal.value, NotYet) else "refused"
    return waits, refusal.value.code, str(refusal.value)


def test_acts_that_cannot_be_say_why() -> None:
    """
    Each with its code, and whether it is worth waiting.
    """
    g = governing()
    open_one = g.propose(OUTSIDER, limits_row(clock_skew_s=61))
    g.approve(open_one, CN_AUTHORITY)
    other, never = g.proposal(limits_row(clock_skew_s=62)), g.proposal(limits_row(clock_skew_s=63))
    now, most = g.ledger.now, g.now.approvals.proposal_s_max
    age = g.now.limits.attestation_age_s_max
    late, over = (g.proposal(limits_row(clock_skew_s=64), for_s=s) for s in (most + 1, 0))
    told = {
        ("refused", "subject", "governance.approved is about a proposal"): g.act(
            CN_AUTHORITY, "approved", open_one, subject=Subject("gs1", "network", open_one.digest)
        ),
        ("refused", "members", "the digest is not that of the proposal"): g.act(
            CN_AUTHORITY, "approved", open_one, document_digest=bytes(32)
        ),
        ("refused", "members", "governance.proposed holds a proposal"): g.act(
            CUSTOMS, "proposed", other, governance=None
        ),
        ("refused", "members", "governance.proposed has no parties"): g.act(
            CUSTOMS, "proposed", other, parties=(MAKER,)
        ),
        ("refused", "members", f"a proposal expires later than now and within {most} s"): g.act(
            CUSTOMS, "proposed", late
        ),
        ("refused", "not_responsible", f"{OUTSIDER} made this proposal"): g.act(
            MAKER, "proposal_withdrawn", open_one
        ),
        ("refused", "not_responsible", f"{MAKER} cannot object to it"): g.act(MAKER, "objected", open_one),
        ("refused", "not_responsible", f"{IMPORTER} is no validator"): g.act(IMPORTER, "held", open_one),
        ("refused", "members", "the proposal brings no rule file: there is nothing to hold"): g.act(
            MAKER, "held", open_one
        ),
        ("refused", "not_responsible", f"{MAKER} is no authority that may approve now"): g.act(
            MAKER, "approved", open_one
        ),
        ("refused", "duplicate", f"{CN_AUTHORITY} approved it already"): g.act(
            CN_AUTHORITY, "approved", open_one
        ),
        ("refused", "duplicate", "this proposal was made already: make another one"): g.act(
            OUTSIDER, "proposed", open_one, iat=now - 1
        ),
        ("waits", "predecessor", "the proposal is not on the ledger yet"): g.act(
            CN_AUTHORITY, "approved", never
        ),
        ("waits", "state", f"{EU_AUTHORITY} has not approved it"): g.act(
            EU_AUTHORITY, "approval_withdrawn", open_one
        ),
        ("waits", "X11", "it is dated ahead of the ledger's clock"): g.act(
            CUSTOMS, "proposed", other, iat=now + 61
        ),
        (
            "refused",
            "X9",
            f"a recovery key signs proposals and objections alone, as {IMPORTER}#recovery",
        ): g.act(IMPORTER, "approved", open_one, recovery=True),
        ("refused", "X9", f"that is not the recovery key that {IMPORTER} has on record"): g.act(
            IMPORTER, "proposed", other, recovery=True, governance=GovernanceAct(other.encode(), b"k" * 32)
        ),
    }

    assert {expected: answer(g, tx) for expected, tx in told.items()} == {e: e for e in told}
    assert answer(g, g.act(CUSTOMS, "proposed", over))[1] == "members"
    assert answer(g, g.act(CUSTOMS, "proposed", other, iat=now - age - 1))[1:] == (
        "X11",
        "it was signed too long ago; sign it again",
    )
    for edge in (now + 60, now - age):
        g.ledger.registry.check_tx(g.act(CUSTOMS, "proposed", other, iat=edge), now)
    foreign = replace(other, network_id=bytes(32))
    assert answer(g, g.act(CUSTOMS, "proposed", foreign))[1:] == (
        "wrong_network",
        "the proposal was made for another network",
    )


def test_an_event_of_a_battery_holds_no_act_of_governance() -> None:
    """
    What the table does not know of an event is refused, this member too.
    """
    g = governing()
    tx = g.ledger.attest(
        MAKER, "market.placed", g.ledger.produced(1, published=True), governance=GovernanceAct(b"x")
    )

    assert answer(g, tx) == ("refused", "members", "market.placed has no governance")


def test_what_is_done_is_read_off_the_records() -> None:
    """
    One record may say several things; each is found, whatever else is said beside it.
    """
    keys = FIRST.participants[IMPORTER].keys
    rotated = (*map(ended(AT), keys), NEW_KEY)
    stolen = tuple(replace(k, compromised_from=AT) if k.role == "attest" else k for k in keys)
    row = Recognition(EU_AUTHORITY, "EU", MAKER, ("EXP-02",), Effect.INFORMATION_ONLY, "network-policy", AT)
    suspended = with_licence(suspended=((AT - 9, None),))

    def importer(**changes: Any) -> list[str]:
        return actions(participant_row(FIRST, IMPORTER, **changes))

    assert importer(address="https://node.importer.example") == ["participant.moved"]
    assert importer(name="another") == importer(roles=()) == ["participant.described"]
    assert importer(recovery=bytes(32)) == ["recovery.replaced"]
    assert importer(left=AT, name="x") == ["participant.described", "participant.left"]
    assert importer(keys=rotated) == ["keys.rotated"]
    assert importer(keys=stolen) == ["keys.compromised"]
    assert importer(keys=(*stolen, NEW_KEY)) == ["keys.compromised", "keys.rotated"]
    assert actions({("recognition", row.id): row.as_table()}) == ["recognition.given"]
    assert actions(licence_row(replace(HELD, valid_until=AT))) == ["accreditation.withdrawn"]
    assert actions(licence_row(replace(HELD, suspended=((AT, None),)))) == ["accreditation.suspended"]
    assert actions(licence_row(replace(HELD, suspended=((AT - 9, AT),))), suspended) == [
        "accreditation.reinstated"
    ]
    assert actions(limits_row(clock_skew_s=1)) == ["limits.changed"]
    assert actions({("rule", "a.json"): {"sha256": "a" * 64}}) == ["rules.changed"]
    assert actions({("approvals", ""): ApprovalRules(stop_s=7).as_table()}) == ["approvals.changed"]
    assert actions({("stop", MAKER): {"target": MAKER, "by": CN_AUTHORITY, "since": AT - 100}},
                   with_stop(STOPPED)) == ["stop.confirmed"]  # fmt: skip
    assert actions(stop_row(MAKER, CN_AUTHORITY, since=AT - 100, lifted=True), with_stop(STOPPED)) == [
        "stop.lifted"
    ]
