"""How commands reach a running node: its HTTP API, with the operator's key of --data, or --node and --key."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from node.config import DataDirectory, environment
from node.errors import ProblemError, SetupError
from node.peers.certificates import by_authority
from node.peers.link import Link, LinkError, Question

JSON = dict[str, Any]
ANSWER_S_MAX = 300.0
ANSWER_BYTES_MAX = 64 << 20

Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Client:
    """One node's API."""

    url: str
    key: str | None
    certificate: Path | None = None  # of a node on this machine, that it made for itself

    def get(self, path: str) -> JSON:
        return self._json("GET", path, None)

    def post(self, path: str, body: JSON) -> JSON:
        return self._json("POST", path, body)

    def text(self, path: str) -> str:
        return self._send("GET", path, None, "text/plain").decode()

    def _json(self, method: str, path: str, body: JSON | None) -> JSON:
        answer = self._send(method, path, body, "application/json")
        value = json.loads(answer)
        return value if isinstance(value, dict) else {"value": value}

    def _send(self, method: str, path: str, body: JSON | None, accept: str) -> bytes:
        headers = {"accept": accept}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        if body is not None:
            headers["content-type"] = "application/json"
        own = self.certificate is not None and self.certificate.exists()
        link = Link(self.url, [by_authority(str(self.certificate))] if own else ())
        try:
            question = Question(method, path, None if body is None else json.dumps(body).encode(), headers)
            status, answer = link.ask(question, seconds_max=ANSWER_S_MAX, size_bytes_max=ANSWER_BYTES_MAX)
        except LinkError as error:
            raise ProblemError(502, "strange_answer", "Strange answer", str(error)) from error
        except ssl.SSLCertVerificationError as error:
            raise ProblemError(
                502,
                "not_believed",
                "Not believed",
                f"the certificate shown at {self.url} is not believed here: {error.verify_message}. For one "
                "on this machine give --data DIR; others need a certificate of an authority (--tls-cert)",
            ) from error
        except OSError as error:
            raise ProblemError(
                503, "unreachable", "Not reachable", f"no node answers at {self.url}: is it running?"
            ) from error
        finally:
            link.close()
        if status >= 400:
            raise _problem(status, answer)
        return answer


def _problem(status: int, body: bytes) -> ProblemError:
    try:
        document = json.loads(body)
        return ProblemError(status, document.get("code", "refused"), document["title"], document["detail"])
    except (ValueError, KeyError, AttributeError):
        return ProblemError(status, "refused", "Refused", f"the node answered {status}")


def speaks_to_node(command: Command) -> Command:
    """Add --data, --node, --key to a command, and give it a `client`."""

    @click.option("--data", type=click.Path(path_type=Path), help="Data directory of a node on this machine.")
    @click.option("--node", help="URL of a node; otherwise COMITY_NODE.")
    @click.option("--key", help="Bearer key; otherwise COMITY_KEY, or the operator's key of --data.")
    @wraps(command)
    def connected(*args: Any, data: Path | None, node: str | None, key: str | None, **kwargs: Any) -> Any:
        return command(*args, client=connect(data, node, key), **kwargs)

    return connected


def options(*added: Command) -> Command:
    """Several options as one decorator, for a command that has many."""

    def add(command: Command) -> Command:
        for option in reversed(added):
            command = option(command)
        return command

    return add


def connect(data: Path | None, node: str | None, key: str | None) -> Client:
    """A client for the node that was named."""
    url = node or environment("COMITY_NODE")
    token = key or environment("COMITY_KEY")
    if data is not None:
        directory = DataDirectory(data)
        token = token or directory.operator()
        if url is None:
            try:
                url = directory.address.read_text().strip()
            except FileNotFoundError as error:
                raise SetupError(
                    f"the node of {data} was never started: run `comity serve --data {data}`"
                ) from error
    if url is None:
        raise click.UsageError("which node? Give --data DIR, --node URL, or set COMITY_NODE")
    from credentials.documents.uri import is_web_url  # noqa: PLC0415

    if not is_web_url(url):
        raise click.UsageError(f"a node is named by its URL: http://{url}, not {url}")
    return Client(url.rstrip("/"), token, None if data is None else DataDirectory(data).certificate)


def read_json(path: str) -> Any:
    """A JSON file, or standard input for `-`; strict, as at the API."""
    from credentials.documents.canonical import parse_json  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415

    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return parse_json(data, size_bytes_max=16 << 20)
    except CredentialError as error:
        raise SetupError(f"{path}: {error}") from error


def show(value: Any) -> None:
    """Print JSON for people and programs."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
