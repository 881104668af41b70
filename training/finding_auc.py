"""How well a shipped backbone tells each finding, among films of one source at a time.

Source and class go together in the corpus, so films of two sources in one figure would measure
how well the sources are told apart.
"""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.backbone.record import BackboneRecord
from pneumoscore.backbone.session import Backbone
from pneumoscore.errors import ModelError
from pneumoscore.present.table import Table, format_estimate, plain
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.severity.score import RESEARCH_NOTICE
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.statistics.discrimination import auroc
from training.films import CorpusRow, read_corpus_index
from training.finding_targets import FINDINGS, finding_targets, kept_for_validation

__all__ = [
    "FEWEST",
    "NOTE",
    "SOURCES",
    "FindingRow",
    "SourceFindings",
    "as_json",
    "finding_table",
    "kept_films",
    "measure_backbone",
    "source_findings",
]

_LOGGER = logging.getLogger(__name__)

# Sources with films with and without findings; `rsna_normal` has normal films only.
SOURCES = ("nih", "pediatric")
FEWEST = 10
"""Films with and without a finding below which no AUC is given."""

NOTE = (
    f"95 % intervals by bootstrap over patients; - where fewer than {FEWEST} films show the "
    f"finding, or fewer than {FEWEST} do not."
)

_BATCH = 16
_LOG_EVERY = 200
_SERIES = re.compile(r"(ped-(?:NORMAL2-)?IM-\d+)-")
_MEAN = "mean"


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding within one source.

    Attributes
    ----------
    finding : str
        Its name.
    films, positives : int
        Films of which the source says whether they show it, and films that do.
    auc : Estimate or None
        In [0, 1]; None with fewer than `FEWEST` films on either side.
    """

    finding: str
    films: int
    positives: int
    auc: Estimate | None


@dataclass(frozen=True, slots=True)
class SourceFindings:
    """All findings within one source.

    Attributes
    ----------
    source : str
        Archive of the corpus.
    films, patients : int
        Measured.
    rows : tuple of FindingRow
        Findings that the source can state, in the backbone's order.
    mean : Estimate or None
        Unweighted mean of the AUCs given; None where there is none.
    """

    source: str
    films: int
    patients: int
    rows: tuple[FindingRow, ...]
    mean: Estimate | None


def _person(patient: str) -> str:
    """Return a patient's number without the film's, which normal children's numbers end in."""
    series = _SERIES.match(patient)
    return series[1] if series else patient


def kept_films(rows: Sequence[CorpusRow], source: str) -> list[CorpusRow]:
    """Return the films of a source whose patients, by its numbers, training keeps aside.

    `rsna_normal` has NIH films without patient numbers, so it may show some of them. Left out
    are children's films kept aside where another film of the child, under a longer or shorter
    number, is not.

    Parameters
    ----------
    rows : sequence of CorpusRow
        The corpus.
    source : str
        Archive.
    """
    films = [row for row in rows if row.archive == source]
    trained = {_person(row.patient) for row in films if not kept_for_validation(row)}
    return [
        row for row in films if kept_for_validation(row) and _person(row.patient) not in trained
    ]


def source_findings(
    source: str,
    names: Sequence[str],
    logits: NDArray[np.float32],
    targets: NDArray[np.float32],
    patients: Sequence[str],
    repeats: int = 1000,
) -> SourceFindings:
    """Return the AUC of each finding with its interval, and their mean.

    Parameters
    ----------
    source : str
        Of all the films.
    names : sequence of str
        k findings.
    logits : ndarray of float, shape (n, k)
        Higher speaks for the finding.
    targets : ndarray of float, shape (n, k)
        1 with, 0 without the finding, NaN where the source cannot say.
    patients : sequence of str
        Patient of each of the n films.
    repeats : int, optional
        Draws of the bootstrap over patients.
    """
    positives, negatives = (targets == 1).sum(0), (targets == 0).sum(0)
    enough = [
        column
        for column in range(len(names))
        if min(positives[column], negatives[column]) >= FEWEST
    ]

    def statistics(draw: Draw) -> Mapping[str, float]:
        values = {}
        for column in enough:
            known = draw.index[np.isfinite(targets[draw.index, column])]
            score = logits[known, column].astype(np.float64)
            values[names[column]] = auroc(targets[known, column] == 1, score)
        return {**values, _MEAN: float(np.mean(list(values.values())))}

    estimates = PatientBootstrap(patients, repeats).estimate(statistics) if enough else {}
    rows = tuple(
        FindingRow(name, int(with_it + without), int(with_it), estimates.get(name))
        for name, with_it, without in zip(names, positives, negatives, strict=True)
        if with_it + without
    )
    return SourceFindings(source, len(patients), len(set(patients)), rows, estimates.get(_MEAN))


