"""The file that leads a device from an old log policy to the newest: written by a node, read without any.

    comity/log-epochs@v1
    step <base64 of CBOR [receipt, [hash, ...]]>      one each, the oldest first
    head <base64 of CBOR [note, [hash, ...]]>         the newest checkpoint, unless there is none yet
    link <size> <base64 of CBOR [hash, ...]>          a receipt's tree is on the way to the head
    more <size>                                       a part: the next one begins after a tree of this size
    end <number of lines before this one>

What it means is said in `credentials/ledger/log_epochs.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consensus.checkpoint import decode_base64, encode_base64
from consensus.encoding import Value, decode, encode
from consensus.errors import ConsensusError
from credentials.ledger.log_epochs import EPOCHS_MAX, EpochStep, Head, LogEpochs, walk
from node.errors import SetupError
from node.named_files import read_named_text

OPENING = "comity/log-epochs@v1"
FILE_BYTES_MAX = 256 << 20
LINES_MAX = 2 * EPOCHS_MAX


@dataclass(frozen=True, slots=True)
class EpochFile:
    """What such a file holds: nothing is verified."""

    steps: tuple[EpochStep, ...]
    head: Head | None
    links: dict[int, tuple[bytes, ...]]
    more: int | None = None  # leaves; of a part with which a node's answer is full

    def text(self) -> str:
        """The file."""
        lines = [OPENING]
        lines += [f"step {_pack([step.receipt, list(step.consistency)])}" for step in self.steps]
        if self.head is not None:
            lines.append(f"head {_pack([self.head.note, list(self.head.consistency)])}")
        lines += [f"link {size} {_pack(list(link))}" for size, link in sorted(self.links.items())]
        lines += [] if self.more is None else [f"more {self.more}"]
        return "".join(line + "\n" for line in (*lines, f"end {len(lines)}"))

    @classmethod
    def read(cls, path: Path) -> EpochFile:
        """The file at that path; raises SetupError with what is wrong."""
        return cls.parse(read_named_text(path, FILE_BYTES_MAX, what="the epochs"), str(path))

    @classmethod
    def parse(cls, text: str, name: str = "the epochs") -> EpochFile:
        """The same of its text."""
        if text.count("\n") > LINES_MAX:
            raise SetupError(
                f"{name} is no file of log epochs: it has more than {LINES_MAX} lines",
                step="Fetch it again with `comity log epochs`.",
            )
        lines = text.split("\n")
        if lines[0] != OPENING:
            raise SetupError(f"{name} is no file of log epochs: `comity log epochs` writes one")
        if lines[-1] != "" or lines[-2] != f"end {len(lines) - 2}":
            raise SetupError(f"{name} is cut off, or lines of it were changed: export it again")
        steps, head, links = list[EpochStep](), None, dict[int, tuple[bytes, ...]]()
        more: int | None = None
        for number, line in enumerate(lines[1:-2], start=2):
            try:
                match line.split(" "):
                    case ["step", packed]:
                        steps.append(EpochStep(*_shown(packed)))
                    case ["head", packed] if head is None:
                        head = Head(*_shown(packed))
                    case ["link", size, packed] if _is_number(size) and int(size) not in links:
                        links[int(size)] = _hashes(decode(decode_base64(packed, "a proof")))
                    case ["more", size] if _is_number(size) and more is None:
                        more = int(size)
                    case _:
                        raise ValueError("it is neither step, head nor link, or stands there twice")
            except (ConsensusError, ValueError) as error:
                raise SetupError(
                    f"line {number} of {name} cannot be read: {error}",
                    step="Fetch the file again with `comity log epochs`.",
                ) from error
        return cls(tuple(steps), head, links, more)

    def walk(self, trusted: str) -> LogEpochs:
        """From a trusted policy; raises EpochError, SetupError for a part that ends before the newest."""
        if self.more is not None:
            raise SetupError("the epochs are a part of them: `comity log epochs` fetches all of them")
        return walk(trusted, self.steps, self.head, self.links)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _pack(value: Value) -> str:
    return encode_base64(encode(value))


def _shown(packed: str) -> tuple[str, tuple[bytes, ...]]:
    match decode(decode_base64(packed, "a step")):
        case [str(text), hashes]:
            return text, _hashes(hashes)
    raise ValueError("it is not a text and hashes")


def _hashes(value: Value) -> tuple[bytes, ...]:
    match value:
        case [*hashes]:
            found = tuple(one for one in hashes if isinstance(one, bytes))
            if len(found) == len(hashes):
                return found
    raise ValueError("it is not a list of hashes")
