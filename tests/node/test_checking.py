"""Verifying with sources outside the node: lists and DID documents of others, and passports of the ledger."""

from __future__ import annotations

import datetime
import gzip
import ipaddress
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from consensus.cose import SeedSigner
from credentials.documents import suites
from credentials.documents.canonical import b64u
from credentials.documents.keys import did_key, did_key_url, multikey_encode
from credentials.documents.status import BITS_MIN, entry, make_list_credential, read_list
from node.api import create_app
from node.cli.serve import _bind
from node.config import DataDirectory
from node.errors import SetupError
from node.resolution import fetch
from node.resolution.fetch import Fetcher, FetchError, FetchPolicy
from node.server.http import HttpServer
from node.server.tls import server_context
from node.service import Service
from node.setup import standalone
from node.setup.wiring import open_service
from node.verdicts.verification import Verification
from node.web.sample import sample_claims
from tests.harness.stand_in import StandIn
from tests.harness.support_service import CODE, LiveNode, live_node

JSON = dict[str, Any]
V2 = "https://www.w3.org/ns/credentials/v2"
MADE = "2026-01-01T00:00:00Z"
ISSUER = SeedSigner(did_key_url(SeedSigner("", b"i" * 32).public_key), b"i" * 32)
ISSUER_DID = did_key(ISSUER.public_key)
OTHER = SeedSigner(did_key_url(SeedSigner("", b"o" * 32).public_key), b"o" * 32)
SILENT_S = 60.0


class Elsewhere:
    """A host of somebody else: what lies at which path."""

    def __init__(self) -> None:
        files: dict[str, bytes] = {}
        spoke = self.spoke = list[str]()  # what was silent, and is not any more

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/silent/"):
                    self.server.let_go.wait(SILENT_S)  # type: ignore[attr-defined]
                    spoke.append(self.path)
                body = files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.files = files
        self._server = StandIn(("127.0.0.1", 0), Handler)
        self._server.let_go = self._let_go = threading.Event()  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    host = Elsewhere()
    try:
        yield host
    finally:
        host.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, elsewhere: Elsewhere) -> Iterator[Service]:
    """A node by itself whose operator allows asking that host."""
    root = tmp_path_factory.mktemp("alone") / "data"
    root.mkdir()
    (root / "node.toml").write_text(f'[fetch]\norigins = ["{elsewhere.url}"]\n')
    directory = DataDirectory(root)
    words = standalone.found(directory, "http://127.0.0.1:8470", None)
    running = open_service(directory, words, 8470, open_api=True, public_url="http://127.0.0.1:8470")
    running.start()
    try:
        yield running
    finally:
        running.stop()


def list_of(url: str, raised: tuple[int, ...] = (), **changes: Any) -> JSON:
    """A signed list of the issuer; `changes` are made before it is signed."""
    document = make_list_credential(
        list_id=url, issuer=ISSUER_DID, purpose="revocation", set_bits=raised, valid_from=MADE
    )
    signer = changes.pop("signer", ISSUER)
    subject = changes.pop("subject", {})
    document["credentialSubject"] |= subject
    return suites.sign({**document, **changes}, signer, MADE)


def credential(url: str, index: int = 7) -> JSON:
    document = {
        "@context": [V2],
        "type": ["VerifiableCredential"],
        "issuer": ISSUER_DID,
        "credentialSubject": {"id": "urn:example:subject"},
        "credentialStatus": entry(url, "revocation", index),
    }
    return suites.sign(document, ISSUER, MADE)


def reasons(answer: Verification) -> list[str]:
    return [problem.reason for problem in answer.problems]


def test_a_list_of_somebody_else_is_asked(service: Service, elsewhere: Elsewhere) -> None:
    """
    A host the operator allows: the bit decides. Gone, it is undecided, with the age of the last answer.
    """
    url = f"{elsewhere.url}/good"
    elsewhere.files["/good"] = json.dumps(list_of(url)).encode()
    assert service.vc_api.verify_credential(credential(url)).verified

    elsewhere.files["/good"] = json.dumps(list_of(url, (7,))).encode()
    assert reasons(service.vc_api.verify_credential(credential(url))) == ["revoked"]
    assert service.vc_api.verify_credential(credential(url, 8)).verified
    assert service.vc_api.verify_credential(credential(url), {"checks": ["proof"]}).verified

    del elsewhere.files["/good"]
    answer = service.vc_api.verify_credential(credential(url))
    assert not answer.verified and reasons(answer) == ["status_unavailable"]
    status = next(check for check in answer.checks if check.name == "status")
    assert status.outcome == "indeterminate" and status.age_s is not None and 0 <= status.age_s < 60


