"""The other commands, and the root."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

import pneumoscore
from pneumoscore.cli import main
from pneumoscore.cli.app import COMMANDS
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import PixelRange, Squaring
from pneumoscore.severity.score import RESEARCH_NOTICE

Run = Callable[..., Any]


def test_version_and_help(run: Run) -> None:
    assert run("--version").out == f"pneumoscore {pneumoscore.__version__}\n"
    help_text = run("--help")
    assert help_text.status == 0
    for name, command in COMMANDS.items():
        assert name in help_text.out
        assert command.summary in help_text.out
        assert import_module(command.module).app is not None
    assert "NOT FOR MEDICAL USE" in help_text.out


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(run: Run, name: str) -> None:
    outcome = run(name, "--help")
    assert outcome.status == 0
    assert f"Usage: pneumoscore {name}" in outcome.out


# Packages that come with extras: nothing of them may be needed for help.
BARE = """
import sys, typer
from pneumoscore.cli import main
from pneumoscore.cli.app import app

EXTRAS = set(sys.argv[1].split(","))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())

def walk(command, path):
    yield path
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from walk(command.get_command(None, name), [*path, name])

for path in walk(typer.main.get_command(app), []):
    status = main([*path, "--help"])
    print("STATUS", status, *path, file=sys.stderr)
