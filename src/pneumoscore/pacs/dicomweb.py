"""An archive by DICOMweb: finding films (QIDO-RS) and fetching them (WADO-RS), PS3.18 10."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pneumoscore.pacs.errors import PeerError
from pneumoscore.pacs.identity import is_uid
from pneumoscore.pacs.web import base_url, bounded_session, why_failed

__all__ = ["Archive", "FilmQuery", "FoundFilm"]

_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"
_CLASS = "00080016"
_PAGE = 200
_MOST_PAGES = 10_000
_REPORTS = "SR"


@dataclass(frozen=True, slots=True)
class FilmQuery:
    """Which films are meant.

    Attributes
    ----------
    since, until : str
        Study dates, ``YYYYMMDD``; empty for open ends.
    patient, accession : str
        Patient ID and Accession Number; empty for all. They stand in the request's URL, as
        QIDO-RS has it.
    modalities : tuple of str
        Modality of the series.
    """

    since: str = ""
    until: str = ""
    patient: str = ""
    accession: str = ""
    modalities: tuple[str, ...] = ("CR", "DX")

    def filters(self) -> dict[str, str]:
        """Return the matching keys of a study."""
        found = {}
        if self.since or self.until:
            found["StudyDate"] = f"{self.since}-{self.until}"
        if self.patient:
            found["PatientID"] = self.patient
        if self.accession:
            found["AccessionNumber"] = self.accession
        return found


@dataclass(frozen=True, slots=True)
class FoundFilm:
    """A film in an archive.

    Attributes
    ----------
    study, series, instance, sop_class : str
        Its UIDs.
    """

    study: str
    series: str
    instance: str
    sop_class: str


class Archive:
    """An archive's DICOMweb service.

    Parameters
    ----------
    url : str
        As ``http://archive:8042/dicom-web``; see `pneumoscore.pacs.web.base_url`.

    Raises
    ------
    SettingsError
        If it is none.
    """

    def __init__(self, url: str) -> None:
        from dicomweb_client.api import DICOMwebClient

        self._client = DICOMwebClient(base_url(url), session=bounded_session())

    def films(self, query: FilmQuery) -> Iterator[FoundFilm]:
        """Yield the films of a query, study by study.

        Raises
        ------
        PeerError
            If the archive does not answer, or not as the standard has it.
        """
        seen: set[str] = set()
        for modality in query.modalities:
            filters = {**query.filters(), "ModalitiesInStudy": modality}
            for study in self._paged(None, filters):
                uid = _value(study, _STUDY)
                if not is_uid(uid):
                    continue
                for film in self.instances(uid, modality):
                    if film.instance not in seen:
                        seen.add(film.instance)
                        yield film

    def instances(self, study: str, modality: str) -> list[FoundFilm]:
        """Return the instances of one modality in a study."""
        found = []
        for item in self._paged(study, {"Modality": modality}):
            film = FoundFilm(
                study, _value(item, _SERIES), _value(item, _INSTANCE), _value(item, _CLASS)
            )
            if is_uid(film.series) and is_uid(film.instance):
                found.append(film)
        return found

    def report_uids(self, study: str) -> set[str]:
        """Return the UIDs of the structured reports in a study."""
        return {item.instance for item in self.instances(study, _REPORTS)}

    def _paged(self, study: str | None, filters: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Yield what matches, page by page: an archive may give fewer a page than it is asked."""
        tag = _STUDY if study is None else _INSTANCE
        seen: set[str] = set()
        offset = 0
        for _ in range(_MOST_PAGES):
            page = self._page(study, filters, offset)
            new = {_value(item, tag): item for item in page if _value(item, tag) not in seen}
            if not new:
                # One that knows no offsets gives the same again; a full page may not be all.
                if len(page) == _PAGE:
                    raise PeerError("the archive gives the same page again", "offsets (QIDO-RS)")
                return
            yield from new.values()
            seen.update(new)
            offset += len(page)
        raise PeerError(
            f"the archive's answer does not end within {_MOST_PAGES:,} pages",
            "a query that matches fewer",
            "ask for fewer days at once",
        )

    def _page(
        self, study: str | None, filters: dict[str, str], offset: int
    ) -> Sequence[dict[str, Any]]:
        options = {"search_filters": filters, "limit": _PAGE, "offset": offset}
        try:
            if study is None:
                return list(self._client.search_for_studies(**options))
            return list(self._client.search_for_instances(study, **options))
        except Exception as error:
            # dicomweb-client and requests raise many kinds, whose text holds the URL.
            raise PeerError(f"the archive did not answer ({why_failed(error)})") from None

    def fetch(self, film: FoundFilm) -> bytes:
        """Return a film's file, in the encoding that the archive has.

        Raises
        ------
        PeerError
            If the archive does not give it, or gives another object.
        """
        try:
            dataset = self._client.retrieve_instance(
                film.study,
                film.series,
                film.instance,
                media_types=(("application/dicom", "*"),),
            )
            stream = BytesIO()
            dataset.save_as(stream, enforce_file_format=True)
        except Exception as error:
            raise PeerError(f"the archive did not give a film ({why_failed(error)})") from None
        if str(dataset.SOPInstanceUID) != film.instance:
            raise PeerError("the archive gave another object than it was asked for")
        return stream.getvalue()


def _value(item: dict[str, Any], tag: str) -> str:
    values = item.get(tag, {}).get("Value") or [""]
    return str(values[0])
