"""Tries to see what an account may not: refused where they are made, and kept in the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pneumoscore.records.rows import add_audit

if TYPE_CHECKING:
    from pneumoscore.server.accounts import Account
    from pneumoscore.server.site import Site

__all__ = ["record_peek"]

_LONGEST = 80


def record_peek(site: Site, account: Account, what: str, target: str = "") -> None:
    """Write a refused try into the audit.

    The same try counts once in ten minutes, and an account's tries are bounded by the hour, so
    that nobody fills the audit; the last one that is written says so. What exists and what was
    guessed is written alike, so that neither the answer nor its time tells them apart.

    Parameters
    ----------
    site : Site
        The running server's parts.
    account : Account
        Who tried.
    what : str
        What was asked for, in words of ours.
    target : str, optional
        Which, as an identifier of the site or an end point; never a patient's.
    """
    shown = "".join(sign for sign in target if sign.isprintable())[:_LONGEST]
    if site.same_peeks.wait(f"{account.id} {what} {shown}") > 0.0:
        return
    details = {"what": what, "target": shown}
    if site.peeks.wait(account.id) > 0.0:
        if site.peeks_over.wait(account.id) > 0.0:
            return
        details = {"what": "more tries than are listed, for an hour"}
    with site.records.writing() as connection:
        add_audit(connection, account.name, "peek_refused", details)
