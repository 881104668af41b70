"""Corpus films of scored patients are found, and training leaves them out."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pneumoscore.cohort.leakage import bar_test_films
from training.corpus_copies import (
    find_corpus_copies,
    known_corpus_copies,
    without_copies,
    write_corpus_copies,
)
from training.films import CorpusRow


def _film(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (240, 240), dtype=np.uint8)
    return (
        Image.fromarray(pixels)
        .filter(ImageFilter.GaussianBlur(5))
        .point(lambda value: min(255, max(0, (value - 128) * 6 + 128)))
    )


def test_a_cut_copy_is_found_among_strangers(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    _film(1).save(tmp_path / "one.png")
    _film(2).save(tmp_path / "two.png")
    with zipfile.ZipFile(tmp_path / "corpus" / "made.zip", "w") as archive:
        for name, film in (
            ("copy.png", _film(1).crop((10, 10, 230, 230))),
            ("stranger.png", _film(3)),
        ):
            stream = io.BytesIO()
            film.save(stream, "PNG")
            archive.writestr(name, stream.getvalue())
    seen: list[tuple[int, int]] = []
    found = find_corpus_copies(
        tmp_path, "made", ["two.png", "one.png"], lambda done, count: seen.append((done, count))
    )
    assert [(copy.film, copy.like) for copy in found] == [("made/copy.png", "one.png")]
    assert found[0].correlation > 0.9
    assert seen == [(2, 2)]
    write_corpus_copies(found, tmp_path / "table.csv")
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines[0] == "film,like,correlation"
    assert lines[1].startswith("made/copy.png,one.png,0.9")


def test_listed_films_leave_an_index_and_the_rest_stays_in_order() -> None:
    listed = sorted(known_corpus_copies())[0].removeprefix("covid_adult/")
    rows = [
        CorpusRow(archive, file, frozenset(), file, "")
        for archive, file in (
            ("covid_adult", "a.jpg"),
            ("covid_adult", listed),
            ("nih", listed),
            ("covid_adult", "b.jpg"),
        )
    ]
    assert without_copies(rows) == [rows[0], rows[2], rows[3]]


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_table_lists_other_days_of_test_patients(shared_data: Path) -> None:
    barred = [
        name for name in bar_test_films(shared_data).reasons if name.startswith("cohen_other/")
    ]
    found = {copy.film for copy in find_corpus_copies(shared_data, "covid_adult", barred)}
    # Three days of one patient of the 94, seen to be the same films.
    assert {f"covid_adult/{name}.jpg" for name in ("00230", "00231", "00234")} <= found
    assert found <= known_corpus_copies()
