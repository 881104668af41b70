"""Where the processor's time goes on the way of one large film from its bytes to its score.

Milliseconds of processor time of one thread, the least of some repetitions, for a DX film of
2,500 x 3,000 in each transfer syntax. Beside the stages that follow one another stands what is
part of them. Example:

    python benchmarks/reading_stages.py --syntax explicit "JPEG lossless SV1" "JPEG 2000 lossless"
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence

from pneumoscore.backbone.lungs import outline
from pneumoscore.radiograph import ReadOptions, read_radiograph
from pneumoscore.radiograph.borders import trimmed
from pneumoscore.radiograph.dicom import read_dicom
from pneumoscore.radiograph.notices import notices_of
from pneumoscore.radiograph.prepare import prepare, whole_film
from pneumoscore.severity.model import SeverityModel
from reading_speed import encoded, film, milliseconds

SYNTAXES = ("explicit", "JPEG lossless SV1", "JPEG 2000 lossless")


def main(argv: Sequence[str] | None = None) -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--syntax", nargs="+", default=SYNTAXES)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(argv)
    model = SeverityModel.open(threads=1)
    columns = [stages(model, encoded(film(1), syntax)) for syntax in options.syntax]
    print("|", " | ".join(["ms of processor time", *options.syntax]), "|")
    print("|" + "---|" * (len(columns) + 1))
    for name in columns[0]:
        cells = [f"{milliseconds(column[name], options.runs):.1f}" for column in columns]
        print("|", " | ".join([name, *cells]), "|", flush=True)
    return 0


def stages(model: SeverityModel, data: bytes) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name."""
    options = ReadOptions()
    stored, _ = read_dicom(data, options)
    radiograph = read_radiograph(data)
    prepared = model.preparation(radiograph)
    pixels, spec = radiograph.pixels, model.preparation.input
    frame = whole_film(radiograph)
    return {
        "hash of the file": lambda: hashlib.sha256(data).hexdigest(),
        "read": lambda: read_radiograph(data),
        "- of it decode, reduce, VOI": lambda: read_dicom(data, options),
        "- of it borders": lambda: trimmed(stored),
        "- of it what stands out": lambda: notices_of(pixels),
        "hash of the pixels, for records": radiograph.digest,
        "prepare": lambda: model.preparation(radiograph),
        "- of it one outline of the lungs, of two": lambda: outline(radiograph, frame),
        "- of it the network's input": lambda: prepare(radiograph, spec, frame),
        "network": lambda: model.score_prepared([prepared], force=True),
    }


if __name__ == "__main__":
    raise SystemExit(main())
