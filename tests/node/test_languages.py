"""Pages in four languages: what the catalogues hold, how a template is translated, and who reads in which."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from jinja2 import DictLoader, Environment

from credentials.ledger.recognition import Effect
from node.catalogues import LANGUAGES, READ_IN, read_catalogue, sentences, texts
from node.config import read_table, shipped
from node.errors import SetupError
from node.oversight import alert_desk, case_statements
from node.oversight.alert_kinds import alert_kinds
from node.oversight.request_statements import ANSWERS
from node.web.texts import environment_in, messages, translated
from tests.node.test_words import CATALOGUES, NOT_SAID, rows

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "node" / "web" / "templates").glob("*.html"))
OTHERS = tuple(language for language in READ_IN if language != LANGUAGES[0])
OF_THE_LAW = re.compile(r"26\([a-e]\)|ev|lmt|sli")  # choices that are the same in every language
PLACES = re.compile(r"\{[^}]*\}|</?[0-9]+/?>")
AUDITED = re.compile(r"audit\.put\([^)]*?\"([a-z_]+\.[a-z_]+)\"")

# Texts that are the same in every language: names of files and formats, a name of a product, an example.
SAME = frozenset(
    {
        *("Comity", "log.policy", "SHA-256", "SVG", "1200 x 800", "comity {1}", "{1}-problem"),
    }
)


@cache
def page_texts() -> frozenset[str]:
    """Every text of a template, and every literal that one wraps."""
    env = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return frozenset(text for path in TEMPLATES for text in messages(env, path.read_text()))


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_of_a_page_is_told_in_every_language(
    language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    No template says what a catalogue lacks, but for names; what tables lack in a language is counted.
    """
    lacking = sorted(page_texts() - texts(language).keys() - SAME)
    english = [row for name in CATALOGUES for _, row in rows(name) if language not in row]
    words = [row["en"] for row in english if re.search(r"\w", PLACES.sub("", row["en"]))]
    untold = sorted({text for text in words if text not in texts(language)})

    with capsys.disabled():
        print(f"\n{language}: {len(lacking)} of {len(page_texts())} texts lack, {len(untold)} of tables")
        print("".join(f"  {text}\n" for text in (*lacking, *untold)), end="")
    assert len(page_texts()) > 600
    assert lacking == []


@pytest.mark.parametrize("language", OTHERS)
def test_what_pages_name_by_the_table_of_the_life_cycle_is_told_in_every_language(language: str) -> None:
    """
    A new event, kind of record, role or state is no English word on a page, nor what a mark or setting says.
    """
    table = json.loads(shipped("rules/lifecycle.json"))
    names = [event["type"] for event in table["events"]]
    names += [*table["roles"], *table["states"], *(kind["type"] for kind in table["kinds"])]
    texts_of_it = [*table["marks"].values(), *(setting["text"] for setting in table["settings"].values())]
    words = {re.sub(r"[._]", " ", name) for name in names} | set(filter(None, texts_of_it))

    assert len(names) > 90 and len(words) > 100
    assert sorted(words - texts(language).keys()) == []


def test_an_act_is_called_by_what_one_does_in_every_language() -> None:
    """
    Each event about a battery has its name as an act: what is chosen is to release, not that it was released.
    """
    acts = read_table("terms.toml", shipped("terms.toml"))["act"]
    events = json.loads(shipped("rules/lifecycle.json"))["events"]

    assert {event["type"] for event in events} == acts.keys()
    assert [name for name, row in acts.items() if not all(row.get(language) for language in READ_IN)] == []


def told_of_rules() -> set[str]:
    """What forms of acts and the readiness report say out of rule files: fields, choices, requirements."""
    life = orjson.loads(shipped("rules/lifecycle.json"))
    crosswalk = orjson.loads(shipped("rules/crosswalk-eu-cn.json"))
    answered = orjson.loads(shipped("rules/crosswalk-evidence.json"))
    parts = list(parts_in(answered))
    members = [member for event in life["events"] for member in event.get("members", {}).values()]
    choices = [v for member in members if member["type"] == "text" for v in member.get("values", ())]
    return {
        *(member["text"] for member in members),
        *(duty["after"] for event in life["events"] for duty in event.get("duties", ())),
        *(str(value).replace("_", " ") for value in choices if not OF_THE_LAW.fullmatch(value)),
        *(row["requirement"] for row in crosswalk["rows"]),
        *(text.replace("_", " ") for part in parts for text in (part["what"], part["asks"])),
    }


