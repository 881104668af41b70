"""Who may ask for what: one table for every end point, held at the door."""

from __future__ import annotations

from dataclasses import dataclass

from pneumoscore.server.accounts import Role
from pneumoscore.server.sessions import Scope, Session

__all__ = ["RIGHTS", "Right", "may"]


@dataclass(frozen=True, slots=True)
class Right:
    """What an end point asks for.

    Attributes
    ----------
    role : Role or None
        Least role of a signed-in account; None for everybody.
    scope : Scope or None
        What an API token needs; None where tokens may not.
    """

    role: Role | None
    scope: Scope | None = None


_ALL = Right(None)
_VIEW = Right(Role.VIEWER)
_SCORE = Right(Role.VIEWER, Scope.SCORE)
_READ = Right(Role.VIEWER, Scope.READ)
_READER = Right(Role.READER)
_OWNER = Right(Role.OWNER)
_ADMIN = Right(Role.ADMINISTRATOR)

RIGHTS: dict[tuple[str, str], Right] = {
    ("GET", "/health"): _ALL,
    ("GET", "/static/base.css"): _ALL,
    ("GET", "/login"): _ALL,
    ("POST", "/login"): _ALL,
    ("GET", "/login/provider"): _ALL,
    ("GET", "/login/callback"): _ALL,
    ("GET", "/setup"): _ALL,
    ("POST", "/setup"): _ALL,
    ("GET", "/metrics"): _ADMIN,
    ("GET", "/api/v1/openapi.json"): _VIEW,
    ("POST", "/logout"): _VIEW,
    ("GET", "/account"): _VIEW,
    ("POST", "/account/password"): _VIEW,
    ("POST", "/account/tokens"): _VIEW,
    ("POST", "/account/tokens/{token}/revoke"): _VIEW,
    ("GET", "/"): _VIEW,
    ("GET", "/films/{film}"): _VIEW,
    ("POST", "/api/v1/films"): _SCORE,
    ("GET", "/api/v1/films"): _SCORE,
    ("GET", "/api/v1/films/{film}"): _SCORE,
    ("DELETE", "/api/v1/films/{film}"): _SCORE,
    ("GET", "/api/v1/films/{film}/view"): _SCORE,
    ("GET", "/api/v1/films/{film}/map"): _SCORE,
    ("GET", "/api/v1/films/{film}/scores.csv"): _SCORE,
    ("GET", "/api/v1/films/{film}/report.pdf"): _SCORE,
    ("GET", "/api/v1/films/{film}/report.dcm"): _SCORE,
    ("GET", "/api/v1/films/{film}/capture.dcm"): _SCORE,
    ("GET", "/events"): _VIEW,
    ("GET", "/ward"): _VIEW,
    ("GET", "/api/v1/ward"): _READ,
    ("GET", "/patients"): _VIEW,
    ("POST", "/patients"): _VIEW,
    ("GET", "/patients/{patient}"): _VIEW,
    ("GET", "/patients/{patient}/timeline.svg"): _VIEW,
    ("POST", "/patients/{patient}/events"): _OWNER,
    ("POST", "/patients/{patient}/events/change"): _OWNER,
    ("POST", "/patients/{patient}/events/remove"): _OWNER,
    ("GET", "/api/v1/patients"): _READ,
    ("GET", "/api/v1/patients/{patient}"): _READ,
    ("GET", "/api/v1/patients/{patient}/films/{film}/thumbnail"): _READ,
    ("GET", "/api/v1/patients/{patient}/films/{film}/view"): _READ,
    ("GET", "/model"): _VIEW,
    ("GET", "/api/v1/model"): _READ,
    ("GET", "/api/v1/model/drift"): _READ,
    ("GET", "/reading"): _READER,
    ("GET", "/reading/{study}"): _READER,
    ("GET", "/api/v1/reading/{study}/progress"): _READER,
    ("GET", "/api/v1/reading/{study}/items/{position}"): _READER,
    ("PUT", "/api/v1/reading/{study}/items/{position}"): _READER,
    ("POST", "/api/v1/reading/{study}/end-sitting"): _READER,
    ("GET", "/api/v1/reading/{study}/items/{position}/films/{place}/view"): _READER,
    ("GET", "/api/v1/reading/{study}/examples/{film}/view"): _READER,
    ("GET", "/studies"): _OWNER,
    ("POST", "/studies"): _OWNER,
    ("GET", "/studies/{study}"): _OWNER,
    ("POST", "/studies/{study}/options"): _OWNER,
    ("POST", "/studies/{study}/readers"): _OWNER,
    ("POST", "/api/v1/studies/{study}/films"): _OWNER,
    ("POST", "/api/v1/studies/{study}/draw"): _OWNER,
    ("POST", "/api/v1/studies/{study}/films/recorded"): _OWNER,
    ("POST", "/studies/{study}/films/{film}/drop"): _OWNER,
    ("POST", "/studies/{study}/open"): _OWNER,
    ("POST", "/studies/{study}/lock"): _OWNER,
    ("POST", "/studies/{study}/unblind"): _OWNER,
    ("GET", "/studies/{study}/export.zip"): _OWNER,
    ("GET", "/studies/{study}/films.zip"): _OWNER,
    ("GET", "/sample-size"): _OWNER,
    ("GET", "/accounts"): _ADMIN,
    ("POST", "/accounts"): _ADMIN,
    ("POST", "/accounts/{account}"): _ADMIN,
    ("GET", "/audit"): _ADMIN,
}
"""What each end point asks for, by method and path; one without an entry is never served."""


def may(right: Right, session: Session | None) -> bool:
    """Return whether a request with this session may come in."""
    if right.role is None:
        return True
    if session is None or not session.account.role.includes(right.role):
        return False
    return session.scopes is None or (right.scope is not None and right.scope in session.scopes)
