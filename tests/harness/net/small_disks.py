"""A node whose data directory and temporary files are on small disks (tmpfs in a mount namespace of its own).

node.start(within=small_disks(node))
fill(node, DATA, 32); ...; empty(node, DATA)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from tests.harness.net.harness import Node

DATA: Final = "data"
TEMPORARY: Final = "temporary"
Disk = Literal["data", "temporary"]

MEBIBYTES: dict[Disk, int] = {DATA: 288, TEMPORARY: 80}  # 32 and 16 above what is called nearly full

_SCRIPT = f"""
set -e
data="$1"; shift
mkdir "$data.disk" "$data.temporary"
mount -t tmpfs -o size={MEBIBYTES[DATA]}m none "$data.disk"
cp -a "$data/." "$data.disk/"
mount --bind "$data.disk" "$data"
mount -t tmpfs -o size={MEBIBYTES[TEMPORARY]}m none "$data.temporary"
mkdir "$data.temporary/of-the-node"
export TMPDIR="$data.temporary/of-the-node"
exec "$@"
"""


def small_disks(node: Node) -> tuple[str, ...]:
    """What the command that starts the node is put behind; its files are copied there first."""
    return ("unshare", "--map-root-user", "--mount", "sh", "-c", _SCRIPT, "sh", str(node.data))


def seen_by(node: Node, disk: Disk) -> Path:
    """A folder of the node as only its process sees it."""
    assert node.process is not None, "its disks end with it"
    own = Path(f"/proc/{node.process.pid}/root")
    folder = node.data if disk == DATA else Path(f"{node.data}.temporary")
    return own / folder.relative_to("/")


def fill(node: Node, disk: Disk, mebibytes: int) -> None:
    """Something else takes so much of the disk."""
    with (seen_by(node, disk) / "something-else").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, mebibytes << 20)


def empty(node: Node, disk: Disk) -> None:
    """It is gone again."""
    (seen_by(node, disk) / "something-else").unlink()
