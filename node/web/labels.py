"""Labels of the pages, from config/terms.toml; how times and digests are written there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from flask import Flask, g
from markupsafe import Markup, escape

from credentials.verdicts.manifest import CONDITIONS
from credentials.verdicts.manifest_csv import COLUMNS
from credentials.verdicts.severity import ORDER
from node.catalogues import LANGUAGES
from node.config import read_table, rule_table, shipped
from node.service import Service
from node.web.navigation import pages_for
from node.words import Words, when, whose_fault

# Members of records of governance that are times.
MOMENTS = ("since", "until", "left", "valid_from", "valid_until", "compromised_from")
DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")

Rules = Callable[[str], Mapping[str, Any]]  # a rule file by its name, as it governs now

GOODS = ("battery", "in_vehicle", "in_other")


@cache
def _table(name: str) -> Mapping[str, Any]:
    return read_table(name, shipped(name))


def _english(section: str, name: str) -> str:
    """The English word of config/terms.toml; a name without one is shown as it is."""
    entry = _table("terms.toml").get(section, {}).get(name)
    return str(entry["en"]) if entry else name.replace("_", " ")


def say(name: str) -> str:
    """The page's word for a word of the design: checkpoint = log seal, entry = record."""
    return _english("word", name)


def label(name: str) -> str:
    """A whole sentence or label of the pages."""
    return _english("label", name)


def verdict_word(name: str) -> str:
    return _english("verdict", name)


def verdict_text(name: str) -> str:
    """The sentence beneath a verdict."""
    entry = _table("terms.toml").get("verdict", {}).get(name, {})
    return str(entry.get("text_en", ""))


def outcome_word(name: str) -> str:
    return _english("outcome", name)


def check_word(name: str) -> str:
    return _english("check", name)


def undecided_word(name: str | None) -> str:
    return _english("undecided", name) if name else "a required check could not be made"


def goods_by(rules: Rules) -> Callable[[str | None], str]:
    """What the goods are, for people: battery shipped as such, battery inside a vehicle."""

    def goods_word(name: str | None) -> str:
        entry = rules("commodity.toml").get("goods", {}).get(name or "", {})
        return str(entry.get("en", (name or "").replace("_", " ")))

    return goods_word


def standing_word(name: str) -> str:
    """A member of a standing, for people."""
    return _english("standing", name)


def life_by(rules: Rules) -> Callable[[str, str], str]:
    """What a mark or a setting of a standing means, in the words of the life cycle (`marks`, `settings`)."""

    def life_text(name: str, section: str) -> str:
        told = rules("lifecycle.json")[section].get(name)
        text = told["text"] if isinstance(told, Mapping) else told
        return str(text or name.replace("_", " "))

    return life_text


def event_word(name: str | None) -> str:
    """An event or kind of record, as words: `passport.published` becomes passport published."""
    return (name or "").replace(".", " ").replace("_", " ")


def statement_word(name: str | None) -> str:
    """Where a signed statement stands."""
    words = {
        "outbox": "on its way",
        "dropped": "not taken up",
        "admitted": say("admitted"),
        "receipted": say("receipt"),
        "refused": say("refused_attestation"),
    }
    return words.get(name or "", (name or "").replace("_", " "))


def plural(count: int, word: str) -> str:
    """`1 record`, `2 records`."""
    return f"{count} {word if count == 1 else word + 's'}"


def moment(seconds: int | str | None) -> Markup:
    """The same as a `<time>` element."""
    text = when(seconds)
    if not isinstance(seconds, int) or not text.endswith(" UTC"):
        return escape(text)
    return Markup('<time datetime="{}Z">{}</time>').format(text[:19].replace(" ", "T"), text)


def age(seconds: float | None) -> str:
    """How long ago, in the largest unit that says enough."""
    if seconds is None:
        return "not known"
    if seconds < 90:
        return f"{max(0, int(seconds))} s"
    if seconds < 90 * 60:
        return f"{int(seconds // 60)} min"
    if seconds < 48 * 3600:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86400)} days"


def since(seconds: int | None) -> str:
    """The age of a moment, now."""
    return "never" if seconds is None else f"{age(max(0.0, time.time() - seconds))} ago"


def member_word(path: str) -> str:
    """What a member of a record of governance is, for people: of one inside another the innermost."""
    name = path.rpartition("].")[2] if "]." in path else path
    return (
        event_word(name.removeprefix("actions.")) if name.startswith("actions.") else _english("member", name)
    )


