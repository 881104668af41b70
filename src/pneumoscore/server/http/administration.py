"""Accounts and the audit, for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from pneumoscore.records.reading import read_audit
from pneumoscore.server.accounts import (
    Role,
    change_account,
    create_account,
    list_accounts,
    set_password,
)
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.pages import page

__all__ = ["router"]

router = APIRouter()


@router.get("/accounts")
def accounts_page(request: Request, site: SiteHere, session: SessionHere) -> Response:
    """Show all accounts."""
    del session
    return page(
        request,
        "accounts.html",
        title="Accounts",
        accounts=list_accounts(site.records),
        roles=list(Role),
    )


@router.post("/accounts")
def make_account(
    site: SiteHere,
    session: SessionHere,
    name: Annotated[str, Form(max_length=256)],
    role: Annotated[Role, Form()],
    password: Annotated[str, Form(max_length=1024)],
) -> Response:
    """Make an account; the person changes the password after the first sign-in."""
    create_account(site.records, name, role, password, actor=session.account.name)
    return RedirectResponse("/accounts", 303)


@router.post("/accounts/{account}")
def alter_account(
    site: SiteHere,
    session: SessionHere,
    account: str,
    role: Annotated[Role, Form()],
    disabled: Annotated[bool, Form()] = False,
    password: Annotated[str, Form(max_length=1024)] = "",
) -> Response:
    """Change role or password, or disable an account; its sessions end."""
    found = next((item for item in list_accounts(site.records) if item.id == account), None)
    if found is None:
        raise HTTPException(404, "no such account")
    actor = session.account.name
    if password:
        set_password(site.records, found, password, actor=actor)
    change_account(site.records, found, actor=actor, role=role, disabled=disabled)
    return RedirectResponse("/accounts", 303)


@router.get("/audit")
def audit_page(request: Request, site: SiteHere, session: SessionHere) -> Response:
    """Show who did what, the newest first."""
    del session
    entries = tuple(reversed(read_audit(site.records, limit=500)))
    return page(request, "audit.html", title="Audit", entries=entries)
