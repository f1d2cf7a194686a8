"""How commands reach a running node: its HTTP API, with the operator's key of --data, or --node and --key."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from node.cli.terminal import say
from node.config import DataDirectory, environment
from node.errors import AnsweredProblem, ProblemError, SetupError, Unfit
from node.named_files import read_named
from node.setup.closing import close_to_others, is_data_directory

if TYPE_CHECKING:
    import requests

JSON = dict[str, Any]
CONNECT_S_MAX = 10.0
ANSWER_S_MAX = 300.0
PART_BYTES = 64 << 10
ANSWER_BYTES_MAX = 64 << 20
FILE_BYTES_MAX, FILE_VALUES_MAX = 16 << 20, 1 << 20  # a manifest
NAMED_MAX = 8  # of files that were open to others

Command = Callable[..., Any]


class NodeAnswer(dict[str, Any]):
    """A JSON object of an answer: a member that every node sends and this one did not is told as that."""

    def __missing__(self, name: str) -> Any:
        raise _strange(
            f"the answer has no `{name}`: what answers there is no node, or one of another version"
        )


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
        answer = self._send("GET", path, None, "text/plain")
        try:
            return answer.decode()
        except UnicodeDecodeError as error:
            raise _strange(f"what answers at {self.url} is no node: its answer is not text") from error

    def _json(self, method: str, path: str, body: JSON | None) -> JSON:
        answer = self._send(method, path, body, "application/json")
        try:
            value = json.loads(answer, object_hook=NodeAnswer)
        except (ValueError, RecursionError) as error:
            raise _strange(f"what answers at {self.url} is no node: its answer is not JSON") from error
        if not isinstance(value, NodeAnswer):
            raise _strange(f"what answers at {self.url} is no node: its answer is not a JSON object")
        return value

    def _send(self, method: str, path: str, body: JSON | None, accept: str) -> bytes:
        import requests  # noqa: PLC0415  (only a command that asks a node pays for it)

        headers = {"accept": accept, "accept-encoding": "identity"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        if body is not None:
            headers["content-type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        with requests.Session() as session:
            session.trust_env = False  # nobody's proxy and no .netrc between an operator and the node
            if self.certificate is not None and self.certificate.exists():
                session.verify = str(self.certificate)
            try:
                with session.request(
                    method,
                    self.url + path,
                    data=data,
                    headers=headers,
                    timeout=(CONNECT_S_MAX, ANSWER_S_MAX),
                    allow_redirects=False,
                    stream=True,
                ) as answer:
                    status, content = answer.status_code, _content(answer)
            except (requests.RequestException, OSError) as error:
                raise self._failed(error) from error
        if status >= 400:
            raise _problem(status, content)
        if status >= 300:
            raise _strange(f"{self.url} answers with another address")
        return content

    def _failed(self, error: Exception) -> ProblemError:
        """Whose fault it is that there is no answer."""
        import ssl  # noqa: PLC0415
        from http.client import HTTPException  # noqa: PLC0415

        causes = list(_causes(error))
        untrusted = next((c for c in causes if isinstance(c, ssl.SSLCertVerificationError)), None)
        if untrusted is not None:
            return ProblemError(
                502,
                "not_believed",
                "Not believed",
                f"the certificate shown at {self.url} is not believed here: {untrusted.verify_message}. For "
                "one on this machine give --data DIR; others need a certificate of an authority (--tls-cert)",
            )
        if any(isinstance(cause, HTTPException | ssl.SSLError) for cause in causes):
            return _strange(f"what answers at {self.url} is no node")
        return ProblemError(
            503, "unreachable", "Not reachable", f"no node answers at {self.url}: is it running?"
        )


def _content(answer: requests.Response) -> bytes:
    """The body as it travels, within its bounds in bytes and in time."""
    until, content = time.monotonic() + ANSWER_S_MAX, bytearray()
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise _strange("the answer is compressed, which nobody asked for")
    for part in answer.iter_content(PART_BYTES):
        content += part
        if len(content) > ANSWER_BYTES_MAX:
            raise _strange(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > until:
            raise _strange(f"the answer takes longer than {ANSWER_S_MAX:.0f} s")
    return bytes(content)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised for."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _strange(why: str) -> ProblemError:
    return ProblemError(502, "strange_answer", "Strange answer", why)


def _problem(status: int, body: bytes) -> ProblemError:
    try:
        document = json.loads(body)
        step = {name: document[name] for name in ("fault", "next") if isinstance(document.get(name), str)}
        return AnsweredProblem(
            status, document.get("code", "refused"), document["title"], document["detail"], step=step
        )
    except (ValueError, KeyError, AttributeError):
        return ProblemError(status, "refused", "Refused", f"the node answered {status}")


def speaks_to_node(command: Command) -> Command:
    """Add --data, --node, --key to a command, and give it a `client`."""

    @click.option("--data", type=DataFolder(), help="Data directory of a node on this machine.")
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


class DataFolder(click.Path):
    """A data directory that is named on the command line: closed to others before anything is read of it."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        assert isinstance(path, Path), "as `path_type` says"
        if is_data_directory(path) and (opened := close_to_others(path)):
            names = ", ".join(opened[:NAMED_MAX]) + (", ..." if len(opened) > NAMED_MAX else "")
            say(f"comity: {names} could be read or changed by others on this machine: closed now", err=True)
        return path


