"""Role keys on a token (PKCS#11): made there, never out of it; a node asks the token for each signature.

In keys.enc stands, in the place of a seed, `pkcs11:` and the public key; on the token a pair has the key's id
as its label. Ed25519 signs by CKM_EDDSA, P-256 by CKM_ECDSA over a SHA-256 made here, as every token can. A
signature is held against the public key before it is used: another key under that label speaks for nobody.
One that was taken out is asked again by whoever looks after the node's health (`Token.trouble`), so that
whoever signs never waits for what is not there. A PIN that was refused is not tried twice: tokens lock.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from consensus.cose import PUBLIC_KEY_BYTES, SignatureInvalid, verify_ed25519
from credentials.documents.keys import ED25519, P256
from credentials.documents.suites.ecdsa import verify_ecdsa
from node.config import PASSPHRASE_FILE_BYTES_MAX, DataDirectory
from node.errors import SetupError, TokenAway
from node.issuing.profiles import TABLE
from node.named_files import read_named_text
from node.settings import TokenSettings

if TYPE_CHECKING:
    import pkcs11

MARK = b"pkcs11:"
PIN = "COMITY_TOKEN_PIN"
LOOK_S = 3.0  # between two looks at a token that nobody asks

# Roles whose keys may be on a token, by the curve; the others decrypt, or vote within a second.
CURVES = {
    **dict.fromkeys(("attest", "credential", "cosign"), ED25519),
    **{
        profile.role: profile.key_kind
        for profile in TABLE.values()
        if not profile.as_participant and profile.key_kind in (ED25519, P256)
    },
}
_OIDS = {ED25519: bytes.fromhex("06032b6570"), P256: bytes.fromhex("06082a8648ce3d030107")}
_POINT_BYTES = 65
# A module is one for the whole process, and so is being logged in.
_ONE_AT_A_TIME = threading.RLock()

T = TypeVar("T")


class _NotThere(Exception):
    """Why a token cannot be used, in words."""


def on_token(kept: bytes) -> bytes | None:
    """The public key, where this stands in keys.enc for a key on a token."""
    return kept[len(MARK) :] if len(kept) > len(MARK) + 31 and kept.startswith(MARK) else None


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """A key on a token: a `Signer`."""

    key_id: str
    public_key: bytes
    label: str
    token: Token = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        """The signature of the token; TokenAway while it gives none."""
        return self.token.sign(self.label, self.public_key, message)


class Token:
    """The token of one node. Thread-safe; TokenAway from every method that needs it while it is away."""

    def __init__(self, settings: TokenSettings) -> None:
        """SetupError where nothing here can speak to a token, or a role's keys cannot be on one."""
        self._settings = settings
        if strange := settings.roles - CURVES.keys():
            raise SetupError(
                f"pkcs11.roles of node.toml names {min(strange)}, whose keys cannot be on a token",
                step=f"Name roles of these: {', '.join(CURVES)}.",
            )
        try:
            import pkcs11 as _  # noqa: PLC0415, F401
        except ImportError as error:
            raise SetupError(
                "keys of this node are on a token, and the package python-pkcs11 is not installed",
                step="Install it: `python -m pip install 'comity[pkcs11]'`.",
            ) from error
        self._session: pkcs11.Session | None = None
        self._held: dict[str, pkcs11.PrivateKey] = {}
        self._known = False  # whether the module was loaded before: then it looks at its slots anew
        self._refused_pin: bytes | None = None
        self._away = ""
        self._failed: tuple[str, bytes] | None = None  # label and public key that last gave no signature
        self._looked_s = 0.0

    @property
    def label(self) -> str:
        return self._settings.token

    def makes(self, role: str) -> bool:
        """Whether keys of this role are made on it."""
        return role in self._settings.roles

    def make(self, label: str, role: str) -> bytes:
        """A pair of that label, made now or before and never outside; its public key.

        SetupError for one that was brought in from outside, or that the token would give away.
        """
        with _ONE_AT_A_TIME:
            made = self._asked(lambda: self._pair(label, CURVES[role]))
        if made is None:
            raise SetupError(
                f"the key {label} on the token {self.label} was not made there, or may leave it",
                step="Remove it with the tool of the token, and repeat this.",
            )
        return made

    def destroy(self, label: str) -> None:
        """No pair of that label is on it any more."""
        with _ONE_AT_A_TIME:
            self._asked(lambda: self._destroy(label))

    def sign(self, label: str, public: bytes, message: bytes) -> bytes:
        """A signature over `message` that this public key verifies."""
        ed25519 = len(public) == PUBLIC_KEY_BYTES
        with _ONE_AT_A_TIME:
            if self._away:  # who looks after it says when it is back
                raise self._told()
            self._failed = label, public
            signature = self._asked(lambda: self._signature(label, message, ed25519=ed25519))
            try:
                (verify_ed25519 if ed25519 else verify_ecdsa)(public, signature, message)
            except SignatureInvalid as error:
                self._away = _another_key(label)
                raise self._told() from error
            self._failed = None
        return signature

    def trouble(self) -> str | None:
        """Why it cannot be used now, None if it can: looked at now and then, and opened again if it is back.

        Never waits for somebody who is being given a signature.
        """
        if time.monotonic() - self._looked_s >= LOOK_S and _ONE_AT_A_TIME.acquire(blocking=False):
            try:
                self._looked_s = time.monotonic()
                with suppress(TokenAway):
                    self._asked(self._look)
            finally:
                _ONE_AT_A_TIME.release()
        return self._away or None

    # -- with the lock held ------------------------------------------------------------------------------

    def _told(self) -> TokenAway:
        told = "The token {token}, which holds a key of this node, gives no signature now: {why}."
        return TokenAway(503, "token_away", "Come again", told, token=self.label, why=self._away)

    def _asked(self, ask: Callable[[], T]) -> T:
        """What the token answers; asked once more in a new session where the one there was is over."""
        import pkcs11  # noqa: PLC0415

        try:
            try:
                found = ask()
            except (pkcs11.PinIncorrect, pkcs11.PinLocked):
                raise
            except pkcs11.PKCS11Error:
                self._forget()
                found = ask()
        except (pkcs11.PKCS11Error, pkcs11.NoSuchToken, OSError, RuntimeError, _NotThere) as error:
            self._forget()
            self._away = _why(error)
            raise self._told() from error
        self._away = ""
        return found

    def _forget(self) -> None:
        session, self._session, self._held = self._session, None, {}
        if session is not None:
            with suppress(Exception):  # it is over: whatever the module says of it
                session.close()

    def _open(self) -> pkcs11.Session:
        import pkcs11  # noqa: PLC0415

        if self._session is not None:
            return self._session
        module = pkcs11.lib(os.path.realpath(self._settings.module))
        if self._known:
            module.reinitialize()
        self._known = True
        token, pin = module.get_token(token_label=self._settings.token), self._pin()
        try:
            self._session = token.open(rw=True, user_pin=pin)
        except pkcs11.UserAlreadyLoggedIn:
            self._session = token.open(rw=True)
        except pkcs11.PinIncorrect:
            self._refused_pin = sha256(pin.encode()).digest()
            raise
        return self._session

    def _pin(self) -> str:
        file = self._settings.pin_file
        if file is not None:
            try:
                pin = read_named_text(file, PASSPHRASE_FILE_BYTES_MAX, what="the file of the PIN").rstrip(
                    "\n"
                )
            except SetupError as error:
                raise _NotThere(str(error)) from error
        else:
            pin = os.environ.get(PIN, "")
        if not pin:
            raise _NotThere(f"there is no PIN: set {PIN}, or name its file as pkcs11.pin_file in node.toml")
        if sha256(pin.encode()).digest() == self._refused_pin:
            raise _NotThere("its PIN was refused, and is not tried again, since tokens lock: give another")
        return pin

    def _look(self) -> None:
        """It is there, and what was signed with is on it; so is the key that gave no signature last."""
        import pkcs11  # noqa: PLC0415

        session = self._open()
        if self._failed is not None:
            label, public = self._failed
            session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
            there = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=label)
            curve = ED25519 if len(public) == PUBLIC_KEY_BYTES else P256
            if _raw(there[pkcs11.Attribute.EC_POINT], curve) != public:
                raise _NotThere(_another_key(label))
        for label in list(self._held):
            session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
        if not self._held:
            list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))

    def _signature(self, label: str, message: bytes, *, ed25519: bool) -> bytes:
        import pkcs11  # noqa: PLC0415

        session = self._open()
        if label not in self._held:
            self._held[label] = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
        if ed25519:
            return bytes(self._held[label].sign(message, mechanism=pkcs11.Mechanism.EDDSA))
        return bytes(self._held[label].sign(sha256(message).digest(), mechanism=pkcs11.Mechanism.ECDSA))

    def _pair(self, label: str, curve: str) -> bytes | None:
        """Its public key; None for a private key that was or may be outside."""
        import pkcs11  # noqa: PLC0415
        from pkcs11 import Attribute  # noqa: PLC0415

        session = self._open()
        of = {Attribute.LABEL: label}
        there = list(session.get_objects({**of, Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))
        if not there:
            kind = pkcs11.KeyType.EC_EDWARDS if curve == ED25519 else pkcs11.KeyType.EC
            made = (
                pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN
                if curve == ED25519
                else pkcs11.Mechanism.EC_KEY_PAIR_GEN
            )
            domain = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: _OIDS[curve]}, local=True)
            stays = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
            domain.generate_keypair(
                mechanism=made, store=True, label=label, id=label.encode(), private_template=stays
            )
            there = list(session.get_objects({**of, Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))
        [private] = there
        if not (
            private[Attribute.LOCAL] and private[Attribute.NEVER_EXTRACTABLE] and private[Attribute.SENSITIVE]
        ):
            return None
        public = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=label)
        return _raw(public[Attribute.EC_POINT], curve)

    def _destroy(self, label: str) -> None:
        import pkcs11  # noqa: PLC0415

        session = self._open()
        for kind in (pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.ObjectClass.PUBLIC_KEY):
            for one in session.get_objects({pkcs11.Attribute.LABEL: label, pkcs11.Attribute.CLASS: kind}):
                one.destroy()
        self._held.pop(label, None)


