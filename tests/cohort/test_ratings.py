import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscore.cohort.ratings import (
    LUNG_MAXIMUM,
    Rating,
    RatingTable,
    labels_from_ratings,
    load_ratings,
)
from pneumoscore.errors import UnreadableFileError
from pneumoscore.severity.scale import SCALES


def test_a_label_is_the_mean_of_complete_totals():
    ratings = [
        Rating("a", "r1", "geographic_extent", 3, 4),
        Rating("a", "r2", "geographic_extent", 2, 4),
        Rating("a", "r3", "geographic_extent", 1, None),
        Rating("b", "r1", "geographic_extent", None, 1),
        Rating("c", "r1", "geographic_extent", 0, 1),
        Rating("a", "r1", "opacity", 1, 1),
    ]
    assert labels_from_ratings(ratings, "geographic_extent") == {"a": 6.5, "c": 1.0}
    assert labels_from_ratings(ratings, "geographic_extent", least_readers=2) == {"a": 6.5}


def test_lung_maxima_add_up_to_the_scales():
    assert {scale.name: 2 * LUNG_MAXIMUM[scale.name] for scale in SCALES} == {
        scale.name: scale.high for scale in SCALES
    }


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=6))
def test_labels_lie_within_the_readers_totals(scores):
    ratings = [
        Rating("film", f"r{index}", "geographic_extent", right, left)
        for index, (right, left) in enumerate(scores)
    ]
    label = labels_from_ratings(ratings, "geographic_extent")["film"]
    totals = [right + left for right, left in scores]
    assert min(totals) - 1e-9 <= label <= max(totals) + 1e-9


def test_impossible_and_repeated_ratings_are_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="right lung of a 4 on opacity"):
        Rating("a", "r1", "opacity", 4, 0)
    path = tmp_path / "r.csv"
    head = "file,reader,scale,right,left\n"
    path.write_text(head + "a,r1,opacity,1,2\na,r1,opacity,1,1\n")
    with pytest.raises(UnreadableFileError, match="scored a twice on opacity"):
        load_ratings(path)
    path.write_text(head + "a,r1,opacity,dense,2\n")
    with pytest.raises(UnreadableFileError, match="right lung of a nan"):
        load_ratings(path)


def test_ratings_from_a_table_and_one_more_reader(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(
        "file,reader,scale,right,left\na,r1,opacity,1,2\na,r2,opacity,,\nb,r2,opacity,3,3\n"
    )
    table = RatingTable.of(load_ratings(path), "opacity").with_reader("model", {"b": 5.2})
    assert (table.films, table.readers) == (("a", "b"), ("r1", "r2", "model"))
    np.testing.assert_array_equal(table.values, [[3, np.nan, np.nan], [np.nan, 6, 5.2]])
