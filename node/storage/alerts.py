"""Alerts of this node (`office.db`): one row an id, the leaves that raised it, and what became of it.

An alert follows from the ledger: what is dropped here beyond the bound, or lost with an older copy of this
file, comes again by looking at the log once more (`looked_until`). What people did with it stands here alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from hashlib import sha256

from node.storage.database import Database, Transaction, marks

ALERTS_KEPT_MAX = 50_000  # beyond it the oldest go, those that were dealt with first
LOOKS_KEPT_MAX = 10_000  # people: beyond it those who looked longest ago, to whom all is new again
LEAVES_KEPT_MAX = 100  # of one alert; `times` counts all
OPEN, ACKNOWLEDGED = "open", "acknowledged"
NUMBER_MAX = 1 << 53
_LOOKED = "alerts_looked"  # in meta: how many leaves were looked at
_LET_GO = "alerts_let_go"


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert. Times are seconds (UTC) of the ledger, but for `handled_at`."""

    number: int
    id: bytes
    seq: int  # rises with each time that it is raised: what comes after one was not seen then
    code: str
    weight: int
    rule: str
    party: str
    namespace: str  # `scheme:namespace` of the code; "" for none
    facility: str  # the licence under which the party spoke; "" where none is known
    subject: bytes | None  # standing key of the battery
    battery: str | None  # its code, once it is known here
    document: bytes | None  # digest of what was stated
    sides: str  # jurisdictions that have a hand in it, between commas
    because: str  # why this node is told: of authority, relying, author, between commas
    parameters: str  # JSON, of its sentence
    relied: str  # JSON: [[consignment, line], ...] of this node that rest on it, the first of them
    leaf: int  # the first that raised it
    last_leaf: int
    height: int  # of the last
    at: int
    times: int
    state: str = OPEN
    assigned: str = ""
    case_ref: str = ""
    note: str = ""
    handled_by: str = ""
    handled_at: int | None = None


@dataclass(frozen=True, slots=True)
class PartyAlerts:
    """How many alerts about one party are open, and were raised since somebody has looked."""

    open: int
    new: int


@dataclass(frozen=True, slots=True)
class LineAlert:
    """An open alert about the battery of a line, or about whoever issued its passport."""

    line: int
    id: bytes
    weight: int
    on_battery: bool