def parts_in(value: Any) -> Iterator[dict[str, Any]]:
    """What a row of the report asks for, and of whom: wherever it stands in the table."""
    if isinstance(value, dict):
        if "what" in value and "asks" in value:
            yield value
        for inner in value.values():
            yield from parts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from parts_in(inner)


@pytest.mark.parametrize("language", OTHERS)
def test_forms_of_acts_and_requirements_are_told_in_every_language(language: str) -> None:
    """
    Each field, each choice and each requirement of the rules that are shipped, but for letters of the law.
    """
    said = told_of_rules()

    assert len(said) > 150
    assert sorted(said - texts(language).keys()) == []


def told_by_name() -> set[str]:
    """What pages say by a name and no text of a template has: of rules, of policies, of the audit."""
    policies = sorted((ROOT / "config" / "policies").glob("*.toml"))
    desks = [f"alert.{act}" for act in alert_desk.ACTS]
    desks += [f"case.{act}" for act in case_statements.ACTS] + [f"sets.{act}" for act in ("ask", *ANSWERS)]
    audit = {act for path in (ROOT / "node").rglob("*.py") for act in AUDITED.findall(path.read_text())}
    events = orjson.loads(shipped("rules/lifecycle.json"))["events"]
    bases = {event.get("basis", "") for event in events}
    assert len(audit) > 15
    return {
        *(re.sub(r"[._]", " ", act) for act in (*audit, *desks)),
        *(one.value.replace("-", " ") for one in Effect),
        *(kind.code.replace("_", " ") for kind in alert_kinds()),
        *(tomllib.loads(path.read_text())["title"] for path in policies),
        *(basis for basis in bases if re.search("[a-z]{4,} [a-z]{4,}|[a-z]{5,} rule", basis)),
    }


@pytest.mark.parametrize("language", OTHERS)
def test_what_pages_say_by_name_is_told_in_every_language(language: str) -> None:
    """
    Effects of recognitions, titles of policies, kinds of alerts, acts of the audit, limits that a signer
    approves, both forms of each noun: none is English for whoever reads another language.
    """
    terms = every_row(read_table("terms.toml", shipped("terms.toml")))
    lacking = {row["en"] for row in terms if language not in row}
    nouns = {form for noun in sentences()["noun"].values() if language not in noun for form in noun["en"]}

    assert sorted((told_by_name() | lacking | nouns) - texts(language).keys()) == []


def every_row(value: Any) -> Iterator[dict[str, Any]]:
    """The rows of a table that say something in English."""
    if isinstance(value, dict):
        if isinstance(value.get("en"), str):
            yield value
        for inner in value.values():
            yield from every_row(inner)


# A literal of an expression that people read: it begins as a sentence does, or has two words.
PROSE = re.compile(r"[A-Z][a-z]|.*[a-z] [a-z]")
COMPARED = frozenset({"identity provider"})  # with what an account says of itself


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_what_an_expression_says_is_wrapped_where_it_stands(path: Path) -> None:
    """
    A literal that a template hands on, to a macro or a loop, is a message as its texts are: the button that
    signs is in the reader's language.
    """
    env = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    tokens = [token for token in env.lexer.tokenize(path.read_text()) if token.type != "whitespace"]
    bare = [
        token.value
        for before, bracket, token in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if token.type == "string" and PROSE.match(token.value) and token.value not in COMPARED
        if (before.value, bracket.value) != ("_", "(")
    ]

    assert bare == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_places_of_its_source_and_no_markup_of_its_own(language: str) -> None:
    """
    Every expression, tag and parameter of the English is in the translation once more, and nothing else that
    a page would take for markup; none is its source, but where both languages have the word.
    """
    for english, told in texts(language).items():
        assert sorted(PLACES.findall(told)) == sorted(PLACES.findall(english)), english
        assert not set("<>") & set(PLACES.sub("", told)) - set("<>") & set(PLACES.sub("", english)), english
    if language == "zh":
        assert [english for english, told in texts(language).items() if english == told] == []


def test_chinese_texts_have_the_words_of_the_glossary() -> None:
    """
    A text that names what the glossary has a word for uses that word; none uses a word that is not said.
    """
    told = texts("zh")
    wrong = [(zh, word) for zh in told.values() for word in NOT_SAID if word in zh]
    bare = [zh for zh in told.values() if re.search("(?<!电池)(?<!电池的)护照", zh)]

    assert (wrong, bare) == ([], [])


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_uses_the_words_of_the_glossary(language: str) -> None:
    """
    Where the English of a text names a word of config/terms.toml, its translation has that word of there.
    """
    table = read_table("terms.toml", shipped("terms.toml"))
    glossary = {row["en"]: row[language] for row in table["glossary"].values()}
    wrong = [
        (english, told, word)
        for english, told in texts(language).items()
        for word, own in glossary.items()
        if re.search(rf"(?<![/\w]){word}s?\b", PLACES.sub("", english), re.I)
        and not any(one.lower() in told.lower() for one in own.split("/"))
    ]

    assert len(glossary) >= 10 and wrong == []


