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
    file : str
        Its table in ``data/`` of the repository mlmed/covid-severity.
    columns : mapping of str to tuple of str
        By scale, the column there and in ``peers94.csv``.
    highest : float
        Upper end of its own range; the lower is 0. Predictions are multiplied by the
        scale's range over this one, and by nothing else.
    """

    name: str
    file: str
    columns: Mapping[str, tuple[str, str]]
    highest: float


_BOTH = ("geographic_extent", "opacity")


def _covidnet(name: str, word: str) -> Peer:
    columns = {
        "geographic_extent": ("geo", f"covidnet_{word}_geographic_0_8"),
        "opacity": ("opacity", f"covidnet_{word}_opacity_0_8"),
    }
    return Peer(name, f"covidnet-{word}-cidc.csv", columns, 8.0)


PEERS = (
    Peer(
        "BS-Net",
        "bsnet-singlemodel-cidc.csv",
        dict.fromkeys(_BOTH, ("brixia", "bsnet_brixia_0_18")),
        18.0,
    ),
    Peer("PXS", "pxs-cidc.csv", dict.fromkeys(_BOTH, ("pxs", "pxs")), 24.0),
    _covidnet("COVIDNet-SEV", "sev"),
    _covidnet("COVIDNet-S", "s"),
)


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


def _published(folder: Path, peer: Peer, scale: str) -> dict[str, float]:
    """Return a model's predictions by film, on its own range."""
    ours = folder / "peers94.csv"
    path = ours if ours.is_file() else folder / peer.file
    name, column = ("filename", peer.columns[scale][1]) if path == ours else (
        "fname", peer.columns[scale][0])  # fmt: skip
    rows = read_table(path)
    require_columns(rows, (name, column), path.name)
    return {row[name]: value for row in rows if (value := parse_number(row[column])) is not None}


def peer_tables(published: Path, brixia: Path, cohort: Cohort) -> dict[str, list[PredictionTable]]:
    """Return the published predictions and the two radiologists' Brixia scores, by scale.

    Parameters
    ----------
    published : Path
        Folder ``data`` of a clone of mlmed/covid-severity, or one with ``peers94.csv``.
    brixia : Path
        The Brixia annotations of the collection.
    cohort : Cohort
        The 94 films.

    Raises
    ------
    UnreadableFileError
        If a table is missing or lacks a column.
    """
    sums = load_brixia(brixia)["Global"]
    readers = {
        f"{reader} radiologist (Brixia)": dict(zip(sums.films, column.tolist(), strict=True))
        for reader, column in zip(sums.readers, sums.values.T, strict=True)
    }

    def rescaled(scores: Mapping[str, float], highest: float, scale: str) -> dict[str, float]:
        factor = scale_named(scale).high / highest
        return {film: value * factor for film, value in scores.items() if np.isfinite(value)}

    return {
        scale: [
            *(
                _as_predictions(
                    peer.name,
                    cohort,
                    scale,
                    rescaled(_published(published, peer, scale), peer.highest, scale),
                )
                for peer in PEERS
            ),
            *(
                _as_predictions(name, cohort, scale, rescaled(scores, BRIXIA_MAXIMUM, scale))
                for name, scores in readers.items()
            ),
        ]
        for scale in _BOTH
    }


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
    """Return the rows as the table that the README shows; ours is a row without difference."""
    compared = any(row.difference is not None for row in rows)
    header = ("scale", "model or reader", "films", "MAE", "Pearson r")
    cells = [
        (
            row.scale,
            row.name,
            str(row.films),
            format_estimate(row.mae),
            format_estimate(row.pearson),
            "ours" if row.difference is None else format_estimate(row.difference),
        )
        for row in rows
    ]
    paired = "; differences are paired" if compared else ""
    return Table(
        "The 94 films: models and two radiologists against the mean of three experts",
        (*header, "our MAE minus this one's") if compared else header,
        tuple(row if compared else row[:-1] for row in cells),
        "Ranges rescaled by one fixed factor (BS-Net and Brixia 0-18, PXS 0-24, COVIDNet 0-8), "
        f"nothing refitted. 95 % intervals by bootstrap over patients{paired}.",
    )
