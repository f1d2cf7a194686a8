"""Dependencies: each has a lower bound, an exact version, a use in the code, and a reason in one table."""

import re
import tomllib
from pathlib import Path

import pytest

from node.config import VERSION

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUN = [re.split(r"[>=<]", line)[0] for line in PROJECT["dependencies"]]
DEV = [re.split(r"[>=<]", line)[0] for line in PROJECT["optional-dependencies"]["dev"]]
MODULES = {
    "pillow": "PIL",
    "protobuf": "google.protobuf",
    "pynacl": "nacl",
    "jsonschema-rs": "jsonschema_rs",
    "sqlite-utils": "sqlite_utils",
    "tomli-w": "tomli_w",
    "zxing-cpp": "zxingcpp",
}


def table() -> set[str]:
    """The packages that the table of README names."""
    text = (ROOT / "README.md").read_text()
    section = text.split("## What it stands on", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", section, re.MULTILINE)
    return {
        name for cell in cells for name in re.split(r",\s*", cell.strip("* ").strip()) if name != "package"
    }


def test_every_dependency_has_its_reason_in_one_table() -> None:
    """
    The table in README names the packages of pyproject.toml, all of them and no other.
    """
    assert table() == {*RUN, *DEV}


def test_commands_and_answers_say_the_version_of_the_package() -> None:
    """
    One version: `comity --version`, /status and /openapi.json name it, installed or from a clone.
    """
    assert PROJECT["version"] == VERSION


@pytest.mark.parametrize("name", RUN)
def test_a_package_that_is_installed_is_used(name: str) -> None:
    """
    Each package that a node installs is imported by its code.
    """
    module = MODULES.get(name, name)
    files = (
        path for folder in ("consensus", "credentials", "node") for path in (ROOT / folder).rglob("*.py")
    )

    assert any(re.search(rf"^\s*(import|from) {module}\b", path.read_text(), re.MULTILINE) for path in files)


def test_every_dependency_has_a_lower_bound_and_an_exact_version() -> None:
    """
    pyproject.toml has lower bounds, constraints.txt the versions the tests ran with, and no address.
    """
    constraints = (ROOT / "constraints.txt").read_text()
    pinned = {
        line.split("==")[0].strip().lower().replace("_", "-")
        for line in constraints.splitlines()
        if "==" in line
    }

    assert {*RUN, *DEV} <= pinned
    assert "://" not in constraints
    for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]):
        assert ">=" in line


def test_every_package_is_installed() -> None:
    """
    A wheel holds every folder with code: the packages of pyproject.toml are those of the clone.
    """
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        str(path.parent.relative_to(ROOT)).replace("/", ".")
        for name in ("consensus", "credentials", "node")
        for path in (ROOT / name).rglob("__init__.py")
    }

    assert folders <= set(table["packages"])
    assert {name for name in table["packages"] if not (ROOT / name.replace(".", "/")).is_dir()} == set()
