"""Hostile input through every door: peers, HTTP, labels, acts, files, commands, CometBFT, workers, answers.

Each door gets seeded variations of what is lawful there. What comes back is a refusal with a sentence: never
an exception beyond the edge, never a status of 500 and up (503: no room), never two seconds.
"""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest

from consensus.cose import sign1
from consensus.encoding import encode
from consensus.events import MessageReceived, Unforeseen
from credentials.documents.canonical import b64u
from credentials.documents.identifiers import Subject
from credentials.ledger.attestation import make_attestation
from node.__main__ import EXIT_SOFTWARE, run
from node.api.route import NDJSON
from node.api.table import ROUTES
from node.cli import comity
from node.config import DataDirectory
from node.errors import ProblemError, SetupError
from node.oversight.attempts import TAG
from node.peers.authentication import PeerAuthentication
from node.peers.fingerprint import JoiningFingerprint
from node.peers.strikes import STRIKES_MAX, Patience
from node.setup import network as networks
from node.setup.keystore import Keys, open_recovery
from node.setup.network import read_card
from node.setup.standalone import own_passphrase
from node.storage.database import SIDE_FILES
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.storage.signing import SigningStore
from node.use_cases.peers import HELLO
from node.web.sample import sample_claims
from tests.consensus.test_edge import SENDER, lawful, new_replica, poisoned
from tests.harness.false_statements import FALSE
from tests.harness.governed_node import others as other_parties
from tests.harness.hostile import RUBBISH, SEED, Door, altered, flipped
from tests.harness.hostile_answers import through_answers
from tests.harness.hostile_comet import through_comet
from tests.harness.hostile_desk import (
    through_acts,
    through_desks,
    through_labels,
    through_photographs,
    through_pipe,
)
from tests.harness.hostile_oversight import from_peers, through_oversight
from tests.harness.ledger import CN_AUTHORITY, IMPORTER, MAKER, signer
from tests.harness.replicas import START_MS
from tests.harness.support_service import CODE, DID, PASSPHRASE, LiveNode, live_node, manifest, serving

# Of each hundred.
SHARES = {"messages": 22, "peers": 10, "answers": 4, "http": 22, "files": 10, "command line": 10, "comet": 4}
SHARES |= {"labels": 2, "photographs": 1, "acts": 3, "pipe": 1, "desks": 7, "oversight": 4}
NODE_TOML = """[fetch]
origins = ["https://lists.example"]
[[webhooks]]
name = "mes"
url = "https://mes.example/comity"
topics = ["job.ended", "alerts"]
secret_file = "hook.secret"
[[alerts]]
webhook = "mes"
side = "EU"
[[alerts]]
mail = "duty@authority.example"
code = "recalled"
"""
ENDLESS = ("serve", "demo")  # commands that do not end by themselves


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("hostile"), others=other_parties(IMPORTER)) as running:
        order = {"code": CODE, "claims": sample_claims(running.service, CODE)}
        assert running.post_json("/passports", order).status_code == 201
        running.wait(lambda: running.get(f"/batteries/{CODE}").status_code == 200, "the battery")
        yield running


def through_messages(count: int) -> Door:
    """Lawful and poisoned messages of every kind, changed, to a replica that goes on."""
    draw, door = random.Random(SEED), Door("messages of peers")
    pool = [*lawful().values(), *poisoned().values(), *(data for data, _ in FALSE.values())]
    replica = new_replica()

    def enter(data: bytes) -> str:
        effects = replica.handle(MessageReceived(SENDER, data), START_MS)
        assert not any(isinstance(effect, Unforeseen) for effect in effects), data.hex()
        return "handled"

    for number in range(count):
        if number % 500 == 0:
            replica = new_replica()
        data = flipped(draw.choice(pool), draw)
        door.knock(data, partial(enter, data))
    return door


