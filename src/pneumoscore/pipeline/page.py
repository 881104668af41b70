"""Results as one page to look at: a table and the films, in one file."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from pneumoscore.files import written_atomically
from pneumoscore.pipeline.job import FileResult
from pneumoscore.pipeline.sinks import ResultSink
from pneumoscore.present.page_head import NUMBER_CELLS, PageStyle, page_head
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore

__all__ = ["page_file"]

_PICTURE_QUALITY = 82
_COLOURS = """\
:root { color-scheme: light dark; --line: #8886; --warn: #b35c00; --bar: #2b6cb0; }
@media (prefers-color-scheme: dark) { :root { --warn: #f0a050; --bar: #7db8f0; } }
"""
_RULES = f"""\
article {{ border-top: 1px solid var(--line); padding: 1rem 0; display: grid; gap: 1.2rem;
 grid-template-columns: minmax(12rem, 26rem) 1fr; }}
@media (max-width: 45rem) {{ article {{ grid-template-columns: 1fr; }} }}
article img {{ width: 100%; height: auto; background: #000; }}
h2 {{ font-size: 1rem; margin: 0 0 .6rem; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .2rem .9rem .2rem 0; vertical-align: middle; }}
{NUMBER_CELLS}
.value {{ font-size: 1.3rem; font-weight: 600; }}
.flags, .error {{ color: var(--warn); }}
footer {{ border-top: 1px solid var(--line); margin-top: 1rem; font-size: .85rem;
 overflow-wrap: anywhere; }}
svg {{ display: block; }}
"""
_STYLE = PageStyle(_COLOURS, width=72, margin=2, notice_padding=".5rem", rules=_RULES)
_TABLE_HEAD = (
    "<table><thead><tr><th>Score</th><th>Value</th><th>Interval</th><th>Right lung</th>"
    "<th>Left lung</th><th></th></tr></thead><tbody>\n"
)


@contextlib.contextmanager
def page_file(path: Path, title: str = "Pneumonia severity") -> Iterator[ResultSink]:
    """Open a web page that appears, complete, when the block ends.

    The page needs no other file, no network and no script. Results that bring their
    radiograph (``score_files(..., keep_radiographs=True)``) are shown with the contribution
    map of their first scale drawn on the film.

    Parameters
    ----------
    path : Path
        The file; an old one is replaced as a whole.
    title : str
        Heading of the page.

    Yields
    ------
    ResultSink
        Writes each result as it comes, so that memory does not grow with their number.
    """
    with written_atomically(path) as stream:
        page = _Page(stream, title)
        yield page
        page.finish()


class _Page:
    def __init__(self, stream: Any, title: str) -> None:
        self._stream = stream
        self._models: dict[str, None] = {}
        self._scored = self._files = 0
        self._write(page_head(title, _STYLE))

    def _write(self, text: str) -> None:
        self._stream.write(text.encode("utf-8"))

    def add(self, result: FileResult) -> None:
        self._files += 1
        name = escape(result.file)
        picture = _picture(result)
        image = (
            f'<img alt="Film and contribution map of {name}" src="{picture}">' if picture else ""
        )
        self._write(f"<article>\n<div>{image}</div>\n<div>\n<h2>{name}</h2>\n")
        if result.score is None:
            self._write(f'<p class="error">No score: {escape(result.error or "unknown")}</p>\n')
        else:
            self._scored += 1
            model = result.score.model
            self._models[
                f"{model.name} {model.version}, backbone {model.backbone}, SHA-256 {model.sha256}"
            ] = None
            self._write(_TABLE_HEAD)
            self._write("".join(_row(item) for item in result.score.scales))
            self._write("</tbody></table>\n")
        if result.flags:
            words = ", ".join(flag.replace("_", " ") for flag in result.flags)
            self._write(f'<p class="flags">Flags: {escape(words)}</p>\n')
        self._write("</div>\n</article>\n")

    def finish(self) -> None:
        models = "".join(f"<p>Model {escape(model)}</p>\n" for model in self._models)
        self._write(
            f"<footer>\n<p>{self._scored} of {self._files} files scored. "
            f"{escape(RESEARCH_NOTICE)}.</p>\n{models}</footer>\n</body>\n</html>\n"
        )


def _row(item: ScaleScore) -> str:
    scale = item.scale
    title = f"{scale.title}, {scale.low:g} to {scale.high:g}"
    interval = (
        "none"
        if item.low is None or item.high is None
        else f"{item.low:.1f} to {item.high:.1f} ({100 * item.level:g} %)"
    )
    sides = "".join(
        f'<td class="number">{"" if side is None else f"{side:.1f}"}</td>'
        for side in (item.right, item.left)
    )
    return (
        f'<tr><th title="{escape(scale.definition)}">{escape(title)}</th>'
        f'<td class="number value">{item.value:.1f}</td><td class="number">{interval}</td>'
        f"{sides}<td>{_bar(item)}</td></tr>\n"
    )


def _bar(item: ScaleScore) -> str:
    """Return the value and its interval on the scale, as a drawing."""

    def place(value: float) -> float:
        share = (value - item.scale.low) / (item.scale.high - item.scale.low)
        return round(6 + 148 * share, 1)

    interval = ""
    if item.low is not None and item.high is not None:
        width = round(place(item.high) - place(item.low), 1)
        interval = (
            f'<rect x="{place(item.low)}" y="6" width="{width}" height="8" rx="4" '
            'fill="var(--bar)" opacity=".35"/>'
        )
    return (
        '<svg width="160" height="20" aria-hidden="true">'
        '<line x1="6" y1="10" x2="154" y2="10" stroke="var(--line)" stroke-width="2"/>'
        f'{interval}<circle cx="{place(item.value)}" cy="10" r="5" fill="var(--bar)"/></svg>'
    )


def _picture(result: FileResult) -> str | None:
    """Return the film with its map as a data URI; the bare film where there is no map."""
    if result.radiograph is None or result.score is None:
        return None
    from pneumoscore.present.film_picture import overlay_image

    image = overlay_image(result.radiograph.pixels, result.score, result.score.scales[0].scale.name)
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=_PICTURE_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
