"""The command line: set-up, refusals in one sentence, proof without a node (node/__main__.py, node/cli)."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
import pytest

from consensus.encoding import decode
from consensus.log_policy import LogPolicy
from node import cli, config
from tests.harness.command_line import Done, here
from tests.harness.net.batteries import claims_of, code_of, wait_published
from tests.harness.net.harness import (
    CN,
    CUSTOMS,
    EU,
    FIVE,
    MAKER,
    PASSPHRASE,
    VALIDATORS,
    Node,
    Party,
    comity,
    found,
    founding_text,
    running,
    wait,
)

CLEAR, NOT_CLEAR, UNDECIDED, USAGE, DATA, UNAVAILABLE = 0, 1, 2, 64, 65, 69


def run(*arguments: str | Path, **environment: str) -> Done:
    """One command in this process, with the passphrase of all nodes here."""
    return here(*arguments, **{"COMITY_PASSPHRASE": PASSPHRASE, **environment})


def run_alone(*arguments: str | Path) -> Done:
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "node", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "", "COMITY_PASSPHRASE": PASSPHRASE},
        cwd=Path(__file__).parents[2],
    )
    return Done(done.returncode, done.stdout, done.stderr)


def sentence(done: Done, code: int) -> str:
    """The one sentence on stderr of a refused command, with what to do next beneath it at most."""
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    if len(lines) == 2:
        assert lines.pop().startswith("comity: next: ")
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("comity: ")
    return lines[0].removeprefix("comity: ")


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Node]:
    """Four joined data directories; nothing runs."""
    return found(tmp_path_factory.mktemp("founded"), VALIDATORS)


@pytest.fixture
def copy(founded: dict[str, Node], tmp_path: Path) -> Path:
    """A copy of the maker's data directory, to be spoiled."""
    shutil.copytree(founded["maker"].data, tmp_path / "maker")
    return tmp_path / "maker"


def identity(party: Party) -> list[str]:
    words = ["--did", party.did, "--name", party.name, "--jurisdiction", party.jurisdiction]
    return [*words, *(word for role in party.roles for word in ("--role", role))]


# -- set-up ----------------------------------------------------------------------------------------------


def test_the_list_of_commands_says_what_their_own_help_says() -> None:
    """
    `comity --help` lists every verb by the first words of its help, and imports none of them for it.
    """
    context = click.Context(cli.comity)
    for name, (_, words) in cli._COMMANDS.items():
        command = cli.comity.get_command(context, name)
        assert command is not None and command.get_short_help_str(limit=1000) == words, name


def groups(command: click.Command, typed: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """What is typed for each group of commands."""
    if isinstance(command, click.Group):
        yield typed
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from groups(inner, (*typed, name))


@pytest.mark.parametrize("typed", list(groups(cli.comity)), ids=lambda typed: " ".join(typed) or "comity")
def test_no_line_of_a_list_of_commands_is_cut(typed: tuple[str, ...]) -> None:
    """
    Each command is told whole on its line, on a screen of 80 characters.
    """
    lists = run(*typed, "--help").stdout.partition("--help")[2]

    assert lists and "..." not in lists


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (
            ("--help",),
            {"nacl", "requests", "pyld", "flask", "sqlite3", "ssl", "node.cli.setup", "credentials.ledger"},
        ),
        (("receipt", "verify", "none", "--policy", "none"), {"requests", "pyld", "flask", "sqlite3", "ssl"}),
    ],
)
def test_what_a_command_does_not_need_is_not_loaded(words: tuple[str, ...], heavy: set[str]) -> None:
    """
    A device that checks receipts, and whoever asks for help, does not wait for a server's libraries.
    """
    asked = (
        f"import sys; from node.__main__ import run; run({list(words)}); print(*sys.modules, file=sys.stderr)"
    )

    run = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert not heavy & set(run.stderr.split()), heavy & set(run.stderr.split())


def test_network_verify_prints_what_all_must_see(founded: dict[str, Node]) -> None:
    """
    Every copy of the network directory verifies, with one id.
    """
    ids = set()
    for node in founded.values():
        done = run("network", "verify", node.data / "network")
        assert done.returncode == 0
        ids.add(done.stdout.splitlines()[0].split()[-1])
        assert f"  {node.party.did}  {node.party.jurisdiction}  validator" in done.stdout
        assert (
            "  a block is decided by 3 of 4 validators, never without a validator of each of CN, EU\n"
            in done.stdout
        )
        assert "  a change for all is approved by 2, one of each of CN, EU\n" in done.stdout

    assert len(ids) == 1