def encoded(bits: int) -> str:
    return "u" + b64u(gzip.compress(bytes(bits // 8), mtime=0))


BAD_LISTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "another issuer": (
        lambda u: list_of(u, issuer=did_key(OTHER.public_key), signer=OTHER),
        "status_list_foreign",
    ),
    "another key": (lambda u: list_of(u, signer=OTHER), "status_list_invalid"),
    "another id": (lambda u: list_of(u + "x"), "status_list_invalid"),
    "another purpose": (lambda u: list_of(u, subject={"statusPurpose": "suspension"}), "status_list_invalid"),
    "too short": (
        lambda u: list_of(u, subject={"encodedList": encoded(BITS_MIN // 2)}),
        "status_list_invalid",
    ),
    "a bomb": (lambda u: list_of(u, subject={"encodedList": encoded((33 << 20) * 8)}), "status_list_invalid"),
    "not compressed": (lambda u: list_of(u, subject={"encodedList": "uAAAA"}), "status_list_invalid"),
    "over": (lambda u: list_of(u, validUntil="2026-01-02T00:00:00Z"), "status_stale"),
    "not yet": (lambda u: list_of(u, validFrom="2999-01-01T00:00:00Z"), "status_stale"),
    "unsigned": (lambda u: {k: v for k, v in list_of(u).items() if k != "proof"}, "status_list_invalid"),
    "altered": (lambda u: {**list_of(u), "validFrom": "2026-01-01T00:00:01Z"}, "status_list_invalid"),
    "a passport": (credential, "status_list_invalid"),
    "a text": (lambda u: "text", "status_list_invalid"),
    "too long": (lambda u: {"x": "y" * (5 << 20)}, "status_unavailable"),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_a_list_that_says_nothing_is_not_open(service: Service, elsewhere: Elsewhere, name: str) -> None:
    """
    A list that is not the issuer's, or breaks a rule, leaves the credential unverified; never a clear bit.
    """
    make, reason = BAD_LISTS[name]
    url = f"{elsewhere.url}/{name.replace(' ', '-')}"
    elsewhere.files[f"/{name.replace(' ', '-')}"] = json.dumps(make(url)).encode()

    answer = service.vc_api.verify_credential(credential(url))

    assert not answer.verified
    assert reasons(answer) == [reason], answer.problems


def test_an_index_beyond_the_list(service: Service, elsewhere: Elsewhere) -> None:
    """
    An index out of range is not a bit that is down.
    """
    url = f"{elsewhere.url}/range"
    elsewhere.files["/range"] = json.dumps(list_of(url)).encode()

    assert service.vc_api.verify_credential(credential(url, BITS_MIN - 1)).verified
    assert reasons(service.vc_api.verify_credential(credential(url, BITS_MIN))) == ["status_list_invalid"]


@pytest.mark.parametrize("shown", ["a credential", "a presentation"])
def test_many_slow_servers_take_no_more_time_than_one(
    service: Service, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    """
    Lists of a host that accepts and says nothing: all of them together have the time of one, and what was not
    asked any more is undecided.
    """
    monkeypatch.setattr(fetch, "TOGETHER_S_MAX", 1.0)
    urls = [f"{elsewhere.url}/silent/{number}" for number in range(6)]
    if shown == "a credential":
        named = [entry(url, "revocation", 7) for url in urls]
        one = {key: value for key, value in credential(urls[0]).items() if key != "proof"}
        answer = service.vc_api.verify_credential(
            suites.sign({**one, "credentialStatus": named}, ISSUER, MADE)
        )
    else:
        inside = [credential(url) for url in urls]
        made = {"@context": [V2], "type": ["VerifiablePresentation"], "verifiableCredential": inside}
        answer = service.vc_api.verify_presentation(
            suites.sign(made, ISSUER, MADE, purpose="authentication"), {}
        )

    assert not elsewhere.spoke, "it was answered while all of them were silent"
    assert reasons(answer) == ["status_unavailable"] * 6


@pytest.mark.parametrize("written", ["HTTP://127.0.0.1:{port}/same", "http://127.0.0.1:{port}/a/../%73ame"])
def test_a_list_is_itself_however_its_address_is_written(
    service: Service, elsewhere: Elsewhere, written: str
) -> None:
    """
    Scheme, escapes and dot segments make no other list (RFC 3986, 6.2.2).
    """
    url = f"{elsewhere.url}/same"
    elsewhere.files["/same"] = elsewhere.files["/a/../%73ame"] = json.dumps(list_of(url, (7,))).encode()
    named = written.format(port=elsewhere.url.rpartition(":")[2])

    assert reasons(service.vc_api.verify_credential(credential(named))) == ["revoked"]


# -- HTTPS ---------------------------------------------------------------------------------------------------


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_file, key_file


@contextmanager
def https(application: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    """The application over HTTPS: its origin, and the certificate to trust."""
    cert_file, key_file = certificate(folder)
    listening = _bind("127.0.0.1", 0)
    server = HttpServer(application, listening, tls=server_context((cert_file, key_file)))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}", cert_file
    finally:
        server.close()
        thread.join()


def test_a_node_over_https(service: Service, tmp_path: Path) -> None:
    """
    The same application over TLS: a client that trusts the certificate issues and verifies.
    """
    with https(create_app(service), tmp_path) as (url, ca):
        manifest = requests.get(f"{url}/test-manifest", verify=str(ca), timeout=60).json()
        document = {
            "@context": [V2],
            "type": ["VerifiableCredential"],
            "issuer": manifest["vc2"]["id"],
            "credentialSubject": {"id": "urn:example:subject"},
        }
        made = requests.post(
            f"{url}/issuers/vc2/credentials/issue", json={"credential": document}, verify=str(ca), timeout=60
        )
        told = requests.post(f"{url}/credentials/verify", json=made.json(), verify=str(ca), timeout=60)

        assert (made.status_code, told.status_code) == (201, 200)
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{url}/healthz", timeout=60)


@pytest.mark.check
def test_serve_over_https_as_a_process(tmp_path: Path) -> None:
    """
    `comity serve --open-api --tls-cert --tls-key` on an empty directory: HTTPS, and a did:web made of it.
    """
    cert_file, key_file = certificate(tmp_path)
    command = [sys.executable, "-m", "node", "serve", "--open-api", "--data", str(tmp_path / "data")]
    command += ["--listen", "127.0.0.1:0", "--tls-cert", str(cert_file), "--tls-key", str(key_file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if '"listening"' in line)
            origin = f"https://127.0.0.1:{json.loads(line)['port']}"
            document = requests.get(
                f"{origin}/.well-known/did.json", verify=str(cert_file), timeout=60
            ).json()
            assert document["id"] == "did:web:" + origin.removeprefix("https://").replace(":", "%3A")
            manifest = requests.get(f"{origin}/test-manifest", verify=str(cert_file), timeout=60).json()
            assert all(row["endpoint"].startswith(origin) for row in manifest.values())
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_did_web_is_fetched_over_https(tmp_path: Path) -> None:
    """
    did:web of a stranger: its document by HTTPS where policy allows the host, and its keys verify.
    """
    documents: dict[str, bytes] = {}

    def application(environ: JSON, start: Callable[..., Any]) -> list[bytes]:
        body = documents.get(environ["PATH_INFO"])
        start("200 OK" if body else "404 Not Found", [("Content-Type", "application/did+json")])
        return [body or b""]

    with https(application, tmp_path) as (origin, ca):
        did = "did:web:" + origin.removeprefix("https://").replace(":", "%3A")
        signer = SeedSigner(f"{did}#k", b"w" * 32)
        method = {"id": f"{did}#k", "type": "Multikey", "controller": did}
        method["publicKeyMultibase"] = multikey_encode(signer.public_key)
        document = {"id": did, "verificationMethod": [method], "assertionMethod": [f"{did}#k"]}
        documents["/.well-known/did.json"] = json.dumps(document).encode()
        root = tmp_path / "data"
        root.mkdir()
        (root / "node.toml").write_text(f'[fetch]\norigins = ["{origin}"]\nca_file = "{ca}"\n')
        directory = DataDirectory(root)
        words = standalone.found(directory, "http://127.0.0.1:8470", None)
        service = open_service(directory, words, 8470, open_api=True)
        try:
            shown: JSON = {
                "@context": [V2],
                "type": ["VerifiableCredential"],
                "issuer": did,
                "credentialSubject": {"id": "urn:example:subject"},
            }
            signed = suites.sign(shown, signer, MADE)

            assert service.vc_api.resolve(did)["didDocument"] == document
            assert service.vc_api.verify_credential(signed).verified
            documents["/.well-known/did.json"] = json.dumps({**document, "id": did + "x"}).encode()
            assert not service.vc_api.verify_credential(signed).verified
            documents["/.well-known/did.json"] = json.dumps({**document, "assertionMethod": []}).encode()
            assert reasons(service.vc_api.verify_credential(signed)) == ["issuer_key_mismatch"]
            documents["/.well-known/did.json"] = b"x" * (65 << 10)
            assert service.vc_api.resolve(did)["didResolutionMetadata"]["error"] == "notFound"
            del documents["/.well-known/did.json"]
            assert reasons(service.vc_api.verify_credential(signed)) == ["issuer_unknown"]
        finally:
            service.stop()


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    """
    The certificate must name the host that was asked, whatever address the host has.
    """
    with https(lambda environ, start: [b""], tmp_path) as (origin, ca):
        named = origin.replace("127.0.0.1", "other.example")
        fetcher = Fetcher(
            FetchPolicy(origins=frozenset({named}), ca_file=str(ca)), lambda h, p: ["127.0.0.1"]
        )
        with pytest.raises(FetchError) as caught:
            fetcher.get(named, accept="*/*", size_bytes_max=10)

    assert caught.value.code == "unreachable" and "certificate" in str(caught.value).lower()


def test_files_that_are_no_certificate(tmp_path: Path) -> None:
    """
    A certificate or key that cannot be used is one sentence for the operator.
    """
    (tmp_path / "x").write_text("no PEM")
    with pytest.raises(SetupError, match="--tls-cert"):
        server_context((tmp_path / "x", tmp_path / "x"))


# -- passports -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("maker")) as running:
        yield running


def test_a_passport_suspended_reinstated_revoked(maker: LiveNode) -> None:
    """
    Events of the ledger change what verify says and the public list; every version of the list is kept, in
    order, each with a receipt: "was it suspended at T?" has an answer that can be proven.
    """
    claims = sample_claims(maker.service, CODE)
    issued = maker.post_json("/passports", {"code": CODE, "claims": claims}).get_json()
    passport = f"/passports/{issued['digest']}"
    maker.wait(lambda: maker.get_json(passport)["receipted_at"] is not None, "the receipt")
    shown = issued["credentials"]["1"]
    entries = shown["credentialStatus"]
    lists = {e["statusPurpose"]: e["statusListCredential"].rpartition("/")[2] for e in entries}

    def verify() -> list[str]:
        answer = maker.post_json("/credentials/verify", {"verifiableCredential": shown})
        found: JSON = answer.get_json()
        assert answer.status_code == (200 if found["verified"] else 400)
        return [p["type"].rpartition(":")[2] for p in found["problemDetails"]]

    def attest(event: str) -> None:
        members = {"passport_digest": issued["digest"], "reason": "a test"}
        body = {"event": event, "battery": CODE, "members": members}
        made = maker.post_json("/attestations", body)
        assert made.status_code == 201, made.text
        digest = made.get_json()["digest"]
        maker.wait(
            lambda: maker.get_json(f"/attestations/{digest}")["receipted_at"] is not None,
            f"{event} receipted",
        )

    maker.wait(lambda: verify() == [], "the first lists on the ledger")
    attest("passport.suspended")
    maker.wait(lambda: "suspended" in verify(), "the suspension")
    attest("passport.reinstated")
    maker.wait(lambda: verify() == [], "the reinstatement")
    attest("passport.revoked")
    maker.wait(lambda: "revoked" in verify(), "the revocation")

    for purpose, bits in (("suspension", [False, True, False]), ("revocation", [False, True])):
        path = f"/status/{lists[purpose]}/versions"
        maker.wait(
            lambda path=path: all(v["receipted_at"] for v in maker.get_json(path)["versions"]),  # type: ignore[misc]
            "receipts of all versions",
        )
        versions = maker.get_json(path)["versions"]
        assert [v["seq"] for v in versions] == list(range(1, len(bits) + 1))
        places = [v["leaf_index"] for v in versions]
        assert places == sorted(set(places))
        index = int(next(e["statusListIndex"] for e in entries if e["statusPurpose"] == purpose))
        told = []
        for version in versions:
            assert maker.get(f"/receipts/{version['attestation']}").status_code == 200
            listed = json.loads(maker.get(f"/status/{lists[purpose]}?seq={version['seq']}").data)
            told.append(read_list(listed).bits(index))
        assert told == bits
