"""What CometBFT's light client asks of RPC servers, asked of the nodes of peers instead (decision node 0650).

    CometBFT - HTTP, DIR/comet/headers -> this node - signed, /peer/engine -> a peer -> its CometBFT

No RPC of a CometBFT listens for others. A peer is asked for headers, validators and limits of a height, and
for nothing else; who answers is believed in nothing: the light client verifies it, or it is compared.

    engine     [method, {name: number}]  -> what CometBFT's RPC answered, JSON: {"result": } or {"error": }
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from consensus.encoding import Value, decode, encode, whole_numbers
from consensus.errors import ConsensusError
from node import log
from node.errors import ProblemError, bad_request, not_found
from node.ledger.comet.headers import Header, HeaderError, read_header
from node.ledger.comet.rpc import Rpc, RpcRefused

METHODS: Mapping[str, frozenset[str]] = {
    "commit": frozenset({"height"}),
    "validators": frozenset({"height", "page", "per_page"}),
    "consensus_params": frozenset({"height"}),
}
PEERS_ASKED = 3  # of one question, until one has an answer
ASKED_BYTES_MAX = 64 << 10
TURN_S, EXCHANGE_S_MAX = 0.25, 5.0
PROMPT_S_MAX = 1.0  # of the own CometBFT, for a peer: the threads that answer peers are few

Ask = Callable[[str, bytes], bytes]  # a signed question to a peer, and its answer; OSError, ProblemError


def answer_peer(rpc: Rpc, content: bytes) -> bytes:
    """What this node's CometBFT says; 400 for what is no such question, 404 while it is not there."""
    try:
        match decode(content, size_bytes_max=ASKED_BYTES_MAX):
            case [str(method), dict(named)] if method in METHODS and named.keys() == METHODS[method]:
                if not whole_numbers(*named.values()):
                    raise bad_request("malformed", "a height and a page are numbers")
                numbers = {str(name): str(number) for name, number in named.items()}
            case _:
                raise bad_request("malformed", "of an engine peers ask headers, validators and limits")
    except ConsensusError as error:
        raise bad_request("malformed", str(error)) from error
    try:
        answer = json.dumps({"result": rpc.ask(method, **numbers)})
    except RpcRefused as error:
        answer = json.dumps(_error(str(error)))
    except OSError as error:
        raise not_found("engine_away", "the engine of this node does not answer now") from error
    finally:
        rpc.close()
    return answer.encode()


class Relay:
    """Asks peers, one after the other, as a trade that CometBFT finds at `path`."""

    name = "headers"

    def __init__(self, path: Path, ask: Ask, peers: Callable[[], Iterable[str]]) -> None:
        """`peers`: DIDs of those whose nodes said that they have a CometBFT."""
        self._ask, self._peers, self._turns = ask, peers, 0
        path.unlink(missing_ok=True)
        self._path, self._listener = path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        self._listener.settimeout(TURN_S)

    def turn(self) -> None:
        """Answer one question, or wait for one."""
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        with sock, contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            sock.settimeout(EXCHANGE_S_MAX)
            asked = json.loads(_body(sock))
            told = self._told(asked["method"], dict(asked["params"]))
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            sock.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)

    def wake(self) -> None:
        """A turn is short."""

    def close(self) -> None:
        """Nobody is answered any more."""
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def header(self, height: int) -> Header:
        """As a peer shows it: true of nothing but its own hash. OSError where nobody shows one."""
        told = self._told("commit", {"height": height})
        try:
            header = read_header(told["result"]["signed_header"]["header"])
        except (KeyError, TypeError, HeaderError) as error:
            raise ConnectionError(f"no peer shows the header of block {height}") from error
        if header.height != height:
            raise ConnectionError(f"a peer shows another header than that of block {height}")
        return header

    def _told(self, method: str, named: Mapping[str, Any]) -> dict[str, Any]:
        """What the first of some peers with an answer says; each question begins with the next peer."""
        peers, asked = sorted(self._peers()), question(method, named)
        self._turns += 1
        told = _error("no peer answers")
        for place in range(min(len(peers), PEERS_ASKED)):
            did = peers[(self._turns + place) % len(peers)]
            try:
                told = read_answer(self._ask(did, asked))
            except (OSError, ProblemError, ConsensusError, ValueError) as error:
                log.moment("header_not_shown", peer=did, because=str(error)[:300])
                continue
            if "result" in told:
                break
        return told


def question(method: str, named: Mapping[str, Any]) -> bytes:
    """What a peer is asked; raises ValueError for what none is asked for."""
    numbers: dict[Value, Value] = {name: int(number) for name, number in named.items()}
    if numbers.keys() != METHODS.get(method):
        raise ValueError(f"peers are not asked for {method!a:.40}")
    return encode([method, numbers])


def read_answer(answer: bytes) -> dict[str, Any]:
    """{"result": ...} or {"error": ...}; raises ValueError."""
    try:
        told = json.loads(answer)
    except RecursionError as error:
        raise ValueError("nested too deep to be an answer of CometBFT") from error
    match told:
        case {"result": dict(result)}:
            return {"result": result}
        case {"error": dict(refusal)}:
            return {"error": refusal}
    raise ValueError("neither a result nor an error of CometBFT")


def _error(data: str) -> dict[str, object]:
    """As CometBFT says it: its light client reads the sentence."""
    return {"error": {"code": -32603, "message": "Internal error", "data": data}}


def _body(sock: socket.socket) -> bytes:
    """Of one HTTP request: CometBFT says how long it is."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(sock, data)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("ascii", "replace").lower().split("\r\n")[1:]
    lengths = (int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
    length = next(lengths, 0)
    while len(body) < min(length, ASKED_BYTES_MAX):
        body += _more(sock, body)
    return body


def _more(sock: socket.socket, data: bytes) -> bytes:
    more = sock.recv(ASKED_BYTES_MAX) if len(data) < ASKED_BYTES_MAX else b""
    if not more:
        raise ValueError("the question ends before it is whole, or has no end")
    return more
