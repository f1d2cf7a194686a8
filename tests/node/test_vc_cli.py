"""`comity vc issue|verify`: files or stdin in, one result out, without a node."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from credentials.documents.canonical import b64u, b64u_decode
from credentials.documents.keys import did_key_decode, did_key_url, jwk_decode, jwk_encode
from node.__main__ import run
from tests.credentials.test_jose import SIGNED, VECTORS

KEYS = ["vm-p256", "vm-p384", "vm-p521", "vm-ed25519", "vm-did-ed25519"]
SUITES = {
    "vm-ed25519": ["eddsa-jcs-2022", "eddsa-rdfc-2022"],
    "vm-p256": ["ecdsa-jcs-2019", "ecdsa-rdfc-2019"],
    "vm-p384": ["ecdsa-jcs-2019", "ecdsa-rdfc-2019"],
}
EXIT = {"success": 0, "failure": 1, "indeterminate": 2}


def vc(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run one command; its result, which the exit code repeats."""
    output = folder / "result.json"
    code = run(["vc", *arguments, "--output", str(output)])
    result: dict[str, Any] = json.loads(output.read_text())
    output.unlink()
    assert result.keys() == {"result", "data"} and isinstance(result["data"], str)
    assert code == EXIT[result["result"]]
    return result


def key(name: str) -> str:
    return str(VECTORS / f"{name}.json")


@pytest.mark.parametrize("name", sorted(SIGNED))
def test_the_inputs_of_the_w3c(tmp_path: Path, name: str) -> None:
    """
    The signed texts of the vc-jose-cose suite: verified or refused as they say.
    """
    media_type, method, why = SIGNED[name]
    feature = "credential_jose" if media_type == "vc+jwt" else "presentation_jose"

    result = vc(
        tmp_path,
        *("verify", "--input", str(VECTORS / f"{name}.txt"), "--key", key(method), "--feature", feature),
    )

    assert result["result"] == ("success" if why is None else "failure"), result
    if why is None:
        assert "@context" in json.loads(result["data"])


@pytest.mark.parametrize("method", KEYS)
@pytest.mark.parametrize("name", ["credential-minimal", "credential-full", "presentation-single"])
def test_jose_there_and_back(tmp_path: Path, name: str, method: str) -> None:
    """
    With every kind of key: issued, verified with the same key, refused with another and when altered.
    """
    feature = f"{name.partition('-')[0]}_jose"
    document = json.loads((VECTORS / f"{name}.json").read_text())
    made = vc(
        tmp_path,
        *("issue", "--input", str(VECTORS / f"{name}.json"), "--key", key(method), "--feature", feature),
    )
    assert made["result"] == "success", made
    text = tmp_path / "made.txt"
    text.write_text(made["data"])

    told = vc(tmp_path, "verify", "--input", str(text), "--key", key(method), "--feature", feature)

    assert told["result"] == "success", told
    assert json.loads(told["data"]) == document
    head, body, signature = made["data"].split(".")
    changed = json.loads(b64u_decode(body)) | {"id": "urn:example:other"}
    text.write_text(f"{head}.{b64u(json.dumps(changed).encode())}.{signature}")
    told = vc(tmp_path, "verify", "--input", str(text), "--key", key(method), "--feature", feature)
    assert told["result"] == "failure"


@pytest.mark.parametrize(
    ("method", "suite"), [(method, suite) for method, names in SUITES.items() for suite in names]
)
def test_data_integrity_there_and_back(tmp_path: Path, method: str, suite: str) -> None:
    """
    Every cryptosuite with a key from a file; a did:key needs no key file to verify.
    """
    shown = json.loads(Path(key(method)).read_text())
    public = jwk_decode(shown["publicKeyJwk"])
    url = did_key_url(public)
    shown |= {"id": url, "controller": url.partition("#")[0]}
    key_file = tmp_path / "key.json"
    key_file.write_text(json.dumps(shown))
    assert jwk_encode(did_key_decode(url))["x"] == shown["publicKeyJwk"]["x"]
    source = str(VECTORS / "credential-minimal.json")

    made = vc(tmp_path, "issue", "--input", source, "--key", str(key_file), "--cryptosuite", suite)

    assert made["result"] == "success", made
    secured = json.loads(made["data"])
    assert secured["proof"]["cryptosuite"] == suite
    text = tmp_path / "made.json"
    text.write_text(made["data"])
    assert vc(tmp_path, "verify", "--input", str(text))["result"] == "success"
    text.write_text(json.dumps({**secured, "id": "urn:example:other"}))
    assert vc(tmp_path, "verify", "--input", str(text))["result"] == "failure"


@pytest.mark.parametrize("feature", ["credential_cose", "presentation_cose", "credential_sdjwt"])
def test_what_is_not_built_is_undecided(tmp_path: Path, feature: str) -> None:
    """
    A mechanism that is not built is indeterminate, never a failure of the document.
    """
    source = str(VECTORS / "credential-minimal.json")
    for verb in ("issue", "verify"):
        arguments = (verb, "--input", source, "--key", key("vm-p256"), "--feature", feature)
        assert vc(tmp_path, *arguments)["result"] == "indeterminate"


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"type": ["Nothing"]}, "failure"),
        ({"undefined": 1, "@context": ["https://www.w3.org/ns/credentials/v2"]}, "failure"),
        ({"@context": ["https://www.w3.org/ns/credentials/v2", "https://unknown.example/"]}, "indeterminate"),
        ({"validFrom": "yesterday"}, "failure"),
        ({"credentialSubject": {}}, "failure"),
    ],
    ids=str,
)
def test_wrong_documents_are_not_signed(tmp_path: Path, change: dict[str, Any], result: str) -> None:
    """
    The rules of the data model hold on the command line as well.
    """
    document = json.loads((VECTORS / "credential-minimal.json").read_text())
    source = tmp_path / "document.json"
    source.write_text(json.dumps({**document, **change}))

    for feature in ("credential_jose", "credential_di"):
        arguments = ("issue", "--input", str(source), "--key", key("vm-ed25519"), "--feature", feature)
        assert vc(tmp_path, *arguments)["result"] == result


