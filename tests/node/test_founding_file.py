"""Founding files as people write them: what is wrong is told by its member, and one spelling is kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from credentials.ledger.approvals import ApprovalRules
from credentials.ledger.genesis import write_card
from node.errors import SetupError
from node.setup.ceremony import Founding, create
from node.setup.founding_file import require_url
from tests.harness.ledger import CN_AUTHORITY, CREATED, MAKER, participant

ROW = """
[[accreditations]]
participant = "did:web:a.example"
roles = ["manufacturer"]
schemes = [["gbt34014", "ZZ1"]]
jurisdiction = "CN"
"""


def read(folder: Path, text: str) -> Founding:
    (folder / "founding.toml").write_text(text)
    founding = Founding(created=1_790_000_000)
    founding.read(folder / "founding.toml")
    return founding


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ('roles = ["manufacturer"]', "roles = []", "roles of an accreditation are a list of roles"),
        ('roles = ["manufacturer"]', 'roles = "manufacturer"', "roles of an accreditation are a list"),
        ('roles = ["manufacturer"]', "roles = [1]", "roles of an accreditation are a list"),
        ('[["gbt34014", "ZZ1"]]', '["gbt34014", "ZZ1"]', "are pairs of scheme and maker"),
        ('[["gbt34014", "ZZ1"]]', '[["gbt34014"]]', "are pairs of scheme and maker"),
        ('[["gbt34014", "ZZ1"]]', '[["gbt34014", 1]]', "are pairs of scheme and maker"),
        ('[["gbt34014", "ZZ1"]]', "7", "are pairs of scheme and maker"),
        ('[["gbt34014", "ZZ1"]]', '[["gbt34014", "ZZ12"]]', "'ZZ12' is no namespace of codes"),
        ('[["gbt34014", "ZZ1"]]', '[["gs1", "12"]]', "'12' is no namespace of codes"),
        (
            'jurisdiction = "CN"',
            'jurisdiction = "CN"\nvalid_from = "2027-01-01"',
            "valid_from is a day without",
        ),
        ('jurisdiction = "CN"', 'jurisdiction = "CN"\nvalid_until = 1.5', "valid_until is a day"),
        ('jurisdiction = "CN"', 'jurisdiction = "CN"\nuntil = 1', "has the unknown member 'until': it has"),
        ('participant = "did:web:a.example"', "", "an accreditation lacks participant"),
        ("[[accreditations]]", "[accreditations]", "accreditations is a list of tables"),
    ],
)
def test_a_mistake_in_an_accreditation_is_told_by_its_member(
    tmp_path: Path, right: str, wrong: str, says: str
) -> None:
    """
    Nothing of Python is told, and nothing is taken for another value.
    """
    with pytest.raises(SetupError) as told:
        read(tmp_path, ROW.replace(right, wrong))

    assert says in str(told.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("participants = [1]", "participants is a list of tables"),
        ("participants = 1", "participants is a list of tables"),
        ("[[participants]]\ncard = 1", "card is the path of a file"),
        ('[[participants]]\ncard = "x"\nvalidator = "yes"', "validator is true or false"),
        ('[[participants]]\ncard = "x"\nadress = "http://127.0.0.1:1"', "unknown member 'adress'"),
        ("[[participants]]", "an entry of participants lacks card"),
        ("limits = 1", "limits is a table"),
        ("[limits]\nspeed = 1", "limits has the unknown member 'speed': it has "),
        ("governance = 1", "governance is a table: write [governance]"),
        ("[governance]\nspeed = 1", "[governance]: it has the unknown member"),
        ('[governance]\nquorum_jurisdictions = "CN"', "quorum_jurisdictions is a list of texts"),
        ('[governance]\nquorum_jurisdictions = ["EU", "CN"]', "quorum_jurisdictions is sorted, each once"),
        ("recognitions = [1]", "recognitions is a list of tables"),
        ("[[recognitions]]", "not a recognition: it has the members authority"),
    ],
)
def test_a_mistake_in_any_other_row_is_told(tmp_path: Path, text: str, says: str) -> None:
    """
    A misspelt address would found a network whose node nobody finds: it is told instead of ignored.
    """
    with pytest.raises(SetupError) as told:
        read(tmp_path, text)

    assert says in str(told.value) and "['" not in str(told.value)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """
    Small letters of a maker's code are spelling, a day is midnight UTC, every maker is written with a star.
    """
    (tmp_path / "card.toml").write_bytes(write_card(participant(MAKER)))
    extra = 'licence = "L 7"\nvalid_from = 2027-03-01\n'
    text = ROW.replace('[["gbt34014", "ZZ1"]]', '[["gbt34014", "zz1"], ["gs1", "*"]]') + extra
    text += '[[participants]]\ncard = "card.toml"\naddress = "http://127.0.0.1:1"\n'

    founding = read(tmp_path, text)

    made = founding.accreditations[0]
    assert made.schemes == (("gbt34014", "ZZ1"), ("gs1", "*"))
    assert (made.valid_from, made.valid_until, made.licence) == (1_803_859_200, None, "L 7")
    assert date.fromtimestamp(made.valid_from).year == 2027
    assert list(founding.addresses.values()) == ["http://127.0.0.1:1"]


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("approvals_min = 2", "2 authorities approve a change for all, and in the end 1 would be left"),
        ('jurisdictions = ["CN", "IN"]', "IN would in the end have no authority that can approve"),
        ("objection_s = 99\nproposal_s_max = 99", "no proposal would live until it can be decided"),
    ],
)
def test_no_network_is_founded_that_nobody_could_change(tmp_path: Path, rules: str, says: str) -> None:
    """
    A table [governance] that its own authorities could never meet is refused before anything is written.
    """
    (tmp_path / "card.toml").write_bytes(write_card(participant(CN_AUTHORITY)))
    held = ROW.replace("did:web:a.example", CN_AUTHORITY).replace("manufacturer", "authority")
    card = '[[participants]]\ncard = "card.toml"\n'

    def founded(rules: str) -> ApprovalRules:
        founding = read(tmp_path, f'name = "n"\n{held}{card}[governance]\n{rules}\n')
        founding.created = CREATED
        return create(tmp_path / "network", founding).governance.approvals

    with pytest.raises(SetupError, match=says):
        founded(rules)

    assert not (tmp_path / "network").exists()
    rules_of = founded("stop_s = 5\nquorum_jurisdictions = []")
    assert (rules_of.stop_s, rules_of.approvals_min, rules_of.jurisdictions) == (5, 1, ("CN",))
    assert rules_of.quorum_jurisdictions == ()


@pytest.mark.parametrize(
    "url", ["https://x:99999", "https://a..b", "http://a..b", "https://[::1", "https://x:0"]
)
def test_what_no_node_can_ask_is_no_address(url: str) -> None:
    """
    A newcomer keeps only those of the ledger that its node can be started with.
    """
    with pytest.raises(SetupError, match="is not an http:"):
        require_url("did:web:a.example", url)


@pytest.mark.parametrize(
    "again", ["http://127.0.0.1:8401", "http://127.0.0.1:8401/", "HTTP://127.0.0.1:8401"]
)
def test_two_participants_never_have_one_address(tmp_path: Path, again: str) -> None:
    """
    Where one node would be asked for two, nothing is founded, and both are named.
    """
    for name, did in (("a", CN_AUTHORITY), ("b", MAKER)):
        (tmp_path / f"{name}.toml").write_bytes(write_card(participant(did)))
    rows = [
        f'[[participants]]\ncard = "{name}.toml"\naddress = "{url}"'
        for name, url in (("a", "http://127.0.0.1:8401"), ("b", again))
    ]
    founding = read(tmp_path, "\n".join(['name = "n"', *rows]))

    with pytest.raises(SetupError, match="each node has its own") as told:
        create(tmp_path / "network", founding)

    assert CN_AUTHORITY in str(told.value) and MAKER in str(told.value)
    assert not (tmp_path / "network").exists()
