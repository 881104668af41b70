"""The severity model: the only place that computes a score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.runtime import Device
from pneumoscore.errors import ModelError, NotScorableError, PneumoScoreError
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.bundle import (
    Bundle,
    available_bundles,
    bundle_hash,
    find_bundle,
    read_bundle,
)
from pneumoscore.severity.fitted import FittedFilms
from pneumoscore.severity.gatekeeping import gatekept_flags, refusal
from pneumoscore.severity.head import Head, LinearForm
from pneumoscore.severity.preparation import Preparation, PreparedFilm
from pneumoscore.severity.quality import QualityGate
from pneumoscore.severity.saliency import saliency_map
from pneumoscore.severity.score import ModelIdentity, Score
from pneumoscore.severity.score_head import BackboneLike, film_output, score_head
from pneumoscore.severity.seen import SeenFilms

__all__ = ["DEFAULT_MODEL", "SeverityModel"]

DEFAULT_MODEL = "severity"


class SeverityModel:
    """One backbone and its heads: radiograph to score.

    Research use only, not for medical use.

    Parameters
    ----------
    bundle : Bundle
        Heads, quality gate and card.
    backbone : BackboneLike
        The network that the heads were fitted on.
    gatekeeper : SeverityModel, optional
        The model that the bundle names as its gatekeeper: its gate, on its own backbone, sees
        each film first.

    Raises
    ------
    ModelError
        If a head or the gate does not fit the backbone, or the gatekeeper is another than the
        bundle names.
    """

    def __init__(
        self, bundle: Bundle, backbone: BackboneLike, gatekeeper: SeverityModel | None = None
    ) -> None:
        found = None if gatekeeper is None else gatekeeper.identity.name
        if found != bundle.gatekeeper:
            raise ModelError(f"the gatekeeper is {found}", str(bundle.gatekeeper))
        for head in bundle.heads:
            head.check(backbone.record)
        bundle.gate.check(backbone.record.feature_width)
        self._bundle = bundle
        self._backbone = backbone
        self._forms: dict[str, LinearForm | None] = {
            head.scale.name: head.linear_form(backbone.record) for head in bundle.heads
        }
        record = backbone.record
        self._identity = ModelIdentity(
            name=bundle.name,
            version=bundle.version,
            backbone=f"{record.name} {record.version}",
            sha256=bundle_hash(
                bundle, record, None if gatekeeper is None else gatekeeper.identity.sha256
            ),
        )
        self._gatekeeper = gatekeeper

    @classmethod
    def open(
        cls,
        name_or_folder: str | Path | None = None,
        *,
        threads: int | None = None,
        device: Device = Device.CPU,
        wait: bool = True,
    ) -> SeverityModel:
        """Open a severity model.

        Parameters
        ----------
        name_or_folder : str or Path, optional
            Name of a built-in model, or folder of a bundle; by default `DEFAULT_MODEL`.
        threads : int, optional
            Threads of the network; by default the number of physical cores.
        device : Device, optional
            Where the network is computed.
        wait : bool, optional
            Whether to return once the network is loaded (see `Backbone.open`).

        Returns
        -------
        SeverityModel

        Raises
        ------
        ModelError
            If the model or its backbone is missing, damaged or does not fit, or the device
            cannot be used.
        """
        from pneumoscore.backbone.session import Backbone

        folder = find_bundle(DEFAULT_MODEL if name_or_folder is None else name_or_folder)
        bundle = read_bundle(folder)
        reference = bundle.backbone
        record = folder / reference if reference.endswith(".json") else reference
        backbone = Backbone.open(record, threads=threads, device=device, wait=wait)
        if bundle.gatekeeper is None:
            return cls(bundle, backbone)
        if bundle.gatekeeper not in available_bundles():
            raise ModelError(
                f"the gatekeeper of {bundle.name!r} is {bundle.gatekeeper!r}",
                "one of the built-in models, " + ", ".join(available_bundles()),
            )
        keeper = cls.open(bundle.gatekeeper, threads=threads, device=device, wait=wait)
        return cls(bundle, backbone, keeper)

    def wait(self) -> None:
        """Return once the network is loaded, where `open` did not wait for it.

        Raises
        ------
        ModelError
            If its file is missing, damaged or does not fit.
        """
        self._backbone.wait()
        if self._gatekeeper is not None:
            self._gatekeeper.wait()

    @property
    def identity(self) -> ModelIdentity:
        """Name, version and hash."""
        return self._identity

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return self._bundle.card

    @property
    def backbone(self) -> BackboneLike:
        """The network."""
        return self._backbone

    @property
    def heads(self) -> tuple[Head, ...]:
        """All heads, also those that are not shown by default."""
        return self._bundle.heads

    @property
    def gate(self) -> QualityGate:
        """The quality gate."""
        return self._bundle.gate

    @property
    def seen(self) -> SeenFilms:
        """Films that taught it, as far as it is known."""
        return self._bundle.seen

    @property
    def fitted(self) -> FittedFilms | None:
        """What it says of the films that taught its heads, where the bundle holds it."""
        return self._bundle.fitted

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the scales scored by default."""
        return self._bundle.shown

    def score(
        self,
        radiograph: Radiograph,
        *,
        level: float = 0.9,
        force: bool = False,
        scales: Sequence[str] | None = None,
    ) -> Score:
        """Score one film.

        Parameters
        ----------
        radiograph : Radiograph
            A frontal chest radiograph.
        level : float
            Nominal coverage of the intervals, between 0 and 1.
        force : bool
            Score a film that the quality gate refuses; the flags stay.
        scales : sequence of str, optional
            Names of the scales; by default `shown`.

        Returns
        -------
        Score

        Raises
        ------
        NotScorableError
            If the quality gate refuses the film.
        """
        film = self.prepare(radiograph)
        (result,) = self.score_prepared([film], level=level, force=force, scales=scales)
        if isinstance(result, NotScorableError):
            raise result
        return result

    def score_many(
        self,
        radiographs: Iterable[Radiograph],
        batch_size: int = 8,
        *,
        level: float = 0.9,
        force: bool = False,
        scales: Sequence[str] | None = None,
    ) -> Iterator[Score | NotScorableError]:
        """Score many films in batches, in order.

        Parameters
        ----------
        radiographs : iterable of Radiograph
            Taken as they are needed.
        batch_size : int
            Films that go through the network together, at least 1.
        level, force, scales
            As in `score`.

        Yields
        ------
        Score or NotScorableError
            For each film; a refusal is given back, not raised, so that the rest are scored.
        """
        films = (self.prepare(film) for film in radiographs)
        while batch := list(islice(films, max(1, batch_size))):
            yield from self.score_prepared(batch, level=level, force=force, scales=scales)

    @property
    def preparation(self) -> Preparation:
        """How its films are prepared; may be sent to another process."""
        own = self._backbone.record.input
        if self._gatekeeper is None:
            return Preparation(own, self.gate)
        keeper = self._gatekeeper
        return Preparation(own, keeper.gate, keeper.backbone.record.input)

    def prepare(self, radiograph: Radiograph) -> PreparedFilm:
        """Return a film as `score_prepared` takes it; safe to call from several threads."""
        return self.preparation(radiograph)

    def score_prepared(
        self,
        films: Sequence[PreparedFilm],
        *,
        level: float = 0.9,
        force: bool = False,
        scales: Sequence[str] | None = None,
    ) -> list[Score | NotScorableError]:
        """Score prepared films as one batch.

        Parameters
        ----------
        films : sequence of PreparedFilm
            Made by `prepare` of this model.
        level, force, scales
            As in `score`.

        Returns
        -------
        list of Score or NotScorableError
            One for each film.
        """
        if not 0.0 < level < 1.0:
            raise PneumoScoreError(f"interval level {level}", "a number between 0 and 1, as 0.9")
        heads = [self.head(name) for name in (self.shown if scales is None else scales)]
        if not films:
            return []
        record = self._backbone.record
        output = self._backbone.run(np.stack([film.prepared.array for film in films]))
        seen = self.gate.output_flags(output, [film.prepared.placement for film in films])
        if self._gatekeeper is not None:
            keeper = self._gatekeeper
            seen = gatekept_flags(keeper.gate, keeper.backbone, films, seen)
        results: list[Score | NotScorableError] = []
        for index, film in enumerate(films):
            flags = (*film.flags, *(flag for flag in seen[index] if flag not in film.flags))
            refused = self.gate.refused_by(flags)
            if refused and not force:
                results.append(refusal(refused))
                continue
            one = film_output(output, index)
            results.append(
                Score(
                    scales=tuple(
                        score_head(head, self._forms[head.scale.name], record, one, level)
                        for head in heads
                    ),
                    flags=flags,
                    model=self._identity,
                    placement=film.prepared.placement,
                    findings=dict(zip(record.findings, one.findings[0].tolist(), strict=True)),
                )
            )
        return results

    def saliency(
        self, radiograph: Radiograph, scale_name: str = "geographic_extent"
    ) -> NDArray[np.float32]:
        """Return the paper's saliency map of one film.

        Parameters
        ----------
        radiograph : Radiograph
            The film.
        scale_name : str
            The scale whose raw score is differentiated.

        Returns
        -------
        ndarray of float32, shape (size, size)
            In the backbone's input; see `pneumoscore.severity.saliency.saliency_map`.

        Raises
        ------
        ModelError
            If the backbone's file holds no gradient, or the head is not linear in its features.
        """
        form = self._forms[self.head(scale_name).scale.name]
        if form is None:
            raise ModelError(
                f"the head {scale_name!r} sees findings whose weights the record of "
                f"{self._backbone.record.name!r} does not hold",
                "a head on the pooled features",
            )
        batch = self.prepare(radiograph).prepared.array[None]
        return saliency_map(self._backbone.input_gradient(batch, form.coefficients)[0])

    def head(self, scale_name: str) -> Head:
        """Return the head of a scale.

        Raises
        ------
        ModelError
            If the model has none.
        """
        for head in self.heads:
            if head.scale.name == scale_name:
                return head
        raise ModelError(
            f"the model {self.identity.name!r} has no scale {scale_name!r}",
            "one of " + ", ".join(head.scale.name for head in self.heads),
        )
