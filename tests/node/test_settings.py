"""What a node reads when it starts: a file that is missing, unreadable or of another kind is told by name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.config import DataDirectory, passphrase, shipped_policy
from node.errors import SetupError
from node.peers.certificates import make_certificate
from node.settings import Keeping, Settings, TokenSettings, files_of_settings
from node.setup.wiring import open_service
from tests.harness.ledger import MAKER, signer
from tests.harness.support_service import PASSPHRASE, live_node

OPTIONAL = ("node.toml", "network/peers.toml")  # every default; no peers


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of a node that ran and stopped."""
    with live_node(tmp_path_factory.mktemp("settings")) as node:
        pass
    yield node.data


def certificate() -> bytes:
    return make_certificate(MAKER, [signer(MAKER)], (), 1_790_000_000)[0]


def settings_with(folder: Path, text: str) -> Settings:
    (folder / "node.toml").write_text(text)
    return DataDirectory(folder).settings()


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("fetch.ca_file", "[fetch]\npublic = true\nca_file = {}"),
        ("peers.ca_file", "[peers]\nca_file = {}"),
        ("contexts.file", '[[contexts]]\nurl = "https://terms.example/v1"\nsha256 = "x"\nfile = {}'),
    ],
)
def test_a_file_that_a_setting_names_is_there(tmp_path: Path, setting: str, text: str) -> None:
    """
    A file that is missing, a directory, no path at all, or holds no certificates, is told with the name of
    the setting before the node does anything.
    """
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.pem").write_text("no certificate")
    (tmp_path / "bytes.pem").write_bytes(b"\xff\xfe")
    (tmp_path / "whole.pem").write_bytes(certificate())
    wrong = {
        '"other.pem"': "names .*other.pem, which cannot be read: there is no such file",
        '"folder"': "names .*folder, which cannot be read: it is a directory",
        '"a\\u0000b"': "names .*which cannot be read",
        '""': "is the path of a file",
        "7": "is the path of a file",
    }
    if setting != "contexts.file":
        wrong |= dict.fromkeys(('"text.pem"', '"bytes.pem"'), "names .*which holds no certificates in PEM")

    for named, says in wrong.items():
        with pytest.raises(SetupError, match=rf"node\.toml: {setting} {says}"):
            settings_with(tmp_path, text.format(named))
    settings_with(tmp_path, text.format('"whole.pem"'))


def test_a_token_is_read_with_the_roles_of_its_keys(tmp_path: Path) -> None:
    """
    Its library and the file of its PIN are found beside node.toml; what is written down is read again the
    same. A role list that is none, and a member that nobody reads, are told by their names.
    """
    text = '[pkcs11]\nmodule = "token.so"\ntoken = "one"\nroles = ["attest", "cosign"]\npin_file = "pin"\n'

    read = settings_with(tmp_path, text).pkcs11

    assert read is not None and (read.module, read.pin_file) == (tmp_path / "token.so", tmp_path / "pin")
    assert (read.token, sorted(read.roles)) == ("one", ["attest", "cosign"])
    assert TokenSettings.of(read.row(), tmp_path) == read
    for wrong, says in (
        (text.replace('["attest", "cosign"]', '"attest"'), r"pkcs11\.roles"),
        (text.replace('["attest", "cosign"]', "[]"), r"pkcs11\.roles"),
        (text.replace('"one"', '""'), r"pkcs11\.token"),
        (text + "slot = 1\n", "slot"),
    ):
        with pytest.raises(SetupError, match=says):
            settings_with(tmp_path, wrong)


def test_authorities_are_found_beside_node_toml(tmp_path: Path) -> None:
    """
    A ca_file is read beside node.toml, whatever the working directory.
    """
    (tmp_path / "ca.pem").write_bytes(certificate())

    read = settings_with(tmp_path, '[fetch]\nca_file = "ca.pem"\n[peers]\nca_file = "ca.pem"\n')

    assert read.fetch is not None
    assert read.fetch.ca_file == read.peers_ca_file == str((tmp_path / "ca.pem").resolve())


