"""The command line's client beside servers that are no node, and an environment that is not asked."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from node import node_client as bounds
from node.__main__ import run
from node.cli.client import connect, write_out
from node.cli.terminal import in_utc
from node.errors import ProblemError, SetupError
from node.node_client import Client

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says this to whoever connects; its URL, and what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65_536))
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (b"\x00\x01 no http\r\n\r\n", "strange_answer", "is no node"),
        (b"", "strange_answer", "is no node"),
        (HEAD + b"Content-Length: 9\r\n\r\n{}", "strange_answer", "is no node"),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n{}", "strange_answer", "is compressed"),
        (HEAD + b"\r\n" + b"x" * 2_000, "strange_answer", "more than 1000 bytes"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n",
            "strange_answer",
            "address",
        ),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "refused", "answered 404"),
    ],
    ids=["no http", "nothing", "cut", "compressed", "too much", "elsewhere", "no problem document"],
)
def test_what_is_no_node_is_told_as_that(
    answer: bytes, code: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whatever answers, a command ends with one sentence that says whose fault it is.
    """
    monkeypatch.setattr(bounds, "ANSWER_BYTES_MAX", 1_000)

    with answering(answer) as (url, _), pytest.raises(ProblemError) as told:
        Client(url, "key").get("/status")

    assert told.value.code == code and says in told.value.detail


def test_an_answer_of_exactly_what_is_read_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The bound is the most that an answer may have.
    """
    body = json.dumps({"x": "y" * 80}).encode()
    monkeypatch.setattr(bounds, "ANSWER_BYTES_MAX", len(body))

    with answering(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body) as (url, _):
        assert Client(url, "key").get("/status") == json.loads(body)


@pytest.mark.parametrize("sign", ["\x1b[2J", "\x07", "\x9b31m", "\u202e", "\u2028", "\x7f"])
@pytest.mark.parametrize("member", ["detail", "audit"])
def test_what_others_say_does_nothing_to_a_terminal(
    sign: str, member: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A refusal and an answer of a node may hold what a terminal obeys: it is shown by its number.
    """
    row = {"number": 1, "at": 7, "who": f"Eve{sign}", "did": "x", "about": "y"}
    refused = {"title": "No", "detail": f"asked{sign} too much"}
    status, told = ("200 OK", {"audit": [row]}) if member == "audit" else ("403 Forbidden", refused)
    body = json.dumps(told).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    with answering(head.encode() + body) as (url, _):
        run(["audit", "--node", url, "--key", "k"])

    said = "".join(capsys.readouterr())
    assert sign not in said and f"\\u{ord(sign[0]):04x}" in said


def test_a_time_that_no_calendar_has_is_printed_as_the_number() -> None:
    """
    What another node answers does not end a command: every other time is printed to the second, in UTC.
    """
    assert in_utc(1_795_807_938) == "2026-11-27 19:32:18 UTC"
    assert in_utc(1 << 62) == str(1 << 62)


def test_commands_print_by_one_door() -> None:
    """
    No command prints past `say`, which makes texts of others harmless.
    """
    modules = list((Path(__file__).parents[2] / "node" / "cli").glob("*.py"))

    assert len(modules) > 20
    for module in modules:
        if module.name != "terminal.py":
            assert not re.search(r"click\.secho|click\.echo|\bprint\(", module.read_text()), module


