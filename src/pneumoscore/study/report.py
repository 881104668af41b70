"""One self-contained page of an evaluation, readable in print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoscore.errors import UnreadableFileError
from pneumoscore.forms import read_form
from pneumoscore.present.markdown import markdown_to_html
from pneumoscore.present.pages import render_page
from pneumoscore.present.plot_style import page_svg
from pneumoscore.present.plots import bland_altman_plot, calibration_plot, scatter_plot
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

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["ReportContent", "default_facts", "html_report", "read_facts"]


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
        "preparation": "Read, checked and prepared by pneumoscore; docs/reading.md",
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
        "input_quality": "Quality gate; flags in docs/commands.md",
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
    content = read_form(path, "answers to checklist items", error=UnreadableFileError)
    known = {item.fact for item in (*TRIPOD_AI, *CLAIM)}
    if not all(isinstance(answer, str) for answer in content.values()):
        raise UnreadableFileError(f"facts {path.name} are no object of text", "text by fact")
    if set(content) - known:
        raise UnreadableFileError(
            f"facts {path.name} has {', '.join(sorted(set(content) - known))}",
            "only " + ", ".join(sorted(known)),
        )
    return content


def _plots(evaluation: Evaluation) -> list[Markup]:
    table = evaluation.table
    slope = evaluation.figures["calibration_slope"].value
    intercept = evaluation.figures["calibration_intercept"].value
    figures = [
        (
            "Prediction and label",
            scatter_plot(table.targets, table.predictions, table.scale, "Prediction and label"),
        ),
        (
            "Calibration",
            calibration_plot(evaluation.curve, slope, intercept, table.scale, "Calibration"),
        ),
    ]
    if len(set(table.patients)) > 1:
        limits = bland_altman(table.predictions, table.targets, table.patients)
        drawn = bland_altman_plot(
            table.predictions, table.targets, limits, table.scale, "Bland and Altman"
        )
        figures.append(("Bland and Altman", drawn))
    return [page_svg(figure, f"{name}, {table.scale.title}") for name, figure in figures]


def _checklist(title: str, items: tuple[ChecklistItem, ...], facts: Mapping[str, str]) -> Table:
    return Table(title, ("item", "topic", "answer"), fill(items, facts))


def html_report(content: ReportContent) -> str:
    """Return one HTML page with everything in it; it loads nothing.

    Parameters
    ----------
    content : ReportContent
        With at least one evaluation.
    """
    facts = default_facts(content)
    evaluations = content.evaluations
    tables = [
        ("Films and patients", [people_table(item) for item in evaluations]),
        ("All films", [figures_table(evaluations)]),
        ("Subgroups", [subgroup_table(item) for item in evaluations]),
        ("Largest errors", [error_table(item) for item in evaluations]),
        ("Further tables", list(content.extra_tables)),
        (
            "Reporting checklists",
            [
                _checklist("TRIPOD+AI", TRIPOD_AI, facts),
                _checklist("CLAIM 2024", CLAIM, facts),
            ],
        ),
    ]
    return render_page(
        "report.html",
        title=content.title,
        remarks=content.remarks,
        sections=[(name, parts) for name, parts in tables if parts],
        plots=[(item.table.scale.title, _plots(item)) for item in evaluations],
        card=markdown_to_html(content.card) if content.card else "",
    )
