"""What nothing names is taken out: a function, class, constant or field of the code is read in it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.harness.mutants import ROOT, SOURCES

WRITTEN_BY_PROTOC = "_pb2.py"
# What a decorator does not hand to somebody else: such a thing is named or nobody reads it.
PASSIVE = {"property", "cached_property", "staticmethod", "classmethod", "cache", "lru_cache", "dataclass"}
PASSIVE |= {"contextmanager", "abstractmethod", "overload", "override"}
# Named by a library, whose class they are of.
OF_A_LIBRARY = {"list_commands", "get_command", "format_commands"}  # click
OF_A_LIBRARY |= {"emit", "handle_error", "log_message", "do_GET", "daemon_threads"}  # logging, http.server
OF_A_LIBRARY |= {"filter_stream"}  # jinja2
# Named by no code of a node, and why they are there.
FOR_OTHERS = {
    "jwk_encode": "the other direction of jwk_decode, by which tests of others' keys are made",
    "pids": "which processes judge lines: a test ends one of them",
    "parse_nquads": "reads the vectors of RDFC-1.0",
    "verify_map_proof": "what a reader of a proof of the ledger's state does with it",
}


def defined(tree: ast.Module) -> Iterator[str]:
    """The names that a module gives to something, but for what a decorator passes on."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                handed = {ast.unparse(one).split("(")[0].rpartition(".")[2] for one in node.decorator_list}
                if handed <= PASSIVE:
                    yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                yield from (one.id for one in targets if isinstance(one, ast.Name))


def unread(files: dict[str, str], pages: str) -> set[str]:
    """Names that are defined in these files, and written once in all of them and in no page."""
    said = (re.sub(r"#.*", "", text) for text in files.values())  # without comments
    words = Counter(word for text in said for word in re.findall(r"\w+", text))
    shown = set(re.findall(r"\w+", pages))
    names = {name for text in files.values() for name in defined(ast.parse(text))}
    return {name for name in names if words[name] == 1 and name not in shown and not name.startswith("__")}


def the_code() -> dict[str, str]:
    """The code, by file."""
    paths = (path for room in SOURCES for path in (ROOT / room).rglob("*.py"))
    return {str(path): path.read_text() for path in paths if not path.name.endswith(WRITTEN_BY_PROTOC)}


def test_what_is_defined_is_named_somewhere() -> None:
    """
    Nothing in the code is there for nobody but its own test; what is there for others is listed.
    """
    pages = " ".join(path.read_text() for path in Path(ROOT / "node" / "web").rglob("*.html"))

    assert unread(the_code(), pages) - OF_A_LIBRARY <= FOR_OTHERS.keys()


def test_a_name_that_nothing_reads_would_be_found() -> None:
    """
    A function, a property, a field and a constant; not what a decorator hands on, nor what a page shows.
    """
    code = """
LIMIT = 7
USED = 1
class Thing:
    field: int
    @property
    def shown(self): return USED
    @property
    def told(self): return 1
    @comity.command("x")
    def command(self): ...
def left(): return Thing
"""
    assert unread({"a.py": code}, "{{ thing.shown }}") == {"LIMIT", "field", "told", "left"}
