"""A film's result as an HL7 v2.5.1 message ORU^R01, for systems without FHIR."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from pydicom.sr.coding import Code

from pneumoscore.pacs.identity import CODING_SCHEME, PRODUCT, software_version
from pneumoscore.pacs.objects import codes as ours
from pneumoscore.pacs.objects.header import FilmHeader, without_controls
from pneumoscore.pacs.objects.result import FilmReport, Refusal
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore

__all__ = ["escaped", "film_message"]

_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_LONGEST_CONTROL = 20
_NO_UNITS, _PERCENT = "1^no units^UCUM", "%^percent^UCUM"
# Kind, code, value, units, ends of the scale: OBX-2, 3, 5, 6, 7.
_Row = tuple[str, str, str, str, str]


def escaped(text: str) -> str:
    r"""Return text with the message's own characters as escapes (HL7 v2.5.1, 2.7).

    Examples
    --------
    >>> escaped("a|b\\c")
    'a\\F\\b\\E\\c'
    """
    return "".join(_ESCAPES.get(char, char) for char in without_controls(text, " "))


def film_message(header: FilmHeader, report: FilmReport, now: datetime | None = None) -> str:
    """Return the message of one film: preliminary, one OBX segment a number.

    Parameters
    ----------
    header : FilmHeader
        Of the film.
    report : FilmReport
        Score or refusal.
    now : datetime, optional
        When it is made.

    Returns
    -------
    str
        Segments ended by carriage returns; to be sent as UTF-8.
    """
    made = (now or datetime.now()).strftime("%Y%m%d%H%M%S")
    uid = report.uid(header.sop_instance_uid, "hl7")
    segments = [
        f"MSH|^~\\&|{PRODUCT.upper()}||||{made}||ORU^R01^ORU_R01|"
        f"{uid[-_LONGEST_CONTROL:]}|P|2.5.1||||||UNICODE UTF-8",
        _patient(header),
        _request(header),
        *_results(report),
    ]
    return "\r".join(segments) + "\r"


def _patient(header: FilmHeader) -> str:
    # Of a name in several writings (PS3.5 6.2.1) the first that says something.
    writings = [part for part in header.text("PatientName").split("=") if part.strip("^ ")]
    parts = [*(writings[0] if writings else "").split("^"), "", "", "", ""]
    family, given, middle, prefix, suffix = map(escaped, parts[:5])
    # DICOM has prefix before suffix (PS3.5 6.2), HL7's XPN after it.
    name = "^".join((family, given, middle, suffix, prefix)).rstrip("^")
    identifier = escaped(header.text("PatientID"))
    issuer = escaped(header.text("IssuerOfPatientID"))
    birth, sex = header.text("PatientBirthDate"), header.text("PatientSex")
    return f"PID|1||{identifier}^^^{issuer}||{name}||{birth}|{sex}"


def _coded(code: Code, scheme: str | None = None) -> str:
    return f"{escaped(code.value)}^{escaped(code.meaning)}^{scheme or code.scheme_designator}"


def _request(header: FilmHeader) -> str:
    taken = header.text("StudyDate") + header.text("StudyTime")[:6]
    fields = {
        1: "1",
        3: escaped(header.text("AccessionNumber") or header.sop_instance_uid),
        4: _coded(ours.CHEST_FILM),
        7: taken if header.text("StudyDate") else "",
        25: "P",
    }
    return "OBR|" + "|".join(fields.get(number, "") for number in range(1, 26))


def _number(code: Code, value: str, unit: str = _NO_UNITS, ends: str = "") -> _Row:
    return "NM", _coded(code), value, unit, ends


def _words(code: Code, text: str) -> _Row:
    return "ST", _coded(code), escaped(text), "", ""


def _rows(report: FilmReport) -> list[_Row]:
    model = report.model
    rows = []
    if isinstance(report.outcome, Refusal):
        rows.append(_words(ours.RESULT, ours.NO_SCORE.meaning))
    else:
        for part in report.outcome.scales:
            rows += _scale_rows(part)
        if report.level is not None:
            level = f"{100 * report.level:g}"
            rows.append(_number(ours.INTERVAL_LEVEL, level, _PERCENT))
    rows += [_words(ours.QUALITY_FLAG, ours.flag_code(flag).meaning) for flag in report.flags]
    notice = (
        f"{RESEARCH_NOTICE}. {PRODUCT} {software_version()}, model {model.name} {model.version}, "
        f"sha256 {model.sha256}, preparation {report.preparation}"
    )
    rows.append(_words(Code("notice", CODING_SCHEME, "Notice"), notice))
    return rows


def _scale_rows(part: ScaleScore) -> list[_Row]:
    code = ours.scale_code(part.scale)
    ends = f"{part.scale.low:g}-{part.scale.high:g}"
    rows = [_number(code, f"{part.value:.4f}", ends=ends)]
    for side in ("right", "left"):
        value = getattr(part, side)
        if value is not None:
            meaning = f"{part.scale.title}, {side} lung"
            sided = Code(f"{code.value}_{side}", CODING_SCHEME, meaning)
            rows.append(_number(sided, f"{value:.4f}"))
    for end in ("low", "high"):
        value = getattr(part, end)
        if value is not None:
            rows.append(_number(ours.end_code(part.scale, end), f"{value:.4f}"))
    return rows


def _results(report: FilmReport) -> list[str]:
    """Return an OBX segment for each row; of several with one code, each has a number (OBX-4)."""
    rows = _rows(report)
    total, seen = Counter(row[1] for row in rows), Counter[str]()
    out = []
    for number, (kind, code, value, unit, ends) in enumerate(rows, start=1):
        seen[code] += 1
        one_of = seen[code] if total[code] > 1 else ""
        out.append(f"OBX|{number}|{kind}|{code}|{one_of}|{value}|{unit}|{ends}||||P")
    return out
