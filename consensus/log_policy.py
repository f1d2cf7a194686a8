"""Who must have signed a checkpoint: C2SP tlog-policy, read strictly and refused when malformed.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...
    quorum <name>
    #jurisdiction <jurisdiction> <name>...

The last is a comment to every other reader: it says where witnesses belong to and decides nothing. It is read
strictly here, so that what is told of a receipt's signatures was not misread.

Narrower than the specification where a wider policy would prove nothing here: at least one log, all logs of
one origin, a quorum that is not `none`, UTF-8 throughout.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from consensus.checkpoint import (
    COSIGNATURE_KIND,
    LOG_KIND,
    SIGNATURES_MAX,
    Checkpoint,
    NoteError,
    NoteKey,
    SignedNote,
    verify_note,
)
from consensus.errors import ConsensusError

POLICY_BYTES_MAX = 65_536
LINES_MAX = 1_024
LOGS_MAX = 64
WITNESSES_MAX = 64
GROUPS_MAX = 64

JURISDICTION = "#jurisdiction"
_BLANKS = re.compile(r"[ \t]+")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class PolicyError(ConsensusError):
    """A policy is malformed, or a note does not satisfy it."""


@dataclass(frozen=True, slots=True)
class Group:
    """At least `threshold` of `members`, which are names of witnesses and groups."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """A parsed policy: nothing in it refers to a name that is not there."""

    origin: str
    logs: tuple[NoteKey, ...]
    witnesses: Mapping[str, NoteKey]
    groups: Mapping[str, Group]
    quorum: str
    jurisdictions: Mapping[str, str] = field(default_factory=dict)  # of the witnesses of which it is said

    @classmethod
    def parse(cls, text: str | bytes) -> "LogPolicy":
        """Read a policy file; raises PolicyError with the number of the line that is wrong."""
        return _Reader().read(text)

    def is_met_by(self, names: Collection[str]) -> bool:
        """Say whether cosignatures of these witnesses are enough."""
        return self._counts(self.quorum, names)

    def by_jurisdiction(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """These witnesses, sorted, by their jurisdiction; under "" those of which the policy says none."""
        found: dict[str, list[str]] = {}
        for name in sorted(names):
            found.setdefault(self.jurisdictions.get(name, ""), []).append(name)
        return {jurisdiction: tuple(found[jurisdiction]) for jurisdiction in sorted(found)}

    def never_without(self) -> tuple[str, ...]:
        """The jurisdictions of each of which every quorum has a witness: any one of them can block."""
        return tuple(
            jurisdiction
            for jurisdiction in sorted(set(self.jurisdictions.values()))
            if not self.is_met_by([n for n in self.witnesses if self.jurisdictions.get(n) != jurisdiction])
        )

    def cosigned(self, note: SignedNote) -> dict[str, int]:
        """Return the witnesses that cosigned the note, with their times; raises PolicyError if too few."""
        try:
            if Checkpoint.parse(note.body).origin != self.origin:
                raise PolicyError(f"the checkpoint is of another log than {self.origin}")
            verified = verify_note(note, (*self.logs, *self.witnesses.values()))
        except NoteError as error:
            raise PolicyError(str(error)) from error
        if not any(key in verified for key in self.logs):
            raise PolicyError(f"no log key of {self.origin} has signed the checkpoint")
        times = {
            name: time for name, key in self.witnesses.items() if (time := verified.get(key)) is not None
        }
        if not self.is_met_by(times):
            raise PolicyError(
                f"{len(times)} of {len(self.witnesses)} witnesses cosigned, too few for quorum {self.quorum}"
            )
        return times

    def reduce(self, note: SignedNote) -> SignedNote:
        """Return the note with one log line and only as many cosignatures as the quorum needs, the earliest.

        With none to spare each byte of the note matters: a line that no longer belongs to a known key is
        missed.
        """
        kept = self.cosigned(note)
        for name, _ in sorted(kept.items(), key=lambda item: (-item[1], item[0])):
            if self.is_met_by(kept.keys() - {name}):
                del kept[name]
        by_key = {(line.name, line.key_id): line.line() for line in note.signatures}
        logs = [line for key in self.logs if (line := by_key.get((key.name, key.key_id)))]
        cosignatures = [by_key[key.name, key.key_id] for name, key in self.witnesses.items() if name in kept]
        return SignedNote(note.body, (logs[0], *cosignatures))

    def before(self, times: Mapping[str, int]) -> int:
        """Return a time before which the checkpoint existed, though the faulty may have lied about theirs.

        The policy takes it that the faulty cannot stop the quorum: without them it can still be met. So a set
        of witnesses without whom it cannot be met includes an honest one, whose time is right. The smallest T
        for which the witnesses with times up to T are such a set holds; for k of n it is the (n - k + 1)-th
        smallest time. If no T is (k at most n/2), it is the latest: a quorum is taken to include an honest
        one.
        """
        ordered = sorted(times.items(), key=lambda item: item[1])
        for count, (_, time) in enumerate(ordered, start=1):
            early = {name for name, _ in ordered[:count]}
            if not self.is_met_by(self.witnesses.keys() - early):
                return time
        return ordered[-1][1]

    def _counts(self, name: str, names: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in names
        return sum(self._counts(member, names) for member in group.members) >= group.threshold


class _Reader:
    """The state of reading one policy file, line by line."""

    def __init__(self) -> None:
        self.logs: list[NoteKey] = []
        self.witnesses: dict[str, NoteKey] = {}
        self.groups: dict[str, Group] = {}
        self.members: set[str] = set()
        self.jurisdictions: dict[str, str] = {}
        self.quorum: str | None = None

    def read(self, text: str | bytes) -> LogPolicy:
        """Read the whole file."""
        for number, line in enumerate(_lines(text), start=1):
            words = [word for word in _BLANKS.split(line) if word]
            if not words or (words[0].startswith("#") and words[0] != JURISDICTION):
                continue
            try:
                self._line(words)
            except (PolicyError, NoteError) as error:
                raise PolicyError(f"line {number} of the policy: {error}") from error
        if self.quorum is None:
            raise PolicyError("the policy has no quorum line, so nothing could satisfy it")
        if not self.logs:
            raise PolicyError("the policy names no log")
        return LogPolicy(
            self.logs[0].name,
            tuple(self.logs),
            self.witnesses,
            self.groups,
            self.quorum,
            self.jurisdictions,
        )

    def _line(self, words: list[str]) -> None:
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self._log(NoteKey.parse(vkey))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                self._witness(name, NoteKey.parse(vkey))
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, members)
            case ["quorum", name]:
                self._quorum(name)
            case [word, jurisdiction, *members] if word == JURISDICTION and members:
                self._jurisdiction(jurisdiction, members)
            case [word, *_] if word in {"log", "witness", "group", "quorum", JURISDICTION}:
                raise PolicyError(f"a {word} line has another number of words")
            case _:
                raise PolicyError(f"{words[0]!r} is not log, witness, group or quorum")

    def _log(self, key: NoteKey) -> None:
        if key.kind != LOG_KIND:
            raise PolicyError(f"the key of the log {key.name} is not a log key (type 0x01)")
        if self.logs and key.name != self.logs[0].name:
            raise PolicyError(f"logs of two origins, {self.logs[0].name} and {key.name}")
        if any(key.public_key == other.public_key for other in self.logs):
            raise PolicyError("this log key is listed twice")
        if len(self.logs) == LOGS_MAX:
            raise PolicyError(f"more than {LOGS_MAX} logs")
        self.logs.append(key)

    def _witness(self, name: str, key: NoteKey) -> None:
        self._new(name)
        if key.kind != COSIGNATURE_KIND:
            raise PolicyError(f"the key of the witness {name} is not a cosignature key (type 0x04)")
        if any(key.public_key == other.public_key for other in self.witnesses.values()):
            raise PolicyError(f"the key of the witness {name} is listed twice")
        if len(self.witnesses) == WITNESSES_MAX:
            raise PolicyError(f"more than {WITNESSES_MAX} witnesses")
        self.witnesses[name] = key

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        self._new(name)
        if len(self.groups) == GROUPS_MAX:
            raise PolicyError(f"more than {GROUPS_MAX} groups")
        for member in members:
            self._defined(member)
            if member in self.members:
                raise PolicyError(f"{member} is a member of a group already")
            self.members.add(member)
        if threshold not in {"all", "any"} and not _THRESHOLD.fullmatch(threshold):
            raise PolicyError(f"{threshold!r} is not all, any or a number from 1")
        needed = {"all": len(members), "any": 1}.get(threshold) or int(threshold)
        if needed > len(members):
            raise PolicyError(f"the group {name} asks for {needed} of {len(members)} members")
        self.groups[name] = Group(needed, tuple(members))

    def _jurisdiction(self, jurisdiction: str, members: list[str]) -> None:
        if jurisdiction in self.jurisdictions.values():
            raise PolicyError(f"a second line of the jurisdiction {jurisdiction}")
        for member in members:
            if member not in self.witnesses:
                raise PolicyError(f"{member} is not a witness of an earlier line")
            if member in self.jurisdictions:
                raise PolicyError(f"{member} is of {self.jurisdictions[member]} already")
            self.jurisdictions[member] = jurisdiction

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise PolicyError("a second quorum line")
        if name == "none":
            raise PolicyError("a policy that asks for no cosignature proves nothing")
        self._defined(name)
        self.quorum = name

    def _new(self, name: str) -> None:
        if name == "none" or name in self.witnesses or name in self.groups:
            raise PolicyError(f"the name {name} is taken")

    def _defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise PolicyError(f"{name} is not a witness or group of an earlier line")


def _lines(text: str | bytes) -> list[str]:
    """Return the lines of a policy file after the checks on its characters and size."""
    if len(text) > POLICY_BYTES_MAX:
        raise PolicyError(f"a policy has at most {POLICY_BYTES_MAX} bytes")
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise PolicyError("the policy is not UTF-8") from error
    if text.startswith("\ufeff"):
        raise PolicyError("the policy begins with a byte order mark: save it as UTF-8 without one")
    if "\r" in text:
        raise PolicyError(
            "the line ends of the policy were changed to those of Windows (CR LF), and must be LF: get it "
            "again, or turn them back"
        )
    if _CONTROL.search(text):
        raise PolicyError(
            "the policy has a control character other than tab and newline, or a lone surrogate"
        )
    if not text.endswith("\n"):
        raise PolicyError("the policy is empty or its last line is not ended")
    lines = text[:-1].split("\n")
    if len(lines) > LINES_MAX:
        raise PolicyError(f"a policy has at most {LINES_MAX} lines")
    return lines


def make_policy(
    origin: str,
    log_keys: Sequence[NoteKey],
    witnesses: Sequence[tuple[str, NoteKey]],
    quorum: int,
    jurisdictions: Mapping[str, str] | None = None,
) -> str:
    """Return the policy of a network: any one of its log keys, and `quorum` of its witnesses.

    `jurisdictions`: of witnesses, told to whoever reads a receipt.
    """
    if any(key.name != origin for key in log_keys):
        raise PolicyError(f"the name of a log key is the origin, {origin}")
    if quorum >= SIGNATURES_MAX:
        raise PolicyError(
            f"a note holds {SIGNATURES_MAX} signatures, too few for a quorum of {quorum} and a log line"
        )
    lines = [
        *(f"log {key.vkey()}" for key in log_keys),
        *(f"witness {name} {key.vkey()}" for name, key in witnesses),
        " ".join(["group all", str(quorum), *(name for name, _ in witnesses)]),
        "quorum all",
    ]
    homes = jurisdictions or {}
    for jurisdiction in sorted(set(homes.values())):
        members = [name for name, _ in witnesses if homes.get(name) == jurisdiction]
        lines.append(" ".join([JURISDICTION, jurisdiction, *members]))
    text = "".join(line + "\n" for line in lines)
    LogPolicy.parse(text)
    return text