@pytest.mark.parametrize(
    "arguments",
    [
        ["receipt", "get", "\udcff", "--node", "http://127.0.0.1:1"],
        ["check", "\udcff", "--node", "http://127.0.0.1:1"],
        ["network", "verify", "\udcff"],
        ["revoke", "x", "--reason", "\udcff", "--node", "http://127.0.0.1:1"],
        ["keys", "revoke", "\udcff", "--node", "http://127.0.0.1:1"],
        ["status", "--node", "http://127.0.0.1:1/\udcff"],
    ],
    ids=" ".join,
)
def test_bytes_that_are_no_text_are_told_as_that(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """
    What the shell passes on need not be UTF-8: one sentence that can be printed, and no error of ours.
    """
    code = run(arguments)

    said = capsys.readouterr().err
    assert code in (64, 65, 69) and said.startswith("comity: ") and said.isascii()


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "FILE", "--node", "http://127.0.0.1:1"],
        ["issue", "FILE", "--node", "http://127.0.0.1:1"],
        ["receipt", "verify", "README.md", "--policy", "FILE"],
        ["check", "x", "--receipt", "FILE", "--node", "http://127.0.0.1:1"],
        ["vc", "verify", "--input", "FILE"],
        ["vc", "issue", "--input", "LICENSE", "--key", "FILE"],
        ["vc", "verify", "--context", "https://a.example/=FILE"],
        ["serve", "--data", "DATA", "--listen", "127.0.0.1:0", "--passphrase-file", "FILE"],
    ],
    ids=" ".join,
)
def test_a_file_without_an_end_is_not_read_to_its_end(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A name that leads to far more than a command takes ends in a sentence, not in all memory.
    """
    endless = tmp_path / "endless"
    with endless.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte that takes no room
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "keys.enc").touch()
    places = {"FILE": endless, "DATA": tmp_path / "data"}

    code = run([re.sub("FILE|DATA", lambda found: str(places[found[0]]), one) for one in arguments])

    assert code == 65 and re.search("endless has more than .* taken here", capsys.readouterr().err)


def test_where_nobody_listens_is_told_as_that() -> None:
    """
    No connection: is it running?
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(ProblemError, match="is it running") as told:
        Client(url, None).get("/status")

    assert told.value.code == "unreachable"


def test_neither_proxy_nor_netrc_stands_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The key that was given is the one that is sent, and it is sent to the node, whatever the environment says.
    """
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login eve password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    with answering(HEAD + b"Content-Length: 9\r\n\r\n" + b'{"a": 12}') as (url, asked):
        assert Client(url, "the-key").post("/x", {"b": 1}) == {"a": 12}

    assert b"\r\nauthorization: Bearer the-key\r\n" in asked[0]
    assert b"\r\naccept-encoding: identity\r\n" in asked[0] and asked[0].startswith(b"POST /x HTTP/1.1\r\n")


@pytest.mark.parametrize("key", ["caf\u00e9", "a\nb", "\u2713"])
def test_a_key_that_cannot_be_sent_is_told_before(key: str) -> None:
    """
    A key that no node ever printed is the caller's mistake.
    """
    with pytest.raises(click.UsageError, match="a key is letters"):
        connect(None, "http://127.0.0.1:1", key)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"7", b"{}", b'{"verdict": 1}', b"\xff", b"[" * 9_000])
@pytest.mark.parametrize(
    "typed", ["status", "check ZZ1PE75QH00001G620000001", "audit", "aside list", "log entries", "readiness c"]
)
def test_an_answer_that_no_node_gives_is_told_as_that(
    typed: str, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A page of somebody, or JSON without what every node says: exit 69 and a sentence, never an error of ours.
    """
    with answering(OK + body) as (url, _):
        code = run([*typed.split(), "--node", url, "--key", "x"])

    told = capsys.readouterr().err
    assert code == 69 and "no node" in told and "should not happen" not in told


@pytest.mark.parametrize("typed", ["receipt get {}", "revoke {} --reason x", "readiness {}"])
@pytest.mark.parametrize("name", ["../../keys", "a?b#c", "a b", "\u7535"])
def test_what_was_typed_is_one_part_of_an_address(typed: str, name: str) -> None:
    """
    A digest or an id leads to no other address of a node; what can only be a file is none, and asks nobody.
    """
    with answering(OK) as (url, asked):
        run([*(part.format(name) for part in typed.split()), "--node", url, "--key", "x"])

    if typed.startswith("readiness") and name.startswith("../"):
        assert asked == []
        return
    path = asked[0].split(b" ")[1].decode()
    assert unquote(path.split("/")[2]) == name and "?" not in path and "#" not in path


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What a command makes is written where it is asked, or printed; a place that takes no file is named.
    """
    write_out("made", tmp_path / "made.txt")
    write_out("printed", None)

    assert (tmp_path / "made.txt").read_text() == "made" and capsys.readouterr().out == "printed"
    with pytest.raises(SetupError, match=r"nowhere/made\.txt cannot be written: No such file or directory"):
        write_out("made", tmp_path / "nowhere" / "made.txt")
