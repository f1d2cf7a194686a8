"""Rule files with a member changed: refused with file, member and what belongs there, or read by all."""

from __future__ import annotations

import copy
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any

import orjson
import pytest

from consensus.application import NotYet, Refusal
from credentials.documents.identifiers import parse_identifier
from credentials.errors import CredentialError
from credentials.ledger.governance_records import RulesNotHere
from credentials.ledger.parties import Limits
from credentials.ledger.records import Claim, Claims
from credentials.verdicts.evidence import Tables
from credentials.verdicts.manifest import Line
from credentials.verdicts.readiness import readiness
from credentials.verdicts.severity import ORDER
from node import config, rules_in_force
from node.cli.judge import _print_verdict
from node.setup.rule_files import require_proposed, require_readable
from node.verdicts.export import as_rows
from node.words import Words
from tests.credentials.test_shown import VIN, dismantled_and_presented, installed
from tests.harness.border import LAW_DATE, World, policy, used_pack, words
from tests.harness.ledger import (
    CUSTOMS,
    EU_AUTHORITY,
    MAKER,
    RECYCLER,
    WORKSHOP,
    Ledger,
    battery,
    founded,
    set_list,
    vehicle,
    without_kinds,
)

Path = tuple[str | int, ...]
WAYS = ("drop", "other type", "list in a list", "null", "empty", "unknown name")
# Told by row or by field of a code, not by member.
OTHERS = ("shown-as.toml", "crosswalk-eu-cn.json", "crosswalk-evidence.json", "gbt34014.json")


def members(value: Any, path: Path = ()) -> Iterator[Path]:
    """The place of every member and item below a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inside:
        yield (*path, name)
        yield from members(one, (*path, name))


def changed(table: Mapping[str, Any], path: Path, way: str) -> Any:
    """The table with the member at this place changed in this way."""
    found: Any = copy.deepcopy(table)
    inside = found
    for name in path[:-1]:
        inside = inside[name]
    name, value = path[-1], inside[path[-1]]
    if way == "drop":
        del inside[name]
    elif way == "other type":
        inside[name] = 7 if isinstance(value, str | list | dict) else "seven"
    elif way == "list in a list":
        inside[name] = [[]]
    elif way == "null":
        inside[name] = None
    elif way == "empty":
        inside[name] = type(value)() if isinstance(value, str | list | dict) else -1
    elif isinstance(value, dict):
        value["nobody"] = 1
    else:
        inside[name] = "nobody"
    return found


def mutants(name: str, share: int) -> Iterator[tuple[Path, str, Any]]:
    """(place, way, table): the same on every run."""
    table = config.read_table(name, config.shipped(f"rules/{name}"))
    places = [path for path in members(table) if "$comment" not in path]
    random.Random(name).shuffle(places)
    for path in places[:share]:
        for way in WAYS:
            yield path, way, changed(table, path, way)


@cache
def batteries() -> tuple[World, tuple[str, ...]]:
    """Lives that lead through most of the tables: used and exported, in a car, taken apart."""
    w = World()
    return w, (used_pack(w, 1), installed(w, 2), dismantled_and_presented(w))


def read_everywhere(tables: Tables, lives: int = 3) -> None:
    """Codes, verdicts and the importer's report, by these tables; words of them as well."""
    w, texts = batteries()
    network = w.network(tables=tables)
    for text in texts[:lives]:
        parse_identifier("gbt34014", text, tables.identifiers, namespace=MAKER)
        evidence = w.evidence(text, points=(1, 2, 3, 4), network=network, vin=VIN)
        w.judge(text, evidence=evidence, direction="import", condition="used").as_dict()
        w.judge(text, evidence=evidence, direction="import", goods="in_vehicle", vin=VIN).as_dict()
        items = [(Line(1, text), evidence)]
        told = readiness(items, policy("importer-eu"), LAW_DATE, w.now)
        Words("en", lambda height: tables.datapoints).report(told)


def said_of(name: str, table: Any) -> str | None:
    """Why a file is not held, as whoever adds it reads it; None: it is held."""
    data = json.dumps(table).encode()
    if name.endswith(".toml"):
        return rules_in_force.why_unread(name, table)
    try:
        require_readable(name, sha256(data).digest(), lambda digest: data)
    except RulesNotHere as error:
        return error.why
    return None


def examine(name: str, share: int, lives: int) -> None:
    """Each mutant of a file that verdicts read."""
    assert "is missing" in (said_of(name, {}) or "") or name == "shown-as.toml"
    for path, way, table in mutants(name, share):
        why = said_of(name, table) or rules_in_force.why_not_together({name: table})
        if why is None:
            read_everywhere(rules_in_force.tables_of({name: table}), lives)
            continue
        assert f"{name} cannot be used" in why, (path, way, why)
        steps = [step for step in path if isinstance(step, str)]
        assert name in OTHERS or any(step in why for step in steps[-2:]), (path, way, why)


