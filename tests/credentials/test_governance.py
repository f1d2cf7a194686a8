"""Governance at a height: several epochs in one history, and every asker hears the one of its height."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import pytest

from consensus.application import Refusal
from credentials.errors import CredentialError
from credentials.ledger.entries import BlockEntry, parse_entry
from credentials.ledger.governance import (
    INDEXED_MAX,
    LIFECYCLE_FILE,
    Derived,
    Governance,
    GovernanceHistory,
)
from credentials.ledger.lifecycle import Lifecycle
from credentials.ledger.parties import Key
from tests.harness.border import World
from tests.harness.epochs import NEWER, first, rotated, with_keys, with_party, without_licences
from tests.harness.ledger import (
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    IMPORTER,
    MAKER,
    OTHER_MAKER,
    OUTSIDER,
    VALIDATORS,
    Ledger,
    accreditation,
    battery,
    make_genesis,
    signer,
)

ANOTHER = r"^did:web:maker.example#[a-z]+-1 names another key already: a new key has a new id$"


def code_of(ledger: Ledger, tx: bytes) -> str:
    with pytest.raises(Refusal) as refusal:
        ledger.registry.check_tx(tx, ledger.now)
    return refusal.value.code


# -- the history -----------------------------------------------------------------------------------------


def test_each_height_is_answered_by_its_own_epoch() -> None:
    """
    Before its first height an epoch answers nothing, from it on everything, and the past goes on as it was.
    """
    one = first()
    two, three = without_licences(one, MAKER), rotated(without_licences(one, MAKER), CREATED + 50)
    history = GovernanceHistory([(0, one)])

    def held(height: int) -> bool:
        asked = history.at(height)
        return asked.accredited(MAKER, "battery.produced", "gbt34014", "ZZ1", CREATED) is not None

    before = [held(height) for height in range(9)]
    history.enact(4, two)
    history.enact(7, three)

    assert before == [True] * 9
    assert [held(height) for height in range(9)] == [True] * 4 + [False] * 5
    assert [history.at(height) for height in (0, 3, 4, 6, 7, 10**9)] == [one, one, two, two, three, three]
    assert history.at(6).key(MAKER, "attest", CREATED + 50) == one.key(MAKER, "attest", CREATED)
    assert history.at(7).key(MAKER, "attest", CREATED + 50) == three.key_by_id(NEWER.key_id)
    assert one.key_by_id(NEWER.key_id) is None
    assert history.epochs == ((0, one), (4, two), (7, three))


def test_latest_governs_the_next_block() -> None:
    """
    An epoch that begins with height h is what is asked now once block h - 1 is committed, and not before.
    """
    one = first()
    two = without_licences(one, MAKER)
    history = GovernanceHistory([(0, one)], height=5)
    history.enact(8, two)

    found = [(history.height, history.latest)]
    for height in (6, 7, 8):
        history.advance(height)
        found.append((history.height, history.latest))

    assert found == [(5, one), (6, one), (7, two), (8, two)]
    with pytest.raises(AssertionError, match=r"^blocks are committed in order"):
        history.advance(10)
    with pytest.raises(AssertionError, match=r"^no block has a height below zero"):
        history.at(-1)


def test_a_node_that_starts_again_answers_as_before() -> None:
    """
    A history made of epochs and a height is the one that grew to them.
    """
    one, two = first(), without_licences(first(), MAKER)
    grown = GovernanceHistory([(0, one)])
    grown.enact(2, two)
    for height in (1, 2, 3):
        grown.advance(height)

    again = GovernanceHistory(grown.epochs, grown.height)

    assert [again.at(h) for h in range(6)] == [grown.at(h) for h in range(6)]
    assert again.latest is grown.latest is two
    assert make_genesis().history(3).height == 3
    assert make_genesis().history().height == 0


@pytest.mark.parametrize("start", [0, 3, 5], ids=["first", "committed", "tip"])
def test_nothing_is_enacted_for_what_is_governed_already(start: int) -> None:
    """
    A committed height keeps its answer; the block after it may have another one.
    """
    one = first()
    history = GovernanceHistory([(0, one)], height=5)

    with pytest.raises(CredentialError) as error:
        history.enact(start, without_licences(one, MAKER))
    assert str(error.value) == f"height {start} is governed already: changes are for later blocks"
    history.enact(6, without_licences(one, MAKER))

    assert error.value.code == "governance_invalid"
    assert history.at(5) is one and history.at(6) is not one
    with pytest.raises(CredentialError, match="governed already"):
        history.enact(6, one)


def test_a_key_id_names_one_key_for_ever() -> None:
    """
    Another public key or role under a known id is refused, wherever the epochs come from.
    """
    one = first()
    other = with_keys(one, MAKER, lambda k: replace(k, public=NEWER.public_key) if k.role == "attest" else k)
    swapped = {"attest": "transport", "transport": "attest"}
    roles = with_keys(one, MAKER, lambda k: replace(k, role=swapped.get(k.role, k.role)))
    history = GovernanceHistory([(0, one)])

    for wrong in (other, roles):
        with pytest.raises(
            CredentialError,
            match=ANOTHER,
        ):
            history.enact(1, wrong)
        with pytest.raises(
            CredentialError,
            match=ANOTHER,
        ):
            GovernanceHistory([(0, one), (1, wrong)])
    gone = replace(one, participants={d: p for d, p in one.participants.items() if d != OUTSIDER})
    history.enact(1, gone)

    assert history.at(1).participant(OUTSIDER) is None
    assert history.at(0).participant(OUTSIDER) is not None


@pytest.mark.parametrize("starts", [(), (1,), (0, 3, 3), (0, 3, 2)], ids=str)
def test_epochs_begin_at_height_zero_and_rise(starts: tuple[int, ...]) -> None:
    """
    A history with a gap, or with two answers for one height, is none.
    """
    with pytest.raises(CredentialError, match=r"^epochs follow each other, the first from height 0 on$"):
        GovernanceHistory([(start, first()) for start in starts])


def test_what_is_made_of_a_governance_is_made_once() -> None:
    """
    The same Governance gives the same thing, another one another.
    """
    one, two = first(), without_licences(first(), MAKER)
    counted: list[Governance] = []

    def count(governance: Governance) -> int:
        counted.append(governance)
        return len(counted)

    made = Derived(count)

    assert [made.of(g) for g in (one, one, two, two, one)] == [1, 1, 2, 2, 3]
    assert all(asked is given for asked, given in zip(counted, (one, two, one), strict=True))


def test_the_life_cycle_is_read_again_only_where_it_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Every proposal that is tried makes a governance: a flood of them reads the long table once.
    """
    one, reads = first(), list[object]()
    parse = Lifecycle.parse

    def counted(table: Any) -> Lifecycle:
        reads.append(table)
        return parse(table)

    monkeypatch.setattr(Lifecycle, "parse", counted)

    same = replace(replace(one, app_version=2), app_version=3)
    assert not reads and same.lifecycle == one.lifecycle

    changed: Any = {**one.rules[LIFECYCLE_FILE], "version": 99}
    other = replace(same, rules={**one.rules, LIFECYCLE_FILE: changed})
    assert reads == [changed] and (other.lifecycle.version, same.lifecycle.version) == (
        99,
        one.lifecycle.version,
    )


