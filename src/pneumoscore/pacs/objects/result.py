"""What is said of one film, in the terms that all its objects share."""

from __future__ import annotations

from dataclasses import dataclass

from pneumoscore.pacs.identity import own_uid
from pneumoscore.radiograph.origin import Origin
from pneumoscore.severity.score import ModelIdentity, Score

__all__ = ["FilmReport", "Refusal", "objects_uid"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A film that the quality gate refused.

    Attributes
    ----------
    flags : tuple of str
        Why.
    reason : str
        The same in one line.
    model : ModelIdentity
        Whose gate it was.
    """

    flags: tuple[str, ...]
    reason: str
    model: ModelIdentity


@dataclass(frozen=True, slots=True, eq=False)
class FilmReport:
    """A score or a refusal, and how it came about.

    Attributes
    ----------
    outcome : Score or Refusal
        What is said of the film.
    preparation : str
        How the film was made the network's input, in words.
    origin : Origin or None
        Where the film that was scored lies in the stored image; None if it is the same.
    """

    outcome: Score | Refusal
    preparation: str
    origin: Origin | None = None

    @property
    def model(self) -> ModelIdentity:
        """The model that scored or refused."""
        return self.outcome.model

    @property
    def flags(self) -> tuple[str, ...]:
        """Quality flags, with or without a score."""
        return self.outcome.flags

    @property
    def level(self) -> float | None:
        """Nominal coverage of the intervals; None where there are none."""
        if isinstance(self.outcome, Refusal):
            return None
        return next((part.level for part in self.outcome.scales if part.low is not None), None)


def objects_uid(source_uid: str, model: ModelIdentity, kind: str) -> str:
    """Return the UID of the object of one kind that a model makes of a film.

    Whoever knows the film and the model knows the UID, so that a result can be looked for in an
    archive, and none is made twice.

    Parameters
    ----------
    source_uid : str
        SOP Instance UID of the film.
    model : ModelIdentity
        What scored it.
    kind : str
        ``"report"``, ``"capture"``, ``"segmentation"``; with ``" series"`` of their series.
    """
    return own_uid("object", source_uid, model.sha256, kind)
