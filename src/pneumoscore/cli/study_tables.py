"""Tables of a study on the standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pneumoscore.severity.score import RESEARCH_NOTICE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pneumoscore.present.table import Table

__all__ = ["print_tables"]


def print_tables(tables: Iterable[Table]) -> None:
    """Print tables, as Markdown, and the notice under them."""
    for table in tables:
        typer.echo(table.markdown())
    typer.echo(f"{RESEARCH_NOTICE}.")
