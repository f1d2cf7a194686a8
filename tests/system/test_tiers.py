"""The harness itself: tiers, the closing table, and CI=true."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system import test_chaos

ROOT = Path(__file__).resolve().parents[2]
ALONE = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # loading them all takes a second and a half
SAMPLE = '''"""Sample."""

import pytest

from tests.harness.parts import PARTS, require

PARTS["unicorn"] = (lambda: None, "it does not exist")


def test_plain() -> None:
    pass


def test_lacking() -> None:
    require("unicorn")


@pytest.mark.check
def test_checked() -> None:
    pass


@pytest.mark.long
def test_endless() -> None:
    pass
'''


def run(tmp_path: Path, *options: str, ci: str) -> tuple[int, str]:
    """Run pytest with our conftest over the sample, as `make` does; return exit code and output."""
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    pytest_with_ours = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    done = subprocess.run(
        [*pytest_with_ours, "-q", *options, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT,
        env={**ALONE, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.check
@pytest.mark.parametrize("tier", ["check", "long"])
def test_a_tier_runs_its_own_tests(tmp_path: Path, tier: str) -> None:
    """
    `--tier` runs the tests of that tier and no others, and the table counts the rest.
    """
    code, output = run(tmp_path, f"--tier={tier}", ci="")

    assert code == 0, output
    assert "3 deselected" in output
    assert f"tier {tier}: ran / not run, because" in output


def test_the_table_says_what_did_not_run_and_why(tmp_path: Path) -> None:
    """
    The closing table has a row per area with counts and the reason of every test that did not run; where no
    tier is named it is `test`.
    """
    code, output = run(tmp_path, ci="")

    assert code == 0, output
    assert "2 deselected" in output
    assert "tier test: ran / not run, because" in output
    assert re.search(
        r"^sample +1 +0 +3  1: belongs to `make check`; 1: belongs to `make long`; "
        r"1: unicorn is missing \(it does not exist\)$",
        output,
        re.M,
    ), output


@pytest.mark.check
def test_the_table_is_the_same_under_xdist(tmp_path: Path) -> None:
    """
    Run in two workers, the table counts the same.
    """
    code, output = run(tmp_path, "-p", "xdist.plugin", "-n2", ci="")

    assert code == 0, output
    assert re.search(r"^all +1 +0 +3$", output, re.M), output


def test_the_two_halves_of_make_check_are_all_of_it() -> None:
    """
    `make check` runs two halves: every folder that holds a test is in exactly one of them, and so is each
    file that the first takes from the second.
    """
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", makefile, re.M)
    named = re.findall(r"tests/(\w+)", recipe[1]) if recipe else []
    moved = re.search(r"^BESIDE := \$\(patsubst %,tests/%\.py,([^)]+)\)$", makefile, re.M)
    files = moved[1].replace("\\\n", " ").split() if moved else []

    assert recipe and re.findall(r"\$\(addprefix --ignore=,\$\(BESIDE\)\)|\$\(BESIDE\)", recipe[1]) == [
        "$(BESIDE)",
        "$(addprefix --ignore=,$(BESIDE))",
    ]
    assert files and all((ROOT / "tests" / f"{name}.py").is_file() for name in files)
    assert sorted(named) == sorted(
        {path.relative_to(ROOT / "tests").parts[0] for path in ROOT.glob("tests/**/test_*.py")}
    )


def test_with_ci_a_skip_is_a_failure(tmp_path: Path) -> None:
    """
    With CI=true the missing part fails the run and is named.
    """
    code, output = run(tmp_path, ci="true")

    assert code == 1, output
    assert "with CI=true nothing may be missing: unicorn is missing" in output


def test_a_run_that_leaves_a_file_in_the_clone_has_failed(tmp_path: Path) -> None:
    """
    A test that passes and leaves a file beside the code fails the run, and only that file is named.
    """
    clone = tmp_path / "clone"
    (clone / "tests" / "harness").mkdir(parents=True)
    for name in (
        "tests/__init__.py",
        "tests/conftest.py",
        "tests/harness/__init__.py",
        "tests/harness/parts.py",
    ):
        (clone / name).write_bytes((ROOT / name).read_bytes())
    (clone / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (clone / "tests" / "test_untidy.py").write_text(
        "from pathlib import Path\n\n\ndef test_untidy():\n    Path('２２').write_text('left')\n"
    )
    (clone / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n")
    subprocess.run(["git", "init", "-q"], cwd=clone, check=True)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/test_untidy.py"],
        cwd=clone, env={**ALONE, "CI": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "1 passed" in done.stdout
    assert "FAILED: the tests left 1 files in the clone: '２２'" in done.stdout


def test_every_attack_of_ten_seconds_goes_on_for_a_minute_as_well() -> None:
    """
    Whatever attacks a running network in `make check` is in the table of the long run.
    """
    attacks = {
        function.name
        for name in ("test_doors.py", "test_stoppers.py")
        for function in ast.parse((Path(__file__).parent / name).read_text()).body
        if isinstance(function, ast.FunctionDef) and "net.during(" in ast.unparse(function)
    }

    assert len(attacks) > 8
    assert attacks <= {attack.__name__ for attack in test_chaos.STOPPERS.values()}