@pytest.mark.parametrize("port", [1, 26656, 65535])
def test_an_address_of_cometbft_is_read_with_any_port_that_there_is(tmp_path: Path, port: int) -> None:
    """
    From the first to the last; an address of IPv6 stands without its brackets.
    """
    read = settings_with(tmp_path, f'[cometbft]\nlisten = "[::1]:{port}"\n')

    assert read.cometbft.listen == ("::1", port)


@pytest.mark.parametrize("listen", ["127.0.0.1", ":1", "a:0", "a:65536", "a:x", "a:-1", "a:\u0661"])
def test_an_address_of_cometbft_without_host_or_port_is_refused(tmp_path: Path, listen: str) -> None:
    """
    With the form that it has.
    """
    with pytest.raises(SetupError, match=r"cometbft\.listen is HOST:PORT"):
        settings_with(tmp_path, f'[cometbft]\nlisten = "{listen}"\n')


CONTEXT = '[[contexts]]\nurl = {}\nfile = "c.jsonld"\nsha256 = {}\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fetch = 1", "fetch is a table: write [fetch]"),
        ("[[fetch]]", "fetch is a table"),
        ("peers = []", "peers is a table"),
        ('status = "x"', "status is a table"),
        ("[status]\nissuer = []", "the member status.issuer is not known: it has issuers"),
        ("[status]\nissuers = 1", "status.issuers is a list of DIDs or URLs"),
        ("[status]\nissuers = [1]", "status.issuers is a list of DIDs or URLs"),
        ("contexts = 1", "contexts is a list of tables"),
        ("contexts = [1]", "an entry of contexts has url, file and sha256"),
        (CONTEXT.format('["x"]', '"x"'), "contexts.url is a URL"),
        (CONTEXT.format('"https://x.example"', "1"), "contexts.sha256 the digest of its file"),
        (CONTEXT.format('"https://x.example"', '"x"') * 2, "contexts.url is a URL, given once"),
        ('[fetch]\npublic = "yes"', "fetch.public is true or false"),
        ('[fetch]\norigins = "https://a.example"', "fetch.origins is a list of addresses"),
        ("[fetch]\norigins = [2026-01-01]", "fetch.origins is no text: write an address such as"),
        ('[fetch]\norigins = ["https://a.example/lists"]', "write an address such as https://node.example"),
        ('[fetch]\norigins = ["https://a.example:0"]', "fetch.origins: "),
        ('public_url = "node.example"', "public_url is 'node.example': write an address"),
        ('public_url = "https://node.example/behind"', "public_url is "),
        ('public_url = ""', "public_url is ''"),
        ("a = ", "node.toml is not TOML"),
        ("[Fetch]\norigins = []", "the member Fetch is not known: it has alerts, "),
        ("\ufeffpublic_url = 1", "begins with a byte order mark"),
    ],
)
def test_a_setting_of_the_wrong_shape_is_told_by_its_name(tmp_path: Path, text: str, says: str) -> None:
    """
    Whatever stands where something else belongs is told; nothing is read as another value, or as nothing.
    """
    (tmp_path / "c.jsonld").write_text("{}")

    with pytest.raises(SetupError) as told:
        settings_with(tmp_path, text)

    assert says in str(told.value)
    assert str(told.value).count(str(tmp_path / "node.toml")) == 1  # named, and once
    assert files_of_settings(tmp_path) in ((), ("c.jsonld",))


@pytest.mark.parametrize("name", ["signing.db", "ledger.db", "office.db"])
def test_a_database_of_another_node_is_not_taken_for_ones_own(whole: Path, tmp_path: Path, name: str) -> None:
    """
    Another's guards say nothing about what this validator signed, and its records are not these.
    """
    with live_node(tmp_path / "other") as other:
        pass
    directory = DataDirectory(tmp_path / "data")
    shutil.copytree(whole, directory.root)
    shutil.copy(other.data / name, directory.root / name)

    with pytest.raises(SetupError, match=f"{name} is of another network"):
        open_service(directory, PASSPHRASE, 0)


