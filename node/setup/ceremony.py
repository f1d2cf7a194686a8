"""The ceremony that founds a network: who takes part, who may attest what, and the key that all share.

It makes the network key, seals it to each participant's transport key, and forgets it. It is read
from one or more founding files, which a person writes:

    name = "pilot"                              # also --name
    origin = "log.pilot.example"                # also --origin; the name of the log, for its whole life

    [[participants]]
    card = "maker/participant.toml"             # relative to this file; also --card
    validator = true                            # default: every card made with `comity init --validator`
    address = "https://10.0.0.1:8470"           # goes to peers.toml; also --address DID=URL

    [[accreditations]]                          # valid_from, valid_until: a day or seconds; default: founding
    participant = "did:web:maker.example"
    roles = ["manufacturer"]
    schemes = [["gbt34014", "ZZ1"]]
    jurisdiction = "CN"
    licence = "licence number, if there is one"

    [[recognitions]]                            # credentials/ledger/recognition.py
    [limits]                                    # credentials/ledger/parties.py, Limits
    [governance]                                # credentials/ledger/approvals.py: who may change all this
    quorum_jurisdictions = ["CN", "EU"]         # no quorum without these; default: all that have validators
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consensus.errors import ConsensusError
from credentials.errors import CredentialError
from credentials.ledger.engine_terms import EMBEDDED
from credentials.ledger.genesis import Genesis, key_check, write_genesis
from credentials.ledger.parties import Accreditation, Limits, Participant
from credentials.ledger.recognition import Recognition
from node.config import rule_files
from node.errors import SetupError, Unfit, Unreadable
from node.settings import read_toml
from node.setup.engine_file import write_engine
from node.setup.founding_file import (
    read_accreditation,
    read_approvals,
    read_limits,
    read_participant,
    require_founded_way_on,
    require_known_schemes,
    require_url,
    rows_of,
    with_days,
)
from node.setup.keystore import seal_to
from node.setup.network import VALIDATOR_ROLES, read_card, write


@dataclass(slots=True)
class Founding:
    """What a founding ceremony is given; the command line and the founding files fill it in."""

    name: str = ""
    origin: str = ""
    participants: list[Participant] = field(default_factory=list)
    validators: list[str] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    accreditations: list[Accreditation] = field(default_factory=list)
    recognitions: list[Recognition] = field(default_factory=list)
    limits: Limits | None = None
    governance: Mapping[str, Any] | None = None
    created: int = field(default_factory=lambda: int(time.time()))
    engine: str = EMBEDDED

    def add(
        self, participant: Participant, *, validator: bool | None = None, address: str | None = None
    ) -> None:
        """Add a participant; a card with validator keys is a validator unless said otherwise."""
        self.participants.append(participant)
        able = {key.role for key in participant.keys} >= set(VALIDATOR_ROLES)
        if validator and not able:
            raise SetupError(
                f"{participant.did} has no vote key: make its card with `comity init --validator`"
            )
        if able if validator is None else validator:
            self.validators.append(participant.did)
        if address:
            self.addresses[participant.did] = address

    def read(self, path: Path) -> None:
        """Take over one founding file."""
        try:
            table = read_toml(path)
        except FileNotFoundError as error:
            raise Unreadable(f"the founding file {path} cannot be read: {error.strerror}") from error
        known = {"name", "origin", "participants", "accreditations", "recognitions", "limits", "governance"}
        for key in sorted(table.keys() - known):
            raise Unfit(f"the founding file {path} has the unknown member {key!r}")
        try:
            self.name = table.get("name", self.name)
            self.origin = table.get("origin", self.origin)
            for row in rows_of(table, "participants"):
                name, validator, address = read_participant(row)
                self.add(read_card(path.parent / name), validator=validator, address=address)
            for row in rows_of(table, "accreditations"):
                self.accreditations.append(read_accreditation(row, self.created))
            for row in rows_of(table, "recognitions"):
                self.recognitions.append(Recognition.parse(with_days(row, self.created)))
            if "limits" in table:
                self.limits = read_limits(table["limits"])
            if "governance" in table:
                self.governance = read_approvals(table["governance"])
        except ValueError as error:  # CredentialError is one
            raise Unfit(f"the founding file {path}: {error}") from error


def create(out: Path, founding: Founding) -> Genesis:
    """The founding ceremony: a network directory in `out`. The network key is sealed and forgotten."""
    if out.exists() and any(out.iterdir()):
        raise SetupError(f"{out} is not empty: name a new directory for the network")
    if not founding.name:
        raise SetupError("the network has no name: give --name")
    if not founding.participants:
        raise SetupError("the network has no participants: give --card FILE for each")
    at: dict[str, str] = {}
    for did, url in founding.addresses.items():
        require_url(did, url)
        if (other := at.setdefault(url.rstrip("/").lower(), did)) != did:
            raise Unfit(f"{url} is given as the address of {other} and of {did}: each node has its own")
    files = rule_files()
    require_known_schemes(founding.accreditations, files["lifecycle.json"])
    network_key = secrets.token_bytes(32)
    try:
        data = write_genesis(
            name=founding.name,
            origin=founding.origin or f"log.{founding.name}.example",
            created=founding.created,
            participants=founding.participants,
            validators=founding.validators,
            accreditations=founding.accreditations,
            rule_files=files,
            network_key_check=key_check(network_key),
            recognitions=founding.recognitions,
            sealed_network_keys={p.did: seal_to(_transport(p), network_key) for p in founding.participants},
            limits=founding.limits,
            governance=founding.governance,
        )
        genesis = Genesis.parse(data, files)
        require_founded_way_on(genesis)
        genesis.governance.log_policy(genesis.origin)
    except (CredentialError, ConsensusError) as error:
        raise Unfit(f"no network was founded: {error}") from error
    unknown = founding.addresses.keys() - genesis.governance.participants.keys()
    if unknown:
        raise Unfit(f"an address is given for {min(unknown)}, which is no participant")
    write(out, genesis, files, founding.addresses)
    write_engine(out, founding.engine)
    return genesis


def _transport(participant: Participant) -> bytes:
    for key in participant.keys:
        if key.role == "transport":
            return key.public
    raise SetupError(f"the card of {participant.did} has no transport key: make it with `comity init`")
