"""Hostile attestations and blocks, validly signed: each costs at most a nil prevote, none costs a node.

The attestations are written by this file's own CBOR writer, which can also write what `consensus.encoding`
refuses, and are signed by an accredited maker: the code behind the signature is reached.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest

from consensus.application import Execution, GovernanceRow
from consensus.cose import SeedSigner
from consensus.encoding import decode
from consensus.events import AttestationReceived, Broadcast, Drop, MessageReceived
from consensus.replica import Replica
from consensus.types import PREVOTE, Block, Proposal, Vote, decode_message
from credentials.documents.canonical import b64u
from credentials.ledger.registry import Registry
from node.storage.entries import EntryRow, LedgerTip, row_of
from node.storage.ledger import LedgerStore
from tests.harness.ledger import CREATED, MAKER, battery, set_list, set_list_digest, signer
from tests.harness.sim.world import Border, validator_name, validator_signer

WORLD = Border(4)
CHAIN, TIP = WORLD.chain, WORLD.tip()
NOW_MS = CREATED * 1000
YEAR_33658 = 999_999_999_999  # in seconds; datetime ends in 9999


# --- a CBOR writer without scruples


@dataclass(frozen=True)
class Raw:
    """Bytes that go into the message as they are."""

    data: bytes


def head(major: int, argument: int) -> bytes:
    """The shortest head (RFC 8949, section 3)."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    for code, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * width):
            return bytes((major << 5 | code,)) + argument.to_bytes(width, "big")
    raise ValueError("an argument has at most 64 bits")


