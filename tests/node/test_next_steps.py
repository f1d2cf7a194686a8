"""Whose fault it is and what the reader does next: in every row of every table of codes, on every surface."""

from __future__ import annotations

import html
import json
import re
import shlex
import string
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, cast

import click
import pytest

from consensus.application import Refusal
from credentials.verdicts.verdict import Check, Outcome
from node.__main__ import run
from node.answers import LineRecord
from node.api.problems import render_problem
from node.catalogues import FAULTS, LANGUAGES, conditions, reasons, refusals, sentences, whole, whose_fault
from node.cli import comity
from node.cli.judge import _print_verdict
from node.cli.terminal import end_progress, one_line, say_progress, step_line
from node.config import shipped
from node.errors import ProblemError, SetupError
from node.node_client import _problem
from node.supervision.readiness import Condition
from node.verdicts.verification import Verification
from node.words import TOLD_INSIDE, step_of
from tests.harness.border import words
from tests.harness.support_service import LiveNode, live_node, manifest

TABLES: dict[str, Mapping[str, Mapping[str, Any]]] = {
    "reasons.toml": reasons(),
    "conditions.toml": conditions(),
    **{f"refusals.toml {kind}": refusals(kind) for kind in ("code", "problem", "refusal")},
}
ROWS = [(table, code) for table, rows in TABLES.items() for code in rows]
STOPS = {"en": (".", "`."), "zh": ("。",)}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("next")) as made:
        yield made


# -- the rows ------------------------------------------------------------------------------------------


def test_every_row_says_whose_fault_it_is_and_what_to_do() -> None:
    """
    One of the eight, and a whole sentence in every language; each fault has its word, and each is used.
    """
    for name, code in ROWS:
        row = TABLES[name][code]
        assert row["fault"] in FAULTS, (name, code)
        for language in LANGUAGES:
            told = row["next"][language]
            assert told.endswith(STOPS[language]) or told == TOLD_INSIDE, (name, code, language)
            assert fields(told) <= fields(row.get("en", "")), (name, code, "a parameter that nobody gives")
    assert sentences()["whose"].keys() == set(FAULTS)
    assert {TABLES[name][code]["fault"] for name, code in ROWS} <= set(FAULTS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fault": None}, "whose fault it is"),
        ({"fault": "somebody"}, "whose fault it is"),
        ({"next": None}, "what its reader does next"),
        ({"next": "Wait."}, "what its reader does next"),
        ({"next": {"en": "Wait."}}, "what its reader does next"),
        ({"next": {"en": " ", "zh": "请等待。"}}, "what its reader does next"),
    ],
)
def test_a_row_that_does_not_say_it_is_refused(change: dict[str, Any], said: str) -> None:
    """
    The reader of the tables names the table and the row; a whole one is read.
    """
    row = {"en": "No.", "fault": "node", "next": {"en": "Wait.", "zh": "请等待。"}}

    assert whole("planted.toml", {"a": row}) == {"a": row}
    with pytest.raises(SetupError, match=f"planted.toml: b does not say {said}"):
        whole("planted.toml", {"a": row, "b": {**row, **change}})


# -- what is refused -----------------------------------------------------------------------------------


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def given_to(template: str) -> dict[str, object]:
    """A parameter for each that a sentence has: a list where it says how to tell one."""
    parts = [(name, spec) for _, name, spec, _ in string.Formatter().parse(template) if name]
    return {name: ("A", "B") if spec else f"<{name}>" for name, spec in parts}


def problem_of(code: str, sentence: str, parameters: dict[str, object]) -> ProblemError:
    """As a use case raises it: what the ledger refused is told inside."""
    told: dict[str, Any] = parameters
    if "rule" in parameters:  # the name of a member of every problem
        return ProblemError(400, code, "Not possible", TOLD_INSIDE, why=Refusal(code, sentence, **parameters))
    return ProblemError(400, code, "Not possible", sentence, **told)


def refused() -> Iterator[tuple[str, str, dict[str, object]]]:
    """(code, sentence, parameters) of every row of refusals.toml, as they are raised."""
    for sentence in refusals("refusal"):
        inner = Refusal("X2", "the battery is not presented to customs")
        given = given_to(sentence)
        yield "nobody_knows", sentence, given | ({"why": inner} if "why" in given else {})
    for kind in ("code", "problem"):
        for code in refusals(kind):
            yield code, "a sentence that was put together", {}


