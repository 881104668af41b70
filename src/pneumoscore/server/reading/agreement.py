"""Agreement of a locked study's readers, and of the model once it is unblinded."""

from __future__ import annotations

from pneumoscore.present.table import Table
from pneumoscore.server.reading.results import SCALES, StudyResults
from pneumoscore.server.reading.study import ReaderStudy
from pneumoscore.server.site import Site

__all__ = ["agreement_tables", "kept_agreement"]

_MODEL = "model"
_LEAST_FILMS = 3
_KEPT = 32
"""Studies whose agreement is kept in memory."""


def agreement_tables(results: StudyResults, repeats: int = 500) -> tuple[Table, ...]:
    """Return the readers' agreement, their pairs, and the model as one more reader.

    Parameters
    ----------
    results : StudyResults
        Of a locked study; with the model's scores after the unblinding.
    repeats : int, optional
        Of the bootstrap over patients.

    Returns
    -------
    tuple of Table
        Empty while fewer than two readers scored three films.
    """
    from pneumoscore.study.agreement import (
        agreement_table,
        interchange_table,
        measure_agreement,
        pair_table,
    )

    found = []
    for scale in SCALES:
        table = results.table(scale)
        if len(table.films) < _LEAST_FILMS or len(table.readers) < 2:
            continue
        scores = dict(results.model.get(scale, {}))
        named = table.with_reader(_MODEL, scores) if scores else table
        model = _MODEL if scores else None
        found.append(measure_agreement(named, results.patients, model, repeats=repeats))
    if not found:
        return ()
    tables = [agreement_table(found, "Agreement of the readers"), pair_table(found)]
    if any(item.interchange for item in found):
        tables.append(interchange_table(found))
    return tuple(tables)


def kept_agreement(site: Site, study: ReaderStudy, results: StudyResults) -> tuple[Table, ...]:
    """Return the agreement of a locked study, which is simulated once.

    Parameters
    ----------
    site : Site
        Where it is kept.
    study : ReaderStudy
        Locked or unblinded.
    results : StudyResults
        Of it.
    """
    key = (study.id, study.state.value)
    found = site.agreements.get(key)
    if found is None:
        if len(site.agreements) >= _KEPT:
            site.agreements.clear()
        found = site.agreements[key] = agreement_tables(results)
    return found
