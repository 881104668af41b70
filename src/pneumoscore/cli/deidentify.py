"""``pneumoscore deidentify``: films without what names their patients."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from pneumoscore.cli.options import new_app
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus, say, say_error
from pneumoscore.present.text import printable

__all__ = ["app"]

app = new_app()
_EPILOG = """\b
Example:
  pneumoscore pacs key site.key
  pneumoscore deidentify films/ -o shared/ --key site.key --report done.json
"""


@app.command(epilog=_EPILOG)
def deidentify(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILM...", help="DICOM films and folders of films.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the films.")],
    key: Annotated[
        Path,
        typer.Option(
            "--key",
            metavar="FILE",
            help="The site's key, made by 'pneumoscore pacs key': pseudonyms follow from it.",
        ),
    ],
    mask_edges: Annotated[
        float,
        typer.Option(
            "--mask-edges",
            min=0.0,
            max=0.4,
            metavar="SHARE",
            help="Blacken this share of rows and columns at each edge, where text is burned in.",
        ),
    ] = 0.0,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Also write, for you alone, what was done to which film (JSON).",
        ),
    ] = None,
) -> None:
    """Write films without what names their patients (PS3.15 Basic Profile).

    Every level of nesting is cleaned and private elements and overlays are removed. UIDs,
    patient ids, accession numbers and study ids become pseudonyms that follow from the key, so
    that references and series of films hold; each patient's dates move by the same days.
    Films are named by their new UIDs; of several with one UID the first is written. The output
    folder must lie outside the folders of films.
    """
    from pneumoscore.errors import PneumoScoreError
    from pneumoscore.files import write
    from pneumoscore.pacs.deidentify.film import CAVEATS
    from pneumoscore.pacs.deidentify.film import deidentify as clean
    from pneumoscore.pacs.deidentify.key import read_key
    from pneumoscore.pacs.errors import need
    from pneumoscore.pipeline.outputs import Outputs
    from pneumoscore.pipeline.walk import expand
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.radiograph.source import read_bytes

    need("dicomanonymizer")
    secret = read_key(key)
    inputs = tuple(Path(path) for path in paths if path != "-")
    _check_apart(out, inputs)
    outputs = Outputs(inputs)
    # A list names films that no argument does: they are known before anything is written.
    given = list(outputs.noting(expand(paths)))
    if report is not None:
        outputs.check(report)
    out.mkdir(parents=True, exist_ok=True)
    written: set[Path] = set()
    films: list[dict[str, Any]] = []
    with LateProgress("films") as bar:
        for found in given:
            entry: dict[str, Any] = {"file": str(found.path)}
            films.append(entry)
            try:
                if found.problem is not None:
                    raise PneumoScoreError(found.problem)
                done = clean(read_bytes(found.path, ReadOptions()), secret, mask_edges)
                target = out / f"{done.sop_instance_uid}.dcm"
                if target in written:
                    raise PneumoScoreError(
                        "the SOP Instance UID of another film of this run",
                        "one film of each",
                        "leave the wrong one out",
                    )
                write(target, done.data, inputs=inputs, read=outputs.read, overwrite=True)
                written.add(target)
            except PneumoScoreError as error:
                bar.say(f"error: {printable(found.path)}: {error}")
                entry["error"] = str(error)
                continue
            entry |= {"written": target.name, "actions": done.actions}
            if (done.burned_in or "").strip().upper() != "NO":
                entry["burned_in_text"] = f"declared {done.burned_in or 'nothing'}"
            bar.update(len(films), None)
    if not films:
        say_error(f"no films in {', '.join(paths)}; expected DICOM files")
        raise typer.Exit(ExitStatus.NOTHING_DONE)
    failed = sum("error" in entry for entry in films)
    unsure = sum("burned_in_text" in entry for entry in films)
    typer.echo(f"{len(films) - failed} films written to {printable(out)}")
    if unsure:
        typer.echo(f"{unsure} do not say that they are free of burned-in text: look at them")
    for caveat in CAVEATS:
        typer.echo(f"note: {caveat}")
    if report is not None:
        text = json.dumps(
            {
                "program": _mark(),
                "films": films,
                "mask_edges": mask_edges,
                "what_no_program_can_promise": CAVEATS,
            },
            indent=1,
        )
        with outputs.written(report, private=True) as stream:
            stream.write(text.encode("utf-8", "backslashreplace"))
    if failed:
        say(f"{failed} of {len(films)} files were not written")
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _check_apart(out: Path, inputs: Iterable[Path]) -> None:
    from pneumoscore.errors import OutputError

    for given in inputs:
        if given.is_dir() and out.resolve().is_relative_to(given.resolve()):
            raise OutputError(
                f"{out} lies in {given}, which this run reads", "a folder beside the films"
            )


def _mark() -> str:
    from pneumoscore.marks import program_mark

    return program_mark("deidentification")
