"""The base of every page: its security policy, notice and colours."""

from __future__ import annotations

import base64
import hashlib
import re

import jinja2
import pytest

from pneumoscore.present.pages import page_environment, render_page, style_sheet
from pneumoscore.present.table import Table
from pneumoscore.severity.score import RESEARCH_NOTICE


def page(**values: object) -> str:
    return render_page("scores.html", title="Ward <b> & {day}", place="", scored=0, films=0,
                       models=(), **values)  # fmt: skip


def test_the_base_names_the_page_and_carries_the_notice() -> None:
    text = page()
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "<title>Ward &lt;b&gt; &amp; {day}</title>" in text
    assert "<h1>Ward &lt;b&gt; &amp; {day}</h1>" in text
    assert text.count(RESEARCH_NOTICE) == 2
    assert text.index('href="#content"') < text.index('id="content"')


def test_the_policy_allows_the_one_style_sheet_and_no_script() -> None:
    text = page()
    policy = re.search(r'Content-Security-Policy"\s+content="([^"]*)"', text)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert "script-src" not in rules
    assert rules["img-src"] == "data:"
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert " style=" not in text


def test_what_nobody_gave_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_page("scores.html", title="x")


def test_another_package_extends_the_base_and_keeps_its_notice() -> None:
    loader = jinja2.DictLoader({
        "own.html": '{% extends "base.html" %}{% block style %}<link rel="stylesheet" '
        'href="/style.css">{% endblock %}{% block security %}{% endblock %}'
        "{% block content %}{{ text }}{% endblock %}"
    })  # fmt: skip
    text = page_environment(loader).get_template("own.html").render(title="t", text="<i>")
    assert "&lt;i&gt;" in text
    assert "<style>" not in text
    assert "Content-Security-Policy" not in text
    assert text.count(RESEARCH_NOTICE) == 2


def colours(scheme: str) -> dict[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", style_sheet(), re.DOTALL)
    light, dark = (dict(re.findall(r"--(\w+): (#\w+);", block)) for block in blocks[:2])
    return light if scheme == "light" else dark


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "plate"])
@pytest.mark.parametrize("ink", ["ink", "faint", "accent", "warn", "higher", "lower", "other"])
def test_every_ink_can_be_read(scheme: str, ground: str, ink: str) -> None:
    # Web Content Accessibility Guidelines 2.2, 1.4.3, level AA: 4.5 to 1.
    known = colours(scheme)
    high, low = sorted((luminance(known[ink]), luminance(known[ground])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_cells_are_escaped_and_numbers_stay_on_one_line() -> None:
    from markupsafe import Markup

    rows = (("<script>", "0.91 [0.80, 1.02]", Markup("<svg></svg>")),)
    html = Table("Ward & <i>", ("a", "b", "c"), rows, "note <b>").html()
    assert "<td>&lt;script&gt;</td>" in html
    assert '<td class="number">0.91 [0.80, 1.02]</td>' in html
    assert "<td><svg></svg></td>" in html
    assert "<caption>Ward &amp; &lt;i&gt;</caption>" in html
    assert "note &lt;b&gt;" in html