print("STATUS", main(["patient", "ward"]), "ward", file=sys.stderr)
"""
EXTRAS = (
    "sqlalchemy,alembic,pg8000,matplotlib,scipy,pandas,sklearn,torch,onnx,pyarrow,fsspec,ray,"
    "pynetdicom,highdicom,dicomweb_client,fhir,dicomanonymizer,fastapi,uvicorn,imagecodecs"
)


def test_every_command_has_help_without_its_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BARE, EXTRAS], capture_output=True, text=True, check=True
    )
    said = done.stderr.splitlines()
    lines = [line.split() for line in said if line.startswith("STATUS")]
    assert len(lines) > 30
    assert [line for line in lines if line[1] != "0"] == [["STATUS", "3", "ward"]]
    assert "pip install 'pneumoscore[monitor]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_shell_completes_commands() -> None:
    environment = {
        **os.environ,
        "_PNEUMOSCORE_COMPLETE": "complete_bash",
        "COMP_WORDS": "pneumoscore sc",
        "COMP_CWORD": "1",
    }
    code = "import sys; from pneumoscore.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["score"]


def without_home(home: str | None, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command for a user that the system does not know."""
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    environment = {**kept, **more} if home is None else {**kept, **more, "HOME": home}
    code = (
        "import os, sys; os.getuid = lambda: 54321; "
        "from pneumoscore.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("home", [None, "/nonexistent", "/proc", "/dev/null"])
def test_scoring_needs_no_home(home: str | None, film: Path) -> None:
    done = without_home(home, "score", str(film), "--force")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_home_that_has_no_sense_is_wrong_usage_and_none_is_needed_to_list(
    film: Path, tmp_path: Path
) -> None:
    for variable in ("PNEUMOSCORE_HOME", "PNEUMOSCORE_SETTINGS"):
        done = without_home(None, "score", str(film), **{variable: "~no-such-user/x"})
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {variable}: '~no-such-user/x'; expected a path")
    settings = tmp_path / "s.toml"
    settings.write_text("home = 5")
    done = without_home(None, "model", "list", PNEUMOSCORE_SETTINGS=str(settings))
    assert (done.returncode, done.stderr) == (2, f"error: {settings}:1: 5; expected a path\n")
    assert "built in" in without_home("/dev/null", "model", "list").stdout
    done = without_home(None, "patient", "check")
    assert (done.returncode, "set PNEUMOSCORE_HOME" in done.stderr) == (2, True)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes descriptors")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_borne(
    closed: str, film: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    code = "import sys; from pneumoscore.cli import main; sys.exit(main())"
    csv = tmp_path / "out.csv"
    command = f"'{sys.executable}' -c '{code}' score '{film}' --model '{tiny_folder}' --csv '{csv}'"
    done = subprocess.run(f"{command} {closed}", shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert csv.read_text().startswith("file,")


@pytest.mark.skipif(os.name == "nt", reason="needs pipes as POSIX has them")
@pytest.mark.parametrize("words", [["--version"], ["score"], ["score", "--json"]])
def test_a_reader_that_goes_away_is_told_by_the_status(
    words: list[str], film: Path, tiny_folder: Path
) -> None:
    if "score" in words:
        words = [*words, str(film), "--model", str(tiny_folder)]
    code = "import sys; from pneumoscore.cli import main; sys.exit(main())"
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_unknown_command_is_wrong_usage(run: Run) -> None:
    outcome = run("no-such-command")
    assert outcome.status == 2
    assert "no-such-command" in outcome.err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from pneumoscore.cli import main; main(['--help']); "
        "print(*(name for name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert not loaded & {"numpy", "onnxruntime", "PIL", "pydicom", "rich", "pydantic"}


def test_scoring_a_png_as_json_loads_no_more_than_it_needs(film: Path, tiny_folder: Path) -> None:
    code = (
        "import sys; from pneumoscore.cli import main; "
        "main(['score', '--json', sys.argv[1], '--model', sys.argv[2]]); "
        "print(*(name for name in sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, str(film), str(tiny_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["file"] == str(film)
    loaded = set(done.stderr.split())
    assert "onnxruntime" in loaded
    heavy = {"pydicom", "gdcm", "rich", "torch", "onnx", "scipy", "sklearn", "pandas", "matplotlib"}
    assert not loaded & heavy


def test_explain_draws_a_picture(run: Run, film: Path, tmp_path: Path, tiny_folder: Path) -> None:
    out = tmp_path / "explained.png"
    outcome = run("explain", film, "-o", out, "--scale", "opacity", "--model", tiny_folder)
    assert outcome.status == 0
    assert RESEARCH_NOTICE in outcome.out
    with Image.open(out) as picture:
        assert picture.width > 3 * picture.height / 2  # three panels side by side


def test_explain_without_a_gradient_still_explains(
    run: Run, film: Path, tmp_path: Path, tiny_model: ModuleType
) -> None:
    folder = tiny_model.write_model(tmp_path / "flat")
    tiny_model.write_backbone(folder, "backbone", gradient=False)
    out = tmp_path / "explained.png"
    outcome = run("explain", film, "-o", out, "--model", folder)
    assert outcome.status == 0
    assert "no saliency map: " in outcome.err
    with Image.open(out) as picture:
        assert picture.width < 3 * picture.height / 2  # two panels: film and contribution map


def test_explain_names_what_it_cannot_read(
    run: Run, bad_films: dict[str, Path], tmp_path: Path, tiny_folder: Path
) -> None:
    out = tmp_path / "explained.png"
    for film in bad_films.values():
        outcome = run("explain", film, "-o", out, "--model", tiny_folder)
        assert outcome.status == 1
        (line,) = outcome.err.splitlines()
        assert line.startswith(f"error: {film}: ")
        assert not out.exists()


def test_phantoms_of_both_kinds_hold_the_same_film(run: Run, tmp_path: Path) -> None:
    films = []
    for name in ("film.png", "film.dcm"):
        path = tmp_path / name
        disease = ("--extent", 0.6, "--left-extent", 0, "--density", 0.7)
        outcome = run("phantom", path, *disease, "--size", 256, "--seed", 3)
        assert outcome.status == 0
        assert "geographic extent 3 of 8, opacity 2 of 6" in outcome.out
        films.append(read_radiograph(path).pixels)
    assert films[0].shape == (256, 256)
    assert np.corrcoef(films[0].ravel(), films[1].ravel())[0, 1] > 0.99


@pytest.mark.parametrize("name", ["film.jpg", "film", "no/film.png", "."])
def test_phantom_refuses_other_targets(run: Run, tmp_path: Path, name: str) -> None:
    outcome = run("phantom", tmp_path / name)
    assert outcome.status == 2
    assert list(tmp_path.iterdir()) == []


def test_demo_makes_films_maps_table_and_page(
    run: Run, tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumoscore.cli.demo.FILM_SIZE", 128)
    folder = tmp_path / "demo"
    for _ in range(2):  # a second run replaces the first
        outcome = run("demo", folder, "--model", tiny_folder)
        assert outcome.status == 0
        assert outcome.err == ""
    assert str(folder / "index.html") in outcome.out.replace("\n", "")
    assert re.search(r"extent 2 4 8 5 2 and opacity 2 2 4 4 2: \d+ of 10 within", outcome.out)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    days = range(1, 6)
    expected = {f"day-{day}.dcm" for day in days} | {f"overlays/day-{day}.png" for day in days}
    assert names == expected | {"index.html", "scores.csv"}
    page = (folder / "index.html").read_text()
    assert page.count("<article>") == 5
    assert RESEARCH_NOTICE in page
    patients = {read_radiograph(folder / f"day-{day}.dcm").metadata.patient_id for day in days}
    assert len(patients) == 1
    (patient,) = patients
    assert f",{patient}," in (folder / "scores.csv").read_text()
    monkeypatch.setenv("PNEUMOSCORE_IDENTIFIERS", "false")
    assert run("demo", folder, "--model", tiny_folder).status == 0
    assert str(patient) not in (folder / "scores.csv").read_text()
    assert "2026-01-0" not in (folder / "scores.csv").read_text()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder for backbones."""
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_model_list_names_models_and_what_they_need(run: Run, home: Path) -> None:
    outcome = run("model", "list")
    assert outcome.status == 0
    (line,) = (line for line in outcome.out.splitlines() if "cohen2020" in line)
    assert "pneumoscore model fetch densenet121-res224-all" in line


def test_model_show_prints_the_card_and_the_notice(run: Run, tiny_folder: Path) -> None:
    outcome = run("model", "show", tiny_folder)
    assert outcome.status == 0
    assert "knows nothing of radiographs" in outcome.out
    assert RESEARCH_NOTICE in outcome.out
    assert "cohen2020" in run("model", "show", "cohen2020").out


def test_model_show_of_nothing_says_what_there_is(run: Run) -> None:
    outcome = run("model", "show", "none-such")
    assert outcome.status == 3
    (line,) = outcome.err.splitlines()
    assert "cohen2020" in line


def test_model_add_takes_a_record_once(run: Run, home: Path, tiny_folder: Path) -> None:
    added = run("model", "add", tiny_folder / "backbone.json", "--name", "mine")
    assert added.status == 0
    assert "mine" in run("model", "list").out
    again = run("model", "add", tiny_folder / "backbone.json", "--name", "mine")
    assert again.status == 3
    assert again.err.startswith("error: ")
    replaced = run("model", "add", tiny_folder / "backbone.json", "--name", "mine", "--overwrite")
    assert replaced.status == 0


def test_the_words_of_model_add_are_those_of_the_preparation() -> None:
    from pneumoscore.cli.model import PixelRangeWord, SquaringWord

    assert get_args(SquaringWord) == tuple(Squaring)
    assert get_args(PixelRangeWord) == tuple(PixelRange)


def test_model_add_of_an_onnx_file_asks_how_it_is_fed(
    run: Run, home: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    network = tiny_folder / "backbone.onnx"
    silent = run("model", "add", network, "--name", "mine")
    assert silent.status == 3
    assert "--size, --squaring and --pixel-range" in silent.err
    half = run("model", "add", network, "--name", "mine", "--size", "64")
    assert half.status == 2
    assert "go together" in half.err
    fed = ("--size", "64", "--squaring", "pad", "--pixel-range", "unit")
    assert run("model", "add", network, "--name", "mine", *fed, "--output", "x").status == 2
    assert not home.exists()


def test_model_remove_deletes_what_was_added_and_nothing_else(
    run: Run, home: Path, tiny_folder: Path
) -> None:
    run("model", "add", tiny_folder / "backbone.json", "--name", "mine")
    run("model", "add", tiny_folder / "backbone.json", "--name", "other")
    gone = run("model", "remove", "mine")
    assert gone.status == 0
    assert gone.out.count("removed: ") == 2
    assert sorted(path.name for path in (home / "backbones").iterdir()) == [
        "other.json",
        "other.onnx",
    ]
    again = run("model", "remove", "mine")
    assert again.status == 3
    assert "not installed" in again.err
    built_in = run("model", "remove", "severity")
    assert built_in.status == 3
    assert "built-in" in built_in.err


@pytest.mark.parametrize("command", ["list", "show", "fetch", "add", "remove", "fit"])
def test_the_help_of_every_model_command_needs_no_extra(command: str) -> None:
    script = (
        "import sys\n"
        "for name in ('onnx', 'sklearn', 'scipy', 'pandas', 'numpy', 'onnxruntime'):\n"
        "    sys.modules[name] = None\n"
        "from pneumoscore.cli import main\n"
        f"sys.exit(main(['model', {command!r}, '--help']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"Usage: pneumoscore model {command}" in done.stdout


def test_model_fetch_refuses_what_is_not_published(run: Run, home: Path, tmp_path: Path) -> None:
    unknown = run("model", "fetch", "no-such-backbone")
    assert unknown.status == 3
    assert "densenet121-res224-all" in unknown.err
    wrong = tmp_path / "wrong.pt"
    wrong.write_bytes(b"<html>error page</html>")
    outcome = run("model", "fetch", "densenet121-res224-all", "--from", wrong)
    assert outcome.status == 3
    assert outcome.err.startswith("error: ")
    assert not list(home.rglob("*.onnx"))


def test_model_fit_makes_a_model_that_scores(
    run: Run, home: Path, film: Path, tmp_path: Path, tiny_model: ModuleType, tiny_folder: Path
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    rows = ["file,patient,geographic_extent"]
    for number in range(32):
        pixels = np.round(tiny_model.film(number).pixels * 255).astype(np.uint8)
        Image.fromarray(pixels).save(films / f"{number}.png")
        rows.append(f"{number}.png,patient-{number % 16},{number % 9}")
    labels = tmp_path / "scores.csv"
    labels.write_text("\n".join(rows) + "\n")
    run("model", "add", tiny_folder / "backbone.json", "--name", "mine")
    options = ("--backbone", "mine", "--labels", labels, "--images", films, "--stand-alone")
    fitted = run("model", "fit", *options, "--out", tmp_path / "my-model")
    assert fitted.err == ""
    assert fitted.status == 0
    assert "32 films of 16 patients" in fitted.out
    scored = run("score", film, "--json", "--force", "--model", tmp_path / "my-model")
    assert scored.status == 0
    assert list(json.loads(scored.out)["scores"]) == ["geographic_extent"]
    model = (tmp_path / "my-model" / "model.json").read_bytes()
    again = run("model", "fit", *options, "--out", tmp_path / "my-model")
    assert again.status == 2
    assert "--overwrite" in again.err
    assert (tmp_path / "my-model" / "model.json").read_bytes() == model
    replaced = run("model", "fit", *options, "--out", tmp_path / "my-model", "--overwrite")
    assert replaced.status == 0
    # The same films give the same model, and so the same version.
    assert (tmp_path / "my-model" / "model.json").read_bytes() == model
    (network,) = (path.name for path in (tmp_path / "my-model").glob("*.onnx"))
    other = tmp_path / "other"
    other.mkdir()
    (other / network).write_text("mine")
    refused = run("model", "fit", *options, "--out", other)
    assert refused.status == 2
    assert network in refused.err
    assert {path.name: path.read_text() for path in other.iterdir()} == {network: "mine"}


def test_model_fit_wants_a_table(run: Run, home: Path, tmp_path: Path, tiny_folder: Path) -> None:
    run("model", "add", tiny_folder / "backbone.json", "--name", "mine")
    labels = tmp_path / "none.csv"
    outcome = run("model", "fit", "--backbone", "mine", "--labels", labels, "-o", tmp_path / "m")
    assert outcome.status == 3
    assert str(labels) in outcome.err


def test_ctrl_c_is_status_130(run: Run, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pneumoscore.severity.model.SeverityModel.open", stop)
    assert main(["score", str(film)]) == 130


def test_the_installed_command_scores_a_film(film: Path, tiny_folder: Path) -> None:
    command = [Path(sys.executable).with_name("pneumoscore"), "score", film, "--model", tiny_folder]
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "100"}
    done = subprocess.run(command, capture_output=True, check=False, env=plain)
    assert done.returncode == 0
    assert done.stderr == b""
    assert RESEARCH_NOTICE.encode() in done.stdout
