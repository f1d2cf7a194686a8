"""A battery under two codes on a real node: the record of the other code is read, with its declaration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from credentials.documents.canonical import digest_document
from credentials.documents.identifiers import Identifier, Subject, read_identifier, subject
from credentials.ledger.attestation import standing_key
from credentials.ledger.namings import namings_key
from credentials.ledger.recalls import recall_subject
from credentials.ledger.records import claims_key
from credentials.ledger.standing import Standing
from credentials.verdicts.evidence import Held, LedgerView
from node.rules_in_force import tables
from node.storage.consignments import ItemRow
from node.storage.office import OfficeStore
from node.storage.overtaken import NAMERS_MAX
from node.verdicts.fetching import Fetching
from node.verdicts.further_codes import PASSPORT_CODES_MAX, SHOWN_CODES_MAX, FurtherCodes
from node.verdicts.ledger_views import taken_out_of
from node.verdicts.sources import Gathering, Reading
from node.web.sample import sample_claims
from tests.credentials.test_namers import on_record
from tests.credentials.test_two_codes import two_codes
from tests.harness.border import World
from tests.harness.ledger import MAKER, WORKSHOP, Ledger, accreditation, accreditations, make_genesis
from tests.harness.support_service import ROLES, LiveNode, live_node

CODE, LINK = "ZZ1PE75QH00001G620000031", "https://id.gs1.org/01/09521001000000/21/31"
ELSEWHERE = "26NLOTHER"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with live_node(tmp_path_factory.mktemp("codes"), (*ROLES, "workshop", "waste_operator")) as made:
        yield made


def attest(node: LiveNode, event: str, battery: str, **members: Any) -> None:
    answer = node.post_json("/attestations", {"event": event, "battery": battery, "members": members})
    assert answer.status_code == 201, answer.text
    digest = answer.get_json()["digest"]
    node.wait(lambda: node.get(f"/receipts/{digest}").status_code == 200, event)


def publish(node: LiveNode, code: str, named: str) -> None:
    """A passport of this code that names the battery so."""
    claims = sample_claims(node.service, code)
    claims["GeneralProductInformation"]["productIdentifier"] = named
    answer = node.post_json("/passports", {"code": code, "claims": claims})
    assert answer.status_code == 201, answer.text
    received(node, answer.get_json()["digest"])


def received(node: LiveNode, digest: str) -> None:
    node.wait(lambda: node.get(f"/receipts/{digest}").status_code == 200, "a receipt")


def alias_reasons(
    node: LiveNode, declaration: str, code: str = CODE, shown: Sequence[Mapping[str, Any]] = ()
) -> set[str]:
    line = {
        "line": 1,
        "documents": list(shown),
        "battery": code,
        "goods": "battery",
        "condition": "new",
        "commodity_code": "8507600000",
    }
    manifest = {"declaration": declaration, "law_date": "2027-03-01", "direction": "import", "lines": [line]}
    answer = node.post_json("/consignments", manifest).get_json()
    node.wait(lambda: node.get_json(f"/consignments/{answer['id']}")["state"] == "done", "the verdict")
    found = node.get_json(f"/consignments/{answer['id']}/items/1")
    return {check["reason"] for check in found["checks"] if check["name"] == "alias"}


def test_what_is_on_record_of_the_other_code_is_gathered(node: LiveNode) -> None:
    """
    The passport of the first code names the second; that was enrolled, tested and declared elsewhere: each
    is read from its own record and the document of its declaration.
    """
    publish(node, CODE, LINK)
    assert alias_reasons(node, "26NLBEFORE") == {"alias_not_recorded"}

    attest(node, "battery.enrolled", LINK, ground="older_stock", evidence="photo")
    attest(node, "soh.measured", LINK, method="m", measured_on="2026-06-04", soh_permille=400)
    attest(
        node, "battery.presented", LINK, declaration_number=ELSEWHERE, registration_id="R",
        commodity_code="8507600000", eori="DE1",
    )  # fmt: skip

    used = {"origin_not_on_record", "used_sold_as_new"}
    assert alias_reasons(node, "26NLOURS") == {*used, "second_presentation"}
    assert alias_reasons(node, ELSEWHERE) == used


def test_an_open_line_is_woken_by_what_happens_under_its_further_code(node: LiveNode) -> None:
    """
    I9: what is recorded under the code that the passport names, and a recall of such codes, recorded or not,
    changes the word of the line under the other.
    """
    code, link = CODE.replace("0000031", "0000032"), LINK.replace("/31", "/32")
    claims = sample_claims(node.service, code)
    claims["GeneralProductInformation"]["productIdentifier"] = link
    digest = node.post_json("/passports", {"code": code, "claims": claims}).get_json()["digest"]
    node.wait(lambda: node.get(f"/receipts/{digest}").status_code == 200, "the passport's receipt")
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    manifest = {"declaration": "26NLWAKE", "law_date": "2027-03-01", "direction": "import"}
    sent = node.post_json("/consignments", manifest | {"lines": [{"line": 1, "battery": code, **goods}]})
    where = f"/consignments/{sent.get_json()['id']}"
    node.wait(lambda: node.get_json(where)["state"] == "done", "the verdict")

    def reasons() -> set[str]:
        checks = node.get_json(f"{where}/items/1")["checks"]
        return {check["reason"] for check in checks if check["name"] == "alias"}

    assert reasons() == {"alias_not_recorded"}
    recall = {"event": "recall.published", "battery": "gs1:9521001"}
    members = {"criteria": {"prefixes": [link]}, "reason": "fire"}
    assert node.post_json("/attestations", recall | {"members": members}).status_code == 201
    node.wait(lambda: reasons() == {"recalled"}, "the recall")
    attest(node, "battery.enrolled", link, ground="older_stock", evidence="photo")
    node.wait(lambda: "origin_not_on_record" in reasons(), "the enrolment")


def test_when_a_pack_was_placed_is_gathered_for_its_modules(node: LiveNode) -> None:
    """
    The block time at which a pack without a passport was placed: whether the law asked for one goes by that.
    """
    pack, module = (CODE.replace("0000031", f"00000{n}") for n in (51, 52))
    attest(node, "battery.produced", pack, production_date="2026-06-02", category="ev")
    attest(node, "market.placed", pack, art_41_checked=True)
    attest(node, "battery.declared_waste", pack, reason="worn")
    attest(node, "battery.dismantled", pack, facility_licence="L", children=[module], fates=["recycle"])

    gathering = node.service.overview.gathering
    view = gathering.evidence({"battery": module}).ledger
    standing = gathering.standing_of(pack)
    assert view is not None and standing is not None
    (placed,) = standing.settings("placed").values()
    row = node.service.stores.ledger.leaves.at(placed.leaf_index)
    assert row is not None
    times = node.service.stores.ledger.block_times([row.height])
    assert view.kin_placed == {placed.leaf_index: times[row.height]}


def test_the_fate_that_a_dismantling_states_of_a_further_code_is_gathered(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    X8: the document of the dismantling is asked for and read, though the code shown came out of no pack. It
    was read where it was held, and asked for nowhere else.
    """
    pack, code, link = *(CODE.replace("0000031", f"00000{n}") for n in (61, 62)), LINK.replace("/31", "/62")
    attest(node, "battery.produced", pack, production_date="2026-06-02", category="ev")
    attest(node, "battery.enrolled", link, ground="older_stock", evidence="photo")
    attest(node, "battery.declared_waste", pack, reason="worn")
    attest(node, "battery.dismantled", pack, facility_licence="L", children=[link], fates=["missing"])
    publish(node, code, link)

    assert "lost" in alias_reasons(node, "26NLFATE", code)
    gathering, asked = node.service.overview.gathering, set[bytes]()
    monkeypatch.setattr(Fetching, "fetch", lambda _, wanted, age_s_max=None: asked.update(*wanted.values()))
    gathering.fetch_for([{"battery": code}])
    (out,) = taken_out_of(gathering.evidence({"battery": code}).aliases[link])
    assert out.document_digest in asked