def lawful_requests(node: LiveNode) -> dict[str, list[bytes]]:
    """What a peer asks, and what it sends with it, by path."""
    overview = node.service.overview
    size, status = overview.tree.size, [b"", 0, 0, 0]
    told = JoiningFingerprint.of(overview.genesis.network_id, size, overview.tree.root())
    said = [*lawful().values(), *poisoned().values(), *(data for data, _ in FALSE.values())]
    attested = make_attestation(
        signer=signer(MAKER),
        iat=int(time.time()),
        kind="battery.reported_lost",
        issuer=MAKER,
        subject=Subject("gbt34014", "ZZ1", bytes(32)),
        network_id=overview.genesis.network_id,
        event_time=int(time.time()),
        document_digest=bytes(32),
    )
    items: list[Any] = [
        *([1, data] for data in said),
        [2, attested],
        [3, size, overview.tree.root(), "a line", "another line"],
        [4, node.get("/log/checkpoint").text],
        [5, DID],
    ]
    return {
        "messages": [encode([status, [item]]) for item in items] + [encode([status, items])],
        "status": [encode(status)],
        "blocks": [encode([1, 1]), encode([0, 64])],
        "documents": [json.dumps({"want": [b64u(bytes(32))]}).encode()],
        "snapshot": [encode([0, 0, 0]), encode([1, 0, size])],
        "joining": [b""],
        "attempts": [
            sign1({}, encode([TAG, overview.genesis.network_id, said, code, MAKER, at]), signer(MAKER))
            for said, code, at in ((attested, "X9", int(time.time())), (b"", "", 0), (attested, "\n" * 99, 7))
        ],
        HELLO: [encode([told.text])],
    }


def through_requests(node: LiveNode, count: int) -> Door:
    """Signed requests of a participant, of every kind, whose content is changed; and changed ones."""
    draw, door = random.Random(SEED), Door("requests of peers")
    overview, peers = node.service.overview, node.service.peers
    maker, authority = (
        PeerAuthentication(overview.genesis.network_id, overview.history, did, (signer(did, "transport"),))
        for did in (MAKER, CN_AUTHORITY)
    )
    told = from_peers(node)
    lawful = {**lawful_requests(node), **told}
    gossip: Any = vars(peers)["_gossip"]

    def enter(path: str, body: bytes) -> str:
        try:
            peers.handle(path, body)
        except ProblemError as problem:
            assert str(problem)
            assert 400 <= problem.status < 500 or problem.status == 503, problem.document()
            return f"{path} refused"
        return f"{path} answered"

    for path in told:  # what the others are about is there first
        door.knock(
            (path, told[path][0]), partial(enter, path, authority.request(DID, path, told[path][0])[0])
        )
    for number in range(count - len(told)):
        if number % (STRIKES_MAX // 4) == 0:
            gossip.patience = Patience()  # else most of it is not looked at
        path = draw.choice(sorted(lawful))
        content = draw.choice(lawful[path])
        speaks, often = (authority, 0.5) if path in told else (maker, 0.9)
        if draw.random() < often:
            content = flipped(content, draw)
        body = content if path == HELLO else speaks.request(DID, path, content)[0]
        if draw.random() < 0.1:
            body = flipped(body, draw)
        door.knock((path, content), partial(enter, path, body))
    for path in lawful:
        assert count < 200 or door.outcomes[f"{path} answered"] or path == "joining", path
    return door


# A value of each kind of member (`VALUES` of node/issuing/members.py); `{}` of those that take an object.
MEMBERS: dict[str, Any] = {
    "texts": "a, b",
    "date": "2026-01-01",
    "integer": 7,
    "boolean": "true",
    "digest": "A" * 43,
    "identifier": CODE,
    "identifiers": [CODE],
    "did": "did:web:importer.example",
    "party": "eori:NL123456789",
    "eori": "NL123456789",
    "commodity_code": "850760",
    "criteria": {"prefixes": ["ZZ1"], "produced_from": "2026-01-01"},
    "vin": "ZZ9DEM0E0T0000040",
    "country": "NL",
    "sets": {"version": 1, "points": {"1": "A" * 43}},
}


def lawful_bodies(node: LiveNode) -> dict[str, list[Any]]:
    """Bodies of the forms that are asked for, by the name of their schema."""
    events = node.get_json("/events")["events"]
    said = [
        {
            "event": event["event"],
            "battery": CODE,
            "event_time": 1_790_000_000,
            "members": {
                member["name"]: member["values"][0] if member["values"] else MEMBERS.get(member["type"], "x")
                for member in event["members"]
            },
        }
        for event in events
    ]
    drafts = [{**one, "issuer": DID, "document_digest": "A" * 43} for one in said]
    credential = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": DID,
        "credentialSubject": {"id": "urn:a:b", "name": ["x"]},
        "credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"},
        "proof": {"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofValue": "z1"},
    }
    presentation = {**credential, "type": ["VerifiablePresentation"], "verifiableCredential": [credential]}
    options = {"domain": "a", "challenge": "b", "checks": ["proof"], "profile": "web"}
    line = {"battery": CODE, "documents": [credential], "receipts": ["x"], "mass_kg": 7, "vin": "x"}
    return {
        "PassportRequest": [{"code": CODE, "claims": sample_claims(node.service, CODE)}],
        "RevokeRequest": [{"reason": "x"}],
        "AttestationRequest": said,
        "CountersignRequest": [{"draft": draft} for draft in drafts],
        "ClearanceRequest": [{**line, "law_date": "2027-03-01", "direction": "import"}],
        "Manifest": [manifest(), {**manifest(), "lines": [{"line": 1, **line}]}],
        "KeyRequest": [{"name": "x", "scopes": ["read"]}],
        "LinkRequest": [{"name": "x", "scopes": ["read"], "next": "/status"}],
        "StatusRequest": [
            {"credentialId": "urn:a:b", "credentialStatus": [{"statusPurpose": "revocation", "status": True}]}
        ],
        "IssueCredentialRequest": [{"credential": credential, "options": options}],
        "VerifyCredentialRequest": [{"verifiableCredential": credential, "options": options}],
        "ProvePresentationRequest": [{"presentation": presentation, "options": options}],
        "VerifyPresentationRequest": [{"verifiablePresentation": presentation, "options": options}],
    }


