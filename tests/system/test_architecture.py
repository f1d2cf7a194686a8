"""The architecture, tested like behaviour: imports point left, and only node/ touches the world."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Each folder may import itself and the folders to its left.
LAYERS = ("consensus", "credentials", "node")
PURE = LAYERS[:2]

# Modules that know the clock, files, the network, randomness, threads, processes or the environment.
EDGE_ONLY = {
    *(
        "asyncio",
        "atexit",
        "builtins",
        "concurrent",
        "config",
        "ctypes",
        "fcntl",
        "fileinput",
        "flask",
        "getpass",
    ),
    *("glob", "granian", "http", "importlib", "io", "locale", "logging", "mmap", "multiprocessing", "os"),
    *("pathlib", "platform", "playwright", "random", "requests", "sched", "secrets", "select", "selectors"),
    *("shelve", "shutil", "signal", "site", "socket", "socketserver", "sqlite3", "sqlite_utils", "ssl"),
    *(
        "subprocess",
        "sys",
        "syslog",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "urllib3",
        "uuid",
        "aiohttp",
    ),
    *("weakref", "webbrowser", "zoneinfo", "_thread"),
}
# The one folder that speaks SQL, and the words a statement begins with.
STORAGE = Path("node/storage")
STATEMENT = re.compile(
    r"\s*(?:SELECT|INSERT|REPLACE|UPDATE|DELETE|CREATE|ALTER|DROP|PRAGMA|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|"
    r"ATTACH|VACUUM|REINDEX|WITH)\s+(?:[A-Z*(\"]|\w+\s*(?:[=(.,]|FROM|SET|AS\b|$))"
)
RUNNING = frozenset({"execute", "executemany", "executescript", "set_trace_callback", "row_factory"})
DATABASES = frozenset({"sqlite3", "sqlite_utils"})
# Signatures and proofs are verified by consensus/ and credentials/, with one answer each: node/ calls those.
PASSPHRASES = "nacl.pwhash.argon2id"  # whose verify is of no signature
# ID tokens say which person signs in, and nothing of goods (node 0701).
OF_PEOPLE = Path("node/resolution/identity_provider.py")
VERIFYING = frozenset({"verify", "verify_directly_issued_by", "recover", "check_signature"})
VERIFIED = frozenset(
    {
        *("BadSignatureError", "InvalidSignature", "crypto_sign_open", "crypto_sign_verify_detached"),
        *("jwcrypto", "joserfc", "jwt", "crypto_sign_ed25519ph_final_verify"),
    }
)
# Built-in names that read, write, ask, run text, or differ from process to process.
NAMES_BANNED = frozenset(
    {"open", "print", "input", "hash", "id", "eval", "exec", "compile", "__import__", "breakpoint"}
)
# Methods that read the clock, the local time zone or a source of randomness.
METHODS_BANNED = frozenset({"now", "utcnow", "today", "fromtimestamp", "generate", "randombytes", "random"})
CLOCKS = frozenset({"datetime", "date"})
# Members of pure packages that are not pure.
MEMBERS_BANNED = frozenset(
    {"nacl.utils", "nacl.utils.random", "nacl.bindings.randombytes", "datetime.datetime.now"}
)


def modules(root: Path, layers: tuple[str, ...] = LAYERS) -> list[Path]:
    """Return every module of these folders."""
    return [path for layer in layers for path in sorted((root / layer).rglob("*.py"))]


def imported(nodes: Sequence[ast.AST], package: str) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything a module imports, wherever in it, relative imports resolved."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def impure(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield (line, what) of every use of a banned name or method."""
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if name in NAMES_BANNED:
                yield node.lineno, f"{name}()"
            case ast.Call(func=ast.Attribute(attr="fromtimestamp"), args=[_, _]):
                pass  # a time zone is given
            case ast.Call(func=ast.Attribute(attr="fromtimestamp"), keywords=[ast.keyword(arg="tz")]):
                pass
            case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS_BANNED:
                yield node.lineno, f".{name}()"
            case ast.Assign(value=ast.Attribute(attr=name, value=ast.Name(id=clock))) if (
                name in METHODS_BANNED and clock in CLOCKS
            ):
                yield node.lineno, f"{clock}.{name}"


