import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from pneumoscore.cli.study import app
from pneumoscore.cohort.tables import read_table
from pneumoscore.errors import CohortError, UnreadableFileError
from pneumoscore.files import sha256_of

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


def test_the_page_names_every_command_and_option():
    page = (Path(__file__).parents[2] / "docs" / "study.md").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():
        assert f"`study {name}`" in page
        options = {option for parameter in command.params for option in parameter.opts}
        assert not [o for o in options if o.startswith("--") and o not in page and o != "--help"]


def test_either_a_cohort_or_predictions(site):
    assert _run("evaluate").exit_code == 2
    assert _run("agreement").exit_code == 2


def test_films_that_taught_the_model_are_named(site, tiny_folder, tmp_path):
    """By their names in public collections, or by what is in their files."""
    taught = tmp_path / "taught"
    shutil.copytree(tiny_folder, taught)
    form = json.loads((taught / "model.json").read_text())
    form["seen"] = {"files": [sha256_of(site / "3.png")], "names": ["7", "unknown"]}
    (taught / "model.json").write_text(json.dumps(form))
    command = ("evaluate", "--cohort", site / "films.csv", "-o", tmp_path / "o", "--repeats", 100,
               "--threads", 1)  # fmt: skip
    assert "2 of 14 films taught this model" in _run(*command, "--model", taught).stderr
    remarks = json.loads((tmp_path / "o" / "numbers.json").read_text())["remarks"]
    assert remarks[0].startswith("WARNING: 2 of 14 films")
    assert "taught this model" not in _run(*command, "--model", tiny_folder).stderr


def test_labels_without_a_head_are_said_to_be_left_out(site, tiny_folder, tmp_path):
    table = tmp_path / "films.csv"
    rows = (site / "films.csv").read_text().splitlines()
    table.write_text("\n".join([rows[0] + ",opacity_ralo", *(row + ",4" for row in rows[1:])]))
    (tmp_path / "map.json").write_text('{"outcomes": {"death": "died"}}')
    command = ("evaluate", "--images", site, "--model", tiny_folder, "-o", tmp_path / "o",
               "--repeats", 100, "--threads", 1)  # fmt: skip
    for mapping in ((), ("--mapping", "torchxrayvision")):
        if mapping:
            table.write_text(table.read_text().replace("file,patient", "filename,patientid"))
        found = _run(*command, "--cohort", table, *mapping)
        assert "14 labels on opacity_ralo are not evaluated" in found.stderr
        assert "14 films" in found.stdout or "| 14 " in found.stdout
    bare = tmp_path / "bare.csv"
    bare.write_text("file,patient,died\n" + "\n".join(f"{i}.png,p{i},{i % 2}" for i in range(14)))
    found = _run(*command, "--cohort", bare, "--mapping", tmp_path / "map.json")
    assert "only outcomes are evaluated" in found.stderr


@pytest.fixture
def clones(shared_data, tmp_path):
    """The public repositories as an outsider clones them, made from the shared tables."""
    collection, peers = tmp_path / "covid-chestxray-dataset", tmp_path / "covid-severity" / "data"
    (collection / "annotations").mkdir(parents=True)
    peers.mkdir(parents=True)
    (collection / "images").symlink_to(shared_data / "cohen94")
    shutil.copy(shared_data / "cohen_metadata.csv", collection / "metadata.csv")
    labels = read_table(shared_data / "cohen94.csv")
    columns = ("filename", "geographic_mean", "opacity_mean")
    _write(
        collection / "annotations" / "covid-severity-scores.csv",
        ["## COVID-19 Pneumonia Severity Scores", ",".join(columns)],
        (",".join(row[column] for column in columns) for row in labels),
    )
    scores = read_table(shared_data / "peers94.csv")
    for name, word in (("covidnet-s", "covidnet_s"), ("covidnet-sev", "covidnet_sev")):
        found = [f"{word}_geographic_0_8", f"{word}_opacity_0_8"]
        _write(
            peers / f"{name}-cidc.csv",
            ["###,fname,geo,opacity"],
            (f"###,{row['filename']}, {row[found[0]]}, {row[found[1]]}" for row in scores),
        )
    for name, head, column in (
        ("bsnet-singlemodel", "brixia", "bsnet_brixia_0_18"),
        ("pxs", "pxs", "pxs"),
    ):
        rows = (f"{row['filename']}, {row[column]}" for row in scores if row[column])
        _write(peers / f"{name}-cidc.csv", [f"fname,{head}"], rows)
    return collection, peers


def _write(path, head, rows):
    path.write_text("\n".join([*head, *rows]) + "\n")


@pytest.mark.shared_data
def test_peers_from_public_clones_are_those_of_the_shared_tables(shared_data, clones, tmp_path):
    collection, published = clones
    common = ("peers", "--only-published", "--repeats", 100)
    ours = _run(*common, "--data", shared_data, "-o", tmp_path / "one")
    brixia = shutil.copy(shared_data / "brixia.csv", tmp_path / "public-annotations.csv")
    theirs = _run(*common, "--data", collection, "--published", published, "--brixia", brixia,
                  "-o", tmp_path / "two")  # fmt: skip
    assert ours.exit_code == theirs.exit_code == 0
    assert "| BS-Net" in theirs.stdout
    assert "ours" not in theirs.stdout.lower()
    table = (tmp_path / "two" / "peers.csv").read_text()
    assert table == (tmp_path / "one" / "peers.csv").read_text()
    assert table.count("\n") == 13
    assert "junior radiologist" in table


@pytest.mark.shared_data
def test_a_clone_without_a_scored_film_is_refused(clones):
    collection, _ = clones
    rows = (collection / "metadata.csv").read_text().splitlines(keepends=True)
    kept = [row for row in rows if "nejmc2001573_f1a.jpeg" not in row]
    (collection / "metadata.csv").write_text("".join(kept))
    with pytest.raises(UnreadableFileError, match="nejmc2001573_f1a"):
        _run("peers", "--only-published", "--data", collection)


@pytest.mark.shared_data
@pytest.mark.slow
def test_reproduce_from_a_clone_and_from_the_shared_tables(
    shared_data, clones, tiny_folder, tmp_path
):
    common = ("reproduce", "--backbone", tiny_folder / "backbone.json", "--cache",
              tmp_path / "kept", "--threads", 1)  # fmt: skip
    result = _run(*common, "--data", shared_data, "-o", tmp_path / "one")
    assert result.exit_code == 0
    assert "1.16 ± 0.10" in result.stdout
    assert _run(*common, "--data", clones[0], "-o", tmp_path / "two").exit_code == 0
    one, two = (tmp_path / name / "tables.md" for name in ("one", "two"))
    assert one.read_text() == two.read_text()
    assert (tmp_path / "one" / "plots" / "saliency.svg").is_file()
