"""Accounts of a site: names, roles, passwords."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.rows import add_audit
from pneumoscore.records.site_schema import accounts, sessions
from pneumoscore.server.clock import now
from pneumoscore.server.errors import AccountError

__all__ = [
    "LEAST_PASSWORD",
    "Account",
    "Role",
    "account_named",
    "account_of",
    "any_account",
    "change_account",
    "create_account",
    "list_accounts",
    "set_password",
    "verified",
]

LEAST_PASSWORD = 12
"""Characters of the shortest password (NIST SP 800-63B-4 asks for at least 8; we for more)."""

_LONGEST_PASSWORD = 256
_LONGEST_NAME = 64
# Each hash takes 64 MiB and most of a core; two at once are what a small machine bears.
_HASHING = threading.BoundedSemaphore(2)


class Role(StrEnum):
    """What an account may do; each role may also do what the ones before it may.

    Attributes
    ----------
    VIEWER
        Scores films, looks at patients and the ward.
    READER
        Reads in the studies that name him.
    OWNER
        Makes, locks and unblinds reader studies, and corrects patients' events.
    ADMINISTRATOR
        Makes accounts and reads the audit.
    """

    VIEWER = "viewer"
    READER = "reader"
    OWNER = "owner"
    ADMINISTRATOR = "administrator"

    def includes(self, other: Role) -> bool:
        """Return whether this role may do all that `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Account:
    """One account.

    Attributes
    ----------
    id, name : str
        Random identifier, and what the person types.
    role : Role
        What the account may do.
    disabled : bool
        Whether it may no longer sign in.
    local : bool
        Whether it has a password here (accounts of an identity provider have none).
    """

    id: str
    name: str
    role: Role
    disabled: bool = False
    local: bool = True


def account_of(row: Any) -> Account:
    """Return the account of a row."""
    return Account(row.id, row.name, Role(row.role), row.disabled, row.password is not None)


def _hasher() -> Any:
    from argon2 import PasswordHasher

    return PasswordHasher()


def _hashed(password: str) -> str:
    with _HASHING:
        return str(_hasher().hash(password))


def _checked_name(name: str) -> str:
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise AccountError(
            "the account's name is empty, too long, or has unprintable signs or spaces at its ends",
            f"1 to {_LONGEST_NAME} printable characters",
        )
    return name


def _checked_password(password: str, name: str) -> str:
    if not LEAST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise AccountError(
            f"the password has {len(password)} characters",
            f"{LEAST_PASSWORD} to {_LONGEST_PASSWORD}",
        )
    if name.casefold() in password.casefold() and len(name) >= 4:
        raise AccountError("the password holds the account's name", "another password")
    return password


def any_account(records: Records) -> bool:
    """Return whether the site has an account yet."""
    with records.reading() as connection:
        return connection.execute(select(accounts.c.id).limit(1)).first() is not None


def create_account(
    records: Records, name: str, role: Role, password: str | None, *, actor: str
) -> Account:
    """Make an account.

    Parameters
    ----------
    records : Records
        Open.
    name : str
        What the person types; unique.
    role : Role
        What it may do.
    password : str or None
        At least `LEAST_PASSWORD` characters; None for an account that signs in elsewhere.
    actor : str
        Who makes it, for the audit.

    Raises
    ------
    AccountError
        If the name is taken or name or password is unfit.
    """
    _checked_name(name)
    # Hashed before the write lock is taken: it is slow on purpose.
    hashed = None if password is None else _hashed(_checked_password(password, name))
    row = {
        "id": secrets.token_hex(8),
        "name": name,
        "role": role.value,
        "password": hashed,
        "issuer": None,
        "subject": None,
        "disabled": False,
        "created_at": now(),
    }
    with records.writing() as connection:
        if _named(connection, name) is not None:
            raise AccountError(f"there is an account {name!r} already", "another name")
        connection.execute(insert(accounts), row)
        add_audit(connection, actor, "account_created", {"account": name, "role": role.value})
    return Account(str(row["id"]), name, role, local=password is not None)


def _named(connection: Connection, name: str) -> Any:
    return connection.execute(select(accounts).where(accounts.c.name == name)).first()


def account_named(records: Records, name: str) -> Account | None:
    """Return the account of this name, if there is one."""
    with records.reading() as connection:
        row = _named(connection, name)
    return None if row is None else account_of(row)


def list_accounts(records: Records) -> tuple[Account, ...]:
    """Return all accounts by name."""
    with records.reading() as connection:
        rows = connection.execute(select(accounts).order_by(accounts.c.name))
        return tuple(account_of(row) for row in rows)


def verified(records: Records, name: str, password: str) -> Account | None:
    """Return the account if name and password fit and it may sign in, else None.

    An unknown name costs as much time as a wrong password.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    with records.reading() as connection:
        row = _named(connection, name)
    stored = None if row is None else row.password
    with _HASHING:
        try:
            _hasher().verify(stored or _UNKNOWN, password[:_LONGEST_PASSWORD])
        except (VerificationError, InvalidHashError):
            return None
    return None if row is None or stored is None or row.disabled else account_of(row)


# A hash that no password has, with the parameters of real ones.
_UNKNOWN = (
    "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


def set_password(records: Records, account: Account, password: str, *, actor: str) -> None:
    """Give an account another password, and end all its sessions.

    Raises
    ------
    AccountError
        If the password is unfit.
    """
    hashed = _hashed(_checked_password(password, account.name))
    with records.writing() as connection:
        connection.execute(
            update(accounts).where(accounts.c.id == account.id).values(password=hashed)
        )
        connection.execute(sessions.delete().where(sessions.c.account_id == account.id))
        add_audit(connection, actor, "password_changed", {"account": account.name})


def change_account(
    records: Records,
    account: Account,
    *,
    actor: str,
    role: Role | None = None,
    disabled: bool | None = None,
) -> None:
    """Change what an account may do; its sessions end, so that the change holds at once.

    Raises
    ------
    AccountError
        If the site would be left without an administrator who may sign in.
    """
    values: dict[str, Any] = {}
    if role is not None:
        values["role"] = role.value
    if disabled is not None:
        values["disabled"] = disabled
    if not values:
        return
    with records.writing() as connection:
        connection.execute(update(accounts).where(accounts.c.id == account.id).values(**values))
        left = connection.execute(
            select(accounts.c.id).where(
                accounts.c.role == Role.ADMINISTRATOR.value, accounts.c.disabled.is_(False)
            )
        ).first()
        if left is None:
            raise AccountError(
                f"{account.name!r} is the last administrator", "another administrator first"
            )
        connection.execute(sessions.delete().where(sessions.c.account_id == account.id))
        add_audit(connection, actor, "account_changed", {"account": account.name, **values})