VERDICT_FILES = tuple(name for name in config.RULES_READ if name != "lifecycle.json")


@pytest.mark.parametrize("name", VERDICT_FILES)
def test_a_table_is_refused_by_its_member_or_read_by_all(name: str) -> None:
    """
    Of each shipped file members are dropped, emptied, given another type or another name: the file is refused
    with its name, the member and what belongs there, or codes, verdicts and report are made by it.
    """
    examine(name, share=2, lives=1)


@pytest.mark.long
@pytest.mark.parametrize("name", VERDICT_FILES)
def test_many_tables_are_refused_by_their_member_or_read_by_all(name: str) -> None:
    """
    The same of more members, with lives that lead through more of the tables.
    """
    examine(name, share=12, lives=3)


def acts(ledger: Ledger) -> Iterator[bytes]:
    """What makers, workshops and authorities say of two batteries, one after the other."""
    one, two, car = battery(1), battery(2), vehicle(1)
    sets = {"set_list": set_list(1)}
    yield ledger.attest(MAKER, "battery.produced", one)
    yield ledger.attest(MAKER, "passport.published", one, **sets)
    yield ledger.attest(MAKER, "market.placed", one, parties=(WORKSHOP,))
    yield ledger.attest(MAKER, "battery.produced", two)
    yield ledger.attest(MAKER, "passport.published", two, set_list=set_list(2))
    yield ledger.attest(MAKER, "battery.installed", two, bound_asset=car)
    yield ledger.attest(MAKER, "battery.recalled", two)
    yield ledger.attest(EU_AUTHORITY, "passport.suspended", one)
    yield ledger.attest(WORKSHOP, "soh.measured", one, quantities={"soh_permille": 871})
    yield ledger.attest(CUSTOMS, "customs.refused", one)
    yield ledger.attest(MAKER, "battery.exported", two)
    yield ledger.attest(MAKER, "battery.declared_waste", one, parties=(RECYCLER,))
    yield ledger.attest(RECYCLER, "battery.dismantled", one)


def lives_under(table: Any) -> None:
    """Every act is admitted or refused by a life cycle, and nothing else happens."""
    genesis = founded(Limits())
    governance = replace(genesis.governance, rules={**genesis.governance.rules, "lifecycle.json": table})
    ledger = Ledger(replace(genesis, governance=governance))
    for tx in acts(ledger):
        try:
            ledger.registry.check_tx(tx, ledger.now)
        except (Refusal, NotYet):
            continue
        ledger.execute(ledger.block(ledger.propose([tx])))


def examine_lifecycle(share: int) -> None:
    assert " lacks " in (said_of("lifecycle.json", {}) or "")
    for path, way, table in mutants("lifecycle.json", share):
        why = said_of("lifecycle.json", table)
        if why is not None:
            assert why.startswith("the lifecycle rules cannot be read: "), (path, way, why)
            continue
        try:
            lives_under(table)
        except CredentialError as error:  # what governs does not go with it: the proposal lapses
            assert error.code == "governance_invalid", (path, way, error)


def test_a_life_cycle_is_refused_by_its_member_or_lived_by() -> None:
    """
    The same of the life cycle: it is refused in one sentence, or blocks are executed under it.
    """
    examine_lifecycle(4)


@pytest.mark.long
def test_many_life_cycles_are_refused_by_their_member_or_lived_by() -> None:
    """
    The same of more members.
    """
    examine_lifecycle(60)


@pytest.mark.long
def test_a_life_cycle_without_any_one_event_judges_no_battery_milder() -> None:
    """
    Each event in turn is dropped from the life cycle in force: what was recorded under it is judged all the
    same, and by no better word.
    """
    w, texts = batteries()
    governance = w.governance

    def said(cycle: Mapping[str, Any]) -> dict[str, str]:
        rules = {**governance.rules, "lifecycle.json": cycle}
        network = w.network(governance=replace(governance, rules=rules))
        words = dict[str, str]()
        for text in texts:
            evidence = w.evidence(text, points=(1, 2, 3, 4), network=network, vin=VIN)
            for goods in ("battery", "in_vehicle"):
                shown = w.judge(text, evidence=evidence, direction="import", goods=goods, vin=VIN).as_dict()
                words[f"{text} {goods}"] = shown["verdict"]
        return words

    whole = config.read_table("lifecycle.json", config.shipped("rules/lifecycle.json"))
    before = said(whole)
    for row in (*whole["events"], *whole["kinds"]):
        now = said(without_kinds(whole, row["type"]))
        milder = [k for k, word in now.items() if ORDER.index(word) < ORDER.index(before[k])]
        assert not milder, (row["type"], milder)


