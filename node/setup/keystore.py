"""Role keys on disk: one passphrase, argon2id, one SecretBox over the seeds of all roles.

    keys.enc     = CBOR ["comity/keys/v1", salt(16), opslimit, memlimit, nonce || box]
    box          = SecretBox(CBOR {role: seed(32), role-2: seed(32), ...})
    recovery.enc = the same, "comity/recovery-key/v1", over CBOR {"recovery": seed(32)}

A key id is the DID URL `<did>#<role>-1`, that of the key which replaces it `<did>#<role>-2`: both stay in
the file, and a node goes on with the old one until the ledger names the new one. A retired vote or cosign
key is overwritten with nothing (`retiring.py`): its name stays, so that no other key gets it. Each
credential profile has a role of its own, which is not on the card: its key is a did:key, and its seed may
stand for a key on another curve (`node/issuing/profiles.py`). The recovery key replaces the others; it has
a file of its own, which is to be kept offline, and no node ever opens it.
A key that was made on a token (`key_token.py`) has its public half in the place of its seed.
Seeds leave this module only inside `SeedSigner`s, whose repr this module's `Keys` never prints.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import nacl.exceptions
import nacl.public
import nacl.pwhash.argon2id
import nacl.secret
import nacl.signing
import nacl.utils

from consensus.cose import SeedSigner, Signer
from consensus.encoding import EncodingError, decode, encode, whole_numbers
from credentials.documents.keys import did_key, did_key_url
from credentials.ledger.parties import Participant
from node.config import require_strong
from node.errors import SetupError, Unreadable
from node.issuing.profiles import KEY_ROLES, TABLE, Issuer, open_issuer
from node.named_files import holding, read_own, write_own
from node.settings import SETTINGS_FILE
from node.setup.key_token import MARK, Token, TokenSigner, on_token, token_of

ROLES = ("vote", "attest", "credential", "cosign", "log", "transport")
KEYS_FILE, RECOVERY_FILE = "keys.enc", "recovery.enc"
RECOVERY = "recovery"  # the fragment of its key id

_TAG, _RECOVERY_TAG = "comity/keys/v1", "comity/recovery-key/v1"
_SIZE_BYTES_MAX = 64 << 10  # many rotations
# Three passes over 64 MiB: about 0.2 s here, and a node of six on one machine does not swap.
_OPSLIMIT = nacl.pwhash.argon2id.OPSLIMIT_MODERATE
_MEMLIMIT_BYTES = nacl.pwhash.argon2id.MEMLIMIT_INTERACTIVE
_MEMLIMIT_BYTES_MAX = 1 << 30  # a forged header must not exhaust memory
_OPSLIMIT_MAX = 10


def key_id(did: str, role: str, number: int = 1) -> str:
    """The DID URL of a role key: `did:web:maker.example#attest-1`."""
    return f"{did}#{role}-{number}"


class Keys:
    """The opened role keys of one participant; it speaks with one of each role."""

    def __init__(
        self,
        did: str,
        seeds: Mapping[str, bytes],
        numbers: Mapping[str, int] | None = None,
        source: tuple[Path, _Lock] | None = None,
        token: Token | None = None,
    ) -> None:
        assert set(seeds) >= set(ROLES), "there is a seed for every role, or what stands for one"
        elsewhere = min((name for name, seed in seeds.items() if on_token(seed)), default=None)
        if elsewhere is not None and token is None:
            raise SetupError(
                f"{KEYS_FILE} says that the {elsewhere} key is on a token, and {SETTINGS_FILE} names none",
                step="Put [pkcs11] back into node.toml: module, token, roles, and where its PIN is.",
            )
        self.token = token
        self.did = did
        self._source = source
        self._seeds = dict(seeds)
        self._signers: dict[tuple[str, int], Signer] = {}
        self._numbers = dict(numbers or {})  # with which of a role's keys it speaks; else the first

    def __repr__(self) -> str:
        return f"Keys({self.did})"

    @classmethod
    def generate(cls, did: str, token: Token | None = None) -> Keys:
        """Fresh keys for every role and every credential profile."""
        return cls(did, {role: _fresh(did, role, 1, token) for role in (*ROLES, *KEY_ROLES)}, token=token)

    def _with(self, seeds: Mapping[str, bytes], numbers: Mapping[str, int] | None = None) -> Keys:
        return Keys(self.did, seeds, numbers or self._numbers, self._source, self.token)

    def signer(self, role: str, number: int | None = None) -> Signer:
        """The signer of one role: of that number, or the one it speaks with."""
        if number is None:
            number = self._numbers.get(role) or self.numbers(role)[0]
        if (role, number) not in self._signers:  # its public half takes longer than a signature
            seed, kid = self._seeds[_seed_name(role, number)], key_id(self.did, role, number)
            public = on_token(seed)
            if public is None:
                self._signers[role, number] = SeedSigner(kid, seed)
            else:
                assert self.token is not None, "asked for when the keys were opened"
                self._signers[role, number] = TokenSigner(kid, public, kid, self.token)
        return self._signers[role, number]

    def numbers(self, role: str) -> tuple[int, ...]:
        """Which keys of a role are held, the oldest first; none that was destroyed."""
        beside = (name.rpartition("-") for name, seed in self._seeds.items() if seed)
        later = [int(number) for of, _, number in beside if of == role and number.isdecimal()]
        return (*((1,) if self._seeds.get(role) else ()), *sorted(later))

    def all_of(self, role: str) -> tuple[Signer, ...]:
        """Every key of a role, the newest first: for who has no ledger that says which of them governs."""
        return tuple(self.signer(role, number) for number in reversed(self.numbers(role)))

    def without(self, gone: Iterable[tuple[str, int]]) -> Keys:
        """The same without these keys, in keys.enc as well: whole, or not at all.

        What keys were added there meanwhile stay. What the file was is overwritten, where the disk does so
        and no other name leads to it.
        """
        gone = list(gone)
        for role, number in gone:  # one on a token is destroyed there first
            if isinstance(signer := self.signer(role, number), TokenSigner):
                signer.token.destroy(signer.label)
        nothing = {_seed_name(role, number): b"" for role, number in gone}
        seeds = {**self._seeds, **nothing}
        if self._source is not None:
            path, lock = self._source
            with _alone(path.parent), path.open("r+b") as old:
                seeds = {**lock.open(path), **nothing}
                write_own(path, lock.seal(seeds))
                former = os.fstat(old.fileno())
                if former.st_nlink == 0:
                    old.write(bytes(former.st_size))
                    old.flush()
                    os.fsync(old.fileno())
        return self._with(seeds)

    def with_key(self, role: str, number: int) -> Keys:
        """The same with a fresh key of that number beside the others; on the token, where such keys are."""
        name = _seed_name(role, number)
        assert name not in self._seeds, "a number names one key for ever"
        return self._with({**self._seeds, name: _fresh(self.did, role, number, self.token)})

    def speaking_for(self, participant: Participant) -> Keys:
        """The same, speaking with those that the ledger names; where it names none of these, as before."""
        numbers = dict(self._numbers)
        for role in ROLES:
            named = participant.latest_key(role)
            for number in self.numbers(role):
                if named is not None and self.signer(role, number).public_key == named.public:
                    numbers[role] = number
        return self._with(self._seeds, numbers)

    def public_keys(self) -> dict[str, bytes]:
        """{role: 32 raw bytes} of the first keys that are still held, for the participant's card."""
        return {role: self.signer(role, 1).public_key for role in ROLES if 1 in self.numbers(role)}

    def issuers(self) -> dict[str, Issuer]:
        """The credential profiles this key file has a key for, by name."""
        found = {}
        for name, profile in TABLE.items():
            if profile.role not in self._seeds:
                continue
            signer = self.signer(profile.role)
            if isinstance(signer, SeedSigner):
                found[name] = open_issuer(profile, self.did, signer.seed, signer.key_id)
            elif profile.as_participant:
                found[name] = Issuer(profile, self.did, signer)
            else:
                assert isinstance(signer, TokenSigner), "a key is a seed or on a token"
                public = signer.public_key
                found[name] = Issuer(profile, did_key(public), replace(signer, key_id=did_key_url(public)))
        return found

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

    def lasting_secret(self, about: bytes) -> bytes:
        """32 bytes for one use, the same as long as this participant is: of the first transport key, which
        opens the network key as well, stays in keys.enc whatever follows it, and is on no token.
        """
        return hmac.digest(self._seeds["transport"], about, "sha256")

    def save(self, directory: Path, passphrase: str) -> None:
        """Write keys.enc with mode 0600; an existing file is never overwritten."""
        _write_new(directory / KEYS_FILE, _Lock.new(_TAG, passphrase).seal(self._seeds))

    def add(self, directory: Path, passphrase: str) -> None:
        """Put these keys beside those in keys.enc: whole, or not at all. What was destroyed there stays so.

        A node that has opened the file before opens it again without the passphrase.
        """
        path = _keys_file(directory)
        lock = _Lock.of(_TAG, path, passphrase)
        with _alone(path.parent):
            there = lock.open(path)
            assert all(self._seeds.get(n) == s for n, s in there.items() if s), "a name is one key for ever"
            write_own(path, lock.seal({**self._seeds, **there}))

    @classmethod
    def relock(cls, directory: Path, did: str, passphrase: str, following: str) -> None:
        """Lock keys.enc under another passphrase, with a salt of its own: whole, or not at all.

        A running node would read it no more: it must be stopped.
        """
        seeds = cls.load(directory, did, passphrase)._seeds
        write_own(_keys_file(directory), _Lock.new(_TAG, following).seal(seeds))

    @classmethod
    def load(cls, directory: Path, did: str, passphrase: str) -> Keys:
        """Open keys.enc with its passphrase."""
        path = _keys_file(directory)
        if not os.path.lexists(path):
            raise SetupError(f"{directory} holds no {KEYS_FILE}: run `comity init` first")
        lock = _Lock.of(_TAG, path, passphrase)
        return cls(did, lock.open(path), source=(path, lock), token=token_of(directory))

    def holds(self, role: str, public: bytes) -> bool:
        """True if one of a role's keys has this public half."""
        return any(self.signer(role, number).public_key == public for number in self.numbers(role))

    def stamp(self) -> object:
        """Another value whenever the file was replaced; None for keys of no file."""
        if self._source is None:
            return None
        try:
            found = self._source[0].stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def again(self) -> Keys:
        """The keys that are in the file by now."""
        if self._source is None:
            return self
        path, lock = self._source
        return self._with(lock.open(path))

    def on_token(self) -> list[TokenSigner]:
        """The keys that are on the token."""
        roles = (*ROLES, *KEY_ROLES)
        found = [self.signer(role, number) for role in roles for number in self.numbers(role)]
        return [signer for signer in found if isinstance(signer, TokenSigner)]


