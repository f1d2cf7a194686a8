"""Words at the edge: what is judged and kept holds codes and parameters; each language says all of them."""

from __future__ import annotations

import ast
import html
import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from markupsafe import Markup

from credentials.ledger.records import Claim, Claims
from credentials.verdicts.verdict import Check, Outcome
from credentials.verdicts.verdict_record import GapRecord
from node.answers import LineRecord, Progress, RefusalRecord, WaitingRecord
from node.catalogues import LANGUAGES, Telling, number
from node.catalogues import said as said_of
from node.config import read_table, shipped
from node.governance_words import reach
from node.use_cases.batteries import _claims
from node.verdicts.verification import Verification
from node.web.labels import event_word, plural, told_by
from node.words import Words, left_out_row, step_of
from tests.credentials.test_pinned_verdicts import one_of_each_situation, shown_documents, texts
from tests.harness.border import tables, words
from tests.harness.net.batteries import code_of
from tests.harness.support_service import LiveNode, live_node, manifest
from tests.system.test_accessible import OF_STRANGERS, PAGES, filled
from tests.system.test_structure import nodes_of, trees

ROOT = Path(__file__).resolve().parents[2]
CATALOGUES = ("reasons.toml", "sentences.toml", "conditions.toml", "refusals.toml")


def rows(catalogue: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where, {en, zh}) of every sentence of a catalogue, variants too."""

    def walk(where: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if isinstance(value, Mapping):
            if isinstance(value.get("en"), str):
                yield where, value
            for name, inner in value.items():
                yield from walk(f"{where}.{name}", inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(where, inner)

    return walk(catalogue, read_table(catalogue, shipped(catalogue)))


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_each_sentence_has_the_same_parameters_in_both_languages(catalogue: str) -> None:
    """
    Every sentence there is in English there is in Chinese, about the same parameters; a noun is a known one.
    """
    nouns = read_table("sentences.toml", shipped("sentences.toml"))["noun"]
    found = list(rows(catalogue))

    assert len(found) > 10
    for where, row in found:
        assert isinstance(row.get("zh"), str), where
        parts = {language: list(string.Formatter().parse(row[language])) for language in LANGUAGES}
        fields = [{name for _, name, _, _ in parts[language] if name} for language in LANGUAGES]
        assert fields[0] == fields[1] and set(row.get("with", ())) & {"unmade", "needs"} <= fields[0], where
        assert {spec for _, _, spec, _ in parts["en"] if spec} <= nouns.keys() | {"or", "and"}, where


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_claim_of_a_kind_that_is_gone_is_told_in_words(language: str) -> None:
    """
    An enrolment that gave way once the rules knew none any more has no kind: its sentence names none, and
    leaves no gap where one would stand.
    """
    told = told_by(words(language))
    shown = _claims(Claims(bytes(32), 1, (Claim("did:web:x.example", "", 7, alert=False),)), None)["first"][0]

    gone = told("page.claim", by="X", kind=event_word(shown["kind"]), leaf_index=7)
    known = told("page.claim", by="X", kind=event_word("battery.sold"), leaf_index=7)

    assert shown["kind"] is None
    assert "battery sold" in known and "X" in gone and "7" in gone
    for gap in (": ,", "： ，", "：，", ": .", "None"):
        assert gap not in gone


# Words that a Chinese sentence does not use, and the one that it uses instead: one word, one thing there too.
NOT_SAID = {
    "废旧": "废电池 is waste, 旧电池 is used: the word between them says neither",
    "签发者": "签发方",
    "经营者": "责任经济运营者, as Chinese texts of the regulation have it",
    "辖区": "法域",
    "申报单": "报关单",
    "二次使用": "梯次利用",
    "废物转运": "废物越境转移",
}


def test_chinese_sentences_have_one_word_for_a_thing() -> None:
    """
    No catalogue uses two Chinese words for one thing of the law; a passport is a battery's, never a person's.
    """
    catalogues = (*CATALOGUES, "terms.toml")
    said = [(where, row["zh"]) for catalogue in catalogues for where, row in rows(catalogue)]

    assert len(said) > 500
    assert [(where, zh, word) for where, zh in said for word in NOT_SAID if word in zh] == []
    assert [(where, zh) for where, zh in said if re.search("(?<!电池)(?<!电池的)护照", zh)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verdict_is_told_in_every_language(language: str) -> None:
    """
    Each check and main reason of every situation has its sentence and the provision of its reason, no
    parameter in braces is left, and every code is kept beside its words.
    """
    said = words(language)
    stops = {"en": (".", '".', ")"), "zh": ("。", "）")}[language]

    for head, found in (*one_of_each_situation(), *((head, judge()) for head, judge in shown_documents())):
        told = said.item(found)
        assert {name: told[name] for name in ("verdict", "reason", "ground", "unmade")} == {
            name: found[name] for name in ("verdict", "reason", "ground", "unmade")
        }
        for one in (told, *told["checks"]):
            assert one["text"].endswith(stops) and "{" not in one["text"], (head, one["text"])
            assert one["provision"] == tables().reasons[one["reason"]]["provision"]
        assert all(gap["name"] for gap in (*told["gaps"], *told["withheld"]) if "dp" in gap), head
        assert all(source["name"] for source in told["sources"]), head


def test_a_sentence_is_chosen_whole_by_the_parameters_that_are_there() -> None:
    """
    The sentence with a parameter where it is given, the plain one where it is not, or is nought.
    """
    said = words()

    assert said.reason("ok") == "Checked and in order."
    assert said.reason("ok", {"unmade": 0}) == "Checked and in order."
    assert said.reason("ok", {"unmade": 3}) == "Required checks passed; 3 not checked."
    assert said.reason("not_held", {"needs": "log_policy"}).endswith("node: a log policy that can be read.")
    assert said.reason("status_message", {"message": "call {us}"}).endswith('document: "call {us}".')
    assert said.reason("a_code_of_later") == "a code of later"
    assert words("zh").reason("ok", {"unmade": 3}) == "必需核查均已通过；另有 3 项未核查。"


def test_a_number_has_its_noun_in_the_right_form() -> None:
    """
    One battery, two batteries; and what there is none of is not counted up.
    """
    counts = ("total", "met_abroad", "met_home", "open", "not_yet_required", "asked_twice")
    head: dict[str, Any] = {**dict.fromkeys(counts, 0), "jurisdiction": "EU"}
    one = words().sentence("report.head", {**head, "batteries": 1, "lines": 1, "not_applicable": 0})
    two = words().sentence("report.head", {**head, "batteries": 2, "lines": 3, "not_applicable": 4})

    assert one.startswith("About 1 battery of 1 line: of 0 requirements ") and "applicable" not in one
    assert two.startswith("About 2 batteries of 3 lines: ") and "4 not applicable to this consignment" in two


@pytest.mark.parametrize(
    ("language", "told"), [("en", "452.5"), ("zh", "452.5"), ("de", "452,5"), ("nl", "452,5")]
)
def test_a_number_has_the_decimal_mark_of_the_language(language: str, told: str) -> None:
    """
    In a sentence and by itself; whole numbers, and texts that may be codes, stay so; none is grouped.
    """
    assert number(452.5, language) == number("452.5", language) == told
    assert Telling(language).format("{a} {b} {c}", a=452.5, b=1234567, c="1.2.3") == f"{told} 1234567 1.2.3"
    assert plural(2, "refused_attestation", language) != plural(1, "refused_attestation", language) or (
        language == "zh"
    )


def progress(refusal: RefusalRecord | None, waiting: WaitingRecord | None = None) -> Progress:
    """An own attestation, refused or waiting."""
    return {
        "digest": "a",
        "kind": "battery.exported",
        "battery": None,
        "state": "outbox" if refusal is None else refusal["state"],
        "height": None,
        "leaf_index": None,
        "block_time": None,
        "created": 0,
        "receipted_at": None,
        "document_digest": "b",
        "refusal": refusal,
        "waiting": waiting,
    }


@pytest.mark.parametrize(
    ("state", "rule", "winner", "detail", "told"),
    [
        ("refused", "X1", 7, None, "by rule X1: record no. 7 was there first"),
        ("refused", "X5", None, None, "by rule X5"),
        ("claim", "I5", None, None, "recorded as a claim (rule I5): "),
        ("dropped", "X9", None, "the key ended", "by rule X9: the key ended"),
        ("cancelled", None, None, None, "not sent any more"),
    ],
)
def test_what_became_of_an_attestation_is_one_sentence(
    state: str, rule: str | None, winner: int | None, detail: str | None, told: str
) -> None:
    """
    The rule, and who was there first, in the sentence: nothing is put together where it is shown.
    """
    refusal: RefusalRecord = {"state": state, "rule": rule, "winner_leaf_index": winner, "detail": detail}
    for language in LANGUAGES:
        said = words(language).progress(progress(refusal))["refusal"]
        assert said is not None and said["state"] == state
        assert said["text"].startswith(told) == (language == "en")


def test_a_waiting_attestation_says_what_it_waits_for() -> None:
    """
    What the ledger lacks, and what becomes of the attestation meanwhile.
    """
    waiting: WaitingRecord = {
        "code": "X18",
        "template": "it is reported lost or stolen by {by}, who has to say that it is found",
        "parameters": {"by": ("did:web:a", "did:web:b")},
    }
    told = {language: words(language).progress(progress(None, waiting)) for language in LANGUAGES}

    for answer in told.values():
        assert answer["waiting"] is not None and answer["refusal"] is None
        assert answer["waiting"]["text"].startswith(f"{answer['waiting']['detail']}")
    english, chinese = (told[language]["waiting"] for language in LANGUAGES)
    assert english is not None and chinese is not None
    assert english["text"].startswith("it is reported lost or stolen by did:web:a, did:web:b, who has to say")
    assert "it is offered again" in english["text"]
    assert chinese["detail"] == "did:web:a、did:web:b 已报该电池遗失或被盗，须由其声明已找回"


def test_the_answer_of_the_vc_api_is_told_from_its_checks() -> None:
    """
    Problems and warnings with the sender's own detail, or else the sentence of the reason.
    """
    made = Verification(
        (
            Check("proof", Outcome.PASS, "ok"),
            Check("status", Outcome.FAIL, "revoked", evidence={"detail": "as it said"}, age_s=5),
            Check("schema", Outcome.NOT_CHECKED, "schema_unavailable"),
            Check("validity", Outcome.WARN, "not_yet_valid"),
        ),
        (Verification(()),),
    )

    told = words("zh").verification(made)

    assert [p["title"] for p in told["problemDetails"]] == ["status"]
    assert (told["problemDetails"][0]["detail"], told["problemDetails"][0]["age_s"]) == ("as it said", 5)
    assert [w["title"] for w in told["warnings"]] == ["schema", "validity"]
    assert told["warnings"][1]["detail"] == tables().reasons["not_yet_valid"]["zh"]
    assert told["verified"] is False and told["credentials"][0]["verified"] is False


# -- on a live node ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("words")) as made:
        yield made


def test_a_client_is_answered_in_its_language(node: LiveNode) -> None:
    """
    The same codes with sentences in the language of Accept-Language, said in Content-Language and Vary.
    """
    item = {"battery": code_of(9), "goods": "battery"}
    found = {}
    for asked, language in (
        ("zh-CN,zh;q=0.9", "zh"),
        ("en", "en"),
        ("fr", "en"),
        ("", "en"),
        ("zh;q=0", "en"),
    ):
        answer = node.client.post("/clearance", json=item, headers={**node.bearer, "Accept-Language": asked})
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Language"] == language, asked
        assert "Accept-Language" in answer.headers["Vary"]
        found[language] = answer.get_json()

    for language, told in found.items():
        row = tables().reasons[told["reason"]]
        assert told["text"] == row[language] and told["provision"] == row["provision"]
        assert told["checks"][0]["text"] == tables().reasons[told["checks"][0]["reason"]][language]
    codes = [
        {k: v for k, v in told.items() if k in ("verdict", "reason", "ground")} for told in found.values()
    ]
    assert codes[0] == codes[1]
    page = node.person.get("/status", headers={"Accept": "text/html", "Accept-Language": "zh"})
    assert page.headers["Content-Language"] == "zh" and '<html lang="zh">' in page.text


def test_what_is_stored_has_no_sentence_and_is_told_in_todays_words(node: LiveNode) -> None:
    """
    The row of a judged line holds codes; the answer and the export say them, whatever was said then.
    """
    made = node.post_json("/consignments", manifest()).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{made}")["state"] == "done", "two verdicts")

    def shown(path: str) -> Any:
        headers = {**node.bearer, "Accept-Language": "zh"}
        answer = node.client.get(f"/consignments/{made}/{path}", headers=headers)
        assert answer.headers["Content-Language"] == "zh"
        return answer.get_json()

    stored = orjson.loads(node.service.stores.office.consignments.item(made, 1) or b"")
    told, exported = shown("items/1"), shown("export.json")["items"][0]
    listed = node.get_json(f"/consignments/{made}")["items"][0]

    assert not {"text", "provision", "recognition_note"} & stored.keys()
    assert not {"text", "provision"} & {key for check in stored["checks"] for key in check}
    assert all(" " not in text for _, text in texts(stored))
    reasons = tables().reasons
    assert (
        told["text"] == reasons[stored["reason"]]["zh"] and listed["text"] == reasons[stored["reason"]]["en"]
    )
    assert [c["text"] for c in told["checks"]] == [reasons[c["reason"]]["zh"] for c in stored["checks"]]
    assert exported == {name: told[name] for name in exported}


# What a page shows as it is in every language: names of files, formats, commands and scopes; of columns of a
# manifest; of this node, its network and its people; provisions of law; values that an issuer wrote.
SHOWN_AS_IT_IS = (
    # A digest, the identifier of a job or a consignment, drawn at random: its end may look like a word.
    r"(?<![A-Za-z0-9_-])(?=[a-z-]*[A-Z0-9_])[A-Za-z0-9_-]{16,}(?![A-Za-z0-9_-])",
    r"openapi\.json|log\.policy|node\.toml|gzip|Data Matrix|comity 0\.1\.0|`[^`]*`|\b[a-z]+_[a-z_]+\b",
    r"\b(?:govern|clear|issue|read|verify|operate)\b",
    r"line, battery, goods.*|goods、condition、[^）]*",
    r"Everything Ltd \(invented\)|guest of operator|\boperator\b|\btests\b",
    r"did:web:\S+|Example Import GmbH|\S*example\S*",
    r"urn:\S+|eddsa-jcs-2022|passport\.published|BR (?:Annex|Art)[^<]*|（(?:revocation|suspension)）",
    r"Lithium nickel.*|.*Example Road.*|.*H314.*|water; CO2|not-yet-defined|pack, .*",
)
SHOWN = re.compile("|".join(SHOWN_AS_IT_IS))
MARKUP = re.compile(
    r"<(script|style|code|pre|textarea|svg)\b.*?</\1>|"
    r"<(\w+)[^>]*\bclass=\"(?:id|[^\"]* id)\"[^>]*>.*?</\2>|<[^>]+>",
    re.S,
)
ENGLISH = re.compile(r"[A-Za-z][a-z’']+(?: [A-Za-z’',]+)+|\b[a-z]{3,}\b")


def test_an_identifier_is_no_word_and_a_word_is_no_identifier() -> None:
    """
    Sixteen characters drawn at random end in letters now and then; words as long are read all the same.
    """
    assert ENGLISH.findall(SHOWN.sub("", "4M8B_50Egiv-jkmh 的第 1 行")) == []
    assert ENGLISH.findall(SHOWN.sub("", "characteristical 的第 1 行")) == ["characteristical"]


def test_a_reader_of_chinese_meets_no_english(node: LiveNode, capsys: pytest.CaptureFixture[str]) -> None:
    """
    On every page that the look at accessibility opens, no English word is shown but names, codes, commands
    and what an issuer wrote; the page says that it is Chinese.
    """
    anybody = {"Accept": "text/html", "Accept-Language": "zh-CN"}
    known, found = {**anybody, **node.bearer}, dict[str, str]()
    pages = [(path, anybody) for path in OF_STRANGERS]
    for path, headers in (*pages, *((path, known) for path in (*PAGES, *filled(node)))):
        answer = node.client.get(path, headers=headers)
        assert '<html lang="zh">' in answer.text, path
        for text in MARKUP.sub("\n", html.unescape(answer.text)).splitlines():
            for word in ENGLISH.findall(SHOWN.sub("", text)):
                found.setdefault(word, f"{path}: {text.strip()[:100]}")

    with capsys.disabled():
        print("".join(f"\n{word} | {where}" for word, where in found.items()))
    assert found == {}


# -- the kind ------------------------------------------------------------------------------------------

TELLERS = {"node/catalogues.py", "node/words.py", "node/web/labels.py"}
JUDGING = ("credentials/verdicts/", "node/verdicts/", "node/storage/", "node/use_cases/")
# Members of these names that are data of the life cycle's table, or a column, and not sentences of ours.
DATA = {"node/use_cases/passports.py", "node/storage/schema_steps.py"}
# JSON-LD's own `@language`, and what the tables of a rule file may have for members: no catalogue of ours.
FORMS = ("credentials/documents/model.py", "credentials/verdicts/rule_tables.py")


def looked_up(path: str, tree: ast.Module) -> Iterator[str]:
    """Where a module reads a language of a catalogue, or gives a judged thing a member for sentences."""
    for place in nodes_of(tree):
        if isinstance(place, ast.Constant) and isinstance(place.value, str):
            if place.value in LANGUAGES or place.value.endswith(("_en", "_zh")):
                yield f"{path}:{place.lineno} {place.value}"
        elif isinstance(place, ast.Dict) and path.startswith(JUDGING) and path not in DATA:
            for key in place.keys:
                if isinstance(key, ast.Constant) and key.value in ("text", "provision", "sentence"):
                    yield f"{path}:{key.lineno} {key.value}"


def test_nobody_else_says_anything(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Only the words of the edge read the languages of a catalogue, and no module that judges, stores or answers
    for a use case makes a member for a sentence.
    """
    read = {path: tree for path, tree in trees().items() if path not in TELLERS}
    found = [one for path, tree in read.items() for one in looked_up(path, tree)]

    with capsys.disabled():
        print(f"\n{len(read)} modules looked at")
    assert not [one for one in found if not one.startswith(FORMS)]


