"""The edge of the replica is total: what a peer sends is dropped for a reason, and nothing else happens."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import consensus
from consensus import checkpoint, types
from consensus.application import Refusal
from consensus.chain import Tip
from consensus.cose import verify_ed25519
from consensus.encoding import EncodingError, decode, encode
from consensus.errors import ConsensusError, filled
from consensus.events import (
    AttestationReceived,
    BlocksReceived,
    Broadcast,
    Effect,
    MessageReceived,
    Strike,
    Unforeseen,
)
from consensus.evidence import FaultEvidence, evidence_of_checkpoints
from consensus.merkle import Frontier
from consensus.recollection import encode_answer, encode_question
from consensus.refusals import _REASONS, HOSTILE, reason_of
from consensus.replica import Replica
from consensus.types import PRECOMMIT, PREVOTE, Block, Proposal, Vote
from tests.consensus.test_evidence_of_faults import examples, note
from tests.harness.false_statements import CHAIN, EVIDENCE, FALSE, PASSED_OVER, PROPOSALS, VOTES, V, W
from tests.harness.replicas import (
    APP_HASH,
    NETWORK,
    START_MS,
    ChangingLedger,
    Net,
    certificate_of,
    chain_of,
    did,
    key,
    vote,
)
from tests.harness.sim.ledger import make_tx

TIP = Tip(0, NETWORK, START_MS // 1000, APP_HASH, Frontier())
SENDER = did(3)


def error_classes(root: type[ConsensusError] = ConsensusError) -> Iterator[type[ConsensusError]]:
    """Every class of error that consensus/ has, found by walking down from the root."""
    for module in pkgutil.iter_modules(consensus.__path__, "consensus."):
        importlib.import_module(module.name)
    yield root
    for kind in root.__subclasses__():
        if kind.__module__.startswith("consensus."):
            yield from error_classes(kind)


@pytest.mark.parametrize("kind", sorted(set(error_classes()), key=str))
def test_every_error_class_has_a_reason(kind: type[ConsensusError]) -> None:
    """
    Each subclass of ConsensusError, and a subclass of it that nobody has listed, is counted under one word.
    """
    unlisted: Any = type("Unlisted", (kind,), {})
    for made in (kind, unlisted):
        error = made("code", "sentence") if issubclass(kind, Refusal) else made("sentence")
        assert reason_of(error)


def test_the_reasons_are_listed_for_classes_that_exist() -> None:
    """
    The table has no entry for a class that is gone, and every class but specialisations has its own.
    """
    assert set(_REASONS) <= set(error_classes())
    assert {kind for kind in error_classes() if kind.__bases__ == (ConsensusError,)} <= set(_REASONS)


# --- a replica that is asked for its whole state


def new_replica() -> Replica:
    """Validator 0 of four, at height 1, with something in every store."""
    replica = Replica(CHAIN, ChangingLedger(), TIP, name=did(0), signer=key(0))
    replica.handle(AttestationReceived(make_tx("first"), sha256(make_tx("first")).digest()), START_MS)
    replica.handle(MessageReceived(did(2), vote(PREVOTE, 2, 0, V, CHAIN).encode()), START_MS)
    return replica


_OPEN = {"refused", "out", "now_ms", "time_ms", "chain"}  # counters, and what is no state


def state_of(thing: Any, seen: set[int] | None = None) -> Any:
    """Everything that `thing` holds, as tuples that can be compared; what is shared stands there once."""
    seen = set() if seen is None else seen
    if thing is None or isinstance(thing, int | str | bytes | type):
        return thing
    if isinstance(thing, dict):
        return tuple((state_of(k, seen), state_of(v, seen)) for k, v in thing.items())
    if isinstance(thing, set | frozenset):
        return tuple(sorted(repr(item) for item in thing))
    if isinstance(thing, list | tuple):
        return tuple(state_of(item, seen) for item in thing)
    if id(thing) in seen or not type(thing).__module__.startswith("consensus."):
        return type(thing).__name__
    seen.add(id(thing))
    held = {f.name: getattr(thing, f.name) for f in fields(thing)} if is_dataclass(thing) else vars(thing)
    return tuple((name, state_of(value, seen)) for name, value in held.items() if name not in _OPEN)


def send(replica: Replica, data: bytes) -> list[Effect]:
    return replica.handle(MessageReceived(SENDER, data), START_MS)


@cache
def lawful() -> dict[str, bytes]:
    """One message of each kind that peers send, as its honest author would."""
    block = Block(1, START_MS // 1000, NETWORK, did(1), APP_HASH, 0, TIP.log.root, CHAIN.config_digest, 1, ())
    unsigned = Proposal(1, 0, -1, block, did(1))
    signed = unsigned.signed_bytes(NETWORK, CHAIN.validators.hash)
    evidence = {name: found.encode() for name, found in examples().items() if found is not None}
    return {
        "proposal": replace(unsigned, signature=key(1).sign(signed)).encode(),
        "prevote": vote(PREVOTE, 1, 0, W, CHAIN).encode(),
        "precommit": vote(PRECOMMIT, 1, 0, None, CHAIN).encode(),
        "early vote": vote(PREVOTE, 1, 0, W, CHAIN, height=2).encode(),
        "status": encode(["comity/status/v1", 1, 0, 2, bytes(16)]),
        "question": encode_question(did(3)),
        "answer": encode_answer(did(0), 0, vote(PREVOTE, 0, 0, None, CHAIN)),
        **evidence,
    }


def poisoned() -> dict[str, bytes]:
    """N01: evidence of checkpoints that parses and does not verify."""
    true = examples()["checkpoints"]
    assert true is not None
    keyless = evidence_of_checkpoints("did:web:nobody.example", note(1, 7, V), note(1, 7, W))
    others = evidence_of_checkpoints(did(2), note(1, 7, V), note(1, 7, W))
    assert keyless is not None and others is not None
    line = note(1, 7, V).signatures[0]
    flipped = replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1])).line()
    altered = evidence_of_checkpoints(did(1), replace(note(1, 7, V), lines=(flipped,)), note(1, 7, W))
    short = replace(line, signature=line.signature[:20]).line()
    cut = evidence_of_checkpoints(did(1), replace(note(1, 7, V), lines=(short,)), note(1, 7, W))
    assert altered is not None and cut is not None
    unfit = replace(double := examples()["double prevote"] or altered, statements=true.statements)
    return {
        "accused has no such key": keyless.encode(),
        "key of another validator": others.encode(),
        "signature altered": altered.encode(),
        "signature cut": cut.encode(),
        "statements of another kind": unfit.encode(),
        "stranger accused": replace(double, validator="did:web:nobody.example").encode(),
    }


@pytest.mark.parametrize("name", poisoned())
def test_poisoned_evidence_is_a_strike_and_nothing_else(name: str) -> None:
    """
    N01: evidence that does not verify leaves the state as it was, costs its sender a strike, and is counted.
    """
    replica = new_replica()
    before = state_of(replica)

    effects = send(replica, poisoned()[name])

    strikes = [effect for effect in effects if isinstance(effect, Strike)]
    assert [strike.sender for strike in strikes] == [SENDER]
    assert strikes[0].reason in HOSTILE
    assert replica.refused[strikes[0].reason] == 1
    assert state_of(replica) == before
    assert replica.handle(MessageReceived(did(1), lawful()["prevote"]), START_MS) is not None
    assert state_of(replica) != before  # the measure sees what a good message changes


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_in_one_respect_counts_for_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Well formed, signed, and of another height, network, set, author or turn, about equal votes, or too large:
    dropped for its reason, by at most two signatures; the strike is its sender's, the state as before.
    """
    verified: list[bytes] = []

    def counting(public_key: bytes, signature: bytes, message: bytes) -> None:
        verified.append(message)
        verify_ed25519(public_key, signature, message)

    data, reason = FALSE[name]
    replica = new_replica()
    before = state_of(replica)
    for module in (types, checkpoint):
        monkeypatch.setattr(module, "verify_ed25519", counting)

    effects = send(replica, data)

    assert effects == [Strike(SENDER, reason)]
    assert replica.refused[reason] == 1
    assert len(verified) <= 2
    assert state_of(replica) == before


