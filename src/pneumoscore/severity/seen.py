"""Which films a model saw while it was made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pneumoscore.files import sha256_of

__all__ = ["SeenFilms"]


@dataclass(frozen=True, slots=True)
class SeenFilms:
    """Films that taught a model anything: its backbone, heads, intervals or gate.

    Attributes
    ----------
    files : tuple of str
        SHA-256 of their files.
    names : tuple of str
        For films of public collections, which others keep as other files: their names without
        folder and suffix, in lower case.
    """

    files: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def among(self, films: Iterable[Path]) -> frozenset[Path]:
        """Return those of `films` that are known by name or, where the file exists, by hash."""
        files, names = frozenset(self.files), frozenset(self.names)
        return frozenset(
            film
            for film in films
            if film.stem.lower() in names or (files and film.is_file() and sha256_of(film) in files)
        )

    def with_films(self, files: Iterable[str] = (), names: Iterable[str] = ()) -> SeenFilms:
        """Return these films and others, each once, in order."""
        return SeenFilms(tuple(sorted({*self.files, *files})), tuple(sorted({*self.names, *names})))
