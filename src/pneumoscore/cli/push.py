"""``pneumoscore push``: DICOM files to an archive by DICOMweb."""

from __future__ import annotations

from typing import Annotated

import typer

from pneumoscore.cli.options import new_app
from pneumoscore.cli.pacs_web_options import Url
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus, say
from pneumoscore.present.text import printable

__all__ = ["app"]

app = new_app()


@app.command()
def push(
    url: Url,
    paths: Annotated[list[str], typer.Argument(metavar="FILE...", help="DICOM files.")],
) -> None:
    """Store DICOM files in an archive (STOW-RS).

    A file counts as stored only if its own UID stands in the archive's answer.
    """
    from pathlib import Path

    from pneumoscore.errors import PneumoScoreError
    from pneumoscore.pacs.errors import need
    from pneumoscore.pacs.objects.header import read_header
    from pneumoscore.pacs.targets import Parcel
    from pneumoscore.pacs.targets.web import StowTarget

    need("requests")
    target = StowTarget(url)
    failed = 0
    with LateProgress("files") as bar:
        for number, text in enumerate(paths, start=1):
            path = Path(text)
            try:
                header = read_header(path.read_bytes())
                uid = str(header.get("SOPInstanceUID", "") or "")
                if not uid:
                    raise PneumoScoreError("no SOP Instance UID", "a DICOM file")
                (sent,) = target.send(
                    [Parcel(uid, "report", str(header.get("SOPClassUID", "")), path)]
                )
                if sent.error is not None:
                    raise PneumoScoreError(sent.error)
            except (PneumoScoreError, OSError) as error:
                failed += 1
                bar.say(f"error: {printable(text)}: {error}")
            bar.update(number, len(paths))
    typer.echo(f"{len(paths) - failed} of {len(paths)} files stored")
    if failed:
        say(f"{failed} files were not stored")
        raise typer.Exit(ExitStatus.SOME_FAILED)
