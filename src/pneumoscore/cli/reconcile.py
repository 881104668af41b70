"""``pneumoscore reconcile``: films in an archive that have no result of ours."""

from __future__ import annotations

from typing import Annotated

import typer

from pneumoscore.cli.options import LevelOrSetting, ModelName, new_app, settings_with
from pneumoscore.cli.pacs_options import ToCa, ToCert, ToKey
from pneumoscore.cli.pacs_web_options import (
    Accession,
    Modality,
    Patient,
    Since,
    Until,
    Url,
    film_query,
)
from pneumoscore.cli.status import ExitStatus, say, say_error

__all__ = ["app"]

app = new_app()


@app.command()
def reconcile(
    url: Url,
    since: Since = "",
    until: Until = "",
    patient: Patient = "",
    accession: Accession = "",
    modality: Modality = None,
    send_to: Annotated[
        str | None,
        typer.Option(
            "--send-to",
            metavar="AET@HOST:PORT",
            help="Fetch each film without a result and send it to this listener; "
            "dicoms://AET@HOST:PORT by TLS.",
        ),
    ] = None,
    aet: Annotated[
        str, typer.Option("--aet", metavar="AET", help="Our title towards the listener.")
    ] = "RECONCILE",
    to_cert: ToCert = None,
    to_key: ToKey = None,
    to_ca: ToCa = None,
    model: ModelName = None,
    level: LevelOrSetting = None,
) -> None:
    """List the films in an archive without a report of this model.

    The report of a film and a model has a UID that follows from both and from --level, so it is
    looked for, not guessed. One line a film: study and SOP Instance UID. The exit status is 1
    while there are films without a result that were not sent.
    """
    from pneumoscore.pacs.errors import PeerError, need

    need("dicomweb_client", "pynetdicom")
    from pneumoscore.pacs.association import Credentials
    from pneumoscore.pacs.dicomweb import Archive
    from pneumoscore.pacs.listener.journal import silence_libraries
    from pneumoscore.pacs.objects.result import report_uids
    from pneumoscore.pacs.send import send_films
    from pneumoscore.pacs.targets import parse_node
    from pneumoscore.severity.model import SeverityModel

    query = film_query(since, until, patient, accession, modality)
    node = parse_node(send_to) if send_to else None
    credentials = Credentials(to_cert, to_key, to_ca)
    settings = settings_with(model=model, level=level)
    identity = SeverityModel.open(settings.model).identity
    silence_libraries()
    archive = Archive(url)
    reports: dict[str, set[str]] = {}
    looked = without = sent = 0
    for film in archive.films(query):
        looked += 1
        if film.study not in reports:
            reports[film.study] = archive.report_uids(film.study)
        if reports[film.study] & report_uids(film.instance, identity, settings.level):
            continue
        without += 1
        typer.echo(f"{film.study} {film.instance}")
        if node is not None:
            try:
                (error,) = send_films(node, aet, [archive.fetch(film)], credentials)
            except PeerError as failure:
                error = str(failure)
            if error is None:
                sent += 1
            else:
                say_error(f"{film.instance}: {error}")
    say(f"{looked} films, {without} without a result, {sent} sent to be scored")
    if without > sent:
        raise typer.Exit(ExitStatus.SOME_FAILED)
