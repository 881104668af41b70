"""Accounts of people whom a provider vouches for."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from sqlalchemy import Connection, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.rows import add_audit
from pneumoscore.records.site_schema import accounts
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
    made one himself stays.

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
        if role is None:
            raise ProviderError(
                "your institution's groups give you no role here", remedy="ask an administrator"
            )
        if found is None:
            return _made(connection, identity, role)
        if found.role is not role:
            connection.execute(update(accounts).where(theirs).values(role=role.value))
            details = {"account": found.name, "role": role.value}
            add_audit(connection, found.name, "account_changed", details)
        return Account(found.id, found.name, role, local=False)


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
