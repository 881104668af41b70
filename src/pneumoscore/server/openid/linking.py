"""Accounts of people whom a provider vouches for."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.rows import add_audit
from pneumoscore.records.site_schema import accounts, api_tokens, sessions
from pneumoscore.server.accounts import Account, Role, account_of
from pneumoscore.server.clock import now
from pneumoscore.server.errors import ProviderError
from pneumoscore.server.openid.provider import Identity

__all__ = ["account_for", "role_for"]

_LONGEST_NAME = 64


def role_for(identity: Identity, roles: Mapping[str, Role], default: Role | None) -> Role | None:
    """Return the largest role that a person's groups give, else the default.

    Examples
    --------
    >>> ada = Identity("https://id", "1", "ada", ("radiology", "trial"))
    >>> role_for(ada, {"radiology": Role.VIEWER, "trial": Role.READER}, None)
    <Role.READER: 'reader'>
    """
    found = [roles[group] for group in identity.groups if group in roles]
    return max(found, key=list(Role).index) if found else default


def account_for(records: Records, identity: Identity, role: Role | None) -> Account:
    """Return a person's account, made at the first sign-in.

    It is found by issuer and subject alone: never by a name or an address, which others may
    get. The role follows the provider at each sign-in; that of an account that an administrator
    made one himself stays. Who has no role there any more is refused, and what was open for the
    account ends: its sessions and API tokens.

    Parameters
    ----------
    records : Records
        Open.
    identity : Identity
        Whom the provider vouches for.
    role : Role or None
        By `role_for`; None for nobody that may come in.

    Raises
    ------
    ProviderError
        If the person may not come in, or the account is disabled.
    """
    theirs = (accounts.c.issuer == identity.issuer) & (accounts.c.subject == identity.subject)
    with records.writing() as connection:
        row = connection.execute(select(accounts).where(theirs)).first()
        found = None if row is None else account_of(row)
        if found is not None and found.disabled:
            raise ProviderError("this account is disabled", remedy="ask an administrator")
        if found is not None and found.role is Role.ADMINISTRATOR:
            return found
        if role is not None:
            if found is None:
                return _made(connection, identity, role)
            return _with_role(connection, found, role)
        if found is not None:
            _end_access(connection, found)
    # Raised when the transaction has committed: within it, the ended access would be undone.
    raise ProviderError(
        "your institution's groups give you no role here", remedy="ask an administrator"
    )


def _with_role(connection: Connection, account: Account, role: Role) -> Account:
    if account.role is not role:
        this = accounts.c.id == account.id
        connection.execute(update(accounts).where(this).values(role=role.value))
        details = {"account": account.name, "role": role.value}
        add_audit(connection, account.name, "account_changed", details)
    return Account(account.id, account.name, role, local=False)


def _end_access(connection: Connection, account: Account) -> None:
    """End the sessions and revoke the API tokens of an account whose person has no role."""
    open_sessions = sessions.c.account_id == account.id
    ended = connection.execute(delete(sessions).where(open_sessions)).rowcount
    valid = (api_tokens.c.account_id == account.id) & api_tokens.c.revoked_at.is_(None)
    revoked = connection.execute(update(api_tokens).where(valid).values(revoked_at=now())).rowcount
    if ended or revoked:
        details = {"account": account.name, "sessions": ended, "tokens": revoked}
        add_audit(connection, account.name, "access_ended", details)


def _made(connection: Connection, identity: Identity, role: Role) -> Account:
    name = _free_name(connection, identity)
    row = {
        "id": secrets.token_hex(8),
        "name": name,
        "role": role.value,
        "password": None,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "disabled": False,
        "created_at": now(),
    }
    connection.execute(insert(accounts), row)
    details = {"account": name, "role": role.value, "issuer": identity.issuer}
    add_audit(connection, name, "account_created", details)
    return Account(str(row["id"]), name, role, local=False)


def _free_name(connection: Connection, identity: Identity) -> str:
    """Return what the person is called, told apart from accounts that are called so already."""
    plain = "".join(sign for sign in identity.name if sign.isprintable()).strip()
    host = urlsplit(identity.issuer).hostname or "provider"
    wanted = [plain, f"{plain} ({host})", f"{plain} ({secrets.token_hex(4)})"]
    for name in (name[:_LONGEST_NAME].strip() for name in wanted):
        taken = connection.execute(select(accounts.c.id).where(accounts.c.name == name)).first()
        if name and taken is None:
            return name
    return secrets.token_hex(8)