def governed(value: object, member: str = "", names: Callable[[str], str] = str) -> Markup | str:
    """A value of a record of governance: times as moments, those of the decision as such, parties by name."""
    if value is None:
        return "–"
    if isinstance(value, str) and value.partition("+")[0] == "decided":
        after = value.partition("+")[2]
        return f"{age(int(after))} after it is decided" if after else "when it is decided"
    name = member.rpartition(".")[2].partition("[")[0]
    if isinstance(value, int) and name in MOMENTS:
        return moment(value)
    if isinstance(value, list) and name == "suspended":
        pauses = (Markup(" to ").join(governed(time, "since") for time in pause) for pause in value)
        return Markup("; ").join(pauses)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _party(value, names(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return _lines((member_word(name), governed(part, name, names)) for name, part in value.items())
    assert isinstance(value, list), "records are text, numbers, lists and tables"
    if name == "roles":
        return ", ".join(map(event_word, value)) or "–"
    parts = [governed(part, "", names) for part in value]
    if all(isinstance(part, str) for part in value):
        return Markup(", ").join(parts) or "–"
    return Markup("").join(Markup('<div class="part">{}</div>').format(part) for part in parts)


def _party(text: str, name: str) -> Markup | str:
    """A participant, or a key of one, by its name and as it stands in the record; other text as it is."""
    return text if name in (text, text.partition("#")[0]) else Markup("{} <code>{}</code>").format(name, text)


def _lines(parts: Iterable[tuple[str, Markup | str]]) -> Markup:
    """A table inside a record: a line for each member."""
    return Markup("<br>").join(Markup("{}: {}").format(name, told) for name, told in parts)


def short(text: str | None) -> Markup:
    """A digest or long identifier by its beginning; the whole is in the title."""
    if not text:
        return Markup("–")
    if len(text) <= 16:
        return Markup("<code>{}</code>").format(text)
    return Markup('<code title="{}">{}…</code>').format(text, text[:12])


def is_digest(value: object) -> bool:
    """True for the base64url form of a SHA-256."""
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


def _escaped(value: object) -> object:
    """Text for a sentence that is markup; numbers and what is not there stay what they are."""
    if isinstance(value, list):
        return [escape(part) for part in value]
    return value if isinstance(value, int) or value is None else escape(value)


def told_by(words: Words) -> Callable[..., Markup]:
    """Sentences of config/sentences.toml for templates; a parameter is markup, or is escaped."""

    def told(code: str, **parameters: Any) -> Markup:
        shown = {n: _escaped(value) for n, value in parameters.items()}
        return Markup(words.sentence(code, shown))  # noqa: S704  (templates are ours, parameters escaped)

    return told


def approver_by(words: Words) -> Callable[..., str]:
    """Who gives an approval of a sort, for templates."""

    def approver(sort: str, jurisdiction: str = "") -> str:
        return words.sentence(f"governance.sort.{sort}", {"jurisdiction": jurisdiction})

    return approver


def install_words(app: Flask, service: Service) -> None:
    """Give every template the words, the filters and the node it speaks for."""

    def rules(name: str) -> Mapping[str, Any]:
        return rule_table(name, service.overview.history.latest)

    app.jinja_env.filters.update(
        when=when,
        moment=moment,
        age=age,
        since=since,
        short=short,
        say=say,
        label=label,
        plural=plural,
        verdict_word=verdict_word,
        verdict_text=verdict_text,
        outcome_word=outcome_word,
        check_word=check_word,
        undecided_word=undecided_word,
        reason_text=service.words[LANGUAGES[0]].reason,
        whose_fault=whose_fault,
        goods_word=goods_by(rules),
        governed=partial(governed, names=service.proposing.governance.name),
        member=member_word,
        event=event_word,
        life=life_by(rules),
        standing_word=standing_word,
        statement=statement_word,
    )
    app.jinja_env.tests["digest"] = is_digest
    app.jinja_env.globals.update(
        verdicts=ORDER,  # of filters and counts
        conditions=CONDITIONS,
        goods_words=GOODS,
        manifest_columns=tuple(COLUMNS),
        told=told_by(service.words[LANGUAGES[0]]),
        approver=approver_by(service.words[LANGUAGES[0]]),
    )

    @app.context_processor
    def _node() -> dict[str, Any]:
        status = service.overview.status()
        asks, scopes = g.get("session"), {route.endpoint: route.scopes for route in app.config["ROUTES"]}
        pages = pages_for(scopes, status["roles"], asks.scopes if asks is not None else None)
        words = service.words[LANGUAGES[0]]
        part = [words.condition(condition) for condition in service.overview.part.conditions()]

        def may(route: str) -> bool:
            """Whether whoever asks may go there: what one may not follow is not offered."""
            held = asks.scopes if asks is not None else frozenset[str]()
            return not scopes[route] or not held.isdisjoint(scopes[route])

        return {"node": status, "pages": pages, "part": part, "session": asks, "may": may}