@pytest.mark.check
def test_what_rests_on_an_event_that_is_gone_is_told_in_words_by_command_and_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    Each event in turn is dropped, and the code is claimed by one that was: a line of the CSV export and
    `comity check` say the verdict, its sentence and what to do, in both languages, and leave no gap.
    """
    w, texts = batteries()
    told = words("en"), words("zh")
    whole = config.read_table("lifecycle.json", config.shipped("rules/lifecycle.json"))
    claims = Claims(bytes(32), 1, (Claim(WORKSHOP, "", 7, alert=False),))
    found = Counter[str]()
    for row in whole["events"]:
        rules = {**w.governance.rules, "lifecycle.json": without_kinds(whole, row["type"])}
        network = w.network(governance=replace(w.governance, rules=rules))
        for text in texts:
            known = w.evidence(text, points=(1, 2, 3, 4), network=network, vin=VIN)
            assert known.ledger is not None
            evidence = replace(known, ledger=replace(known.ledger, claims=claims))
            item = w.judge(text, evidence=evidence, direction="import", vin=VIN).as_dict()
            reasons = {item["reason"], *(check["reason"] for check in item["checks"])}
            found.update(reasons & {"kind_unknown", "claimed"})
            for said in told:
                names, cells = as_rows([item], [], "D-1", said)
                line = dict(zip(map(str, names), cells, strict=True))
                table = " ".join(str(cell) for cell in cells if cell is not None)
                main = said.item(orjson.loads(orjson.dumps(item)))
                assert (line["verdict"], line["reason"]) == (item["verdict"], item["reason"])
                assert line["text"] == main["text"] and line["next"] == main["next"]
                _print_verdict({**main})
                printed = capsys.readouterr().out
                for check in main["checks"]:
                    if check["outcome"] not in ("pass", "not_applicable"):
                        assert check["text"] and check["text"] in printed
                assert not re.search(r"\bNone\b|[{}]", table + printed), row["type"]
    assert found["kind_unknown"] and found["claimed"], found


def test_an_item_that_is_there_twice_is_told() -> None:
    """
    By its place; each item is looked at once, however many there are.
    """
    table = changed(
        config.read_table("gbt34014.json", config.shipped("rules/gbt34014.json")), ("gs1",), "null"
    )
    table["gs1"] = {"companyPrefixes": [*map(str, range(50_000)), "7"]}

    assert "gs1.companyPrefixes[50000] is there twice" in (said_of("gbt34014.json", table) or "")


def test_files_that_do_not_go_together_are_not_held() -> None:
    """
    Files of which each can be read are not held where one lacks what another needs, or names what it has not.
    """
    whole = {name: config.read_table(name, config.shipped(f"rules/{name}")) for name in config.RULES_READ}
    fewer = copy.deepcopy(whole["passport-paths.json"])
    del fewer["dataPoints"]["7"]
    strange = copy.deepcopy(whole["verdicts.json"])
    strange["events"]["presentation"] = ["battery.shown"]
    without = copy.deepcopy(whole["lifecycle.json"])
    without["events"] = [e for e in without["events"] if e["type"] != "battery.maintained"]

    more = copy.deepcopy(whole["lifecycle.json"])
    more["settings"]["of_before"] = {"key": "act", "text": "Of before."}
    for section in ("states", "marks", "roles"):
        more[section]["of_before"] = "Of before."
    for sort in ("battery", "asset"):
        more["schemes"][sort].append("of_before")

    def why(name: str, table: Any) -> str:
        data = json.dumps(table).encode()
        digest = sha256(data).digest()
        assert said_of(name, table) is None, "by itself it can be read"
        with pytest.raises(RulesNotHere) as error:
            require_proposed({name: digest}, whole, lambda _: data)
        assert error.value.name == name
        return error.value.why

    assert "dataPoints.7 is missing" in why("passport-paths.json", fewer)
    assert "battery.shown, and lifecycle.json has no such event" in why("verdicts.json", strange)
    assert "no battery.maintained among its events any more" in why("lifecycle.json", without)
    for section in ("states", "marks", "settings", "roles"):
        kept = copy.deepcopy(more)
        del kept[section]["of_before"]
        whole["lifecycle.json"] = more
        assert f"no of_before among its {section} any more" in why("lifecycle.json", kept)
    for sort in ("battery", "asset"):
        kept = copy.deepcopy(more)
        kept["schemes"][sort].remove("of_before")
        assert f"no of_before among its {sort} schemes any more" in why("lifecycle.json", kept)


def test_files_that_govern_and_do_not_go_together_decide_nothing() -> None:
    """
    Where they govern all the same, the later of them by name is one that cannot be read, and nothing raises.
    """
    governance = founded(Limits()).governance
    paths = config.read_table("passport-paths.json", config.shipped("rules/passport-paths.json"))
    points = config.read_table(config.DATA_POINTS, config.shipped(f"rules/{config.DATA_POINTS}"))
    del paths["dataPoints"]["7"]
    rules = {**governance.rules, "passport-paths.json": paths, config.DATA_POINTS: points}

    tables = rules_in_force.tables(replace(governance, rules=rules))

    assert tables.unread.keys() == {"passport-paths.json"}
    assert "dataPoints.7 is missing" in tables.unread["passport-paths.json"]
    read_everywhere(tables)
