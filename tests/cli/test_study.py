import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pneumoscore.cli.study import app
from pneumoscore.cohort.checks import CohortError

runner = CliRunner()


@pytest.fixture(scope="module")
def site(tiny_model, tmp_path_factory):
    """A site's folder: 14 films of 7 patients and their table."""
    folder = tmp_path_factory.mktemp("site")
    lines = ["file,patient,view,sex,age,geographic_extent,opacity"]
    for index in range(14):
        pixels = tiny_model.film(index, 110, 100).pixels
        Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / f"{index}.png")
        view = ("AP", "PA")[index % 2]
        lines.append(f"{index}.png,p{index // 2},{view},F,50,{index % 9},{index % 7}")
    (folder / "films.csv").write_text("\n".join(lines))
    return folder


def _run(*arguments):
    return runner.invoke(app, [str(item) for item in arguments], catch_exceptions=False)


def test_evaluate_writes_and_prints_the_same_figures(site, tiny_folder, tmp_path):
    out = tmp_path / "out"
    command = ("evaluate", "--cohort", site / "films.csv", "--model", tiny_folder, "-o", out,
               "--repeats", 100, "--threads", 1)  # fmt: skip
    result = _run(*command)
    assert result.exit_code == 0
    numbers = json.loads((out / "numbers.json").read_text())
    error = numbers["evaluations"][0]["figures"]["mae"]["value"]
    assert f"{error:.2f} [" in result.stdout
    assert "Research use only, not for medical use" in result.stdout
    first = (out / "numbers.json").read_bytes()
    assert _run(*command).exit_code == 0
    assert (out / "numbers.json").read_bytes() == first
    again = _run("evaluate", "--predictions", out / "predictions.csv", "-o", tmp_path / "again",
                 "--repeats", 100, "--against", out / "predictions.csv")  # fmt: skip
    assert again.exit_code == 0
    repeated = json.loads((tmp_path / "again" / "numbers.json").read_text())
    assert repeated["evaluations"][0]["figures"]["mae"]["value"] == pytest.approx(error, abs=1e-4)


def test_report_writes_a_page(site, tiny_folder, tmp_path):
    page = tmp_path / "r.html"
    result = _run("report", "--cohort", site / "films.csv", "--model", tiny_folder, "-o", page,
                  "--repeats", 100)  # fmt: skip
    assert result.exit_code == 0
    assert "TRIPOD+AI" in page.read_text()


def test_faults_are_named_and_can_be_left_out(site, tiny_folder, tmp_path):
    table = tmp_path / "films.csv"
    table.write_text(
        (site / "films.csv").read_text() + "\ngone.png,p9,AP,F,50,3,3\n0.png,p0,AP,F,50,11,3"
    )
    result = _run("check", "--cohort", table, "--images", site)
    assert result.exit_code == 1
    for line in ("1 x missing file", "1 x film listed twice", "1 x impossible score"):
        assert line in result.stdout
    command = ("evaluate", "--cohort", table, "--images", site, "--model", tiny_folder,
               "-o", tmp_path / "o", "--repeats", 100)  # fmt: skip
    with pytest.raises(CohortError, match="1 x missing file"):
        _run(*command)
    allowed = _run(*command, "--allow-faults")
    assert allowed.exit_code == 0
    remarks = json.loads((tmp_path / "o" / "numbers.json").read_text())["remarks"]
    assert remarks[0].startswith("3 films left out for faults")


def test_a_patient_on_both_sides_is_flagged(site, tmp_path):
    fitted = tmp_path / "fitted.csv"
    fitted.write_text("file,patient\nother.png,p3\n")
    result = _run("check", "--cohort", site / "films.csv", "--images", site, "--fitted", fitted)
    assert result.exit_code == 1
    assert "patient on both sides: 6.png, 7.png" in result.stdout
    assert _run("check", "--cohort", site / "films.csv").exit_code == 0


def test_either_a_cohort_or_predictions(site):
    assert _run("evaluate").exit_code == 2
    assert _run("agreement").exit_code == 2


@pytest.mark.shared_data
def test_published_peers_without_a_model(shared_data, tmp_path):
    result = _run("peers", "--data", shared_data, "--only-published", "-o", tmp_path,
                  "--repeats", 100)  # fmt: skip
    assert result.exit_code == 0
    assert "| BS-Net" in result.stdout
    assert (tmp_path / "peers.csv").read_text().count("\n") == 11


@pytest.mark.shared_data
@pytest.mark.slow
def test_figures_of_the_94(shared_data, tiny_folder, tmp_path):
    result = _run("figures", "--data", shared_data, "--model", tiny_folder, "--only", 2, "--only",
                  6, "-o", tmp_path, "--repeats", 100, "--threads", 1)  # fmt: skip
    assert result.exit_code == 0
    assert "geographic_extent: MAE" in result.stdout
    assert "missed" in result.stdout  # a network of random numbers is no radiologist
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert list(numbers["figures"]) == ["2", "6"]


@pytest.mark.shared_data
@pytest.mark.slow
def test_reproduce_on_the_94(shared_data, tiny_folder, tmp_path):
    result = _run("reproduce", "--data", shared_data, "--backbone", tiny_folder / "backbone.json",
                  "-o", tmp_path / "out", "--cache", tmp_path / "kept", "--threads", 1)  # fmt: skip
    assert result.exit_code == 0
    assert "1.16 ± 0.10" in result.stdout
    assert (tmp_path / "out" / "figures" / "saliency.svg").is_file()
