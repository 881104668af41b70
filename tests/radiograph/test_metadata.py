"""What a file says of its film, however badly it says it."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pneumoscore.radiograph import RadiographMetadata, read_radiograph
from pneumoscore.radiograph.elements import Elements
from pneumoscore.radiograph.metadata import age_in_years, read_metadata
from pneumoscore.radiograph.times import film_moment

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


DAY = datetime(2020, 4, 1)


def moment_of(**attributes):
    return film_moment(Elements(raw_dataset(**attributes)))


def raw_dataset(**attributes):
    """A data set as a file of these text elements would be parsed."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    dataset = Dataset()
    for keyword, value in attributes.items():
        tag = Tag(tag_for_keyword(keyword))
        value = value if isinstance(value, bytes) else value.encode("ascii")
        raw = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)
        dataset._dict[tag] = raw
    return dataset


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("20200401", "130559.123456", datetime(2020, 4, 1, 13, 5, 59, 123456)),
        ("20200401", "13", datetime(2020, 4, 1, 13)),
        ("2020.04.01", "13:05:59", datetime(2020, 4, 1, 13, 5, 59)),
        ("20200401", "235960", datetime(2020, 4, 1, 23, 59, 59)),
        ("20200401", "000000", DAY),
        ("20201301", "120000", None),
        ("00000000", "120000", None),
        ("00010101", "120000", None),
        ("18941231", "120000", None),
        ("99991231", "120000", None),
        ("21500401", "12", datetime(2150, 4, 1, 12)),
        ("", "120000", None),
        ("yesterday", "noon", None),
    ],
)
def test_dates_and_times(day, clock, expected):
    found = moment_of(AcquisitionDate=day, AcquisitionTime=clock)
    assert (found.at if found else None) == expected


@pytest.mark.parametrize("clock", ["250000", "", "late"])
def test_a_day_without_any_time_is_known_by_its_day(clock):
    found = moment_of(AcquisitionDate="20200401", AcquisitionTime=clock)
    assert (found.at, found.by) == (datetime(2020, 4, 1, 12), None)


@pytest.mark.parametrize(
    ("others", "hour", "by"),
    [
        ({"ContentDate": "20200401", "ContentTime": "08", "StudyTime": "07"}, 8, "content"),
        ({"ContentDate": "20200402", "ContentTime": "08", "StudyTime": "07"}, 7, "study"),
        ({"SeriesDate": "20200401", "SeriesTime": "09", "StudyTime": "07"}, 9, "series"),
        ({"StudyDate": "20200401", "StudyTime": "07"}, 7, "study"),
        ({"AcquisitionDateTime": "20200401063000", "StudyTime": "07"}, 6, "acquisition"),
        ({"AcquisitionTime": "000000", "StudyDate": "20200401", "StudyTime": "07"}, 7, "study"),
        ({"ContentTime": "10"}, 10, "content"),
    ],
)
def test_an_acquisition_date_takes_the_best_time_of_its_day(others, hour, by):
    found = moment_of(AcquisitionDate="20200401", **others)
    assert (found.at.date(), found.at.hour, found.by) == (DAY.date(), hour, by)


def test_a_placeholder_for_the_acquisition_date_gives_way_to_the_study():
    found = moment_of(AcquisitionDate="00010101", StudyDate="20200401", StudyTime="0815")
    assert found.at == datetime(2020, 4, 1, 8, 15)


@pytest.mark.parametrize(
    ("attributes", "hours"),
    [
        ({"AcquisitionDateTime": "20200401081500.000000+0530"}, 5.5),
        ({"AcquisitionDateTime": "20200401081500-0500", "TimezoneOffsetFromUTC": "+0100"}, -5),
        ({"AcquisitionDate": "20200401", "TimezoneOffsetFromUTC": "+0100"}, 1),
        ({"AcquisitionDate": "20200401", "TimezoneOffsetFromUTC": "+9900"}, None),
        ({"AcquisitionDate": "20200401"}, None),
    ],
)
def test_the_offset_from_utc_is_kept(attributes, hours):
    found = moment_of(**attributes)
    assert found.utc_offset_minutes == (None if hours is None else 60 * hours)
    assert found.at.date() == DAY.date()
    assert found.at.tzinfo is None