def test_a_sentence_elsewhere_would_be_found() -> None:
    """
    The search finds a look-up of a language and a member for a sentence that are planted.
    """
    planted = ast.parse('told = {"reason": code, "text": table[code]["en"]}')

    assert len(list(looked_up("node/verdicts/planted.py", planted))) == 2
    assert len(list(looked_up("node/api/planted.py", planted))) == 1


# -- pages ---------------------------------------------------------------------------------------------

TEMPLATES = sorted((ROOT / "node" / "web" / "templates").glob("*.html"))
TAG = re.compile(r"<[^<>{]*(?:\{\{.*?\}\}[^<>{]*|\{%.*?%\}[^<>{]*)*>")
# Prose, or a value, that goes on in prose which only stands there sometimes; a plural made by a letter; a
# text put together in an expression. What is between the parts of a list is no sentence.
GLUE = (
    re.compile(r"[A-Za-z0-9,;:(}] ?\{% (?:if|elif|else)[^%]*%\}[,.;:)]? ?(?:\{\{[^}]*\}\} ?)?[a-z]"),
    re.compile(r"[A-Za-z0-9,;:(}] ?\{% (?:if|elif|else)[^%]*%\}[,;:]"),
    re.compile(r"\}\}(?:s|es|ies)\b"),
    re.compile(r"~ '[^']*[a-z]{2}|[a-z]{2}[^']*' ~"),
)


