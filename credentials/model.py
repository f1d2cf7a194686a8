"""A credential as it was received, with a typed view: the structural rules of VCDM 2.0.

Each refusal names the member and the clause. What JSON-LD says about undefined terms and what a schema says
about the claims are other checks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from credentials.errors import CredentialError
from credentials.identifiers import is_calendar_date

CREDENTIALS_V2 = "https://www.w3.org/ns/credentials/v2"
URL_CHARACTERS_MAX = 2048

# XSD 1.1 part 2, 3.4.28 dateTimeStamp, with years of four digits: the ledger's times are of this age.
_DATE_TIME_STAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,18})?"
    r"(?:(Z)|([+-])([0-9]{2}):([0-9]{2}))"
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f-\xa0\"<>\\^`{|}]+")


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """A `BitstringStatusListEntry` of a credential (Bitstring Status List 1.0, 2.1)."""

    purpose: str
    index: int
    list_credential: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A typed view of `document`, which stays exactly as it was received."""

    document: Mapping[str, Any]
    id: str | None
    types: tuple[str, ...]
    issuer: str
    subject: Mapping[str, Any]  # the first of `subjects`
    subjects: tuple[Mapping[str, Any], ...]
    valid_from: int | None  # seconds, UTC
    valid_until: int | None
    status: tuple[StatusEntry, ...]
    schema: tuple[tuple[str, str], ...]  # (id, type)
    proofs: tuple[Mapping[str, Any], ...]

    @property
    def proof(self) -> Mapping[str, Any] | None:
        """The proof of a credential that has exactly one."""
        return self.proofs[0] if len(self.proofs) == 1 else None


def parse_credential(document: object) -> Credential:
    """Check the structure of `document` and return the view of it, or raise `structure_invalid`."""
    if not isinstance(document, dict):
        _refuse("credential", "must be a JSON object", "4.1")
    _check_contexts(document.get("@context"))
    types = _types(document.get("type"), "type", "4.5")
    if "VerifiableCredential" not in types:
        _refuse("type", "must contain VerifiableCredential", "4.5")
    _check_texts(document)
    subjects = _subjects(document.get("credentialSubject"))
    valid_from = _time(document, "validFrom")
    valid_until = _time(document, "validUntil")
    if valid_from is not None and valid_until is not None and valid_until < valid_from:
        _refuse("validUntil", "must not be before validFrom", "4.9")
    for name, clause in (("evidence", "5.6"), ("termsOfUse", "5.5"), ("refreshService", "5.4")):
        for item in _objects(document, name, clause):
            _types(item.get("type"), f"{name}.type", clause)
    _check_related(_objects(document, "relatedResource", "5.3"))
    return Credential(
        document,
        _optional_url(document, "id", "id", "4.4"),
        types,
        _issuer(document.get("issuer")),
        subjects[0],
        subjects,
        valid_from,
        valid_until,
        _status(_objects(document, "credentialStatus", "4.10")),
        _schema(_objects(document, "credentialSchema", "4.11")),
        tuple(_objects(document, "proof", "4.12")),
    )


def parse_date_time(text: object, member: str, clause: str = "4.9") -> int:
    """Read an XSD dateTimeStamp and return seconds since 1970, UTC; a fraction of a second is cut off."""
    match = _DATE_TIME_STAMP.fullmatch(text) if isinstance(text, str) and len(text) <= 64 else None
    if match is None:
        _refuse(member, "must be a dateTimeStamp such as 2027-03-01T00:00:00Z", clause)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    offset_hour, offset_minute = int(match[9] or 0), int(match[10] or 0)
    if (
        year == 0
        or not is_calendar_date(year, month, day)
        or hour > 23
        or minute > 59
        or second > 59
        or offset_hour > 14
        or offset_minute > 59
        or (offset_hour == 14 and offset_minute)
    ):
        _refuse(member, f"is {match[0]}, which is no date and time", clause)
    offset = (offset_hour * 60 + offset_minute) * (-60 if match[8] == "-" else 60)
    return _days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset


def is_url(text: object) -> bool:
    """Tell whether `text` is an absolute URL (of any scheme) without characters that must be escaped."""
    return isinstance(text, str) and len(text) <= URL_CHARACTERS_MAX and _URL.fullmatch(text) is not None


def _refuse(member: str, sentence: str, clause: str) -> NoReturn:
    raise CredentialError("structure_invalid", f"{member} {sentence} (VCDM 2.0, {clause}).")


def _days_since_1970(year: int, month: int, day: int) -> int:
    # Years are counted from March, so that the leap day is the last of its year.
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719469


