"""Searches of an archive: whole, however few a page it gives, and never without an end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pneumoscore.pacs.dicomweb import Archive, FilmQuery
from pneumoscore.pacs.errors import PeerError

QUERY = FilmQuery(modalities=("DX",))


class Client:
    """An archive of some studies, with as many films each, that gives `cap` of them a page."""

    def __init__(self, studies: int, films: int, cap: int, *, offsets: bool = True) -> None:
        self._counts = {"": studies, "study": films}
        self._cap = cap
        self._offsets = offsets
        self.pages = 0

    def search_for_studies(self, **options: Any) -> list[dict[str, Any]]:
        return [_item({"0020000D": f"1.2.{it}"}) for it in self._numbers("", options)]

    def search_for_instances(self, study: str, **options: Any) -> list[dict[str, Any]]:
        return [
            _item({"0020000E": f"{study}.0", "00080018": f"{study}.0.{it}"})
            for it in self._numbers("study", options)
        ]

    def _numbers(self, level: str, options: dict[str, Any]) -> Sequence[int]:
        self.pages += 1
        start = options["offset"] if self._offsets else 0
        end = min(start + min(options["limit"], self._cap), self._counts[level])
        return range(start, end)


def _item(values: dict[str, str]) -> dict[str, Any]:
    return {tag: {"vr": "UI", "Value": [value]} for tag, value in values.items()}


def archive_of(client: Client) -> Archive:
    archive = Archive("http://127.0.0.1:1/dicom-web")
    archive._client = client
    return archive


@pytest.mark.parametrize("cap", [2, 5, 100, 1000])
def test_an_archive_that_gives_few_a_page_is_asked_for_all(cap: int) -> None:
    archive = archive_of(Client(studies=5, films=401, cap=cap))
    found = [film.instance for film in archive.films(QUERY)]
    assert len(found) == len(set(found)) == 5 * 401


def test_an_archive_that_knows_no_offsets_gives_each_film_once() -> None:
    client = Client(studies=2, films=150, cap=1000, offsets=False)
    assert len(list(archive_of(client).films(QUERY))) == 2 * 150
    assert client.pages == 6


def test_one_that_gives_the_same_full_page_again_is_not_believed() -> None:
    archive = archive_of(Client(studies=1, films=250, cap=1000, offsets=False))
    with pytest.raises(PeerError, match="same page"):
        list(archive.films(QUERY))


def test_a_search_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pneumoscore.pacs.dicomweb._MOST_PAGES", 5)
    archive = archive_of(Client(studies=1, films=10**9, cap=100))
    with pytest.raises(PeerError, match="does not end"):
        list(archive.films(QUERY))
