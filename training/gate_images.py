"""Images that teach the quality gate what is no frontal chest radiograph."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscore.cohort.tables import read_table
from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.view import CHILD, FRONTAL
from training.films import CorpusRow, read_corpus_index
from training.leakage import BarredFilms, one_person, people_of_films

__all__ = ["GateImage", "fits_gate", "gate_corpus", "gate_images", "gate_patients"]

_NOT_A_CHEST = "not_a_chest_radiograph"
_FILM_FOLDERS = ("scored", "cohen_other", "hannover")
_CORPUS_EVERY = {"nih": 6, "rsna_normal": 20, "covid_adult": 8, "pediatric": 20, "tbx11k": 8}


@dataclass(frozen=True, slots=True, eq=False)
class GateImage:
    """One image and its class.

    Attributes
    ----------
    radiograph : Radiograph
        Pixels.
    view : str
        Of `pneumoscore.severity.view.VIEW_CLASSES`.
    patient : str
        Keeps images of one patient on one side of a split.
    familiar : bool
        Whether it is an untouched frontal film of adults.
    """

    radiograph: Radiograph
    view: str
    patient: str
    familiar: bool = False


def fits_gate(patient: str) -> bool:
    """Tell whether a patient's lateral films and CT slices fit the gate or measure it."""
    return hashlib.sha256(f"pneumoscore gate {patient}".encode()).digest()[0] % 2 == 0


def gate_corpus(rows: Sequence[CorpusRow], archive: str) -> list[CorpusRow]:
    """Return the films of a corpus archive that fit the gate, in order."""
    every = _CORPUS_EVERY[archive]
    return [row for row in rows if row.archive == archive][::every]


def _variants(
    film: Radiograph, patient: str, usual: str, generator: np.random.Generator
) -> Iterator[GateImage]:
    """Yield a film and one wrong version of it, each kind in turn; `usual` is its own class."""
    yield GateImage(film, usual, patient, familiar=usual == FRONTAL)
    pixels = film.pixels
    kind = int(generator.integers(5))
    if kind <= 1:
        turned = np.rot90(pixels, 1 if generator.random() < 0.5 else 3)
        yield GateImage(Radiograph(np.ascontiguousarray(turned)), "rotated_90", patient)
    elif kind == 2:
        yield GateImage(
            Radiograph(np.ascontiguousarray(pixels[::-1, ::-1])), "rotated_180", patient
        )
    elif kind == 3:
        yield GateImage(Radiograph(1 - pixels), "inverted", patient)
    else:
        gamma = float(np.exp(generator.uniform(-0.3, 0.3)))
        yield GateImage(Radiograph(pixels**gamma), usual, patient)


def gate_patients(data: Path) -> dict[str, str]:
    """Return whose each film is: one name for a person, whatever folder the films lie in.

    Parameters
    ----------
    data : Path
        Data folder.

    Returns
    -------
    dict of str to str
        By path below the data folder, or ``archive/file`` of the corpus.
    """
    people = people_of_films(data)
    for row in read_corpus_index(data / "corpus" / "index.csv"):
        people.setdefault(f"{row.archive}/{row.file}", set()).add(f"corpus {row.patient}")
    for view in read_table(data / "other_views.csv"):
        people.setdefault(f"other_views/{view['file']}", set()).add(f"patient {view['patientid']}")
    first = one_person(people)
    return {name: first[min(own)] if own else name for name, own in people.items()}


def _films(
    data: Path, barred: BarredFilms, patients: Mapping[str, str]
) -> Iterator[tuple[Radiograph, str, str]]:
    for folder in _FILM_FOLDERS:
        for path in sorted((data / folder).iterdir()):
            name = f"{folder}/{path.name}"
            if name not in barred:
                # Its copies cannot be read again with more pixels, so it must not be either.
                yield replace(read_radiograph(path)), patients[name], FRONTAL


