"""People whom the operator's identity provider names: signed in, with the roles that it gives them each time.

An account belongs to what the provider calls its person for ever (`sub`), never to a name or an address of
e-mail. Its roles are those of [oidc.gives] among the person's groups, given anew at each signing in; where
they became others, sessions from before end. Whom an administrator ended stays ended, whatever the provider
says.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from node import log
from node.errors import ProblemError, Unfit, forbidden, not_found
from node.provider_settings import ProviderSettings
from node.resolution.identity_provider import Begun, Claimed, IdentityProvider, ProviderError
from node.storage.accounts import AccountRow
from node.storage.audit import THIS_NODE
from node.storage.database import Transaction
from node.storage.office import OfficeStore
from node.use_cases.access import Access, Session, require_name
from node.use_cases.accounts import Accounts
from node.use_cases.guesses import Guesses
from node.use_cases.roles import person_roles, scopes_of


class ProvidedAccounts:
    """Signing in by the identity provider of node.toml; without one nobody does."""

    def __init__(
        self, office: OfficeStore, access: Access, accounts: Accounts, settings: ProviderSettings | None
    ) -> None:
        self._office = office
        self._access = access
        self._accounts = accounts
        self._settings = settings
        self._asked = None if settings is None else IdentityProvider(settings)
        self._tries = Guesses()
        if settings is not None and (strange := set(settings.gives.values()) - person_roles().keys()):
            known = ", ".join(person_roles())
            raise Unfit(f"node.toml: oidc.gives names the role {min(strange)!r}: roles are {known}")

    @property
    def host(self) -> str:
        """Of the provider, as people are told it; "" where there is none."""
        return "" if self._settings is None else urlsplit(self._settings.issuer).netloc

    def signs_in(self, account: str) -> str:
        """The host of the provider that names whose account this is; "" where a passphrase opens it."""
        return self.host if account in self._office.accounts.provided() else ""

    def begin(self, redirect_uri: str, wanted: str) -> Begun:
        """Where to sign in: 404 without a provider, 503 while it does not answer."""
        try:
            return self._provider().begin(redirect_uri, wanted)
        except ProviderError as error:
            raise _told(error) from error

    def finish(
        self,
        sealed: str | None,
        sent: Mapping[str, str],
        redirect_uri: str,
        *,
        subnet: str,
        former: str | None,
    ) -> tuple[Session, str]:
        """The session of whom the provider sent back, and the page that was wanted; raises ProblemError."""
        provider = self._provider()
        if wait_s := self._tries.take(subnet, subnet):
            told = "too many tries to sign in from here that failed; try again in {wait} s"
            raise ProblemError(429, "too_many_tries", "Come again", told, wait=wait_s)
        try:
            claimed = provider.finish(sealed, sent, redirect_uri)
        except ProviderError as error:
            raise _told(error) from error
        self._tries.give_back(subnet, subnet)
        return self._signed_in(claimed, former), claimed.next

    def _provider(self) -> IdentityProvider:
        if self._asked is None:
            raise not_found("no_provider", "no identity provider signs people in here")
        return self._asked

    # -- the account -----------------------------------------------------------------------------------

    def _signed_in(self, claimed: Claimed, former: str | None) -> Session:
        roles, now = self._roles(claimed.values), int(time.time())
        with self._office.writing() as db:
            row = self._known(db, claimed, roles, now)
            if row is not None and row.roles != " ".join(roles):
                self._give(db, row, roles, now)
            if row is not None and roles:
                self._office.accounts.touch(db, row.account, "", now)
                return self._accounts.open_session(db, row, now, former, f"by {self.host}")
        raise forbidden(
            "no_role_here", "none of your groups at {provider} has a role at this node", provider=self.host
        )

    def _roles(self, values: Iterable[str]) -> tuple[str, ...]:
        """What these groups give at a participant of these roles, in the order of the table."""
        assert self._settings is not None, "whoever came was asked for"
        given = {self._settings.gives[value] for value in values if value in self._settings.gives}
        own = self._access.roles()
        return tuple(name for name, role in person_roles().items() if name in given and role.fits(own))

    def _known(
        self, db: Transaction, claimed: Claimed, roles: tuple[str, ...], now: int
    ) -> AccountRow | None:
        """The account of whom the provider names, made where a role is given; None where none is."""
        assert self._settings is not None, "whoever came was asked for"
        table, issuer = self._office.accounts, self._settings.issuer
        account = table.provided_for(db, issuer, claimed.subject)
        if account is not None:
            row = table.in_use(db, account)
            if row is None:
                told = "your account here was ended: an administrator of this node can make you another one"
                raise forbidden("account_ended", told)
            return row
        if not roles:
            return None
        require_name(claimed.name)
        row = self._accounts.put_account(db, THIS_NODE, claimed.name, roles, scopes=scopes_of(roles), now=now)
        table.put_identity(db, issuer, claimed.subject, row.account)
        made = f"{row.name}: {', '.join(roles)}, by {self.host}"
        self._office.audit.put(db, now, row.name, "account.added", made, account=row.account)
        return row

    def _give(self, db: Transaction, row: AccountRow, roles: tuple[str, ...], now: int) -> None:
        """Other roles than before, or none: what was signed in with those of before ends."""
        scopes = scopes_of(roles) if roles else ()
        self._office.accounts.put_roles(db, row.account, " ".join(roles), " ".join(scopes))
        self._office.access.revoke(db, row.name, now)
        told = (
            f"{row.name}: {row.roles.replace(' ', ', ')} became {', '.join(roles) or 'none'}, by {self.host}"
        )
        self._office.audit.put(db, now, row.name, "account.roles", told, account=row.account)


def _told(error: ProviderError) -> ProblemError:
    """What a person is told; the operator finds what the provider said in the log."""
    log.moment("sign_in_failed", code=error.code, why=str(error)[:200])
    if error.code == "away":
        told = "the identity provider does not answer: try again in a while"
        return ProblemError(503, "provider_away", "Come again", told)
    if error.code == "refused":
        return forbidden(
            "provider_refused", "the identity provider did not sign you in ({why})", why=str(error)
        )
    if error.code == "foreign":
        told = "this signing in was not begun in this browser, or too long ago: begin again"
        return forbidden("sign_in_foreign", told)
    told = "what the identity provider answered does not fit ({what}): nobody was signed in"
    return forbidden("provider_unfit", told, what=str(error))
