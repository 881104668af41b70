"""The page of scores: each film beside its map, with its scores, in one file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from pneumoscore.present.colour import blend
from pneumoscore.present.film_picture import film_jpeg, map_jpeg
from pneumoscore.present.film_view import Film, map_end
from pneumoscore.present.lettering import describe_model, describe_sides
from pneumoscore.present.pages import page_environment
from pneumoscore.present.panel import map_unit
from pneumoscore.severity.score import ScaleScore, Score

__all__ = ["PAGE_FILM_SIDE", "ScorePage"]

PAGE_FILM_SIDE = 560
"""Most pixels of the longer side of a film on the page."""
_PLACE = "<!-- films -->"
_STOPS = 17
_GROUND = 64


@dataclass(frozen=True, slots=True)
class _Legend:
    """Colours of the maps: places and colours of a bar, words under it."""

    stops: tuple[dict[str, Any], ...]
    ticks: tuple[str, ...]
    unit: str


class ScorePage:
    """A page written film by film, so that memory does not grow with their number.

    Write `head`, then `film` for each film, then `foot`; together they are one page that
    needs no other file, no network and no script.

    Parameters
    ----------
    title : str
        Heading of the page.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._models: dict[str, None] = {}
        self._legend: _Legend | None = None
        self._scored = self._films = 0

    def head(self) -> str:
        """Return the page down to the place of the first film."""
        return self._page()[0]

    def film(
        self,
        name: str,
        score: Score | None,
        *,
        film: Film | None = None,
        error: str = "",
        flags: tuple[str, ...] = (),
    ) -> str:
        """Return one film of the page.

        Parameters
        ----------
        name : str
            What the film is called.
        score : Score or None
            Its score.
        film : ndarray, optional
            Its pixels, or a smaller copy (`pneumoscore.present.film_view`); without them, or
            without a score, no picture is shown.
        error : str, optional
            Why there is no score.
        flags : tuple of str, optional
            Quality flags.
        """
        self._films += 1
        legend = None
        pictures: dict[str, Any] | None = None
        if score is not None:
            self._scored += 1
            self._models[f"{describe_model(score)} (SHA-256 {score.model.sha256})"] = None
            if film is not None and score.scales:
                part = score.scales[0]
                pictures = _pictures(film, score, part)
                if self._legend is None and part.contributions is not None:
                    legend = self._legend = _legend(part)
        template = page_environment().get_template("film.html")
        return template.render(
            name=name, score=score, pictures=pictures, error=error, flags=flags, legend=legend
        )

    def foot(self) -> str:
        """Return what stands under the last film, with the counts and the models."""
        return self._page()[1]

    def _page(self) -> tuple[str, str]:
        page = page_environment().get_template("scores.html")
        whole = page.render(
            title=self._title,
            place=_PLACE,
            scored=self._scored,
            films=self._films,
            models=tuple(self._models),
        )
        head, _, foot = whole.partition(_PLACE)
        return head, foot


def _pictures(film: Film, score: Score, part: ScaleScore) -> dict[str, Any]:
    right, left = describe_sides(part)
    return {
        "film": _data_uri(film_jpeg(film, score, PAGE_FILM_SIDE)),
        "map": _data_uri(map_jpeg(film, score, part.scale.name, PAGE_FILM_SIDE))
        if part.contributions is not None
        else None,
        "scale": part.scale.title.lower(),
        "right": right,
        "left": left,
    }


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _legend(part: ScaleScore) -> _Legend:
    """Return the legend of the maps of one scale: the same for every film of the page."""
    values = np.linspace(-1.0, 1.0, _STOPS)
    # As the map is drawn: over dark grey, fading out towards zero.
    colours = blend(np.full((1, _STOPS), _GROUND, np.uint8), values[None])[0]
    end = map_end(part)
    return _Legend(
        tuple(
            {"at": (value + 1.0) / 2.0, "colour": f"rgb({', '.join(map(str, colour))})"}
            for value, colour in zip(values.tolist(), colours.tolist(), strict=True)
        ),
        (f"-{end:.2g} or less", "0", f"{end:.2g} or more"),
        f"{part.scale.title.lower()}, {map_unit(part)}",
    )
