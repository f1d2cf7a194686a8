"""A part of a battery, checked away from any node: the receipt of its production proves the commitment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.receipt import VerifiedReceipt
from credentials.documents.canonical import b64u_decode
from credentials.documents.identifiers import read_identifier
from credentials.errors import CredentialError
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.verdicts.parts_check import Opened, key_shown, require_opened
from node.config import shipped_codes
from node.receipts.checker import NotAboutThis


def check_opened(verified: VerifiedReceipt, shown: Mapping[str, Any]) -> list[str]:
    """The codes of parts that stand under the commitment of this receipt's production.

    Raises NotAboutThis where the entry commits to nothing, and CredentialError where a part is not under it.
    """
    entry = parse_entry(verified.entry)
    if not isinstance(entry, AdmittedEntry) or entry.attestation.children_root is None:
        raise NotAboutThis("the entry of this receipt commits to no parts")
    root = entry.attestation.children_root
    found: list[str] = []
    for part in shown.get("parts", ()):
        way = part.get("opened", part)
        if way is None:
            raise CredentialError("malformed", f"{part['code']} is shown without its way to the commitment")
        code = read_identifier(way["code"], shipped_codes(), namespace=entry.attestation.issuer)
        opened = Opened(way["index"], way["size"], tuple(map(b64u_decode, way["path"])))
        require_opened(key_shown(code, b64u_decode(way["blind"])), opened, root)
        found.append(code.canonical)
    if not found:
        raise CredentialError("malformed", "the file shows no part")
    return found
