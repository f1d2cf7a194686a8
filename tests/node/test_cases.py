"""What strangers' implementations make: each case of tests/vectors/cases at the VC-API of a node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from consensus.cose import SeedSigner
from consensus.receipt import Receipt, ReceiptError
from credentials.documents import suites
from credentials.documents.keys import did_key, did_key_url
from credentials.documents.suites import jose
from node.__main__ import run
from node.api import create_app
from node.config import DataDirectory
from node.errors import SetupError
from node.setup import standalone
from node.setup.wiring import open_service

JSON = dict[str, Any]
CASES = Path(__file__).parents[1] / "vectors" / "cases"
URL = "http://127.0.0.1:8470"

PRESENTATION: JSON = {
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "type": ["VerifiablePresentation"],
}

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


@pytest.fixture
def policy(client: FlaskClient, directory: DataDirectory) -> Path:
    return directory.root / "network" / "log.policy"


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


# Cases that are no credential by themselves, and which tests try each at the door where it was seen.
ELSEWHERE = {
    "03": ("node/test_cases.py::test_a_revocation_is_not_taken_back",),
    "12": (
        "node/test_spellings.py::test_every_spelling_of_a_link_finds_its_battery",
        "node/test_spellings.py::test_every_spelling_finds_its_battery_on_the_command_line",
        "credentials/test_identifiers.py::test_spellings_of_a_link_are_one_battery",
    ),
    "15": (
        "node/test_spellings.py::test_a_manifest_is_read_however_its_numbers_are_spelled",
        "credentials/test_identifiers.py::test_spellings_of_a_vin_are_one_vehicle",
    ),
    "16": (
        "node/test_spellings.py::test_a_manifest_is_read_however_its_numbers_are_spelled",
        "credentials/test_identifiers.py::test_spellings_of_a_commodity_code",
    ),
    "17": ("node/test_spellings.py::test_a_member_that_is_none_is_refused_before_it_is_signed",),
    "19": ("credentials/test_examination.py::test_a_list_of_another_issuer_is_a_question_of_policy",),
    "21": ("credentials/test_examination.py::test_a_raised_message_is_no_disagreement_with_a_ledger",),
    "22": ("node/test_cases.py::test_a_new_node_finds_its_settings_beside_it",),
    "23": ("node/test_cases.py::test_names_of_members_keep_their_case",),
    "24": ("node/test_cases.py::test_what_a_mail_program_did_to_a_receipt_is_named",),
    "26": ("node/test_cases.py::test_claims_of_another_format_are_told_as_such",),
    "27": ("node/test_cases.py::test_a_file_that_is_not_utf_8_is_told_by_its_byte",),
    "28": ("node/test_cases.py::test_an_answer_says_which_did_was_resolved",),
}
TOLD_ALONE = {"23", "24", "28"}  # a request or a file that the case describes, and does not hold


def test_every_case_is_tried() -> None:
    """
    The table of credentials misses none of the files that are some; every other case has a test by name.
    """
    files = {str(path.relative_to(CASES)) for path in CASES.glob("*/*.json")}
    folders = {path.name.partition("-")[0] for path in CASES.iterdir() if path.is_dir()}

    assert {name for name in files if name.partition("-")[0] not in ELSEWHERE} == set(RIGHT)
    assert folders == {name.partition("-")[0] for name in RIGHT} | (ELSEWHERE.keys() - TOLD_ALONE)
    for test in (test for tests in ELSEWHERE.values() for test in tests):
        file, _, name = test.partition("::")
        assert f"\ndef {name}(" in (CASES.parents[1] / file).read_text(), test


def test_a_revocation_is_not_taken_back(client: FlaskClient) -> None:
    """
    Case 03: raised by POST /credentials/status it stays, and whoever lowers it is told what to do instead.
    """
    case = CASES / "03-revocation-taken-back"
    issuer = client.get("/test-manifest").get_json()["bitstring"]["id"]
    credential = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": "urn:uuid:0c1f3a52-4b0a-4a39-9f57-2f9a3c1f0303",
        "type": ["VerifiableCredential"],
        "issuer": issuer,
        "credentialSubject": {"id": "urn:example:subject"},
    }
    issued = client.post("/issuers/bitstring/credentials/issue", json={"credential": credential}).get_json()

    def change(name: str) -> Any:
        body = json.loads((case / name).read_text()) | {"credentialId": credential["id"]}
        return client.post("/credentials/status", json=body)

    def verified() -> bool:
        told = client.post(
            "/credentials/verify", json={"verifiableCredential": issued["verifiableCredential"]}
        )
        return bool(told.get_json()["verified"])

    assert verified()
    assert change("body-true.json").status_code == 200 and not verified()
    refused = change("body-false.json")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "revocation_final")
    assert "suspended instead" in refused.get_json()["detail"]
    assert not verified(), "it stays revoked"


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


@pytest.mark.parametrize("profile", ["vc2", "enveloped", "eddsa-rdfc-2022"])
def test_a_presentation_is_proved_for_one_reader(client: FlaskClient, profile: str) -> None:
    """
    POST /presentations/prove with domain and challenge: it verifies for that reader and for no other.
    """
    manifest = client.get("/test-manifest").get_json()
    credential = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": manifest["enveloped"]["id"],
        "credentialSubject": {"id": "urn:example:subject"},
    }
    issued = client.post("/issuers/enveloped/credentials/issue", json={"credential": credential}).get_json()
    presentation = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "verifiableCredential": [issued["verifiableCredential"]],
    }
    reader = {"domain": "customs.example", "challenge": "c-1"}
    order = {"presentation": presentation, "options": {**reader, "profile": profile}}

    answer = client.post("/presentations/prove", json=order)
    proved = answer.get_json()["verifiablePresentation"]

    def verified(**options: str) -> bool:
        body = {"verifiablePresentation": proved, "options": options}
        return bool(client.post("/presentations/verify", json=body).get_json()["verified"])

    assert answer.status_code == 201
    assert verified(**reader)
    assert not verified(**{**reader, "challenge": "c-2"})
    assert not verified(**{**reader, "domain": "other.example"})


@pytest.mark.parametrize(
    ("presentation", "options", "told"),
    [
        ({}, {}, "@context"),
        ({"@context": ["https://www.w3.org/ns/credentials/v2"]}, {}, "type"),
        (..., {"challenge": 7}, "options.challenge"),
        (..., {"domain": ""}, "options.domain"),
        (..., {"profile": "web"}, "no profile called"),
        (..., {"profile": ["vc2"]}, "no profile called"),
        ({**PRESENTATION, "holder": "did:web:customs.example"}, {}, "holder is not"),
        ({**PRESENTATION, "undefined": 1}, {}, "undefined"),
        ({**PRESENTATION, "proof": {"type": "x"}}, {}, "signed already"),
    ],
    ids=str,
)
def test_what_is_not_proved_is_told(client: FlaskClient, presentation: Any, options: JSON, told: str) -> None:
    """
    400 with one sentence, and never for another holder than the key's own.
    """
    order = {"presentation": PRESENTATION if presentation is ... else presentation, "options": options}

    answer = client.post("/presentations/prove", json=order)

    assert answer.status_code == 400 and told in answer.get_json()["detail"]


@pytest.mark.parametrize(("checks", "verified"), [(None, True), (["issuer_key"], False)])
def test_whose_key_it_is_can_be_asked_of_an_open_node(
    client: FlaskClient, checks: list[str] | None, verified: bool
) -> None:
    """
    Another's key is a warning at an open node, and fails where whoever asks names the check `issuer_key`.
    """
    issuer, other = (SeedSigner(did_key_url(SeedSigner("", s).public_key), s) for s in (b"i" * 32, b"o" * 32))
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": did_key(issuer.public_key),
        "credentialSubject": {"id": "urn:example:subject"},
    }
    body: JSON = {"verifiableCredential": suites.sign(document, other, "2026-01-01T00:00:00Z")}
    if checks is not None:
        body["options"] = {"checks": checks}

    told = client.post("/credentials/verify", json=body).get_json()

    assert told["verified"] is verified
    problems = told["warnings" if verified else "problemDetails"]
    assert [problem["type"].rpartition(":")[2] for problem in problems] == ["issuer_key_mismatch"]


def test_a_participants_name_is_not_lent_at_an_open_node_either(client: FlaskClient) -> None:
    """
    N14: the issuer is a participant and the proof a stranger's did:key: verified false, always.
    """
    participant = client.get("/.well-known/did.json").get_json()["id"]
    stranger = SeedSigner(did_key_url(SeedSigner("", b"o" * 32).public_key), b"o" * 32)
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": participant,
        "credentialSubject": {"id": "urn:example:subject"},
    }
    secured = [
        suites.sign(document, stranger, "2026-01-01T00:00:00Z"),
        jose.envelop(jose.sign_jwt(document, stranger)),
    ]

    for shown in secured:
        told = client.post("/credentials/verify", json={"verifiableCredential": shown}).get_json()

        assert told["verified"] is False
        reasons = {problem["type"].rpartition(":")[2] for problem in told["problemDetails"]}
        assert "issuer_key_mismatch" in reasons


def test_an_answer_says_which_did_was_resolved(client: FlaskClient) -> None:
    """
    A DID pasted into a path with its %3A is another DID; the answer shows which one was asked for.
    """
    pasted = client.get("/1.0/identifiers/did:web:localhost%3A42901").get_json()
    encoded = client.get("/1.0/identifiers/did:web:localhost%253A42901").get_json()

    assert pasted["didResolutionMetadata"]["did"] == "did:web:localhost:42901"
    assert encoded["didResolutionMetadata"]["did"] == "did:web:localhost%3A42901"


def test_a_new_node_finds_its_settings_beside_it(tmp_path: Path) -> None:
    """
    node.toml and the files it names make no directory old; a stranger's file is told, and kept.
    """
    root = tmp_path / "data"
    root.mkdir()
    (root / "node.toml").write_bytes((CASES / "22-node-toml-with-ca-file" / "node.toml").read_bytes())
    (root / "ca.pem").write_text("not looked at here\n")
    directory = DataDirectory(root)

    assert standalone.is_new(directory)
    standalone.found(directory, URL, None)
    assert not standalone.is_new(directory)
    assert (root / "ca.pem").exists() and (root / "node.toml").exists()

    other = tmp_path / "home"
    other.mkdir()
    (other / "letters.txt").write_text("x")
    with pytest.raises(SetupError, match=r"letters\.txt"):
        standalone.is_new(DataDirectory(other))


def test_claims_of_another_format_are_told_as_such(client: FlaskClient, directory: DataDirectory) -> None:
    """
    The sentence names the submodels that are expected and what there is; no file of ours.
    """
    claims = json.loads((CASES / "26-claims-of-another-format" / "claims.json").read_text())
    key = {"Authorization": f"Bearer {directory.operator()}"}
    order = {"code": "ZZ1PE75QH00001G6H0000042", "claims": claims}

    answer = client.post("/passports", json=order, headers=key)

    detail = answer.get_json()["detail"]
    assert answer.status_code in (400, 422)
    assert "BatteryPass 1.2" in detail and "GeneralProductInformation" in detail and "specVersion" in detail
    assert "passport-paths" not in detail


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("\n", "\r\n"), "CR LF"),
        (lambda text: "\ufeff" + text, "byte order mark"),
    ],
    ids=["line ends", "mark"],
)
def test_what_a_mail_program_did_to_a_receipt_is_named(
    policy: Path,
    change: Any,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    Not valid, and why: so that nobody takes the letter for a forgery (C2SP tlog-proof: newlines are LF).
    """
    text = "c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example\n1\n"
    receipt = tmp_path / "battery.tlog-proof"
    receipt.write_bytes(change(text).encode())

    assert run(["receipt", "verify", str(receipt), "--policy", str(policy)]) == 1
    assert re.search(f"^not valid: .*{told}", capsys.readouterr().out)

    with pytest.raises(ReceiptError, match=told):
        Receipt.parse(change(text))
    with pytest.raises(ReceiptError, match=told):
        Receipt.parse(change(text).encode())