def test_a_policy_that_moves_a_validator_elsewhere_is_refused(copy: Path, tmp_path: Path) -> None:
    """
    Where witnesses belong decides nothing, and is told of every receipt: an edited line is found.
    """
    source = tmp_path / "network"
    shutil.move(copy / "network", source)
    policy = source / "log.policy"
    policy.write_text(policy.read_text().replace("#jurisdiction CN", "#jurisdiction XX"))

    assert "names other keys or jurisdictions" in sentence(run("network", "verify", source), DATA)


def test_the_founders_id_tells_an_altered_network(copy: Path, tmp_path: Path) -> None:
    """
    An altered genesis is a network of its own; against the id that the founders told it is refused.
    """
    source = tmp_path / "network"
    shutil.move(copy / "network", source)
    told = run("network", "verify", source).stdout.splitlines()[0].split()[-1]
    assert run("network", "verify", source, "--id", told).returncode == 0
    again = run("network", "join", "--data", copy, "--network", source, "--id", told)
    shutil.rmtree(copy / "network")
    genesis = source / "genesis.toml"
    genesis.write_text(genesis.read_text().replace("heartbeat_ms = 600000", "heartbeat_ms = 600001"))

    verified = run("network", "verify", source, "--id", told)
    joined = run("network", "join", "--data", copy, "--network", source, "--id", told)

    assert run("network", "verify", source).returncode == 0, "it is whole in itself"
    assert f"not {told}" in sentence(verified, DATA)
    assert f"not {told}" in sentence(joined, DATA)
    assert again.stdout.endswith(f"start the node with `comity serve --data {copy}`\n"), again.stderr
    assert not (copy / "network").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--jurisdiction", "China"], "jurisdiction of did:web:x.example has the wrong form: it is 2 to 8"),
        (["--name", "X\u202eevil"], "name of did:web:x.example has the wrong form: it is a text"),
        (["--did", "web:x"], "is not a DID"),
        (["--policy", "no-such"], "there is no policy called no-such: choose one of"),
        (["--role", "maker"], "there is no role 'maker': it is one of manufacturer, "),
    ],
    ids=["jurisdiction", "name that turns its direction", "did", "policy", "role"],
)
def test_init_refuses_what_cannot_be_a_participant(tmp_path: Path, arguments: list[str], says: str) -> None:
    """
    A participant that could not stand in a genesis is refused when it is made, and leaves nothing behind.
    """
    values = {"--did": "did:web:x.example", "--name": "X", "--jurisdiction": "CN", "--role": "manufacturer"}
    values.update(zip(arguments[::2], arguments[1::2], strict=True))

    done = run("init", "--data", tmp_path / "x", *[word for pair in values.items() for word in pair])

    assert says in sentence(done, DATA)
    assert not (tmp_path / "x").exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """
    A path that cannot be made is one sentence that names it, and no fault of ours.
    """
    (tmp_path / "file").write_text("")

    done = run("init", "--data", tmp_path / "file" / "x", *identity(MAKER))

    assert f"{tmp_path / 'file'}" in sentence(done, DATA)


def test_init_never_overwrites(founded: dict[str, Node]) -> None:
    """
    A second init in the same directory is refused and changes no key.
    """
    data = founded["maker"].data
    before = (data / "keys.enc").read_bytes()

    done = run("init", "--data", data, *identity(MAKER))

    assert "is not empty" in sentence(done, DATA)
    assert (data / "keys.enc").read_bytes() == before


def test_secrets_are_for_their_owner_only(founded: dict[str, Node]) -> None:
    """
    Keys and operator key have mode 0600, and the card holds no private key.
    """
    data = founded["maker"].data

    assert all((data / name).stat().st_mode & 0o777 == 0o600 for name in ("keys.enc", "operator.key"))
    assert "seed" not in (data / "participant.toml").read_text()


def test_whoever_guesses_passphrases_pays_for_each(tmp_path: Path) -> None:
    """
    What `comity init` writes is stretched in three passes over 64 MiB (RFC 9106).
    """
    assert run_alone("init", "--data", tmp_path / "x", *identity(MAKER)).returncode == 0

    head = decode((tmp_path / "x" / "keys.enc").read_bytes())
    assert isinstance(head, list)
    _, _, passes, memory_bytes, _ = head
    assert (passes, memory_bytes) == (3, 64 << 20)


