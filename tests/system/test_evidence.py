"""tests/EVIDENCE.md: every promised line names tests that exist and are not skipped, or a command."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = ROOT / "tests" / "EVIDENCE.md"

NEVER_RUN = {"skip", "skipif", "xfail"}
TARGETS = {"demo", "test", "check", "long", "lint", "sim", "bench", "clean"}


def rows() -> list[tuple[str, str, list[str]]]:
    """Return (section, promise, what is quoted in the last column) of every row of the tables."""
    found, section = [], ""
    for text in EVIDENCE.read_text().splitlines():
        section = text.removeprefix("## ") if text.startswith("## ") else section
        cells = [cell.strip() for cell in text.strip().strip("|").split(" | ")]
        if len(cells) == 2 and text.startswith("| ") and cells[0] != "promise":
            found.append((section, cells[0], re.findall(r"`([^`]+)`", cells[1])))
    return found


def named_ids() -> list[str]:
    """Return every test id the table names."""
    return sorted(
        {quoted for _, _, all_quoted in rows() for quoted in all_quoted if quoted.startswith("tests/")}
    )


@cache
def tree(path: Path) -> ast.Module:
    """Return a file of tests, read once."""
    return ast.parse(path.read_text())


@cache
def definitions(path: Path) -> dict[str, ast.FunctionDef]:
    """Return the functions of a file and of its classes, the first of each name."""
    found: dict[str, ast.FunctionDef] = {}
    bodies = [tree(path).body, *(node.body for node in tree(path).body if isinstance(node, ast.ClassDef))]
    for node in (node for body in bodies for node in body if isinstance(node, ast.FunctionDef)):
        found.setdefault(node.name, node)
    return found


def definition(test_id: str) -> ast.FunctionDef | None:
    """Return the function a test id names (its parameters in brackets do not matter)."""
    file, _, name = test_id.partition("::")
    path = ROOT / file
    if not path.is_file():
        return None
    return definitions(path).get(name.split("[")[0].split("::")[-1])


@cache
def module_marks(path: Path) -> tuple[ast.expr, ...]:
    """Return what a file of tests marks all of them with."""
    given = (node for node in tree(path).body if isinstance(node, ast.Assign))
    return tuple(
        node.value
        for node in given
        if any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)
    )


def marks(path: Path, function: ast.FunctionDef) -> set[str]:
    """Return the names of the marks of a test, its module's included."""
    nodes = (*function.decorator_list, *module_marks(path))
    return {inner.attr for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}


def faults(test_id: str) -> list[str]:
    """Return why a test cannot be evidence."""
    function = definition(test_id)
    if function is None:
        return [f"{test_id} does not exist"]
    never = sorted(marks(ROOT / test_id.partition("::")[0], function) & NEVER_RUN)
    called = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    skips = {one.attr for one in called if isinstance(one, ast.Attribute)} & {"skip", "importorskip", "xfail"}
    return [f"{test_id} is marked {mark}" for mark in never] + [f"{test_id} skips itself"] * bool(skips)


def test_id_exists_and_is_not_skipped() -> None:
    """
    A test named as evidence is there, is not marked skip or xfail, and does not skip itself out of hand.
    """
    named = named_ids()

    assert len(named) > 1_500
    assert [fault for test_id in named for fault in faults(test_id)] == []


def test_every_row_names_something_that_can_be_run() -> None:
    """
    A row names at least one test id or command; commands are make targets, the comity command, or .ci/run.
    """
    for section, promise, quoted in rows():
        runnable = [
            one
            for one in quoted
            if one.startswith(("tests/", "comity ", "bash .ci/run"))
            or (one.startswith("make ") and one.split()[1] in TARGETS)
        ]
        assert promise
        assert runnable, f"{section}: {promise!r} names nothing that can be run"


def test_every_file_of_tests_shows_a_promise() -> None:
    """
    What a file of tests holds is told to the reader: at least one row names one of its tests.
    """
    named = {one.partition("::")[0] for one in named_ids()}
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")}

    assert len(files) > 200
    assert sorted(files - named) == []


