"""A maker alone in a network of one, that is stopped, whose files are put back, and that is started again.

What it gave away (credentials with their places) is remembered here, outside of its files.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from credentials.documents.canonical import b64u
from credentials.documents.status import read_list
from node.config import DataDirectory
from node.errors import ProblemError
from node.service import Service
from node.setup.wiring import open_service
from node.storage.signing import SigningStore
from tests.harness.net.batteries import claims_of, code_of
from tests.harness.support_service import PASSPHRASE, live_node

WAIT_S_MAX = 120.0  # whoever waits so long waits for ever
FILES = ("office.db", "ledger.db", "signing.db")


@dataclass
class Given:
    """A passport that left the node: what anybody may hold."""

    code: str
    digest: str
    credential_id: str
    entries: dict[str, tuple[str, int]]  # purpose -> (name of the list, index)
    credential: dict[str, Any] = field(default_factory=dict)


@dataclass
class Maker:
    """The node, its files, and what it gave away."""

    root: Path
    service: Service | None = None
    lock: IO[bytes] | None = None
    given: list[Given] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def up(self) -> Service:
        assert self.service is not None, "the node runs"
        return self.service

    def start(self) -> None:
        lock = DataDirectory(self.data).lock()
        try:
            self.service = open_service(DataDirectory(self.data), PASSPHRASE, 0)
        except BaseException:
            lock.close()
            raise
        self.lock = lock
        self.service.start()

    def stop(self) -> None:
        if self.service is not None:
            self.service.stop()
            self.service = None
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def allow_vote(self) -> None:
        """What `comity keys allow-vote` does; the node is stopped."""
        signing = SigningStore(self.data / "signing.db")
        signing.allow_vote()
        signing.close()

    def keep(self, name: str, *files: str) -> Path:
        """Copy files away; the node is stopped."""
        assert self.service is None
        folder = self.root / name
        folder.mkdir()
        for file in files:
            for path in self.data.glob(f"{file}*"):
                shutil.copy(path, folder)
        return folder

    def put_back(self, folder: Path, *files: str) -> None:
        """Files of that copy instead of today's; the node is stopped."""
        assert self.service is None
        for file in files:
            for path in self.data.glob(f"{file}*"):
                path.unlink()
            for path in folder.glob(f"{file}*"):
                shutil.copy(path, self.data)

    def wait(self, what: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S_MAX
        while not done():
            assert time.monotonic() < deadline, f"waited {WAIT_S_MAX:.0f} s for {what}"
            time.sleep(0.02)

    def wait_open(self) -> None:
        self.wait("the office to be compared", lambda: self.up.following.told().comparing is None)

    def wait_quiet(self) -> None:
        """Everything said is receipted, refused or waits for what may never come; so are the lists."""

        def quiet() -> bool:
            status, office = self.up.overview.status(), self.up.stores.office
            waiting = [i for i in office.outbox.waiting("outbox") if not self._waits(i.digest)]
            cosigned = status["log"]["size"] == status["log"]["cosigned_size"]
            return not waiting and cosigned and not status["outbox"].get("admitted")

        for _ in range(2):  # what was settled may have been followed by a list
            self.wait("quiet", quiet)

    def _waits(self, digest: bytes) -> bool:
        return self.up.passports.attestation(b64u(digest))["waiting"] is not None

    # -- what it does --------------------------------------------------------------------------------

    def issue(self, serial: int) -> Given:
        code = code_of(serial)
        made = self.up.passports.issue(claims_of(serial), code=code)
        document = next(iter(made["credentials"].values()))
        entries = {
            e["statusPurpose"]: (e["statusListCredential"].rpartition("/")[2], int(e["statusListIndex"]))
            for e in document["credentialStatus"]
        }
        given = Given(code, made["digest"], document["id"], entries, document)
        self.given.append(given)
        return given

    def act(self, given: Given, event: str) -> str:
        """Attest passport.revoked, suspended or reinstated; the digest, or the code of the refusal."""
        members = {"passport_digest": given.digest, "reason": "a test"}
        try:
            made: Any = self.up.passports.attest(f"passport.{event}", given.code, members)
            return str(made["digest"])
        except ProblemError as refused:
            return refused.code

    def knows(self, given: Given) -> bool:
        """Whether the node still has its record of this passport."""
        try:
            return bool(self.up.passports.passport(given.digest))
        except ProblemError:
            return False

    # -- what everybody sees -------------------------------------------------------------------------

    def on_ledger(self, given: Given) -> str | None:
        """The status of the passport on the ledger."""
        standing = self.up.batteries.battery(given.code)["standing"]
        passport = standing["passport"] if standing else None
        return str(passport["status"]) if passport and passport["digest"] == given.digest else None

    def verified(self, given: Given) -> set[str]:
        """What the VC-API says of its status: revoked, suspended, or nothing."""
        checks = self.up.vc_api.verify_credential(given.credential).checks
        return {check.reason for check in checks} & {"revoked", "suspended"}

    def list_name(self, purpose: str, number: int = 1) -> str:
        """What the list with this number is called."""
        return self.up.passports._issuing.lists.numbered(purpose, number)

    def listed(self, given: Given) -> dict[str, bool]:
        """The bits of the lists that are served."""
        return {
            purpose: bool(read_list(self.up.vc_api.status_list(name)).bits(index))
            for purpose, (name, index) in given.entries.items()
        }


@contextmanager
def maker(root: Path) -> Iterator[Maker]:
    """A node of its own, stopped, with everything founded."""
    with live_node(root):
        pass
    made = Maker(root)
    try:
        yield made
    finally:
        made.stop()
