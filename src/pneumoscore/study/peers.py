"""Peers side by side on the 94 films: MAE and r after one fixed rescaling of ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pneumoscore.cohort.brixia import BRIXIA_MAXIMUM, load_brixia
from pneumoscore.cohort.parsing import parse_number
from pneumoscore.cohort.tables import read_table, require_columns
from pneumoscore.cohort.types import Cohort
from pneumoscore.present.table import Table, format_estimate
from pneumoscore.severity.scale import scale_named
from pneumoscore.statistics.accuracy import mae, pearson
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.study.evaluation import compare
from pneumoscore.study.predictions import PredictionTable

__all__ = ["PEERS", "Peer", "PeerRow", "peer_rows", "peer_table", "peer_tables"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A model whose predictions of the 94 are published.

    Attributes
    ----------
    name : str
        As its authors call it.
    columns : mapping of str to str
        Column of the table by scale.
    highest : float
        Upper end of its own range; the lower is 0. Predictions are multiplied by the
        scale's range over this one, and by nothing else.
    """

    name: str
    columns: Mapping[str, str]
    highest: float


_BOTH = ("geographic_extent", "opacity")
PEERS = (
    Peer("BS-Net", dict.fromkeys(_BOTH, "bsnet_brixia_0_18"), 18.0),
    Peer("PXS", dict.fromkeys(_BOTH, "pxs"), 24.0),
    Peer(
        "COVIDNet-SEV",
        {
            "geographic_extent": "covidnet_sev_geographic_0_8",
            "opacity": "covidnet_sev_opacity_0_8",
        },
        8.0,
    ),
    Peer(
        "COVIDNet-S",
        {"geographic_extent": "covidnet_s_geographic_0_8", "opacity": "covidnet_s_opacity_0_8"},
        8.0,
    ),
)
RADIOLOGIST = "radiologist (Brixia)"


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One model or reader on one scale.

    Attributes
    ----------
    name, scale : str
        Which.
    films : int
        With a prediction.
    mae, pearson : Estimate
        Against the experts' labels.
    difference : Estimate or None
        MAE of our model minus this one's on the same films; None for our model.
    """

    name: str
    scale: str
    films: int
    mae: Estimate
    pearson: Estimate
    difference: Estimate | None


def _as_predictions(
    name: str, cohort: Cohort, scale: str, scores: Mapping[str, float]
) -> PredictionTable:
    films = [film for film in cohort.labelled(scale) if film.name in scores]
    blank = np.full(len(films), np.nan)
    return PredictionTable(
        name,
        scale_named(scale),
        tuple(film.name for film in films),
        tuple(film.patient for film in films),
        tuple(film.source for film in films),
        tuple(film.view or "" for film in films),
        tuple(film.sex or "" for film in films),
        blank,
        np.array([film.labels[scale] for film in films]),
        np.array([scores[film.name] for film in films]),
        blank,
        blank,
    )


def peer_tables(data: Path, cohort: Cohort) -> dict[str, list[PredictionTable]]:
    """Return the published predictions and the radiologist's Brixia score, by scale.

    Parameters
    ----------
    data : Path
        Folder with ``peers94.csv`` and ``brixia.csv``.
    cohort : Cohort
        The 94 films.

    Raises
    ------
    UnreadableFileError
        If a table is missing or lacks a column.
    """
    rows = read_table(data / "peers94.csv")
    columns = {column for peer in PEERS for column in peer.columns.values()}
    require_columns(rows, ("filename", *sorted(columns)), "peers94.csv")
    brixia = load_brixia(data / "brixia.csv")["Global"]
    senior = brixia.values[:, brixia.readers.index("senior")]
    tables = {}
    for scale in _BOTH:
        highest = scale_named(scale).high
        found = []
        for peer in PEERS:
            factor = highest / peer.highest
            scores = {
                row["filename"]: value * factor
                for row in rows
                if (value := parse_number(row[peer.columns[scale]])) is not None
            }
            found.append(_as_predictions(peer.name, cohort, scale, scores))
        sums = {
            film: float(value) * highest / BRIXIA_MAXIMUM
            for film, value in zip(brixia.films, senior, strict=True)
            if np.isfinite(value)
        }
        found.append(_as_predictions(RADIOLOGIST, cohort, scale, sums))
        tables[scale] = found
    return tables


def _row(table: PredictionTable, ours: PredictionTable | None, repeats: int) -> PeerRow:
    def statistics(draw: Draw) -> dict[str, float]:
        truth, predicted = table.targets[draw.index], table.predictions[draw.index]
        return {"mae": mae(truth, predicted), "pearson": pearson(truth, predicted)}

    figures = PatientBootstrap(table.patients, repeats).estimate(statistics)
    difference = None
    if ours is not None:
        difference = compare(ours, table, repeats)["mae_difference"]
    return PeerRow(
        table.name, table.scale.name, len(table), figures["mae"], figures["pearson"], difference
    )


def peer_rows(
    ours: Mapping[str, PredictionTable],
    peers: Mapping[str, Sequence[PredictionTable]],
    repeats: int = 1000,
) -> tuple[PeerRow, ...]:
    """Return our model and its peers, best error first within a scale.

    Parameters
    ----------
    ours : mapping of str to PredictionTable
        Our model's predictions of the 94 by scale; may be empty.
    peers : mapping of str to sequence of PredictionTable
        As `peer_tables` gives them.
    repeats : int, optional
        Draws of the bootstrap over patients.
    """
    rows = []
    for scale, tables in peers.items():
        own = ours.get(scale)
        found = [_row(table, own, repeats) for table in tables]
        if own is not None:
            found.append(replace(_row(own, None, repeats), name=own.name))
        rows += sorted(found, key=lambda row: row.mae.value)
    return tuple(rows)


def peer_table(rows: Sequence[PeerRow]) -> Table:
    """Return the rows as the table that the README shows."""
    return Table(
        "The 94 films: models and a radiologist against the mean of three experts",
        ("scale", "model or reader", "films", "MAE", "Pearson r", "our MAE minus this one's"),
        tuple(
            (
                row.scale,
                row.name,
                str(row.films),
                format_estimate(row.mae),
                format_estimate(row.pearson),
                "ours" if row.difference is None else format_estimate(row.difference),
            )
            for row in rows
        ),
        "Ranges rescaled by one fixed factor (BS-Net and Brixia 0-18, PXS 0-24, COVIDNet 0-8), "
        "nothing refitted. 95 % intervals by bootstrap over patients; differences are paired.",
    )
