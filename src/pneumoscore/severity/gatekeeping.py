"""What a gate does to a film's score: refuses it, or looks at it before another model does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pneumoscore.errors import NotScorableError
from pneumoscore.severity.preparation import PreparedFilm
from pneumoscore.severity.quality import QualityGate
from pneumoscore.severity.score_head import BackboneLike

__all__ = ["gatekept_flags", "refusal"]


def gatekept_flags(
    gate: QualityGate,
    backbone: BackboneLike,
    films: Sequence[PreparedFilm],
    own: Sequence[tuple[str, ...]],
) -> list[tuple[str, ...]]:
    """Return the flags of films that a gatekeeper looks at before the model that scores them.

    The gatekeeper looks at the view; what is familiar is told by the model itself.

    Parameters
    ----------
    gate, backbone
        Of the gatekeeper.
    films : sequence of PreparedFilm
        Prepared for both.
    own : sequence of tuple of str
        What the scoring model's gate says of what its backbone sees, by film.

    Returns
    -------
    list of tuple of str
        For each film.
    """
    judged = [film.judged for film in films if film.judged is not None]
    seen = backbone.run(np.stack([film.array for film in judged]))
    kept = gate.output_flags(seen, [film.placement for film in judged])
    return [
        (
            *(flag for flag in its if flag != "outside_training"),
            *(flag for flag in ours if flag != "view_not_checked" and flag not in its),
        )
        for its, ours in zip(kept, own, strict=True)
    ]


def refusal(flags: tuple[str, ...]) -> NotScorableError:
    """Return the error of a film that the gate refuses for these flags."""
    words = ", ".join(flag.replace("_", " ") for flag in flags)
    return NotScorableError(
        flags,
        f"no score: the film is flagged {words}",
        "an upright frontal chest radiograph",
        "check the film, or force a score",
    )
