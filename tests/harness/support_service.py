"""A small real node for tests of the edge: one participant with every role, one validator, its own folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from credentials.ledger.parties import Accreditation, Participant
from credentials.ledger.recognition import Recognition
from node.api import create_app
from node.config import DataDirectory, policy_name, shipped_policy
from node.service import Service
from node.settings import SETTINGS_FILE, TokenSettings
from node.setup import ceremony, network
from node.setup.key_token import Token
from node.setup.wiring import open_service
from tests.harness.answered import held_to_its_description

DID = "did:web:everything.example"
NAME = "Everything Ltd (invented)"
ROLES = ("manufacturer", "importer", "customs", "authority")
CODE = "ZZ1PE75QH00001G620000001"
UNKNOWN_CODE = "ZZ1PE75QH00001G6U9000066"
PASSPHRASE = "only for tests"
WAIT_S_MAX = 120.0  # whoever waits so long waits for ever


def manifest() -> dict[str, Any]:
    """Two lines: the battery whose passport a test may issue, and one nobody knows."""
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    return {
        "declaration": "26NLTEST000001",
        "law_date": "2027-03-01",
        "direction": "import",
        "lines": [{"line": 1, "battery": CODE, **goods}, {"line": 2, "battery": UNKNOWN_CODE, **goods}],
    }


@dataclass
class LiveNode:
    """A running node with its application: `client` is a stranger, `person` came in by a link."""

    service: Service
    app: Flask
    operator_key: str
    data: Path
    client: FlaskClient = field(init=False)
    person: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()
        self.person = self.app.test_client()
        link = self.post_json("/links", {}).get_json()
        assert self.person.get(link["path"]).status_code == 303

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.operator_key}"}

    def get(self, path: str) -> TestResponse:
        """GET as the operator."""
        return self.client.get(path, headers=self.bearer)

    def get_json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text[:400]
        return answer.get_json(force=True)

    def post_json(self, path: str, body: Any) -> TestResponse:
        """POST as the operator."""
        return self.client.post(path, json=body, headers=self.bearer)

    def post_raw(self, path: str, body: bytes, content_type: str) -> TestResponse:
        return self.client.post(path, data=body, headers={**self.bearer, "Content-Type": content_type})

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Poll until `done`."""
        deadline = time.monotonic() + WAIT_S_MAX
        while not done():
            assert time.monotonic() < deadline, f"waited {WAIT_S_MAX:.0f} s for {what}"
            time.sleep(0.05)

    def wait_quiet(self) -> None:
        """Poll until all that this node said is on the log, and all that follows from it: lists, checkpoints.

        A receipt alone is not the end: the status lists that a passport is in are attested after it.
        """

        def quiet() -> bool:
            status, office = self.service.overview.status(), self.service.stores.office
            log = status["log"]
            return log["size"] == log["cosigned_size"] == office.followed() and not any(
                status["outbox"].get(state) for state in ("outbox", "admitted")
            )

        self.wait(quiet, "quiet")


@contextmanager
def live_node(
    root: Path,
    roles: tuple[str, ...] = ROLES,
    recognitions: Sequence[Recognition] = (),
    home: str = "EU",
    others: Sequence[tuple[Participant, Accreditation | None]] = (),
    *,
    token: TokenSettings | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[LiveNode]:
    """Found a network of one, start its node, and stop it at the end; it judges in the EU, wherever it is.

    `others` take part without a node: a test holds their keys. `token`: some of its keys are there.
    `settings`: what else its node.toml says.
    """
    directory = DataDirectory(root / "data")
    card = network.init(
        directory,
        did=DID,
        name=NAME,
        jurisdiction=home,
        roles=roles,
        validator=True,
        passphrase=PASSPHRASE,
        token=None if token is None else Token(token),
    )
    if told := {**({} if token is None else {"pkcs11": token.row()}), **(settings or {})}:
        (directory.root / SETTINGS_FILE).write_text(tomli_w.dumps(told))
    directory.policy_file.write_bytes(shipped_policy(policy_name("EU", roles), "EU"))
    founding = ceremony.Founding(name="tests", origin="log.tests.example")
    founding.add(card)
    schemes = (("gbt34014", "ZZ1"), ("gbt34014", "ZZ2"), ("gs1", "*"))
    founding.accreditations.append(
        Accreditation(
            participant=DID, roles=roles, schemes=schemes, jurisdiction="EU", valid_from=founding.created
        )
    )
    founding.recognitions.extend(recognitions)
    for party, licence in others:
        founding.add(party, validator=False)
        founding.accreditations += [] if licence is None else [licence]
    ceremony.create(root / "network", founding)
    network.join(directory, root / "network", PASSPHRASE)
    service = open_service(directory, PASSPHRASE, 0)
    service.start()
    try:
        app = held_to_its_description(create_app(service))
        yield LiveNode(service, app, directory.operator(), directory.root)
    finally:
        service.stop()


@contextmanager
def serving(node: LiveNode) -> Iterator[str]:
    """The node on a port of loopback, for the command line; its address."""
    server = make_server("127.0.0.1", 0, node.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
