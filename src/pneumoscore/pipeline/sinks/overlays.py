"""A folder of pictures, one for each scored film."""

from __future__ import annotations

import os
from pathlib import Path

from pneumoscore.errors import OutputError
from pneumoscore.pipeline.outputs import Outputs
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run
from pneumoscore.pipeline.sinks import Sink
from pneumoscore.pipeline.walk import IMAGE_SUFFIXES

__all__ = ["Overlays", "picture_name"]

LONGEST_STEM_BYTES = 180


class Overlays(Sink):
    """Writes a PNG of each scored film with its contribution map, named after the film.

    It goes before sinks that name the picture. A name that is taken, in this run or by a file
    that is not this program's own, gets a number; no film is ever written over, whatever the
    user allowed to be replaced.

    Parameters
    ----------
    folder : Path
        Made when the run begins.
    outputs : Outputs, optional
        The run's inputs.
    """

    def __init__(self, folder: Path, outputs: Outputs | None = None) -> None:
        self._folder = folder
        self._outputs = outputs or Outputs()
        self._taken: set[str] = set()

    def open(self, run: Run) -> None:
        """Make the folder."""
        del run
        self._folder.mkdir(parents=True, exist_ok=True)

    def add(self, result: FileResult) -> None:
        """Write the picture of one result; one without a score or view has none."""
        if result.score is None or result.view is None:
            return
        from pneumoscore.present.film_picture import overlay_image, save_picture

        scale = result.score.scales[0].scale.name
        picture = overlay_image(result.view, result.score, scale)
        path = self._free_path(picture_name(result.path, result.member))
        save_picture(picture, path, inputs=self._outputs.inputs, read=self._outputs.read)
        result.outputs["overlay"] = os.fsencode(path).decode("utf-8", "backslashreplace")

    def _free_path(self, stem: str) -> Path:
        """Return a name not yet given in this run, whatever the file system folds together."""
        name, number = stem, 2
        while name.casefold() in self._taken or not self._may_write(name):
            name, number = f"{stem}-{number}", number + 1
        self._taken.add(name.casefold())
        return self._folder / f"{name}.png"

    def _may_write(self, name: str) -> bool:
        try:
            self._outputs.check(self._folder / f"{name}.png", overwrite=False)
        except OutputError:
            return False
        return True


def picture_name(film: Path, member: str | None = None) -> str:
    r"""Return the file name of a film, without an image's suffix, as a harmless stem.

    Examples
    --------
    >>> picture_name(Path("folder/chest x-ray.dcm")), picture_name(Path("1.2.840.1"))
    ('chest x-ray', '1.2.840.1')
    >>> picture_name(Path("a\nb:c.png"))
    'a_b_c'
    """
    film = film if member is None else Path(member)
    name = film.stem if film.suffix.lower() in IMAGE_SUFFIXES else film.name
    text = os.fsencode(name).decode("utf-8", "replace")
    safe = "".join(
        letter if letter.isprintable() and letter not in '<>:"/\\|?*\ufffd' else "_"
        for letter in text
    )
    short = safe.encode("utf-8")[:LONGEST_STEM_BYTES].decode("utf-8", "ignore").strip(". ")
    return short or "film"
