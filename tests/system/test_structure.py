"""The house, tested like behaviour: sizes, rooms without a circle, one word for one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from node.catalogues import conditions, reasons, refusals

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("consensus", "credentials", "node")
MODULE_LINES_MAX, CLASS_LINES_MAX, FUNCTION_LINES_MAX = 450, 250, 60
NODE_ROOMS_MAX = 16

# What is larger than it should be, with the size it must not pass and why it still stands. The list shrinks:
# an entry whose thing has become small enough, or is gone, fails the test as well.
TOO_LARGE: dict[str, tuple[int, str]] = {}

# Class names that two modules give to two things.
NAMED_TWICE: dict[str, str] = {}

# File names that several rooms have: each is the room's part of one thing, which the glossary or the README
# of its folder names. A further pair is written here, or one of the two says more of what is in it.
SAME_THING = frozenset(
    {
        *(
            "access",
            "accounts",
            "admission",
            "aside",
            "batteries",
            "cases",
            "chain",
            "clearance",
            "consignments",
            "copies",
            "declarations",
            "jobs",
            "letters",
        ),
        *(
            "drafting",
            "entries",
            "errors",
            "events",
            "evidence",
            "faults",
            "governance",
            "keys",
            "ledger",
            "log",
        ),
        "network",
        *(
            "operations",
            "outbox",
            "passports",
            "proposing",
            "readiness",
            "reading",
            "records",
            "refusals",
            "signing",
        ),
        *("status", "table", "trqp"),
        "duties",
        "parts",
        "vehicles",
        "types_pb2",  # written by protoc, by the names of CometBFT's files
    }
)

# Where a thread may begin beside the supervisor, and why.
THREADS_BEGIN = {
    "node/supervision/supervisor.py": "the supervisor itself",
    "node/cli/serve.py": "watches the supervisor and the parent process; ends the process",
    "node/server/lanes.py": "what a request raises is its answer; one that hangs is told by /readyz",
    "node/resolution/fetch.py": "asks the system's resolver, which has no deadline of its own; short-lived",
    "node/demo/__init__.py": "the demo's start page, no part of a node",
}

# Wall time is read as whole seconds, for what it means; these read it otherwise, and count no interval.
CLOCKS = ("time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today")
CLOCK_NAMES = frozenset(clock.rpartition(".")[2] for clock in CLOCKS)
WALL_TIME = {
    "node/cli/vc.py": "nbf of a JWT is compared with it",
    "node/issuing/members.py": "the latest day that it is anywhere on earth",
    "node/ledger/checkpoints.py": "the time that a cosignature states",
    "node/ledger/comet/behind.py": "the time by which the rules judge what may wait for a block",
    "node/ledger/comet/comet_engine.py": "whether the last block is of the future, as it is shown",
    "node/ledger/engine_condition.py": "compared with the clocks of others: a wrong one is noticed",
    "node/ledger/ordering.py": "the time of blocks, in milliseconds",
    "node/log.py": "milliseconds of a moment in the log",
    "node/peers/authentication.py": "when a request was signed, and whose key holds then",
    "node/peers/gossip.py": "when a peer was last seen, as it is shown",
    "node/verdicts/consignments.py": "the day whose law applies, where none is given",
    "node/web/labels.py": "how long ago a stored moment is, as it is shown",
}
# Who sleeps, each in a thread of its own that keeps no request waiting.
SLEEPERS = {
    "node/cli/serve.py": "watches the parent process",
    "node/ledger/snapshot.py": "a newcomer that waits until a snapshot is made, before it serves anything",
    "node/verdicts/giving_way.py": "the thread of consignments, which gives way to scans",
}


# Who reads genesis, and for what: it is the founding, and whatever governs is asked of a Governance (D620).
FOUNDING = {
    "credentials/ledger/constitution.py": "what governs, begun with the founding and moved on by its rows",
    "credentials/ledger/genesis.py": "the file itself",
    "credentials/ledger/registry.py": "network id, configuration digest, the state before the first block",
    "node/cli/copies.py": "rebuilds a ledger of this network from its first block",
    "node/cli/evidence.py": "a third party begins with the founding, and is led on from it by proofs",
    "node/cli/operate.py": "countersigns without a running node: the network id, the ledger it begins with",
    "node/cli/setup.py": "founds, joins and shows a network; takes and gives snapshots",
    "node/cli/logs.py": "where the chain stands begins with genesis",
    "node/issuing/accused.py": "who decided the first block, where no ledger is at hand",
    "node/issuing/faults.py": "network id and origin stand in what the accused signed",
    "node/ledger/chain.py": "what consensus starts from, and the history that begins with it",
    "node/ledger/comet/home.py": "CometBFT is told network and time of the founding",
    "node/ledger/rebuilding.py": "replays from the first block",
    "node/setup/engines.py": "an engine begins with the founding; all else is asked of what governs",
    "node/setup/cometbft.py": "CometBFT begins with the founding; all else is asked of what governs",
    "node/ledger/snapshot.py": "a snapshot is of this network",
    "node/ledger/snapshot_join.py": "a snapshot is of this network, and begins with its founding",
    "node/ledger/comet/state_sync.py": "a ledger that is taken over begins with its founding",
    "node/ledger/verifying.py": "where the chain stands begins with genesis",
    "node/setup/copies.py": "a copy is of this network",
    "node/setup/founding_file.py": "what was founded can be changed later",
    "node/setup/joining.py": "what the fingerprint names: the network that a newcomer joins",
    "node/setup/ceremony.py": "makes it",
    "node/setup/network.py": "the network directory, the sealed network key",
    "node/setup/disk.py": "what is on disk is of this network",
    "node/setup/oversight_parts.py": "a report of an attempt and a statement of a case name the network",
    "node/setup/parts.py": "an evidence file names the network",
    "node/setup/gathering.py": "verdicts name the network, and the time of its founding before a first block",
    "node/setup/worker.py": "what governs begins with the founding",
    "node/setup/trades.py": "hands network id, name and time of founding to the rooms",
    "node/setup/wiring.py": "hands them to those who call",
    "node/use_cases/drafted.py": "its reader of a participant card",
    "node/use_cases/welcoming.py": "gives genesis to newcomers",
    "node/use_cases/overview.py": "shows name, id and origin of the network",
}
# Of these, who may ask the first epoch what governs, and why it is the right one.
FIRST_EPOCH = {
    "credentials/ledger/genesis.py": "makes it",
    "node/issuing/accused.py": "it decided the first block",
    "node/cli/setup.py": "shows what was founded; a founder is asked for a snapshot before there is a ledger",
    "node/ledger/chain.py": "begins with it",
    "credentials/ledger/constitution.py": "begins with it",
    "credentials/ledger/registry.py": "the state before the first block",
    "node/ledger/snapshot_join.py": "the own log.policy is its log policy",
    "node/setup/founding_file.py": "asks of what was founded whether it can be changed",
    "node/setup/engines.py": "the home of a CometBFT before there is a ledger",
    "node/setup/joining.py": "rule files of genesis; whom to hear before there is a ledger",
    "node/use_cases/welcoming.py": "the rule files that genesis names",
    "node/setup/ceremony.py": "what it makes has a log policy",
    "node/setup/network.py": "log.policy and keys of a directory that has no ledger yet",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One module, class or function and its lines."""

    what: str  # consensus/replica.py, consensus/replica.py:Replica, consensus/replica.py:Replica.handle
    kind: str
    lines: int


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the three layers, by its path."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for layer in LAYERS
        for path in sorted((ROOT / layer).rglob("*.py"))
    }


