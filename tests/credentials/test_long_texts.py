"""What a long text in a credential costs: bytes that are read and hashed, and no step of the program each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from credentials.documents import suites
from credentials.documents.canonical import parse_json
from credentials.documents.model import parse_credential
from credentials.documents.suites import jose
from node import config
from tests.harness.interop import documents
from tests.harness.interop.documents import ISSUED, KEYS, PROOFS, key_of
from tests.harness.interop.joserfc import ALGORITHMS

LONG = 60_000  # characters; what is read at all may have more


def calls(work: Callable[[], object]) -> int:
    """How many calls `work` makes, of functions here and in libraries; each turn of a generator is one."""
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def with_text(length: int) -> bytes:
    """The conformity credential with one text of so many characters, as JSON."""
    document = documents.DOCUMENTS["conformity"]()
    document["description"] = "Measured at the plant. " * (length // 23)
    return json.dumps(document).encode()


def _work(way: str, suite: str, kind: str) -> Callable[[bytes], Callable[[], object]]:
    key, contexts = KEYS[kind], config.contexts()

    def issue(data: bytes) -> Any:
        document: Any = parse_json(data)
        parse_credential(document)
        if suite == "vc+jwt":
            return jose.sign_jwt(document, key.signer)
        return suites.sign(document, key.signer, ISSUED, cryptosuite=suite, contexts=contexts)

    def verify(secured: Any) -> object:
        if suite == "vc+jwt":
            return jose.verify_jwt(secured, key_of)
        document: Any = parse_json(secured)
        return suites.verify(document, key_of, contexts=contexts)

    def prepared(data: bytes) -> Callable[[], object]:
        if way == "issue":
            return lambda: issue(data)
        secured = issue(data)
        told = secured if suite == "vc+jwt" else json.dumps(secured).encode()
        return lambda: verify(told)

    return prepared


@pytest.mark.parametrize("way", ["issue", "verify"])
@pytest.mark.parametrize(("suite", "kind"), [*PROOFS, *(("vc+jwt", kind) for kind in ALGORITHMS.values())])
def test_a_long_text_takes_no_more_steps(way: str, suite: str, kind: str) -> None:
    """
    Issued and verified with every suite, a credential with sixty thousand characters more in one text makes
    as many calls as with a hundred: nothing looks at a text a character at a time.
    """
    prepared = _work(way, suite, kind)
    short, long = (prepared(with_text(length)) for length in (100, LONG))
    for work in (short, long):
        work()  # what is read once, contexts and keys, is read
    assert calls(long) <= calls(short) + 8  # pieces of buffers
