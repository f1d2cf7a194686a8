"""What strangers' implementations make: each case of tests/vectors/cases at the VC-API of a node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from node.api import create_app
from node.config import DataDirectory
from node.setup import standalone
from node.setup.wiring import open_service

JSON = dict[str, Any]
CASES = Path(__file__).parents[1] / "vectors" / "cases"
URL = "http://127.0.0.1:8470"

# Reason of the answer, None where it must verify.
RIGHT: dict[str, str | None] = {
    "01-status-type-not-known/credential.json": "status_unsupported",
    "05-envelope-with-more-contexts/credential.json": None,
    "06-jwt-kid-is-the-bare-did/a.json": None,
    "06-jwt-kid-is-the-bare-did/b.json": None,
    "09-context-this-node-lacks-is-malformed/a.json": "context_unknown",
    "09-context-this-node-lacks-is-malformed/b.json": "context_unknown",
    "10-https-issuer-is-malformed/a.json": "issuer_unknown",
    "10-https-issuer-is-malformed/b.json": "issuer_unknown",
    "25-jwt-not-before-in-the-future/credential.json": "not_yet_valid",
    "30-signed-forms-that-are-refused/digestMultibase-list.MUST-ACCEPT.json": None,
    "30-signed-forms-that-are-refused/jcs-empty-array.MUST-ACCEPT.json": None,
    "30-signed-forms-that-are-refused/jwt-cty-more-specific.MUST-ACCEPT.json": None,
    "30-signed-forms-that-are-refused/jwt-header-iss-differs.MUST-REFUSE.json": "structure_invalid",
    "30-signed-forms-that-are-refused/jwt-plain.control-ACCEPT.json": None,
    "30-signed-forms-that-are-refused/validFrom-24-00-00.MUST-ACCEPT.json": None,
}
UNDECIDED = {"status_unsupported", "context_unknown", "issuer_unknown"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> DataDirectory:
    return DataDirectory(tmp_path_factory.mktemp("alone") / "data")


@pytest.fixture(scope="module")
def client(directory: DataDirectory) -> Iterator[FlaskClient]:
    words = standalone.found(directory, URL, None)
    service = open_service(directory, words, 8470, open_api=True, public_url=URL)
    service.start()
    try:
        yield create_app(service).test_client()
    finally:
        service.stop()


@pytest.mark.parametrize("name", RIGHT)
def test_a_strangers_document_gets_its_right_answer(client: FlaskClient, name: str) -> None:
    """
    Lawful forms verify, contradictions do not, and what the node lacks is undecided, never a failure.
    """
    document = json.loads((CASES / name).read_text())
    body = document if "verifiableCredential" in document else {"verifiableCredential": document}

    answer = client.post("/credentials/verify", json=body)
    told: JSON = answer.get_json()

    reason = RIGHT[name]
    assert (answer.status_code, told["verified"]) == ((200, True) if reason is None else (400, False)), told
    reasons = {problem["type"].rpartition(":")[2] for problem in told["problemDetails"]}
    assert reasons == ({reason} if reason else set())
    if reason in UNDECIDED:
        assert not [check for check in told["checks"] if check["outcome"] == "fail"]


def test_every_case_that_is_a_document_is_tried() -> None:
    """
    The table above misses none of the files that are credentials.
    """
    elsewhere = ("03-", "12-", "15-", "16-", "17-", "19-", "21-", "22-", "26-", "27-")
    files = {str(path.relative_to(CASES)) for path in CASES.glob("*/*.json")}

    assert {name for name in files if not name.startswith(elsewhere)} == set(RIGHT)


def test_a_file_that_is_not_utf_8_is_told_by_its_byte(client: FlaskClient, directory: DataDirectory) -> None:
    """
    A manifest in GB18030: 400 that names the first wrong byte and how the file must be saved.
    """
    data = (CASES / "27-file-not-in-utf-8" / "manifest.gb18030.json").read_bytes()

    key = {"Authorization": f"Bearer {directory.operator()}"}

    answer = client.post("/consignments", data=data, content_type="application/json", headers=key)

    detail = answer.get_json()["detail"]
    assert answer.status_code == 400
    assert "offset 238 is 0xB5" in detail and "UTF-8" in detail and "surrogate" not in detail


def test_names_of_members_keep_their_case(client: FlaskClient) -> None:
    """
    A sentence that begins with a member's name begins with it as it is written.
    """
    change = {"credentialId": "urn:x:y", "credentialStatus": [{"statusPurpose": "message", "status": True}]}
    one = client.post("/credentials/status", json=change).get_json()["detail"]
    first_edition = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": "did:example:a",
        "issuanceDate": "soon",
        "validFrom": "soon",
        "credentialSubject": {"id": "urn:a:b"},
    }
    order = {"credential": first_edition, "options": {}}
    two = client.post("/issuers/vc2/credentials/issue", json=order).get_json()["detail"]

    assert one.startswith("statusPurpose ")
    assert two.startswith(("validFrom ", "issuanceDate ", "issuer "))
