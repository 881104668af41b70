"""The one style of plots."""

from __future__ import annotations

import io
import re
import warnings
from xml.etree import ElementTree

from matplotlib.figure import Figure
from PIL import Image

from pneumoscore.marks import mark_in
from pneumoscore.present.plot_style import (
    ACCENT,
    drawable,
    page_svg,
    plot_file,
    styled,
)
from pneumoscore.severity.score import RESEARCH_NOTICE

SVG = "{http://www.w3.org/2000/svg}"


@styled
def plot(title: str = "plot") -> Figure:
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=ACCENT, marker="o")
    axes.set_title(title)
    return figure


def test_a_file_is_marked_and_always_the_same() -> None:
    for kind in ("png", "svg"):
        data = plot_file(plot(), kind)
        assert mark_in(data) == "plot"
        assert all(plot_file(plot(), kind) == data for _ in range(3))
    assert Image.open(io.BytesIO(plot_file(plot(), "png"))).text["Description"] == RESEARCH_NOTICE


def test_dollars_are_no_formula_and_letters_without_a_font_are_escaped() -> None:
    title = drawable("\U0010fffd $\\frac$ $4711$")
    assert title == "\\U0010fffd $\\frac$ $4711$"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plot_file(plot(title), "svg") != plot_file(plot("4711"), "svg")
        plot_file(plot(drawable("胸部")), "png")


def test_a_plot_on_a_page_has_the_pages_colours_and_no_style() -> None:
    text = page_svg(plot(), 'Timeline of "<b>"')
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == 'Timeline of "<b>"'
    assert "style" not in text
    assert not re.search("#[0-9a-f]{6}", text)
    assert "var(--accent)" in text
    assert root.get("fill") == "var(--ink)"
    lines = [part for part in root.iter(f"{SVG}path") if part.get("stroke") == "var(--accent)"]
    assert lines
    assert lines[0].get("fill") == "none"
    names = {part.get("id") for part in root.iter() if part.get("id")}
    wanted = set(re.findall(r"#([\w-]+)", text))
    assert wanted == names


def test_two_plots_share_a_page() -> None:
    first, second = (set(re.findall(r"url\(#([^)]+)\)", page_svg(plot(t), t))) for t in "ab")
    assert first
    assert not first & second
