"""What a newcomer is given whose admission is final: genesis and rule files, then the network key.

    hello    [fingerprint]  -> [network id, root, own record, genesis, {rule file: content}, [content, ...]]
    joining  -              -> [network key, {DID: address}]      (signed and sealed, as all else)

`hello` alone is not signed: who asks does not know the network yet. It is answered to whoever names a
fingerprint of this log, and to nobody else. Any participant gives the key, not the sponsor alone: that
somebody is admitted was decided by those who may, and a sponsor that is away must not undo it (D485).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from consensus.encoding import Value, decode, encode
from consensus.errors import ConsensusError
from consensus.merkle import Tree
from credentials.ledger.genesis import Genesis
from credentials.ledger.genesis_table import participant_table
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.governance_records import RuleFiles
from node.errors import bad_request, forbidden
from node.peers.fingerprint import JoiningFingerprint

HELLO_BYTES_MAX = 256


@dataclass(frozen=True, slots=True)
class Welcome:
    """The door for newcomers of one node."""

    did: str
    genesis: Genesis
    history: GovernanceHistory
    rule_files: RuleFiles
    network_key: bytes
    tree: Tree
    addresses: Mapping[str, str]

    def hello(self, body: bytes) -> bytes:
        """To whoever names a fingerprint of this log: what it needs to ask as a participant."""
        match _decoded(body):
            case [str(text)] if told := JoiningFingerprint.parse(text):
                pass
            case _:
                raise bad_request("malformed", "a newcomer says [fingerprint]")
        network_id = self.genesis.network_id
        if told.size > self.tree.size:
            ahead = (
                "this node holds {held} entries of its log, the fingerprint is of {size}: "
                "ask again in a moment"
            )
            raise forbidden("fingerprint_ahead", ahead, held=self.tree.size, size=told.size)
        root = self.tree.root(told.size)
        if JoiningFingerprint.of(network_id, told.size, root) != told:
            raise forbidden(
                "other_fingerprint", "the fingerprint is not of this network: compare it with your sponsor"
            )
        governance = self.history.latest
        own = cast(Value, participant_table(governance.participants[self.did]))
        first = {
            name: self.genesis.rule_files[digest]
            for name, digest in self.genesis.governance.rule_digests.items()
        }
        digests = (d for _, epoch in self.history.epochs for d in epoch.rule_digests.values())
        later = {
            digest: self.rule_files(digest) for digest in digests if digest not in self.genesis.rule_files
        }
        files: list[Value] = [later[d] for d in sorted(later) if later[d] is not None]
        return encode([network_id, root, own, self.genesis.data, cast(Value, first), files])

    def give_key(self, sender: str) -> bytes:
        """The network key, and where peers are, to a participant; the answer is sealed to it."""
        governance, now = self.history.latest, int(time.time())
        keys = [key.id for key in governance.participants[sender].keys if key.role == "transport"]
        stops = [stop for target in (sender, *keys) if (stop := governance.stopped(target, now)) is not None]
        for stop in stops:  # also of one transport key: it may be the thief's
            told = "{sender} is stopped by {by}: it is given no network key"
            raise forbidden("sender_stopped", told, sender=sender, by=stop.by)
        return encode([self.network_key, dict[str, Value](self.addresses)])


def _decoded(body: bytes) -> Value:
    try:
        return decode(body, size_bytes_max=HELLO_BYTES_MAX)
    except ConsensusError as error:
        raise bad_request("malformed", "a newcomer says [fingerprint]") from error
