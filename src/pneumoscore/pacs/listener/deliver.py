"""From the outbox to one target, again and again until it has everything."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence

from pneumoscore.pacs.deliveries import Delivery
from pneumoscore.pacs.identity import own_uid
from pneumoscore.pacs.listener.journal import Journal
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pacs.targets import Parcel, Sent, Target

__all__ = ["Deliverer"]

_IDLE_SECONDS = 2.0
_REPORT_SECONDS = 600.0


class Deliverer:
    """Delivers to one target.

    Parameters
    ----------
    outbox : Outbox
        What is owed.
    target : Target
        To whom.
    journal : Journal
        What happens is said there.
    commit : bool
        Ask an archive to commit itself to what it got.
    """

    def __init__(self, outbox: Outbox, target: Target, journal: Journal, *, commit: bool) -> None:
        self._outbox = outbox
        self._target = target
        self._journal = journal
        self._commit = commit
        self.wake = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop`; `wake` says that there may be something new."""
        while not stop.is_set():
            try:
                busy = self.deliver()
                if self._commit:
                    self.ask_for_commitment()
                pause = 0.0 if busy else self._pause()
            except (OSError, sqlite3.Error) as error:
                self._journal.say("outbox cannot be used", reason=type(error).__name__)
                pause = _IDLE_SECONDS
            except Exception as error:
                # A fault of ours must not end what delivers; what is owed stays owed.
                self._journal.say("internal error in delivery", reason=type(error).__name__)
                pause = _IDLE_SECONDS
            if pause:
                self.wake.wait(pause)
                self.wake.clear()

    def _pause(self) -> float:
        due = self._outbox.next_due(self._target.name)
        return _IDLE_SECONDS if due is None else min(max(due - time.time(), 0.05), _IDLE_SECONDS)

    def deliver(self) -> bool:
        """Send what is due; whether there was anything."""
        parcels = self._outbox.owed(self._target.name)
        if not parcels:
            return False
        done = 0
        errors: dict[str, int] = {}
        for sent in self._sent(parcels):
            if sent.error is None:
                self._outbox.sent(sent.uid, self._target.name)
                done += 1
                continue
            errors[sent.error] = errors.get(sent.error, 0) + 1
            state = self._outbox.failed(sent.uid, self._target.name, sent.error, final=sent.final)
            if state is Delivery.DEAD:
                self._journal.say("delivery given up", target=self._target.name, reason=sent.error)
        if done:
            self._journal.say("results delivered", target=self._target.name, objects=done)
        for reason, count in errors.items():
            self._journal.say(
                "delivery failed", target=self._target.name, objects=count, reason=reason
            )
        return True

    def _sent(self, parcels: Sequence[Parcel]) -> list[Sent]:
        try:
            return self._target.send(parcels)
        except Exception as error:
            # A fault of ours: tried again later, like what a target refuses.
            reason = f"internal error ({type(error).__name__})"
            return [Sent(parcel.uid, reason) for parcel in parcels]

    def ask_for_commitment(self) -> None:
        """Ask for what was sent and not asked for, or asked for in vain."""
        from pneumoscore.pacs.targets.dicom import StoreTarget

        if not isinstance(self._target, StoreTarget):
            return
        commitments = self._outbox.commitments
        objects = commitments.to_ask(self._target.name, _REPORT_SECONDS)
        if not objects:
            return
        transaction = own_uid("commitment", str(time.time_ns()), *(uid for _, uid in objects))
        # First noted: the report may come before the answer.
        commitments.asked([uid for _, uid in objects], self._target.name, transaction)
        error = self._target.request_commitment(transaction, objects)
        if error is not None:
            commitments.not_asked(transaction)
            self._journal.say("commitment not asked", target=self._target.name, reason=error)
