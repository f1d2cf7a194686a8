"""What it takes to start CometBFT: its home, its program, its process, and what an operator is told."""

from __future__ import annotations

import base64
import json
import socketserver
import stat
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from consensus.cose import SeedSigner
from credentials.ledger.engine_terms import COMETBFT, EMBEDDED
from credentials.ledger.genesis import Genesis
from node.config import DataDirectory
from node.errors import SetupError
from node.ledger.comet import process as processes
from node.ledger.comet.comet_names import address, chain_id
from node.ledger.comet.home import GOSSIP_MS, LOOK_BACK_BLOCKS, Home
from node.ledger.comet.lines import apart
from node.ledger.comet.process import AGAIN_S_MAX, AGAIN_S_MIN, STEADY_S, CometProcess, find_binary
from node.ledger.comet.rpc import Rpc
from node.ledger.comet.whereabouts import Whereabouts, read_at, told_at
from node.setup.engine_file import ENGINE_FILE, engine_of
from node.setup.engines import require_same
from node.setup.network import verify
from tests.harness.comet import Application, Comet
from tests.harness.engines import founded_now
from tests.harness.net.harness import MAKER, VALIDATORS, found


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return founded_now()


# --- its home


def test_a_network_that_cometbft_orders_is_founded_with_a_home_for_each(tmp_path: Path) -> None:
    """
    `network create --engine cometbft` says so in the network directory, and `network join` writes a home
    from genesis: no peers, no exchange of peers, nothing listens for others of the machine, no key of ours.
    """
    nodes = found(tmp_path, VALIDATORS, engine=COMETBFT)

    data = nodes[MAKER.name].data
    founded = verify(data / "network").genesis
    assert engine_of(data / "network") == COMETBFT
    config = tomllib.loads((data / "comet/config/config.toml").read_text())
    told = json.loads((data / "comet/config/genesis.json").read_text())
    assert (told["chain_id"], told["initial_height"]) == (chain_id(founded.network_id), "1")
    assert config["p2p"]["persistent_peers"] == "" and config["p2p"]["pex"] is False
    assert config["filter_peers"] is True
    assert config["p2p"]["flush_throttle_timeout"] == f"{GOSSIP_MS}ms"
    assert config["consensus"]["peer_gossip_sleep_duration"] == f"{GOSSIP_MS}ms"
    assert {config["proxy_app"], config["priv_validator_laddr"], config["rpc"]["laddr"]} == {
        "unix://app",
        "unix://votes",
        "unix://rpc",
    }
    assert config["consensus"]["double_sign_check_height"] == LOOK_BACK_BLOCKS
    waits = ("propose", "prevote", "precommit")
    assert {f"timeout_{step}{delta}" for step in waits for delta in ("", "_delta")} < config[
        "consensus"
    ].keys()
    assert (
        config["consensus"]["create_empty_blocks_interval"] == f"{founded.governance.limits.heartbeat_ms}ms"
    )
    assert not (data / "comet/config/priv_validator_key.json").exists()
    assert stat.S_IMODE((data / "comet/config/node_key.json").stat().st_mode) == 0o600
    others = [Home(node.data / "comet").node_id() for node in nodes.values()]
    assert len(set(others)) == len(nodes)


def test_a_network_says_what_orders_it(tmp_path: Path) -> None:
    """
    Without a word it is the embedded engine; a file that says something else than an engine is told.
    """
    assert engine_of(tmp_path) == EMBEDDED
    for text in ('engine = "raft"', 'engine = "cometbft"\npeers = 4', "engine = 7"):
        (tmp_path / ENGINE_FILE).write_text(text)
        with pytest.raises(SetupError, match=ENGINE_FILE):
            engine_of(tmp_path)