def glued(template: str) -> list[str]:
    """Where a template puts a sentence together from pieces; what stands in a tag is no sentence."""
    prose = re.sub(r"\{#.*?#\}", "", template, flags=re.S)
    prose = re.sub(r"\{% if not loop\.last %\}, \{% endif %\}", "", prose)
    lines = TAG.sub(" <> ", prose).splitlines()
    return [found.group() for line in lines for pattern in GLUE for found in pattern.finditer(line)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.name))
def test_no_page_puts_a_sentence_together_from_pieces(path: Path) -> None:
    """
    A sentence that depends on something is one message with parameters (`told`), chosen whole.
    """
    assert not glued(path.read_text())


@pytest.mark.parametrize(
    "planted",
    [
        "<p>It {% if votes %}has a vote{% else %}reads{% endif %}.</p>",
        "<p>{{ a | moment }}{% if by %} by {{ by }}{% endif %}</p>",
        "<p>{{ goods }}{% if code %}, code {{ code }}{% endif %}</p>",
        "<h2>{{ 'entry' | say }}s</h2>",
        "{{ outcome_text('fail', 'last heard ' ~ since) }}",
    ],
)
def test_a_sentence_of_pieces_would_be_found(planted: str) -> None:
    """
    The search finds each way in which a template once put a sentence together.
    """
    assert glued(planted)


