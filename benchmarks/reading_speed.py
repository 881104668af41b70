"""What reading no more pixels than are needed saves, and how far it moves the scores.

Processor milliseconds of one thread, the least of a few runs, for DX films of 2,500 x 3,000
(phantoms with noise) in each transfer syntax: read by default, read whole, and by pydicom with
its fastest installed decoder, as float32 after modality LUT and VOI. Then the difference of
scores between default and whole reading, on those films and on the public 94.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.phantom import PhantomSpec, render_phantom
from pneumoscore.radiograph import ReadOptions, read_radiograph
from pneumoscore.severity.model import SeverityModel
from radiograph_files import dicom_file

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
WHOLE = ReadOptions(least_side=None)
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096, "PatientOrientation": ["L", "F"]}
SYNTAXES = (
    "explicit",
    "RLE",
    "JPEG lossless SV1",
    "JPEG-LS",
    "JPEG 2000 lossless",
    "JPEG 2000",
    "HTJ2K",
    "JPEG baseline",
)


@cache
def film(seed: int) -> NDArray[np.uint16]:
    """Return a phantom of 2,500 x 3,000 pixels of 12 bits, with noise."""
    spec = PhantomSpec(seed=seed, size=3000)
    pixels = render_phantom(spec).pixels[250:2750]
    noise = np.random.default_rng(seed).normal(0, 12, pixels.shape)
    return np.clip(np.rint(pixels * 4000 + noise), 0, 4095).astype(np.uint16)


def encoded(pixels: NDArray[np.uint16], syntax: str) -> bytes:
    """Return the film as a DICOM file."""
    if syntax == "JPEG baseline":
        return dicom_file((pixels >> 4).astype(np.uint8), syntax, **window(8))
    if syntax == "HTJ2K":
        return _htj2k(pixels)
    return dicom_file(pixels, syntax, bits_stored=12, **window(12))


def window(bits: int) -> dict[str, object]:
    """Return the attributes of a window over all values of so many bits."""
    return {**WINDOW, "WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits}


def _htj2k(pixels: NDArray[np.uint16]) -> bytes:
    import imagecodecs
    from pydicom import dcmread
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    dataset = dcmread(BytesIO(dicom_file(pixels, bits_stored=12, **window(12))))
    frame = imagecodecs.htj2k_encode(pixels, reversible=True)
    dataset.PixelData = encapsulate([frame + b"\x00" * (len(frame) % 2)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.201")
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def with_pydicom(data: bytes) -> NDArray[np.float32]:
    """Read the way most scripts do."""
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    dataset = dcmread(BytesIO(data))
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    shown = np.asarray(values, dtype=np.float32)
    return (shown - shown.min()) / max(1.0, float(np.ptp(shown)))


def milliseconds(call: Callable[[], object], runs: int) -> float:
    """Return processor milliseconds of a call, the least of several."""
    least = float("inf")
    for _ in range(runs):
        start = time.process_time()
        call()
        least = min(least, time.process_time() - start)
    return 1000 * least


def print_times(runs: int) -> None:
    """Print one line for each transfer syntax."""
    print(f"{'ms of processor time':22}{'default':>9}{'whole':>9}{'pydicom':>9}")
    pixels = film(1)
    for syntax in SYNTAXES:
        data = encoded(pixels, syntax)
        ours = milliseconds(lambda data=data: read_radiograph(data), runs)
        whole = milliseconds(lambda data=data: read_radiograph(data, options=WHOLE), runs)
        try:
            theirs = f"{milliseconds(lambda data=data: with_pydicom(data), runs):9.0f}"
        except (RuntimeError, NotImplementedError):
            theirs = "        -"
        print(f"{syntax:22}{ours:9.0f}{whole:9.0f}{theirs}", flush=True)


def print_moves(name: str, sources: Iterable[bytes | Path], model: SeverityModel) -> float:
    """Print how far scores move, by scale; return the largest move."""
    moves: dict[str, list[float]] = {}
    for source in sources:
        pair = [
            model.score(read_radiograph(source, options=options), force=True)
            for options in (ReadOptions(), WHOLE)
        ]
        for item, right in zip(pair[0].scales, pair[1].scales, strict=True):
            moves.setdefault(item.scale.name, []).append(abs(item.value - right.value))
    for scale, values in moves.items():
        found = np.array(values)
        print(
            f"{name:24}{scale:20}{len(found):5}"
            f"{found.mean():9.4f}{np.percentile(found, 95):9.4f}{found.max():9.4f}",
            flush=True,
        )
    return max(max(values) for values in moves.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Print both tables; 1 if a score moves by more than 0.1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--films", type=int, default=4, help="phantoms scored in each syntax")
    parser.add_argument("--no-times", action="store_true")
    options = parser.parse_args(argv)
    if not options.no_times:
        print_times(options.runs)
    model = SeverityModel.open()
    print(f"{'moved by default reading':24}{'':20}{'n':>5}{'mean':>9}{'95 %':>9}{'most':>9}")
    worst = 0.0
    if (DATA / "cohen94").is_dir():
        worst = print_moves("the 94", sorted((DATA / "cohen94").iterdir()), model)
    for syntax in ("explicit", "JPEG 2000", "JPEG baseline"):
        films = [encoded(film(seed), syntax) for seed in range(options.films)]
        worst = max(worst, print_moves(f"DX, {syntax}", films, model))
    return int(worst > 0.1)


if __name__ == "__main__":
    sys.exit(main())
