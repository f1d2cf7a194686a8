"""A credential as it was received, with a typed view: the structural rules of VCDM 2.0 and 1.1.

Each refusal names the member and the clause. What JSON-LD says about undefined terms, what a schema says
about the claims, and whether a related resource has its digest (`resources`) are other checks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from credentials.documents.code_schemes import is_calendar_date
from credentials.documents.resources import Resource, digests_of
from credentials.documents.uri import is_url
from credentials.errors import CredentialError
from credentials.jsonld.definitions import LANGUAGE

CREDENTIALS_V2 = "https://www.w3.org/ns/credentials/v2"
CREDENTIALS_V1 = "https://www.w3.org/2018/credentials/v1"
STATUS_ENTRY = "BitstringStatusListEntry"
STATUS_BITS_MAX = 8  # of one entry: 256 messages

# XSD 1.1 part 2, 3.4.28 dateTimeStamp, with years of four digits: the ledger's times are of this age.
_DATE_TIME_STAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.(?P<fraction>[0-9]+))?"
    r"(?P<zone>(Z)|([+-])([0-9]{2}):([0-9]{2}))?"
)
_INDEX = re.compile("0|[1-9][0-9]{0,14}")  # more could not be said in JSON (RFC 8785, 3.2.2.3)


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """A `BitstringStatusListEntry` of a credential (Bitstring Status List 1.0, 2.1)."""

    purpose: str
    index: int
    list_credential: str
    size: int = 1  # bits of one entry
    messages: Mapping[int, str] = field(default_factory=dict, hash=False)  # what a value means


@dataclass(frozen=True, slots=True)
class Credential:
    """A typed view of `document`, which stays exactly as it was received."""

    document: Mapping[str, Any]
    id: str | None
    types: tuple[str, ...]
    issuer: str
    subject: Mapping[str, Any]  # the first of `subjects`
    subjects: tuple[Mapping[str, Any], ...]
    valid_from: int | None  # seconds, UTC; of a 1.1 credential its issuanceDate
    valid_until: int | None  # of a 1.1 credential its expirationDate
    status: tuple[StatusEntry, ...]
    schema: tuple[Resource, ...]
    proofs: tuple[Mapping[str, Any], ...]
    related: tuple[Resource, ...] = ()
    status_unknown: tuple[str, ...] = ()  # kinds of status that nothing here evaluates

    @property
    def proof(self) -> Mapping[str, Any] | None:
        """The proof of a credential that has exactly one."""
        return self.proofs[0] if len(self.proofs) == 1 else None


@dataclass(frozen=True, slots=True)
class Version:
    """An edition of the data model: its context, and where it says what."""

    name: str
    context: str
    valid_from: str
    valid_until: str
    valid_from_required: bool
    clauses: Mapping[str, str]


V2 = Version(
    "VCDM 2.0",
    CREDENTIALS_V2,
    "validFrom",
    "validUntil",
    False,
    {
        "@context": "4.3",
        "id": "4.4",
        "type": "4.5",
        "name": "4.6",
        "issuer": "4.7",
        "credentialSubject": "4.8",
        "validity": "4.9",
        "credentialStatus": "4.10",
        "credentialSchema": "4.11",
        "proof": "4.12",
        "presentation": "4.13",
        "relatedResource": "5.3",
        "refreshService": "5.4",
        "termsOfUse": "5.5",
        "evidence": "5.6",
    },
)
V1 = Version(
    "VCDM 1.1",
    CREDENTIALS_V1,
    "issuanceDate",
    "expirationDate",
    True,
    {
        "@context": "4.1",
        "id": "4.2",
        "type": "4.3",
        "name": "4.3",
        "credentialSubject": "4.4",
        "issuer": "4.5",
        "validity": "4.6 and 4.8",
        "proof": "4.7",
        "credentialStatus": "4.9",
        "presentation": "4.10",
        "relatedResource": "5.2",
        "credentialSchema": "5.4",
        "refreshService": "5.5",
        "termsOfUse": "5.6",
        "evidence": "5.7",
    },
)


def parse_credential(document: object) -> Credential:
    """Check the structure of `document` and return the view of it, or raise `structure_invalid`."""
    if not isinstance(document, dict):
        raise CredentialError("structure_invalid", "credential must be a JSON object (VCDM 2.0, 4.1).")
    contexts = document.get("@context")
    read = Reader(version_of(contexts))
    version = read.version
    read.contexts(contexts)
    types = read.types(document.get("type"), "type", "type")
    if "VerifiableCredential" not in types:
        read.refuse("type", "must contain VerifiableCredential", "type")
    read.texts(document)
    subjects = read.subjects(document.get("credentialSubject"))
    valid_from = read.time(document, version.valid_from, required=version.valid_from_required)
    valid_until = read.time(document, version.valid_until)
    if valid_from is not None and valid_until is not None and valid_until < valid_from:
        read.refuse(version.valid_until, f"must not be before {version.valid_from}", "validity")
    for name in ("evidence", "termsOfUse", "refreshService"):
        for item in read.objects(document, name):
            read.types(item.get("type"), f"{name}.type", name)
    statuses, unknown = read.status(read.objects(document, "credentialStatus"))
    return Credential(
        document,
        read.optional_url(document, "id", "id", "id"),
        types,
        read.issuer(document.get("issuer")),
        subjects[0],
        subjects,
        valid_from,
        valid_until,
        statuses,
        read.schema(read.objects(document, "credentialSchema")),
        tuple(read.objects(document, "proof")),
        read.related(read.objects(document, "relatedResource")),
        unknown,
    )


def parse_date_time(text: object, member: str, clause: str = "4.9") -> int:
    """Read an XSD dateTimeStamp and return seconds since 1970, UTC; a fraction of a second is cut off."""
    return _date_time(text, member, V2, clause)


def version_of(contexts: object) -> Version:
    """The edition of a document: that of its contexts, also where they do not stand as they should."""
    listed = contexts if isinstance(contexts, list) else [contexts]
    return V1 if CREDENTIALS_V1 in listed and CREDENTIALS_V2 not in listed else V2


class Reader:
    """Reads members of documents of one version of the data model, strictly."""

    def __init__(self, version: Version) -> None:
        self.version = version

    def refuse(self, member: str, sentence: str, topic: str, and_in: str = "") -> NoReturn:
        """Raise `structure_invalid`, naming the member and the clause about `topic`."""
        _refuse(self.version, member, sentence, self.version.clauses[topic] + and_in)

    def contexts(self, contexts: object) -> None:
        """A list that begins with the version's own context."""
        if not isinstance(contexts, list) or not contexts or contexts[0] != self.version.context:
            self.refuse("@context", f"must be a list that begins with {self.version.context}", "@context")
        for context in contexts[1:]:
            if not isinstance(context, dict) and not is_url(context):
                self.refuse("@context", "must hold URLs and objects only", "@context")

    def types(self, value: object, member: str, topic: str) -> tuple[str, ...]:
        """One name or a list of names."""
        types = [value] if isinstance(value, str) else value
        if (
            not isinstance(types, list)
            or not types
            or not all(isinstance(item, str) and item for item in types)
        ):
            self.refuse(member, "must be a name or a list of names", topic)
        if any(item.isspace() or " " in item for item in types):
            self.refuse(member, "must be terms or absolute URLs", topic)
        return tuple(types)

    def optional_url(self, item: Mapping[str, Any], name: str, member: str, topic: str) -> str | None:
        """One absolute URL, or nothing at all."""
        if name not in item:
            return None
        value = item[name]
        if not is_url(value):
            self.refuse(member, "must be one absolute URL", topic)
        return str(value)

    def issuer(self, value: object, member: str = "issuer", topic: str = "issuer") -> str:
        """A URL, or an object with such an id."""
        issuer = value.get("id") if isinstance(value, dict) else value
        if not is_url(issuer):
            self.refuse(member, "must be an absolute URL, or an object with such an id", topic)
        if isinstance(value, dict):
            self.texts(value, f"{member}.")
        return str(issuer)

    def subjects(self, value: object) -> tuple[Mapping[str, Any], ...]:
        """One or several objects with claims."""
        member = "credentialSubject"
        subjects = value if isinstance(value, list) else [value]
        if not subjects:
            self.refuse(member, "must not be an empty list", member)
        for subject in subjects:
            if not isinstance(subject, dict) or not subject:
                self.refuse(member, "must be an object with at least one claim", member)
            self.optional_url(subject, "id", f"{member}.id", "id")
        return tuple(subjects)

    def time(self, document: Mapping[str, Any], name: str, *, required: bool = False) -> int | None:
        """Seconds, UTC."""
        if name not in document and not required:
            return None
        return _date_time(document.get(name), name, self.version, self.version.clauses["validity"])

    def objects(self, document: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
        """An object or a list of objects, none of them empty; nothing when the member is absent."""
        if name not in document:
            return ()
        value = document[name]
        items = value if isinstance(value, list) else [value]
        if not items or not all(isinstance(item, dict) and item for item in items):
            self.refuse(name, "must be an object or a list of objects, and not empty", name)
        return items

    def status(self, items: Sequence[Mapping[str, Any]]) -> tuple[tuple[StatusEntry, ...], tuple[str, ...]]:
        """The bitstring entries among `items`, and what kinds of others there are: nothing evaluates them.

        (4.10: each by its type.) Those others are checked for id and type only.
        """
        entries, unknown = [], []
        for item in items:
            self.optional_url(item, "id", "credentialStatus.id", "credentialStatus")
            (kind,) = self._status_type(item)
            if kind != STATUS_ENTRY:
                unknown.append(kind)
                continue
            if not _is_evaluated(item):
                unknown.append(f"{STATUS_ENTRY} of {item['statusSize']} bits")
                continue
            purpose, index = item.get("statusPurpose"), item.get("statusListIndex")
            url = item.get("statusListCredential")
            if not isinstance(purpose, str) or not purpose:
                self._refuse_status("statusPurpose", "must be a name")
            if not isinstance(index, str) or not _INDEX.fullmatch(index):
                self._refuse_status(
                    "statusListIndex", 'must be a whole number as text, such as "94567", of at most 15 digits'
                )
            if not is_url(url):
                self._refuse_status("statusListCredential", "must be a URL")
            entries.append(StatusEntry(purpose, int(index), str(url), *self._status_values(item)))
        return tuple(entries), tuple(unknown)

    def _status_type(self, item: Mapping[str, Any]) -> tuple[str, ...]:
        kinds = self.types(item.get("type"), "credentialStatus.type", "credentialStatus")
        if len(kinds) != 1:
            self.refuse("credentialStatus.type", "must be one name", "credentialStatus")
        return kinds

    def _status_values(self, item: Mapping[str, Any]) -> tuple[int, Mapping[int, str]]:
        """Bits of an entry, and what their values mean (Bitstring Status List 1.0, 2.1)."""
        size = _size_of(item)
        if type(size) is not int or size < 1:
            self._refuse_status("statusSize", "must be a whole number above zero")
        listed = item.get("statusMessage")
        if listed is None and size == 1:
            return size, {}
        messages: dict[int, str] = {}
        for row in listed if isinstance(listed, list) else ():
            value = row.get("status") if isinstance(row, Mapping) else None
            text = row.get("message") if isinstance(row, Mapping) else None
            if isinstance(text, str) and isinstance(value, str) and re.fullmatch("0x[0-9A-Fa-f]{1,2}", value):
                messages[int(value, 16)] = text
        if messages.keys() != set(range(1 << size)) or len(listed or ()) != 1 << size:
            self._refuse_status("statusMessage", f"must give a message for each of {1 << size} values")
        return size, messages

    def _refuse_status(self, name: str, sentence: str) -> NoReturn:
        also = "; Bitstring Status List, 2.1"
        self.refuse(f"credentialStatus.{name}", sentence, "credentialStatus", also)

    def schema(self, items: Sequence[Mapping[str, Any]]) -> tuple[Resource, ...]:
        """The schemas, with their digests."""
        schemas = []
        for item in items:
            if "id" not in item or not is_url(item["id"]):
                self.refuse("credentialSchema.id", "must be an absolute URL", "credentialSchema")
            kinds = self.types(item.get("type"), "credentialSchema.type", "credentialSchema")
            schemas.append(Resource(str(item["id"]), kinds, digests_of(item, "credentialSchema")))
        return tuple(schemas)

    def texts(self, item: Mapping[str, Any], prefix: str = "") -> None:
        """Texts for people, with language and direction (VCDM 2.0, 4.6 and 11.1)."""
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
                    or value.get("@direction", "ltr") not in ("ltr", "rtl")
                    or not isinstance(value.get("@language", "en"), str)
                    or LANGUAGE.fullmatch(value.get("@language", "en")) is None
                ):
                    self.refuse(
                        prefix + name,
                        "must be a text, or texts with @value, @language and @direction",
                        "name",
                    )

    def related(self, items: Sequence[Mapping[str, Any]]) -> tuple[Resource, ...]:
        """Resources with their digests, each named once."""
        found: dict[str, Resource] = {}
        for item in items:
            if not is_url(item.get("id")) or item["id"] in found:
                self.refuse(
                    "relatedResource.id", "must be an absolute URL that occurs once", "relatedResource"
                )
            digests = digests_of(item, "relatedResource")
            if not digests:
                self.refuse("relatedResource", "must carry digestSRI or digestMultibase", "relatedResource")
            found[item["id"]] = Resource(item["id"], digests=digests)
        return tuple(found.values())


