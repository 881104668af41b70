"""From a radiograph to what a severity model takes: small, picklable, made anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from pneumoscore.radiograph.types import InputSpec, PreparedRadiograph, Radiograph
from pneumoscore.severity.quality import QualityGate

__all__ = ["Preparation", "PreparedFilm"]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFilm:
    """A film as a model scores it: small, so that many can wait.

    Attributes
    ----------
    prepared : PreparedRadiograph
        The backbone's input and where the film lies in it.
    flags : tuple of str
        Quality flags that follow from the film itself.
    judged : PreparedRadiograph or None
        The same for the gatekeeper's backbone, where the model has a gatekeeper.
    """

    prepared: PreparedRadiograph
    flags: tuple[str, ...]
    judged: PreparedRadiograph | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Preparation:
    """How a model's films are prepared; all that another thread or process needs for it.

    Attributes
    ----------
    input : InputSpec
        How the model's backbone wants to be fed.
    gate : QualityGate
        Whose flags from the film itself count: the gatekeeper's where there is one.
    judged : InputSpec or None
        How the gatekeeper's backbone wants to be fed.
    """

    input: InputSpec
    gate: QualityGate
    judged: InputSpec | None = None

    def __call__(self, radiograph: Radiograph) -> PreparedFilm:
        """Prepare one film."""
        from pneumoscore.backbone.lungs import prepare_film

        prepared = prepare_film(radiograph, self.input)
        return PreparedFilm(
            prepared,
            (*self.gate.film_flags(radiograph), *prepared.notices),
            None if self.judged is None else prepare_film(radiograph, self.judged),
        )