def test_a_network_needs_both_sides(tmp_path: Path) -> None:
    """
    A founding in which a quorum could decide without one jurisdiction is refused.
    """
    fourth = Party("fourth", "CN", ("authority",))
    for party in (MAKER, CN, CUSTOMS, fourth):
        made = run("init", "--data", tmp_path / party.name, *identity(party), "--validator")
        assert made.returncode == 0
    cards = [
        word
        for name in ("maker", "cn", "customs", "fourth")
        for word in ("--card", tmp_path / name / "participant.toml")
    ]

    done = run("network", "create", "--name", "lopsided", "--out", tmp_path / "network", *cards)

    assert "EU has 1 of 4 validators and needs 2" in sentence(done, DATA)
    assert not (tmp_path / "network").exists()


def test_a_network_of_five_jurisdictions_names_those_that_can_block(tmp_path: Path) -> None:
    """
    Five cannot all be able to block, and founding says how many can; with one or none named it is founded.
    """
    places = ("CN", "EU", "IN", "JP", "KR")
    parties = [Party(f"law-{place.lower()}", place, ("authority",)) for place in places]
    cards: list[str | Path] = []
    for party in parties:
        assert run("init", "--data", tmp_path / party.name, *identity(party), "--validator").returncode == 0
        cards += ["--card", tmp_path / party.name / "participant.toml"]

    def create(name: str, governance: str) -> Done:
        (tmp_path / f"{name}.toml").write_text(founding_text(parties) + governance)
        founding: list[str | Path] = ["--founding", tmp_path / f"{name}.toml", "--out", tmp_path / name]
        return run("network", "create", "--name", name, *founding, *cards)

    every = sentence(create("every", ""), DATA)
    one = sentence(create("one", '[governance]\nquorum_jurisdictions = ["CN"]\n'), DATA)
    none = create("none", "[governance]\nquorum_jurisdictions = []\n")

    assert "CN has 1 of 5 validators and needs 2, or a quorum could decide without it" in every
    assert (
        "take it out of `quorum_jurisdictions`" in every and "of 5 validators at most 2 can be named" in one
    )
    assert none.returncode == 0, none.stderr
    seen = run("network", "verify", tmp_path / "none").stdout
    assert "  a block is decided by 4 of 5 validators, of whatever jurisdictions\n" in seen
    assert f"  a change for all is approved by 2, one of each of {', '.join(places)}\n" in seen
    policy = LogPolicy.parse((tmp_path / "none" / "log.policy").read_text())
    assert sorted(policy.jurisdictions.values()) == list(places) and policy.never_without() == ()
    assert not (tmp_path / "every").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = [", "is not TOML"),
        ("colour = 1", "unknown member 'colour'"),
        ('[[accreditations]]\nroles = ["manufacturer"]', "lacks participant"),
        ('[[participants]]\ncard = "nobody.toml"', "cannot be read"),
    ],
    ids=["not toml", "unknown member", "incomplete", "no card"],
)
def test_a_founding_file_that_cannot_be_read_is_told(tmp_path: Path, text: str, says: str) -> None:
    """
    A mistake in a founding file is named; no network is written.
    """
    (tmp_path / "founding.toml").write_text(text)

    done = run(
        "network",
        "create",
        "--name",
        "n",
        "--out",
        tmp_path / "out",
        "--founding",
        tmp_path / "founding.toml",
    )

    assert says in sentence(done, DATA)
    assert not (tmp_path / "out").exists()


# -- a node that must not start --------------------------------------------------------------------------