@pytest.mark.check
def test_the_fate_of_a_pack_under_its_further_code_is_gathered_for_its_modules(node: LiveNode) -> None:
    """
    X8: by which the pack came out of another one under the link that its passport names, with the document.
    """
    outer, pack, module = (CODE.replace("0000031", f"00000{n}") for n in (63, 64, 65))
    link = LINK.replace("/31", "/64")
    attest(node, "battery.produced", outer, production_date="2026-06-02", category="ev")
    attest(node, "battery.enrolled", link, ground="older_stock", evidence="photo")
    attest(node, "battery.declared_waste", outer, reason="worn")
    attest(node, "battery.dismantled", outer, facility_licence="L", children=[link], fates=["missing"])
    publish(node, pack, link)
    attest(node, "battery.declared_waste", pack, reason="worn")
    attest(node, "battery.dismantled", pack, facility_licence="L", children=[module], fates=["reuse"])

    goods = {"goods": "battery", "condition": "waste", "direction": "inland"}
    told = node.post_json("/clearance", {"battery": module, **goods}).get_json()

    fates = {c["evidence"].get("fate") for c in told["checks"] if c["name"] == "standing.state"}
    assert "missing" in fates and told["verdict"] == "hold"


@pytest.mark.check
def test_what_was_put_into_a_part_under_its_further_code_is_gathered(node: LiveNode) -> None:
    """
    X1, I2: a cell is put into a module under the link that its passport names, the module into a pack, and
    the cell is recalled: the documents of both repairs are read.
    """
    pack, part, cell = (CODE.replace("0000031", f"00000{n}") for n in (66, 67, 68))
    link = LINK.replace("/31", "/67")
    attest(node, "battery.produced", cell, production_date="2026-06-02", category="ev")
    attest(node, "battery.enrolled", link, ground="older_stock", evidence="photo")
    attest(node, "battery.maintained", link, work="module", child_in=cell)
    publish(node, part, link)
    publish(node, pack, "https://id.example.org/66")
    attest(node, "battery.maintained", pack, work="module", child_in=part)
    assert "part_recalled" not in reasons_inland(node, pack)
    attest(node, "battery.recalled", cell, reason="fire")

    assert "part_recalled" in reasons_inland(node, pack)


