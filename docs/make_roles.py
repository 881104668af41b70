"""Writes docs/roles.md: every end point of the server and who may ask for it.

Usage: python docs/make_roles.py
"""

from __future__ import annotations

from pathlib import Path

from pneumoscore.present.table import Table
from pneumoscore.server.accounts import Role
from pneumoscore.server.http.rights import RIGHTS

PAGE = Path(__file__).with_name("roles.md")
HEAD = (
    "# Who may ask for what\n\n"
    "Made by `python docs/make_roles.py` from the table that the server itself uses; a test "
    "compares both, and asks every end point as every role. A role may do what the ones left of "
    "it may. A token may do what its scope says, and never more than its account.\n\n"
)


def roles_page() -> str:
    """Return the page."""
    roles = list(Role)
    rows = [
        (
            method,
            f"`{path}`",
            *("yes" if right.role is None or role.includes(right.role) else "" for role in roles),
            "yes" if right.role is None else "",
            right.scope.value if right.scope else "",
        )
        for (method, path), right in RIGHTS.items()
    ]
    table = Table("", ("", "end point", *roles, "nobody", "token"), tuple(rows))
    return HEAD + table.markdown()


if __name__ == "__main__":
    PAGE.write_text(roles_page(), encoding="utf-8")
