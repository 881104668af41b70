"""What the parts of a cross-validation say of films that they did not see."""

from pathlib import Path

import numpy as np
import pytest

from pneumoscore.errors import ModelError
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY, OPACITY_RALO
from training.card import figures_table
from training.out_of_fold import (
    OutOfFold,
    read_out_of_fold,
    write_held_out,
)


def _part(seed: int, count: int = 60) -> list[dict[str, str]]:
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        truth = generator.uniform(0, 8)
        read = truth + generator.normal(0, 0.1)
        for scale in (GEOGRAPHIC_EXTENT, OPACITY_RALO):
            rows.append(
                {
                    "file": f"{seed}-{index}.png",
                    "patient": f"{seed}-{index // 2}",
                    "view": "AP",
                    "source": "made",
                    "scale": scale.name,
                    "target": str(truth),
                    "prediction": str(read),
                }
            )
    return rows


def test_predictions_are_what_the_tables_hold_within_the_scale() -> None:
    found = OutOfFold([_part(1), _part(2), _part(3)]).on(GEOGRAPHIC_EXTENT)
    assert len(found.patients) == len(found.rows) == 180
    assert found.predictions.min() == 0
    stated = np.array([float(row["prediction"]) for row in found.rows])
    np.testing.assert_array_equal(found.predictions, stated.clip(0, 8))


def test_intervals_rest_on_the_other_parts_alone() -> None:
    found = OutOfFold([_part(seed) for seed in range(5)]).on(GEOGRAPHIC_EXTENT)
    inside = (found.targets >= found.lows) & (found.targets <= found.highs)
    assert 0.85 <= inside.mean() < 1
    wild = _part(9)
    for row in wild:
        row["target"] = str(8 - float(row["target"]))
    among = OutOfFold([*(_part(seed) for seed in range(4)), wild]).on(GEOGRAPHIC_EXTENT)
    own = np.array([row["file"].startswith("9-") for row in among.rows])
    inside = (among.targets >= among.lows) & (among.targets <= among.highs)
    assert inside[own].mean() < 0.4  # its own large errors widen only the others' intervals
    assert (among.highs - among.lows)[own].mean() < (among.highs - among.lows)[~own].mean() / 2


def test_the_opacity_head_on_six_is_six_eighths_of_that_on_eight() -> None:
    out_of_fold = OutOfFold([_part(1), _part(2)])
    on_six, on_eight = out_of_fold.on(OPACITY), out_of_fold.on(OPACITY_RALO)
    np.testing.assert_allclose(on_six.targets, on_eight.targets * 6 / 8)
    np.testing.assert_allclose(on_six.predictions, on_eight.predictions * 6 / 8)


def test_figures_stand_beside_the_mean_predictor() -> None:
    lines = figures_table(OutOfFold([_part(1), _part(2)]))
    extent = next(line for line in lines if line.startswith("| geographic_extent 0-8"))
    _, _, films, error, of_mean, r, _ = (cell.strip() for cell in extent.split("|"))
    assert films == "120 (60)"
    assert float(error.split()[0]) < 0.2 < 1.5 < float(of_mean)
    assert float(r.split()[0]) > 0.99
    low, high = (float(end) for end in error.split("[")[1].rstrip("]").split(","))
    assert low <= float(error.split()[0]) <= high


def test_the_table_is_written_and_absent_parts_are_named(tmp_path: Path) -> None:
    write_held_out(OutOfFold([_part(1, 3), _part(2, 3)]), tmp_path / "all.csv")
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert lines[0] == "file,patient,view,source,scale,target,prediction,low,high"
    assert len(lines) == 13
    with pytest.raises(ModelError, match="crossvalidate"):
        read_out_of_fold(tmp_path, "severity")