PERSONS = (
    ("ISO_IR 100", "Müller7".encode("latin-1"), "Müller7"),
    ("ISO_IR 192", "Müller7".encode(), "Müller7"),
    ("ISO IR 192", "Müller7".encode(), "Müller7"),
    ("ISO-IR192", "Müller7".encode(), "Müller7"),
    ("UTF-8", "Müller7".encode(), "Müller7"),
    ("", "Müller7".encode(), "Müller7"),
    ("", "Müller7".encode("latin-1"), "Müller7"),
    ("nonsense", "Müller7".encode(), "Müller7"),
    ("ISO 8859-1", "Müller7".encode("latin-1"), "Müller7"),
    ("ISO_IR 144", "Иванов".encode("iso8859-5"), "Иванов"),
    ("ISO_IR144", "Иванов".encode("iso8859-5"), "Иванов"),
    ("ISO_IR 192", "患者7".encode(), "患者7"),
    ("\\ISO 2022 IR 87", b"\x1b$B45<T\x1b(B7", "患者7"),
    ("ISO 2022 IR 6\\ISO 2022 IR 87", b"\x1b$B45<T\x1b(B7", "患者7"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\x1b$B45<T\x1b(J7", "患者7"),
    ("\\ISO2022 IR87", b"\x1b$B45<T\x1b(B7", "患者7"),
    ("ISO 2022 IR 87", b"\x1b$B45<T\x1b(B7", "患者7"),
    ("", b"\x1b$B45<T\x1b(B7", "患者7"),
    ("ISO_IR 100", b"\x1b$B45<T\x1b(B7", "患者7"),
    ("\\ISO 2022 IR 149", b"\x1b$)C" + "환자7".encode("euc_kr"), "환자7"),
    ("", b"\x1b$)C" + "환자7".encode("euc_kr"), "환자7"),
    ("\\ISO 2022 IR 58", b"\x1b$)A" + "病人7".encode("gb2312"), "病人7"),
    ("GB18030", "病人7".encode("gb18030"), "病人7"),
    ("GBK", "病人7".encode("gbk"), "病人7"),
    ("ISO_IR 13", b"\xd4\xcf\xc0\xde7", "ﾔﾏﾀﾞ7"),
)


@pytest.mark.parametrize(("term", "value", "person"), PERSONS)
def test_one_person_under_every_character_set(term, value, person):
    elements = Elements(raw_dataset(SpecificCharacterSet=term, PatientID=value))
    assert read_metadata(elements).patient_id == person


@pytest.mark.parametrize("term", ["ISO_IR 192", "ISO_IR 100", "\\ISO 2022 IR 87", "", "GB18030"])
@given(st.binary(max_size=12), st.binary(max_size=12))
def test_different_identifiers_stay_different(term, one, other):
    def identifier(value):
        dataset = raw_dataset(SpecificCharacterSet=term, PatientID=value)
        return read_metadata(Elements(dataset)).patient_id

    def same(value):
        return value.strip(b" ").rstrip(b"\x00 ")

    if b"\x1b" in one + other:
        return  # an escape sequence may be written in many ways
    assert (identifier(one) == identifier(other)) == (same(one) == same(other)) or (
        # Two spellings of one text, as only multi-byte character sets and UTF-8 with its
        # stand-in Latin-1 have.
        not (one + other).isascii()
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("47\x0111", "4711"),
        ("4711\x7f", "4711"),
        ("47\t11", "47 11"),
        ("47\u200b11", "4711"),
        ("A\\B", "A"),
        ("47\x0111", "47\\x0111"),
        ("9" * 300, "9" * 301),
        ("0" * 300 + "1", "0" * 300 + "2"),
        ("a", "A"),
        ("0042", "42"),
        ("é", "e\u0301"),
    ],
)
def test_what_is_not_printed_still_tells_patients_apart(one, other):
    found = [
        read_metadata(
            Elements(raw_dataset(SpecificCharacterSet="ISO_IR 192", PatientID=text.encode()))
        ).patient_id
        for text in (one, other)
    ]
    assert found[0] != found[1]
    assert all(text.isprintable() and len(text) <= 256 for text in found)


@pytest.mark.parametrize("padded", ["4711 ", " 4711", "4711\x00", "4711\x00 "])
def test_padding_is_no_part_of_an_identifier(padded):
    assert read_metadata(Elements(raw_dataset(PatientID=padded))).patient_id == "4711"


def test_the_issuer_is_part_of_the_identity(files):
    item = Dataset()
    item.UniversalEntityID, item.UniversalEntityIDType = "1.2.276.1", "ISO"
    plain = files.dicom_file(FILM, PatientID="1", IssuerOfPatientID="ST-MARY")
    qualified = files.dicom_file(FILM, IssuerOfPatientIDQualifiersSequence=Sequence([item]))
    assert read_radiograph(plain).metadata.patient_id_issuer == "ST-MARY"
    assert read_radiograph(qualified).metadata.patient_id_issuer == "1.2.276.1"
    assert read_radiograph(files.dicom_file(FILM)).metadata.patient_id_issuer is None


@pytest.mark.parametrize(
    ("attributes", "years"),
    [
        ({"PatientAge": "004Y", "PatientBirthDate": "19500101"}, 4),
        ({"PatientBirthDate": "20160401", "StudyDate": "20200401"}, 4),
        ({"PatientBirthDate": "20210401", "StudyDate": "20200401"}, None),
        ({"PatientBirthDate": "00010101", "StudyDate": "20200401"}, None),
        ({"PatientBirthDate": "20160401"}, None),
    ],
)
def test_the_age_follows_from_the_birth_date_where_it_is_not_stated(files, attributes, years):
    found = read_radiograph(files.dicom_file(FILM, **attributes)).metadata.patient_age_years
    assert found == (years if years is None else pytest.approx(years, abs=0.01))


def test_all_that_a_full_header_says(files):
    data = files.dicom_file(
        FILM,
        SpecificCharacterSet="ISO_IR 192",
        PatientID="Müller-7",
        PatientSex="F",
        PatientBirthDate="19561231",
        PatientAge="063Y",
        AccessionNumber="A-1",
        StudyDescription="Thorax, Bett",
        BodyPartExamined="CHEST",
        PatientOrientation=["L", "F"],
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
    assert (found.patient_birth_date, found.accession_number) == (date(1956, 12, 31), "A-1")
    assert (found.study_description, found.body_part) == ("Thorax, Bett", "CHEST")
    assert found.patient_orientation == ("L", "F")
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
