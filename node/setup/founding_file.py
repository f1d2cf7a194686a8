"""A founding file, row by row: a mistake is told by its member, and nothing is read as something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

from credentials.documents.identifiers import canonical_namespace
from credentials.documents.uri import parse_uri
from credentials.ledger.approvals import ApprovalRules
from credentials.ledger.dead_ends import require_way_on
from credentials.ledger.genesis import Genesis, usual_rules
from credentials.ledger.parties import Accreditation, Limits
from node.config import read_table
from node.errors import SetupError
from node.peers.link import can_be_asked, is_loopback

EVERY = "*"  # every namespace of a scheme
_SPELLED = ("gbt34014", "gs1", "uri")  # schemes whose namespaces have one spelling


def rows_of(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The rows of a founding file under one name."""
    rows = table.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SetupError(f"{name} is a list of tables: write [[{name}]] before each")
    return rows


def read_participant(row: Mapping[str, Any]) -> tuple[str, bool | None, str | None]:
    """(path of the card, whether it is a validator, its address)."""
    _require_members(row, "an entry of participants", ("card",), ("validator", "address"))
    validator, address = row.get("validator"), row.get("address")
    if not isinstance(row["card"], str) or not isinstance(validator, bool | None):
        raise SetupError(
            "of participants, card is the path of a file, and validator is true or false",
            step="Write it so in the file.",
        )
    return row["card"], validator, address


def read_accreditation(row: Mapping[str, Any], created: int) -> Accreditation:
    """One accreditation; without a day of its own it begins with the network."""
    named = "an accreditation"
    optional = ("valid_from", "valid_until", "licence")
    _require_members(row, named, ("participant", "roles", "schemes", "jurisdiction"), optional)
    roles, schemes = row["roles"], row["schemes"]
    if not isinstance(roles, list) or not roles or not all(isinstance(role, str) for role in roles):
        raise SetupError(
            'roles of an accreditation are a list of roles, such as ["manufacturer"]',
            step="Write it so in the file.",
        )
    if not isinstance(schemes, list) or not all(_is_pair(pair) for pair in schemes):
        raise SetupError(
            'schemes of an accreditation are pairs of scheme and maker, such as [["gbt34014", "ZZ1"]]',
            step="Write it so in the file.",
        )
    dated = with_days(row, created)
    return Accreditation(
        participant=row["participant"],
        roles=tuple(roles),
        schemes=tuple((scheme, _namespace(scheme, namespace)) for scheme, namespace in schemes),
        jurisdiction=row["jurisdiction"],
        valid_from=dated["valid_from"],
        valid_until=dated.get("valid_until"),
        licence=row.get("licence", ""),
    )


def read_limits(table: object) -> Limits:
    """The limits of a network; those that are left out are the usual ones."""
    known = tuple(field.name for field in fields(Limits))
    if not isinstance(table, dict):
        raise SetupError("limits is a table: write [limits], and its members below")
    _require_members(table, "limits", (), known)
    return Limits(**table)


def read_approvals(table: object) -> Mapping[str, Any]:
    """Who may change what; what is left out follows from who founds the network (genesis.py)."""
    if not isinstance(table, dict):
        raise SetupError("governance is a table: write [governance], and its members below")
    ApprovalRules.parse(table)
    return table


def require_founded_way_on(genesis: Genesis) -> None:
    """Refuse a table [governance] under which nothing could ever be changed; raises CredentialError.

    Where the usual rules would do no better, as in a network without authorities, it is not its fault.
    """
    first = genesis.governance
    usual = usual_rules(first.participants, first.accreditations)
    require_way_on(replace(first, approvals=usual), first, genesis.created)


def require_known_schemes(accreditations: Sequence[Accreditation], lifecycle: bytes) -> None:
    """Raise SetupError for codes of a scheme that the life cycle does not know."""
    groups = read_table("lifecycle.json", lifecycle)["schemes"].values()
    known = sorted({scheme for group in groups for scheme in group})
    for accreditation in accreditations:
        for scheme, _ in accreditation.schemes:
            if scheme not in known:
                raise SetupError(
                    f"{accreditation.participant} is accredited for codes of the unknown scheme {scheme!r}: "
                    f"it is one of {', '.join(known)}"
                )


def with_days(row: Mapping[str, Any], created: int) -> dict[str, Any]:
    """A row with its interval in seconds."""
    dated = {"valid_from": created, **row}
    for name in ("valid_from", "valid_until"):
        if name in dated:
            dated[name] = _seconds(dated[name], name)
    return dated


def _seconds(value: object, name: str) -> int:
    """A TOML date (midnight, UTC), date-time, or seconds."""
    if isinstance(value, datetime):
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, date):
        return int(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())
    if type(value) is int:
        return value
    raise SetupError(
        f"{name} is a day without quotation marks, such as 2027-03-01, or a number of seconds",
        step="Write it so in the file.",
    )


def _require_members(
    row: Mapping[str, Any], what: str, required: Sequence[str], optional: Sequence[str]
) -> None:
    if missing := [name for name in required if name not in row]:
        raise SetupError(f"{what} lacks {missing[0]}", step="Write that member into the file.")
    known = (*required, *optional)
    if unknown := [name for name in row if name not in known]:
        raise SetupError(f"{what} has the unknown member {unknown[0][:40]!a}: it has {', '.join(known)}")


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)


def _namespace(scheme: str, text: str) -> str:
    """As codes have it: another spelling would accredit for codes that nobody has."""
    return text if text == EVERY or scheme not in _SPELLED else canonical_namespace(scheme, text, {})


def _names_a_host(url: str) -> bool:
    """Whether it can be asked at all, in clear text or not."""
    return can_be_asked(urlsplit(url)._replace(scheme="https").geturl(), here=True)


def require_url(did: str, url: object, where: str = "") -> None:
    """Raise SetupError unless `url` is an address at which this participant can be asked."""
    require_address(f"the address of {did}", url, where, shown=f", {url!s:.120},")


def require_address(what: str, url: object, where: str = "", *, shown: str = "") -> None:
    """Raise SetupError, in which `what` names it, unless `url` is an address at which a peer can be asked."""
    uri = parse_uri(url)
    if not isinstance(url, str) or uri is None or not uri.is_web or not _names_a_host(url):
        raise SetupError(
            f"{where}{what} is not an http:// or https:// URL: {url!r:.120}",
            step="Write the address by which others reach that node.",
        )
    if uri.scheme == "http" and not is_loopback(urlsplit(url).hostname or ""):
        raise SetupError(
            f"{where}{what}{shown} would need clear text between machines: write "
            f"https://{urlsplit(url).netloc}. A node that listens there serves HTTPS by itself, under a "
            "certificate that its transport key vouches for (`comity serve --listen HOST:PORT`)"
        )
