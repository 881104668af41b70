"""An archive in which one file of twenty is bad: what becomes of it, and what that costs.

Draws small films and, among them, damaged mutants of every kind of file (as
`benchmarks/fuzz_readers.py` makes them, those that no reader takes), empty files, pages, cut and
constant pictures, links to nothing; runs ``pneumoscore archive run`` over all; and checks that
every good film has a score, that each bad file stands in the table of failures with a reason and
a message, and that reading none of them took over two seconds of processor time. Ends with
status 1 if not. Example:

    python benchmarks/archive_bad_files.py --files 5000
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from archive_films import draw_jpeg
from fuzz_readers import mutant, seeds
from pneumoscore.errors import PneumoScoreError
from pneumoscore.radiograph import read_radiograph

COMMAND = [sys.executable, "-c", "from pneumoscore.cli import main; raise SystemExit(main())"]
LIMIT = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Print what became of the files; 1 if anything is lost, nameless or slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--share", type=float, default=0.05, help="of bad files")
    parser.add_argument("options", nargs="*", help="further options of the command")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        bad = round(options.files * options.share)
        draw_jpeg(place / "films", options.files - bad, 128)
        slow, kinds = draw_bad(place / "films" / "000", bad)
        began = time.monotonic()
        run = [*COMMAND, "archive", "run", str(place / "films"), "--out", str(place / "out")]
        run += ["--force", *options.options]
        done = subprocess.run(run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        seconds = time.monotonic() - began
        report = json.loads((place / "out" / "run_report.json").read_text())
        with (place / "out" / "failures.csv").open(newline="") as stream:
            failures = list(csv.DictReader(stream))
    named = {Path(row["file"]).name for row in failures if row["reason"] and row["error"]}
    lost = sorted(set(kinds) - named)
    counts = report["counts"]
    print(f"{counts['scored']} scored, {counts['failed']} failed in {seconds:.0f} s;", end=" ")
    print(", ".join(f"{count} {reason}" for reason, count in report["failures"].items()))
    print("bad files:", ", ".join(f"{n} {kind}" for kind, n in Counter(kinds.values()).items()))
    print(f"the slowest bad file takes {slow:.2f} s of processor time to refuse")
    wrong = []
    if counts["scored"] != options.files - bad or counts["failed"] != bad:
        wrong.append("counts are not those of the files")
    if lost or len(named) != bad:
        wrong.append(f"not in the table of failures: {lost[:5]}")
    if slow > LIMIT:
        wrong.append("a file is too slow")
    if done.returncode != 1:
        wrong.append(f"status {done.returncode}: {done.stderr[-300:]}")
    print("\n".join(wrong) or "nothing is lost")
    return 1 if wrong else 0


def draw_bad(folder: Path, count: int) -> tuple[float, dict[str, str]]:
    """Write so many bad files; return the slowest one's seconds, and their kinds by name."""
    slowest, kinds = 0.0, {}
    for name, data in _simple().items():
        (folder / name).write_bytes(data)
        kinds[name] = name.partition(".")[0]
    (folder / "dangling.png").symlink_to("nowhere.png")
    kinds["dangling.png"] = "dangling"
    files, index = seeds(1), 0
    while len(kinds) < count:
        kind, data = mutant(files, index, seed=13)
        index += 1
        began = time.process_time()
        try:
            read_radiograph(data)
        except PneumoScoreError:
            slowest = max(slowest, time.process_time() - began)
            name = f"bad-{index:05d}.dcm"
            (folder / name).write_bytes(data)
            kinds[name] = kind.partition(":")[0].split()[0]
    return slowest, kinds


def _simple() -> dict[str, bytes]:
    whole = io.BytesIO()
    Image.linear_gradient("L").save(whole, "PNG")
    two = io.BytesIO()
    pages = [Image.linear_gradient("L")] * 2
    pages[0].save(two, "TIFF", save_all=True, append_images=pages[1:])
    return {
        "empty.dcm": b"",
        "cut.png": whole.getvalue()[: len(whole.getvalue()) // 2],
        "page.jpg": b"<html>no film</html>",
        "document.tif": b"%PDF-1.7 no film",
        "preamble.dcm": bytes(128) + b"DICM",
        "pages.tif": two.getvalue(),
    }


if __name__ == "__main__":
    raise SystemExit(main())
