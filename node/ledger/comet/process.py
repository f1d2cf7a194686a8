"""CometBFT's process, as a trade of the node: started, watched, connected to its peers, ended.

It ends with this process, however that ends: a shell holds it, whose standard input is a pipe of ours
(`_TETHER`). It is ended and started again when it has no signer or no application any more: without a signer
CometBFT waits in the middle of a vote, for minutes, and comes to no end of its own (decision 0621).
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from node import log
from node.errors import SetupError, Unreadable
from node.ledger.comet.home import Home
from node.ledger.comet.lines import apart, line_of
from node.ledger.comet.rpc import Rpc, RpcRefused
from node.ledger.comet.server import CONNECTIONS_MAX

TURN_S = 0.25
ASKED_EVERY_S = 0.5
START_S_MAX = 30.0  # until it is connected: it replays what the application lacks before it asks its signer
ALONE_S_MAX = 2.0  # without application or signer, once it had both
SILENT_S_MAX = 8.0  # its RPC has not answered, once it did
END_S_MAX = 3.0
AGAIN_S_MIN, AGAIN_S_MAX, STEADY_S = 0.2, 15.0, 5.0  # who ends again and again is started later each time
LINE_BYTES_MAX = 16 << 10
LINES_PER_TURN = 64
# Its child ends in order on SIGTERM to the group, and at once when our end of the pipe is closed.
_TETHER = """exec 3<&0
trap : TERM
"$@" </dev/null 3<&- &
child=$!
(read -r _ <&3; kill -KILL "$child") 2>/dev/null &
watching=$!
wait "$child"
wait "$child"
kill -KILL "$watching" 2>/dev/null
"""


def find_binary(named: Path | None) -> Path:
    """The program: as node.toml says, else of `make cometbft`, else of the PATH; SetupError without one."""
    built = Path(__file__).resolve().parents[3] / ".cache" / "cometbft" / "cometbft"
    on_path = (Path(folder) / "cometbft" for folder in os.get_exec_path())
    candidates = (named,) if named is not None else (built, *on_path)
    found = next((path for path in candidates if path.is_file() and os.access(path, os.X_OK)), None)
    if found is None:
        where = f"{named} is no program" if named is not None else "the program is not there"
        raise SetupError(
            f"this node's network is ordered by CometBFT, and {where}: build it with `make cometbft` in the "
            "clone of Comity, or name it in node.toml, as binary below [cometbft]"
        )
    try:
        told = subprocess.run(  # noqa: S603 - the operator's own program
            [found, "version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise Unreadable(f"{found} cannot be run ({type(error).__name__}): is it CometBFT?") from error
    if line_of(told) is None:
        raise SetupError(
            f"{found} is CometBFT {told[:40]!a}, and this node speaks with 0.38.x and 0.40.x: "
            "run `make cometbft`"
        )
    return found.resolve()


class CometProcess:
    """One process at a time. `turn` on one thread; `end` from any."""

    name = "cometbft"

    def __init__(
        self,
        binary: Path,
        home: Home,
        *,
        prepare: Callable[[tuple[str, int]], None],
        connections: Callable[[], int],
        signed_for: Callable[[], bool],
        key: Callable[[], bytes],
        listen: tuple[str, int],
    ) -> None:
        """`prepare` writes the home for a host and a port. `listen`: these, for its peers; 0: a free port.

        `connections`, `signed_for`: how many this node's application and signer have of it. `key`: its vote
        key now; CometBFT reads it at its start alone.
        """
        self._binary, self._home, self._prepare = binary, home, prepare
        self._connections, self._signed_for, self._key, self._listen = connections, signed_for, key, listen
        self.peers: Callable[[], Mapping[str, str]] = dict  # {DID: id@host:port} of those to be connected to
        self._rpc = Rpc(home.rpc)
        self._lock = threading.Lock()  # of what `end` does beside `turn`: the process, and its pipes
        self._ending = False
        self._woken = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self._started_s = self._well_s = self._again_s = 0.0
        self._asked_s = self._answered_s = 0.0
        self._later_s = AGAIN_S_MIN  # between its end and its next start
        self._voted_by = b""
        self._dialled: Mapping[str, str] = {}
        self._starting_at = 0  # the port of the one that runs, well or not
        self._told = ""  # its last line, for whoever asks why it ended
        self.port = 0  # where its peers reach it, while it is well
        self.starts = 0
        self.shown: Mapping[str, int] = {}  # what it says of itself, for the metrics

    @property
    def trouble(self) -> str | None:
        """Why it orders nothing now; None while it is well."""
        if self.port:
            return None
        return self._told or "it was not started yet"

    @property
    def pid(self) -> int | None:
        """Of the shell that holds it, while there is one."""
        return None if self._process is None else self._process.pid

    def turn(self) -> None:
        """Start it if it is not there, pass on what it says, look how it does."""
        if self._process is None:
            self._woken.wait(min(TURN_S, max(0.0, self._again_s - time.monotonic())))
            if time.monotonic() >= self._again_s:
                self._start()
            return
        self._hear()
        if self._process.poll() is not None:
            self._ended()
            return
        self._look_after()

    def wake(self) -> None:
        """A turn that waits to start it returns; any other one is short."""
        self._woken.set()

    def end(self) -> None:
        """End it in order, for good; returns when it has ended."""
        with self._lock:
            self._ending = True
            process = self._process
        self.port = 0
        if process is not None:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S_MAX)
            with self._lock:  # its thread does not listen to it now
                _kill(process)

    def _start(self) -> None:
        host, port = self._listen
        port = port or _free_port(host)
        self._prepare((host, port))
        for path in (self._home.rpc, self._home.votes):
            path.unlink(missing_ok=True)  # of one that was killed: no other runs in this home
        # It runs in its home, for the short paths of its sockets: no path is as it is from where this runs.
        command = [str(self._binary.absolute()), "node", "--home", str(self._home.root.absolute())]
        with self._lock:
            if self._ending:
                return
            self._process = subprocess.Popen(  # noqa: S603 - the program that was looked at
                ["/bin/sh", "-c", _TETHER, "cometbft", *command],
                cwd=self._home.root,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._started_s = self._well_s = time.monotonic()
        self._voted_by, self._dialled, self._buffer = self._key(), {}, bytearray()
        self._starting_at, self._told = port, "it starts"
        self.starts += 1
        log.moment("engine_started", pid=self._process.pid, port=port)

    def _ended(self) -> None:
        process, self._process, self.port = self._process, None, 0
        assert process is not None
        _kill(process)
        self._rpc.close()
        if self._ending:
            return
        lasted_s = time.monotonic() - self._started_s
        self._later_s = AGAIN_S_MIN if lasted_s >= STEADY_S else min(2 * self._later_s, AGAIN_S_MAX)
        self._again_s = time.monotonic() + self._later_s
        if self._told == "it starts":
            self._told = "it ended and did not say why"
        log.moment("engine_ended", because=self._told, code=process.returncode)

    def _stop(self, because: str) -> None:
        """Have it started again."""
        log.moment("engine_stopped", because=because)
        process, self._told = self._process, because
        assert process is not None
        _kill(process)
        self._ended()

    # --- while it runs

    def _look_after(self) -> None:
        now = time.monotonic()
        if self._connections() >= CONNECTIONS_MAX and (self._signed_for() or not self.port):
            self._well_s = now
        alone_s, most = now - self._well_s, ALONE_S_MAX if self.port else START_S_MAX
        if alone_s > most:
            self._stop("it had no application or no signer")
        elif self.port and now - self._answered_s > SILENT_S_MAX:
            self._stop("it does not answer")
        elif self._voted_by != self._key():
            self._stop("the key that it votes with is another one now")
        elif now - self._asked_s >= ASKED_EVERY_S:
            self._asked_s = now
            self._ask()

    def _ask(self) -> None:
        try:
            told, net = self._rpc.ask("status"), self._rpc.ask("net_info")
            pool = self._rpc.ask("num_unconfirmed_txs")
            self.shown = {
                "height": int(told["sync_info"]["latest_block_height"]),
                "catching_up": int(bool(told["sync_info"]["catching_up"])),
                "peers": int(net["n_peers"]),
                "mempool": int(pool["n_txs"]),
                "mempool_bytes": int(pool["total_bytes"]),
            }
            self._answered_s = time.monotonic()
            own, others = _versions(told, net)
        except (OSError, RpcRefused, KeyError, ValueError, TypeError) as error:
            if self.port:
                log.moment("engine_silent", because=str(error)[:300])
            return
        if (because := apart(own, others)) is not None:
            self._stop(because)
            return
        if self._signed_for():
            self.port = self._starting_at
        try:
            self._meet()
        except RpcRefused as error:  # it answers, and does not dial what it was given: tried again
            log.moment("engine_meets_nobody", because=str(error)[:300])
        except OSError as error:
            log.moment("engine_silent", because=str(error)[:300])

    def _meet(self) -> None:
        """Have it connected to whoever takes part; who takes part no more is parted with by a new start."""
        peers = dict(self.peers())
        if self._dialled.keys() - peers.keys():
            self._stop("a participant left, with whom it was connected")
        elif fresh := [at for did, at in peers.items() if self._dialled.get(did) != at]:
            self._rpc.ask("dial_peers", peers=list(peers.values()), persistent=True)
            self._dialled = peers
            log.moment("engine_meets", peers=len(fresh))

    def _hear(self) -> None:
        """Wait for what it says, at most a turn; a line of it is a line of ours."""
        assert self._process is not None and self._process.stdout is not None
        out = self._process.stdout
        with self._lock, selectors.DefaultSelector() as selector:
            if out.closed:
                return
            selector.register(out, selectors.EVENT_READ)
            if not selector.select(TURN_S):
                return
            data = os.read(out.fileno(), LINE_BYTES_MAX)
        if not data:  # the pipe's end: it is about to end
            self._woken.wait(0.01)
        *lines, rest = bytes(self._buffer + data).split(b"\n")
        for line in lines[:LINES_PER_TURN]:
            self._tell(line.decode(errors="replace").strip())
        self._buffer = bytearray(rest[-LINE_BYTES_MAX:])

    def _tell(self, line: str) -> None:
        if not line:
            return
        try:
            told: Any = json.loads(line)
            said, why = str(told.pop("_msg")), str(told.get("err", ""))
        except (ValueError, KeyError, AttributeError, TypeError):
            told, said, why = {}, line, ""
        self._told = f"{said} {why}".strip()[:300]
        log.moment("cometbft", said=said, because=why, module=str(told.get("module", "")))


def _versions(status: Mapping[str, Any], net: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Of the own CometBFT, and of those that it is connected with."""
    own = str(status.get("node_info", {}).get("version", ""))
    return own, [str(peer["node_info"]["version"]) for peer in net.get("peers", ())]


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Shell and child, and the pipes to them."""
    _signal(process, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
