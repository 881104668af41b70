"""The ward as the pages ask for it: read once, whoever looks, until something changes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

from pneumoscore.errors import RecordsError
from pneumoscore.monitor.change.rules import read_rules
from pneumoscore.monitor.judged import errors_of
from pneumoscore.monitor.ward import Ward, WardChoice, ward_overview
from pneumoscore.records.database import Records
from pneumoscore.records.reading import read_models
from pneumoscore.server.follow.news import latest_entry

__all__ = ["WardBoard"]

_SECONDS = 60.0
"""Days are counted back from now, so a ward is read again after so long in any case."""


class WardBoard:
    """The last wards that were asked for.

    Parameters
    ----------
    most : int, optional
        How many are kept.
    """

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, WardChoice], tuple[int, float, Ward]] = OrderedDict()
        self._lock = threading.Lock()

    def ward(
        self,
        records: Records,
        scale: str,
        choice: WardChoice,
        hidden: frozenset[int] = frozenset(),
        rules: Path | None = None,
    ) -> Ward | None:
        """Return the ward; None while no scores are recorded.

        Parameters
        ----------
        records : Records
            Open.
        scale : str
            Which score.
        choice : WardChoice
            Which patients, and in which order.
        hidden : frozenset of int, optional
            Patients who are withheld from who looks.
        rules : Path, optional
            A site's own rules.
        """
        choice = replace(choice, without=hidden)
        with self._lock:
            entry = latest_entry(records)
            kept = self._kept.get((scale, choice))
            if kept is not None and kept[0] == entry and time.monotonic() - kept[1] < _SECONDS:
                return kept[2]
            models = read_models(records)
            if not models:
                return None
            errors, _ = errors_of(models[-1])
            try:
                ward = ward_overview(records, scale, read_rules(rules), errors, choice)
            except RecordsError:
                return None
            self._kept[scale, choice] = entry, time.monotonic(), ward
            self._kept.move_to_end((scale, choice))
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return ward