def members_of(node: LiveNode) -> dict[str, str]:
    """A value for each member of every event, as a person types it."""
    members = [member for event in node.get_json("/events")["events"] for member in event["members"]]
    return {
        one["name"]: one["values"][0] if one["values"] else str(MEMBERS.get(one["type"], "x"))
        for one in members
    }


# What is searched for, and what is one of a kind: a number, a day, a party, a vehicle, words of the index.
FOUND = (
    "7",
    "-7",
    "2027-03-01",
    DID,
    "ZZ9DEM0E0T0000040",
    CODE[:9],
    'NEAR("a" "b") * ^',
    "a\u0301 %_",
    "A" * 600,
)


def through_http(node: LiveNode, count: int) -> Door:
    """Every route with changed addresses and bodies, as the operator, as a person, and as nobody."""
    draw, door = random.Random(SEED), Door("HTTP")
    bodies = lawful_bodies(node)
    others = [body for listed in bodies.values() for body in listed]
    routes = [r for r in ROUTES if "events" not in r.rule]
    texts = [*map(str, RUBBISH), *FOUND]

    callers = [(node.client, node.bearer), (node.person, {"Origin": "http://localhost"}), (node.client, {})]

    def enter(route: Any, address: str, body: bytes, kind: str) -> str:
        client, shown = draw.choices(callers, (80, 15, 5))[0]
        headers = {**shown, "Content-Type": kind}
        answer = client.open(address, method=route.method, data=body, headers=headers)
        assert answer.status_code < 500 or answer.status_code == 503, answer.data[:300]
        if answer.status_code >= 400 and answer.mimetype == "application/problem+json":
            assert answer.get_json(force=True)["detail"]
        return f"{answer.status_code // 100}xx"

    for _ in range(count):
        route = draw.choice(routes)
        address = re.sub(r"<[^>]+>", lambda _: escaped(str(draw.choice(RUBBISH))), route.rule)
        asked = [f"{name}={escaped(draw.choice(texts))}" for name in route.query if draw.random() < 0.7]
        address += f"?{'&'.join(asked)}" if asked else ""
        fitting = bodies.get((route.body.schema if route.body else None) or "", others)
        several = draw.randint(1, 5) if route.body is not None and NDJSON in route.body.types else 1
        text = b"\n".join(
            json.dumps(altered(draw.choice(fitting if draw.random() < 0.9 else others), draw)).encode()
            for _ in range(several)
        )
        body = text if draw.random() < 0.7 else flipped(text, draw)
        kind = draw.choice([*route.body.types, "application/json"]) if route.body else "text/plain"
        door.knock((route.method, address, body), partial(enter, route, address, body, kind))
    return door


