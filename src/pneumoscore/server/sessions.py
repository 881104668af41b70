"""Sessions and API tokens: random secrets whose digests the records hold."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.rows import add_audit
from pneumoscore.records.site_schema import accounts, api_tokens, sessions
from pneumoscore.server.accounts import Account, Role, account_of
from pneumoscore.server.clock import now

__all__ = [
    "ApiToken",
    "Scope",
    "Session",
    "create_token",
    "end_session",
    "list_tokens",
    "open_session",
    "revoke_token",
    "session_of",
    "token_account",
]

_SEEN_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    """What an API token may do, within what its account may.

    Attributes
    ----------
    SCORE
        Upload films and read their results.
    READ
        Read patients and the ward.
    """

    SCORE = "score"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in account.

    Attributes
    ----------
    account : Account
        Who.
    csrf : str
        What every form and request that changes something must bring along.
    scopes : frozenset of Scope or None
        What an API token may do; None for a session of a browser.
    digest : str
        How the records name the session.
    """

    account: Account
    csrf: str
    scopes: frozenset[Scope] | None = None
    digest: str = ""

    def csrf_fits(self, given: str | None) -> bool:
        """Return whether a request brought this session's own token (constant time)."""
        return given is not None and hmac.compare_digest(given.encode(), self.csrf.encode())


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token as it is listed; the secret itself is shown once.

    Attributes
    ----------
    id, name, account : str
        Identifier, the name that its maker gave, and whose it is.
    scopes : frozenset of Scope
        What it may do.
    expires_at : datetime
        In UTC.
    """

    id: str
    name: str
    account: str
    scopes: frozenset[Scope]
    expires_at: datetime


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


def open_session(records: Records, account: Account, lifetime: timedelta) -> str:
    """Open a session and return its secret, which goes into the cookie and nowhere else."""
    secret = secrets.token_urlsafe(32)
    at = now()
    with records.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_at < at))
        connection.execute(
            insert(sessions),
            {
                "digest": _digest(secret),
                "account_id": account.id,
                "csrf": secrets.token_urlsafe(24),
                "created_at": at,
                "seen_at": at,
                "expires_at": at + lifetime,
            },
        )
        add_audit(connection, account.name, "signed_in", {})
    return secret


def session_of(
    records: Records, secret: str | None, idle: timedelta, *, used: bool = True
) -> Session | None:
    """Return the session of a cookie, if it is open and its account may sign in.

    Parameters
    ----------
    records : Records
        Open.
    secret : str or None
        From the cookie.
    idle : timedelta
        A session that was not used for so long has ended.
    used : bool, optional
        Whether this request is a person's; what a page asks by itself keeps no session open.
    """
    if not secret:
        return None
    digest, at = _digest(secret), now()
    with records.reading() as connection:
        row = connection.execute(
            select(accounts, sessions.c.csrf, sessions.c.seen_at, sessions.c.expires_at)
            .join(sessions, sessions.c.account_id == accounts.c.id)
            .where(sessions.c.digest == digest)
        ).first()
    if row is None or row.disabled or row.expires_at < at or row.seen_at + idle < at:
        return None
    if used and row.seen_at + _SEEN_EVERY < at:
        with records.writing() as connection:
            connection.execute(
                update(sessions).where(sessions.c.digest == digest).values(seen_at=at)
            )
    return Session(account_of(row), row.csrf, None, digest)


def end_session(records: Records, session: Session) -> None:
    """End one session."""
    with records.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.digest == session.digest))
        add_audit(connection, session.account.name, "signed_out", {})


def create_token(
    records: Records,
    account: Account,
    name: str,
    scopes: Collection[Scope],
    lifetime: timedelta,
) -> str:
    """Make an API token and return its secret, which is shown this once."""
    secret = "ps_" + secrets.token_urlsafe(32)
    at = now()
    with records.writing() as connection:
        connection.execute(
            insert(api_tokens),
            {
                "id": secrets.token_hex(8),
                "digest": _digest(secret),
                "account_id": account.id,
                "name": name,
                "scopes": " ".join(sorted(scopes)),
                "created_at": at,
                "expires_at": at + lifetime,
                "revoked_at": None,
            },
        )
        add_audit(connection, account.name, "token_created", {"token": name})
    return secret


def token_account(records: Records, secret: str) -> Session | None:
    """Return what an API token stands for, if it is valid."""
    with records.reading() as connection:
        row = connection.execute(
            select(accounts, api_tokens.c.scopes, api_tokens.c.expires_at, api_tokens.c.revoked_at)
            .join(api_tokens, api_tokens.c.account_id == accounts.c.id)
            .where(api_tokens.c.digest == _digest(secret))
        ).first()
    if row is None or row.disabled or row.revoked_at is not None or row.expires_at < now():
        return None
    return Session(account_of(row), "", frozenset(Scope(word) for word in row.scopes.split()))


def list_tokens(records: Records, account: Account | None = None) -> tuple[ApiToken, ...]:
    """Return the valid tokens of an account, or of all."""
    statement = (
        select(api_tokens, accounts.c.name.label("account"))
        .join(accounts, accounts.c.id == api_tokens.c.account_id)
        .where(api_tokens.c.revoked_at.is_(None), api_tokens.c.expires_at >= now())
        .order_by(api_tokens.c.created_at)
    )
    if account is not None:
        statement = statement.where(api_tokens.c.account_id == account.id)
    with records.reading() as connection:
        return tuple(
            ApiToken(
                row.id,
                row.name,
                row.account,
                frozenset(Scope(word) for word in row.scopes.split()),
                row.expires_at,
            )
            for row in connection.execute(statement)
        )


def revoke_token(records: Records, number: str, *, actor: Account) -> bool:
    """Revoke a token; its owner and administrators may. Returns whether there was one."""
    statement = select(api_tokens).where(api_tokens.c.id == number)
    with records.writing() as connection:
        row = connection.execute(statement).first()
        allowed = row is not None and (
            row.account_id == actor.id or actor.role is Role.ADMINISTRATOR
        )
        if row is None or not allowed:
            return False
        connection.execute(
            update(api_tokens).where(api_tokens.c.id == number).values(revoked_at=now())
        )
        add_audit(connection, actor.name, "token_revoked", {"token": row.name})
    return True