@cache
def nodes_of(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Every node of a module, looked for once: a dozen tests ask for all of them."""
    return tuple(ast.walk(tree))


def measure(path: str, node: ast.AST, prefix: str = "") -> Iterator[Measured]:
    """The classes and functions of a module, nested ones too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{child.name}"
            assert child.end_lineno is not None
            first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
            kind = "class" if isinstance(child, ast.ClassDef) else "function"
            yield Measured(f"{path}:{name}", kind, child.end_lineno - first + 1)
            yield from measure(path, child, f"{name}.")
        else:
            yield from measure(path, child, prefix)


def measured() -> list[Measured]:
    """Every module, class and function."""
    found = []
    for path, tree in trees().items():
        found.append(Measured(path, "module", len((ROOT / path).read_text().splitlines())))
        found += measure(path, tree)
    return found


LIMITS = {"module": MODULE_LINES_MAX, "class": CLASS_LINES_MAX, "function": FUNCTION_LINES_MAX}


def test_nothing_is_larger_than_a_reader_can_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """
    No module over 450 lines, no class over 250, no function over 60; what still is may not grow.
    """
    found = measured()
    large = {one.what: one.lines for one in found if one.lines > LIMITS[one.kind]}
    with capsys.disabled():
        print()
        for kind, limit in LIMITS.items():
            sizes = sorted(one.lines for one in found if one.kind == kind)
            middle, high = sizes[len(sizes) // 2], sizes[-1 - len(sizes) // 10]
            beyond = sum(size > limit for size in sizes)
            print(
                f"{kind:>8}: {len(sizes):5} of them, median {middle}, nine tenths up to {high}, largest "
                f"{sizes[-1]}; {beyond} over {limit}"
            )

    grown = {w: n for w, n in large.items() if w not in TOO_LARGE or n > TOO_LARGE[w][0]}
    assert not grown, f"too large: cut them along their trades: {grown}"
    assert not TOO_LARGE.keys() - large.keys(), "small enough by now: take them off the list"


def imports(path: str, tree: ast.Module) -> Iterator[str]:
    """Dotted names a module imports when it runs (also inside functions), not those for types only."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        todo += ast.iter_child_nodes(node)


def room_of(dotted: str, layer: str) -> str | None:
    """The room a module is in: a folder of its layer, or the module itself where it stands alone."""
    parts = dotted.split(".")
    if parts[0] != layer or len(parts) < 2:
        return None
    return parts[1]


def graph(layer: str) -> dict[str, dict[str, set[str]]]:
    """room -> room it imports -> by which modules."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    stands = {path.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in trees()}
    for path, tree in trees().items():
        own = room_of(path.removesuffix(".py").replace("/", "."), layer)
        if own is None or own == "__init__":
            continue
        found[own]
        for name in imports(path, tree):
            other = room_of(name, layer) if name in stands else None
            if other is not None and other != own:
                found[own][other].add(path)
    return found


def circle(edges: dict[str, dict[str, set[str]]]) -> list[str]:
    """A way from a room back to itself, or nothing."""
    done: set[str] = set()

    def walk(room: str, way: list[str]) -> list[str]:
        if room in way:
            return [*way[way.index(room) :], room]
        if room in done:
            return []
        for other in sorted(edges.get(room, {})):
            found = walk(other, [*way, room])
            if found:
                return found
        done.add(room)
        return []

    return next((found for room in sorted(edges) if (found := walk(room, []))), [])


@pytest.mark.parametrize("layer", ["credentials", "node"])
def test_rooms_have_no_circle(layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The rooms of a layer can be put in one order such that each imports only earlier ones.
    """
    edges = graph(layer)
    with capsys.disabled():
        print(f"\n{layer}: {len(edges)} rooms and lone modules, {sum(map(len, edges.values()))} arrows")

    way = circle(edges)

    shown = [f"{a} -> {b} ({', '.join(sorted(edges[a][b]))})" for a, b in pairwise(way)]
    assert not way, "\n".join(shown)


def test_a_circle_would_be_found() -> None:
    """
    The search for circles finds a planted one, and none where there is none.
    """
    planted = {"a": {"b": {"x"}}, "b": {"c": {"y"}}, "c": {"a": {"z"}}, "d": {"a": {"w"}}}

    assert circle(planted) == ["a", "b", "c", "a"]
    del planted["c"]["a"]
    assert circle(planted) == []


def test_node_is_a_house_of_few_rooms() -> None:
    """
    node/ has at most sixteen rooms.
    """
    rooms = sorted(path.parent.name for path in (ROOT / "node").glob("*/__init__.py"))

    assert 8 <= len(rooms) <= NODE_ROOMS_MAX, rooms


def test_no_public_class_name_means_two_things() -> None:
    """
    One word, one thing: no public class is defined twice in consensus, credentials and node.
    """
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    twice = {name: found for name, found in places.items() if len(found) > 1}

    new = {name: found for name, found in twice.items() if name not in NAMED_TWICE}
    assert not new, "rename one of them, and say what each word means in the glossary of config/README.md"
    assert not NAMED_TWICE.keys() - twice.keys(), "renamed by now: take them off the list"


# Tags that two modules give to constants of theirs, and why.
TAGS_TWICE = {
    "comity/possession/v1": "what a new key signs; the file in which such signatures are sent",
    "comity/proposal/v1": "what a validator signs of a block; what the id of a change is hashed under",
    "comity/sets/v1": "the same list, made of a passport and read of a statement",
}


def test_no_tag_is_given_by_two_modules() -> None:
    """
    What is signed or hashed begins with a tag that says what it is: nothing passes for something else.
    """
    places: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees().items():
        for node in tree.body:
            value = node.value if isinstance(node, ast.Assign) else None
            tag = str(value.value) if isinstance(value, ast.Constant) else ""
            if re.fullmatch(r"comity/[a-z/-]+/v[0-9]+", tag):
                places[tag].add(path)

    assert len(places) > 15
    assert {tag for tag, found in places.items() if len(found) > 1} == TAGS_TWICE.keys()


def test_a_file_name_of_two_rooms_is_one_thing() -> None:
    """
    A module can be placed by its name: two rooms use one only for their parts of the same thing.
    """
    rooms: dict[str, list[str]] = defaultdict(list)
    for path in trees():
        rooms[Path(path).stem].append(path)
    shared = {name: paths for name, paths in rooms.items() if len(paths) > 1 and name != "__init__"}

    assert not {name: paths for name, paths in shared.items() if name not in SAME_THING}, "say more in one"
    assert not SAME_THING - shared.keys(), "no two have it any more: take it off the list"


def test_threads_begin_under_the_supervisor() -> None:
    """
    No module begins a thread of its own that nobody would see die, but for those with a reason.
    """
    begin = {
        path
        for path, tree in trees().items()
        for node in nodes_of(tree)
        if isinstance(node, ast.Call) and is_named(node.func, "threading.Thread", "Thread", "Timer")
    }

    assert begin <= THREADS_BEGIN.keys(), "give it to the supervisor (node/supervision/), or say here why not"


def is_named(node: ast.expr, *names: str) -> bool:
    """True of what is written so; what ends otherwise is not written out for it."""
    last = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return any(name.endswith(last) for name in names if last) and ast.unparse(node) in names


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in nodes_of(tree) if isinstance(node, ast.Call)]


def wall_times(tree: ast.AST) -> int:
    """Where wall time is read, or handed on to be read, otherwise than as whole seconds."""
    whole = {
        id(node.args[0].func)
        for node in calls(tree)
        if is_named(node.func, "int") and node.args and isinstance(node.args[0], ast.Call)
    }
    return sum(
        isinstance(node, ast.Attribute)
        and node.attr in CLOCK_NAMES
        and ".".join(ast.unparse(node).split(".")[-2:]) in CLOCKS
        and id(node) not in whole
        for node in nodes_of(tree)
    ) + by_another_name(tree)


def by_another_name(tree: ast.AST) -> int:
    """Where a clock or a sleep is imported by itself, so that its uses say nothing of `time`."""
    return sum(isinstance(node, ast.ImportFrom) and node.module == "time" for node in nodes_of(tree))


def sleeps(tree: ast.AST) -> int:
    return sum(is_named(node.func, "time.sleep") for node in calls(tree)) + by_another_name(tree)


def waits(tree: ast.AST) -> int:
    """Where a thread stands still until another comes: events, conditions, locks, futures."""
    return sleeps(tree) + sum(
        isinstance(node.func, ast.Attribute) and node.func.attr in ("wait", "wait_for", "result", "acquire")
        for node in calls(tree)
    )


def test_intervals_are_counted_on_the_monotonic_clock() -> None:
    """
    A clock that is turned makes no wait longer and no silence shorter: wall time only means a moment.
    """
    found = {path for path, tree in trees().items() if wall_times(tree)}

    assert found == WALL_TIME.keys(), "count with time.monotonic, or say here what the wall time means"


# A scheme has no case (RFC 3986, 3.1), so no beginning of a text says what it is.
# A DID has one: scheme and method are lower case by their grammar (DID Core 1.0, 3.1).
DIDS_BY_TEXT = {
    "credentials/documents/keys.py": "the method of a DID, whose grammar is asked beside it",
    "credentials/ledger/effects.py": "a party is a DID, or a number of somebody without a node",
    "credentials/ledger/governance.py": "the C2SP name of a key, of a participant's DID",
    "credentials/verdicts/ledger_means.py": "the method, once it was found to be a DID",
    "node/cli/vc.py": "the method, once it was found to be a DID",
    "node/resolution/resolver.py": "the method, once it was found to be a DID",
    "node/server/hosts.py": "the host of the own did:web",
}
BY_TEXT = {
    "node/api/keys.py": "an origin of our own, as this node writes it",
    "node/cli/judge.py": "a code or a file: what is neither names no scheme",
    "node/cli/client.py": "a hint at what is missing, once it was found to be no URL",
}


def schemes_by_text(tree: ast.AST, scheme: str = "http") -> int:
    """Where a web address, or a DID, is told by how its text begins, or changed as a text."""
    told = 0
    for node in nodes_of(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("startswith", "removeprefix", "replace"):
                told += any(scheme in part for part in _texts(node.args[:1]))
        elif (
            scheme == "http" and isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn)
        ):
            told += "://" in set(_texts([node.left]))
    return told


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def test_no_web_address_is_told_by_its_text() -> None:
    """
    HTTPS://HOST is https://host: addresses are read by their grammar, not by how they begin.
    """
    found = {path for path, tree in trees().items() if schemes_by_text(tree)}

    assert found == BY_TEXT.keys()


def test_no_did_is_told_by_its_text_before_its_grammar_was_asked() -> None:
    """
    Who looks at the beginning of a DID is listed, and why that says what it is.
    """
    found = {path for path, tree in trees().items() if schemes_by_text(tree, "did:")}

    assert found == DIDS_BY_TEXT.keys()


def test_no_request_sleeps() -> None:
    """
    Nothing that answers a request sleeps in its thread; commands, the demo and a few threads of their own do.
    """
    found = {path for path, tree in trees().items() if sleeps(tree)}

    assert {path for path in found if not path.startswith(("node/cli/", "node/demo/"))} <= SLEEPERS.keys()
    assert SLEEPERS.keys() <= found, "it sleeps no more: take it off the list"
    answering = ("node/api/", "node/use_cases/", "node/web/")
    assert [path for path, tree in trees().items() if path.startswith(answering) and waits(tree)] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("now = int(time.time())", (0, 0, 0)),
        ("return time.time() - then > 5", (1, 0, 0)),
        ("def f(now=time.time): pass", (1, 0, 0)),
        ("then = datetime.datetime.now(UTC)", (1, 0, 0)),
        ("then = time.time_ns()", (1, 0, 0)),
        ("from time import monotonic", (1, 1, 0)),
        ("time.sleep(1)", (0, 1, 0)),
        ("self.stop.wait(1)", (0, 1, 0)),
        ("asked.result()", (0, 1, 0)),
        ("url.startswith(('https://', 'http://'))", (0, 0, 1)),
        ("'://' in url", (0, 0, 1)),
        ("urlsplit(url).scheme == 'https'", (0, 0, 0)),
    ],
)
def test_what_these_look_for_would_be_found(code: str, found: tuple[int, int, int]) -> None:
    """
    Planted ones are counted.
    """
    tree = ast.parse(code)

    assert (wall_times(tree), waits(tree), schemes_by_text(tree)) == found
    assert schemes_by_text(ast.parse("did.startswith('did:web:')"), "did:") == 1


def test_nothing_but_its_command_knows_the_demo() -> None:
    """
    The code of the demo is in a room of its own; only `comity demo` opens it.
    """
    users = {
        path
        for path, tree in trees().items()
        if not path.startswith("node/demo/")
        for name in imports(path, tree)
        if name == "node.demo" or name.startswith("node.demo.")
    }

    assert users <= {"node/cli/demo.py"}


def names_genesis(node: ast.AST) -> bool:
    """True for the module, the class, or anything called genesis."""
    match node:
        case ast.ImportFrom(module="credentials.ledger.genesis"):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
            return name.rpartition(".")[2].strip("_").lower() == "genesis"
    return False


def asks_first_epoch(node: ast.AST) -> bool:
    """True for `....genesis.governance` and `....genesis.history()`, however the founding is held."""
    match node:
        case ast.Attribute(attr="governance" | "history", value=ast.Name(id=held) | ast.Attribute(attr=held)):
            return held.strip("_").lower() == "genesis"
    return False


def reads_genesis(tree: ast.Module) -> tuple[bool, bool]:
    """(the founding at all, what governs in its first epoch)"""
    nodes = list(nodes_of(tree))
    return any(map(names_genesis, nodes)), any(map(asks_first_epoch, nodes))


def test_genesis_is_asked_for_the_founding_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Who takes part, which key, which licence, which rule is asked of what governs at a height; the modules
    that read genesis are those listed, each with its reason.
    """
    reads = {path: reads_genesis(tree) for path, tree in trees().items()}
    founding = {path for path, (named, _) in reads.items() if named}
    first = {path for path, (_, asked) in reads.items() if asked} | {"credentials/ledger/genesis.py"}
    with capsys.disabled():
        print(
            f"\ngenesis is read by {len(founding)} of {len(reads)} modules, {len(first)} ask its first epoch:"
        )
        for path in sorted(founding):
            print(f"  {path}: {FOUNDING.get(path, 'NOT LISTED')}")

    assert founding - FOUNDING.keys() == set(), "ask a GovernanceHistory at the height that is meant"
    assert first - FIRST_EPOCH.keys() == set(), "ask a GovernanceHistory at the height that is meant"
    assert FOUNDING.keys() - founding == set(), "asks it no more: take it off the list"
    assert FIRST_EPOCH.keys() - first == set(), "asks it no more: take it off the list"


# Who takes a key by its role alone: the oldest that is held, where another may govern by now.
TAKES_ANY_KEY = {
    "node/setup/current_keys.py": "of keys that it has speak with what the ledger names",
    "node/setup/joining.py": "a newcomer has the keys of its card, and no others",
    "node/setup/keystore.py": "makes the keys of profiles, which are not rotated",
}


def test_everything_is_signed_with_the_key_that_governs() -> None:
    """
    Whoever signs asks for a key that the ledger names (`HeldKeys`), also where no node runs: after a rotation
    the first key of a role is one that nobody takes any more.
    """
    takes = {
        path
        for path, tree in trees().items()
        for node in nodes_of(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "signer"
        and ast.unparse(node.func.value) in ("keys", "self")
        and len(node.args) == 1
        and not isinstance(node.args[0], ast.Starred)
    }

    assert takes == TAKES_ANY_KEY.keys()


GENESIS_READ = {
    "from credentials.ledger.genesis import key_check": (True, False),
    "import credentials.ledger.genesis": (True, False),
    "from credentials.ledger import genesis": (True, False),
    "def f(genesis): return 1": (True, False),
    "self._genesis = made": (True, False),
    "network.genesis.governance.key(did, role, at)": (True, True),
    "self._genesis.governance": (True, True),
    "authentication = heard_by(found.genesis.history(), did)": (True, True),
    "history.latest.key(did, role, at)": (False, False),
    "network.governance.participant(did)": (False, False),
    "genesis_unavailable = 'genesis'": (False, False),
}


@pytest.mark.parametrize(("code", "found"), GENESIS_READ.items(), ids=GENESIS_READ)
def test_a_reader_of_genesis_is_found(code: str, found: tuple[bool, bool]) -> None:
    """
    However a module comes to the founding, it is seen; what governs at a height is not taken for it.
    """
    assert reads_genesis(ast.parse(code)) == found


def test_every_table_of_codes_is_whole() -> None:
    """
    No row of a reason, a refusal or a condition is without whose fault it is and what to do next: a node
    would not start.
    """
    tables = (reasons(), conditions(), *(refusals(kind) for kind in ("code", "problem", "refusal")))

    assert sum(map(len, tables)) > 500
