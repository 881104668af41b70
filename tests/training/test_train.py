"""A small training on the public films: every source, exact resume, held-out patients."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pneumoscore.errors import ModelError
from training.checkpoints import averaged_network, write_start
from training.config import StreamConfig, TrainingConfig, read_config
from training.curve import draw_curve
from training.exclusions import Exclusions, find_exclusions
from training.finding_targets import FINDINGS, finding_targets
from training.kept import KeptOnDisk
from training.lungs import LungNet
from training.scored import ALIKE, folds_by_patient, scored_films
from training.sources import TrainingFilms
from training.train import TrainingRun, claim_folder, prepare_lung_net, train

CONFIGS = Path(__file__).parents[2] / "training/configs"


@pytest.fixture(scope="module")
def smoke() -> TrainingConfig:
    return read_config(CONFIGS / "smoke.toml")


@pytest.fixture(scope="module")
def exclusions(shared_data: Path) -> Exclusions:
    return find_exclusions(shared_data)


@pytest.mark.slow
@pytest.mark.shared_data
def test_a_resumed_run_equals_an_unbroken_one(
    smoke: TrainingConfig, shared_data: Path, tmp_path: Path
) -> None:
    whole = TrainingRun(tmp_path / "whole" / "smoke", smoke)
    broken = TrainingRun(tmp_path / "broken" / "smoke", smoke)
    train(whole, shared_data)
    train(broken, shared_data, stop_after=4)
    state = torch.load(broken.checkpoint, weights_only=True)
    assert state["step"] == 4
    train(broken, shared_data)
    first = torch.load(whole.checkpoint, weights_only=True)
    second = torch.load(broken.checkpoint, weights_only=True)
    assert first["step"] == second["step"] == smoke.steps
    for name, value in first["average"].items():
        assert torch.equal(value, second["average"][name]), name
    write_start(whole.folder.parent, whole.config, tmp_path / "start.pt")
    small, large = averaged_network(tmp_path / "start.pt"), averaged_network(whole.checkpoint)
    for value, expected in zip(small.parameters(), large.parameters(), strict=True):
        assert torch.allclose(value, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.shared_data
def test_streams_hold_no_film_of_a_held_out_patient(
    smoke: TrainingConfig, shared_data: Path, exclusions: Exclusions, tmp_path: Path
) -> None:
    config = replace(smoke, joint=True, folds=4, limit=0, normal_limit=8)
    config = replace(config, streams=replace(config.streams, findings=0, unscored=0, zoned=2))
    lung_net = prepare_lung_net(
        shared_data, tmp_path / "lungs.pt", replace(config, limit=12), exclusions
    )
    kept = KeptOnDisk(tmp_path / "outlines", lung_net)
    streams = TrainingFilms(shared_data, config, exclusions, kept).streams()
    used = set()  # by the network that keeps part 1 out (`Views.for_network`)
    for stream in streams:
        part = np.full(len(stream.films), -1) if stream.parts is None else stream.parts
        used |= {stream.films.names[row] for row in np.flatnonzero(part != 1)}
    films = scored_films(shared_data)
    scored = [film for film in films if film.name.startswith("scored/")]
    parts = folds_by_patient(scored, 4)
    held_out = {film.name for film in films if parts.get(film.patient) == 1}
    names = {stream.name for stream in streams}
    assert names == {"scored", "rated", "zoned", "masked", "unscored series"}
    assert len(used) > 150
    assert held_out
    assert not used & held_out
    assert not any(name.startswith("cohen94/") for name in used)
    others = {name for s in streams if s.name != "scored" for name in s.films.names}
    others = {name for name in others if not name.startswith("scored/")}
    assert not others & exclusions.of_any_scored_patient


@pytest.mark.slow
@pytest.mark.shared_data
def test_films_without_lungs_are_not_painted(
    smoke: TrainingConfig, shared_data: Path, exclusions: Exclusions, tmp_path: Path
) -> None:
    config = replace(smoke, streams=StreamConfig(normal=2))
    torch.manual_seed(0)
    untrained = LungNet().eval()
    kept = KeptOnDisk(tmp_path / "outlines", untrained)
    source = TrainingFilms(shared_data, config, exclusions, kept)
    with pytest.raises(ModelError, match="lung network"):
        source.streams()


@pytest.mark.slow
@pytest.mark.shared_data
def test_corpus_films_of_scored_patients_are_left_out(
    smoke: TrainingConfig, shared_data: Path, exclusions: Exclusions, tmp_path: Path
) -> None:
    config = replace(smoke, streams=StreamConfig(unscored=1), limit=260, size=32)
    kept = KeptOnDisk(tmp_path / "outlines", LungNet().eval())
    films = TrainingFilms(shared_data, config, exclusions, kept)
    used = {f"covid_adult/{name}" for name in films.streams()[0].films.names}
    barred = {name for name in exclusions.of_any_scored_patient if name.startswith("covid_adult/")}
    assert len(barred) > 40
    assert len(used) == 260
    assert not used & barred
    # Read in order: their neighbours are used.
    assert {"covid_adult/00229.jpg", "covid_adult/00232.jpg"} <= used


@pytest.mark.shared_data
def test_parts_keep_patients_and_look_alikes_together_and_are_of_like_size(
    shared_data: Path, exclusions: Exclusions
) -> None:
    films = [film for film in scored_films(shared_data) if film.name.startswith("scored/")]
    parts = folds_by_patient(films, 4)
    assert all(parts[one] == parts[other] for one, other in ALIKE)
    sizes = [sum(parts[film.patient] == part for film in films) for part in range(4)]
    assert len(films) == sum(sizes) == 221
    assert max(sizes) - min(sizes) <= 15


def test_findings_that_a_source_cannot_state_are_unknown() -> None:
    nih = finding_targets("nih", frozenset({"Pneumonia"}))
    child = finding_targets("pediatric", frozenset({"Pneumonia", "viral"}))
    normal = finding_targets("rsna_normal", frozenset({"No Finding"}))
    columns = {name: FINDINGS.index(name) for name in FINDINGS}
    assert nih[columns["Pneumonia"]] == 1
    assert nih[columns["Mass"]] == 0
    assert torch.tensor(nih).isnan()[columns["viral"]]
    assert child[columns["viral"]] == 1
    assert torch.tensor(child).isnan()[columns["Mass"]]
    assert normal[columns["Lung Opacity"]] == 0
    assert torch.tensor(finding_targets("tbx11k", frozenset({"Tuberculosis"}))).isnan().all()


def test_a_configuration_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('name="x"\nversion="1"\ndescription=""\nsteps=1\nlearning_rat=2.0\n')
    with pytest.raises(ModelError, match="learning_rat"):
        read_config(path)
    with pytest.raises(ModelError, match="cannot read"):
        read_config(tmp_path / "absent.toml")


@pytest.mark.parametrize("name", [path.stem for path in sorted(CONFIGS.glob("*.toml"))])
def test_built_in_configurations_hold_out_the_test_films(name: str) -> None:
    config = read_config(CONFIGS / f"{name}.toml")
    assert config.name == name
    assert config.held_out == "cohen94"


def _begun(run: TrainingRun, configuration: dict[str, Any]) -> TrainingRun:
    """Return a run whose folder holds a checkpoint, and what it was begun with."""
    run.folder.mkdir()
    run.checkpoint.write_bytes(b"begun")
    (run.folder / "config.json").write_text(json.dumps(configuration))
    return run


def test_a_run_goes_on_that_began_before_a_setting_was_there(
    smoke: TrainingConfig, tmp_path: Path
) -> None:
    before = smoke.to_dict()
    del before["members"], before["streams"]["zoned"]
    run = _begun(TrainingRun(tmp_path / "smoke", smoke), before)
    claim_folder(run)
    now = replace(smoke, streams=replace(smoke.streams, zoned=3))
    with pytest.raises(ModelError, match="streams differ"):
        claim_folder(TrainingRun(run.folder, now))


def test_a_run_goes_on_with_its_own_configuration_only(
    smoke: TrainingConfig, tmp_path: Path
) -> None:
    run = _begun(TrainingRun(tmp_path / "smoke", smoke), replace(smoke, steps=99).to_dict())
    with pytest.raises(ModelError, match=r"another configuration \(steps differ\)"):
        train(run, tmp_path)
    assert run.checkpoint.read_bytes() == b"begun"


def test_the_log_becomes_a_picture(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("step,loss\n10,2.0\n20,1.5\n")
    draw_curve(log, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_start_of_another_trunk_is_named(smoke: TrainingConfig, tmp_path: Path) -> None:
    torch.save({"average": {}, "trunk": "efficientnet-lite2"}, tmp_path / "start.pt")
    run = TrainingRun(tmp_path / "smoke", replace(smoke, start="start.pt"))
    with pytest.raises(ModelError, match="efficientnet-lite2"):
        train(run, tmp_path)
