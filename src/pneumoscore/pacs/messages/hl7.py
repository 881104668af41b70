"""A film's result as an HL7 v2.5.1 message ORU^R01, for systems without FHIR."""

from __future__ import annotations

from datetime import datetime

from pydicom.sr.coding import Code

from pneumoscore.pacs.identity import CODING_SCHEME, PRODUCT, software_version
from pneumoscore.pacs.objects import codes as ours
from pneumoscore.pacs.objects.header import FilmHeader, without_controls
from pneumoscore.pacs.objects.result import FilmReport, Refusal, objects_uid
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["escaped", "film_message"]

_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_LONGEST_CONTROL = 20


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
    uid = objects_uid(header.sop_instance_uid, report.model, "hl7")
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
    components = (writings[0] if writings else "").split("^")
    name = "^".join(escaped(part) for part in components[:5])
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


def _results(report: FilmReport) -> list[str]:
    rows: list[tuple[str, str, str, str]] = []
    model = report.model
    if isinstance(report.outcome, Refusal):
        rows.append(("ST", _coded(ours.RESULT), escaped(ours.NO_SCORE.meaning), ""))
    else:
        for part in report.outcome.scales:
            code = ours.scale_code(part.scale)
            ends = f"{part.scale.low:g}-{part.scale.high:g}"
            rows.append(("NM", _coded(code), f"{part.value:.4f}", ends))
            for side in ("right", "left"):
                value = getattr(part, side)
                if value is not None:
                    sided = Code(
                        f"{code.value}_{side}", CODING_SCHEME, f"{part.scale.title}, {side} lung"
                    )
                    rows.append(("NM", _coded(sided), f"{value:.4f}", ""))
            for end in ("low", "high"):
                value = getattr(part, end)
                if value is not None:
                    rows.append(("NM", _coded(ours.end_code(part.scale, end)), f"{value:.4f}", ""))
        if report.level is not None:
            rows.append(("NM", _coded(ours.INTERVAL_LEVEL), f"{100 * report.level:g}", ""))
    rows += [
        ("ST", _coded(ours.QUALITY_FLAG), escaped(ours.flag_code(flag).meaning), "")
        for flag in report.flags
    ]
    words = (
        f"{RESEARCH_NOTICE}. {PRODUCT} {software_version()}, model {model.name} {model.version}, "
        f"sha256 {model.sha256}, preparation {report.preparation}"
    )
    notice = Code("notice", CODING_SCHEME, "Notice")
    rows.append(("ST", _coded(notice), escaped(words), ""))
    return [
        f"OBX|{number}|{kind}|{code}||{value}|{'1^no units^UCUM' if kind == 'NM' else ''}|{ends}"
        "||||P"
        for number, (kind, code, value, ends) in enumerate(rows, start=1)
    ]
