from pathlib import Path

import pytest

from pneumoscore.cohort.checks import (
    CohortError,
    check_cohort,
    check_split,
    count_faults,
    refuse_faults,
)
from pneumoscore.cohort.types import Cohort, CohortFilm


def _film(folder: Path, name: str, patient: str, content: str | None, **labels: float):
    if content is not None:
        (folder / name).write_text(content)
    return CohortFilm(name, folder / name, patient, labels=labels)


def test_every_planted_fault_is_named_and_counted(tmp_path):
    films = (
        _film(tmp_path, "sound.png", "1", "one", geographic_extent=8.0, opacity=0.0),
        _film(tmp_path, "missing.png", "2", None),
        _film(tmp_path, "copy.png", "1", "one"),
        _film(tmp_path, "other.png", "3", "two"),
        _film(tmp_path, "other-again.png", "4", "two"),
        _film(tmp_path, "high.png", "5", "three", opacity=6.5),
        _film(tmp_path, "low.png", "6", "four", geographic_extent=-1.0),
        _film(tmp_path, "word.png", "7", "five", opacity=float("nan")),
        _film(tmp_path, "nobody.png", "", "six"),
        _film(tmp_path, "twice.png", "8", "seven"),
        _film(tmp_path, "twice.png", "8", "seven"),
    )
    faults = check_cohort(Cohort("planted", films))
    assert count_faults(faults) == {
        "duplicate film": 1,
        "film listed twice": 1,
        "impossible score": 3,
        "missing file": 1,
        "no patient": 1,
        "one film under two patients": 1,
    }
    by_kind = {fault.kind: fault for fault in faults}
    assert by_kind["missing file"].films == ("missing.png",)
    assert set(by_kind["one film under two patients"].films) == {"other.png", "other-again.png"}
    assert set(by_kind["duplicate film"].films) == {"sound.png", "copy.png"}
    with pytest.raises(
        CohortError, match=r"3 x impossible score \(first: high.png, opacity is 6.5"
    ):
        refuse_faults(faults, "planted")


def test_a_sound_cohort_passes(tmp_path):
    films = tuple(_film(tmp_path, f"{i}.png", str(i), str(i), opacity=i) for i in range(7))
    assert check_cohort(Cohort("sound", films)) == ()
    refuse_faults((), "sound")


def test_a_patient_on_both_sides_is_found_by_name_and_by_file(tmp_path):
    fitted = Cohort("fit", (_film(tmp_path, "a.png", "1", "x"), _film(tmp_path, "b.png", "2", "y")))
    tested = Cohort(
        "test",
        (
            _film(tmp_path, "c.png", "1", "z"),
            _film(tmp_path, "d.png", "1", "zz"),
            _film(tmp_path, "e.png", "9", "y"),
            _film(tmp_path, "f.png", "8", "new"),
        ),
    )
    faults = check_split(fitted, tested)
    assert [(fault.kind, fault.films) for fault in faults] == [
        ("patient on both sides", ("c.png", "d.png")),
        ("patient on both sides", ("e.png",)),
    ]