def test_each_member_is_false_in_one_of_them() -> None:
    """
    A member that a statement gets has to be thought of: what comes of it when it alone is not true.
    """
    for kind, table in ((Vote, VOTES), (Proposal, PROPOSALS), (FaultEvidence, EVIDENCE)):
        members = {one.name for one in fields(kind) if one.init}
        assert members | {"network", "set"} <= table.keys(), kind


def watching(execute: Callable[[Effect], None], struck: list[str]) -> Callable[[Effect], None]:
    """Executes, and notes whom a strike falls on."""

    def watched(effect: Effect) -> None:
        if isinstance(effect, Strike):
            struck.append(effect.sender)
        execute(effect)

    return watched


def test_false_statements_stop_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One of four sends every one of them to the others, again and again: blocks are decided, nobody is accused,
    and nobody else is struck.
    """
    net = Net(5, CHAIN, 4)
    net.start()
    struck: list[str] = []
    for node in map(net.node, range(4)):
        monkeypatch.setattr(node, "_execute", watching(node._execute, struck))
    for number in range(4):
        for index in range(3):
            for data, _ in FALSE.values():
                net.node(index).feed(MessageReceived(SENDER, data))
        tx = make_tx(f"honest {number}")
        net.submit(tx)
        net.run_until(lambda tx=tx: net.final_everywhere(tx))  # type: ignore[misc]
    assert all(net.node(index).up.evidence == [] for index in range(4))
    assert set(struck) == {SENDER} and len(struck) > 3 * len(FALSE)


@pytest.mark.parametrize("name", PASSED_OVER)
def test_what_an_honest_sender_may_have_sent_is_passed_over(name: str) -> None:
    """
    What is true elsewhere or at another time has a reason too, strikes nobody, and counts for nothing here.
    """
    data, reason = PASSED_OVER[name]
    replica = new_replica()
    held = [state_of(part) for part in (replica._faults, replica._pool, replica._present)]

    effects = send(replica, data)

    assert not any(isinstance(effect, Strike | Unforeseen | Broadcast) for effect in effects)
    assert replica.refused[reason] == 1
    assert replica.evidence == []
    assert [state_of(part) for part in (replica._faults, replica._pool, replica._present)] == held


def changed(data: bytes, draw: Any) -> bytes:
    """`data` as an attacker would send it."""
    kind = draw(st.sampled_from(["cut", "flip", "member", "name", "extend", "none"]))
    if kind == "cut":
        return data[: draw(st.integers(0, len(data) - 1))]
    if kind == "flip":
        at = draw(st.integers(0, len(data) * 8 - 1))
        return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]
    if kind == "extend":
        return data + bytes(draw(st.binary(min_size=1, max_size=9)))
    if kind == "member":
        value = decode(data)
        assert isinstance(value, list)
        if not value:
            return data
        value[draw(st.integers(0, len(value) - 1))] = draw(ANY_VALUE)
        return encode(value)
    if kind == "name":
        return bytes(data.replace(b"v1.example", b"v2.example").replace(b"v3.example", b"xx.example"))
    return data


ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 2, 3, 5, 1 << 31, (1 << 31) + 1, (1 << 53) - 1]),
    st.binary(max_size=80),
    st.text(max_size=20, alphabet=st.characters(blacklist_categories=["Cs"])),
    st.lists(st.one_of(st.integers(0, 9), st.binary(max_size=40), st.none()), max_size=4),
    st.dictionaries(st.text(max_size=3, alphabet="abc"), st.integers(0, 9), max_size=2),
)


@st.composite
def hostile_message(draw: Any) -> bytes:
    """A lawful or poisoned message, changed: cut, flipped, of other types, of another author or network."""
    pool = {**lawful(), **poisoned(), **{name: data for name, (data, _) in FALSE.items()}}
    data: bytes = pool[draw(st.sampled_from(sorted(pool)))]
    for _ in range(draw(st.integers(1, 3))):
        try:
            data = changed(data, draw) or b"\x80"
        except EncodingError:  # what was changed before cannot be read any more
            return data
    return data


@settings(max_examples=400, deadline=None)
@given(data=st.one_of(hostile_message(), st.binary(max_size=200), ANY_VALUE.map(encode)))
@example(data=b"")
@example(data=encode([]))
@example(data=encode(["comity/evidence/v1"]))
def test_no_message_leaves_the_edge(data: bytes) -> None:
    """
    No bytes raise, none are unforeseen; what is hostile changes nothing and strikes the sender, once.
    """
    replica = new_replica()
    before = state_of(replica)

    effects = send(replica, data)

    assert not any(isinstance(effect, Unforeseen) for effect in effects)
    strikes = [effect for effect in effects if isinstance(effect, Strike)]
    assert [strike.sender for strike in strikes] == [SENDER] * (sum(replica.refused[r] for r in HOSTILE))
    if strikes:
        assert len(strikes) == 1
        assert state_of(replica) == before
    replica.handle(MessageReceived(did(1), lawful()["proposal"]), START_MS)
    assert replica.step[2] >= 2, "an honest proposal is still prevoted"


def test_signed_for_another_network_is_a_strike() -> None:
    """
    Votes, proposals and evidence that are true in another network are refused here.
    """
    foreign = Vote(PREVOTE, 1, 0, -1, V, did(3))
    signed = replace(foreign, signature=key(3).sign(foreign.signed_bytes(bytes(32), CHAIN.validators.hash)))
    replica = new_replica()
    before = state_of(replica)

    effects = send(replica, signed.encode())

    assert [e for e in effects if isinstance(e, Strike)] == [Strike(SENDER, "signature")]
    assert state_of(replica) == before


@settings(max_examples=150, deadline=None)
@given(
    data=st.one_of(st.binary(max_size=200), hostile_message(), ANY_VALUE.map(encode)),
    certificate=st.one_of(st.binary(max_size=200), st.just(certificate_of(V, 0, CHAIN, range(4)).encode())),
)
def test_no_block_or_attestation_leaves_the_edge(data: bytes, certificate: bytes) -> None:
    """
    Blocks, certificates and attestations of any bytes raise nothing and are not kept.
    """
    replica = new_replica()

    effects = replica.handle(BlocksReceived(SENDER, [(data, certificate), (data, data)]), START_MS)
    effects += replica.handle(AttestationReceived(data, sha256(data).digest()), START_MS)

    assert not any(isinstance(effect, Unforeseen) for effect in effects)
    assert replica.tip == TIP
    assert replica.refused["bad_block"] == 1


def test_an_error_of_ours_drops_one_message_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An exception that nobody foresaw costs the message that caused it, not the node: it is an effect with its
    sender, nobody is struck, and the next message is taken. A broken invariant goes on.
    """

    def broken(*_: object) -> None:
        raise KeyError("a mistake of ours")

    replica = new_replica()
    with monkeypatch.context() as patch:
        patch.setattr(FaultEvidence, "decode", broken)
        effects = send(replica, lawful()["double prevote"])
    again = send(replica, lawful()["double prevote"])

    (told,) = [effect for effect in effects if isinstance(effect, Unforeseen)]
    assert (told.what, told.sender, type(told.error)) == ("MessageReceived", SENDER, KeyError)
    assert replica.refused["unforeseen"] == 1
    assert not any(isinstance(effect, Strike) for effect in effects)
    assert len(replica.evidence) == 1 and again

    def invariant(*_: object) -> None:
        raise AssertionError("our own")

    monkeypatch.setattr(FaultEvidence, "decode", invariant)
    with pytest.raises(AssertionError, match="our own"):
        send(replica, lawful()["amnesia"])


def test_the_strike_falls_on_who_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A message kept for the next height and found forged there strikes its sender, whoever ended the height.
    """
    net = Net(1, chain_of(4), 4)
    net.start()
    node = net.node(0)
    struck: list[str] = []
    monkeypatch.setattr(node, "_execute", watching(node._execute, struck))
    forged = replace(vote(PREVOTE, 2, 0, V, CHAIN, height=2), signature=bytes(64))

    node.feed(MessageReceived(SENDER, forged.encode()))
    assert struck == []
    tx = make_tx("first")
    net.submit(tx)
    net.run_until(lambda: net.final_everywhere(tx))
    net.run(100)

    assert struck == [SENDER]


def test_a_sentence_is_filled_in_with_lists_as_people_write_them() -> None:
    """
    Several values stand with commas between them, or with the word that the template gives.
    """
    assert filled("{names} and {count}", {"names": ("a", "b"), "count": 2}) == "a, b and 2"
    assert filled("one of {names:or}", {"names": ("a", "b")}) == "one of a or b"
    assert filled("no {template}", {}) == "no {template}"
