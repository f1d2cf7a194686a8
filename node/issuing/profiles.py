"""Credential profiles: one row says by which mechanism and with which kind of key a node secures credentials.

Each profile has a key of its own; where the issuer is a did:key, that key is the issuer. The profile `web`
speaks as the participant itself, with the credential key that the ledger lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from consensus.cose import SeedSigner, Signer
from credentials.documents import suites
from credentials.documents.canonical import Contexts
from credentials.documents.keys import ED25519, P256, P384, did_key, did_key_url
from credentials.documents.suites import eddsa, jose
from credentials.documents.suites.ecdsa import EcdsaSigner, secret_from_seed

JSON = dict[str, Any]
Mechanism = Literal["data-integrity", "jose"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One row of the table."""

    name: str
    key_kind: str
    cryptosuite: str = suites.DEFAULT  # of a Data Integrity proof
    mechanism: Mechanism = "data-integrity"
    lists_status: bool = False  # the issuer adds credentialStatus
    as_participant: bool = False  # the issuer is the participant's did:web, not a did:key

    @property
    def on_rdf(self) -> bool:
        """True if what is signed is statements, so that what makes none would be lost."""
        return self.mechanism == "data-integrity" and suites.SUITES[self.cryptosuite].canonical == "rdfc"

    @property
    def role(self) -> str:
        """The name of its key in the key store."""
        return "credential" if self.as_participant else f"credential-{self.name}"


WEB = Profile("web", ED25519, as_participant=True)
VC2 = Profile("vc2", ED25519)
TABLE: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        WEB,
        VC2,
        Profile("enveloped", P256, mechanism="jose"),
        Profile("eddsa-rdfc-2022", ED25519, eddsa.RDFC_2022.name),
        Profile("eddsa-jcs-2022", ED25519, eddsa.JCS_2022.name),
        Profile("ecdsa-rdfc-2019-p256", P256, "ecdsa-rdfc-2019"),
        Profile("ecdsa-rdfc-2019-p384", P384, "ecdsa-rdfc-2019"),
        Profile("ecdsa-jcs-2019-p256", P256, "ecdsa-jcs-2019"),
        Profile("ecdsa-jcs-2019-p384", P384, "ecdsa-jcs-2019"),
        Profile("bitstring", ED25519, lists_status=True),
    )
}
KEY_ROLES = tuple(profile.role for profile in TABLE.values() if not profile.as_participant)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A profile with its key: who signs, and how."""

    profile: Profile
    did: str
    signer: Signer

    def secure(self, document: JSON, created: str, contexts: Contexts) -> JSON:
        """The document with one more proof, or in an envelope."""
        if self.profile.mechanism == "jose":
            return jose.envelop(jose.sign_jwt(document, self.signer))
        return suites.sign(
            document, self.signer, created, cryptosuite=self.profile.cryptosuite, contexts=contexts
        )


def open_issuer(profile: Profile, did: str, seed: bytes, key_id: str) -> Issuer:
    """The issuer of one profile; `did` and `key_id` are those of the participant."""
    if profile.as_participant:
        return Issuer(profile, did, SeedSigner(key_id, seed))
    if profile.key_kind == ED25519:
        public = SeedSigner("", seed).public_key
        return Issuer(profile, did_key(public), SeedSigner(did_key_url(public), seed))
    secret = secret_from_seed(profile.key_kind, seed)
    public = EcdsaSigner("", profile.key_kind, secret).public_key
    return Issuer(profile, did_key(public), EcdsaSigner(did_key_url(public), profile.key_kind, secret))
