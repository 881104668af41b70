"""From the data folder to training streams, held-out patients left out."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError
from training.boxes import box_masks, read_boxes, read_boxes_in_lungs
from training.config import TrainingConfig
from training.exclusions import Exclusions
from training.films import (
    FilmArrays,
    corpus_films,
    folder_films,
    read_corpus_index,
)
from training.finding_targets import FINDINGS, finding_targets, kept_for_validation
from training.kept import KeptOnDisk
from training.painting import extent_of_share
from training.scored import (
    ScoredFilm,
    brixia_shares,
    brixia_zones,
    folds_by_patient,
    scored_films,
)
from training.streams import LEAST_OPACITY, FilmStream
from training.zones import zone_opacity

__all__ = ["TrainingFilms"]

_LOGGER = logging.getLogger(__name__)
_KNOWN_BY = ("name", "two alignments")
_BLACK_OUTSIDE = "rsna_lungs"
"""The archive of films that are black outside the lungs."""
_MOST_BLACK = 800
_BLACKENED = 0.3
"""Share of the painted films that are made alike, where such films are shown."""


def _unknown(count: int, *shape: int) -> NDArray[np.float32]:
    return np.full((count, *shape), np.nan, dtype=np.float32)


class TrainingFilms:
    """Builds the streams that a configuration asks for.

    Parameters
    ----------
    data : Path
        Data folder.
    config : TrainingConfig
        What to read, and what to keep out.
    exclusions : Exclusions
        Films that may show patients to keep out.
    kept : KeptOnDisk
        Outlines lungs, and tells of films without a score.
    """

    def __init__(
        self,
        data: Path,
        config: TrainingConfig,
        exclusions: Exclusions,
        kept: KeptOnDisk,
    ) -> None:
        self._kept = kept
        self._data = data
        self._config = config
        self._barred = exclusions.of_the_94 if config.held_out == "cohen94" else {}
        self._of_scored_patients = exclusions.of_any_scored_patient
        self._index = [
            row
            for row in read_corpus_index(data / "corpus" / "index.csv")
            if f"{row.archive}/{row.file}" not in self._of_scored_patients
        ]
        self._scored = scored_films(data)
        cross_validated = [film for film in self._scored if film.name.startswith("scored/")]
        self._folds = folds_by_patient(cross_validated, config.folds) if config.folds else {}

    def _parts(self, films: list[ScoredFilm]) -> NDArray[np.int64]:
        return np.array([self._folds.get(film.patient, -1) for film in films], dtype=np.int64)

    def _corpus(self, archive: str, normal_only: bool) -> tuple[FilmArrays, NDArray[np.float32]]:
        rows = [
            row
            for row in self._index
            if row.archive == archive
            and (not normal_only or "No Finding" in row.findings)
            and not kept_for_validation(row)
        ]
        limit = self._config.limit
        if archive == "covid_adult" and self._config.unscored_limit:
            limit = self._config.unscored_limit
        elif normal_only and self._config.normal_limit:
            limit = self._config.normal_limit
        rows = rows[:limit] if limit else rows
        films = corpus_films(
            self._data / "corpus", archive, [row.file for row in rows], self._config.stored
        )
        return films, np.stack([finding_targets(archive, row.findings) for row in rows])

    def _joined(
        self, parts: list[tuple[FilmArrays, NDArray[np.float32]]]
    ) -> tuple[FilmArrays, NDArray[np.float32]]:
        films = FilmArrays(
            np.concatenate([films.pixels for films, _ in parts]),
            np.concatenate([films.inside for films, _ in parts]),
            tuple(name for films, _ in parts for name in films.names),
            tuple(place for films, _ in parts for place in films.placements),
        )
        return films, np.concatenate([targets for _, targets in parts])

    def _normal(self, per_batch: int) -> FilmStream:
        films, findings = self._joined(
            [self._corpus("nih", True), self._corpus("rsna_normal", True)]
        )
        lungs = self._kept.outlines(films)
        # A film whose lungs are not found cannot carry truth.
        area = (lungs > 127).mean((2, 3))
        good = np.flatnonzero((area > 0.04).all(1) & (area < 0.35).all(1)).tolist()
        return FilmStream(
            name="normal",
            films=films.take(good),
            per_batch=per_batch,
            findings=findings[good],
            totals=_unknown(len(good), 2),
            sides=_unknown(len(good), 2, 2),
            lungs=lungs[good],
            painted=True,
            blackened=_BLACKENED if self._config.streams.boxed_lungs else 0.0,
        )

    def _findings(self, per_batch: int) -> FilmStream:
        films, findings = self._joined(
            [self._corpus("nih", False), self._corpus("pediatric", False)]
        )
        # How far a stated opacity extends is not stated: it counts as half of the lungs.
        opacity = findings[:, FINDINGS.index("Lung Opacity")]
        opacity[opacity == 1] = 0.5
        opacity[opacity == 0] = LEAST_OPACITY
        return FilmStream(
            name="findings",
            films=films,
            per_batch=per_batch,
            findings=findings,
            totals=_unknown(len(films), 2),
            sides=_unknown(len(films), 2, 2),
        )

    def _usable(self, film: ScoredFilm) -> bool:
        """Whether a film with readers may be seen: a rating is no score of a scored patient."""
        if film.name in self._barred:
            return False
        return not (film.rescaled and film.name in self._of_scored_patients)

    def _readers(self, per_batch: int, rated: bool) -> FilmStream:
        chosen = [film for film in self._scored if film.rescaled == rated and self._usable(film)]
        return self._with_readers("rated" if rated else "scored", chosen, per_batch)

    def _zoned(self, per_batch: int) -> FilmStream:
        """Films with Brixia zones, scored or rated: each zone is opaque as it was rated."""
        zones = brixia_zones(self._data)
        # Of lungs rated clear throughout no side is known.
        chosen = [f for f in self._scored if any(zones.get(f.stem, ())) and self._usable(f)]
        return self._with_readers("zoned", chosen, per_batch, zones)

    def _with_readers(
        self,
        name: str,
        films_with_readers: list[ScoredFilm],
        per_batch: int,
        zones: Mapping[str, Sequence[float]] | None = None,
    ) -> FilmStream:
        chosen = films_with_readers[: self._config.limit or None]
        films = folder_films(self._data, [film.name for film in chosen], self._config.stored)
        totals = np.array([[f.extent, f.opacity_ralo] for f in chosen], dtype=np.float32)
        shares = brixia_shares(self._data)
        sides = _unknown(len(chosen), 2, 2)
        for row, film in enumerate(chosen):
            share = shares.get(film.stem)
            if share is not None:
                sides[row] = np.clip(np.outer([share, 1 - share], totals[row]), 0, 4)
        lungs, opacity = self._kept.outlines(films), None
        if zones is not None:
            rated = np.array([zones[film.stem] for film in chosen], dtype=np.float32)
            opacity = zone_opacity(lungs, rated.reshape(-1, 2, 3) / np.float32(3))
        return FilmStream(
            name=name,
            films=films,
            per_batch=per_batch,
            findings=_unknown(len(films), len(FINDINGS)),
            totals=totals,
            sides=sides,
            lungs=lungs,
            opacity=opacity,
            parts=self._parts(chosen),
        )

    def _masked(self, per_batch: int) -> FilmStream:
        from training.expert_masks import read_expert_masks

        films, lungs, opacity = read_expert_masks(
            self._data, lambda name: name in self._of_scored_patients, self._config.stored
        )
        names = films.names
        area = (lungs > 0).sum((2, 3)).clip(1)
        share = ((opacity > 0) & (lungs > 0)).sum((2, 3)) / area
        import torch

        extent = extent_of_share(torch.from_numpy(share.astype(np.float32))).numpy()
        sides = _unknown(len(names), 2, 2)
        sides[:, :, 0] = extent
        return FilmStream(
            name="masked",
            films=films,
            per_batch=per_batch,
            findings=_unknown(len(names), len(FINDINGS)),
            totals=_unknown(len(names), 2),
            sides=sides,
            lungs=lungs,
            opacity=opacity,
        )

    def _series(self) -> FilmArrays:
        """Films of the collection and of Hannover of patients without any scored film."""
        names = [
            f"{folder}/{path.name}"
            for folder in ("cohen_other", "hannover")
            for path in sorted((self._data / folder).iterdir())
        ]
        names = [name for name in names if name not in self._of_scored_patients]
        limit = self._config.limit or self._config.unscored_limit
        return folder_films(self._data, names[:limit] if limit else names, self._config.stored)

    def _ordinal(self, per_batch: int) -> FilmStream:
        with (self._data / "ordinal.csv").open(newline="", encoding="utf-8") as file:
            rows = [
                row
                for row in csv.DictReader(file)
                if row["file"] not in self._of_scored_patients and row["film_known_by"] in _KNOWN_BY
            ]
        # Two ratings of one film are one label, their mean.
        ratings: dict[str, list[float]] = {}
        for row in rows:
            ratings.setdefault(row["file"], []).append(float(row["severity_class"]))
        names = sorted(ratings)[: self._config.limit or None]
        films = folder_films(self._data, names, self._config.stored)
        return FilmStream(
            name="ordinal",
            films=films,
            per_batch=per_batch,
            findings=_unknown(len(films), len(FINDINGS)),
            totals=_unknown(len(films), 2),
            sides=_unknown(len(films), 2, 2),
            classes=np.array([np.mean(ratings[name]) for name in names], dtype=np.float32),
            told=self._kept.told(films),
        )

    def _boxed(self, name: str, archive: str, per_batch: int) -> FilmStream:
        corpus = self._data / "corpus"
        if archive == _BLACK_OUTSIDE:
            boxes = read_boxes_in_lungs(corpus)
            known = {film for film in boxes if f"{archive}/{film}" not in self._of_scored_patients}
        else:
            boxes = read_boxes(corpus, archive)
            known = {row.file for row in self._index if row.archive == archive}
        names = [film for film in sorted(boxes) if film in known]
        limit = self._config.limit or (_MOST_BLACK if archive == _BLACK_OUTSIDE else 0)
        films = corpus_films(corpus, archive, names[: limit or None], self._config.stored)
        masks = box_masks(films, boxes)
        seen = np.flatnonzero(masks.any((1, 2))).tolist()
        return FilmStream(
            name=name,
            films=films.take(seen),
            per_batch=per_batch,
            findings=_unknown(len(seen), len(FINDINGS)),
            totals=_unknown(len(seen), 2),
            sides=_unknown(len(seen), 2, 2),
            boxes=masks[seen],
        )

    def _taught(self, name: str, films: FilmArrays, per_batch: int) -> FilmStream:
        return FilmStream(
            name=name,
            films=films,
            per_batch=per_batch,
            findings=_unknown(len(films), len(FINDINGS)),
            totals=_unknown(len(films), 2),
            sides=_unknown(len(films), 2, 2),
            lungs=self._kept.outlines(films),
            taught=True,
            told=self._kept.told(films),
        )

    def streams(self) -> list[FilmStream]:
        """Return the streams of the configuration."""
        wanted = self._config.streams
        found: list[FilmStream] = []
        if wanted.normal:
            found.append(self._normal(wanted.normal))
        if wanted.findings:
            found.append(self._findings(wanted.findings))
        if wanted.scored:
            found.append(self._readers(wanted.scored, rated=False))
        if wanted.rated:
            found.append(self._readers(wanted.rated, rated=True))
        if wanted.zoned:
            found.append(self._zoned(wanted.zoned))
        if wanted.masked:
            found.append(self._masked(wanted.masked))
        if wanted.ordinal:
            found.append(self._ordinal(wanted.ordinal))
        if wanted.boxed:
            found.append(self._boxed("boxed", "nih", wanted.boxed))
        if wanted.boxed_lungs:
            found.append(self._boxed("boxed lungs", _BLACK_OUTSIDE, wanted.boxed_lungs))
        if wanted.unscored:
            films, _ = self._corpus("covid_adult", False)
            found.append(self._taught("unscored", films, wanted.unscored))
        if wanted.unscored_series:
            films = self._series()
            found.append(self._taught("unscored series", films, wanted.unscored_series))
        for stream in found:
            if not len(stream.films):
                raise ModelError(
                    f"no film is left for the stream {stream.name!r}",
                    "at least one",
                    "raise the limit, or train the lung network longer if it finds no lungs",
                )
            _LOGGER.info("stream %s: %d films", stream.name, len(stream.films))
        return found
