"""What grows in memory: every container that a class or a module keeps is named here, with what bounds it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.harness.peaks import forget_peak, peak_mib

ROOT = Path(__file__).resolve().parents[2]
CONTAINERS = frozenset(
    {
        *("dict", "list", "set", "deque", "Counter", "defaultdict", "OrderedDict", "bytearray"),
        *("Queue", "SimpleQueue", "WeakKeyDictionary", "WeakValueDictionary"),
    }
)
# Bases and decorators of classes whose members are given once: what they hold was bounded by who made it.
VALUES = frozenset({"TypedDict", "NamedTuple", "Protocol", "Enum", "StrEnum", "IntEnum"})

# Where a container stands, and what bounds it. Words in capitals are constants of the code.
BOUNDED = {
    # --- consensus: one height, or as many as there are validators
    "consensus/blocks.py:Blocks._executions": (
        "blocks of the height that is decided: the others go with each block"
    ),
    "consensus/delivered.py:Delivered._asked": "EXECUTED_MAX",
    "consensus/faults.py:Faults._admitted": (
        "faults on the ledger: RECORDED_PER_KIND_MAX of a validator in evidence_heights_max blocks"
    ),
    "consensus/faults.py:Faults._blocks_of": "RECORDED_PER_KIND_MAX heights of each key of a validator",
    "consensus/faults.py:Faults._broke": "EVIDENCE_PENDING_MAX",
    "consensus/faults.py:Faults._past": "HEIGHTS_REMEMBERED",
    "consensus/faults.py:Faults._pending": "EVIDENCE_PENDING_MAX",
    "consensus/machine.py:Height._proposals": (
        "one height: PROPOSALS_PER_ROUND_MAX, of rounds within ROUNDS_AHEAD_MAX and ROUNDS_BEHIND_MAX"
    ),
    "consensus/machine.py:Height.blocks": "one height: the blocks of its proposals",
    "consensus/merkle.py:Tree._nodes": (
        "nothing at a node, which reads its database: for tests and offline checks"
    ),
    "consensus/pool.py:Pool._entries": "COUNT_MAX, SIZE_BYTES_MAX",
    "consensus/pool.py:Pool._passed": "of Pool._entries",
    "consensus/pool.py:Pool._waiting_by_sender": "of Pool._entries",
    "consensus/pool.py:_Shelf.by_issuer": "of Pool._entries",
    "credentials/verdicts/manifest_csv.py:_Reader._rows": "LINES_MAX",
    "credentials/verdicts/manifest_csv.py:_Reader.head": "HEAD",
    "credentials/verdicts/manifest_csv.py:_Reader.left_out": "LINES_MAX",
    "credentials/verdicts/manifest_csv.py:_Reader.lines": "LINES_MAX",
    "node/verdicts/choosing.py:Chosen._found": "lines of one consignment: LINES_MAX of its manifest",
    "consensus/recollection.py:Recollection._answered": "validators",
    "consensus/recollection.py:Recollection._last_votes": "validators",
    "consensus/replica_state.py:Present.heard": (
        "one height: the messages that were accepted, bounded as votes and proposals are"
    ),
    "consensus/replica_state.py:Present.out": "one event: it is given back and made anew",
    "consensus/replica_state.py:Present.refused": "the words of refusals.py",
    "consensus/standings_map.py:StandingsMap._few": "2 * BUCKET_COUNT",
    "consensus/standings_map.py:StandingsMap._kept": (
        "nothing at a node, which reads its database: for tests and offline checks"
    ),
    "consensus/sync.py:Sync._peers": "SENDERS_MAX",
    "consensus/sync.py:Sync._queue": "BLOCKS_QUEUED_MAX",
    "consensus/sync.py:_Buffer.messages": "BUFFERED_PER_SENDER_MAX, BUFFERED_BYTES_PER_SENDER_MAX",
    "consensus/votes.py:Votes._cast": (
        "one height: VOTES_PER_STEP_MAX of a validator, of rounds within ROUNDS_AHEAD_MAX"
    ),
    "consensus/votes.py:Votes._highest_round": "validators",
    "consensus/votes.py:Votes._tally": "of Votes._cast",
    "consensus/votes.py:Votes.evidence": "one height: of Votes._cast",
    "consensus/wal.py:SigningLog._records": "heights that are not decided: earlier ones go with each block",
    "consensus/wal.py:SigningLog._signed": "of SigningLog._records",
    # --- credentials
    "credentials/jsonld/compiled.py:Contexts._documents": (
        "contexts that are shipped or that the operator named"
    ),
    "credentials/jsonld/terms.py:Table._derived": "TABLES_KEPT_MAX",
    "credentials/jsonld/terms.py:Table.members": "of Table._derived",
    "credentials/ledger/governance.py:GovernanceHistory._indexed": "INDEXED_MAX",
    "credentials/ledger/policy_keys.py:PolicyKeys.until": "keys that have cosigned, which governance names",
    "credentials/ledger/registry.py:MemoryReader.entries": (
        "nothing at a node, which reads its database: for tests and offline checks"
    ),
    "credentials/ledger/registry.py:MemoryReader.finals": (
        "nothing at a node, which reads its database: for tests and offline checks"
    ),
    "credentials/ledger/registry.py:MemoryReader.records": (
        "nothing at a node, which reads its database: for tests and offline checks"
    ),
    "credentials/ledger/registry.py:Registry._verified": "VERIFIED_MAX",
    # --- node: tables that are read once
    "node/use_cases/guesses.py:Guesses._left": "KEPT_MAX",
    "node/web/labels.py:environment()": "an environment of the templates for each language",
    "node/web/navigation.py:page_entries()": "the rows of desks.toml",
    "node/use_cases/roles.py:person_roles()": "the rows of desks.toml",
    "node/api/described.py:Described.schemas": "the types of answers",
    "node/api/reading.py:_validator()": "the shapes of requests",
    "node/api/schemas.py:ANY": "a shape; nothing is added",
    "node/api/schemas.py:schemas()": "the shapes of requests and the types of answers",
    "node/catalogues.py:alerts()": "one file of config/",
    "node/catalogues.py:conditions()": "one file of config/",
    "node/catalogues.py:reasons()": "one file of config/",
    "node/catalogues.py:refusals()": "the tables of one file of config/",
    "node/catalogues.py:risk_table()": "one file of config/",
    "node/catalogues.py:sentences()": "one file of config/",
    "node/catalogues.py:travel_table()": "one file of config/",
    "node/catalogues.py:terms()": "one file of config/",
    "node/catalogues.py:texts()": "a catalogue of config/texts for each language",
    "node/oversight/travels.py:travel()": "one file of config/",
    "node/rules_in_force.py:_examined": "EXAMINED_MAX",
    "node/use_cases/duties.py:_rows()": "one file of config/",
    "node/use_cases/vehicles.py:_rows()": "one file of config/",
    "node/verdicts/completing.py:headings()": "the columns of a manifest in each language",
    "node/words.py:Words._points": "the points of Annex XIII",
    "node/storage/schema_history.py:History._names": "the steps of a schema",
    # --- node: as many as there are participants, keys, threads
    "node/issuing/profiled.py:Securing._lists": "the profiles",
    "node/ledger/checkpoints.py:Checkpoints._note_sent": "participants",
    "node/ledger/comet/comet_engine.py:CometEngine._evidence": "what consensus/faults.py gives",
    "node/ledger/comet/comet_engine.py:CometEngine._refused": "one word",
    "node/ledger/heard.py:HeardHeights._said": "participants",
    "node/ledger/comet/mempool.py:Mempool._forgot": "one list, of what the pool has",
    "node/ledger/comet/mempool.py:Mempool._own": "one batch of this node's, and what of its own waited",
    "node/ledger/comet/mempool.py:Mempool._others": (
        "one batch of a peer's inbox; after a start of CometBFT all that the pool has"
    ),
    "node/ledger/comet/mempool.py:Mempool._waiting": "WAITING_MAX",
    "node/ledger/comet/mempool.py:Mempool.dropped": "the words of refusals.py",
    "node/ledger/comet/process.py:CometProcess._buffer": "LINE_BYTES_MAX, twice while a part is joined",
    "node/ledger/comet/process.py:CometProcess._dialled": "participants",
    "node/ledger/comet/process.py:CometProcess.shown": "the numbers that it is asked for, by name",
    "node/ledger/comet/server.py:Server._connections": "CONNECTIONS_MAX",
    "node/ledger/comet/server.py:_Connection.waiting": "READ_BYTES and one frame: read on once it is empty",
    "node/ledger/comet/whereabouts.py:Whereabouts._at": "participants whose signed status was heard",
    "node/ledger/embedded.py:EmbeddedEngine.numbers": "nothing: this engine has none of its own",
    "node/ledger/cosigner.py:Cosigning._lines": "sizes of Cosigning._said",
    "node/ledger/cosigner.py:Cosigning._said": "SIZES_MAX of each key of a log policy",
    "node/ledger/cosigner.py:Cosigning.ends_kept": "log policies: one number for each change of cosigners",
    "node/ledger/cosigner.py:Cosigning.rivals": "one turn: taken with it",
    "node/ledger/engine_condition.py:Watch._clocks": "participants",
    "node/ledger/engine_condition.py:Watch._heard": "participants",
    "node/ledger/log_policies.py:LogPolicies._keys": "keys that have cosigned, which governance names",
    "node/ledger/log_policies.py:LogPolicies._starts": (
        "log policies: one number for each change of cosigners"
    ),
    "node/oversight/alert_desk.py:AlertToldAnswer.attempts": "LEAVES_KEPT_MAX",
    "node/oversight/alert_desk.py:AlertToldAnswer.leaves": "LEAVES_KEPT_MAX",
    "node/oversight/alert_kinds.py:alert_kinds()": "one file of config/",
    "node/oversight/lots.py:LotsByMetal._waiting": "UNREAD_MAX",
    "node/oversight/noted.py:Noted._kept": "NOTED_MAX",
    "node/oversight/risk.py:indicators()": "one file of config/",
    "node/peers/acquaintance.py:Acquaintance._known": "participants",
    "node/peers/address_book.py:AddressBook._hints": "lines of peers.toml",
    "node/peers/authentication.py:PeerAuthentication._nonces": "participants, NONCES_PER_SENDER_MAX of each",
    "node/peers/authentication.py:PeerAuthentication._sealings": "own transport keys",
    "node/peers/authentication.py:PeerAuthentication._tries": "participants",
    "node/peers/gossip.py:Gossip._trusts": "files of the operator's",
    "node/peers/gossip.py:Gossip.cpu_s": "the stages",
    "node/peers/gossip.py:Gossip.peers": "participants",
    "node/peers/gossip.py:Gossip.refused": "the codes of refusals",
    "node/peers/sealing.py:Sealing._boxes": "transport keys that governance named",
    "node/setup/key_token.py:Token._held": "own keys",
    "node/setup/keystore.py:Keys._numbers": "own keys",
    "node/setup/keystore.py:Keys._seeds": "own keys",
    "node/setup/keystore.py:Keys._signers": "own keys",
    "node/setup/rule_files.py:RuleFolder._digests": "files that the operator put into rules/",
    "node/setup/rule_files.py:RuleFolder._known": "files that the operator put into rules/",
    "node/setup/rule_files.py:RuleFolder._seen": "files that the operator put into rules/",
    "node/storage/database.py:Database._connections": (
        "threads of the supervisor and of the lanes, which are so many"
    ),
    "node/supervision/readiness.py:Lookout._logged": "the codes of conditions",
    "node/supervision/readiness.py:Lookout._since": "the codes of conditions",
    "node/supervision/supervisor.py:Supervisor._employed": "trades: so many, and one for each participant",
    "node/ledger/ordering.py:Ordering.dropped": "the codes of refusals",
    "node/ledger/ordering.py:_Stages.cpu_s": "the stages",
    "node/ledger/subscriptions.py:Moments._subscriptions": "subscribers that wiring.py and participants make",
    "node/verdicts/fetching.py:Fetching._silent": "participants",
    # --- node: bounded by a number
    "node/issuing/issue_jobs.py:IssueJobs._pace": "its own maxlen",
    "node/sheets.py:_Sheet._joined": "ELEMENTS_MAX of the workbook, counted before it is read",
    "node/issuing/issue_jobs.py:IssueJobs._readings": "READINGS_KEPT",
    "node/issuing/issue_jobs.py:JobReading._forms": "FORMS_KEPT",
    "node/issuing/passports.py:PassportIssuing._found_by": "the orders of one call",
    "node/issuing/ledger_follower.py:Following._vain": "one version of each list of ours",
    "node/issuing/outbox.py:Outbox._dropped": "its own maxlen",
    "node/issuing/passport_orders.py:OneByOne.waiting": "requests that the pages' threads are at work on",
    "node/oversight/waiting.py:WatchedStatements._since": "WAITING_MAX",
    "node/issuing/outbox.py:Outbox._sent": (
        "what office.db has in its outbox, within the daily quota of this participant"
    ),
    "node/issuing/holding.py:RuleHolding._lacking": "open proposals: the others go with each round",
    "node/issuing/holding.py:RuleHolding._told": "open proposals: the others go with each round",
    "node/ledger/engine_condition.py:Watch._set_aside": "SET_ASIDE_KEPT",
    "node/ledger/inbox.py:Inbox._shares": "who has something in the inbox",
    "node/ledger/inbox.py:_Lane._lines": "EVENTS_MAX, SIZE_BYTES_MAX",
    "node/ledger/intake.py:Intake._recent": "RECENT_MAX",
    "node/ledger/ordering.py:Ordering.evidence": "of Faults._pending",
    "node/ledger/ordering.py:_Timers._heap": "one height: timers of its rounds",
    "node/ledger/shelf.py:Shelf._kept": "two snapshots",
    "node/ledger/shelf.py:Shelf._paths": "two snapshots",
    "node/ledger/subscriptions.py:Subscription._moments": "KEPT_MAX",
    "node/log.py:_budgets": "KEPT_MAX",
    "node/log.py:_owing": "of _budgets",
    "node/peers/link.py:Link._kept": "KEPT_MAX",
    "node/storage/tiles.py:Tiles._kept": "KEPT_MAX",
    "node/peers/collecting.py:Collecting._answers": "ANSWERS_BYTES_MAX, and one more of at most that",
    "node/peers/collecting.py:Collecting._asked": "ASKED_MAX, of one body of a peer each time",
    "node/peers/mailboxes.py:Mailboxes._boxes": "participants hosted here, HOSTED_MAX",
    "node/peers/mailboxes.py:_Mailbox.asked": "ASKED_MAX, REQUEST_BYTES_MAX of each",
    "node/peers/queue.py:PeerQueue._items": "QUEUE_ITEMS_MAX, QUEUE_BYTES_MAX",
    "node/peers/strikes.py:Patience._left": "SENDERS_MAX",
    "node/peers/strikes.py:Patience._refusals": "SENDERS_MAX",
    "node/receipts/maker.py:Proofs._steps": "STEPS_KEPT_MAX",
    "node/resolution/fetch.py:_Places._taken": "FETCHES_MAX",
    "node/resolution/identity_provider.py:IdentityProvider._kept": "two addresses of one provider",
    "node/resolution/webhooks.py:Webhooks._paused": "ENDPOINTS_MAX",
    "node/cli/watch_folder.py:WatchedFolder._seen": "ENTRIES_MAX",
    "node/server/connections.py:Connections._open": "CONNECTIONS_MAX",
    "node/server/connections.py:LargeBodies._there": "LARGE_BODIES_MAX, SMALLER_BODIES_MAX",
    "node/server/exchange.py:Exchange._large": "one for each kind of body",
    "node/server/exchange.py:Exchange._large_of_peers": "one for each rank",
    "node/server/feeds.py:OpenFeeds._of": "FEEDS_MAX",
    "node/server/feeds.py:OpenFeeds._shares": "FEEDS_MAX",
    "node/server/http.py:HttpServer._opening": "CONNECTIONS_MAX, for OPENING_S_MAX",
    "node/server/lanes.py:Lane._threads": "threads of the lane",
    "node/server/lanes.py:Lane._unsettled": "requests that wait or run",
    "node/server/lanes.py:_Places._lines": "places of the lane",
    "node/server/lanes.py:_Places.running": "threads of the lane",
    "node/storage/ledger.py:LedgerStore._finals": "CACHED_MAX",
    "node/storage/ledger.py:LedgerStore._standings": "CACHED_MAX",
    "node/use_cases/records.py:ProvenHeights._kept": "PROOFS_KEPT",
    "node/verdicts/fetching.py:_Misses.found": "MISSES_MAX",
    "node/verdicts/foretelling.py:Foretelling._kept": "KEPT_MAX",
    "node/verdicts/given_away.py:GivenAway._parts": "WORKERS_MAX, PARTS_AHEAD of each",
    "node/verdicts/last_held.py:LastHeld._of": "LISTS_REMEMBERED_MAX",
    "node/verdicts/list_history.py:ListHistory._known": "HISTORIES_MAX, HISTORIES_BYTES_MAX",
    "node/verdicts/list_history.py:_History.unread": "versions of one list",
    "node/verdicts/list_history.py:_History.versions": "versions of one list",
    "node/verdicts/lists.py:ListsInForce._texts": "TEXTS_KEPT_MAX",
    "node/verdicts/manifests.py:OneAtATime._waiting": "CLIENTS_WAITING_MAX",
    "node/verdicts/manifests.py:Together._known": "two manifests",
    "node/turn_order.py:TurnOrder._last": "clients that wait",
    "node/verdicts/workers.py:Workers._answers": "WORKERS_MAX, PARTS_AHEAD of each",
    "node/verdicts/workers.py:Workers._dropped": "WORKERS_MAX, PARTS_AHEAD of each",
    "node/verdicts/workers.py:Workers._running": "WORKERS_MAX",
    "node/verdicts/workers.py:_Worker.asked": "PARTS_AHEAD",
    # --- node: grows with what was decided, a few hundred bytes each (SECURITY.md)
    "node/setup/worker.py:Worker._rows": "records of what governs",
    "node/use_cases/decisions.py:Decisions._known": "decisions on the ledger",
    "node/use_cases/decisions.py:Decisions._of_kind": "decisions on the ledger",
    "node/use_cases/decisions.py:Decisions._of_party": "decisions on the ledger",
    "node/use_cases/own_part.py:OwnPart._decided": "decisions about this participant",
}

# Classes whose objects do not stay: what each lives for.
SHORT_LIVED = {
    "node/issuing/passport_fields.py:_Table": "the data points of one category, while a form is made",
    "consensus/log_policy.py:_Reader": "one log policy that is read",
    "credentials/documents/suites/integrity.py:_Written": "the sets of one passport",
    "credentials/jsonld/compiled.py:_Walk": "one document",
    "credentials/jsonld/definitions.py:Definitions": "one context",
    "credentials/jsonld/rdf.py:_Canonicalization": "one document",
    "credentials/ledger/admission.py:Judge": "one block",
    "credentials/ledger/consents.py:_Count": "one proposal that is counted",
    "credentials/ledger/constitution.py:Replay": "the start of a node",
    "credentials/ledger/governance_state.py:Sitting": "one block",
    "credentials/verdicts/content.py:_Points": "one verdict",
    "credentials/verdicts/names.py:Found": "one verdict",
    "credentials/verdicts/answering.py:RowState": "one battery of a report",
    "credentials/verdicts/answering.py:_Item": "one battery of a report",
    "credentials/verdicts/readiness.py:_RowTotal": "one report",
    "credentials/verdicts/recognised.py:_Asked": "one verdict",
    "credentials/verdicts/verdict.py:Findings": "one verdict",
    "node/answers.py:ConsignmentRecord": "one answer",
    "node/answers.py:ItemAnswer": "one answer",
    "node/answers.py:LineRecord": "one answer",
    "node/answers.py:ReportAnswer": "one answer",
    "node/api/credentials.py:_Changing": "credentials whose status is being changed now",
    "node/api/described.py:ReportShown": "one answer",
    "node/demo/table.py:Comparison": "one run of the demo",
    "node/issuing/passport_models.py:RowReading": "one sheet, of at most 512 columns",
    "node/issuing/statements.py:Batch": "one transaction",
    "node/ledger/snapshot_join.py:_Chain": "one snapshot that is taken over",
    "node/receipts/evidence_check.py:CheckedEvidence": "one file, in a process of the command line",
    "node/receipts/evidence_shown.py:ShownEvidence": "one file, in a process of the command line",
    "node/setup/ceremony.py:Founding": "one file that is read",
    "node/use_cases/evidence_file.py:_Beside": "one file that is written: a code each of what stands in it",
    "node/verdicts/judging.py:_Job": "one consignment that is judged",
    "node/verdicts/manifests.py:TextLines": "one manifest",
    "node/web/checks.py:CheckRow": "one page",
    "node/web/checks.py:Section": "one page",
    "node/web/texts.py:_Part": "one text of a template",
}


def name_of(node: ast.expr | None) -> str:
    """`deque` of `deque[int]`, `collections.deque` and `deque`."""
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_container(value: ast.expr | None) -> bool:
    """True for what makes something that can grow."""
    match value:
        case ast.Dict() | ast.List() | ast.Set() | ast.ListComp() | ast.SetComp() | ast.DictComp():
            return True
        case ast.Call(func=func, keywords=keywords) if name_of(func) == "field":
            made = [keyword.value for keyword in keywords if keyword.arg == "default_factory"]
            return any(isinstance(one, ast.Lambda) or name_of(one) in CONTAINERS for one in made)
        case ast.Call(func=func):
            return name_of(func) in CONTAINERS
        case _:
            return False


def is_value(made: ast.ClassDef) -> bool:
    """True for classes that are filled once: frozen ones, and shapes of answers."""
    frozen = any("frozen=True" in ast.unparse(one) for one in made.decorator_list)
    return frozen or any(name_of(base) in VALUES for base in made.bases)


def kept_by(made: ast.ClassDef) -> Iterator[str]:
    """The attributes of a class that are containers."""
    for node in ast.walk(made):
        if isinstance(node, ast.Assign):
            targets, grows = node.targets, is_container(node.value)
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
            grows = is_container(node.value) or name_of(node.annotation) in CONTAINERS
        else:
            continue
        for target in targets if grows else ():
            if isinstance(target, ast.Attribute) and name_of(target.value) == "self":
                yield target.attr
            elif isinstance(target, ast.Name) and node in made.body and isinstance(node, ast.AnnAssign):
                yield target.id


def growing(text: str) -> set[str]:
    """`Class.attribute`, names of a module and functions with a cache without bound, of one module's text."""
    tree, found = ast.parse(text), set[str]()
    shapes = {node.name for node in tree.body if isinstance(node, ast.ClassDef) and is_value(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            if not is_value(node) and not shapes & {name_of(base) for base in node.bases}:
                found |= {f"{node.name}.{attribute}" for attribute in kept_by(node)}
        elif isinstance(node, ast.FunctionDef):
            caches = {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}
            if caches & {"cache", "lru_cache(maxsize=None)", "lru_cache(None)"}:
                found.add(f"{node.name}()")
    for line in tree.body:
        if isinstance(line, ast.Assign | ast.AnnAssign) and is_container(line.value):
            assert line.value is not None
            empty = not any(isinstance(inner, ast.Constant | ast.Name) for inner in ast.walk(line.value))
            made = isinstance(line.value, ast.Call) and not line.value.args
            if empty or made:
                target = line.targets[0] if isinstance(line, ast.Assign) else line.target
                found.add(ast.unparse(target))
    return found


def found() -> set[str]:
    """`module:what` of all of the code."""
    paths = sorted(
        path for room in ("consensus", "credentials", "node") for path in (ROOT / room).rglob("*.py")
    )
    return {f"{path.relative_to(ROOT)}:{what}" for path in paths for what in growing(path.read_text("utf-8"))}


@cache
def constants(folder: str) -> frozenset[str]:
    """The names in capitals that modules of this folder give a value."""
    return frozenset(
        target.id
        for path in (ROOT / folder).rglob("*.py")
        for line in ast.parse(path.read_text("utf-8")).body
        if isinstance(line, ast.Assign | ast.AnnAssign)
        for given in (line.targets if isinstance(line, ast.Assign) else [line.target])
        for target in ast.walk(given)
        if isinstance(target, ast.Name)
    )


def is_short_lived(what: str) -> bool:
    return what.rpartition(".")[0] in SHORT_LIVED


def test_whatever_grows_in_memory_says_what_bounds_it() -> None:
    """
    Each container that a class, a module or a cache keeps is named above, and nothing that is gone is.
    """
    there = found()

    lasting = {what for what in there if not is_short_lived(what)}
    assert lasting - BOUNDED.keys() == set(), "say what bounds it"
    assert BOUNDED.keys() - lasting == set(), "it is gone, or its class does not stay"
    assert SHORT_LIVED.keys() == {what.rpartition(".")[0] for what in there if is_short_lived(what)}


def test_every_bound_that_is_named_is_there() -> None:
    """
    A constant that is said to bound something is given a value in the folder of what it bounds.
    """
    for what, bound in BOUNDED.items():
        folder = what.partition("/")[0]
        for constant in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", bound):
            assert constant in constants(folder), (what, constant)


def test_what_grows_without_a_row_would_be_found() -> None:
    """
    An attribute, a field, a name of a module, a cache; not a value that is given once.
    """
    text = """
from functools import cache
seen: dict[str, int] = {}
class Keeps:
    def __init__(self, given):
        self.plain, self.one = 1, None
        self._of = deque()
        self.kept: dict[str, int] = given
    def later(self):
        self.late = {one: 1 for one in ()}
@dataclass(slots=True)
class Fields:
    rows: list[str] = field(default_factory=list)
@dataclass(frozen=True)
class Value:
    rows: list[str]
class Shape(TypedDict):
    rows: list[str]
@cache
def asked(): ...
"""

    assert growing(text) == {"seen", "Keeps._of", "Keeps.kept", "Keeps.late", "Fields.rows", "asked()"}


def test_a_peak_is_of_the_program_that_is_measured() -> None:
    """
    A program started by one that held 100 MB has a peak of its own, and one that is forgotten begins anew; no
    test asks `getrusage` of itself, which tells the peak of whoever started it, too.
    """
    held = bytes(b"x" * (100 << 20))
    asked = "from tests.harness.peaks import peak_mib; print(peak_mib())"
    ran = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    most = peak_mib()
    del held

    assert float(ran.stdout) < 60 and most > 100
    assert forget_peak() < most - 50
    asking = "RUSAGE_" + "SELF).ru_maxrss"
    assert [path for path in (ROOT / "tests").rglob("*.py") if asking in path.read_text()] == []
