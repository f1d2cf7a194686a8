"""A validator that lacks a rule file, then the code for one: real processes, one of them killed meanwhile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest

from node.config import rule_files
from node.storage.ledger import LedgerStore
from tests.harness.net.batteries import code_of, issue, wait_published, wait_receipted
from tests.harness.net.harness import CUSTOMS, MAKER, VALIDATORS, Node, comity, found, wait
from tests.harness.net.newer import GUARD

pytestmark = pytest.mark.check  # four processes

LIFECYCLE = "lifecycle.json"
NEWER, OTHERWISE = "tests.harness.net.newer", "tests.harness.net.otherwise"
HERE, LATE = ("maker", "cn", "eu"), "customs"  # who has what is decided, and who has not
FILE_NEEDED, CODE_NEEDED, VERSION_NEEDED = "rule_file_needed", "newer_version_needed", "version_needed"


@dataclass
class Place:
    """The network, and what its operators type."""

    root: Path
    nodes: dict[str, Node]
    capsys: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def start(self, who: str, module: str, rules_version: int) -> None:
        self.patch.setenv("COMITY_TEST_RULES_VERSION", str(rules_version))  # read by `newer` alone
        self.nodes[who].start(module=module)

    @property
    def late(self) -> Node:
        return self.nodes[LATE]

    def types(self, *words: str | Path) -> str:
        self.capsys.readouterr()
        given = comity(*words)
        got = self.capsys.readouterr()
        assert given == 0, (words, got)
        return got.out + got.err

    def adds(self, who: str, file: Path) -> None:
        self.types("network", "rules", "add", file, "--data", self.nodes[who].data)

    def copies(self, who: str, file: Path) -> None:
        """What `add` of a newer version does: this one refuses what it could not go by."""
        folder = self.nodes[who].data / "network" / "rules"
        (folder / f"{file.parent.name}.json").write_bytes(file.read_bytes())

    def passes(self, file: Path, put: Callable[[str, Path], None]) -> None:
        """Held by all but one, proposed, approved, decided."""
        for who in HERE:
            put(who, file)
        self.decides("rules", file)

    def decides(self, *change: str | Path) -> None:
        """Proposed by one authority, approved by another, decided."""
        told = self.types("network", "propose", *change, "--data", self.nodes["cn"].data, "--yes")
        digest = re.findall(r"^proposal (\S+)[ :]", told, re.M)[-1].rstrip(":")
        path, eu = f"/governance/proposals/{digest}", self.nodes["eu"]
        wait("the proposal", lambda: eu.status_of(path) == 200)
        self.types("network", "approve", digest, "--data", eu.data, "--yes")
        wait("the decision", lambda: eu.get(path)["outcome"] != "open")
        assert eu.get(path)["outcome"] == "decided", eu.get(path)

    def stopped(self, code: str, *words: str) -> int:
        """One sentence says why the late node stops, and with which height; how far it is."""

        def sentences() -> list[str]:
            if not self.late.status_of("/readyz"):
                return []
            status, told = self.late.request("GET", "/readyz")
            found = [f"{c['text']}. {c['next']}" for c in told["conditions"] if c["code"] == code]
            assert not found or status == 503
            return found

        wait("it to stop", lambda: bool(sentences()))
        (told,) = sentences()
        for word in words:
            assert word in told, told
        return self.late.height()

    def goes_on(self, code: str, number: int) -> None:
        """The late node has caught up, is ready, and knows what was said meanwhile."""
        maker = self.nodes["maker"]
        self.late.wait_ready()
        wait("it to catch up", lambda: self.late.height() >= maker.height())
        _, told = self.late.request("GET", "/readyz")
        assert not [c for c in told["conditions"] if c["code"] == code]
        wait_published(self.late, code_of(number))

    def goes_by(self, rules: str, *numbers: int) -> None:
        """The late node runs with other rules while passports are issued by another."""
        self.late.stop()
        self.patch.setenv("COMITY_TEST_OTHERWISE", rules)
        self.late.start(module=OTHERWISE)
        self.late.wait_ready()
        for number in numbers:
            made = issue(self.nodes["maker"], number)
            wait_receipted(self.nodes["maker"], str(made["digest"]))

    def ended(self, why: str) -> None:
        """The late node ended by itself, said why and what to do, and answers nothing any more."""
        late = self.late
        assert late.process is not None and late.process.wait(60) == 70
        late.stop()
        told = str([*late.moments("stopped")][-1]["because"])
        assert why in told and "Nothing is lost" in told and "`comity rebuild`" in told
        assert late.last_words().rstrip().endswith(f"comity: the node stopped itself: {told}")
        assert late.status_of("/readyz") == 0

    def agreed(self, height_min: int = 9) -> None:
        """Every block, each with the app hash before it, and the app hash after the last one."""
        heights = [node.height for node in self.nodes.values()]
        wait("all to be as far", lambda: len({height() for height in heights}) == 1)
        for node in self.nodes.values():
            node.stop()
        found = set()
        for node in self.nodes.values():
            store = LedgerStore(node.data / "ledger.db")
            tip = store.tip()
            assert tip is not None
            blocks = tuple(block for block, _ in store.blocks(1, 10_000, 1 << 30))
            assert len(blocks) == tip.height >= height_min
            found.add((tip.app_hash, blocks))
            store.close()
        assert len(found) == 1


def newer(root: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A life cycle that is another file, in a folder of its own."""
    folder = root / name
    folder.mkdir()
    file = folder / LIFECYCLE
    file.write_bytes(change(rule_files()[LIFECYCLE]))
    return file


