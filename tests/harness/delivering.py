"""A recorded sequence of blocks, and what delivering it leads to.

`python -m tests.harness.delivering FILE` delivers it in a process of its own, and prints one digest of all.
"""

from __future__ import annotations

import random
import sys
from hashlib import sha256
from pathlib import Path

from consensus.chain import Tip
from consensus.delivered import Delivered
from consensus.encoding import Value, decode, encode
from consensus.merkle import Frontier
from credentials.ledger.registry import MemoryReader, Registry, genesis_app_hash
from node.ledger.chain import chain_config
from tests.harness import ledger

RECORDING_BYTES_MAX = 256 << 20
BLOCK_S = 30
Recorded = tuple[int, str, tuple[bytes, ...]]  # time, proposer, items


class Chain:
    """The rules in memory, behind `consensus.delivered`."""

    def __init__(self) -> None:
        self.genesis = genesis = ledger.make_genesis()
        self.reader = MemoryReader()
        self.registry = Registry(genesis, self.reader)
        tip = Tip(0, genesis.network_id, genesis.created, genesis_app_hash(genesis), Frontier())
        self.delivered = Delivered(chain_config(genesis), self.registry, tip)

    def deliver(self, block: Recorded) -> bytes:
        """Execute and store it; everything that came of it."""
        time, proposer, items = block
        storing = self.delivered.decide(self.delivered.working, time, proposer, items)
        told = [self.delivered.carried_after(storing).hash, storing.block.id, *storing.execution.entries]
        told += [v.public_key for v in self.delivered.updates(storing)]
        self.reader.store(storing.execution)
        self.registry.commit(storing.execution)
        self.delivered.stored(0, time)
        return sha256(encode(list[Value](told))).digest()


def record(count: int, seed: int) -> tuple[list[Recorded], int]:
    """Blocks as a network decides them, drawn by `seed`; how many attestations are in them.

    Batteries made, published, published again by another, and claimed by a stranger.
    """
    draw, chain, maker = random.Random(seed), Chain(), ledger.Ledger()
    found, made, attestations = list[Recorded](), 0, 0
    for _ in range(count):
        maker.now += BLOCK_S
        for _ in range(draw.randrange(4)):
            number = draw.randrange(made) if made and draw.random() < 0.6 else made
            subject, sets = ledger.battery(number), ledger.set_list(number, draw.randrange(1, 3))
            if number == made:
                made += 1
                tx = maker.attest(ledger.MAKER, "battery.produced", subject)
            else:
                by = draw.choice((ledger.MAKER, ledger.MAKER, ledger.OTHER_MAKER))
                tx = maker.attest(by, "passport.published", subject, set_list=sets)
            chain.delivered.pool.add(tx, sha256(tx).digest(), "", 0, maker.now)
        proposer = draw.choice(ledger.VALIDATORS)
        items = chain.delivered.propose(maker.now, 1 << 20)
        block = maker.now, proposer, items
        assert chain.delivered.accepts(chain.delivered.working, *block)
        chain.deliver(block)
        found.append(block)
        attestations += len(items)
    return found, attestations


def write(file: Path, blocks: list[Recorded]) -> None:
    file.write_bytes(encode([[time, proposer, list(items)] for time, proposer, items in blocks]))


def digest(file: Path) -> str:
    """Of all that every block came to."""
    chain, everything = Chain(), sha256()
    match decode(file.read_bytes(), size_bytes_max=RECORDING_BYTES_MAX):
        case [*blocks]:
            for block in blocks:
                match block:
                    case [int(time), str(proposer), [*items]]:
                        txs = tuple(item for item in items if isinstance(item, bytes))
                        everything.update(chain.deliver((time, proposer, txs)))
    return f"{chain.delivered.tip.height} {everything.hexdigest()}"


if __name__ == "__main__":
    print(digest(Path(sys.argv[1])))
