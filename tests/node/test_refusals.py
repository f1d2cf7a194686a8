"""Refusals and problems: codes and sentences with parameters inside, the reader's language at the edge."""

from __future__ import annotations

import ast
import html
import io
import re
import string
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from werkzeug.test import TestResponse

from consensus.application import NotYet, Refusal
from consensus.errors import filled
from credentials.documents.identifiers import canonical_commodity_code
from credentials.errors import CredentialError
from credentials.verdicts.policy import CHECKS
from node.api.problems import FRAMEWORK_PROBLEMS
from node.api.route import BODY_BYTES_MAX
from node.config import read_table, shipped
from node.errors import ProblemError, bad_request
from tests.harness.border import tables, words
from tests.harness.net.batteries import code_of
from tests.harness.support_service import LiveNode, live_node, manifest
from tests.system.test_structure import nodes_of, trees

# What refuses, with the place of its code, of its title and of its sentence among its arguments.
REFUSING: dict[str, tuple[int | None, int | None, int]] = {
    "Refusal": (0, None, 1),
    "NotYet": (0, None, 1),
    "GivenUp": (1, None, 2),
    "_full": (None, None, 1),
    "RowFault": (0, None, 1),
    "_no_sheet": (None, None, 0),
    "wrong_cell": (None, None, 0),
    "ProblemError": (1, 2, 3),
    "EffectChanged": (1, 2, 3),
    "bad_request": (0, None, 1),
    "not_found": (0, None, 1),
    "forbidden": (0, None, 1),
    "TokenAway": (1, 2, 3),
    "busy": (None, None, 0),
}
CODE = re.compile(r"[a-z][a-z0-9_]*|[A-Z]\d+")
# Sentences that stand in no row: they are told by their code, with their English beside it. The list shrinks.
UNTOLD = {
    "consensus/pool.py": (
        3,
        "a refusal of the ledger as it stands; an exception by its class; what `_full` is given",
    ),
    "credentials/ledger/governance_state.py": (2, "what a reader of proposals, or of what they change, says"),
    "credentials/ledger/recalls.py": (2, "what a reader of identifiers says"),
    "credentials/ledger/registry.py": (1, "what the reader of attestations says"),
    "credentials/verdicts/manifest_csv.py": (2, "what a reader of identifiers, or of lines, says"),
    "node/api/consignments.py": (1, "where a manifest breaks the form of JSON"),
    "node/api/manifest_files.py": (3, "where a manifest breaks the form of a table"),
    "node/api/problems.py": (2, "what a reader of documents says; an error of consensus"),
    "node/api/reading.py": (1, "where a body breaks its JSON Schema"),
    "node/issuing/gate.py": (1, "how far the comparison with the ledger came"),
    "node/ledger/comet/relay.py": (1, "what the decoder of a peer's question says"),
    "node/issuing/item_sheets.py": (2, "what `_no_sheet` and `wrong_cell` are given"),
    "node/issuing/members.py": (4, "what a reader of identifiers or values says; the members of an event"),
    "node/issuing/passports.py": (2, "what the reader of claims says"),
    "node/issuing/profiled.py": (2, "what a reader of documents says"),
    "node/issuing/signing.py": (3, "what a reader of identifiers or members says"),
    "node/receipts/maker.py": (2, "what a receipt, or a step between policies, lacks"),
    "node/use_cases/clearance.py": (1, "what the reader of manifests says"),
    "node/use_cases/digests.py": (1, "what the reader of base64url says"),
    "node/use_cases/governance.py": (1, "what a reader of proposals, or of what they change, says"),
    "node/use_cases/form_desk.py": (1, "what the reader of claims says"),
    "node/use_cases/records.py": (1, "what the reader of tiles says"),
    "node/verdicts/completing.py": (1, "what the reader of manifests says"),
    "node/verdicts/consignments.py": (1, "what the reader of manifests says"),
}
# Who is refused there is a program: another node, or whoever sends no request that can be read; or it is the
# command line, which speaks English.
OF_MACHINES = (
    "node/cli/",
    "node/errors.py",
    "node/ledger/intake.py",
    "node/node_client.py",
    "node/ledger/shelf.py",
    "node/peers/",
    "node/use_cases/peers.py",
    "node/verdicts/disclosure.py",
)


