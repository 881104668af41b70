"""Checks on a cohort before anything is computed from it; each fault is named and counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pneumoscore.cohort.types import Cohort
from pneumoscore.errors import CohortError
from pneumoscore.files import sha256_of
from pneumoscore.severity.scale import scale_named

__all__ = ["CohortError", "Fault", "check_cohort", "check_split", "count_faults", "refuse_faults"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a cohort.

    Attributes
    ----------
    kind : str
        ``"missing file"``, ``"no patient"``, ``"film listed twice"``, ``"duplicate film"``,
        ``"one film under two patients"``, ``"impossible score"`` or
        ``"patient on both sides"``.
    films : tuple of str
        Names of the films concerned.
    detail : str
        What exactly was found.
    """

    kind: str
    films: tuple[str, ...]
    detail: str


def _table_faults(cohort: Cohort) -> list[Fault]:
    faults = []
    for name, count in Counter(film.name for film in cohort).items():
        if count > 1:
            faults.append(Fault("film listed twice", (name,), f"listed {count} times"))
    for film in cohort:
        if not film.patient:
            faults.append(Fault("no patient", (film.name,), "its patient is empty"))
        for scale_name, value in film.labels.items():
            scale = scale_named(scale_name)
            if not scale.low <= value <= scale.high:
                faults.append(
                    Fault(
                        "impossible score",
                        (film.name,),
                        f"{scale_name} is {value:g}, outside {scale.low:g} to {scale.high:g}",
                    )
                )
    return faults


def _file_faults(cohort: Cohort) -> list[Fault]:
    """Missing files and equal files; two patients with one film are the worse fault."""
    faults = []
    by_hash: dict[str, dict[str, str]] = defaultdict(dict)
    for film in cohort:
        if not film.path.is_file():
            faults.append(Fault("missing file", (film.name,), "its image file does not exist"))
        else:
            by_hash[sha256_of(film.path)][film.name] = film.patient
    for films in by_hash.values():
        if len(films) < 2:
            continue
        patients = sorted(set(films.values()))
        kind = "duplicate film" if len(patients) == 1 else "one film under two patients"
        detail = f"the same file {len(films)} times, of {len(patients)} patient(s)"
        faults.append(Fault(kind, tuple(films), detail))
    return faults


def check_cohort(cohort: Cohort, read_files: bool = True) -> tuple[Fault, ...]:
    """Return the faults of a cohort.

    Parameters
    ----------
    cohort : Cohort
        Films and labels.
    read_files : bool, optional
        Whether to look for the image files and compare them by hash.

    Returns
    -------
    tuple of Fault
        Empty for a sound cohort.
    """
    faults = _table_faults(cohort)
    if read_files:
        faults += _file_faults(cohort)
    return tuple(faults)


def check_split(fitted: Cohort, tested: Cohort) -> tuple[Fault, ...]:
    """Return a fault for each patient with films on both sides of a split.

    Parameters
    ----------
    fitted, tested : Cohort
        What a model was fitted on, and what it is tested on; patients are compared by
        identifier, files by hash where they exist.
    """
    fitted_patients = {film.patient for film in fitted}
    shared: dict[str, list[str]] = defaultdict(list)
    for film in tested:
        if film.patient in fitted_patients:
            shared[film.patient].append(film.name)
    faults = [
        Fault("patient on both sides", tuple(names), f"{len(names)} tested film(s) of one patient")
        for names in shared.values()
    ]
    fitted_hashes = {sha256_of(film.path) for film in fitted if film.path.is_file()}
    flagged = {name for fault in faults for name in fault.films}
    for film in tested:
        if (
            film.name not in flagged
            and film.path.is_file()
            and sha256_of(film.path) in fitted_hashes
        ):
            faults.append(
                Fault("patient on both sides", (film.name,), "the same file under another patient")
            )
    return tuple(faults)


def count_faults(faults: Iterable[Fault]) -> dict[str, int]:
    """Return the number of faults of each kind, by kind."""
    counts = Counter(fault.kind for fault in faults)
    return {kind: counts[kind] for kind in sorted(counts)}


def refuse_faults(faults: Iterable[Fault], cohort: str) -> None:
    """Raise if there are faults.

    Raises
    ------
    CohortError
        With the count of each kind and the first film of each.
    """
    faults = tuple(faults)
    if not faults:
        return
    first: dict[str, Fault] = {}
    for fault in faults:
        first.setdefault(fault.kind, fault)
    parts = [
        f"{count} x {kind} (first: {first[kind].films[0]}, {first[kind].detail})"
        for kind, count in count_faults(faults).items()
    ]
    raise CohortError(
        f"cohort {cohort!r} has faults: " + "; ".join(parts),
        "a cohort without faults",
        "correct the table, or pass --allow-faults to leave the films concerned out",
    )
