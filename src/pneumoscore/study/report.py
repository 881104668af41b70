"""One self-contained page of an evaluation, readable in print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.metadata import version
from pathlib import Path

from pneumoscore.errors import UnreadableFileError
from pneumoscore.present.markdown import markdown_to_html
from pneumoscore.present.plots import (
    bland_altman_plot,
    calibration_plot,
    figure_svg,
    scatter_plot,
)
from pneumoscore.present.table import Table
from pneumoscore.severity.score import RESEARCH_NOTICE
from pneumoscore.statistics.bland_altman import bland_altman
from pneumoscore.study.checklists import CLAIM, NOT_AVAILABLE, TRIPOD_AI, ChecklistItem, fill
from pneumoscore.study.evaluation import Evaluation
from pneumoscore.study.evaluation_tables import (
    error_table,
    figures_table,
    people_table,
    subgroup_table,
)

__all__ = ["ReportContent", "default_facts", "html_report", "read_facts"]

_CSS = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;color:#1c1c1c;max-width:60rem;margin:0 auto;
padding:1.5rem;background:#fff}
h1{font-size:1.6rem;margin:.2em 0}h2{font-size:1.2rem;margin:1.8em 0 .5em;
border-bottom:1px solid #ccc}
h3{font-size:1rem;margin:1.2em 0 .4em}
.notice{background:#fdf0d5;border-left:4px solid #b5432f;padding:.5em 1em;font-weight:600}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.85rem;margin:.4em 0}
th,td{padding:.25em .6em;text-align:left;vertical-align:top;border-bottom:1px solid #ddd}
thead th{border-bottom:2px solid #555}
td.missing{color:#8a6d00}td.number{white-space:nowrap}
.note{color:#555;font-size:.85rem}
.plots{display:flex;flex-wrap:wrap;gap:1rem}.plots figure{margin:0;flex:1 1 17rem;max-width:22rem}
.plots svg{width:100%;height:auto}
.card{border:1px solid #ccc;padding:.2em 1em}
code{background:#f2f2f2;padding:0 .2em}
@page{size:A4;margin:16mm 14mm}
@media print{body{padding:0;font-size:10pt;max-width:none}h2{break-after:avoid}
h3{break-after:avoid}tr,figure,.notice{break-inside:avoid}.scroll{overflow:visible}
table{font-size:7.5pt}th,td{padding:.2em .4em}
.plots{flex-wrap:nowrap;gap:.4rem}.plots figure{flex:1 1 0}
thead{display:table-header-group}a{color:inherit}}
"""


