"""Genesis: one file, one network id; every way to found a broken network is refused with a sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
import tomli_w

from consensus.encoding import encode
from consensus.log_policy import LogPolicy
from credentials.documents.keys import multikey_encode
from credentials.documents.suites.ecdsa import EcdsaSigner, secret_from_seed
from credentials.errors import CredentialError
from credentials.ledger.genesis import Genesis, key_check, parse_card, write_card, write_genesis
from credentials.ledger.governance import key_name
from credentials.ledger.parties import Key, Limits
from credentials.ledger.recognition import Effect, Recognition
from tests.harness.ledger import (
    ANY_BATTERY,
    CN_AUTHORITY,
    CREATED,
    CUSTOMS,
    EU_AUTHORITY,
    IMPORTER,
    MAKER,
    NETWORK_KEY,
    OTHER_MAKER,
    PARTIES,
    RECYCLER,
    VALIDATORS,
    accreditation,
    accreditations,
    genesis_arguments,
    make_genesis,
    participant,
    rule_files,
    signer,
)


def test_written_genesis_is_read_back() -> None:
    """
    Participants, keys, accreditations, recognitions and limits are what was written; the id is the file's.
    """
    arguments = genesis_arguments(limits=Limits(clock_skew_s=7))
    data = write_genesis(**arguments)

    genesis = Genesis.parse(data, rule_files())

    assert genesis.network_id == sha256(data).digest()
    assert genesis.config_digest == sha256(encode(["comity/config/v1", genesis.network_id])).digest()
    assert list(genesis.governance.participants.values()) == arguments["participants"]
    assert list(genesis.governance.accreditations) == arguments["accreditations"]
    assert list(genesis.governance.recognitions) == arguments["recognitions"]
    assert genesis.governance.limits == Limits(clock_skew_s=7)
    assert [v.name for v in genesis.governance.validators.validators] == list(VALIDATORS)
    assert genesis.sealed_network_keys == {MAKER: b"sealed"}
    assert genesis.governance.rules["lifecycle.json"]["version"] == 4


def test_writing_is_deterministic() -> None:
    """
    The same founding gives the same bytes and so the same network id.
    """
    assert write_genesis(**genesis_arguments()) == write_genesis(**genesis_arguments())


def test_what_the_founders_say_of_governing_is_written() -> None:
    """
    The jurisdictions without which nothing is decided are those of the founding file.
    """
    named = {"quorum_jurisdictions": ["CN"]}

    data = write_genesis(**genesis_arguments(), governance=named)

    assert tomllib.loads(data.decode())["governance"] == named


def test_any_other_byte_is_another_network() -> None:
    """
    A comment more is another network id: nodes with different files never share a vote.
    """
    data = write_genesis(**genesis_arguments())

    other = Genesis.parse(data + b"# changed\n", rule_files())

    assert other.network_id != make_genesis().network_id


def test_wrong_network_key_is_noticed() -> None:
    """
    A node with another network key does not start.
    """
    genesis = make_genesis()

    genesis.require_network_key(NETWORK_KEY)
    with pytest.raises(CredentialError, match="network key"):
        genesis.require_network_key(b"x" * 32)


def test_keys_have_roles_and_intervals() -> None:
    """
    A key is found by role or by id only while it is valid; the newest of two goes first.
    """
    old = participant(MAKER)
    keys = tuple(replace(k, valid_until=CREATED + 500) if k.role == "attest" else k for k in old.keys)
    newer = Key("attest", f"{MAKER}#attest-2", signer(MAKER, "attest-2").public_key, CREATED + 100)
    parties = [replace(old, keys=(*keys, newer)), *(participant(did) for did in PARTIES if did != MAKER)]
    genesis = make_genesis(participants=parties)

    first = genesis.governance.key(MAKER, "attest", CREATED)
    assert first is not None and first.id == f"{MAKER}#attest-1"
    assert genesis.governance.key(MAKER, "attest", CREATED + 100) == newer
    assert genesis.governance.key(MAKER, "attest", CREATED - 100_000) is None
    assert genesis.governance.key(MAKER, "witness", CREATED) is None
    assert genesis.governance.key("did:web:nobody.example", "attest", CREATED) is None
    assert genesis.governance.key_by_id(first.id, CREATED + 499) == first
    assert genesis.governance.key_by_id(first.id, CREATED + 500) is None
    assert genesis.governance.key_by_id(first.id) == first


def test_accreditation_is_for_role_namespace_and_time() -> None:
    """
    Another namespace, role or time is not covered; "*" never brings an identifier into being.
    """
    dated = accreditation(MAKER, valid_until=CREATED + 100)
    genesis = make_genesis(
        accreditations=[dated, accreditation(IMPORTER, roles=("manufacturer", "importer"))]
    )

    def held(did: str, role: str, namespace: str, at: int) -> bool:
        return genesis.governance.accredited(did, role, "gbt34014", namespace, at) is not None

    assert held(MAKER, "battery.produced", "ZZ1", CREATED)
    assert held(MAKER, "manufacturer", "ZZ1", CREATED)
    assert not held(MAKER, "battery.produced", "ZZ1", CREATED + 100)
    assert not held(MAKER, "battery.produced", "ZZ3", CREATED)
    assert not held(MAKER, "importer", "ZZ1", CREATED)
    assert held(IMPORTER, "battery.presented", "ZZ1", CREATED)
    assert not held(IMPORTER, "battery.produced", "ZZ1", CREATED)
    assert not held(RECYCLER, "recycling.received", "ZZ1", CREATED)


def test_log_policy_names_every_validator_and_the_quorum() -> None:
    """
    The tlog-policy has every validator's log key under the origin and asks for q of n cosignatures.
    """
    genesis = make_genesis()

    policy = LogPolicy.parse(genesis.governance.log_policy(genesis.origin))

    assert policy.origin == genesis.origin
    assert list(policy.logs) == [genesis.governance.log_key(genesis.origin, did) for did in VALIDATORS]
    assert policy.witnesses == {key_name(did): genesis.governance.cosign_key(did) for did in VALIDATORS}
    assert [group.threshold for group in policy.groups.values()] == [3]
    with pytest.raises(CredentialError):
        genesis.governance.log_key(genesis.origin, IMPORTER)


def test_key_names_of_cosigners() -> None:
    """
    The cosign key of did:web is named after host and path.
    """
    assert key_name("did:web:customs.example") == "customs.example"
    assert key_name("did:web:a.example%3A8443:b") == "a.example:8443/b"


def test_card_round_trips() -> None:
    """
    A participant card holds the public part of one participant and is read strictly.
    """
    card = write_card(participant(CUSTOMS))

    assert parse_card(card) == participant(CUSTOMS)
    with pytest.raises(CredentialError, match="format"):
        parse_card(card.replace(b"comity/participant/v1", b"comity/participant/v2"))
    with pytest.raises(CredentialError):
        parse_card(card + b"secret = 1\n")
    with pytest.raises(CredentialError):
        parse_card(b"\xff")


def test_a_key_keeps_its_interval_and_its_compromise() -> None:
    """
    A card says until when a key is valid and from when it is compromised; from either on it is not valid.
    """
    party = participant(CUSTOMS)
    first = party.keys[0]
    until, since = first.valid_from + 100, first.valid_from + 50
    rotated, stolen = replace(first, valid_until=until), replace(first, compromised_from=since)
    changed = replace(party, keys=(replace(stolen, valid_until=until), *party.keys[1:]))

    assert parse_card(write_card(changed)) == changed
    assert [rotated.valid(at) for at in (until - 1, until)] == [True, False]
    assert [stolen.valid(at) for at in (since - 1, since)] == [True, False]
    assert [stolen.compromised(at) for at in (since - 1, since)] == [False, True]
    with pytest.raises(CredentialError, match="compromised_from"):
        parse_card(
            write_card(changed).replace(f"compromised_from = {since}".encode(), b'compromised_from = "x"')
        )


def table() -> dict[str, Any]:
    return tomllib.loads(write_genesis(**genesis_arguments()).decode())


Change = Callable[[dict[str, Any]], Any]
MAKER_CODES = [["gbt34014", "ZZ1"]]
REFUSED: dict[str, tuple[str, Change]] = {
    "format": ("format", lambda t: t.update(format="comity/genesis/v9")),
    "unknown member": ("unknown member 'colour'", lambda t: t.update(colour="red")),
    "lacking member": ("lacks origin", lambda t: t.pop("origin")),
    "name": ("name", lambda t: t.update(name="Not A Name")),
    "created": ("created", lambda t: t.update(created=-1)),
    "created bool": ("created", lambda t: t.update(created=True)),
    "no participants": ("no participants", lambda t: t.update(participants=[])),
    "participants": ("array of tables", lambda t: t.update(participants=7)),
    "duplicate did": ("there twice", lambda t: t["participants"].append(t["participants"][0])),
    "duplicate key id": (
        "there twice",
        lambda t: t["participants"][0]["keys"][0].update(id=t["participants"][0]["keys"][1]["id"]),
    ),
    "duplicate key": (
        "are one key",
        lambda t: t["participants"][0]["keys"][0].update(public=t["participants"][1]["keys"][1]["public"]),
    ),
    "key of another": (
        "does not belong",
        lambda t: t["participants"][0]["keys"][0].update(id=f"{CUSTOMS}#vote-2"),
    ),
    "key role": ("unknown role 'root'", lambda t: t["participants"][0]["keys"][0].update(role="root")),
    "key not Ed25519": ("P-256", lambda t: t["participants"][0]["keys"][0].update(public="zDnae")),
    "key interval": (
        "ends before it begins",
        lambda t: t["participants"][0]["keys"][0].update(valid_until=1),
    ),
    "role": ("unknown role 'king'", lambda t: t["participants"][0].update(roles=["king"])),
    "did": ("not a DID", lambda t: t["participants"][5].update(did="nordkai")),
    "jurisdiction word": ("jurisdiction", lambda t: t["participants"][0].update(jurisdiction="China")),
    "no validator": ("at least one validator", lambda t: t.update(validators=[])),
    "unknown validator": ("no participant", lambda t: t["validators"].append({"participant": "did:web:x"})),
    "validator twice": ("distinct names", lambda t: t["validators"].append(t["validators"][0])),
    "validator without log key": (
        "exactly one log key",
        lambda t: t["participants"][0].update(
            keys=[k for k in t["participants"][0]["keys"] if k["role"] != "log"]
        ),
    ),
    "jurisdiction outvoted": (
        "EU has 1 of 4 validators and needs 2",
        lambda t: t["participants"][3].update(jurisdiction="CN"),
    ),
    "accreditation of nobody": (
        "no participant",
        lambda t: t["accreditations"][0].update(participant="did:web:nobody.example"),
    ),
    "accredited role": ("unknown role", lambda t: t["accreditations"][0].update(roles=["king"])),
    "accredited schemes": ("pairs", lambda t: t["accreditations"][0].update(schemes=["gbt34014"])),
    "accredited nothing": ("not none", lambda t: t["accreditations"][0].update(schemes=[])),
    "overlapping maker codes": (
        "the code ZZ1",
        lambda t: next(a for a in t["accreditations"] if a["participant"] == OTHER_MAKER).update(
            schemes=MAKER_CODES
        ),
    ),
    "recognition": ("recognition", lambda t: t["recognitions"][0].update(effect="maybe")),
    "recognition of another jurisdiction": (
        "no participant",
        lambda t: t["recognitions"][0].update(jurisdiction="CN"),
    ),
    "limits": ("limits", lambda t: t["limits"].update(colour=1)),
    "limit of zero": ("clock_skew_s", lambda t: t["limits"].update(clock_skew_s=0)),
    "limit of a float": ("clock_skew_s", lambda t: t["limits"].update(clock_skew_s=1.5)),
    "block too large": ("1 MiB", lambda t: t["limits"].update(block_bytes_max=1 << 21)),
    "blocks that never come": ("half a minute", lambda t: t["limits"].update(timeout_propose_ms=86_400_000)),
    "rules digest": ("altered", lambda t: t["rules"][0].update(sha256="0" * 64)),
    "rules digest form": ("sha256", lambda t: t["rules"][0].update(sha256="0")),
    "rules missing": ("missing", lambda t: t["rules"].append({"name": "x.json", "sha256": "0" * 64})),
    "rules path": ("name of a rule file", lambda t: t["rules"][0].update(name="../lifecycle.json")),
    "no lifecycle": ("lifecycle.json", lambda t: t.update(rules=[])),
    "key check": ("key_check", lambda t: t.update(key_check="AAAA")),
    "key check padded": ("key_check", lambda t: t.update(key_check=t["key_check"] + "=")),
    "sealed to nobody": ("no participant", lambda t: t["sealed_network_keys"].update({"did:web:x": "AA"})),
}


@pytest.mark.parametrize(("sentence", "change"), REFUSED.values(), ids=REFUSED.keys())
def test_broken_genesis_is_refused(sentence: str, change: Change) -> None:
    """
    A genesis with a structural fault is refused with one sentence that names it.
    """
    broken = table()
    change(broken)

    with pytest.raises(CredentialError, match=sentence) as error:
        Genesis.parse(tomli_w.dumps(broken).encode(), rule_files())

    assert "\n" not in str(error.value).strip()


@pytest.mark.parametrize(
    ("member", "stands_for"),
    [("limits", Limits()), ("recognitions", ()), ("accreditations", ()), ("sealed_network_keys", {})],
)
def test_what_a_genesis_leaves_out_is_the_usual(member: str, stands_for: object) -> None:
    """
    A founding without limits has the usual ones; without recognitions, licences or sealed keys it has none.
    """
    short = table()
    short.pop(member, None)
    short.pop("governance", None)

    genesis = Genesis.parse(tomli_w.dumps(short).encode(), rule_files())

    read = genesis if member == "sealed_network_keys" else genesis.governance
    assert getattr(read, member) == stands_for
    assert genesis.governance.app_version == short["app_version"]


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521"])
def test_credential_keys_may_be_of_other_kinds(kind: str) -> None:
    """
    A credential key may be on P-256 or P-384 and is read back; a key for the ledger itself is Ed25519.
    """
    public = EcdsaSigner(f"{MAKER}#k", kind, secret_from_seed(kind, b"\x01" * 32)).public_key

    def with_key(role: str) -> bytes:
        changed = table()
        keys = next(p["keys"] for p in changed["participants"] if p["did"] == MAKER)
        next(key for key in keys if key["role"] == role).update(public=multikey_encode(public))
        return tomli_w.dumps(changed).encode()

    if kind == "P-521":
        with pytest.raises(CredentialError, match=kind):
            Genesis.parse(with_key("credential"), rule_files())
    else:
        key = Genesis.parse(with_key("credential"), rule_files()).governance.key(MAKER, "credential", CREATED)
        assert key is not None and key.public == public
    for role in ("attest", "transport"):
        with pytest.raises(CredentialError, match=kind):
            Genesis.parse(with_key(role), rule_files())


def test_altered_rules_file_is_refused() -> None:
    """
    A node whose rule file differs by one byte cannot use this genesis.
    """
    data = write_genesis(**genesis_arguments())
    altered = {"lifecycle.json": rule_files()["lifecycle.json"] + b" "}

    with pytest.raises(CredentialError, match="was altered"):
        Genesis.parse(data, altered)
    with pytest.raises(CredentialError, match="missing"):
        Genesis.parse(data, {})


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"a = ", b"a = 1\na = 2", b"x" * (1 << 21), b"a = " + b"[" * 5_000, b"format = 1"],
    ids=["empty", "not UTF-8", "not TOML", "twice", "long", "deep", "no table"],
)
def test_files_that_are_no_genesis(data: bytes) -> None:
    """
    Any bytes that are no genesis raise CredentialError and nothing else.
    """
    with pytest.raises(CredentialError):
        Genesis.parse(data, rule_files())


def test_codes_may_follow_each_other() -> None:
    """
    A maker code may pass to another maker when the first accreditation has ended.
    """
    kept = [a for a in accreditations() if a.participant not in (MAKER, OTHER_MAKER)]
    first = accreditation(MAKER, valid_until=CREATED)
    second = accreditation(OTHER_MAKER, schemes=(("gbt34014", "ZZ1"),), valid_from=CREATED)

    genesis = make_genesis(accreditations=[*kept, first, second])

    assert genesis.governance.accredited(OTHER_MAKER, "battery.produced", "gbt34014", "ZZ1", CREATED)
    assert not genesis.governance.accredited(MAKER, "battery.produced", "gbt34014", "ZZ1", CREATED)


def test_one_validator_alone_is_a_network() -> None:
    """
    A network of one validator is lawful: a first node, a laboratory bench.
    """
    genesis = make_genesis(validators=(MAKER,))

    assert genesis.governance.validators.quorum == 1


def test_roles_held_follow_the_accreditations() -> None:
    """
    Who is an authority at a time is what the accreditations in force say.
    """
    genesis = make_genesis()

    assert genesis.governance.holders_of("authority", CREATED) == (CN_AUTHORITY, EU_AUTHORITY)
    assert genesis.governance.holders_of("authority", 0) == ()
    assert ("gbt34014", "*") in ANY_BATTERY


def test_recognition_in_genesis_keeps_its_effect() -> None:
    """
    A recognition at the start is dated data with its legal basis.
    """
    (found,) = make_genesis().governance.recognitions

    assert isinstance(found, Recognition)
    assert (found.effect, found.legal_basis) == (Effect.INFORMATION_ONLY, "network-policy")
    assert len(key_check(NETWORK_KEY)) == 32