# -- sound by construction -------------------------------------------------------------------------------


def _no_lifecycle(governance: Governance) -> Governance:
    return replace(governance, rules={})


def _shared_number(governance: Governance) -> Governance:
    number = ("eori:NL123456789",)
    return with_party(with_party(governance, MAKER, identifiers=number), IMPORTER, identifiers=number)


def _same_key(governance: Governance) -> Governance:
    theirs = governance.participants[IMPORTER].keys[0]
    return with_keys(governance, MAKER, lambda k: k, replace(theirs, id=f"{MAKER}#more", role="attest"))


def _same_id(governance: Governance) -> Governance:
    own = governance.participants[MAKER].keys[0]
    return with_keys(governance, MAKER, lambda k: k, replace(own, public=NEWER.public_key, role="attest"))


def _two_vote_keys(governance: Governance) -> Governance:
    key = Key("vote", f"{MAKER}#vote-2", NEWER.public_key, CREATED)
    return with_keys(governance, MAKER, lambda k: k, key)


def _two_makers_of_one_code(governance: Governance) -> Governance:
    licence = accreditation(OTHER_MAKER, schemes=(("gbt34014", "ZZ1"),))
    return replace(governance, accreditations=(*governance.accreditations, licence))


def _licence(governance: Governance, **changes: Any) -> Governance:
    return replace(
        governance, accreditations=(*governance.accreditations, replace(accreditation(CUSTOMS), **changes))
    )


