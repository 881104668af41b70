"""Any table as a cohort: a mapping says which column means what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pneumoscore.cohort.parsing import (
    parse_label,
    parse_number,
    parse_sex,
    parse_text,
    parse_view,
    parse_yes_no,
)
from pneumoscore.cohort.tables import Row, read_table, require_columns
from pneumoscore.cohort.types import Cohort, CohortFilm
from pneumoscore.errors import UnreadableFileError
from pneumoscore.forms import from_form, read_form
from pneumoscore.severity.scale import SCALES, scale_named

__all__ = ["TORCHXRAYVISION", "ColumnMapping", "load_mapping", "load_table"]


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column of a table means what.

    Attributes
    ----------
    file, patient : tuple of str
        Columns of the image file and of the patient; the first that the table has is used.
    source, view, sex, age, offset : tuple of str
        The same for columns that may be missing.
    labels : mapping of str to str
        Column by scale name (``{"geographic_extent": "extent_mean"}``); columns that are named
        like a scale are labels in any case.
    outcomes : mapping of str to str
        Column by outcome name; cells are yes or no.

    Examples
    --------
    As a JSON file::

        {"file": "image", "patient": "mrn_hash", "view": "ViewPosition",
         "labels": {"geographic_extent": "extent", "opacity": "opacity"},
         "outcomes": {"icu_admission": "icu"}}
    """

    file: tuple[str, ...] = ("file", "filename")
    patient: tuple[str, ...] = ("patient", "patientid")
    source: tuple[str, ...] = ("source",)
    view: tuple[str, ...] = ("view",)
    sex: tuple[str, ...] = ("sex",)
    age: tuple[str, ...] = ("age",)
    offset: tuple[str, ...] = ("offset",)
    labels: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)


# Columns that torchxrayvision's data sets share, and their file columns.
TORCHXRAYVISION = ColumnMapping(
    file=("filename", "Image Index", "ImageID", "Path", "image_id", "path"),
    patient=("patientid", "Patient ID", "PatientID", "patient_id"),
    source=("source", "dataset"),
    view=("view", "View Position", "Projection"),
    sex=("sex", "Patient Sex", "Patient Gender", "PatientSex_DICOM"),
    age=("age_years", "age", "Patient Age"),
    offset=("offset_day_int", "offset"),
)


def load_mapping(path: Path) -> ColumnMapping:
    """Read a mapping from a JSON file; a single column may stand for a list of one.

    Raises
    ------
    UnreadableFileError
        If the file is no JSON object, or names an unknown field.
    ModelError
        If it names an unknown scale.
    """
    form = read_form(path, "a mapping of columns", error=UnreadableFileError)
    listed = {name: [value] if isinstance(value, str) else value for name, value in form.items()}
    mapping = from_form(ColumnMapping, listed, f"mapping {path.name}", error=UnreadableFileError)
    for scale in mapping.labels:
        scale_named(scale)
    return mapping


def _column(rows: list[Row], candidates: tuple[str, ...]) -> str | None:
    present = rows[0].keys() if rows else {}
    return next((name for name in candidates if name in present), None)


def _film(row: Row, columns: Mapping[str, str | None], images: Path, mapping: ColumnMapping,
          name: str) -> CohortFilm:  # fmt: skip
    def cell(field_name: str) -> str | None:
        column = columns[field_name]
        return None if column is None else row[column]

    file = (cell("file") or "").strip()
    labels = {scale: parse_label(row[column]) for scale, column in mapping.labels.items()}
    outcomes = {key: parse_yes_no(row[column]) for key, column in mapping.outcomes.items()}
    return CohortFilm(
        name=file,
        path=images / file,
        patient=(cell("patient") or "").strip(),
        source=parse_text(cell("source")) or name,
        view=parse_view(cell("view")),
        sex=parse_sex(cell("sex")),
        age_years=parse_number(cell("age")),
        offset_days=parse_number(cell("offset")),
        labels={scale: value for scale, value in labels.items() if value is not None},
        outcomes={key: value for key, value in outcomes.items() if value is not None},
    )


def load_table(
    table: Path, images: Path, mapping: ColumnMapping | None = None, name: str | None = None
) -> Cohort:
    """Load a cohort from any CSV or Parquet table.

    Parameters
    ----------
    table : Path
        One row for each film.
    images : Path
        Folder that the file column is relative to.
    mapping : ColumnMapping, optional
        Which column means what.
    name : str, optional
        Name of the cohort; default is the table's.

    Raises
    ------
    UnreadableFileError
        If the table cannot be read, or lacks a column that the mapping names.
    """
    rows = read_table(table)
    mapping = mapping or ColumnMapping()
    header = rows[0].keys() if rows else {}
    named_alike = {scale.name: scale.name for scale in SCALES if scale.name in header}
    mapping = replace(mapping, labels=named_alike | dict(mapping.labels))
    columns = {
        field_name: _column(rows, getattr(mapping, field_name))
        for field_name in ("file", "patient", "source", "view", "sex", "age", "offset")
    }
    for needed in ("file", "patient"):
        if columns[needed] is None:
            require_columns(rows, [getattr(mapping, needed)[0]], table.name)
    require_columns(rows, [*mapping.labels.values(), *mapping.outcomes.values()], table.name)
    cohort_name = name or table.stem
    films = tuple(_film(row, columns, images, mapping, cohort_name) for row in rows)
    return Cohort(cohort_name, films)
