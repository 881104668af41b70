"""Who a patient is: a number and who gave it, exactly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from pneumoscore.records.errors import RecordsError
from pneumoscore.records.schema import patients

__all__ = ["contradiction", "find_patient", "number_problem", "patient_name"]

_SEPARATOR = "^^^"
# Stand-ins that scanners and people enter where there is no number.
_PLACEHOLDERS = re.compile(
    r"(0+|9{4,}|x{2,}|unknown|unk|none|null|n/?a|nn|no ?name|no ?id|anon(ymous|ymized|ymised)?|"
    r"unidentified|unbekannt|inconnu|desconocido|patient|test|temp|notfall|emergency|[-.?*_]+)",
    re.IGNORECASE,
)
_KNOWN_SEXES = {"M", "F"}


def patient_name(number: str, issuer: str) -> str:
    """Return a patient's number, with who gave it where that is known (HL7 v2, data type CX).

    Examples
    --------
    >>> patient_name("12345", "ST-MARY"), patient_name("12345", "")
    ('12345^^^ST-MARY', '12345')
    """
    return f"{number}{_SEPARATOR}{issuer}" if issuer else number


def number_problem(number: str) -> str | None:
    """Say why a number names no patient; None if it may.

    Examples
    --------
    >>> number_problem("0000")
    "the patient's number is '0000', which stands for any patient; expected one patient's number"
    >>> number_problem("4711") is None
    True
    """
    if _PLACEHOLDERS.fullmatch(number.strip()):
        return (
            f"the patient's number is {number!r}, which stands for any patient; expected one "
            "patient's number"
        )
    return None


def contradiction(row: Any, sex: str | None, birth_date: object) -> str | None:
    """Say what a film says of a patient that contradicts what is recorded; None if nothing.

    Parameters
    ----------
    row : row with ``sex`` and ``birth_date``
        The patient as recorded.
    sex : str or None
        Of the film; only M and F contradict each other.
    birth_date : date or None
        Of the film.
    """
    if {row.sex, sex} == _KNOWN_SEXES:
        return f"the film's patient has sex {sex}, the recorded one {row.sex}"
    if birth_date is not None and row.birth_date is not None and birth_date != row.birth_date:
        return "the film's patient has another birth date than the recorded one"
    return None


def find_patient(connection: Connection, name: str | int) -> Any:
    """Return the row of a patient; of one that was merged, the row it was merged into.

    Parameters
    ----------
    connection : Connection
        Of `Records.reading` or `Records.writing`.
    name : str or int
        The number, where one patient has it, or as `patient_name` writes it; an int is the id
        of the patient's row, which no other patient is called by.

    Raises
    ------
    RecordsError
        If there is no such patient, or there are several.
    """
    if isinstance(name, int):
        rows = connection.execute(select(patients).where(patients.c.id == name)).all()
    else:
        rows = _called(connection, name)
    if not rows:
        raise RecordsError(
            "no patient of this identifier is recorded",
            "the identifier as in the films",
            "`pneumoscore patient ward` lists patients",
        )
    (row,) = rows
    if row.merged_into is None:
        return row
    kept = patients.c.id == row.merged_into
    return connection.execute(select(patients).where(kept)).one()


def _called(connection: Connection, name: str) -> Sequence[Any]:
    """Return the one patient of a name, or none."""
    rows = list(_named(connection, name, None))
    if len(rows) > 1:
        names = ", ".join(patient_name(row.key, row.issuer) for row in rows)
        raise RecordsError(
            f"{len(rows)} patients have this number, given by different issuers",
            f"one of {names}",
        )
    if _SEPARATOR in name:
        number, issuer = name.rsplit(_SEPARATOR, 1)
        rows += _named(connection, number, issuer)
    if len(rows) > 1:
        raise RecordsError(
            "two patients are written so: one by number and issuer, one by a number that holds "
            "both",
            "a name of one patient",
            "look at them on the page (`pneumoscore serve`), which tells them apart",
        )
    return rows


def _named(connection: Connection, number: str, issuer: str | None) -> Sequence[Any]:
    statement = select(patients).where(patients.c.key == number).order_by(patients.c.id)
    if issuer is not None:
        statement = statement.where(patients.c.issuer == issuer)
    rows = connection.execute(statement).all()
    # The number alone is the whole name of the patient whose issuer nobody says.
    bare = [row for row in rows if not row.issuer]
    return bare or rows