def escaped(text: str) -> str:
    data = text.encode("utf-8", "surrogatepass")[:300]
    return "".join(f"%{byte:02X}" if not chr(byte).isalnum() else chr(byte) for byte in data) or "-"


def through_files(data: Path, room: Path, count: int) -> Door:
    """Each file of a data directory, changed: it is read, or refused with a sentence that names it."""
    draw, door = random.Random(SEED), Door("files of the data directory")
    copy = DataDirectory(room / "data")
    shutil.copytree(data, copy.root, ignore=shutil.ignore_patterns("snapshot.*"))  # made for peers meanwhile
    (copy.root / "node.toml").write_text(NODE_TOML)
    (copy.root / "hook.secret").write_text("whsec_" + b64encode(bytes(32)).decode())
    copy.address.write_text("http://127.0.0.1:8470\n")
    copy.passphrase_file.write_text(f"{PASSPHRASE}\n")
    readers = readers_of(copy)
    there = {path for path in copy.root.rglob("*") if path.is_file() and path.name != "lock"}
    assert {path for path in there if not path.name.endswith(SIDE_FILES)} == readers.keys()
    whole = {path: path.read_bytes() for path in readers}

    def enter(path: Path, data: bytes) -> str:
        path.write_bytes(data)
        for rest in SIDE_FILES:
            Path(f"{path}{rest}").unlink(missing_ok=True)
        try:
            readers[path](path)
        except SetupError as error:
            assert str(error)
            return "refused"
        finally:
            path.write_bytes(whole[path])
        return "read"

    paths = sorted(readers)
    often = [0.2 if path.suffix == ".enc" else 1.0 for path in paths]  # a passphrase takes its time
    for _ in range(count):
        path = draw.choices(paths, often)[0]
        hostile = flipped(whole[path], draw)
        door.knock((path.name, hostile[:200]), partial(enter, path, hostile))
    return door


def readers_of(copy: DataDirectory) -> dict[Path, Callable[[Path], object]]:
    """Who reads each file of a data directory, but for its lock, which is read by nobody."""
    network = copy.network
    rules = {path: lambda _: networks.joined(copy) for path in (network / "rules").iterdir()}
    return {
        copy.root / "node.toml": lambda _: copy.settings(),
        copy.root / "hook.secret": lambda _: copy.settings(),
        copy.policy_file: lambda _: copy.policy(),
        copy.card: read_card,
        copy.operator_key: lambda _: copy.operator(),
        copy.address: lambda _: copy.url(),
        copy.passphrase_file: lambda _: own_passphrase(copy),
        copy.root / "keys.enc": lambda _: Keys.load(copy.root, DID, PASSPHRASE),
        copy.root / "recovery.enc": lambda path: open_recovery(path, DID, PASSPHRASE),
        network / "genesis.toml": lambda _: _run(["network", "verify", str(network)]),
        network / "log.policy": lambda _: _run(["network", "verify", str(network)]),
        network / "peers.toml": lambda _: networks.joined(copy),
        **rules,
        copy.ledger: lambda path: LedgerStore(path).close(),
        copy.office: lambda path: OfficeStore(path).close(),
        copy.signing: lambda path: SigningStore(path).close(),
    }


def commands(
    group: click.Command = comity, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[click.Parameter]]]:
    """Every command with its options and arguments: what a person may type."""
    if isinstance(group, click.Group):
        with click.Context(group) as context:
            for name in group.list_commands(context):
                command = group.get_command(context, name)
                if command is not None and name not in ENDLESS:
                    yield from commands(command, (*path, name))
    else:
        yield path, group.params


def typed(
    parameters: list[click.Parameter], values: list[str], draw: random.Random, reaching: Mapping[str, str]
) -> list[str]:
    """Some of a command's own options and arguments, with hostile values; mostly it reaches the node."""
    words = []
    for parameter in parameters:
        name = parameter.opts[0]
        if name in reaching and draw.random() < 0.8:
            words += [name, reaching[name]]
        elif name != "--wait" and (
            isinstance(parameter, click.Argument) or parameter.required or draw.random() < 0.3
        ):
            flag = isinstance(parameter, click.Option) and parameter.is_flag
            words += [name] if isinstance(parameter, click.Option) else []
            words += [] if flag else [draw.choice(values)]
    return words


