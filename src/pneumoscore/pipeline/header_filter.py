"""Which films of an archive are wanted, told by their headers alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pneumoscore.errors import PneumoScoreError, UnreadableFileError
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.radiograph.source import kind_of, read_bytes
from pneumoscore.radiograph.times import calendar_day

if TYPE_CHECKING:
    from pneumoscore.radiograph.elements import Elements

__all__ = ["HeaderFilter"]

_TAGS = {"modality": 0x00080060, "view": 0x00185101, "body_part": 0x00180015}
# Acquisition, content, series, study.
_DATES = (0x00080022, 0x00080023, 0x00080021, 0x00080020)
_HEAD = 2**20
"""Bytes that hold nearly every header: the rest of a film that is passed over is not read."""


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

        Values of a name that comes several times are joined.

        Raises
        ------
        PneumoScoreError
            If a word is none, or there are two ranges of dates.

        Examples
        --------
        >>> HeaderFilter.of(["modality=dx,cr", "date=..2020-12-31"])
        HeaderFilter(modality=('DX', 'CR'), view=(), body_part=(), since=None, \
until=datetime.date(2020, 12, 31))
        """
        said: dict[str, Any] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or name not in (*_TAGS, "date") or not value:
                raise PneumoScoreError(
                    f"the filter {word!r}",
                    "modality=DX,CR, view=PA,AP, body_part=CHEST or date=2020-03-01..2020-12-31",
                )
            if name == "date":
                if "since" in said:
                    raise PneumoScoreError(
                        f"the filter {word!r} after another of dates", "one range of dates"
                    )
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
                values = tuple(part.strip().upper() for part in value.split(","))
                said[name] = said.get(name, ()) + values
        return cls(**said) if said else None

    def why_not(self, source: Path | bytes, options: ReadOptions) -> str | None:
        """Return why a film is passed over, or None for one that is wanted.

        A file that is no DICOM has no header, and is passed over.

        Parameters
        ----------
        source : Path or bytes
            The film.
        options : ReadOptions
            Bounds on what is read and inflated.
        """
        try:
            header = _header(source, options)
        except (PneumoScoreError, OSError):
            return "no header"
        for name, tag in _TAGS.items():
            wanted = getattr(self, name)
            if wanted and (header.text(tag) or "").upper() not in wanted:
                return f"other {name.replace('_', ' ')}"
        if self.since is not None or self.until is not None:
            day = _day(header)
            if day is None:
                return "no date"
            if day < (self.since or date.min) or day > (self.until or date.max):
                return "other date"
        return None


def _header(source: Path | bytes, options: ReadOptions) -> Elements:
    """Return the header of a DICOM file, of whose bytes no more are read than it takes."""
    from pneumoscore.radiograph.dicom_file import opened

    head = source if isinstance(source, bytes) else _head(source)
    if kind_of(head) != "DICOM":
        raise UnreadableFileError("an image without a header", "a DICOM file")
    whole = isinstance(source, bytes) or len(head) < _HEAD
    try:
        film = opened(head, options)
        if whole or film.pixels is not None:
            return film.elements
    except UnreadableFileError:
        if whole:
            raise
    return opened(read_bytes(source, options), options).elements


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_HEAD)


def _day(header: Elements) -> date | None:
    for tag in _DATES:
        if (day := calendar_day(header.text(tag))) is not None:
            return day
    return None