def test_the_home_is_written_again_and_its_node_key_kept(tmp_path: Path, genesis: Genesis) -> None:
    """
    Each start writes what follows from genesis and limits; the id under which peers know it stays, and is
    the one that CometBFT makes of that file.
    """
    home = Home(tmp_path / "comet")
    limits = genesis.governance.limits
    home.write(genesis, limits, listen=("127.0.0.1", 7001))
    before = home.node_id()
    (tmp_path / "comet/config/config.toml").write_text("edited = true")
    home.write(genesis, limits, listen=("::1", 7002), look_back=9)

    config = tomllib.loads((tmp_path / "comet/config/config.toml").read_text())
    key = json.loads((tmp_path / "comet/config/node_key.json").read_text())["priv_key"]["value"]
    seed, public = base64.b64decode(key)[:32], base64.b64decode(key)[32:]
    assert (config["p2p"]["laddr"], config["consensus"]["double_sign_check_height"]) == (
        "tcp://[::1]:7002",
        9,
    )
    assert home.node_id() == before == address(public)
    assert SeedSigner("", seed).public_key == public
    (tmp_path / "comet/config/node_key.json").write_text("{}")
    with pytest.raises(SetupError, match="holds no key: remove it"):
        home.node_id()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('engine = "raft"', "engine is embedded or cometbft"),
        ("engine = true", "engine is embedded or cometbft"),
        ("[cometbft]\nbinary = 7", "cometbft.binary is the path of the program"),
        ('[cometbft]\nlisten = "26656"', "cometbft.listen is HOST:PORT"),
        ('[cometbft]\nlisten = "0.0.0.0:99999"', "cometbft.listen is HOST:PORT"),
        ("[cometbft]\nport = 5", "cometbft.port is not known"),
    ],
)
def test_a_setting_of_the_engine_is_read_strictly(tmp_path: Path, text: str, told: str) -> None:
    """
    Another engine, a program that is no path, an address that is none: told with the setting's name.
    """
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(SetupError, match=told):
        DataDirectory(tmp_path).settings()


def test_the_engine_settings_are_what_was_written(tmp_path: Path) -> None:
    """
    The program is found beside node.toml.
    """
    (tmp_path / "node.toml").write_text(
        'engine = "cometbft"\n[cometbft]\nbinary = "bin/c"\nlisten = "[::1]:26656"\n'
    )
    settings = DataDirectory(tmp_path).settings()

    assert settings.engine == COMETBFT
    assert settings.cometbft.binary == tmp_path / "bin/c"
    assert settings.cometbft.listen == ("::1", 26656)


# --- its program


def program(folder: Path, script: str, version: str = "0.38.25+x") -> Path:
    """A program in CometBFT's place: it says a version, and does what the test needs."""
    path = folder / "cometbft"
    path.write_text(f'#!/bin/sh\nif [ "$1" = version ]; then echo {version}; exit; fi\n{script}\n')
    path.chmod(0o700)
    return path


def test_a_program_that_is_not_there_or_another_one_is_told(tmp_path: Path) -> None:
    """
    Who lacks it reads what builds it; one of another line, or no CometBFT at all, is not started.
    """
    with pytest.raises(SetupError, match="is no program: build it with `make cometbft`"):
        find_binary(tmp_path / "nothing")
    for other in ("1.0.1", "0.37.9", "0.39.1", "0.380.1"):
        with pytest.raises(SetupError, match=rf"is CometBFT '{other}', and this node speaks with 0\.38"):
            find_binary(program(tmp_path, "", version=other))
    (tmp_path / "other").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "other").chmod(0o700)
    with pytest.raises(SetupError, match="cannot be run"):
        find_binary(tmp_path / "other")
    for version in ("0.38.25", "v0.38.26+c0ffee", "0.40.0", "0.39.0"):  # v0.40.0 says that it is 0.39.0
        assert find_binary(program(tmp_path, "", version=version)) == tmp_path / "cometbft"


# --- its process


class Watched:
    """A process with a program in CometBFT's place, and turns as its thread would take them."""

    def __init__(self, folder: Path, script: str) -> None:
        (folder / "comet").mkdir()
        self.signed, self.key, self.prepared = True, b"key", list[tuple[str, int]]()
        self.process = CometProcess(
            program(folder, script),
            Home(folder / "comet"),
            prepare=self.prepared.append,
            connections=lambda: 4,
            signed_for=lambda: self.signed,
            key=lambda: self.key,
            listen=("127.0.0.1", 0),
        )

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not done():
            assert time.monotonic() < deadline
            self.process.turn()


