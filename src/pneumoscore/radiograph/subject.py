"""Whom and what a film is of, as its file says: adults' chests are what models are fitted on."""

from __future__ import annotations

from pneumoscore.radiograph.types import RadiographMetadata

__all__ = ["ADULT_YEARS", "is_child", "is_other_body_part", "is_side_silent"]

ADULT_YEARS = 18.0

_CHEST = ("CHEST", "THORA", "TORA", "LUNG", "RIB", "STERNUM", "HEART", "CLAVICLE", "PULMO")
# Body Part Examined (PS3.16, annex L) in English, German, French, Spanish and Italian.
_OTHER = (
    *("ABDOM", "PELVIS", "BECKEN", "BASSIN", "PELVIS", "BACINO", "BLADDER", "KUB"),
    *("SKULL", "HEAD", "SCHAEDEL", "SCHÄDEL", "CRANE", "CRANIO", "NECK", "SPINE", "CSPINE"),
    *("LSPINE", "LWS", "HWS", "RACHIS", "COLUMNA", "COLONNA", "SINUS", "JAW", "MANDIB"),
    *("HAND", "WRIST", "FINGER", "THUMB", "ELBOW", "ARM", "HUMERUS", "FOREARM", "SHOULDER"),
    *("HIP", "HÜFTE", "LEG", "KNEE", "KNIE", "GENOU", "RODILLA", "ANKLE", "FOOT", "TOE"),
    *("FEMUR", "TIBIA", "FIBULA", "CALCANEUS", "HEEL", "EXTREMITY", "BREAST", "MAMMA"),
)


def is_child(said: RadiographMetadata) -> bool:
    """Whether the patient is known to be under 18 years old."""
    return said.patient_age_years is not None and said.patient_age_years < ADULT_YEARS


def is_other_body_part(said: RadiographMetadata) -> bool:
    """Whether the file names a part of the body, and it is not the chest.

    A name that is not known says nothing.

    Examples
    --------
    >>> is_other_body_part(RadiographMetadata(body_part="ABDOMEN"))
    True
    >>> is_other_body_part(RadiographMetadata(body_part="CHESTABDOMEN"))
    False
    """
    part = (said.body_part or "").upper()
    return any(word in part for word in _OTHER) and not any(word in part for word in _CHEST)


def is_side_silent(said: RadiographMetadata) -> bool:
    """Whether a DICOM film does not say which of its sides is the patient's left.

    A mirrored one cannot be told then, and right and left part may be exchanged. Pictures have
    no header that could say it.
    """
    return said.sop_class_uid is not None and said.patient_orientation is None
