"""Command line of the training: ``python -m training --help``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pneumoscore.errors import PneumoScoreError
from training.config import TrainingConfig, read_config
from training.shipment import Shipment, read_shipment

__all__ = ["main"]

_FIGURE_COMMANDS = ("figures", "fit-error-model", "validate")
_CONFIGS = Path(__file__).parent / "configs"


def _path(name: str) -> Path:
    path = Path(name)
    return path if path.suffix == ".toml" else _CONFIGS / f"{name}.toml"


def _config(name: str) -> TrainingConfig:
    return read_config(_path(name))


def _shipment(name: str) -> Shipment:
    return read_shipment(_path(name))


def _train(arguments: argparse.Namespace) -> None:
    from training.curve import draw_curve
    from training.train import TrainingRun, train

    for config in _shipment(arguments.config).members:
        run = TrainingRun(arguments.runs / config.name, config)
        train(run, arguments.data, stop_after=arguments.stop_after)
        draw_curve(run.log, run.folder / "curve.png")


def _crossvalidate(arguments: argparse.Namespace) -> None:
    from training.crossvalidate import predict_fold
    from training.train import TrainingRun, train

    for config in _shipment(arguments.config).members:
        for fold in arguments.only or range(arguments.folds):
            name = f"{config.name}-fold{fold}"
            # As often over each film as the network trained on all of them.
            steps = round(config.steps * (arguments.folds - 1) / arguments.folds)
            part = replace(config, name=name, steps=steps, fold=fold, folds=arguments.folds)
            run = TrainingRun(arguments.runs / name, part)
            train(run, arguments.data)
            predict_fold(run, arguments.data)


def _predict(arguments: argparse.Namespace) -> None:
    from training.assess import predict_scored, write_predictions
    from training.scored import scored_films
    from training.train import TrainingRun, averaged_network

    config = _config(arguments.config)
    run = TrainingRun(arguments.runs / config.name, config)
    films = [film for film in scored_films(arguments.data) if film.source == arguments.source]
    network = averaged_network(run.checkpoint)
    sides = predict_scored(network, arguments.data, films, config)
    write_predictions(run.folder / f"{arguments.source}.csv", films, sides)


def _export(arguments: argparse.Namespace) -> None:
    from training.ship import ship_backbone

    ship_backbone(arguments.runs, _shipment(arguments.config), arguments.data, arguments.out)


def _start(arguments: argparse.Namespace) -> None:
    from training.train import write_start

    config = _config(arguments.config)
    write_start(arguments.runs / config.name / "checkpoint.pt", arguments.out)


def _out_of_fold(arguments: argparse.Namespace) -> None:
    from training.card import figures_table
    from training.out_of_fold import read_out_of_fold, write_calibrated

    shipment = _shipment(arguments.config)
    out_of_fold = read_out_of_fold(arguments.runs, shipment.member_names)
    write_calibrated(out_of_fold, arguments.out)
    print("\n".join(figures_table(out_of_fold)))


def _findings(arguments: argparse.Namespace) -> None:
    from pneumoscore.backbone.session import Backbone
    from pneumoscore.severity.score import RESEARCH_NOTICE
    from training.finding_auc import NOTE, as_json, finding_table, measure_backbone

    backbone = Backbone.open(_shipment(arguments.config).name, threads=arguments.threads)
    measured = measure_backbone(backbone, arguments.data)
    if arguments.json:
        print(json.dumps(as_json(backbone.record, measured), indent=1, allow_nan=False))
        return
    for source in measured:
        print(finding_table(backbone.record, source).markdown())
    print(f"{NOTE}\n\n{RESEARCH_NOTICE}.")


def _corpus_copies(arguments: argparse.Namespace) -> None:
    from training.corpus_copies import find_corpus_copies, write_corpus_copies
    from training.exclusions import find_exclusions

    exclusions = find_exclusions(arguments.data, arguments.runs / "exclusions.json")
    copies = find_corpus_copies(
        arguments.data,
        arguments.archive,
        exclusions.of_any_scored_patient,
        lambda done, count: print(f"{done} of {count} barred films", file=sys.stderr),
    )
    write_corpus_copies(copies, arguments.out)


def _bundle(arguments: argparse.Namespace) -> None:
    from training.ship import ship_model

    ship_model(arguments.runs, _shipment(arguments.config), arguments.data, arguments.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train the built-in networks from the public films. Needs the extra 'train'.",
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data folder")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="checkpoints and logs")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="processor threads")
    commands = parser.add_subparsers(dest="command", required=True)
    config_help = "a built-in configuration (generic, severity, ...) or a TOML file"
    for name, function, text in (
        ("train", _train, "train, or go on from the last checkpoint"),
        ("crossvalidate", _crossvalidate, "train once for each part of the scored patients"),
        ("predict", _predict, "score films with a trained network"),
        ("export", _export, "write the ONNX file and its record"),
        ("start", _start, "write the network alone, small, for later runs to start from"),
        ("out-of-fold", _out_of_fold, "write calibrated out-of-fold predictions as one table"),
        ("corpus-copies", _corpus_copies, "list corpus films that show a scored patient"),
        ("findings", _findings, "AUC of each finding on films kept aside, within each source"),
        ("bundle", _bundle, "write the severity model: heads, intervals, quality gate, card"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        if name != "corpus-copies":
            command.add_argument("config", help=config_help)
        command.set_defaults(function=function)
        if name == "train":
            command.add_argument("--stop-after", type=int, help="stop at this step")
        if name == "crossvalidate":
            command.add_argument("--folds", type=int, default=3)
            command.add_argument("--only", type=int, nargs="*", help="these parts only")
        if name == "predict":
            command.add_argument("--source", default="cohen94")
        if name == "findings":
            command.add_argument("--json", action="store_true", help="print as JSON")
        if name == "corpus-copies":
            command.add_argument("--archive", default="covid_adult", help="corpus archive")
        if name in {"export", "bundle", "out-of-fold", "start", "corpus-copies"}:
            command.add_argument("--out", type=Path, required=True, help="folder or file to write")
    return parser


def _figure_command(argv: Sequence[str]) -> int:
    from training.figure_commands import app

    try:
        app(args=list(argv), prog_name="python -m training", standalone_mode=False)
    except PneumoScoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given and given[0] in _FIGURE_COMMANDS:
        return _figure_command(given)
    import torch

    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    torch.set_num_threads(arguments.threads)
    try:
        arguments.function(arguments)
    except PneumoScoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
