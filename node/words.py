"""What codes and parameters say, in the reader's language: where the sentence of each code is made.

What is judged and stored holds codes and parameters. Here each becomes the sentence of its template
(`config/reasons.toml`, `config/sentences.toml`, the network's own rule files) for the API, the pages, exports
and the command line, so a verdict of last year is told in today's words, and in either language.

A template is chosen whole: the first of its `more` whose `with` is all there, or the plain one. Nothing is
put together from pieces. `detail` is the one parameter that is text already: what a reader found in somebody
else's document, in the sender's own spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from consensus.application import Refusal
from consensus.errors import filled
from credentials.verdicts.verdict_record import (
    AskRecord,
    CheckRecord,
    CountedRecord,
    GapRecord,
    ItemRecord,
    LeftOutRecord,
    RecognitionRecord,
    ReportRecord,
    RequirementRecord,
    SourceRecord,
)
from node.answers import (
    ChangeAnswer,
    CheckAnswer,
    ConditionAnswer,
    ConsignmentAnswer,
    ConsignmentRecord,
    FaultAnswer,
    FaultRecord,
    GapAnswer,
    ItemAnswer,
    LeftOutAnswer,
    LineAnswer,
    LineRecord,
    PassportAnswer,
    PassportProgress,
    ProblemAnswer,
    Progress,
    ProgressAnswer,
    RefusalAnswer,
    RefusalRecord,
    ReportAnswer,
    RequirementAnswer,
    SourceAnswer,
    StepAnswer,
    VerificationAnswer,
    WaitingAnswer,
    WaitingRecord,
)
from node.catalogues import (
    LANGUAGES,
    Row,
    Telling,
    alerts,
    conditions,
    in_language,
    reasons,
    refusals,
    row_of,
    said,
)

if TYPE_CHECKING:
    from node.errors import ProblemError
    from node.supervision.readiness import Condition
    from node.verdicts.verification import Verification

TOLD_INSIDE = "{why}"  # a sentence, or a step, that is the one of the refusal it was raised for
TABLES_KEPT = 8  # of data points, by the rules of different heights
AGELESS = ("genesis", "recognitions")  # sources that the founding of the network fixed


def when(seconds: int | str | None) -> str:
    """A moment in UTC, to the second."""
    if seconds is None or seconds == "":
        return "not known"
    if isinstance(seconds, str):
        return seconds
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


_Points = tuple[Mapping[str, Any], Mapping[int, Mapping[str, Any]]]  # a table, and its rows by number


def effect_word(effect: str, language: str) -> str:
    """The legal effect of a recognition as words."""
    return in_language(effect.replace("-", " "), language)


def step_of(
    code: str, sentence: str, parameters: Mapping[str, object], language: str = LANGUAGES[0]
) -> StepAnswer:
    """Whose fault a refusal or a problem is, and what its reader does next: by its sentence, or by its code.

    A sentence that tells another refusal and nothing else has the step of that one.
    """
    row = refusals("refusal").get(sentence)
    if row is not None and row["next"][LANGUAGES[0]] == TOLD_INSIDE:
        inner = parameters.get(TOLD_INSIDE[1:-1])
        if isinstance(inner, Refusal):
            return step_of(inner.code, inner.sentence, inner.parameters, language)
        row = None
    if row is None:
        return _step_of_code(code, language)
    step = said(row["next"], language)
    told = Telling(language).vformat(step, (), parameters) if parameters else step
    return {"fault": row["fault"], "next": told}


def _step_of_reason(code: str, language: str) -> StepAnswer:
    row = reasons().get(code)
    if row is None:
        return {"fault": "node", "next": str(said(row_of("later_version"), language))}
    return {"fault": row["fault"], "next": said(row["next"], language)}


def _step_of_code(code: str, language: str) -> StepAnswer:
    """That of a code, whatever its sentence is."""
    tables = (refusals("problem"), refusals("code"), reasons())
    row: Row = next((rows[code] for rows in tables if code in rows), refusals("problem")["other"])
    return {"fault": row["fault"], "next": said(row["next"], language)}


class Words:
    """The sentences of one language.

    Data points are called what they were called at the height of the verdict that names them:
    `datapoints_at` gives the table of a height.
    """

    def __init__(self, language: str, datapoints_at: Callable[[int], Mapping[str, Any]]) -> None:
        self.language = language
        self._datapoints_at = datapoints_at
        self._points: list[_Points] = []
        self._telling = Telling(language)

    def sentence(self, code: str, parameters: Mapping[str, Any] | None = None) -> str:
        """The sentence `section.name` of sentences.toml."""
        return self.fill(row_of(code), parameters or {})

    def reason(self, code: str, parameters: Mapping[str, Any] | None = None) -> str:
        """The sentence of a reason code; a code of a later version is shown as it is."""
        row = reasons().get(code)
        if row is None:
            return code.replace("_", " ")
        return self.fill(row, parameters or {})

    def own(self, english: str) -> str:
        """A text of a rule file, where the catalogue has it."""
        return in_language(english, self.language)

    def step(self, code: str) -> StepAnswer:
        """Whose fault a reason is, and what its reader does next."""
        return _step_of_reason(code, self.language)

    def provision(self, code: str) -> str:
        """What law or standard a reason stands on; empty where there is none."""
        return str(reasons().get(code, {}).get("provision", ""))

    def refusal(self, code: str, sentence: str, parameters: Mapping[str, object]) -> str:
        """What a `Refusal` or a problem says; without words in this language, by its code."""
        if self.language == LANGUAGES[0]:
            return filled(sentence, parameters)
        row = refusals("refusal").get(sentence)
        if row is None:
            general = {**refusals("code"), **reasons()}.get(code)
            told = said(general, self.language) if general else None
            return self.sentence("untold", {"general": told, "english": filled(sentence, parameters)})
        inner = {
            name: self.refusal(value.code, value.sentence, value.parameters)
            if isinstance(value, Refusal)
            else value
            for name, value in parameters.items()
        }
        told = str(said(row, self.language))
        return self._telling.vformat(told, (), inner) if inner else told

    def problem(self, problem: ProblemError) -> tuple[str, str]:
        """The title and the detail of a problem."""
        row = refusals("title").get(problem.title, {LANGUAGES[0]: problem.title})
        detail = self.refusal(problem.code, problem.sentence, problem.parameters)
        return str(said(row, self.language)), detail

    def problem_step(self, problem: ProblemError) -> StepAnswer:
        """Whose fault a problem is, and what the caller does next."""
        return step_of(problem.code, problem.sentence, problem.parameters, self.language)

    def fill(self, row: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
        fitting = (more for more in row.get("more", ()) if all(parameters.get(n) for n in more["with"]))
        template = str(said(next(fitting, row), self.language))
        if needs := parameters.get("needs"):
            parameters = {**parameters, "needs": self.sentence(f"needs.{needs}")}
        return self._telling.vformat(template, (), parameters)

    # -- verdicts ------------------------------------------------------------------------------------

    def check(self, check: CheckRecord) -> CheckAnswer:
        """A check with its sentence and its provision."""
        reason = check["reason"]
        text = self.reason(reason, check["evidence"])
        return {**check, "text": text, "provision": self.provision(reason), **self.step(reason)}

    def line(self, line: LineRecord) -> LineAnswer:
        """The verdict of a line as lists have it."""
        return {
            **line,
            "text": self.reason(line["reason"], {"unmade": line["unmade"]}),
            "provision": self.provision(line["reason"]),
            "overtaken_note": self.sentence("overtaken", line) if line.get("overtaken") else "",
            **self.step(line["reason"]),
            "gaps": [self.gap(gap, line["height"]) for gap in line["gaps"]],
            "withheld": [self.gap(point, line["height"]) for point in line["withheld"]],
            "recognition_note": self.recognition(line["recognition"]),
        }

    def item(self, item: ItemRecord) -> ItemAnswer:
        """The verdict of a line with every check and source."""
        return {
            **item,
            **self.line(item),
            "checks": [self.check(check) for check in item["checks"]],
            "sources": [self.source(source) for source in item["sources"]],
        }

    def consignment(self, shown: ConsignmentRecord) -> ConsignmentAnswer:
        """A consignment with its lines."""
        changed: list[ChangeAnswer] = [
            {**one, "text": self.reason(one["reason"], {"unmade": one["unmade"]})} for one in shown["changed"]
        ]
        return {**shown, "items": [self.line(line) for line in shown["items"]], "changed": changed}

    def gap(self, gap: GapRecord, height: int) -> GapAnswer:
        """A data point, or a row of the policy that is recognised for information only, by name."""
        if "dp" not in gap:
            return {**gap, "name": self.sentence("recognition.gap"), "provision": ""}
        row = self.points(height).get(gap["dp"], {})
        return {
            **gap,
            "name": in_language(row.get("name", ""), self.language),
            "provision": row.get("provision", ""),
        }

    def points(self, height: int) -> Mapping[int, Mapping[str, Any]]:
        """The data points by number, as they were called at a height."""
        table = self._datapoints_at(height)
        known = next((points for kept, points in self._points if kept is table), None)
        if known is None:
            known = {row["dp"]: row for row in table.get("dataPoints", ())}
            self._points = [(table, known), *self._points[: TABLES_KEPT - 1]]
        return known

    def source(self, source: SourceRecord) -> SourceAnswer:
        """A source by name, with why it has no age."""
        ageless = self.sentence("ageless") if source["source"] in AGELESS else None
        return {**source, "name": self.sentence(f"source.{source['source']}", source), "age_note": ageless}

    def recognition(self, answers: Sequence[RecognitionRecord]) -> str:
        """What the recognitions in force say, as one paragraph; `recognition_rows` has them one by one."""
        if not answers:
            return ""
        if "row" not in answers[0]:
            return self.sentence("recognition.none", answers[0])
        rows = "; ".join(self.recognition_rows(answers))
        return f"{self.sentence('recognition.demonstration')} {rows}."

    def recognition_rows(self, answers: Iterable[RecognitionRecord]) -> list[str]:
        """One line for each recognition in force."""
        told = [(one, effect_word(one["effect"], self.language)) for one in answers if "row" in one]
        return [self.sentence("recognition.answer", {**one, "effect": effect}) for one, effect in told]

    def verification(self, made: Verification) -> VerificationAnswer:
        """The answer of the VC-API: {verified, checks, problemDetails, warnings, credentials?}."""
        told: VerificationAnswer = {
            "verified": made.verified,
            "checks": [self.check(check.as_dict()) for check in made.checks],
            "problemDetails": [self._problem(check.as_dict()) for check in made.problems],
            "warnings": [self._problem(check.as_dict()) for check in made.warnings],
        }
        if made.credentials is not None:
            told["credentials"] = [self.verification(inner) for inner in made.credentials]
        return told

    def _problem(self, check: CheckRecord) -> ProblemAnswer:
        """RFC 9457, of a check."""
        reason = check["reason"]
        step = self.step(reason)
        detail = check["evidence"].get("detail") or self.reason(reason, check["evidence"])
        told: ProblemAnswer = {
            "type": f"urn:comity:reason:{reason}",
            "title": check["name"],
            "detail": detail,
            "fault": step["fault"],
            "next": step["next"],
        }
        if "age_s" in check:
            told["age_s"] = check["age_s"]
        return told

    # -- the importer's report ------------------------------------------------------------------------

    def report(self, report: ReportRecord) -> ReportAnswer:
        """The readiness report with its sentence, its requirements by name, and who is asked for what."""
        told = {**report["head"], "jurisdiction": report["jurisdiction"]}
        return {
            **report,
            "head": {**report["head"], "sentence": self.sentence("report.head", told)},
            "rows": [_requirement(self, row) for row in report["rows"]],
            "left_out": [_left_out(self, line) for line in report["left_out"]],
            "note": self.sentence("recognition.demonstration"),
        }

    # -- own attestations -----------------------------------------------------------------------------

    def progress(self, progress: Progress) -> ProgressAnswer:
        """Where an own attestation stands, with what became of it and why it waits."""
        return {
            **progress,
            "refusal": self._refusal(progress["refusal"]),
            "waiting": self._waiting(progress["waiting"]),
        }

    def passport(self, passport: PassportProgress) -> PassportAnswer:
        """Where a passport of this node stands, and its attestations."""
        return {
            **passport,
            "refusal": self._refusal(passport["refusal"]),
            "waiting": self._waiting(passport["waiting"]),
            "attestations": [self.progress(one) for one in passport["attestations"]],
        }

    def _refusal(self, refusal: RefusalRecord | None) -> RefusalAnswer | None:
        if refusal is None:
            return None
        told = dict(refusal)
        if refusal["detail"] is not None:
            told["detail"] = self.refusal(refusal["rule"] or "", refusal["detail"], {})
        step = step_of(refusal["rule"] or refusal["state"], refusal["detail"] or "", {}, self.language)
        return {**refusal, "text": self.sentence(f"refusal.{refusal['state']}", told), **step}

    def _waiting(self, waiting: WaitingRecord | None) -> WaitingAnswer | None:
        if waiting is None:
            return None
        detail = self.refusal(waiting["code"], waiting["template"], waiting["parameters"])
        return {
            "code": waiting["code"],
            "detail": detail,
            "text": self.sentence("waiting", {"detail": detail}),
            **step_of(waiting["code"], waiting["template"], waiting["parameters"], self.language),
        }

    # -- the node ------------------------------------------------------------------------------------

    def condition(self, condition: Condition) -> ConditionAnswer:
        """{code, stops, since, parameters, text, fault, next}: for programs, with sentences for people."""
        row = conditions()[condition.code]
        parameters = {**condition.parameters, "since": when(condition.since)}
        return {
            "code": condition.code,
            "stops": condition.stops,
            "since": condition.since,
            "parameters": dict(condition.parameters),
            "text": self.fill(row, parameters),
            "fault": row["fault"],
            "next": self.fill(row["next"], parameters),
        }

    def fault(self, fault: FaultRecord) -> FaultAnswer:
        """A fault of a validator, with what it did in words."""
        return {**fault, "words": self.sentence(f"fault.{fault['kind']}")}


def told_in_all(problem: ProblemError, words: Mapping[str, Words]) -> dict[str, dict[str, str]]:
    """What a problem says in each language: what happened, whose fault it is, what to do."""
    told: dict[str, dict[str, str]] = {}
    for language, own in words.items():
        (title, detail), step = own.problem(problem), own.problem_step(problem)
        told[language] = {"title": title, "detail": detail, "fault": step["fault"], "next": step["next"]}
    return told


def left_out_row(words: Words, sentence: str, parameters: Mapping[str, object]) -> tuple[str, str]:
    """Why a row of a table is no line, and what its sender does."""
    step = step_of("manifest_invalid", sentence, parameters, words.language)
    return words.refusal("manifest_invalid", sentence, parameters), step["next"]


def _left_out(words: Words, line: LeftOutRecord) -> LeftOutAnswer:
    reason = line["reason"]
    return {**line, "text": words.reason(reason, line), **words.step(reason)}


def _requirement(words: Words, row: RequirementRecord) -> RequirementAnswer:
    named, counted = row["asked"], {name: value for name, value in row.items() if name != "asked"}
    asks, is_open = row["asks"], row["state"] == "open"
    who = ", ".join(words.own(one.replace("_", " ")) for one in sorted({ask["who"] for ask in asks}))
    return {
        **cast("CountedRecord", counted),
        "requirement": words.own(named["requirement"]),
        "provision": named["provision"],
        "element": named.get("element"),
        "coverage": named.get("coverage"),
        "legal_route": named.get("legalRoute"),
        "who": who if is_open else None,
        "action": "; ".join(sorted({_ask(words, ask) for ask in asks})) if is_open else None,
    }


def _ask(words: Words, ask: AskRecord) -> str:
    return words.sentence(f"ask.{ask['why']}", {"what": words.own(ask["what"] or "")})


SAID_OF_ALERTS = (
    *("rule", "maker", "winner", "kind", "refuser", "accused", "until"),
    *("licence", "period", "most", "basis"),  # of a capacity
    *("metal", "grams"),  # of lots
    "count",  # of what was presented on a day
)


def alert_words(words: Words, code: str, parameters: Mapping[str, Any]) -> tuple[str, str, str]:
    """(what an alert says, whose fault it is, what whoever is alerted does now)."""
    row = alerts().get(code)
    if row is None:  # of a later version
        return code.replace("_", " "), "node", words.sentence("later_version")
    told = {
        **dict.fromkeys(SAID_OF_ALERTS, "-"),
        **parameters,
    }
    if row["leaf"] == "attempt" and "kind" in parameters:  # an event by its name of ours
        name = str(parameters["kind"]).replace(".", " ").replace("_", " ")
        told["kind"] = in_language(name, words.language)
    return words.fill(row, told), row["fault"], words.fill(row["next"], told)
