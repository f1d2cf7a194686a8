"""Receipts and checkpoints of the own ledger, for whoever asks: made on demand, verified before they go."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from threading import Lock

import orjson

from consensus.checkpoint import Checkpoint, NoteError, SignedNote
from consensus.merkle import Tree
from consensus.receipt import Receipt, ReceiptError, make_receipt, verify_receipt
from credentials.ledger.attestation import standing_key
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.log_epochs import AFTER_ENTRY, EpochStep, Head
from node.errors import ProblemError, bad_request, not_found
from node.ledger.log_policies import LogPolicies
from node.receipts.epochs import EpochFile
from node.storage.database import Damaged
from node.storage.documents import StoredDocument
from node.storage.entries import EntryRow
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.verdicts.sources import Gathering

STEPS_MAX = 256  # from one log policy to the next, in one answer: of some 4 KiB each
# In memory, those asked for last; others are made again when they are asked for.
STEPS_KEPT_MAX = 8 * STEPS_MAX


class Proofs:
    """What this node can prove about its log."""

    def __init__(
        self,
        ledger: LedgerStore,
        office: OfficeStore,
        tree: Tree,
        policies: LogPolicies,
        gathering: Gathering,
    ) -> None:
        self._ledger = ledger
        self._office = office
        self._tree = tree
        self._policies = policies
        self._gathering = gathering
        self._steps: OrderedDict[int, EpochStep] = OrderedDict()  # by the number of the policy they lead to
        self._stepping = Lock()

    def checkpoint(self) -> str:
        """The latest cosigned checkpoint: log line and as many cosignatures as the policy asks for."""
        kept = self._ledger.checkpoint()
        if kept is None:
            raise not_found("no_checkpoint_yet", "no checkpoint was cosigned by a quorum yet")
        return self._policies.at(kept[0]).policy.reduce(_kept(kept[1])).text()

    def policy(self, size: int | None = None) -> str:
        """The policy that a tree of `size` leaves falls under; None: that of the newest checkpoint."""
        kept = self._ledger.checkpoint() if size is None else None
        at = size if size is not None else kept[0] if kept is not None else 0
        return self._policies.at(at).text

    def epochs(self, link: int | None = None, after: int | None = None) -> str:
        """Every policy of the log, each receipted under the one before it; 400 `in_parts` for too many.

        `after`: a part, of policies that speak for trees of more leaves alone. The last one has the head and
        `link`: also prove that the tree of so many leaves is on the way to the newest checkpoint.
        """
        over = self._policies.starts[1:]  # one more may be adopted meanwhile
        first = bisect_right(over, after or 0)
        if first + STEPS_MAX < len(over):
            if after is None:
                told = (
                    "this log had {count} policies, more than one answer holds: ask for them in parts, with "
                    "`after=0` first, as `comity log epochs` of this version does"
                )
                raise bad_request("in_parts", told, count=len(over) + 1)
            end = first + STEPS_MAX
            return EpochFile(self._steps_to(first, end), None, {}, over[end - 1]).text()
        kept, steps = self._ledger.checkpoint(), self._steps_to(first, len(over))
        size = kept[0] if kept is not None and kept[0] > (over[-1] if over else 0) else None
        head, links = None, dict[int, tuple[bytes, ...]]()
        if kept is not None and size is not None:
            note = self._policies.at(size).policy.reduce(_kept(kept[1])).text()
            head = Head(note, self._proof(over[-1] if over else 0, size))
            if link is not None and 0 < link <= size:
                links[link] = self._proof(link, size)
        return EpochFile(steps, head, links).text()

    def _steps_to(self, first: int, end: int) -> tuple[EpochStep, ...]:
        """From the policy `first` on to that of `end`: each made once, as long as it is kept."""
        found: list[EpochStep] = []
        with self._stepping:
            for number in range(first, end):
                step = self._steps.pop(number, None) or self._step(number)
                self._steps[number] = step  # the last that is forgotten
                found.append(step)
                if len(self._steps) > STEPS_KEPT_MAX:
                    self._steps.popitem(last=False)
        return tuple(found)

    def _step(self, number: int) -> EpochStep:
        """From one policy to the next, which the last block under it names."""
        before, epoch = self._policies.epoch(number), self._policies.epoch(number + 1)
        index, text = epoch.after - AFTER_ENTRY, self._ledger.checkpoint_of(epoch.after)
        row = self._ledger.leaves.at(index)
        if text is None or row is None:
            told = "this node has no checkpoint of {size} leaves, which leads to the next policy: ask another"
            raise not_found("no_epoch_yet", told, size=epoch.after)
        note = _kept(text)
        try:
            receipt = make_receipt(row.entry, None, index, self._tree, note, policy=before.policy)
        except ReceiptError as error:
            raise ProblemError(503, "no_receipt_yet", "Come again", str(error)) from error
        return EpochStep(receipt.text(), self._proof(before.after, epoch.after))

    def _proof(self, old: int, new: int) -> tuple[bytes, ...]:
        return tuple(self._tree.consistency_proof(old, new)) if 0 < old < new else ()

    def receipt(self, digest: bytes) -> str:
        """The receipt of an attestation, of its document, or of a credential of its set list."""
        with self._ledger.reading(), self._office.reading():
            row = self._entry_about(digest)
            if row is None:
                raise self._no_entry(digest)
            return self._receipt_of(row)

    def signed_in(self, receipt: str) -> dict[str, tuple[str, ...]]:
        """The cosigners of a receipt that this node made, by jurisdiction."""
        read = Receipt.parse(receipt)
        return dict(verify_receipt(read, self._policies.at(read.size).policy).by_jurisdiction)

    def receipt_of_block(self, height: int) -> str:
        """The receipt of the last entry of a block, which says what the state was after it."""
        with self._ledger.reading(), self._office.reading():
            row = self._ledger.leaves.of_block(height)
            if row is None:
                raise not_found("height_unknown", "this ledger has no block of that height yet")
            return self._receipt_of(row)

    def _receipt_of(self, row: EntryRow) -> str:
        text = self._ledger.checkpoint_covering(row.leaf_index)
        if text is None:
            raise not_found("no_receipt_yet", "the validators are still cosigning: ask again in a moment")
        blind = self._blind(row)
        try:
            note = _kept(text)
            policy = self._policies.at(Checkpoint.parse(note.body).size).policy
            receipt = make_receipt(row.entry, blind, row.leaf_index, self._tree, note, policy=policy)
        except ReceiptError as error:
            raise ProblemError(503, "no_receipt_yet", "Come again", str(error)) from error
        return receipt.text()

    def _entry_about(self, digest: bytes) -> EntryRow | None:
        """The entry of an attestation, of its document, or of the set list a credential belongs to."""
        ledger = self._ledger
        rows = ledger.leaves.with_digest(digest) or ledger.leaves.with_document(digest)
        if not rows:
            stored = self._office.documents.get(digest)
            if stored is not None and stored.set_digest is not None:
                rows = ledger.leaves.with_document(stored.set_digest)
            elif stored is not None and stored.kind == "fetched":
                rows = self._entries_covering(stored)
        return rows[-1] if rows else None

    def _entries_covering(self, stored: StoredDocument) -> list[EntryRow]:
        """Entries whose set list names a fetched credential."""
        about = orjson.loads(stored.body).get("credentialSubject")
        text = about.get("id") if isinstance(about, dict) else None
        subject = self._gathering.subject_of(text) if isinstance(text, str) else None
        found = []
        for row in self._ledger.leaves.of(standing_key(subject)) if subject else ():
            parsed = parse_entry(row.entry)
            sets = parsed.attestation.set_list if isinstance(parsed, AdmittedEntry) else None
            if sets is not None and stored.digest in sets.points.values():
                found.append(row)
        return found

    def _no_entry(self, digest: bytes) -> ProblemError:
        office = self._office
        known = office.outbox.get(digest) or next(iter(office.outbox.of_document(digest)), None)
        if known is not None and known.state == "outbox":
            return not_found("no_receipt_yet", "the attestation is on its way to the validators: ask again")
        return not_found("unknown_digest", "no entry of this log has that digest")

    def _blind(self, row: EntryRow) -> bytes | None:
        """The blind of the entry's battery, where this node knows which battery that is."""
        office, gathering = self._office, self._gathering
        own = office.outbox.get(row.digest) if row.digest is not None else None
        texts: list[str] = [own.battery] if own is not None and own.battery else []
        parsed = parse_entry(row.entry)
        if not texts and isinstance(parsed, AdmittedEntry):
            sets = parsed.attestation.set_list
            digests = [parsed.attestation.document_digest, *(sets.points.values() if sets else ())]
            for stored in filter(None, map(office.documents.get, digests)):
                about = orjson.loads(stored.body).get("credentialSubject")
                if isinstance(about, dict) and isinstance(about.get("id"), str):
                    texts.append(about["id"])
        for text in texts:
            subject = gathering.subject_of(text)
            if subject is not None and standing_key(subject) == row.subject:
                return subject.blind
        return None


def _kept(note: str) -> SignedNote:
    """A checkpoint of the own ledger; one that is none is no fault of whoever asks."""
    try:
        return SignedNote.parse(note)
    except NoteError as error:
        raise Damaged(f"ledger.db is damaged: a checkpoint is not what was written ({error})") from error
