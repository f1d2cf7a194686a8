"""Alerts reach people outside: posted to webhooks and written as e-mail files, for whom node.toml names.

    [[alerts]]                          one subscription: all that it names must hold
    webhook = "case-system"             a name of [[webhooks]] whose topics have "alerts", or
    mail = "duty@authority.example"     a file in DIR/mail for each alert, which the mail system takes away
    side maker party facility rule code model      as in the search of /supervision

Each goes on from where it was: how far is written in the transaction of the posts, and after the file, whose
name and Message-ID are the same each time. So none is lost, and what comes twice is known by its id.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path

from node import log
from node.named_files import write_own
from node.oversight.alert_desk import AlertDesk, AlertRecord
from node.resolution.webhooks import ALERTS, Webhooks
from node.storage.alerts import AlertFilter, AlertSubscription
from node.storage.office import OfficeStore
from node.words import Words, alert_words

AT_ONCE = 100
TURN_S, REST_S = 1.0, 5.0  # where nobody is to be told, nothing will come
LINE_CHARS_MAX = 300  # of a header: one is never folded, so that whoever reads lines finds an id
MAIL_FILES_MAX = 10_000  # lying there: further ones wait until the mail system has taken some


class AlertTelling:
    """One thread that tells."""

    name = "alert_telling"

    def __init__(
        self,
        office: OfficeStore,
        desk: AlertDesk,
        webhooks: Webhooks,
        subscriptions: Sequence[AlertSubscription],
        *,
        mail: Path,
        words: Words,
    ) -> None:
        self._office, self._desk, self._webhooks = office, desk, webhooks
        self._subscriptions, self._mail, self._words = tuple(subscriptions), mail, words
        self._woken = threading.Event()
        newest = office.alerts.last_seq()
        with office.writing() as db:
            for one in self._subscriptions:
                if office.remembered(one.key) is None:  # it is new: from now on
                    office.remember(db, one.key, newest.to_bytes(8, "big"))

    def wake(self) -> None:
        """The node stops."""
        self._woken.set()

    def turn(self) -> None:
        """Tell what is new, or rest for a moment."""
        if not self.tell():
            self._woken.wait(TURN_S if self._subscriptions else REST_S)
            self._woken.clear()

    def tell(self) -> int:
        """How many alerts were looked at for a subscription."""
        return sum(self._tell(one) for one in self._subscriptions)

    def _tell(self, to: AlertSubscription) -> int:
        seen = int.from_bytes(self._office.remembered(to.key) or b"", "big")
        rows = self._desk.since(seen, AT_ONCE, replace(to.wanted, model=""))
        if not rows:
            return 0
        told = [row for row in rows if to.fits(row["battery"])]
        if to.mail and not self._write(to, told):
            return 0
        with self._office.writing() as db:
            for row in told if to.webhook else ():
                self._webhooks.post(db, ALERTS, _id(row), self._said(row), {to.webhook})
            self._office.remember(db, to.key, rows[-1]["seq"].to_bytes(8, "big"))
        return len(rows)

    def _said(self, row: AlertRecord) -> dict[str, object]:
        text, fault, step = alert_words(self._words, row["code"], row["parameters"])
        return {**row, "text": text, "fault": fault, "next": step}

    def _write(self, to: AlertSubscription, rows: Sequence[AlertRecord]) -> bool:
        """False while as many files lie there as may: nothing of these is passed over."""
        self._mail.mkdir(mode=0o700, exist_ok=True)
        if sum(1 for _ in self._mail.iterdir()) + len(rows) > MAIL_FILES_MAX:
            log.moment("mail_full", files=MAIL_FILES_MAX)
            return False
        for row in rows:
            name = f"{sha256(to.mail.encode()).hexdigest()[:16]}-{_id(row)}.eml"
            write_own(self._mail / name, self._message(to.mail, row).as_bytes())
        return True

    def _message(self, to: str, row: AlertRecord) -> EmailMessage:
        said = self._said(row)
        message = EmailMessage(policy.default.clone(max_line_length=LINE_CHARS_MAX))
        message["To"] = message["From"] = to
        message["Date"] = formatdate(row["time"])
        message["Message-ID"] = f"<{_id(row)}@comity.invalid>"
        message["Subject"] = " ".join(f"[{row['code']}] {said['text']}".split())[:200]
        lines = [f"{said['text']}.", str(said["next"]), "", f"Battery: {row['battery'] or '-'}"]
        lines += [f"Rule: {row['rule'] or '-'}", f"Record: {row['last_leaf_index']}"]
        message.set_content("\n".join([*lines, f"Read it at /supervision/alerts/{row['id']}", ""]))
        return message


def _id(row: AlertRecord) -> str:
    return f"alert_{row['id']}_{row['times']}"


def all_of(webhooks: Webhooks, rows: Sequence[AlertSubscription]) -> tuple[AlertSubscription, ...]:
    """The rows, and for an endpoint that asked for alerts and has no row: every alert."""
    named = {one.webhook for one in rows}
    asked = [one.name for one in webhooks.endpoints if ALERTS in one.topics and one.name not in named]
    return (*rows, *(AlertSubscription(name, "", AlertFilter()) for name in asked))