def reasons_inland(node: LiveNode, battery: str) -> set[str]:
    goods = {"goods": "battery", "condition": "used", "direction": "inland"}
    told = node.post_json("/clearance", {"battery": battery, **goods}).get_json()
    return {check["reason"] for check in told["checks"]}


def test_a_code_that_only_the_earlier_passport_names_is_gathered(node: LiveNode) -> None:
    """
    I1: published again without the further code, its record is read all the same; what is shown with the
    line, however much, crowds nothing of it out.
    """
    code, link = CODE.replace("0000031", "0000033"), LINK.replace("/31", "/33")
    publish(node, code, link)
    passport = node.get_json("/passports")["passports"][0]["digest"]
    revoked = node.post_json(f"/passports/{passport}/revoke", {"reason": "wrong"})
    received(node, revoked.get_json()["digest"])
    publish(node, code, "https://id.example.org/33")
    attest(node, "battery.enrolled", link, ground="older_stock", evidence="photo")
    attest(node, "soh.measured", link, method="m", measured_on="2026-06-04", soh_permille=400)
    others = [link.replace("/33", f"/{n:02}") for n in range(2 * SHOWN_CODES_MAX)]
    shown = [{"credentialSubject": {"GeneralProductInformation": {"productIdentifier": o}}} for o in others]

    used = {"origin_not_on_record", "used_sold_as_new"}
    assert alias_reasons(node, "26NLAGAIN", code) == {*used, "alias_not_recorded"}
    assert alias_reasons(node, "26NLCROWD", code, shown) >= used


def test_what_the_passport_of_a_further_code_names_is_gathered(node: LiveNode) -> None:
    """
    The closure of names: the record of a code that only the further code's own passport names; the line is
    woken by what happens under it.
    """
    code, link = CODE.replace("0000031", "0000034"), LINK.replace("/31", "/34")
    third = CODE.replace("0000031", "0000035")
    publish(node, code, link)
    attest(node, "battery.enrolled", link, ground="older_stock", evidence="photo")
    publish(node, link, third)
    assert alias_reasons(node, "26NLCHAIN", code) == {"origin_not_on_record", "alias_not_recorded"}
    (where,) = (
        c["id"] for c in node.get_json("/consignments")["consignments"] if c["declaration"] == "26NLCHAIN"
    )

    attest(node, "battery.enrolled", third, ground="older_stock", evidence="photo")
    attest(node, "soh.measured", third, method="m", measured_on="2026-06-04", soh_permille=400)

    def reasons() -> set[str]:
        checks = node.get_json(f"/consignments/{where}/items/1")["checks"]
        return {check["reason"] for check in checks if check["name"] == "alias"}

    node.wait(lambda: reasons() == {"origin_not_on_record", "used_sold_as_new"}, "the third code")


def made_open(node: LiveNode, declaration: str, *batteries: str) -> str:
    """Where a consignment is whose lines, of these batteries, were judged."""
    goods = {"goods": "battery", "condition": "new", "commodity_code": "8507600000"}
    lines = [{"line": number, "battery": code, **goods} for number, code in enumerate(batteries, 1)]
    manifest = {"declaration": declaration, "law_date": "2027-03-01", "direction": "import", "lines": lines}
    made: str = node.post_json("/consignments", manifest).get_json()["id"]
    node.wait(lambda: node.get_json(f"/consignments/{made}")["state"] == "done", "the verdicts")
    return made


