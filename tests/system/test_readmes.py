"""The READMEs are held to the code: every module stands in one, and no row names what is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("consensus", "credentials", "node")
READMES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("README.md"))
DECISIONS = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("decisions/*.md"))
ROW = re.compile(r"^\| ([^|]*\.py[^|]*) \|", re.MULTILINE)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rows(readme: Path) -> set[str]:
    """The modules that the tables of a README name, by their path below its folder."""
    cells = ROW.findall(readme.read_text())
    return {name for cell in cells for name in re.findall(r"([a-z0-9_/]+\.py)", cell.replace("\\_", "_"))}


def below(readme: Path) -> set[str]:
    """The modules that a README answers for: those below its folder, but for rooms with one of their own."""
    folder = readme.parent
    own = {other.parent for other in READMES if other != readme and folder in other.parents}
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if path.name != "__init__.py" and not any(room in path.parents for room in own)
    }


@pytest.mark.parametrize("readme", READMES, ids=shown)
def test_every_module_stands_in_its_readme(readme: Path) -> None:
    """
    A README's tables name every module of its folder, and no module that is not there.
    """
    named, there = rows(readme), below(readme)
    if readme.parent.name == "credentials":
        there = {name.rpartition("/")[2] for name in there}  # one table for each room without a README

    assert not there - named, f"say in {shown(readme)} what these are for"
    gone = {name for name in named - there if not list(readme.parent.rglob(name))}
    assert not gone, f"{shown(readme)} names modules that are not there"


def test_every_table_of_config_stands_in_its_readme() -> None:
    """
    By its name, or by its folder: who looks for a table or a text finds what it decides.
    """
    config = ROOT / "config"
    said = re.findall(r"`([\w./*-]+)`", (config / "README.md").read_text())
    named = {name.partition("/")[0] for name in said} | {name.rpartition("/")[2] for name in said}
    there = {path.name for path in config.iterdir() if path.name[:2] != "__" and path.suffix != ".md"}
    there |= {path.name for path in (config / "rules").iterdir() if path.is_file()}

    assert sorted(there - named) == []


def crooked(text: str) -> list[str]:
    """The rows of tables that have more or fewer cells than the head of their table."""
    found, cells = [], 0
    for line in text.splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        own = len(re.findall(r"(?<!\\)\|", line))
        cells = cells or own
        if own != cells:
            found.append(line)
    return found


@pytest.mark.parametrize(
    "page",
    sorted({*READMES, *ROOT.glob("*.md"), *(ROOT / "config").glob("*.md"), *(ROOT / "tests").rglob("*.md")}),
    ids=shown,
)
def test_every_row_of_a_table_has_the_cells_of_its_head(page: Path) -> None:
    """
    No row of a table lost its first cell, or has one that no column stands above.
    """
    assert crooked(page.read_text()) == []


def test_a_crooked_row_would_be_found() -> None:
    """
    A row without its first cell is told; a bar that is escaped begins no cell.
    """
    assert crooked("| a | b |\n|---|---|\n| only one |\n| x \\| y | z |\n\n| c |\n|---|") == ["| only one |"]


@pytest.mark.parametrize("readme", READMES, ids=shown)
def test_links_of_a_readme_lead_somewhere(readme: Path) -> None:
    """
    Every relative link of a README names a file or folder that exists.
    """
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", readme.read_text())

    assert [link for link in links if not (readme.parent / link).exists()] == []


def test_every_path_that_the_map_of_node_names_exists() -> None:
    """
    The table of node/README.md that answers "where is ...?" names files that are there.
    """
    text = (ROOT / "node" / "README.md").read_text()
    table = text[text.index("## Where is") : text.index("## Rooms")]
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.(?:py|json|toml))?)`", table))

    there = {name for name in named if (ROOT / "node" / name).exists() or (ROOT / name).exists()}
    assert named - there == set() and len(named) > 15


def test_code_and_data_name_no_document_that_is_not_here() -> None:
    """
    A comment that sends its reader to `something.md` sends them to a file of this repository.
    """
    sources = [p for f in (*LAYERS, "config", "tests") for p in (ROOT / f).rglob("*")]
    texts = [p for p in sources if p.suffix in (".py", ".toml", ".json") and p != Path(__file__)]
    there = {p.name for p in [*sources, *ROOT.glob("*.md")] if p.suffix == ".md"}

    named = {
        (shown(p), name)
        for p in texts
        for name in re.findall(r"\b[\w-]+\.md\b", p.read_text(errors="replace"))
    }
    assert len(texts) > 200 and {name for _, name in named} & there
    assert {(where, name) for where, name in named if name not in there} == set()


def test_decisions_have_a_number_a_title_and_a_date() -> None:
    """
    One decision is one file, NNNN-title.md, whose head repeats the number; no number twice in a folder.
    """
    assert len(DECISIONS) > 50
    seen: set[tuple[Path, str]] = set()
    for path in DECISIONS:
        number, text = path.name[:4], path.read_text()
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name), shown(path)
        assert text.startswith(f"# {number}. "), f"{shown(path)} begins with its number and title"
        assert re.search(r"20\d\d-\d\d", text), f"{shown(path)} has a date"
        assert (path.parent, number) not in seen, f"{number} is taken in {shown(path.parent)}"
        seen.add((path.parent, number))


DECIDED_OTHERWISE = re.compile(r"(?:[Ss]upersedes|Closes what|Decides what) ([^.;]*)")


def test_what_was_decided_otherwise_since_says_by_which() -> None:
    """
    A decision that supersedes another, or decides what it left open, is named in that one: whoever reads the
    older one alone does not take it for what holds.
    """
    by_number = {(path.parent, path.name[:4]): path for path in DECISIONS}
    found = [
        (path, by_number[path.parent, number])
        for path in DECISIONS
        for told in DECIDED_OTHERWISE.findall(path.read_text().split("\n")[2])
        for number in set(re.findall(r"\b\d{4}\b", told))
        if (path.parent, number) in by_number
    ]

    assert len(found) > 8
    assert [(shown(old), path.name[:4]) for path, old in found if path.name[:4] not in old.read_text()] == []


def test_the_map_of_the_tests_is_whole() -> None:
    """
    tests/README.md names every folder of the tests and all that they share, and nothing that is gone.
    """
    tests = ROOT / "tests"
    named = set(re.findall(r"`([a-z_]+(?:/|\.py))`", (tests / "README.md").read_text()))

    def there(folder: Path) -> set[str]:
        parts = (path for path in folder.iterdir() if not path.name.startswith(("_", ".")))
        return {f"{path.name}/" if path.is_dir() else path.name for path in parts}

    shared = {name for name in there(tests / "harness") if name.endswith(("/", ".py"))}
    left_by_a_run = {"artifacts/"}  # of the gate of mutants and of the browser; git ignores it
    folders = {name for name in there(tests) if name.endswith("/")} - left_by_a_run
    assert named == shared | folders
