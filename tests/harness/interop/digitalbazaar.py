"""@digitalbazaar/vc in a Node process of its own, digitalbazaar.mjs: a JSON line asked, a line answered."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.bench.harness import Batch, NotMeasured
from tests.harness.interop.documents import CONTEXTS, ISSUED, KEYS, MAKER, Document, Key, controller

FOLDER = Path(__file__).parent
INSTALL_S_MAX = 300


def install() -> str:
    """Return the path of Node, with the packages of package.json in place; raises NotMeasured."""
    node, npm = shutil.which("node") or shutil.which("nodejs"), shutil.which("npm")
    if node is None:
        raise NotMeasured("Node is missing")
    if not _installed():
        if npm is None:
            raise NotMeasured("npm is missing")
        try:
            done = subprocess.run(
                [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
                cwd=FOLDER,
                capture_output=True,
                text=True,
                timeout=INSTALL_S_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NotMeasured("npm did not finish installing @digitalbazaar/vc") from error
        if done.returncode or not _installed():
            raise NotMeasured("npm could not install @digitalbazaar/vc")
    return node


def _installed() -> bool:
    """Say whether each package is there in the version that package.json names."""

    def version(name: str) -> str | None:
        file = FOLDER / "node_modules" / name / "package.json"
        return str(json.loads(file.read_text())["version"]) if file.is_file() else None

    wanted: dict[str, str] = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    return all(version(name) == exact for name, exact in wanted.items())


class DigitalBazaar:
    """A running digitalbazaar.mjs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None, "both ends are pipes"
        self._in: IO[str] = process.stdin
        self._out: IO[str] = process.stdout

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        self._in.write(json.dumps(question) + "\n")
        self._in.flush()
        answer = self._out.readline()
        if not answer:
            raise NotMeasured("digitalbazaar.mjs ended early")
        return dict(json.loads(answer))

    def sign(self, document: Document, suite: str, key: Key) -> Document:
        answer = self.ask(signing(document, suite, key))
        if "failed" in answer:
            raise NotMeasured(f"@digitalbazaar/vc did not sign: {answer['failed']}")
        return dict(json.loads(answer["document"]))

    def verify(self, document: Document, suite: str) -> dict[str, Any]:
        """Return {"verified": bool, "error": text or None}."""
        return self.ask(verifying(document, suite))

    def batch(self, work: dict[str, Any], *, clock: str = "seconds") -> Batch:
        """Return a batch that repeats one question over there, timed over there; or by `cpu_seconds`."""

        def batch(count: int) -> float:
            answer = self.ask({"op": "time", "count": count, "work": work})
            if "failed" in answer:
                raise NotMeasured(f"@digitalbazaar/vc failed: {answer['failed']}")
            return float(answer[clock])

        return batch


def signing(document: Document, suite: str, key: Key) -> dict[str, Any]:
    """Return the question that signs a document."""
    secret = key.multikey(secret=True)
    return {"op": "sign", "suite": suite, "document": json.dumps(document), "key": secret, "created": ISSUED}


def verifying(document: Document, suite: str) -> dict[str, Any]:
    """Return the question that verifies a document."""
    return {"op": "verify", "suite": suite, "document": json.dumps(document)}


@contextmanager
def digitalbazaar() -> Iterator[DigitalBazaar]:
    """Start Node with the pinned contexts and the maker's public keys, and end it; raises NotMeasured."""
    methods = {key.signer.key_id: key.multikey() for key in KEYS.values()}
    with subprocess.Popen(
        [install(), "digitalbazaar.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        peer = DigitalBazaar(process)
        try:
            peer.ask({"documents": {**CONTEXTS, **methods, MAKER: controller()}})
            yield peer
        finally:
            process.terminate()