def guarded(data: bytes) -> bytes:
    table = json.loads(data)
    table["exclusivity"].append({**table["exclusivity"][0], "id": GUARD})
    table["events"][0]["guards"] += [GUARD]
    return json.dumps(table).encode()


@pytest.fixture
def place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    made = Place(tmp_path, found(tmp_path / "network", VALIDATORS, forked=True), capsys, monkeypatch)
    try:
        for who in made.nodes:
            made.start(who, "node" if who == LATE else NEWER, 2)
        for node in made.nodes.values():
            node.wait_ready()
        yield made
    finally:
        for node in made.nodes.values():
            node.stop()


def test_who_lacks_a_rule_file_or_its_code_stops_and_catches_up(place: Place) -> None:
    """
    The others go on. The one says which file of which SHA-256 it lacks and what to type, through a kill as
    well; given the file it goes on by itself. Of a guard it does not know it says that a newer version is
    needed; started with that, it goes on; and so of a version of the rules. All agree on every block and app
    hash.
    """
    file = newer(place.root, "first", lambda data: data + b"\n")
    digest = sha256(file.read_bytes()).hexdigest()
    command = f"`comity network rules add FILE --as {LIFECYCLE} --data DIR`"
    place.passes(file, place.adds)
    at = place.stopped(FILE_NEEDED, LIFECYCLE, digest, command)
    made = issue(place.nodes["maker"], 1)
    wait_receipted(place.nodes["maker"], str(made["digest"]))
    assert place.late.height() == at
    place.late.kill()
    place.late.start()
    assert place.stopped(FILE_NEEDED, LIFECYCLE, digest, command) == at
    place.adds(LATE, file)
    place.goes_on(FILE_NEEDED, 1)

    other = newer(place.root, "second", guarded)
    assert comity("network", "rules", "add", other, "--data", place.late.data) == 65
    assert f"guarded by {GUARD}" in place.capsys.readouterr().err
    place.passes(other, place.copies)
    place.copies(LATE, other)
    at = place.stopped(
        CODE_NEEDED, LIFECYCLE, sha256(other.read_bytes()).hexdigest(), GUARD, "a newer version"
    )
    made = issue(place.nodes["maker"], 2)
    wait_receipted(place.nodes["maker"], str(made["digest"]))
    assert place.late.height() == at
    place.late.kill()
    place.start(LATE, NEWER, 1)
    place.goes_on(CODE_NEEDED, 2)

    change = place.root / "version.toml"
    change.write_text('[[changes]]\ntype = "app_version"\nname = ""\ntable = { app_version = 2 }\n')
    place.decides("--file", change)
    at = place.stopped(VERSION_NEEDED, "version 2 of the ledger's rules", "knows 1", "Install a newer one")
    made = issue(place.nodes["maker"], 3)
    wait_receipted(place.nodes["maker"], str(made["digest"]))
    assert place.late.height() == at
    place.late.kill()
    place.start(LATE, NEWER, 2)
    place.goes_on(VERSION_NEEDED, 3)

    place.agreed()


@pytest.fixture
def pair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """One validator, and one that follows it."""
    parties = (MAKER, replace(CUSTOMS, validator=False))
    made = Place(tmp_path, found(tmp_path / "network", parties, forked=True), capsys, monkeypatch)
    try:
        made.nodes["maker"].start()
        made.nodes["maker"].wait_ready()
        yield made
    finally:
        for node in made.nodes.values():
            node.stop()


def test_who_goes_by_other_rules_ends_with_a_sentence_and_loses_nothing(pair: Place) -> None:
    """
    A node that refuses what was decided, or comes to another state, ends at that block: its log, its
    last words and exit code 70 say so, with what to do; it answers nothing any more, rather than by another
    state. Each time it is started so it says the same. All up to there stays, and the version of the others
    goes on from it: at once, or once ledger.db was made again from its own blocks.
    """
    pair.goes_by("refuse", 1)
    pair.ended("it cannot be executed: nothing happens here")
    pair.late.start()
    pair.goes_on("stopped", 1)

    pair.goes_by("state", 2, 3)
    pair.ended("it goes on from another state than is here")
    pair.late.start()
    pair.ended("it goes on from another state than is here")
    pair.types("rebuild", "--data", pair.late.data)
    pair.late.start()
    pair.goes_on("stopped", 3)

    pair.agreed(height_min=3)  # a passport was issued three times