def _check_contexts(contexts: object) -> None:
    if not isinstance(contexts, list) or not contexts or contexts[0] != CREDENTIALS_V2:
        _refuse("@context", f"must be a list that begins with {CREDENTIALS_V2}", "4.3")
    for context in contexts:
        if not isinstance(context, dict) and not is_url(context):
            _refuse("@context", "must hold URLs and objects only", "4.3")


def _types(value: object, member: str, clause: str) -> tuple[str, ...]:
    types = [value] if isinstance(value, str) else value
    if not isinstance(types, list) or not types or not all(isinstance(item, str) and item for item in types):
        _refuse(member, "must be a name or a list of names", clause)
    if any(item.isspace() or " " in item for item in types):
        _refuse(member, "must be terms or absolute URLs", clause)
    return tuple(types)


def _optional_url(item: Mapping[str, Any], name: str, member: str, clause: str) -> str | None:
    if name not in item:
        return None
    value = item[name]
    if not is_url(value):
        _refuse(member, "must be one absolute URL", clause)
    return str(value)


def _issuer(value: object) -> str:
    issuer = value.get("id") if isinstance(value, dict) else value
    if not is_url(issuer):
        _refuse("issuer", "must be an absolute URL, or an object with such an id", "4.7")
    if isinstance(value, dict):
        _check_texts(value, "issuer.")
    return str(issuer)


def _subjects(value: object) -> tuple[Mapping[str, Any], ...]:
    subjects = value if isinstance(value, list) else [value]
    if not subjects:
        _refuse("credentialSubject", "must not be an empty list", "4.8")
    for subject in subjects:
        if not isinstance(subject, dict) or not subject:
            _refuse("credentialSubject", "must be an object with at least one claim", "4.8")
        _optional_url(subject, "id", "credentialSubject.id", "4.4")
    return tuple(subjects)


def _time(document: Mapping[str, Any], name: str) -> int | None:
    return parse_date_time(document[name], name) if name in document else None


def _objects(document: Mapping[str, Any], name: str, clause: str) -> Sequence[Mapping[str, Any]]:
    if name not in document:
        return ()
    value = document[name]
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, dict) and item for item in items):
        _refuse(name, "must be an object or a list of objects, and not empty", clause)
    return items


def _status(items: Sequence[Mapping[str, Any]]) -> tuple[StatusEntry, ...]:
    entries = []
    for item in items:
        _optional_url(item, "id", "credentialStatus.id", "4.10")
        kind = item.get("type")
        if not isinstance(kind, str) or not kind:
            _refuse("credentialStatus.type", "must be one name", "4.10")
        if kind != "BitstringStatusListEntry":
            continue
        purpose, index, url = (
            item.get(f"status{part}") for part in ("Purpose", "ListIndex", "ListCredential")
        )
        if not isinstance(purpose, str) or not purpose:
            _refuse("credentialStatus.statusPurpose", "must be a name", "4.10; Bitstring Status List, 2.1")
        if not isinstance(index, str) or not re.fullmatch("0|[1-9][0-9]{0,11}", index):
            _refuse(
                "credentialStatus.statusListIndex",
                "must be a decimal text",
                "4.10; Bitstring Status List, 2.1",
            )
        if not is_url(url):
            _refuse(
                "credentialStatus.statusListCredential", "must be a URL", "4.10; Bitstring Status List, 2.1"
            )
        entries.append(StatusEntry(purpose, int(index), str(url)))
    return tuple(entries)


def _schema(items: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    schemas = []
    for item in items:
        if "id" not in item or not is_url(item["id"]):
            _refuse("credentialSchema.id", "must be an absolute URL", "4.11")
        schemas.append((str(item["id"]), _types(item.get("type"), "credentialSchema.type", "4.11")[0]))
    return tuple(schemas)


def _check_texts(item: Mapping[str, Any], prefix: str = "") -> None:
    for name in ("name", "description"):
        if name not in item:
            continue
        values = item[name] if isinstance(item[name], list) else [item[name]]
        for value in values:
            if isinstance(value, str):
                continue
            if (
                not isinstance(value, dict)
                or not isinstance(value.get("@value"), str)
                or not value.keys() <= {"@value", "@language", "@direction"}
            ):
                _refuse(
                    prefix + name, "must be a text, or texts with @value, @language and @direction", "4.6"
                )


def _check_related(items: Sequence[Mapping[str, Any]]) -> None:
    seen = set()
    for item in items:
        if not is_url(item.get("id")) or item["id"] in seen:
            _refuse("relatedResource.id", "must be an absolute URL that occurs once", "5.3")
        seen.add(item["id"])
        if not any(isinstance(item.get(name), str) for name in ("digestSRI", "digestMultibase")):
            _refuse("relatedResource", "must carry digestSRI or digestMultibase", "5.3")