def _spoil(case: str, data: Path, founded: dict[str, Node], tmp_path: Path) -> None:
    network = data / "network"
    match case:
        case "altered genesis":
            genesis = network / "genesis.toml"
            genesis.write_text(genesis.read_text().replace('name = "maker"', 'name = "Maker"'))
            # Its own databases know the network they are of.
            (data / "ledger.db").unlink(missing_ok=True)
        case "altered rule":
            rules = network / "rules" / "lifecycle.json"
            rules.write_bytes(rules.read_bytes() + b" ")
        case "genesis is not toml":
            (network / "genesis.toml").write_text("name = [")
        case "wrong network key":
            # The key sealed to another participant.
            genesis = network / "genesis.toml"
            text = genesis.read_text()
            own, other = _sealed(text, MAKER.did), _sealed(text, CUSTOMS.did)
            genesis.write_text(text.replace(own, other))
        case "other network":
            shutil.rmtree(network)
            others = found(tmp_path / "others", (CN, EU))
            shutil.copytree(others["cn"].data / "network", network)
        case "keys of another node":
            shutil.copy(founded["cn"].data / "keys.enc", data / "keys.enc")
        case "not joined":
            shutil.rmtree(network)
        case "log policy of another log":
            policy = network / "log.policy"
            policy.write_text(policy.read_text() + "log\n")
        case "log policy of another network":  # whose log has the same name
            others = found(tmp_path / "others", (CN, EU))
            shutil.copy(others["cn"].data / "network" / "log.policy", network / "log.policy")
        case "policy of nothing":
            (data / "policy.toml").write_text("name = 1")
        case "damaged database":
            (data / "ledger.db").write_bytes(b"not a database" * 1000)
            (data / "ledger.db").chmod(0o600)
        case "no card":
            (data / "participant.toml").unlink()


def _sealed(text: str, did: str) -> str:
    line = next(line for line in text.splitlines() if line.startswith(f'"{did}" = '))
    return line.partition(" = ")[2]


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("altered rule", "the rule file lifecycle.json was altered"),
        ("genesis is not toml", "is not TOML: "),
        ("wrong network key", "is not sealed to this participant's transport key"),
        ("other network", "is no participant of the network"),
        ("keys of another node", "this is the data directory of another node"),
        ("not joined", "has joined no network: run `comity network join"),
        ("log policy of another log", "log.policy: line"),
        ("log policy of another network", "it is of another network"),
        ("policy of nothing", "policy.toml"),
        ("damaged database", "comity rebuild --data"),
        ("no card", "participant.toml cannot be read"),
    ],
)
def test_a_node_that_must_not_start_says_why(
    case: str, says: str, copy: Path, founded: dict[str, Node], tmp_path: Path
) -> None:
    """
    A node whose files do not belong together ends at once: one sentence, exit code 65, no traceback.
    """
    _spoil(case, copy, founded, tmp_path)

    done = run("serve", "--data", copy, "--listen", "127.0.0.1:0")

    assert says in sentence(done, DATA)