def write(value: Any) -> bytes:
    """Encode anything, in the order given."""
    match value:
        case Raw(data):
            return data
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case int() if value >= 1 << 64:
            return b"\xc2" + write(value.to_bytes((value.bit_length() + 7) // 8, "big"))
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            text = value.encode("utf-8", "surrogatepass")
            return head(3, len(text)) + text
        case list() | tuple():
            return head(4, len(value)) + b"".join(map(write, value))
        case dict():
            items = sorted((write(key), write(item)) for key, item in value.items())
            return head(5, len(items)) + b"".join(key + item for key, item in items)
    raise TypeError(f"no CBOR for {type(value).__name__}")


HOSTILE: tuple[Any, ...] = (
    # integers that SQLite, JSON or datetime cannot hold
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    2**521,
    -1,
    -(2**31),
    -(2**63),
    YEAR_33658,
    Raw(b"\x18\x01"),
    # text that UTF-8, SQL, a URL or a page would stumble over
    "\ud800",
    "a\udfffb",
    Raw(b"\x62\xff\xfe"),
    "\x00",
    "x" * 300,
    "x" * 9_000,
    "'; DROP TABLE standings; --",
    "did:web:maker.example\n",
    "did:web:\u202eelpmaxe",
    "",
    # values that are not plain
    float("nan"),
    float("inf"),
    1.5,
    Raw(b"\xf9\x7e\x00"),
    Raw(b"\xf7"),
    Raw(b"\xf8\xff"),
    None,
    True,
    [],
    {},
    [[]],
    b"",
    bytes(31),
    bytes(32),
    bytes(33),
    bytes(12_000),
    # sets, cycles, shared references, dates, decimals, regular expressions
    Raw(b"\xd9\x01\x02\x82\x01\x02"),
    Raw(b"\xd9\x01\x02\x82\x61a\x61b"),
    Raw(b"\xd8\x1c\x81\xd8\x1d\x00"),
    Raw(b"\xd8\x1c\xa1\x01\xd8\x1d\x00"),
    Raw(b"\xd8\x1d\x19\xff\xff"),
    Raw(b"\xd9\x01\x00\x81\xd8\x19\x00"),
    Raw(b"\xc1" + write(YEAR_33658)),
    Raw(b"\xc1\xf9\x7e\x00"),
    Raw(b"\xc0" + write("33658-09-27T01:46:39Z")),
    Raw(b"\xd9\x03\xec" + write("33658-09-27")),
    Raw(b"\xc4\x82" + write(2**40) + b"\x01"),
    Raw(b"\xd8\x23" + write("(a+)+$")),
    Raw(b"\xd8\x24" + write("MIME")),
    Raw(b"\xd9\xd9\xf7\x01"),
    # nesting and lengths
    Raw(b"\x81" * 9 + b"\x00"),
    Raw(b"\x81" * 300 + b"\x00"),
    Raw(b"\x81" * 8_000 + b"\x00"),
    Raw(b"\xa1\x00" * 2_000 + b"\x00"),
    Raw(b"\xd8\x1c" * 2_000 + b"\x00"),
    Raw(b"\x9b" + b"\xff" * 8),
    Raw(b"\x5b\x7f" + b"\xff" * 7),
    Raw(b"\xbb\x00\x00\x00\x01" + b"\x00" * 4),
    Raw(b"\x9f\x01\xff"),
    Raw(b"\x5f\x41a\xff"),
    Raw(b"\xa2\x00\x01\x00\x02"),
    Raw(b"\xff"),
    [bytes(32)] * 65,
    [sha256(bytes([i])).digest() for i in range(17)],
    [["gbt34014", "ZZ1", bytes(32)]] * 3,
    ["gbt34014", "ZZ1", bytes(32)],
    ["vin", "ZZ9", bytes(32)],
    ["status", MAKER, bytes(32)],
    {"capacity_wh": 2**63},
    {"\ud800": 1},
    [["did:web:maker.example#attest-1", bytes(64)]],
)

KINDS = sorted(WORLD.genesis.governance.lifecycle.events)


# What decodes, and is extreme, misplaced or of another kind: it reaches the rules.
LAWFUL: tuple[Any, ...] = (
    0,
    1,
    CREATED - 100,
    CREATED + 86_400,
    YEAR_33658,
    2**53 - 1,
    bytes(32),
    b"\xff" * 32,
    MAKER,
    "did:web:other-maker.example",
    "did:web:v0.example",
    "gbt34014",
    "uri",
    "vin",
    "status",
    "*",
    "ZZ3",
    "!" * 255,
    "revocation",
    "application/vc",
    [bytes(32)],
    [sha256(bytes([i])).digest() for i in range(16)],
    ["gbt34014", "ZZ1", bytes(32)],
    ["status", MAKER, bytes(32)],
    ["vin", "ZZ9", bytes(32)],
    [["gbt34014", "ZZ1", bytes([i]) * 32] for i in range(64)],
    [MAKER, "did:web:other-maker.example"],
    {"capacity_wh": 2**53 - 1},
    {f"q{i}": 2**53 - 1 for i in range(16)},
    {1: bytes(32)},
    *KINDS,
)


def members(random: Random, number: int) -> tuple[dict[int, Any], bytes]:
    """A delta that some event would accept, and its payload."""
    subject = battery(number)
    delta: dict[int, Any] = {
        0: random.choice(("battery.produced", "passport.published", *KINDS)),
        2: CREATED - 100,
        11: [subject.scheme, subject.namespace, subject.h],
    }
    payload = sha256(b"document %d" % number).digest()
    if delta[0] == "passport.published" or random.random() < 0.1:
        sets = set_list(number)
        delta[12], payload = sets.value, set_list_digest(sets)
    for key, value in (
        (1, [random.randbytes(32)]),
        (3, random.randbytes(32)),
        (4, ["vin", "ZZ9", random.randbytes(32)]),
        (5, ["did:web:other-maker.example"]),
        (7, [payload, "revocation", 1, None]),
        (9, {"capacity_wh": 75_000}),
        (10, [["gbt34014", "ZZ1", random.randbytes(32)]]),
    ):
        if random.random() < 0.15:
            delta[key] = value
    return delta, payload


PLAUSIBLE: tuple[Any, ...] = (0, 1, 2, 2**53 - 1, YEAR_33658, bytes(32), b"", [], "did:web:v2.example", None)


def replaced(random: Random, value: Any, choices: tuple[Any, ...] = HOSTILE) -> Any:
    """`value` with something hostile somewhere in it: instead of a part, beside it, or as a key."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        if random.random() < 0.1:
            return {**value, random.choice((99, -1, "x", 2**70, "\ud800")): random.choice(choices)}
        if random.random() < 0.05:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: replaced(random, value[key], choices)}
    if isinstance(value, list) and value and random.random() < 0.7:
        at = random.randrange(len(value))
        if random.random() < 0.15:
            return [*value, random.choice(choices)]
        return [*value[:at], replaced(random, value[at], choices), *value[at + 1 :]]
    same = [choice for choice in choices if type(choice) is type(value)]
    return random.choice(same if same and random.random() < 0.7 else choices)


def hostile_attestation(random: Random, number: int) -> bytes:
    """COSE_Sign1 by an accredited maker, with one hostile part; a few have broken bytes instead."""
    delta, payload = members(random, number)
    by: SeedSigner = signer(MAKER)
    subject = delta[11][2]
    header: Any = {
        1: -19,
        4: by.key_id.encode(),
        15: {
            1: MAKER,
            2: "urn:comity:subject:" + b64u(subject),
            3: "urn:comity:network:" + b64u(WORLD.genesis.network_id),
            6: CREATED - 50,
        },
        258: -16,
        259: "application/vc",
        -70001: delta,
    }
    way = random.random()
    if way < 0.4:
        header = replaced(random, header)
    elif way < 0.8:
        part = random.choice((15, -70001, -70001, -70001))
        header[part] = replaced(random, header[part], LAWFUL)
    elif way < 0.85:
        header[-70001] = {key: delta[key] for key in (0, 2, 11)}  # for some kinds this is enough
    elif way < 0.9:
        payload = random.choice((b"", bytes(31), bytes(70_000)))
    protected = write(header)
    if 0.9 <= way < 0.95:
        protected = protected[: random.randrange(len(protected))]
    signed = write(["Signature1", protected, b"", payload])
    unprotected = Raw(b"\xa0") if way < 0.97 else random.choice(HOSTILE)
    data = b"\xd2" + write([protected, unprotected, payload, by.sign(signed)])
    if way >= 0.99:
        at = random.randrange(len(data))
        data = data[:at] + random.randbytes(3) + data[at + 1 :]
    return data


# --- a validator that hears of them


def make_block(*txs: bytes) -> Block:
    """The block that validator 1 would propose first, with these attestations."""
    return Block(
        1,
        TIP.time,
        TIP.block_id,
        validator_name(1),
        TIP.app_hash,
        TIP.log.size,
        TIP.log.root,
        CHAIN.config_digest,
        CHAIN.parameters.app_version,
        txs,
    )


def signed_proposal(block: Block) -> bytes:
    """A valid proposal of validator 1, whatever is in the block."""
    proposal = Proposal(1, 0, -1, block, validator_name(1))
    message = proposal.signed_bytes(CHAIN.network_id, CHAIN.validators.hash)
    return replace(proposal, signature=validator_signer(1).sign(message)).encode()


def hostile_proposal(random: Random, good: bytes) -> bytes:
    """A proposal with something hostile in it or in its block; the signature is over what it carries."""
    value = decode(good)
    assert isinstance(value, list)
    if random.random() < 0.7:
        choices = random.choice((HOSTILE, PLAUSIBLE))
        block = write(replaced(random, decode(value[4]), choices))
        value_id = sha256(b"comity/block-id/v1" + block).digest()
        tag, network, validators = "comity/proposal/v1", CHAIN.network_id, CHAIN.validators.hash
        signature = validator_signer(1).sign(write([tag, network, validators, 1, 0, None, value_id]))
        return write([*value[:4], block, value[5], signature])
    return write(replaced(random, value))


def new_replica(application: Registry) -> Replica:
    """Validator 0 at height 1."""
    return Replica(CHAIN, application, TIP, name=validator_name(0), signer=validator_signer(0))


def votes_of(replica: Replica, data: bytes) -> list[Vote]:
    """What the validator votes on hearing `data` from the proposer."""
    effects = replica.handle(MessageReceived(validator_name(1), data), NOW_MS)
    said = [decode(effect.data) for effect in effects if isinstance(effect, Broadcast)]
    messages = [decode_message(value) for value in said if isinstance(value, list) and "vote" in value[0]]
    return [message for message in messages if isinstance(message, Vote)]


def fuzz(cases: int, seed: int, store: LedgerStore) -> Counter[str]:
    """Feed hostile attestations and blocks; what became of them."""
    random = Random(f"fuzz {seed}")
    registry = WORLD.disk().application(0, TIP.app_hash)
    waiting = new_replica(registry)  # hears all attestations, as from an outbox
    good = WORLD.life_of(1)[0]
    proposal = signed_proposal(make_block(good))
    seen: Counter[str] = Counter()
    for number in range(cases):
        replica = new_replica(registry)
        if number % 5 == 4:
            votes = votes_of(replica, hostile_proposal(random, proposal))
            assert [vote.kind for vote in votes] in ([], [PREVOTE])
            seen["block nil" if votes and votes[0].value_id is None else "block unread or good"] += 1
        else:
            tx = hostile_attestation(random, number)
            effects = waiting.handle(AttestationReceived(tx, sha256(tx).digest()), NOW_MS)
            block = make_block(*random.choice(((tx,), (tx,), (good, tx), (tx, good), (tx, tx))))
            votes = votes_of(replica, signed_proposal(block))
            if len(tx) > 20_000:
                assert votes[:1] == [] or votes[0].value_id is None
            else:
                assert [vote.kind for vote in votes] == [PREVOTE], "a proposal gets one prevote"
            if votes and votes[0].value_id is not None:
                _must_be_storable(registry, block, store)
                seen["attestation admitted"] += 1
            else:
                seen["attestation nil"] += 1
                seen["attestation dropped"] += any(isinstance(effect, Drop) for effect in effects)
        if number % 250 == 0:
            assert [vote.value_id for vote in votes_of(new_replica(registry), proposal)] == [
                make_block(good).id
            ], "a good block is still prevoted"
    return seen


def _must_be_storable(registry: Registry, block: Block, store: LedgerStore) -> None:
    """What was admitted after all fits into ledger.db."""
    execution = registry.process_proposal(block)
    tip = LedgerTip(1, block.id, block.time, execution.app_hash, TIP.log.encode())
    rows = [row_of(entry) for entry in execution.entries]
    with pytest.raises(_Undone):
        _store_and_undo(store, tip, block, rows, execution)


class _Undone(Exception):
    """The transaction worked and is rolled back."""


def _store_and_undo(
    store: LedgerStore, tip: LedgerTip, block: Block, rows: list[EntryRow], execution: Execution
) -> None:
    def then_undo() -> Iterator[GovernanceRow]:
        yield from execution.governance
        raise _Undone

    store.commit_block(
        tip,
        block=block.encode(),
        certificate=b"",
        entries=rows,
        standings=execution.standings,
        governance=then_undo(),
    )


AMOUNTS: list[Any] = [
    pytest.param(2_000, id="2k"),
    pytest.param(100_000, id="100k", marks=pytest.mark.check),
]


@pytest.mark.parametrize("cases", AMOUNTS)
def test_hostile_attestations_and_blocks_cost_a_nil_prevote(cases: int, tmp_path: Path) -> None:
    """
    Validly signed attestations and blocks with hostile parts never raise: nil prevotes, dropped attestations,
    and good blocks go on being prevoted; what is admitted after all can be stored.
    """
    store = LedgerStore(tmp_path / "ledger.db")
    seen = fuzz(cases, 7, store)
    store.close()

    assert seen["attestation nil"] > cases // 2
    assert seen["attestation dropped"] > cases // 2
    assert seen["block nil"] > cases // 200
    assert 0 < seen["attestation admitted"] < cases // 10


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_each_hostile_value_in_each_place(index: int) -> None:
    """
    Every hostile value as event time, kind, subject, quantity, party and reference is survived one by one.
    """
    registry = WORLD.disk().application(0, TIP.app_hash)
    by = signer(MAKER)
    for key in (0, 2, 9, 11, 5, 10, 12, 99):
        delta, payload = members(Random(index), index)
        header = {
            1: -19,
            4: by.key_id.encode(),
            15: {
                1: MAKER,
                2: "urn:comity:subject:" + b64u(delta[11][2]),
                3: "urn:comity:network:" + b64u(WORLD.genesis.network_id),
                6: CREATED - 50,
            },
            258: -16,
            259: "application/vc",
            -70001: {**delta, key: HOSTILE[index]},
        }
        protected = write(header)
        signature = by.sign(write(["Signature1", protected, b"", payload]))
        tx = b"\xd2" + write([protected, Raw(b"\xa0"), payload, signature])

        votes = votes_of(new_replica(registry), signed_proposal(make_block(tx)))

        assert [vote.kind for vote in votes] == [PREVOTE]
        assert votes[0].value_id is None