@dataclass(frozen=True, slots=True)
class ReportContent:
    """What a report is made of.

    Attributes
    ----------
    title : str
        Heading.
    evaluations : tuple of Evaluation
        One for each scale, at least one.
    card : str
        Model card, Markdown; empty for predictions from a table.
    extra_tables : tuple of Table
        For example outcomes and comparisons.
    facts : mapping of str to str
        Answers to checklist items by fact, over those that follow from the evaluation.
    remarks : tuple of str
        What a reader must know: alignments, refused films, faults.
    """

    title: str
    evaluations: tuple[Evaluation, ...]
    card: str = ""
    extra_tables: tuple[Table, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def default_facts(content: ReportContent) -> dict[str, str]:
    """Return the checklist answers that follow from the evaluation itself."""
    first = content.evaluations[0].table
    scales = "; ".join(
        f"{item.table.scale.title} {item.table.scale.low:g}-{item.table.scale.high:g}: "
        f"{item.table.scale.definition}"
        for item in content.evaluations
    )
    size = f"{len(first)} films of {len(set(first.patients))} patients"
    facts = {
        "title": content.title,
        "objective": "Evaluation of an existing model",
        "intended_use": RESEARCH_NOTICE,
        "outcome": scales,
        "sample_size": f"{size}; all labelled films at hand, no calculation",
        "numbers": size,
        "missing": "Films without a label on a scale are left out of that scale",
        "preparation": "Read, checked and prepared by pneumoscore; docs/study.md",
        "predictors": "Pixels of one frontal film",
        "measures": "Listed under 'All films'",
        "uncertainty": "Bootstrap over patients, 95 %",
        "performance": "Sections 'All films' and 'Subgroups'",
        "heterogeneity": "Section 'Subgroups'",
        "fairness": "Section 'Subgroups': sex, age band, view, source",
        "characteristics": "Section 'Films and patients'",
        "model_output": "A number on each scale, with an interval where the model has one; "
        "no threshold",
        "imbalance": "Labels by bin under 'Subgroups'",
        "failures": "Section 'Largest errors'",
        "code_availability": "pneumoscore, Apache-2.0",
        "software": f"pneumoscore {version('pneumoscore')}",
        "updating": "The model was not updated",
        "limitations": "Section 'Remarks'" if content.remarks else NOT_AVAILABLE,
        "input_quality": "Quality gate; flags in docs/architecture.md",
        "annotation_tools": NOT_AVAILABLE,
    }
    if content.card:
        facts |= {"model": "Section 'Model card'", "training": "Section 'Model card'"}
        facts |= {"specification": "Section 'Model card'"}
        facts["prediction"] = "Backbone, linear head, clipped to the scale"
    return facts | dict(content.facts)


def read_facts(path: Path) -> dict[str, str]:
    """Read answers to checklist items from a JSON object of text by fact.

    Raises
    ------
    UnreadableFileError
        If it is no such file, or answers a fact that no item asks for.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(
            f"facts {path.name} cannot be read ({error})", "a JSON object"
        ) from error
    known = {item.fact for item in (*TRIPOD_AI, *CLAIM)}
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise UnreadableFileError(f"facts {path.name} are no object of text", "text by fact")
    if set(content) - known:
        raise UnreadableFileError(
            f"facts {path.name} has {', '.join(sorted(set(content) - known))}",
            "only " + ", ".join(sorted(known)),
        )
    return content


def _cell(text: str) -> str:
    """Return a table cell; a value and its interval stay on one line."""
    kind = " class='number'" if "[" in text else ""
    return f"<td{kind}>{escape(text)}</td>"


def _html_table(table: Table) -> str:
    head = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in table.header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    note = f"<p class='note'>{escape(table.note)}</p>" if table.note else ""
    return (
        f"<h3>{escape(table.title)}</h3><div class='scroll'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>{note}"
    )


def _plots(evaluation: Evaluation) -> str:
    table = evaluation.table
    slope = evaluation.figures["calibration_slope"].value
    intercept = evaluation.figures["calibration_intercept"].value
    figures = [
        scatter_plot(table.targets, table.predictions, table.scale, "Prediction and label"),
        calibration_plot(evaluation.curve, slope, intercept, table.scale, "Calibration"),
    ]
    if len(set(table.patients)) > 1:
        limits = bland_altman(table.predictions, table.targets, table.patients)
        figures.append(
            bland_altman_plot(
                table.predictions, table.targets, limits, table.scale, "Bland and Altman"
            )
        )
    drawn = "".join(f"<figure>{figure_svg(figure)}</figure>" for figure in figures)
    return f"<h3>{escape(table.scale.title)}</h3><div class='plots'>{drawn}</div>"


def _checklist(title: str, items: tuple[ChecklistItem, ...], facts: Mapping[str, str]) -> str:
    rows = []
    for number, topic, answer in fill(items, facts):
        kind = " class='missing'" if answer == NOT_AVAILABLE else ""
        rows.append(
            f"<tr><td>{escape(number)}</td><td>{escape(topic)}</td>"
            f"<td{kind}>{escape(answer)}</td></tr>"
        )
    return (
        f"<h3>{escape(title)}</h3><div class='scroll'><table><thead><tr><th scope='col'>item</th>"
        "<th scope='col' style='width:45%'>topic</th><th scope='col'>answer</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _sections(content: ReportContent, facts: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    evaluations = content.evaluations
    remarks = "".join(f"<li>{escape(item)}</li>" for item in content.remarks)
    sections = [
        ("Remarks", f"<ul>{remarks}</ul>" if remarks else ""),
        ("Films and patients", "".join(_html_table(people_table(item)) for item in evaluations)),
        ("All films", _html_table(figures_table(evaluations))),
        ("Pictures", "".join(_plots(item) for item in evaluations)),
        ("Subgroups", "".join(_html_table(subgroup_table(item)) for item in evaluations)),
        ("Largest errors", "".join(_html_table(error_table(item)) for item in evaluations)),
        ("Further tables", "".join(_html_table(table) for table in content.extra_tables)),
        (
            "Reporting checklists",
            _checklist("TRIPOD+AI", TRIPOD_AI, facts) + _checklist("CLAIM 2024", CLAIM, facts),
        ),
        (
            "Model card",
            f"<div class='card'>{markdown_to_html(content.card)}</div>" if content.card else "",
        ),
    ]
    return [(name, body) for name, body in sections if body]


def html_report(content: ReportContent) -> str:
    """Return one HTML page with everything in it; it loads nothing.

    Parameters
    ----------
    content : ReportContent
        With at least one evaluation.
    """
    facts = default_facts(content)
    notice = f"<p class='notice'>{escape(RESEARCH_NOTICE)}.</p>"
    body = "".join(
        f"<section><h2>{escape(name)}</h2>{part}</section>"
        for name, part in _sections(content, facts)
    )
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{escape(content.title)}</title><style>{_CSS}</style></head>"
        f"<body><h1>{escape(content.title)}</h1>{notice}{body}{notice}</body></html>\n"
    )
