"""Pages from templates: one base with its security policy, notice and styles."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pneumoscore.marks import program_mark
from pneumoscore.present.table import is_number
from pneumoscore.severity.score import RESEARCH_NOTICE

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment

__all__ = ["colour_sheet", "page_environment", "render_page", "style_hash", "style_sheet"]


@cache
def page_environment(*loaders: BaseLoader) -> Environment:
    """Return the templates of this package, every value escaped.

    Parameters
    ----------
    *loaders : jinja2.BaseLoader
        Of further templates, which may extend ``base.html``; looked at first.

    Returns
    -------
    jinja2.Environment
        A name that a template uses and nobody gave is an error, not an empty place.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([*loaders, PackageLoader("pneumoscore.present")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        notice=RESEARCH_NOTICE,
        program=f"PneumoScore {version('pneumoscore')}",
        mark=program_mark("page"),
        style=style_sheet,
        style_hash=style_hash,
    )
    environment.filters["flags"] = _flag_words
    environment.tests["numeric"] = is_number
    return environment


def render_page(template: str, **values: Any) -> str:
    """Return a page that needs no script, network or other file.

    Parameters
    ----------
    template : str
        Name of a template of this package, for example ``"ward.html"``.
    **values
        What it shows, plain or `Table`; ``title`` always.
    """
    return page_environment().get_template(template).render(**values)


@cache
def style_sheet() -> str:
    """Return the one style sheet of all pages."""
    return (files("pneumoscore.present") / "templates" / "style.css").read_text(encoding="utf-8")


def colour_sheet() -> str:
    """Return the beginning of the style sheet: the colours of both schemes, by name."""
    return style_sheet().partition("*, *::before")[0].strip()


@cache
def style_hash() -> str:
    """Return the style sheet's hash as a content security policy takes it.

    W3C Content Security Policy Level 3, section 2.3.1: hash of the element's text.
    """
    digest = hashlib.sha256(style_sheet().encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _flag_words(flags: tuple[str, ...]) -> str:
    """Return quality flags in words, one after the other."""
    return ", ".join(flag.replace("_", " ") for flag in flags)
