"""`comity governance prove | verify`: an answer about a height is a file that anybody checks offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from credentials.ledger import governance_proof
from node.__main__ import run
from node.receipts.epochs import EpochFile
from tests.credentials.test_governance_proof import recorded_in
from tests.credentials.test_log_epochs import FIRST, Log
from tests.credentials.test_trqp import answer, authorises
from tests.harness.governed_node import DID, EU_AUTHORITY, served_node
from tests.harness.support_service import PASSPHRASE


def test_what_governed_is_fetched_and_asked_without_a_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Presence, absence, rule files and a key, from one file under log.policy; a changed file and an unknown
    height are refused with a sentence.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    file, policy = tmp_path / "proof.json", tmp_path / "log.policy"

    def ask(*words: str) -> tuple[int, str]:
        code = run(["governance", "verify", str(file), "--policy", str(policy), *words])
        return code, capsys.readouterr().out

    with served_node(tmp_path / "node") as (g, address):
        where = ["--node", address, "--key", g.node.operator_key]
        height = 1
        g.blocks(height)
        proof = f"/governance/proof?height={height}"
        g.node.wait(lambda: g.node.get(proof).status_code == 200, "a cosigned checkpoint")
        assert run(["log", "policy", *where]) == 0
        policy.write_text(capsys.readouterr().out)
        assert run(["governance", "prove", str(height), "-o", str(file), *where]) == 0
        capsys.readouterr()
        assert run(["log", "epochs", "--for", str(file), "-o", str(tmp_path / "led"), *where]) == 0
        assert "\nlink " in (tmp_path / "led").read_text(), "its tree is on the way to the newest checkpoint"
        # As if the network had lived long: what is more than one answer holds is asked for in parts.
        whole = file.read_text()
        monkeypatch.setattr(governance_proof, "PART_BYTES", 2_000)
        refused = g.node.get(proof)
        assert (refused.status_code, refused.get_json()["code"]) == (400, "in_parts")
        part = g.node.get_json(f"{proof}&from=0")
        assert part["next"] == len(part["records"]) < len(json.loads(whole)["records"])
        assert len(json.dumps(part["records"])) < 4_000
        assert g.node.get_json(f"{proof}&from=65536")["records"] == []
        assert run(["governance", "prove", str(height), "-o", str(file), *where]) == 0
        assert json.loads(file.read_text())["records"] == json.loads(whole)["records"]
        capsys.readouterr()
        assert run(["governance", "prove", "999999", *where]) == 65
        assert "no block of that height" in capsys.readouterr().err

    code, told = ask()
    assert code == 0 and f"after height {height}" in told and "lifecycle.json" in told
    code, told = ask("--issuer", EU_AUTHORITY, "--role", "authority", "--scheme", "gs1")
    assert code == 0 and "licensed at" in told
    code, told = ask("--issuer", DID, "--role", "vote")
    assert code == 0 and f"{DID}#vote" in told
    assert ask("--issuer", DID)[0] == 0
    code, told = ask("--issuer", EU_AUTHORITY, "--role", "recycler", "--at", "1")
    assert code == 1 and "neither licensed as recycler" in told
    code, told = ask("--issuer", "did:web:nobody.example")
    assert code == 1 and "was no participant" in told

    changed = json.loads(file.read_text())
    changed["records"].pop()
    file.write_text(json.dumps(changed))
    code, told = ask("--issuer", EU_AUTHORITY, "--role", "authority", "--scheme", "gs1")
    assert code == 1 and told.startswith("not valid") and "missing, added or changed" in told


def test_an_answer_of_a_later_epoch_is_verified_with_the_founding_policy_and_the_epochs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `comity governance verify --policy OLD --epochs FILE`, after two rotations: a proof and an answer of the
    trust registry hold; without the file, or with one that lacks an epoch, they are refused with a sentence.
    """
    log = Log()
    log.rotate(0, 1)
    log.rotate(2)
    proof = recorded_in(log, 8)
    files = {name: tmp_path / name for name in ("proof", "answer", "policy", "epochs", "gap")}
    files["proof"].write_text(json.dumps(proof))
    files["answer"].write_text(json.dumps({**answer(8, authorises()), "proof": proof}))
    files["policy"].write_text(FIRST)
    files["epochs"].write_text(EpochFile(tuple(log.steps), log.head(), {}).text())
    files["gap"].write_text(EpochFile(tuple(log.steps[1:]), log.head(), {}).text())

    def verify(what: str, *more: str) -> tuple[int, str]:
        code = run(["governance", "verify", str(files[what]), "--policy", str(files["policy"]), *more])
        return code, capsys.readouterr().out

    for what in ("proof", "answer"):
        code, told = verify(what, "--epochs", str(files["epochs"]))
        assert code == 0 and "after height 8" in told
        code, told = verify(what)
        assert code == 1 and "its receipt does not hold" in told
        code, told = verify(what, "--epochs", str(files["gap"]))
        assert code == 1 and told.startswith("not valid: no epoch follows the policy")