def speaks_sql(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield (line, what) of every statement, of every call that runs one, and of the modules that can."""
    for node in nodes:
        match node:
            case ast.Constant(value=str(text)) if STATEMENT.match(text):
                yield node.lineno, f"the statement {text.strip()[:30]!r}"
            case ast.Attribute(attr=name) if name in RUNNING:
                yield node.lineno, f".{name}"
            case ast.Import(names=names):
                yield from ((node.lineno, n.name) for n in names if n.name.split(".")[0] in DATABASES)
            case ast.ImportFrom(module=str(name)) if name.split(".")[0] in DATABASES:
                yield node.lineno, name


def takes_booleans(nodes: Sequence[ast.AST]) -> Iterator[int]:
    """Yield the line of every `case int()`: it takes true for 1, so what it reads has two encodings."""
    for node in nodes:
        match node:
            case ast.MatchClass(cls=ast.Name(id="int")):
                yield node.lineno


def verifies(nodes: Sequence[ast.AST], package: str) -> Iterator[tuple[int, str]]:
    """Yield (line, what) of every way to check a signature or a certificate by a library of others."""
    own = {"self"}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] in LAYERS):
            own |= {alias.asname or alias.name for alias in node.names}
    for _, name in imported(nodes, package):
        own.add(name) if name.split(".")[0] in LAYERS else None
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr=name, value=value)) if name in VERIFYING:
                ours = isinstance(value, ast.Name) and value.id in own
                if not (name == "verify" and (ours or ast.unparse(value) == PASSPHRASES)):
                    yield node.lineno, f".{name}()"
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in VERIFIED:
                yield node.lineno, name
            case ast.ImportFrom(names=names):
                yield from ((node.lineno, n.name) for n in names if n.name in VERIFIED)


def faults(root: Path) -> list[str]:
    """Return what breaks the architecture under `root`, one sentence each."""
    found = []
    for path in modules(root):
        where = path.relative_to(root)
        layer = LAYERS.index(where.parts[0])
        tree = ast.parse(path.read_text())
        nodes = list(ast.walk(tree))
        if path.name != "__init__.py" and not ast.get_docstring(tree):
            found.append(f"{where}: no docstring says what the module is")
        for line, name in imported(nodes, ".".join(where.parts[:-1])):
            top = name.split(".")[0]
            if top in LAYERS[layer + 1 :]:
                found.append(f"{where}:{line}: imports {name}, which is to its right")
            if where.parts[0] in PURE and (top in EDGE_ONLY or name in MEMBERS_BANNED):
                found.append(f"{where}:{line}: imports {name}, which only node/ may")
            if top == "tests":
                found.append(f"{where}:{line}: imports the tests")
        if where.parent != STORAGE:
            found += [
                f"{where}:{line}: has {what}; SQL is in {STORAGE} only" for line, what in speaks_sql(nodes)
            ]
        if where.parts[0] in PURE:
            found += [f"{where}:{line}: uses {what}, which only node/ may" for line, what in impure(nodes)]
        if where.parts[0] == "node" and where != OF_PEOPLE:
            found += [
                f"{where}:{line}: {what} verifies; ask consensus/ or credentials/"
                for line, what in verifies(nodes, ".".join(where.parts[:-1]))
            ]
        found += [f"{where}:{line}: ask `whole_numbers`" for line in takes_booleans(nodes)]
    return list(dict.fromkeys(found))


def test_imports_point_left_and_only_node_touches_the_world() -> None:
    """
    No module imports one to its right; none left of node/ has a clock, I/O, randomness, threads, environment.
    """
    assert faults(ROOT) == []


def test_all_three_folders_were_read() -> None:
    """
    The test above looked at every module, not at an empty folder.
    """
    counted = {layer: len(modules(ROOT, (layer,))) for layer in LAYERS}

    assert all(count >= 10 for count in counted.values()), counted


PLANTED = {
    "consensus imports credentials": ("consensus", "from credentials.documents.model import view"),
    "consensus imports node": ("consensus", "import node.storage.ledger"),
    "credentials imports node": ("credentials", "from node import config"),
    "credentials imports node inside a function": ("credentials", "def f():\n    import node"),
    "relative import to the right": ("credentials/documents", "from ...node import config"),
    "node imports tests": ("node", "from tests import parts"),
    "time": ("consensus", "import time"),
    "from time": ("consensus", "from time import monotonic"),
    "datetime.now": ("credentials", "import datetime\nx = datetime.datetime.now()"),
    "datetime.utcnow": ("credentials", "from datetime import datetime\nx = datetime.utcnow()"),
    "date.today": ("credentials", "from datetime import date\nx = date.today()"),
    "clock under another name": ("credentials", "from datetime import datetime\nclock = datetime.now"),
    "local time": ("credentials", "from datetime import datetime\nx = datetime.fromtimestamp(0)"),
    "os": ("credentials", "import os.path"),
    "environment": ("credentials", "from os import environ"),
    "pathlib": ("credentials", "from pathlib import Path"),
    "io": ("consensus", "import io"),
    "open": ("consensus", "x = open('f')"),
    "open under another name": ("consensus", "read = open"),
    "print": ("credentials", "print('x')"),
    "input": ("credentials", "x = input()"),
    "importlib.resources": ("credentials", "from importlib.resources import files"),
    "config": ("credentials", "import config"),
    "random": ("consensus", "import random"),
    "secrets": ("consensus", "from secrets import token_bytes"),
    "uuid": ("credentials", "import uuid"),
    "libsodium randomness": ("consensus", "from nacl.utils import random as draw"),
    "a new key": ("consensus", "from nacl.signing import SigningKey\nx = SigningKey.generate()"),
    "hash": ("consensus", "x = hash('a')"),
    "id": ("consensus", "x = id(object())"),
    "threading": ("consensus", "import threading"),
    "asyncio": ("consensus", "import asyncio"),
    "socket": ("consensus", "import socket"),
    "requests": ("credentials", "import requests"),
    "urllib": ("credentials", "import urllib.request"),
    "sqlite3": ("consensus", "import sqlite3"),
    "subprocess": ("credentials", "import subprocess"),
    "eval": ("credentials", "x = eval('1')"),
    "__import__": ("credentials", "x = __import__('ti' + 'me')"),
    "SQL in a use case": ("node/issuing", "def f(db):\n    return db.query('SELECT digest FROM issuances')"),
    "SQL put together": ("node/web", "def f(name):\n    return f'DELETE FROM {name}'"),
    "SQL on two lines": ("node", "X = ' UPDATE outbox\\n  SET state = ?'"),
    "a pragma": ("node/server", "X = 'PRAGMA synchronous=OFF'"),
    "a transaction by hand": ("node/issuing", "X = 'BEGIN IMMEDIATE'"),
    "a statement that is run": ("node/api", "def f(db, x):\n    return db.executemany(x, [])"),
    "sqlite3 in the edge": ("node/cli", "import sqlite3"),
    "sqlite-utils in the edge": ("node/cli", "from sqlite_utils import Database"),
    "a boolean for a number": ("node/peers", "match [True]:\n    case [int(size)]:\n        x = size"),
    "a signature verified by a library": (
        "node/peers",
        "from nacl.signing import VerifyKey\n\n\ndef f(key, *made):\n    VerifyKey(key).verify(*made)",
    ),
    "a signature verified by a binding": (
        "node/api",
        "from nacl.bindings import crypto_sign_open",
    ),
    "a refusal of a library caught": ("node/issuing", "from cryptography.exceptions import InvalidSignature"),
    "a certificate verified by a library": (
        "node/server",
        "def f(one, other):\n    one.verify_directly_issued_by(other)",
    ),
    "no docstring": ("node", None),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Every fault, planted in a module of its own in a folder of that name: fault -> what was found there."""
    root = tmp_path_factory.mktemp("planted")
    names = {}
    for number, (fault, (folder, code)) in enumerate(PLANTED.items()):
        path = root / folder / f"planted_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n" if code is None else f'"""Planted."""\n\n{code}\n')
        names[fault] = str(path.relative_to(root))
    found = faults(root)
    return {fault: [one for one in found if one.startswith(f"{name}:")] for fault, name in names.items()}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_found(planted: dict[str, list[str]], fault: str) -> None:
    """
    Each kind of fault is found in the file it was planted in.
    """
    assert planted[fault]


def test_lawful_code_is_not_a_fault(tmp_path: Path) -> None:
    """
    A member called `now`, a time zone given, and imports to the left are no faults.
    """
    for layer in LAYERS:
        (tmp_path / layer).mkdir()
    (tmp_path / "credentials" / "lawful.py").write_text(
        '"""Lawful."""\n\nfrom datetime import UTC, datetime\n\nfrom consensus.merkle import Tree\n\n'
        "TEXT = 'Select a passport', 'DELETE', 'with one word', 'Create links'\n\n\n"
        "def f(context):\n    return context.now, datetime.fromtimestamp(context.now, tz=UTC), Tree\n"
    )

    assert faults(tmp_path) == []