def test_no_promise_stands_outside_a_section_or_twice() -> None:
    """
    Every promise belongs to a section of the reader's, and is made once.
    """
    promises = [promise for _, promise, _ in rows()]

    assert all(section for section, _, _ in rows())
    assert len(promises) > 100
    assert sorted(set(promises)) == sorted(promises)


# Each row of SECURITY.md's table of stolen keys: the tests in which a thief acts first and is refused then.
_KEYS, _SIGNATURES = (
    "tests/system/test_stolen_keys.py::test_",
    "tests/system/test_stolen_signatures.py::test_",
)
STOLEN = {
    "`vote` (one validator)": (
        f"{_SIGNATURES}a_stolen_vote_key_ends_with_a_set_of_validators_without_it",
        f"{_KEYS}stolen_keys_of_a_validator_end_with_rotation",
    ),
    "`vote` (more than f validators)": (
        "tests/system/test_fork.py::test_two_blocks_at_one_height_are_noticed_by_both_sides",
        f"{_KEYS}stolen_keys_of_a_validator_end_with_rotation",
    ),
    "`cosign` (one validator)": (
        f"{_SIGNATURES}stolen_cosign_and_log_keys_of_one_validator_end_with_keys_compromised",
    ),
    "`cosign` (quorum, and one `log` key)": (
        f"{_SIGNATURES}stolen_cosign_keys_of_a_quorum_end_with_keys_compromised_of_each",
    ),
    "`log` (any one)": (
        f"{_SIGNATURES}stolen_cosign_and_log_keys_of_one_validator_end_with_keys_compromised",
    ),
    "`attest` (an issuer)": (f"{_KEYS}a_stolen_attest_key_ends_with_keys_compromised",),
    "`credential` (an issuer)": (f"{_KEYS}a_stolen_credential_key_ends_with_keys_compromised",),
    "`transport` (a participant)": (f"{_KEYS}a_stolen_transport_key_ends_with_keys_compromised",),
    "the **recovery key** (a participant, kept offline)": (
        f"{_KEYS}a_stolen_recovery_key_ends_with_a_stop_and_another_recovery_key",
    ),
    "the **network key**": (f"{_KEYS}the_network_key_is_for_guessing_and_outlasts_every_other_key",),
    "the passphrase of an account": (
        "tests/node/test_accounts.py::test_a_stolen_passphrase_ends_with_the_account_or_with_another_one",
    ),
    "the identity provider of a node (`[oidc]`), or its client secret with a place between": (
        "tests/node/test_openid.py::test_a_stolen_provider_ends_with_its_setting_and_the_accounts_it_opened",
    ),
    "a bearer key of a node": (f"{_KEYS}a_stolen_bearer_key_ends_with_keys_revoke",),
    "the passphrase and `keys.enc`": (
        f"{_SIGNATURES}a_stolen_key_file_with_its_passphrase_ends_with_another_passphrase_and_other_keys",
    ),
}


def test_each_stolen_key_of_security_md_has_its_test() -> None:
    """
    The rows of the table are those above; each command that ends a theft stands in what its tests say they
    do. For the network key there is none, and the row says so.
    """
    text = (
        (ROOT / "SECURITY.md").read_text().partition("## What a stolen key allows")[2].partition("\n## ")[0]
    )
    table = [line.strip().strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    ends = {cells[0].strip(): cells[-1] for cells in table[1:]}
    command = re.compile(r"`comity\s+([a-z-]+\s+[a-z-]+)")

    assert ends.keys() == STOLEN.keys()
    for row, tests in STOLEN.items():
        found = [definition(test) for test in tests]
        assert all(found), row
        said = " ".join(ast.get_docstring(one) or "" for one in found if one)
        done = {" ".join(words.split()) for words in command.findall(said)}
        asked = {" ".join(words.split()) for words in command.findall(ends[row])}
        assert done or "no command" in ends[row], row
        assert asked <= done, (row, asked - done)
