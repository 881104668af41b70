"""A folder of pictures, one for each scored film."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pneumoscore.pipeline.job import FileResult

__all__ = ["OverlayFolder", "picture_name"]

LONGEST_STEM_BYTES = 180


class OverlayFolder:
    """Writes the overlay of each scored film into a folder.

    Parameters
    ----------
    folder : Path
        An existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def add(self, result: FileResult) -> None:
        """Write the picture of one result; one without a score or film has none."""
        if result.score is None or result.radiograph is None:
            return
        from pneumoscore.present.film_picture import overlay_image, save_picture

        scale = result.score.scales[0].scale.name
        picture = overlay_image(result.radiograph.pixels, result.score, scale)
        save_picture(picture, self._folder / self._free_name(result.path))

    def _free_name(self, film: Path) -> str:
        """Return a name not yet given in this run, whatever the file system folds together."""
        stem = picture_name(film)
        name, number = stem, 2
        while name.casefold() in self._taken:
            name, number = f"{stem}-{number}", number + 1
        self._taken.add(name.casefold())
        return f"{name}.png"


def picture_name(film: Path) -> str:
    r"""Return the file name of a film, without an image's suffix, as a harmless stem.

    Examples
    --------
    >>> picture_name(Path("folder/chest x-ray.dcm")), picture_name(Path("1.2.840.1"))
    ('chest x-ray', '1.2.840.1')
    >>> picture_name(Path("a\nb:c.png"))
    'a_b_c'
    """
    from pneumoscore.pipeline.walk import IMAGE_SUFFIXES

    name = film.stem if film.suffix.lower() in IMAGE_SUFFIXES else film.name
    text = os.fsencode(name).decode("utf-8", "replace")
    safe = "".join(
        letter if letter.isprintable() and letter not in '<>:"/\\|?*\ufffd' else "_"
        for letter in text
    )
    short = safe.encode("utf-8")[:LONGEST_STEM_BYTES].decode("utf-8", "ignore").strip(". ")
    return short or "film"
