"""Timelines and the ward as PNG, SVG and HTML."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from pneumoscore.errors import ModelError
from pneumoscore.monitor.change.error_model import ErrorModel, write_error_model
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.verdict import judge
from pneumoscore.monitor.judged import judged_timeline
from pneumoscore.monitor.pictures.page import timeline_page, ward_page
from pneumoscore.monitor.pictures.timeline import timeline_figure
from pneumoscore.monitor.ward import WardChoice, ward_overview
from pneumoscore.pipeline.intake import cohort_record, dicom_record, film_thumbnail
from pneumoscore.pipeline.result import FileResult
from pneumoscore.present.drawings import sparkline_svg
from pneumoscore.present.plot_style import page_svg, plot_file
from pneumoscore.records.database import Records
from pneumoscore.records.days import time_of_day
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.events import add_events, add_note
from pneumoscore.records.reading import read_timeline
from pneumoscore.records.types import EventRecord, FilmRecord, ScaleValue, Timeline
from pneumoscore.records.writing import add_films
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import OPACITY
from pneumoscore.severity.score import RESEARCH_NOTICE

MakeRecord = Callable[..., FilmRecord]


@pytest.fixture(scope="module")
def picture(tiny_folder: Path, tiny_model: ModuleType) -> bytes:
    model = SeverityModel.open(tiny_folder, threads=1)
    radiograph = tiny_model.film()
    return film_thumbnail(radiograph.pixels, model.score(radiograph, force=True))


@pytest.fixture
def one(records: Records, record: MakeRecord, picture: bytes) -> Timeline:
    """A patient with a hostile name, a rise, an event and a note."""
    name = "<b>&'x"
    films = [record(name, day, extent=3.0 if day < 3 else 6.5, view="PA" if day == 2 else "AP",
                    flags=("lungs_cut_off",) if day == 4 else (), thumbnail=picture)
             for day in range(6)]  # fmt: skip
    add_films(records, films, source="test")
    add_events(records, [EventRecord(name, "icu_admission", films[2].taken_at, "<i>bed 4</i>")])
    add_note(records, name, "<script>alert(1)</script>")
    return read_timeline(records, name, pictures=True)


def test_thumbnail_is_small_and_in_colour(picture: bytes) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        assert image.mode == "RGB"
        assert max(image.size) == 192
        assert image.getextrema()[0] != image.getextrema()[2]  # the map adds colour
    assert len(picture) < 20_000


def test_png_and_svg(one: Timeline, errors: ErrorModel) -> None:
    assessment = judge(one, errors, RuleSet())
    plain = plot_file(timeline_figure(one, assessment), "png")
    with Image.open(io.BytesIO(plain)) as image:
        assert image.size[0] > 1000
        assert image.text["Description"] == RESEARCH_NOTICE
    lungs = plot_file(timeline_figure(one, assessment, per_lung=True), "png")
    unjudged = plot_file(timeline_figure(one, None), "png")
    assert len({plain, lungs, unjudged}) == 3
    svg = plot_file(timeline_figure(one, assessment), "svg")
    assert svg == plot_file(timeline_figure(one, assessment), "svg")
    root = ElementTree.fromstring(svg)
    assert RESEARCH_NOTICE in ElementTree.tostring(root, "unicode")
    assert len(root.findall(".//{http://www.w3.org/2000/svg}image")) == 6


def test_page_is_whole_and_harmless(one: Timeline, errors: ErrorModel) -> None:
    assessment = judge(one, errors, RuleSet())
    svg = page_svg(timeline_figure(one, assessment, heading=False), "Timeline")
    page = timeline_page(one, assessment, svg)
    assert " style=" not in page
    assert RESEARCH_NOTICE in page
    assert "worsening" in page
    assert "first detectable worsening since first film" in page
    assert "projection differs (PA before, AP after)" in page
    assert "quality after: lungs cut off" in page
    assert "ICU admission" in page
    assert "<script" not in page
    assert "<i>bed" not in page
    assert "<b>" not in page
    assert "http-equiv" in page
    problem = timeline_page(one, None, svg, problem="no error model")
    assert "Changes were not judged: no error model" in problem


def test_patients_by_day_and_without_scores(
    records: Records, record: MakeRecord, errors: ErrorModel
) -> None:
    by_day = [record("d", day, taken_at=time_of_day(day), calendar=False) for day in (-1, 2)]
    add_films(records, by_day, source="test")
    found = read_timeline(records, "d")
    svg = page_svg(timeline_figure(found, judge(found, errors, RuleSet())), "Timeline")
    page = timeline_page(found, judge(found, errors, RuleSet()), svg)
    assert "day -1" in page
    assert "2000" not in page.replace("http://www.w3.org/2000", "")
    single = record("s", 0)
    add_films(records, [single], source="test")
    alone = read_timeline(records, "s")
    assert plot_file(timeline_figure(alone, judge(alone, errors, RuleSet())), "png")


def test_ward_is_sorted_by_verdict_and_size(
    records: Records, record: MakeRecord, errors: ErrorModel
) -> None:
    courses = {
        "up": [2, 5, 5],
        "down": [5, 2, 2],
        "flat": [4, 4.1],
        "one": [8],
        "<u>": [2, 2, 6, 6],
        "odd": [3, 3, 6],
        "dead": [2, 2, 6, 6],
        "home": [2, 2],
    }
    for patient, values in courses.items():
        films = [record(patient, day, extent=value) for day, value in enumerate(values)]
        add_films(records, films, source="test")
    later = record("x", 9).taken_at
    add_events(records, [EventRecord("dead", "death", later)])
    add_events(records, [EventRecord("home", "discharge", later)])
    ward = ward_overview(records, "geographic_extent", RuleSet(), errors, now=later)
    assert [row.patient for row in ward.rows] == ["<u>", "up", "odd", "down", "flat", "one"]
    words = [row.word for row in ward.rows]
    assert words == [
        "worsening", "worsening", "to be confirmed", "improving", "stable", "one film"
    ]  # fmt: skip
    assert ward.rows[0].values == (2.0, 2.0, 6.0, 6.0)
    assert ward.rows[0].days_ago == 6.0
    assert "2 discharged or dead are left out" in ward.remark
    page = ward_page(ward)
    assert RESEARCH_NOTICE in page
    assert "&lt;u&gt;" in page
    assert "6 d ago" in page
    assert page.count("<polyline") == 6
    everyone = ward_overview(
        records, "geographic_extent", RuleSet(), errors, WardChoice(everyone=True)
    )
    assert [(row.patient, row.word) for row in everyone.rows[-2:]] == [
        ("home", "discharged"),
        ("dead", "died"),
    ]
    short = ward_overview(records, "opacity", RuleSet(), None, WardChoice(limit=2))
    assert [row.advice for row in short.rows] == [None, None]
    assert "2 of 8 patients" in short.remark


def test_the_ward_says_what_the_patients_page_says(
    records: Records, record: MakeRecord, errors: ErrorModel, tmp_path: Path
) -> None:
    courses = {
        "opacity rises": ([3.0] * 6, [1.0, 1.0, 1.1, 1.0, 4.0, 4.1]),
        "extent falls": ([7.0, 7.0, 7.1, 7.0, 3.0, 3.1], [3.0] * 6),
        "both": ([7.0, 7.0, 7.1, 7.0, 3.0, 3.1], [1.0, 1.0, 1.1, 1.0, 4.0, 4.1]),
        "extent alone": ([3.0, 3.0, 6.0], None),
        "flat": ([4.0] * 3, [2.0] * 3),
        "gone": ([2.0, 2.0, 6.0, 6.0], [2.0] * 4),
    }
    for patient, (extents, opacities) in courses.items():
        films = []
        for day, extent in enumerate(extents):
            made = record(patient, day)
            values = [ScaleValue("geographic_extent", extent, extent)]
            if opacities is not None:
                values.append(ScaleValue("opacity", opacities[day], opacities[day]))
            films.append(replace(made, values=tuple(values)))
        add_films(records, films, source="test")
    later = record("x", 9).taken_at
    add_events(records, [EventRecord("gone", "death", later)])
    for scale in ("geographic_extent", "opacity"):
        ward = ward_overview(records, scale, RuleSet(), errors, WardChoice(everyone=True))
        for row in ward.rows:
            timeline = read_timeline(records, row.patient)
            verdict = judge(timeline, errors, RuleSet())
            assert row.advice == verdict.advice
            (own,) = (part.advice.size for part in verdict.scales if part.scale == scale)
            assert row.size == pytest.approx(own)
    words = {row.patient: row.word for row in ward.rows}
    assert words == {
        "opacity rises": "worsening", "both": "worsening", "extent falls": "improving",
        "flat": "stable", "gone": "died",
    }  # fmt: skip
    assert ward.counts["worsening"] == 2
    # Of a model whose error was measured on one score alone, that score speaks.
    half = replace(errors, scales={"geographic_extent": errors.scales["geographic_extent"]})
    ward = ward_overview(records, "opacity", RuleSet(), half)
    assert "error on Opacity was not measured" in ward.remark
    assert {row.patient: row.word for row in ward.rows}["opacity rises"] == "stable"
    assert [row.size for row in ward.rows] == [None] * 4
    for row in ward.rows:
        assert judge(read_timeline(records, row.patient), half, RuleSet()).advice == row.advice
    file = write_error_model(half, tmp_path / "half.json")
    judged = judged_timeline(records, "flat", RuleSet(), error_model=file)
    assert judged.verdict is not None
    assert judged.problem == "the model's error on Opacity was not measured"
    none = replace(errors, scales={"opacity_ralo": errors.scales["opacity"]})
    with pytest.raises(ModelError, match="was not measured"):
        judge(judged.timeline, none, RuleSet())


def test_mixed_offsets_neither_order_films_nor_make_a_trend(
    records: Records, record: MakeRecord, errors: ErrorModel
) -> None:
    noon = datetime(2026, 1, 1, 12)
    given = [(noon + timedelta(days=day), None, 4.0) for day in range(5)]
    given += [
        (noon + timedelta(days=4, hours=hours), offset, 4.3)
        for hours, offset in ((0.5, None), (-3.0, -300), (-2.0, -300))
    ]
    films = [
        record(day=place, extent=value, taken_at=at, utc_offset_minutes=offset)
        for place, (at, offset, value) in enumerate(given)
    ]
    add_films(records, films, source="test")
    found = read_timeline(records, "p")
    assert [film.taken_at for film in found.films] == sorted(at for at, _, _ in given)
    verdict = judge(found, errors, RuleSet())
    assert [part.calls for part in verdict.scales] == [(), ()]
    (row,) = ward_overview(records, "geographic_extent", RuleSet(), errors).rows
    assert row.word == verdict.advice.word == "stable"
    assert list(row.days) == sorted(row.days)


def test_recent_films_and_films_by_day(
    records: Records, record: MakeRecord, errors: ErrorModel
) -> None:
    by_day = [record("d", day, taken_at=time_of_day(day), calendar=False) for day in (0, 2)]
    add_films(records, [record("old", 0), record("new", 8), *by_day], source="test")
    now = record("x", 9).taken_at
    shown = ward_overview(records, "opacity", RuleSet(), errors, WardChoice(days=3.0), now=now).rows
    # Nothing says how long ago a day of a stay is: such patients are not dropped.
    assert {row.patient for row in shown} == {"new", "d"}
    # A film dated in the future does not make a patient recent for ever.
    early = record("x", -30).taken_at
    shown = ward_overview(
        records, "opacity", RuleSet(), errors, WardChoice(days=3.0), now=early
    ).rows
    assert {row.patient for row in shown} == {"d"}


@pytest.mark.parametrize("name", ["$$", "$x^2$", "患者7", "a_{b", "\\alpha"])
def test_identifiers_that_are_no_formulas(
    records: Records, record: MakeRecord, errors: ErrorModel, name: str
) -> None:
    add_films(records, [record(name, day) for day in range(3)], source="test")
    found = read_timeline(records, name)
    figure = timeline_figure(found, judge(found, errors, RuleSet()))
    assert plot_file(figure, "png").startswith(b"\x89PNG")


def test_films_of_impossible_dates_are_not_drawn(
    records: Records, record: MakeRecord, errors: ErrorModel
) -> None:
    add_films(records, [record("p", day) for day in range(3)], source="test")
    found = read_timeline(records, "p")
    for year in (1, 9999):
        odd = replace(found.films[0], taken_at=datetime(year, 1, 1, 8))
        old = replace(
            found, films=tuple(sorted((*found.films, odd), key=lambda film: film.taken_at))
        )
        figure = timeline_figure(old, judge(old, errors, RuleSet()))
        svg = plot_file(figure, "svg")
        assert svg
        assert "1 films of impossible dates" in figure.get_supxlabel()


def test_an_empty_ward(records: Records) -> None:
    with pytest.raises(RecordsError, match="no scores"):
        ward_overview(records, "opacity", RuleSet(), None)
    assert "no films" in sparkline_svg([], [], OPACITY)


def test_films_without_patient_or_day_are_refused(
    tiny_folder: Path, tiny_model: ModuleType
) -> None:
    from pneumoscore.cohort.types import CohortFilm
    from pneumoscore.errors import PneumoScoreError

    model = SeverityModel.open(tiny_folder, threads=1)
    radiograph = tiny_model.film()
    score = model.score(radiograph, force=True)
    with pytest.raises(PneumoScoreError, match=r"no Patient ID \(0010,0020\)"):
        dicom_record(FileResult(Path("f.png"), score))
    undated = CohortFilm("f.png", Path("f.png"), "p")
    with pytest.raises(PneumoScoreError, match="day is unknown"):
        cohort_record("c", undated, FileResult(Path("f.png"), score))


def test_nothing_is_printed_over_another_name(
    records: Records, record: MakeRecord, errors: ErrorModel
) -> None:
    # Events at one time share a place in a lane of their own, outside the charts.
    films = [record("胸 $1$", day) for day in range(5)]
    add_films(records, films, source="test")
    kinds = ("admission", "oxygen", "intubation", "discharge")
    events = [
        EventRecord("胸 $1$", kind, films[4 if kind == "discharge" else 1].taken_at)
        for kind in kinds
    ]
    add_events(records, events)
    found = read_timeline(records, "胸 $1$")
    figure = timeline_figure(found, judge(found, errors, RuleSet()))
    plot_file(figure, "png")  # lays it out
    lane = figure.axes[2]
    texts = [text.get_text() for text in lane.texts]
    assert texts == ["admission\noxygen\nintubation", "discharge"]
    boxes = [text.get_window_extent() for text in lane.texts]
    assert boxes[0].x1 < boxes[1].x0
    charts = [axis.get_window_extent() for axis in figure.axes[:2]]
    assert all(box.y0 >= charts[0].y1 - 1 for box in boxes)
    (legend,) = (axis.get_legend() for axis in figure.axes if axis.get_legend())
    words = [text.get_text() for text in legend.get_texts()]
    assert words[0].endswith("film")
    assert "event" in words
