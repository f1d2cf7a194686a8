"""The only door for TOML that somebody wrote: whatever the bytes are, a table or one sentence."""

from __future__ import annotations

import re
import tomllib
from typing import Any

MARK = b"\xef\xbb\xbf"
DOTTED_MAX = 32  # names of one key; tomllib takes the square of them in time and memory
_NAME = r"""(?:(?<![\w-])[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED = re.compile(rf"(?:{_NAME}[ \t]*\.[ \t]*){{{DOTTED_MAX}}}", re.ASCII)


class TomlTextError(ValueError):
    """What keeps bytes from being a TOML table, as whoever wrote them reads it."""


def parse_toml(data: bytes) -> dict[str, Any]:
    """The table of a TOML document (TOML 1.0); TomlTextError for anything else."""
    if data.startswith(MARK):
        raise TomlTextError("is not TOML: it begins with a byte order mark: save it as UTF-8 without one")
    try:
        text = data.decode()
        if _DOTTED.search(text):
            raise TomlTextError(f"is not read: a key in it has more than {DOTTED_MAX} names")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise TomlTextError(
            f"is not text in UTF-8 (its byte {error.start + 1} is none): save it so"
        ) from error
    except RecursionError as error:
        raise TomlTextError("is not read: its lists or tables lie too deep in one another") from error
    except tomllib.TOMLDecodeError as error:
        raise TomlTextError(f"is not TOML: {error}") from error
    except TomlTextError:
        raise
    except ValueError as error:  # a number longer than Python reads, a day that no calendar has
        raise TomlTextError("is not read: a number or a date in it is none that can be") from error