def test_to_correct_a_passport_is_to_revoke_it_and_to_issue_it_again() -> None:
    """
    X1 names both commands, in that order, however it is told.
    """
    told = step_of("X1", "one live passport: put together", {})

    assert told["fault"] == "caller"
    assert [name.split()[1] for name in named_in(told["next"])] == ["revoke", "issue"]


def test_a_sentence_that_only_tells_another_has_the_step_of_that_one() -> None:
    """
    What a refusal was raised for decides what to do; text without a code is told by the code around it.
    """
    inner = Refusal("X18", "only customs of {jurisdiction} closes this declaration", jurisdiction="EU")

    assert (
        step_of("refused", "{why}", {"why": inner})["next"] == "Ask customs of EU to close the declaration."
    )
    assert step_of("X18", "{why}", {"why": "text"}) == step_of("X18", "", {})


# -- what a step names exists --------------------------------------------------------------------------


def unknown_command(told: str) -> str | None:
    """What is wrong with a `comity ...` of a sentence; None where the command line has it."""
    first, *parts = shlex.split(told)
    assert first == "comity"
    at: click.Command = comity
    while isinstance(at, click.Group):
        if not parts:
            return f"{told}: which command of it?"
        inner = at.get_command(click.Context(at), parts[0])
        if inner is None:
            return f"{told}: no command {parts[0]}"
        at, parts = inner, parts[1:]
    options = {name: option for option in at.params for name in option.opts}
    while parts:
        part = parts.pop(0)
        if part.startswith("--"):
            option = options.get(part)
            if option is None:
                return f"{told}: no option {part}"
            if not (isinstance(option, click.Option) and option.is_flag):
                if not parts:
                    return f"{told}: {part} needs a value"
                value = parts.pop(0)
                if isinstance(option.type, click.Choice) and value not in (
                    *option.type.choices,
                    value.upper(),
                ):
                    return f"{told}: {part} is never {value}"
        elif at.name == "attest" and part not in events() and part.islower():
            return f"{told}: no event {part}"
    return None


@cache
def events() -> frozenset[str]:
    return frozenset(row["type"] for row in json.loads(shipped("rules/lifecycle.json"))["events"])


def named_in(text: str) -> Iterator[str]:
    """The commands that a sentence names."""
    yield from (told for told in re.findall(r"`([^`]*)`", text) if told.split()[:1] == ["comity"])


def texts_of(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from texts_of(inner)
        case list():
            for inner in value:
                yield from texts_of(inner)


def test_every_command_that_a_sentence_names_is_one() -> None:
    """
    Whoever follows a sentence finds the command, its options and its words; in both languages the same.
    """
    found = 0
    for name, code in ROWS:
        told = {language: [*named_in(TABLES[name][code]["next"][language])] for language in LANGUAGES}
        assert told["en"] == told["zh"], (name, code)
    for rows in (*TABLES.values(), sentences()):
        for told_here in texts_of(rows):
            for command in named_in(told_here):
                found += 1
                assert unknown_command(command) is None
    assert found > 20


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ("comity check CODE --goods battery", None),
        ("comity chek CODE", "no command chek"),
        ("comity keys", "which command"),
        ("comity check CODE --colour red", "no option --colour"),
        ("comity check CODE --goods boat", "never boat"),
        ("comity check CODE --vin", "needs a value"),
        ("comity attest battery.exploded --battery CODE", "no event battery.exploded"),
    ],
)
def test_a_command_that_is_none_would_be_found(told: str, wrong: str | None) -> None:
    """
    The search knows commands, options, words of options, and events.
    """
    found = unknown_command(told)

    assert found is None if wrong is None else wrong in str(found)


def test_every_page_that_a_step_names_is_one(node: LiveNode) -> None:
    """
    A path of a sentence leads somewhere at a node.
    """
    routes = {rule.rule for rule in node.app.url_map.iter_rules()}
    paths = {
        path
        for rows in TABLES.values()
        for row in rows.values()
        for told in texts_of(row["next"])
        for path in re.findall(r"(?<![\w./:])/[a-z][\w./-]*", told)
    }

    assert {"/openapi.json", "/governance/propose"} <= paths
    assert {path.rstrip(".") for path in paths} - routes == set()


