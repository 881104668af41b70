"""Codes of the results: the standard's where it has one, else of our private scheme.

No standard code exists for the two scores (PS3.16), so they stand in the scheme
`pneumoscore.pacs.identity.CODING_SCHEME`, which every object declares. A code's value is the
name that the program uses; its meaning is the name for people.
"""

from __future__ import annotations

from pydicom.sr.coding import Code

from pneumoscore.pacs.identity import CODING_SCHEME
from pneumoscore.severity.scale import Scale

__all__ = [
    "ABNORMAL_OPACITY",
    "ARTIFICIAL_INTELLIGENCE",
    "BOTH",
    "CHEST_FILM",
    "INTERVAL_LEVEL",
    "LEFT",
    "LUNG",
    "NO_SCORE",
    "QUALITY_FLAG",
    "RESULT",
    "RIGHT",
    "SCORED",
    "end_code",
    "flag_code",
    "scale_code",
]

_LONGEST_MEANING = 64  # PS3.5 6.2, LO

ABNORMAL_OPACITY = Code("112033", "DCM", "Abnormal opacity")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
CHEST_FILM = Code("36554-4", "LN", "XR Chest Single View")
LUNG = Code("39607008", "SCT", "Lung")
RIGHT = Code("24028007", "SCT", "Right")
LEFT = Code("7771000", "SCT", "Left")
BOTH = Code("51440002", "SCT", "Bilateral")


def _own(value: str, meaning: str) -> Code:
    return Code(value, CODING_SCHEME, meaning[:_LONGEST_MEANING])


INTERVAL_LEVEL = _own("interval_level", "Nominal coverage of the intervals")
QUALITY_FLAG = _own("quality_flag", "Quality flag")
RESULT = _own("result", "Result of scoring")
SCORED = _own("scored", "Scored")
NO_SCORE = _own("no_score", "No score: the film was refused")


def scale_code(scale: Scale) -> Code:
    """Return the code of a scale: ``("opacity", "Opacity of pneumonia, 0 to 6")``."""
    return _own(scale.name, f"{scale.title} of pneumonia, {scale.low:g} to {scale.high:g}")


def end_code(scale: Scale, end: str) -> Code:
    """Return the code of the ``"low"`` or ``"high"`` end of a scale's interval."""
    word = {"low": "lower", "high": "upper"}[end]
    return _own(f"{scale.name}_{end}", f"{scale.title}, {word} end of interval")


def flag_code(flag: str) -> Code:
    """Return the code of a quality flag (see `pneumoscore.severity.quality`)."""
    return _own(flag, flag.replace("_", " ").capitalize())
