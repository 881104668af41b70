"""Recent films against those that the model was fitted on."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from pneumoscore.records.site_schema import outcomes
from pneumoscore.records.writing import add_films
from pneumoscore.server.accounts import Role
from pneumoscore.server.clock import now
from pneumoscore.server.drift import measure_drift
from pneumoscore.server.films.outcomes import OutcomeLog, recent_films
from pneumoscore.server.reading.blinding import WithheldFilms, blinded_films
from pneumoscore.server.site import Site
from pneumoscore.severity.bundle import available_bundles, read_bundle
from pneumoscore.severity.fitted import FittedFilms
from tests.fixtures.records import MODEL, film_record
from tests.server.test_films import done, send
from tests.server.test_reading import Room

SHA = "e" * 64
NOBODY = WithheldFilms()
FITTED = FittedFilms(
    tuple(range(100)),
    {"opacity": tuple(np.random.default_rng(0).normal(3.0, 1.0, 100).round(2).tolist())},
    {"child": (1, 2)},
)


def outcome(value: float | None, patient: str, flags: tuple[str, ...] = ()) -> dict[str, object]:
    base = {"model_sha256": SHA, "metadata": {"patient_id": patient}, "flags": list(flags)}
    if value is None:
        return base
    return {**base, "score": {"scores": {"opacity": {"value": value}}, "flags": list(flags)}}


def days_back(site: Site, days: int) -> None:
    with site.records.writing() as connection:
        connection.execute(update(outcomes).values(at=now() - timedelta(days=days)))


def test_whole_days_are_compared_and_a_shift_is_named(site: Site) -> None:
    log = OutcomeLog(site.records)
    chance = np.random.default_rng(1)
    for n in range(90):
        flags = ("outside_training",) if n % 3 == 0 else ()
        log.add(outcome(float(chance.normal(5.0, 1.0)), f"p{n // 2}", flags), f"{n}", NOBODY)
    for n in range(20):
        log.add(outcome(None, f"q{n}", ("lateral",)), f"q{n}", NOBODY)
    log.add({"error": "no film", "reason": "unreadable"}, "x", NOBODY)
    assert measure_drift(site.records, SHA, FITTED, 7).films == 0  # today's count tomorrow
    days_back(site, 3)
    drift = measure_drift(site.records, SHA, FITTED, 30)
    assert (drift.films, drift.patients, drift.fitted_films) == (110, 65, 100)
    shifts = {(shift.name, shift.figure): shift for shift in drift.shifts}
    assert shifts["opacity", "mean"].drifted
    assert not shifts["opacity", "spread"].drifted
    assert shifts["outside_training", "share"].recent == pytest.approx(30 / 110)
    assert shifts["outside_training", "share"].drifted
    assert shifts["refused", "share"].drifted
    assert shifts["child", "share"].drifted is None
    assert measure_drift(site.records, SHA, None, 30).shifts == ()


def test_films_that_other_commands_record_count_too(site: Site) -> None:
    add_films(site.records, [film_record(f"p{n}", extent=n % 8) for n in range(12)], source="test")
    drift = measure_drift(site.records, MODEL.sha256, FITTED, 30)
    assert drift.films == 0
    tomorrow = now() + timedelta(days=1)
    sample = recent_films(site.records, MODEL.sha256, now() - timedelta(1), tomorrow, NOBODY)
    assert len(sample.patients) == 12
    blinded = WithheldFilms(sop_instance_uids=frozenset({"p3.0"}))
    sample = recent_films(site.records, MODEL.sha256, now() - timedelta(1), tomorrow, blinded)
    assert len(sample.patients) == 11


def test_a_blinded_film_counts_in_no_sum(site: Site, browser: Callable[..., TestClient]) -> None:
    room = Room(site, browser)
    assert blinded_films(site.records)
    send(room.readers[0], b"study film 3", "same.dcm")
    send(room.other, b"a film of nobody", "other.dcm")
    done(room.readers[0])
    done(room.other)
    begin, end = now() - timedelta(1), now() + timedelta(1)
    blinded = blinded_films(site.records)
    # The film of nobody was recorded under its patient; that of the study is in neither place.
    assert len(recent_films(site.records, MODEL.sha256, begin, end, blinded).patients) == 1
    assert len(recent_films(site.records, "0" * 64, begin, end, blinded).patients) == 0
    page = room.other.get("/model")
    assert page.status_code == 200
    assert "In use" in page.text


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_the_page_and_the_api_say_the_same(browser: Callable[..., TestClient]) -> None:
    client = browser("ada", Role.VIEWER)
    told = client.get("/api/v1/model").json()
    assert len(told["sha256"]) == 64
    drift = client.get("/api/v1/model/drift?days=7").json()
    assert drift["films"] == 0
    assert drift["fitted_films"] > 200
    text = client.get("/model?days=7").text
    assert told["sha256"] in text
    assert client.get("/model?days=8").status_code == 422


def test_the_built_in_model_knows_its_films() -> None:
    fitted = read_bundle(available_bundles()["severity"]).fitted
    assert fitted is not None
    assert set(fitted.scores) == {"geographic_extent", "opacity"}
    assert len(set(fitted.patients)) > 100
    assert 1.0 < float(np.mean(fitted.scores["geographic_extent"])) < 6.0
