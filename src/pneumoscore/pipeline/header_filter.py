"""Which films of an archive are wanted, told by their headers alone."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pneumoscore.errors import PneumoScoreError
from pneumoscore.radiograph.times import calendar_day

__all__ = ["HeaderFilter"]

_NAMES = ("modality", "view", "body_part", "date")
_DATES = ("AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate")


@dataclass(frozen=True, slots=True)
class HeaderFilter:
    """What a film's header must say for it to be read at all.

    Attributes
    ----------
    modality, view, body_part : tuple of str
        DICOM Modality (0008,0060), View Position (0018,5101), Body Part Examined (0018,0015):
        one of these, upper case; empty takes every film.
    since, until : date or None
        First and last day of acquisition (else content, series, study).
    """

    modality: tuple[str, ...] = ()
    view: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None

    @classmethod
    def of(cls, words: list[str]) -> HeaderFilter | None:
        """Read a filter from words such as ``"modality=DX,CR"`` or ``"date=2020-03-01.."``.

        Raises
        ------
        PneumoScoreError
            If a word is none.

        Examples
        --------
        >>> HeaderFilter.of(["modality=dx,cr", "date=..2020-12-31"])
        HeaderFilter(modality=('DX', 'CR'), view=(), body_part=(), since=None, \
until=datetime.date(2020, 12, 31))
        """
        said: dict[str, Any] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or name not in _NAMES or not value:
                raise PneumoScoreError(
                    f"the filter {word!r}",
                    "modality=DX,CR, view=PA,AP, body_part=CHEST or date=2020-03-01..2020-12-31",
                )
            if name == "date":
                first, dots, last = value.partition("..")
                try:
                    said["since"] = date.fromisoformat(first) if first else None
                    last = last if dots else first
                    said["until"] = date.fromisoformat(last) if last else None
                except ValueError:
                    raise PneumoScoreError(
                        f"the filter {word!r}", "dates as 2020-03-01..2020-12-31"
                    ) from None
            else:
                said[name] = tuple(part.strip().upper() for part in value.split(","))
        return cls(**said) if said else None

    def why_not(self, source: Path | bytes) -> str | None:
        """Return why a film is passed over, or None for one that is wanted.

        A file that is no DICOM has no header, and is passed over.
        """
        from pydicom import dcmread

        tags = ["Modality", "ViewPosition", "BodyPartExamined", *_DATES]
        given: Any = io.BytesIO(source) if isinstance(source, bytes) else source
        try:
            header = dcmread(given, stop_before_pixels=True, specific_tags=list(tags))
        except Exception:  # a hostile header may raise anything
            return "no header"
        for name, keyword in (
            ("modality", "Modality"),
            ("view", "ViewPosition"),
            ("body_part", "BodyPartExamined"),
        ):
            wanted = getattr(self, name)
            if wanted and str(header.get(keyword, "")).strip().upper() not in wanted:
                return f"other {name.replace('_', ' ')}"
        if self.since is not None or self.until is not None:
            day = _day(header)
            if day is None:
                return "no date"
            if day < (self.since or date.min) or day > (self.until or date.max):
                return "other date"
        return None


def _day(header: Any) -> date | None:
    for keyword in _DATES:
        if (day := calendar_day(str(header.get(keyword, "")))) is not None:
            return day
    return None
