"""Role keys at rest (node/setup/keystore.py)."""

from dataclasses import replace
from pathlib import Path

import pytest

from consensus.cose import SeedSigner, verify_ed25519
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.parties import Key, Participant
from node.errors import SetupError
from node.setup.current_keys import HeldKeys
from node.setup.keystore import (
    KEYS_FILE,
    RECOVERY_FILE,
    ROLES,
    Keys,
    new_recovery,
    open_recovery,
    save_recovery,
    seal_to,
)
from tests.harness.epochs import first, with_keys
from tests.harness.ledger import CREATED, MAKER

DID = "did:web:maker.example"


def seed_of(keys: Keys, role: str) -> bytes:
    signer = keys.signer(role)
    assert isinstance(signer, SeedSigner)
    return signer.seed


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Keys]:
    directory = tmp_path_factory.mktemp("keys")
    keys = Keys.generate(DID)
    keys.save(directory, "correct horse")
    return directory, keys


def test_keys_survive_a_round_trip_to_disk(saved: tuple[Path, Keys]) -> None:
    """
    What was saved is opened by its passphrase: one distinct key per role, named `<did>#<role>-1`.
    """
    directory, keys = saved

    opened = Keys.load(directory, DID, "correct horse")

    assert opened.public_keys() == keys.public_keys()
    assert len(set(opened.public_keys().values())) == len(ROLES)
    assert opened.signer("attest").key_id == "did:web:maker.example#attest-1"


def test_profiles_sign_as_the_participant_or_as_their_own_key(saved: tuple[Path, Keys]) -> None:
    """
    A profile of the participant names its DID, every other one the DID of the key that it signs with.
    """
    issuers = saved[1].issuers()

    assert {issuer.profile.as_participant for issuer in issuers.values()} == {True, False}
    for issuer in issuers.values():
        own = issuer.signer.key_id.partition("#")[0]
        assert issuer.did == own and (own == DID) == issuer.profile.as_participant


def test_a_wrong_passphrase_is_one_sentence(saved: tuple[Path, Keys]) -> None:
    """
    A wrong passphrase is refused with a sentence that says so and names the file, and nothing else.
    """
    with pytest.raises(SetupError, match=r"^the passphrase does not open .*keys\.enc$"):
        Keys.load(saved[0], DID, "wrong")


def test_the_file_is_private_and_never_overwritten(saved: tuple[Path, Keys]) -> None:
    """
    keys.enc is readable by its owner only, holds no seed in clear, and a second save is refused.
    """
    directory, keys = saved
    path = directory / KEYS_FILE

    assert path.stat().st_mode & 0o777 == 0o600
    assert all(seed_of(keys, role) not in path.read_bytes() for role in ROLES)
    with pytest.raises(SetupError, match="already holds keys"):
        keys.save(directory, "another sentence")


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped header", "text"])
def test_a_damaged_file_is_one_sentence(saved: tuple[Path, Keys], tmp_path: Path, damage: str) -> None:
    """
    A damaged key file is refused with a sentence, whatever the damage.
    """
    data = (saved[0] / KEYS_FILE).read_bytes()
    damaged = {
        "empty": b"",
        "cut": data[:-5],
        "flipped header": bytes([data[0] ^ 1]) + data[1:],
        "text": b"not a key file",
    }
    (tmp_path / KEYS_FILE).write_bytes(damaged[damage])

    with pytest.raises(SetupError, match="damaged or not a key file"):
        Keys.load(tmp_path, DID, "correct horse")


def test_no_seed_appears_in_a_repr(saved: tuple[Path, Keys]) -> None:
    """
    Neither the keys nor their signers print a seed.
    """
    keys = saved[1]

    for role in ROLES:
        seed = seed_of(keys, role)
        for text in (repr(keys), repr(keys.signer(role))):
            assert seed.hex() not in text
            assert repr(seed)[2:-1] not in text


def test_the_network_key_is_opened_by_its_participant_only() -> None:
    """
    A secret sealed to a transport key is opened by that participant, and by no other.
    """
    maker, other = Keys.generate(DID), Keys.generate("did:web:other.example")
    sealed = seal_to(maker.public_keys()["transport"], b"n" * 32)

    assert maker.unseal(sealed) == b"n" * 32
    with pytest.raises(SetupError, match="not sealed to this participant"):
        other.unseal(sealed)


