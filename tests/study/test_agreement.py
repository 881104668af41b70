import numpy as np
import pytest

from pneumoscore.cohort.ratings import RatingTable
from pneumoscore.errors import PneumoScoreError
from pneumoscore.study.agreement import agreement_table, measure_agreement, pair_table
from pneumoscore.study.readers import brixia_agreement, ratings_agreement, write_agreement


def _table(model=False):
    random = np.random.default_rng(0)
    truth = random.integers(0, 9, 60)
    noise = random.integers(-1, 2, (60, 3))
    values = np.clip(truth[:, None] + noise, 0, 8).astype(float)
    values[0, 0] = np.nan
    films = tuple(f"f{i}" for i in range(60))
    table = RatingTable("geographic_extent", films, ("a", "b", "c"), values)
    scores = {film: float(t) + 0.3 for film, t in zip(films, truth, strict=True)}
    return table.with_reader("model", scores) if model else table


def test_readers_that_agree_by_one_point():
    found = measure_agreement(_table(), {f"f{i}": f"p{i // 2}" for i in range(60)}, repeats=150)
    assert (found.films, found.complete) == (60, 59)
    assert found.figures["ICC(A,1)"].value == pytest.approx(found.analytic["ICC(A,1)"].value)
    assert found.figures["ICC(A,1)"].value > 0.85
    assert found.figures["ICC(A,k)"].value > found.figures["ICC(A,1)"].value
    assert found.figures["SDC95"].value == pytest.approx(1.96 * 2**0.5 * (2 / 3) ** 0.5, abs=0.3)
    assert set(found.kappas) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert found.interchange == {}
    assert len(pair_table([found]).rows) == 3
    assert agreement_table([found], "t").rows[0][1] == "59"


def test_the_model_is_one_more_reader_but_not_in_the_readers_agreement():
    alone = measure_agreement(_table(), {}, repeats=100)
    found = measure_agreement(_table(model=True), {}, model="model", repeats=100)
    assert found.readers == ("a", "b", "c")
    assert found.figures["ICC(A,1)"].value == alone.figures["ICC(A,1)"].value
    assert ("a", "model") in found.pairs
    assert ("a", "model") not in found.kappas  # its scores are no integers
    assert found.interchange["equivalence_index"].value < 0


def test_a_sites_ratings_with_a_model(tmp_path):
    table = _table()
    lines = ["file,patient,reader,scale,right,left"]
    for i, film in enumerate(table.films):
        for j, reader in enumerate(table.readers):
            value = table.values[i, j]
            if np.isfinite(value):
                right = min(value, 4)
                lines.append(f"{film},p{i},{reader},geographic_extent,{right:g},{value - right:g}")
    (tmp_path / "r.csv").write_text("\n".join(lines))
    (tmp_path / "m.csv").write_text(
        "file,scale,prediction\n" + "\n".join(f"f{i},geographic_extent,{i % 8}" for i in range(50))
    )
    (found,) = ratings_agreement(tmp_path / "r.csv", tmp_path / "m.csv", repeats=100)
    assert found.complete == 49
    tables = write_agreement([found], tmp_path / "out")
    assert [len(table.rows) for table in tables] == [1, 6, 1]
    assert (tmp_path / "out" / "tables" / "interchangeability.csv").is_file()
    alone = [line for line in lines if ",b," not in line and ",c," not in line]
    (tmp_path / "one.csv").write_text("\n".join(alone))
    with pytest.raises(PneumoScoreError, match="cannot be compared"):
        ratings_agreement(tmp_path / "one.csv")
    with pytest.raises(PneumoScoreError, match="cannot be compared"):
        ratings_agreement(tmp_path / "one.csv", tmp_path / "m.csv")


def test_films_read_by_two_of_three_readers_leave_out_only_what_cannot_be_computed(tmp_path):
    full = _table()
    values = full.values.copy()
    values[0, 0] = 4.0
    values[np.arange(60), np.arange(60) % 3] = np.nan
    lines = ["file,reader,scale,right,left"]
    for row, film in zip(values, full.films, strict=True):
        for reader, value in zip(full.readers, row, strict=True):
            if np.isfinite(value):
                right = min(value, 4)
                lines.append(f"{film},{reader},geographic_extent,{right:g},{value - right:g}")
    lines.append("f0,b,opacity,1,1")
    (tmp_path / "r.csv").write_text("\n".join(lines))
    found, other = ratings_agreement(tmp_path / "r.csv", repeats=50)
    assert (found.films, found.complete, found.analytic) == (60, 0, {})
    assert [limits.films for limits in found.pairs.values()] == [20, 20, 20]
    assert np.isnan(found.figures["ICC(A,1)"].value)
    assert found.figures["alpha (interval)"].value > 0.8
    assert len(found.kappas) == 3
    assert (other.pairs, other.films) == ({}, 1)
    first, pairs = write_agreement([found, other], tmp_path / "out")
    assert "ICC, SEM and SDC95 on geographic_extent: 3 reader(s), 0 film(s) scored by" in first.note
    assert "on opacity: 1 reader(s)" in first.note
    assert [row[2] for row in first.rows] == ["-", "-"]
    assert len(pairs.rows) == 3
    assert "scored by all of them" in (tmp_path / "out" / "numbers.json").read_text()


def test_the_model_replaces_no_reader_where_readers_share_no_films():
    values = np.full((8, 3), np.nan)
    values[:4, 0], values[4:, 1], values[:, 2] = 2.0, 3.0, 2.5
    table = RatingTable("extent", tuple(f"f{i}" for i in range(8)), ("a", "b", "m"), values)
    found = measure_agreement(table, {}, "m", repeats=50)
    assert found.interchange == {}
    assert any("interchangeability" in words for words in found.left_out)


def test_pairs_without_films_in_common_are_named():
    full = _table()
    values = full.values.copy()
    values[:30, 2], values[29:, 0] = np.nan, np.nan
    table = RatingTable(full.item, full.films, full.readers, values)
    found = measure_agreement(table, {}, repeats=50)
    assert set(found.pairs) == {("a", "b"), ("b", "c")}
    assert found.left_out[1] == (
        "a and c on geographic_extent: films of 0 patient(s) in common, two are needed"
    )


@pytest.mark.shared_data
def test_the_brixia_readers(shared_data, tmp_path):
    found = {
        item.item: item
        for item in brixia_agreement(shared_data, shared_data / "brixia.csv", repeats=100)
    }
    assert list(found) == ["A", "B", "C", "D", "E", "F", "Global"]
    assert 0.8 < found["Global"].figures["ICC(A,1)"].value < 0.9
    assert all(0.65 < found[zone].figures["ICC(A,1)"].value < 0.85 for zone in "ABCDEF")
    path = tmp_path / "model.csv"
    path.write_text(
        "file,scale,prediction\n16654_4_1.png,geographic_extent,7\n"
        "acute-respiratory-distress-syndrome-ards-1.jpg,geographic_extent,8\n"
        "6C94A287-C059-46A0-8600-AFB95F4727B7.jpeg,geographic_extent,8\n"
    )
    with_model = brixia_agreement(shared_data, shared_data / "brixia.csv", path, repeats=100)[-1]
    assert with_model.films == 3
    assert with_model.pairs[("senior", "model")].bias == pytest.approx((0 + 0 + 17 - 15.75) / 3)
