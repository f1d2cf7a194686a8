"""TOML that somebody wrote: a table, or one sentence (credentials/toml_text.py)."""

import time
from pathlib import Path

import pytest

from credentials.toml_text import TomlTextError, parse_toml


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a = \xff", "is not text in UTF-8 (its byte 5 is none): save it so"),
        (b"\xef\xbb\xbfa = 1", "byte order mark"),
        (b"a = ", "is not TOML: Invalid value (at end of document)"),
        (b"a = " + b"[" * 100_000, "too deep"),
        (b"a = " + b"[" * 3_000 + b"]" * 3_000, "too deep"),
        (b"a = " + b"{a=" * 5_000, "too deep"),
        (b"a = " + b"1" * 5_000, "a number or a date"),
        (b"a" + b".a" * 1_000_000 + b" = 1", "more than 32 names"),
        (b"[" + b"a . " * 1_000_000 + b"a]", "more than 32 names"),
        (b"a = {" + b'\'b c\' .\t"d\\"e".' * 100_000 + b"f = 1}", "more than 32 names"),
        (b'a = {b = """x " """, ' + b"k." * 100_000 + b"k = 1}", "more than 32 names"),
        (b"a = {b = '''x '''', " + b'"k".' * 100_000 + b"k = 1}", "more than 32 names"),
        (b'a = "' + b'[\\"' * 100_000, "is not TOML"),
        (b"a" * 2_000_000, "is not TOML"),
        (b"a = " + b"'" * 999_999, "is not TOML"),
    ],
    ids=[
        *("bytes", "mark", "no value", "endless", "deep", "deep tables", "digits"),
        *("dotted", "dotted table", "dotted and quoted", "dotted after lines", "dotted after quotes"),
        *("escaped quotes", "one long name", "quotes"),
    ],
)
def test_what_is_no_table_is_told_in_one_sentence(data: bytes, says: str) -> None:
    """
    No byte string raises anything else or takes long, and the sentence says what to look for.
    """
    started = time.thread_time()
    with pytest.raises(TomlTextError) as refused:
        parse_toml(data)
    assert time.thread_time() - started < 2

    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_a_table_is_read() -> None:
    """
    TOML 1.0 in UTF-8.
    """
    prose = "... " * 100 + "Art. 77(2). v1.2.3.4 " * 100
    dots = ".".join("a" * 99)
    assert parse_toml(f'p = "{prose}{dots}" # {dots}\n[{".".join("a" * 32)}]'.encode())["p"] == prose + dots
    assert parse_toml('a = "\u00e9"\n[b]\nc = 1\n'.encode()) == {"a": "\u00e9", "b": {"c": 1}}


def test_there_is_one_door() -> None:
    """
    Nobody else reads TOML, but for the tables that are shipped with the code.
    """
    root = Path(__file__).parents[2]
    found = {
        module.relative_to(root).as_posix()
        for folder in ("consensus", "credentials", "node")
        for module in (root / folder).rglob("*.py")
        if "tomllib" in module.read_text()
    }

    assert found == {"credentials/toml_text.py", "node/config.py"}
