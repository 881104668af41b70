"""Make the pictures of the documents from phantoms: table, explained film, pages.

``python docs/make_pictures.py`` runs ``pneumoscore demo`` in a temporary folder and writes
``docs/pictures/{table,explain,page,timeline}.png``; with ``--data ../shared/data`` also
``report.png``, the report of the default model on the 94 films. Needs Chromium and the extras
``monitor`` and ``study``. No picture shows a person.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
import tempfile
from pathlib import Path

PICTURES = Path(__file__).resolve().parent / "pictures"
TABLE_COLUMNS = 80


def show(page: Path, name: str, width: int, height: int) -> None:
    """Write what Chromium shows of a local page as one of the pictures."""
    from pneumoscore.present.browser import find_chromium, screenshot

    browser = find_chromium()
    if browser is None:
        raise SystemExit("error: no Chromium found; on Debian: apt-get install chromium")
    screenshot(page, PICTURES / name, browser, width, height)


def picture_of_table(films: list[Path], folder: Path, model: str | None) -> None:
    """Draw the table that ``pneumoscore score`` prints for the films."""
    from rich.console import Console
    from rich.text import Text

    from pneumoscore.cli.table import TableRow, table_lines
    from pneumoscore.radiograph.read import read_radiograph
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.severity.score import Score

    opened = SeverityModel.open(model)
    rows = []
    for film in films:
        (result,) = opened.score_many([read_radiograph(film)])
        score = result if isinstance(result, Score) else None
        rows.append(TableRow(film.as_posix(), score, result.flags))
    console = Console(record=True, width=TABLE_COLUMNS, file=io.StringIO())
    console.print(Text(f"$ pneumoscore score {folder.name}", style="bold"))
    for line in table_lines(rows, TABLE_COLUMNS):
        console.print(Text(line))
    svg = console.export_svg(title="pneumoscore")
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)  # no font from the network
    width, height = (float(side) for side in re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups())
    drawing = folder / "table.html"
    drawing.write_text(f'<body style="margin:0">{svg}</body>', encoding="utf-8")
    show(drawing, "table.png", int(width), int(height))


def picture_of_timeline(films: list[Path], folder: Path, model: list[str]) -> int:
    """Draw the page of the synthetic patient's timeline; return an exit status."""
    from pneumoscore.cli import main as pneumoscore
    from pneumoscore.radiograph.read import read_radiograph

    records = ["--records", str(folder / "records.db")]
    patient = str(read_radiograph(films[0]).metadata.patient_id)
    page = folder / "timeline.html"
    for command in (
        ["import", *map(str, films), *records, *model],
        ["event", patient, "admission", "2026-01-01 07:00", *records],
        ["event", patient, "icu_admission", "2026-01-03", *records],
        ["timeline", patient, "-o", str(page), *records],
    ):
        if status := pneumoscore(["patient", *command]):
            return status
    show(page, "timeline.png", 1100, 1000)
    return 0


def picture_of_report(data: Path, folder: Path, model: list[str]) -> int:
    """Draw the report of a model on the 94 films; return an exit status."""
    from pneumoscore.cli import main as pneumoscore

    page = folder / "report.html"
    named = ["--cohort", "cohen94", "--data", str(data)]
    if status := pneumoscore(["study", "report", *named, "-o", str(page), *model]):
        return status
    show(page, "report.png", 1100, 2050)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Write the pictures."""
    from pneumoscore.cli import main as pneumoscore

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the public films, for the report")
    parser.add_argument("--only-report", action="store_true", help="leave the others as they are")
    parser.add_argument("--model", help="severity model; by default the built-in one")
    options = parser.parse_args(argv)
    if options.model and Path(options.model).is_dir():
        options.model = str(Path(options.model).resolve())
    model = ["--model", options.model] if options.model else []
    if options.only_report and options.data is None:
        parser.error("--only-report needs --data")
    data = None if options.data is None else options.data.resolve()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        folder = Path("demo")  # relative, as the pictures show the names
        if data is not None:
            status = picture_of_report(data, Path(temporary), model)
            if status or options.only_report:
                return status
        if status := pneumoscore(["demo", str(folder), *model]):
            return status
        films = sorted(folder.rglob("*.dcm"))
        picture_of_table(films, folder, options.model)
        worst = films[len(films) // 2]
        explained = ["explain", str(worst), "-o", str(PICTURES / "explain.png"), "--force"]
        explained += ["--overwrite", *model]
        if status := pneumoscore(explained):
            return status
        show(folder / "index.html", "page.png", 1100, 900)
        return picture_of_timeline(films, folder, model)


if __name__ == "__main__":
    sys.exit(main())
