"""The evidence file of a consignment: what its verdicts rest on, so that another machine checks it offline.

One JSON object a line, in this order; `node/receipts/evidence_check.py` reads it:

    {"format": "comity/evidence/v1", "judged_by", "network", "made_at", "consignment": its head,
     "required": checks that the policy asks for, "reasons": SHA-256 of reasons.toml}
    {"manifest": {...}}                          what was declared, without the documents that it shows
    {"rule": name, "sha256", "content"}          each rule file that governed at one of its heights
    {"governance": a governance proof}           of the newest height of a verdict
    {"block": height, "receipt"}                 of each other height, whose governance root it shows
    {"record": attestation digest, "receipt"}    before the first line that names it; "missing": why it is not
    {"document": digest, "content"}              of those that whoever asks may hold; "missing": why not
    {"list": digest, "content", "receipt"}       the newest version of a status list that these documents name
    {"line": a verdict with every check}
    {"signed": COSE_Sign1}                       by the judging node, over the SHA-256 of all lines before
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from threading import Lock

import orjson

from consensus.cose import Signer, sign1
from consensus.encoding import encode
from consensus.receipt import Receipt
from credentials.documents.canonical import b64u
from credentials.errors import CredentialError
from credentials.ledger.attestation import standing_key, status_subject
from credentials.ledger.entries import AdmittedEntry, parse_entry
from credentials.ledger.governance import GovernanceHistory
from credentials.ledger.governance_proof import ProofPart, joined
from credentials.ledger.governance_records import RuleFiles
from credentials.ledger.records import StatusLists
from credentials.verdicts.policy import Policy
from credentials.verdicts.verdict_record import ItemRecord
from node.config import shipped
from node.errors import ProblemError
from node.receipts.evidence_check import EVIDENCE_FORMAT, signed_content
from node.storage.ledger import LedgerStore
from node.storage.office import OfficeStore
from node.use_cases.records import RecordDesk
from node.verdicts.consignments import Consignments
from node.verdicts.lists import keys_of
from node.verdicts.reports import alone

Part = Mapping[str, object]
SHOWN_WITH_LINES = ("documents", "receipts")
HEIGHTS_MAX = 256  # of verdicts of one consignment whose blocks are shown


class EvidenceDesk:
    """Makes evidence files, one at a time."""

    def __init__(
        self,
        *,
        did: str,
        network: tuple[str, bytes],  # its name and id
        signer: Signer,
        history: GovernanceHistory,
        rule_files: RuleFiles,
        policy: Policy,
        consignments: Consignments,
        records: RecordDesk,
        ledger: LedgerStore,
        office: OfficeStore,
    ) -> None:
        self._office = office
        self._did, self._network, self._signer = did, network, signer
        self._history, self._rule_files, self._policy = history, rule_files, policy
        self._consignments, self._records, self._ledger = consignments, records, ledger
        self._making = Lock()  # held while one is made

    def file(self, consignment_id: str, audience: str) -> Iterator[bytes]:
        """The file, as it is made. 404 for no consignment, 503 `busy` while another one is made."""
        head = self._consignments.show(consignment_id, limit=0)
        made = self._lines(consignment_id, dict(head), audience)
        next(made)  # begun: whoever lets go of it, at whatever line, lets go of the lock
        return made

    def _lines(self, consignment_id: str, head: Part, audience: str) -> Iterator[bytes]:
        with alone(self._making):
            yield b""
            digest = sha256()
            for one in self._told(consignment_id, head, audience):
                part = orjson.dumps(one) + b"\n"
                digest.update(part)
                yield part
            content = signed_content(self._network[1], consignment_id, digest.digest())
            yield orjson.dumps({"signed": b64u(sign1({}, encode(content), self._signer))}) + b"\n"

    def _told(self, consignment_id: str, head: Part, audience: str) -> Iterator[Part]:
        yield {
            "format": EVIDENCE_FORMAT,
            "judged_by": self._did,
            "network": self._network[0],
            "made_at": int(time.time()),
            "consignment": {name: value for name, value in head.items() if name != "items"},
            "required": sorted(self._policy.required),
            "reasons": sha256(shipped("reasons.toml")).hexdigest(),
        }
        yield {"manifest": self._declared(consignment_id)}
        heights = sorted({item["height"] for item in self._consignments.items(consignment_id)}, reverse=True)
        yield from self._rules(heights)
        yield from self._governance(heights[: HEIGHTS_MAX + 1])
        beside = _Beside(self._records, self._ledger, audience)
        for item in self._consignments.items(consignment_id):
            yield from beside.of(item)
            yield {"line": item}

    def _declared(self, consignment_id: str) -> Part:
        body = orjson.loads(self._office.consignments.manifest(consignment_id))
        lines = [{k: v for k, v in one.items() if k not in SHOWN_WITH_LINES} for one in body["lines"]]
        return {**body, "lines": lines}

    def _rules(self, heights: Iterable[int]) -> Iterator[Part]:
        """Each file once, whichever of the heights it governed at."""
        named = {
            (name, digest)
            for height in heights
            for name, digest in self._history.at(height).rule_digests.items()
        }
        for name, digest in sorted(named):
            data = self._rule_files(digest)
            if data is not None:
                yield {"rule": name, "sha256": digest.hex(), "content": data.decode()}

    def _governance(self, heights: Iterable[int]) -> Iterator[Part]:
        """The proof of the newest height that can be proven, and of each other one its block's entry."""
        proven = False
        for height in heights:
            try:
                if not proven:
                    yield {"governance": joined(list(_parts(self._records.governance_proof_part, height)))}
                    proven = True
                else:
                    yield {"block": height, "receipt": self._records.block_receipt(height)}
            except ProblemError as problem:  # height 0, or validators that are still cosigning
                yield {"block": height, "missing": problem.code}