def test_an_open_line_is_woken_by_what_happens_to_its_pack_under_a_further_code(node: LiveNode) -> None:
    """
    I9: nothing is on record of the code that the passport of its pack names; what is recorded under it later
    is about the module, whose line gets the new word with the one before.
    """
    pack, module = (CODE.replace("0000031", f"00000{n}") for n in (71, 72))
    link = LINK.replace("/31", "/71")
    publish(node, pack, link)
    attest(node, "battery.declared_waste", pack, reason="worn")
    attest(node, "battery.dismantled", pack, facility_licence="L", children=[module], fates=["reuse"])
    where = f"/consignments/{made_open(node, '26NLKIN', module)}/items/1"
    before = node.get_json(where)["height"]

    def recall() -> str:
        (check,) = (c for c in node.get_json(where)["checks"] if c["name"] == "standing.recall")
        reason: str = check["reason"]
        return reason

    assert recall() == "ok"
    attest(node, "battery.enrolled", link, ground="older_stock", evidence="photo")
    attest(node, "battery.recalled", link, reason="fire")

    node.wait(lambda: recall() == "recalled", "the recall under the further code")
    now = node.get_json(where)
    asked = {"battery": module, "direction": "import", "goods": "battery", "condition": "new"}
    again = node.post_json("/clearance", asked | {"commodity_code": "8507600000"}).get_json()
    assert now["height"] > before and (now["verdict"], now["reason"]) == (again["verdict"], again["reason"])


def test_an_open_line_is_woken_by_what_happens_to_a_part_under_a_further_code(node: LiveNode) -> None:
    """
    I9: the passport of a module that a repair put in names a link; recalled under that, it holds its pack.
    """
    pack, part = (CODE.replace("0000031", f"00000{n}") for n in (73, 74))
    link = LINK.replace("/31", "/74")
    publish(node, pack, LINK.replace("/31", "/73"))
    publish(node, part, link)
    attest(node, "battery.maintained", pack, work="module", child_in=part)
    where = f"/consignments/{made_open(node, '26NLPART', pack)}/items/1"

    def told() -> set[str]:
        return {c["reason"] for c in node.get_json(where)["checks"] if c["name"] == "standing.state"}

    assert "part_recalled" not in told()
    attest(node, "battery.enrolled", link, ground="older_stock", evidence="photo")
    attest(node, "battery.recalled", link, reason="fire")

    node.wait(lambda: "part_recalled" in told(), "the recall under the further code of the part")


