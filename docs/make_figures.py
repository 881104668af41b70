"""Fills docs/figures.md and the README's table with what the commands print.

Usage: python docs/make_figures.py --data ../shared/data --out-of-fold runs/severity-out-of-fold.csv
       [--only NAME ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures.md"
README = ROOT / "README.md"
PAGES = {"main": (README,)}
PROGRAM = [str(Path(sys.executable).with_name("pneumoscore"))]


def run(command: list[str]) -> str:
    """Run a command in the repository and return what it printed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def between(text: str, name: str, content: str) -> str:
    """Put content between the marks ``name: begin`` and ``name: end``."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if begin not in text or end not in text:
        raise SystemExit(f"the marks of {name!r} are missing")
    head, rest = text.split(begin, 1)
    return f"{head}{begin}\n{content.strip()}\n{end}{rest.split(end, 1)[1]}"


def markdown(folder: Path, name: str) -> str:
    """Return a table that a study command wrote, without its heading."""
    lines = (folder / f"{name}.md").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def main_figures(peers: str) -> str:
    """Return the README's table: one row for each model or reader, MAE and r on each scale."""
    lines = [line for line in peers.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    found: dict[str, dict[str, str]] = {}
    for scale, name, films, error, r, *_ in cells:
        shown = f"{error}; {r.split(' ')[0]} ({films} films)"
        found.setdefault(name, {})[scale] = (
            f"**{shown}**" if name.startswith("PneumoScore") else shown
        )
    scales = ("geographic_extent", "opacity")
    rows = [
        f"| {name} | " + " | ".join(values.get(scale, "-") for scale in scales) + " |"
        for name, values in found.items()
    ]
    return "\n".join(["| | geographic extent (0-8) | opacity (0-6) |", "|---|---|---|", *rows])


def accuracy(data: str, out_of_fold: str) -> dict[str, str]:
    """Compute figures 1 to 7 and the peers."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        run(
            [
                sys.executable,
                "-m",
                "training",
                "figures",
                "--data",
                data,
                "--predictions",
                out_of_fold,
                "--out",
                str(out / "figures"),
            ]
        )
        run([*PROGRAM, "study", "peers", "--data", data, "--out", str(out / "peers")])
        figures = markdown(out / "figures", "figures")
        peers = markdown(out / "peers", "peers")
        return {"accuracy": figures, "peers": peers, "main": main_figures(peers)}


def reproduce(data: str, out_of_fold: str) -> dict[str, str]:
    """Run the paper's protocol."""
    del out_of_fold
    with tempfile.TemporaryDirectory() as folder:
        printed = run([*PROGRAM, "study", "reproduce", "--data", data, "--out", folder])
    return {
        "reproduce": "\n".join(
            line.replace("### ", "**").strip() + ("**" if line.startswith("### ") else "")
            for line in printed.splitlines()
            if "tables, plots and numbers" not in line
        )
    }


def agreement(data: str, out_of_fold: str) -> dict[str, str]:
    """Measure the two Brixia readers."""
    del out_of_fold
    with tempfile.TemporaryDirectory() as folder:
        printed = run([*PROGRAM, "study", "agreement", "--data", data, "--out", folder])
    return {"agreement": printed}


def outcomes(data: str, out_of_fold: str) -> dict[str, str]:
    """Hold scores against ICU admission, intubation and survival."""
    del out_of_fold
    with tempfile.TemporaryDirectory() as folder:
        run(
            [
                *PROGRAM,
                "study",
                "evaluate",
                "--cohort",
                "collection",
                "--data",
                data,
                "--align-opacity",
                "--out",
                folder,
            ]
        )
        return {"outcomes": markdown(Path(folder) / "tables", "outcomes")}


def crossvalidation(data: str, out_of_fold: str) -> dict[str, str]:
    """Print the cross-validation beside the mean predictor."""
    del data
    command = [sys.executable, "-m", "training", "out-of-fold", "severity"]
    return {"crossvalidation": run([*command, "--out", out_of_fold])}


def findings(data: str, out_of_fold: str) -> dict[str, str]:
    """Measure the generic network's findings on films kept aside."""
    del out_of_fold
    command = [sys.executable, "-m", "training", "findings", "generic"]
    return {"findings": run([*command, "--data", data])}


def networks(data: str, out_of_fold: str) -> dict[str, str]:
    """Measure size and time of the networks alone."""
    del data, out_of_fold
    return {"networks": run([sys.executable, "benchmarks/backbone_speed.py"])}


def speed(data: str, out_of_fold: str) -> dict[str, str]:
    """Measure time and memory of scoring."""
    del out_of_fold
    films = str(Path(data) / "cohen94")
    return {"speed": run([sys.executable, "benchmarks/score_speed.py", "--films", films])}


def phantom(data: str, out_of_fold: str) -> dict[str, str]:
    """Score phantoms."""
    del data, out_of_fold
    return {"phantom": run([sys.executable, "benchmarks/phantom_response.py"])}


PARTS: dict[str, Callable[[str, str], dict[str, str]]] = {
    "crossvalidation": crossvalidation,
    "accuracy": accuracy,
    "reproduce": reproduce,
    "agreement": agreement,
    "outcomes": outcomes,
    "phantom": phantom,
    "findings": findings,
    "networks": networks,
    "speed": speed,
}


def main() -> None:
    """Compute the chosen parts and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--out-of-fold", default="runs/severity-out-of-fold.csv")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    arguments = parser.parse_args()
    for name in arguments.only:
        for part, content in PARTS[name](arguments.data, arguments.out_of_fold).items():
            for page in PAGES.get(part, (FIGURES,)):
                text = between(page.read_text(encoding="utf-8"), part, content)
                page.write_text(text, encoding="utf-8")
            print(f"{part}: written")


if __name__ == "__main__":
    main()
