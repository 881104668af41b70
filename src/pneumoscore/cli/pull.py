"""``pneumoscore pull``: films from an archive by DICOMweb."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.options import new_app
from pneumoscore.cli.pacs_web_options import (
    Accession,
    Modality,
    Patient,
    Since,
    Until,
    Url,
    film_query,
)
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus, say

__all__ = ["app"]

app = new_app()


@app.command()
def pull(
    url: Url,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the films.")],
    since: Since = "",
    until: Until = "",
    patient: Patient = "",
    accession: Accession = "",
    modality: Modality = None,
) -> None:
    """Fetch films from an archive (QIDO-RS, WADO-RS).

    Files are named by SOP Instance UID and appear whole. A film that is there already is not
    fetched again, so that an interrupted run goes on where it was.
    """
    from pneumoscore.files import write_atomically
    from pneumoscore.pacs.dicomweb import Archive
    from pneumoscore.pacs.errors import PeerError, need

    need("dicomweb_client")
    query = film_query(since, until, patient, accession, modality)
    archive = Archive(url)
    out.mkdir(parents=True, exist_ok=True)
    fetched = there = failed = 0
    with LateProgress("films") as bar:
        for film in archive.films(query):
            path = out / f"{film.instance}.dcm"
            if path.exists():
                there += 1
                continue
            try:
                write_atomically(path, archive.fetch(film), private=True)
                fetched += 1
            except PeerError as error:
                failed += 1
                bar.say(f"error: {film.instance}: {error}")
            bar.update(fetched + there, None)
    typer.echo(f"{fetched} films fetched, {there} were there already")
    if failed:
        say(f"{failed} films were not fetched; run the same command again")
        raise typer.Exit(ExitStatus.SOME_FAILED)