@dataclass(slots=True)
class Said:
    """What the calls of the code say."""

    codes: set[str] = field(default_factory=set)
    titles: set[str] = field(default_factory=set)
    sentences: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # with its parameters
    untold: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    raised: list[tuple[str, str | None, set[str]]] = field(default_factory=list)  # place, code, sentences


def constants(function: ast.AST) -> dict[str, set[str]]:
    """Name -> the texts that are given to it in a function, with all that stands in the same assignment."""
    found: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(function):
        pairs = [(t, node.value) for t in node.targets] if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.For):
            pairs = [(node.target, node.iter)]
        for target, value in pairs:
            texts = {c.value for c in ast.walk(value) if isinstance(c, ast.Constant)}
            texts |= {t for n in ast.walk(value) if isinstance(n, ast.Name) for t in found.get(n.id, ())}
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    found[name.id] |= {text for text in texts if isinstance(text, str) and " " in text}
    return found


def called(call: ast.Call) -> str:
    """The name of what is called; a private method bears the name of a function by chance."""
    if isinstance(call.func, ast.Attribute):
        return "" if call.func.attr.startswith("_") else call.func.attr
    return getattr(call.func, "id", "")


def refusing(nodes: Sequence[ast.AST]) -> Iterator[tuple[ast.Call, str, dict[str, set[str]]]]:
    """Every call that refuses of the nodes of a module, its name, and the texts of the names around it."""
    calls = {
        id(node): (node, name)
        for node in nodes
        if isinstance(node, ast.Call) and (name := called(node)) in REFUSING
        if len(node.args) > REFUSING[name][2]
    }
    around = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in reversed(around if calls else []):  # the innermost first
        inside = [calls.pop(id(node)) for node in ast.walk(function) if id(node) in calls]
        known = constants(function) if inside else {}
        for call, name in inside:
            yield call, name, known


def text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def read(path: str, tree: ast.AST, said: Said) -> None:
    """Add what a module says."""
    nodes = nodes_of(tree)
    for call, name, known in refusing(nodes):
        code, title, sentence = REFUSING[name]
        if code is not None and name in ("Refusal", "NotYet", "GivenUp") and (told := text(call.args[code])):
            said.codes.add(told)
        if title is not None and (told := text(call.args[title])):
            said.titles.add(told)
        at = call.args[sentence]
        here = text(at)
        texts = {here} if here else known.get(at.id, set()) if isinstance(at, ast.Name) else set[str]()
        parameters = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
        parameters -= {"rule"} if name == "ProblemError" else set()
        told = text(call.args[code]) if code is not None else "busy"
        said.raised.append((f"{path}:{call.lineno}", told, texts))
        for one in texts:
            said.sentences[one] |= parameters
        if not texts:
            said.untold[path].append(call.lineno)
    for node in nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RuleConflict":
            said.codes |= {told for told in [text(node.args[0])] if told}


@cache
def said() -> Said:
    """What consensus, credentials and node say to people."""
    found, to_machines = Said(), Said()
    for path, tree in trees().items():
        read(path, tree, to_machines if path.startswith(OF_MACHINES) else found)
    found.raised += to_machines.raised
    # Given by name: a rule of its own, the code of a claim, and what the framework refuses.
    found.codes |= {"S1", "I5"}
    for _, title, sentence in FRAMEWORK_PROBLEMS.values():
        found.titles.add(title)
        found.sentences[sentence] |= set()
    found.titles |= {"Bad request", "Not found", "Not allowed", "Come again"}  # of `node/errors.py`
    return found


