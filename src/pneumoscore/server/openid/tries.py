"""Sign-ins that are under way at a provider."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

__all__ = ["SignInTries", "SignInTry"]

_SECONDS = 600.0
_MOST = 1000


@dataclass(frozen=True, slots=True)
class SignInTry:
    """One sign-in under way.

    Attributes
    ----------
    state, nonce, verifier : str
        Random: against forged answers, replayed tokens and stolen codes.
    browser : str
        What the browser that began it must bring back in a cookie.
    target : str
        Where to go on to.
    at : float
        When it began, on the monotonic clock.
    """

    target: str
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    browser: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    at: float = field(default_factory=time.monotonic)


class SignInTries:
    """Those under way, in memory: some, for some minutes, each used once."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, SignInTry] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, target: str) -> SignInTry:
        """Return a new one; the oldest is forgotten where there are too many."""
        begun = SignInTry(target)
        with self._lock:
            self._tries[begun.state] = begun
            while len(self._tries) > _MOST:
                self._tries.popitem(last=False)
        return begun

    def end(self, state: str, browser: str | None) -> SignInTry | None:
        """Return and forget the one of a state, if this browser began it and not too long ago."""
        with self._lock:
            found = self._tries.pop(state, None)
        if found is None or browser is None or time.monotonic() - found.at > _SECONDS:
            return None
        return found if hmac.compare_digest(found.browser.encode(), browser.encode()) else None
