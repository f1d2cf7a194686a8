"""Role keys at rest (node/setup/keystore.py)."""

from pathlib import Path

import pytest

from node.errors import SetupError
from node.setup.keystore import KEYS_FILE, ROLES, Keys, seal_to

DID = "did:web:maker.example"


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
    assert all(keys.signer(role).seed not in path.read_bytes() for role in ROLES)
    with pytest.raises(SetupError, match="already holds keys"):
        keys.save(directory, "other")


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
        seed = keys.signer(role).seed
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
