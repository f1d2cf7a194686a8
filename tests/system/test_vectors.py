"""tests/vectors/SOURCES.md beside what the tests collect: a vector that goes missing is noticed."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.consensus import test_merkle
from tests.credentials import test_canonical, test_ecdsa, test_jose, test_keys
from tests.credentials.jsonld import test_rdfc
from tests.node import test_cases

VECTORS = Path(__file__).parents[1] / "vectors"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (VECTORS / "SOURCES.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| folder")
]
FOLDERS = [row for row in ROWS if row[0].endswith("/")]


def merkle() -> list[int]:
    inclusion, consistency = (len(test_merkle.vectors(kind)) for kind in ("inclusion", "consistency"))
    return [inclusion + consistency, inclusion, consistency]


def wycheproof(name: str) -> list[int]:
    groups = json.loads((VECTORS / "wycheproof" / name).read_bytes())["testGroups"]
    results = [case["result"] for group in groups for case in group["tests"]]
    return [len(results), results.count("valid"), results.count("invalid")]


def rdf_canon() -> list[int]:
    kinds = [len(test_rdfc.published(kind)) for kind in ("Eval", "Map", "NegativeEval")]
    return [len(test_rdfc.MANIFEST), *kinds]


def eddsa() -> list[int]:
    folder = VECTORS / "vc-di-eddsa"
    documents = [json.loads(path.read_bytes()) for path in folder.rglob("*.json")]
    signed = [document["proof"] for document in documents if "proof" in document]
    step_by_step = [*folder.glob("eddsa-*/signed*.json")]
    return [
        len(signed),
        len(step_by_step),
        *sorted(len(proof) for proof in signed if isinstance(proof, list)),
    ]


def jose() -> list[int]:
    refused = [code for _, _, code in test_jose.SIGNED.values() if code is not None]
    return [len(test_jose.SIGNED), len(refused), len(test_jose.DOCUMENTS), len(test_jose.KEYS)]


def cases() -> list[int]:
    return [sum(path.is_file() for path in test_cases.CASES.rglob("*")), len(test_cases.RIGHT)]


# The numbers that a row's last cell gives, in their order there, as the test modules collect them; by the
# folder and a word of the origin.
COLLECTED: dict[tuple[str, str], Callable[[], list[int]]] = {
    ("merkle/", "merkle"): merkle,
    ("wycheproof/", "ed25519"): lambda: wycheproof("ed25519_test.json"),
    ("wycheproof/", "secp256r1"): lambda: wycheproof("ecdsa_secp256r1_sha256_p1363_test.json"),
    ("jcs/", "canonicalization"): lambda: [len(test_canonical.NAMES)],
    ("rdf-canon/", "rdf-canon"): rdf_canon,
    ("vc-di-eddsa/", "vc-di-eddsa"): eddsa,
    ("vc-di-ecdsa/", "vc-di-ecdsa"): lambda: [len(test_ecdsa.PUBLISHED)],
    ("vc-jose-cose/", "vc-jose-cose"): jose,
    ("did-key/", "did-method-key"): lambda: [len(test_keys.SEEDED), len(test_keys.NIST)],
    ("cases/", "reports"): cases,
    ("trqp/", "registry"): lambda: [len([*(VECTORS / "trqp").glob("*.schema.json")])],
    ("batterypass/", "BatteryPass"): lambda: [len([*test_canonical.NOISE.rglob("*.json")])],
}


@pytest.mark.parametrize("row", FOLDERS, ids=lambda row: f"{row[0]} {row[4][:20]}")
def test_as_many_as_the_sources_say(row: list[str]) -> None:
    """
    The numbers in a row of SOURCES.md are those of the vectors that the tests collect.
    """
    counts = [count for (folder, word), count in COLLECTED.items() if folder == row[0] and word in row[1]]
    stated = [int(number) for number in re.findall(r"(?<![\w-])\d+", row[4])]

    assert len(counts) == 1, "one way of counting belongs to each row"
    assert counts[0]() == stated


def test_every_folder_has_a_row() -> None:
    """
    No vectors without origin, no row without vectors; origin, commit and licence are filled in.
    """
    assert {row[0] for row in FOLDERS} == {f"{path.name}/" for path in VECTORS.iterdir() if path.is_dir()}
    assert {row[0] for row in FOLDERS} == {folder for folder, _ in COLLECTED}
    assert all(len(row) == 5 and all(row) for row in ROWS)
