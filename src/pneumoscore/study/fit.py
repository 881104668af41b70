"""Fitting the heads of a severity model on a site's own labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pneumoscore.backbone.record import BackboneRecord, is_name, load_record
from pneumoscore.backbone.session import Backbone
from pneumoscore.cohort.checks import CohortError, check_cohort, refuse_faults
from pneumoscore.cohort.types import Cohort
from pneumoscore.errors import ModelError
from pneumoscore.files import written_atomically
from pneumoscore.severity.bundle import (
    Bundle,
    available_bundles,
    bundle_hash,
    read_bundle,
    refuse_bundle_there,
    write_bundle,
)
from pneumoscore.severity.features import finding_inputs
from pneumoscore.severity.fitted import FittedFilms
from pneumoscore.severity.model import DEFAULT_MODEL
from pneumoscore.severity.quality import QualityGate
from pneumoscore.severity.scale import SCALES, Scale, scale_named
from pneumoscore.severity.seen import SeenFilms
from pneumoscore.study.features import CohortFeatures, film_features
from pneumoscore.study.fitted_card import fitted_card
from pneumoscore.study.gate import fit_familiarity
from pneumoscore.study.head_fitting import LEAST_FILMS, FittedHead, fit_head

__all__ = ["FittedModel", "fit_severity_model"]


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A fitted severity model, not yet written.

    Attributes
    ----------
    bundle : Bundle
        Its files.
    heads : tuple of FittedHead
        The bundle's heads with their figures.
    taught : int or None
        How many of the films had taught the backbone; None where nobody knows.
    """

    bundle: Bundle
    heads: tuple[FittedHead, ...]
    taught: int | None = None

    def write(
        self, folder: str | Path, backbone: Path | None = None, *, overwrite: bool = False
    ) -> None:
        """Write the bundle, by default for an installed backbone.

        Parameters
        ----------
        folder : str or Path
            Made if it does not exist.
        backbone : Path, optional
            Record of the backbone; its files are copied, so that the bundle stands alone.
        overwrite : bool, optional
            Replace a model that is in the folder, and a file of the backbone's name.

        Raises
        ------
        OutputError
            If one is there.
        ModelError
            If the record cannot be read.
        OSError
            If the folder cannot be written.
        """
        target = Path(folder)
        network = None if backbone is None else load_record(backbone).file
        if not overwrite:
            refuse_bundle_there(target, *([] if network is None else [network]))
        bundle = self.bundle
        if backbone is not None and network is not None:
            _copy(backbone.parent / network, target / network)
            _copy(backbone, target / "backbone.json")
            bundle = replace(bundle, backbone="backbone.json")
        write_bundle(bundle, target)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as taken, written_atomically(target) as stream:
        shutil.copyfileobj(taken, stream)


def fit_severity_model(
    backbone: Backbone,
    cohort: Cohort,
    *,
    feature_set: str = "features",
    name: str = "fitted",
    version: str | None = None,
    scales: Sequence[str] | None = None,
    gate: QualityGate | None = None,
    cache: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> FittedModel:
    """Fit heads on a backbone from labelled films.

    Ridge regression on the feature set; its strength is chosen, and everything measured, by
    folds that never part a patient's films. The intervals come from held-out predictions.

    Parameters
    ----------
    backbone : Backbone
        An open network; it is not changed.
    cohort : Cohort
        Films with labels, for example from `pneumoscore.cohort.mapping.load_table`.
    feature_set : str, optional
        One of `pneumoscore.severity.features.FEATURE_SETS`.
    name, version : str, optional
        Identity of the new model; the version by default from its hash, so that no two models
        share it.
    scales : sequence of str, optional
        Default: those with at least `LEAST_FILMS` labels.
    gate : QualityGate, optional
        Default: that of a built-in model on the same backbone; on another one a familiarity
        fitted here, and the default model as gatekeeper.
    cache : Path, optional
        Folder of kept features.
    progress : callable, optional
        Called with the number of films read.

    Returns
    -------
    FittedModel

    Raises
    ------
    CohortError
        If the cohort has faults (missing files, impossible scores, ...) or too few labels.
    ModelError
        If the backbone lacks a finding of the feature set, a scale is unknown, or the name
        cannot be a model's; found before any film is read.
    PneumoScoreError
        If a film cannot be read.
    """
    record = backbone.record
    if not is_name(name):
        raise ModelError(f"{name!r} is no model's name", "letters, digits, '.', '_' and '-'")
    finding_inputs(feature_set, record.findings)
    chosen = _scales(cohort, scales)
    films = cohort.where(lambda film: any(scale.name in film.labels for scale in chosen))
    refuse_faults(check_cohort(films), cohort.name)
    features = film_features(backbone, [film.path for film in films], cache, progress)
    fitted = tuple(
        fit_head(
            features,
            films.labels(scale.name),
            films.patients,
            scale,
            feature_set,
            record.findings,
        )
        for scale in chosen
    )
    built_in = _built_in(record)
    gatekeeper = None
    if gate is None and built_in is not None:
        gate, gatekeeper = built_in.gate, built_in.gatekeeper
    elif gate is None:
        familiarity = fit_familiarity(features.features.astype(np.float64), films.patients)
        gate, gatekeeper = QualityGate(familiarity=familiarity), DEFAULT_MODEL
    seen = SeenFilms() if built_in is None else built_in.seen
    taught = None if built_in is None else len(seen.among(film.path for film in films))
    bundle = Bundle(
        name=name,
        version=version or "1",
        backbone=record.name,
        heads=tuple(item.head for item in fitted),
        gate=gate,
        shown=tuple(scale.name for scale in chosen),
        card="",
        seen=seen.with_films(features.file_hashes),
        gatekeeper=gatekeeper,
        fitted=_fitted_films(features, films.patients, fitted, record.findings),
    )
    version = version or bundle_hash(bundle, record)[:8]
    card = fitted_card(
        name, version, record, films, feature_set, fitted, gatekeeper=gatekeeper, taught=taught
    )
    return FittedModel(replace(bundle, version=version, card=card), fitted, taught)


def _fitted_films(
    features: CohortFeatures,
    patients: Sequence[str],
    fitted: Sequence[FittedHead],
    findings: Sequence[str],
) -> FittedFilms:
    numbers = {name: place for place, name in enumerate(dict.fromkeys(patients))}
    output = features.output()
    return FittedFilms(
        tuple(numbers[name] for name in patients),
        {
            head.scale.name: tuple(
                round(head.scale.clip(value), 2)
                for value in head.predict(head.inputs(output, findings)).tolist()
            )
            for head in (item.head for item in fitted)
        },
    )


def _scales(cohort: Cohort, wanted: Sequence[str] | None) -> tuple[Scale, ...]:
    if wanted is not None:
        return tuple(scale_named(name) for name in wanted)
    counts = {scale.name: len(cohort.labelled(scale.name)) for scale in SCALES}
    chosen = tuple(scale for scale in SCALES if counts[scale.name] >= LEAST_FILMS)
    if not chosen:
        found = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise CohortError(
            f"cohort {cohort.name!r} has the labels {found}",
            f"at least {LEAST_FILMS} films with a label on one scale",
            "label more films, or check the names of the label columns",
        )
    return chosen


def _built_in(record: BackboneRecord) -> Bundle | None:
    """Return the built-in model on the same backbone."""
    for folder in available_bundles().values():
        bundle = read_bundle(folder)
        own = folder / bundle.backbone
        same = (
            load_record(own).sha256 == record.sha256
            if bundle.backbone.endswith(".json")
            else bundle.backbone == record.name
        )
        if same:
            return bundle
    return None