def test_a_line_is_found_by_every_record_that_was_read_for_it(
    node: LiveNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    I9, generated: each key that is looked up in the ledger for a verdict, whether or not anything is there,
    finds its open line once the record under it changes. (What is claimed of a battery is no word of it.)
    """
    pack, module, part, other = (CODE.replace("0000031", f"00000{n}") for n in (81, 82, 83, 84))
    link, vin = LINK.replace("/31", "/81"), "ZZ9DEM0E0T0000081"
    publish(node, pack, link)
    attest(node, "battery.declared_waste", pack, reason="worn")
    attest(node, "battery.dismantled", pack, facility_licence="L", children=[module], fates=["reuse"])
    publish(node, part, LINK.replace("/31", "/83"))
    publish(node, other, LINK.replace("/31", "/84"))
    attest(node, "battery.maintained", other, work="module", child_out=part)
    attest(node, "battery.installed", other, vin=vin)
    batteries = (module, part, other)
    made = made_open(node, "26NLFOUND", *batteries)
    service = node.service
    office, watching, gathering = service.stores.office, service.judging.watching, service.overview.gathering
    ledger = service.stores.ledger
    node.wait(lambda: office.overtaken.watched_until() == ledger.log_size(), "the watch")
    node.wait(lambda: not office.overtaken.stale(1), "the lines")
    rows = [row for row in ledger.leaves.since(0, 9) if row.type == "block"][:1]  # about no battery
    tried = 0
    for number, code in enumerate(batteries, 1):
        for key in sorted(keys_read(gathering, code, monkeypatch)):
            with monkeypatch.context() as patch:
                patch.setattr(ledger.standings, "keys_changed", lambda first, last, key=key: [key])
                with ledger.reading():
                    about = watching.learned.about(rows)
            assert about is not None
            assert number in lines_found(office, made, about), (code, key.hex())
            tried += 1

    assert tried == 13


def keys_read(gathering: Gathering, code: str, monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """The keys under which a verdict on this battery looks in the ledger, but for claims, recalls of codes.

    Of what may name one it is that one's own.
    """
    read, ledger = set[bytes](), gathering._ledger

    def noting(asked: Callable[..., Any], every: Callable[[Any], Iterable[bytes]]) -> Callable[..., Any]:
        def noted(first: Any, *more: Any) -> Any:
            read.update(every(first))
            return asked(first, *more)

        return noted

    with monkeypatch.context() as patch:
        patch.setattr(ledger.standings, "records", noting(ledger.standings.records, tuple))
        for name in ("of", "said_by"):
            patch.setattr(ledger.leaves, name, noting(getattr(ledger.leaves, name), lambda key: (key,)))
        evidence = gathering.evidence({"battery": code})
    views = [view for view in (evidence.ledger, *evidence.aliases.values()) if view is not None]
    family = [one for view in views for one in (view.standing, *view.relatives.values()) if one is not None]
    known = {*evidence.subjects.values(), *(one.subject for one in family)}
    beside = {standing_key(recall_subject(one.scheme, one.namespace)) for one in known}
    namings = {namings_key(standing_key(one)): standing_key(one) for one in known}
    claims = {claims_key(standing_key(one)) for one in known}
    return {namings.get(key, key) for key in read - beside - claims}


def lines_found(office: OfficeStore, made: str, about: Mapping[str, Sequence[bytes | str]]) -> set[int]:
    """The lines of a consignment that are marked once this is known of the newest leaves; all is put back."""
    with office.writing() as db:
        office.overtaken.mark_stale(db, about=about, created_after=0)
        rows = db.execute("SELECT line FROM items WHERE consignment = ? AND stale != 0", (made,)).fetchall()
        db.execute("UPDATE items SET stale = 0")
    return {row["line"] for row in rows}


# -- what names a battery, of what was judged here ----------------------------------------------------------

RULES = tables().identifiers
ONE, OTHER = "did:web:one.example", "did:web:other.example"


def subject_of(text: str) -> Subject:
    return subject(read_identifier(text, RULES, namespace=ONE), bytes(32))


def seen_by(office: OfficeStore, counts: Mapping[str, int], named: str = CODE) -> list[str]:
    """So many batteries of each of these parties on lines of a manifest, whose passports name this one."""
    issuers = [by for by, count in counts.items() for _ in range(count)]
    made = {CODE.replace("0000031", f"{line:07}"): by for line, by in enumerate(issuers, 1)}
    rests = (("subject", standing_key(subject_of(named))),)
    rows = []
    for line, (text, by) in enumerate(made.items(), 1):
        body, key = orjson.dumps({"battery": text}), standing_key(subject_of(text))
        rows.append(ItemRow(line, line, "clear", body, subject=key, issuer=by, rests=rests))
    with office.writing() as db:
        office.consignments.put_items(db, "c", rows)
    return list(made)


def further_codes(office: OfficeStore, view: LedgerView | None = None) -> FurtherCodes:
    def identified(text: str, issuer: str) -> tuple[Identifier, str]:
        return read_identifier(text, RULES, namespace=issuer), ""

    return FurtherCodes(identified, lambda *_: view or LedgerView(None), bytes(32), tables, office)


def naming(text: str) -> Held:
    """A passport that names the battery so."""
    general = {"productIdentifier": text}
    return Held({"issuer": ONE, "credentialSubject": {"GeneralProductInformation": general}})


def test_no_partys_batteries_leave_out_anothers(tmp_path: Path) -> None:
    """
    Of each party that many, and one more where it has more: with one bound for all, a battery that is in use
    was left out by others that name the same.
    """
    office = OfficeStore(tmp_path / "office.db")
    made = seen_by(office, {ONE: 3 * NAMERS_MAX, OTHER: 1})
    first, more = office.overtaken.named_by([standing_key(subject_of(CODE))], [ONE, OTHER])

    assert (len(first), len(more)) == (NAMERS_MAX + 1, 1)
    assert made[-1] in first and not {*more} & {*first}
    assert office.overtaken.named_by([standing_key(subject_of(CODE))], ["did:web:third.example"]) == ([], [])
    office.close()


def test_what_names_a_battery_crowds_out_nothing_that_its_passports_name(tmp_path: Path) -> None:
    """
    As many codes as are read, named by documents that come after the batteries that name this one.
    """
    office = OfficeStore(tmp_path / "office.db")
    seen_by(office, {ONE: 3 * NAMERS_MAX})
    codes = further_codes(office)
    reading = Reading(1, LedgerView(None), {CODE: subject_of(CODE)}, parties={ONE})
    assert codes.read(reading, make_genesis().governance)
    assert len(reading.namers) == NAMERS_MAX + 1

    links = [LINK.replace("/31", f"/{n}") for n in range(40, 40 + PASSPORT_CODES_MAX)]
    reading.documents.update({bytes([n]): naming(link) for n, link in enumerate(links)})
    assert codes.read(reading, make_genesis().governance)
    assert {*links} <= reading.aliases.keys()
    assert not codes.read(reading, make_genesis().governance)
    office.close()


@pytest.mark.parametrize("seen", [(1,), (1, 4)])
def test_set_4_of_a_further_code_is_asked_for_where_it_may_be_seen(
    seen: tuple[int, ...], tmp_path: Path
) -> None:
    """
    Beside the public set of each passport on its record: with the live one, by its digest.
    """
    office = OfficeStore(tmp_path / "office.db")
    w, text = two_codes()
    (link,) = w.evidence(text).aliases
    reading = Reading(1, w.view(text), {text: subject_of(text)}, parties={MAKER}, seen=seen)
    reading.documents[b"1"] = naming(link)

    further_codes(office, w.view(link)).read(reading, w.governance)

    asked = {digest for digest, _ in reading.earlier}
    sets = w.passports[link].credentials
    assert [p for p in sets if digest_document(dict(sets[p])) in asked] == list(seen)
    office.close()


def test_what_names_what_a_battery_came_of_is_read(tmp_path: Path) -> None:
    """
    A battery was judged here whose passport names what this one was made from, by a party of that.
    """
    office = OfficeStore(tmp_path / "office.db")
    (other,) = seen_by(office, {ONE: 1})
    old, own = Standing(subject_of(CODE)), CODE.replace("0000031", "0000077")
    reading = Reading(1, LedgerView(None, relatives={old.key: old}), {own: subject_of(own)}, parties={ONE})

    assert further_codes(office).read(reading, make_genesis().governance)
    assert reading.namers == [other]
    office.close()


@pytest.mark.parametrize("party", [ONE, OTHER])
def test_what_names_what_a_further_code_came_of_is_read(party: str, tmp_path: Path) -> None:
    """
    Its passport names what the battery was made from under its link: by the word of a party of that alone.
    """
    office = OfficeStore(tmp_path / "office.db")
    (other,) = seen_by(office, {ONE: 1})
    old = Standing(subject_of(CODE), item_state="consumed", producer=party, holder=party)
    new = Standing(subject_of(LINK), item_state="produced", producer=OTHER, holder=OTHER)
    own, link = CODE.replace("0000031", "0000077"), LedgerView(new, relatives={old.key: old})
    reading = Reading(1, LedgerView(None), {own: subject_of(own)}, parties={OTHER}, aliases={LINK: link})

    assert further_codes(office).read(reading, make_genesis().governance) == (party == ONE)
    assert reading.namers == ([other] if party == ONE else [])
    office.close()


@pytest.mark.parametrize("event", ["battery.enrolled", "battery.produced"])
def test_a_models_address_that_a_stranger_entered_finds_nobody(event: str, tmp_path: Path) -> None:
    """
    I5: with a record that counts it is one battery's. Else each battery of the model was read with others,
    and held by what was declared of them.
    """
    address = "https://one.example/packs/model-7"
    maker = event == "battery.produced"
    w = World(
        Ledger(
            make_genesis(
                accreditations=[
                    *accreditations(),
                    accreditation(MAKER, schemes=(("uri", MAKER),), licence="uri"),
                ]
            )
        )
    )
    on_record(w, address, MAKER if maker else WORKSHOP, event)
    office = OfficeStore(tmp_path / "office.db")
    seen_by(office, {ONE: 1}, address)
    codes = further_codes(office, w.view(address, MAKER))
    reading = Reading(1, LedgerView(None), {CODE: subject_of(CODE)}, parties={ONE})
    reading.documents[b"1"] = naming(address)
    for _ in range(2):
        codes.read(reading, w.governance)

    assert address in reading.aliases and len(reading.namers) == (1 if maker else 0)
    office.close()
