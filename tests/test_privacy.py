"""Nothing leaves the machine, and nothing is left on it that docs/privacy.md does not name."""

import ast
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from pneumoscore.cli import main
from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    render_phantom,
    write_phantom_dicom,
    write_phantom_png,
)

ROOT = Path(__file__).resolve().parents[1]

# Runs the command line in process, then looks for seconds for what a library started.
WATCHED = """
import os, sys, time
from pathlib import Path
from pneumoscore.cli import main

status = main(sys.argv[1:])
end, seen = time.monotonic() + 3.0, set()
while time.monotonic() < end:
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:"):
            seen.add(target)
    time.sleep(0.05)
print("status", status, "sockets", len(seen), file=sys.stderr)
"""


def _watched(home, *arguments, environment=None):
    """Run a command with an empty HOME, without a network where the machine lets us."""
    isolated = ["unshare", "--net"] if _may_unshare() else []
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    return subprocess.run(
        [*isolated, sys.executable, "-c", WATCHED, *map(str, arguments)],
        env={**kept, "HOME": str(home), **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _may_unshare():
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.png"
    sick = LungDisease(0.5, 0.5)
    write_phantom_png(render_phantom(PhantomSpec(sick, sick, seed=1, size=512)), path)
    return path


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("environment", [{}, {"ORT_DISABLE_TELEMETRY": "0"}])
def test_scoring_writes_nothing_into_home_and_opens_no_socket(phantom, tmp_path, environment):
    result = _watched(tmp_path, "score", "--force", "--json", phantom, environment=environment)
    assert result.stderr.splitlines()[-1:] == ["status 0 sockets 0"], result.stderr
    assert list(tmp_path.rglob("*")) == []


def test_the_runtime_would_write_if_it_were_let(tmp_path):
    """The test above can fail: without our switch, this build leaves files in HOME."""
    import onnxruntime

    if not hasattr(onnxruntime, "disable_telemetry_events"):
        pytest.skip("this build has no telemetry")
    isolated = ["unshare", "--net"] if _may_unshare() else []
    if not isolated:
        pytest.skip("would report for real: no network namespace here")
    subprocess.run(
        [*isolated, sys.executable, "-c", "import onnxruntime"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        check=True,
        timeout=60,
    )
    if not list(tmp_path.rglob("*")):
        pytest.skip("this build's telemetry writes nothing at import")


def test_error_lines_quote_no_patient(tmp_path, tiny_folder, capsys, monkeypatch):
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path / "home"))
    films = tmp_path / "films"
    films.mkdir()
    patient = SyntheticPatient(patient_id="PHANTOM-SECRET", name="PHANTOM^SECRET", sex="M")
    write_phantom_dicom(
        render_phantom(PhantomSpec(size=128)), films / "0.dcm", patient, datetime(2026, 1, 1), 1
    )
    data = (films / "0.dcm").read_bytes()
    for number, share in enumerate((0.03, 0.5, 0.95), start=1):
        (films / f"{number}.dcm").write_bytes(data[: int(share * len(data))])
    other = pydicom.dcmread(films / "0.dcm")
    other.PatientSex = "F"
    other.SOPInstanceUID += ".1"
    other.save_as(films / "other.dcm")
    told = ""
    for command in (["score"], ["patient", "import", "--records", str(tmp_path / "r.db")]):
        assert main([*command, "--model", str(tiny_folder), str(films)]) == 1
        out, err = capsys.readouterr()
        told += out + err
    assert told.count("error:") >= 6
    assert "two people under one number" in told
    assert "SECRET" not in told


def test_only_one_module_imports_the_runtime():
    found = []
    for folder in ("src", "training", "benchmarks", "docs", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
                if any(name.split(".")[0] == "onnxruntime" for name in names):
                    found.append(path.relative_to(ROOT).as_posix())
    assert set(found) == {"src/pneumoscore/backbone/runtime.py"}