def test_a_parameter_of_a_page_is_escaped_and_a_link_stays_one() -> None:
    """
    What others wrote is text on a page, whatever it contains; markup that a template made stays markup.
    """
    told = told_by(words())

    assert told("page.unreachable", since="<b>") == "not reachable; last heard &lt;b&gt;"
    assert "<a>x</a>" in told("page.story_item", line=Markup("<a>x</a>"))
    assert told("page.story_item", line=Markup("")).startswith("Open any item")
    assert (
        told("page.tried", at="now", tries=1) == "now, 1 try"
        and told("page.tried", at="now", tries=2)[-5:] == "tries"
    )


def test_a_data_point_is_called_what_it_was_called_at_the_height_of_the_verdict() -> None:
    """
    The network changes its table of data points at height 5: verdicts of before keep the name of then.
    """
    old = {"dataPoints": [{"dp": 7, "name": "Capacity", "provision": "Annex XIII (1)(a)"}]}
    new = {"dataPoints": [{"dp": 7, "name": "Rated capacity", "provision": "Annex XIII (1)(b)"}]}
    w = Words("en", lambda height: old if height < 5 else new)
    line: dict[str, Any] = {
        "reason": "ok",
        "unmade": 0,
        "gaps": [{"dp": 7}, {"dp": 8}],
        "withheld": [],
        "recognition": [],
    }

    told = [w.line(cast("LineRecord", {**line, "height": height}))["gaps"] for height in (4, 5, 4)]

    assert [gaps[0]["name"] for gaps in told] == ["Capacity", "Rated capacity", "Capacity"]
    assert [gaps[0]["provision"][-3:] for gaps in told] == ["(a)", "(b)", "(a)"]
    assert told[0][1]["name"] == ""
    information = w.gap(cast("GapRecord", {"row": "ID-05"}), 4)
    assert information["provision"] == "" and "information" in information["name"]  # of a row of the policy


