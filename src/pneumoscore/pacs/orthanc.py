"""Routing from an Orthanc by its change log, so that no film is lost.

Orthanc's own Lua routing ends a job for a dead peer as a success and does not repeat it
(Orthanc 1.10.1). The change log is a numbered list of what came in; here each film of it is sent
synchronously, and the number is written down only after Orthanc says that it was taken.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pneumoscore.errors import PneumoScoreError
from pneumoscore.files import write_atomically
from pneumoscore.pacs.errors import PeerError
from pneumoscore.pacs.identity import MANUFACTURER

__all__ = ["Router", "RouterOptions"]

_FILMS = ("CR", "DX")
_PAGE = 100
_PAUSE_SECONDS = 1.0
_LONGEST_DELAY = 60.0
_SECONDS = (10.0, 120.0)


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """What a router is told.

    Attributes
    ----------
    url : str
        Orthanc's REST interface, as ``http://127.0.0.1:8042``.
    modality : str
        Name of the listener among Orthanc's ``DicomModalities``.
    state : Path
        File with the number of the last change that was dealt with.
    modalities : tuple of str
        Modality (0008,0060) of what is routed.
    give_up_seconds : float
        A film that is not taken for so long is left to `pneumoscore reconcile`.
    """

    url: str
    modality: str
    state: Path
    modalities: tuple[str, ...] = _FILMS
    give_up_seconds: float = 86400.0


class Router:
    """Sends each film that comes into an Orthanc to the listener.

    Parameters
    ----------
    options : RouterOptions
        From where to where.
    """

    def __init__(self, options: RouterOptions) -> None:
        import requests

        self._options = options
        self._session = requests.Session()
        self._base = options.url.rstrip("/")
        self.sent = 0
        self.given_up = 0

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Route until `stop`, or once through what is there.

        Raises
        ------
        PneumoScoreError
            If the state cannot be read.
        """
        number = self._read_state()
        while not stop.is_set():
            try:
                page = self._get(f"/changes?since={number}&limit={_PAGE}")
            except PeerError:
                stop.wait(_PAUSE_SECONDS)
                continue
            for change in page["Changes"]:
                if change["ChangeType"] == "NewInstance" and not self._routed(change["ID"], stop):
                    return
                number = int(change["Seq"])
                write_atomically(self._options.state, str(number).encode("ascii"))
            if page["Done"]:
                if once:
                    return
                stop.wait(_PAUSE_SECONDS)

    def _read_state(self) -> int:
        try:
            return int(self._options.state.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise PneumoScoreError(
                f"{self._options.state} holds no number",
                "the state that a router wrote",
                "remove it to route everything again; the listener knows what it has",
            ) from error

    def _routed(self, instance: str, stop: threading.Event) -> bool:
        """Send one film until it is taken; False if we are told to stop before."""
        end, delay = time.monotonic() + self._options.give_up_seconds, 0.5
        while True:
            try:
                if not self._is_film(instance) or self._send(instance):
                    return True
            except PeerError:
                pass
            if time.monotonic() > end:
                self.given_up += 1
                return True
            if stop.wait(delay):
                return False
            delay = min(2.0 * delay, _LONGEST_DELAY)

    def _is_film(self, instance: str) -> bool:
        try:
            tags = self._get(f"/instances/{instance}/simplified-tags")
        except LookupError:
            # Deleted since.
            return False
        return (
            tags.get("Modality") in self._options.modalities
            and tags.get("Manufacturer") != MANUFACTURER
        )

    def _send(self, instance: str) -> bool:
        import requests

        asked = {"Resources": [instance], "Synchronous": True, "Timeout": 30}
        try:
            answer = self._session.post(
                f"{self._base}/modalities/{self._options.modality}/store",
                json=asked,
                timeout=_SECONDS,
            )
            taken = answer.ok and answer.json().get("FailedInstancesCount") == 0
        except (requests.RequestException, ValueError):
            return False
        self.sent += taken
        return bool(taken)

    def _get(self, path: str) -> Any:
        import requests

        try:
            answer = self._session.get(self._base + path, timeout=_SECONDS)
            if answer.status_code == 404:
                raise LookupError(path)
            answer.raise_for_status()
            return answer.json()
        except (requests.RequestException, ValueError) as error:
            raise PeerError(f"Orthanc did not answer ({type(error).__name__})") from None
