"""The order in which a reader sees a study."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.server.errors import ReadingError
from pneumoscore.server.reading.plan import PlannedItem, StudyOptions, reading_order


def places(order: tuple[PlannedItem, ...]) -> dict[frozenset[str | None], list[int]]:
    found: dict[frozenset[str | None], list[int]] = {}
    for place, item in enumerate(order):
        found.setdefault(frozenset({item.film, item.other}), []).append(place)
    return found


@given(
    st.integers(20, 80),
    st.sampled_from([0.0, 0.1, 0.25]),
    st.integers(1, 8),
    st.integers(0, 50),
)
def test_every_film_once_and_repeats_late_enough(
    count: int, repeats: float, distance: int, seed: int
) -> None:
    films = [f"f{n}" for n in range(count)]
    options = StudyOptions(repeats=repeats, distance=distance, seed=seed)
    order = reading_order(films, [], options, "reader-1")
    assert sorted(item.film for item in order if not item.repeat) == sorted(films)
    again = [item for item in order if item.repeat]
    assert len(again) == -(-count * int(100 * repeats) // 100)
    for seen in places(order).values():
        assert len(seen) <= 2
        if len(seen) == 2:
            assert seen[1] - seen[0] > distance


def test_orders_differ_between_readers_and_stay_the_same_for_one() -> None:
    films = [f"f{n}" for n in range(30)]
    options = StudyOptions()
    first = reading_order(films, [], options, "reader-1")
    assert first == reading_order(films, [], options, "reader-1")
    assert first != reading_order(films, [], options, "reader-2")


def test_no_study_has_the_order_of_another() -> None:
    films = [f"f{n}" for n in range(40)]

    def repeats(options: StudyOptions) -> list[int]:
        order = reading_order(films, [], options, "reader-1")
        return [place for place, item in enumerate(order) if item.repeat]

    drawn = [StudyOptions() for _ in range(5)]
    assert len({item.seed for item in drawn}) == 5
    assert len({tuple(repeats(item)) for item in drawn}) > 1
    # The kept options give the order again.
    assert repeats(StudyOptions.from_json(drawn[0].as_json())) == repeats(drawn[0])


def test_reversed_pairs_exchange_the_sides_and_hide_which_is_earlier() -> None:
    films = [f"f{n}" for n in range(40)]
    pairs = [(f"f{n}", f"f{n + 1}") for n in range(0, 40, 2)]
    options = StudyOptions(repeats=0.0, pairs=True, distance=5, seed=1)
    order = [item for item in reading_order(films, pairs, options, "reader-1") if item.other]
    first = {frozenset({i.film, i.other}): i for i in order if not i.repeat}
    again = {frozenset({i.film, i.other}): i for i in order if i.repeat}
    assert len(first) == len(again) == 20
    for key, item in again.items():
        assert (item.film, item.other) == (first[key].other, first[key].film)
    earlier_left = sum((item.film, item.other) in pairs for item in first.values())
    assert 3 <= earlier_left <= 17


def test_a_distance_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ReadingError, match="smaller distance"):
        reading_order(["a", "b", "c"], [], StudyOptions(repeats=1.0, distance=10), "reader-1")
    with pytest.raises(ReadingError, match="between 0 and 1"):
        StudyOptions(repeats=1.5)


def test_options_come_back_as_they_were() -> None:
    options = StudyOptions("Lies genau", 0.2, 4, True, 0.5, False, 10, 7)
    assert StudyOptions.from_json(options.as_json()) == options
