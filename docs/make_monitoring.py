"""Fills docs/monitoring.md with what the commands print.

Usage: python docs/make_monitoring.py --data ../shared/data [--refit PREDICTIONS]

``--refit`` measures the built-in model's test-retest error anew first, with the out-of-fold
predictions of its networks; do so whenever the model changed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from make_figures import ROOT, between, run

TRAINING = [sys.executable, "-m", "training"]
PAGE = ROOT / "docs" / "monitoring.md"
ERROR_MODELS = ROOT / "src" / "pneumoscore" / "monitor" / "error_models"


def refit(data: str, predictions: str) -> None:
    """Measure the built-in model's error into the package."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "errors.json"
        run([*TRAINING, "fit-error-model", "--data", data, "--predictions", predictions,
             "--out", str(out)])  # fmt: skip
        from pneumoscore.monitor.change.error_model import read_error_model, write_error_model

        errors = read_error_model(out)
        target = ERROR_MODELS / f"{errors.name}-{errors.version}.json"
        target.unlink(missing_ok=True)
        write_error_model(errors, target)


def validation(data: str) -> str:
    """Run the validation; headings become bold lines within the page's own section."""
    with tempfile.TemporaryDirectory() as folder:
        printed = run([*TRAINING, "validate", "--data", data, "--out", folder])
    lines = (
        f"**{line.removeprefix('### ')}**" if line.startswith("### ") else line
        for line in printed.splitlines()
    )
    return "\n".join(lines)


def main() -> None:
    """Fill the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--refit", metavar="PREDICTIONS")
    options = parser.parse_args()
    if options.refit:
        refit(options.data, options.refit)
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(between(text, "validation", validation(options.data)), encoding="utf-8")


if __name__ == "__main__":
    main()