UNSOUND: dict[str, tuple[str, Callable[[Governance], Governance]]] = {
    "no life cycle": ("names no lifecycle.json", _no_lifecycle),
    "no participants": ("has no participants", lambda g: replace(g, participants={})),
    "unknown role": ("has the unknown role 'king'", lambda g: with_party(g, MAKER, roles=("king",))),
    "one number for two": ("is given to did:web:maker.example and to", _shared_number),
    "one key for two": ("are one key: each role needs its own", _same_key),
    "one id for two": ("is there twice", _same_id),
    "no validators": ("at least one validator", lambda g: replace(g, validator_dids=())),
    "a validator twice": (
        "distinct names",
        lambda g: replace(g, validator_dids=(*g.validator_dids, MAKER)),
    ),
    "a validator from nowhere": (
        "is no participant",
        lambda g: replace(g, validator_dids=("did:web:x.example",)),
    ),
    "a validator with two vote keys": ("exactly one vote key", _two_vote_keys),
    "a jurisdiction outvoted": (
        "EU has 1 of 4 validators and needs 2",
        lambda g: with_party(g, CUSTOMS, jurisdiction="CN"),
    ),
    "a licence for nobody": ("is for no participant", lambda g: _licence(g, participant="did:web:x.example")),
    "a licence for an unknown role": ("accredited for the unknown", lambda g: _licence(g, roles=("king",))),
    "one code for two makers": ("the code ZZ1", _two_makers_of_one_code),
    "recognition for another": (
        "where it is no participant",
        lambda g: replace(g, recognitions=(replace(g.recognitions[0], authority=CN_AUTHORITY),)),
    ),
    "recognition by nobody": (
        "where it is no participant",
        lambda g: replace(g, recognitions=(replace(g.recognitions[0], authority="did:web:x.example"),)),
    ),
}


@pytest.mark.parametrize(("sentence", "change"), UNSOUND.values(), ids=UNSOUND.keys())
def test_no_epoch_is_unsound(sentence: str, change: Callable[[Governance], Governance]) -> None:
    """
    Records that do not go together make no Governance, whoever put them together.
    """
    with pytest.raises(CredentialError, match=sentence) as error:
        change(first())

    assert error.value.code == "governance_invalid"


def test_what_goes_together_is_a_governance() -> None:
    """
    A code may pass on, a star be shared, a participant hold several keys of a role that is not a validator's.
    """
    one = first()
    ended = tuple(
        replace(a, valid_until=CREATED) if a.participant == MAKER else a for a in one.accreditations
    )
    second = accreditation(OTHER_MAKER, schemes=(("gbt34014", "ZZ1"), ("gbt34014", "*")), valid_from=CREATED)

    passed_on = replace(one, accreditations=(*ended, second))
    back = replace(one, accreditations=(second, *ended))

    for governance in (passed_on, back):
        assert governance.makes(OTHER_MAKER, "gbt34014", "ZZ1", CREATED)
        assert not governance.makes(MAKER, "gbt34014", "ZZ1", CREATED)
    assert len(rotated(one, CREATED).participants[MAKER].keys) == 7
    assert one.votes(MAKER) and not one.votes(IMPORTER) and not one.votes("did:web:x.example")


