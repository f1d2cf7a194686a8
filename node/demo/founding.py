"""Found the demo's network: the code path of `comity init` and `comity network create|join`, six times.

The founding file is written into the demo's folder, so that a newcomer can read what a ceremony is given.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import tomli_w

from credentials.ledger.engine_terms import EMBEDDED
from node.config import DataDirectory
from node.demo.launcher import NodeProcess
from node.demo.scenario import PARTIES, Party
from node.named_files import write_own
from node.settings import SETTINGS_FILE
from node.setup import ceremony, network

NETWORK_NAME, ORIGIN = "comity-demo", "log.comity-demo.example"
EU_ROWS = ["ID-05", "ID-06", "ID-08", "STAT-01", "LIFE-01", "CUS-01", "CUS-02", "EXP-01"]
CN_ROWS = ["EXP-02"]
TOLD_AFTER_S = 2  # elsewhere ten minutes: who looks at a demo would not wait for them
TAKEN_IN_MAX = 2  # batteries a year: the scenario has one more, in its second act


def found(root: Path, ports: list[int], engine: str = EMBEDDED) -> list[NodeProcess]:
    """Keys, genesis, log policy and six joined data directories under `root`; nothing is started."""
    passphrase = secrets.token_urlsafe(24)
    passphrase_file = root / "passphrase"
    with os.fdopen(os.open(passphrase_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(passphrase + "\n")
    nodes = []
    for party, port in zip(PARTIES, ports, strict=False):
        directory = DataDirectory(root / party.key)
        network.init(
            directory,
            did=party.did,
            name=party.name,
            jurisdiction=party.jurisdiction,
            roles=party.roles,
            validator=party.validator,
            passphrase=passphrase,
            policy=party.policy,
        )
        nodes.append(NodeProcess(party, directory.root, port, passphrase_file))
    file_name = root / "founding.toml"
    file_name.write_text(tomli_w.dumps(_founding(nodes)))
    founding = ceremony.Founding(engine=engine)
    founding.read(file_name)
    ceremony.create(root / "network", founding)
    for node in nodes:
        network.join(DataDirectory(node.data), root / "network", passphrase)
        write_own(node.data / SETTINGS_FILE, tomli_w.dumps(_settings(node.party)).encode())
    return nodes


def _settings(party: Party) -> dict[str, object]:
    """What its operator decides: the EU authority keeps what the recycler's licence allows."""
    recycler = PARTIES[5]
    capacity = {
        "party": recycler.did,
        "licence": licence_of(recycler),
        "side": recycler.jurisdiction,
        "basis": "permit of the demonstration",
        "events": ["recycling.received"],
        "per": "year",
        "batteries_max": TAKEN_IN_MAX,
        "since": "2020-01",
        "until": "2099-12",
    }
    kept = {"capacities": [capacity]} if party.key == "eu-authority" else {}
    return {"attempts": {"after_s": TOLD_AFTER_S}, **kept}


def licence_of(party: Party) -> str:
    """The number of its licence."""
    return f"DEMO-{party.key}"


def _founding(nodes: list[NodeProcess]) -> dict[str, Any]:
    return {
        "name": NETWORK_NAME,
        "origin": ORIGIN,
        "participants": [
            {
                "card": f"{node.party.key}/participant.toml",
                "validator": node.party.validator,
                "address": node.url,
            }
            for node in nodes
        ],
        "accreditations": [_accreditation(node) for node in nodes],
        # Unilateral, and asked twice. "information-only": no EU act recognises a Chinese battery attestation.
        "recognitions": [
            _recognition("eu-authority", "EU", "CN", EU_ROWS, "information-only"),
            _recognition("cn-authority", "CN", "EU", CN_ROWS, "accepted-as-lab-evidence"),
        ],
    }


def _accreditation(node: NodeProcess) -> dict[str, Any]:
    maker = "manufacturer" in node.party.roles
    return {
        "participant": node.party.did,
        "roles": list(node.party.roles),
        "schemes": [["gbt34014", "ZZ1"], ["gbt34014", "ZZ2"]] if maker else [["gbt34014", "*"]],
        "jurisdiction": node.party.jurisdiction,
        "licence": licence_of(node.party),
    }


def _recognition(authority: str, where: str, of: str, rows: list[str], effect: str) -> dict[str, Any]:
    did = next(party.did for party in PARTIES if party.key == authority)
    return {
        "authority": did,
        "jurisdiction": where,
        "issuer": "*",
        "issuer_jurisdiction": of,
        "rows": rows,
        "effect": effect,
        "legal_basis": "network-policy (demonstration)",
    }