def test_a_member_of_peers_toml_that_nobody_reads_is_told(whole: Path, tmp_path: Path) -> None:
    """
    A misspelt [addresses] would leave a node without peers, and silent about it.
    """
    directory = DataDirectory(tmp_path / "data")
    shutil.copytree(whole, directory.root)
    (directory.network / "peers.toml").write_text("[adresses]\n")

    with pytest.raises(SetupError, match="'adresses' is not known"):
        open_service(directory, PASSPHRASE, 0)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"", b"nonsense\n", b"ftp://127.0.0.1:1\n"])
def test_an_address_file_that_is_none_is_told(tmp_path: Path, text: bytes) -> None:
    """
    What the command line finds a running node by.
    """
    (tmp_path / "address").write_bytes(text)

    with pytest.raises(SetupError, match="start the node again"):
        DataDirectory(tmp_path).url()


@pytest.mark.parametrize("how", ["missing", "a directory", "not text"])
@pytest.mark.parametrize(
    "name",
    [
        *("participant.toml", "policy.toml", "operator.key", "keys.enc", "node.toml"),
        *("network/genesis.toml", "network/log.policy", "network/peers.toml", "network/rules/lifecycle.json"),
    ],
)
def test_every_file_of_a_data_directory_is_there_and_read(
    whole: Path, tmp_path: Path, name: str, how: str
) -> None:
    """
    A file of the data directory that is missing, a directory, or not text: one sentence that names it.
    """
    directory = DataDirectory(tmp_path / "data")
    shutil.copytree(whole, directory.root)
    path = directory.root / name
    path.unlink(missing_ok=True)
    if how == "a directory":
        path.mkdir()
    elif how == "not text":
        path.write_bytes(b"\xff\xfe\x00")
    elif name in OPTIONAL:
        open_service(directory, PASSPHRASE, 0).stop()
        return

    with pytest.raises(SetupError) as refused:
        open_service(directory, PASSPHRASE, 0).stop()

    assert Path(name).name in str(refused.value)


@pytest.mark.parametrize("how", ["missing", "a directory", "not text"])
def test_a_passphrase_file_is_there_and_read(tmp_path: Path, how: str) -> None:
    """
    The same of the file that --passphrase-file names.
    """
    path = tmp_path / "words"
    if how == "a directory":
        path.mkdir()
    elif how == "not text":
        path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SetupError, match=r"the passphrase file .*words (cannot be read|is not text)"):
        passphrase(path)


def test_a_policy_that_is_not_shipped_is_told_with_those_that_are() -> None:
    """
    The name that was asked for, and every name that could have been meant.
    """
    with pytest.raises(SetupError, match=r"^there is no policy called nowhere: choose one of ") as told:
        shipped_policy("nowhere", "EU")

    assert {"authority-cn", "customs-eu"} <= set(str(told.value).partition("one of ")[2].split(", "))


@pytest.mark.parametrize(("years", "taken"), [(0, False), (1, True), (100, True), (101, False)])
def test_years_are_kept_from_one_to_a_hundred(years: int, taken: bool) -> None:
    """
    The bounds are years that may be chosen; what is beyond them is told with both.
    """
    if taken:
        assert Keeping.of({"audit_years": years}).audit_years == years
    else:
        with pytest.raises(ValueError, match="from 1 to 100"):
            Keeping.of({"audit_years": years})


@pytest.mark.parametrize(("text", "seconds"), [("", 600), ("[attempts]\nafter_s = 1\n", 1)])
def test_how_long_a_lawful_record_may_take_is_set_or_ten_minutes(
    tmp_path: Path, text: str, seconds: int
) -> None:
    """
    What is not set is ten minutes.
    """
    (tmp_path / "node.toml").write_text(text)

    assert Settings.read(tmp_path / "node.toml").attempts_after_s == seconds