class NamedParty(click.types.StringParamType):
    """A party by its DID, or one of its keys by DID and fragment: in the one spelling that is on record."""

    name = "did"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from credentials.documents.identifiers import canonical_did  # noqa: PLC0415
        from credentials.errors import CredentialError  # noqa: PLC0415

        did, hash_sign, fragment = str(value).partition("#")
        try:
            return canonical_did(did) + hash_sign + fragment
        except CredentialError as error:
            raise SetupError(str(error), step="Write the DID as `comity network show` has it.") from error


def connect(data: Path | None, node: str | None, key: str | None) -> Client:
    """A client for the node that was named."""
    url = node or environment("COMITY_NODE")
    token = key or environment("COMITY_KEY")
    if data is not None:
        directory = DataDirectory(data)
        token = token or directory.operator()
        url = url or directory.url()
    if url is None:
        raise click.UsageError("which node? Give --data DIR, --node URL, or set COMITY_NODE")
    from credentials.documents.uri import is_web_url  # noqa: PLC0415

    if not is_web_url(url):
        hint = "" if "://" in url else f", such as http://{url}"
        raise click.UsageError(f"a node is named by its URL{hint}, and {url} is none")
    if token is not None and not (token.isascii() and token.isprintable()):
        raise click.UsageError(
            "a key is letters, digits and signs of ASCII, as `comity keys grant` prints it"
        )
    return Client(url.rstrip("/"), token, None if data is None else DataDirectory(data).certificate)


def named(text: str) -> str:
    """What a person typed, as one part of an address: it leads nowhere else."""
    if not text.strip("."):
        raise click.UsageError(f"{text!r} is neither a digest nor an id")
    return quote(text, safe="")


def read_json(path: str) -> Any:
    """A JSON file, or standard input for `-`; strict, as at the API."""
    from credentials.documents.canonical import parse_json  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415

    data = read_named(Path(path), FILE_BYTES_MAX, stdin=True)
    try:
        return parse_json(data, size_bytes_max=FILE_BYTES_MAX, values_max=FILE_VALUES_MAX)
    except CredentialError as error:
        raise Unfit(f"{path}: {error}") from error


def write_out(text: str, output: Path | None) -> None:
    """A file as a command makes it: where --output says, or on standard output."""
    if output is None:
        say(text, nl=False)
        return
    try:
        output.write_text(text)
    except OSError as error:
        raise SetupError(
            f"{output} cannot be written: {error.strerror}",
            step="Name a file in a folder that you may write into.",
        ) from error


def show(value: Any) -> None:
    """Print JSON for people and programs."""
    say(json.dumps(value, indent=1, ensure_ascii=False))