# -- who asks: the registry ------------------------------------------------------------------------------


def test_a_block_is_executed_under_what_governs_its_height() -> None:
    """
    A licence that ends with height 3 still counts in block 2: proposed, voted for and executed; in block 3 it
    is neither proposed nor admitted, and outside of blocks it is judged as the next one would be.
    """
    ledger = Ledger()
    ledger.history.enact(3, without_licences(ledger.history.latest, OTHER_MAKER))
    txs = [ledger.attest(OTHER_MAKER, "battery.produced", battery(n, "ZZ3")) for n in range(3)]

    ledger.run(txs[0])
    ledger.registry.check_tx(txs[1], ledger.now)
    assert ledger.registry.foresee(txs[1], ledger.now) is None
    ledger.run(txs[1])

    assert ledger.height == ledger.registry.height == ledger.history.height == 2
    assert code_of(ledger, txs[2]) == "X9"
    with pytest.raises(Refusal, match="not accredited"):
        ledger.registry.foresee(txs[2], ledger.now)
    assert ledger.propose([txs[2]]) == ()
    with pytest.raises(Refusal, match="not accredited"):
        ledger.registry.process_proposal(ledger.block([txs[2]]))


def test_a_rotated_key_signs_from_its_height_on() -> None:
    """
    The new key is nobody's before its epoch; in it the old one is not valid any more, and what it signed and
    was admitted stays.
    """
    ledger = Ledger()
    produced = ledger.produced(1)
    ledger.history.enact(3, rotated(ledger.history.latest, ledger.now + 5))
    newer = ledger.attest(MAKER, "battery.produced", battery(2), key=NEWER, event_time=ledger.now + 5)

    assert code_of(ledger, newer) == "issuer_unknown"
    ledger.produced(3)
    assert ledger.registry.check_tx(newer, ledger.now)
    older = ledger.attest(MAKER, "battery.produced", battery(4))
    assert code_of(ledger, older) == "X9"
    ledger.run(newer)

    assert ledger.standing(produced).item_state == ledger.standing(battery(2)).item_state


def test_what_was_verified_before_is_judged_again_under_the_new_key_rules() -> None:
    """
    A signature that the registry remembers does not carry a statement past the end of its key or its author.
    """
    ledger = Ledger()
    tx = ledger.attest(OTHER_MAKER, "battery.produced", battery(1, "ZZ3"))
    ledger.registry.check_tx(tx, ledger.now)
    one = ledger.history.latest
    stolen = with_keys(one, OTHER_MAKER, lambda key: replace(key, compromised_from=CREATED))
    gone = replace(
        without_licences(one, OTHER_MAKER),
        participants={d: p for d, p in one.participants.items() if d != OTHER_MAKER},
    )
    ledger.history.enact(2, stolen)
    ledger.history.enact(3, gone)

    ledger.produced(7)
    assert code_of(ledger, tx) == "X9"
    ledger.produced(8)
    assert code_of(ledger, tx) == "issuer_unknown"