def lines(captured: str, at: str) -> list[dict[str, str]]:
    told = [json.loads(line) for line in captured.splitlines() if line.startswith("{")]
    return [line for line in told if line["at"] == at]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_what_it_says_is_in_our_log_and_its_end_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Its lines are lines of the node's log, whatever they are; it is started again, on a fresh home.
    """
    script = """echo '{"_msg":"cannot go on","err":"disk full","module":"main"}'; echo 'panic: no'; exit 2"""
    watched = Watched(tmp_path, script)
    watched.until(lambda: watched.process.starts == 2)
    watched.process.end()

    told = capsys.readouterr().err
    said = [(line["said"], line["because"]) for line in lines(told, "cometbft")]
    assert ("cannot go on", "disk full") in said and ("panic: no", "") in said
    assert lines(told, "engine_ended")[0]["because"] == "panic: no"
    assert watched.process.trouble is not None
    assert len(watched.prepared) == 2 and watched.prepared[0][0] == "127.0.0.1"


def test_who_ends_again_and_again_is_started_later_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Up to a bound, after hours as after minutes; once it has lasted, soon again.
    """
    monkeypatch.setattr(processes, "_kill", lambda process: None)
    process, waits = Watched(tmp_path, "").process, list[float]()
    for lasted_s in (*[0.0] * 1100, STEADY_S):  # the last of 1,100 is four and a half hours after the first
        process._process = subprocess.CompletedProcess([], 2)  # type: ignore[assignment]
        process._started_s = time.monotonic() - lasted_s
        process._ended()
        waits.append(process._again_s - time.monotonic())

    assert waits[0] < waits[1] < waits[3] < AGAIN_S_MAX
    assert max(waits) <= AGAIN_S_MAX and waits[1099] > AGAIN_S_MAX / 2
    assert waits[1100] <= AGAIN_S_MIN


@pytest.mark.parametrize(
    ("what", "because"), [("signed", "it had no application or no signer"), ("key", "another one now")]
)
def test_it_is_started_again_without_signer_or_with_another_key(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
    because: str,
) -> None:
    """
    Who lost the signer, or votes with a key that is another one by now, is ended and started again.
    """
    monkeypatch.setattr(processes, "ALONE_S_MAX", 0.3)
    watched = Watched(tmp_path, "exec sleep 600")
    watched.process.turn()
    watched.process.port = 1  # as after its first answer
    watched.process._answered_s = time.monotonic()
    setattr(watched, what, False if what == "signed" else b"rotated")
    watched.until(lambda: watched.process.starts == 2)
    watched.process.end()

    assert lines(capsys.readouterr().err, "engine_stopped")[0]["because"].endswith(because)