def _is_evaluated(item: Mapping[str, Any]) -> bool:
    """False for an entry of more bits than are read here; one without a right size is told elsewhere."""
    size = _size_of(item)
    return type(size) is not int or size <= STATUS_BITS_MAX


def _size_of(item: Mapping[str, Any]) -> object:
    """`statusSize`; 1.0 is the number 1, in JSON as in what is signed (RFC 8785, 3.2.2.3)."""
    size = item.get("statusSize", 1)
    return int(size) if isinstance(size, float) and size.is_integer() else size


def _date_time(text: object, member: str, version: Version, clause: str) -> int:
    read = _seconds_of(text) if isinstance(text, str) and len(text) <= 64 else None
    # VCDM 1.1, 4.6 asks for an XSD dateTime, whose zone may be left out: it is read as UTC.
    if read is None or (not read[1] and version is not V1):
        _refuse(version, member, "must be a dateTimeStamp such as 2027-03-01T00:00:00Z", clause)
    if read[0] is None:
        _refuse(version, member, f"is {text}, which is no date and time", clause)
    return read[0]


@lru_cache(maxsize=1024)  # the documents of one passport, and of one moment, have the same times
def _seconds_of(text: str) -> tuple[int | None, bool] | None:
    """(seconds since 1970, None where it is no date and time; has it a zone?); None: of another form."""
    match = _DATE_TIME_STAMP.fullmatch(text)
    if match is None:
        return None
    zoned = match["zone"] is not None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    # XSD 1.1 part 2, 3.3.7: 24:00:00 is the first moment of the next day.
    end_of_day = (hour, minute, second, int(match["fraction"] or 0)) == (24, 0, 0, 0)
    offset_hour, offset_minute = int(match[11] or 0), int(match[12] or 0)
    if (
        year == 0
        or not is_calendar_date(year, month, day)
        or (hour > 23 and not end_of_day)
        or minute > 59
        or second > 59
        or offset_hour > 14
        or offset_minute > 59
        or (offset_hour == 14 and offset_minute)
    ):
        return None, zoned
    offset = (offset_hour * 60 + offset_minute) * (-60 if match[10] == "-" else 60)
    days = _days_since_1970(year, month, day)
    return days * 86400 + hour * 3600 + minute * 60 + second - offset, zoned


def _refuse(version: Version, member: str, sentence: str, clause: str) -> NoReturn:
    raise CredentialError("structure_invalid", f"{member} {sentence} ({version.name}, {clause}).")


def _days_since_1970(year: int, month: int, day: int) -> int:
    # Years are counted from March, so that the leap day is the last of its year.
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719469