def test_limits_version_and_validators_are_those_of_the_height() -> None:
    """
    A block that names the version of another height is refused, its limits count, its record names who votes.
    """
    ledger = Ledger()
    one = ledger.history.latest
    narrow = replace(one.limits, attestations_per_block_max=1)
    changed = replace(one, limits=narrow, app_version=2, validator_dids=VALIDATORS[::-1])
    ledger.history.enact(3, changed)
    records = []

    def two(first_number: int) -> list[bytes]:
        return [ledger.attest(MAKER, "battery.produced", battery(first_number + n)) for n in range(2)]

    for number in (10, 20):
        records.append(parse_entry(ledger.run(*two(number)).entries[-1]))
    chosen = ledger.propose(two(30))
    assert len(chosen) == 1 and ledger.registry.app_version == 2
    with pytest.raises(Refusal, match="another configuration or version"):
        ledger.registry.process_proposal(ledger.block(chosen, app_version=1))
    with pytest.raises(Refusal, match="more than 1 attestations"):
        ledger.registry.process_proposal(ledger.block(ledger.propose(two(30)) * 2))
    records.append(parse_entry(ledger.execute(ledger.block(chosen)).entries[-1]))

    hashes = [r.validators_hash for r in records if isinstance(r, BlockEntry)]
    assert hashes == [one.validators.hash, one.validators.hash, changed.validators.hash]
    assert one.validators.hash != changed.validators.hash


def test_epochs_without_their_code_are_refused_at_the_start() -> None:
    """
    A registry does not begin with a history in which some height needs a rule that is not built.
    """
    from credentials.ledger.registry import MemoryReader, Registry

    genesis = make_genesis()
    one = genesis.governance
    table = dict(one.rules["lifecycle.json"])
    events = [dict(event) for event in table["events"]]
    events[0]["guards"] = [*events[0]["guards"], "X13"]
    later = replace(one, rules={**one.rules, "lifecycle.json": {**table, "events": events}})

    with pytest.raises(CredentialError, match="X13: not built"):
        Registry(genesis, MemoryReader(), history=GovernanceHistory([(0, one), (9, later)]))


def test_one_epoch_is_one_value_at_every_height() -> None:
    """
    Blocks build nothing: the indices that a judgement reads are those that the block before it read.
    """
    ledger = Ledger()
    asked = [ledger.history.at(0)]
    for number in range(3):
        ledger.produced(number)
        asked.append(ledger.history.at(ledger.height))

    assert all(one is other for one, other in pairwise(asked))
    assert asked[0].accreditations_of(MAKER) is asked[-1].accreditations_of(MAKER)
    assert asked[0].aliases(MAKER) is asked[-1].aliases(MAKER)


def test_of_the_past_only_what_was_asked_for_last_keeps_its_indices() -> None:
    """
    300 changes, each asked for when it governs and again afterwards, by a node that lived through them and by
    one that starts again: the answers stay what they were, and what they were found by is kept of a few.
    """
    governance = make_genesis().governance
    maker, changes = governance.participants[MAKER], 300
    epochs = [(0, governance)]
    for height in range(1, changes + 1):
        named = {**governance.participants, MAKER: replace(maker, identifiers=(f"DE{height:07}",))}
        epochs.append((height, replace(governance, participants=named)))
    lived = GovernanceHistory(epochs[:1])
    for height, changed in epochs[1:]:
        lived.enact(height, changed)
        lived.advance(height)
        assert lived.latest.owner_of(f"DE{height:07}") == MAKER
    started = GovernanceHistory(epochs, changes)
    indices = {name for name, member in vars(Governance).items() if isinstance(member, cached_property)}

    for history in (lived, started):
        for height in range(1, changes + 1):
            was, now = f"DE{height:07}", history.at(height)
            assert now.owner_of(was) == MAKER and now.owner_of(f"DE{height + 1:07}") is None
            assert now.key_by_id(f"{MAKER}#attest-1") == maker.latest_key("attest")
        indexed = [start for start, epoch in history.epochs if indices & vars(epoch).keys()]
        assert len(indexed) <= INDEXED_MAX + 2 and indexed[-1] == changes


