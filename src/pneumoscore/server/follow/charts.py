"""Charts of timelines, drawn one at a time and kept for a while."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from pneumoscore.monitor.judged import Judged

__all__ = ["Drawings"]


class Drawings:
    """The last charts that were drawn, by all that is on them.

    Matplotlib's settings are the process's, so one chart is drawn at a time.

    Parameters
    ----------
    most : int, optional
        How many are kept.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def chart(self, judged: Judged) -> bytes:
        """Return a timeline's chart as an SVG file in the colours of the reader's scheme."""
        from pneumoscore.monitor.pictures.timeline import timeline_figure
        from pneumoscore.present.plot_style import scheme_svg

        key = hashlib.sha256(repr(judged).encode("utf-8", "surrogatepass")).hexdigest()
        with self._lock:
            if key not in self._kept:
                figure = timeline_figure(judged.timeline, judged.verdict, heading=False)
                self._kept[key] = scheme_svg(figure, "Timeline")
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return self._kept[key]
