"""Whether two films of one patient are one exposure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Exposure"]


@dataclass(frozen=True, slots=True)
class Exposure:
    """What tells one exposure of a patient from another.

    Attributes
    ----------
    taken_at : datetime
        Local time, without time zone.
    study : int or str
        Which study, by any name that no other has.
    view : str or None
        Projection.
    acquired_by : str or None
        Which of the file's times `taken_at` is (`RadiographMetadata.acquired_by`).
    pixels : str or None
        Hash of the film's pixels, where it is known.
    """

    taken_at: datetime
    study: int | str
    view: str | None
    acquired_by: str | None
    pixels: str | None

    def is_that_of(self, other: Exposure) -> bool:
        """Whether a film of the patient is this exposure: by its pixels, or processed and raw.

        Examples
        --------
        >>> at = datetime(2026, 1, 1, 8)
        >>> raw = Exposure(at, "1.2", "AP", "acquisition", "ab")
        >>> raw.is_that_of(Exposure(at, "1.2", "AP", "acquisition", "cd"))
        True
        >>> raw.is_that_of(Exposure(at, "1.3", "AP", "acquisition", "cd"))
        False
        """
        if self.taken_at != other.taken_at:
            return False
        if self.pixels is not None and self.pixels == other.pixels:
            return True
        # No two exposures of one study and view have one acquisition time.
        return (
            self.acquired_by == other.acquired_by == "acquisition"
            and self.study == other.study
            and self.view == other.view
        )
