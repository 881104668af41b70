"""Every command of docs/commands.md, twice, in an empty HOME without a network."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pneumoscore.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = str(Path(sys.executable).with_name("pneumoscore"))

# Each line is a command; {0} and {1} tell the two runs' outputs apart. The commands that serve a
# network or speak to one are only asked for their help here; their own tests run them.
LINES = """
phantom out/film{0}.dcm --extent 0.4
demo out/demo{0}
score out/film{0}.dcm --csv out/s{0}.csv --html out/s{0}.html --report out/r{0}.json
score out/demo{0} --overlay out/maps{0} --json
explain out/film{0}.dcm -o out/e{0}.png
archive run out/demo{0} --out out/archive{0} --format csv
archive status out/archive{0}
archive merge out/archive{0} -o out/merged{0}.csv
model list
model show
patient import out/demo{0} --records out/r{0}.db
patient ward --records out/r{0}.db --json
patient ward --records out/r{0}.db -o out/ward{0}.html
patient timeline PHANTOM-0001 --records out/r{0}.db -o out/t{0}.html
patient changes PHANTOM-0001 --records out/r{0}.db --json
patient event PHANTOM-0001 admission 2026-01-01 --records out/r{0}.db
patient events PHANTOM-0001 --records out/r{0}.db
patient audit --records out/r{0}.db
patient models --records out/r{0}.db
patient check --records out/r{0}.db
patient backup out/b{0}.db --records out/r{0}.db
patient restore out/b{0}.db --records out/restored{0}.db
patient export PHANTOM-0001 -o out/x{0}.json --records out/r{0}.db
pacs key out/k{0}
pacs objects out/film{0}.dcm -o out/objects{0}
deidentify out/film{0}.dcm -o out/d{0} --key out/k{0}
study agreement --ratings ratings.csv -o out/agreement{0} --repeats 100
model fetch --help
listen --help
pull --help
push --help
reconcile --help
serve --help
"""
NAMED = re.compile(r"\.(cache|config)/matplotlib(/|$)|^\.(cache|config)$|fontconfig")
RATINGS = "file,reader,scale,right,left,patient\n" + "".join(
    f"f{n},{who},geographic_extent,{(n + shift) % 5},{n % 4},p{n}\n"
    for n in range(8)
    for who, shift in (("a", 0), ("b", n % 2))
)


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0


def test_every_documented_command_is_run_here() -> None:
    first_words = {line.split()[0] for line in LINES.strip().splitlines()}
    assert set(COMMANDS) <= first_words


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_commands_twice_leave_only_what_the_page_names(tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    (work / "out").mkdir(parents=True)
    (work / "ratings.csv").write_text(RATINGS)
    isolated = ["unshare", "--net"] if _may_unshare() else []
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    for turn in (1, 2):
        for line in LINES.strip().splitlines():
            arguments = line.format(turn).split()
            done = subprocess.run(
                [*isolated, PROGRAM, *arguments],
                env={**kept, "HOME": str(home)},
                cwd=work,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            assert done.returncode == 0, (line, done.stderr[-2000:])
            assert "Traceback" not in done.stderr
    left = {path.relative_to(home).as_posix() for path in home.rglob("*")}
    unnamed = sorted(name for name in left if not NAMED.search(name))
    assert unnamed == []
    assert {path.name for path in work.iterdir()} == {"out", "ratings.csv"}
