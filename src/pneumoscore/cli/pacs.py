"""``pneumoscore pacs``: results as DICOM objects, and what serves an archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import (
    Force,
    LevelOrSetting,
    ModelName,
    NoVoi,
    Threads,
    new_app,
    settings_with,
)
from pneumoscore.cli.pacs_options import Capture, ReportClass, Segmentation, SegmentationShare
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus, say, say_error
from pneumoscore.cli.stopping import stopped_by_signals
from pneumoscore.present.text import printable

if TYPE_CHECKING:
    from pneumoscore.pacs.outbox import Outbox
    from pneumoscore.pipeline.inbox import Inbox

__all__ = ["app"]

app = new_app("Results as DICOM objects, and what serves an archive.")
_OBJECTS_EPILOG = """\b
Example:
  pneumoscore pacs objects study/ -o results/
"""


@app.command(epilog=_OBJECTS_EPILOG)
def objects(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILM...", help="DICOM films and folders of films.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the objects.")
    ],
    report: ReportClass = "comprehensive-3d",
    capture: Capture = True,
    segmentation: Segmentation = False,
    share: SegmentationShare = 0.25,
    model: ModelName = None,
    level: LevelOrSetting = None,
    force: Force = False,
    threads: Threads = None,
    no_voi: NoVoi = False,
) -> None:
    """Write each film's structured report and secondary capture as DICOM files.

    Each object lies in the film's own study, in a series of its own. A film that the quality
    gate refuses gets a report that says so and why. Files are named by the object's UID; one
    that is there already is kept, because the same UID must not stand for other bytes.

    RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """
    from pneumoscore.errors import PneumoScoreError
    from pneumoscore.files import write_atomically
    from pneumoscore.pacs.errors import need
    from pneumoscore.pacs.objects.build import ObjectOptions
    from pneumoscore.pacs.objects.film import ScoringTerms, score_film
    from pneumoscore.pipeline.walk import expand
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.radiograph.source import read_bytes
    from pneumoscore.severity.model import SeverityModel

    need("highdicom")
    read = ReadOptions(voi=not no_voi)
    settings = settings_with(model=model, level=level, threads=threads)
    terms = ScoringTerms(settings.level, force, read)
    options = ObjectOptions(report, capture, segmentation, share=share)
    opened = SeverityModel.open(settings.model, threads=settings.threads)
    out.mkdir(parents=True, exist_ok=True)
    done = failed = 0
    with LateProgress("films") as bar:
        for found in expand(paths):
            done += 1
            try:
                if found.problem is not None:
                    raise PneumoScoreError(found.problem)
                outcome = score_film(read_bytes(found.path, read), opened, terms, options)
            except PneumoScoreError as error:
                failed += 1
                bar.say(f"error: {printable(found.path)}: {error}")
                continue
            for item in outcome.objects:
                path = out / f"{item.kind}-{item.sop_instance_uid}.dcm"
                if path.exists():
                    bar.say(f"{printable(path)} is there already and was kept")
                else:
                    write_atomically(path, item.data)
                typer.echo(f"{printable(found.path)}: {item.kind} {printable(path)}")
            bar.update(done, None)
    if done == 0:
        say_error(f"no films in {', '.join(paths)}; expected DICOM files")
        raise typer.Exit(ExitStatus.NOTHING_DONE)
    if failed:
        say(f"{failed} of {done} files have no objects")
        raise typer.Exit(ExitStatus.SOME_FAILED)


@app.command()
def key(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; it must be new.")],
) -> None:
    """Make the key that pseudonyms follow from (see 'pneumoscore deidentify').

    Only its owner can read it. Keep it apart from the films: who has it can tell which
    pseudonym belongs to which patient. It cannot be made again.
    """
    from pneumoscore.pacs.deidentify.key import make_key

    make_key(path)
    typer.echo(f"{printable(path)}: a new key")


def _opened(store: Path) -> tuple[Inbox, Outbox]:
    from pneumoscore.errors import PneumoScoreError
    from pneumoscore.pacs.outbox import Outbox
    from pneumoscore.pipeline.inbox import Inbox

    if not (store / "inbox").is_dir():
        raise PneumoScoreError(f"{store} is no listener's store", "the folder of --store")
    return Inbox(store / "inbox"), Outbox(store / "outbox")


Store = Annotated[Path, typer.Argument(metavar="STORE", help="The listener's --store.")]


@app.command()
def status(store: Store) -> None:
    """Print how a listener's store stands, as JSON: counts, ages, failures by reason."""
    import json

    from pneumoscore.pacs.listener.status import store_status

    inbox, outbox = _opened(store)
    typer.echo(json.dumps(store_status(inbox, outbox, store), indent=1))


@app.command()
def dead(
    store: Store,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try them all again, from the beginning.")
    ] = False,
) -> None:
    """List the films and deliveries that were given up, each with its reason.

    A film that was given up lies in the store until its time is over, with its reason in a
    file beside it.
    """
    from pneumoscore.pacs.listener.work import reason_file
    from pneumoscore.pipeline.inbox import State

    inbox, outbox = _opened(store)
    for entry in list(inbox.entries(State.DEAD)):
        typer.echo(f"film {entry.path}: {printable(entry.error or 'unknown')}")
        if retry:
            reason_file(entry.path).unlink(missing_ok=True)
            inbox.revive(entry.id)
    for reason, count in outbox.failures().items():
        typer.echo(f"{count} deliveries: {printable(reason)}")
    if retry:
        typer.echo(f"{outbox.revive()} deliveries are owed again")


@app.command()
def route(
    orthanc: Annotated[
        str, typer.Argument(metavar="URL", help="Orthanc's REST interface: http://127.0.0.1:8042")
    ],
    modality: Annotated[
        str, typer.Option("--modality", help="The listener among Orthanc's DicomModalities.")
    ],
    state: Annotated[
        Path,
        typer.Option("--state", metavar="FILE", help="Keeps the number of the last change."),
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Go once through what is there, and stop.")
    ] = False,
) -> None:
    """Send each CR and DX film that comes into an Orthanc to the listener.

    Follows Orthanc's change log and repeats until a film is taken, so that none is lost while
    the listener is away; Orthanc's own Lua routing loses it. A film that the listener refuses
    is put aside and tried again for a day, while the others go on. If Orthanc asks for a name
    and password, put them into ~/.netrc.
    """
    import threading

    from pneumoscore.pacs.errors import need

    need("requests")
    from pneumoscore.pacs.orthanc import Router, RouterOptions

    stop = threading.Event()
    router = Router(RouterOptions(orthanc, modality, state))
    with stopped_by_signals(stop.set):
        router.run(stop, once=once)
    typer.echo(f"{router.sent} films sent, {router.aside} put aside, {router.given_up} given up")