def test_stdin_and_stdout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Without --input and --output the document comes from stdin and the result goes to stdout.
    """
    document = (VECTORS / "credential-minimal.json").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(document)))

    code = run(["vc", "issue", "--key", key("vm-p256"), "--feature", "credential_jose"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["result"] == "success"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"type": "JsonWebKey"}', b'{"type": "Multikey"}'])
def test_keys_that_are_none(tmp_path: Path, content: bytes) -> None:
    """
    A key file that holds no key is a failure with a sentence.
    """
    (tmp_path / "key.json").write_bytes(content)
    source = str(VECTORS / "credential-minimal.json")

    for verb in ("issue", "verify"):
        result = vc(tmp_path, verb, "--input", source, "--key", str(tmp_path / "key.json"))
        assert result["result"] == "failure" and result["data"]


def test_files_that_are_missing() -> None:
    """
    A missing file is the operator's problem: exit code 65 and one sentence.
    """
    assert run(["vc", "verify", "--input", "/nowhere/x"]) == 65
    assert run(["vc", "verify", "--key", "/nowhere/x", "--input", key("vm-p256")]) == 65
    assert run(["vc", "issue", "--input", key("vm-p256")]) == 64


def test_a_context_is_added_on_the_command_line(tmp_path: Path) -> None:
    """
    --context URL=FILE: what uses it is issued and verified; without it the result is indeterminate.
    """
    url = "https://maker.example/context/v1"
    (tmp_path / "context.jsonld").write_text(
        json.dumps({"@context": {"colour": "https://maker.example/terms#colour"}})
    )
    document = json.loads((VECTORS / "credential-minimal.json").read_text())
    document["@context"] = [*document["@context"], url]
    document["credentialSubject"]["colour"] = "red"
    source, made = tmp_path / "document.json", tmp_path / "made.json"
    source.write_text(json.dumps(document))
    added = ("--context", f"{url}={tmp_path / 'context.jsonld'}")

    for feature in ("credential_di", "credential_jose"):
        issue = ("issue", "--input", str(source), "--key", key("vm-ed25519"), "--feature", feature)
        verify = ("verify", "--input", str(made), "--key", key("vm-ed25519"), "--feature", feature)
        told = vc(tmp_path, *issue, *added)
        made.write_text(told["data"])

        assert told["result"] == "success", told
        assert vc(tmp_path, *issue)["result"] == "indeterminate"
        assert vc(tmp_path, *verify, *added)["result"] == "success"
        assert vc(tmp_path, *verify)["result"] == "indeterminate"
    assert run(["vc", "verify", "--context", "nothing"]) == 64
    assert run(["vc", "verify", "--context", f"{url}=/nowhere/x"]) == 65


@pytest.mark.parametrize("feature", ["presentation_di", "presentation_jose"])
def test_a_presentation_is_made_for_one_reader(tmp_path: Path, feature: str) -> None:
    """
    --domain and --challenge are signed with it, and verify only where the same are asked for.
    """
    source, made = tmp_path / "presentation.json", tmp_path / "made.json"
    source.write_text(
        json.dumps({"@context": ["https://www.w3.org/ns/credentials/v2"], "type": "VerifiablePresentation"})
    )
    reader = ("--domain", "customs.example", "--challenge", "c-1")
    issue = ("issue", "--input", str(source), "--key", key("vm-ed25519"), "--feature", feature)
    verify = ("verify", "--input", str(made), "--key", key("vm-ed25519"), "--feature", feature)

    told = vc(tmp_path, *issue, *reader)
    made.write_text(told["data"])

    assert told["result"] == "success", told
    assert vc(tmp_path, *verify, *reader)["result"] == "success"
    assert vc(tmp_path, *verify, "--domain", "other.example")["result"] == "failure"
    assert vc(tmp_path, *verify, "--challenge", "c-2")["result"] == "failure"
    assert run(["vc", "verify", "--challenge", "c-1"]) == 64


def test_a_jwt_out_of_its_time_is_a_failure(tmp_path: Path) -> None:
    """
    nbf and exp are no part of the data, where a reader could judge them: the command does.
    """
    case = json.loads(
        (VECTORS.parent / "cases" / "25-jwt-not-before-in-the-future" / "credential.json").read_text()
    )
    source = tmp_path / "case.json"
    source.write_text(json.dumps(case))

    told = vc(tmp_path, "verify", "--input", str(source), "--feature", "credential_jose")

    assert told["result"] == "failure" and "nbf" in told["data"]


@pytest.mark.parametrize("feature", ["presentation_di", "presentation_jose"])
def test_a_presentation_that_is_no_object_is_not_proved(tmp_path: Path, feature: str) -> None:
    """
    A list of credentials is not yet a presentation: failure, with what it must be.
    """
    source = tmp_path / "presentation.json"
    source.write_text("[]")

    told = vc(tmp_path, *("issue", "--input", str(source), "--key", key("vm-ed25519"), "--feature", feature))

    assert told["result"] == "failure"
    assert "presentation must be a JSON object (VCDM 2.0, 4.13)." in told["data"]