def _logits(backbone: Backbone, archive: Path, films: Sequence[CorpusRow]) -> NDArray[np.float32]:
    """Read, prepare and run films as scoring does; returns (n, findings of the backbone)."""
    found = []
    with zipfile.ZipFile(archive) as files:
        for start in range(0, len(films), _BATCH):
            batch = [
                prepare_film(read_radiograph(files.read(film.file)), backbone.record.input).array
                for film in films[start : start + _BATCH]
            ]
            found.append(backbone.run(np.stack(batch)).findings)
            done = start + len(batch)
            if done // _LOG_EVERY > start // _LOG_EVERY or done == len(films):
                _LOGGER.info("%s: %d of %d films", archive.stem, done, len(films))
    return np.concatenate(found)


def measure_backbone(
    backbone: Backbone, data: Path, limit: int = 0, repeats: int = 1000
) -> list[SourceFindings]:
    """Run a backbone on the films kept aside and return its figures for each source.

    Parameters
    ----------
    backbone : Backbone
        One trained by this package; others may have seen the films.
    data : Path
        Data folder.
    limit : int, optional
        Films of each source at most; 0 for all.
    repeats : int, optional
        Draws of the bootstrap over patients.

    Raises
    ------
    ModelError
        If the backbone has none of the corpus's findings.
    """
    names = [name for name in backbone.record.findings if name in FINDINGS]
    if not names:
        raise ModelError(
            f"backbone {backbone.record.name!r} gives none of the corpus's findings",
            f"some of {', '.join(FINDINGS)}",
            "measure a network of this package",
        )
    given = [backbone.record.findings.index(name) for name in names]
    stated = [FINDINGS.index(name) for name in names]
    index = read_corpus_index(data / "corpus" / "index.csv")
    measured = []
    for source in SOURCES:
        films = kept_films(index, source)
        films = films[:limit] if limit else films
        logits = _logits(backbone, data / "corpus" / f"{source}.zip", films)
        targets = np.stack([finding_targets(source, film.findings) for film in films])
        patients = [_person(film.patient) for film in films]
        measured.append(
            source_findings(source, names, logits[:, given], targets[:, stated], patients, repeats)
        )
    return measured


def finding_table(record: BackboneRecord, measured: SourceFindings) -> Table:
    """Return the figures of one source as a table."""
    rows = [
        (row.finding, str(row.films), str(row.positives), format_estimate(row.auc))
        for row in measured.rows
    ]
    given = sum(row.auc is not None for row in measured.rows)
    rows.append((f"mean of {given}", "", "", format_estimate(measured.mean)))
    return Table(
        f"{record.name} {record.version}, within {measured.source}: {measured.films} films of "
        f"{measured.patients} patients",
        ("finding", "films", "positives", "AUC"),
        tuple(rows),
    )


def as_json(record: BackboneRecord, measured: Sequence[SourceFindings]) -> dict[str, Any]:
    """Return the figures as JSON takes them; an AUC that is not given is null."""
    return {
        "notice": RESEARCH_NOTICE,
        "backbone": {"name": record.name, "version": record.version, "sha256": record.sha256},
        "sources": [
            {
                "source": source.source,
                "films": source.films,
                "patients": source.patients,
                "findings": [
                    {
                        "finding": row.finding,
                        "films": row.films,
                        "positives": row.positives,
                        "auc": plain(row.auc),
                    }
                    for row in source.rows
                ],
                "mean": plain(source.mean),
            }
            for source in measured
        ],
    }
