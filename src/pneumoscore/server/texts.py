"""All texts of the pages, from one catalogue, so that a translation is one more file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["catalogue", "translator"]


@cache
def catalogue(language: str = "en") -> Mapping[str, str]:
    """Return the texts by key (``"login.title"``).

    Raises
    ------
    FileNotFoundError
        If there is no catalogue of this language.
    """
    path = files("pneumoscore.server") / "texts" / f"{language}.toml"
    found: dict[str, str] = {}
    _flatten(tomllib.loads(path.read_text(encoding="utf-8")), "", found)
    return found


def _flatten(part: Mapping[str, Any], before: str, into: dict[str, str]) -> None:
    for key, value in part.items():
        if isinstance(value, Mapping):
            _flatten(value, f"{before}{key}.", into)
        else:
            into[f"{before}{key}"] = str(value)


def translator(language: str = "en") -> Callable[..., str]:
    """Return the function ``t(key, **values)`` that templates use; an unknown key is an error."""
    texts = catalogue(language)

    def text(key: str, **values: object) -> str:
        return texts[key].format(**values)

    return text