def _keys_file(directory: Path) -> Path:
    """keys.enc itself, where a link of that name leads: what is destroyed is destroyed there."""
    path = directory / KEYS_FILE
    return Path(os.path.realpath(path)) if path.exists() else path


def _alone(directory: Path) -> AbstractContextManager[bool]:
    """Nobody else changes keys.enc meanwhile: the node destroys keys in it, the command line adds some."""
    return holding(directory, wait=True)


def _fresh(did: str, role: str, number: int, token: Token | None) -> bytes:
    """What keys.enc holds for a new key: its seed, or that it is on the token."""
    if token is None or not token.makes(role):
        return nacl.utils.random(32)
    return MARK + token.make(key_id(did, role, number), role)


def _seed_name(role: str, number: int) -> str:
    return role if number == 1 else f"{role}-{number}"


# -- the recovery key ----------------------------------------------------------------------------------


def new_recovery(did: str) -> SeedSigner:
    """A fresh recovery key."""
    return SeedSigner(f"{did}#{RECOVERY}", nacl.utils.random(32))


def save_recovery(path: Path, signer: SeedSigner, passphrase: str) -> None:
    """Keep it in a file of its own, with mode 0600; an existing file is never overwritten."""
    _write_new(path, _Lock.new(_RECOVERY_TAG, passphrase).seal({RECOVERY: signer.seed}))


