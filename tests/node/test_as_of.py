"""`comity governance prove | verify`: an answer about a height is a file that anybody checks offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.__main__ import run
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
