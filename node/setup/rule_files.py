"""Rule files on this machine, by their SHA-256: those of the founding, and what its operator put beside them.

Looked for again whenever one is asked for that is not known yet, so that a file is found without a restart.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from credentials.ledger.genesis_table import RULE_FILE
from credentials.ledger.governance_records import RuleFiles, RulesNotHere, read_rule
from node.errors import SetupError
from node.named_files import OWN_BYTES_MAX, read_named, read_own, write_own
from node.rules_in_force import why_not_together, why_strange, why_unread


class RuleFolder:
    """Asked by the engine and by callers, from any thread."""

    def __init__(self, folder: Path, known: Mapping[bytes, bytes]) -> None:
        self.folder = folder
        self._known = dict(known)
        self._seen: dict[str, tuple[int, int, int]] = {}  # name -> inode, size and time of what was read
        self._digests: dict[str, bytes] = {}  # path -> SHA-256 of what was read
        self._lock = threading.Lock()

    def __call__(self, digest: bytes) -> bytes | None:
        """The file with this SHA-256; None: it is not here, or cannot be read now."""
        with self._lock:
            if digest not in self._known:
                self._look()
            return self._known.get(digest)

    def offered(self) -> list[tuple[str, bytes]]:
        """(name, SHA-256) of each file in the folder, by name: what can be proposed from this machine."""
        with self._lock:
            found = {
                (_name_of(Path(path)), self._digests[path]) for path in self._look() if path in self._digests
            }
        return sorted(pair for pair in found if RULE_FILE.fullmatch(pair[0]))

    def _look(self) -> list[str]:
        """Read what is new in the folder; the paths of all that is in it."""
        try:
            found = sorted(entry.path for entry in os.scandir(self.folder) if entry.is_file())
        except OSError:
            return []
        for path in found:
            try:
                facts = os.stat(path)
                seen = facts.st_ino, facts.st_size, facts.st_mtime_ns
                if self._seen.get(path) == seen:
                    continue
                data = read_own(Path(path))
            except OSError:
                continue  # asked for again, it is looked for again
            self._seen[path] = seen
            self._digests[path] = sha256(data).digest()
            self._known[self._digests[path]] = data
        return found


def _name_of(path: Path) -> str:
    """Under which name a file of the folder is a rule file: `add` puts a part of its digest into it."""
    stem, _, mark = path.stem.rpartition(".")
    return f"{stem}{path.suffix}" if stem and re.fullmatch(r"[0-9a-f]{16}", mark) else path.name


def require_readable(name: str, digest: bytes, files: RuleFiles) -> Any:
    """The file as values; raises RulesNotHere unless it is here, and this software can go by all of it."""
    rules: Any = read_rule(name, digest, files)
    why = why_unread(name, rules)
    if why is not None:
        raise RulesNotHere(name, digest, why, newer=True)
    return rules


def require_proposed(wanted: Mapping[str, bytes], governing: Mapping[str, Any], files: RuleFiles) -> None:
    """Raise RulesNotHere unless each file is here, can be gone by, and goes with what would govern beside it.

    `governing`: the rule files before, by name. What of them cannot be read is no reason against these.
    """
    read = {name: require_readable(name, digest, files) for name, digest in wanted.items()}
    sound = {n: t for n, t in governing.items() if t is not None and why_unread(n, t) is None}
    after = sound | read
    why = (why_not_together(after) or why_strange(after, sound)) if read else None
    if why is not None:
        name = next((one for one in wanted if one in why), min(wanted))
        raise RulesNotHere(name, wanted[name], why, newer=True)


def add(folder: Path, path: Path, name: str) -> tuple[Path, bytes]:
    """Put a rule file beside those of the network, whole or not at all; where it is now, and its SHA-256.

    The founding's file of that name stays: what the network did under it is computed again from it. Raises
    SetupError for a file that this software could not go by.
    """
    data = read_named(path, OWN_BYTES_MAX, what="the rule file")
    digest = sha256(data).digest()
    try:
        require_readable(name, digest, {digest: data}.get)
    except RulesNotHere as error:
        raise SetupError(
            f"{path} is not added as {name}: {error.why}. If others go by it, install a newer version"
        ) from error
    kept = folder / f"{Path(name).stem}.{digest.hex()[:16]}{Path(name).suffix}"
    try:
        write_own(kept, data)
    except OSError as error:
        raise SetupError(
            f"{folder} takes no file: {error.strerror}",
            step="Make the folder writable for whoever runs this.",
        ) from error
    return kept, digest
