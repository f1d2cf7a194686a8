"""Parts a test needs beyond Python: named once, looked for once.

`require("chromium")` gives the part's path. Where the part is missing the test is skipped with the line that
installs it; with CI=true it fails instead, because there the parts were to be installed.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI", "").lower() == "true"


def _program(*names: str) -> str | None:
    return next((found for name in names if (found := shutil.which(name))), None)


def _cometbft(folder: str) -> str | None:
    """What the Makefile built in this folder."""
    built = Path(__file__).resolve().parents[2] / ".cache" / folder / "cometbft"
    return str(built) if built.exists() else None


def _chromium() -> str | None:
    return os.environ.get("COMITY_CHROMIUM") or _program("chromium", "chromium-browser", "google-chrome")


def _namespaces() -> str | None:
    """The `ip` program, if this user may make network namespaces with it."""
    ip, unshare = _program("ip"), _program("unshare")
    if not ip or not unshare:
        return None
    tried = subprocess.run([unshare, "--net", "true"], capture_output=True, check=False)
    return ip if tried.returncode == 0 else None


def _mounts() -> str | None:
    """The `unshare` program, if this user may mount small disks for a process with it."""
    unshare = _program("unshare")
    if not unshare:
        return None
    mount = [unshare, "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"]
    return unshare if subprocess.run(mount, capture_output=True, check=False).returncode == 0 else None


# part: (how to find it, what to tell somebody who lacks it)
PARTS: dict[str, tuple[Callable[[], str | None], str]] = {
    "chromium": (_chromium, "apt-get install chromium, or name it in COMITY_CHROMIUM"),
    "cometbft": (lambda: _cometbft("cometbft"), "make cometbft, which needs Go 1.22.11 or newer"),
    "cometbft-0.40": (lambda: _cometbft("cometbft-0.40"), "make .cache/cometbft-0.40/cometbft, by Go 1.25"),
    "node": (lambda: _program("node", "nodejs"), "apt-get install nodejs"),
    "npm": (lambda: _program("npm"), "apt-get install npm"),
    "namespaces": (_namespaces, "apt-get install iproute2, and run as root"),
    "mounts": (_mounts, "apt-get install util-linux, and run where a user may make mount namespaces"),
    "git": (lambda: _program("git"), "apt-get install git"),
    "softhsm": (lambda: _program("softhsm2-util"), "apt-get install softhsm2"),
    "poppler": (lambda: _program("pdftoppm"), "apt-get install poppler-utils"),
    "make": (lambda: _program("make"), "apt-get install make"),
}


# The lines of CometBFT: with the second one a test is of `make long`.
COMETBFT_PARTS = ("cometbft", "cometbft-0.40")
COMETBFT_LINES = ("cometbft", pytest.param("cometbft-0.40", marks=pytest.mark.long))


@functools.cache
def find(part: str) -> str | None:
    """Return where the part is, or None."""
    return PARTS[part][0]()


def missing(reason: str) -> NoReturn:
    """Skip the test with this reason; with CI=true fail it."""
    if IN_CI:
        pytest.fail(f"with CI=true nothing may be missing: {reason}", pytrace=False)
    pytest.skip(reason)


def require(part: str) -> str:
    """Return where the part is; without it the test is skipped, or fails with CI=true."""
    found = find(part)
    if found is None:
        missing(f"{part} is missing ({PARTS[part][1]})")
    return found
