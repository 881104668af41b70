"""What is said of one film, in the terms that all its objects share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, product

from pneumoscore.pacs.identity import own_uid
from pneumoscore.radiograph.origin import Origin
from pneumoscore.severity.score import ModelIdentity, Score

__all__ = [
    "FORCED",
    "NO_VOI",
    "REPORT_CLASSES",
    "FilmReport",
    "Refusal",
    "objects_uid",
    "report_uids",
    "unusual",
]

REPORT_CLASSES = ("comprehensive-3d", "comprehensive", "enhanced")
"""SOP classes of the report by name; the first is the usual one."""
FORCED, NO_VOI = "forced", "no voi"
"""Terms of a score that the gate would have refused, and of a film read without its VOI."""
_USUAL = {
    "level": 0.9,
    "report_class": REPORT_CLASSES[0],
    "scale": "geographic_extent",
    "share": 0.25,
}


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
    terms : tuple of str
        How it was scored otherwise than usual, but for the level: `FORCED`, `NO_VOI`.
    """

    outcome: Score | Refusal
    preparation: str
    origin: Origin | None = None
    terms: tuple[str, ...] = ()

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

    def uid(self, source_uid: str, kind: str, *terms: str) -> str:
        """Return the UID of an object that says this of a film (see `objects_uid`).

        Parameters
        ----------
        source_uid, kind
            As in `objects_uid`.
        *terms : str
            What else the object holds otherwise than usual (see `unusual`).
        """
        said = (*self.terms, *unusual(level=self.level), *terms)
        return objects_uid(source_uid, self.model, kind, said)


def unusual(**terms: object) -> tuple[str, ...]:
    """Return, in words, the terms that are not the usual ones.

    Parameters
    ----------
    **terms
        Any of ``level``, ``report_class``, ``scale``, ``share``; None for what does not apply.

    Examples
    --------
    >>> unusual(level=0.9, share=0.5)
    ('share 0.5',)
    """
    return tuple(
        f"{name} {value}" for name, value in terms.items() if value not in (None, _USUAL[name])
    )


def objects_uid(
    source_uid: str, model: ModelIdentity, kind: str, terms: tuple[str, ...] = ()
) -> str:
    """Return the UID of the object of one kind that a model makes of a film.

    Whoever knows these knows the UID, so that a result can be looked for in an archive, and none
    is made twice; and other terms, which make other content, never get the same UID.

    Parameters
    ----------
    source_uid : str
        SOP Instance UID of the film.
    model : ModelIdentity
        What scored it.
    kind : str
        ``"report"``, ``"capture"``, ``"segmentation"``; with ``" series"`` of their series.
    terms : tuple of str, optional
        What was otherwise than usual.
    """
    return own_uid("object", source_uid, model.sha256, kind, *terms)


def report_uids(source_uid: str, model: ModelIdentity, level: float) -> frozenset[str]:
    """Return every UID that a report of a film by a model may have.

    Parameters
    ----------
    source_uid, model
        As in `objects_uid`.
    level : float
        Nominal coverage of the intervals, beside the usual one.
    """
    ways = product(
        ((), (NO_VOI,)),
        ((), (FORCED,)),
        ((), unusual(level=level)),
        [unusual(report_class=name) for name in REPORT_CLASSES],
    )
    return frozenset(
        objects_uid(source_uid, model, "report", tuple(chain.from_iterable(way))) for way in ways
    )
