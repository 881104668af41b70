"""Options of the commands that ask an archive by DICOMweb, worded once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pneumoscore.pacs.dicomweb import FilmQuery

__all__ = ["Accession", "Modality", "Patient", "Since", "Until", "Url", "film_query"]

Url = Annotated[
    str,
    typer.Argument(
        metavar="URL", help="The archive's DICOMweb service, as http://archive:8042/dicom-web."
    ),
]
Since = Annotated[
    str, typer.Option("--since", metavar="YYYY-MM-DD", help="Studies from this day on.")
]
Until = Annotated[
    str, typer.Option("--until", metavar="YYYY-MM-DD", help="Studies up to this day.")
]
Patient = Annotated[
    str, typer.Option("--patient", metavar="ID", help="Studies of this Patient ID.")
]
Accession = Annotated[
    str, typer.Option("--accession", metavar="NUMBER", help="The study of this number.")
]
Modality = Annotated[
    list[str] | None,
    typer.Option("--modality", metavar="CODE", help="CR and DX unless named; repeat it."),
]


def film_query(
    since: str, until: str, patient: str, accession: str, modality: list[str] | None
) -> FilmQuery:
    """Return the query that the options mean.

    Raises
    ------
    typer.BadParameter
        If a day is none, or a key would match more than it says.
    """
    from datetime import date

    from pneumoscore.pacs.dicomweb import FilmQuery

    days = []
    for text in (since, until):
        try:
            days.append(date.fromisoformat(text).strftime("%Y%m%d") if text else "")
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no day; expected YYYY-MM-DD") from None
    for text in (patient, accession):
        if set(text) & set("*?\\"):
            raise typer.BadParameter("* ? and \\ stand for other letters in an archive's search")
    return FilmQuery(days[0], days[1], patient, accession, tuple(modality or ("CR", "DX")))
