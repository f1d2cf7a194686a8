"""How commands reach a running node: its HTTP API, with the operator's key of --data, or --node and --key."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from node.cli.terminal import say
from node.config import DataDirectory, environment
from node.errors import SetupError, Unfit
from node.named_files import read_named
from node.node_client import Client
from node.setup.closing import close_to_others, is_data_directory

FILE_BYTES_MAX, FILE_VALUES_MAX = 16 << 20, 1 << 20  # a manifest
NAMED_MAX = 8  # of files that were open to others

Command = Callable[..., Any]


def options(*added: Command) -> Command:
    """Several options as one decorator, for a command that has many."""

    def add(command: Command) -> Command:
        for option in reversed(added):
            command = option(command)
        return command

    return add


def which_node(command: Command) -> Command:
    """Add --data, --node and --key, by which `connect` finds a node."""
    added: Command = options(
        click.option("--data", type=DataFolder(), help="Data directory of a node on this machine."),
        click.option("--node", help="URL of a node; otherwise COMITY_NODE."),
        click.option("--key", help="Bearer key; otherwise COMITY_KEY, or the operator's key of --data."),
    )(command)
    return added


def speaks_to_node(command: Command) -> Command:
    """Add --data, --node, --key to a command, and give it a `client`."""

    @may_speak_to_node
    @wraps(command)
    def connected(*args: Any, client: Callable[[], Client], **kwargs: Any) -> Any:
        return command(*args, client=client(), **kwargs)

    return connected


def may_speak_to_node(command: Command) -> Command:
    """The same for a command that asks no node with some of its options: `client` makes one when called."""

    @which_node
    @wraps(command)
    def connected(*args: Any, data: Path | None, node: str | None, key: str | None, **kwargs: Any) -> Any:
        return command(*args, client=partial(connect, data, node, key), **kwargs)

    return connected


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
    return json_in(path, read_named(Path(path), FILE_BYTES_MAX, stdin=True))


def json_in(path: str, data: bytes) -> Any:
    """What a file of this name holds as JSON, read as strictly; Unfit says where it breaks."""
    from credentials.documents.canonical import parse_json  # noqa: PLC0415
    from credentials.errors import CredentialError  # noqa: PLC0415

    try:
        return parse_json(data, size_bytes_max=FILE_BYTES_MAX, values_max=FILE_VALUES_MAX)
    except CredentialError as error:
        raise Unfit(f"{path}: {error}") from error


def write_out(text: str, output: Path | None) -> None:
    """A file as a command makes it: where --output says, or on standard output."""
    if output is None:
        say(text, nl=False)
        return
    write_file(text.encode(), output)


def write_file(data: bytes, output: Path) -> None:
    """A file that a command makes, in place of one that is there; SetupError where it cannot be."""
    try:
        output.write_bytes(data)
    except OSError as error:
        raise SetupError(
            f"{output} cannot be written: {error.strerror}",
            step="Name a file in a folder that you may write into.",
        ) from error


def show(value: Any) -> None:
    """Print JSON for people and programs."""
    say(json.dumps(value, indent=1, ensure_ascii=False))
