"""Images that fit the gate: each under the name of one person."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.gate_images import gate_patients
from training.leakage import one_person, people_of_films


def test_numbers_and_stays_that_any_film_joins_are_one_person() -> None:
    people = {
        "a": {"patient 7"},
        "b": {"stay x"},
        "c": {"patient 9"},
        "d": {"stay x", "patient 7"},
        "e": {"stay y", "stay x"},
        "f": set[str](),
    }
    assert one_person(people) == {
        "patient 7": "patient 7",
        "patient 9": "patient 9",
        "stay x": "patient 7",
        "stay y": "patient 7",
    }


@pytest.mark.shared_data
def test_no_person_is_two_patients_of_the_gate(shared_data: Path) -> None:
    patients = gate_patients(shared_data)
    of_person: dict[str, set[str]] = {}
    for name, own in people_of_films(shared_data).items():
        for person in own:
            of_person.setdefault(person, set()).add(patients[name])
    assert of_person
    assert all(len(names) == 1 for names in of_person.values())
    # Lateral films are of patients whose frontal ones lie in other folders.
    lateral = {who for name, who in patients.items() if name.startswith("other_views/")}
    assert lateral & {who for name, who in patients.items() if name.startswith("cohen_other/")}
