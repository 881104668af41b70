"""Routing from an Orthanc by its change log, so that no film is lost.

Orthanc's own Lua routing ends a job for a dead peer as a success and does not repeat it
(Orthanc 1.10.1). The change log is a numbered list of what came in; here each film of it is sent
synchronously, and the number is written down only after Orthanc says that it was taken. While the
listener is away, all films wait; a film that it refuses is put aside and tried again, and the
others go on.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pneumoscore.errors import PneumoScoreError
from pneumoscore.files import write_atomically
from pneumoscore.pacs.errors import PeerError
from pneumoscore.pacs.identity import MANUFACTURER
from pneumoscore.pacs.web import base_url, bounded_session

__all__ = ["Router", "RouterOptions"]

_FILMS = ("CR", "DX")
_PAGE = 100
_PAUSE_SECONDS = 1.0
_LONGEST_DELAY = 60.0
_ASIDE_SECONDS = 30.0
_KEPT_OUT = (401, 403)


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
        File with the number of the last change that was dealt with, and with what was put aside.
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


@dataclass(slots=True)
class _State:
    """How far a router is: the last change, and since when each film was put aside."""

    number: int = 0
    aside: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> _State:
        try:
            found = json.loads(path.read_text(encoding="ascii"))
            aside = {str(film): float(since) for film, since in found["aside"].items()}
            return cls(int(found["number"]), aside)
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PneumoScoreError(
                f"{path} cannot be used",
                "the state that a router wrote",
                "remove it to route everything again; the listener knows what it has",
            ) from error

    def write(self, path: Path) -> None:
        text = json.dumps({"number": self.number, "aside": self.aside})
        write_atomically(path, text.encode("ascii"))


class Router:
    """Sends each film that comes into an Orthanc to the listener.

    Parameters
    ----------
    options : RouterOptions
        From where to where.

    Attributes
    ----------
    sent, given_up : int
        Films.

    Raises
    ------
    SettingsError
        If the address is none (see `pneumoscore.pacs.web.base_url`).
    """

    def __init__(self, options: RouterOptions) -> None:
        self._options = options
        self._session = bounded_session()
        self._base = base_url(options.url)
        self._state = _State()
        self._aside_due = 0.0
        self.sent = 0
        self.given_up = 0

    @property
    def aside(self) -> int:
        """Films that are put aside."""
        return len(self._state.aside)

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Route until `stop`, or once through what is there.

        Raises
        ------
        PneumoScoreError
            If the state cannot be read or is another Orthanc's, or Orthanc does not let us in.
        """
        self._state = _State.read(self._options.state)
        checked = False
        while not stop.is_set():
            try:
                if not checked:
                    self._check_state()
                    checked = True
                page = self._get(f"/changes?since={self._state.number}&limit={_PAGE}")
            except PeerError:
                stop.wait(_PAUSE_SECONDS)
                continue
            for change in page["Changes"]:
                if change["ChangeType"] == "NewInstance" and not self._routed(change["ID"], stop):
                    return
                self._state.number = int(change["Seq"])
                self._state.write(self._options.state)
            self._try_aside()
            if page["Done"]:
                if once:
                    return
                stop.wait(_PAUSE_SECONDS)

    def _check_state(self) -> None:
        last = int(self._get("/changes?last")["Last"])
        if last < self._state.number:
            raise PneumoScoreError(
                f"{self._options.state} is at change {self._state.number}; Orthanc had {last}",
                "the state of this Orthanc",
                "remove it to route everything again; the listener knows what it has",
            )

    def _routed(self, instance: str, stop: threading.Event) -> bool:
        """Send one film until it is taken or put aside; False if we are told to stop before."""
        delay = 0.5
        while True:
            try:
                if not self._is_film(instance) or self._send(instance):
                    return True
                if self._listener_answers():
                    self._state.aside[instance] = time.time()
                    return True
            except PeerError:
                pass
            if stop.wait(delay):
                return False
            delay = min(2.0 * delay, _LONGEST_DELAY)

    def _try_aside(self) -> None:
        """Try again, now and then, what the listener refused."""
        if not self._state.aside or time.monotonic() < self._aside_due:
            return
        self._aside_due = time.monotonic() + _ASIDE_SECONDS
        for instance, since in list(self._state.aside.items()):
            try:
                taken = not self._is_film(instance) or self._send(instance)
            except PeerError:
                return
            too_old = time.time() - since > self._options.give_up_seconds
            self.given_up += too_old and not taken
            if taken or too_old:
                del self._state.aside[instance]
                self._state.write(self._options.state)

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
        asked = {"Resources": [instance], "Synchronous": True, "Timeout": 30}
        answer = self._post("store", asked)
        taken = answer is not None and answer.get("FailedInstancesCount") == 0
        self.sent += taken
        return taken

    def _listener_answers(self) -> bool:
        return self._post("echo", {}) is not None

    def _post(self, what: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Return what Orthanc says of a request to the listener; None if it failed."""
        import requests

        url = f"{self._base}/modalities/{self._options.modality}/{what}"
        try:
            answer = self._session.post(url, json=asked)
            return dict(answer.json()) if answer.ok else None
        except (requests.RequestException, ValueError, TypeError):
            return None

    def _get(self, path: str) -> Any:
        import requests

        try:
            answer = self._session.get(self._base + path)
            if answer.status_code == 404:
                raise LookupError(path)
            if answer.status_code in _KEPT_OUT:
                raise PneumoScoreError(
                    f"Orthanc answered {answer.status_code}",
                    "that it lets us in",
                    "put its name and password into ~/.netrc",
                )
            answer.raise_for_status()
            return answer.json()
        except (requests.RequestException, ValueError) as error:
            raise PeerError(f"Orthanc did not answer ({type(error).__name__})") from None
