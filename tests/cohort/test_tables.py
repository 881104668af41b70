import json

import pytest

from pneumoscore.cohort.mapping import TORCHXRAYVISION, ColumnMapping, load_mapping, load_table
from pneumoscore.cohort.tables import read_table, require_columns
from pneumoscore.errors import ModelError, UnreadableFileError


def test_a_table_with_comments_semicolons_and_repeated_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("## scores\nfile;Total;Total\na.png;1;2\n;;\nb.png;3\n", encoding="utf-8-sig")
    assert read_table(path) == [
        {"file": "a.png", "Total": "1", "Total.1": "2"},
        {"file": "b.png", "Total": "3", "Total.1": ""},
    ]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty"),
        (b"file\na.png,1\n", "line 2 has 2 cells"),
        (b"file\n\xff\xfe\n", "is not UTF-8"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, content, found):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=found):
        read_table(path)


def test_missing_tables_and_columns_are_named(tmp_path):
    with pytest.raises(UnreadableFileError, match="no table at"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(UnreadableFileError, match=r"lacks the columns b .*it has a"):
        require_columns([{"a": "1"}], ("a", "b"), "t.csv")


def test_parquet_is_read_or_says_what_to_install(tmp_path):
    pytest.importorskip("pandas")
    path = tmp_path / "t.parquet"
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(UnreadableFileError, match="install pyarrow"):
            read_table(path)
        return
    import pandas

    pandas.DataFrame({"file": ["a.png", "b.png"], "extent": [1.5, None]}).to_parquet(path)
    assert read_table(path) == [
        {"file": "a.png", "extent": "1.5"},
        {"file": "b.png", "extent": ""},
    ]


def test_any_table_becomes_a_cohort_by_its_mapping(tmp_path):
    (tmp_path / "films.csv").write_text(
        "image,mrn,View,g,icu,years,sex\n"
        "a.dcm,p1,ap,3.5,yes,61,female\n"
        "b.dcm,p2,PA Erect,,,n/a,?\n"
        "c.dcm,p2,,six,no,,M\n"
    )
    mapping = tmp_path / "m.json"
    mapping.write_text(
        json.dumps(
            {
                "file": "image",
                "patient": ["hash", "mrn"],
                "view": "View",
                "age": "years",
                "labels": {"geographic_extent": "g"},
                "outcomes": {"icu_admission": "icu"},
            }
        )
    )
    cohort = load_table(tmp_path / "films.csv", tmp_path / "dicom", load_mapping(mapping))
    first, second, third = cohort.films
    assert first.path == tmp_path / "dicom" / "a.dcm"
    assert (first.patient, first.view, first.sex, first.age_years) == ("p1", "AP", "F", 61.0)
    assert first.labels == {"geographic_extent": 3.5}
    assert first.outcomes == {"icu_admission": True}
    assert (second.view, second.sex, second.labels, second.outcomes) == ("PA Erect", None, {}, {})
    assert third.labels["geographic_extent"] != third.labels["geographic_extent"]  # NaN: reported
    assert third.outcomes == {"icu_admission": False}
    assert len(cohort.labelled("geographic_extent")) == 2


def test_columns_named_like_scales_need_no_mapping(tmp_path):
    (tmp_path / "films.csv").write_text("file,patient,opacity_ralo\na.png,1,7\n")
    (film,) = load_table(tmp_path / "films.csv", tmp_path)
    assert film.labels == {"opacity_ralo": 7.0}
    assert film.source == "films"


def test_a_torchxrayvision_table(tmp_path):
    (tmp_path / "nih.csv").write_text(
        "Image Index,Patient ID,View Position,Patient Age,Patient Gender\n"
        "00000001_000.png,1,PA,58,M\n"
    )
    (film,) = load_table(tmp_path / "nih.csv", tmp_path, TORCHXRAYVISION)
    assert (film.name, film.patient, film.view, film.sex) == ("00000001_000.png", "1", "PA", "M")
    assert film.age_years == 58


def test_mappings_that_ask_for_what_is_not_there(tmp_path):
    (tmp_path / "t.csv").write_text("file,patient\na.png,1\n")
    with pytest.raises(UnreadableFileError, match="lacks the columns g"):
        load_table(tmp_path / "t.csv", tmp_path, ColumnMapping(labels={"opacity": "g"}))
    with pytest.raises(UnreadableFileError, match="lacks the columns who"):
        load_table(tmp_path / "t.csv", tmp_path, ColumnMapping(patient=("who",)))
    mapping = tmp_path / "m.json"
    mapping.write_text('{"labels": {"severity": "g"}}')
    with pytest.raises(ModelError, match="'severity' is unknown"):
        load_mapping(mapping)
    for text in ('{"fil": "x"}', "[1]", "{", '{"file": 3}', '{"labels": "g"}'):
        mapping.write_text(text)
        with pytest.raises(UnreadableFileError):
            load_mapping(mapping)