class _Beside:
    """Records, documents and lists, each before the first line that rests on it."""

    def __init__(self, records: RecordDesk, ledger: LedgerStore, audience: str) -> None:
        self._records, self._ledger, self._audience = records, ledger, audience
        self._told = set[tuple[str, str]]()

    def of(self, item: ItemRecord) -> Iterator[Part]:
        for step in item["timeline"]:
            digest = step["attestation_digest"]
            if digest is None or not self._is_new("record", digest):
                continue
            try:
                receipt = self._records.receipt(digest)
            except ProblemError as problem:
                yield {"record": digest, "missing": problem.code}
                continue
            yield {"record": digest, "receipt": receipt}
            for named in _documents_of(receipt):
                yield from self._document(b64u(named))

    def _document(self, digest: str) -> Iterator[Part]:
        if not self._is_new("document", digest):
            return
        try:
            content = self._records.document(digest, self._audience)
        except ProblemError as problem:
            yield {"document": digest, "missing": problem.code}
            return
        yield {"document": digest, "content": content}
        for issuer, purpose, url in sorted(keys_of([content])):
            yield from self._list(issuer, purpose, url)

    def _list(self, issuer: str, purpose: str, url: str) -> Iterator[Part]:
        record = self._ledger.standings.record(standing_key(status_subject(issuer, url)))
        latest = None if record is None else StatusLists.decode(record).latest.get(purpose)
        if latest is None or not self._is_new("list", digest := b64u(latest.digest)):
            return
        try:
            content, receipt = self._records.document(digest), self._records.receipt(digest)
        except ProblemError as problem:
            yield {"list": digest, "missing": problem.code}
            return
        yield {"list": digest, "content": content, "receipt": receipt}

    def _is_new(self, kind: str, digest: str) -> bool:
        known = (kind, digest) in self._told
        self._told.add((kind, digest))
        return not known


def _documents_of(receipt: str) -> list[bytes]:
    """The documents that the statement of a receipt is about: of a set list those that it names."""
    try:
        entry = parse_entry(Receipt.parse(receipt).entry)
    except CredentialError:
        return []  # of a version to come
    if not isinstance(entry, AdmittedEntry):
        return []
    sets = entry.attestation.set_list
    return [entry.attestation.document_digest] if sets is None else [*sets.points.values()]


def _parts(part: Callable[[int, int], ProofPart], height: int) -> Iterator[ProofPart]:
    start: int | None = 0
    while start is not None:
        found = part(height, start)
        yield found
        start = found.get("next")
