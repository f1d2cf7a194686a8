"""The leaves of the log, found by what they are about (`ledger.db`, table entries)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from node.storage.database import Damaged, Database, marks, parts
from node.storage.entries import OF_OTHERS, OF_STATEMENTS, EntryRow, is_whole

LEAVES_MAX = 1 << 53


class Leaves:
    """Reads leaves; those who commit blocks write them (`ledger.py`)."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.damaged: int | None = None  # the leaf that was last found to be not what was written

    def of(self, subject: bytes, newest: int | None = None, before: int | None = None) -> list[EntryRow]:
        """The timeline of a subject, in log order; or the `newest` entries of it, `before` a leaf."""
        if newest is None:
            return self._select("subject = ? ORDER BY leaf_index", (subject,))
        end = LEAVES_MAX if before is None else before
        rows = self._select(
            "subject = ? AND leaf_index < ? ORDER BY leaf_index DESC LIMIT ?", (subject, end, newest)
        )
        return rows[::-1]

    def newest_of_each(
        self, subjects: Sequence[bytes], newest: int, *, admitted: bool = False
    ) -> dict[bytes, list[EntryRow]]:
        """Of each of these subjects the `newest` entries of its timeline, in log order; of `admitted` ones
        alone, whatever was refused or claimed since.
        """
        found: dict[bytes, list[EntryRow]] = {subject: [] for subject in subjects}
        for part in parts(subjects, beside=1):
            placed = "ROW_NUMBER() OVER (PARTITION BY subject ORDER BY leaf_index DESC) AS place"
            of_it = f"subject IN ({marks(len(part))})" + (" AND type = 'admitted'" if admitted else "")
            among = f"SELECT leaf_index, {placed} FROM entries WHERE {of_it}"
            chosen = f"leaf_index IN (SELECT leaf_index FROM ({among}) WHERE place <= ?) ORDER BY leaf_index"
            for row in self._select(chosen, (*part, newest)):
                found[row.subject or b""].append(row)
        return found

    def of_since(self, subject: bytes, leaf_index: int) -> list[EntryRow]:
        """The timeline of a subject from this leaf on, in log order."""
        return self._select("subject = ? AND leaf_index >= ? ORDER BY leaf_index", (subject, leaf_index))

    def count_of(self, subject: bytes) -> int:
        """How many entries a subject has."""
        row = self._db.connection.execute("SELECT COUNT(*) AS n FROM entries WHERE subject = ?", (subject,))
        return int(row.fetchone()["n"])

    def concerning(self, issuer: str, kinds: Sequence[str], leaf_min: int, leaf_end: int) -> list[EntryRow]:
        """Leaves in a range that are of this issuer or of one of these kinds, in log order."""
        condition = f"leaf_index >= ? AND leaf_index < ? AND (issuer = ? OR kind IN ({marks(len(kinds))}))"
        return self._select(f"{condition} ORDER BY leaf_index", (leaf_min, leaf_end, issuer, *kinds))

    def newest_of_issuer(self, issuer: str, leaf_min: int, limit: int) -> list[EntryRow]:
        """What an issuer said, recorded or refused, from a leaf on, the newest first: so many at most."""
        among = "issuer = ? AND leaf_index >= ? ORDER BY leaf_index DESC LIMIT ?"
        return self._select(among, (issuer, leaf_min, limit))

    def said_by(self, subject: bytes, issuers: Sequence[str], kinds: Sequence[str]) -> list[EntryRow]:
        """What these issuers said of a subject, or anybody by one of these kinds, in log order."""
        who = f"(issuer IN ({marks(len(issuers))}) OR kind IN ({marks(len(kinds))}))"
        condition = f"subject = ? AND type = 'admitted' AND {who} ORDER BY leaf_index"
        return self._select(condition, (subject, *issuers, *kinds))

    def told_before(  # noqa: PLR0917  (one question, in the order in which it is asked)
        self,
        subject: bytes,
        kinds: Sequence[str],
        ending: Sequence[str],
        issuers: Sequence[str],
        leaf_end: int,
        limit: int,
    ) -> list[EntryRow]:
        """What is admitted of these kinds of a subject, before a leaf or by these, and of `ending`, in log
        order: so many at most."""
        told = f"kind IN ({marks(len(kinds))}) AND (leaf_index < ? OR issuer IN ({marks(len(issuers))}))"
        condition = f"subject = ? AND type = 'admitted' AND (({told}) OR kind IN ({marks(len(ending))}))"
        values = (subject, *kinds, leaf_end, *issuers, *ending, limit)
        return self._select(f"{condition} ORDER BY leaf_index LIMIT ?", values)

    def told_of(self, subjects: Sequence[bytes], kinds: Sequence[str]) -> Iterator[EntryRow]:
        """What is admitted of these kinds about these subjects; what is said of others is not read."""
        of_a_kind = f"type = 'admitted' AND kind IN ({marks(len(kinds))})"
        for part in parts(subjects, beside=len(kinds)):
            yield from self._select(f"subject IN ({marks(len(part))}) AND {of_a_kind}", (*part, *kinds))

    def count(self) -> int:
        """How many leaves there are."""
        row = self._db.connection.execute("SELECT MAX(leaf_index) AS n FROM entries").fetchone()
        return 0 if row["n"] is None else int(row["n"]) + 1

    def newest_of_kinds(
        self, kinds: Sequence[str], leaf_min: int, leaf_end: int, limit: int
    ) -> list[EntryRow]:
        """What is admitted of these kinds in a range of leaves, the newest first: so many at most."""
        among = f"leaf_index >= ? AND leaf_index < ? AND type = 'admitted' AND kind IN ({marks(len(kinds))})"
        return self._select(f"{among} ORDER BY leaf_index DESC LIMIT ?", (leaf_min, leaf_end, *kinds, limit))

    def with_digest(self, digest: bytes) -> list[EntryRow]:
        """The entry of the attestation with this digest: one, or none; or of what else has it."""
        of_it = "AND digest = ? ORDER BY leaf_index"
        found = self._select(f"{OF_STATEMENTS} {of_it}", (digest,))
        return found or self._select(f"{OF_OTHERS} {of_it}", (digest,))

    def with_document(self, document_digest: bytes) -> list[EntryRow]:
        """Entries whose attestation is about this document."""
        return self._select("document_digest = ? ORDER BY leaf_index", (document_digest,))

    def with_documents(self, digests: Sequence[bytes]) -> list[EntryRow]:
        """Entries whose attestations are about these documents; those of one document in log order."""
        return [
            row
            for part in parts(digests)
            for row in self._select(f"document_digest IN ({marks(len(part))}) ORDER BY leaf_index", part)
        ]

    def decided(self, proposals: Sequence[bytes]) -> list[EntryRow]:
        """What became of these proposals."""
        return [
            row
            for part in parts(proposals)
            for row in self._select(
                f"{OF_OTHERS} AND digest IN ({marks(len(part))}) AND type = 'governance'", part
            )
        ]

    def since(self, leaf_index: int, limit: int) -> list[EntryRow]:
        """The leaves from this one on, so many at most."""
        return self._select("leaf_index >= ? ORDER BY leaf_index LIMIT ?", (leaf_index, limit))

    def at(self, leaf_index: int) -> EntryRow | None:
        """One leaf."""
        found = self._select("leaf_index = ?", (leaf_index,))
        return found[0] if found else None

    def at_each(self, leaf_indices: Sequence[int]) -> dict[int, EntryRow]:
        """These leaves, those that there are."""
        return {
            row.leaf_index: row
            for part in parts(leaf_indices)
            for row in self._select(f"leaf_index IN ({marks(len(part))})", part)
        }

    def of_block(self, height: int) -> EntryRow | None:
        """The last leaf of a block, by halving: heights rise with the leaves, so no index is kept for it."""
        last = self._db.connection.execute("SELECT MAX(leaf_index) AS n FROM entries").fetchone()["n"]
        if last is None:
            return None
        at = bisect_right(range(last + 1), height, key=self._height_of) - 1
        row = self.at(at) if at >= 0 else None
        return row if row is not None and row.height == height and row.type == "block" else None

    def _height_of(self, leaf_index: int) -> int:
        query = "SELECT height FROM entries WHERE leaf_index = ?"
        return int(self._db.connection.execute(query, (leaf_index,)).fetchone()["height"])

    def evidence(self) -> list[EntryRow]:
        """Every fault of a validator on the record, in log order."""
        return self._select("type = 'evidence' ORDER BY leaf_index", ())

    def policies(self) -> list[EntryRow]:
        """Every log policy that the log names, in log order."""
        return self._select("type = 'policy' ORDER BY leaf_index", ())

    def decisions(self, leaf_min: int) -> list[EntryRow]:
        """What became of proposals, from this leaf on, in log order."""
        return self._select("type = 'governance' AND leaf_index >= ? ORDER BY leaf_index", (leaf_min,))

    def authors(self, documents: Sequence[bytes], kind: str) -> dict[bytes, str]:
        """Who made the first attestation of this kind about each of these documents."""
        found: dict[bytes, str] = {}
        for part in parts(documents, beside=1):
            among = f"kind = ? AND document_digest IN ({marks(len(part))}) ORDER BY leaf_index"
            for row in self._select(among, (kind, *part)):
                found.setdefault(row.document_digest or b"", row.issuer or "")
        return found

    def these(self, leaves: Sequence[int]) -> list[EntryRow]:
        """Leaves by their numbers, in log order."""
        among = f"leaf_index IN ({marks(len(leaves))}) ORDER BY leaf_index"
        return self._select(among, leaves) if leaves else []

    def _select(self, condition: str, values: Sequence[object]) -> list[EntryRow]:
        rows = self._db.connection.execute(
            "SELECT entry, leaf_hash, type, kind, issuer, subject, digest, document_digest, rule, winner, "
            f"leaf_index, height FROM entries WHERE {condition}",
            values,
        )
        found = [EntryRow(*row) for row in rows]
        for row in found:
            if not is_whole(row):
                self.damaged = row.leaf_index
                raise Damaged(f"ledger.db is damaged: entry {row.leaf_index} is not what was written")
        return found
