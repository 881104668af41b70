"""The plan of a reader study: its options, and the order in which each reader sees its films."""

from __future__ import annotations

import json
import math
import random
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

from pneumoscore.server.errors import ReadingError

__all__ = ["PlannedItem", "StudyOptions", "reading_order"]

_TRIES = 200


def _drawn_seed() -> int:
    return secrets.randbits(62)


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """How a study is read.

    Attributes
    ----------
    instructions : str
        What readers see before the first film, as plain text.
    repeats : float
        Share of the films that each reader sees twice, in [0, 1].
    distance : int
        Least number of other films between a film and its repeat.
    pairs : bool
        Whether two consecutive films of a patient are also shown side by side, for change.
    reversed_pairs : float
        Share of the pairs that are shown a second time with their sides exchanged, in [0, 1].
    hide_dates : bool
        Whether the films' dates are hidden; pairs never show which film is the earlier.
    sitting : int
        Films after which a break is offered; 0 for never.
    seed : int
        Of every reader's order; drawn for each study, so that who reads in two of them meets no
        repeat at a place he knows.
    """

    instructions: str = ""
    repeats: float = 0.1
    distance: int = 10
    pairs: bool = False
    reversed_pairs: float = 1.0
    hide_dates: bool = True
    sitting: int = 25
    seed: int = field(default_factory=_drawn_seed)

    def __post_init__(self) -> None:
        for name in ("repeats", "reversed_pairs"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ReadingError(f"{name} is {value}", "a share between 0 and 1")
        if self.distance < 1 or self.sitting < 0:
            raise ReadingError(
                f"distance is {self.distance} and sitting {self.sitting}",
                "a distance of at least 1 and a sitting of 0 or more films",
            )

    def as_json(self) -> str:
        """Return the options as the records keep them."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> StudyOptions:
        """Return options that `as_json` wrote."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in json.loads(text).items() if name in known})


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One thing that a reader is shown.

    Attributes
    ----------
    film : str
        Identifier of a film of the study; of a pair the one on the screen's left.
    other : str or None
        Of a pair the film on the screen's right.
    repeat : bool
        Whether the reader has seen it before in this study.
    """

    film: str
    other: str | None = None
    repeat: bool = False


def reading_order(
    films: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    options: StudyOptions,
    reader: str,
) -> tuple[PlannedItem, ...]:
    """Return what one reader sees, in order.

    Films come first, shuffled, a share of them twice; then pairs, shuffled, each with a random
    side for the earlier film, a share of them again with the sides exchanged. A film and its
    repeat, and a pair and its reversal, lie at least `options.distance` items apart. The order
    depends on the seed and the reader's name alone.

    Parameters
    ----------
    films : sequence of str
        Identifiers.
    pairs : sequence of tuple of str
        Earlier and later film of a patient.
    options : StudyOptions
        The study's.
    reader : str
        Name of the reader.

    Raises
    ------
    ReadingError
        If there are too few films for that distance.
    """
    chance = random.Random(f"{options.seed}\0{reader}")
    singles = [PlannedItem(film) for film in films]
    again = [
        PlannedItem(film, repeat=True)
        for film in chance.sample(list(films), math.ceil(options.repeats * len(films)))
    ]
    first = _spread(singles, again, options.distance, chance)
    if not options.pairs:
        return first
    shown = [PlannedItem(*(pair if chance.random() < 0.5 else pair[::-1])) for pair in pairs]
    turned = [
        PlannedItem(str(item.other), item.film, repeat=True)
        for item in chance.sample(shown, math.ceil(options.reversed_pairs * len(shown)))
    ]
    return (*first, *_spread(shown, turned, options.distance, chance))


def _same(first: PlannedItem, second: PlannedItem) -> bool:
    return {first.film, first.other} == {second.film, second.other}


def _spread(
    once: Sequence[PlannedItem],
    again: Sequence[PlannedItem],
    distance: int,
    chance: random.Random,
) -> tuple[PlannedItem, ...]:
    """Return a random order in which each of `again` comes late enough after its first."""
    if not again:
        order = list(once)
        chance.shuffle(order)
        return tuple(order)
    for _ in range(_TRIES):
        order = list(once)
        chance.shuffle(order)
        if (placed := _insert(order, again, distance, chance)) is not None:
            return tuple(placed)
    raise ReadingError(
        f"{len(once)} items with {len(again)} repeats cannot be read {distance} items apart",
        f"at least {distance + len(again)} items",
        "choose a smaller distance or fewer repeats",
    )


def _insert(
    order: list[PlannedItem],
    again: Sequence[PlannedItem],
    distance: int,
    chance: random.Random,
) -> list[PlannedItem] | None:
    """Insert the repeats one by one; None if one finds no place.

    An insertion moves everything behind it by one, which only widens distances that it
    lies within, and none is narrowed.
    """
    for item in chance.sample(list(again), len(again)):
        first = next(index for index, seen in enumerate(order) if _same(seen, item))
        earliest = first + distance + 1
        if earliest > len(order):
            return None
        order.insert(chance.randint(earliest, len(order)), item)
    return order