_COLUMNS = ", ".join(one.name for one in fields(AlertRow))
# When it is raised: the number is the table's, and what has a default is what people do with it.
_GIVEN = [one.name for one in fields(AlertRow) if one.default is MISSING and one.name != "number"]


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts; what is None or "" is not asked. All that is asked must hold."""

    code: str = ""
    rule: str = ""
    maker: str = ""  # namespace of the code
    party: str = ""
    side: str = ""
    facility: str = ""
    model: str = ""  # beginning of the battery's code, where it is known
    state: str = ""
    assigned: str = ""
    subject: bytes | None = None
    since: int | None = None
    until: int | None = None
    # Not in `repr`, of which the key of a subscription is made: none asks for it.
    because: str = field(default="", repr=False)  # one of those for which this node is told


@dataclass(frozen=True, slots=True)
class AlertSubscription:
    """Who is told of which alerts: one row of [[alerts]] in node.toml."""

    webhook: str  # "" for e-mail
    mail: str
    wanted: AlertFilter

    @property
    def key(self) -> str:
        """Under which it is remembered how far it was told: a row that is changed begins anew."""
        said = repr((self.webhook, self.mail, self.wanted)).encode()
        return f"alerts_told:{sha256(said).hexdigest()[:32]}"

    def fits(self, battery: str | None) -> bool:
        """By the model: a battery whose code is not known here yet is told as well."""
        return battery is None or battery.startswith(self.wanted.model)


class AlertTable:
    """Alerts by number, id, battery and what they say."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- raised ----------------------------------------------------------------------------------------

    def looked_until(self) -> int:
        """How many leaves of the log were looked at."""
        return int.from_bytes(self._db.remembered(_LOOKED) or b"", "big")

    def look_on(self, db: Transaction, leaf: int) -> None:
        """So many were; a smaller number has them looked at again."""
        self._db.remember(db, _LOOKED, leaf.to_bytes(8, "big"))

    def let_go(self) -> int:
        """How many alerts gave way to newer ones."""
        return int.from_bytes(self._db.remembered(_LET_GO) or b"", "big")

    @staticmethod
    def put(db: Transaction, row: AlertRow) -> bool:
        """Raise it, or count it on the one with its id and open that again; False if this leaf did before."""
        found = db.execute("SELECT number, last_leaf FROM alerts WHERE id = ?", (row.id,)).fetchone()
        if found is not None and row.leaf <= found["last_leaf"]:
            return False
        seq = db.execute("SELECT COALESCE(MAX(seq), 0) + 1 AS n FROM alerts").fetchone()["n"]
        if found is None:
            row = replace(row, seq=seq)
            given = [getattr(row, name) for name in _GIVEN]
            made = db.execute(f"INSERT INTO alerts ({', '.join(_GIVEN)}) VALUES ({marks(len(given))})", given)
            number = made.lastrowid
        else:
            number = found["number"]
            db.execute(
                "UPDATE alerts SET seq = ?, last_leaf = ?, height = ?, at = ?, times = times + 1, "
                "sides = ?, because = ?, parameters = ?, relied = ?, document = ?, state = ? "
                "WHERE number = ?",
                (seq, row.leaf, row.height, row.at, row.sides, row.because, row.parameters, row.relied,
                 row.document, OPEN, number),
            )  # fmt: skip
        db.execute("INSERT OR IGNORE INTO alert_leaves VALUES (?, ?, ?)", (number, row.leaf, row.subject))
        db.execute(
            "DELETE FROM alert_leaves WHERE alert = ? AND leaf < (SELECT MIN(leaf) FROM (SELECT leaf FROM "
            "alert_leaves WHERE alert = ? ORDER BY leaf DESC LIMIT ?))",
            (number, number, LEAVES_KEPT_MAX),
        )
        return True

    def bound(self, db: Transaction) -> int:
        """Drop what is beyond the bound; how many went."""
        held = db.execute("SELECT COUNT(*) AS n FROM alerts").fetchone()["n"]
        too_many = max(0, held - ALERTS_KEPT_MAX)
        if too_many:
            oldest = "SELECT number FROM alerts ORDER BY state = 'open', seq LIMIT ?"
            db.execute(f"DELETE FROM alert_leaves WHERE alert IN ({oldest})", (too_many,))
            db.execute(f"DELETE FROM alerts WHERE number IN ({oldest})", (too_many,))
            self._db.remember(db, _LET_GO, (self.let_go() + too_many).to_bytes(8, "big"))
        return int(too_many)

    # -- read ------------------------------------------------------------------------------------------

    def last_seq(self) -> int:
        """Of the newest."""
        return int(
            self._db.connection.execute("SELECT COALESCE(MAX(seq), 0) AS n FROM alerts").fetchone()["n"]
        )

    def get(self, alert_id: bytes) -> AlertRow | None:
        """The one with this id."""
        found = self._select("id = ?", (alert_id,))
        return found[0] if found else None

    def leaves_of(self, number: int) -> list[tuple[int, bytes | None]]:
        """(leaf, key of its battery) of what raised it, the newest so many, newest first."""
        rows = self._db.connection.execute(
            "SELECT leaf, subject FROM alert_leaves WHERE alert = ? ORDER BY leaf DESC", (number,)
        )
        return [(row["leaf"], row["subject"]) for row in rows]

    def page(self, wanted: AlertFilter, limit: int, before: int | None = None) -> list[AlertRow]:
        """The newest first, `before` a seq."""
        condition, values = _where(wanted)
        end = NUMBER_MAX if before is None else before
        return self._select(f"{condition} AND seq < ? ORDER BY seq DESC LIMIT ?", (*values, end, limit))

    def since(self, seq: int, limit: int, wanted: AlertFilter = AlertFilter()) -> list[AlertRow]:
        """What was raised after this one, in order."""
        condition, values = _where(wanted)
        return self._select(f"{condition} AND seq > ? ORDER BY seq LIMIT ?", (*values, seq, limit))

    def counts(self, seq: int) -> dict[str, int]:
        """How many are open, heavy and open, nobody's, and raised after this one."""
        row = self._db.connection.execute(
            "SELECT COALESCE(SUM(state = 'open'), 0) AS open, "
            "COALESCE(SUM(state = 'open' AND weight = 3), 0) AS heavy, "
            "COALESCE(SUM(state = 'open' AND assigned = ''), 0) AS unassigned, "
            "COALESCE(SUM(seq > ?), 0) AS new FROM alerts",
            (seq,),
        ).fetchone()
        return dict(row)

    def by_party(self, seq: int) -> dict[str, PartyAlerts]:
        """Of each party that some are about: how many are open, and raised after this one."""
        rows = self._db.connection.execute(
            "SELECT party, SUM(state = 'open') AS open, SUM(seq > ?) AS new FROM alerts GROUP BY party",
            (seq,),
        )
        return {row["party"]: PartyAlerts(row["open"], row["new"]) for row in rows}

    # -- on the lines of a consignment -----------------------------------------------------------------

    def judged_lines(self, consignment_id: str) -> list[tuple[int, str, str]]:
        """(line, battery, word) of the lines that are judged so far."""
        rows = self._db.connection.execute(
            "SELECT line, json_extract(CAST(body AS TEXT), '$.battery') AS battery, verdict FROM items "
            "WHERE consignment = ? ORDER BY line",
            (consignment_id,),
        )
        return [(row["line"], row["battery"] or "", row["verdict"]) for row in rows]

    def on_lines(self, consignment_id: str) -> list[LineAlert]:
        """The open alerts on its lines, the newest first."""
        rows = self._db.connection.execute(
            "SELECT i.line, a.id, a.weight, 1 AS own, a.seq FROM items i "
            "JOIN alerts a ON a.subject = i.subject "
            "WHERE i.consignment = ?1 AND a.state = 'open' UNION ALL "
            "SELECT i.line, a.id, a.weight, 0, a.seq FROM alerts a JOIN items i ON i.issuer = a.party "
            "WHERE i.consignment = ?1 AND a.state = 'open' ORDER BY 5 DESC",
            (consignment_id,),
        )
        return [LineAlert(row["line"], row["id"], row["weight"], bool(row["own"])) for row in rows]

    # -- dealt with ------------------------------------------------------------------------------------

    @staticmethod
    def handle(db: Transaction, alert_id: bytes, changes: dict[str, str], who: str, at: int) -> bool:
        """Set state, assigned, case_ref or note; False if there is no such alert."""
        assert changes.keys() <= {"state", "assigned", "case_ref", "note"}, "what people set"
        names = sorted(changes)
        sets = ", ".join(f"{name} = ?" for name in (*names, "handled_by", "handled_at"))
        made = db.execute(
            f"UPDATE alerts SET {sets} WHERE id = ?", (*(changes[n] for n in names), who, at, alert_id)
        )
        return made.rowcount == 1

    @staticmethod
    def settle(db: Transaction, found: tuple[int, str, bytes], who: str, at: int) -> None:
        """(leaf, code, battery): what of this kind was raised before that leaf is dealt with."""
        leaf, code, battery = found
        db.execute(
            "UPDATE alerts SET state = ?, handled_by = ?, handled_at = ? "
            "WHERE code = ? AND subject = ? AND state = ? AND last_leaf < ?",
            (ACKNOWLEDGED, who, at, code, battery, OPEN, leaf),
        )

    @staticmethod
    def settle_attempts(db: Transaction, found: tuple[str, bytes, int], who: str, at: int) -> None:
        """(code, battery, until): what of this kind was tried until then is dealt with. It is of no leaf."""
        code, battery, until = found
        db.execute(
            "UPDATE alerts SET state = ?, handled_by = ?, handled_at = ? "
            "WHERE code = ? AND subject = ? AND state = ? AND at <= ?",
            (ACKNOWLEDGED, who, at, code, battery, OPEN, until),
        )

    @staticmethod
    def link(db: Transaction, alert_id: bytes, case_ref: str) -> None:
        """Link it to a case that this node knows."""
        db.execute("UPDATE alerts SET case_ref = ? WHERE id = ?", (case_ref, alert_id))

    @staticmethod
    def told_more(db: Transaction, alert_id: bytes, parameters: str, because: str) -> None:
        """Somebody else says more about one that is here: it is open again, and new."""
        db.execute(
            "UPDATE alerts SET parameters = ?, because = ?, state = ?, "
            "seq = (SELECT MAX(seq) + 1 FROM alerts) WHERE id = ?",
            (parameters, because, OPEN, alert_id),
        )

    def linked(self, case_ref: str, limit: int) -> list[AlertRow]:
        """The newest that are linked to a case."""
        return self._select("case_ref = ? ORDER BY seq DESC LIMIT ?", (case_ref, limit))

    def looked(self, who: str) -> tuple[int, int | None]:
        """(seq up to which this person has seen what there is, when)."""
        row = self._db.connection.execute("SELECT seq, at FROM alert_looks WHERE who = ?", (who,)).fetchone()
        return (0, None) if row is None else (row["seq"], row["at"])

    @staticmethod
    def look(db: Transaction, who: str, seq: int, at: int) -> None:
        """This person has seen what there is up to `seq`. One row a person, of the last LOOKS_KEPT_MAX."""
        db.execute("INSERT OR REPLACE INTO alert_looks VALUES (?, ?, ?)", (who, seq, at))
        db.execute(
            "DELETE FROM alert_looks WHERE who IN (SELECT who FROM alert_looks ORDER BY at DESC, who "
            "LIMIT -1 OFFSET ?)",
            (LOOKS_KEPT_MAX,),
        )

    # -- which battery it is ---------------------------------------------------------------------------

    def unnamed(self, limit: int) -> list[AlertRow]:
        """The newest whose battery has no code here yet."""
        return self._select("subject IS NOT NULL AND battery IS NULL ORDER BY seq DESC LIMIT ?", (limit,))

    @staticmethod
    def name(db: Transaction, subject: bytes, battery: str) -> None:
        """The code of a battery, for every alert about it."""
        db.execute("UPDATE alerts SET battery = ? WHERE subject = ?", (battery, subject))

    def code_of(self, subject: bytes) -> str | None:
        """The battery's code, if a line or a statement of this node names it."""
        for told in (
            "SELECT json_extract(CAST(body AS TEXT), '$.battery') AS code FROM items "
            "WHERE subject = ? LIMIT 1",
            "SELECT battery AS code FROM outbox WHERE subject = ? AND battery IS NOT NULL LIMIT 1",
        ):
            row = self._db.connection.execute(told, (subject,)).fetchone()
            if row is not None and row["code"]:
                return str(row["code"])
        return None

    def _select(self, condition: str, values: Sequence[object]) -> list[AlertRow]:
        rows = self._db.connection.execute(f"SELECT {_COLUMNS} FROM alerts WHERE {condition}", values)
        return [AlertRow(*row) for row in rows]


def _where(wanted: AlertFilter) -> tuple[str, tuple[object, ...]]:
    asked: list[tuple[str, object]] = []
    for name in ("code", "rule", "party", "facility", "state", "assigned"):
        if value := getattr(wanted, name):
            asked.append((f"{name} = ?", value))
    if wanted.maker:
        asked.append(("substr(namespace, instr(namespace, ':') + 1) = ?", wanted.maker))
    if wanted.side:
        asked.append(("instr(',' || sides || ',', ?) > 0", f",{wanted.side},"))
    if wanted.because:
        asked.append(("instr(',' || because || ',', ?) > 0", f",{wanted.because},"))
    if wanted.model:
        asked.append(("instr(battery, ?) = 1", wanted.model))
    if wanted.subject is not None:
        asked.append(("number IN (SELECT alert FROM alert_leaves WHERE subject = ?)", wanted.subject))
    if wanted.since is not None:
        asked.append(("at >= ?", wanted.since))
    if wanted.until is not None:
        asked.append(("at < ?", wanted.until))
    return " AND ".join(["1", *(one for one, _ in asked)]), tuple(value for _, value in asked)