def _corpus(
    data: Path, barred: BarredFilms, patients: Mapping[str, str]
) -> Iterator[tuple[Radiograph, str, str]]:
    import zipfile

    every = read_corpus_index(data / "corpus" / "index.csv")
    rows = [row for row in every if f"{row.archive}/{row.file}" not in barred]
    for archive in _CORPUS_EVERY:
        with zipfile.ZipFile(data / "corpus" / f"{archive}.zip") as files:
            for row in gate_corpus(rows, archive):
                usual = CHILD if row.patient.startswith("ped-") else FRONTAL
                patient = patients[f"{row.archive}/{row.file}"]
                yield read_radiograph(files.read(row.file)), patient, usual


def _copies(pixels: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield an image with other tones, mirrored and cut: there are few of a kind."""
    yield from (pixels, pixels[:, ::-1], pixels**0.7, pixels**1.4, pixels[::-1], 1 - pixels)
    yield np.pad(pixels, [(length // 6, length // 6) for length in pixels.shape])
    rows, columns = (length // 8 for length in pixels.shape)
    yield pixels[rows:-rows, columns:-columns]
    yield pixels[rows:, ::-1]
    yield pixels[:-rows, columns:]
    yield pixels[:, :-columns] ** 0.8


def _other_views(
    data: Path, barred: BarredFilms, patients: Mapping[str, str]
) -> Iterator[GateImage]:
    for row in read_table(data / "other_views.csv"):
        name = f"other_views/{row['file']}"
        if name in barred or not fits_gate(row["patientid"]) or not (data / name).is_file():
            continue
        film = read_radiograph(data / name)
        view = "lateral" if row["modality"] == "X-ray" else _NOT_A_CHEST
        for pixels in _copies(film.pixels):
            copy = Radiograph(np.ascontiguousarray(pixels))
            yield GateImage(copy, view, patients[name])


def _shapes(generator: np.random.Generator, size: int) -> NDArray[np.float32]:
    rows, columns = np.mgrid[0:size, 0:size] / size
    image = np.full((size, size), generator.random(), dtype=np.float64)
    for _ in range(int(generator.integers(2, 14))):
        y, x, height, width, value, kind = generator.random(6)
        if kind < 0.5:
            inside = ((rows - y) / (0.05 + height / 2)) ** 2 + (
                (columns - x) / (0.05 + width / 2)
            ) ** 2 < 1
        else:
            inside = (abs(rows - y) < height / 3) & (abs(columns - x) < width / 3)
        image[inside] = value
    return np.asarray(image, dtype=np.float32)


def _fractal(generator: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Noise whose spectrum falls as that of natural scenes does."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1 / size
    spectrum = np.fft.rfft2(generator.standard_normal((size, size)))
    image = np.fft.irfft2(spectrum / frequency ** generator.uniform(0, 2), s=(size, size))
    scaled = (image - image.min()) / (np.ptp(image) + 1e-9)
    return np.asarray(scaled, dtype=np.float32)


def _stripes(generator: np.random.Generator, size: int) -> NDArray[np.float32]:
    rows, columns = np.mgrid[0:size, 0:size] / size
    angle, period = generator.uniform(0, np.pi), generator.uniform(2, 40)
    wave = np.sin(2 * np.pi * period * (rows * np.sin(angle) + columns * np.cos(angle)))
    if generator.random() < 0.5:
        wave = np.sign(wave)
    return np.asarray(0.5 + 0.5 * wave, dtype=np.float32)


def _page(generator: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Dark marks in lines on white paper, as a scanned letter."""
    image = np.full((size, size), 0.95, dtype=np.float32)
    for top in range(10, size - 10, int(generator.integers(8, 16))):
        at = 12
        while at < size - 20:
            length = int(generator.integers(2, 14))
            image[top : top + 5, at : at + length] = generator.uniform(0, 0.4)
            at += length + int(generator.integers(2, 5))
    return image


def _made_images(count: int, generator: np.random.Generator) -> Iterator[GateImage]:
    makers = (_shapes, _fractal, _stripes, _page, _fractal, _shapes)
    for index in range(count):
        image = makers[index % len(makers)](generator, 224)
        if generator.random() < 0.5:
            other = makers[int(generator.integers(len(makers)))](generator, 224)
            weight = generator.uniform(0.2, 0.8)
            image = (weight * image + (1 - weight) * other).astype(np.float32)
        if generator.random() < 0.3:
            gradient = np.linspace(0, 1, 224, dtype=np.float32)[None]
            image = 0.4 * image + 0.6 * (gradient if generator.random() < 0.5 else gradient.T)
        yield GateImage(Radiograph(np.clip(image, 0, 1)), _NOT_A_CHEST, f"made {index}")


def _phantoms(count: int, generator: np.random.Generator) -> Iterator[GateImage]:
    """Yield phantoms, clear to white: of such lungs the public films hold few."""
    for index in range(count):
        right, left = (
            LungDisease(float(extent), float(generator.uniform(0.1, 1)))
            for extent in generator.uniform(0, 1, 2)
        )
        view: Literal["PA", "AP"] = "AP" if index % 3 == 0 else "PA"
        spec = PhantomSpec(right, left, seed=1000 + index, size=512, view=view)
        yield GateImage(Radiograph(render_phantom(spec).pixels), FRONTAL, f"phantom {index}")


def _shuffled(film: Radiograph, patient: str, generator: np.random.Generator) -> GateImage:
    """Quarter a film and swap the quarters: the right texture, the wrong anatomy."""
    image = Image.fromarray(film.pixels).resize((224, 224), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    shift = generator.integers(70, 154, 2)
    rolled = np.roll(pixels, tuple(int(v) for v in shift), (0, 1))
    return GateImage(Radiograph(np.clip(rolled, 0, 1)), _NOT_A_CHEST, patient)


def _side_by_side(
    one: Radiograph, other: Radiograph, patient: str, generator: np.random.Generator
) -> GateImage:
    """Put two films, or a film twice, into one picture: beside or below each other."""
    second = one if generator.random() < 0.3 else other
    halves = []
    for film in (one, second):
        image = Image.fromarray(film.pixels)
        wide = round(256 * min(2.0, max(0.5, film.columns / film.rows)))
        halves.append(np.asarray(image.resize((wide, 256), Image.Resampling.BILINEAR)))
    gap = np.full((256, int(generator.integers(0, 24))), float(generator.random() < 0.3))
    if generator.random() < 0.8:
        pixels = np.concatenate([halves[0], gap, halves[1]], axis=1)
    else:
        wide = min(half.shape[1] for half in halves)
        pixels = np.concatenate([half[:, :wide] for half in halves])
    pixels = np.ascontiguousarray(np.clip(pixels, 0, 1), dtype=np.float32)
    return GateImage(Radiograph(pixels), _NOT_A_CHEST, patient)


def gate_images(data: Path, barred: BarredFilms, seed: int = 0) -> Iterator[GateImage]:
    """Yield frontal films, spoilt films, lateral films, CT slices and made images.

    Parameters
    ----------
    data : Path
        Data folder.
    barred : BarredFilms
        Films of test patients, left out.
    seed : int, optional
        Of everything random.
    """
    generator = np.random.default_rng(seed)
    before: Radiograph | None = None
    patients = gate_patients(data)
    given = chain(_films(data, barred, patients), _corpus(data, barred, patients))
    for film, patient, usual in given:
        yield from _variants(film, patient, usual, generator)
        if generator.random() < 0.06:
            yield _shuffled(film, patient, generator)
        if before is not None and generator.random() < 0.12:
            yield _side_by_side(before, film, patient, generator)
        before = film
    yield from _other_views(data, barred, patients)
    yield from _made_images(400, generator)
    yield from _phantoms(80, np.random.default_rng(seed + 1))
