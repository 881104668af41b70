"""``pneumoscore listen``: films in over the network, results out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.options import (
    LevelOrSetting,
    ModelName,
    NoVoi,
    Threads,
    new_app,
    settings_with,
)
from pneumoscore.cli.pacs_options import Segmentation, ToCa, ToCert, ToKey
from pneumoscore.cli.stopping import stopped_by_signals

__all__ = ["app"]

app = new_app()
_EPILOG = """\b
Example:
  pneumoscore listen --allow ORTHANC --to ORTHANC@127.0.0.1:4242 --store /var/lib/pneumoscore
"""


@app.command(epilog=_EPILOG)
def listen(
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="AET",
            help="Title of an application that may send; repeat it. AET@HOST:PORT for one that "
            "asks for storage commitment and waits for the report there. Nobody by default.",
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="Where results go; repeat it. AET@HOST:PORT (C-STORE), dicoms://AET@HOST:PORT "
            "(by TLS), hl7://HOST:PORT, fhir+https://SERVER.",
        ),
    ] = None,
    to_url: Annotated[
        list[str] | None,
        typer.Option("--to-url", metavar="URL", help="A DICOMweb service that results go to."),
    ] = None,
    to_folder: Annotated[
        list[Path] | None,
        typer.Option("--to-folder", metavar="DIR", help="A folder that results go to."),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", metavar="DIR", help="What was received and is owed. ./pneumoscore-store"
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="PORT", help="Where it listens. 11112")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="ADDRESS", help="The loop back alone unless you say so."),
    ] = None,
    aet: Annotated[
        str | None, typer.Option("--aet", metavar="AET", help="Our title. PNEUMOSCORE")
    ] = None,
    commit: Annotated[
        bool | None,
        typer.Option("--commit", help="Ask archives to commit themselves to keep results."),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            "--report",
            metavar="CLASS",
            help="comprehensive-3d (default), comprehensive or enhanced.",
        ),
    ] = None,
    no_capture: Annotated[
        bool, typer.Option("--no-capture", help="Make no secondary captures.")
    ] = False,
    segmentation: Segmentation = False,
    fhir: Annotated[
        bool | None, typer.Option("--fhir", help="Also make a FHIR bundle (R4B) of each result.")
    ] = None,
    hl7: Annotated[
        bool | None, typer.Option("--hl7", help="Also make an HL7 v2 message of each result.")
    ] = None,
    records: Annotated[
        str | None,
        typer.Option("--records", metavar="PATH|URL", help="Also write scores to these records."),
    ] = None,
    priors: Annotated[
        str | None,
        typer.Option(
            "--priors",
            metavar="URL",
            help="A DICOMweb service: fetch each patient's films of the last 30 days from it and "
            "score them for the records; nothing is delivered for them.",
        ),
    ] = None,
    status_port: Annotated[
        int | None,
        typer.Option("--status-port", metavar="PORT", help="Answer GET /status on the loop back."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Our certificate (PEM).")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key (PEM).")
    ] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            "--tls-ca",
            metavar="FILE",
            help="Authority whose certificates clients must show (PEM).",
        ),
    ] = None,
    to_cert: ToCert = None,
    to_key: ToKey = None,
    to_ca: ToCa = None,
    keep_days: Annotated[
        float | None,
        typer.Option("--keep-days", help="Days after which delivered results are deleted. 7"),
    ] = None,
    min_free_mb: Annotated[
        int | None,
        typer.Option("--min-free-mb", help="Free space that is left on the disk. 200"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes that read films. 2")
    ] = None,
    model: ModelName = None,
    level: LevelOrSetting = None,
    threads: Threads = None,
    no_voi: NoVoi = False,
) -> None:
    """Take films over the network, score them, and deliver the results.

    C-STORE of CR, DX and Secondary Capture from the applications that --allow names; a film is
    on the disk before the sender hears of success. Results are delivered until every target has
    them, over restarts. All settings may stand in the table [listen] of the settings file, and
    some only there. Logs are JSON lines on the standard error stream, without patient data;
    SIGTERM or Ctrl-C ends it once what is at work is done.

    RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """
    from pneumoscore.pacs.errors import need

    need("pynetdicom", "highdicom")
    from pneumoscore.pacs.listener.journal import Journal, silence_libraries
    from pneumoscore.pacs.listener.listener import Listener
    from pneumoscore.pacs.listener.options import ListenOptions
    from pneumoscore.pipeline.options import ScoringOptions
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.settings import load_settings
    from pneumoscore.severity.model import SeverityModel

    targets = [*(to or []), *(to_url or []), *(str(path) for path in to_folder or [])]
    options = load_settings().section(
        "listen",
        ListenOptions,
        {
            "allow": tuple(allow) if allow else None,
            "to": tuple(targets) if targets else None,
            "store": store,
            "port": port,
            "host": host,
            "aet": aet,
            "commit": commit,
            "report": report,
            "capture": False if no_capture else None,
            "segmentation": True if segmentation else None,
            "fhir": fhir,
            "hl7": hl7,
            "records": records,
            "priors": priors,
            "status_port": status_port,
            "tls_cert": tls_cert,
            "tls_key": tls_key,
            "tls_ca": tls_ca,
            "to_cert": to_cert,
            "to_key": to_key,
            "to_ca": to_ca,
            "keep_days": keep_days,
            "min_free_mb": min_free_mb,
            "workers": workers,
        },
    )
    settings = settings_with(model=model, level=level, threads=threads)
    silence_libraries()
    scoring = ScoringOptions(
        level=settings.level,
        read=ReadOptions(voi=not no_voi),
        view=True,
        pixels=True,
    )
    opened = SeverityModel.open(settings.model, threads=settings.threads)
    listener = Listener(options, opened, scoring, Journal(sys.stderr))
    with stopped_by_signals(listener.stop):
        listener.run()