# -- on every surface ----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_is_told_with_its_step_in_every_answer(language: str) -> None:
    """
    A check, the main reason of a line, and a problem of the VC-API each bring sentence, fault and next step.
    """
    said = words(language)
    for code, row in reasons().items():
        check = Check("proof", Outcome.FAIL, code)
        line = {"reason": code, "unmade": 0, "gaps": [], "withheld": [], "recognition": [], "height": 1}
        made = said.verification(Verification((check,)))
        for told in (said.check(check.as_dict()), said.line(cast("LineRecord", line)), made["checks"][0]):
            assert told["text"] == row[language], code
            assert (told["fault"], told["next"]) == (row["fault"], row["next"][language]), code
        problem = made["problemDetails"][0]
        assert (problem["fault"], problem["next"]) == (row["fault"], row["next"][language]), code
    later = said.step("a_code_of_later")
    assert later["fault"] == "node" and later["next"] == sentences()["later_version"][language]


def test_every_reason_is_printed_with_its_step(capsys: pytest.CaptureFixture[str]) -> None:
    """
    `comity check` prints the sentence, what to do and whose fault it is, of the main reason and of a check.
    """
    said = words()
    for code, row in reasons().items():
        check = said.check(Check("proof", Outcome.FAIL, code).as_dict())
        head = dict.fromkeys(("ground", "good_until", "law_date", "height", "battery"), None)
        told = {**head, "verdict": "hold", "reason": code, "text": row["en"], "provision": "", "gaps": []}
        _print_verdict({**told, **said.step(code), "checks": [check]})
        printed = capsys.readouterr().out
        step = f"next: {row['next']['en']} (fault: {whose_fault(row['fault'])})"
        assert printed.count(row["en"]) >= 2 and printed.count(step) == 2, code


def test_what_many_checks_say_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A sentence that thirty checks share is told once, with their names.
    """
    said = words()
    names = ("proof", "issuer_key", "schema")
    checks = [said.check(Check(name, Outcome.NOT_CHECKED, "not_found").as_dict()) for name in names]
    head = dict.fromkeys(("ground", "good_until", "law_date", "height", "battery", "text"), "")
    told = {**head, "verdict": "undecided", "reason": "not_found", "gaps": [], "checks": checks}

    _print_verdict(told)

    printed = capsys.readouterr().out
    assert printed.count(reasons()["not_found"]["en"]) == 1
    assert "3 checks: " in printed and "proof, issuer_key, schema" in printed


def test_every_refusal_is_answered_with_its_step(node: LiveNode) -> None:
    """
    Problem details in each language, and the page of a problem, bring detail, fault and next step.
    """
    macros: Any = node.app.jinja_env.get_template("macros.html").module
    for code, sentence, parameters in refused():
        problem = problem_of(code, sentence, parameters)
        for language in LANGUAGES:
            headers = {"Accept": "application/json", "Accept-Language": language}
            with node.app.test_request_context("/", headers=headers):
                answer = render_problem(problem, node.service.words)
            step = step_of(code, sentence, parameters, language)
            assert step["next"].strip() and "{" not in step["next"], (code, sentence)
            told = json.loads(answer.get_data())
            assert (told["fault"], told["next"]) == (step["fault"], step["next"]), (code, sentence)
            assert told["detail"], (code, sentence)
        shown = html.unescape(str(macros.step(step_of(code, sentence, parameters))))
        assert step_of(code, sentence, parameters)["next"] in shown, (code, sentence)


def test_the_page_of_a_problem_says_what_to_do(node: LiveNode) -> None:
    """
    What a person is shown who is refused: sentence, next step, and whose fault it is.
    """
    page = node.person.get("/nowhere", headers={"Accept": "text/html"})
    step = step_of("no_such_page", "There is nothing at this address; /openapi.json lists what there is.", {})

    assert page.status_code == 404
    assert step["next"] in page.text and f"Fault: {whose_fault('caller')}." in page.text


def test_every_refusal_is_printed_with_its_step(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A command that is refused prints the sentence, and what to do: as the node answered, or by its own tables.
    """
    for code, sentence, parameters in refused():
        step = step_of(code, sentence, parameters)
        own = problem_of(code, sentence, parameters)
        body = json.dumps({**own.document(), **step}).encode()
        for error in (own, _problem(400, body), Refusal(code, sentence, **parameters)):
            assert end_of(error) == 65, code
            printed = capsys.readouterr().err.splitlines()
            assert printed == [f"comity: {one_line(str(error))}", f"comity: {one_line(step_line(step))}"], (
                code
            )