def test_a_node_does_not_change_its_network(copy: Path) -> None:
    """
    Once a node ran in a network, an altered genesis is another network: the node does not start.
    """
    served = subprocess.Popen(
        [sys.executable, "-m", "node", "serve", "--data", str(copy), "--listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "", "COMITY_PASSPHRASE": PASSPHRASE},
        cwd=Path(__file__).parents[2],
    )
    assert served.stderr is not None
    assert json.loads(served.stderr.readline())["at"] == "listening"
    busy = run("serve", "--data", copy, "--listen", "127.0.0.1:0")
    served.terminate()
    served.communicate(timeout=60)

    genesis = copy / "network" / "genesis.toml"
    genesis.write_text(genesis.read_text().replace("heartbeat_ms = 600000", "heartbeat_ms = 500000"))
    altered = run("serve", "--data", copy, "--listen", "127.0.0.1:0")

    assert "is already in use by a running node" in sentence(busy, DATA)
    assert "or join the other one with a new data directory" in sentence(altered, DATA)


def test_a_wrong_passphrase_and_none_are_told(copy: Path) -> None:
    """
    A wrong passphrase, a missing one and a missing file are one sentence each, and none repeats a secret.
    """
    wrong = run("serve", "--data", copy, "--listen", "127.0.0.1:0", COMITY_PASSPHRASE="not it")
    none = run("serve", "--data", copy, "--listen", "127.0.0.1:0", COMITY_PASSPHRASE="")
    file = run("serve", "--data", copy, "--listen", "127.0.0.1:0", "--passphrase-file", copy / "nothing")

    assert "the passphrase does not open" in sentence(wrong, DATA)
    assert "no passphrase" in sentence(none, DATA)
    assert "cannot be read" in sentence(file, DATA)
    assert "not it" not in wrong.stderr


def test_a_port_in_use_is_told(copy: Path) -> None:
    """
    A taken port ends the node with a sentence that names it; an address that is none is a usage error.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--data", copy, "--listen", f"127.0.0.1:{port}")
    bad = run("serve", "--data", copy, "--listen", "somewhere")

    assert f"port {port} on 127.0.0.1 is in use" in sentence(done, DATA)
    assert "--listen is HOST:PORT" in sentence(bad, USAGE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["issue"],
        ["status"],
        ["keys", "grant", "x"],
        ["attest", "battery.sold"],
        ["status", "--node", "127.0.0.1:18401"],
        ["attest", "x", "--battery", "y", "--node", "http://127.0.0.1:9", *["--member", "consignee=a"] * 2],
    ],
    ids=[
        "unknown verb",
        "missing argument",
        "no node",
        "missing option",
        "no battery",
        "no URL",
        "member twice",
    ],
)
def test_usage_errors_are_64(arguments: list[str]) -> None:
    """
    A command that cannot be understood is one sentence and exit code 64.
    """
    sentence(run(*arguments), USAGE)


@pytest.mark.parametrize(
    ("arguments", "begins", "lists"),
    [([], "Usage: comity [OPTIONS]", "Begin:"), (["keys"], "Usage: comity keys [OPTIONS]", "Commands:")],
)
def test_a_command_alone_prints_its_help(arguments: list[str], begins: str, lists: str) -> None:
    """
    Whoever types `comity`, or a group of commands, reads what there is, by lines; the exit code is 64.
    """
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (USAGE, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith(begins) and lists in lines
    assert done.stderr == run(*arguments, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "told", "step"),
    [
        (["isue"], "No such command 'isue'. Did you mean 'issue'?", "comity --help"),
        (["keys", "grand"], "No such command 'grand'. Did you mean 'grant'?", "comity keys --help"),
        (["init"], "Missing option '--data'.", "comity init --help"),
        (["status"], "which node? Give --data DIR, --node URL, or set COMITY_NODE", "comity status --help"),
    ],
)
def test_a_usage_error_says_where_help_is(arguments: list[str], told: str, step: str) -> None:
    """
    A mistyped word is told with its likely meaning, and what was typed with the help of that command.
    """
    done = run(*arguments)

    assert sentence(done, USAGE) == told
    assert done.stderr.splitlines()[1] == f"comity: next: `{step}` says what can be typed there."


def test_a_node_that_does_not_answer_is_69(founded: dict[str, Node]) -> None:
    """
    A node that is not there is exit code 69, and the sentence names the address.
    """
    done = run("status", "--node", "http://127.0.0.1:9", "--key", "k")

    assert "no node answers at http://127.0.0.1:9" in sentence(done, UNAVAILABLE)
    assert "was never started" in sentence(run("status", "--data", founded["cn"].data), DATA)


def test_a_missing_manifest_is_not_a_battery() -> None:
    """
    `comity check lines.json` without that file says so, instead of judging a battery of that name.
    """
    done = run("check", "lines.json", "--node", "http://127.0.0.1:9", "--key", "k")

    assert "lines.json cannot be read" in sentence(done, DATA)


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ('"gbt34014"', '"gbt3414"', "codes of the unknown scheme 'gbt3414': it is one of gbt34014, gs1"),
        ("http://", "", "is not an http:// or https:// URL"),
        ("http://127.0.0.1", "http://", "is not an http:// or https:// URL"),
    ],
    ids=["scheme", "address without http", "address without host"],
)
def test_a_founding_file_with_a_mistake_founds_nothing(
    founded: dict[str, Node], tmp_path: Path, wrong: str, right: str, says: str
) -> None:
    """
    A scheme that does not exist or an address that is no URL is told before a network is made of it.
    """
    maker = founded["maker"]
    text = (
        founding_text([MAKER])
        + f"""
[[participants]]
card = "{maker.data / "participant.toml"}"
address = "http://127.0.0.1:8470"
"""
    )
    (tmp_path / "founding.toml").write_text(text.replace(wrong, right))

    done = run(
        "network", "create", "--out", tmp_path / "n", "--name", "x", "--founding", tmp_path / "founding.toml"
    )

    assert says in sentence(done, DATA)
    assert not (tmp_path / "n").exists()


# -- a running network -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    with running(tmp_path_factory.mktemp("network"), FIVE, forked=True) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def issued(network: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A passport issued by `comity issue`; the folder holds its receipt, document and log.policy."""
    folder, maker = tmp_path_factory.mktemp("proof"), network["maker"]
    (folder / "claims.json").write_text(json.dumps(claims_of(1)))
    done = run_alone("issue", folder / "claims.json", "--code", code_of(1), "--data", maker.data, "--wait")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["signed", "admitted", "receipt"]
    progress = maker.get(f"/passports/{done.stdout.split()[1]}")
    got = run("receipt", "get", progress["digest"], "--data", maker.data, "-o", folder / "receipt")
    assert got.returncode == 0, got.stderr
    nowhere = run("receipt", "get", progress["digest"], "--data", maker.data, "-o", folder / "no" / "receipt")
    assert "receipt cannot be written" in sentence(nowhere, DATA)
    document = maker.get(f"/documents/{progress['sets']['1']}")
    (folder / "document.json").write_text(json.dumps(document, ensure_ascii=False))
    (folder / "log.policy").write_text(run("log", "policy", "--data", maker.data).stdout)
    return folder


def test_a_receipt_verifies_without_node_and_network(issued: Path) -> None:
    """
    `comity receipt verify` opens no socket, and says entry, cosigners, time and what it is about.
    """
    script = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise AssertionError('a socket was opened')\n"
        "socket.socket.__init__ = refuse\n"
        "from node.__main__ import main\n"
        "main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "receipt", "verify", issued / "receipt", "--policy",
         issued / "log.policy", "--document", issued / "document.json"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("valid: entry ")
    assert f"admitted: passport.published by {MAKER.did}, about the gbt34014 subject ZZ1 " in done.stdout
    (of,) = re.findall(r", of (.*) UTC$", done.stdout, re.M)
    assert abs(datetime.fromisoformat(f"{of}+00:00").timestamp() - time.time()) < 3_600
    assert "\nwhat was recorded since is not in it: " in done.stdout
    assert f"passport.published of {code_of(1)} by {MAKER.did}" in done.stdout
    signed = next(line for line in done.stdout.splitlines() if line.startswith("cosigned by "))
    assert re.search(r"\b(maker|cn)\.example \(CN\)", signed) and ".example (EU)" in signed
    assert "no quorum of this policy is without CN or EU\n" in done.stdout


def test_a_receipt_of_a_refusal_proves_the_refusal(
    network: dict[str, Node], issued: Path, tmp_path: Path
) -> None:
    """
    The receipt of a refused second passport verifies as proof that it was refused, by which rule; exit 1.
    """
    maker = network["maker"]
    second = maker.post("/passports", {"code": code_of(1), "claims": claims_of(1, batteryMass=453.5)})
    path = f"/passports/{second['digest']}"
    wait("the refusal and its receipt", lambda: bool(maker.get(path)["receipted_at"]))
    lost = maker.get(path)["attestations"][-1]["digest"]
    assert run("receipt", "get", lost, "--data", maker.data, "-o", tmp_path / "r").returncode == 0
    (tmp_path / "document.json").write_text(json.dumps(second["credentials"]["1"]))
    command: list[str | Path] = ["receipt", "verify", tmp_path / "r", "--policy", issued / "log.policy"]

    alone = run(*command)
    shown = run(*command, "--document", tmp_path / "document.json")

    assert alone.returncode == shown.returncode == NOT_CLEAR
    assert alone.stdout.startswith(f"valid: proof that the statement {lost} by {MAKER.did}, about ")
    assert " was REFUSED by X1: entry " in alone.stdout.splitlines()[0]
    assert "NOT a receipt for this document" in shown.stdout


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("altered", "its digest is another"),
        ("other issuer", "its digest is another"),
        ("other battery", "its digest is another"),
        ("not an object", "not a JSON object"),
    ],
)
def test_a_receipt_is_not_for_another_document(issued: Path, tmp_path: Path, change: str, says: str) -> None:
    """
    With --document, a receipt is refused for any document but the one that was attested.
    """
    document = json.loads((issued / "document.json").read_text())
    match change:
        case "altered":
            document["credentialSubject"]["GeneralProductInformation"]["batteryMass"] = 1.0
        case "other issuer":
            document["issuer"] = CN.did
        case "other battery":
            document["credentialSubject"]["id"] = f"urn:comity:item:gbt34014:{code_of(2)}"
        case "not an object":
            document = []
    (tmp_path / "document.json").write_text(json.dumps(document))

    done = run(
        "receipt", "verify", issued / "receipt", "--policy", issued / "log.policy",
        "--document", tmp_path / "document.json",
    )  # fmt: skip

    assert done.returncode == NOT_CLEAR
    assert done.stdout.startswith("not valid: ")
    assert says in done.stdout


