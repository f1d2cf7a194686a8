"""Role keys on disk: one passphrase, argon2id, one SecretBox over the seeds of all roles.

    keys.enc = CBOR ["comity/keys/v1", salt(16), opslimit, memlimit, nonce || box]
    box      = SecretBox(CBOR {role: seed(32)})

A participant has one key per role; a key id is the DID URL `<did>#<role>-1`. Each credential
profile has a role of its own, which is not on the card: its key is a did:key, and its seed may stand for a
key on another curve (`node/issuing/profiles.py`).
Seeds leave this module only inside `SeedSigner`s, whose repr this module's `Keys` never prints.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import nacl.exceptions
import nacl.public
import nacl.pwhash.argon2id
import nacl.secret
import nacl.signing
import nacl.utils

from consensus.cose import SeedSigner
from consensus.encoding import EncodingError, decode, encode
from node.errors import SetupError
from node.issuing.profiles import KEY_ROLES, TABLE, Issuer, open_issuer

ROLES = ("vote", "attest", "credential", "cosign", "log", "transport")
KEYS_FILE = "keys.enc"

_TAG = "comity/keys/v1"
_SIZE_BYTES_MAX = 4096
# Three passes over 64 MiB: about 0.2 s here, and a node of six on one machine does not swap.
_OPSLIMIT = nacl.pwhash.argon2id.OPSLIMIT_MODERATE
_MEMLIMIT_BYTES = nacl.pwhash.argon2id.MEMLIMIT_INTERACTIVE
_MEMLIMIT_BYTES_MAX = 1 << 30  # a forged header must not exhaust memory
_OPSLIMIT_MAX = 10


def key_id(did: str, role: str) -> str:
    """The DID URL of a role key: `did:web:maker.example#attest-1`."""
    return f"{did}#{role}-1"


class Keys:
    """The opened role keys of one participant."""

    def __init__(self, did: str, seeds: Mapping[str, bytes]) -> None:
        self.did = did
        self._seeds = dict(seeds)

    def __repr__(self) -> str:
        return f"Keys({self.did})"

    @classmethod
    def generate(cls, did: str) -> Keys:
        """Fresh keys for every role and every credential profile."""
        return cls(did, {role: nacl.utils.random(32) for role in (*ROLES, *KEY_ROLES)})

    def signer(self, role: str) -> SeedSigner:
        """The signer of one role."""
        return SeedSigner(key_id(self.did, role), self._seeds[role])

    def public_keys(self) -> dict[str, bytes]:
        """{role: 32 raw bytes}, for the participant's card."""
        return {role: self.signer(role).public_key for role in ROLES}

    def issuers(self) -> dict[str, Issuer]:
        """The credential profiles this key file has a key for, by name."""
        return {
            name: open_issuer(profile, self.did, self._seeds[profile.role], key_id(self.did, profile.role))
            for name, profile in TABLE.items()
            if profile.role in self._seeds
        }

    def unseal(self, sealed: bytes) -> bytes:
        """Open a libsodium sealed box addressed to this participant's transport key."""
        private = nacl.signing.SigningKey(self._seeds["transport"]).to_curve25519_private_key()
        try:
            return bytes(nacl.public.SealedBox(private).decrypt(sealed))
        except nacl.exceptions.CryptoError as error:
            raise SetupError(
                "the network key in genesis.toml is not sealed to this participant's transport key: "
                "join with the data directory whose card was given to the founding ceremony"
            ) from error

    def save(self, directory: Path, passphrase: str) -> None:
        """Write keys.enc with mode 0600; an existing file is never overwritten."""
        salt = nacl.utils.random(nacl.pwhash.argon2id.SALTBYTES)
        box = nacl.secret.SecretBox(_stretch(passphrase, salt, _OPSLIMIT, _MEMLIMIT_BYTES))
        sealed = bytes(box.encrypt(encode(dict(self._seeds))))
        data = encode([_TAG, salt, _OPSLIMIT, _MEMLIMIT_BYTES, sealed])
        try:
            descriptor = os.open(directory / KEYS_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise SetupError(f"{directory} already holds keys: choose an empty directory") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, directory: Path, did: str, passphrase: str) -> Keys:
        """Open keys.enc with its passphrase."""
        path = directory / KEYS_FILE
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise SetupError(f"{directory} holds no {KEYS_FILE}: run `comity init` first") from error
        except OSError as error:
            raise SetupError(f"{path} cannot be read: {error.strerror}") from error
        try:
            header = decode(data, size_bytes_max=_SIZE_BYTES_MAX)
            match header:
                case [tag, bytes(salt), int(opslimit), int(memlimit), bytes(sealed)] if (
                    tag == _TAG and opslimit <= _OPSLIMIT_MAX and memlimit <= _MEMLIMIT_BYTES_MAX
                ):
                    box = nacl.secret.SecretBox(_stretch(passphrase, salt, opslimit, memlimit))
                case _:
                    raise ValueError("not a key file")
        except (EncodingError, ValueError, nacl.exceptions.CryptoError) as error:
            raise SetupError(f"{path} is damaged or not a key file: restore it from your backup") from error
        try:
            seeds = decode(bytes(box.decrypt(sealed)))
        except nacl.exceptions.CryptoError as error:
            raise SetupError(f"the passphrase does not open {path}") from error
        assert isinstance(seeds, dict)
        assert set(seeds) >= set(ROLES), "keys.enc holds a seed for every role"
        return cls(did, {str(role): bytes(seed) for role, seed in seeds.items()})


def write_operator_key(path: Path) -> str:
    """A new operator.key in place of whatever is there: all of it, or the one before; its text."""
    key = secrets.token_urlsafe(32)
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    return key


def seal_to(transport_public_key: bytes, secret: bytes) -> bytes:
    """Seal `secret` so that only the holder of the transport key opens it (libsodium sealed box)."""
    public = nacl.signing.VerifyKey(transport_public_key).to_curve25519_public_key()
    return bytes(nacl.public.SealedBox(public).encrypt(secret))


def _stretch(passphrase: str, salt: bytes, opslimit: int, memlimit: int) -> bytes:
    return bytes(
        nacl.pwhash.argon2id.kdf(
            nacl.secret.SecretBox.KEY_SIZE,
            passphrase.encode(),
            salt,
            opslimit=opslimit,
            memlimit=memlimit,
        )
    )