def test_what_is_ended_by_another_thread_costs_its_own_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A turn that comes after `end` took the process away raises nothing, and there is none any more; no turn
    listens to it while its pipes are closed.
    """
    monkeypatch.setattr(processes, "END_S_MAX", 0.1)
    watched = Watched(tmp_path, "trap '' TERM; while :; do echo still here; sleep 0.01; done")
    watched.until(lambda: watched.process.trouble == "still here")
    watched.process.end()
    assert watched.process.pid is not None
    watched.process.turn()

    assert watched.process.pid is None


class Answering(socketserver.ThreadingUnixStreamServer):
    """CometBFT's RPC of one that is well, and connects to nobody it is given."""

    daemon_threads = True
    refusal = "invalid peer address"
    results: Mapping[str, object] = {
        "status": {"sync_info": {"latest_block_height": "7", "catching_up": False}},
        "net_info": {"n_peers": "0"},
        "num_unconfirmed_txs": {"n_txs": "0", "total_bytes": "0"},
    }

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def do_POST(self) -> None:
            method = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["method"]
            refused = {"error": {"message": "Internal error", "data": Answering.refusal}}
            told = {"result": Answering.results[method]} if method in Answering.results else refused
            body = json.dumps({"jsonrpc": "2.0", "id": 1, **told}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "a Unix socket"

        def log_message(self, format: str, *args: object) -> None: ...


def test_one_that_answers_and_dials_nobody_is_not_called_silent(
    tmp_path: Path, socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    It refuses an address that it is to connect to: the log says that, it stays well, and is asked again.
    """
    server = Answering(str(socket_path), Answering.Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    watched = Watched(tmp_path, "exec sleep 600")
    watched.process._rpc = Rpc(socket_path)
    watched.process.peers = lambda: {"did:web:b.example": "0@nowhere:0"}
    watched.process.turn()
    told: list[str] = []
    try:
        while len(lines("\n".join(told), "engine_meets_nobody")) < 2:
            watched.process.turn()
            told += capsys.readouterr().err.splitlines()
    finally:
        watched.process.end()
        server.shutdown()
        server.server_close()

    assert not lines("\n".join(told), "engine_silent")
    assert Answering.refusal in lines("\n".join(told), "engine_meets_nobody")[0]["because"]
    assert watched.process.shown["height"] == 7 and watched.process.starts == 1


def seen(version: str) -> dict[str, object]:
    return {"node_info": {"version": version}}


def test_of_two_lines_in_one_network_the_lesser_ends_and_says_so(
    tmp_path: Path, socket_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whose CometBFT is of another line than more of those it is connected with than are of its own stops it:
    it is not ready, and reads which line the others run and where it names the program.
    """
    peers = [seen("0.38.25"), seen("0.38.26"), seen("0.38.25"), seen("0.39.0")]
    own = {**seen("0.40.0"), "sync_info": {"latest_block_height": "7", "catching_up": False}}
    net = {"n_peers": "4", "peers": peers}
    monkeypatch.setattr(Answering, "results", {**Answering.results, "status": own, "net_info": net})
    server = Answering(str(socket_path), Answering.Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    watched = Watched(tmp_path, "exec sleep 600")
    watched.process._rpc = Rpc(socket_path)
    try:
        watched.until(lambda: watched.process._process is not None)
        watched.until(lambda: watched.process._process is None)
    finally:
        watched.process.end()
        server.shutdown()
        server.server_close()

    told = lines(capsys.readouterr().err, "engine_stopped")[0]["because"]
    assert told == watched.process.trouble
    assert told.startswith("this node's CometBFT is of the line 0.40, and 3 of the 4 that it is connected")
    assert "with are of 0.38: all of a network run one line. Name such a program in node.toml" in told
    assert watched.process.port == 0


@pytest.mark.parametrize(
    ("own", "others", "stops"),
    [
        ("0.38.25", [], False),
        ("0.38.25", ["0.38.26", "v0.38.1+x"], False),
        ("0.38.25", ["0.40.0"], False),  # it may be the other's fault: that one sees more of these
        ("0.38.25", ["0.40.0", "0.39.0"], True),
        ("0.39.0", ["0.40.0", "0.38.25", "0.38.25"], False),
        ("0.40.0", ["0.40.0", "0.38.25", "0.38.25", "0.38.25"], True),
        ("0.38.25", ["1.0.0", "1.0.0"], True),
        ("", ["0.40.0", "0.40.0"], False),  # nothing is known of it
    ],
)
def test_who_is_of_the_lesser_line(own: str, others: list[str], stops: bool) -> None:
    """
    More of those it is connected with than are of its own line, itself among them; v0.40.0 says it is 0.39.0.
    """
    assert (apart(own, others) is not None) == stops


def test_it_ends_with_us_and_in_order(tmp_path: Path) -> None:
    """
    `end` is SIGTERM to it, and returns when it has ended: it had its time to put things away.
    """
    away, pid = tmp_path / "away", tmp_path / "pid"
    script = f"trap 'echo put > {away}; exit 0' TERM; echo $$ > {pid}; while :; do sleep 0.05; done"
    watched = Watched(tmp_path, script)
    watched.process.turn()
    watched.until(pid.exists)
    time.sleep(0.1)
    watched.process.end()

    assert away.exists()
    assert gone(int(pid.read_text()))


def test_it_does_not_outlive_a_node_that_is_killed(tmp_path: Path) -> None:
    """
    Whoever started it is killed with SIGKILL, and says nothing: it ends all the same.
    """
    script = program(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600")
    code = (
        "import subprocess, sys, os, signal, time; from node.ledger.comet.process import _TETHER\n"
        f"subprocess.Popen(['/bin/sh', '-c', _TETHER, 'cometbft', {str(script)!r}], stdin=subprocess.PIPE, "
        "start_new_session=True)\n"
        f"while not os.path.exists({str(tmp_path / 'pid')!r}): time.sleep(0.02)\n"
        "time.sleep(0.1); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=30)

    pid, deadline = int((tmp_path / "pid").read_text()), time.monotonic() + 10
    while not gone(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- whom it is connected to


def test_only_who_takes_part_and_said_where_is_connected_to() -> None:
    """
    The host is that of the node's own address; who is on no ledger, or said nothing, is let in nowhere.
    """
    seen = Whereabouts()
    seen.where = lambda: {
        "did:a": "https://a.example:8470",
        "did:b": "http://[::1]:8",
        "did:c": "http://c.example",
    }
    for did, byte in (("did:a", b"a"), ("did:b", b"b"), ("did:stranger", b"s")):
        seen.learn(did, told_at(byte * 20, 7001))
    seen.learn("did:a", b"")  # it is being started again: what it said stays

    assert seen.peers() == {"did:a": f"{'61' * 20}@a.example:7001", "did:b": f"{'62' * 20}@[::1]:7001"}
    assert seen.admits("61" * 20) and not seen.admits("73" * 20) and not seen.admits("")


@pytest.mark.parametrize("said", [b"", b"\xff", b"\x80", told_at(b"x" * 19, 1), told_at(b"x" * 20, 65_536)])
def test_what_says_nothing_of_a_place_is_passed_over(said: bytes) -> None:
    """
    Nothing, no CBOR, another id, a port that there is not.
    """
    assert read_at(said) is None


# --- one engine for a ledger


def test_a_ledger_is_continued_by_the_engine_that_wrote_it(
    tmp_path: Path, genesis: Genesis, socket_path: Path
) -> None:
    """
    What CometBFT ordered the embedded engine refuses, with a sentence; a new ledger is anybody's. A damaged
    one says what brings it back: `comity rebuild` makes none that CometBFT ordered.
    """
    application = Application(genesis, tmp_path / "node", socket_path)
    require_same(EMBEDDED, application.store)
    comet = Comet(genesis, socket_path)
    comet.connect()
    comet.decide(int(time.time()))
    comet.hang_up()

    require_same(COMETBFT, application.store)
    (kept,) = application.store.certificates(1)
    with application.store._db.writing() as db:
        db.execute("UPDATE blocks SET certificate = x'f6'")
    with pytest.raises(SetupError, match=r"Move it away, and start the node: CometBFT gives it every block"):
        Application(genesis, tmp_path / "node", tmp_path / "app")
    with application.store._db.writing() as db:
        db.execute("UPDATE blocks SET certificate = ?", (kept,))
    with pytest.raises(SetupError, match=r'ordered by CometBFT, .*write engine = "cometbft" in node\.toml'):
        require_same(EMBEDDED, application.store)
    application.stop()


def test_a_newcomer_is_told_where_it_begins_and_nobody_else_is(tmp_path: Path, genesis: Genesis) -> None:
    """
    The header that it trusts, by height and hash, and whom its light client asks: behind a socket of this
    node, in place of the addresses that CometBFT wants. Without a header there is no such table.
    """
    home = Home(tmp_path / "comet")
    for trusted in (None, (7, bytes(range(32)))):
        home.write(genesis, genesis.governance.limits, listen=("127.0.0.1", 7001), trusted=trusted)
        told = tomllib.loads((tmp_path / "comet" / "config" / "config.toml").read_text())
        assert ("statesync" in told) == (trusted is not None)
    assert told["statesync"] == {
        "enable": True,
        "rpc_servers": ["unix://headers"] * 4,
        "trust_height": 7,
        "trust_hash": bytes(range(32)).hex().upper(),
        "trust_period": "175320h",
        "discovery_time": "5s",
        "temp_dir": "data",
    }
