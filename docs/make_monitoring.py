"""Fills docs/monitoring.md with what the commands print.

Usage: python docs/make_monitoring.py --data ../shared/data [--refit PREDICTIONS]

``--refit`` measures the built-in model's test-retest error anew first, with the out-of-fold
predictions of its networks; do so whenever the model changed.
"""

from __future__ import annotations

import argparse
import re
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


def meaning(printed: str) -> str:
    """Say in words what the tables of the validation print of the simulation and the error."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines()]

    def cells(start: str) -> list[str]:
        return next(row for row in rows if row[0].startswith(start))

    stable, rise = cells("stable for 14 days"), cells("+4 points in 20 days")
    delay = cells("median days from the onset")
    pairs, patients = re.findall(r"\((\d+) pairs, (\d+) patients\)", printed)[0]
    return (
        f"What this says: of stable patients, {stable[1]} are called changed within two weeks; a "
        f"rise of 4 points in 20 days is called in {rise[1]}, half of them within {delay[1]} days "
        "of its onset, where 9 are aimed at. All of it hangs on the error of one film, which "
        f"{pairs} pairs of {patients} patients do not tell well: if it were as large as its "
        f"interval allows, {stable[2]} of stable patients would be called changed. A site that "
        "measures the error on more pairs of its own knows better."
    )


def main() -> None:
    """Fill the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--refit", metavar="PREDICTIONS")
    options = parser.parse_args()
    if options.refit:
        refit(options.data, options.refit)
    text = PAGE.read_text(encoding="utf-8")
    printed = validation(options.data)
    text = between(text, "validation", printed)
    PAGE.write_text(between(text, "meaning", meaning(printed)), encoding="utf-8")


if __name__ == "__main__":
    main()