def test_indices_are_forgotten_while_others_build_them() -> None:
    """
    Whoever asks about heights of the past has what an epoch is found by forgotten while other threads ask it.
    """
    governance, failed, done = make_genesis().governance, list[RuntimeError](), threading.Event()
    indices = [name for name, member in vars(Governance).items() if isinstance(member, cached_property)]

    def ask() -> None:
        while not done.is_set():
            for name in indices:
                getattr(governance, name)

    interval_s, until = sys.getswitchinterval(), time.monotonic() + 0.5
    threads = [threading.Thread(target=ask) for _ in range(2)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        while time.monotonic() < until and not failed:
            try:
                governance.forget_indices()
            except RuntimeError as error:
                failed.append(error)
    finally:
        done.set()
        sys.setswitchinterval(interval_s)
        for thread in threads:
            thread.join()

    assert not failed


# -- who asks: verdicts ----------------------------------------------------------------------------------


def test_a_verdict_for_a_height_is_what_it_was_whatever_is_learnt_later() -> None:
    """
    The theft of the maker's credential key is known from the next height on: the verdict of the height before
    stays byte for byte, that of the next holds the battery up.
    """
    w = World()
    text = w.new(1)
    one = w.governance
    stolen = with_keys(
        one, MAKER, lambda k: replace(k, compromised_from=CREATED) if k.role == "credential" else k
    )
    evidence, height, now = w.evidence(text), w.ledger.height, w.now
    before = w.judge(text, evidence=evidence, at=now).as_dict()
    w.ledger.history.enact(height + 1, stolen)

    again = w.judge(text, evidence=w.evidence(text), at=now).as_dict()
    w.new(2)
    after = w.judge(text, evidence=w.evidence(text), at=w.now).as_dict()
    past = w.judge(text, evidence=evidence, at=now).as_dict()

    assert before["verdict"] != "hold" and before == again == past
    assert (after["verdict"], after["height"]) == ("hold", w.ledger.height)
    assert {c["reason"] for c in after["checks"] if c["name"] == "issuer_key"} == {"key_compromised"}


def test_recognition_and_names_are_those_of_the_height() -> None:
    """
    The timeline names a party as it is called at the height of the verdict, and its recognitions are asked.
    """
    w = World()
    text = w.new(1)
    renamed = replace(with_party(w.governance, MAKER, name="Renamed works"), recognitions=())
    w.ledger.history.enact(w.ledger.height + 1, renamed)

    now = {step["issuer_name"] for step in w.judge(text).as_dict()["timeline"]}
    old = w.network().recognitions
    w.new(2)
    then = {step["issuer_name"] for step in w.judge(text).as_dict()["timeline"]}

    assert (now - then, then - now) == ({"maker.example"}, {"Renamed works"})
    assert old and w.network().recognitions == ()


def test_only_validators_sign_checkpoints() -> None:
    """
    A participant without a vote has no log or cosign key that counts, whatever keys it holds.
    """
    one = first()

    with pytest.raises(CredentialError, match=f"^{IMPORTER} is no validator of this network$"):
        one.log_key("log.test.example", IMPORTER)
    with pytest.raises(CredentialError) as error:
        one.cosign_key(IMPORTER)
    assert error.value.code == "not_a_validator"
    assert one.cosign_key(MAKER).public_key == signer(MAKER, "cosign").public_key


def test_whoever_has_keys_of_notes_is_known_by_all_of_them() -> None:
    """
    Log and cosign keys, former ones too: a fault of then is judged by the key of then.
    """
    one = first()
    newer = Key("cosign", f"{MAKER}#cosign-2", NEWER.public_key, CREATED)
    ended = with_keys(
        one, MAKER, lambda k: replace(k, valid_until=CREATED) if k.role == "cosign" else k, newer
    )
    origin = "log.test.example"

    before, after = one.note_keys(origin), ended.note_keys(origin)

    assert before[MAKER] == (one.log_key(origin, MAKER), one.cosign_key(MAKER))
    assert after[MAKER] == (*before[MAKER], ended.cosign_key(MAKER))
    assert ended.cosign_key(MAKER).public_key == NEWER.public_key
    assert before.keys() == one.participants.keys()