def open_recovery(path: Path, did: str, passphrase: str) -> SeedSigner:
    """The recovery key in that file."""
    return SeedSigner(f"{did}#{RECOVERY}", _Lock.of(_RECOVERY_TAG, path, passphrase).open(path)[RECOVERY])


# -- files ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lock:
    """What a passphrase opens: the head of a file, and the box that it makes of it."""

    tag: str
    salt: bytes
    opslimit: int
    memlimit: int
    box: nacl.secret.SecretBox = field(repr=False)

    @classmethod
    def new(cls, tag: str, passphrase: str) -> _Lock:
        """Under a passphrase that nobody guesses soon; SetupError for another."""
        require_strong(passphrase)
        salt = nacl.utils.random(nacl.pwhash.argon2id.SALTBYTES)
        box = nacl.secret.SecretBox(_stretch(passphrase, salt, _OPSLIMIT, _MEMLIMIT_BYTES))
        return cls(tag, salt, _OPSLIMIT, _MEMLIMIT_BYTES, box)

    @classmethod
    def of(cls, tag: str, path: Path, passphrase: str) -> _Lock:
        """The lock of a file; raises SetupError for one that is none of these."""
        salt, opslimit, memlimit, _ = _parts(tag, path)
        try:
            box = nacl.secret.SecretBox(_stretch(passphrase, salt, opslimit, memlimit))
        except (ValueError, nacl.exceptions.CryptoError) as error:
            raise _damaged(path) from error
        return cls(tag, salt, opslimit, memlimit, box)

    def seal(self, seeds: Mapping[str, bytes]) -> bytes:
        """The file."""
        sealed = bytes(self.box.encrypt(encode(dict(seeds))))
        return encode([self.tag, self.salt, self.opslimit, self.memlimit, sealed])

    def open(self, path: Path) -> dict[str, bytes]:
        """The seeds in the file."""
        *_, sealed = _parts(self.tag, path)
        try:
            seeds = decode(bytes(self.box.decrypt(sealed)))
        except nacl.exceptions.CryptoError as error:
            raise SetupError(
                f"the passphrase does not open {path}",
                step="Give the passphrase that the keys were made or last locked with.",
            ) from error
        assert isinstance(seeds, dict)
        return {str(name): bytes(seed) for name, seed in seeds.items()}


def _parts(tag: str, path: Path) -> tuple[bytes, int, int, bytes]:
    """Salt, cost and content of a file with this tag."""
    try:
        data = read_own(path)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
    try:
        match decode(data, size_bytes_max=_SIZE_BYTES_MAX):
            case [found, bytes(salt), opslimit, memlimit, bytes(sealed)] if (
                found == tag
                and whole_numbers(opslimit, memlimit)
                and opslimit <= _OPSLIMIT_MAX
                and memlimit <= _MEMLIMIT_BYTES_MAX
            ):
                return salt, opslimit, memlimit, sealed
    except EncodingError as error:
        raise _damaged(path) from error
    raise _damaged(path)


def _damaged(path: Path) -> SetupError:
    return SetupError(f"{path} is damaged or not a key file: restore it from your backup")


def _write_new(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise SetupError(
            f"{path.parent} already holds keys: {path.name} is never overwritten",
            step="Use the keys that are there, or name a new directory.",
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_operator_key(path: Path) -> str:
    """A new operator.key in place of whatever is there: all of it, or the one before; its text."""
    key = secrets.token_urlsafe(32)
    write_own(path, f"{key}\n".encode())
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
