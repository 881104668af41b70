"""What a file says of its film, however badly it says it."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from pneumoscore.radiograph import RadiographMetadata, read_radiograph
from pneumoscore.radiograph.elements import Elements
from pneumoscore.radiograph.metadata import age_in_years, read_metadata

FILM = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("045Y", 45.0),
        ("018M", 1.5),
        ("026W", 26 * 7 / 365.25),
        ("003D", 3 / 365.25),
        (" 9y ", 9.0),
        ("", None),
        ("45", None),
        ("0450Y", None),
        ("-4Y", None),
        ("Y", None),
    ],
)
def test_ages(text, years):
    assert age_in_years(text) == (years if years is None else pytest.approx(years))


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("20200401", "130559.123456", datetime(2020, 4, 1, 13, 5, 59, 123456)),
        ("20200401", "13", datetime(2020, 4, 1, 13)),
        ("2020.04.01", "13:05:59", datetime(2020, 4, 1, 13, 5, 59)),
        ("20200401", "235960", datetime(2020, 4, 1, 23, 59, 59)),
        ("20200401", "250000", datetime(2020, 4, 1)),
        ("20200401", None, datetime(2020, 4, 1)),
        ("20201301", "120000", None),
        ("00000000", "120000", None),
        (None, "120000", None),
        ("yesterday", "noon", None),
    ],
)
def test_times(day, clock, expected):
    given = {"AcquisitionDate": day, "AcquisitionTime": clock}
    found = read_metadata(header(**given))
    assert found.acquired_at == expected
    timed = expected is not None and expected.hour != 0
    assert found.acquired_by == ("acquisition" if timed else None)


def header(**values):
    dataset = Dataset()
    for name, value in values.items():
        if value is not None:
            tag = tag_for_keyword(name)
            dataset[tag] = RawDataElement(
                Tag(tag), dictionary_VR(tag), len(value), value.encode(), 0, False, True, True
            )
    return Elements(dataset)


@pytest.mark.parametrize(
    ("values", "expected", "by"),
    [
        ({"ContentDate": "20260301", "ContentTime": "2000"}, datetime(2026, 3, 1, 20), "content"),
        ({"StudyDate": "20260301", "StudyTime": "09"}, datetime(2026, 3, 1, 9), "study"),
        ({"AcquisitionDateTime": "20260301081500"}, datetime(2026, 3, 1, 8, 15), "acquisition"),
        # The time of another day is no time of this one.
        ({"StudyDate": "20260228", "StudyTime": "09"}, datetime(2026, 3, 1), None),
        ({"SeriesDate": "20260301", "SeriesTime": "x"}, datetime(2026, 3, 1), None),
    ],
)
def test_a_date_without_time_takes_the_best_time_of_that_day(values, expected, by):
    found = read_metadata(header(AcquisitionDate="20260301", **values))
    assert (found.acquired_at, found.acquired_by) == (expected, by)


@pytest.mark.parametrize(
    ("values", "minutes"),
    [
        ({"TimezoneOffsetFromUTC": "+0930"}, 570),
        ({"AcquisitionDateTime": "20260301081500.5-0500"}, -300),
        ({"TimezoneOffsetFromUTC": "+2500"}, None),
        ({}, None),
    ],
)
def test_the_offset_from_utc_is_kept(values, minutes):
    found = read_metadata(header(AcquisitionDate="20260301", **values))
    assert found.utc_offset_minutes == minutes


def test_who_gave_the_number_and_when_the_patient_was_born():
    found = read_metadata(header(IssuerOfPatientID="ST-MARY", PatientBirthDate="19500101"))
    assert (found.patient_id_issuer, found.patient_birth_date) == ("ST-MARY", date(1950, 1, 1))


def test_all_that_a_full_header_says(files):
    data = files.dicom_file(
        FILM,
        SpecificCharacterSet="ISO_IR 192",
        PatientID="Müller-7",
        PatientSex="F",
        PatientAge="063Y",
        ViewPosition="AP",
        ImageLaterality="U",
        AcquisitionDate="20200402",
        AcquisitionTime="0815",
        StudyDate="20200401",
        PixelSpacing=[0.143, 0.143],
        Manufacturer="Phantom Works",
    )
    found = read_radiograph(data).metadata
    assert found.patient_id == "Müller-7"
    assert (found.patient_sex, found.patient_age_years) == ("F", 63.0)
    assert (found.view, found.laterality, found.modality) == ("AP", "U", "DX")
    assert found.acquired_at == datetime(2020, 4, 2, 8, 15)
    assert found.pixel_spacing_mm == pytest.approx((0.143, 0.143))
    assert found.manufacturer == "Phantom Works"
    assert found.sop_class_uid == "1.2.840.10008.5.1.4.1.1.1.1"
    assert found.sop_instance_uid.startswith("1.2.826.0.1.3680043.8.498.")
    assert None not in (found.study_instance_uid, found.series_instance_uid)


def test_nothing_but_pixels_is_needed(files):
    absent = ("Modality", "PatientID", "PatientName", "ViewPosition", "StudyInstanceUID")
    film = read_radiograph(files.dicom_file(FILM, without=absent))
    assert film.metadata.patient_id is None
    assert film.metadata.view is None
    assert film.metadata.acquired_at is None
    assert film.metadata.pixel_spacing_mm is None


def test_a_picture_says_nothing(files):
    assert read_radiograph(files.raster_file(FILM, "PNG")).metadata == RadiographMetadata()


@pytest.mark.parametrize(
    ("code", "view"), [("399348003", "AP"), ("272479007", "PA"), ("399173006", "LL"), ("1", None)]
)
def test_the_view_code_stands_in_for_the_view_position(files, code, view):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", "view"
    data = files.dicom_file(FILM, without=("ViewPosition",), ViewCodeSequence=Sequence([item]))
    assert read_radiograph(data).metadata.view == view


def test_the_spacing_at_the_detector_stands_in_for_the_pixel_spacing(files):
    film = read_radiograph(files.dicom_file(FILM, ImagerPixelSpacing=[0.2, 0.2]))
    assert film.metadata.pixel_spacing_mm == (0.2, 0.2)


TAGS = (
    0x00080005,
    0x00080016,
    0x00080022,
    0x0008002A,
    0x00080032,
    0x00080060,
    0x00080070,
    0x00100020,
    0x00101010,
    0x00181164,
    0x00185101,
    0x00280030,
    0x00540220,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    values=st.dictionaries(
        st.sampled_from(TAGS),
        st.tuples(
            st.sampled_from(["LO", "CS", "UN", "DS", "OB", "FD", "SQ", "DA", "AS"]),
            st.binary(max_size=64),
        ),
    )
)
def test_hostile_values_are_unknown_but_never_fail(values):
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    dataset = Dataset()
    for tag, (vr, value) in values.items():
        raw = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)
        dataset._dict[Tag(tag)] = raw
    found = read_metadata(Elements(dataset))
    for text in (found.patient_id, found.view, found.modality, found.manufacturer):
        assert text is None or (text.isprintable() and 0 < len(text) <= 256)
    assert found.patient_age_years is None or 0 <= found.patient_age_years <= 999


def test_hostile_values_in_a_file_do_not_stop_the_film(files):
    data = files.dicom_file(FILM, PatientAge="045Y", StudyDate="20200401", PixelSpacing=[0.2, 0.2])
    data = data.replace(b"045Y", b"\x00\xff\n'").replace(b"20200401", b"99999999")
    data = data.replace(b"0.2\\0.2 ", b"nan\\inf ")
    film = read_radiograph(data)
    assert film.metadata.patient_age_years is None
    assert film.metadata.acquired_at is None
    assert film.metadata.pixel_spacing_mm is None
