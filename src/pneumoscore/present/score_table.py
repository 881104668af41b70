"""The table of scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pneumoscore.present.lettering import describe_model
from pneumoscore.present.table import Table
from pneumoscore.severity.scale import Scale
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore, Score

__all__ = ["TableRow", "score_table"]


@dataclass(frozen=True, slots=True)
class TableRow:
    """One film as the table shows it.

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
    """Return the table of `rows`: both scores, intervals, lungs, flags, models and notice.

    Parameters
    ----------
    rows : sequence of TableRow
        In the order of the table.
    """
    scored = [row.score for row in rows if row.score is not None]
    scales = [item.scale for item in scored[0].scales] if scored else []
    header = ["File"]
    for scale in scales:
        header += [_heading(scale), "Right+\nleft"]
    cells = []
    for row in rows:
        line = [row.file]
        for scale in scales:
            line += _scale_cells(None if row.score is None else row.score[scale.name])
        words = ", ".join(flag.replace("_", " ") for flag in row.flags)
        cells.append((*line, words or ("failed" if row.score is None else "")))
    return Table("", (*header, "Flags"), tuple(cells), _note(scored))


def _heading(scale: Scale) -> str:
    """Return two short lines: the title and the range."""
    first, _, rest = scale.title.partition(" ")
    return f"{first}\n{rest} {scale.low:g}-{scale.high:g}".replace("\n ", "\n")


def _scale_cells(item: ScaleScore | None) -> list[str]:
    if item is None:
        return ["no score", ""]
    value = f"{item.value:.1f}"
    if item.low is not None and item.high is not None:
        value += f" ({item.low:.1f}-{item.high:.1f})"
    if item.right is None or item.left is None:
        return [value, ""]
    return [value, f"{item.right:.1f}+{item.left:.1f}"]


def _note(scored: Sequence[Score]) -> str:
    levels = sorted({item.level for score in scored for item in score.scales})
    percent = " and ".join(f"{100 * level:g} %" for level in levels)
    lines = [f"value ({percent} interval), right+left lung"] if levels else []
    lines += sorted({describe_model(score) for score in scored})
    return "\n".join([*lines, RESEARCH_NOTICE])
