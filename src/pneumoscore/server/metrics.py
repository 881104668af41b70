"""Counts for a monitoring system, without anything about patients."""

from __future__ import annotations

import threading
from collections import Counter

__all__ = ["Metrics"]

_KINDS = {
    "pneumoscore_requests_total": "Requests answered, by status class",
    "pneumoscore_films_total": "Films that went through, by outcome",
    "pneumoscore_sign_ins_total": "Sign-ins, by outcome",
}


class Metrics:
    """Counters by name and label."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, name: str, label: str) -> None:
        """Add one.

        Raises
        ------
        ValueError
            If the name is not known.
        """
        if name not in _KINDS:
            raise ValueError(f"no counter {name!r}")
        with self._lock:
            self._counts[name, label] += 1

    def text(self, gauges: dict[str, float]) -> str:
        """Return all in the Prometheus text format 0.0.4.

        Parameters
        ----------
        gauges : dict of str to float
            Values of the moment by name.
        """
        with self._lock:
            counts = sorted(self._counts.items())
        lines = []
        for name, text in _KINDS.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} counter"]
            lines += [f'{key}{{kind="{label}"}} {n}' for (key, label), n in counts if key == name]
        for name, value in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
