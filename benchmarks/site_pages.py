"""Every page of the site, and who opens it: for all that looks at pages one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FIRST_START", "NOBODY", "SitePage", "site_pages"]

NOBODY = "nobody"
"""Who is not signed in."""
FIRST_START = "/setup"
"""The one page that is there only before the first account."""


@dataclass(frozen=True, slots=True)
class SitePage:
    """One page.

    Attributes
    ----------
    person : str
        Role of the account that opens it, or `NOBODY`.
    path : str
        Where it is.
    end_point : str
        What `pneumoscore.server.http.rights.RIGHTS` calls it.
    """

    person: str
    path: str
    end_point: str


def site_pages(people: Mapping[str, Any], url: str) -> list[SitePage]:
    """Return the pages of a site that has something to show on each.

    Parameters
    ----------
    people : mapping of str to playwright.sync_api.Page
        Signed-in pages by role. The viewer has sent a film, the records hold a patient whom the
        viewer may see, the reader has a study to read, and the owner has made one.
    url : str
        Where the site is.
    """
    viewer, reader, owner = people["viewer"], people["reader"], people["owner"]

    def first(page: Any, path: str, link: str) -> str:
        page.goto(f"{url}{path}")
        return str(page.get_attribute(f"main a[href^='{link}']", "href"))

    film = first(viewer, "/", "/films/")
    patient = first(viewer, "/ward", "/patients/")
    reading = first(reader, "/reading", "/reading/")
    study = first(owner, "/studies", "/studies/")
    return [
        SitePage(NOBODY, "/login", "/login"),
        SitePage("viewer", "/", "/"),
        SitePage("viewer", film, "/films/{film}"),
        SitePage("viewer", "/ward", "/ward"),
        SitePage("viewer", "/patients", "/patients"),
        SitePage("viewer", patient, "/patients/{patient}"),
        SitePage("viewer", "/model", "/model"),
        SitePage("viewer", "/account", "/account"),
        SitePage("reader", "/reading", "/reading"),
        SitePage("reader", reading, "/reading/{study}"),
        SitePage("owner", "/studies", "/studies"),
        SitePage("owner", study, "/studies/{study}"),
        SitePage("owner", "/sample-size", "/sample-size"),
        SitePage("administrator", "/accounts", "/accounts"),
        SitePage("administrator", "/audit", "/audit"),
    ]
