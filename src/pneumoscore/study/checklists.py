"""Reporting checklists: which items a report answers, and where.

Topics in our own words after TRIPOD+AI (Collins et al. 2024, BMJ 385: e078378) and CLAIM 2024
(Tejani et al. 2024, Radiology: Artificial Intelligence 6: e240300); item numbers are theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CLAIM", "NOT_AVAILABLE", "TRIPOD_AI", "ChecklistItem", "fill"]

NOT_AVAILABLE = "not available"


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item of a checklist.

    Attributes
    ----------
    number : str
        As in the checklist.
    topic : str
        What it asks for.
    fact : str
        Key of the fact that answers it.
    """

    number: str
    topic: str
    fact: str


def _items(*rows: tuple[str, str, str]) -> tuple[ChecklistItem, ...]:
    return tuple(ChecklistItem(*row) for row in rows)


TRIPOD_AI = _items(
    ("1", "Title names the study as an evaluation of a prediction model", "title"),
    ("2", "Abstract", "abstract"),
    ("3a", "Health context and why the model is wanted", "background"),
    ("3b", "Target population and purpose of the model", "intended_use"),
    ("3c", "Known inequalities between groups", "inequalities"),
    ("4", "Objectives: development, evaluation or both", "objective"),
    ("5a", "Sources of the data and how they represent the target", "data_source"),
    ("5b", "Dates of the data", "dates"),
    ("6a", "Setting: sites and their number", "setting"),
    ("6b", "Eligibility of participants", "eligibility"),
    ("6c", "Treatments received", "treatments"),
    ("7", "Preparation of the data and quality checks", "preparation"),
    ("8a", "What is predicted, how and when it is assessed", "outcome"),
    ("8b", "Who assessed it and with what experience", "readers"),
    ("8c", "Blinding of the assessment", "blinding"),
    ("9", "Predictors: definition and handling", "predictors"),
    ("10", "Sample size", "sample_size"),
    ("11", "Missing data", "missing"),
    ("12a", "How the data were used; partitions", "partitions"),
    ("12c", "Type of model and how it was built", "model"),
    ("12d", "Heterogeneity between clusters", "heterogeneity"),
    ("12e", "Measures of performance", "measures"),
    ("12f", "Updating of the model", "updating"),
    ("12g", "How predictions are made", "prediction"),
    ("13", "Class imbalance", "imbalance"),
    ("14", "Fairness", "fairness"),
    ("15", "Output of the model, thresholds", "model_output"),
    ("16", "Differences of development and evaluation data", "shift"),
    ("17", "Ethics approval or exemption", "ethics"),
    ("18a", "Funding", "funding"),
    ("18b", "Conflicts of interest", "conflicts"),
    ("18c", "Protocol", "protocol"),
    ("18d", "Registration", "registration"),
    ("18e", "Availability of data", "data_availability"),
    ("18f", "Availability of code", "code_availability"),
    ("19", "Involvement of patients and public", "involvement"),
    ("20a", "Flow of participants", "flow"),
    ("20b", "Characteristics of participants", "characteristics"),
    ("21", "Numbers of participants and outcomes in each analysis", "numbers"),
    ("22", "Full specification of the model", "specification"),
    ("23a", "Performance with intervals, and in subgroups", "performance"),
    ("23b", "Heterogeneity of performance", "heterogeneity"),
    ("24", "Results of updating", "updating"),
    ("25", "Interpretation and fairness in context", "interpretation"),
    ("26", "Limitations", "limitations"),
    ("27a", "Handling of poor or missing input in use", "input_quality"),
    ("27b", "Whether users must act on the input or the output", "user_role"),
    ("27c", "Next steps, applicability", "next_steps"),
)

CLAIM = _items(
    ("1-2", "Title and structured abstract name the AI method", "title"),
    ("3", "Background and clinical role", "background"),
    ("4", "Aims and hypotheses", "objective"),
    ("5", "Prospective or retrospective", "design"),
    ("6", "Goal of the study", "objective"),
    ("7", "Data sources", "data_source"),
    ("8", "Inclusion and exclusion", "eligibility"),
    ("9", "Preprocessing", "preparation"),
    ("10", "Selection of data subsets", "partitions"),
    ("11", "De-identification", "deidentification"),
    ("12", "Missing data", "missing"),
    ("13", "Image acquisition", "acquisition"),
    ("14-15", "Reference standard and its rationale", "outcome"),
    ("16", "Annotators and their qualification", "readers"),
    ("17", "Annotation tools", "annotation_tools"),
    ("18", "Variability of readers", "reader_variability"),
    ("19-20", "Partitions and their disjointness", "partitions"),
    ("21", "Sample size", "sample_size"),
    ("22", "Model, inputs and outputs", "model"),
    ("23", "Software and versions", "software"),
    ("24-26", "Initialisation, training, choice of the final model", "training"),
    ("27", "Ensembling", "ensembling"),
    ("28", "Metrics", "measures"),
    ("29", "Uncertainty of the metrics", "uncertainty"),
    ("30", "Robustness", "robustness"),
    ("31", "Explainability", "explainability"),
    ("32-33", "Evaluation on internal or external data", "evaluation_data"),
    ("34", "Trial registration", "registration"),
    ("35", "Flow of participants or images", "flow"),
    ("36", "Demographic and clinical characteristics", "characteristics"),
    ("37-38", "Performance and its precision", "performance"),
    ("39", "Failure analysis", "failures"),
    ("40", "Limitations", "limitations"),
    ("41", "Implications for practice", "interpretation"),
    ("42", "Protocol", "protocol"),
    ("43", "Availability of code and model", "code_availability"),
    ("44", "Funding", "funding"),
)


def fill(
    items: tuple[ChecklistItem, ...], facts: Mapping[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """Return number, topic and answer of every item; unknown facts are not available."""
    return tuple((item.number, item.topic, facts.get(item.fact, NOT_AVAILABLE)) for item in items)
