"""Where an archive's parts lie: a folder, or object storage by fsspec."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from pneumoscore.errors import PneumoScoreError
from pneumoscore.files import Header, check_object, check_output, written_atomically
from pneumoscore.marks import LOOKED_AT
from pneumoscore.settings import require_extra

__all__ = ["Store", "open_store"]

_IN_MEMORY = 8 * 2**20


class Store(Protocol):
    """Files by name; a file appears whole or not at all."""

    def names(self, folder: str) -> Iterator[str]:
        """Yield the names of a folder's files, sorted; hidden ones left out."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""

    def check(self, name: str, header: Header = None) -> None:
        """Raise OutputError where a file is no earlier output of this program."""

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file that appears whole when the block ends; a folder's for its owner only."""


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, folder: str) -> Iterator[str]:
        place = self._folder / folder
        found = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
        yield from (f"{folder}/{name}" for name in found if not name.startswith("."))

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def check(self, name: str, header: Header = None) -> None:
        check_output(self._folder / name, header=header)

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return written_atomically(self._folder / name, private=True)


class _Objects:
    """Object storage: a PUT is whole, so the final key is written at once."""

    def __init__(self, url: str) -> None:
        require_extra("archive", "fsspec")
        import fsspec

        self._files: Any
        self._root: str
        self._files, self._root = fsspec.core.url_to_fs(url)

    def names(self, folder: str) -> Iterator[str]:
        place = f"{self._root}/{folder}"
        if not self._files.exists(place):
            return
        for path in sorted(self._files.ls(place, detail=False)):
            name = PurePosixPath(path).name
            if not name.startswith("."):
                yield f"{folder}/{name}"

    def read(self, name: str) -> bytes:
        data: bytes = self._files.cat_file(f"{self._root}/{name}")
        return data

    def check(self, name: str, header: Header = None) -> None:
        place = f"{self._root}/{name}"
        if self._files.exists(place):
            with self._files.open(place, "rb") as stream:
                check_object(place, stream.read(LOOKED_AT), header)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        self._files.makedirs(f"{self._root}/{PurePosixPath(name).parent}", exist_ok=True)
        # What is large waits in a scratch file; the key appears when all of it is there.
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as stream:
            yield stream
            stream.seek(0)
            with self._files.open(f"{self._root}/{name}", "wb") as target:
                shutil.copyfileobj(stream, target)


def open_store(place: str) -> Store:
    """Open the place of an archive's results.

    Parameters
    ----------
    place : str
        A folder, made when something is written; or a URL that fsspec knows
        (``s3://bucket/run``), with the extra ``archive``.

    Raises
    ------
    PneumoScoreError
        If it is a file, or fsspec does not know it.
    """
    if "://" in place:
        try:
            return _Objects(place)
        except (ValueError, ImportError) as error:
            raise PneumoScoreError(
                f"{place} cannot be opened ({error})", "a folder, or a URL that fsspec knows"
            ) from error
    folder = Path(place)
    if folder.exists() and not folder.is_dir():
        raise PneumoScoreError(f"{place} is a file", "a folder for the archive's results")
    return _Folder(folder)