def test_a_newer_key_stands_beside_the_old_one_until_the_ledger_names_it(tmp_path: Path) -> None:
    """
    What was added survives, nothing is lost, and the keys speak with those that the ledger names: the old one
    before, the new one after, the old one still where the ledger names one that is not held.
    """
    keys = Keys.generate(DID)
    keys.save(tmp_path, "correct horse")
    newer = keys.with_key("attest", 2)
    newer.add(tmp_path, "correct horse")

    opened = Keys.load(tmp_path, DID, "correct horse")

    assert opened.numbers("attest") == (1, 2) and opened.numbers("vote") == (1,)
    assert (tmp_path / KEYS_FILE).stat().st_mode & 0o777 == 0o600
    assert opened.signer("attest").key_id == f"{DID}#attest-1"
    old, new = opened.signer("attest", 1), opened.signer("attest", 2)
    assert new.key_id == f"{DID}#attest-2" and new.public_key == newer.signer("attest", 2).public_key

    def party(*attest: Key) -> Participant:
        return Participant(DID, "Maker", "CN", (), attest)

    first = Key("attest", old.key_id, old.public_key, 0)
    second = Key("attest", new.key_id, new.public_key, 10)
    ended = replace(first, valid_until=10)
    assert opened.speaking_for(party(first)).signer("attest") == old
    rotated = opened.speaking_for(party(ended, second))
    assert rotated.signer("attest") == new
    unknown = Key("attest", f"{DID}#attest-9", b"\x09" * 32, 20)
    assert rotated.speaking_for(party(ended, unknown)).signer("attest") == new
    assert rotated.public_keys() == keys.public_keys(), "the card has the first ones"
    with pytest.raises(SetupError, match="does not open"):
        newer.with_key("vote", 2).add(tmp_path, "wrong")
    assert Keys.load(tmp_path, DID, "correct horse").numbers("vote") == (1,)


def test_a_node_signs_with_the_key_that_governs_the_next_block(tmp_path: Path) -> None:
    """
    The old key until the new one is in force, then the new one, which came into the file meanwhile; without a
    restart and without the passphrase. One that is not held is not waited for.
    """
    keys = Keys.generate(MAKER)
    keys.save(tmp_path, "correct horse")
    one = keys.signer("attest")
    mine = with_keys(
        first(), MAKER, lambda key: replace(key, public=one.public_key) if key.role == "attest" else key
    )
    history = GovernanceHistory([(0, mine)])
    signer = HeldKeys(Keys.load(tmp_path, MAKER, "correct horse"), history).signer("attest")
    newer = keys.with_key("attest", 2)
    newer.add(tmp_path, "correct horse")
    two = newer.signer("attest", 2)

    def ended(key: Key) -> Key:
        return replace(key, valid_until=CREATED) if key.role == "attest" and key.is_open else key

    rotated = with_keys(mine, MAKER, ended, Key("attest", two.key_id, two.public_key, CREATED))
    history.enact(2, rotated)
    history.enact(
        3, with_keys(rotated, MAKER, ended, Key("attest", f"{MAKER}#attest-3", b"\x03" * 32, CREATED))
    )

    def signs_with() -> str:
        named = signer.key_id
        public = {one.key_id: one, two.key_id: two}[named].public_key
        verify_ed25519(public, signer.sign(b"said"), b"said")
        assert signer.public_key == public
        return named

    told = [signs_with()]
    for height in (1, 2):
        history.advance(height)
        told.append(signs_with())

    assert told == [one.key_id, two.key_id, two.key_id]


def test_what_peers_ahead_seal_to_a_new_key_is_opened_before_the_ledger_here_names_it(tmp_path: Path) -> None:
    """
    A node that is a block behind the rotation of its own key would hear nobody, and stay behind for ever.
    """
    keys = Keys.generate(MAKER)
    keys.save(tmp_path, "correct horse")
    governs = with_keys(first(), MAKER, lambda key: replace(key, public=keys.signer(key.role).public_key))
    every = HeldKeys(Keys.load(tmp_path, MAKER, "correct horse"), GovernanceHistory([(0, governs)]))
    role = every.all_of("transport")
    assert [key.key_id for key in role] == [f"{MAKER}#transport-1"]

    newer = keys.with_key("transport", 2)
    newer.add(tmp_path, "correct horse")

    assert [key.key_id for key in role] == [f"{MAKER}#transport-1", f"{MAKER}#transport-2"]
    assert every.now.signer("transport").key_id == f"{MAKER}#transport-1"


def test_the_recovery_key_has_a_file_of_its_own(tmp_path: Path) -> None:
    """
    Encrypted at rest, private, never overwritten; keys.enc is not taken for it, nor it for keys.enc.
    """
    path, made = tmp_path / RECOVERY_FILE, new_recovery(DID)
    save_recovery(path, made, "correct horse")
    Keys.generate(DID).save(tmp_path, "correct horse")

    opened = open_recovery(path, DID, "correct horse")

    assert opened == made and opened.key_id == f"{DID}#recovery"
    assert path.stat().st_mode & 0o777 == 0o600 and made.seed not in path.read_bytes()
    with pytest.raises(SetupError, match="never overwritten"):
        save_recovery(path, made, "correct horse")
    with pytest.raises(SetupError, match="does not open"):
        open_recovery(path, DID, "wrong")
    with pytest.raises(SetupError, match="not a key file"):
        open_recovery(tmp_path / KEYS_FILE, DID, "correct horse")
