"""CometBFT's RPC (JSON-RPC 2.0 over HTTP), on the Unix socket in its home: this node alone asks there."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

ANSWER_S_MAX = 5.0
ANSWER_BYTES_MAX = 4 << 20


class RpcRefused(Exception):
    """CometBFT answered that it does not do this, and why."""


class _Local(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, seconds_max: float) -> None:
        super().__init__("localhost")
        self._path, self._seconds_max = path, seconds_max

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._seconds_max)
        self.sock.connect(str(self._path))


class Rpc:
    """One connection, made again after whatever ends it. Of one thread."""

    def __init__(self, path: Path, seconds_max: float = ANSWER_S_MAX) -> None:
        self._connection = _Local(path, seconds_max)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result; OSError when nobody answers, RpcRefused with CometBFT's reason."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        try:
            self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
            told = json.loads(self._connection.getresponse().read(ANSWER_BYTES_MAX))
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            self._connection.close()
            if isinstance(error, OSError):
                raise
            raise ConnectionError(f"CometBFT's answer cannot be read: {type(error).__name__}") from error
        match told:
            case {"error": {"message": why, **more}}:
                raise RpcRefused(f"{why}: {more.get('data')}")
            case {"result": dict(result)}:
                return result
        self._connection.close()
        raise ConnectionError("CometBFT's answer is neither a result nor an error")

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()
