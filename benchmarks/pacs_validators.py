"""Objects of films of every kind of header, as other people's programs see them.

Prints for each kind of header what dcmtk's ``dsrdump`` and dicom3tools' ``dciodvfy`` find wrong
with report, capture and segmentation, what PixelMed's ``DicomSRValidator`` finds wrong with the
report, and whether pydicom reads the numbers of the score back. A film that the gate refuses and
reports of the two older classes are further rows. Then the films and their objects are put into
an Orthanc, and patients and studies are counted before and after. What is named in docs/pacs.md is
left out: the terms of the private scheme, and LOINC 36554-4. Exits with 1 if anything is found.

Needs the extras ``pacs`` and ``dev``, dcmtk, dicom3tools, pixelmed-apps and Orthanc:
``python -m benchmarks.pacs_validators``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import Dataset

from benchmarks.pacs_films import phantom, row
from pneumoscore.pacs.objects.build import FilmObject, ObjectOptions
from pneumoscore.pacs.objects.film import FilmOutcome, ScoringTerms, score_film
from pneumoscore.pacs.objects.result import Refusal
from pneumoscore.severity.model import SeverityModel
from tests.fixtures.orthanc import Orthanc, free_port
from tests.fixtures.pacs import (
    KNOWN_FALSE_ALARM,
    dciodvfy_errors,
    expected_numbers,
    film_bytes,
    films_of_headers,
    numbered,
    report_numbers,
    validator_errors,
)

_ALL = ObjectOptions(segmentation=True, share=0.02)


def outcomes(film: Dataset, model: SeverityModel) -> Iterator[tuple[str, bytes, FilmOutcome]]:
    """Yield kind, film and objects."""
    terms = ScoringTerms(force=True)
    for kind, data in films_of_headers(film).items():
        yield kind, data, score_film(data, model, terms, _ALL)
    for number, name in ((901, "comprehensive"), (902, "enhanced")):
        data = film_bytes(numbered(film, "PHANTOM", number))
        options = ObjectOptions(name, segmentation=True, share=0.02)
        yield f"class {name}", data, score_film(data, model, terms, options)
    empty = numbered(film, "PHANTOM", 903)
    empty.PixelData = np.zeros_like(film.pixel_array).tobytes()
    data = film_bytes(empty)
    yield "refused film", data, score_film(data, model, options=_ALL)


def found(item: FilmObject, folder: Path) -> tuple[int, int | str]:
    """Return how much dcmtk and dicom3tools, and PixelMed, find wrong with an object."""
    path = folder / f"{item.kind}.dcm"
    path.write_bytes(item.data)
    errors = dciodvfy_errors(path)
    if item.kind != "report":
        return len(errors), ""
    dump = subprocess.run(["dsrdump", "-q", path], check=False, capture_output=True)
    others = [line for line in validator_errors(path) if KNOWN_FALSE_ALARM not in line]
    return len(errors) + (dump.returncode != 0), len(others)


def numbers_agree(outcome: FilmOutcome) -> bool:
    """Return whether the report's numbers are the score's, to its four decimals."""
    groups = report_numbers(outcome.objects[0].data)
    if isinstance(outcome.report.outcome, Refusal):
        return groups == [{}]
    expected = expected_numbers(outcome.report.outcome)
    return len(groups) == len(expected) and all(
        group.keys() == wanted.keys() and all(abs(group[it] - wanted[it]) < 1e-4 for it in wanted)
        for group, wanted in zip(groups, expected, strict=True)
    )


def main() -> int:
    """Check every object."""
    row("header", "objects", "dsrdump and dciodvfy", "DicomSRValidator", "numbers read back")
    row(*["---"] * 5)
    good = True
    model = SeverityModel.open("severity")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        archive = Orthanc(folder / "orthanc", free_port())
        archive.start()
        try:
            objects, further = 0, [0, 0]
            for kind, film, outcome in outcomes(phantom(), model):
                verdicts = [found(item, folder) for item in outcome.objects]
                errors, template = sum(it[0] for it in verdicts), verdicts[0][1]
                agree = numbers_agree(outcome)
                row(kind, len(outcome.objects), errors, template, "the same" if agree else "NOT")
                good &= errors == 0 and template == 0 and agree
                objects += len(outcome.objects)
                archive.put_film(film)
                counts = [len(archive.get(it)) for it in ("/patients", "/studies")]
                for item in outcome.objects:
                    archive.put_film(item.data)
                after = [len(archive.get(it)) for it in ("/patients", "/studies")]
                further = [further[at] + after[at] - counts[at] for at in (0, 1)]
            patients, studies = further
            print(f"\n{objects} objects made {patients} further patients, {studies} studies")
            good &= further == [0, 0]
        finally:
            archive.stop()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
