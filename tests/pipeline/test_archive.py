"""Archives: gone on with after any interruption, nothing lost, nothing done twice."""

import csv
import io
import json
import os
import tarfile
import zipfile
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pneumoscore.cli import main
from pneumoscore.errors import OutputError, PneumoScoreError
from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    render_phantom,
    write_phantom_dicom,
)
from pneumoscore.pipeline.archive.parts import unpack
from pneumoscore.pipeline.archive.run import (
    ArchiveOptions,
    Part,
    archive_state,
    merge,
    run_archive,
)
from pneumoscore.pipeline.engines.threads import Threads
from pneumoscore.pipeline.header_filter import HeaderFilter
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.run import Run
from pneumoscore.pipeline.sinks.tables import csv_columns
from pneumoscore.pipeline.walk import expand
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import RESEARCH_NOTICE
from tests.radiograph.conftest import load_benchmark

ROWS = ArchiveOptions("jsonl", rows=4)


@pytest.fixture(scope="module")
def model(tiny_folder):
    return SeverityModel.open(tiny_folder, threads=1)


def write_film(path, tiny_model, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = tiny_model.film(seed, 200, 180).pixels
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(path)


@pytest.fixture
def films(tmp_path, tiny_model):
    folder = tmp_path / "films"
    for seed in range(10):
        write_film(folder / f"{seed}.png", tiny_model, seed)
    (folder / "bad.png").write_text("no image")
    return folder


def run(source, out, model, options=ROWS, scoring=None, **more):
    return run_archive(
        [str(source)],
        str(out),
        model,
        scoring or ScoringOptions(),
        options,
        engine=Threads(2),
        **more,
    )


def merged(out):
    stream = io.BytesIO()
    merge(str(out), stream.write)
    return list(csv.DictReader(io.StringIO(stream.getvalue().decode(), newline="")))


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_parts_hold_the_rows_of_the_csv_table(films, tmp_path, model, tiny_folder, form):
    report = run(films, tmp_path / "out", model, ArchiveOptions(form, rows=4))
    assert (report.scored, report.failed) == (10, 1)
    assert len(list((tmp_path / "out" / "parts").glob(f"*.{form}"))) == 3
    rows = merged(tmp_path / "out")
    assert list(rows[0]) == csv_columns(Run.of(model, ScoringOptions()).scales)
    csv_file = tmp_path / "scores.csv"
    arguments = ["score", films, "--csv", csv_file, "--model", tiny_folder]
    assert main([*map(str, arguments)]) == 1
    with csv_file.open(newline="") as stream:
        expected = sorted(csv.DictReader(stream), key=lambda row: row["file"])
    for row, other in zip(rows, expected, strict=True):
        for name, value in other.items():
            if value.replace(".", "").replace("-", "").isdigit() and "." in value:
                assert float(row[name]) == pytest.approx(float(value), abs=1e-4)
            else:
                assert row[name] == value
    failures = (tmp_path / "out" / "failures.csv").read_text()
    assert "bad.png" in failures
    assert "unreadable" in failures
    assert (tmp_path / "out" / "failures.csv").stat().st_mode & 0o777 == 0o600


def test_a_second_run_scores_nothing_again(films, tmp_path, model):
    out = tmp_path / "out"
    run(films, out, model)
    before = merged(out)
    again = run(films, out, model)
    assert (again.scored, again.known, again.failed) == (0, 11, 0)
    assert merged(out) == before
    report = json.loads((out / "run_report.json").read_text())
    assert report["counts"]["resumed"] == 11


ODD_NAMES = [b"a\rb.png", b"a\nb.png", b"a\r\nb.png", b'"a",b.png', b"a;b\t.png", b"\xff\xfe.png"]


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_any_name_survives_the_way_through_a_part(films, tmp_path, model, form):
    names = [os.fsdecode(name) for name in (*ODD_NAMES, "a\u2028b.png".encode())]
    for number, name in enumerate(names):
        (films / f"{number}.png").rename(films / name)
    (films / "bad.png").rename(films / "=bad\r.png")
    out = tmp_path / "out"
    options = ArchiveOptions(form, rows=4)
    assert run(films, out, model, options).scored == 10
    parts = sorted(path.name for path in (out / "parts").iterdir())
    rows = merged(out)
    shown = {os.fsencode(path).decode("utf-8", "backslashreplace") for path in films.iterdir()}
    assert {row["file"] for row in rows} == shown
    assert all(row["notice"] == RESEARCH_NOTICE for row in rows)
    with (out / "failures.csv").open(newline="") as stream:
        assert [row["file"] for row in csv.DictReader(stream)] == [str(films / "=bad\r.png")]
    assert run(films, out, model, options).known == 11
    assert sorted(path.name for path in (out / "parts").iterdir()) == parts


def test_what_is_refused_for_its_length_is_known_too(films, tmp_path, model):
    (films / "empty.png").write_bytes(b"")
    (films / "long.png").write_bytes(bytes(3_000_000))
    scoring = ScoringOptions(read=ReadOptions(max_file_bytes=2_000_000))
    first = run(films, tmp_path / "out", model, scoring=scoring)
    assert (first.scored, first.failed) == (10, 3)
    again = run(films, tmp_path / "out", model, scoring=scoring)
    assert (again.scored, again.known, again.failed) == (0, 13, 0)


def test_copies_within_one_run_have_like_rows(films, tmp_path, model):
    first = films / "0.png"
    for number in range(30):
        (films / f"copy{number:02}.png").write_bytes(first.read_bytes())
    out = tmp_path / "out"
    report = run(films, out, model)
    assert (report.scored + report.known, report.failed) == (40, 1)
    assert report.known > 0
    rows = {row["file"]: row for row in merged(out)}
    genuine = rows[str(first)]
    copies = [row for file, row in rows.items() if "copy" in file]
    assert copies == [genuine | {"file": row["file"]} for row in copies]
    assert len(copies) == 30


def test_a_changed_film_is_scored_and_a_copy_gets_a_row(films, tmp_path, model, tiny_model):
    out = tmp_path / "out"
    run(films, out, model)
    old = {row["file"]: row for row in merged(out)}
    write_film(films / "3.png", tiny_model, 77)
    (films / "copy.png").write_bytes((films / "5.png").read_bytes())
    again = run(films, out, model)
    assert (again.scored, again.known) == (1, 11)
    new = {row["file"]: row for row in merged(out)}
    assert len(new) == 12
    changed = str(films / "3.png")
    assert new[changed]["opacity_raw"] != old[changed]["opacity_raw"]
    copy, genuine = new[str(films / "copy.png")], new[str(films / "5.png")]
    assert copy == genuine | {"file": copy["file"]}


def test_other_options_or_a_failure_to_retry_are_done_again(films, tmp_path, model):
    out = tmp_path / "out"
    run(films, out, model)
    assert run(films, out, model, scoring=ScoringOptions(level=0.8)).scored == 10
    assert {row["opacity_level"] for row in merged(out) if not row["reason"]} == {"0.8"}
    retry = ArchiveOptions("jsonl", rows=4, retry=True)
    again = run(films, out, model, retry, scoring=ScoringOptions(level=0.8))
    assert (again.scored, again.known, again.failed) == (0, 10, 1)


def test_a_film_that_goes_away_while_it_is_read_is_tried_again(films, tmp_path, model, monkeypatch):
    from pneumoscore.pipeline.reading import FilmReader

    genuine = FilmReader.__call__

    def vanishing(self, source, known):
        if source.name == "3.png":
            source.rename(source.with_suffix(".away"))
        return genuine(self, source, known)

    monkeypatch.setattr(FilmReader, "__call__", vanishing)
    report = run(films, tmp_path / "out", model)
    assert report.reasons == {"missing": 1, "unreadable": 1}
    monkeypatch.undo()
    (films / "3.away").rename(films / "3.png")
    again = run(films, tmp_path / "out", model)
    assert (again.scored, again.known, again.failed) == (1, 10, 0)
    assert sum(bool(row["reason"]) for row in merged(tmp_path / "out")) == 1


def test_films_that_were_read_in_another_way_are_not_done(
    films, tmp_path, model, tiny_folder, monkeypatch
):
    out = tmp_path / "out"
    run(films, out, model)
    # As an older version of this program left it: without the column.
    for part in (out / "parts").iterdir():
        rows = [json.loads(line) for line in part.read_text().splitlines()]
        assert {row.pop("reading") for row in rows} == {str(model.identity.reading)}
        part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(films, out, model).known == 11
    monkeypatch.setattr("pneumoscore.severity.bundle.READING_VERSION", 999)
    report = run(films, out, SeverityModel.open(tiny_folder, threads=1))
    assert (report.scored, report.failed, report.known) == (10, 1, 0)
    rows = merged(out)
    assert len(rows) == 11
    assert list(rows[0]) == csv_columns(Run.of(model, ScoringOptions()).scales)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("first", [True, False])
def test_a_row_is_taken_over_only_where_it_names_the_patient_as_this_run_does(
    tmp_path, model, form, first
):
    healthy = LungDisease(0.0, 0.0)
    phantom = render_phantom(PhantomSpec(healthy, healthy, size=128))
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "out"
    for folder in (one, two):
        folder.mkdir()
        write_phantom_dicom(phantom, folder / "a.dcm", SyntheticPatient(), datetime(2026, 1, 1))
    scoring = ScoringOptions(force=True)
    assert run(one, out, model, ArchiveOptions(form, identifiers=first), scoring).scored == 1
    older = set((out / "parts").iterdir())
    options = ArchiveOptions(form, identifiers=not first)
    assert run(two, out, model, options, scoring).scored == 1
    assert run(two, out, model, options, scoring).known == 1
    (newer,) = set((out / "parts").iterdir()) - older
    (row,) = unpack(newer.read_bytes(), newer.name)
    assert row["file"] == str(two / "a.dcm")
    assert ("patient_id" in row) is (not first)
    assert row.get("patient_id") in (None, SyntheticPatient().patient_id)
    assert (b"PHANTOM-" in newer.read_bytes()) is (not first)


def test_a_copy_of_a_film_in_a_part_of_an_older_version_gets_a_row(films, tmp_path, model):
    out = tmp_path / "out"
    run(films, out, model)
    for part in (out / "parts").iterdir():
        rows = [json.loads(line) for line in part.read_text().splitlines()]
        assert all(row.pop("reading") for row in rows)
        part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (films / "copy.png").write_bytes((films / "5.png").read_bytes())
    assert run(films, out, model).known == 12
    assert str(films / "copy.png") in {row["file"] for row in merged(out)}


def test_shares_of_several_runs_make_the_whole(films, tmp_path, model):
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    run(films, whole, model)
    for number in (1, 2, 3):
        options = ArchiveOptions("jsonl", rows=4, part=Part(number, 3))
        run(films, shared, model, options)
    assert merged(shared) == merged(whole)
    assert len(list(shared.glob("run_report-*-of-3.json"))) == 3
    with pytest.raises(PneumoScoreError, match="3/8"):
        Part.of("0/2")


def test_a_share_without_a_film_is_a_run_like_others(films, tmp_path, model):
    one, out = tmp_path / "one", tmp_path / "out"
    one.mkdir()
    (films / "0.png").rename(one / "0.png")
    found = [
        run(one, out, model, ArchiveOptions("jsonl", part=Part(number, 3))).scored
        for number in (1, 2, 3)
    ]
    assert sorted(found) == [0, 0, 1]
    assert len(merged(out)) == 1


def test_members_of_zip_and_tar_files_are_scored(films, tmp_path, model):
    source = tmp_path / "sources"
    source.mkdir()
    with zipfile.ZipFile(source / "a.zip", "w") as archive:
        for number in range(3):
            archive.write(films / f"{number}.png", f"inner/{number}.png")
        archive.writestr("notes.txt", "none")
    with tarfile.open(source / "b.tar.gz", "w:gz") as archive:
        for number in range(3, 6):
            archive.add(films / f"{number}.png", f"{number}.png")
    (source / "c.zip").write_bytes(b"PK\x03\x04 no zip")
    report = run(source, tmp_path / "out", model)
    assert report.scored == 6
    assert report.skipped["no image"] >= 1
    run(films, tmp_path / "plain", model)
    scores = {row["file"].split("/")[-1]: row["opacity_raw"] for row in merged(tmp_path / "plain")}
    rows = merged(tmp_path / "out")
    assert [row["file"] for row in rows if row["reason"]] == [str(source / "c.zip")]
    for row in rows[:-1]:
        assert row["opacity_raw"] == scores[row["file"].split("!")[1].split("/")[-1]]


def test_a_dicomdir_names_its_films(tmp_path, model):
    healthy = LungDisease(0.0, 0.0)
    phantom = render_phantom(PhantomSpec(healthy, healthy, size=128))
    fileset = FileSet()
    for day in (1, 2):
        film = tmp_path / f"{day}.dcm"
        write_phantom_dicom(phantom, film, SyntheticPatient(), datetime(2026, 1, day), day)
        fileset.add(film)
    fileset.write(tmp_path / "disc")
    found = list(expand([tmp_path / "disc" / "DICOMDIR"], containers=True))
    assert len(found) == 2
    assert all(item.problem is None and item.path.is_file() for item in found)
    found[0].path.unlink()
    lost = list(expand([tmp_path / "disc" / "DICOMDIR"], containers=True))
    assert [str(item.reason) for item in lost if item.problem] == ["missing"]

    wanted = HeaderFilter.of(["modality=DX", "date=2026-01-02..2026-01-05"])
    scoring = ScoringOptions(force=True, wanted=wanted)
    report = run(tmp_path / "2.dcm", tmp_path / "out", model, scoring=scoring)
    assert report.scored == 1
    report = run(tmp_path / "1.dcm", tmp_path / "out", model, scoring=scoring)
    assert report.scored == 0
    assert report.skipped == {"other date": 1}


def test_filters_are_read_or_refused():
    assert HeaderFilter.of([]) is None
    assert HeaderFilter.of(["date=2020-01-02"]) == HeaderFilter(
        since=date(2020, 1, 2), until=date(2020, 1, 2)
    )
    for word in ("modality", "sex=F", "date=2020-13-01", "view="):
        with pytest.raises(PneumoScoreError, match="expected"):
            HeaderFilter.of([word])


def test_values_of_a_filter_that_is_given_again_are_joined():
    assert HeaderFilter.of(["modality=DX", "view=PA", "modality=CR"]).modality == ("DX", "CR")
    with pytest.raises(PneumoScoreError, match="one range"):
        HeaderFilter.of(["date=2020-01-02", "date=2021-01-02"])


def test_a_filter_reads_the_headers_that_scoring_reads(tmp_path):
    healthy = LungDisease(0.0, 0.0)
    phantom = render_phantom(PhantomSpec(healthy, healthy, size=128))
    film = tmp_path / "film.dcm"
    write_phantom_dicom(phantom, film, SyntheticPatient(), datetime(2026, 1, 1), 1)
    wanted, other = HeaderFilter.of(["modality=DX"]), HeaderFilter.of(["modality=CT"])
    options = ReadOptions()
    bare = io.BytesIO()
    header = dcmread(film)
    header.save_as(bare, implicit_vr=False, little_endian=True, enforce_file_format=False)
    bare = bare.getvalue()[132:]
    # Without the file meta information too.
    bare = bare[12 + int.from_bytes(bare[8:12], "little") :]
    assert bare[:2] == b"\x08\x00"
    long = dcmread(film)
    long.add_new(0x00091001, "OB", bytes(2**20))
    long.save_as(tmp_path / "long.dcm")
    for source in (film, film.read_bytes(), bare, tmp_path / "long.dcm"):
        assert wanted.why_not(source, options) is None
        assert other.why_not(source, options) == "other modality"
    view = HeaderFilter.of([f"view={header.ViewPosition}"])
    assert view.why_not(tmp_path / "long.dcm", options) is None
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    assert wanted.why_not(tmp_path / "a.png", options) == "no header"


def test_a_filter_inflates_no_more_than_a_film_may(tmp_path):
    header = Dataset()
    header.Modality = "DX"
    header.add_new(0x00091001, "OB", bytes(4 * 2**20))
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.file_meta.MediaStorageSOPInstanceUID = "1.2"
    header.save_as(tmp_path / "bomb.dcm", enforce_file_format=True)
    wanted = HeaderFilter.of(["modality=DX"])
    assert wanted.why_not(tmp_path / "bomb.dcm", ReadOptions()) is None
    assert wanted.why_not(tmp_path / "bomb.dcm", ReadOptions(max_file_bytes=2**20)) == "no header"


def test_object_storage_holds_the_same_parts(films, tmp_path, model):
    run(films, tmp_path / "out", model)
    run(films, "memory://bucket/run", model)
    assert merged("memory://bucket/run") == merged(tmp_path / "out")
    assert archive_state("memory://bucket/run").reasons == {"unreadable": 1}


@pytest.mark.parametrize("name", ["failures.csv", "run_report.json"])
@pytest.mark.parametrize("place", ["folder", "objects"])
def test_a_file_of_the_users_is_kept(films, tmp_path, model, name, place):
    from fsspec.implementations.memory import MemoryFileSystem

    out = tmp_path / "out" if place == "folder" else f"memory://kept/{name}"
    mine = b"mine" * 5000
    if place == "folder":
        out.mkdir()
        (out / name).write_bytes(mine)
    else:
        MemoryFileSystem().pipe_file(f"/kept/{name}/{name}", mine)
    with pytest.raises(OutputError, match=name):
        run(films, out, model)
    if place == "folder":
        assert (out / name).read_bytes() == mine
        assert [path.name for path in out.iterdir()] == [name]
    else:
        assert MemoryFileSystem().cat_file(f"/kept/{name}/{name}") == mine


@pytest.mark.parametrize("place", ["folder", "memory://again/run"])
def test_a_table_without_failures_is_known_again(films, tmp_path, model, place):
    out = tmp_path / "out" if place == "folder" else place
    (films / "bad.png").unlink()
    scales = Run.of(model, ScoringOptions()).scales
    for identifiers in (True, False):
        options = ArchiveOptions("jsonl", identifiers=identifiers)
        run(films, out, model, options)
        if place == "folder":
            with (out / "failures.csv").open(newline="") as stream:
                assert list(csv.reader(stream)) == [csv_columns(scales, identifiers=identifiers)]


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_and_double_nothing(
    tmp_path, tiny_model, tiny_folder, monkeypatch
):
    for name in ("radiograph_files", "archive_films", "pipeline_memory"):
        load_benchmark(name)
    benchmark = load_benchmark("archive_kills")
    monkeypatch.setattr(benchmark, "ROWS", 3)
    films = tmp_path / "films"
    for seed in range(60):
        write_film(films / f"{seed:02d}.png", tiny_model, seed)
    own = ["--model", str(tiny_folder)]
    benchmark.finish(benchmark.command(films, tmp_path / "whole", *own))
    words, out = benchmark.killed(films, tmp_path / "out", own, kills=3, seed=5)
    assert "killed" in words
    found, whole = benchmark.merged(out), benchmark.merged(tmp_path / "whole")
    assert len(whole) == 60
    assert benchmark.difference(found, whole) is None
    found[7]["opacity_raw"] = "9"
    assert "opacity_raw" in benchmark.difference(found, whole)


def test_a_full_disk_stops_the_run_and_keeps_what_was_written(films, tmp_path, model, monkeypatch):
    from pneumoscore.pipeline.archive import store

    out, genuine, calls = tmp_path / "out", store.written_atomically, []

    def full(path, **options):
        calls.append(path)
        if len(calls) >= 2:
            raise OSError(28, "No space left on device")
        return genuine(path, **options)

    monkeypatch.setattr(store, "written_atomically", full)
    with pytest.raises(OSError, match="No space"):
        run(films, out, model)
    monkeypatch.undo()
    assert archive_state(str(out)).scored == 4
    again = run(films, out, model)
    assert (again.known, again.scored) == (4, 6)
    run(films, tmp_path / "whole", model)
    assert merged(out) == merged(tmp_path / "whole")


def test_a_full_folder_for_scratch_files_is_told_and_left_clean(
    films, tmp_path, model, monkeypatch, capsys
):
    from pneumoscore.pipeline.archive import index

    out, scratch = tmp_path / "out", tmp_path / "scratch"
    run(films, out, model)
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    # No page more than an empty database has: as on a disk without room.
    monkeypatch.setattr(index, "_SCHEMA", index._SCHEMA + "PRAGMA max_page_count = 1;")
    for command in (["status", out], ["merge", out, "-o", tmp_path / "table.csv"]):
        assert main(["archive", *map(str, command)]) == 3
        error = capsys.readouterr().err
        assert error.startswith("error: the index of the parts cannot be kept in ")
        assert "full" in error
        assert "TMPDIR" in error
    with pytest.raises(PneumoScoreError, match="TMPDIR"):
        run(films, out, model)
    assert list(scratch.iterdir()) == []
    monkeypatch.undo()
    assert run(films, out, model).known == 11


def test_a_damaged_part_leaves_no_scratch_file(films, tmp_path, model, monkeypatch):
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    run(films, out, model)
    next((out / "parts").iterdir()).write_text("{")
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with pytest.raises(PneumoScoreError, match="damaged"):
        archive_state(str(out))
    assert list(scratch.iterdir()) == []


def test_the_command_says_what_it_did(films, tmp_path, tiny_folder, capsys):
    out = tmp_path / "out"
    arguments = ["archive", "run", films, "--out", out, "--format", "csv", "--model", tiny_folder]
    assert main([*map(str, arguments)]) == 1
    said = capsys.readouterr()
    assert "10 films scored, 0 were done before, 1 failed" in said.out
    assert "1 unreadable" in said.err
    assert main(["archive", "status", str(out)]) == 0
    assert "scored    10" in capsys.readouterr().out
    table = tmp_path / "table.csv"
    assert main(["archive", "merge", str(out), "-o", str(table)]) == 0
    assert "11 rows" in capsys.readouterr().out
    assert main(["archive", "merge", str(out), "-o", str(table)]) == 0
    assert main(["archive", "status", str(tmp_path)]) == 3
    assert "no parts" in capsys.readouterr().err


def test_merge_says_where_parts_hold_rows_of_several_options(films, tmp_path, tiny_folder, capsys):
    out, table = tmp_path / "out", tmp_path / "table.csv"
    (films / "bad.png").unlink()
    said = []
    for level in ("0.9", "0.8", "0.9"):
        arguments = ["archive", "run", films, "--out", out, "--format", "csv",
                     "--level", level, "--model", tiny_folder]  # fmt: skip
        assert main([*map(str, arguments)]) == 0
        capsys.readouterr()
        assert main(["archive", "merge", str(out), "-o", str(table)]) == 0
        merging = capsys.readouterr()
        assert merging.out == "10 rows\n"
        said.append(merging.err.splitlines())
        (films / "9.png").unlink(missing_ok=True)
    assert said[0] == []
    assert said[1] == said[2]
    kinds = [(line.split()[0], line.rpartition(", ")[2]) for line in said[1][1:]]
    assert kinds == [("9", "level 0.8"), ("10", "level 0.9")]
    with table.open(newline="") as stream:
        levels = [row["opacity_level"] for row in csv.DictReader(stream)]
    assert levels == ["0.8"] * 9 + ["0.9"]


def test_films_are_recorded_before_their_part_is_written(tmp_path, model, tiny_folder, capsys):
    pytest.importorskip("sqlalchemy")
    healthy = LungDisease(0.0, 0.0)
    phantom = render_phantom(PhantomSpec(healthy, healthy, size=128))
    folder = tmp_path / "films"
    folder.mkdir()
    for day in range(1, 6):
        moment = datetime(2026, 1, day)
        write_phantom_dicom(phantom, folder / f"{day}.dcm", SyntheticPatient(), moment, day)
    place = tmp_path / "records.db"
    arguments = ["archive", "run", folder, "--out", tmp_path / "out", "--format", "csv",
                 "--rows", 2, "--records", place, "--force", "--model", tiny_folder]  # fmt: skip
    assert main([*map(str, arguments)]) == 0
    assert "5 films scored" in capsys.readouterr().out
    assert main(["patient", "check", "--records", str(place)]) == 0
    assert "films       5" in capsys.readouterr().out


def test_films_that_contradict_the_records_are_told(tmp_path, tiny_folder, capsys):
    pytest.importorskip("sqlalchemy")
    healthy = LungDisease(0.0, 0.0)
    phantom = render_phantom(PhantomSpec(healthy, healthy, size=128))
    folder = tmp_path / "films"
    folder.mkdir()
    for day, sex in ((1, "F"), (2, "M")):
        patient = SyntheticPatient(sex=sex)
        write_phantom_dicom(phantom, folder / f"{day}.dcm", patient, datetime(2026, 1, day), day)
    arguments = ["archive", "run", folder, "--out", tmp_path / "out", "--format", "csv",
                 "--records", tmp_path / "records.db", "--force", "--model",
                 tiny_folder]  # fmt: skip
    assert main([*map(str, arguments)]) == 1
    said = capsys.readouterr()
    assert "2 films scored" in said.out
    (error,) = (line for line in said.err.splitlines() if line.startswith("error: "))
    assert str(folder / "2.dcm") in error
    assert "the recorded one F" in error


def test_films_that_cannot_be_recorded_end_with_status_1(films, tmp_path, tiny_folder, capsys):
    pytest.importorskip("sqlalchemy")
    arguments = ["archive", "run", films / "0.png", "--out", tmp_path / "out", "--format", "csv",
                 "--records", tmp_path / "records.db", "--model", tiny_folder]  # fmt: skip
    assert main([*map(str, arguments)]) == 1
    assert "not recorded" in capsys.readouterr().err


def test_what_had_no_score_before_is_no_success(films, tmp_path, tiny_folder, capsys):
    (films / "copy of bad.png").write_bytes((films / "bad.png").read_bytes())
    out = tmp_path / "out"
    arguments = ["archive", "run", films, "--out", out, "--format", "csv", "--model", tiny_folder]
    assert main([*map(str, arguments)]) == 1
    for _ in range(2):
        capsys.readouterr()
        assert main([*map(str, arguments)]) == 1
        said = capsys.readouterr()
        assert "0 films scored, 12 were done before (2 without a score), 0 failed" in said.out
        assert "failures.csv" in said.err
        counts = json.loads((out / "run_report.json").read_text())["counts"]
        assert (counts["resumed"], counts["resumed_without_score"]) == (12, 2)


def test_an_empty_share_of_several_is_done(films, tmp_path, tiny_folder, capsys):
    statuses = []
    for number in range(1, 9):
        arguments = ["archive", "run", films / "0.png", "--out", tmp_path / "out", "--format",
                     "csv", "--part", f"{number}/8", "--model", tiny_folder]  # fmt: skip
        statuses.append(main([*map(str, arguments)]))
    said = capsys.readouterr()
    assert statuses == [0] * 8
    assert said.out.count("no films in share") == 7
    assert said.out.count("1 films scored") == 1
    (tmp_path / "empty").mkdir()
    arguments = ["archive", "run", tmp_path / "empty", "--out", tmp_path / "out"]
    assert main([*map(str, arguments), "--format", "csv", "--model", str(tiny_folder)]) == 3
    capsys.readouterr()
    shared = [*map(str, arguments), "--format", "csv", "--model", str(tiny_folder)]
    assert main([*shared, "--part", "1/8"]) == 3
    assert "no films in" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [("--filter", "foo=1"), ("--filter", "date=never"), ("--part", "9/8"), ("--part", "one")],
)
def test_an_option_that_cannot_be_read_is_wrong_usage(films, tmp_path, option, capsys):
    arguments = ["archive", "run", str(films), "--out", str(tmp_path / "out"), *option]
    assert main(arguments) == 2
    assert option[0] in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bad_files_of_every_kind_are_named_with_their_reason_and_stop_nothing(
    films, tmp_path, model, tiny_model
):
    whole = (films / "0.png").read_bytes()
    bad = {
        "empty.dcm": (b"", "unreadable"),
        "cut.png": (whole[: len(whole) // 2], "unreadable"),
        "page.jpg": (b"<html>no film</html>", "unreadable"),
        "document.tif": (b"%PDF-1.7 no film", "unreadable"),
        "preamble.dcm": (bytes(128) + b"DICM", "unreadable"),
        "noise.dcm": (bytes(128) + b"DICM" + os.urandom(2000), "unreadable"),
    }
    for name, (content, _) in bad.items():
        (films / name).write_bytes(content)
    Image.new("L", (300, 300), 90).save(films / "constant.png")
    write_film(films / "small.png", tiny_model, 1)
    with Image.open(films / "small.png") as image:
        image.resize((40, 40)).save(films / "small.png")
    (films / "dangling.png").symlink_to("nowhere.png")
    expected = {name: reason for name, (_, reason) in bad.items()}
    expected |= {"constant.png": "refused", "small.png": "refused", "dangling.png": "missing"}
    expected |= {"bad.png": "unreadable"}
    report = run(films, tmp_path / "out", model)
    assert report.scored == 10
    with (tmp_path / "out" / "failures.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {Path(row["file"]).name: row["reason"] for row in rows} == expected
    assert all(row["error"] for row in rows)