def _another_key(label: str) -> str:
    return f"what it holds as {label} is another key"


def _raw(point: bytes, curve: str) -> bytes:
    """CKA_EC_POINT, an OCTET STRING with or without its head, as this network writes public keys."""
    size = PUBLIC_KEY_BYTES if curve == ED25519 else _POINT_BYTES
    raw = point[2:] if len(point) == size + 2 and point[:2] == bytes((4, size)) else point
    if len(raw) != size:
        raise _NotThere(f"it gives a public key of {len(raw)} bytes on {curve}")
    return raw if curve == ED25519 else bytes((2 | raw[-1] & 1,)) + raw[1:33]


def _why(error: Exception) -> str:
    import pkcs11  # noqa: PLC0415

    words = {
        pkcs11.NoSuchToken: "no slot of the module holds a token of this label",
        pkcs11.TokenNotPresent: "it was taken out",
        pkcs11.DeviceRemoved: "it was taken out",
        pkcs11.PinIncorrect: "its PIN was refused, and is not tried again, since tokens lock: give another",
        pkcs11.PinLocked: "its PIN is locked: unlock it with the tool of the token",
        pkcs11.NoSuchKey: "a key that this node signs with is not on it",
        pkcs11.MultipleObjectsReturned: "two keys on it have one label",
    }
    if isinstance(error, _NotThere):
        return str(error)
    told = next((told for kind, told in words.items() if isinstance(error, kind)), None)
    return told or f"its module says {type(error).__name__}{f': {error}' if str(error) else ''}"[:200]


def token_of(directory: Path) -> Token | None:
    """The token that node.toml names; SetupError for one that cannot be one."""
    settings = DataDirectory(directory).settings().pkcs11
    return None if settings is None else Token(settings)
