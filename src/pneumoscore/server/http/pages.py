"""Pages rendered for a request: session, rights and texts at hand."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from pneumoscore.server.http.rights import RIGHTS, may
from pneumoscore.server.texts import translator

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["page", "part"]

_NAVIGATION = (
    ("/", "nav.score"),
    ("/ward", "nav.ward"),
    ("/patients", "nav.patients"),
    ("/reading", "nav.reading"),
    ("/studies", "nav.studies"),
    ("/model", "nav.model"),
    ("/accounts", "nav.accounts"),
    ("/audit", "nav.audit"),
    ("/account", "nav.account"),
)


@cache
def _environment() -> Environment:
    from jinja2 import PackageLoader

    from pneumoscore.present.pages import page_environment

    return page_environment(PackageLoader("pneumoscore.server"))


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page.

    Parameters
    ----------
    request : Request
        With the session that the door found.
    template : str
        Name of a template of the server.
    status : int, optional
        Of the answer.
    **values
        What it shows.
    """
    session = getattr(request.state, "session", None)
    links = [(path, key) for path, key in _NAVIGATION if may(RIGHTS["GET", path], session)]
    html = (
        _environment()
        .get_template(template)
        .render(
            t=translator(),
            session=session,
            links=links if session is not None else [],
            here=request.url.path,
            csrf="" if session is None else session.csrf,
            **values,
        )
    )
    return HTMLResponse(html, status)


def part(macro: str, *values: Any) -> Markup:
    """Return a part of a page, for a cell of a `Table`: a macro of ``parts.html``."""
    module = _environment().get_template("parts.html").module
    made: Markup = getattr(module, macro)(*values)
    return made
