"""The table of scores in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pneumoscore.present.text import printable
from pneumoscore.severity.scale import Scale
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore, Score

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["TableRow", "print_table", "score_table"]

WIDTH_WITHOUT_TERMINAL = 120
"""Columns of a table that goes to a file or a pipe."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One file as the table shows it.

    Attributes
    ----------
    file : str
        Its name, as given.
    score : Score or None
        None where there is none.
    flags : tuple of str
        Quality flags, with or without a score.
    """

    file: str
    score: Score | None
    flags: tuple[str, ...] = ()


def score_table(rows: Sequence[TableRow]) -> Table:
    """Return the table of `rows`: both scores, intervals, lungs and flags.

    Parameters
    ----------
    rows : sequence of TableRow
        In the order of the table.

    Returns
    -------
    rich.table.Table
        Names are shown escaped and are never read as markup.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    scored = [row.score for row in rows if row.score is not None]
    scales = [item.scale for item in scored[0].scales] if scored else []

    table = Table(
        box=box.SIMPLE_HEAD,
        caption=Text(_caption(scored), justify="left"),
        caption_justify="left",
        pad_edge=False,
    )
    table.add_column("\nFile", overflow="fold", min_width=12)
    for scale in scales:
        table.add_column(Text(_heading(scale)), no_wrap=True)
        table.add_column("Right+\nleft", no_wrap=True)
    table.add_column("\nFlags", overflow="fold", min_width=12)
    for row in rows:
        cells = [Text(printable(row.file))]
        for scale in scales:
            item = None if row.score is None else row.score[scale.name]
            cells += _scale_cells(item)
        cells.append(_flags_cell(row))
        table.add_row(*cells)
    return table


def _heading(scale: Scale) -> str:
    """Return two short lines: the title and the range."""
    first, _, rest = scale.title.partition(" ")
    return f"{first}\n{rest} {scale.low:g}-{scale.high:g}".replace("\n ", "\n")


def _caption(scored: Sequence[Score]) -> str:
    levels = sorted({item.level for score in scored for item in score.scales})
    percent = " and ".join(f"{100 * level:g} %" for level in levels)
    meaning = f"value ({percent} interval), right+left lung\n" if levels else ""
    return f"{meaning}{RESEARCH_NOTICE}"


def _scale_cells(item: ScaleScore | None) -> list[Text]:
    from rich.text import Text

    if item is None:
        return [Text("no score", style="dim"), Text("")]
    share = (item.value - item.scale.low) / (item.scale.high - item.scale.low)
    value = Text(f"{item.value:.1f}", style=_severity_style(share))
    if item.low is not None and item.high is not None:
        value.append(f" ({item.low:.1f}-{item.high:.1f})", style="not bold default")
    if item.right is None or item.left is None:
        return [value, Text("")]
    return [value, Text(f"{item.right:.1f}+{item.left:.1f}")]


def _severity_style(share: float) -> str:
    """Colour by the share of the scale reached; the number itself always stands beside it."""
    if share < 0.25:
        return "bold green"
    return "bold yellow" if share < 0.6 else "bold red"


def _flags_cell(row: TableRow) -> Text:
    from rich.text import Text

    words = ", ".join(flag.replace("_", " ") for flag in row.flags)
    if row.score is None and not words:
        return Text("failed", style="red")
    return Text(printable(words), style="magenta")


def print_table(rows: Sequence[TableRow], console: Console | None = None) -> None:
    """Print the table of `rows`, then the model that made the scores.

    Parameters
    ----------
    rows : sequence of TableRow
        What to show.
    console : rich.console.Console, optional
        Where; by default the standard output.
    """
    from rich.text import Text

    target = standard_console() if console is None else console
    target.print(score_table(rows))
    models = {row.score.model for row in rows if row.score is not None}
    for model in sorted(models, key=lambda item: (item.name, item.version)):
        line = (
            f"Model {model.name} {model.version} ({model.sha256[:12]}), backbone {model.backbone}"
        )
        target.print(Text(printable(line), style="dim"))


def standard_console() -> Console:
    """Return a console on the standard output, wide enough where there is no terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_pipe_width())


def _pipe_width() -> int:
    import os

    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) > 0 else WIDTH_WITHOUT_TERMINAL