def _run(arguments: list[str]) -> str:
    said = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(said):
        code = run(arguments)
    told = [line for line in said.getvalue().splitlines() if not line.startswith('{"at": ')]  # a node's log
    assert code != EXIT_SOFTWARE, told
    if code not in (0, 1, 2):
        assert any(line.startswith("comity: ") for line in told), told
        raise SetupError("\n".join(told))
    return str(code)


def through_command_line(node: LiveNode, room: Path, count: int) -> Door:
    """Every command with rubbish for its arguments and options, at the node and at none."""
    draw, door = random.Random(SEED), Door("command line")
    verbs = sorted(commands(), key=lambda verb: verb[0])
    (room / "file.json").write_bytes(b'{"a": [1, {"b": "\xc3\x28"}]}')
    values = [text for text in map(str, RUBBISH) if text.isprintable()]
    values += [
        str(room / "file.json"),
        str(room / "nobody"),
        "a=b",
        CODE,
        "did:web:a.example",
        "127.0.0.1:1",
        "7",
    ]

    def enter(arguments: list[str]) -> str:
        try:
            return f"exit {_run(arguments)}"
        except SetupError:
            return "refused"

    with serving(node) as address:
        reaching = {"--node": address, "--key": node.operator_key}
        for _ in range(count):
            verb, parameters = draw.choice(verbs)
            arguments = [
                *verb,
                *typed(parameters, values, draw, reaching),
                *draw.choices([[], ["--unknown"], [draw.choice(values)]], (80, 10, 10))[0],
            ]
            door.knock(arguments, partial(enter, arguments))
    assert count < 200 or door.outcomes["exit 0"]
    return door


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command may make the directory it is told, `..` among them: none of that in the clone.

    One that asks reads that there is nobody to answer, however the tests are run.
    """
    room = tmp_path / "typed" / "here"
    room.mkdir(parents=True)
    monkeypatch.chdir(room)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))


def through_all(node: LiveNode, room: Path, total: int) -> None:
    count = {door: total * share // 100 for door, share in SHARES.items()}
    doors = [
        through_messages(count["messages"]),
        through_requests(node, count["peers"]),
        through_http(node, count["http"]),
        through_files(node.data, room, count["files"]),
        through_command_line(node, room, count["command line"]),
        through_comet(room, count["comet"]),
        through_labels(node, count["labels"]),
        through_photographs(node, count["photographs"]),
        through_acts(node, members_of(node), count["acts"]),
        through_pipe(count["pipe"]),
        through_desks(node, count["desks"]),
        through_oversight(node, count["oversight"]),
        through_answers(node, count["answers"]),
    ]
    for door in doors:
        door.tell()
    knocked = sum(door.outcomes.total() for door in doors)
    assert knocked == total
    print(f"{knocked} hostile inputs through {len(doors)} doors: none beyond the edge, no 5xx, no hang")
    assert node.get("/healthz").status_code == 200
    assert node.service.failure is None
    assert "input_set_aside" not in {one.code for one in node.service.overview.readiness().conditions}


def test_a_few_hostile_inputs_through_every_door(node: LiveNode, tmp_path: Path) -> None:
    """
    600 seeded inputs: refused or read, never an exception, a 5xx or two seconds.
    """
    through_all(node, tmp_path, 600)


@pytest.mark.check
def test_ten_thousand_hostile_inputs_through_every_door(node: LiveNode, tmp_path: Path) -> None:
    """
    10,000 seeded inputs: refused or read, never an exception, a 5xx or two seconds.
    """
    through_all(node, tmp_path, 10_000)


@pytest.mark.long
def test_a_hundred_thousand_hostile_inputs_through_every_door(node: LiveNode, tmp_path: Path) -> None:
    """
    100,000 seeded inputs: refused or read, never an exception, a 5xx or two seconds.
    """
    through_all(node, tmp_path, 100_000)
