"""Keys on a token (node/setup/key_token.py): SoftHSM, which is a token in a folder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from consensus.cose import verify_ed25519
from consensus.receipt import Receipt
from credentials.documents.suites.ecdsa import verify_ecdsa
from node.__main__ import run
from node.config import DataDirectory
from node.errors import SetupError, TokenAway
from node.settings import SETTINGS_FILE, TokenSettings
from node.setup.key_token import MARK, PIN, Token
from node.setup.keystore import Keys
from tests.harness.governed_node import GovernedNode, others
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.parts import missing, require
from tests.harness.support_service import DID, PASSPHRASE, LiveNode, live_node, serving
from tests.node.test_governance_cli import Shell
from tests.node.test_jobs import done, model_of, row_of, sheet, taken
from tests.system.test_stolen_keys import Theft

pytestmark = [
    pytest.mark.check,
    # What was asked of a token that is out is ended by the package when nobody holds it any more, and told.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LABEL, SPARE, SECRET = "plant", "spare", "271828"
ROLES = ("attest", "credential", "cosign", "credential-enveloped")


@dataclass
class Slot:
    """Where the token is put in, and taken out."""

    folder: Path
    settings: TokenSettings

    @property
    def _away(self) -> Path:
        return self.folder.with_suffix(".away")

    def take_out(self) -> None:
        self.folder.rename(self._away)

    def put_in(self) -> None:
        self._away.rename(self.folder)


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slot]:
    program, root = require("softhsm"), tmp_path_factory.mktemp("token")
    places = [Path("/usr/lib/softhsm"), *Path("/usr/lib").glob("*/softhsm")]
    library = next((one / "libsofthsm2.so" for one in places if (one / "libsofthsm2.so").exists()), None)
    if library is None:
        missing("softhsm has no library where Debian puts it")
    (root / "tokens").mkdir()
    (root / "conf").write_text(f"directories.tokendir = {root / 'tokens'}\nobjectstore.backend = file\n")
    (root / "pin").write_text(f"{SECRET}\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOFTHSM2_CONF", str(root / "conf"))
        for label in (LABEL, SPARE):
            made = ["--init-token", "--free", "--label", label, "--so-pin", "31415926", "--pin", SECRET]
            subprocess.run([program, *made], check=True, capture_output=True)
        yield Slot(root / "tokens", TokenSettings(library, LABEL, frozenset(ROLES), root / "pin"))


@pytest.fixture(scope="module")
def node(slot: Slot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("node"), others=others(), token=slot.settings) as running:
        assert running.post_json("/models", model_of()).status_code == 200
        yield running


def conditions(node: LiveNode) -> dict[str, str]:
    told = node.client.get("/readyz").get_json()["conditions"]
    return {one["code"]: one["text"] for one in told}


def test_what_a_token_signs_is_a_receipt_like_any_other(node: LiveNode, slot: Slot) -> None:
    """
    Passports, attestations and cosignatures by keys on a token verify; keys.enc has no seed of theirs, and
    the token gives no private key away, to its own user either.
    """
    from pkcs11 import Attribute, AttributeSensitive, ObjectClass

    made, rows = done(node, sheet([row_of(n) for n in range(1, 4)]))
    node.wait(lambda: node.get_json(f"/jobs/{made['id']}")["finished"], "the receipts")
    sets = node.get_json(f"/passports/{rows[0]['digest']}")["sets"]
    keys = Keys.load(node.data, DID, PASSPHRASE)
    on_token = {signer.label: signer for signer in keys.on_token()}
    enveloped = keys.issuers()["enveloped"].signer

    assert set(on_token) == {f"{DID}#{role}-1" for role in ROLES}
    assert Receipt.parse(node.get(f"/receipts/{rows[0]['digest']}").text)
    assert node.service.vc_api.verify_credential(node.get_json(f"/documents/{sets['1']}")).verified
    assert all(keys._seeds[role].startswith(MARK) for role in ROLES)
    verify_ecdsa(enveloped.public_key, enveloped.sign(b"said"), b"said")
    assert enveloped.key_id.startswith("did:key:zDn")
    assert keys.token is not None
    for label in on_token:
        private = keys.token._open().get_key(object_class=ObjectClass.PRIVATE_KEY, label=label)
        with pytest.raises(AttributeSensitive):
            private[Attribute.VALUE]


def test_while_a_token_is_out_work_waits_and_goes_on_by_itself(node: LiveNode, slot: Slot) -> None:
    """
    Taken out: who asks for a passport is told so and that nothing was taken, a sheet that was taken waits
    whole, /readyz names the token and why, the node goes on answering. Put in: everything is done, once, and
    nobody did anything.
    """
    node.wait_quiet()
    slot.take_out()
    try:
        node.wait(lambda: "token_away" in conditions(node), "the node to say so")
        refused = node.post_json("/passports", {"code": code_of(20), "claims": claims_of(20)})
        sent = taken(node, sheet([row_of(n) for n in range(20, 24)]))
        node.wait(lambda: node.service.jobs._jobs.pause is not None, "the job to wait")
        waits = node.get_json(f"/jobs/{sent}")
        told = conditions(node)["token_away"]
        shown = node.client.get("/readyz").status_code
    finally:
        slot.put_in()
    node.wait(lambda: node.get_json(f"/jobs/{sent}")["finished"], "the receipts")
    again = node.post_json("/passports", {"code": code_of(20), "claims": claims_of(20)})

    assert (refused.status_code, refused.get_json()["code"]) == (503, "token_away")
    assert LABEL in refused.get_json()["detail"] and SECRET not in refused.text
    assert LABEL in told and shown == 503
    assert waits["state"] == "queued" and waits["counts"].get("refused") is None
    assert node.get_json(f"/jobs/{sent}")["counts"] == {"signed": 4}
    assert again.status_code == 409 or again.get_json()["battery"]
    assert node.service.supervisor.failure is None
    node.wait(lambda: "token_away" not in conditions(node), "the end of it")


def test_keys_are_replaced_by_fresh_ones_on_the_token(
    node: LiveNode, slot: Slot, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    `comity keys rotate` makes the next pair on the token, and the node signs with it; the retired cosign key
    is destroyed there. `comity keys token` tries each, and says what does not sign.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    with serving(node) as url:
        shell = Shell(GovernedNode(node), url, capsys.readouterr)
        Theft(shell, Keys.load(node.data, DID, PASSPHRASE)).keys("rotate", "attest", "cosign")
    made, _ = done(node, sheet([row_of(30)]))
    node.wait(lambda: node.get_json(f"/jobs/{made['id']}")["finished"], "its receipt")
    node.wait(
        lambda: not Keys.load(node.data, DID, PASSPHRASE)._seeds["cosign"], "the old key to be destroyed"
    )
    capsys.readouterr()
    assert run(["keys", "token", "--data", str(node.data)]) == 0
    told = capsys.readouterr().out
    keys = Keys.load(node.data, DID, PASSPHRASE)
    assert keys.token is not None
    with pytest.raises(TokenAway, match="is not on it"):
        keys.token.sign(f"{DID}#cosign-1", bytes(32), b"said")

    assert f"{DID}#attest-2  on the token {LABEL}, signs" in told and "cosign-1" not in told
    slot.take_out()
    try:
        assert run(["keys", "token", "--data", str(node.data)]) == 1
    finally:
        slot.put_in()
    assert "gives no signature now" in capsys.readouterr().out


def test_a_pin_that_was_refused_is_not_tried_again(slot: Slot, tmp_path: Path) -> None:
    """
    Tokens lock: a wrong PIN is asked with once, and another one is taken when it is there. It is in no
    sentence.
    """
    (tmp_path / "pin").write_text("000000")
    # Of a token that nobody in this process is logged in to.
    wrong = Token(replace(slot.settings, token=SPARE, pin_file=tmp_path / "pin"))
    tried: list[str] = []
    for _ in range(5):
        wrong._looked_s = 0.0
        tried.append(wrong.trouble() or "")
    (tmp_path / "pin").write_text(SECRET)
    wrong._looked_s = 0.0

    assert all("not tried again" in one and "000000" not in one for one in tried)
    assert wrong.trouble() is None
    nobody = Token(replace(slot.settings, pin_file=None))
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(PIN, raising=False)
        with pytest.raises(TokenAway, match=f"set {PIN}"):
            nobody.sign("any", bytes(32), b"said")
    with pytest.raises(TokenAway, match="no slot"):
        Token(replace(slot.settings, token="another")).sign("any", bytes(32), b"said")
    with pytest.raises(TokenAway):
        Token(replace(slot.settings, module=tmp_path / "none.so")).sign("any", bytes(32), b"said")


def looked_at(token: Token) -> str | None:
    """What is wrong with it, looked at now."""
    token._looked_s = 0.0
    return token.trouble()


def test_a_key_that_was_outside_is_none(slot: Slot) -> None:
    """
    A pair that was put into the token, or may be taken out of it, is no key of a node; another key under the
    label of one speaks for nobody.
    """
    from pkcs11 import Attribute, KeyType, Mechanism

    token = Token(slot.settings)
    public = token.make("made", "attest")
    session = token._open()
    domain = session.create_domain_parameters(
        KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: bytes.fromhex("06032b6570")}, local=True
    )
    domain.generate_keypair(
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        store=True,
        label="loose",
        private_template={Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False},
    )
    other = token.make("other", "attest")

    assert token.make("made", "attest") == public
    verify_ed25519(public, token.sign("made", public, b"said"), b"said")
    with pytest.raises(SetupError, match="may leave it"):
        token.make("loose", "attest")
    with pytest.raises(TokenAway, match="another key"):
        token.sign("made", other, b"said")
    assert "another key" in str(looked_at(token)), "no look at what else is there makes it well"


def test_a_key_that_is_gone_stays_told(slot: Slot) -> None:
    """
    A token that is there and lacks the key is no token that is well, however often it is looked at; once the
    key is back it is.
    """
    token = Token(slot.settings)
    public = token.make("gone", "attest")
    token.destroy("gone")

    with pytest.raises(TokenAway, match="not on it"):
        token.sign("gone", public, b"said")
    assert all("not on it" in str(looked_at(token)) for _ in range(3))
    token._failed = ("gone", token.make("gone", "attest"))
    assert looked_at(token) is None


def test_a_node_without_its_token_says_what_is_missing(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `comity init --pkcs11` makes the keys there and writes node.toml without a PIN; a node whose node.toml
    names no token any more is told what to put back.
    """
    monkeypatch.setenv("COMITY_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv(PIN, SECRET)
    data = tmp_path / "data"
    who = (
        "--did",
        "did:web:plant.example",
        "--name",
        "Plant",
        "--jurisdiction",
        "CN",
        "--role",
        "manufacturer",
    )
    on = ("--pkcs11", str(slot.settings.module), "--token", LABEL)

    assert run(["init", "--data", str(data), *who, *on]) == 0
    assert run(["keys", "token", "--data", str(data)]) == 0
    assert "did:web:plant.example#credential-1  on the token" in capsys.readouterr().out
    assert SECRET not in (data / SETTINGS_FILE).read_text()
    assert DataDirectory(data).settings().pkcs11 is not None
    (data / SETTINGS_FILE).unlink()
    with pytest.raises(SetupError, match="names none"):
        Keys.load(data, "did:web:plant.example", PASSPHRASE)
    assert run(["init", "--data", str(tmp_path / "x"), *who, *on, "--on-token", "transport"]) != 0
    assert "cannot be on a token" in capsys.readouterr().err