def test_every_flipped_byte_of_a_receipt_is_told(issued: Path, tmp_path: Path) -> None:
    """
    A receipt with any byte changed is not valid, with a reason (a sample here; all of them in test_receipt).
    """
    data = (issued / "receipt").read_bytes()
    for place in range(0, len(data), max(1, len(data) // 40)):
        (tmp_path / "receipt").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        code = comity("receipt", "verify", tmp_path / "receipt", "--policy", issued / "log.policy")
        assert code == NOT_CLEAR, f"byte {place}"


def test_files_that_are_no_receipt_or_policy_are_told(issued: Path, tmp_path: Path) -> None:
    """
    A wrong policy file or a missing file is a set-up error (65); a file that is no receipt is not valid (1).
    """
    policy, receipt = issued / "log.policy", issued / "receipt"

    assert "cannot be read" in sentence(run("receipt", "verify", receipt, "--policy", tmp_path / "no"), DATA)
    assert "cannot be read" in sentence(run("receipt", "verify", tmp_path / "no", "--policy", policy), DATA)
    assert "claims.json: " in sentence(
        run("receipt", "verify", receipt, "--policy", issued / "claims.json"), DATA
    )
    done = run("receipt", "verify", policy, "--policy", policy)
    assert (done.returncode, done.stdout.startswith("not valid: a receipt begins with")) == (NOT_CLEAR, True)


def test_check_answers_by_exit_code(network: dict[str, Node], issued: Path, tmp_path: Path) -> None:
    """
    0 clear, 1 not clear, 2 could not decide: for a code, and for a manifest by its worst line.
    """
    customs = network["customs"]
    wait_published(customs, code_of(1))
    declared = {"goods": "battery", "condition": "new", "commodity_code": "8507600000", "mass_kg": 452.5}
    lines = [{"line": n, "battery": code_of(number), **declared} for n, number in ((1, 1), (2, 99))]
    options: list[str | Path] = [
        "--goods",
        "battery",
        "--condition",
        "new",
        "--mass-kg",
        "452.5",
        "--law-date",
        "2027-03-01",
        "--data",
        customs.data,
    ]
    bare: list[str | Path] = ["--commodity-code", "850760", "--data", customs.data]

    asked = run("check", code_of(1), *bare)
    clear = run("check", code_of(1), "--commodity-code", "8507600000", "--allow-gaps", *options)
    hold = run("check", code_of(1), "--commodity-code", "8703801000", *options)
    unknown = run("check", code_of(99), "--commodity-code", "8507600000", *options)
    (tmp_path / "manifest.json").write_text(json.dumps({"lines": lines}))
    manifest = run("check", tmp_path / "manifest.json", "--data", customs.data)

    assert clear.returncode == CLEAR, clear.stdout
    assert hold.returncode == NOT_CLEAR
    assert "ground 26(a): commodity_code" in hold.stdout
    assert unknown.returncode == UNDECIDED
    # L21: what is left out is asked for by name; it is never a ground.
    assert asked.returncode == UNDECIDED
    assert "ground" not in asked.stdout
    assert "give `goods`" in asked.stdout and "give `condition`" in asked.stdout
    assert manifest.returncode == UNDECIDED, manifest.stdout + manifest.stderr
    assert "1 undecided" in manifest.stdout
    dropped = run("check", tmp_path / "manifest.json", "--condition", "new", "--data", customs.data)
    assert dropped.returncode == 65 and "--condition is of one battery" in dropped.stderr


def test_every_event_can_be_listed_and_attested(
    network: dict[str, Node], issued: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    `comity attest --list` names every event of the lifecycle; the node takes each by its members' types.
    """
    table = config.read_table("lifecycle.json", config.shipped("rules/lifecycle.json"))
    listed = run("attest", "--list").stdout
    values = {
        "text": "x", "texts": "recycle", "date": "2026-06-05", "integer": "5", "boolean": "true",
        "digest": "A" * 43, "digests": "A" * 43, "identifier": code_of(50), "identifiers": code_of(51),
        "did": CUSTOMS.did, "party": CUSTOMS.did, "eori": "DE1", "declaration": "26NLTEST000001",
        "commodity_code": "850760",
        "vin": "ZZ9DEM0E0T0000001", "country": "DE", "sets": json.dumps({"1": "A" * 43}),
    }  # fmt: skip

    for event in table["events"]:
        assert f"\n{event['type']}  (" in f"\n{listed}"
        members = [
            word
            for name, member in event["members"].items()
            if member["required"]
            for word in ("--member", f"{name}={member.get('values', [values[member['type']]])[0]}")
        ]
        options: list[str | Path] = ["--battery", code_of(60), *members, "--draft"]
        options += ["--data", network["cn"].data]
        capsys.readouterr()
        code = comity("attest", event["type"], *options)
        told = capsys.readouterr()
        assert code == 0, f"{event['type']}: {told.err}"
        assert json.loads(told.out)["event"] == event["type"]


def test_waiting_for_an_attestation_says_what_for(
    network: dict[str, Node],
    issued: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    `comity attest --wait` about a battery without a passport prints at once, and once, what it waits for.
    """
    monkeypatch.setattr("node.cli.operate.WAIT_S", 1.5)
    members = [
        word
        for pair in ("commodity_code=850760", "consignee=DE", "consignment_id=C-10", "queue=true")
        for word in ("--member", pair)
    ]
    capsys.readouterr()

    code = comity(
        "attest",
        "battery.exported",
        "--battery",
        code_of(88),
        *members,
        "--wait",
        "--data",
        network["cn"].data,
    )

    told = capsys.readouterr()
    assert code == DATA
    assert [line.split()[0] for line in told.out.splitlines()] == ["signed", "waiting", "next:"]
    assert "no receipt within" in told.err and "the battery is" in told.err


def test_a_hand_over_is_countersigned_by_the_other_party(
    network: dict[str, Node], issued: Path, tmp_path: Path
) -> None:
    """
    Draft here, countersign there without a node, attest with the countersignature: the ledger takes it (X10).
    """
    maker, importer = network["maker"], network["importer"]
    event = ["responsibility.transferred", "--battery", code_of(1), "--member"]
    event.append(f"incoming_party={importer.party.did}")
    draft = run("attest", *event, "--draft", "--data", maker.data)
    (tmp_path / "draft.json").write_text(draft.stdout)
    at = str(json.loads(draft.stdout)["event_time"])

    agreed = run("attest", "--countersign", tmp_path / "draft.json", "--data", importer.data)
    (tmp_path / "agreed.json").write_text(agreed.stdout)
    alone = run("attest", *event, "--event-time", at, "--data", maker.data)
    both = run(
        "attest", *event, "--event-time", at, "--countersignature", tmp_path / "agreed.json",
        "--wait", "--data", maker.data,
    )  # fmt: skip

    sentence(alone, DATA)
    assert both.returncode == 0, both.stdout + both.stderr
    assert maker.get(f"/batteries/{code_of(1)}")["standing"]["responsible"] == importer.party.did


def test_keys_are_granted_and_links_open_pages_once(network: dict[str, Node]) -> None:
    """
    A granted key works within its scopes; a link opens a session once; secrets are stored as hashes only.
    """
    maker = network["maker"]
    key = run("keys", "grant", "reader", "--scope", "read", "--data", maker.data).stdout.strip()
    link = run("keys", "link", "--scope", "read", "--data", maker.data).stdout.strip()

    assert maker.request("GET", "/passports", authorization=f"Bearer {key}")[0] == 200
    assert maker.request("POST", "/links", {"scopes": ["read"]}, authorization=f"Bearer {key}")[0] == 403
    assert maker.request("GET", "/passports", authorization="Bearer wrong")[0] == 401
    path = link.removeprefix(maker.url)
    assert maker.request("GET", path, authorization=None)[0] == 303
    assert maker.request("GET", path, authorization=None)[0] == 403
    assert "reader  read" in run("keys", "list", "--data", maker.data).stdout
    assert (
        key.encode()
        not in (maker.data / "office.db").read_bytes() + (maker.data / "office.db-wal").read_bytes()
    )


def test_status_and_log_are_readable(network: dict[str, Node], issued: Path) -> None:
    """
    Status and log print what a person asks first: height, peers, entries, checkpoint.
    """
    data = network["importer"].data

    status = run("status", "--data", data).stdout
    assert "observer" in status
    assert f"{MAKER.did}  CN  height" in status
    assert "passport.published" in run("log", "entries", "--data", data).stdout
    assert run("log", "checkpoint", "--data", data).stdout.startswith("log.test.example\n")