def test_a_noun_of_a_table_keeps_its_forms() -> None:
    """
    Each in the language, or as it is where the catalogue lacks it; a text the same; its own comes first.
    """
    assert said_of({"en": ["a thing nobody lists", "things nobody lists"]}, "de") == [
        "a thing nobody lists",
        "things nobody lists",
    ]
    assert said_of({"en": "a thing nobody lists"}, "de") == "a thing nobody lists"
    assert said_of({"en": ["a", "b"], "zh": "c"}, "zh") == "c"


def test_what_a_change_does_to_lines_is_told_with_both_sentences() -> None:
    """
    Of a line that has no word afterwards the second is empty.
    """
    line = {"before_reason": "ok", "after_reason": None}
    shown: Any = {"lines": 2, "items": [line, {**line, "after_reason": "revoked"}]}
    before, after = words().reason("ok"), words().reason("revoked")

    assert reach(words(), None) is None
    assert reach(words(), shown) == {
        "lines": 2,
        "items": [
            {**line, "before_text": before, "after_text": ""},
            {**line, "after_reason": "revoked", "before_text": before, "after_text": after},
        ],
    }


def test_a_row_that_is_left_out_says_what_to_do() -> None:
    """
    The refusal of its manifest, and the step of that.
    """
    sentence = "a sentence that stands nowhere"
    step = step_of("manifest_invalid", sentence, {}, "en")

    assert left_out_row(words(), sentence, {}) == (sentence, step["next"])
    assert step["next"] != step_of("another_code", sentence, {}, "en")["next"]


def test_why_an_attestation_was_dropped_is_told_in_the_language() -> None:
    """
    The sentence of the ledger stands inside the sentence of what became of it.
    """
    detail = "it is reported lost or stolen by {by}, who has to say that it is found"
    refusal: RefusalRecord = {"state": "dropped", "rule": "X18", "winner_leaf_index": None, "detail": detail}
    told = words("zh").progress(progress(refusal))["refusal"]

    assert told is not None and "reported lost" not in told["text"]


def test_what_changed_on_a_consignment_is_told_with_its_reason() -> None:
    """
    With how much was not checked, as the word itself is told; its lines in words beside it.
    """
    shown: Any = {"id": "x", "items": [], "changed": [{"line": 1, "reason": "ok", "unmade": 3}]}
    told = words().consignment(shown)

    assert told == {
        **shown,
        "changed": [{**shown["changed"][0], "text": words().reason("ok", {"unmade": 3})}],
    }
    assert "3 not checked" in told["changed"][0]["text"]
