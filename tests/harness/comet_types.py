"""`python -m tests.harness.comet_types`: the types of the ABCI, made anew from CometBFT's own proto files.

protoc writes `from tendermint.crypto import keys_pb2`; the package is not installed under that name here, so
that the line names the folder instead. Nothing else of what it wrote is changed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROTO = Path(__file__).resolve().parents[2] / "node" / "ledger" / "comet" / "proto"
PACKAGE = "node.ledger.comet.proto"
FOREIGN = re.compile(r"^from (tendermint|gogoproto)\b", re.MULTILINE)


def generate(out: Path) -> dict[str, str]:
    """The generated modules and their types, by path below `proto/`."""
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    options = [f"--proto_path={PROTO}", f"--python_out={out}", f"--pyi_out={out}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *sources], check=True)
    return {
        str(path.relative_to(out)): FOREIGN.sub(rf"from {PACKAGE}.\1", path.read_text())
        for path in sorted(out.rglob("*_pb2.py*"))
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in generate(Path(folder)).items():
            (PROTO / name).write_text(text)


if __name__ == "__main__":
    main()