def test_a_node_of_before_says_no_step(capsys: pytest.CaptureFixture[str]) -> None:
    """
    An answer without one is told as it came, and nothing is made up.
    """
    body = {"title": "Bad request", "detail": "No.", "code": "wrong_shape", "status": 400}

    assert end_of(_problem(400, json.dumps(body).encode())) == 65
    assert capsys.readouterr().err == "comity: No.\n"


def end_of(error: Exception) -> int:
    """The exit code of a command that ends so."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(comity, "main", raising(error))
        return run([])


def raising(error: Exception) -> Callable[..., Any]:
    def ends(*_args: object, **_kwargs: object) -> Any:
        raise error

    return ends


def test_what_became_of_an_attestation_brings_its_step() -> None:
    """
    Refused, a claim, dropped, cancelled or waiting: by its rule, or by the state where none is named.
    """
    for language in LANGUAGES:
        said = words(language)
        for state in ("refused", "claim", "dropped", "cancelled"):
            for rule in (None, *refusals("code")):
                head: Any = {"state": state, "rule": rule, "winner_leaf_index": None, "detail": None}
                told = said.passport(cast("Any", {"refusal": head, "waiting": None, "attestations": []}))
                assert told["refusal"] is not None
                row = refusals("code")[rule] if rule else refusals("problem")[state]
                assert told["refusal"]["next"] == row["next"][language]
        waits: Any = {
            "code": "state",
            "template": "the battery is not presented to customs",
            "parameters": {},
        }
        told = said.passport(cast("Any", {"refusal": None, "waiting": waits, "attestations": []}))
        row = refusals("refusal")[waits["template"]]
        assert told["waiting"] is not None and told["waiting"]["next"] == row["next"][language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_condition_is_told_with_its_step(language: str) -> None:
    """
    /readyz, `comity status` and the page of a node bring what to do about each condition, whole.
    """
    for code, row in conditions().items():
        parameters: Any = given_to(row["en"])
        condition = Condition(code, stops=True, since=1, parameters=parameters)
        told = words(language).condition(condition)
        assert told["fault"] == row["fault"] and told["next"] and "{" not in told["next"], code


def test_every_reason_is_shown_on_pages_with_its_step(node: LiveNode) -> None:
    """
    The macros of the pages of verdicts bring the sentence, the step and the word for whose fault it is.
    """
    macros: Any = node.app.jinja_env.get_template("macros.html").module
    said = words()
    for code, row in reasons().items():
        told = said.check(Check("proof", Outcome.FAIL, code).as_dict())
        reason = str(macros.main_reason({**told, "ground": ""}))
        step = str(macros.step(told))
        shown = step.replace("&#39;", "'").replace("&#34;", '"')
        assert row["en"] in reason.replace("&#39;", "'").replace("&#34;", '"'), code
        assert row["next"]["en"] in shown and whose_fault(row["fault"]) in shown, code


def test_a_line_on_its_page_in_its_export_and_at_the_api_has_its_step(node: LiveNode) -> None:
    """
    The verdict about a battery nobody knows: what to do is in JSON, on the page of the line and of the
    consignment, in both exports.
    """
    row = reasons()["not_found"]
    made = node.post_json("/consignments", manifest()).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{made}")["state"] == "done", "two verdicts")

    told = node.get_json(f"/consignments/{made}/items/2")
    assert (told["reason"], told["fault"], told["next"]) == ("not_found", "item", row["next"]["en"])
    for path in (f"/consignments/{made}", f"/consignments/{made}/items/2"):
        page = node.person.get(path, headers={"Accept": "text/html"}).text
        assert row["next"]["en"] in page and f"Fault: {whose_fault('item')}." in page, path
    for name in ("csv", "json"):
        text = node.get(f"/consignments/{made}/export.{name}").text
        assert row["next"]["en"] in text, name
    assert json.loads(node.get(f"/consignments/{made}/export.json").text)["items"][1]["fault"] == "item"


def test_progress_is_written_to_a_terminal_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A log or a pipe holds sentences, and no line that writes over another.
    """
    say_progress("3 of 7 lines")
    end_progress()

    assert capsys.readouterr() == ("", "")
