"""The only door for TOML that somebody wrote: whatever the bytes are, a table or one sentence."""

from __future__ import annotations

import re
import tomllib
from typing import Any

MARK = b"\xef\xbb\xbf"
DOTTED_MAX = 32  # names of one key; tomllib takes the square of them in time and memory
# Strings and comments, each read once from left to right and to its end, be it the end of the text; what they
# say is no key. Nothing here goes back over what it read: a text of any form costs its length.
_QUOTED = re.compile(
    r"""\#[^\n]*+
    | "{3} (?: [^"\\] | \\. | "(?!"") )*+ (?:"{3,5})?
    | '{3} (?: [^'] | '(?!'') )*+ (?:'{3,5})?
    | " (?: [^"\\\n] | \\[^\n] )*+ "?
    | ' [^'\n]*+ '?""",
    re.DOTALL | re.VERBOSE,
)
_DOTTED = re.compile(rf"(?:(?<![\w-])[\w-]++[ \t]*+\.[ \t]*+){{{DOTTED_MAX}}}", re.ASCII)


class TomlTextError(ValueError):
    """What keeps bytes from being a TOML table, as whoever wrote them reads it."""


def parse_toml(data: bytes) -> dict[str, Any]:
    """The table of a TOML document (TOML 1.0); TomlTextError for anything else."""
    if data.startswith(MARK):
        raise TomlTextError("is not TOML: it begins with a byte order mark: save it as UTF-8 without one")
    try:
        text = data.decode()
        if _DOTTED.search(_QUOTED.sub("_", text)):
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