@cache
def rows(kind: str) -> dict[str, dict[str, str]]:
    table: Any = read_table("refusals.toml", shipped("refusals.toml"))[kind]
    return table if kind in ("code", "problem") else {row["en"]: row for row in table}


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_code_of_a_refusal_has_words(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Each code that a refusal of the ledger or the pool carries has a row in both languages, and no row is
    without its code.
    """
    codes = said().codes
    with capsys.disabled():
        print(f"\n{len(codes)} codes, {len(said().sentences)} sentences, {len(said().titles)} titles")

    assert len(codes) > 40
    assert codes - rows("code").keys() - tables().reasons.keys() == set(), "give it a row in refusals.toml"
    assert rows("code").keys() - codes == set(), "nobody refuses so: take the row out"
    for code, row in rows("code").items():
        assert row["en"].endswith(".") and row["zh"].endswith("。"), code
        assert code not in tables().reasons, f"{code} stands in reasons.toml too"


def test_what_the_reader_of_attestations_refuses_has_words() -> None:
    """
    The codes under which an attestation cannot be read are among the reasons.
    """
    codes = {
        told
        for path in ("attestation", "payload")
        for node in ast.walk(trees()[f"credentials/ledger/{path}.py"])
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("CredentialError", "_refused")
        for told in [text(node.args[0])]
        if told and " " not in told
    }

    assert codes and codes <= tables().reasons.keys() | rows("code").keys()


def test_every_sentence_of_a_refusal_stands_in_the_table() -> None:
    """
    Each sentence that refuses a person has a row under its English, with the parameters that the code gives
    it, and each row is said by somebody; what is put together instead is counted, module by module.
    """
    sentences, known = said().sentences, rows("refusal")

    assert sentences.keys() - known.keys() == set(), "give it a row in refusals.toml"
    assert known.keys() - sentences.keys() == set(), "nobody says that: take the row out"
    for sentence, given in sentences.items():
        if given:
            assert fields(sentence) <= given, sentence
            assert fields(known[sentence]["zh"]) == fields(sentence), sentence
        assert any("\u4e00" <= letter <= "\u9fff" for letter in known[sentence]["zh"]) or sentence == "{why}"
    untold = {path: len(lines) for path, lines in said().untold.items()}
    assert {path: n for path, n in untold.items() if n > UNTOLD.get(path, (0, ""))[0]} == {}
    assert {path: n for path, (n, _) in UNTOLD.items() if n > untold.get(path, 0)} == {}, "fewer by now"


def test_whatever_is_raised_has_a_next_step() -> None:
    """
    Each problem and refusal, those of programs too, is found by its sentence, or by a code of its own.
    """
    known = rows("problem").keys() | rows("code").keys() | tables().reasons.keys()
    raised = said().raised

    assert len(raised) > 250
    for place, code, sentences in raised:
        by_sentence = bool(sentences) and sentences <= rows("refusal").keys()
        assert by_sentence or code is None or code in known, (place, code)


def codes_in(tree: ast.AST) -> Iterator[tuple[int, object]]:
    """The line and the code of each call that refuses, where it is written there."""
    for call, name, _ in refusing(nodes_of(tree)):
        place = REFUSING[name][0]
        if place is not None and isinstance(found := call.args[place], ast.Constant):
            yield call.lineno, found.value


def test_every_code_is_one_word_that_a_program_compares() -> None:
    """
    In small letters and underscores, or the name of a rule: whoever refuses gives one.
    """
    found = {(f"{path}:{line}", code) for path, tree in trees().items() for line, code in codes_in(tree)}

    assert len(found) > 300
    assert {(at, one) for at, one in found if not CODE.fullmatch(str(one)) or one is None} == set()


def test_a_code_that_is_none_would_be_found() -> None:
    """
    Whether there is none, or it is written as no other is.
    """
    planted = (
        'bad_request(None, "a b")\nnot_found("A_CODE", "a b")\nRefusal("X9", "a b")\nbad_request(code, told)'
    )

    assert list(codes_in(ast.parse(f"def f():\n    {planted.replace(chr(10), '; ')}"))) == [
        (2, None),
        (2, "A_CODE"),
        (2, "X9"),
    ]
    assert CODE.fullmatch("X9") and CODE.fullmatch("a_code") and not CODE.fullmatch("A_CODE")


def test_every_title_of_a_problem_stands_in_the_table() -> None:
    """
    The title of a problem is in both languages, and no title is without its problem.
    """
    assert said().titles == rows("title").keys()


def test_a_sentence_without_a_row_would_be_found() -> None:
    """
    The search finds a sentence in the call, by a name, by one of two names, and one that is put together.
    """
    found = Said()
    planted = """
def f(a):
    then, now = "it was {a}", "it is {a}"
    for at, told in ((1, then), (2, now)):
        raise Refusal("X9", told, a=a)
    told = "not here"
    raise bad_request("b", told)
    raise NotYet("c", f"{a} is not")
    raise ProblemError(400, "d", "Bad", "no {a}", rule="x", a=a)
"""
    read("planted", ast.parse(planted), found)

    assert found.codes == {"X9", "c"} and found.titles == {"Bad"}
    assert {s for s, given in found.sentences.items() if "a" in given} >= {
        "it was {a}",
        "it is {a}",
        "no {a}",
    }
    assert "not here" in found.sentences and found.untold == {"planted": [8]}


# -- telling -------------------------------------------------------------------------------------------


def test_an_english_refusal_reads_as_it_always_did() -> None:
    """
    Parameters stand where the sentence has them, lists with commas or `or`, another refusal as it reads.
    """
    state: dict[str, Any] = {"event": "e", "states": ("a", "b"), "state": "c"}
    why = NotYet("state", "{event} follows {states:or}; the battery is {state}", **state)

    assert str(why) == "e follows a or b; the battery is c"
    assert str(Refusal("x", "{why}; and {more}", why=why, more=("d", "e"))) == f"{why}; and d, e"
    assert str(Refusal("x", "no template {at all")) == "no template {at all"
    assert filled("{a}", {"a": "{b}"}) == "{b}"


def test_a_refusal_is_told_in_chinese_with_its_parameters() -> None:
    """
    The sentence is looked up by its English and filled in anew; what has no row is told by its code, with
    its English beside it.
    """
    zh = words("zh")
    wanted = Refusal(
        "not_responsible", "{holder} holds this battery and has to hand it over", holder="did:web:h"
    )
    claim = "{why}; its one claim about it is on the ledger already"

    assert (
        zh.refusal(wanted.code, wanted.sentence, wanted.parameters) == "该电池由 did:web:h 持有，须由其移交"
    )
    nested = zh.refusal("claimed_already", claim, {"why": wanted})
    assert nested.startswith("该电池由 did:web:h 持有，须由其移交；") and "why" not in nested
    states = {"event": "e", "states": ("a", "b"), "state": "c"}
    told = zh.refusal("state", "{event} follows {states:or}; the battery is {state}", states)
    assert "a或b" in told
    assert zh.refusal("quota", "strange {a}", {"a": 1}) == f"{rows('code')['quota']['zh']}英文原文：strange 1"
    assert zh.refusal("malformed", "strange", {}).startswith(tables().reasons["malformed"]["zh"])
    assert zh.refusal("nobody_knows", "strange", {}) == "英文原文：strange"
    assert words("en").refusal("quota", "strange {a}", {"a": 1}) == "strange 1"


def test_a_problem_has_a_title_in_the_language() -> None:
    """
    Title and detail of a problem are told together; a title of nobody's stays as it is.
    """
    problem = bad_request("code_missing", "Give the battery's code.")

    assert words("zh").problem(problem) == ("请求有误", "请给出电池编码")
    assert words("en").problem(problem) == ("Bad request", "Give the battery's code.")
    assert words("zh").problem(ProblemError(418, "x", "I'm a teapot", "no"))[0] == "I'm a teapot"


FINDING = ("add", "passed", "failed", "warned", "unknown", "inapplicable")


def found_under(tree: ast.AST) -> Iterator[str]:
    """The names under which findings are kept, where the code has them as texts."""
    for node in nodes_of(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="found"), attr=kind),
                args=[ast.Constant(value=str(name)), *_],
            ) if kind in FINDING:
                yield name


def test_every_check_that_is_found_is_one_of_the_table() -> None:
    """
    A finding under a name that no policy could require is a mistake that ends the request: none is kept.
    """
    found = {name for tree in trees().values() for name in found_under(tree)}

    assert {"proof", "issuer_key"} <= found
    assert found <= set(CHECKS)
    assert list(found_under(ast.parse('found.warned("holder_key", "ok")'))) == ["holder_key"]


# -- on a live node ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("refusals")) as made:
        yield made


def asked(node: LiveNode, path: str, language: str, body: Any = None) -> tuple[Any, dict[str, Any]]:
    headers = {**node.bearer, "Accept-Language": language}
    send = node.client.get if body is None else node.client.post
    answer = send(path, headers=headers, **({} if body is None else {"json": body}))
    return answer, answer.get_json()


def test_a_refusal_is_answered_in_the_clients_language(node: LiveNode) -> None:
    """
    The same status, code and rule; title and detail in the language of Accept-Language, which the answer
    names; English where nobody asks.
    """
    act = {"event": "battery.sold", "battery": code_of(77), "members": {}}
    told = {language: asked(node, "/attestations", language, act) for language in ("en", "zh-CN", "fr")}

    assert {answer.status_code for answer, _ in told.values()} == {told["en"][0].status_code}
    assert told["en"][0].status_code in (400, 409, 422)
    assert told["en"][1] == told["fr"][1]
    same = ("type", "status", "code")
    assert [told["zh-CN"][1][name] for name in same] == [told["en"][1][name] for name in same]
    for name in ("title", "detail"):
        assert told["zh-CN"][1][name] != told["en"][1][name]
        assert any("\u4e00" <= letter <= "\u9fff" for letter in told["zh-CN"][1][name])
    assert told["zh-CN"][0].headers["Content-Language"] == "zh"
    assert told["en"][0].headers["Content-Language"] == told["fr"][0].headers["Content-Language"] == "en"
    assert "Accept-Language" in told["zh-CN"][0].headers["Vary"]


def test_what_the_framework_refuses_is_told_too(node: LiveNode) -> None:
    """
    An address that is not there, and a reader's own error, end as a sentence in Chinese with a stop.
    """
    _, nowhere = asked(node, "/nowhere", "zh")
    _, unread = asked(node, "/clearance", "zh", {"battery": code_of(9), "goods": "battery", "line": "x"})

    assert nowhere["title"] == "未找到" and nowhere["detail"].endswith("。")
    assert unread["title"] == "请求有误" and "英文原文：" in unread["detail"]


def test_the_page_of_a_problem_is_in_the_language_of_its_reader(node: LiveNode) -> None:
    """
    What went wrong is told on a page in the words in which a program is told it.
    """
    page = node.person.get("/nowhere", headers={"Accept": "text/html", "Accept-Language": "zh"})

    assert page.status_code == 404 and page.headers["Content-Language"] == "zh"
    assert "未找到" in page.text and "There is nothing at this address" not in page.text


def test_a_page_that_is_not_there_shows_who_is_signed_in(node: LiveNode) -> None:
    """
    The page of a 404 has the bar of every page, with the way out; nobody's who shows no session.
    """
    known = node.person.get("/nowhere", headers={"Accept": "text/html"})
    unknown = node.client.get("/nowhere", headers={"Accept": "text/html"})

    assert (known.status_code, unknown.status_code) == (404, 404)
    assert "Sign out" in known.text and "Sign out" not in unknown.text


@pytest.mark.parametrize("path", ["/keys", "/operations/audit"])
def test_a_page_that_somebody_may_not_see_says_so_and_what_to_do(node: LiveNode, path: str) -> None:
    """
    The page of a 403, which a session that only reads is shown: who is signed in, what is not allowed, by
    whose fault and what to do; and nothing of the page that it is not.
    """
    reader = node.app.test_client()
    link = node.post_json("/links", {"scopes": ["read"], "name": "only reads"}).get_json()
    assert reader.get(link["path"]).status_code == 303

    page = reader.get(path, headers={"Accept": "text/html"})
    told = reader.get(path, headers={"Accept": "application/json"}).get_json()

    assert page.status_code == 403 == told["status"]
    assert page.headers["Content-Language"] == "en" and page.headers["Cache-Control"] == "no-store"
    text = html.unescape(page.text)
    for said in (told["title"], told["detail"], told["next"], "Sign out"):
        assert said in text, said
    assert text.count("only reads") == 1, "in the bar, and in no list of who may"


def test_the_readers_sentences_are_not_templates() -> None:
    """
    What a sender wrote in braces is shown as it is: a sentence without parameters is filled in by nobody.
    """
    with pytest.raises(CredentialError) as found:
        canonical_commodity_code("{0.__class__}")

    problem = bad_request(found.value.code, str(found.value))
    assert "{0.__class__}" in problem.detail
    assert "{0.__class__}" in words("zh").problem(problem)[1]


@pytest.fixture(scope="module")
def consignment(node: LiveNode) -> str:
    """The path of a consignment of two lines, judged."""
    path = f"/consignments/{node.post_json('/consignments', manifest()).get_json()['id']}"
    node.wait(lambda: node.get_json(path)["state"] == "done", "the verdicts")
    return path


def attesting(**changed: Any) -> Callable[[LiveNode], TestResponse]:
    act = {"event": "battery.recalled", "battery": code_of(78), "members": {}, **changed}
    return lambda node: node.post_json("/attestations", act)


def proving(presentation: Any, **options: Any) -> Callable[[LiveNode], TestResponse]:
    order = {"presentation": presentation, "options": options}
    return lambda node: node.post_json("/presentations/prove", order)


BAD, NOT_FOUND = (400, "Bad request"), (404, "Not found")
SHOWN = {"@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiablePresentation"]}
# What is sent; then status and title, code, and the sentence; "..." stands for anything.
REFUSED: dict[str, tuple[Callable[[LiveNode], TestResponse], tuple[int, str], str, str]] = {
    "no battery": (
        lambda node: node.post_json("/clearance", {"battery": " ", "goods": "battery"}),
        BAD,
        "battery_missing",
        "Give the battery's code or link.",
    ),
    "another scheme": (
        lambda node: node.client.get("/keys", headers={"Authorization": "Basic abc"}),
        (401, "Key needed"),
        "no_key",
        "Send the key as `Authorization: Bearer <key>`; other schemes are not read.",
    ),
    "a tile beyond the log": (
        lambda node: node.client.get("/log/tile/0/999"),
        NOT_FOUND,
        "no_such_tile",
        "...is beyond a tree of 0 leaves.",
    ),
    "an unknown event": (
        attesting(event="battery.nothing"),
        BAD,
        "event_unknown",
        "There is no event 'battery.nothing': it is one of attestation.corrected, ...",
    ),
    "neither true nor false": (
        attesting(members={"draft": "maybe"}),
        BAD,
        "members_malformed",
        "draft is true or false.",
    ),
    "no pairs": (
        attesting(members={"countersignatures": "x"}),
        BAD,
        "members_malformed",
        "countersignatures are pairs [key id, signature in base64url].",
    ),
    "an event to come": (
        attesting(event_time=2**40),
        (422, "Not possible"),
        "event_time_impossible",
        f"event_time {2**40} lies in the future: ...",
    ),
    "an empty file": (
        lambda node: node.client.post(
            "/consignments", data={"file": (io.BytesIO(b""), "goods.json")}, headers=node.bearer
        ),
        BAD,
        "manifest_missing",
        "The file goods.json is empty: choose the one with the manifest.",
    ),
    "a form without a code": (
        lambda node: node.client.post("/passports", data={"claims": "{}"}, headers=node.bearer),
        BAD,
        "code_missing",
        "Give the battery's code.",
    ),
    "a form without claims": (
        lambda node: node.client.post("/passports", data={"code": code_of(78)}, headers=node.bearer),
        BAD,
        "malformed",
        "The document is empty: JSON is expected.",
    ),
    "another holder": (
        proving({**SHOWN, "holder": "did:web:customs.example"}),
        BAD,
        "issuer_differs",
        "...: this key proves for it only.",
    ),
    "an unknown profile": (
        proving(SHOWN, profile="nothing"),
        BAD,
        "profile_unknown",
        "This node proves with no profile called 'nothing'",
    ),
    "no draft": (
        lambda node: node.post_json("/countersignatures", {"draft": {"event": "battery.produced"}}),
        BAD,
        "draft_malformed",
        "A draft has event, battery, issuer, event_time, members and document_digest: give what "
        "`comity attest --draft` printed at the other party.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_what_was_wrong_and_what_to_do(node: LiveNode, name: str) -> None:
    """
    Status, title, code and sentence of what people and programs send wrongly most: word for word.
    """
    send, (status, title), code, sentence = REFUSED[name]

    told = send(node).get_json()

    assert (told["status"], told["title"], told["code"]) == (status, title, code)
    begin, dots, end = sentence.partition("...")
    assert told["detail"].startswith(begin) and told["detail"].endswith(end)
    assert dots or told["detail"] == sentence


@pytest.mark.parametrize(
    ("asked", "code", "detail"),
    [
        ("/items/77", "line_unknown", "The consignment has no line 77."),
        (f"/items/{2**31}", "line_unknown", "The consignment has no such line."),
        ("?offset=1000001", "bad_argument", "`offset` must be a whole number from 0 to 1000000."),
    ],
)
def test_a_line_that_is_not_there_is_told_as_that(
    node: LiveNode, consignment: str, asked: str, code: str, detail: str
) -> None:
    """
    A line beyond the manifest, a number beyond the database, a page beyond the largest one.
    """
    told = node.get(consignment + asked).get_json()

    assert (told["code"], told["detail"]) == (code, detail)


@pytest.mark.parametrize(
    "path", ["/log/entries?start=", "/log/epochs?link=", "/governance?height=", "/governance/history?before="]
)
def test_the_largest_number_that_is_named_is_taken(node: LiveNode, path: str) -> None:
    """
    A sentence that names the largest number is true of it.
    """
    largest = node.get(f"{path}{2**53 - 1}")
    beyond = node.get(f"{path}{2**53}").get_json()

    assert largest.status_code in {200, 404}
    assert beyond["detail"].endswith(f"must be a whole number from 0 to {2**53 - 1}.")


def test_a_body_too_large_is_told_with_the_limit(node: LiveNode) -> None:
    """
    413, with its size and what the address takes.
    """
    answer = node.client.post(
        "/clearance",
        headers={**node.bearer, "Content-Type": "application/json"},
        input_stream=io.BytesIO(b" " * (BODY_BYTES_MAX + 1)),
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert answer.status_code == 413
    assert answer.get_json()["detail"] == (
        f"The body has {BODY_BYTES_MAX + 1} bytes; this address takes at most {BODY_BYTES_MAX}."
    )
