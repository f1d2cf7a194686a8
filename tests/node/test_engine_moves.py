"""A network is moved to another engine: what each side of a node does at the last block, and at the first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consensus.cose import SeedSigner
from consensus.encoding import encode
from consensus.validators import Validator, ValidatorSet
from credentials.ledger.engine_terms import COMETBFT, EngineTerm
from credentials.ledger.genesis import Genesis
from credentials.ledger.governance_records import ENGINE
from node.ledger.comet.comet_names import chain_id
from node.ledger.comet.home import Home
from node.ledger.comet.leaving import STAY_S_MAX, Leaving
from node.ledger.comet.proto.tendermint.abci import types_pb2 as abci
from node.ledger.comet.proto.tendermint.privval import types_pb2 as privval
from node.ledger.comet.proto.tendermint.types import types_pb2 as types
from node.ledger.comet.signer import VoteSigner
from node.ledger.heard import HEARD_S
from node.storage.signing import SigningStore
from tests.harness import ledger
from tests.harness.comet import Comet, Kept, Pair, Refused
from tests.harness.engines import acts_of, founded_now

REPLICA = encode(["comity/status/v1", 9, 0, 0, b""])
BLOCKS = 4  # from the one that decides the move to the last one


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return founded_now()


@pytest.fixture
def pair(genesis: Genesis, tmp_path: Path, socket_path: Path) -> Iterator[Pair]:
    made = Pair(genesis, tmp_path, socket_path)
    yield made
    made.stop()
    assert made.application.supervisor.failure is None


def now() -> int:
    return int(time.time())


def move(pair: Pair) -> EngineTerm:
    """All decide it, and the last block of the engine that is here is stored."""
    first = pair.comet.next + BLOCKS + 1
    term = EngineTerm(COMETBFT, 1, first)
    for act in acts_of(pair.application.registry, {(ENGINE, ""): term.as_table()}):
        assert pair.comet.check(act).code == 0
        pair.comet.decide(now())
    while pair.comet.next < first:
        pair.comet.decide(now(), ())
    return term


def begun(pair: Pair, term: EngineTerm) -> None:
    """The node is opened again, with a CometBFT that has nothing."""
    pair.stop()
    pair.comet = Comet(
        pair.genesis,
        pair.path,
        epoch=term.epoch,
        first=term.first,
        begun_s=pair.application.behind.delivered.tip.time,
    )
    pair.start()


def test_after_its_last_block_an_engine_makes_and_takes_none(pair: Pair) -> None:
    """
    What waits is not proposed, no proposal is accepted, and a block that is delivered all the same is not
    stored: the height after it belongs to another engine.
    """
    term = move(pair)
    waiting = pair.attestation(1)
    assert pair.comet.check(waiting).code == 0

    assert pair.comet.propose(now()).txs == ()
    over = Kept(now(), (waiting,), pair.comet.address())
    assert not pair.comet.accepts(over)
    with pytest.raises(Refused, match="is one of another engine"):
        pair.comet.finalize(pair.comet.next, over)
    assert pair.application.ledger.height == term.first - 1


def test_a_chain_begins_after_a_block_and_changes_nothing_until_it_has_one(pair: Pair) -> None:
    """
    Info answers 0 and InitChain the state after H, as often as CometBFT asks, and neither changes anything:
    ledger, log, state and standings are those of H until its first block is stored; then Info says so.
    """
    recorded = pair.attestation(1)
    pair.comet.check(recorded)
    pair.comet.decide(now())
    term = move(pair)
    carried, root, tip = pair.comet.hashes[-1], pair.root, pair.application.behind.delivered.tip
    begun(pair, term)

    for _ in range(3):
        info = pair.comet.query.ask(info=abci.RequestInfo())
        assert (info.last_block_height, info.last_block_app_hash) == (0, b"")
        founded = pair.comet.consensus.ask(init_chain=pair.comet.init_chain())
        assert founded.app_hash == pair.application.behind.delivered.carried.hash
        assert {v.pub_key.ed25519 for v in founded.validators} == {
            ledger.signer(did, "vote").public_key for did in ledger.VALIDATORS
        }
        assert (pair.root, pair.application.behind.delivered.tip) == (root, tip)
    assert pair.application.behind.delivered.carried.state[-1] == tip.block_id
    assert carried, "and the engine before left one, of the last block that did something"

    pair.comet.decide(tip.time, ())
    info = pair.comet.query.ask(info=abci.RequestInfo())
    assert info.last_block_height == term.first
    later = pair.attestation(2)
    pair.comet.check(later)
    assert later in pair.comet.decide(now()).txs
    assert pair.comet.check(recorded).code != 0, "what was recorded before is known after"
    pair.stop()
    pair.start()
    assert pair.application.ledger.height == pair.comet.next - 1


OTHER: dict[str, Callable[[abci.RequestInitChain], None]] = {
    "another network": lambda r: setattr(r, "chain_id", r.chain_id[:-1] + "0"),
    "another first height": lambda r: setattr(r, "initial_height", 1),
    "another time of founding": lambda r: setattr(r.time, "seconds", r.time.seconds + 1),
    "other validators": lambda r: setattr(r.validators.add(power=1).pub_key, "ed25519", bytes(32)),
}


def test_another_beginning_of_the_chain_is_refused(pair: Pair) -> None:
    """
    Of another epoch, height, time or with other validators than those after the last block: no chain begins.
    """
    begun(pair, move(pair))
    for what, change in OTHER.items():
        request = pair.comet.init_chain()
        change(request)
        with pytest.raises(Refused, match=what):
            pair.comet.consensus.ask(init_chain=request)
        pair.stop()
        pair.start()


def test_a_chain_is_not_begun_twice(pair: Pair) -> None:
    """
    A chain that has a block here is not begun a second time, as when its folder was lost.
    """
    term = move(pair)
    begun(pair, term)
    pair.comet.decide(pair.application.behind.delivered.tip.time, ())
    with pytest.raises(Refused, match="the ledger has blocks"):
        pair.comet.consensus.ask(init_chain=pair.comet.init_chain())


def test_nothing_is_signed_beyond_the_last_height(tmp_path: Path) -> None:
    """
    A vote for the height of the next engine would stand in the one guard of both, and stop that one: it is
    refused, and the guard is free. Nor is anything signed for the chain of another epoch.
    """
    store = SigningStore(tmp_path / "signing.db")
    key = SeedSigner("did:web:a.example#vote-1", bytes(32))
    name = chain_id(bytes(32), 1)
    signer = VoteSigner(key, store, name, lambda height: height <= 7)

    def ask(height: int, chain: str = name) -> str:
        vote = types.Vote(type=types.SignedMsgType.SIGNED_MSG_TYPE_PREVOTE, height=height)
        asked = privval.Message(sign_vote_request=privval.SignVoteRequest(vote=vote, chain_id=chain))
        return str(signer.answer(asked).signed_vote_response.error.description)

    assert ask(7) == ""
    assert ask(8) == "another engine orders height 8"
    assert ask(7, chain_id(bytes(32), 0)) == f"this key votes in {name}"
    assert store.highest() == (7, 0, "prevote")
    store.close()


def test_a_home_says_which_chain_it_is_of(tmp_path: Path, genesis: Genesis) -> None:
    """
    Chain id of the epoch, first height after H, the time of H: and who reads it again knows the chain.
    """
    home = Home(tmp_path / "comet")
    assert home.chain is None
    home.write(genesis, genesis.governance.limits, listen=("127.0.0.1", 7001))
    assert home.chain == chain_id(genesis.network_id, 0)
    term = EngineTerm(COMETBFT, 3, 12)
    home.write(
        genesis, genesis.governance.limits, listen=("127.0.0.1", 7001), term=term, after_s=genesis.created + 9
    )
    assert home.chain == chain_id(genesis.network_id, 3)
    told = (home.root / "config" / "genesis.json").read_text()
    assert '"initial_height": "12"' in told and time.strftime("%Y-%m-%dT", time.gmtime()) in told


def test_who_has_the_last_block_stays_for_those_that_lack_it() -> None:
    """
    CometBFT alone hands on its blocks: a node that was heard a moment ago and lacks the last one is waited
    for, one that went silent is not, and nobody for ever.
    """
    clock = [100.0]
    leaving = Leaving(lambda: clock[0])
    assert leaving.may_leave(9)
    leaving.hear("did:web:a.example", (b"", 8, 9, 9))
    assert not leaving.may_leave(9)
    leaving.hear("did:web:a.example", (b"", 9, 9, 9))
    assert leaving.may_leave(9)
    leaving.hear("did:web:b.example", (b"", 8, 9, 9))
    clock[0] += HEARD_S
    assert leaving.may_leave(9)
    leaving.hear("did:web:b.example", (b"", 8, 9, 9))
    assert not leaving.may_leave(9)
    clock[0] = 100.0 + STAY_S_MAX
    leaving.hear("did:web:b.example", (b"", 8, 9, 9))
    assert leaving.may_leave(9)


def test_whoever_stays_behind_is_told_and_no_one_party_can_have_it_said() -> None:
    """
    Validators, of whom at least one is honest, have later blocks and no CometBFT, and it stays so. What an
    observer says, one validator alone, or whoever went silent, ends and holds up nothing.
    """
    clock = [100.0]
    leaving = Leaving(lambda: clock[0])
    validators = ValidatorSet(tuple(Validator(name, name.encode() * 32, 1) for name in "abcd"))

    def told_after(*ahead: str) -> bool:
        for _ in range(5):
            clock[0] += HEARD_S / 2
            for did in ahead:
                leaving.hear(did, (REPLICA, 12, 9, 9))
        return leaving.trouble(8, validators) is not None

    assert not told_after("a", "observer", "another observer")
    assert not told_after("a", "b") and told_after("a", "b")
    text = leaving.trouble(8, validators)
    assert text is not None and "comity rebuild --from" in text
    leaving.hear("c", (b"", 9, 9, 9))
    assert leaving.trouble(8, validators) is None, "somebody still hands on what is lacking"
    clock[0] += HEARD_S
    assert not told_after()