# -- how a template is translated ----------------------------------------------------------------------


def page_in(source: str, catalogue: dict[str, str], **context: object) -> str:
    env = Environment(autoescape=True, loader=DictLoader({"page": source}))
    env.globals["_"] = lambda text: catalogue.get(text, text)
    return environment_in(env, catalogue).get_template("page").render(**context)


@pytest.mark.parametrize(
    ("source", "english", "told", "shown"),
    [
        ("<p>Sign in</p>", "Sign in", "登录", "<p>登录</p>"),
        ("<p> Line {{ a }} of {{ b }} </p>", "Line {1} of {2}", "{2} 的第 {1} 行", "<p> Y 的第 X 行 </p>"),
        (
            '<p>See <a href="{{ a }}">the list</a> now</p>',
            "See <1>the list</1> now",
            "现在看<1>清单</1>",
            '<p>现在看<a href="X">清单</a></p>',
        ),
        ('<input placeholder="Code">', "Code", "编码", '<input placeholder="编码">'),
        ("<b>{{ a }}</b>: <i>old</i>", "old", "旧", "<b>X</b>: <i>旧</i>"),
        ("<p>{% if a %}Yes{% else %}No{% endif %}</p>", "Yes", "是", "<p>是</p>"),
        ("<p><b>{% if a %}Yes{% endif %}</b></p>", "Yes", "是", "<p><b>是</b></p>"),
        ("<pre>Yes</pre><code>Yes</code>", "Yes", "是", "<pre>Yes</pre><code>Yes</code>"),
        ("{{ _('none yet') }}", "none yet", "尚无", "尚无"),
    ],
    ids=["text", "order", "tag", "attribute", "between", "branch", "half", "verbatim", "literal"],
)
def test_a_text_is_in_the_words_and_the_order_of_its_translation(
    source: str, english: str, told: str, shown: str
) -> None:
    """
    Text, attribute and literal are looked up whole; expressions and tags stand where the translation has
    them.
    """
    assert page_in(source, {english: told}, a="X", b="Y") == shown
    assert page_in(source, {}, a="X", b="Y") == Environment(autoescape=True).from_string(
        source, globals={"_": str}
    ).render(a="X", b="Y")


def test_what_a_page_shows_stays_escaped_in_a_translation() -> None:
    """
    A name that is markup is shown as text wherever the translation puts it.
    """
    shown = page_in("<p>Made by {{ a }}</p>", {"Made by {1}": "由 {1} 制作"}, a="<script>")

    assert shown == "<p>由 &lt;script&gt; 制作</p>"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.name))
def test_looking_through_a_template_changes_nothing_by_itself(path: Path) -> None:
    """
    Without a translation every template is, token by token, what it was but for spaces inside a text.
    """
    source = re.sub(r"\{[{%#].*?[}%#]\}", " ", path.read_text(), flags=re.S)

    assert translated(source, lambda text: text).split() == source.split()


@pytest.mark.parametrize(
    "text",
    ['msgid "a"\n', 'msgid "a"\nmsgstr b\n', 'msgid "a"\nmsgstr "b"\n\nmsgid "a"\nmsgstr "c"\n'],
    ids=["no translation", "no string", "twice"],
)
def test_a_catalogue_that_is_not_whole_is_refused(text: str) -> None:
    """
    What is no entry, and an English that is there twice, is named; an empty translation is none.
    """
    with pytest.raises(SetupError, match=r"x\.po: "):
        read_catalogue("x.po", text)
    assert (
        read_catalogue("x.po", '# a note\nmsgid ""\nmsgstr "Language: x\\n"\n\nmsgid "a"\nmsgstr ""\n') == {}
    )


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.name))
def test_a_choice_sends_a_word_of_the_program_in_every_language(path: Path) -> None:
    """
    An option whose text is translated says by `value` what is sent: no word of a language comes back.
    """
    bare = re.findall(r"<option(?![^>]*\bvalue=)[^>]*>(.*?)</option>", path.read_text())

    assert [text for text in bare if not re.fullmatch(r"\{\{ [a-z_]+ \}\}", text)] == []
