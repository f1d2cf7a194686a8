"""axe-core (MPL-2.0), installed by npm: looks at a page in a browser; for tests only."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.harness.parts import missing, require

HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[3]
GRAVE = ("serious", "critical")
INSTALL_S_MAX = 180


def axe_source() -> str:
    """The script that a page is looked at by; installed once, into .cache."""
    folder = ROOT / ".cache" / "axe"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        npm = require("npm")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", folder)
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False
        )
        if done.returncode != 0 or not script.exists():
            missing(f"npm could not install axe-core: {done.stderr.strip()[-200:]}")
    return script.read_text()


def found_by(page: object, source: str, *, colours_alone: bool = False) -> list[str]:
    """What axe finds serious or critical on an open page: rule, and where; or its contrast alone."""
    page.evaluate(source)  # type: ignore[attr-defined]
    rules = ", runOnly: ['color-contrast']" if colours_alone else ""
    asked = f"axe.run(document, {{resultTypes: ['violations']{rules}}})"
    told = page.evaluate(asked)  # type: ignore[attr-defined]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for one in told["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"][:3]
    ]
