"""Labels of the pages, from config/terms.toml; how times and digests are written there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from flask import Flask, current_app, g, render_template
from jinja2 import Environment
from markupsafe import Markup, escape, soft_str

from credentials.verdicts.manifest import CONDITIONS
from credentials.verdicts.manifest_csv import COLUMNS
from credentials.verdicts.severity import ORDER
from node.catalogues import LANGUAGES, READ_IN, Telling, in_language, number, said, terms, texts, whose_fault
from node.rules_in_force import rule_table
from node.service import Service
from node.web import drawings
from node.web.navigation import pages_for
from node.web.texts import environment_in
from node.words import Words, effect_word, when

# Members of records of governance that are times.
MOMENTS = ("since", "until", "left", "valid_from", "valid_until", "compromised_from")
DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")

Rules = Callable[[str], Mapping[str, Any]]  # a rule file by its name, as it governs now

PAGES_IN = "comity.pages"  # the environments of the templates, by language
GOODS = ("battery", "in_vehicle", "in_other")


def _word(section: str, name: str, language: str) -> str:
    """The word of config/terms.toml in a language; a name without one is shown as it is."""
    entry = terms().get(section, {}).get(name)
    return str(said(entry, language)) if entry else event_word(name, language)


def say(name: str, language: str = LANGUAGES[0]) -> str:
    """The page's word for a word of the design: checkpoint = log seal, entry = record."""
    return _word("word", name, language)


def verdict_word(name: str, language: str = LANGUAGES[0]) -> str:
    """The word of a verdict."""
    return _word("verdict", name, language)


def choice_word(name: str, language: str = LANGUAGES[0]) -> str:
    """A value that is chosen from a list, such as the category of a battery, in capitals or not."""
    chosen = terms()["choice"]
    return _word("choice", name.lower() if name.lower() in chosen else name, language)


def unit_of(name: str) -> str:
    """The unit of a member of a passport that is a number; empty where it has none."""
    return str(terms()["field"].get(name, {}).get("unit", ""))


def verdict_text(name: str, language: str = LANGUAGES[0]) -> str:
    """The sentence beneath a verdict."""
    entry = terms().get("verdict", {}).get(name)
    return str(said(entry["text"], language)) if entry else ""


def undecided_word(name: str | None, language: str = LANGUAGES[0]) -> str:
    unmade = "a required check could not be made"
    return _word("undecided", name, language) if name else in_language(unmade, language)


def goods_by(rules: Rules, language: str) -> Callable[[str | None], str]:
    """What the goods are, for people: battery shipped as such, battery inside a vehicle."""

    def goods_word(name: str | None) -> str:
        entry = rules("commodity.toml").get("goods", {}).get(name or "")
        return str(said(entry, language)) if entry else event_word(name, language)

    return goods_word


def life_by(rules: Rules, language: str) -> Callable[[str, str], str]:
    """What a mark or a setting of a standing means, in the words of the life cycle (`marks`, `settings`)."""

    def life_text(name: str, section: str) -> str:
        told = rules("lifecycle.json")[section].get(name)
        text = told["text"] if isinstance(told, Mapping) else told
        return in_language(str(text), language) if text else event_word(name, language)

    return life_text


def event_word(name: str | None, language: str = LANGUAGES[0]) -> str:
    """An event, a kind of record or any name of ours as words: `passport.published` is passport published."""
    return in_language((name or "").replace(".", " ").replace("_", " "), language)


def plain_word(name: object, language: str = LANGUAGES[0]) -> str:
    """A name of ours as words: `vehicle_manufacturer` is vehicle manufacturer."""
    return in_language(str(name).replace("_", " "), language)


def begun(text: object) -> str:
    """A text that begins a sentence: its first letter is large, and the others stay as they are."""
    told = soft_str(text)  # what is markup stays markup
    return told[:1].upper() + told[1:]


def statement_word(name: str | None, language: str = LANGUAGES[0]) -> str:
    """Where a signed statement stands."""
    words = {"admitted": "admitted", "receipted": "receipt", "refused": "refused_attestation"}
    if name in words:
        return say(words[name], language)
    told = {"outbox": "on its way", "dropped": "not taken up"}
    return event_word(told.get(name or "", name), language)


def plural(count: int, noun: str, language: str = LANGUAGES[0]) -> str:
    """`1 record`, `2 records`: by a noun of sentences.toml."""
    return Telling(language).format_field(count, noun)


def moment(seconds: int | str | None, language: str = LANGUAGES[0]) -> Markup:
    """The same as a `<time>` element."""
    text = when(seconds)
    if not isinstance(seconds, int) or not text.endswith(" UTC"):
        return escape(in_language(text, language))
    return Markup('<time datetime="{}Z">{}</time>').format(text[:19].replace(" ", "T"), text)


