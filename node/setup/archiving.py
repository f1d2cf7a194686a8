"""What is older than this operator keeps it: written to a file, and only then dropped from `office.db`.

One JSON object a line: `{"audit": {...}}`, `{"consignment": {..., "items": [...]}}`, `{"document": {...}}`,
columns by their names; bytes are `{"base64": ...}`. All of the file is on disk before anything is dropped,
and the audit says which file it was, by its SHA-256.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from node.errors import SetupError
from node.named_files import write_own
from node.settings import Keeping
from node.storage import retention
from node.storage.office import OfficeStore

YEAR_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Archived:
    """How much left office.db, and the SHA-256 of the file that it is in."""

    acts: int
    consignments: int
    documents: int
    digest: str


def archive(office: OfficeStore, out: Path, keep: Keeping, now: int, who: str) -> Archived:
    """Move what is older than `keep` says to a new file; a kill at any point loses none of it.

    Nothing else may use the office meanwhile.
    """
    if out.exists() or not out.parent.is_dir():
        raise SetupError(f"{out} exists, or its folder does not: name a new file")
    acts_before, before = now - keep.audit_years * YEAR_S, now - keep.consignments_years * YEAR_S
    with tempfile.TemporaryFile(dir=out.parent) as file, office.writing() as db:
        acts = _write(file, "audit", retention.acts(db, acts_before))
        consignments = _write(file, "consignment", retention.consignments(db, before))
        documents = _write(file, "document", retention.fetched(db, before))
        file.seek(0)
        digest = sha256()
        while part := file.read(1 << 20):
            digest.update(part)
        archived = Archived(acts, consignments, documents, digest.hexdigest())
        if acts or consignments or documents:
            file.seek(0)
            write_own(out, file)
            retention.drop(db, acts_before, before)
            what = f"{acts} acts, {consignments} consignments, {documents} copies of documents"
            about = f"{what}: {out.name}, sha256 {archived.digest}"
            office.audit.put(db, now, who, "office.archived", about)
    return archived


def _write(file: IO[bytes], kind: str, rows: Iterator[Mapping[str, object]]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps({kind: row}, ensure_ascii=False, default=_plain).encode() + b"\n")
        count += 1
    return count


def _plain(value: object) -> dict[str, str]:
    assert isinstance(value, bytes), "a column is a number, text, bytes or null"
    return {"base64": base64.b64encode(value).decode()}