def age(seconds: float | None, language: str = LANGUAGES[0]) -> str:
    """How long ago, in the largest unit that says enough."""
    if seconds is None:
        return in_language("not known", language)
    for below, unit, told in (
        (90, 1, "{count} s"),
        (90 * 60, 60, "{count} min"),
        (48 * 3600, 3600, "{count} h"),
    ):
        if seconds < below:
            return in_language(told, language).format(count=max(0, int(seconds // unit)))
    return in_language("{count} days", language).format(count=int(seconds // 86400))


def since(seconds: int | None, language: str = LANGUAGES[0]) -> str:
    """The age of a moment, now."""
    if seconds is None:
        return in_language("never", language)
    return in_language("{age} ago", language).format(age=age(max(0.0, time.time() - seconds), language))


def member_word(path: str, language: str = LANGUAGES[0]) -> str:
    """What a member of a record of governance is, for people: of one inside another the innermost."""
    name = path.rpartition("].")[2] if "]." in path else path
    if name.startswith("actions."):
        return event_word(name.removeprefix("actions."), language)
    return _word("member", name, language)


def governed(
    value: object, member: str = "", names: Callable[[str], str] = str, language: str = LANGUAGES[0]
) -> Markup | str:
    """A value of a record of governance: times as moments, those of the decision as such, parties by name."""
    if value is None:
        return "–"
    if isinstance(value, str) and value.partition("+")[0] == "decided":
        after = value.partition("+")[2]
        if not after:
            return in_language("when it is decided", language)
        told = in_language("{age} after it is decided", language)
        return told.format(age=age(int(after), language))
    name = member.rpartition(".")[2].partition("[")[0]
    if isinstance(value, int) and name in MOMENTS:
        return moment(value)
    if isinstance(value, list) and name == "suspended":
        to = escape(in_language(" to ", language))
        pauses = (to.join(governed(time, "since") for time in pause) for pause in value)
        return Markup("; ").join(pauses)
    if isinstance(value, bool):
        return in_language("yes" if value else "no", language)
    if isinstance(value, str):
        return effect_word(value, language) if name == "effect" else _party(value, names(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return _lines(
            (member_word(name, language), governed(part, name, names, language))
            for name, part in value.items()
        )
    assert isinstance(value, list), "records are text, numbers, lists and tables"
    if name == "roles":
        return ", ".join(event_word(role, language) for role in value) or "–"
    parts = [governed(part, "", names, language) for part in value]
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


def _filters(service: Service, rules: Rules, words: Words) -> dict[str, Callable[..., Any]]:
    """The filters of the templates in one language."""
    language = words.language
    of_terms = {"label": "label", "verdict_word": "verdict", "outcome_word": "outcome", "check_word": "check"}
    sections = {
        **of_terms,
        "standing_word": "standing",
        "field_word": "field",
        "act_word": "act",
    }
    in_this: dict[str, Callable[..., Any]] = {
        "age": age,
        "since": since,
        "say": say,
        "plural": plural,
        "number": number,
        "verdict_text": verdict_text,
        "undecided_word": undecided_word,
        "member": member_word,
        "event": event_word,
        "plain": plain_word,
        "choice_word": choice_word,
        "effect": effect_word,
        "statement": statement_word,
        "said": said,
        "moment": moment,
    }
    return {
        "when": when,
        "capitalize": begun,  # Jinja's own makes small letters of a language's nouns
        "short": short,
        "reason_text": words.reason,
        "unit": unit_of,
        "whose_fault": partial(whose_fault, language=language),
        "goods_word": goods_by(rules, language),
        "governed": partial(governed, names=service.proposing.governance.name, language=language),
        "life": life_by(rules, language),
        **{name: partial(_word_of, section, language) for name, section in sections.items()},
        **{name: partial(told, language=language) for name, told in in_this.items()},
    }


def _word_of(section: str, language: str, name: str) -> str:
    return _word(section, name, language)


def _globals(words: Words) -> dict[str, object]:
    """What every template may name, in one language."""
    return {
        "verdicts": ORDER,  # of filters and counts
        "conditions": CONDITIONS,
        "goods_words": GOODS,
        "manifest_columns": tuple(COLUMNS),
        "told": told_by(words),
        "drawn_timeline": drawings.timeline,
        "drawn_columns": drawings.columns,
        "drawn_shares": drawings.shares,
        "approver": approver_by(words),
        "page_language": words.language,
        "read_in": READ_IN,
        "_": partial(in_language, language=words.language),
    }


def install_words(app: Flask, service: Service) -> None:
    """Give every template the words, the filters and the node it speaks for."""

    def rules(name: str) -> Mapping[str, Any]:
        return rule_table(name, service.overview.history.latest)

    @cache
    def environment(language: str) -> Environment:
        """The templates in a language, made when somebody first reads in it."""
        words = service.words[language]
        env = app.jinja_env if language == LANGUAGES[0] else environment_in(app.jinja_env, texts(language))
        env.filters.update(_filters(service, rules, words))
        env.globals.update(_globals(words))
        return env

    app.jinja_env.tests["digest"] = is_digest
    environment(LANGUAGES[0])
    app.extensions[PAGES_IN] = environment

    @app.context_processor
    def _node() -> dict[str, Any]:
        status = service.overview.status()
        asks, scopes = g.get("session"), {route.endpoint: route.scopes for route in app.config["ROUTES"]}
        pages = pages_for(scopes, status["roles"], asks.scopes if asks is not None else None)
        words = service.words[g.get("language", LANGUAGES[0])]
        part = [words.condition(condition) for condition in service.overview.part.conditions()]

        def may(route: str) -> bool:
            """Whether whoever asks may go there: what one may not follow is not offered."""
            held = asks.scopes if asks is not None else frozenset[str]()
            return not scopes[route] or not held.isdisjoint(scopes[route])

        return {"node": status, "pages": pages, "part": part, "session": asks, "may": may}


def page_text(template: str, language: str, context: Mapping[str, Any]) -> str:
    """A page in a language."""
    env: Environment = current_app.extensions[PAGES_IN](language)
    return render_template(env.get_template(template), **context)
